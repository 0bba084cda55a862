//! The directive, typed.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use plugin::{Argument, Bounds, Diagnostic, Directive, Fallthrough, Property, Setup, Zones};

/// What the directive says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// The hosts file; it may be missing.
    pub(crate) path: PathBuf,
    /// Names outside of these are not taken from the file nor from the Corefile.
    pub(crate) zones: Zones,
    /// Lines of the Corefile that are lines of a hosts file.
    pub(crate) inline: Vec<String>,
    /// TTL of every record. 1 to 65,535; an hour unless set.
    pub(crate) ttl_secs: u32,
    /// How often the file is looked at; zero is never. 5 s unless set.
    pub(crate) reload: Duration,
    /// Whether addresses are turned back into names.
    pub(crate) has_reverse: bool,
    /// For which names that are not there the next plugin is asked.
    pub(crate) fallthrough: Fallthrough,
    /// Whether the next plugin is also asked for types other than A, AAAA and PTR.
    pub(crate) passes_other_types: bool,
}

impl Config {
    /// Reads the directive; every mistake is noted.
    pub(crate) fn parse(setup: &mut Setup<'_>) -> Result<Self, Diagnostic> {
        let directive = setup.once()?;
        let (path, zones) = match directive.arguments.split_first() {
            Some((file, zones)) => {
                let path = setup.path(&**file);
                setup.note(look_at(&path, file));
                (path, setup.note(setup.zones(zones)))
            }
            None => (PathBuf::from(ETC_HOSTS), setup.note(setup.zones(&[]))),
        };
        let mut config = Self {
            path,
            zones: zones.unwrap_or_default(),
            inline: Vec::new(),
            ttl_secs: TTL_SECS.default,
            reload: RELOAD,
            has_reverse: true,
            fallthrough: Fallthrough::default(),
            passes_other_types: false,
        };
        for property in directive.properties() {
            let done = config.property(setup, directive, property);
            setup.note(done);
        }
        if config.passes_other_types && config.fallthrough == Fallthrough::default() {
            setup.report(lonely_unsupported(directive));
        }
        Ok(config)
    }

    fn property(
        &mut self,
        setup: &mut Setup<'_>,
        directive: &Directive,
        property: &Property,
    ) -> Result<(), Diagnostic> {
        property.expect_no_block()?;
        match &*property.name {
            "fallthrough" => self.fallthrough = Fallthrough::parse(property)?,
            "fallthrough_unsupported" => {
                property.expect_arguments(0..=0)?;
                self.passes_other_types = true;
            }
            "no_reverse" => {
                ignore(setup, property, 0);
                self.has_reverse = false;
            }
            "ttl" => {
                let ttl = property.expect_arguments(1..=usize::MAX)?;
                ignore(setup, property, 1);
                self.ttl_secs = TTL_SECS.check(ttl[0].parse_as("a number of seconds")?, &ttl[0])?;
            }
            "reload" => self.reload = property.duration()?,
            // As CoreDNS has it, everything unknown is a host as long as there was no `fallthrough`.
            _ if self.fallthrough == Fallthrough::default() => self.host(setup, property),
            _ => {
                return Err(match address(&property.name) {
                    Some(_) => Diagnostic::error(
                        property.name.span,
                        "hosts cannot be written after `fallthrough`",
                    )
                    .label("not here")
                    .help("move this line up, above `fallthrough`"),
                    None => directive.unknown_property(property, KNOWN),
                });
            }
        }
        Ok(())
    }

    /// Takes a line of a hosts file; one that says nothing is kept out with a warning.
    fn host(&mut self, setup: &mut Setup<'_>, line: &Property) {
        let doubt = if address(&line.name).is_none() {
            Some(("neither an address nor a property of `hosts`", "passed over"))
        } else if line.arguments.is_empty() {
            Some(("there is an address and no name", "no name after this"))
        } else {
            None
        };
        match doubt {
            Some((message, label)) => setup.report(
                Diagnostic::warning(line.span(), message)
                    .label(label)
                    .help(format!("write `ADDRESS NAME...`, or a property: {}", KNOWN.join(", "))),
            ),
            None => {
                let names = line.arguments.iter().map(|name| format!(" {name}"));
                self.inline.push(std::iter::once(line.name.text.clone()).chain(names).collect());
            }
        }
    }
}

/// The address at the start of a line. A zone after `%` is for the host alone (RFC 4007 §11.2): left out.
/// IPv4-mapped addresses stand for the IPv4 address.
pub(crate) fn address(text: &str) -> Option<IpAddr> {
    let (address, _zone) = text.split_once('%').unwrap_or((text, ""));
    address.parse().ok().map(|address: IpAddr| address.to_canonical())
}

/// A file that cannot be looked at is a mistake; one that is not there may come.
fn look_at(path: &Path, file: &Argument) -> Result<(), Diagnostic> {
    let shown = path.display();
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            tracing::warn!(target: TARGET, "hosts file \"{shown}\" is a directory");
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            tracing::warn!(target: TARGET, "file does not exist: {shown}");
            Ok(())
        }
        Ok(_) => Ok(()),
        Err(error) => Err(Diagnostic::error(
            file.span,
            format!("cannot access hosts file `{shown}`: {error}"),
        )
        .label("this file")),
    }
}

/// CoreDNS passes over some surplus arguments, so they are no mistake.
fn ignore(setup: &mut Setup<'_>, property: &Property, n_wanted: usize) {
    if let Some(extra) = property.arguments.get(n_wanted) {
        let message = format!("`{}` does not want `{extra}`", property.name);
        setup.report(Diagnostic::warning(extra.span, message).label("passed over"));
    }
}

fn lonely_unsupported(directive: &Directive) -> Diagnostic {
    let named = directive
        .properties()
        .iter()
        .find(|property| *property.name == *"fallthrough_unsupported")
        .unwrap_or(directive);
    Diagnostic::error(named.name.span, "`fallthrough_unsupported` goes with `fallthrough` only")
        .label("there is no `fallthrough`")
        .help("add `fallthrough`, which says for which names")
}

pub(crate) const TARGET: &str = "plugin/hosts";
const ETC_HOSTS: &str = "/etc/hosts";
const TTL_SECS: Bounds<u32> = Bounds { default: 3600, min: 1, max: 65_535 };
const RELOAD: Duration = Duration::from_secs(5);
const KNOWN: &[&str] = &["fallthrough", "fallthrough_unsupported", "no_reverse", "ttl", "reload"];
