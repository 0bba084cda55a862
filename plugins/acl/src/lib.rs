//! Allows, blocks, filters or drops queries by zone, type and client address.
//!
//! ```text
//!   acl ZONES { policy, policy, … }     the first policy that matches decides
//!   acl ZONES { policy, … }             asked where none of the rules before decided
//!   …                                   and nobody deciding allows
//! ```
//!
//! A refusal says so with an extended DNS error (RFC 8914), in an OPT record that it brings along even
//! where the client sent none, as CoreDNS does.

mod config;
mod metrics;

use plugin::proto::op::{Edns, Message, ResponseCode};
use plugin::proto::rr::rdata::opt::EdnsOption;
use plugin::{
    Diagnostic, Ede, Next, Plugin, PluginSpec, Replay, Reply, Request, ServeError, Setup,
    async_trait,
};

use crate::config::{Action, Rule};
use crate::metrics::Metrics;

/// The `acl` directive.
pub const PLUGIN: PluginSpec = PluginSpec { name: "acl", setup };

#[expect(clippy::unnecessary_wraps, reason = "the signature of every plugin's set-up")]
fn setup(setup: &mut Setup<'_>) -> Result<Box<dyn Plugin>, Diagnostic> {
    let rules = Rule::parse_all(setup);
    let is_pure = !rules.iter().any(Rule::depends_on_client);
    Ok(Box::new(Acl { rules, is_pure, metrics: Metrics::declare(setup.metrics) }))
}

struct Acl {
    rules: Vec<Rule>,
    /// Whether no rule looks at the client's address.
    is_pure: bool,
    metrics: Metrics,
}

#[async_trait]
impl Plugin for Acl {
    async fn serve(&self, request: &Request, next: Next<'_>) -> Result<Reply, ServeError> {
        let (action, zone) = self.verdict(request);
        let mut reply = match action {
            Action::Allow => {
                let allowed = self.metrics.allowed(request);
                return match next.serve(request).await {
                    Ok(mut reply) => {
                        reply.count(&allowed);
                        Ok(reply)
                    }
                    Err(error) => {
                        allowed.inc();
                        Err(error)
                    }
                };
            }
            Action::Block => Reply::from(denial(request, ResponseCode::Refused, Ede::BLOCKED)),
            Action::Filter => Reply::from(denial(request, ResponseCode::NoError, Ede::FILTERED)),
            Action::Drop => Reply::silence(),
        };
        if self.is_pure && action != Action::Drop {
            reply.set_replay(Replay::while_unchanged([]));
        }
        reply.count(&self.metrics.denied(action, request, zone));
        Ok(reply)
    }

    /// Only where no rule looks at the client's address: a replay does not know it.
    fn is_pure(&self) -> bool {
        self.is_pure
    }
}

impl Acl {
    /// What is to be done, and the zone of the rule that says so.
    fn verdict(&self, request: &Request) -> (Action, &str) {
        let client = request.client().ip().to_canonical();
        for rule in &self.rules {
            let Some(zone) = rule.zone(request.qname()) else { continue };
            if let Some(action) = rule.action(request.qtype(), client) {
                return (action, zone);
            }
        }
        (Action::Allow, "")
    }
}

/// An empty reply with an extended error.
fn denial(request: &Request, rcode: ResponseCode, ede: u16) -> Message {
    let mut edns = Edns::new();
    edns.set_max_payload(UDP_PAYLOAD_SIZE);
    edns.set_dnssec_ok(true);
    // RFC 8914 §2: the INFO-CODE; the EXTRA-TEXT stays empty.
    edns.options_mut().insert(EdnsOption::Unknown(EDE, ede.to_be_bytes().to_vec()));
    let mut reply = request.reply_with(rcode);
    reply.set_edns(edns);
    reply
}

/// The option code of extended DNS errors.
const EDE: u16 = 15;

/// For clients that sent no OPT record: the others get their own size back.
const UDP_PAYLOAD_SIZE: u16 = 4096;

#[cfg(test)]
mod tests;
