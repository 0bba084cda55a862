//! Answers the TXT questions of class CH that tell servers apart (RFC 4892).
//!
//! | name | answer |
//! |---|---|
//! | `version.bind.` `version.server.` | the version |
//! | `authors.bind.` | the authors, one record each, in a new order each time |
//! | `hostname.bind.` `id.server.` | the host's name |
//!
//! The listener lets class CH in where this plugin is loaded. Everything else goes to the next plugin.

mod config;

use plugin::proto::rr::rdata::TXT;
use plugin::proto::rr::{DNSClass, Name, RData, Record, RecordType};
use plugin::{
    Diagnostic, Next, Plugin, PluginSpec, Reply, Request, ServeError, Setup, async_trait,
};
use rand::seq::SliceRandom as _;

use crate::config::Config;

/// The `chaos` directive.
pub const PLUGIN: PluginSpec = PluginSpec { name: "chaos", setup };

#[expect(clippy::unnecessary_wraps, reason = "the signature of every plugin's set-up")]
fn setup(setup: &mut Setup<'_>) -> Result<Box<dyn Plugin>, Diagnostic> {
    let config = Config::parse(setup);
    Ok(Box::new(Chaos { config, hostname: hostname() }))
}

/// The host's name; `localhost` where it cannot be read.
fn hostname() -> Vec<u8> {
    nix::unistd::gethostname()
        .map_or_else(|_| b"localhost".to_vec(), std::os::unix::ffi::OsStringExt::into_vec)
}

struct Chaos {
    config: Config,
    hostname: Vec<u8>,
}

#[async_trait]
impl Plugin for Chaos {
    async fn serve(&self, request: &Request, next: Next<'_>) -> Result<Reply, ServeError> {
        let Some(texts) = self.texts(request) else { return next.serve(request).await };
        let mut reply = request.reply();
        reply.answers = texts.into_iter().map(|text| record(request.qname(), text)).collect();
        Ok(reply.into())
    }

    /// Class CH is never answered by replay, and with other classes nothing is done.
    fn is_pure(&self) -> bool {
        true
    }
}

impl Chaos {
    /// The answers, if the question is one of ours.
    fn texts(&self, request: &Request) -> Option<Vec<&[u8]>> {
        let class = request.question().query_class();
        if (class, request.qtype()) != (DNSClass::CH, RecordType::TXT) {
            return None;
        }
        let mut labels = request.qname().iter();
        let (Some(what), Some(origin), None) = (labels.next(), labels.next(), labels.next()) else {
            return None;
        };
        let (what, origin) = (what.to_ascii_lowercase(), origin.to_ascii_lowercase());
        match (&*what, &*origin) {
            (b"version", b"bind" | b"server") => Some(vec![&self.config.version]),
            (b"hostname", b"bind") | (b"id", b"server") => Some(vec![&self.hostname]),
            (b"authors", b"bind") => {
                let mut authors: Vec<&[u8]> =
                    self.config.authors.iter().map(|author| &**author).collect();
                authors.shuffle(&mut rand::rng());
                Some(authors)
            }
            _ => None,
        }
    }
}

fn record(owner: &Name, text: &[u8]) -> Record {
    let mut record = Record::from_rdata(owner.clone(), 0, RData::TXT(TXT::from_bytes(vec![text])));
    record.dns_class = DNSClass::CH;
    record
}

#[cfg(test)]
mod tests;
