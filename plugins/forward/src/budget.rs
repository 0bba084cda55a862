//! How many more queries than needed may be sent.

use std::sync::atomic::{AtomicI64, Ordering};

/// Every question earns a tenth of a hedge. When upstreams are slow because they are overloaded, asking everything
/// twice would bury them; this way they get a tenth more.
#[derive(Debug)]
pub(crate) struct Budget {
    /// In tenths of a hedge.
    tenths: AtomicI64,
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self { tenths: AtomicI64::new(MAX_TENTHS) }
    }

    /// A question is asked.
    pub(crate) fn earn(&self) {
        // Nothing is written while the purse is full.
        if self.tenths.load(Ordering::Relaxed) < MAX_TENTHS {
            self.tenths.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether one more hedge is covered; it is paid for if so.
    pub(crate) fn spend(&self) -> bool {
        let spend = |tenths: i64| (tenths >= HEDGE_TENTHS).then_some(tenths - HEDGE_TENTHS);
        self.tenths.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend).is_ok()
    }
}

const HEDGE_TENTHS: i64 = 10;
/// Sixty-four hedges at once after a quiet time.
const MAX_TENTHS: i64 = 64 * HEDGE_TENTHS;
