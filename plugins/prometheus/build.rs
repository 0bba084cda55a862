//! Notes the compiler's version and the commit for `coredns_build_info`.

use std::process::Command;

fn main() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    // `rustc 1.89.0 (29483883e 2025-08-04)`
    let version = output(Command::new(rustc).arg("--version"));
    let version = version.split_whitespace().nth(1).unwrap_or("unknown");
    println!("cargo::rustc-env=RHUMB_RUSTC=rustc{version}");
    // Set by builds without a repository, such as that of the image.
    let commit = std::env::var("RHUMB_COMMIT")
        .unwrap_or_else(|_| output(Command::new("git").args(["rev-parse", "--short", "HEAD"])));
    println!("cargo::rustc-env=RHUMB_COMMIT={}", commit.trim());
    println!("cargo::rerun-if-env-changed=RHUMB_COMMIT");
    println!("cargo::rerun-if-changed=build.rs");
}

fn output(command: &mut Command) -> String {
    let output = command.output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).into_owned()
}
