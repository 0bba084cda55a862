//! What one plugin offers to others of its server block, without either naming the other.
//!
//! A plugin offers with [`crate::Setup::provide`]; another asks with [`Capabilities::all`] once every
//! plugin of the block is set up, that is: while serving or in [`crate::Plugin::start`] and later.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hickory_proto::rr::{Name, Record};

use crate::{Request, ServeError};

/// What the plugins of one server block offer to each other.
#[derive(Clone, Default)]
pub struct Capabilities(Arc<Mutex<Offers>>);

/// By the type that they are offered under: each is an `Arc` of that type.
type Offers = HashMap<TypeId, Vec<Box<dyn Any + Send + Sync>>>;

impl Capabilities {
    /// Offers `capability` under the trait (or type) `T`.
    pub(crate) fn provide<T: ?Sized + Send + Sync + 'static>(&self, capability: Arc<T>) {
        let mut offered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        offered.entry(TypeId::of::<T>()).or_default().push(Box::new(capability));
    }

    /// Everything offered under the trait (or type) `T`, in chain order.
    pub fn all<T: ?Sized + Send + Sync + 'static>(&self) -> Vec<Arc<T>> {
        let offered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        offered
            .get(&TypeId::of::<T>())
            .into_iter()
            .flatten()
            .filter_map(|capability| capability.downcast_ref::<Arc<T>>())
            .cloned()
            .collect()
    }
}

impl std::fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Capabilities").finish_non_exhaustive()
    }
}

/// Upstreams that can be tried one by one and taken out of service: offered by `forward`, asked by `loop`.
#[async_trait::async_trait]
pub trait Upstreams: Send + Sync {
    /// The upstreams by name, such as `192.0.2.1:53`; the index stands for one in the other calls.
    fn upstreams(&self) -> Vec<String>;

    /// Sends a query in wire format to one upstream and returns its reply, if any, within `timeout`.
    /// Also works while the upstream is out of service.
    async fn ask(&self, upstream_idx: usize, query: &[u8], timeout: Duration) -> Option<Vec<u8>>;

    /// Takes an upstream out of service or puts it back.
    fn set_in_service(&self, upstream_idx: usize, in_service: bool);
}

/// Zones that others may have as a whole: offered by `file` and `kubernetes`, asked by `transfer`.
#[async_trait::async_trait]
pub trait Transfer: Send + Sync {
    /// The names of the zones, in lower case.
    fn origins(&self) -> Vec<Name>;

    /// All records of a zone as it is now: the SOA record first, and not again at the end. `None` where
    /// `origin` is not the name of a zone; an error where the zone cannot be had yet.
    ///
    /// Takes as long as the zone is large: call it where that delays nobody.
    fn records(&self, origin: &Name) -> Option<Result<Vec<Record>, ServeError>>;

    /// Returns the zone's serial once it is another than `known`, for those who tell secondaries of it.
    /// Never returns for a zone that changes too often to tell.
    async fn serial_after(&self, _origin: &Name, _known: Option<u32>) -> u32 {
        std::future::pending().await
    }
}

/// Knows which names a client tries one after the other: offered by `kubernetes` and `erratic`, asked by
/// `autopath`.
pub trait SearchPath: Send + Sync {
    /// The name of the plugin that offers this.
    fn plugin(&self) -> &'static str;

    /// The suffixes that the client puts behind a name, in its order; the root last, for the name alone.
    /// `None` where the client is not known for certain, or the name is not for this plugin.
    fn search_path(&self, request: &Request) -> Option<Vec<Name>>;
}
