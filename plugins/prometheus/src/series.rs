//! The counters of one server, zone and view, looked up once.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use plugin::metrics::{Counter, Histogram};
use plugin::proto::op::ResponseCode;
use plugin::{Request, Transport};

use crate::metrics::{
    DnsMetrics, FAMILIES, PROTOS, TYPES, family_idx, proto_idx, rcode_name, type_idx,
};

/// Every [`Series`] so far, read without a lock. There are as many as the block has listeners, zones and views.
pub(crate) struct SeriesCache {
    metrics: DnsMetrics,
    hasher: ahash::RandomState,
    /// By the hash of the three labels.
    known: ArcSwap<Known>,
}

type Known = HashMap<u64, Vec<Arc<Series>>, ahash::RandomState>;

/// The counters of one server, zone and view. Those with more labels are made when first used, so that nothing shows
/// in `/metrics` that has not happened.
pub(crate) struct Series {
    metrics: DnsMetrics,
    server: String,
    zone: String,
    view: String,
    duration: Histogram,
    do_requests: OnceLock<Counter>,
    requests: [[[OnceLock<Counter>; TYPES.len()]; FAMILIES.len()]; PROTOS.len()],
    request_size: [OnceLock<Histogram>; PROTOS.len()],
    response_size: [OnceLock<Histogram>; PROTOS.len()],
    responses: ArcSwap<Vec<Responses>>,
}

/// Replies with one response code from one plugin.
#[derive(Clone)]
struct Responses {
    rcode: ResponseCode,
    plugin: &'static str,
    counter: Counter,
}

impl SeriesCache {
    pub(crate) fn new(metrics: DnsMetrics) -> Self {
        Self {
            metrics,
            hasher: ahash::RandomState::new(),
            known: ArcSwap::from_pointee(Known::default()),
        }
    }

    /// Calls `act` with the counters of the request.
    pub(crate) fn with<T>(&self, request: &Request, act: impl FnOnce(&Series) -> T) -> T {
        let key = self.hasher.hash_one((&request.server().label, request.zone(), request.view()));
        let known = self.known.load();
        if let Some(series) = find(&known, key, request) {
            return act(series);
        }
        let made = Arc::new(Series::new(&self.metrics, request));
        self.known.rcu(|known| {
            let mut known = Known::clone(known);
            // Another worker may have been quicker.
            if find(&known, key, request).is_none() {
                known.entry(key).or_default().push(Arc::clone(&made));
            }
            known
        });
        // Its counters are the same cells whichever of the two is kept.
        act(&made)
    }
}

fn find<'a>(known: &'a Known, key: u64, request: &Request) -> Option<&'a Arc<Series>> {
    known.get(&key)?.iter().find(|series| series.is_of(request))
}

impl Series {
    fn new(metrics: &DnsMetrics, request: &Request) -> Self {
        let (server, zone, view) = (&*request.server().label, &**request.zone(), &**request.view());
        Self {
            duration: metrics.duration.with(&[server, zone, view]),
            server: server.to_owned(),
            zone: zone.to_owned(),
            view: view.to_owned(),
            do_requests: OnceLock::new(),
            requests: [const { [const { [const { OnceLock::new() }; TYPES.len()] }; 2] }; 2],
            request_size: [const { OnceLock::new() }; 2],
            response_size: [const { OnceLock::new() }; 2],
            responses: ArcSwap::default(),
            metrics: metrics.clone(),
        }
    }

    fn is_of(&self, request: &Request) -> bool {
        self.server == request.server().label
            && *self.zone == **request.zone()
            && *self.view == **request.view()
    }

    /// Queries of this transport, address family and type.
    pub(crate) fn requests(&self, request: &Request) -> &Counter {
        let origin = request.origin();
        let proto = proto_idx(origin.transport);
        let family = family_idx(origin);
        let qtype = type_idx(request.qtype());
        self.requests[proto][family][qtype].get_or_init(|| {
            let Self { server, zone, view, .. } = self;
            let (proto, family, qtype) = (PROTOS[proto], FAMILIES[family], TYPES[qtype]);
            self.metrics.requests.with(&[server, zone, view, proto, family, qtype])
        })
    }

    /// Queries with the DO bit.
    pub(crate) fn do_requests(&self) -> &Counter {
        self.do_requests
            .get_or_init(|| self.metrics.do_requests.with(&[&self.server, &self.zone, &self.view]))
    }

    /// Seconds from query to reply.
    pub(crate) fn duration(&self) -> &Histogram {
        &self.duration
    }

    /// Octets of queries by this transport.
    pub(crate) fn request_size(&self, transport: Transport) -> &Histogram {
        let proto = proto_idx(transport);
        self.request_size[proto].get_or_init(|| {
            let Self { server, zone, view, .. } = self;
            self.metrics.request_size.with(&[server, zone, view, PROTOS[proto]])
        })
    }

    /// Octets of replies by this transport.
    pub(crate) fn response_size(&self, transport: Transport) -> &Histogram {
        let proto = proto_idx(transport);
        self.response_size[proto].get_or_init(|| {
            let Self { server, zone, view, .. } = self;
            self.metrics.response_size.with(&[server, zone, view, PROTOS[proto]])
        })
    }

    /// Replies with this response code from this plugin; "" where the server itself answers.
    pub(crate) fn responses(&self, rcode: ResponseCode, plugin: &'static str) -> Counter {
        let same = |known: &&Responses| known.rcode == rcode && known.plugin == plugin;
        if let Some(known) = self.responses.load().iter().find(same) {
            return known.counter.clone();
        }
        let Self { server, zone, view, .. } = self;
        let labels = &[server, zone, view, &*rcode_name(rcode), plugin];
        let made = Responses { rcode, plugin, counter: self.metrics.responses.with(labels) };
        self.responses.rcu(|known| {
            let mut known = Vec::clone(known);
            if !known.iter().any(|known| same(&known)) {
                known.push(made.clone());
            }
            known
        });
        made.counter
    }
}
