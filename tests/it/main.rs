//! The whole server through its sockets.
//!
//! Every test starts the real binary on free loopback ports with a Corefile in a folder of its own, asks it
//! through real sockets, and ends it by its process ID.
//!
//! | module | what it holds the server to |
//! |---|---|
//! | [`harness`] | what the tests share: server process, client, upstreams, dialogs |
//! | [`scenarios`] | every folder in `tests/scenarios`: a Corefile, objects and a dialog of queries and replies |
//! | [`cluster`] | a real API server: watches, permissions, outages |
//! | [`listener`] | messages, transports and addresses, as the RFCs have them |
//! | [`faults`] | upstreams that fail, and the end of the process under load |
//! | [`reload`] | a changed Corefile under load |
//! | [`hostile`] | clients that mean harm |
//! | [`command_line`] | flags, exit codes, `check` |
//! | [`metrics`] | what is counted |
//! | [`docs`] | what the READMEs say |
//!
//! A test that needs something this machine lacks says so on standard error, past the test runner, and
//! leaves a line in `target/tmp/left-out`.

mod cluster;
mod command_line;
mod docs;
mod faults;
mod harness;
mod hostile;
mod listener;
mod metrics;
mod reload;
mod scenarios;
