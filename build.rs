//! Tells the program what it was built from.

use std::process::Command;

fn main() {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    // `rustc 1.95.0 (59807616e 2026-04-14)`
    let version = output(Command::new(rustc).arg("--version"));
    let version = version.split_whitespace().nth(1).unwrap_or_default().to_owned();
    println!("cargo::rustc-env=RHUMB_RUSTC={version}");
    let commit = match std::env::var("RHUMB_COMMIT") {
        // Set by builds without a repository, such as that of the image.
        Ok(commit) => commit,
        Err(_) => output(Command::new("git").args(["rev-parse", "--short", "HEAD"])),
    };
    println!("cargo::rustc-env=RHUMB_COMMIT={}", commit.trim());
    println!("cargo::rerun-if-env-changed=RHUMB_COMMIT");
    // The log of HEAD grows with each commit.
    println!("cargo::rerun-if-changed=.git/logs/HEAD");
    println!("cargo::rerun-if-changed=build.rs");
}

fn output(command: &mut Command) -> String {
    let output = command.output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).into_owned()
}
