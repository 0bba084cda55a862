//! A query, with where it came from.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use hickory_proto::op::{Edns, Message, MessageType, Metadata, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use tokio::time::Instant;

use crate::{Reply, ServeError};

/// A query on its way through the chain. Its message has exactly one question.
#[derive(Clone)]
pub struct Request {
    message: Message,
    origin: Origin,
    server: Arc<ServerInfo>,
    zone: Arc<str>,
    view: Arc<str>,
    resolver: Arc<dyn Resolve>,
    /// How many internal look-ups this one is nested in.
    depth: u8,
}

/// Where a query came from and how.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// The client's address.
    pub client: SocketAddr,
    /// The address that the client asked, which the reply leaves from.
    pub local: SocketAddr,
    /// The transport it arrived by.
    pub transport: Transport,
    /// Octets of the query as received.
    pub len: usize,
    /// When it arrived.
    pub arrived: Instant,
}

/// How a query arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// RFC 1035 §4.2.1.
    Udp,
    /// RFC 1035 §4.2.2 and RFC 7766.
    Tcp,
}

impl Transport {
    /// `udp` or `tcp`, as metrics and logs name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }

    /// Whether a reply may be as long as 65,535 octets whatever the client's EDNS says.
    pub fn is_stream(self) -> bool {
        self == Self::Tcp
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The listener that a query arrived at.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct ServerInfo {
    /// The `server` label of metrics: `dns://:53`, `dns://127.0.0.1:1053`.
    pub label: String,
}

/// Re-enters the listener from zone matching: for CNAME chains and the like.
#[async_trait::async_trait]
pub trait Resolve: Send + Sync {
    /// Answers `request` as if it had arrived at the same listener.
    async fn resolve(&self, request: Request) -> Result<Reply, ServeError>;
}

impl Request {
    /// A request, once the server has found its block. The message must have exactly one question.
    ///
    /// # Panics
    /// Where the message has no question.
    pub fn new(
        message: Message,
        origin: Origin,
        server: Arc<ServerInfo>,
        zone: Arc<str>,
        view: Arc<str>,
        resolver: Arc<dyn Resolve>,
    ) -> Self {
        assert!(!message.queries.is_empty(), "the listener rejects queries without a question");
        Self { message, origin, server, zone, view, resolver, depth: 0 }
    }

    /// The question.
    pub fn question(&self) -> &Query {
        &self.message.queries[0]
    }

    /// The name asked for, in the client's letter case.
    pub fn qname(&self) -> &Name {
        self.question().name()
    }

    /// The type asked for.
    pub fn qtype(&self) -> RecordType {
        self.question().query_type()
    }

    /// The whole query.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// The whole query, to change it on the way down (on a clone). Keep its one question.
    pub fn message_mut(&mut self) -> &mut Message {
        &mut self.message
    }

    /// The client's EDNS, where it sent an OPT record.
    pub fn edns(&self) -> Option<&Edns> {
        self.message.edns.as_ref()
    }

    /// The DO bit (RFC 3225).
    pub fn dnssec_ok(&self) -> bool {
        self.edns().is_some_and(|edns| edns.flags().dnssec_ok)
    }

    /// The longest reply in octets that the client takes: its EDNS size, at least 512; 65,535 on streams.
    pub fn udp_payload_size(&self) -> u16 {
        if self.origin.transport.is_stream() {
            return u16::MAX;
        }
        // RFC 6891 §6.2.3: values lower than 512 are treated as 512.
        self.edns().map_or(512, |edns| edns.max_payload().max(512))
    }

    /// Where the query came from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Pretends another origin, for refreshes that no client waits for.
    pub fn set_origin(&mut self, origin: Origin) {
        self.origin = origin;
    }

    /// The client's address.
    pub fn client(&self) -> SocketAddr {
        self.origin.client
    }

    /// The listener.
    pub fn server(&self) -> &Arc<ServerInfo> {
        &self.server
    }

    /// The zone of the server block that matched, lower case with a final dot: the `zone` label of metrics.
    pub fn zone(&self) -> &Arc<str> {
        &self.zone
    }

    /// The name of the view that matched; empty without one.
    pub fn view(&self) -> &Arc<str> {
        &self.view
    }

    /// An empty NOERROR reply: ID, opcode, question, RD and CD copied.
    pub fn reply(&self) -> Message {
        let mut reply = Message::new(
            self.message.metadata.id,
            MessageType::Response,
            self.message.metadata.op_code,
        );
        reply.metadata = Metadata::response_from_request(&self.message.metadata);
        if self.message.metadata.op_code != OpCode::Query {
            // The bits mean nothing beside other opcodes (RFC 1996 §3.4).
            reply.metadata.recursion_desired = false;
            reply.metadata.checking_disabled = false;
        }
        reply.queries.push(self.question().clone());
        reply
    }

    /// An empty reply with an RCODE.
    pub fn reply_with(&self, rcode: ResponseCode) -> Message {
        let mut reply = self.reply();
        reply.metadata.response_code = rcode;
        reply
    }

    /// Looks a name up as the client would: through this listener's zones, plugins and caches, with
    /// this request's flags, EDNS and addresses. For CNAME targets outside the plugin's own data.
    pub async fn lookup(&self, qname: Name, qtype: RecordType) -> Result<Reply, ServeError> {
        if self.depth >= MAX_LOOKUP_DEPTH {
            return Err(ServeError::failed(format!("too many look-ups in a row at {qname}")));
        }
        let mut request = self.clone();
        request.depth += 1;
        let mut question = Query::query(qname, qtype);
        question.set_query_class(self.question().query_class());
        request.message.queries = vec![question];
        self.resolver.resolve(request).await
    }

    /// Puts a request that re-entered the listener into the server block that matched.
    pub fn set_route(&mut self, zone: Arc<str>, view: Arc<str>) {
        self.zone = zone;
        self.view = view;
    }

    /// What [`Request::lookup`] goes through.
    pub fn resolver(&self) -> &Arc<dyn Resolve> {
        &self.resolver
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("question", self.question())
            .field("origin", &self.origin)
            .field("zone", &self.zone)
            .finish_non_exhaustive()
    }
}

/// Chains of names through several plugins end here; CoreDNS follows about as many.
const MAX_LOOKUP_DEPTH: u8 = 12;
