//! GET, and numbers from `/metrics`.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What a GET returned.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Asks over a connection of its own.
pub(crate) fn get(server: SocketAddr, path: &str) -> io::Result<Page> {
    let mut stream = TcpStream::connect_timeout(&server, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    // 1.0: the body ends with the connection.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {server}\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let no_http = || io::Error::other(format!("this is not HTTP: {text:?}"));
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(no_http)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok(Page { status: status.ok_or_else(no_http)?, body: body.to_owned() })
}

/// The text of `/metrics`.
pub(crate) struct Metrics(pub(crate) String);

impl Metrics {
    /// The sum of the series of that name that have all these `label="value"` pairs, rounded; 0 where there
    /// is none.
    pub(crate) fn sum(&self, name: &str, labels: &[&str]) -> u64 {
        let is_wanted = |series: &str| {
            let (found, found_labels) = series.split_once('{').unwrap_or((series, ""));
            found == name && labels.iter().all(|label| found_labels.contains(label))
        };
        let values = self.samples().filter(|(series, _)| is_wanted(series)).map(|(_, value)| value);
        format!("{:.0}", values.sum::<f64>()).parse().unwrap_or_default()
    }

    /// Names of families, as their TYPE lines tell them.
    pub(crate) fn families(&self) -> Vec<&str> {
        let family = |line: &'_ str| line.strip_prefix("# TYPE ").is_some();
        let name = |line| str::split_whitespace(line).nth(2).unwrap_or_default();
        self.0.lines().filter(|line| family(line)).map(name).collect()
    }

    fn samples(&self) -> impl Iterator<Item = (&str, f64)> {
        let lines = self.0.lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            Some((series, value.parse().ok()?))
        })
    }
}

const TIMEOUT: Duration = Duration::from_secs(10);
