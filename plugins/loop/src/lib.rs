//! Finds forwarding loops and takes the upstream that closes one out of service.
//!
//! A loop is an upstream whose way leads back here: often a node whose `resolv.conf` names the cluster's own DNS, or
//! a local stub resolver. Every query sent there comes back, is forwarded again, and so on until something gives.
//!
//! ```text
//!   probe ──HINFO 123.456.zone──► upstream ──…──► our listener ──► `serve` knows the name: a loop
//! ```
//!
//! Each upstream is asked a question of its own, directly, so it is known which one loops, however many servers lie
//! between. CoreDNS asks itself and ends the process; this plugin retires the upstream, goes on serving everything
//! else, and looks again every 30 seconds. `loop { exit }` does what CoreDNS does.

mod probe;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use futures::future::join_all;
use plugin::capability::{Capabilities, Upstreams};
use plugin::metrics::GaugeVec;
use plugin::proto::rr::RecordType;
use plugin::{
    Diagnostic, Directive, Next, Plugin, PluginSpec, Reply, Request, ServeError, Setup, Shutdown,
    async_trait,
};
use tracing::{error, warn};

use probe::{Probe, Probes};

/// The `loop` directive.
pub const PLUGIN: PluginSpec = PluginSpec { name: "loop", setup };

fn setup(setup: &mut Setup<'_>) -> Result<Box<dyn Plugin>, Diagnostic> {
    let config = Config::parse(setup.once()?)?;
    let zones = &setup.block.zones;
    Ok(Box::new(Loop {
        is_fatal: config.exit,
        zone: zones.first().map_or(".", String::as_str).into(),
        listen: setup.block.listen.first().copied().map(listen).unwrap_or_default(),
        capabilities: setup.block.capabilities.clone(),
        // All blocks, and the configuration before a reload, know each other's probes.
        probes: setup.keep("loop", Probes::default),
        detected: setup.metrics.gauge_vec(
            "rhumb_loop_detected",
            "1 while an upstream is out of service because queries sent to it come back.",
            &["zone", "to"],
        ),
        end: OnceLock::new(),
    }))
}

/// An address without a host where it is any: `:53`.
fn listen(address: SocketAddr) -> String {
    match address {
        any if any.ip().is_unspecified() => format!(":{}", any.port()),
        bound => bound.to_string(),
    }
}

/// The properties.
struct Config {
    /// End the process when a loop is found.
    exit: bool,
}

impl Config {
    fn parse(directive: &Directive) -> Result<Self, Diagnostic> {
        directive.expect_arguments(0..=0)?;
        let mut config = Self { exit: false };
        for property in directive.properties() {
            match &*property.name {
                "exit" => {
                    property.expect_bare()?;
                    config.exit = true;
                }
                _ => return Err(directive.unknown_property(property, &["exit"])),
            }
        }
        Ok(config)
    }
}

struct Loop {
    is_fatal: bool,
    zone: Arc<str>,
    /// Where the block listens, for the log.
    listen: String,
    capabilities: Capabilities,
    probes: Arc<Probes>,
    detected: GaugeVec,
    /// What ends the process; set by tests to something milder.
    end: OnceLock<fn()>,
}

#[async_trait]
impl Plugin for Loop {
    async fn serve(&self, request: &Request, next: Next<'_>) -> Result<Reply, ServeError> {
        if request.qtype() == RecordType::HINFO
            && self.probes.note_arrival(request.qname(), request.client())
        {
            // Answered here: sent on, it would go round once more.
            return Ok(request.reply().into());
        }
        next.serve(request).await
    }

    fn is_pure(&self) -> bool {
        // Probes have names that nobody else asks for.
        true
    }

    async fn run(&self, shutdown: Shutdown) {
        tokio::select! {
            () = shutdown.fired() => {}
            () = self.watch() => {}
        }
    }
}

/// What is known of one upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finding {
    /// Nothing was heard of it yet.
    Unknown {
        attempts: u32,
    },
    Loops,
    Clear,
}

impl Loop {
    /// Looks at every upstream: each second at first, until it is known what becomes of its probe or 30 seconds are
    /// over; then every 30 seconds at those that loop, those that still keep silent, and those that are new.
    async fn watch(&self) {
        let groups = self.capabilities.all::<dyn Upstreams>();
        let mut findings: Vec<Vec<Finding>> = vec![Vec::new(); groups.len()];
        loop {
            let mut looks = Vec::new();
            for (group, findings) in groups.iter().zip(&mut findings) {
                let names = group.upstreams();
                findings.resize(names.len(), Finding::Unknown { attempts: 0 });
                for (upstream_idx, (name, finding)) in names.into_iter().zip(findings).enumerate() {
                    if *finding != Finding::Clear {
                        looks.push(async move {
                            *finding = self.look(&**group, upstream_idx, &name, *finding).await;
                        });
                    }
                }
            }
            join_all(looks).await;
            let is_new = |finding: &Finding| matches!(finding, Finding::Unknown { attempts } if *attempts < probe::MAX_ATTEMPTS);
            let is_settled = !findings.iter().flatten().any(is_new);
            tokio::time::sleep(if is_settled { probe::AGAIN } else { probe::RETRY }).await;
        }
    }

    async fn look(
        &self,
        group: &dyn Upstreams,
        upstream_idx: usize,
        name: &str,
        before: Finding,
    ) -> Finding {
        let Some(probe) = Probe::new(&self.zone, &self.probes) else { return Finding::Clear };
        let reply = group.ask(upstream_idx, probe.query(), probe::TIMEOUT).await;
        if let Some(source) = probe.arrived_from() {
            if before != Finding::Loops {
                self.report(name, &probe, &source.to_string());
                group.set_in_service(upstream_idx, false);
                self.detected.with(&[&self.zone, name]).set(1.0);
            }
            return Finding::Loops;
        }
        match (before, reply) {
            (Finding::Loops, Some(_)) => {
                warn!(target: "plugin/loop", upstream = name, zone = %self.zone, "loop is gone, upstream is back in service");
                group.set_in_service(upstream_idx, true);
                self.detected.with(&[&self.zone, name]).set(0.0);
                Finding::Clear
            }
            // Silence is no proof that the loop is gone.
            (Finding::Loops, None) => Finding::Loops,
            (Finding::Unknown { attempts }, None) => {
                Finding::Unknown { attempts: attempts.saturating_add(1) }
            }
            (Finding::Clear | Finding::Unknown { .. }, _) => Finding::Clear,
        }
    }

    /// In CoreDNS's words, which alerts look for.
    fn report(&self, upstream: &str, probe: &Probe, source: &str) {
        let (zone, listen, qname) = (&self.zone, &self.listen, probe.qname());
        if self.is_fatal {
            error!(target: "plugin/loop", "Loop ({source} -> {listen}) detected for zone {zone:?}, see https://coredns.io/plugins/loop#troubleshooting. Query: \"HINFO {qname}\"");
            self.end.get().copied().unwrap_or(end_process)();
        } else {
            warn!(target: "plugin/loop", upstream, "Loop ({source} -> {listen}) detected for zone {zone:?}, see https://coredns.io/plugins/loop#troubleshooting. Query: \"HINFO {qname}\". The upstream is out of service until the loop is gone");
        }
    }
}

/// As CoreDNS ends after a fatal log line.
#[expect(clippy::exit, reason = "`loop { exit }` is a wish to end the process")]
fn end_process() {
    std::process::exit(1);
}

#[cfg(test)]
mod tests;
