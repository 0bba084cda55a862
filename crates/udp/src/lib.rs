//! Batches of datagrams: many received or sent with one system call, each with the address that it was
//! sent to, so that a reply leaves from where the client asked.
//!
//! Bytes and addresses only; no DNS, no async. A caller waits for readiness by its own means and then
//! calls [`Inbox::receive`], which does not block:
//!
//! ```text
//!  socket ─► Inbox::receive() ─► datagram 0, 1, 2 … ─► Outbox::push(bytes, to, from) ─► Outbox::flush()
//! ```
//!
//! This is the one crate with `unsafe`: the pointers that `recvmmsg(2)` and `sendmmsg(2)` take are made
//! anew for each call, from buffers that the call borrows.

mod address;
mod bind;
mod inbox;
mod outbox;

pub use bind::bind;
pub use inbox::{Datagram, Inbox};
pub use outbox::Outbox;

#[cfg(test)]
mod tests;
