//! Sets and clears the flags AA, RA and RD of queries on their way down and of replies on their way up.
//!
//! It stands below `cache`: what is kept there has the changed flags. Errors that the server turns into
//! replies are made above, so no rule applies to them.

mod config;

use plugin::{
    Diagnostic, Next, Plugin, PluginSpec, Reply, Request, ServeError, Setup, async_trait,
};

use crate::config::{Config, Rule};

/// The `header` directive.
pub const PLUGIN: PluginSpec = PluginSpec { name: "header", setup };

fn setup(setup: &mut Setup<'_>) -> Result<Box<dyn Plugin>, Diagnostic> {
    Ok(Box::new(Header(Config::parse(setup)?)))
}

struct Header(Config);

#[async_trait]
impl Plugin for Header {
    async fn serve(&self, request: &Request, next: Next<'_>) -> Result<Reply, ServeError> {
        let mut reply = if self.0.query.is_empty() {
            next.serve(request).await?
        } else {
            let mut changed = request.clone();
            Rule::apply(&self.0.query, &mut changed.message_mut().metadata);
            next.serve(&changed).await?
        };
        if let Some(message) = reply.message_mut() {
            Rule::apply(&self.0.response, &mut message.metadata);
        }
        Ok(reply)
    }

    /// Flags in, flags out: a reply is told apart by the flags of its query.
    fn is_pure(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
