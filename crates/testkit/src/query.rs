//! Requests as a listener would make them.

use std::net::SocketAddr;
use std::sync::Arc;

use plugin::proto::op::{Message, MessageType, OpCode, Query as Question};
use plugin::proto::rr::{DNSClass, Name, RecordType};
use plugin::{
    Chain, Origin, Reply, Request, Resolve, ServeError, ServerInfo, Transport, async_trait,
};

/// A request under construction; ends with [`Query::request`] or in [`ask`].
#[derive(Clone)]
pub struct Query {
    message: Message,
    client: SocketAddr,
    local: SocketAddr,
    transport: Transport,
    zone: Arc<str>,
    server: Arc<ServerInfo>,
    resolver: Arc<dyn Resolve>,
}

/// `www.example.org. A`, from 10.240.0.1:40212 over UDP, RD set, no EDNS, ID 4711.
///
/// # Panics
/// Where the text is no question: the test is wrong.
pub fn query(question: &str) -> Query {
    let (name, qtype) = question.split_once(' ').expect("a name and a type");
    let name = Name::from_ascii(name).expect("a name");
    let qtype: RecordType = qtype.trim().parse().expect("a type");
    let mut message = Message::new(4711, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Question::query(name, qtype));
    Query {
        message,
        client: ([10, 240, 0, 1], 40212).into(),
        local: ([127, 0, 0, 1], 53).into(),
        transport: Transport::Udp,
        zone: ".".into(),
        server: Arc::new(ServerInfo { label: "dns://:53".into() }),
        resolver: Arc::new(NoResolver),
    }
}

impl Query {
    /// With an OPT record of that UDP payload size.
    #[must_use]
    pub fn edns(mut self, udp_payload_size: u16) -> Self {
        let mut edns = self.message.edns.take().unwrap_or_default();
        edns.set_max_payload(udp_payload_size);
        self.message.set_edns(edns);
        self
    }

    /// With the DO bit set; adds an OPT record of 4096 where there is none.
    #[must_use]
    pub fn dnssec_ok(mut self) -> Self {
        if self.message.edns.is_none() {
            self = self.edns(4096);
        }
        if let Some(edns) = &mut self.message.edns {
            edns.set_dnssec_ok(true);
        }
        self
    }

    /// Over TCP.
    #[must_use]
    pub fn tcp(mut self) -> Self {
        self.transport = Transport::Tcp;
        self
    }

    /// From another client, `ip:port`.
    ///
    /// # Panics
    /// Where it is no address.
    #[must_use]
    pub fn client(mut self, client: &str) -> Self {
        self.client = client.parse().expect("an address and a port");
        self
    }

    /// Of another class.
    #[must_use]
    pub fn class(mut self, class: DNSClass) -> Self {
        self.message.queries[0].set_query_class(class);
        self
    }

    /// With the message changed as `edit` says.
    #[must_use]
    pub fn edit(mut self, edit: impl FnOnce(&mut Message)) -> Self {
        edit(&mut self.message);
        self
    }

    /// As matched by a server block of that zone.
    #[must_use]
    pub fn zone(mut self, zone: &str) -> Self {
        self.zone = zone.into();
        self
    }

    /// With internal look-ups answered by `chain`, as the listener would.
    #[must_use]
    pub fn resolving_with(mut self, chain: &Chain) -> Self {
        self.resolver = Arc::new(ByChain(chain.clone()));
        self
    }

    /// The request.
    ///
    /// # Panics
    /// Where the message cannot be encoded.
    pub fn request(self) -> Request {
        let len = self.message.to_vec().expect("the query encodes").len();
        let origin = Origin {
            client: self.client,
            local: self.local,
            transport: self.transport,
            len,
            arrived: tokio::time::Instant::now(),
        };
        Request::new(self.message, origin, self.server, self.zone, "".into(), self.resolver)
    }
}

/// Asks a chain; internal look-ups go through the same chain unless the query says otherwise.
pub async fn ask(chain: &Chain, query: &Query) -> Result<Reply, ServeError> {
    let request = query.clone().resolving_with(chain).request();
    chain.serve(&request).await
}

struct NoResolver;

#[async_trait]
impl Resolve for NoResolver {
    async fn resolve(&self, _request: Request) -> Result<Reply, ServeError> {
        Err(ServeError::failed("this test has no resolver"))
    }
}

struct ByChain(Chain);

#[async_trait]
impl Resolve for ByChain {
    async fn resolve(&self, request: Request) -> Result<Reply, ServeError> {
        self.0.serve(&request).await
    }
}
