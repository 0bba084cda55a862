//! Real sockets on loopback. Where a test says how long something may take it does so by the order of events, never
//! by the clock.

mod config;
mod faults;
mod options;
mod parts;
mod secure;
mod share;

use plugin::proto::op::{Message, ResponseCode};
use plugin::{Chain, Reply, ServeError};
use testkit::{Kit, StubUpstream};

use super::PLUGIN;

/// A chain of nothing but `forward`.
fn forward(kit: &Kit, text: &str) -> Chain {
    kit.chain(&[(&PLUGIN, text)]).unwrap_or_else(|diagnostics| panic!("{text}\n{diagnostics}"))
}

/// The answer section of a reply, or the RCODE and the error.
fn told(reply: Result<Reply, ServeError>) -> String {
    match reply {
        Ok(reply) => {
            let message = reply.into_message().expect("forward is never silent");
            let rcode = message.metadata.response_code;
            match &*testkit::lines(&message.answers) {
                [] => format!("{rcode:?}"),
                lines => lines.join("; "),
            }
        }
        Err(error) => format!("{:?}: {error}", error.rcode()),
    }
}

/// A stub that answers every query with an A record of this address.
async fn answering(address: &str) -> StubUpstream {
    StubUpstream::answering(&format!("x. 60 IN A {address}")).await
}

/// A stub that answers every query with this RCODE.
async fn saying(rcode: ResponseCode) -> StubUpstream {
    StubUpstream::start(move |query| {
        let mut reply = StubUpstream::reply_to(&query);
        reply.metadata.response_code = rcode;
        Some(reply)
    })
    .await
}

/// An address where nobody listens.
fn closed() -> std::net::SocketAddr {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.local_addr().expect("a bound socket has an address")
}

fn truncated(query: &Message) -> Message {
    let mut reply = StubUpstream::reply_to(query);
    reply.metadata.truncation = true;
    reply
}
