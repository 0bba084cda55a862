//! The general path: message in, reply out, errors to RCODEs.
//!
//! ```text
//!  bytes ─ screen ─ decode ─ EDNS version, class ─ route ─ chain ─ finish ─► bytes
//!             └─► drop, FORMERR, NOTIMP    └─► BADVERS, REFUSED
//! ```

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use futures::FutureExt;
use hickory_proto::op::{Edns, Message, MessageType, ResponseCode};
use hickory_proto::rr::{DNSClass, RecordType};
use hickory_proto::serialize::binary::BinEncodable;
use plugin::metrics::Counter;
use plugin::{Origin, Reply, Request, Resolve, ServeError, ServerInfo, async_trait};
use rhumb_prometheus::{DnsMetrics, Dropped};
use wire::{QueryView, Screened};

use crate::finish::{Client, Finished, finish};
use crate::routes::{Route, Routes};

/// One address that is listened on; shared by all workers, it outlives configurations.
pub(crate) struct Listener {
    /// Named in metrics.
    pub(crate) server: Arc<ServerInfo>,
    /// The blocks that are served here; swapped on reload.
    routes: ArcSwap<Routes>,
    /// Counts the swaps.
    generation: AtomicU64,
    metrics: ListenerMetrics,
}

/// What the server itself counts.
#[derive(Clone)]
pub(crate) struct ListenerMetrics {
    pub(crate) dns: DnsMetrics,
    pub(crate) panics: Counter,
}

/// A query worth asking the chain.
pub(crate) struct Query {
    pub(crate) message: Box<Message>,
    /// The UDP payload size as the client wrote it, which the codec rounds up to 512.
    pub(crate) advertised_size: Option<u16>,
}

impl Query {
    /// Whether it asks for a whole zone.
    pub(crate) fn is_transfer(&self) -> bool {
        let qtype = self.message.queries.first().map(hickory_proto::op::Query::query_type);
        matches!(qtype, Some(RecordType::AXFR | RecordType::IXFR))
    }
}

/// What to do with a message.
pub(crate) enum Decoded {
    /// Ask the chain.
    Query(Query),
    /// Send this.
    Reply(Vec<u8>),
    /// Say nothing.
    Silence,
}

/// Decodes what is worth it and answers what can be answered without the chain.
pub(crate) fn decode(bytes: &[u8]) -> Decoded {
    let screened = wire::screen(bytes);
    let rejection = |reply: Option<Vec<u8>>| reply.map_or(Decoded::Silence, Decoded::Reply);
    if screened != Screened::Query {
        return rejection(wire::rejection(bytes, screened));
    }
    match Message::from_vec(bytes) {
        Ok(message) if message.queries.len() == 1 => {
            let opt = QueryView::parse(bytes).and_then(|view| view.opt());
            let edns_size = message.edns.as_ref().map(Edns::max_payload);
            let advertised_size = opt.map(|opt| opt.udp_payload_size).or(edns_size);
            Decoded::Query(Query { message: Box::new(message), advertised_size })
        }
        _ => rejection(wire::malformed_after_question(bytes)),
    }
}

impl Listener {
    pub(crate) fn new(
        server: ServerInfo,
        routes: Arc<Routes>,
        metrics: ListenerMetrics,
    ) -> Arc<Self> {
        Arc::new(Self {
            server: Arc::new(server),
            routes: ArcSwap::new(routes),
            generation: AtomicU64::new(0),
            metrics,
        })
    }

    /// Serves other blocks from now on.
    pub(crate) fn swap(&self, routes: Arc<Routes>) {
        self.routes.store(routes);
        // After the swap: who sees the new number is answered by the new blocks.
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Another number after each swap: replies of the blocks before are not to be replayed.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Answers a query; `None` where the client is to hear nothing.
    pub(crate) async fn answer(self: Arc<Self>, query: Query, origin: Origin) -> Option<Finished> {
        let Query { message, advertised_size } = query;
        let message = *message;
        let mut client = Client {
            edns: message.edns.clone(),
            advertised_size: advertised_size.unwrap_or(0),
            address: origin.client,
            transport: origin.transport,
        };
        let skeleton = skeleton(&message);
        if client.edns.as_ref().is_some_and(|edns| edns.version() != 0) {
            // RFC 6891 §6.1.3: the highest version that is implemented, and BADVERS. Nothing is promised
            // beyond that, as with CoreDNS: no size, no options.
            let client = Client { edns: Some(Edns::new()), advertised_size: 0, ..client };
            return finish_rcode(skeleton, ResponseCode::BADVERS, &client).map(Finished::from);
        }
        let mut reply = self.serve(message, origin).await.unwrap_or_else(|error| {
            let mut message = skeleton.clone();
            message.metadata.response_code = error.rcode();
            let mut reply = Reply::from(message);
            error.ede().cloned().into_iter().for_each(|ede| reply.add_ede(ede));
            reply
        });
        let mut finished = Finished {
            bytes: Vec::new(),
            more: Vec::new(),
            replay: reply.replay().clone(),
            tallies: reply.tallies().into(),
            is_shuffled: reply.is_shuffled(),
        };
        if let Some(most) = reply.udp_payload_limit() {
            client.advertised_size = client.advertised_size.min(most);
        }
        let edes = reply.edes().to_vec();
        let more = reply.take_more();
        match finish(reply.into_message()?, &edes, &client) {
            Ok(bytes) => {
                finished.bytes = bytes;
                finished.more = finish_more(more, &client).await;
                Some(finished)
            }
            Err(error) => {
                tracing::debug!(%error, "a reply cannot be encoded");
                finish_rcode(skeleton, ResponseCode::ServFail, &client).map(Finished::from)
            }
        }
    }

    /// Finds the block and asks its chain.
    async fn serve(
        self: &Arc<Self>,
        message: Message,
        origin: Origin,
    ) -> Result<Reply, ServeError> {
        let route = {
            let routes = self.routes.load();
            let class = message.queries[0].query_class();
            if class != DNSClass::IN && !routes.serves_all_classes {
                None
            } else {
                find(&routes, &message).cloned()
            }
        };
        let Some(route) = route else {
            return Err(self.dropped(&message, &origin, ResponseCode::Refused));
        };
        if route.chain.is_empty() {
            return Err(self.dropped(&message, &origin, ResponseCode::Refused));
        }
        let resolver: Arc<dyn Resolve> = Arc::<Self>::clone(self);
        let request = Request::new(
            message,
            origin,
            Arc::clone(&self.server),
            Arc::clone(&route.zone),
            Arc::clone(&route.view),
            resolver,
        );
        if let Ok(reply) = AssertUnwindSafe(route.chain.serve(&request)).catch_unwind().await {
            return reply;
        }
        self.metrics.panics.inc();
        if crate::log::is_debug() {
            // As CoreDNS with `debug`: a panic ends the process, and its trace is the last output.
            std::process::abort();
        }
        tracing::error!("recovered from a panic while answering {}", request.question());
        Err(self.dropped(request.message(), &origin, ResponseCode::ServFail))
    }

    /// Counts a query that no chain answered.
    fn dropped(&self, message: &Message, origin: &Origin, rcode: ResponseCode) -> ServeError {
        self.metrics.dns.dropped(&Dropped {
            server: &self.server.label,
            origin,
            qtype: message.queries[0].query_type(),
            dnssec_ok: message.edns.as_ref().is_some_and(|edns| edns.flags().dnssec_ok),
            rcode,
            // The header and the question go back.
            response_len: 12 + message.queries[0].name().len() + 4,
        });
        ServeError::rcode_only(rcode)
    }
}

#[async_trait]
impl Resolve for Listener {
    async fn resolve(&self, mut request: Request) -> Result<Reply, ServeError> {
        let route = find(&self.routes.load(), request.message()).cloned();
        let route = route.ok_or_else(|| ServeError::rcode_only(ResponseCode::Refused))?;
        if route.chain.is_empty() {
            return Err(ServeError::rcode_only(ResponseCode::Refused));
        }
        request.set_route(Arc::clone(&route.zone), Arc::clone(&route.view));
        route.chain.serve(&request).await
    }
}

fn find<'a>(routes: &'a Routes, message: &Message) -> Option<&'a Arc<Route>> {
    let question = message.queries.first()?;
    let qname = question.name().to_bytes().ok()?;
    routes.find(&qname, question.query_type().into())
}

/// An empty reply to a message.
fn skeleton(message: &Message) -> Message {
    let mut reply =
        Message::new(message.metadata.id, MessageType::Response, message.metadata.op_code);
    reply.metadata.recursion_desired = message.metadata.recursion_desired;
    reply.metadata.checking_disabled = message.metadata.checking_disabled;
    reply.queries.clone_from(&message.queries);
    reply
}

/// Encodes the messages that follow the first, as far as that is possible: a transfer that ends without
/// its closing SOA record is not taken for a whole one.
async fn finish_more(more: Vec<Message>, client: &Client) -> Vec<Vec<u8>> {
    let mut finished = Vec::with_capacity(more.len());
    for message in more {
        match finish(message, &[], client) {
            Ok(bytes) => finished.push(bytes),
            Err(error) => {
                tracing::debug!(%error, "a message of a transfer cannot be encoded");
                break;
            }
        }
        // Others have their turn while a large zone is encoded.
        tokio::task::yield_now().await;
    }
    finished
}

fn finish_rcode(mut reply: Message, rcode: ResponseCode, client: &Client) -> Option<Vec<u8>> {
    reply.metadata.response_code = rcode;
    finish(reply, &[], client).ok()
}
