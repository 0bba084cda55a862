//! Answers QTYPE `ANY` with one synthesized HINFO record (RFC 8482 §4.2).
//!
//! `ANY` asks for everything at a name. The full answer is large, which suits amplification attacks and
//! hardly any client, so one small record stands in for it. Every other QTYPE goes to the next plugin.

use plugin::proto::rr::rdata::HINFO;
use plugin::proto::rr::{RData, Record, RecordType};
use plugin::{
    Diagnostic, Next, Plugin, PluginSpec, Replay, Reply, Request, ServeError, Setup, async_trait,
};

/// The `any` directive; it takes no arguments and no block.
pub const PLUGIN: PluginSpec = PluginSpec { name: "any", setup };

fn setup(setup: &mut Setup<'_>) -> Result<Box<dyn Plugin>, Diagnostic> {
    for directive in setup.directives {
        directive.expect_bare()?;
    }
    Ok(Box::new(Any))
}

struct Any;

#[async_trait]
impl Plugin for Any {
    async fn serve(&self, request: &Request, next: Next<'_>) -> Result<Reply, ServeError> {
        if request.qtype() != RecordType::ANY {
            return next.serve(request).await;
        }
        let hinfo = HINFO::new("ANY obsoleted".into(), "See RFC 8482".into());
        let mut reply = request.reply();
        reply.add_answer(Record::from_rdata(
            request.qname().clone(),
            TTL_SECS,
            RData::HINFO(hinfo),
        ));
        Ok(Reply::from(reply).replay_while(Replay::while_unchanged([])))
    }

    /// Question in, constants out.
    fn is_pure(&self) -> bool {
        true
    }
}

/// CoreDNS's value: a little over two hours, and recognizable.
const TTL_SECS: u32 = 8482;

#[cfg(test)]
mod tests;
