//! The process under test.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::Instant;

use super::client::{Reply, Transport, ask};
use super::places::Places;
use super::{LONG, eventually, http};

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) log: Arc<Log>,
    pub(crate) places: Places,
}

impl Server {
    /// Starts a server from a Corefile template, and waits until it has said that it serves.
    pub(crate) fn start(name: &str, corefile: &str) -> Self {
        Self::start_in(Places::new(name), corefile)
    }

    /// The same in a folder that is prepared.
    pub(crate) fn start_in(mut places: Places, corefile: &str) -> Self {
        let corefile = places.fill(corefile);
        places.write("Corefile", &corefile);
        let path = places.path("Corefile");
        let server = Self::spawn(places, &["-conf", &path.to_string_lossy()], None);
        let banner = format!("Rhumb-{}", env!("CARGO_PKG_VERSION"));
        server.wait_for_log(&banner);
        server
    }

    /// Starts the binary with these arguments, and waits for nothing.
    pub(crate) fn spawn(places: Places, arguments: &[&str], stdin: Option<&str>) -> Self {
        let mut child = command(&places)
            .args(arguments)
            .stdin(if stdin.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let log = Arc::new(Log::default());
        log.read(child.stdout.take().expect("it is piped"));
        log.read(child.stderr.take().expect("it is piped"));
        if let (Some(text), Some(mut pipe)) = (stdin, child.stdin.take()) {
            pipe.write_all(text.as_bytes()).expect("it reads its standard input");
        }
        Self { child, log, places }
    }

    /// 127.0.0.1 and the port that the template calls {PORT}.
    pub(crate) fn address(&self) -> SocketAddr {
        self.at("127.0.0.1", "PORT")
    }

    /// An address and one of the template's ports.
    pub(crate) fn at(&self, ip: &str, port: &str) -> SocketAddr {
        let ip: IpAddr = ip.parse().expect("an address");
        SocketAddr::new(ip, self.places.known_port(port))
    }

    /// Asks `name type` over UDP.
    pub(crate) fn ask(&self, question: &str) -> Reply {
        self.ask_by(Transport::Udp, question)
    }

    /// Asks `name type`; there has to be a reply.
    pub(crate) fn ask_by(&self, transport: Transport, question: &str) -> Reply {
        ask(self.address(), transport, question)
            .unwrap_or_else(|error| panic!("{question} over {transport:?}: {error}\n{}", self.log))
    }

    /// `/metrics`.
    pub(crate) fn metrics(&self) -> http::Metrics {
        let page = http::get(self.at("127.0.0.1", "METRICS"), "/metrics");
        http::Metrics(page.expect("/metrics answers").body)
    }

    /// The status of `/ready`, with its text.
    pub(crate) fn ready(&self) -> http::Page {
        http::get(self.at("127.0.0.1", "READY"), "/ready").expect("/ready answers")
    }

    /// Puts another Corefile in place of the old one. Nothing happens before a signal or a look.
    pub(crate) fn write_corefile(&mut self, template: &str) {
        let corefile = self.places.fill(template);
        self.places.write("Corefile", &corefile);
    }

    /// Reloads, and waits until that is done.
    pub(crate) fn reload(&self) {
        let n_before = self.log.count("[INFO] Reloading complete");
        self.signal(Signal::SIGUSR1);
        let done = eventually(LONG, || {
            (self.log.count("[INFO] Reloading complete") > n_before).then_some(())
        });
        assert!(done.is_some(), "the reload is not done\n{}", self.log);
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("the process is there");
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("a process ID"))
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// How it ended; it has to end soon.
    pub(crate) fn wait_for_exit(&mut self) -> ExitStatus {
        let status = eventually(LONG, || self.child.try_wait().ok().flatten());
        let status = status.unwrap_or_else(|| panic!("the server does not end\n{}", self.log));
        self.log.wait_for_end();
        status
    }

    /// Waits for a line that has this text in it, and returns it.
    pub(crate) fn wait_for_log(&self, text: &str) -> String {
        let found = self.log.wait(LONG, |lines| lines.iter().find(|l| l.contains(text)).cloned());
        found.unwrap_or_else(|| panic!("the log has no line with `{text}`\n{}", self.log))
    }

    /// Resident memory.
    pub(crate) fn rss_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("the process is there");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("");
        line.split_whitespace().next().and_then(|kib| kib.parse().ok()).expect("VmRSS in KiB")
    }

    /// Open file descriptors.
    pub(crate) fn n_descriptors(&self) -> usize {
        let folder = std::fs::read_dir(format!("/proc/{}/fd", self.child.id()));
        folder.expect("the process is there").count()
    }

    /// Fails where something went wrong inside that clients may not have seen.
    pub(crate) fn assert_sound(&mut self) {
        assert!(self.is_alive(), "the server is gone\n{}", self.log);
        for bad in ["panicked at", "recovered from a panic", "[FATAL]", "cannot serve"] {
            assert_eq!(self.log.count(bad), 0, "`{bad}` in the log\n{}", self.log);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary, in the folder, without what this machine's environment would add.
pub(crate) fn command(places: &Places) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rhumb"));
    command.current_dir(places.path("."));
    for name in ["KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"] {
        command.env_remove(name);
    }
    command
}

/// What a process writes, both its outputs, line by line.
#[derive(Default)]
pub(crate) struct Log {
    written: Mutex<Written>,
    more: Condvar,
}

#[derive(Default)]
struct Written {
    lines: Vec<String>,
    n_readers: usize,
}

impl Log {
    /// Collects what comes, until it ends.
    pub(crate) fn read(self: &Arc<Self>, pipe: impl Read + Send + 'static) {
        self.lock().n_readers += 1;
        let log = Arc::clone(self);
        std::thread::spawn(move || {
            let mut reader = BufReader::new(pipe);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|n_read| n_read > 0) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                log.lock().lines.push(text);
                log.more.notify_all();
                line.clear();
            }
            log.lock().n_readers -= 1;
            log.more.notify_all();
        });
    }

    /// Waits until the lines have what is looked for.
    pub(crate) fn wait<T>(
        &self,
        limit: Duration,
        mut find: impl FnMut(&[String]) -> Option<T>,
    ) -> Option<T> {
        let end = Instant::now() + limit;
        let mut written = self.lock();
        loop {
            if let Some(found) = find(&written.lines) {
                return Some(found);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || written.n_readers == 0 {
                return None;
            }
            let waited = self.more.wait_timeout(written, left);
            written = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Lines that have this text in them.
    pub(crate) fn count(&self, text: &str) -> usize {
        self.lock().lines.iter().filter(|line| line.contains(text)).count()
    }

    /// All of it.
    pub(crate) fn text(&self) -> String {
        self.lock().lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
    }

    fn wait_for_end(&self) {
        let mut written = self.lock();
        while written.n_readers > 0 {
            let waited = self.more.wait_timeout(written, LONG);
            written = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Display for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.text();
        let skipped = text.lines().count().saturating_sub(200);
        writeln!(f, "the server's log:")?;
        text.lines().skip(skipped).try_for_each(|line| writeln!(f, "    {line}"))
    }
}
