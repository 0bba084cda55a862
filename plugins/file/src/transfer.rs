//! Zones as a whole, for the `transfer` plugin.

use std::sync::Arc;

use plugin::capability::Transfer;
use plugin::proto::op::ResponseCode;
use plugin::proto::rr::{Name, Record};
use plugin::{ServeError, async_trait};

use crate::store::Store;

/// The zones of all `file` directives of a server block.
pub(crate) struct WholeZones(Vec<Arc<Store>>);

impl WholeZones {
    pub(crate) fn new<'a>(stores: impl IntoIterator<Item = &'a Arc<Store>>) -> Self {
        Self(stores.into_iter().cloned().collect())
    }

    fn store(&self, origin: &Name) -> Option<&Arc<Store>> {
        self.0.iter().find(|store| store.origin() == origin)
    }
}

#[async_trait]
impl Transfer for WholeZones {
    fn origins(&self) -> Vec<Name> {
        self.0.iter().map(|store| store.origin().clone()).collect()
    }

    fn records(&self, origin: &Name) -> Option<Result<Vec<Record>, ServeError>> {
        let (zone, _) = self.store(origin)?.zone();
        let unread = || ServeError::rcode_only(ResponseCode::ServFail);
        Some(zone.map(|zone| zone.records().cloned().collect()).ok_or_else(unread))
    }

    async fn serial_after(&self, origin: &Name, known: Option<u32>) -> u32 {
        match self.store(origin) {
            Some(store) => store.serial_after(known).await,
            None => std::future::pending().await,
        }
    }
}
