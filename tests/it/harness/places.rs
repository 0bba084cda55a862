//! A folder of its own, free ports, and the template that names them.

use std::collections::HashMap;
use std::net::{Ipv6Addr, TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

/// What `{NAME}` stands for in a Corefile template, a dialog or a command line.
///
/// `{DIR}` is the folder. A name that begins with PORT, HEALTH, READY or METRICS is a port, found free when
/// it is first named. All others have to be set.
pub(crate) struct Places {
    folder: PathBuf,
    ports: HashMap<String, Port>,
    values: HashMap<String, String>,
}

impl Places {
    /// An empty folder.
    pub(crate) fn new(name: &str) -> Self {
        static COUNTER: AtomicUsize = AtomicUsize::new(0);
        static CLEAN: Once = Once::new();
        CLEAN.call_once(|| remove_leftovers("it-"));
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("it-{}-{number}-{name}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&folder).expect("a folder under target/tmp");
        Self { folder, ports: HashMap::new(), values: HashMap::new() }
    }

    /// Gives a name a value.
    pub(crate) fn set(&mut self, name: &str, value: &impl ToString) {
        self.values.insert(name.to_owned(), value.to_string());
    }

    /// The port of that name.
    pub(crate) fn port(&mut self, name: &str) -> u16 {
        self.ports.entry(name.to_owned()).or_insert_with(Port::free).number
    }

    /// The port of that name, which a template has named already.
    pub(crate) fn known_port(&self, name: &str) -> u16 {
        let port = self.ports.get(name);
        port.unwrap_or_else(|| panic!("no template names the port {{{name}}}")).number
    }

    /// A path in the folder.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// Writes a file into the folder, whole at once, as a ConfigMap's update would.
    pub(crate) fn write(&self, file: &str, text: &str) {
        let new = self.path(&format!(".{file}.new"));
        std::fs::write(&new, text).expect("a file in our own folder");
        std::fs::rename(&new, self.path(file)).expect("a file in our own folder");
    }

    /// The text with every `{NAME}` replaced.
    pub(crate) fn fill(&mut self, template: &str) -> String {
        let mut text = String::with_capacity(template.len());
        let mut rest = template;
        while let Some(start) = rest.find('{') {
            text.push_str(&rest[..start]);
            rest = &rest[start..];
            let name = rest[1..].find('}').map(|end| &rest[1..=end]).filter(|name| is_name(name));
            let is_environment = text.ends_with('$');
            match name {
                Some(name) if !is_environment => {
                    text.push_str(&self.value(name));
                    rest = &rest[name.len() + 2..];
                }
                _ => {
                    text.push('{');
                    rest = &rest[1..];
                }
            }
        }
        text + rest
    }

    fn value(&mut self, name: &str) -> String {
        if name == "DIR" {
            return self.folder.display().to_string();
        }
        if let Some(value) = self.values.get(name) {
            return value.clone();
        }
        let is_port = PORTS.iter().any(|prefix| name.starts_with(prefix));
        assert!(is_port, "nothing sets {{{name}}}");
        self.port(name).to_string()
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        // What a failed test leaves behind is what its reader needs.
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// Removes folders `PREFIX<process ID>…` of processes that are no more: of failed tests, and of killed ones.
pub(crate) fn remove_leftovers(prefix: &str) {
    let folder = std::fs::read_dir(env!("CARGO_TARGET_TMPDIR"));
    for entry in folder.into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(rest) = name.strip_prefix(prefix) else { continue };
        let pid = rest.split('-').next().unwrap_or_default();
        if pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists() {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// A port that nobody uses and no other test will choose while this lives.
///
/// Rhumb shares its ports (`SO_REUSEPORT`), so two servers on one would not notice. The name in the abstract
/// namespace keeps other test processes away, and goes with the process, however that ends.
struct Port {
    number: u16,
    _claim: UnixDatagram,
}

impl Port {
    fn free() -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let first = u16::try_from(std::process::id() % 97).unwrap_or(0) * 100;
        for _ in 0..N_PORTS {
            let offset = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(first) % N_PORTS;
            let number = FIRST_PORT + offset;
            let name = format!("rhumb-it-port-{number}");
            let claim = SocketAddr::from_abstract_name(name.as_bytes())
                .and_then(|name| UnixDatagram::bind_addr(&name));
            if let (Ok(claim), true) = (claim, is_free(number)) {
                return Self { number, _claim: claim };
            }
        }
        panic!("no free port between {FIRST_PORT} and {}", FIRST_PORT + N_PORTS);
    }
}

fn is_free(port: u16) -> bool {
    // Without SO_REUSEPORT this fails where anybody listens, on whatever address.
    let all = (Ipv6Addr::UNSPECIFIED, port);
    match (TcpListener::bind(all), UdpSocket::bind(all)) {
        (Ok(_), Ok(_)) => true,
        // No IPv6 here.
        _ => {
            TcpListener::bind(("0.0.0.0", port)).is_ok()
                && UdpSocket::bind(("0.0.0.0", port)).is_ok()
        }
    }
}

const PORTS: [&str; 4] = ["PORT", "HEALTH", "READY", "METRICS"];
/// Below the range that the kernel gives to clients.
const FIRST_PORT: u16 = 20_000;
const N_PORTS: u16 = 10_000;
