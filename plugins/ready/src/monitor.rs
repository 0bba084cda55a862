//! Which plugins cannot answer yet.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use plugin::Plugin;
use plugin::setup::Readiness;

use crate::config::Mode;

/// What `/ready` of one address knows.
pub(crate) struct Monitor {
    readiness: Arc<Readiness>,
    is_continuous: AtomicBool,
    /// Those that were ready once. Weak, so that the plugins of an earlier configuration can go; their
    /// allocations stay until then, so a new plugin is never taken for an old one at the same address.
    seen_ready: Mutex<Vec<Weak<dyn Plugin>>>,
}

impl Monitor {
    pub(crate) fn new(readiness: Arc<Readiness>) -> Self {
        Self { readiness, is_continuous: AtomicBool::new(false), seen_ready: Mutex::default() }
    }

    /// Where several blocks name one address, the last of them decides.
    pub(crate) fn set_mode(&self, mode: Mode) {
        self.is_continuous.store(mode == Mode::Continuously, Ordering::Relaxed);
    }

    /// Whether the server is ending.
    pub(crate) fn is_ending(&self) -> bool {
        self.readiness.is_ending()
    }

    /// The names of the plugins that are not ready, sorted. A name stands for all the blocks that use it.
    pub(crate) fn unready(&self) -> Vec<&'static str> {
        let is_continuous = self.is_continuous.load(Ordering::Relaxed);
        let mut seen_ready = self.seen_ready.lock().unwrap_or_else(PoisonError::into_inner);
        seen_ready.retain(|plugin| plugin.strong_count() > 0);
        let mut unready = BTreeSet::new();
        for (name, plugin) in self.readiness.plugins() {
            let same =
                |seen: &Weak<dyn Plugin>| std::ptr::addr_eq(seen.as_ptr(), Arc::as_ptr(&plugin));
            if !is_continuous && seen_ready.iter().any(same) {
                continue;
            }
            if !plugin.ready() {
                unready.insert(name);
            } else if !is_continuous {
                seen_ready.push(Arc::downgrade(&plugin));
            }
        }
        unready.into_iter().collect()
    }
}
