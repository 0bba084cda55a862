//! What the `loadbalance` directive says.

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use plugin::{Argument, Diagnostic, Directive, Property, Setup};

/// The order that addresses are put in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// Which address comes first.
    pub(crate) policy: Policy,
    /// After the policy: addresses in the first of these go before those in the second, and so on.
    pub(crate) prefer: Vec<IpNet>,
}

/// Who decides which address comes first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// Chance, all addresses alike.
    Shuffle,
    /// Chance, by the weights in a file.
    Weighted(WeightFile),
}

/// `weighted FILE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WeightFile {
    /// The file, with `root` applied.
    pub(crate) path: PathBuf,
    /// How often it is read again; zero is never. 30 s unless set.
    pub(crate) reload: Duration,
    /// Where it is named.
    pub(crate) named: Argument,
}

impl Config {
    /// The settings as written; of several policies the last one holds. Mistakes are reported to `setup`.
    pub(crate) fn parse(setup: &mut Setup<'_>) -> Self {
        let mut config = Self { policy: Policy::Shuffle, prefer: Vec::new() };
        for directive in setup.directives {
            let policy = policy(setup, directive);
            // What fits the block depends on the policy.
            let Some(policy) = setup.note(policy) else { continue };
            config.policy = policy;
            for property in directive.properties() {
                let done = config.property(directive, property);
                setup.note(done);
            }
        }
        config
    }

    fn property(&mut self, directive: &Directive, property: &Property) -> Result<(), Diagnostic> {
        property.expect_no_block()?;
        match (&mut self.policy, &*property.name) {
            (Policy::Weighted(file), "reload") => file.reload = property.duration()?,
            (Policy::Shuffle, "prefer") => {
                for cidr in &property.arguments {
                    let subnet: IpNet = cidr.parse_as("a subnet such as `192.0.2.0/24`")?;
                    self.prefer.push(subnet.trunc());
                }
            }
            (Policy::Weighted(_), "prefer") => {
                return Err(Diagnostic::error(
                    property.name.span,
                    "`prefer` does not go with `weighted`",
                )
                .label("not after `weighted`")
                .help("use `round_robin`, or leave the order to the weights"));
            }
            (Policy::Weighted(_), _) => {
                return Err(directive.unknown_property(property, &["reload"]));
            }
            (Policy::Shuffle, _) => return Err(directive.unknown_property(property, &["prefer"])),
        }
        Ok(())
    }
}

fn policy(setup: &Setup<'_>, directive: &Directive) -> Result<Policy, Diagnostic> {
    let Some((policy, rest)) = directive.arguments.split_first() else {
        return Ok(Policy::Shuffle);
    };
    match (&**policy, rest) {
        ("round_robin", []) => Ok(Policy::Shuffle),
        ("weighted", [file]) => Ok(Policy::Weighted(WeightFile {
            path: setup.path(&**file),
            reload: RELOAD,
            named: file.clone(),
        })),
        ("weighted", []) => Err(Diagnostic::error(policy.span, "`weighted` wants a file")
            .label("no file after this")
            .help("write `loadbalance weighted FILE`")),
        ("round_robin", [extra, ..]) | ("weighted", [_, extra, ..]) => {
            Err(Diagnostic::error(extra.span, format!("`{policy}` does not want `{extra}`"))
                .label("one too many"))
        }
        _ => Err(policy.expected("a policy").help("write `round_robin` or `weighted FILE`")),
    }
}

const RELOAD: Duration = Duration::from_secs(30);
