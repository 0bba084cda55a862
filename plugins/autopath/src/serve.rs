//! The walk.

use plugin::capability::SearchPath;
use plugin::proto::op::{Message, Query, ResponseCode};
use plugin::proto::rr::rdata::CNAME;
use plugin::proto::rr::{Name, RData, Record};
use plugin::{Next, Plugin, Reply, Request, ServeError, StartError, async_trait};

use crate::Autopath;
use crate::config::Source;

#[async_trait]
impl Plugin for Autopath {
    async fn serve(&self, request: &Request, next: Next<'_>) -> Result<Reply, ServeError> {
        let Some(path) = self.search_path(request) else { return next.serve(request).await };
        let Some(base) = base(request.qname(), &path) else { return next.serve(request).await };
        let mut first = None;
        for (suffix_idx, suffix) in path.iter().enumerate() {
            let name = match suffix_idx {
                0 => Ok(request.qname().clone()),
                _ => base.clone().append_name(suffix),
            };
            // A name that is too long does not exist; the client could not ask for it either.
            let Ok(name) = name else { continue };
            let found = next.serve(&renamed(request, name)).await;
            match found {
                Ok(reply) if reply.rcode() != ResponseCode::NXDomain => {
                    return Ok(self.found(request, reply));
                }
                // Refused by configuration, which says nothing of the names to come.
                Ok(_) | Err(ServeError::Rcode { .. }) => {
                    first.get_or_insert(found);
                }
                Err(error) => return Err(error),
            }
        }
        // Nothing was found: the client hears so of the name that it asked for, and goes on by itself.
        match first {
            Some(reply) => reply,
            None => next.serve(request).await,
        }
    }

    /// The path may depend on the client, which a replay does not look at.
    fn is_pure(&self) -> bool {
        false
    }

    async fn start(&self) -> Result<(), StartError> {
        if let Source::Plugin(name) = &self.config.source
            && self.source(name).is_none()
        {
            tracing::warn!(
                target: "plugin/autopath",
                "no \"{name}\" in this server block knows a search path: queries are passed on as they are"
            );
        }
        Ok(())
    }
}

impl Autopath {
    fn search_path(&self, request: &Request) -> Option<Vec<Name>> {
        if !self.config.zones.contain(request.qname()) {
            return None;
        }
        match &self.config.source {
            Source::File(path) => Some(path.clone()),
            Source::Plugin(name) => {
                let sources = self.capabilities.all::<dyn SearchPath>();
                let mut sources = sources.iter().filter(|source| source.plugin() == name);
                sources.find_map(|source| source.search_path(request))
            }
        }
    }

    /// Something in the block that knows search paths by that plugin's name.
    fn source(&self, name: &str) -> Option<std::sync::Arc<dyn SearchPath>> {
        let sources = self.capabilities.all::<dyn SearchPath>();
        sources.into_iter().find(|source| source.plugin() == name)
    }

    /// The reply to another name as one to the client's.
    fn found(&self, request: &Request, mut reply: Reply) -> Reply {
        if let Some(message) = reply.message_mut() {
            alias(message, request.qname());
            rename(message, request.qname());
        }
        reply.count(&self.metrics.successes.with(&[&request.server().label]));
        reply
    }
}

/// What the client was asked for, before it put the first suffix behind it; `None` where it did not.
fn base(qname: &Name, path: &[Name]) -> Option<Name> {
    let first = path.first()?;
    if !first.zone_of(qname) {
        return None;
    }
    let n_labels = qname.iter().len() - first.iter().len();
    let mut base = Name::new();
    for label in qname.iter().take(n_labels) {
        base = base.append_label(label).ok()?;
    }
    // The suffix alone is no name with a suffix.
    (n_labels > 0).then_some(base)
}

fn renamed(request: &Request, name: Name) -> Request {
    let mut request = request.clone();
    let mut question = Query::query(name, request.qtype());
    question.set_query_class(request.question().query_class());
    request.message_mut().queries = vec![question];
    request
}

/// Puts an alias from the client's name to the one that was found in front, so that the client takes the
/// answer for its own. Without an answer the name alone changes: that is NODATA for the client.
fn alias(message: &mut Message, qname: &Name) {
    let Some(other) = message.answers.iter().find(|record| record.name != *qname) else { return };
    let data = RData::CNAME(CNAME(other.name.clone()));
    let alias = Record::from_rdata(qname.clone(), other.ttl, data);
    message.answers.insert(0, alias);
}

/// The client sees its own question.
fn rename(message: &mut Message, qname: &Name) {
    for query in &mut message.queries {
        query.set_name(qname.clone());
    }
}
