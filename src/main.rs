//! The `rhumb` program with the built-in plugins.

use std::process::ExitCode;

fn main() -> ExitCode {
    rhumb::run(&rhumb::directives())
}
