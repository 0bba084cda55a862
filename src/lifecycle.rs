//! Start, readiness, reload, lame duck, shutdown.
//!
//! ```text
//!  load ─ assemble ─ open sockets ─ serve ─────────────────────────► drain ─ close ─ exit
//!                                     │  ▲                             ▲
//!                     SIGUSR1, SIGHUP,│  │ swap routes                 │ SIGTERM, SIGINT
//!                     changed Corefile▼  │
//!                        load ─ assemble ─ open new sockets ─ start ─ stop what is no longer wanted
//! ```
//!
//! A reload that fails at any step leaves everything as it was.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use corefile::{Diagnostic, Loaded, Severity, Sources};
use futures::future::join_all;
use plugin::metrics::{Counter, Gauge, GaugeVec, Registry};
use plugin::{Plugin, ServerInfo, Shutdown, ShutdownTrigger, StartError};
use rhumb_prometheus::DnsMetrics;
use sha2::{Digest, Sha512};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::assemble::{Assembled, Context, Endpoint};
use crate::chain::{Listener, ListenerMetrics};
use crate::directives::Directives;
use crate::listen::{Connections, Sockets, Worker};

/// What the command line says.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) conf: Conf,
    pub(crate) default_port: u16,
    pub(crate) pidfile: Option<PathBuf>,
    pub(crate) is_quiet: bool,
}

/// Where the Corefile comes from.
#[derive(Clone, Debug)]
pub(crate) enum Conf {
    /// A file; a missing one is an error.
    File(PathBuf),
    /// `-conf stdin`, read once.
    Text(String),
    /// `./Corefile`, or the built-in default where there is none.
    Unset,
}

impl Conf {
    /// Reads `-conf`'s value.
    pub(crate) fn new(written: Option<&str>) -> io::Result<Self> {
        match written {
            None | Some("") => Ok(Self::Unset),
            Some("stdin") => {
                let mut text = Vec::new();
                io::stdin().lock().read_to_end(&mut text)?;
                Ok(Self::Text(String::from_utf8_lossy(&text).into_owned()))
            }
            Some(path) => Ok(Self::File(path.into())),
        }
    }

    /// Reads and parses the Corefile.
    pub(crate) fn load(&self, default_port: u16) -> Loaded {
        let environment = |name: &str| std::env::var(name).ok();
        let loaded = match self {
            Self::File(path) => corefile::load(path, &environment),
            Self::Text(text) => corefile::parse(Path::new("stdin"), text, &environment),
            Self::Unset if Path::new(DEFAULT_PATH).exists() => {
                corefile::load(Path::new(DEFAULT_PATH), &environment)
            }
            Self::Unset => built_in(default_port),
        };
        if loaded.corefile.blocks.is_empty() && !loaded.has_errors() {
            return built_in(default_port);
        }
        loaded
    }
}

/// What serves where there is no Corefile, or an empty one: as CoreDNS.
fn built_in(default_port: u16) -> Loaded {
    let text = format!(".:{default_port} {{\n    whoami\n    log\n}}\n");
    corefile::parse(Path::new(BUILT_IN_PATH), &text, &|_| None)
}

/// Whether there was no Corefile, or an empty one.
fn is_built_in(loaded: &Loaded) -> bool {
    loaded.sources.files().first().is_some_and(|file| file.path == Path::new(BUILT_IN_PATH))
}

/// Why the server ended, or could not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EndError {
    #[error("{0}")]
    Corefile(String),
    #[error("cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("plugin/{name}: {source}")]
    Start { name: &'static str, source: StartError },
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Every diagnostic of a Corefile, rendered.
pub(crate) fn render_all(diagnostics: &[Diagnostic], sources: &Sources) -> String {
    let mut text = String::new();
    for diagnostic in diagnostics {
        text.push_str(&corefile::render(diagnostic, sources));
        text.push('\n');
    }
    let n_errors = diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
    if n_errors > 1 {
        let _ = writeln!(text, "{n_errors} errors");
    }
    text
}

/// Serves until a signal ends it.
pub(crate) async fn run(directives: &Directives, options: Options) -> Result<(), EndError> {
    let mut signals = Signals::new()?;
    let metrics = Registry::new();
    crate::directives::declare_metrics(&metrics);
    let mut server = Server::new(directives.clone(), options, metrics)?;
    server.open()?;
    let outcome = tokio::select! {
        started = server.start() => started,
        // Plugins may wait for something: that is no reason not to end.
        () = signals.ends.recv() => {
            server.end(&mut signals).await;
            return Ok(());
        }
    };
    if outcome.is_ok() {
        server.serve(&mut signals).await;
    }
    server.end(&mut signals).await;
    outcome
}

/// The signals that mean something.
struct Signals {
    ends: Ends,
    hangup: Signal,
    usr1: Signal,
}

/// The signals that end the process.
struct Ends {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            ends: Ends {
                terminate: signal(SignalKind::terminate())?,
                interrupt: signal(SignalKind::interrupt())?,
                quit: signal(SignalKind::quit())?,
            },
            hangup: signal(SignalKind::hangup())?,
            usr1: signal(SignalKind::user_defined1())?,
        })
    }
}

impl Ends {
    /// Returns when the process is to end.
    async fn recv(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {
                tracing::info!("SIGTERM: Shutting down servers then terminating");
            }
            _ = self.interrupt.recv() => tracing::info!("SIGINT: Shutting down"),
            _ = self.quit.recv() => tracing::info!("SIGQUIT: Shutting down"),
        }
    }
}

/// A running server.
struct Server {
    directives: Directives,
    options: Options,
    metrics: Registry,
    listener_metrics: ListenerMetrics,
    reload_failed: Counter,
    reload_version: GaugeVec,
    plugin_enabled: GaugeVec,
    workers: Vec<Worker>,
    generation: Option<Generation>,
    /// By address: what serves there.
    open: HashMap<SocketAddr, Open>,
    /// The Corefile that was tried last, whether or not it runs.
    fingerprint: String,
    /// What `plugin_enabled` shows.
    enabled: Vec<[String; 4]>,
}

/// One configuration with its background work.
struct Generation {
    assembled: Assembled,
    shutdown: ShutdownTrigger,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

/// An address that is listened on.
struct Open {
    listener: Arc<Listener>,
    /// One for each worker: closes its sockets when dropped.
    _sockets: Vec<ShutdownTrigger>,
}

impl Server {
    fn new(directives: Directives, options: Options, metrics: Registry) -> Result<Self, EndError> {
        let n_workers = std::thread::available_parallelism().map_or(1, usize::from);
        let connections = Connections::new(max_connections());
        let workers: io::Result<Vec<Worker>> =
            (0..n_workers).map(|idx| Worker::start(idx, Arc::clone(&connections))).collect();
        Ok(Self {
            directives,
            options,
            listener_metrics: ListenerMetrics {
                dns: DnsMetrics::declare(&metrics),
                panics: metrics.counter("coredns_panics_total", PANICS_HELP),
            },
            reload_failed: metrics.counter(
                "coredns_reload_failed_total",
                "Counter of the number of failed reload attempts.",
            ),
            reload_version: metrics.gauge_vec(
                "coredns_reload_version_info",
                "A metric with a constant '1' value labeled by hash, and value which type of hash generated.",
                &["hash", "value"],
            ),
            plugin_enabled: metrics.gauge_vec(
                "coredns_plugin_enabled",
                "A metric that indicates whether a plugin is enabled on per server and zone basis.",
                &["server", "zone", "view", "name"],
            ),
            metrics,
            workers: workers?,
            generation: None,
            open: HashMap::new(),
            fingerprint: String::new(),
            enabled: Vec::new(),
        })
    }

    /// Loads the Corefile and serves. Queries are answered from here on: what has to wait for something
    /// answers for itself.
    fn open(&mut self) -> Result<(), EndError> {
        let loaded = self.options.conf.load(self.options.default_port);
        let (assembled, warnings) = self.assemble(&loaded).map_err(EndError::Corefile)?;
        self.fingerprint = fingerprint(&loaded);
        print_warnings(&warnings);
        let opened = self.open_sockets(&assembled)?;
        self.swap(Generation::spawn(assembled), opened);
        Ok(())
    }

    /// Waits for the plugins to have started, and says so.
    async fn start(&self) -> Result<(), EndError> {
        if let Some(generation) = &self.generation {
            generation.start().await?;
        }
        if let Some(path) = &self.options.pidfile {
            let pid = format!("{}\n", std::process::id());
            if let Err(error) = std::fs::write(path, pid) {
                // As CoreDNS: on a read-only file system there is none, and that is all.
                tracing::error!("Could not write pidfile: {}: {error}", path.display());
            }
        }
        if !self.options.is_quiet {
            self.banner();
        }
        self.tell_fingerprint();
        Ok(())
    }

    /// As CoreDNS, where there is `reload`.
    fn tell_fingerprint(&self) {
        if self.generation.as_ref().is_some_and(|g| g.assembled.settings.reload.is_some()) {
            tracing::info!(
                target: "plugin/reload",
                "Running configuration SHA512 = {}", self.fingerprint
            );
        }
    }

    /// Sets a configuration up beside the running one. The errors and the warnings come rendered.
    fn assemble(&self, loaded: &Loaded) -> Result<(Assembled, String), String> {
        let keep = match &self.generation {
            Some(running) => running.assembled.shared.keep.next(),
            None => plugin::Keep::default(),
        };
        let context = Context {
            directives: &self.directives,
            metrics: &self.metrics,
            background: tokio::runtime::Handle::current(),
            default_port: self.options.default_port,
            keep: Arc::new(keep),
        };
        assemble(&context, loaded)
    }

    /// Opens what is not open yet, for every worker. Nothing is served from it before [`Server::swap`].
    fn open_sockets(
        &self,
        assembled: &Assembled,
    ) -> Result<HashMap<SocketAddr, Vec<Sockets>>, EndError> {
        let mut opened = HashMap::new();
        for endpoint in &assembled.endpoints {
            if self.open.contains_key(&endpoint.address) {
                continue;
            }
            let open = |address| {
                Sockets::open(address).map_err(|source| EndError::Listen { address, source })
            };
            let first = open(endpoint.address)?;
            // Port 0: the kernel chose one, and the other workers share it.
            let address = first.local_addr()?;
            let mut sockets = vec![first];
            for _ in 1..self.workers.len() {
                sockets.push(open(address)?);
            }
            opened.insert(endpoint.address, sockets);
        }
        Ok(opened)
    }

    /// Puts a configuration in place of the running one, which it returns.
    fn swap(
        &mut self,
        generation: Generation,
        mut opened: HashMap<SocketAddr, Vec<Sockets>>,
    ) -> Option<Generation> {
        crate::log::set_debug(generation.assembled.settings.is_debug);
        let mut open = HashMap::new();
        for endpoint in &generation.assembled.endpoints {
            let serving = match self.open.remove(&endpoint.address) {
                Some(serving) => {
                    serving.listener.swap(Arc::clone(&endpoint.routes));
                    serving
                }
                None => {
                    self.serve_on(endpoint, opened.remove(&endpoint.address).unwrap_or_default())
                }
            };
            open.insert(endpoint.address, serving);
        }
        // What is left of the old map is closed here.
        self.open = open;
        self.show_enabled(&generation.assembled.endpoints);
        let before = self.generation.replace(generation);
        if let Some(running) = &self.generation {
            running.assembled.shared.keep.settle();
        }
        before
    }

    fn serve_on(&self, endpoint: &Endpoint, sockets: Vec<Sockets>) -> Open {
        let listener = Listener::new(
            ServerInfo { label: endpoint.label.clone() },
            Arc::clone(&endpoint.routes),
            self.listener_metrics.clone(),
        );
        let open =
            |(worker, sockets): (&Worker, Sockets)| worker.open(sockets, Arc::clone(&listener));
        let sockets = self.workers.iter().zip(sockets).map(open).collect();
        Open { listener, _sockets: sockets }
    }

    fn show_enabled(&mut self, endpoints: &[Endpoint]) {
        for labels in self.enabled.drain(..) {
            self.plugin_enabled.remove(&labels.each_ref().map(String::as_str));
        }
        for endpoint in endpoints {
            for (zone, view, name) in &endpoint.enabled {
                let labels =
                    [endpoint.label.clone(), zone.clone(), view.clone(), (*name).to_owned()];
                let gauge: Gauge = self.plugin_enabled.with(&labels.each_ref().map(String::as_str));
                gauge.set(1.0);
                self.enabled.push(labels);
            }
        }
    }

    /// Waits for signals and for a changed Corefile, until the server is to end.
    async fn serve(&mut self, signals: &mut Signals) {
        loop {
            let next_look = self.next_look();
            tokio::select! {
                () = signals.ends.recv() => return,
                _ = signals.usr1.recv() => {
                    tracing::info!("SIGUSR1: Reloading");
                    self.reload().await;
                }
                _ = signals.hangup.recv() => {
                    tracing::info!("SIGHUP: Reloading");
                    self.reload().await;
                }
                () = next_look => self.look().await,
            }
        }
    }

    /// Returns when the Corefile is to be looked at again; never without `reload`.
    fn next_look(&self) -> impl Future<Output = ()> + use<> {
        let reload = self.generation.as_ref().and_then(|g| g.assembled.settings.reload);
        async move {
            let Some(reload) = reload else { return std::future::pending().await };
            let jitter = reload.jitter.mul_f64(rand::random_range(-0.5..=0.5_f64).abs());
            let wait = if rand::random() {
                reload.interval + jitter
            } else {
                reload.interval.saturating_sub(jitter)
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// Reloads where the Corefile, its imports or its environment have changed.
    async fn look(&mut self) {
        let loaded = self.options.conf.load(self.options.default_port);
        if loaded.sources.files().is_empty() {
            // It cannot be read: the old one goes on, and the next look may find it again.
            return;
        }
        let fingerprint = fingerprint(&loaded);
        if fingerprint != self.fingerprint {
            self.apply(&loaded, fingerprint).await;
        }
    }

    /// Reloads whatever has changed.
    async fn reload(&mut self) {
        let loaded = self.options.conf.load(self.options.default_port);
        let fingerprint = fingerprint(&loaded);
        self.apply(&loaded, fingerprint).await;
    }

    async fn apply(&mut self, loaded: &Loaded, fingerprint: String) {
        tracing::info!("Reloading");
        // A Corefile that was refused is not tried again until it changes.
        let before = std::mem::replace(&mut self.fingerprint, fingerprint);
        let outcome = self.try_apply(loaded).await;
        self.reload_version.remove(&["sha512", &before]);
        self.reload_version.with(&["sha512", &self.fingerprint]).set(1.0);
        match outcome {
            Ok(()) => {
                self.tell_fingerprint();
                tracing::info!("Reloading complete");
            }
            Err(error) => {
                self.reload_failed.inc();
                tracing::error!(
                    target: "plugin/reload",
                    "Corefile changed but reload failed: {error}"
                );
            }
        }
    }

    async fn try_apply(&mut self, loaded: &Loaded) -> Result<(), EndError> {
        if is_built_in(loaded) {
            // Who writes a file in place empties it first: that is no wish to serve something else.
            // CoreDNS changes over to `whoami` until it looks again.
            return Err(EndError::Corefile("the Corefile is gone or empty".into()));
        }
        let (assembled, warnings) = self.assemble(loaded).map_err(EndError::Corefile)?;
        let opened = self.open_sockets(&assembled)?;
        let generation = Generation::spawn(assembled);
        // Dropped on failure, which ends its background work.
        generation.start().await?;
        print_warnings(&warnings);
        let before = self.swap(generation, opened);
        if let Some(before) = before {
            before.stop().await;
        }
        Ok(())
    }

    /// The zones that are served and where, then the version: as CoreDNS prints them.
    fn banner(&self) {
        let Some(generation) = &self.generation else { return };
        let mut text = String::new();
        for endpoint in &generation.assembled.endpoints {
            for zone in &endpoint.zones {
                if !is_preferred_syntax(zone) {
                    let _ = writeln!(
                        text,
                        "Warning: Domain {zone:?} does not follow RFC1035 preferred syntax"
                    );
                }
                let _ = write!(text, "{zone}:{}", endpoint.address.port());
                if !endpoint.address.ip().is_unspecified() {
                    let _ = write!(text, " on {}", endpoint.address.ip());
                }
                text.push('\n');
            }
        }
        text.push_str(&crate::cli::version());
        let mut stdout = io::stdout().lock();
        let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    }

    /// Lame duck, then the end. A second signal skips the waiting.
    async fn end(&mut self, signals: &mut Signals) {
        if let Some(generation) = self.generation.take() {
            generation.assembled.shared.readiness.end();
            let draining = generation.assembled.plugins.iter().map(|(_, plugin)| plugin.drain());
            tokio::select! {
                _ = join_all(draining) => {}
                _ = signals.ends.interrupt.recv() => {}
                _ = signals.ends.quit.recv() => {}
            }
            self.open.clear();
            for worker in &self.workers {
                worker.finish(GRACE);
            }
            let workers = std::mem::take(&mut self.workers);
            let join = move || workers.into_iter().for_each(Worker::join);
            let _ = tokio::task::spawn_blocking(join).await;
            generation.stop().await;
        }
        if let Some(path) = &self.options.pidfile {
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Generation {
    /// Starts the background work.
    fn spawn(assembled: Assembled) -> Self {
        let (trigger, shutdown) = Shutdown::pair();
        let tasks = assembled
            .plugins
            .iter()
            .map(|(_, plugin)| {
                let (plugin, shutdown): (Arc<dyn Plugin>, _) =
                    (Arc::clone(plugin), shutdown.clone());
                tokio::spawn(async move { plugin.run(shutdown).await })
            })
            .collect();
        Self { assembled, shutdown: trigger, tasks }
    }

    /// Waits for every plugin to have started.
    async fn start(&self) -> Result<(), EndError> {
        let starting = self.assembled.plugins.iter().map(|(name, plugin)| async move {
            plugin.start().await.map_err(|source| EndError::Start { name, source })
        });
        futures::future::try_join_all(starting).await.map(|_| ())
    }

    /// Ends the background work.
    async fn stop(mut self) {
        self.shutdown.fire();
        let ending = join_all(std::mem::take(&mut self.tasks));
        if tokio::time::timeout(GRACE, ending).await.is_err() {
            tracing::warn!("background work of a configuration did not end in time");
        }
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        // A plugin may hold on to the list that holds on to it.
        self.assembled.shared.readiness.set_plugins(Vec::new());
    }
}

/// Sets up what was loaded, opens nothing. Both sides come rendered.
fn assemble(context: &Context<'_>, loaded: &Loaded) -> Result<(Assembled, String), String> {
    let mut diagnostics = loaded.diagnostics.clone();
    // Mistakes in the text do not keep the rest of it from being looked at.
    match context.assemble(&loaded.corefile) {
        Ok(assembled) if !loaded.has_errors() => {
            diagnostics.extend(assembled.warnings.iter().cloned());
            let warnings = render_all(&diagnostics, &loaded.sources);
            Ok((assembled, warnings))
        }
        Ok(_) => Err(render_all(&diagnostics, &loaded.sources)),
        Err(more) => Err(render_all(&sorted(diagnostics, more), &loaded.sources)),
    }
}

/// Every diagnostic of what was loaded, and whether it can be used.
pub(crate) fn diagnose(context: &Context<'_>, loaded: &Loaded) -> (Vec<Diagnostic>, bool) {
    let diagnostics = loaded.diagnostics.clone();
    match context.assemble(&loaded.corefile) {
        Ok(assembled) => (sorted(diagnostics, assembled.warnings), !loaded.has_errors()),
        Err(more) => (sorted(diagnostics, more), false),
    }
}

/// In the order of the files.
fn sorted(mut diagnostics: Vec<Diagnostic>, more: Vec<Diagnostic>) -> Vec<Diagnostic> {
    diagnostics.extend(more);
    diagnostics.sort_by_key(|d| d.span.map(|span| (span.file, span.start)));
    diagnostics
}

fn print_warnings(warnings: &str) {
    for warning in warnings.split("\n\n").map(str::trim_end).filter(|w| !w.is_empty()) {
        tracing::warn!("{}", warning.trim_start_matches("warning: "));
    }
}

/// SHA-512 over the words of the Corefile, imports and environment expanded: white space, comments and
/// line numbers do not count.
fn fingerprint(loaded: &Loaded) -> String {
    let mut digest = Sha512::new();
    for block in &loaded.corefile.blocks {
        for key in &block.keys {
            digest.update(key.text.as_bytes());
            digest.update([0]);
        }
        digest_directives(&mut digest, &block.directives);
    }
    for diagnostic in &loaded.diagnostics {
        digest.update(diagnostic.message.as_bytes());
    }
    let mut text = String::new();
    for byte in digest.finalize() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn digest_directives(digest: &mut Sha512, directives: &[corefile::Directive]) {
    digest.update([1]);
    for directive in directives {
        for word in std::iter::once(&directive.name).chain(&directive.arguments) {
            digest.update(word.text.as_bytes());
            digest.update([0]);
        }
        if let Some(block) = &directive.block {
            digest_directives(digest, &block.properties);
        }
        digest.update([2]);
    }
}

/// RFC 1035 §2.3.1; the root and reverse zones pass.
fn is_preferred_syntax(zone: &str) -> bool {
    if zone == "." || zone.ends_with(".in-addr.arpa.") || zone.ends_with(".ip6.arpa.") {
        return true;
    }
    zone.strip_suffix('.').is_some_and(|labels| {
        labels.split('.').all(|label| {
            label.starts_with(|c: char| c.is_ascii_alphabetic())
                && label.ends_with(|c: char| c.is_ascii_alphanumeric())
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        })
    })
}

/// Half of the descriptors that the process may have, which leaves room for upstreams and the rest.
fn max_connections() -> usize {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 512 };
    // As Go programs do: the soft limit is for programs that use select(2).
    let limit = if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() {
        hard
    } else {
        soft
    };
    usize::try_from(limit / 2).unwrap_or(usize::MAX).min(MAX_CONNECTIONS)
}

const DEFAULT_PATH: &str = "Corefile";
/// Names the built-in Corefile in diagnostics.
const BUILT_IN_PATH: &str = "built-in Corefile";
const PANICS_HELP: &str = "A metrics that counts the number of panics.";
/// For queries that are being answered, and for background work, when it is over.
const GRACE: Duration = Duration::from_secs(5);
/// Each takes some 10 KiB.
const MAX_CONNECTIONS: usize = 4096;
