//! The directive, typed.

use std::path::PathBuf;
use std::time::Duration;

use plugin::{Argument, Diagnostic, Directive, Fallthrough, Property, Setup, Zones};

/// What all `file` directives of a server block say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Config {
    /// One per directive, in the order written.
    pub(crate) files: Vec<ZoneFile>,
    /// For which names that are not there the next plugin is asked; the last one written holds for all files.
    pub(crate) fallthrough: Fallthrough,
}

/// One file.
#[derive(Clone, Debug)]
pub(crate) struct ZoneFile {
    /// The file, with `root` applied.
    pub(crate) path: PathBuf,
    /// Where it is named.
    pub(crate) named: Argument,
    /// The zones that it is read for, once for each.
    pub(crate) zones: Zones,
    pub(crate) reload: Reload,
}

/// When a file is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reload {
    /// How often it is looked at; zero is never. A minute unless set.
    pub(crate) interval: Duration,
    /// Whether its time decides; otherwise its serial does.
    pub(crate) by_mtime: bool,
}

impl Config {
    /// Reads the directives; every mistake is noted. As CoreDNS has it, what one directive says about reloads
    /// holds for those after it as well.
    pub(crate) fn parse(setup: &mut Setup<'_>) -> Self {
        let mut config = Self::default();
        let mut reload = Reload { interval: RELOAD, by_mtime: false };
        for directive in setup.directives {
            let file = ZoneFile::parse(setup, directive);
            let file = setup.note(file);
            for property in directive.properties() {
                let done = config.property(setup, directive, property, &mut reload);
                setup.note(done);
            }
            config.files.extend(file.map(|file| ZoneFile { reload, ..file }));
        }
        config
    }

    fn property(
        &mut self,
        setup: &mut Setup<'_>,
        directive: &Directive,
        property: &Property,
        reload: &mut Reload,
    ) -> Result<(), Diagnostic> {
        property.expect_no_block()?;
        match &*property.name {
            "fallthrough" => self.fallthrough = Fallthrough::parse(property)?,
            "reload" => {
                let arguments = property.expect_arguments(1..=usize::MAX)?;
                reload.interval = arguments[0].duration()?;
                // CoreDNS passes over them, so they are no mistake.
                if let Some(extra) = arguments.get(1) {
                    let message = format!("`reload` does not want `{extra}`");
                    setup.report(Diagnostic::warning(extra.span, message).label("passed over"));
                }
            }
            "reload_by_mtime" => {
                property.expect_arguments(0..=0)?;
                reload.by_mtime = true;
            }
            // Aliases are always looked up by the server itself.
            "upstream" => {}
            _ => return Err(directive.unknown_property(property, KNOWN)),
        }
        Ok(())
    }
}

impl ZoneFile {
    fn parse(setup: &Setup<'_>, directive: &Directive) -> Result<Self, Diagnostic> {
        let arguments = directive.expect_arguments(1..=usize::MAX)?;
        Ok(Self {
            path: setup.path(&*arguments[0]),
            named: arguments[0].clone(),
            zones: setup.zones(&arguments[1..])?,
            reload: Reload { interval: RELOAD, by_mtime: false },
        })
    }
}

const RELOAD: Duration = Duration::from_mins(1);
const KNOWN: &[&str] = &["reload", "reload_by_mtime", "fallthrough"];
