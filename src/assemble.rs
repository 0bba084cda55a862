//! Corefile tree to server blocks to compiled chains.
//!
//! Plugins are set up in chain order, and for each name block by block, as CoreDNS does: a plugin sees what
//! the settings above it made of its block. Every mistake of every block is found before giving up.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use corefile::{Corefile, Diagnostic, Directive, Scheme, ServerBlock, ServerKey, Severity};
use hickory_proto::rr::Name;
use hickory_proto::serialize::binary::BinEncodable;
use plugin::metrics::Registry;
use plugin::setup::{BlockInfo, Readiness, Shared};
use plugin::{Chain, Keep, Plugin, Setup};

use crate::directives::{Directives, Kind};
use crate::routes::{Route, Routes};
use crate::settings::reload::Reload;

/// A server block under construction.
#[derive(Default)]
pub(crate) struct BlockDraft {
    /// What plugins see of it.
    pub(crate) info: BlockInfo,
    /// The addresses of `bind`, without ports; `None` where there is no `bind`.
    pub(crate) bound: Option<Vec<SocketAddr>>,
    /// What is doubtful about it.
    pub(crate) warnings: Vec<Diagnostic>,
    /// What it sets for the whole server.
    pub(crate) server: ServerSettings,
    keys: Vec<ServerKey>,
    /// By name, in the order of the block.
    directives: HashMap<String, Vec<Directive>>,
    plugins: Vec<(&'static str, Arc<dyn Plugin>)>,
}

/// Settings that hold for the whole process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ServerSettings {
    pub(crate) is_debug: bool,
    pub(crate) reload: Option<Reload>,
}

/// A whole configuration, ready to start.
pub(crate) struct Assembled {
    /// What is listened on, in the order of the Corefile.
    pub(crate) endpoints: Vec<Endpoint>,
    /// Every plugin of every block with its name.
    pub(crate) plugins: Vec<(&'static str, Arc<dyn Plugin>)>,
    pub(crate) settings: ServerSettings,
    pub(crate) shared: Shared,
    /// What is doubtful.
    pub(crate) warnings: Vec<Diagnostic>,
}

/// One address with the blocks that it serves.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    /// The `server` label of metrics.
    pub(crate) label: String,
    /// The zones, as the banner shows them, sorted.
    pub(crate) zones: Vec<String>,
    pub(crate) routes: Arc<Routes>,
    /// For `coredns_plugin_enabled`: zone, view, plugin.
    pub(crate) enabled: Vec<(String, String, &'static str)>,
}

/// What assembling needs besides the Corefile.
pub(crate) struct Context<'a> {
    pub(crate) directives: &'a Directives,
    pub(crate) metrics: &'a Registry,
    pub(crate) background: tokio::runtime::Handle,
    /// The port of `dns://` keys without one.
    pub(crate) default_port: u16,
    /// What the running configuration kept.
    pub(crate) keep: Arc<Keep>,
}

impl Context<'_> {
    /// Sets everything up; nothing is opened or started. All diagnostics at once where one is an error.
    pub(crate) fn assemble(&self, corefile: &Corefile) -> Result<Assembled, Vec<Diagnostic>> {
        let mut diagnostics = Vec::new();
        let mut drafts: Vec<BlockDraft> =
            corefile.blocks.iter().map(|block| self.draft(block, &mut diagnostics)).collect();
        let shared = Shared {
            keep: Arc::clone(&self.keep),
            readiness: Arc::new(Readiness::default()),
            background: self.background.clone(),
            build: crate::BUILD,
        };
        for entry in self.directives.entries() {
            for draft in &mut drafts {
                let Some(directives) = draft.directives.remove(entry.name) else { continue };
                match entry.kind {
                    Kind::Setting(set) => {
                        if let Err(diagnostic) = set(&directives, draft) {
                            diagnostics.push(diagnostic);
                        }
                        draft.info.listen = draft.listen(self.default_port);
                    }
                    Kind::Plugin(spec) => {
                        draft.info.below = draft.fingerprint();
                        let mut setup = Setup::new(
                            &directives,
                            &draft.info,
                            self.metrics,
                            &shared,
                            &mut diagnostics,
                        );
                        match (spec.setup)(&mut setup) {
                            Ok(plugin) => draft.plugins.push((entry.name, plugin.into())),
                            Err(diagnostic) => diagnostics.push(diagnostic),
                        }
                    }
                    Kind::NotYet(instead) => diagnostics.push(refused(
                        &directives[0],
                        "is a plugin of CoreDNS that Rhumb does not have yet",
                        instead,
                    )),
                    Kind::NotPlanned(instead) => diagnostics.push(refused(
                        &directives[0],
                        "is a plugin of CoreDNS that is not for clusters, and Rhumb does not have it",
                        instead,
                    )),
                }
            }
        }
        let endpoints = self.endpoints(&drafts, &mut diagnostics);
        let mut settings = ServerSettings::default();
        for draft in &mut drafts {
            diagnostics.append(&mut draft.warnings);
            settings.is_debug |= draft.server.is_debug;
            settings.reload = draft.server.reload.or(settings.reload);
        }
        if diagnostics.iter().any(|d| d.severity == Severity::Error) {
            return Err(diagnostics);
        }
        let plugins: Vec<_> = drafts.into_iter().flat_map(|draft| draft.plugins).collect();
        shared.readiness.set_plugins(plugins.clone());
        Ok(Assembled { endpoints, plugins, settings, shared, warnings: diagnostics })
    }

    /// Reads a block's keys and sorts its directives by name.
    fn draft(&self, block: &ServerBlock, diagnostics: &mut Vec<Diagnostic>) -> BlockDraft {
        let mut draft = BlockDraft::default();
        for key in &block.keys {
            match ServerKey::parse(key) {
                Ok(keys) => draft.keys.extend(keys),
                Err(diagnostic) => diagnostics.push(diagnostic),
            }
        }
        for key in &draft.keys {
            match key.scheme {
                Scheme::Dns | Scheme::Unix => {}
                scheme => diagnostics.push(
                    Diagnostic::error(
                        key.span,
                        format!("`{scheme}://` is a transport that Rhumb does not serve yet"),
                    )
                    .label("not served yet")
                    .help("serve plain DNS here, and put an encrypting proxy in front"),
                ),
            }
            if !draft.info.zones.contains(&key.zone) {
                draft.info.zones.push(key.zone.clone());
            }
        }
        draft.info.listen = draft.listen(self.default_port);
        for directive in &block.directives {
            if self.directives.find(&directive.name).is_none() {
                diagnostics.push(self.unknown(directive));
                continue;
            }
            let same = draft.directives.entry(directive.name.text.clone()).or_default();
            same.push(directive.clone());
        }
        draft
    }

    fn unknown(&self, directive: &Directive) -> Diagnostic {
        let diagnostic = Diagnostic::error(
            directive.name.span,
            format!("unknown directive `{}`", directive.name),
        )
        .label("not known");
        match corefile::suggest(&directive.name, &self.directives.served()) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None => diagnostic.help("`rhumb -plugins` lists what can stand here"),
        }
    }

    /// Groups the blocks by the address they listen on, and refuses what cannot be told apart.
    fn endpoints(&self, drafts: &[BlockDraft], diagnostics: &mut Vec<Diagnostic>) -> Vec<Endpoint> {
        let mut building: Vec<(SocketAddr, EndpointDraft)> = Vec::new();
        let mut taken = Taken::default();
        for draft in drafts {
            let chain = Chain::new(draft.plugins.iter().cloned());
            for key in draft.keys.iter().filter(|key| key.scheme == Scheme::Dns) {
                let port = key.port.unwrap_or(self.default_port);
                for host in draft.hosts() {
                    let address = SocketAddr::new(host.ip(), port);
                    let address = with_scope(address, host);
                    let is_bound = draft.bound.is_some();
                    if let Err(diagnostic) = taken.take(key, address, is_bound) {
                        diagnostics.push(diagnostic);
                        continue;
                    }
                    let at =
                        building.iter().position(|(a, _)| *a == address).unwrap_or_else(|| {
                            building.push((address, EndpointDraft::default()));
                            building.len() - 1
                        });
                    let endpoint = &mut building[at].1;
                    endpoint.label = label(address, is_bound);
                    endpoint.add(key, &chain, draft);
                }
            }
        }
        building
            .into_iter()
            .map(|(address, draft)| {
                let mut zones = draft.zones;
                zones.sort();
                Endpoint {
                    address,
                    label: draft.label,
                    zones,
                    routes: Arc::new(draft.routes),
                    enabled: draft.enabled,
                }
            })
            .collect()
    }
}

impl BlockDraft {
    /// The addresses it is bound to; the unspecified one where there is no `bind`.
    fn hosts(&self) -> Vec<SocketAddr> {
        self.bound.clone().unwrap_or_else(|| vec![SocketAddr::new(unspecified(), 0)])
    }

    /// Stands for the directives that are still to be set up.
    fn fingerprint(&self) -> u64 {
        let mut names: Vec<_> = self.directives.iter().collect();
        names.sort_by_key(|(name, _)| *name);
        let mut hasher = DefaultHasher::new();
        for (_, directives) in names {
            hash_directives(directives, &mut hasher);
        }
        hasher.finish()
    }

    /// Where the first key listens.
    fn listen(&self, default_port: u16) -> Vec<SocketAddr> {
        let Some(key) = self.keys.first() else { return Vec::new() };
        let port = key.port.unwrap_or(default_port);
        let at = |host: SocketAddr| with_scope(SocketAddr::new(host.ip(), port), host);
        self.hosts().into_iter().map(at).collect()
    }
}

#[derive(Default)]
struct EndpointDraft {
    label: String,
    zones: Vec<String>,
    routes: Routes,
    enabled: Vec<(String, String, &'static str)>,
}

impl EndpointDraft {
    fn add(&mut self, key: &ServerKey, chain: &Chain, draft: &BlockDraft) {
        let Some(zone) = wire_name(&key.zone) else { return };
        let route = Route { zone: key.zone.as_str().into(), view: "".into(), chain: chain.clone() };
        self.routes.add(&zone, Arc::new(route));
        // CoreDNS lets other classes in where one of these is loaded.
        self.routes.serves_all_classes |= chain.names().any(|n| n == "chaos" || n == "forward");
        self.zones.push(key.zone.clone());
        let first = draft.info.zones.first().map_or("", String::as_str);
        for name in chain.names() {
            let enabled = (first.to_owned(), String::new(), name);
            if !self.enabled.contains(&enabled) {
                self.enabled.push(enabled);
            }
        }
    }
}

/// Which (zone, port, host) are served already.
#[derive(Default)]
struct Taken {
    by_zone_and_port: HashMap<(String, u16), Vec<(SocketAddr, bool)>>,
}

impl Taken {
    fn take(
        &mut self,
        key: &ServerKey,
        address: SocketAddr,
        is_bound: bool,
    ) -> Result<(), Diagnostic> {
        let name = format!("dns://{}:{}", key.zone, address.port());
        let on = |address: SocketAddr, is_bound: bool| {
            if is_bound { format!("{name} on {}", address.ip()) } else { name.clone() }
        };
        let others = self.by_zone_and_port.entry((key.zone.clone(), address.port())).or_default();
        for (other, other_is_bound) in others.iter() {
            if *other == address && *other_is_bound == is_bound {
                return Err(Diagnostic::error(
                    key.span,
                    format!("cannot serve {} - it is already defined", on(address, is_bound)),
                )
                .label("served by another block already")
                .help("join the two blocks, or `bind` them to different addresses"));
            }
            if *other_is_bound != is_bound {
                return Err(Diagnostic::error(
                    key.span,
                    format!(
                        "cannot serve {} - zone overlap listener capacity with {}",
                        on(address, is_bound),
                        on(*other, *other_is_bound)
                    ),
                )
                .label("another block has this zone on every address")
                .help("`bind` both blocks, or neither"));
            }
        }
        others.push((address, is_bound));
        Ok(())
    }
}

/// Hashes words, not places.
fn hash_directives(directives: &[Directive], hasher: &mut DefaultHasher) {
    directives.len().hash(hasher);
    for directive in directives {
        directive.name.text.hash(hasher);
        directive.arguments.len().hash(hasher);
        for argument in &directive.arguments {
            argument.text.hash(hasher);
        }
        hash_directives(directive.properties(), hasher);
    }
}

fn refused(directive: &Directive, why: &str, instead: &str) -> Diagnostic {
    Diagnostic::error(directive.name.span, format!("`{}` {why}", directive.name))
        .label("not served")
        .help(instead)
}

/// The `server` label of CoreDNS: no host where the block is not bound.
fn label(address: SocketAddr, is_bound: bool) -> String {
    if is_bound { format!("dns://{address}") } else { format!("dns://:{}", address.port()) }
}

/// The scope of a link-local address stays with it.
fn with_scope(mut address: SocketAddr, host: SocketAddr) -> SocketAddr {
    if let (SocketAddr::V6(address), SocketAddr::V6(host)) = (&mut address, host) {
        address.set_scope_id(host.scope_id());
    }
    address
}

/// All addresses: of both families, where the machine has IPv6.
fn unspecified() -> IpAddr {
    static HAS_IPV6: std::sync::LazyLock<bool> =
        std::sync::LazyLock::new(|| udp::bind(([0_u16; 8], 0).into()).is_ok());
    if *HAS_IPV6 { IpAddr::from([0_u16; 8]) } else { IpAddr::from([0, 0, 0, 0]) }
}

/// A zone in wire format, lower case.
fn wire_name(zone: &str) -> Option<Vec<u8>> {
    let name = Name::from_ascii(zone).or_else(|_| Name::from_utf8(zone)).ok()?;
    name.to_lowercase().to_bytes().ok()
}
