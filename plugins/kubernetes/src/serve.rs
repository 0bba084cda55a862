//! The handler: which zone, which type, and what becomes of "no such name".

use std::net::IpAddr;

use plugin::proto::op::{Message, ResponseCode};
use plugin::proto::rr::rdata::{CNAME, SRV, TXT};
use plugin::proto::rr::{Name, RData, Record, RecordType};
use plugin::{Ede, Next, Plugin, Replay, Reply, Request, ServeError, StartError, async_trait};
use smallvec::SmallVec;
use tokio::time::{self, Instant, MissedTickBehavior};

use crate::kept::Shape;
use crate::records::{Found, Look, address_record};
use crate::store::Stripe;
use crate::{Kubernetes, reverse, servers};

/// What a query comes to.
enum Outcome {
    Records {
        answers: Vec<Record>,
        additionals: Vec<Record>,
        truncated: bool,
    },
    /// The name exists, without records of the type.
    NoData,
    /// There is no such name.
    NoName,
}

impl Outcome {
    /// NODATA where there are none.
    fn records(answers: Vec<Record>, additionals: Vec<Record>) -> Self {
        if answers.is_empty() {
            return Self::NoData;
        }
        Self::Records { answers, additionals, truncated: false }
    }
}

/// One link of a chain of aliases, or its end.
enum Step {
    Nothing,
    /// This server's own name, whose addresses no alias leads to.
    Ourselves,
    Addresses(Vec<Record>),
    Alias(Box<(Record, Name)>),
}

#[async_trait]
impl Plugin for Kubernetes {
    async fn serve(&self, request: &Request, next: Next<'_>) -> Result<Reply, ServeError> {
        let Some(zone) = self.config.zones.matching(request.qname()) else {
            return next.serve(request).await;
        };
        if matches!(request.qtype(), RecordType::AXFR | RecordType::IXFR) {
            return Err(ServeError::rcode_only(ResponseCode::Refused));
        }
        let zone = as_asked(zone, request.qname());
        let store = &self.cluster.store;
        // Before the look-up: what is missing from a store that had not synced may be on its way.
        let unsynced = store.epoch(Stripe::Sync);
        let has_synced = self.has_synced_in_time().await;
        let mut look = Look::new(store, &self.config);
        let (outcome, elsewhere) = self.outcome(request, &zone, &mut look).await;
        let mut replay = look.replay();
        if let Some(elsewhere) = elsewhere {
            replay = replay.and(elsewhere);
        }
        let mut message = request.reply();
        message.metadata.authoritative = true;
        match outcome {
            Outcome::Records { answers, additionals, truncated } => {
                message.answers = answers;
                message.additionals = additionals;
                message.metadata.truncation = truncated;
            }
            Outcome::NoData => self.add_soa(&mut message, &zone),
            Outcome::NoName if self.config.fallthrough.covers(request.qname()) => {
                let mut reply = next.serve(request).await?;
                // It holds as long as there is still nothing to say here.
                let replay = replay.and(reply.replay().clone());
                reply.set_replay(replay);
                return Ok(reply);
            }
            Outcome::NoName if !has_synced => {
                message.metadata.response_code = ResponseCode::ServFail;
                self.add_soa(&mut message, &zone);
                let mut reply = Reply::from(message);
                reply.add_ede(Ede::new(Ede::NOT_READY, "waiting for the Kubernetes API"));
                // A cache above must not hold on to it when the store has synced.
                return Ok(reply.replay_while(Replay::while_unchanged([unsynced])));
            }
            Outcome::NoName => {
                message.metadata.response_code = ResponseCode::NXDomain;
                self.add_soa(&mut message, &zone);
            }
        }
        let replay = if has_synced { replay } else { Replay::Never };
        Ok(Reply::from(message).replay_while(replay))
    }

    fn is_pure(&self) -> bool {
        true
    }

    fn ready(&self) -> bool {
        self.cluster.store.has_synced()
    }

    async fn start(&self) -> Result<(), StartError> {
        self.local.get_or_init(|| servers::local_addresses(&self.listen));
        let end = *self.startup_end.get_or_init(|| Instant::now() + self.config.startup_timeout);
        self.cluster.start(&self.background);
        let synced = self.cluster.store.synced();
        tokio::pin!(synced);
        let mut ticks = time::interval_at(Instant::now() + WAITING_LOG, WAITING_LOG);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = &mut synced => return Ok(()),
                () = time::sleep_until(end) => {
                    tracing::warn!(
                        target: "plugin/kubernetes",
                        "starting server with unsynced Kubernetes API",
                    );
                    return Ok(());
                }
                _ = ticks.tick() => tracing::info!(
                    target: "plugin/kubernetes",
                    "waiting for Kubernetes API before starting server",
                ),
            }
        }
    }
}

impl Kubernetes {
    /// Whether the store has synced; a query that comes while the server starts waits for it, as long as
    /// `startup_timeout` allows. Other zones are answered all the while.
    async fn has_synced_in_time(&self) -> bool {
        let store = &self.cluster.store;
        if store.has_synced() {
            return true;
        }
        match self.startup_end.get() {
            Some(end) => time::timeout_at(*end, store.synced()).await.is_ok(),
            None => false,
        }
    }

    /// What the query comes to; where it led to a look-up elsewhere, also for how long that holds.
    async fn outcome(
        &self,
        request: &Request,
        zone: &Name,
        look: &mut Look<'_>,
    ) -> (Outcome, Option<Replay>) {
        let (qname, qtype) = (request.qname(), request.qtype());
        let labels = labels_below(qname, zone);
        let ttl_secs = self.config.ttl_secs;
        let outcome = match qtype {
            RecordType::SOA if labels.is_empty() => {
                look.guard(Stripe::Serial);
                let soa = self.soa(zone, self.cluster.store.serial());
                Outcome::records(soa.into_iter().collect(), Vec::new())
            }
            // As CoreDNS has it, names that do not exist included.
            RecordType::SOA => Outcome::NoData,
            RecordType::NS if labels.is_empty() => {
                return (self.apex_ns(qname, zone), Some(Replay::Never));
            }
            RecordType::TXT => Self::txt(qname, &labels, look),
            RecordType::PTR => match reverse::address(qname) {
                Some(address) => match look.reverse(qname, address) {
                    records if records.is_empty() => Outcome::NoName,
                    records => Outcome::records(records, Vec::new()),
                },
                None => Self::existence(qname, &labels, look),
            },
            RecordType::A | RecordType::AAAA | RecordType::SRV if is_default_ns(&labels) => {
                return (self.default_ns(request, zone), Some(Replay::Never));
            }
            _ if is_default_ns(&labels) => Outcome::NoData,
            RecordType::A | RecordType::AAAA => return self.addresses(request, zone, look).await,
            RecordType::SRV => match Self::find(qname, &labels, look) {
                Found::Nothing => Outcome::NoName,
                Found::Service(service) => {
                    let (answers, glue) = service.srv(qname, zone, ttl_secs);
                    Outcome::records(answers, glue)
                }
                Found::Pod(address) => Self::pod_srv(qname, &labels, zone, ttl_secs, address),
                Found::Empty | Found::Alias(_) => Outcome::NoData,
            },
            RecordType::CNAME => match Self::find(qname, &labels, look) {
                Found::Alias(service) => {
                    let alias = alias(&service.shape, qname, ttl_secs).map(|(alias, _)| alias);
                    Outcome::records(alias.into_iter().collect(), Vec::new())
                }
                Found::Nothing => Outcome::NoName,
                Found::Empty | Found::Pod(_) | Found::Service(_) => Outcome::NoData,
            },
            _ => Self::existence(qname, &labels, look),
        };
        (outcome, None)
    }

    fn find<'q>(qname: &Name, labels: &[&'q [u8]], look: &mut Look<'_>) -> Found<'q> {
        let found = look.find(labels);
        // Nothing is called so in a reverse zone, but its apex has the shape of every apex.
        match found {
            Found::Empty if labels.len() < 2 => Found::Empty,
            _ if reverse::is_reverse(qname) => Found::Nothing,
            found => found,
        }
    }

    /// NODATA or "no such name", for types that never have records.
    fn existence(qname: &Name, labels: &[&[u8]], look: &mut Look<'_>) -> Outcome {
        match Self::find(qname, labels, look) {
            Found::Nothing => Outcome::NoName,
            _ => Outcome::NoData,
        }
    }

    /// `dns-version` is the one name with a TXT record. Elsewhere CoreDNS says "no such name" where
    /// there is one without records of its own, and NODATA only where there are records.
    fn txt(qname: &Name, labels: &[&[u8]], look: &mut Look<'_>) -> Outcome {
        if let [label] = labels
            && label.eq_ignore_ascii_case(b"dns-version")
        {
            let text = RData::TXT(TXT::new(vec![SPECIFICATION.to_owned()]));
            let record = Record::from_rdata(qname.clone(), VERSION_TTL_SECS, text);
            return Outcome::records(vec![record], Vec::new());
        }
        match Self::find(qname, labels, look) {
            Found::Alias(_) | Found::Pod(_) | Found::Service(_) => Outcome::NoData,
            // The name of a topology zone without endpoints.
            Found::Empty if labels.len() > 5 => Outcome::NoData,
            Found::Empty | Found::Nothing => Outcome::NoName,
        }
    }

    /// A and AAAA, along the chain of aliases.
    async fn addresses(
        &self,
        request: &Request,
        zone: &Name,
        look: &mut Look<'_>,
    ) -> (Outcome, Option<Replay>) {
        let v6 = request.qtype() == RecordType::AAAA;
        let mut owner = request.qname().clone();
        let mut chain: Vec<Record> = Vec::new();
        loop {
            let (alias, target) = match self.step(&owner, zone, v6, look) {
                Step::Nothing if chain.is_empty() => return (Outcome::NoName, None),
                Step::Nothing => return (Outcome::NoData, None),
                Step::Ourselves => return (Outcome::NoData, Some(Replay::Never)),
                Step::Addresses(addresses) if addresses.is_empty() => {
                    return (Outcome::NoData, None);
                }
                Step::Addresses(addresses) => {
                    chain.extend(addresses);
                    return (Outcome::records(chain, Vec::new()), None);
                }
                Step::Alias(alias) => *alias,
            };
            let is_loop = owner.zone_of(&target)
                || chain.len() >= MAX_ALIASES
                || chain.iter().any(|earlier| earlier.data == alias.data);
            if is_loop {
                return (Outcome::NoData, None);
            }
            chain.push(alias);
            if !zone.zone_of(&target) {
                return elsewhere(request, chain, target).await;
            }
            owner = target;
        }
    }

    /// One link of a chain of aliases, or its end.
    fn step(&self, owner: &Name, zone: &Name, v6: bool, look: &mut Look<'_>) -> Step {
        let ttl_secs = self.config.ttl_secs;
        let labels = labels_below(owner, zone);
        if is_default_ns(&labels) {
            return Step::Ourselves;
        }
        match Self::find(owner, &labels, look) {
            Found::Nothing => Step::Nothing,
            Found::Empty => Step::Addresses(Vec::new()),
            Found::Pod(address) => {
                let addresses = Some(address).filter(|address| address.is_ipv6() == v6);
                let record = |address| address_record(owner.clone(), ttl_secs, address);
                Step::Addresses(addresses.map(record).into_iter().collect())
            }
            Found::Service(service) => Step::Addresses(service.addresses(owner, ttl_secs, v6)),
            Found::Alias(service) => match alias(&service.shape, owner, ttl_secs) {
                Some(alias) => Step::Alias(Box::new(alias)),
                None => Step::Addresses(Vec::new()),
            },
        }
    }

    /// A pod has no ports; CoreDNS answers with port 0, and so do we.
    fn pod_srv(qname: &Name, labels: &[&[u8]], zone: &Name, ttl_secs: u32, pod: IpAddr) -> Outcome {
        let mut target = Name::new();
        for label in &labels[labels.len().saturating_sub(3)..] {
            let Ok(longer) = target.append_label(label.to_ascii_lowercase()) else {
                return Outcome::NoData;
            };
            target = longer;
        }
        let Ok(target) = target.append_name(zone) else { return Outcome::NoData };
        let srv = RData::SRV(SRV::new(0, 100, 0, target.clone()));
        let answers = vec![Record::from_rdata(qname.clone(), ttl_secs, srv)];
        Outcome::records(answers, vec![address_record(target, ttl_secs, pod)])
    }

    fn apex_ns(&self, qname: &Name, zone: &Name) -> Outcome {
        let servers = servers::name_servers(&self.cluster.store, self.local(), zone);
        let (answers, glue) = servers::records(servers, qname, self.config.ttl_secs);
        Outcome::records(answers, glue)
    }

    fn default_ns(&self, request: &Request, zone: &Name) -> Outcome {
        let v6 = match request.qtype() {
            RecordType::A => false,
            RecordType::AAAA => true,
            _ => return Outcome::NoData,
        };
        let servers = servers::name_servers(&self.cluster.store, self.local(), zone);
        let mut addresses: Vec<IpAddr> = Vec::new();
        for (_, address) in servers {
            if address.is_ipv6() == v6 && !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        let owner = request.qname();
        let ttl_secs = self.config.ttl_secs;
        let record = |address| address_record(owner.clone(), ttl_secs, address);
        Outcome::records(addresses.into_iter().map(record).collect(), Vec::new())
    }

    fn local(&self) -> &[IpAddr] {
        self.local.get_or_init(|| servers::local_addresses(&self.listen))
    }

    fn add_soa(&self, message: &mut Message, zone: &Name) {
        // RFC 2308 §3: the SOA says how long "no" holds.
        message.authorities.extend(self.soa(zone, self.cluster.store.negative_serial()));
    }

    fn soa(&self, zone: &Name, serial: u32) -> Option<Record> {
        servers::soa(zone, serial, self.config.ttl_secs)
    }
}

/// Looks an alias's target up where it belongs, and puts what is found behind the chain.
async fn elsewhere(
    request: &Request,
    mut chain: Vec<Record>,
    target: Name,
) -> (Outcome, Option<Replay>) {
    let depth = DEPTH.try_with(|depth| *depth).unwrap_or(0);
    if depth >= MAX_ALIASES {
        return (Outcome::NoData, Some(Replay::Never));
    }
    let lookup = request.lookup(target, request.qtype());
    let Ok(reply) = DEPTH.scope(depth + 1, lookup).await else {
        return (Outcome::NoData, Some(Replay::Never));
    };
    let replay = reply.replay().clone();
    let Some(message) = reply.into_message() else {
        return (Outcome::NoData, Some(Replay::Never));
    };
    let truncated = message.metadata.truncation;
    chain.extend(message.answers);
    (Outcome::Records { answers: chain, additionals: Vec::new(), truncated }, Some(replay))
}

tokio::task_local! {
    /// How many aliases led here by way of look-ups through the listener.
    static DEPTH: usize;
}

/// The CNAME at `owner`, and its target; `None` where the object's is no domain name.
pub(crate) fn alias(shape: &Shape, owner: &Name, ttl_secs: u32) -> Option<(Record, Name)> {
    let Shape::ExternalName(target) = shape else { return None };
    let mut target = Name::from_ascii(&**target).ok()?;
    target.set_fqdn(true);
    let data = RData::CNAME(CNAME(target.clone()));
    Some((Record::from_rdata(owner.clone(), ttl_secs, data), target))
}

type Labels<'a> = SmallVec<[&'a [u8]; 8]>;

/// The labels of `name` left of `zone`, which it is at or below.
fn labels_below<'a>(name: &'a Name, zone: &Name) -> Labels<'a> {
    let mut labels: Labels<'a> = name.iter().collect();
    labels.truncate(labels.len() - zone.iter().len());
    labels
}

/// The zone in the letter case of the query, which its records have as well.
fn as_asked(zone: &Name, qname: &Name) -> Name {
    if zone.zone_of_case(qname) {
        return zone.clone();
    }
    let mut asked = Name::root();
    for label in qname.iter().skip(qname.iter().len() - zone.iter().len()) {
        // Every label came off the wire.
        asked = asked.append_label(label).unwrap_or_else(|_| zone.clone());
    }
    asked
}

/// Whether the name is `ns.dns` in the zone. CoreDNS does not find it in other letter cases.
fn is_default_ns(labels: &[&[u8]]) -> bool {
    matches!(labels, [ns, dns] if ns.eq_ignore_ascii_case(b"ns") && dns.eq_ignore_ascii_case(b"dns"))
}

/// The version of <https://github.com/kubernetes/dns/blob/master/docs/specification.md>.
const SPECIFICATION: &str = "1.1.0";
const VERSION_TTL_SECS: u32 = 28_800;

/// The longest chain of aliases, in the zone and through the listener.
const MAX_ALIASES: usize = 10;

/// How often the start says what it waits for.
const WAITING_LOG: std::time::Duration = std::time::Duration::from_millis(500);
