//! The directive, typed.

use std::time::Duration;

use plugin::http::check_address;
use plugin::proto::rr::{Name, RecordType};
use plugin::{Bounds, Diagnostic, Directive, Property, Setup};

/// What the directive says. Where it is repeated the last word on each matter counts, as in CoreDNS.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// Where `/health` is served: `host:port` or `:port`.
    pub(crate) address: String,
    /// How long an ending server goes on answering; zero unless set.
    pub(crate) lameduck: Duration,
    /// What has to be answered.
    pub(crate) probes: Vec<ProbeSettings>,
}

/// One `probe`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProbeSettings {
    pub(crate) qname: Name,
    pub(crate) qtype: RecordType,
    /// From one question to the next.
    pub(crate) every: Duration,
}

impl Config {
    /// Reads the directive; every mistake is noted.
    pub(crate) fn parse(setup: &mut Setup<'_>) -> Self {
        let mut config = Self {
            address: DEFAULT_ADDRESS.to_owned(),
            lameduck: Duration::ZERO,
            probes: Vec::new(),
        };
        for directive in setup.directives {
            config.read(setup, directive);
        }
        config
    }

    fn read(&mut self, setup: &mut Setup<'_>, directive: &Directive) {
        if let Some(arguments) = setup.note(directive.expect_arguments(0..=1))
            && let Some(written) = arguments.first()
        {
            self.address = setup.note(check_address(written, DEFAULT_ADDRESS)).unwrap_or_default();
        }
        for property in directive.properties() {
            match &*property.name {
                "lameduck" => {
                    let lameduck = property.expect_no_block().and_then(|()| property.duration());
                    self.lameduck = setup.note(lameduck).unwrap_or_default();
                }
                "probe" => {
                    let probe = setup.note(ProbeSettings::parse(property));
                    let is_new =
                        |probe: &ProbeSettings| !self.probes.iter().any(|p| p.asks_as(probe));
                    self.probes.extend(probe.filter(is_new));
                }
                _ => setup.report(directive.unknown_property(property, KNOWN)),
            }
        }
    }
}

impl ProbeSettings {
    /// `probe NAME TYPE [every DURATION]`.
    fn parse(property: &Property) -> Result<Self, Diagnostic> {
        property.expect_no_block()?;
        let arguments = property.expect_arguments(2..=4)?;
        let mut qname =
            Name::from_ascii(&*arguments[0]).map_err(|_| arguments[0].expected("a domain name"))?;
        qname.set_fqdn(true);
        let qtype = arguments[1]
            .to_ascii_uppercase()
            .parse()
            .map_err(|_| arguments[1].expected("a record type").help("such as `A` or `SRV`"))?;
        let every = match &arguments[2..] {
            [] => EVERY.default,
            [word, duration] if **word == *"every" => {
                EVERY.check(duration.duration()?, duration)?
            }
            [other, ..] => {
                return Err(other.expected("`every`").help("write `probe NAME TYPE every 5s`"));
            }
        };
        Ok(Self { qname, qtype, every })
    }

    /// Whether both ask the same question.
    fn asks_as(&self, other: &Self) -> bool {
        self.qtype == other.qtype && self.qname == other.qname
    }
}

const DEFAULT_ADDRESS: &str = ":8080";
const KNOWN: &[&str] = &["lameduck", "probe"];
const EVERY: Bounds<Duration> = Bounds {
    default: Duration::from_secs(5),
    min: Duration::from_secs(1),
    max: Duration::from_hours(1),
};
