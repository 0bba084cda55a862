//! Log lines as CoreDNS writes them: `[INFO] plugin/reload: …`, on stdout, without a time.
//!
//! Lines go through a bounded queue to one writer thread, so that a slow pipe never holds up an answer.
//! A line is dropped when the queue is full, and the drops are told: the lines of plugin `errors` come
//! with queries too, so a line that waited would hold up answers.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// Whether debug lines are written; set by the `debug` directive.
static IS_DEBUG: AtomicBool = AtomicBool::new(false);
static N_DROPPED: AtomicU64 = AtomicU64::new(0);

/// Turns debug lines on or off, for the whole process.
pub(crate) fn set_debug(is_debug: bool) {
    IS_DEBUG.store(is_debug, Ordering::Relaxed);
}

/// Whether debug lines are written.
pub(crate) fn is_debug() -> bool {
    IS_DEBUG.load(Ordering::Relaxed)
}

/// Flushes the log when dropped.
pub(crate) struct Guard(SyncSender<Line>);

enum Line {
    Text(String),
    Flush(SyncSender<()>),
}

/// Starts the writer and installs the subscriber for the whole process; a second call changes nothing.
pub(crate) fn install() -> Guard {
    let (sender, receiver) = sync_channel(QUEUE_LEN);
    let lines = Lines { sender: sender.clone() };
    if tracing::subscriber::set_global_default(tracing_subscriber::registry().with(lines)).is_ok() {
        let _ = std::thread::Builder::new().name("log".into()).spawn(move || write(&receiver));
    }
    Guard(sender)
}

impl Guard {
    /// Returns when everything logged so far is written, or after a second.
    pub(crate) fn flush(&self) {
        let (done, written) = sync_channel(1);
        if self.0.try_send(Line::Flush(done)).is_ok() {
            let _ = written.recv_timeout(Duration::from_secs(1));
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.flush();
    }
}

fn write(lines: &Receiver<Line>) {
    let mut stdout = std::io::stdout();
    let mut buffer = Vec::with_capacity(8192);
    while let Ok(first) = lines.recv() {
        let mut flushed = Vec::new();
        // What has piled up goes out with one call.
        for line in std::iter::once(first).chain(lines.try_iter().take(256)) {
            match line {
                Line::Text(text) => buffer.extend_from_slice(text.as_bytes()),
                Line::Flush(done) => flushed.push(done),
            }
        }
        let n_dropped = N_DROPPED.swap(0, Ordering::Relaxed);
        if n_dropped > 0 {
            let _ =
                writeln!(buffer, "[WARNING] {n_dropped} log lines dropped: the output is too slow");
        }
        // Nobody reads the output any more: go on serving without a log.
        let _ = stdout.write_all(&buffer).and_then(|()| stdout.flush());
        buffer.clear();
        for done in flushed {
            let _ = done.send(());
        }
    }
}

struct Lines {
    sender: SyncSender<Line>,
}

impl Lines {
    fn wants(metadata: &Metadata<'_>) -> bool {
        let is_ours =
            metadata.target().starts_with("rhumb") || metadata.target().starts_with("plugin");
        match *metadata.level() {
            // What libraries have to say, the plugin that uses them says better.
            Level::ERROR | Level::WARN | Level::INFO => is_ours,
            Level::DEBUG => is_ours && IS_DEBUG.load(Ordering::Relaxed),
            Level::TRACE => false,
        }
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn register_callsite(
        &self,
        metadata: &'static Metadata<'static>,
    ) -> tracing::subscriber::Interest {
        match *metadata.level() {
            Level::TRACE => tracing::subscriber::Interest::never(),
            Level::DEBUG => tracing::subscriber::Interest::sometimes(),
            _ if Self::wants(metadata) => tracing::subscriber::Interest::always(),
            _ => tracing::subscriber::Interest::never(),
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _context: Context<'_, S>) -> bool {
        Self::wants(metadata)
    }

    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let metadata = event.metadata();
        let mut line = String::with_capacity(160);
        line.push_str(match *metadata.level() {
            Level::ERROR => "[ERROR] ",
            Level::WARN => "[WARNING] ",
            Level::INFO => "[INFO] ",
            _ => "[DEBUG] ",
        });
        if metadata.target().starts_with("plugin/") {
            let _ = write!(line, "{}: ", metadata.target());
        }
        let mut words = Words { message: String::new(), fields: String::new() };
        event.record(&mut words);
        line.push_str(&words.message);
        line.push_str(&words.fields);
        line.push('\n');
        if let Err(TrySendError::Full(_)) = self.sender.try_send(Line::Text(line)) {
            N_DROPPED.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The message first, then the fields as `name=value`.
struct Words {
    message: String,
    fields: String,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.fields, " {}={value:?}", field.name())
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message.push_str(value);
        } else {
            let _ = write!(self.fields, " {}={value:?}", field.name());
        }
    }
}

const QUEUE_LEN: usize = 8192;
