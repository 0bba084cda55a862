//! The properties: as written, and as they hold.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use plugin::proto::rr::Name;
use plugin::{Argument, Diagnostic, Directive, Property, Setup, Zones};
use rustls::ClientConfig;
use upstream::{HealthCheck, Method, TlsClient, tls};

use crate::policy::Policy;
use crate::rcode;
use crate::target::{self, Endpoint, Scheme, Target};

/// One `forward` directive: typed, defaulted, bounded.
#[expect(clippy::struct_excessive_bools, reason = "each is a property of its own")]
pub(crate) struct Config {
    /// Names at or below it are forwarded.
    pub(crate) from: Name,
    /// Names at or below these are not.
    pub(crate) except: Zones,
    /// The TO arguments, host names looked up.
    pub(crate) targets: Vec<Target>,
    /// The upstreams they stand for now, each once.
    pub(crate) endpoints: Vec<Endpoint>,
    /// TCP even for clients that came over UDP. Stronger than `prefer_udp`.
    pub(crate) force_tcp: bool,
    /// UDP even for clients that came over TCP; TCP where the reply is truncated.
    pub(crate) prefer_udp: bool,
    /// How long a connection may idle. 10 s unless set.
    pub(crate) expire: Duration,
    /// How long a connection may live; not less than `expire`. No limit unless set.
    pub(crate) max_age: Option<Duration>,
    /// How many connections to an upstream may idle, by transport. No limit unless set.
    pub(crate) max_idle: Option<usize>,
    /// How long an attempt waits for its reply. 2 s unless set.
    pub(crate) read_timeout: Duration,
    /// An upstream is down after more failed checks than this; 0: never. 2 unless set.
    pub(crate) max_fails: u32,
    /// Failed attempts for one query; `Some(0)` for no limit, `None` for twice the number of upstreams.
    pub(crate) max_connect_attempts: Option<u32>,
    pub(crate) health_check: HealthCheck,
    /// Only where there is an upstream over TLS or HTTPS.
    pub(crate) tls: Option<Tls>,
    pub(crate) policy: Policy,
    /// Queries under way at a time; no limit unless set.
    pub(crate) max_concurrent: Option<u64>,
    /// RCODEs that send the query on to the next `forward` of the block.
    pub(crate) next: Vec<u16>,
    /// Whether NODATA does so, too.
    pub(crate) next_on_nodata: bool,
    /// SERVFAIL without any attempt while every upstream is down.
    pub(crate) failfast: bool,
    /// RCODEs that send the query on to the next upstream.
    pub(crate) failover: Vec<u16>,
    /// The address to ask from.
    pub(crate) source: Option<IpAddr>,
}

/// How TLS upstreams are talked to.
pub(crate) struct Tls {
    pub(crate) config: Arc<ClientConfig>,
    /// The name for upstreams that have none of their own.
    pub(crate) server_name: Option<String>,
    /// Differs where files or their contents do.
    pub(crate) fingerprint: String,
    /// How DNS over HTTPS asks.
    pub(crate) doh_method: Method,
}

impl Config {
    /// What a directive says. Everything that is wrong with it is reported; `None` where nothing can be made of it.
    pub(crate) fn parse(directive: &Directive, setup: &mut Setup<'_>) -> Option<Self> {
        let mut written = Written::default();
        for property in directive.properties() {
            let read = written.read(property, directive, setup);
            setup.note(read);
        }
        if let (Some(max_age), expire) = (&written.max_age, written.expire)
            && max_age.value < expire
        {
            setup.report(
                Diagnostic::error(
                    max_age.at.span,
                    format!("`max_age` {:?} is less than `expire` {expire:?}", max_age.value),
                )
                .label("too short")
                .help("a connection cannot idle for longer than it may live"),
            );
        }
        let Some((from, to)) = directive.arguments.split_first().filter(|(_, to)| !to.is_empty())
        else {
            setup.report(
                Diagnostic::error(directive.span(), "`forward` wants a zone and an upstream")
                    .label("something is missing after this")
                    .help("write `forward . /etc/resolv.conf` or `forward . 192.0.2.1`"),
            );
            return None;
        };
        let from = zone(from, setup);
        let from = setup.note(from);
        let targets = written.targets(to, setup);
        let endpoints = match target::expand(&targets) {
            Ok(endpoints) => endpoints,
            Err((path, error)) => {
                let message = format!("cannot read `{}`: {error}", path.display());
                setup.report(Diagnostic::error(directive.span(), message));
                return None;
            }
        };
        if endpoints.is_empty() {
            if targets.len() < to.len() {
                // What was refused has been told.
                return None;
            }
            let span = to[0].span.to(to[to.len() - 1].span);
            setup.report(
                Diagnostic::error(span, "no valid upstream addresses found")
                    .label("names no upstream")
                    .help("a file needs a line such as `nameserver 192.0.2.1`"),
            );
            return None;
        }
        let has_tls = endpoints.iter().any(|endpoint| endpoint.scheme != Scheme::Dns);
        let tls = written.tls(setup).filter(|_| has_tls);
        if has_tls && tls.is_none() {
            return None;
        }
        Some(written.finish(from?, targets, endpoints, tls))
    }
}

/// FROM: a zone; of a network that is several reverse zones the first.
fn zone(argument: &Argument, setup: &mut Setup<'_>) -> Result<Name, Diagnostic> {
    let zones = setup.zones(std::slice::from_ref(argument))?;
    let written = zones.written();
    let Some(first) = written.first() else { return Err(argument.expected("a zone")) };
    if written.len() > 1 {
        setup.report(
            Diagnostic::warning(
                argument.span,
                format!("`{argument}` is {} zones; only `{first}` is forwarded", written.len()),
            )
            .label("not at a dot of the reverse zone")
            .help("write one `forward` for each zone"),
        );
    }
    Name::from_ascii(first).map_err(|_| argument.expected("a zone"))
}

/// A value and where it stands.
struct At<T> {
    value: T,
    at: Argument,
}

/// The properties as they come; the last of a kind holds.
#[expect(clippy::struct_excessive_bools, reason = "each is a property of its own")]
struct Written {
    except: Vec<String>,
    force_tcp: bool,
    prefer_udp: bool,
    expire: Duration,
    max_age: Option<At<Duration>>,
    max_idle: Option<usize>,
    read_timeout: Duration,
    max_fails: u32,
    max_connect_attempts: Option<u32>,
    health_interval: Duration,
    health_recursion: bool,
    health_domain: Box<[u8]>,
    tls: Option<Property>,
    tls_servername: Option<Argument>,
    doh_method: Method,
    policy: Policy,
    max_concurrent: Option<u64>,
    next: Vec<u16>,
    next_on_nodata: bool,
    failfast: bool,
    failover: Vec<u16>,
    source: Option<IpAddr>,
    resolvers: Vec<SocketAddr>,
}

impl Default for Written {
    fn default() -> Self {
        Self {
            except: Vec::new(),
            force_tcp: false,
            prefer_udp: false,
            expire: Duration::from_secs(10),
            max_age: None,
            max_idle: None,
            read_timeout: Duration::from_secs(2),
            max_fails: 2,
            max_connect_attempts: None,
            health_interval: Duration::from_millis(500),
            health_recursion: true,
            health_domain: ROOT.into(),
            tls: None,
            tls_servername: None,
            doh_method: Method::Post,
            policy: Policy::default(),
            max_concurrent: None,
            next: Vec::new(),
            next_on_nodata: false,
            failfast: false,
            failover: Vec::new(),
            source: None,
            resolvers: Vec::new(),
        }
    }
}

impl Written {
    fn read(
        &mut self,
        property: &Property,
        directive: &Directive,
        setup: &mut Setup<'_>,
    ) -> Result<(), Diagnostic> {
        property.expect_no_block()?;
        match &*property.name {
            "except" => self.except(property, setup)?,
            "force_tcp" => self.force_tcp = flag(property)?,
            "prefer_udp" => self.prefer_udp = flag(property)?,
            "expire" => self.expire = property.duration()?,
            "max_age" => {
                let value = property.duration()?;
                let at = property.argument()?.clone();
                // 0 is no limit.
                self.max_age = (!value.is_zero()).then_some(At { value, at });
            }
            "max_idle_conns" => {
                let most: usize = property.value("a whole number of connections")?;
                self.max_idle = (most != 0).then_some(most);
            }
            "read_timeout" => {
                self.read_timeout = property.duration()?;
                if self.read_timeout.is_zero() {
                    return Err(property.argument()?.expected("a duration above zero"));
                }
            }
            "max_fails" => self.max_fails = property.value("a whole number of failed checks")?,
            "max_connect_attempts" => {
                self.max_connect_attempts = Some(property.value("a whole number of attempts")?);
            }
            "health_check" => self.health_check(property)?,
            "tls" => {
                property.expect_arguments(0..=3)?;
                self.tls = Some(property.clone());
            }
            "tls_servername" => self.tls_servername = Some(property.argument()?.clone()),
            "doh_method" => {
                let method = property.argument()?;
                self.doh_method = match &**method {
                    "POST" => Method::Post,
                    "GET" => Method::Get,
                    _ => return Err(method.expected("`POST` or `GET`")),
                };
            }
            "policy" => {
                let name = property.argument()?;
                self.policy = Policy::parse(name).ok_or_else(|| {
                    let unknown = Diagnostic::error(name.span, format!("unknown policy `{name}`"));
                    unknown.label("not known").help(format!("one of {}", Policy::NAMES.join(", ")))
                })?;
            }
            "max_concurrent" => {
                let most: u64 = property.value("a whole number of queries")?;
                self.max_concurrent = (most != 0).then_some(most);
            }
            "next" => self.next.extend(rcodes(property)?),
            "next_on_nodata" => self.next_on_nodata = flag(property)?,
            "failfast_all_unhealthy_upstreams" => self.failfast = flag(property)?,
            "failover" => {
                let rcodes = rcodes(property)?;
                if let Some(at) = rcodes.iter().position(|rcode| *rcode == rcode::NOERROR) {
                    let noerror = &property.arguments[at];
                    return Err(Diagnostic::error(
                        noerror.span,
                        format!("`{noerror}` cannot be used in `failover`"),
                    )
                    .label("a good reply is no reason to ask again"));
                }
                self.failover.extend(rcodes);
            }
            "source_address" => {
                let ip: IpAddr = property.value("an IP address")?;
                self.source = Some(ip.to_canonical());
            }
            "resolver" => {
                let resolvers = property.expect_arguments(1..=usize::MAX)?;
                self.resolvers = resolvers.iter().map(resolver).collect::<Result<_, _>>()?;
            }
            _ => return Err(directive.unknown_property(property, KNOWN)),
        }
        Ok(())
    }

    fn except(&mut self, property: &Property, setup: &mut Setup<'_>) -> Result<(), Diagnostic> {
        for argument in property.expect_arguments(1..=usize::MAX)? {
            match setup.zones(std::slice::from_ref(argument)) {
                Ok(zones) => self.except.extend(zones.written().iter().cloned()),
                // CoreDNS passes over it in silence.
                Err(_) => setup.report(
                    Diagnostic::warning(argument.span, format!("`{argument}` is not a zone"))
                        .label("has no effect"),
                ),
            }
        }
        Ok(())
    }

    fn health_check(&mut self, property: &Property) -> Result<(), Diagnostic> {
        let (interval, options) = property.expect_arguments(1..=usize::MAX)?.split_at(1);
        self.health_interval = interval[0].duration()?;
        self.health_domain = ROOT.into();
        let mut options = options.iter();
        while let Some(option) = options.next() {
            match &**option {
                "no_rec" => self.health_recursion = false,
                "domain" => {
                    let Some(domain) = options.next() else {
                        return Err(Diagnostic::error(option.span, "`domain` wants a domain name")
                            .label("something is missing after this"));
                    };
                    self.health_domain =
                        wire_name(domain).ok_or_else(|| domain.expected("a domain name"))?;
                }
                _ => {
                    return Err(Diagnostic::error(
                        option.span,
                        format!("unknown option `{option}` of `health_check`"),
                    )
                    .label("not known")
                    .help("known options: no_rec, domain NAME"));
                }
            }
        }
        Ok(())
    }

    /// The TO arguments; those that make no sense are reported.
    fn targets(&self, to: &[Argument], setup: &mut Setup<'_>) -> Vec<Target> {
        if let Some(extra) = to.get(MAX_TARGETS) {
            setup.report(
                Diagnostic::error(
                    extra.span,
                    format!("more than {MAX_TARGETS} upstreams: {}", to.len()),
                )
                .label("one too many"),
            );
            return Vec::new();
        }
        let mut targets = Vec::new();
        for argument in to {
            let Some(found) = setup.note(target::parse(argument, &self.resolvers)) else {
                continue;
            };
            for target in &found {
                let Target::Endpoint(Endpoint { server_name: Some(own), .. }) = target else {
                    continue;
                };
                let checked = match &self.tls_servername {
                    Some(common) => Err(format!(
                        "`{argument}` has a server name, and so has `tls_servername {common}`"
                    )),
                    None => server_name(own),
                };
                if let Err(message) = checked {
                    setup.report(Diagnostic::error(argument.span, message).label("server name"));
                }
            }
            targets.extend(found);
        }
        targets
    }

    /// How TLS upstreams are talked to. Reads files and the system's authorities.
    fn tls(&self, setup: &mut Setup<'_>) -> Option<Tls> {
        let mut files = Vec::new();
        for argument in self.tls.iter().flat_map(|tls| &tls.arguments) {
            let read = std::fs::read(setup.path(&**argument)).map_err(|error| {
                Diagnostic::error(argument.span, format!("cannot read `{argument}`: {error}"))
                    .label("not readable")
            });
            files.push(setup.note(read)?);
        }
        let (authorities, identity) = match &*files {
            [] => (None, None),
            [ca] => (Some(&**ca), None),
            [cert, key] => (None, Some((&**cert, &**key))),
            [cert, key, ca, ..] => (Some(&**ca), Some((&**cert, &**key))),
        };
        let config = tls::client_config(authorities, identity).map_err(|error| {
            let span = self.tls.as_ref().map(Directive::span).unwrap_or_default();
            Diagnostic::error(span, format!("cannot set up TLS: {error}")).help(
                "arguments of `tls` are `CA`, `CERT KEY` or `CERT KEY CA`, files in PEM format",
            )
        });
        if let Some(name) = &self.tls_servername
            && let Err(message) = server_name(name)
        {
            setup.report(Diagnostic::error(name.span, message).label("server name"));
            return None;
        }
        let mut hasher = DefaultHasher::new();
        files.hash(&mut hasher);
        Some(Tls {
            config: setup.note(config)?,
            server_name: self.tls_servername.as_ref().map(|name| name.text.clone()),
            fingerprint: format!("{} {:x} {:?}", files.len(), hasher.finish(), self.doh_method),
            doh_method: self.doh_method,
        })
    }

    fn finish(
        self,
        from: Name,
        targets: Vec<Target>,
        endpoints: Vec<Endpoint>,
        tls: Option<Tls>,
    ) -> Config {
        Config {
            from,
            except: Zones::new(self.except),
            targets,
            endpoints,
            force_tcp: self.force_tcp,
            prefer_udp: self.prefer_udp,
            expire: self.expire,
            max_age: self.max_age.map(|max_age| max_age.value),
            max_idle: self.max_idle,
            read_timeout: self.read_timeout,
            max_fails: self.max_fails,
            max_connect_attempts: self.max_connect_attempts,
            health_check: HealthCheck {
                interval: self.health_interval,
                recursion_desired: self.health_recursion,
                domain: self.health_domain,
                over_tcp: self.force_tcp,
            },
            tls,
            policy: self.policy,
            max_concurrent: self.max_concurrent,
            next: self.next,
            next_on_nodata: self.next_on_nodata,
            failfast: self.failfast,
            failover: self.failover,
            source: self.source,
        }
    }
}

fn flag(property: &Property) -> Result<bool, Diagnostic> {
    property.expect_bare().map(|()| true)
}

fn rcodes(property: &Property) -> Result<Vec<u16>, Diagnostic> {
    let known = |argument: &Argument| {
        rcode::parse(argument).ok_or_else(|| {
            Diagnostic::error(argument.span, format!("`{argument}` is not a valid rcode"))
                .label("not known")
                .help("such as SERVFAIL, REFUSED or NXDOMAIN")
        })
    };
    property.expect_arguments(1..=usize::MAX)?.iter().map(known).collect()
}

fn resolver(argument: &Argument) -> Result<SocketAddr, Diagnostic> {
    let bare = argument.trim_start_matches('[').trim_end_matches(']');
    let with_port = || argument.parse().ok();
    bare.parse()
        .ok()
        .map(|ip: IpAddr| SocketAddr::new(ip, 53))
        .or_else(with_port)
        .ok_or_else(|| argument.expected("an IP address or IP:port"))
}

fn server_name(name: &str) -> Result<(), String> {
    TlsClient::check_server_name(name).map_err(|error| error.to_string())
}

/// A domain name in wire format.
fn wire_name(text: &str) -> Option<Box<[u8]>> {
    let name = Name::from_ascii(text).ok()?.to_lowercase();
    let mut wire = Vec::new();
    for label in &name {
        wire.push(u8::try_from(label.len()).ok()?);
        wire.extend_from_slice(label);
    }
    wire.push(0);
    Some(wire.into())
}

const ROOT: &[u8] = &[0];
const MAX_TARGETS: usize = 15;
const KNOWN: &[&str] = &[
    "except",
    "force_tcp",
    "prefer_udp",
    "expire",
    "max_age",
    "max_idle_conns",
    "read_timeout",
    "max_fails",
    "max_connect_attempts",
    "health_check",
    "tls",
    "tls_servername",
    "doh_method",
    "policy",
    "max_concurrent",
    "next",
    "next_on_nodata",
    "failfast_all_unhealthy_upstreams",
    "failover",
    "source_address",
    "resolver",
];
