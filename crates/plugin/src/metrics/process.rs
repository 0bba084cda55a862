//! What the kernel knows about this process, under the names that Prometheus's client libraries use.

use std::fs;

use prometheus::proto::{self, MetricType};

/// Read anew at each scrape; what cannot be read is left out.
pub(super) fn collect() -> Vec<proto::MetricFamily> {
    let stat = Stat::read();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let octets = octets();
    let cpu = stat.as_ref().map(|stat| stat.cpu_secs);
    let start = stat.as_ref().and_then(Stat::start_secs);
    let fds = fs::read_dir("/proc/self/fd").ok().map(|fds| as_f64(fds.count()));
    let (counter, gauge) = (MetricType::COUNTER, MetricType::GAUGE);
    [
        ("process_cpu_seconds_total", "User and system CPU time in seconds.", counter, cpu),
        ("process_start_time_seconds", "Start since the Unix epoch in seconds.", gauge, start),
        ("process_open_fds", "Open file descriptors.", gauge, fds),
        (
            "process_max_fds",
            "Most file descriptors that may be open.",
            gauge,
            limit(&limits, "Max open files"),
        ),
        (
            "process_resident_memory_bytes",
            "Resident memory in octets.",
            gauge,
            kibibytes(&status, "VmRSS:"),
        ),
        (
            "process_virtual_memory_bytes",
            "Virtual memory in octets.",
            gauge,
            kibibytes(&status, "VmSize:"),
        ),
        (
            "process_virtual_memory_max_bytes",
            "Most virtual memory that may be used, in octets.",
            gauge,
            limit(&limits, "Max address space"),
        ),
        (
            "process_network_receive_bytes_total",
            "Octets received in the process's network namespace.",
            counter,
            octets.map(|octets| octets.0),
        ),
        (
            "process_network_transmit_bytes_total",
            "Octets sent in the process's network namespace.",
            counter,
            octets.map(|octets| octets.1),
        ),
    ]
    .into_iter()
    .filter_map(|(name, help, kind, value)| Some(family(name, help, kind, value?)))
    .collect()
}

fn family(name: &str, help: &str, kind: MetricType, value: f64) -> proto::MetricFamily {
    let mut metric = proto::Metric::default();
    if kind == MetricType::COUNTER {
        let mut counter = proto::Counter::default();
        counter.set_value(value);
        metric.set_counter(counter);
    } else {
        metric.set_gauge(super::collect::gauge_of(value));
    }
    let mut family = proto::MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(vec![metric]);
    family
}

/// `proc_pid_stat(5)`.
struct Stat {
    cpu_secs: f64,
    /// After the machine was booted.
    start_secs: f64,
}

impl Stat {
    fn read() -> Option<Self> {
        let text = fs::read_to_string("/proc/self/stat").ok()?;
        // The second field is the program's name in parentheses and may hold anything.
        let mut fields = text.rsplit_once(") ")?.1.split_ascii_whitespace().skip(11);
        let mut ticks = || fields.next()?.parse::<f64>().ok();
        let cpu_secs = (ticks()? + ticks()?) / TICKS_PER_SEC;
        // Times of children, priority, nice, threads, a zero; then field 22.
        let start_secs = fields.nth(6)?.parse::<f64>().ok()? / TICKS_PER_SEC;
        Some(Self { cpu_secs, start_secs })
    }

    /// Since the Unix epoch.
    fn start_secs(&self) -> Option<f64> {
        let text = fs::read_to_string("/proc/stat").ok()?;
        let boot = text.lines().find_map(|line| line.strip_prefix("btime "))?;
        Some(boot.trim().parse::<f64>().ok()? + self.start_secs)
    }
}

fn kibibytes(status: &str, name: &str) -> Option<f64> {
    let value = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(value.trim().strip_suffix(" kB")?.parse::<f64>().ok()? * 1024.0)
}

/// The soft limit; as the Go library, all of 64 bits where there is none.
fn limit(limits: &str, name: &str) -> Option<f64> {
    let value = limits.lines().find_map(|line| line.strip_prefix(name))?;
    match value.split_ascii_whitespace().next()? {
        "unlimited" => Some(18_446_744_073_709_552_000.0),
        limit => limit.parse().ok(),
    }
}

/// Received and sent, from the `IpExt` lines: names, then values.
fn octets() -> Option<(f64, f64)> {
    let text = fs::read_to_string("/proc/self/net/netstat").ok()?;
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("IpExt: "));
    let (names, values) = (lines.next()?, lines.next()?);
    let value = |wanted: &str| {
        let mut both = names.split(' ').zip(values.split(' '));
        both.find(|(name, _)| *name == wanted)?.1.parse::<f64>().ok()
    };
    Some((value("InOctets")?, value("OutOctets")?))
}

#[expect(clippy::cast_precision_loss, reason = "descriptors are few")]
fn as_f64(count: usize) -> f64 {
    count as f64
}

/// `USER_HZ`, which Linux has fixed for programs.
const TICKS_PER_SEC: f64 = 100.0;
