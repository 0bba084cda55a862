//! Upstreams that outlive a reload.
//!
//! Two configurations, or two `forward` directives, that mean the same upstream with the same settings get the same
//! object: its connections, its health, its round-trip time. It lives as long as one of them holds it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::runtime::Handle;
use upstream::{HttpsClient, Protocol, Settings, TlsClient, Upstream};

use crate::config::Config;
use crate::metrics::Metrics;
use crate::target::{Endpoint, Scheme};

/// Upstreams by everything that makes them what they are.
#[derive(Default)]
pub(crate) struct Registry(Mutex<HashMap<String, Weak<Upstream>>>);

impl Registry {
    fn get_or_make(&self, key: String, make: impl FnOnce() -> Upstream) -> Arc<Upstream> {
        let mut upstreams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(upstream) = upstreams.get(&key).and_then(Weak::upgrade) {
            return upstream;
        }
        upstreams.retain(|_, upstream| upstream.strong_count() > 0);
        let upstream = Arc::new(make());
        upstreams.insert(key, Arc::downgrade(&upstream));
        upstream
    }
}

/// What it takes to make an upstream at any time: resolv.conf-style files change while the server runs.
pub(crate) struct Maker {
    pub(crate) registry: Arc<Registry>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) background: Handle,
}

impl Maker {
    /// The upstream for an endpoint under a directive's settings.
    pub(crate) fn upstream(&self, endpoint: &Endpoint, config: &Config) -> Arc<Upstream> {
        let (protocol, tls) = match (endpoint.scheme, &config.tls) {
            (Scheme::Dns, _) | (_, None) => (Protocol::Dns, String::new()),
            (scheme, Some(tls)) => {
                let name = endpoint.server_name.as_deref().or(tls.server_name.as_deref());
                let client = TlsClient::new(Arc::clone(&tls.config), name, endpoint.address.ip())
                    .expect("server names were checked when the configuration was read");
                let fingerprint = format!("{scheme:?} {name:?} {}", tls.fingerprint);
                let protocol = match scheme {
                    Scheme::Https => Protocol::Https(HttpsClient::new(client, tls.doh_method)),
                    _ => Protocol::Tls(client),
                };
                (protocol, fingerprint)
            }
        };
        let settings = Settings {
            address: endpoint.address,
            protocol,
            expire: config.expire,
            max_age: config.max_age,
            max_idle: config.max_idle,
            source: config.source,
            health_check: config.health_check.clone(),
        };
        let key = format!(
            "{} {tls} {:?} {:?} {:?} {:?} {:?}",
            settings.address,
            settings.expire,
            settings.max_age,
            settings.max_idle,
            settings.source,
            settings.health_check,
        );
        self.registry.get_or_make(key, || {
            let observer = self.metrics.observer(settings.address.to_string());
            Upstream::new(settings, self.background.clone(), Box::new(observer))
        })
    }
}
