//! Telling secondaries that a zone has changed (RFC 1996).
//!
//! Each zone has one task. It tells every secondary of the zone once at the start and once for each new
//! serial, and tries three times; a secondary that misses all of them finds out when its refresh timer
//! ends.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use plugin::capability::{Capabilities, Transfer};
use plugin::proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use plugin::proto::rr::{Name, RecordType};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::config::{Config, Rule, Secondary};
use crate::serve::TARGET;

/// Tells of all zones until the set is dropped.
pub(crate) fn announce(config: &Config, capabilities: &Capabilities) -> JoinSet<()> {
    let mut announcing = JoinSet::new();
    for source in capabilities.all::<dyn Transfer>() {
        for origin in source.origins() {
            let rule = config.rule(&origin).filter(|rule| !rule.secondaries.is_empty());
            if let Some(rule) = rule {
                announcing.spawn(follow(Arc::clone(&source), origin, rule.clone()));
            }
        }
    }
    announcing
}

async fn follow(source: Arc<dyn Transfer>, origin: Name, rule: Rule) {
    let mut known = None;
    loop {
        known = Some(source.serial_after(&origin, known).await);
        join_all(rule.secondaries.iter().map(|secondary| tell(secondary, &origin, rule.source)))
            .await;
        tracing::debug!(target: TARGET, "Sent notifies for zone \"{origin}\"");
    }
}

/// Tells one secondary, until it says that it has understood or has been told three times.
async fn tell(secondary: &Secondary, origin: &Name, source: Option<IpAddr>) {
    for n_left in (0..TRIES).rev() {
        let refusal = match exchange(secondary, origin, source).await {
            Ok(ResponseCode::NoError) => return,
            Ok(rcode) => {
                let mut refusal = String::from("rcode was ");
                plugin::names::push_rcode(&mut refusal, rcode);
                refusal
            }
            Err(error) => error.to_string(),
        };
        if n_left == 0 {
            tracing::warn!(
                target: TARGET,
                "notify for zone \"{origin}\" was not accepted by \"{secondary}\": {refusal}"
            );
        } else {
            sleep(PAUSE).await;
        }
    }
}

/// Sends one NOTIFY and waits for its reply.
async fn exchange(
    secondary: &Secondary,
    origin: &Name,
    source: Option<IpAddr>,
) -> io::Result<ResponseCode> {
    let address = secondary.socket_address()?;
    let any = match address.ip() {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((source.unwrap_or(any), 0)).await?;
    socket.connect(address).await?;
    let id = rand::random();
    let mut query = Message::new(id, MessageType::Query, OpCode::Notify);
    // RFC 1996 §4.5.
    query.metadata.authoritative = true;
    query.add_query(Query::query(origin.clone(), RecordType::SOA));
    socket.send(&query.to_vec().map_err(io::Error::other)?).await?;
    let mut octets = [0; 512];
    let replied = async {
        loop {
            let len = socket.recv(&mut octets).await?;
            // Whatever else comes in is not for us.
            if let Ok(reply) = Message::from_vec(&octets[..len])
                && reply.metadata.id == id
                && reply.metadata.message_type == MessageType::Response
            {
                return Ok(reply.metadata.response_code);
            }
        }
    };
    timeout(PATIENCE, replied).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

const TRIES: u32 = 3;
/// For one reply.
const PATIENCE: Duration = Duration::from_secs(2);
/// From one try to the next: secondaries are often started together with us.
const PAUSE: Duration = Duration::from_secs(1);
