//! The directive, typed.

use plugin::proto::rr::Name;
use plugin::{Argument, Diagnostic, Directive, Setup, Zones};

/// The settings of a server block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// Names elsewhere are passed on; the block's zones unless set.
    pub(crate) zones: Zones,
    pub(crate) source: Source,
}

/// Who knows the search path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Every client has this one, the root last; empty where the file has none.
    File(Vec<Name>),
    /// The plugin of that name says.
    Plugin(String),
}

impl Config {
    /// Reads the directives. As CoreDNS has it, the last one holds.
    pub(crate) fn parse(setup: &mut Setup<'_>) -> Result<Self, Diagnostic> {
        let [others @ .., last] = setup.directives else { return Err(nothing(setup.directive)) };
        for directive in others {
            let unused = Diagnostic::warning(directive.span(), "another `autopath` follows")
                .label("this one is passed over")
                .help("use one `autopath` per server block");
            let parsed = Self::parse_one(setup, directive);
            setup.note(parsed);
            setup.report(unused);
        }
        Self::parse_one(setup, last)
    }

    fn parse_one(setup: &Setup<'_>, directive: &Directive) -> Result<Self, Diagnostic> {
        directive.expect_no_block()?;
        let Some((source, zones)) = directive.arguments.split_last() else {
            return Err(nothing(directive));
        };
        Ok(Self { zones: setup.zones(zones)?, source: Source::parse(source)? })
    }
}

impl Source {
    fn parse(argument: &Argument) -> Result<Self, Diagnostic> {
        if let Some(plugin) = argument.strip_prefix('@') {
            return Ok(Self::Plugin(plugin.to_owned()));
        }
        let text = std::fs::read_to_string(&**argument).map_err(|error| {
            let message = format!("resolv.conf file `{argument}`: {error}");
            Diagnostic::error(argument.span, message)
                .label("this file")
                .help("name a file with a `search` line, or a plugin: `autopath @kubernetes`")
        })?;
        let mut path = plugin::names::search_list(&text);
        if !path.is_empty() {
            path.push(Name::root());
        }
        Ok(Self::File(path))
    }
}

fn nothing(directive: &Directive) -> Diagnostic {
    Diagnostic::error(directive.span(), "`autopath` needs a search path")
        .label("none here")
        .help("write `autopath /etc/resolv.conf` or `autopath @kubernetes`")
}
