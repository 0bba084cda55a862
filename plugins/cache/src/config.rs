//! What the `cache` directive says: typed, defaulted and bounded.

use std::time::Duration;

use plugin::proto::rr::Name;
use plugin::{Argument, Bounds, Diagnostic, Directive, Property, Setup, Zones};

/// The settings of one cache.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Names outside these pass by.
    pub(crate) zones: Zones,
    /// For replies with data, and referrals.
    pub(crate) success: Tier,
    /// For replies that say there is none, and for errors.
    pub(crate) denial: Tier,
    /// Refreshes before expiry; `None` is off.
    pub(crate) prefetch: Option<Prefetch>,
    /// Answers after expiry; `None` is off.
    pub(crate) stale: Option<Stale>,
    /// Whether an answer, even a stale one, is preferred to a denial.
    pub(crate) prefers_positive: bool,
    /// How long SERVFAIL and NOTIMP are kept; below one second they are not.
    pub(crate) servfail: Duration,
    /// Whether hits show the TTL as stored instead of what is left of it.
    pub(crate) keeps_ttl: bool,
}

/// One of the two maps.
#[derive(Clone, Debug)]
pub(crate) struct Tier {
    /// Entries of ordinary size.
    pub(crate) capacity: u64,
    /// Longer TTLs are cut to this.
    pub(crate) max_ttl_secs: u32,
    /// Shorter TTLs are raised to this, unless `max_ttl_secs` is shorter still.
    pub(crate) min_ttl_secs: u32,
    /// Nothing below these is stored.
    pub(crate) disabled: Zones,
}

/// `prefetch AMOUNT [DURATION [PERCENT%]]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prefetch {
    /// Hits that make an entry popular; at least one.
    pub(crate) amount: u32,
    /// A longer pause between two hits starts the count anew.
    pub(crate) gap: Duration,
    /// The last part of the TTL in which a popular entry is refreshed. Between 10 and 90.
    pub(crate) percent: u32,
}

/// `serve_stale [DURATION [MODE …]]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stale {
    /// How long after expiry an entry still answers.
    pub(crate) up_to: Duration,
    /// Whether the next plugins are asked first, and how long they may take; zero is without a limit.
    pub(crate) verify: Option<Duration>,
    /// The TTL that stale replies show.
    pub(crate) ttl_secs: u32,
    /// How long a failed refresh is not tried again; zero tries each time.
    pub(crate) recheck: Duration,
}

impl Config {
    /// The settings as written; mistakes are reported to `setup` and the default stands in.
    pub(crate) fn parse(setup: &mut Setup<'_>) -> Result<Self, Diagnostic> {
        let directive = setup.once()?;
        let mut arguments = directive.arguments.as_slice();
        let mut ttl_secs = None;
        if let [first, rest @ ..] = arguments
            && first.parse::<i64>().is_ok()
        {
            ttl_secs = setup.note(max_ttl(first));
            arguments = rest;
        }
        let zones = setup.zones(arguments)?;
        let tier = |default| Tier {
            capacity: DEFAULT_CAPACITY,
            max_ttl_secs: ttl_secs.unwrap_or(default),
            min_ttl_secs: MIN_TTL_SECS,
            disabled: Zones::default(),
        };
        let mut config = Self {
            zones,
            success: tier(MAX_TTL_SECS),
            denial: tier(MAX_DENIAL_TTL_SECS),
            prefetch: None,
            stale: None,
            prefers_positive: false,
            servfail: SERVFAIL.default,
            keeps_ttl: false,
        };
        let mut policy = None;
        for property in directive.properties() {
            let done = config.property(directive, property, &mut policy);
            setup.note(done);
            if matches!(&*property.name, "success" | "denial")
                && let Some(extra) = property.arguments.get(3)
            {
                setup.report(
                    Diagnostic::warning(extra.span, format!("`{extra}` has no meaning here"))
                        .label("not used")
                        .help(format!("write `{} CAPACITY [TTL] [MINTTL]`", property.name)),
                );
            }
        }
        let names_stale = directive.properties().iter().any(|p| &*p.name == "serve_stale");
        if let Some(span) = policy
            && !names_stale
        {
            return Err(Diagnostic::error(span, "`serve_stale_policy` wants `serve_stale`")
                .label("without effect alone")
                .help("add `serve_stale` to the block"));
        }
        Ok(config)
    }

    /// Whether a look-up of that name can find nothing: the usual thing for names of the cluster.
    pub(crate) fn keeps_nothing_of(&self, qname: &Name) -> bool {
        self.success.disabled.contain(qname) && self.denial.disabled.contain(qname)
    }

    fn property(
        &mut self,
        directive: &Directive,
        property: &Property,
        policy: &mut Option<plugin::Span>,
    ) -> Result<(), Diagnostic> {
        property.expect_no_block()?;
        match &*property.name {
            "success" => self.success.set(property),
            "denial" => self.denial.set(property),
            "prefetch" => {
                self.prefetch = prefetch(property)?;
                Ok(())
            }
            "serve_stale" => {
                self.stale = Some(stale(property)?);
                Ok(())
            }
            "serve_stale_policy" => {
                if policy.replace(property.name.span).is_some() {
                    return Err(Diagnostic::error(
                        property.name.span,
                        "`serve_stale_policy` can only be given once",
                    )
                    .label("here again"));
                }
                let wanted = property.argument()?;
                if !wanted.eq_ignore_ascii_case("prefer_positive") {
                    return Err(wanted.expected("a policy").help("write `prefer_positive`"));
                }
                self.prefers_positive = true;
                Ok(())
            }
            "servfail" => {
                let duration = property.duration()?;
                // RFC 2308 §7.1: a server failure is kept for five minutes at the most.
                self.servfail = SERVFAIL.check(duration, property.argument()?)?;
                Ok(())
            }
            "disable" => {
                let arguments = property.expect_arguments(1..=usize::MAX)?;
                let tier = match &*arguments[0] {
                    "success" => &mut self.success,
                    "denial" => &mut self.denial,
                    _ => return Err(arguments[0].expected("`success` or `denial`")),
                };
                tier.disabled = Zones::parse(&arguments[1..], &[".".to_owned()])?;
                Ok(())
            }
            "keepttl" => {
                property.expect_bare()?;
                self.keeps_ttl = true;
                Ok(())
            }
            _ => Err(directive.unknown_property(property, PROPERTIES)),
        }
    }
}

impl Tier {
    /// `CAPACITY [TTL] [MINTTL]`.
    fn set(&mut self, property: &Property) -> Result<(), Diagnostic> {
        let arguments = property.expect_arguments(1..=usize::MAX)?;
        let capacity: i64 = arguments[0].parse_as("a whole number of entries")?;
        self.capacity = u64::try_from(capacity).unwrap_or(0).max(LEAST_CAPACITY);
        if let Some(written) = arguments.get(1) {
            self.max_ttl_secs = max_ttl(written)?;
        }
        if let Some(written) = arguments.get(2) {
            let secs: i64 = written.parse_as("a whole number of seconds")?;
            if secs < 0 {
                return Err(Diagnostic::error(
                    written.span,
                    format!("the minimum TTL `{written}` is negative"),
                )
                .label("at least 0"));
            }
            self.min_ttl_secs = u32::try_from(secs).unwrap_or(u32::MAX);
        }
        Ok(())
    }
}

fn max_ttl(written: &Argument) -> Result<u32, Diagnostic> {
    let secs: i64 = written.parse_as("a whole number of seconds")?;
    if secs <= 0 {
        return Err(Diagnostic::error(
            written.span,
            format!("the TTL `{written}` is not positive"),
        )
        .label("at least 1")
        .help("leave `cache` out to keep nothing"));
    }
    // No TTL is longer than this, so a greater limit is none.
    Ok(u32::try_from(secs).unwrap_or(u32::MAX))
}

fn prefetch(property: &Property) -> Result<Option<Prefetch>, Diagnostic> {
    let arguments = property.expect_arguments(1..=3)?;
    let amount: i64 = arguments[0].parse_as("a whole number of queries")?;
    if amount < 0 {
        return Err(Diagnostic::error(
            arguments[0].span,
            format!("the amount `{}` is negative", arguments[0]),
        )
        .label("at least 0"));
    }
    let gap = arguments.get(1).map_or(Ok(PREFETCH_GAP), Argument::duration)?;
    let percent = match arguments.get(2) {
        None => PERCENT.default,
        Some(written) => {
            let Some(number) = written.strip_suffix('%') else {
                return Err(written.expected("a percentage").help("write `10%`"));
            };
            let percent = number.parse().map_err(|_| written.expected("a percentage"))?;
            PERCENT.check(percent, written)?
        }
    };
    let amount = u32::try_from(amount).unwrap_or(u32::MAX);
    Ok((amount > 0).then_some(Prefetch { amount, gap, percent }))
}

fn stale(property: &Property) -> Result<Stale, Diagnostic> {
    let arguments = property.expect_arguments(0..=5)?;
    let up_to = arguments.first().map_or(Ok(STALE_UP_TO), Argument::duration)?;
    let verifies = match arguments.get(1) {
        None => false,
        Some(mode) if mode.eq_ignore_ascii_case("immediate") => false,
        Some(mode) if mode.eq_ignore_ascii_case("verify") => true,
        Some(mode) => return Err(mode.expected("`immediate` or `verify`")),
    };
    let mut rest = arguments.iter().skip(2);
    let verify = if verifies {
        Some(rest.next().map_or(Ok(Duration::ZERO), Argument::duration)?)
    } else {
        property.expect_arguments(0..=4)?;
        None
    };
    let ttl_secs = rest.next().map_or(Ok(0), stale_ttl)?;
    let recheck = match rest.next() {
        None => RECHECK.default,
        Some(written) => RECHECK.check(written.duration()?, written)?,
    };
    Ok(Stale { up_to, verify, ttl_secs, recheck })
}

fn stale_ttl(written: &Argument) -> Result<u32, Diagnostic> {
    let ttl = written.duration()?;
    if ttl.subsec_nanos() != 0 {
        return Err(written.expected("a whole number of seconds").help("write `30s`"));
    }
    u32::try_from(ttl.as_secs()).map_err(|_| {
        Diagnostic::error(written.span, format!("`{written}` is longer than a TTL can be"))
            .label("at most 4294967295s")
    })
}

/// What fits the block; the rest of the line is checked by each.
const PROPERTIES: &[&str] = &[
    "success",
    "denial",
    "prefetch",
    "serve_stale",
    "serve_stale_policy",
    "servfail",
    "disable",
    "keepttl",
];

const MAX_TTL_SECS: u32 = 3600;
const MAX_DENIAL_TTL_SECS: u32 = 1800;
/// The least TTL unless set, and the TTL of replies that have none.
pub(crate) const MIN_TTL_SECS: u32 = 5;
const DEFAULT_CAPACITY: u64 = 9984;
const LEAST_CAPACITY: u64 = 1024;
const PREFETCH_GAP: Duration = Duration::from_mins(1);
const PERCENT: Bounds<u32> = Bounds { default: 10, min: 10, max: 90 };
const STALE_UP_TO: Duration = Duration::from_hours(1);
const RECHECK: Bounds<Duration> =
    Bounds { default: Duration::ZERO, min: Duration::ZERO, max: Duration::from_mins(5) };
const SERVFAIL: Bounds<Duration> =
    Bounds { default: Duration::from_secs(5), min: Duration::ZERO, max: Duration::from_mins(5) };
