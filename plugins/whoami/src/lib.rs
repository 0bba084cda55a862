//! Answers every query with the client's address and port: what a server sees of its clients.
//!
//! The answer section stays empty; the addresses stand in the additional section, so the reply fits
//! whatever type was asked for.

use std::net::IpAddr;

use plugin::proto::rr::rdata::{A, AAAA, SRV};
use plugin::proto::rr::{Name, RData, Record};
use plugin::{
    Diagnostic, Next, Plugin, PluginSpec, Reply, Request, ServeError, Setup, async_trait,
};

/// The `whoami` directive; it takes no arguments and no block.
pub const PLUGIN: PluginSpec = PluginSpec { name: "whoami", setup };

fn setup(setup: &mut Setup<'_>) -> Result<Box<dyn Plugin>, Diagnostic> {
    for directive in setup.directives {
        directive.expect_bare()?;
    }
    Ok(Box::new(Whoami))
}

struct Whoami;

#[async_trait]
impl Plugin for Whoami {
    async fn serve(&self, request: &Request, _next: Next<'_>) -> Result<Reply, ServeError> {
        let client = request.client();
        let address = match client.ip().to_canonical() {
            IpAddr::V4(ip) => RData::A(A(ip)),
            IpAddr::V6(ip) => RData::AAAA(AAAA(ip)),
        };
        let port = RData::SRV(SRV::new(0, 0, client.port(), Name::root()));
        let mut reply = request.reply();
        reply.metadata.authoritative = true;
        reply.add_additional(Record::from_rdata(request.qname().clone(), 0, address));
        // A name too long to take one more label has no SRV owner.
        if let Ok(owner) = request.qname().prepend_label(format!("_{}", request.origin().transport))
        {
            reply.add_additional(Record::from_rdata(owner, 0, port));
        }
        for record in &mut reply.additionals {
            record.dns_class = request.question().query_class();
        }
        Ok(reply.into())
    }
}

#[cfg(test)]
mod tests;
