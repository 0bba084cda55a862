//! Sets plugins up from Corefile text, as the server would.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use plugin::metrics::Registry;
use plugin::setup::{BlockInfo, Build, Readiness, Shared};
use plugin::{Chain, Diagnostic, Keep, Plugin, PluginSpec, Setup};

/// One configuration: a server block for zone `.` unless [`Kit::zones`] says otherwise.
pub struct Kit {
    /// What the plugins count.
    pub metrics: Registry,
    /// The server block, with what its plugins offer to each other.
    pub block: BlockInfo,
    /// What outlives a reload.
    pub shared: Shared,
}

impl Default for Kit {
    fn default() -> Self {
        Self::new()
    }
}

impl Kit {
    /// An empty configuration.
    pub fn new() -> Self {
        Self {
            metrics: Registry::new(),
            block: BlockInfo {
                zones: vec![".".into()],
                listen: vec![([127, 0, 0, 1], 53).into()],
                root: PathBuf::new(),
                ..BlockInfo::default()
            },
            shared: Shared {
                keep: Arc::new(Keep::default()),
                readiness: Arc::new(Readiness::default()),
                background: background(),
                build: Build { version: "test", commit: "0123abc", rustc: "1.91.0" },
            },
        }
    }

    /// The zones of the server block's keys.
    #[must_use]
    pub fn zones(mut self, zones: &[&str]) -> Self {
        self.block.zones = zones.iter().map(|&zone| zone.to_owned()).collect();
        self
    }

    /// The configuration after a reload: what this one kept is found again; metrics go on.
    #[must_use]
    pub fn reloaded(&self) -> Self {
        let shared = Shared { keep: Arc::new(self.shared.keep.next()), ..self.shared.clone() };
        let block = BlockInfo {
            capabilities: plugin::capability::Capabilities::default(),
            ..self.block.clone()
        };
        Self { metrics: self.metrics.clone(), block, shared }
    }

    /// Sets up one plugin from its lines of a server block. The error is every diagnostic, rendered.
    ///
    /// # Panics
    /// Where the text is no Corefile or names another directive.
    pub fn plugin(&self, spec: &PluginSpec, text: &str) -> Result<Arc<dyn Plugin>, String> {
        let corefile = format!(". {{\n{text}\n}}\n");
        let loaded = corefile::parse(Path::new("Corefile"), &corefile, &|_| None);
        assert!(loaded.diagnostics.is_empty(), "{text}: {:?}", loaded.diagnostics);
        let directives = &loaded.corefile.blocks[0].directives;
        assert!(directives.iter().all(|d| *d.name == *spec.name), "`{text}` is not {}", spec.name);
        let mut diagnostics = Vec::new();
        let mut setup =
            Setup::new(directives, &self.block, &self.metrics, &self.shared, &mut diagnostics);
        let made = (spec.setup)(&mut setup);
        let render = |d: &Diagnostic| corefile::render(d, &loaded.sources);
        match made {
            Ok(plugin) if diagnostics.is_empty() => Ok(plugin.into()),
            Ok(_) => Err(diagnostics.iter().map(render).collect()),
            Err(last) => Err(diagnostics.iter().chain([&last]).map(render).collect()),
        }
    }

    /// Sets up a chain of plugins, in the order given.
    pub fn chain(&self, plugins: &[(&PluginSpec, &str)]) -> Result<Chain, String> {
        let mut made = Vec::new();
        for (spec, text) in plugins {
            made.push((spec.name, self.plugin(spec, text)?));
        }
        Ok(Chain::new(made))
    }
}

/// The diagnostics of a directive that must be refused, rendered.
///
/// # Panics
/// Where it is accepted.
pub fn rendered(spec: &PluginSpec, text: &str) -> String {
    match Kit::new().plugin(spec, text) {
        Ok(_) => panic!("accepted: {text}"),
        Err(diagnostics) => diagnostics,
    }
}

/// The runtime of the test, or one for all tests that have none.
fn background() -> tokio::runtime::Handle {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    tokio::runtime::Handle::try_current().unwrap_or_else(|_| {
        let make = || tokio::runtime::Builder::new_current_thread().enable_all().build();
        RUNTIME.get_or_init(|| make().expect("a runtime")).handle().clone()
    })
}
