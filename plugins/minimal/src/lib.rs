//! Leaves the authority and additional sections out of answers that do not need them.
//!
//! A resolver that asks for an address has no use for the name servers of the zone; the octets cost
//! bandwidth and, beyond the UDP payload size, a second query over TCP. Denials, errors and referrals are
//! nothing without these sections and stay whole.

use plugin::proto::op::{Message, OpCode, ResponseCode};
use plugin::proto::rr::RecordType;
use plugin::{
    Diagnostic, Next, Plugin, PluginSpec, Reply, Request, ServeError, Setup, async_trait,
};

/// The `minimal` directive; it takes no arguments and no block.
pub const PLUGIN: PluginSpec = PluginSpec { name: "minimal", setup };

fn setup(setup: &mut Setup<'_>) -> Result<Box<dyn Plugin>, Diagnostic> {
    for directive in setup.directives {
        directive.expect_bare()?;
    }
    Ok(Box::new(Minimal))
}

struct Minimal;

#[async_trait]
impl Plugin for Minimal {
    async fn serve(&self, request: &Request, next: Next<'_>) -> Result<Reply, ServeError> {
        let mut reply = next.serve(request).await?;
        if let Some(message) = reply.message_mut()
            && is_answer(message)
        {
            message.authorities.clear();
            message.additionals.clear();
            // What an upstream said about itself is no news of ours; the server puts its own there.
            message.edns = None;
        }
        Ok(reply)
    }

    /// The same reply is shortened in the same way.
    fn is_pure(&self) -> bool {
        true
    }
}

/// Whether the reply says yes, and says it in its answer section.
fn is_answer(reply: &Message) -> bool {
    let has = |wanted| reply.authorities.iter().any(|record| record.record_type() == wanted);
    if reply.metadata.response_code != ResponseCode::NoError || is_meta(reply) {
        return false;
    }
    // RFC 2308 §2.2: no data has an SOA record there, and a referral has NS records.
    !reply.answers.is_empty() || !(has(RecordType::SOA) || has(RecordType::NS))
}

/// Whether it is about zones instead of names: updates, notifications, transfers.
fn is_meta(reply: &Message) -> bool {
    let is_transfer = |qtype| matches!(qtype, RecordType::AXFR | RecordType::IXFR);
    reply.metadata.op_code != OpCode::Query
        || reply.queries.first().is_some_and(|query| is_transfer(query.query_type()))
}

#[cfg(test)]
mod tests;
