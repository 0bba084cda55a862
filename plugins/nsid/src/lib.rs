//! Names this server to clients that ask with the NSID option (RFC 5001).
//!
//! Behind one anycast or service address stand many servers. Who wonders which of them answered puts an
//! empty NSID option into the query and gets back one with a name in it.

use plugin::proto::op::Edns;
use plugin::proto::rr::rdata::opt::{EdnsCode, EdnsOption, NSIDPayload};
use plugin::{
    Diagnostic, Directive, Next, Plugin, PluginSpec, Reply, Request, ServeError, Setup, async_trait,
};

/// The `nsid` directive.
pub const PLUGIN: PluginSpec = PluginSpec { name: "nsid", setup };

fn setup(setup: &mut Setup<'_>) -> Result<Box<dyn Plugin>, Diagnostic> {
    let directive = setup.once()?;
    directive.expect_no_block()?;
    Ok(Box::new(Nsid { name: name(directive)? }))
}

/// The arguments, with one space between; without any the host's name.
fn name(directive: &Directive) -> Result<NSIDPayload, Diagnostic> {
    let words: Vec<&str> = directive.arguments.iter().map(|argument| &**argument).collect();
    let octets = if words.is_empty() { hostname() } else { words.join(" ").into_bytes() };
    NSIDPayload::new(octets).map_err(|_| {
        Diagnostic::error(directive.span(), "the name of the server is too long")
            .label("more than 65535 octets")
            .help("a few words do")
    })
}

/// The host's name; `localhost` where it cannot be read.
fn hostname() -> Vec<u8> {
    nix::unistd::gethostname()
        .map_or_else(|_| b"localhost".to_vec(), std::os::unix::ffi::OsStringExt::into_vec)
}

struct Nsid {
    name: NSIDPayload,
}

#[async_trait]
impl Plugin for Nsid {
    async fn serve(&self, request: &Request, next: Next<'_>) -> Result<Reply, ServeError> {
        let mut reply = next.serve(request).await?;
        let asked = request.edns().filter(|edns| edns.option(EdnsCode::NSID).is_some());
        if let (Some(asked), Some(message)) = (asked, reply.message_mut()) {
            let edns = message.edns.get_or_insert_with(|| own_edns(asked));
            edns.options_mut().remove(EdnsCode::NSID);
            edns.options_mut().insert(EdnsOption::NSID(self.name.clone()));
        }
        Ok(reply)
    }

    /// Queries with options are never answered by replay, and to those without nothing is done.
    fn is_pure(&self) -> bool {
        true
    }
}

/// An OPT record of the client's size, with the DO bit as CoreDNS has it.
fn own_edns(asked: &Edns) -> Edns {
    let mut edns = Edns::new();
    edns.set_max_payload(asked.max_payload());
    edns.set_dnssec_ok(true);
    edns
}

#[cfg(test)]
mod tests;
