//! What a plugin sees while it is set up.

use std::any::Any;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::capability::Capabilities;
use crate::http::HttpListener;
use crate::metrics::Registry;
use crate::{Argument, Diagnostic, Directive, Plugin, Zones};

/// One plugin's view of the configuration.
#[non_exhaustive]
pub struct Setup<'a> {
    /// The directive; where it is repeated in the block, the first.
    pub directive: &'a Directive,
    /// Every occurrence of the directive in the block, the first included.
    pub directives: &'a [Directive],
    /// The server block.
    pub block: &'a BlockInfo,
    /// Where metrics are declared.
    pub metrics: &'a Registry,
    /// What the whole server shares.
    pub shared: &'a Shared,
    diagnostics: &'a mut Vec<Diagnostic>,
}

/// The server block that a directive stands in.
#[derive(Clone, Debug, Default)]
pub struct BlockInfo {
    /// The zones of its keys: lower case, with a final dot.
    pub zones: Vec<String>,
    /// Where its first key listens, after `bind`; the unspecified address where it is not bound.
    pub listen: Vec<SocketAddr>,
    /// Stands for everything below this directive in the chain: state that depends on what the plugins
    /// below answer, such as a cache, has it in its key.
    pub below: u64,
    /// What relative paths start from (`root`).
    pub root: PathBuf,
    /// What the block's plugins offer to each other.
    pub capabilities: Capabilities,
}

/// What all server blocks share.
#[derive(Clone, Debug)]
pub struct Shared {
    /// State that outlives a reload.
    pub keep: Arc<Keep>,
    /// Whether the plugins can answer yet.
    pub readiness: Arc<Readiness>,
    /// The runtime for work that must never delay an answer.
    pub background: tokio::runtime::Handle,
    /// What the server was built from.
    pub build: Build,
}

/// What a server was built from.
#[derive(Clone, Copy, Debug)]
pub struct Build {
    /// The release.
    pub version: &'static str,
    /// The commit; empty where it is not known.
    pub commit: &'static str,
    /// The compiler's version.
    pub rustc: &'static str,
}

impl<'a> Setup<'a> {
    /// For the server and the test kit: a view of one directive.
    ///
    /// # Panics
    /// Where `directives` is empty.
    pub fn new(
        directives: &'a [Directive],
        block: &'a BlockInfo,
        metrics: &'a Registry,
        shared: &'a Shared,
        diagnostics: &'a mut Vec<Diagnostic>,
    ) -> Self {
        Self { directive: &directives[0], directives, block, metrics, shared, diagnostics }
    }

    /// The directive, refusing a second one in the block.
    pub fn once(&self) -> Result<&'a Directive, Diagnostic> {
        match self.directives.get(1) {
            None => Ok(&self.directives[0]),
            Some(again) => Err(Diagnostic::error(
                again.name.span,
                format!("`{}` can only be used once per server block", again.name),
            )
            .label("here again")
            .help("put all its properties into one block")),
        }
    }

    /// Notes a mistake or a warning and goes on, so that all of them are shown at once. With an error
    /// noted the configuration is refused whatever the set-up returns.
    pub fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Notes the error, if it is one, and goes on with `None`.
    pub fn note<T>(&mut self, result: Result<T, Diagnostic>) -> Option<T> {
        result.map_err(|diagnostic| self.report(diagnostic)).ok()
    }

    /// The zones that the arguments name; the block's zones without arguments.
    pub fn zones(&self, arguments: &[Argument]) -> Result<Zones, Diagnostic> {
        Zones::parse(arguments, &self.block.zones)
    }

    /// A path as written, relative to `root` unless absolute.
    pub fn path(&self, written: impl AsRef<Path>) -> PathBuf {
        self.block.root.join(written)
    }

    /// State that outlives a reload: what the configuration before this one made under the same key, or
    /// what `make` makes now. Put everything that the state depends on into the key.
    pub fn keep<T: Send + Sync + 'static>(
        &self,
        key: impl AsRef<str>,
        make: impl FnOnce() -> T,
    ) -> Arc<T> {
        self.shared.keep.get_or_make(key.as_ref(), make)
    }

    /// A listener for HTTP that outlives a reload. `address` is `host:port` or `:port`.
    pub fn http_listener(&self, address: &str) -> Arc<HttpListener> {
        self.keep(address, || HttpListener::new(address))
    }

    /// Offers something to the other plugins of the block.
    pub fn provide<T: ?Sized + Send + Sync + 'static>(&self, capability: Arc<T>) {
        self.block.capabilities.provide(capability);
    }
}

impl std::fmt::Debug for Setup<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup").field("directives", &self.directives).finish_non_exhaustive()
    }
}

type Kept = HashMap<(std::any::TypeId, String), Arc<dyn Any + Send + Sync>>;

/// State that one configuration hands to the next: sockets, caches, upstream health, cluster stores.
///
/// ```text
///   old configuration ── Keep A ─┐
///                                ├─ next() ─► Keep B: takes from A what is asked for again
///   new configuration ── Keep B ─┘            settle(): lets go of A
/// ```
#[derive(Default)]
pub struct Keep {
    before: Mutex<Kept>,
    now: Mutex<Kept>,
}

impl Keep {
    /// For a new configuration: finds what this one kept.
    #[must_use]
    pub fn next(&self) -> Self {
        let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        Self { before: Mutex::new(now.clone()), now: Mutex::default() }
    }

    /// Lets go of what the new configuration did not ask for. Call it when the swap is done.
    pub fn settle(&self) {
        self.before.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(crate) fn get_or_make<T: Send + Sync + 'static>(
        &self,
        key: &str,
        make: impl FnOnce() -> T,
    ) -> Arc<T> {
        let key = (std::any::TypeId::of::<T>(), key.to_owned());
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = now.get(&key).cloned().or_else(|| {
            self.before.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
        });
        let value = kept.unwrap_or_else(|| Arc::new(make()));
        now.insert(key, Arc::clone(&value));
        value.downcast().expect("the key holds the type")
    }
}

impl std::fmt::Debug for Keep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keep").finish_non_exhaustive()
    }
}

/// Whether the plugins of a configuration can answer, for `/ready`.
#[derive(Default)]
pub struct Readiness {
    plugins: RwLock<Vec<(&'static str, Arc<dyn Plugin>)>>,
    is_ending: AtomicBool,
}

impl Readiness {
    /// The plugins that have to be ready; called by the server when all are set up.
    pub fn set_plugins(&self, plugins: Vec<(&'static str, Arc<dyn Plugin>)>) {
        *self.plugins.write().unwrap_or_else(PoisonError::into_inner) = plugins;
    }

    /// The plugins of the configuration, with their names, in chain order block by block.
    pub fn plugins(&self) -> Vec<(&'static str, Arc<dyn Plugin>)> {
        self.plugins.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Called when the server begins to end: not ready from now on.
    pub fn end(&self) {
        self.is_ending.store(true, Ordering::Release);
    }

    /// Whether the server is ending.
    pub fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Acquire)
    }
}

impl std::fmt::Debug for Readiness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Readiness").field("is_ending", &self.is_ending).finish_non_exhaustive()
    }
}
