//! Bounds the UDP payload size that clients advertise.
//!
//! Datagrams that IP has to fragment get lost on many paths, and a client that hears nothing waits. With a
//! smaller size in the query everything below keeps to it: what is asked of upstreams, and what a
//! reply may be long. It is never raised, and clients without EDNS stay at 512 octets.

mod config;

use plugin::{
    Diagnostic, Next, Plugin, PluginSpec, Reply, Request, ServeError, Setup, async_trait,
};

use crate::config::Config;

/// The `bufsize` directive.
pub const PLUGIN: PluginSpec = PluginSpec { name: "bufsize", setup };

fn setup(setup: &mut Setup<'_>) -> Result<Box<dyn Plugin>, Diagnostic> {
    Ok(Box::new(Bufsize(Config::parse(setup)?)))
}

struct Bufsize(Config);

#[async_trait]
impl Plugin for Bufsize {
    async fn serve(&self, request: &Request, next: Next<'_>) -> Result<Reply, ServeError> {
        let most = self.0.udp_payload_size;
        if request.edns().is_none_or(|edns| edns.max_payload() <= most) {
            return next.serve(request).await;
        }
        let mut bounded = request.clone();
        if let Some(edns) = &mut bounded.message_mut().edns {
            edns.set_max_payload(most);
        }
        let mut reply = next.serve(&bounded).await.unwrap_or_else(|error| failure(request, &error));
        reply.limit_udp_payload(most);
        Ok(reply)
    }

    /// A reply is told apart by the size in its query.
    fn is_pure(&self) -> bool {
        true
    }
}

/// The reply that the server would make of the error: it has to tell the lowered size as well. What logs
/// and counts errors stands below and has done so.
fn failure(request: &Request, error: &ServeError) -> Reply {
    let mut reply = Reply::from(request.reply_with(error.rcode()));
    error.ede().cloned().into_iter().for_each(|ede| reply.add_ede(ede));
    reply
}

#[cfg(test)]
mod tests;
