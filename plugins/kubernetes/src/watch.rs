//! One watch: a list, then every change, for ever.
//!
//! ```text
//!            ┌────────────── 410, silence, five refusals ─────────────┐
//!            ▼                                                        │
//!    begin a list ──► objects ──► end of the list ──► changes ────────┤
//!      streamed, or      │          (what it did not      │           │
//!      in pages where    │           name is dropped)     └─ end ─► resume
//!      that is refused   └─ quiet for too long ─► begin in pages
//! ```
//!
//! `kube`'s watcher does most of it. What it leaves to its user is here: falling back to pages where the
//! server has no streaming lists; beginning anew after a silence, or where the server keeps refusing the
//! version to resume from, as it does after etcd was restored from a backup; waiting between errors.
//! The objects stay in the store through all of it.

use std::fmt::Debug;
use std::pin::pin;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::jiff::Timestamp;
use kube::core::Resource;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use tokio::time::{self, Instant};

use crate::api::ApiServer;
use crate::backoff::Backoff;
use crate::metrics::Metrics;
use crate::object::{
    EndpointSlice, LAST_CHANGE_ANNOTATION, Namespace, Pod, SERVICE_NAME_LABEL, Service,
};
use crate::store::{self, Kind, Store};

/// A kind that can be watched.
pub(crate) trait Watched:
    Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static
{
    const KIND: Kind;

    /// Tells the store; whether that changed any answer.
    fn apply(&self, store: &Store) -> bool;

    /// Tells the store that the object is gone; whether it was there.
    fn remove(&self, store: &Store) -> bool;

    /// Counts what is to be counted when the object was processed.
    fn measure(&self, _store: &Store, _metrics: &Metrics) {}
}

impl Watched for Service {
    const KIND: Kind = Kind::Service;

    fn apply(&self, store: &Store) -> bool {
        store.apply_service(self)
    }

    fn remove(&self, store: &Store) -> bool {
        store.remove_service(&store::key(&self.metadata))
    }
}

impl Watched for EndpointSlice {
    const KIND: Kind = Kind::EndpointSlice;

    fn apply(&self, store: &Store) -> bool {
        store.apply_slice(self)
    }

    fn remove(&self, store: &Store) -> bool {
        store.remove_slice(&store::key(&self.metadata))
    }

    /// How long it took from the change that the endpoints controller saw to the answer here.
    fn measure(&self, store: &Store, metrics: &Metrics) {
        let annotations = self.metadata.annotations.as_ref();
        let Some(written) = annotations.and_then(|all| all.get(LAST_CHANGE_ANNOTATION)) else {
            return;
        };
        let Ok(changed) = written.parse::<Timestamp>() else {
            let slice = store::key(&self.metadata);
            tracing::warn!(
                target: "plugin/kubernetes",
                slice, written, "no time in {LAST_CHANGE_ANNOTATION}",
            );
            return;
        };
        let labels = self.metadata.labels.as_ref();
        let service = labels.and_then(|labels| labels.get(SERVICE_NAME_LABEL));
        let namespace = self.metadata.namespace.as_deref().unwrap_or_default();
        let key = format!("{namespace}/{}", service.map_or("", String::as_str));
        let Some(service) = store.entry(&key).and_then(|entry| entry.service.clone()) else {
            return;
        };
        let kind = if service.is_headless() { "headless_with_selector" } else { "cluster_ip" };
        let now = plugin::clock::unix_now().as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "seconds with their fraction are a float")]
        let changed = changed.as_nanosecond() as f64 / 1e9;
        metrics.programming.with(&[kind]).observe(now - changed);
    }
}

impl Watched for Namespace {
    const KIND: Kind = Kind::Namespace;

    fn apply(&self, store: &Store) -> bool {
        store.apply_namespace(self)
    }

    fn remove(&self, store: &Store) -> bool {
        store.remove_namespace(self.metadata.name.as_deref().unwrap_or_default())
    }
}

impl Watched for Pod {
    const KIND: Kind = Kind::Pod;

    fn apply(&self, store: &Store) -> bool {
        store.apply_pod(self)
    }

    fn remove(&self, store: &Store) -> bool {
        store.remove_pod(&store::key(&self.metadata))
    }
}

/// The watch of one kind.
pub(crate) struct Watch<'a, K> {
    api: Api<K>,
    server: &'a ApiServer,
    store: &'a Store,
    mode: Mode,
    backoff: Backoff,
    /// Refusals of a watch in a row.
    n_refused: u32,
    /// Whether a list has ended once.
    has_listed: bool,
}

/// How lists are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// As a stream: it costs the server less, and nobody holds all of it at once.
    Streamed,
    /// Page by page, as every server can.
    Paged,
}

/// What a watcher is doing.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Asking for a list; so since then.
    Asking(Instant),
    /// A list is coming in: since when, and how many of its objects changed an answer.
    Listing(Instant, usize),
    /// Every change comes as it happens.
    Following,
}

/// Whether the watcher can go on.
enum Next {
    GoOn,
    BeginAnew,
}

impl<'a, K: Watched> Watch<'a, K> {
    pub(crate) fn new(client: &Client, server: &'a ApiServer, store: &'a Store) -> Self {
        Self {
            api: Api::all_with(client.clone(), &()),
            server,
            store,
            mode: Mode::Streamed,
            backoff: Backoff::default(),
            n_refused: 0,
            has_listed: false,
        }
    }

    /// Watches until it is dropped.
    pub(crate) async fn run(mut self) {
        loop {
            self.watch().await;
        }
    }

    /// Runs one watcher until there has to be a new one, which begins with a list.
    async fn watch(&mut self) {
        let mut stream = pin!(watcher::watcher(self.api.clone(), self.config()));
        let began = Instant::now();
        let mut phase = Phase::Asking(began);
        loop {
            tokio::select! {
                event = stream.next() => match event {
                    Some(Ok(event)) => phase = self.event(event, phase),
                    Some(Err(error)) => {
                        if let Next::BeginAnew = self.error(&error).await {
                            return;
                        }
                        // A watch goes on where it was; a list begins anew.
                        if !matches!(phase, Phase::Following) {
                            phase = Phase::Asking(Instant::now());
                        }
                    }
                    None => return,
                },
                () = time::sleep_until(self.deadline(phase, began)) => {
                    // What was heard meanwhile has moved the deadline.
                    if self.deadline(phase, began) > Instant::now() {
                        continue;
                    }
                    let kind = K::KIND.as_str();
                    tracing::info!(target: "plugin/kubernetes", kind, "heard nothing; listing again");
                    if let Phase::Listing(..) = phase {
                        // A server without streaming lists may pass over the wish for one.
                        self.mode = Mode::Paged;
                    }
                    return;
                }
            }
        }
    }

    /// Until when the API server must have been heard.
    fn deadline(&self, phase: Phase, began: Instant) -> Instant {
        let heard = self.server.contact.heard(K::KIND).map_or(began, |heard| heard.max(began));
        match phase {
            Phase::Asking(since) => since + LIST_LIMIT,
            Phase::Listing(since, _) => (heard.max(since) + LIST_QUIET).min(since + LIST_LIMIT),
            Phase::Following => heard + SILENCE,
        }
    }

    fn config(&self) -> watcher::Config {
        let mut config = watcher::Config::default();
        let labels = match K::KIND {
            Kind::Namespace => &self.server.namespace_labels,
            Kind::Service | Kind::EndpointSlice | Kind::Pod => &self.server.labels,
        };
        if let Some(labels) = labels {
            config = config.labels(&labels.text);
        }
        if K::KIND == Kind::Pod {
            config =
                config.fields("status.phase!=Succeeded,status.phase!=Failed,status.phase!=Unknown");
        }
        match self.mode {
            Mode::Streamed => config.streaming_lists(),
            Mode::Paged => config.any_semantic().page_size(PAGE),
        }
    }

    fn event(&mut self, event: Event<K>, phase: Phase) -> Phase {
        if let Event::Init = event {
            self.store.begin_list(K::KIND);
            return Phase::Listing(Instant::now(), 0);
        }
        // A list that only begins may fail yet.
        self.backoff.reset();
        self.n_refused = 0;
        match (event, phase) {
            (Event::InitDone, Phase::Listing(_, n_changed)) => {
                let n_dropped = self.store.end_list(K::KIND);
                self.healed(n_changed + n_dropped);
                self.has_listed = true;
                return Phase::Following;
            }
            (Event::Init | Event::InitDone, _) => {}
            (Event::InitApply(object) | Event::Apply(object), phase) => {
                let changed = object.apply(self.store);
                object.measure(self.store, &self.server.metrics);
                if let Phase::Listing(since, n_changed) = phase {
                    return Phase::Listing(since, n_changed + usize::from(changed));
                }
            }
            (Event::Delete(object), _) => {
                object.remove(self.store);
                object.measure(self.store, &self.server.metrics);
            }
        }
        phase
    }

    /// Counts what a list put right that came after another.
    fn healed(&self, n_objects: usize) {
        if !self.has_listed || n_objects == 0 {
            return;
        }
        let kind = K::KIND.as_str();
        let healed = self.server.metrics.healed.with(&[kind]);
        healed.inc_by(u64::try_from(n_objects).unwrap_or(u64::MAX));
        tracing::info!(
            target: "plugin/kubernetes",
            kind, objects = n_objects, "listed again and put right",
        );
    }

    async fn error(&mut self, error: &watcher::Error) -> Next {
        let kind = K::KIND.as_str();
        if self.mode == Mode::Streamed && is_refused_stream(error) {
            tracing::debug!(target: "plugin/kubernetes", kind, %error, "no streaming lists; asking for pages");
            self.mode = Mode::Paged;
            return Next::BeginAnew;
        }
        let reason = chain(error);
        tracing::warn!(target: "plugin/kubernetes", kind, error = reason, "the watch failed; trying again");
        time::sleep(self.backoff.next()).await;
        // A server that cannot be reached says nothing about the version; one that answers does.
        if matches!(error, watcher::Error::WatchStartFailed(kube::Error::Api(_))) {
            self.n_refused += 1;
            if self.n_refused >= REFUSALS {
                self.n_refused = 0;
                return Next::BeginAnew;
            }
        }
        Next::GoOn
    }
}

/// Whether the server says that it cannot stream lists.
fn is_refused_stream(error: &watcher::Error) -> bool {
    let watcher::Error::WatchStartFailed(kube::Error::Api(status)) = error else { return false };
    matches!(status.code, 400 | 422)
}

/// An error with what caused it, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Many errors say their cause already.
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// How long a watch may be silent before it is listed again. API servers send a bookmark each minute.
const SILENCE: Duration = Duration::from_mins(3);

/// How long a list may pause.
const LIST_QUIET: Duration = Duration::from_secs(15);

/// How long a list may take.
const LIST_LIMIT: Duration = Duration::from_mins(2);

/// Objects in a page.
const PAGE: u32 = 500;

/// Refusals in a row before a watch begins anew.
const REFUSALS: u32 = 5;

#[cfg(test)]
mod tests;
