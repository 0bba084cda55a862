//! Every folder in `tests/scenarios`: see the README there.

use std::path::Path;

use crate::harness::dialog::Dialog;
use crate::harness::places::Places;
use crate::harness::server::Server;
use crate::harness::upstream::Upstream;
use crate::harness::{left_out, root};

#[test]
fn every_scenario_goes_as_its_dialog_says() {
    let mut folders: Vec<_> = std::fs::read_dir(root().join("tests/scenarios"))
        .expect("tests/scenarios is there")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    let only = std::env::var("SCENARIO").ok();
    let wanted = |path: &&std::path::PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        only.as_ref().is_none_or(|only| name.contains(only.as_str()))
    };
    // They wait for changes and for dead upstreams more than they compute.
    let scenarios: Vec<_> = folders
        .iter()
        .filter(wanted)
        .map(|path| {
            let path = path.clone();
            std::thread::spawn(move || Scenario::read(&path).run())
        })
        .collect();
    assert!(!scenarios.is_empty(), "no scenario is called like {only:?}");
    let outcomes = scenarios.into_iter().map(std::thread::JoinHandle::join);
    let failures: Vec<String> = outcomes
        .map(|outcome| outcome.unwrap_or_else(|_| vec!["a scenario panicked; see above".into()]))
        .collect::<Vec<_>>()
        .concat();
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// What is in a folder.
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) corefile: String,
    pub(crate) dialog: Dialog,
    pub(crate) places: Places,
    pub(crate) upstreams: Vec<(String, Upstream)>,
}

impl Scenario {
    /// Reads a folder, copies its files and starts its upstreams.
    pub(crate) fn read(path: &Path) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let read = |file: &str| {
            std::fs::read_to_string(path.join(file))
                .unwrap_or_else(|e| panic!("{name}/{file}: {e}"))
        };
        let mut places = Places::new(&name);
        let mut upstreams = Vec::new();
        let mut files = Vec::new();
        for entry in std::fs::read_dir(path).expect("the folder is there").flatten() {
            let file = entry.file_name().to_string_lossy().into_owned();
            if let Some(upstream) = file.strip_suffix(".zone") {
                let upstream = (upstream.to_uppercase(), Upstream::start(&read(&file)));
                places.set(&upstream.0, &upstream.1.address);
                upstreams.push(upstream);
            } else if file != "Corefile" && file != "dialog" {
                files.push(file);
            }
        }
        for file in files {
            let text = places.fill(&read(&file));
            places.write(&file, &text);
        }
        let dialog = Dialog::parse(&read("dialog"));
        let dialog = dialog.unwrap_or_else(|error| panic!("{name}/dialog: {error}"));
        let corefile = read("Corefile");
        Self { name, corefile, dialog, places, upstreams }
    }

    /// Starts a server and goes through the dialog.
    pub(crate) fn run(self) -> Vec<String> {
        if let Some(missing) = missing_plugin(&self.corefile) {
            left_out(&format!("scenario {}", self.name), &format!("`{missing}` is not there yet"));
            return Vec::new();
        }
        let mut server = Server::start_in(self.places, &self.corefile);
        let upstreams: Vec<_> = self.upstreams.iter().map(|(n, u)| (n.as_str(), u)).collect();
        let mut failures = self.dialog.run(&mut server, &upstreams);
        if !failures.is_empty() {
            failures.push(server.log.to_string());
        }
        server.assert_sound();
        failures.into_iter().map(|failure| format!("{}: {failure}", self.name)).collect()
    }
}

/// A directive of the Corefile that this binary does not serve.
pub(crate) fn missing_plugin(corefile: &str) -> Option<String> {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_rhumb")).arg("-plugins").output();
    let known = String::from_utf8_lossy(&output.expect("the binary runs").stdout).into_owned();
    let not_served: Vec<&str> =
        known.lines().filter_map(|line| Some(line.split_once(" (not ")?.0)).collect();
    let first_words = corefile.lines().filter_map(|line| line.split_whitespace().next());
    first_words.into_iter().find(|word| not_served.contains(word)).map(str::to_owned)
}
