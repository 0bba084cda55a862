//! Queries and expected replies as text, much as dig prints them.
//!
//! ```text
//! # Anything after a `#` at the start of a line is a comment.
//! ask web.shop.svc.cluster.local. A
//! NOERROR aa rd
//! answer web.shop.svc.cluster.local. 30 IN A 10.96.7.7
//! ```
//!
//! `tests/scenarios/README.md` has the whole format. A dialog is parsed whole before its first query, so
//! that a slip of the pen on the last line costs no run.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use hickory_proto::op::{Message, OpCode};
use hickory_proto::rr::DNSClass;
use hickory_proto::rr::rdata::opt::EdnsOption;
use nix::sys::signal::Signal;

use super::client::{self, Reply, Transport, rcode_text, record_text};
use super::server::Server;
use super::upstream::Upstream;
use super::{LONG, eventually, http};

/// A parsed dialog.
#[derive(Debug)]
pub(crate) struct Dialog {
    steps: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    /// Where it begins, counted from 1.
    line: usize,
    /// Tried again until it holds, for so long at the most.
    within: Duration,
    action: Action,
}

#[derive(Debug)]
enum Action {
    Ask(Box<Ask>),
    Write { file: String, text: String },
    Remove(String),
    Reload { is_good: bool },
    Log(String),
    Get { port: String, path: String, status: u16, body: Option<String> },
    Metric { name: String, labels: Vec<String>, value: String },
    Silent { upstream: String, is_silent: bool },
    Wait(Duration),
}

/// Queries for one name, and the reply that each is to have.
#[derive(Debug)]
struct Ask {
    queries: Vec<Message>,
    transports: Vec<Transport>,
    to: Option<IpAddr>,
    /// None where silence is expected.
    expected: Option<Expected>,
}

/// What a reply is to look like.
#[derive(Debug, Default)]
struct Expected {
    /// RCODE and flags.
    status: String,
    answer: Section,
    authority: Section,
    additional: Section,
    /// Compared where there is one.
    edns: Option<String>,
    edes: Vec<String>,
}

#[derive(Debug, Default)]
struct Section {
    lines: Vec<String>,
    /// `answer *`: whatever it holds.
    is_any: bool,
    /// `answer 3 records`: so many, whatever they are.
    n_records: Option<usize>,
}

impl Dialog {
    /// Reads a dialog; what it says wrong is told with its line.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let lines: Vec<&str> = text.lines().collect();
        let mut parser = Parser {
            lines: &lines,
            next: 0,
            steps: Vec::new(),
            within: Duration::ZERO,
            records: HashMap::new(),
        };
        while parser.next < lines.len() {
            let number = parser.next + 1;
            parser.line().map_err(|what| format!("line {number}: {what}"))?;
        }
        Ok(Self { steps: parser.steps })
    }

    /// Holds the server to every step; returns what did not hold.
    pub(crate) fn run(&self, server: &mut Server, upstreams: &[(&str, &Upstream)]) -> Vec<String> {
        let mut failures = Vec::new();
        for step in &self.steps {
            let mut last = None;
            let holds = eventually(step.within, || {
                last = step.action.run(server, upstreams).err();
                last.is_none().then_some(())
            });
            if let (None, Some(what)) = (holds, last) {
                failures.push(format!("line {}: {what}", step.line));
            }
        }
        failures
    }

    /// How many queries it asks, each transport counted.
    pub(crate) fn n_queries(&self) -> usize {
        let n_transports = |step: &Step| match &step.action {
            Action::Ask(ask) => ask.transports.len() * ask.queries.len(),
            _ => 0,
        };
        self.steps.iter().map(n_transports).sum()
    }
}

struct Parser<'a> {
    lines: &'a [&'a str],
    next: usize,
    steps: Vec<Step>,
    within: Duration,
    /// `let NAME RECORD`.
    records: HashMap<&'a str, &'a str>,
}

impl Parser<'_> {
    fn line(&mut self) -> Result<(), String> {
        let number = self.next + 1;
        let line = self.lines[self.next].trim();
        self.next += 1;
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let words: Vec<&str> = rest.split_whitespace().collect();
        let action = match (verb, words.as_slice()) {
            ("within", [limit]) => {
                self.within = duration(limit)?;
                return Ok(());
            }
            ("let", [name, _, ..]) => {
                let record = rest.split_once(' ').map_or("", |(_, record)| record.trim());
                self.records.insert(name, record);
                return Ok(());
            }
            ("ask", words) => Action::Ask(Box::new(self.ask(words)?)),
            ("write", [file, "<<EOF"]) => {
                Action::Write { file: (*file).to_owned(), text: self.until_eof()? }
            }
            ("remove", [file]) => Action::Remove((*file).to_owned()),
            ("reload", []) => Action::Reload { is_good: true },
            ("reload", ["fails"]) => Action::Reload { is_good: false },
            ("log", [_, ..]) => Action::Log(rest.to_owned()),
            ("get", [port, path, status, body @ ..]) => Action::Get {
                port: (*port).to_owned(),
                path: (*path).to_owned(),
                status: status.parse().map_err(|_| format!("`{status}` is no HTTP status"))?,
                body: (!body.is_empty()).then(|| body.join(" ")),
            },
            ("metric", [series, value]) => {
                let (name, labels) = series.split_once('{').unwrap_or((series, ""));
                let labels = labels.trim_end_matches('}').split(',');
                Action::Metric {
                    name: name.to_owned(),
                    labels: labels.filter(|l| !l.is_empty()).map(str::to_owned).collect(),
                    value: (*value).to_owned(),
                }
            }
            ("silent" | "speaking", [upstream]) => {
                Action::Silent { upstream: (*upstream).to_owned(), is_silent: verb == "silent" }
            }
            ("wait", [time]) => Action::Wait(duration(time)?),
            _ => return Err(format!("`{line}` is nothing that a dialog can say")),
        };
        self.steps.push(Step { line: number, within: self.within, action });
        self.within = Duration::ZERO;
        Ok(())
    }

    fn until_eof(&mut self) -> Result<String, String> {
        let start = self.next;
        let len = self.lines[start..].iter().position(|line| line.trim() == "EOF");
        let end = start + len.ok_or("there is no EOF line below")?;
        self.next = end + 1;
        Ok(self.lines[start..end].iter().flat_map(|line| [*line, "\n"]).collect())
    }

    fn ask(&mut self, words: &[&str]) -> Result<Ask, String> {
        let is_option = |word: &&&str| word.starts_with('+');
        let question: Vec<&str> = words.iter().filter(|w| !is_option(w)).copied().collect();
        let [name, qtypes @ ..] = question.as_slice() else {
            return Err("ask [+OPTION...] NAME TYPE...".into());
        };
        if qtypes.is_empty() {
            return Err("a name wants types behind it".into());
        }
        let mut ask = Ask {
            queries: qtypes.iter().map(|t| client::query(&format!("{name} {t}"))).collect(),
            transports: Transport::BOTH.to_vec(),
            to: None,
            expected: None,
        };
        for word in words.iter().filter(is_option) {
            ask.option(&word[1..])?;
        }
        ask.expected = self.expected()?;
        Ok(ask)
    }

    /// The lines below a query, up to an empty one or another step.
    fn expected(&mut self) -> Result<Option<Expected>, String> {
        let status = self.lines.get(self.next).map_or("", |line| line.trim());
        if status == "silence" {
            self.next += 1;
            return Ok(None);
        }
        if !status.starts_with(|c: char| c.is_ascii_uppercase()) {
            return Err("the line below a query is its RCODE and flags, or `silence`".into());
        }
        self.next += 1;
        let mut expected = Expected { status: status.to_owned(), ..Expected::default() };
        while let Some(line) = self.lines.get(self.next).map(|line| line.trim()) {
            let (verb, mut rest) = line.split_once(' ').unwrap_or((line, ""));
            if let Some(name) = rest.strip_prefix('$') {
                rest = self.records.get(name).ok_or_else(|| format!("no `let {name}` above"))?;
            }
            match verb {
                "answer" => expected.answer.add(rest)?,
                "authority" => expected.authority.add(rest)?,
                "additional" => expected.additional.add(rest)?,
                "edns" => expected.edns = Some(rest.to_owned()),
                "ede" => expected.edes.push(rest.to_owned()),
                _ => break,
            }
            self.next += 1;
        }
        Ok(Some(expected))
    }
}

impl Section {
    fn add(&mut self, rest: &str) -> Result<(), String> {
        let words: Vec<&str> = rest.split_whitespace().collect();
        match words.as_slice() {
            ["*"] => self.is_any = true,
            [n_records, "records"] => {
                let n_records = n_records.parse().map_err(|_| format!("`{n_records}` records"))?;
                self.n_records = Some(n_records);
            }
            [_, _, "IN" | "CH", _, _, ..] => self.lines.push(words.join(" ")),
            _ => return Err(format!("`{rest}` is no record: OWNER TTL IN TYPE DATA")),
        }
        Ok(())
    }

    /// Whether the records are those, in any order.
    fn holds(&self, records: &[String]) -> bool {
        if self.is_any {
            return true;
        }
        if let Some(n_records) = self.n_records {
            return records.len() == n_records;
        }
        let mut left: Vec<&String> = records.iter().collect();
        for line in &self.lines {
            let Some(at) = left.iter().position(|record| matches(line, record)) else {
                return false;
            };
            left.swap_remove(at);
        }
        left.is_empty()
    }
}

impl Ask {
    fn option(&mut self, option: &str) -> Result<(), String> {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        match name {
            "udp" => self.transports = vec![Transport::Udp],
            "tcp" => self.transports = vec![Transport::Tcp],
            "to" => self.to = Some(value.parse().map_err(|_| format!("`{value}` is no address"))?),
            _ => {
                for query in &mut self.queries {
                    set_option(query, name, value)?;
                }
            }
        }
        Ok(())
    }

    fn run(&self, server: &Server) -> Result<(), String> {
        let mut address = server.address();
        if let Some(to) = self.to {
            address.set_ip(to);
        }
        for query in &self.queries {
            for &transport in &self.transports {
                let mut query = query.clone();
                query.metadata.id = rand::random();
                let outcome = client::exchange(address, transport, &query);
                self.judge(outcome)
                    .map_err(|what| format!("{} over {transport:?} {what}", query.queries[0]))?;
            }
        }
        Ok(())
    }

    fn judge(&self, outcome: std::io::Result<Reply>) -> Result<(), String> {
        match (outcome, &self.expected) {
            (Err(_), None) => Ok(()),
            (Err(error), Some(_)) => Err(format!("got no reply: {error}")),
            (Ok(reply), None) => Err(format!("got a reply:\n{}", show(&reply))),
            (Ok(reply), Some(expected)) if expected.holds(&reply) => Ok(()),
            (Ok(reply), Some(expected)) => {
                Err(format!("was to be answered\n{expected}but was\n{}", show(&reply)))
            }
        }
    }
}

/// Sets what `+NAME=VALUE` says.
fn set_option(query: &mut Message, name: &str, value: &str) -> Result<(), String> {
    let number = || value.parse().map_err(|_| format!("`+{name}` wants a number"));
    let mut edns = query.edns.clone().unwrap_or_default();
    match name {
        "norec" => query.metadata.recursion_desired = false,
        "cd" => query.metadata.checking_disabled = true,
        "ad" => query.metadata.authentic_data = true,
        "class" => {
            let class: DNSClass = value.parse().map_err(|_| format!("`{value}` is no class"))?;
            query.queries[0].set_query_class(class);
        }
        "opcode" => {
            let number = u8::try_from(number()?).map_err(|_| "an opcode has 4 bits")?;
            query.metadata.op_code = OpCode::from_u8(number);
        }
        _ => {
            match name {
                "edns" => {
                    edns.set_max_payload(number()?);
                }
                "version" => {
                    let version = u8::try_from(number()?).map_err(|_| "a version has 8 bits")?;
                    edns.set_version(version);
                }
                "do" => {
                    edns.set_dnssec_ok(true);
                }
                "cookie" => {
                    edns.options_mut().insert(EdnsOption::Unknown(COOKIE, hex(value)?));
                }
                "option" => {
                    let (code, data) = value.split_once(':').unwrap_or((value, ""));
                    let code = code.parse().map_err(|_| format!("`{code}` is no option code"))?;
                    edns.options_mut().insert(EdnsOption::Unknown(code, hex(data)?));
                }
                _ => return Err(format!("`+{name}` is no option of a query")),
            }
            query.set_edns(edns);
        }
    }
    Ok(())
}

impl Expected {
    fn holds(&self, reply: &Reply) -> bool {
        let records = |section: &[_]| section.iter().map(record_text).collect::<Vec<_>>();
        let message = &reply.message;
        self.status == status(reply)
            && self.answer.holds(&records(&message.answers))
            && self.authority.holds(&records(&message.authorities))
            && self.additional.holds(&records(&message.additionals))
            && self.edns.as_ref().is_none_or(|line| edns(reply).as_ref() == Some(line))
            && self.edes.iter().all(|line| {
                reply.edes().iter().any(|(code, text)| {
                    line == &code.to_string() || line == &format!("{code} {text}")
                })
            })
    }
}

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "    {}", self.status)?;
        let sections = [
            ("answer", &self.answer),
            ("authority", &self.authority),
            ("additional", &self.additional),
        ];
        for (name, section) in sections {
            for line in &section.lines {
                writeln!(f, "    {name} {line}")?;
            }
            if section.is_any {
                writeln!(f, "    {name} *")?;
            }
            if let Some(n_records) = section.n_records {
                writeln!(f, "    {name} {n_records} records")?;
            }
        }
        if let Some(line) = &self.edns {
            writeln!(f, "    edns {line}")?;
        }
        self.edes.iter().try_for_each(|line| writeln!(f, "    ede {line}"))
    }
}

impl Action {
    fn run(&self, server: &mut Server, upstreams: &[(&str, &Upstream)]) -> Result<(), String> {
        match self {
            Self::Ask(ask) => ask.run(server),
            Self::Write { file, text } => {
                let text = server.places.fill(text);
                server.places.write(file, &text);
                Ok(())
            }
            Self::Remove(file) => {
                let path = server.places.path(file);
                std::fs::remove_file(path).map_err(|error| format!("{file}: {error}"))
            }
            Self::Reload { is_good } => reload(server, *is_good),
            Self::Log(text) => {
                let text = server.places.fill(text);
                let has_line =
                    |lines: &[String]| lines.iter().any(|l| l.contains(&text)).then_some(());
                let found = server.log.wait(Duration::from_secs(5), has_line);
                found.ok_or_else(|| format!("no log line has `{text}`"))
            }
            Self::Get { port, path, status, body } => {
                let page = http::get(server.at("127.0.0.1", port), path);
                let page = page.map_err(|error| format!("GET {path}: {error}"))?;
                let is_right = page.status == *status
                    && body.as_ref().is_none_or(|body| page.body.trim_end() == body);
                is_right.then_some(()).ok_or_else(|| format!("GET {path}: {page:?}"))
            }
            Self::Metric { name, labels, value } => {
                let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
                let sum = server.metrics().sum(name, &labels);
                let holds = match value.strip_suffix('+') {
                    Some(least) => least.parse::<u64>().is_ok_and(|least| sum >= least),
                    None => value.parse() == Ok(sum),
                };
                holds.then_some(()).ok_or_else(|| format!("{name}{labels:?} is {sum}, not {value}"))
            }
            Self::Silent { upstream, is_silent } => {
                let found = upstreams.iter().find(|(name, _)| name == upstream);
                let (_, found) = found.ok_or_else(|| format!("no upstream {upstream}"))?;
                found.set_silent(*is_silent);
                Ok(())
            }
            Self::Wait(time) => {
                std::thread::sleep(*time);
                Ok(())
            }
        }
    }
}

/// Reloads, and waits until the log says how that went.
fn reload(server: &Server, is_good: bool) -> Result<(), String> {
    let line = if is_good { "[INFO] Reloading complete" } else { "reload failed: " };
    let n_before = server.log.count(line);
    server.signal(Signal::SIGUSR1);
    let done = eventually(LONG, || (server.log.count(line) > n_before).then_some(()));
    done.ok_or_else(|| format!("no log line `{line}` after SIGUSR1"))
}

/// A reply in the words of a dialog.
fn show(reply: &Reply) -> String {
    let mut text = format!("    {}\n", status(reply));
    let message = &reply.message;
    let sections = [
        ("answer", &message.answers),
        ("authority", &message.authorities),
        ("additional", &message.additionals),
    ];
    for (name, records) in sections {
        for record in records {
            let _ = writeln!(text, "    {name} {}", record_text(record));
        }
    }
    if let Some(edns) = edns(reply) {
        let _ = writeln!(text, "    edns {edns}");
    }
    for (code, why) in reply.edes() {
        let _ = writeln!(text, "    ede {code} {why}");
    }
    text
}

/// RCODE and flags, QR left out: every reply has it.
fn status(reply: &Reply) -> String {
    let metadata = &reply.message.metadata;
    let mut text = rcode_text(metadata.response_code.into());
    let flags = [
        ("aa", metadata.authoritative),
        ("tc", metadata.truncation),
        ("rd", metadata.recursion_desired),
        ("ra", metadata.recursion_available),
        ("ad", metadata.authentic_data),
        ("cd", metadata.checking_disabled),
    ];
    for (name, is_set) in flags {
        if is_set {
            let _ = write!(text, " {name}");
        }
    }
    text
}

/// `SIZE [do] [CODE:HEX...]`, extended errors left out: they have lines of their own.
fn edns(reply: &Reply) -> Option<String> {
    let edns = reply.message.edns.as_ref()?;
    let mut text = edns.max_payload().to_string();
    if edns.flags().dnssec_ok {
        text.push_str(" do");
    }
    for (code, option) in edns.options().as_ref() {
        let code = u16::from(*code);
        if code == EDE {
            continue;
        }
        let _ = write!(text, " {code}:");
        let data = Vec::<u8>::try_from(option).unwrap_or_default();
        for octet in data {
            let _ = write!(text, "{octet:02x}");
        }
    }
    Some(text)
}

/// Whether a record is what a line says, word by word. `*` stands for any word, `N-M` in place of the TTL
/// for those numbers, and a final `...` for any more words.
fn matches(line: &str, record: &str) -> bool {
    let mut found = record.split(' ');
    for (at, word) in line.split(' ').enumerate() {
        if word == "..." {
            return true;
        }
        let Some(found) = found.next() else { return false };
        let is_in_range = || {
            let (least, most) = word.split_once('-')?;
            let number = found.parse::<u32>().ok()?;
            Some((least.parse().ok()?..=most.parse().ok()?).contains(&number))
        };
        if word != found && word != "*" && !(at == 1 && is_in_range() == Some(true)) {
            return false;
        }
    }
    found.next().is_none()
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no time such as 2s or 500ms");
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?);
    let number = number.parse().map_err(|_| wrong())?;
    match unit {
        "s" => Ok(Duration::from_secs(number)),
        "ms" => Ok(Duration::from_millis(number)),
        _ => Err(wrong()),
    }
}

fn hex(text: &str) -> Result<Vec<u8>, String> {
    let octet = |at: usize| text.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
    let octets = (0..text.len()).step_by(2).map(octet).collect::<Option<Vec<u8>>>();
    octets.ok_or_else(|| format!("`{text}` is not hexadecimal"))
}

/// RFC 7873 §4.
const COOKIE: u16 = 10;
/// RFC 8914 §2.
const EDE: u16 = 15;

#[test]
fn a_line_matches_a_record_word_by_word() {
    let record = "a.example. 29 IN SOA ns.example. root.example. 17 7200 1800 86400 30";
    for (line, expected) in [
        (record, true),
        ("a.example. 29 IN SOA ns.example. root.example. * 7200 1800 86400 30", true),
        ("a.example. 28-30 IN SOA ...", true),
        ("a.example. 30-40 IN SOA ...", false),
        ("A.example. 29 IN SOA ...", false),
        ("a.example. 29 IN SOA ns.example.", false),
        ("a.example. 29 IN SOA ns.example. root.example. 17 7200 1800 86400 30 1", false),
    ] {
        assert_eq!(matches(line, record), expected, "{line}");
    }
    let twice = Section { lines: vec!["a. 1 IN A 192.0.2.1".into()], ..Section::default() };
    let record = || "a. 1 IN A 192.0.2.1".to_owned();
    assert!(twice.holds(&[record()]));
    assert!(!twice.holds(&[record(), record()]), "a record too many goes unseen");
    assert!(!twice.holds(&[]), "a missing record goes unseen");
}

#[test]
fn mistakes_in_a_dialog_are_told_with_their_line() {
    for (text, line) in [
        ("\nsay something", 2),
        ("ask example.org.\nNOERROR", 1),
        ("# a comment\nask example.org. A\nanswer example.org. 1 IN A 192.0.2.1", 2),
        ("ask example.org. A\nNOERROR\nanswer 192.0.2.1", 1),
        ("ask +sideways example.org. A\nNOERROR", 1),
        ("write file <<EOF\nno end", 1),
        ("within soon", 1),
    ] {
        let error = Dialog::parse(text).expect_err(text);
        assert!(error.starts_with(&format!("line {line}: ")), "{text:?}: {error}");
    }
}
