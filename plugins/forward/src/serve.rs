//! The handler: which `forward` is asked, and when the next one is.

use std::sync::Arc;
use std::time::Duration;

use plugin::{Next, Plugin, Reply, Request, ServeError, Shutdown, async_trait};
use tokio::time::{MissedTickBehavior, interval};

use crate::stanza::Stanza;
use crate::watch::Watch;

/// All `forward` directives of a server block.
pub(crate) struct Forward {
    pub(crate) stanzas: Vec<Arc<Stanza>>,
}

#[async_trait]
impl Plugin for Forward {
    async fn serve(&self, request: &Request, next: Next<'_>) -> Result<Reply, ServeError> {
        let last = self.stanzas.len().saturating_sub(1);
        for (at, stanza) in self.stanzas.iter().enumerate() {
            if !stanza.covers(request.qname()) {
                continue;
            }
            let reply = stanza.ask(request).await?;
            // `next` means the next `forward`; the last one has none and keeps what it got.
            if at == last || !stanza.passes_on(&reply) {
                return Ok(reply.into());
            }
        }
        next.serve(request).await
    }

    async fn run(&self, shutdown: Shutdown) {
        let watch = Watch::new(self.stanzas.iter().flat_map(|stanza| stanza.files()));
        let mut housekeeping = interval(HOUSEKEEPING);
        housekeeping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.fired() => return,
                () = watch.changed() => self.stanzas.iter().for_each(|stanza| stanza.reread()),
                _ = housekeeping.tick() => {
                    for stanza in &self.stanzas {
                        stanza.reread();
                        stanza.tidy();
                    }
                }
            }
        }
    }
}

/// How often idle connections are closed, and files read again that no event told us about.
const HOUSEKEEPING: Duration = Duration::from_secs(10);
