//! Round-trip times and times to connect, smoothed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Smoothed round-trip time and its variation, as RFC 6298 §2 computes them.
///
/// Threads race for the update and now and then one sample is lost; an estimate can bear that.
#[derive(Debug, Default)]
pub(crate) struct RoundTrip {
    /// Microseconds: the time in the upper half, the variation in the lower. 0: nothing measured yet.
    packed: AtomicU64,
}

impl RoundTrip {
    pub(crate) fn record(&self, sample: Duration) {
        let sample = micros(sample).max(1);
        let (smoothed, variation) = match self.read() {
            None => (sample, sample / 2),
            // Weights of 1/4 and 1/8.
            Some((srtt, rttvar)) => {
                ((srtt * 7 + sample) / 8, (rttvar * 3 + srtt.abs_diff(sample)) / 4)
            }
        };
        self.packed.store(smoothed.max(1) << 32 | variation, Ordering::Relaxed);
    }

    /// The time after which hardly any reply is still to come; `None` before the first reply.
    pub(crate) fn overdue_after(&self) -> Option<Duration> {
        self.read().map(|(srtt, rttvar)| Duration::from_micros(srtt + 4 * rttvar))
    }

    fn read(&self) -> Option<(u64, u64)> {
        match self.packed.load(Ordering::Relaxed) {
            0 => None,
            packed => Some((packed >> 32, packed & u64::from(u32::MAX))),
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX).into()
}

/// How long connecting may take: twice its moving average.
#[derive(Debug)]
pub(crate) struct DialTime {
    average_micros: AtomicU64,
}

impl DialTime {
    pub(crate) fn new() -> Self {
        Self { average_micros: AtomicU64::new(micros(MAX_DIAL / 2)) }
    }

    pub(crate) fn record(&self, sample: Duration) {
        let average = self.average_micros.load(Ordering::Relaxed);
        let next = average - average / WEIGHT + micros(sample) / WEIGHT;
        self.average_micros.store(next, Ordering::Relaxed);
    }

    pub(crate) fn timeout(&self) -> Duration {
        let average = Duration::from_micros(self.average_micros.load(Ordering::Relaxed));
        (2 * average).clamp(MIN_DIAL, MAX_DIAL)
    }
}

const MIN_DIAL: Duration = Duration::from_secs(1);
const MAX_DIAL: Duration = Duration::from_secs(30);
const WEIGHT: u64 = 4;
