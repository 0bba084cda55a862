//! Notes the compiler's version for `coredns_build_info`.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let printed = Command::new(rustc).arg("--version").output().map(|output| output.stdout);
    let printed = printed.map(|stdout| String::from_utf8_lossy(&stdout).into_owned());
    let words = printed.unwrap_or_default();
    // `rustc 1.89.0 (29483883e 2025-08-04)`
    let version = words.split_whitespace().nth(1).unwrap_or("unknown");
    println!("cargo::rustc-env=RHUMB_RUSTC=rustc{version}");
}
