//! Joins our families to the `prometheus` crate's registry, which sorts and prints them.

use std::sync::{Arc, PoisonError};

use prometheus::core::{Collector, Desc};
use prometheus::proto;

use super::process;
use super::{Family, Kind, Registry, Value};

/// The text of `/metrics`.
pub(super) fn text(registry: &Registry) -> String {
    let prometheus = prometheus::Registry::new();
    if let Err(error) = prometheus.register(Box::new(Families(registry.clone()))) {
        tracing::error!(%error, "cannot register metrics");
    }
    prometheus::TextEncoder::new().encode_to_string(&prometheus.gather()).unwrap_or_else(|error| {
        tracing::error!(%error, "cannot encode metrics");
        String::new()
    })
}

struct Families(Registry);

impl Collector for Families {
    fn desc(&self) -> Vec<&Desc> {
        // The families come and go with the configuration, so they are not described beforehand.
        Vec::new()
    }

    fn collect(&self) -> Vec<proto::MetricFamily> {
        let families: Vec<Arc<Family>> = {
            let families = self.0.families.lock().unwrap_or_else(PoisonError::into_inner);
            families.values().cloned().collect()
        };
        let ours = families.iter().map(|family| collect(family));
        ours.filter(|family| !family.get_metric().is_empty()).chain(process::collect()).collect()
    }
}

fn collect(family: &Family) -> proto::MetricFamily {
    let mut collected = proto::MetricFamily::default();
    collected.set_name(family.name.to_owned());
    collected.set_help(family.help.to_owned());
    collected.set_field_type(match family.kind {
        Kind::Counter => proto::MetricType::COUNTER,
        Kind::Gauge => proto::MetricType::GAUGE,
        Kind::Histogram(_) => proto::MetricType::HISTOGRAM,
    });
    let children = family.children.read().unwrap_or_else(PoisonError::into_inner);
    let metrics = children.values().flatten().filter_map(|child| {
        let mut labels: Vec<proto::LabelPair> = family
            .labels
            .iter()
            .zip(&child.labels)
            .map(|(name, value)| {
                let mut pair = proto::LabelPair::default();
                pair.set_name((*name).to_owned());
                pair.set_value(value.to_string());
                pair
            })
            .collect();
        labels.sort_by(|a, b| a.name().cmp(b.name()));
        let mut metric = proto::Metric::from_label(labels);
        match &child.value {
            Value::Counter(counter) => {
                let mut value = proto::Counter::default();
                value.set_value(as_f64(counter.get()));
                metric.set_counter(value);
            }
            Value::Gauge(gauge) => metric.set_gauge(gauge_of(gauge.get())),
            Value::Readings(readings) => {
                let readings = readings.lock().unwrap_or_else(PoisonError::into_inner);
                metric.set_gauge(gauge_of(readings.iter().rev().find_map(|read| read())?));
            }
            Value::Histogram(histogram) => {
                let mut cumulative = 0;
                let mut buckets = Vec::with_capacity(histogram.bounds.len());
                for (bucket, bound) in histogram.bounds.iter().enumerate() {
                    cumulative += histogram.bucket(bucket);
                    let mut counted = proto::Bucket::default();
                    counted.set_upper_bound(*bound);
                    counted.set_cumulative_count(cumulative);
                    buckets.push(counted);
                }
                let mut value = proto::Histogram::default();
                // From the same readings as the buckets, so that +Inf never lags behind them.
                value.set_sample_count(cumulative + histogram.bucket(histogram.bounds.len()));
                value.set_sample_sum(histogram.sum());
                value.set_bucket(buckets);
                metric.set_histogram(value);
            }
        }
        Some(metric)
    });
    collected.set_metric(metrics.collect());
    collected
}

pub(super) fn gauge_of(value: f64) -> proto::Gauge {
    let mut gauge = proto::Gauge::default();
    gauge.set_value(value);
    gauge
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus's numbers are floats")]
fn as_f64(count: u64) -> f64 {
    count as f64
}
