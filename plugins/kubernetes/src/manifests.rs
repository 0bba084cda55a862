//! Objects from files: what `kubectl get -o yaml` prints, read again when it changes.
//!
//! For laptops, for CI and for "what would DNS say?". A change notice and a slow poll both lead to the
//! same step: read everything, and hand the store the whole list. A file that cannot be read or parsed
//! keeps what was there, so a half-written file does no harm.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{RecursiveMode, Watcher as _};
use plugin::async_trait;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time;

use crate::object::{EndpointSlice, Namespace, Pod, Service};
use crate::selector::Selector;
use crate::source::Source;
use crate::store::{Kind, Store};

/// Files and folders of objects.
#[derive(Debug)]
pub(crate) struct Manifests {
    pub(crate) paths: Vec<PathBuf>,
    pub(crate) labels: Option<Selector>,
    pub(crate) namespace_labels: Option<Selector>,
}

/// What the files say.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    services: Vec<Service>,
    slices: Vec<EndpointSlice>,
    pods: Vec<Pod>,
    namespaces: Vec<Namespace>,
}

/// Why a file says nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("cannot read {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("cannot parse {}: {reason}", path.display())]
    Unparsable { path: PathBuf, reason: String },
}

#[async_trait]
impl Source for Manifests {
    async fn feed(&self, store: &Store) {
        let changed = Arc::new(Notify::new());
        // Dropped with this future, which ends the notices.
        let _watcher = self.watch(&changed);
        let mut last: Option<BTreeMap<PathBuf, String>> = None;
        loop {
            match self.texts() {
                Ok(texts) if last.as_ref() == Some(&texts) => {}
                Ok(texts) => {
                    match self.parse(&texts) {
                        Ok(objects) => objects.tell(store),
                        Err(error) => {
                            tracing::warn!(target: "plugin/kubernetes", %error, "keeping the objects read before");
                        }
                    }
                    last = Some(texts);
                }
                Err(error) => {
                    tracing::warn!(target: "plugin/kubernetes", %error, "keeping the objects read before");
                }
            }
            // Either a notice, or the poll that needs none.
            let _ = time::timeout(POLL, changed.notified()).await;
            // Editors and ConfigMap updates come as several changes in a row.
            time::sleep(DEBOUNCE).await;
        }
    }
}

impl Manifests {
    fn watch(&self, changed: &Arc<Notify>) -> Option<notify::RecommendedWatcher> {
        let changed = Arc::clone(changed);
        let made = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading the files is an event as well.
            if event.is_ok_and(|event| !event.kind.is_access()) {
                changed.notify_one();
            }
        });
        let mut watcher = made
            .inspect_err(|error| {
                tracing::debug!(target: "plugin/kubernetes", %error, "no change notices");
            })
            .ok()?;
        for path in &self.paths {
            // A file that is replaced is another file: its directory tells.
            let watched = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
            let watched = if watched.as_os_str().is_empty() { Path::new(".") } else { watched };
            if let Err(error) = watcher.watch(watched, RecursiveMode::NonRecursive) {
                tracing::debug!(target: "plugin/kubernetes", %error, "no change notices");
            }
        }
        Some(watcher)
    }

    fn texts(&self) -> Result<BTreeMap<PathBuf, String>, ReadError> {
        let mut texts = BTreeMap::new();
        for path in &self.paths {
            let unreadable = |source| ReadError::Unreadable { path: path.clone(), source };
            let mut files = vec![path.clone()];
            if path.is_dir() {
                files.clear();
                for entry in std::fs::read_dir(path).map_err(unreadable)? {
                    let file = entry.map_err(unreadable)?.path();
                    let is_manifest = file
                        .extension()
                        .and_then(|ending| ending.to_str())
                        .is_some_and(|ending| matches!(ending, "yaml" | "yml" | "json"));
                    if is_manifest && !file.is_dir() {
                        files.push(file);
                    }
                }
            }
            for file in files {
                let text = std::fs::read_to_string(&file)
                    .map_err(|source| ReadError::Unreadable { path: file.clone(), source })?;
                texts.insert(file, text);
            }
        }
        Ok(texts)
    }

    fn parse(&self, texts: &BTreeMap<PathBuf, String>) -> Result<Objects, ReadError> {
        let mut objects = Objects::default();
        for (path, text) in texts {
            let unparsable = |reason| ReadError::Unparsable { path: path.clone(), reason };
            for document in documents(path, text).map_err(unparsable)? {
                objects.add(document).map_err(unparsable)?;
            }
        }
        objects.select(self.labels.as_ref(), self.namespace_labels.as_ref());
        Ok(objects)
    }
}

/// The documents of a file: JSON values in a row, or YAML documents.
fn documents(path: &Path, text: &str) -> Result<Vec<Value>, String> {
    let is_json = path.extension().is_some_and(|ending| ending == "json")
        || text.trim_start().starts_with('{');
    if is_json {
        let values = serde_json::Deserializer::from_str(text).into_iter();
        return values.collect::<Result<_, _>>().map_err(|error| error.to_string());
    }
    // The limits of the parser are for strangers' input; a cluster's dump is large and one's own.
    let options = serde_saphyr::options! { budget: None };
    serde_saphyr::from_multiple_with_options(text, options).map_err(|error| error.to_string())
}

impl Objects {
    fn add(&mut self, document: Value) -> Result<(), String> {
        let mut document = document;
        let text = |field: &str| document.get(field).and_then(Value::as_str).unwrap_or_default();
        let kind = text("kind").to_owned();
        let is_v1 = text("apiVersion") == "v1";
        match kind.as_str() {
            "Service" if is_v1 => self.services.push(typed(document)?),
            "Pod" if is_v1 => self.pods.push(typed(document)?),
            "Namespace" if is_v1 => self.namespaces.push(typed(document)?),
            "EndpointSlice" if text("apiVersion") == "discovery.k8s.io/v1" => {
                self.slices.push(typed(document)?);
            }
            _ => {
                // A list; an API server's own names the kind of its items once.
                let of_kind = kind.strip_suffix("List").unwrap_or_default().to_owned();
                let version = document.get("apiVersion").cloned();
                let items = document.get_mut("items").and_then(Value::as_array_mut);
                for mut item in items.map(std::mem::take).unwrap_or_default() {
                    if let Some(fields) = item.as_object_mut() {
                        if !fields.contains_key("kind") {
                            fields.insert("kind".into(), Value::String(of_kind.clone()));
                            fields.extend(
                                version.clone().map(|version| ("apiVersion".into(), version)),
                            );
                        }
                        self.add(item)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// What the API server would do with selectors and with pods that have ended.
    fn select(&mut self, labels: Option<&Selector>, namespace_labels: Option<&Selector>) {
        if let Some(labels) = labels {
            self.services.retain(|service| labels.selects(service.metadata.labels.as_ref()));
            self.slices.retain(|slice| labels.selects(slice.metadata.labels.as_ref()));
            self.pods.retain(|pod| labels.selects(pod.metadata.labels.as_ref()));
        }
        if let Some(labels) = namespace_labels {
            self.namespaces.retain(|namespace| labels.selects(namespace.metadata.labels.as_ref()));
        }
        self.pods.retain(|pod| {
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
            !matches!(phase, Some("Succeeded" | "Failed" | "Unknown"))
        });
    }

    /// Hands the store the whole list of each kind.
    pub(crate) fn tell(&self, store: &Store) {
        for kind in Kind::ALL.into_iter().filter(|&kind| store.wants(kind)) {
            store.begin_list(kind);
            match kind {
                Kind::Service => self.services.iter().for_each(|it| _ = store.apply_service(it)),
                Kind::EndpointSlice => self.slices.iter().for_each(|it| _ = store.apply_slice(it)),
                Kind::Namespace => {
                    self.namespaces.iter().for_each(|it| _ = store.apply_namespace(it));
                }
                Kind::Pod => self.pods.iter().for_each(|it| _ = store.apply_pod(it)),
            }
            store.end_list(kind);
        }
    }
}

fn typed<T: DeserializeOwned>(document: Value) -> Result<T, String> {
    serde_json::from_value(document).map_err(|error| error.to_string())
}

/// How often the files are looked at without any notice.
const POLL: Duration = Duration::from_secs(10);

/// How long to wait for further changes after the first.
const DEBOUNCE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
