//! A strict reader of Prometheus's text format, with the rules of its linter.

use std::collections::{BTreeMap, BTreeSet};

/// What a scrape showed.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    families: BTreeMap<String, Family>,
    /// By `name{labels}`, the labels in the order written.
    samples: BTreeMap<String, f64>,
}

#[derive(Debug, Default)]
struct Family {
    help: Option<String>,
    kind: Option<String>,
    samples: Vec<Sample>,
}

#[derive(Debug)]
struct Sample {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

impl Exposition {
    /// Reads a scrape; the error is every rule that it breaks.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut found = Self::default();
        let mut errors = Vec::new();
        if !text.ends_with('\n') {
            errors.push("the last line has no end".to_owned());
        }
        let mut current = String::new();
        for line in text.lines() {
            if let Err(error) = found.read(line, &mut current) {
                errors.push(format!("{error}: {line}"));
            }
        }
        for (name, family) in &found.families {
            errors.extend(family.lint(name).into_iter().map(|error| format!("{error}: {name}")));
        }
        if errors.is_empty() { Ok(found) } else { Err(format!("{}\n{text}", errors.join("\n"))) }
    }

    pub(super) fn value(&self, series: &str) -> Option<f64> {
        self.samples.get(series).copied()
    }

    /// The `le` labels of the family's first series.
    pub(super) fn bounds(&self, family: &str) -> Vec<&str> {
        let samples = self.families.get(family).map_or(&[][..], |family| &family.samples);
        let mut bounds = Vec::new();
        for sample in samples.iter().filter(|sample| sample.name.ends_with("_bucket")) {
            let bound = sample.labels.iter().find(|(name, _)| name == "le");
            bounds.extend(bound.map(|(_, bound)| bound.as_str()));
            if bounds.last() == Some(&"+Inf") {
                break;
            }
        }
        bounds
    }

    fn read(&mut self, line: &str, current: &mut String) -> Result<(), String> {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or("HELP without a text")?;
            if self.families.contains_key(name) {
                return Err("the family comes twice".to_owned());
            }
            name.clone_into(current);
            let family = Family { help: Some(help.to_owned()), ..Family::default() };
            self.families.insert(name.to_owned(), family);
            return Ok(());
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or("TYPE without a type")?;
            if name != current {
                return Err("TYPE of another family than HELP".to_owned());
            }
            let family = self.families.get_mut(name).ok_or("TYPE without HELP")?;
            if family.kind.replace(kind.to_owned()).is_some() || !family.samples.is_empty() {
                return Err("TYPE comes twice or late".to_owned());
            }
            return Ok(());
        }
        let (series, value) = line.rsplit_once(' ').ok_or("a sample without a value")?;
        let value: f64 = value.parse().map_err(|_| "a value that is no number")?;
        let (name, labels) = match series.split_once('{') {
            None => (series, Vec::new()),
            Some((name, rest)) => (name, parse_labels(rest.strip_suffix('}').ok_or("no `}`")?)?),
        };
        if self.samples.insert(series.to_owned(), value).is_some() {
            return Err("the series comes twice".to_owned());
        }
        let family = self.families.get_mut(current.as_str()).ok_or("a sample without HELP")?;
        if !family.has(current, name) {
            return Err(format!("a sample among those of {current}"));
        }
        family.samples.push(Sample { name: name.to_owned(), labels, value });
        Ok(())
    }
}

impl Family {
    /// Whether a sample of that name may stand under the family's head.
    fn has(&self, family: &str, sample: &str) -> bool {
        match self.kind.as_deref() {
            Some("counter" | "gauge") => sample == family,
            Some("histogram") => {
                let part = sample.strip_prefix(family).unwrap_or_default();
                ["_bucket", "_sum", "_count"].contains(&part)
            }
            _ => false,
        }
    }

    fn lint(&self, name: &str) -> Vec<String> {
        let mut errors = Vec::new();
        let mut rule = |is_kept: bool, error: &str| {
            if !is_kept {
                errors.push(error.to_owned());
            }
        };
        let kind = self.kind.as_deref().unwrap_or_default();
        rule(self.help.as_ref().is_some_and(|help| !help.trim().is_empty()), "no help");
        rule(!kind.is_empty(), "no type");
        rule(!self.samples.is_empty(), "no samples");
        rule((kind == "counter") == name.ends_with("_total"), "only counters end in _total");
        let reserved = ["_bucket", "_sum", "_count"];
        rule(!reserved.iter().any(|end| name.ends_with(end)), "a reserved ending");
        rule(name.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_')), "a strange name");
        rule(!name.contains("milli") && !name.ends_with("_ms"), "not in base units");
        rule(kind != "counter" || self.samples.iter().all(|s| s.value >= 0.0), "a negative count");
        let mut seen = BTreeSet::new();
        for sample in &self.samples {
            let mut labels = sample.labels.clone();
            labels.sort();
            rule(seen.insert((sample.name.clone(), labels)), "the same labels twice");
            let names: BTreeSet<_> = sample.labels.iter().map(|(name, _)| name).collect();
            rule(names.len() == sample.labels.len(), "a label twice");
        }
        if kind == "histogram" {
            errors.extend(self.lint_histogram());
        }
        errors
    }

    /// Buckets ascend, never shrink and end in `+Inf`, which is the count.
    fn lint_histogram(&self) -> Vec<String> {
        let mut errors = Vec::new();
        let mut last: Option<(f64, f64)> = None;
        for sample in &self.samples {
            let le = sample.labels.iter().find(|(name, _)| name == "le").map(|(_, le)| le.as_str());
            if sample.name.ends_with("_bucket") {
                let Some(bound) = le.and_then(|le| le.parse::<f64>().ok()) else {
                    errors.push("a bucket without a bound".to_owned());
                    continue;
                };
                if last.is_some_and(|(before, count)| bound <= before || sample.value < count) {
                    errors.push(format!("bucket {bound} is out of order"));
                }
                last = Some((bound, sample.value));
            } else if sample.name.ends_with("_count") {
                if last != Some((f64::INFINITY, sample.value)) {
                    errors.push("the count is not that of +Inf".to_owned());
                }
                last = None;
            } else if le.is_some() {
                errors.push("`le` outside a bucket".to_owned());
            }
        }
        errors
    }
}

/// `a="x",b="y"`, with `\\`, `\"` and `\n` as the only escapes.
fn parse_labels(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut labels = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"").ok_or("a label without a value")?;
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(format!("`{name}` is no label"));
        }
        let mut value = String::new();
        let mut chars = after.char_indices();
        let end = loop {
            match chars.next().ok_or("a value without an end")? {
                (end, '"') => break end,
                (_, '\\') => match chars.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, c @ ('\\' | '"'))) => value.push(c),
                    _ => return Err("a strange escape".to_owned()),
                },
                (_, c) => value.push(c),
            }
        };
        labels.push((name.to_owned(), value));
        rest = &after[end + 1..];
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None if rest.is_empty() => {}
            None => return Err("no comma between labels".to_owned()),
        }
    }
    Ok(labels)
}

#[test]
fn the_reader_finds_what_a_linter_finds() {
    let head = "# HELP x Things.\n# TYPE x gauge\n";
    let histogram = "# HELP h Things.\n# TYPE h histogram\n";
    let cases = [
        (format!("{head}x 1"), "no end"),
        ("x 1\n".to_owned(), "without HELP"),
        (format!("{head}y 1\n"), "among those of x"),
        (format!("{head}x 1\nx 2\n"), "comes twice"),
        (format!("{head}x 1\n{head}x{{a=\"b\"}} 2\n"), "comes twice"),
        (format!("{head}x{{a=\"b\",c=\"d\"}} 1\nx{{c=\"d\",a=\"b\"}} 1\n"), "same labels twice"),
        (format!("{head}x{{a=\"b\",a=\"c\"}} 1\n"), "a label twice"),
        (format!("{head}x{{a=\"b}} 1\n"), "without an end"),
        (format!("{head}x{{a=\"\\t\"}} 1\n"), "strange escape"),
        (format!("{head}x one\n"), "no number"),
        (head.to_owned(), "no samples"),
        ("# HELP x Things.\n# TYPE x counter\nx 1\n".to_owned(), "end in _total"),
        ("# HELP x_total Things.\n# TYPE x_total gauge\nx_total 1\n".to_owned(), "end in _total"),
        (
            format!(
                "{histogram}h_bucket{{le=\"1\"}} 2\nh_bucket{{le=\"+Inf\"}} 1\nh_sum 1\nh_count 1\n"
            ),
            "out of order",
        ),
        (format!("{histogram}h_bucket{{le=\"1\"}} 1\nh_sum 1\nh_count 1\n"), "not that of +Inf"),
    ];
    for (text, error) in cases {
        let found = Exposition::parse(&text).expect_err(&text);
        assert!(found.contains(error), "{text}\n{found}");
    }
    let good = format!(
        "{histogram}h_bucket{{le=\"1\"}} 1\nh_bucket{{le=\"+Inf\"}} 1\nh_sum 1\nh_count 1\n"
    );
    assert_eq!(Exposition::parse(&good).unwrap().value("h_count"), Some(1.0));
}
