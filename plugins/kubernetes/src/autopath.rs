//! A pod's search path, for the `autopath` plugin.
//!
//! The kubelet writes it into each pod's `resolv.conf`: the pod's namespace, all services, the cluster,
//! then what the node has. Whose pod asks is known by its address alone, so it is an answer only where
//! every pod with that address is in one namespace: pods on the host's network share the node's.

use std::net::IpAddr;
use std::sync::Arc;

use plugin::Request;
use plugin::capability::SearchPath;
use plugin::proto::rr::Name;

use crate::config::{Config, Pods};
use crate::records::below;
use crate::source::Cluster;

/// The search paths of a cluster's pods.
pub(crate) struct PodSearch {
    cluster: Arc<Cluster>,
    config: Config,
    /// This server's own, which stands for that of the nodes.
    node: Vec<Name>,
}

impl PodSearch {
    pub(crate) fn new(cluster: &Arc<Cluster>, config: &Config) -> Self {
        let resolv_conf = match config.pods {
            Pods::Verified => std::fs::read_to_string(RESOLV_CONF).unwrap_or_default(),
            Pods::Disabled | Pods::Insecure => String::new(),
        };
        Self {
            cluster: Arc::clone(cluster),
            config: config.clone(),
            node: plugin::names::search_list(&resolv_conf),
        }
    }

    /// The namespace of the pods with this address; `None` where there are none, or several namespaces.
    fn namespace(&self, client: IpAddr) -> Option<Arc<str>> {
        let pods = self.cluster.store.pods_at(client.to_canonical());
        let (first, others) = pods.split_first()?;
        let is_one = others.iter().all(|other| other.namespace == first.namespace);
        is_one.then(|| Arc::clone(&first.namespace))
    }
}

impl SearchPath for PodSearch {
    fn plugin(&self) -> &'static str {
        "kubernetes"
    }

    fn search_path(&self, request: &Request) -> Option<Vec<Name>> {
        let zone = self.config.zones.matching(request.qname())?;
        if self.config.pods != Pods::Verified || !self.cluster.store.has_synced() {
            return None;
        }
        let namespace = self.namespace(request.client().ip())?;
        let services = below(b"svc", zone)?;
        let mut path = vec![below(namespace.as_bytes(), &services)?, services, zone.clone()];
        path.extend(self.node.iter().cloned());
        path.push(Name::root());
        Some(path)
    }
}

const RESOLV_CONF: &str = "/etc/resolv.conf";
