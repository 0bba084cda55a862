//! What the READMEs say: examples that are accepted, sections in their order, metrics that exist.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::harness::places::Places;
use crate::harness::root;
use crate::harness::server::{Server, command};
use crate::harness::upstream::Upstream;
use crate::scenarios::missing_plugin;

/// The plugins of this repository that the binary serves.
fn plugins() -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_rhumb")).arg("-plugins").output();
    let served = String::from_utf8_lossy(&output.expect("the binary runs").stdout).into_owned();
    let has_folder = |name: &&str| root().join("plugins").join(name).is_dir();
    served.lines().filter(has_folder).map(str::to_owned).collect()
}

/// Their READMEs, as far as there are any.
fn readmes() -> Vec<(String, String)> {
    let read = |name: String| {
        let path = root().join("plugins").join(&name).join("README.md");
        Some((name, std::fs::read_to_string(path).ok()?))
    };
    plugins().into_iter().filter_map(read).collect()
}

#[test]
fn every_plugin_has_a_readme() {
    let documented: Vec<String> = readmes().into_iter().map(|(name, _)| name).collect();
    assert_eq!(documented, plugins());
}

/// The text between "```corefile" and "```", each with the line it begins on.
fn corefiles(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (idx, line) in text.lines().enumerate() {
        match &mut open {
            None if line.trim_start() == "```corefile" => open = Some((idx + 2, String::new())),
            None => {}
            Some(_) if line.trim_start() == "```" => found.extend(open.take()),
            Some((_, corefile)) => {
                corefile.push_str(line);
                corefile.push('\n');
            }
        }
    }
    assert!(open.is_none(), "a fence is not closed");
    found
}

/// Markdown files with examples: the plugins' and the project's own.
fn pages() -> Vec<PathBuf> {
    let mut pages = vec![root().join("README.md"), root().join("ARCHITECTURE.md")];
    for folder in ["docs", "docs/adr", "examples", "docker"] {
        let entries = std::fs::read_dir(root().join(folder)).into_iter().flatten().flatten();
        pages.extend(entries.map(|entry| entry.path()));
    }
    pages.extend(
        readmes().into_iter().map(|(name, _)| root().join("plugins").join(name).join("README.md")),
    );
    pages.retain(|path| path.extension().is_some_and(|ext| ext == "md") && path.exists());
    pages
}

#[test]
fn every_corefile_in_the_docs_is_accepted() {
    let mut n_checked = 0;
    let mut failures = Vec::new();
    for page in pages() {
        let text = std::fs::read_to_string(&page).expect("it is there");
        for (line, corefile) in corefiles(&text) {
            let what = format!("{}:{line}", page.strip_prefix(root()).unwrap_or(&page).display());
            let places = Places::new("docs");
            places.write("Corefile", &corefile);
            supply(&places, &corefile);
            let output = command(&places).args(["check", "--format", "json", "Corefile"]).output();
            let output = output.expect("the binary runs");
            n_checked += 1;
            let found: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
            let wrong: Vec<&Value> = found.iter().filter(|one| !is_about_this_place(one)).collect();
            if !wrong.is_empty() {
                failures.push(format!("{what}: {wrong:#?}"));
            } else if let Some(missing) = missing_plugin(&corefile) {
                failures.push(format!("{what}: `{missing}` is not served, and yet it passes"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(n_checked >= 20, "only {n_checked} examples");
}

/// Whether something is missing that is there where the example is to be used: a file, a cluster around,
/// or (a warning) a variable of the environment.
fn is_about_this_place(diagnostic: &Value) -> bool {
    if diagnostic["severity"] == "warning" {
        return true;
    }
    let text = diagnostic.to_string();
    ["No such file or directory", "incluster environment"].iter().any(|what| text.contains(what))
}

/// Files that an example names and everybody has in a place of their own.
fn supply(places: &Places, corefile: &str) {
    for (word, text) in [
        ("resolv.conf", "nameserver 192.0.2.53\n"),
        ("example.hosts", "192.0.2.1 www.example.org\n"),
        ("objects.yaml", ""),
    ] {
        if corefile.split_whitespace().any(|name| name == word) {
            places.write(word, text);
        }
    }
}

#[test]
fn every_plugin_readme_has_its_sections_in_order() {
    const SECTIONS: [&str; 8] = [
        "Name",
        "Description",
        "Syntax",
        "Metrics",
        "Ready",
        "Examples",
        "Differences",
        "See Also",
    ];
    for (plugin, text) in readmes() {
        let sections: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        let known: Vec<&str> =
            SECTIONS.into_iter().filter(|section| sections.contains(section)).collect();
        assert_eq!(sections, known, "{plugin}: sections, or their order");
        for needed in ["Name", "Description", "Syntax", "Examples", "See Also"] {
            assert!(sections.contains(&needed), "{plugin}: no `{needed}`");
        }
        assert!(text.starts_with(&format!("# {plugin}")), "{plugin}: its title");
        assert!(text.contains(&format!("*{plugin}* - ")), "{plugin}: its line under Name");
        assert!(!corefiles(&text).is_empty(), "{plugin}: no example that can be checked");
    }
}

/// Names of metrics in a text: `coredns_` or `rhumb_`, as far as the name goes.
fn metric_names(text: &str) -> Vec<String> {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let words = text.split(|c: char| !is_part(c));
    let is_metric = |word: &&str| {
        (word.starts_with("coredns_") || word.starts_with("rhumb_")) && !word.ends_with('_')
    };
    let mut names: Vec<String> = words.filter(is_metric).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

#[test]
fn every_metric_in_a_readme_is_one_that_the_code_declares() {
    let mut source = String::new();
    for folder in ["src", "plugins", "crates"] {
        collect_rust(&root().join(folder), &mut source);
    }
    let declared = metric_names(&source);
    let mut n_names = 0;
    for (plugin, text) in readmes() {
        for name in metric_names(&text) {
            assert!(declared.contains(&name), "{plugin}: nothing declares {name}");
            n_names += 1;
        }
    }
    assert!(n_names > 10, "only {n_names} metrics");
}

#[test]
fn every_metric_that_is_served_is_in_a_readme() {
    let upstream =
        Upstream::start("example. 300 IN SOA a. b. 1 2 3 4 5\n*.example. 300 IN A 192.0.2.1");
    let mut places = Places::new("metrics");
    places.set("UPSTREAM", &upstream.address);
    let folder = root().join("tests/scenarios/kubeadm");
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).expect("it is there");
    places.write("objects.yaml", &read("objects.yaml"));
    let server = Server::start_in(places, &read("Corefile"));
    server.ask("www.example. A");
    server.ask("web.shop.svc.cluster.local. A");
    let metrics = server.metrics();
    let families = metrics.families();
    assert!(families.contains(&"coredns_dns_requests_total"), "{families:?}");
    let mut documented: String = readmes().into_iter().map(|(_, text)| text).collect();
    for page in pages() {
        documented.push_str(&std::fs::read_to_string(page).expect("it is there"));
    }
    let documented = metric_names(&documented);
    let missing: Vec<&&str> = families
        .iter()
        .filter(|name| name.starts_with("coredns_") || name.starts_with("rhumb_"))
        .filter(|name| !documented.iter().any(|documented| documented == *name))
        .collect();
    assert!(missing.is_empty(), "no README tells of {missing:?}");
}

fn collect_rust(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect_rust(&path, text);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            text.push_str(&std::fs::read_to_string(&path).unwrap_or_default());
        }
    }
}
