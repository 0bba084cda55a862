//! Start, readiness, reload, lame duck, shutdown.
//!
//! ```text
//!  load ─ assemble ─ open sockets ─ serve ─────────────────────────► drain ─ close ─ exit
//!                                     │  ▲                             ▲
//!                     SIGUSR1, SIGHUP,│  │ swap routes                 │ SIGTERM, SIGINT
//!                     changed Corefile▼  │
//!                        load ─ assemble ─ start ─ open new sockets ─ stop what is no longer wanted
//! ```
//!
//! A reload that fails at any step leaves everything as it was.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use corefile::Loaded;
use futures::future::join_all;
use plugin::metrics::{Counter, Gauge, GaugeVec, Registry};
use plugin::{Plugin, ServerInfo, Shutdown, ShutdownTrigger, StartError};
use rhumb_prometheus::DnsMetrics;

use crate::assemble::{Assembled, Context, Endpoint};
use crate::chain::{Listener, ListenerMetrics};
use crate::conf::{self, Conf, fingerprint, is_built_in};
use crate::directives::Directives;
use crate::listen::{Connections, Sockets, Worker};
use crate::signals::Signals;

/// What the command line says.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) conf: Conf,
    pub(crate) default_port: u16,
    pub(crate) pidfile: Option<PathBuf>,
    pub(crate) is_quiet: bool,
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
        if let Some(generation) = self.generation.as_ref().filter(|_| !self.options.is_quiet) {
            crate::banner::print(&generation.assembled.endpoints);
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
        conf::assemble(&context, loaded)
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
            let mut is_asked_for = true;
            tokio::select! {
                () = signals.ends.recv() => return,
                _ = signals.usr1.recv() => tracing::info!("SIGUSR1: Reloading"),
                _ = signals.hangup.recv() => tracing::info!("SIGHUP: Reloading"),
                () = next_look => is_asked_for = false,
            }
            // Plugins may wait for something: that is no reason not to end.
            tokio::select! {
                () = signals.ends.recv() => return,
                () = self.reload(is_asked_for) => {}
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

    /// Reloads: whatever has changed where it is asked for, otherwise only where the Corefile, its imports
    /// or its environment have.
    async fn reload(&mut self, is_asked_for: bool) {
        let loaded = self.options.conf.load(self.options.default_port);
        if loaded.sources.files().is_empty() && !is_asked_for {
            // It cannot be read: the old one goes on, and the next look may find it again.
            return;
        }
        let fingerprint = fingerprint(&loaded);
        if is_asked_for || fingerprint != self.fingerprint {
            self.apply(&loaded, fingerprint).await;
        }
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
                tell_failure(&error);
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
        let generation = Generation::spawn(assembled);
        // Dropped on failure, which ends its background work.
        generation.start().await?;
        // Not before: the kernel gives queries to a new socket at once.
        let opened = self.open_sockets(&generation.assembled)?;
        print_warnings(&warnings);
        let before = self.swap(generation, opened);
        if let Some(before) = before {
            before.stop().await;
        }
        Ok(())
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

/// One line that says where and why, then every diagnostic.
fn tell_failure(error: &EndError) {
    let told = error.to_string();
    let mut diagnostics = told.split("\n\n").map(str::trim_end).filter(|text| !text.is_empty());
    let first = diagnostics.clone().find_map(|text| text.strip_prefix("error: "));
    let summary = first.map_or_else(
        || told.trim_end().to_owned(),
        |first| {
            let mut lines = first.lines();
            let message = lines.next().unwrap_or_default();
            match lines.next().and_then(|line| line.trim_start().strip_prefix("--> ")) {
                Some(position) => format!("{position}: {message}"),
                None => message.to_owned(),
            }
        },
    );
    tracing::error!(target: "plugin/reload", "Corefile changed but reload failed: {summary}");
    if first.is_some() {
        diagnostics.by_ref().for_each(|text| match text.strip_prefix("warning: ") {
            Some(warning) => tracing::warn!(target: "plugin/reload", "{warning}"),
            None => tracing::error!(
                target: "plugin/reload",
                "{}", text.strip_prefix("error: ").unwrap_or(text)
            ),
        });
    }
}

fn print_warnings(warnings: &str) {
    for warning in warnings.split("\n\n").map(str::trim_end).filter(|w| !w.is_empty()) {
        tracing::warn!("{}", warning.trim_start_matches("warning: "));
    }
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

const PANICS_HELP: &str = "A metrics that counts the number of panics.";
/// For queries that are being answered, and for background work, when it is over.
const GRACE: Duration = Duration::from_secs(5);
/// Each takes some 10 KiB.
const MAX_CONNECTIONS: usize = 4096;
