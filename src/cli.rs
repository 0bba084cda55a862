//! The command line: CoreDNS's flags exactly, and sub-commands of our own.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};
use plugin::metrics::Registry;

use crate::assemble::Context;
use crate::conf::{self, Conf};
use crate::directives::{Directives, Kind};
use crate::lifecycle::{self, Options};

/// A cluster DNS server that reads CoreDNS's Corefile.
///
/// Without a sub-command it serves. Flags are CoreDNS's: one dash or two, `-conf FILE` or `-conf=FILE`.
#[derive(Debug, Parser)]
#[command(name = "rhumb", disable_version_flag = true, args_conflicts_with_subcommands = true)]
struct Cli {
    /// Corefile to load; `stdin` reads it from a pipe. Unset: ./Corefile, or a built-in one.
    #[arg(long, value_name = "FILE")]
    conf: Option<String>,
    /// Default port.
    #[arg(short = 'p', long = "dns.port", value_name = "PORT", default_value = "53")]
    port: u16,
    /// File to write the process ID to once everything listens.
    #[arg(long, value_name = "FILE")]
    pidfile: Option<PathBuf>,
    /// List the plugins that a Corefile can name, and exit.
    #[arg(long)]
    plugins: bool,
    /// Show the version, and exit.
    #[arg(long)]
    version: bool,
    /// Do not print the zones and the version on start.
    #[arg(long)]
    quiet: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check a Corefile: sets everything up, opens and starts nothing. Exits with 0 or 1.
    Check {
        /// The Corefile; `-` reads standard input.
        #[arg(default_value = "Corefile")]
        file: String,
        /// How to print what is wrong.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
        /// Default port, as in serving.
        #[arg(short = 'p', long = "dns.port", value_name = "PORT", default_value = "53")]
        port: u16,
    },
    /// Print a script that completes commands and flags in a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page.
    Man,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// With the line and a caret.
    Text,
    /// An array of objects.
    Json,
}

/// The `main` of a build: reads the command line, serves, and says how it ended.
///
/// Exit codes: 0 for an ordered end, 1 where it could not start or a check failed, 2 for a command line
/// that makes no sense.
pub fn run(directives: &Directives) -> ExitCode {
    // kube and forward both use TLS: there is one provider, and it is chosen here.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let arguments = std::env::args_os().enumerate().filter_map(|(idx, word)| as_go(idx, word));
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    if cli.version {
        return print(&version());
    }
    if cli.plugins {
        return print(&plugins(directives));
    }
    match cli.command {
        None => serve(directives, &cli),
        Some(Command::Check { file, format, port }) => check(directives, &file, format, port),
        Some(Command::Completions { shell }) => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "rhumb", &mut script);
            print(&String::from_utf8_lossy(&script))
        }
        Some(Command::Man) => {
            let mut page = Vec::new();
            match clap_mangen::Man::new(Cli::command()).render(&mut page) {
                Ok(()) => print(&String::from_utf8_lossy(&page)),
                Err(error) => fail(&error.to_string()),
            }
        }
    }
}

/// Go's flags: one dash or two (`-conf` is `--conf`; only a single letter is a short flag), and a value
/// for flags that are on or off (`-quiet=true`). `None` where such a flag is off.
fn as_go(idx: usize, word: OsString) -> Option<OsString> {
    let Some(flag) = word.to_str().and_then(|text| text.strip_prefix('-')) else {
        return Some(word);
    };
    let flag = flag.strip_prefix('-').unwrap_or(flag);
    let (name, value) = flag.split_once('=').map_or((flag, None), |(n, v)| (n, Some(v)));
    let is_long = name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.len() > 1;
    if idx == 0 || !is_long {
        return Some(word);
    }
    if ["plugins", "version", "quiet"].contains(&name) {
        match value {
            Some("0" | "f" | "F" | "false" | "FALSE" | "False") => return None,
            Some("1" | "t" | "T" | "true" | "TRUE" | "True") => {
                return Some(format!("--{name}").into());
            }
            _ => {}
        }
    }
    Some(format!("--{flag}").into())
}

fn serve(directives: &Directives, cli: &Cli) -> ExitCode {
    let conf = match Conf::new(cli.conf.as_deref()) {
        Ok(conf) => conf,
        Err(error) => return fail(&format!("cannot read the Corefile: {error}")),
    };
    let options =
        Options { conf, default_port: cli.port, pidfile: cli.pidfile.clone(), is_quiet: cli.quiet };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start: {error}")),
    };
    let log = crate::log::install();
    let outcome = runtime.block_on(lifecycle::run(directives, options));
    log.flush();
    // Watches of a client library may hold on to the runtime: it ends with the process.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error.to_string()),
    }
}

fn check(directives: &Directives, file: &str, format: Format, port: u16) -> ExitCode {
    let conf = match file {
        "-" => match Conf::new(Some("stdin")) {
            Ok(conf) => conf,
            Err(error) => return fail(&format!("cannot read the Corefile: {error}")),
        },
        path => Conf::File(path.into()),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start: {error}")),
    };
    let metrics = Registry::new();
    let context = Context {
        directives,
        metrics: &metrics,
        background: runtime.handle().clone(),
        default_port: port,
        keep: Arc::default(),
    };
    let loaded = conf.load(port);
    let _in_runtime = runtime.enter();
    let (diagnostics, is_good) = conf::diagnose(&context, &loaded);
    let text = match format {
        Format::Text => conf::render_all(&diagnostics, &loaded.sources),
        Format::Json => {
            let mut json = corefile::render_json(&diagnostics, &loaded.sources);
            json.push('\n');
            json
        }
    };
    let printed = match format {
        Format::Text => io::stderr().write_all(text.as_bytes()),
        Format::Json => io::stdout().write_all(text.as_bytes()),
    };
    if printed.is_ok() && is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// `-version`, and the end of the banner.
pub(crate) fn version() -> String {
    let plugin::setup::Build { version, commit, rustc } = crate::BUILD;
    let (os, architecture) = (std::env::consts::OS, architecture());
    format!("Rhumb-{version}\n{os}/{architecture}, rust{rustc}, {commit}\n")
}

/// The architecture by Go's name, which images and dashboards use.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// `-plugins`: one name a line, sorted, with a mark at those that are not served.
fn plugins(directives: &Directives) -> String {
    let mut lines: Vec<String> = directives
        .entries()
        .iter()
        .map(|entry| match entry.kind {
            Kind::Plugin(_) | Kind::Setting(_) => format!("{}\n", entry.name),
            Kind::NotYet(_) => format!("{} (not yet)\n", entry.name),
            Kind::NotPlanned(_) => format!("{} (not planned)\n", entry.name),
        })
        .collect();
    lines.sort();
    lines.concat()
}

fn print(text: &str) -> ExitCode {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        // `rhumb man | head`: the reader has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn fail(message: &str) -> ExitCode {
    let message = message.trim_end();
    let _ = writeln!(io::stderr(), "{message}");
    ExitCode::FAILURE
}
