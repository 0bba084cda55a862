//! Metrics under Prometheus's rules, at the price of one uncontended store.
//!
//! Each thread that counts owns a block of cells and is their only writer; a scrape sums over the
//! blocks. So a counter is a number of a cell, a bump is a load and a store on the worker's own memory,
//! and nothing is shared on the way of a query:
//!
//! ```text
//!             cell 0   1   2   3 …
//!  worker 0 │      7   0  12   3
//!  worker 1 │      5   1  15   0      scrape: 12  1  27  3
//! ```
//!
//! Families live in a [`Registry`], which hands itself to the `prometheus` crate as one collector.
//! Getting a family twice by name gives the same family, so a reload goes on counting.

mod cells;
mod collect;
mod process;

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use smallvec::SmallVec;

/// All metric families of one server.
#[derive(Clone, Default)]
pub struct Registry {
    families: Arc<Mutex<BTreeMap<&'static str, Arc<Family>>>>,
}

/// A count that only grows.
#[derive(Clone, Debug, PartialEq)]
pub struct Counter {
    cell: u32,
}

/// A value that goes up and down; shared, so not for the way of a query.
#[derive(Clone, Debug)]
pub struct Gauge {
    bits: Arc<AtomicU64>,
}

/// Values counted by size.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// One cell for each bucket, one for what is above the last, one for the sum.
    first_cell: u32,
    bounds: &'static [f64],
}

/// A family of counters that differ in their labels.
#[derive(Clone, Debug)]
pub struct CounterVec(Arc<Family>);

/// A family of gauges that differ in their labels.
#[derive(Clone, Debug)]
pub struct GaugeVec(Arc<Family>);

/// A family of histograms that differ in their labels.
#[derive(Clone, Debug)]
pub struct HistogramVec(Arc<Family>);

struct Family {
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    kind: Kind,
    hasher: ahash::RandomState,
    children: RwLock<HashMap<u64, SmallVec<[Child; 1]>, ahash::RandomState>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Counter,
    Gauge,
    Histogram(&'static [f64]),
}

struct Child {
    labels: Box<[Box<str>]>,
    value: Value,
}

type Reading = Box<dyn Fn() -> Option<f64> + Send + Sync>;

enum Value {
    Counter(Counter),
    Gauge(Gauge),
    /// Read at scrape by the newest that does not return `None`, which means that its owner is gone.
    Readings(Mutex<Vec<Reading>>),
    Histogram(Histogram),
}

impl Registry {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// The counter without labels of that name; it shows as 0 from now on.
    pub fn counter(&self, name: &'static str, help: &'static str) -> Counter {
        self.counter_vec(name, help, &[]).with(&[])
    }

    /// The counters of that name.
    pub fn counter_vec(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
    ) -> CounterVec {
        CounterVec(self.family(name, help, labels, Kind::Counter))
    }

    /// The gauge without labels of that name.
    pub fn gauge(&self, name: &'static str, help: &'static str) -> Gauge {
        self.gauge_vec(name, help, &[]).with(&[])
    }

    /// The gauges of that name.
    pub fn gauge_vec(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
    ) -> GaugeVec {
        GaugeVec(self.family(name, help, labels, Kind::Gauge))
    }

    /// The histograms of that name; `bounds` are the buckets' upper bounds, ascending.
    pub fn histogram_vec(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
        bounds: &'static [f64],
    ) -> HistogramVec {
        HistogramVec(self.family(name, help, labels, Kind::Histogram(bounds)))
    }

    /// The text of `/metrics`: every family that has a series, sorted by name, and the process's own.
    pub fn text(&self) -> String {
        collect::text(self)
    }

    fn family(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
        kind: Kind,
    ) -> Arc<Family> {
        let mut families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        let family = families.entry(name).or_insert_with(|| {
            Arc::new(Family {
                name,
                help,
                labels,
                kind,
                hasher: ahash::RandomState::new(),
                children: RwLock::default(),
            })
        });
        debug_assert!(
            family.kind == kind && family.labels == labels,
            "metric {name} is declared twice with different labels or kinds"
        );
        Arc::clone(family)
    }
}

impl Family {
    /// The child with these labels, through `found`; made by `make` where there is none yet.
    fn child<T>(
        &self,
        labels: &[&str],
        found: impl Fn(&Value) -> Option<T>,
        make: impl FnOnce() -> Value,
    ) -> Option<T> {
        assert_eq!(labels.len(), self.labels.len(), "labels of {}", self.name);
        let key = self.key(labels);
        let matching =
            |child: &&Child| child.labels.iter().map(|l| &**l).eq(labels.iter().copied());
        {
            let children = self.children.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(child) = children.get(&key).and_then(|same| same.iter().find(matching)) {
                return found(&child.value);
            }
        }
        let mut children = self.children.write().unwrap_or_else(PoisonError::into_inner);
        let same = children.entry(key).or_default();
        if let Some(child) = same.iter().find(matching) {
            return found(&child.value);
        }
        let child = Child { labels: labels.iter().map(|&l| l.into()).collect(), value: make() };
        let value = found(&child.value);
        same.push(child);
        value
    }

    fn remove(&self, labels: &[&str]) {
        let mut children = self.children.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(same) = children.get_mut(&self.key(labels)) {
            same.retain(|child| !child.labels.iter().map(|l| &**l).eq(labels.iter().copied()));
        }
    }

    fn key(&self, labels: &[&str]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        for label in labels {
            label.hash(&mut hasher);
        }
        hasher.finish()
    }
}

impl CounterVec {
    /// The counter with these label values, in the order of the label names.
    ///
    /// # Panics
    /// Where there are more or fewer values than names.
    pub fn with(&self, labels: &[&str]) -> Counter {
        let found = |value: &Value| match value {
            Value::Counter(counter) => Some(counter.clone()),
            _ => None,
        };
        let make = || Value::Counter(Counter { cell: cells::reserve(1) });
        self.0.child(labels, found, make).expect("a counter family holds counters")
    }
}

impl GaugeVec {
    /// The gauge with these label values.
    pub fn with(&self, labels: &[&str]) -> Gauge {
        let found = |value: &Value| match value {
            Value::Gauge(gauge) => Some(gauge.clone()),
            _ => None,
        };
        let make = || Value::Gauge(Gauge { bits: Arc::default() });
        // A series that is read by a function cannot be set as well: hand out one that nobody sees.
        self.0.child(labels, found, make).unwrap_or_else(|| Gauge { bits: Arc::default() })
    }

    /// A series that is read at each scrape, instead of set. `None` says that what it tells of is gone:
    /// then a reading given before goes on, or the series is left out. So the series of a configuration
    /// that was set up but never ran does not hide that of the running one.
    pub fn read_with(
        &self,
        labels: &[&str],
        read: impl Fn() -> Option<f64> + Send + Sync + 'static,
    ) {
        let read = Cell::new(Some(Box::new(read) as Reading));
        let add = |value: &Value| {
            let (Value::Readings(readings), Some(read)) = (value, read.take()) else { return None };
            let mut readings = readings.lock().unwrap_or_else(PoisonError::into_inner);
            readings.retain(|read| read().is_some());
            // Each configuration that keeps what it tells of gives one more: two are enough.
            if readings.len() > 1 {
                drop(readings.remove(0));
            }
            readings.push(read);
            Some(())
        };
        self.0.child(labels, add, || Value::Readings(Mutex::default()));
    }

    /// Takes a series out.
    pub fn remove(&self, labels: &[&str]) {
        self.0.remove(labels);
    }
}

impl HistogramVec {
    /// The histogram with these label values.
    ///
    /// # Panics
    /// Where there are more or fewer values than names.
    pub fn with(&self, labels: &[&str]) -> Histogram {
        let Kind::Histogram(bounds) = self.0.kind else {
            unreachable!("made by Registry::histogram_vec")
        };
        let found = |value: &Value| match value {
            Value::Histogram(histogram) => Some(histogram.clone()),
            _ => None,
        };
        let make = || {
            let n_cells = u32::try_from(bounds.len() + 2).expect("a handful of buckets");
            Value::Histogram(Histogram { first_cell: cells::reserve(n_cells), bounds })
        };
        self.0.child(labels, found, make).expect("a histogram family holds histograms")
    }
}

impl Counter {
    /// Adds one.
    pub fn inc(&self) {
        cells::add(self.cell, 1);
    }

    /// Adds `n`.
    pub fn inc_by(&self, n: u64) {
        cells::add(self.cell, n);
    }

    /// The count over all threads.
    pub fn get(&self) -> u64 {
        cells::sum(self.cell)
    }
}

impl Gauge {
    /// Sets the value.
    pub fn set(&self, value: f64) {
        self.bits.store(value.to_bits(), Ordering::Relaxed);
    }

    /// The value.
    pub fn get(&self) -> f64 {
        f64::from_bits(self.bits.load(Ordering::Relaxed))
    }
}

impl Histogram {
    /// Counts a value.
    pub fn observe(&self, value: f64) {
        // The first bucket whose bound is not below the value; the one above all bounds otherwise.
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        let n_bounds = self.bounds.len();
        cells::add(self.first_cell + u32::try_from(bucket).unwrap_or(0), 1);
        cells::add_f64(self.first_cell + u32::try_from(n_bounds + 1).unwrap_or(0), value);
    }

    /// How many values were counted.
    pub fn count(&self) -> u64 {
        (0..=self.bounds.len()).map(|bucket| self.bucket(bucket)).sum()
    }

    /// The sum of the values.
    pub fn sum(&self) -> f64 {
        cells::sum_f64(self.first_cell + u32::try_from(self.bounds.len() + 1).unwrap_or(0))
    }

    fn bucket(&self, bucket: usize) -> u64 {
        cells::sum(self.first_cell + u32::try_from(bucket).unwrap_or(0))
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_set().entries(families.keys()).finish()
    }
}

impl fmt::Debug for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Family").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Bounds `start · factor^0 … start · factor^(N-1)`.
pub const fn exponential<const N: usize>(start: f64, factor: f64) -> [f64; N] {
    let mut bounds = [start; N];
    let mut i = 1;
    while i < N {
        bounds[i] = bounds[i - 1] * factor;
        i += 1;
    }
    bounds
}

/// Seconds from 0.25 ms to 8.192 s: the buckets of DNS latency metrics.
pub const LATENCY_BOUNDS: &[f64] = &exponential::<16>(0.000_25, 2.0);

#[cfg(test)]
mod tests;
