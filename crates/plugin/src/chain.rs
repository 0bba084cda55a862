//! The plugin trait and the chain that calls plugins in order.

use std::fmt;
use std::sync::Arc;

use crate::{Diagnostic, Reply, Request, ServeError, Setup, Shutdown};

/// A plugin: one directive of one server block.
#[async_trait::async_trait]
pub trait Plugin: Send + Sync + 'static {
    /// Answers the request, or lets `next` answer and returns (or edits) that reply.
    async fn serve(&self, request: &Request, next: Next<'_>) -> Result<Reply, ServeError>;

    /// Whether a finished reply may be replayed without calling this plugin again. The default is
    /// always correct. Say `true` where what the plugin does depends on nothing but the question, the
    /// header bits, the EDNS size and DO bit, and data that the reply's epochs cover.
    fn is_pure(&self) -> bool {
        false
    }

    /// Whether the plugin takes part in the chain at all: `false` for one that only runs beside it.
    fn is_chain_member(&self) -> bool {
        true
    }

    /// Whether the plugin can answer yet; `/ready` holds until every plugin can.
    fn ready(&self) -> bool {
        true
    }

    /// What has to happen before the first query: awaited (all plugins at once, with [`Plugin::run`]
    /// going on already) before listeners open and before a reload is swapped in. Bound its time.
    async fn start(&self) -> Result<(), StartError> {
        Ok(())
    }

    /// Background work, such as a watch or a health check, until shutdown.
    async fn run(&self, _shutdown: Shutdown) {}

    /// Called when the server ends (not on reload), while queries are still answered; the listeners
    /// close when every plugin has returned.
    async fn drain(&self) {}
}

/// Why a plugin that was set up well cannot start.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(pub Box<dyn std::error::Error + Send + Sync>);

/// Makes a plugin from its directive.
pub type SetupFn = fn(&mut Setup<'_>) -> Result<Box<dyn Plugin>, Diagnostic>;

/// A plugin that a Corefile can name.
#[derive(Clone, Copy)]
pub struct PluginSpec {
    /// The directive's name.
    pub name: &'static str,
    /// Makes the plugin.
    pub setup: SetupFn,
}

impl fmt::Debug for PluginSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginSpec").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The plugins of one server block that take part in answering, in chain order.
#[derive(Clone, Default)]
pub struct Chain {
    links: Arc<[Link]>,
}

#[derive(Clone)]
struct Link {
    name: &'static str,
    plugin: Arc<dyn Plugin>,
    is_pure: bool,
}

impl Chain {
    /// A chain of plugins with their names; those that are no chain members are left out.
    pub fn new(plugins: impl IntoIterator<Item = (&'static str, Arc<dyn Plugin>)>) -> Self {
        let links = plugins.into_iter().filter(|(_, plugin)| plugin.is_chain_member());
        Self {
            links: links
                .map(|(name, plugin)| Link { name, is_pure: plugin.is_pure(), plugin })
                .collect(),
        }
    }

    /// The names of the plugins, in order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.links.iter().map(|link| link.name)
    }

    /// Whether there is no plugin: every query is refused.
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// Asks the first plugin.
    pub async fn serve(&self, request: &Request) -> Result<Reply, ServeError> {
        Next { links: &self.links }.serve(request).await
    }
}

/// The rest of the chain.
#[derive(Clone, Copy)]
pub struct Next<'a> {
    links: &'a [Link],
}

impl<'a> Next<'a> {
    /// Asks the next plugin.
    pub async fn serve(self, request: &Request) -> Result<Reply, ServeError> {
        let Some((link, links)) = self.links.split_first() else {
            return Err(ServeError::ChainEnded);
        };
        let mut reply = link.plugin.serve(request, Next { links }).await?;
        if reply.answered_by().is_none() {
            reply.set_answered_by(link.name);
        } else if !link.is_pure {
            // It passed somebody else's reply on, and has to be asked again next time.
            reply.forbid_replay();
        }
        Ok(reply)
    }

    /// The names of the plugins that are still to come.
    pub fn names(self) -> impl Iterator<Item = &'static str> + 'a {
        self.links.iter().map(|link| link.name)
    }

    /// The rest of the chain to keep: for work that goes on after the client was answered.
    pub fn to_owned(self) -> Chain {
        Chain { links: self.links.into() }
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

impl fmt::Debug for Next<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}
