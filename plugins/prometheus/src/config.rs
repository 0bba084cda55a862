//! The directive, typed.

use plugin::http::check_address;
use plugin::{Diagnostic, Property, Setup};

/// What the directive says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// Where `/metrics` is served: `host:port` or `:port`.
    pub(crate) address: String,
    /// Whether the runtime's own numbers are shown as well.
    pub(crate) has_runtime_metrics: bool,
}

impl Config {
    /// Reads the directive; every mistake is noted.
    pub(crate) fn parse(setup: &mut Setup<'_>) -> Result<Self, Diagnostic> {
        let directive = setup.once()?;
        let mut config = Self { address: DEFAULT_ADDRESS.to_owned(), has_runtime_metrics: false };
        if let Some(arguments) = setup.note(directive.expect_arguments(0..=1))
            && let Some(written) = arguments.first()
        {
            config.address =
                setup.note(check_address(written, DEFAULT_ADDRESS)).unwrap_or_default();
        }
        let mut tls: Option<&Property> = None;
        for property in directive.properties() {
            match &*property.name {
                "runtime_metrics" => {
                    config.has_runtime_metrics = setup.note(property.expect_bare()).is_some();
                }
                "tls" => {
                    if let Some(first) = tls.replace(property) {
                        let message = format!("`{}` can only be used once", first.name);
                        setup.report(
                            Diagnostic::error(property.name.span, message).label("here again"),
                        );
                    } else {
                        setup.note(web_config(property));
                    }
                }
                _ => setup.report(directive.unknown_property(property, KNOWN)),
            }
        }
        Ok(config)
    }
}

/// `tls FILE` names a web configuration as Prometheus's exporters read it. Serving it in the clear instead would
/// undo what was asked for, so it is refused.
fn web_config(property: &Property) -> Result<(), Diagnostic> {
    property.expect_no_block()?;
    let file = property.argument()?;
    Err(Diagnostic::error(
        property.span(),
        format!("cannot serve metrics by `{file}`: no TLS here yet"),
    )
    .label("not supported")
    .help("listen on `localhost` and let a proxy beside it speak TLS"))
}

const DEFAULT_ADDRESS: &str = "localhost:9153";
const KNOWN: &[&str] = &["runtime_metrics", "tls"];
