//! Kubernetes objects as they arrive: only the fields that DNS needs, from JSON or YAML.
//!
//! They live for a moment, between the wire and the [`crate::store`], which keeps a smaller form. Every
//! field may be missing or null: an odd object must never stop the watch that carries it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::core::{ClusterResourceScope, NamespaceResourceScope, Resource};
use serde::{Deserialize, Deserializer};

/// A `v1` Service.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Service {
    #[serde(deserialize_with = "metadata")]
    pub(crate) metadata: ObjectMeta,
    pub(crate) spec: Option<ServiceSpec>,
    pub(crate) status: Option<ServiceStatus>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ServiceSpec {
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    #[serde(rename = "clusterIP")]
    pub(crate) cluster_ip: Option<String>,
    #[serde(rename = "clusterIPs")]
    pub(crate) cluster_ips: Option<Vec<String>>,
    #[serde(rename = "externalIPs")]
    pub(crate) external_ips: Option<Vec<String>>,
    pub(crate) external_name: Option<String>,
    pub(crate) ports: Option<Vec<Port>>,
}

/// A port of a Service or an EndpointSlice.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Port {
    pub(crate) name: Option<String>,
    #[serde(rename = "port")]
    pub(crate) number: Option<i32>,
    pub(crate) protocol: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ServiceStatus {
    pub(crate) load_balancer: Option<LoadBalancer>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct LoadBalancer {
    pub(crate) ingress: Option<Vec<Ingress>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Ingress {
    pub(crate) ip: Option<String>,
    pub(crate) hostname: Option<String>,
}

/// A `discovery.k8s.io/v1` EndpointSlice.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct EndpointSlice {
    #[serde(deserialize_with = "metadata")]
    pub(crate) metadata: ObjectMeta,
    pub(crate) endpoints: Option<Vec<Endpoint>>,
    pub(crate) ports: Option<Vec<Port>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Endpoint {
    pub(crate) addresses: Option<Vec<String>>,
    pub(crate) conditions: Option<Conditions>,
    pub(crate) hostname: Option<String>,
    pub(crate) target_ref: Option<TargetRef>,
    pub(crate) zone: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Conditions {
    pub(crate) ready: Option<bool>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TargetRef {
    pub(crate) name: Option<String>,
}

impl Endpoint {
    /// Unknown counts as ready, as the API's documentation asks of consumers.
    pub(crate) fn is_ready(&self) -> bool {
        self.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(true)
    }
}

/// A `v1` Pod.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Pod {
    #[serde(deserialize_with = "metadata")]
    pub(crate) metadata: ObjectMeta,
    pub(crate) status: Option<PodStatus>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PodStatus {
    #[serde(rename = "podIP")]
    pub(crate) pod_ip: Option<String>,
    pub(crate) phase: Option<String>,
}

/// A `v1` Namespace.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Namespace {
    #[serde(deserialize_with = "metadata")]
    pub(crate) metadata: ObjectMeta,
}

/// Says which Service an EndpointSlice belongs to.
pub(crate) const SERVICE_NAME_LABEL: &str = "kubernetes.io/service-name";

/// When the change happened that made the endpoints controller write the object.
pub(crate) const LAST_CHANGE_ANNOTATION: &str = "endpoints.kubernetes.io/last-change-trigger-time";

/// Keeps what the store and the watch need; managed fields and the like are skipped unread.
fn metadata<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Slim {
        name: Option<String>,
        namespace: Option<String>,
        resource_version: Option<String>,
        deletion_timestamp: Option<Time>,
        labels: Option<BTreeMap<String, String>>,
        annotations: Option<Annotations>,
    }

    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Annotations {
        #[serde(rename = "endpoints.kubernetes.io/last-change-trigger-time")]
        last_change: Option<String>,
    }

    let slim = Option::<Slim>::deserialize(deserializer)?.unwrap_or_default();
    let last_change = slim.annotations.and_then(|annotations| annotations.last_change);
    Ok(ObjectMeta {
        name: slim.name,
        namespace: slim.namespace,
        resource_version: slim.resource_version,
        deletion_timestamp: slim.deletion_timestamp,
        labels: slim.labels,
        annotations: last_change
            .map(|time| BTreeMap::from([(LAST_CHANGE_ANNOTATION.to_owned(), time)])),
        ..ObjectMeta::default()
    })
}

macro_rules! resource {
    ($type:ty, $kind:literal, $group:literal, $plural:literal, $scope:ty) => {
        impl Resource for $type {
            type DynamicType = ();
            type Scope = $scope;

            fn kind((): &()) -> Cow<'_, str> {
                $kind.into()
            }

            fn group((): &()) -> Cow<'_, str> {
                $group.into()
            }

            fn version((): &()) -> Cow<'_, str> {
                "v1".into()
            }

            fn plural((): &()) -> Cow<'_, str> {
                $plural.into()
            }

            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }

            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    };
}

resource!(Service, "Service", "", "services", NamespaceResourceScope);
resource!(
    EndpointSlice,
    "EndpointSlice",
    "discovery.k8s.io",
    "endpointslices",
    NamespaceResourceScope
);
resource!(Pod, "Pod", "", "pods", NamespaceResourceScope);
resource!(Namespace, "Namespace", "", "namespaces", ClusterResourceScope);
