//! Diagnostics as text for people, with the line and a caret, and as JSON for editors.

use std::fmt::Write as _;

use serde::Serialize;

use crate::{Diagnostic, Severity, Sources};

/// A diagnostic as people read it: message, place, the lines it is about, what to do.
///
/// ```text
/// error: `max_concurrent` wants a whole number of queries
///   --> /etc/rhumb/Corefile:12:24
///    |
/// 12 |         max_concurrent lots
///    |                        ^^^^ not a number
///    = help: write `max_concurrent 1000`; see rhumb-forward(7)
/// ```
///
/// Ends in a line break; there are no colours, and nothing from the Corefile can move a terminal's cursor.
pub fn render(diagnostic: &Diagnostic, sources: &Sources) -> String {
    let mut out = String::new();
    let kind = name(diagnostic.severity);
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{kind}: {}", plain(&diagnostic.message));
    let mut margin = 1;
    if let Some(span) = diagnostic.span {
        let (start, end) = (sources.position(span), sources.end_position(span));
        margin = end.line.to_string().len();
        if start.line > 0 {
            let _ = writeln!(out, "{:margin$}--> {}", "", plain(&start.to_string()));
            let _ = writeln!(out, "{:margin$} |", "");
            let label = diagnostic.label.as_deref().map(plain).unwrap_or_default();
            let excerpt = Excerpt { sources, file: span.file, margin, label: &label };
            if start.line == end.line {
                excerpt.one_line(&mut out, start.line, start.column, end.column);
            } else {
                excerpt.many_lines(&mut out, (start.line, start.column), (end.line, end.column));
            }
        }
    } else if let Some(label) = &diagnostic.label {
        let _ = writeln!(out, "{:margin$} = note: {}", "", plain(label));
    }
    if let Some(help) = &diagnostic.help {
        let _ = writeln!(out, "{:margin$} = help: {}", "", plain(help));
    }
    out
}

/// Diagnostics as a JSON array, for `rhumb check --format json`.
///
/// Lines and columns count from 1, columns in characters; the end is the place after the last character. Places that
/// are not known are `null`.
#[expect(clippy::missing_panics_doc, reason = "strings and numbers are always JSON")]
pub fn render_json(diagnostics: &[Diagnostic], sources: &Sources) -> String {
    let all: Vec<Json<'_>> =
        diagnostics.iter().map(|diagnostic| Json::new(diagnostic, sources)).collect();
    serde_json::to_string_pretty(&all).expect("strings and numbers are always JSON")
}

#[derive(Serialize)]
struct Json<'a> {
    severity: &'static str,
    file: Option<String>,
    line: Option<usize>,
    column: Option<usize>,
    end_line: Option<usize>,
    end_column: Option<usize>,
    message: &'a str,
    label: Option<&'a str>,
    help: Option<&'a str>,
}

impl<'a> Json<'a> {
    fn new(diagnostic: &'a Diagnostic, sources: &Sources) -> Self {
        let start = diagnostic.span.map(|span| sources.position(span));
        let end = diagnostic.span.map(|span| sources.end_position(span));
        Self {
            severity: name(diagnostic.severity),
            file: start.map(|at| at.path.to_string_lossy().into_owned()),
            line: start.map(|at| at.line),
            column: start.map(|at| at.column),
            end_line: end.map(|at| at.line),
            end_column: end.map(|at| at.column),
            message: &diagnostic.message,
            label: diagnostic.label.as_deref(),
            help: diagnostic.help.as_deref(),
        }
    }
}

const fn name(severity: Severity) -> &'static str {
    match severity {
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

struct Excerpt<'a> {
    sources: &'a Sources,
    file: u32,
    /// Width of the widest line number.
    margin: usize,
    label: &'a str,
}

impl Excerpt<'_> {
    fn one_line(&self, out: &mut String, line: usize, start: usize, end: usize) {
        let window = self.window(line, start, end);
        let margin = self.margin;
        let _ = writeln!(out, "{line:>margin$} | {}", window.text.trim_end());
        let caret =
            format!("{:indent$}{:^<width$}", "", "", indent = window.start, width = window.width);
        let _ = writeln!(out, "{:margin$} | {}", "", with_label(&caret, self.label));
    }

    /// A bar on the left goes from the first line to the last; a long middle is left out.
    fn many_lines(&self, out: &mut String, start: (usize, usize), end: (usize, usize)) {
        let margin = self.margin;
        let first = self.window(start.0, start.1, start.1);
        let _ = writeln!(out, "{:>margin$} |   {}", start.0, first.text.trim_end());
        let _ = writeln!(out, "{:margin$} |  _{:_<width$}^", "", "", width = first.start);
        let n_lines = end.0 - start.0;
        for line in start.0 + 1..=end.0 {
            if n_lines > MOST_LINES && line == start.0 + 3 {
                let _ = writeln!(out, "{:.<margin$} |", "");
            }
            if n_lines > MOST_LINES && (start.0 + 3..end.0 - 1).contains(&line) {
                continue;
            }
            let column = if line == end.0 { end.1 } else { 1 };
            let window = self.window(line, column, column);
            let _ = writeln!(out, "{}", format!("{line:>margin$} | | {}", window.text).trim_end());
        }
        let last = self.window(end.0, end.1.saturating_sub(1).max(1), end.1);
        let bar = format!("|_{:_<width$}^", "", width = last.start);
        let _ = writeln!(out, "{:margin$} | {}", "", with_label(&bar, self.label));
    }

    /// The part of a line that is shown: all of it, unless it is very long.
    fn window(&self, line: usize, start: usize, end: usize) -> Window {
        let text = self.sources.line(self.file, line).unwrap_or_default();
        // Columns count from 1.
        let (start, end) = (start.saturating_sub(1), end.saturating_sub(1));
        let skipped = if start > MOST_COLUMNS / 2 { start - MOST_COLUMNS / 4 } else { 0 };
        let mut window = Window { text: String::new(), start: 0, width: 0 };
        if skipped > 0 {
            window.text.push('…');
        }
        let mut n_shown = usize::from(skipped > 0);
        window.start = n_shown + start.saturating_sub(skipped);
        let mut end_shown = window.start;
        for (column, c) in text.chars().enumerate().skip(skipped) {
            if column == start {
                window.start = n_shown;
            }
            if column - skipped >= MOST_COLUMNS {
                window.text.push('…');
                n_shown += 1;
                end_shown = end_shown.max(if end > column { n_shown } else { end_shown });
                break;
            }
            n_shown += push_visible(&mut window.text, c);
            if column < end {
                end_shown = n_shown;
            }
        }
        if text.chars().nth(start).is_none() {
            // At the end of the line.
            window.start = n_shown;
        }
        window.width = end_shown.saturating_sub(window.start).max(1);
        window
    }
}

struct Window {
    text: String,
    /// Where the caret starts, in columns of the window.
    start: usize,
    width: usize,
}

/// Appends a character of the Corefile so that its width is known; returns that width.
fn push_visible(text: &mut String, c: char) -> usize {
    match c {
        '\t' => {
            text.push_str("    ");
            4
        }
        c if c.is_control() => {
            text.push(char::REPLACEMENT_CHARACTER);
            1
        }
        c => {
            text.push(c);
            1
        }
    }
}

fn with_label(marks: &str, label: &str) -> String {
    if label.is_empty() { marks.to_owned() } else { format!("{marks} {label}") }
}

/// Control characters spelled out: words can hold line breaks and escapes.
fn plain(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut plain, c| {
        if c.is_control() {
            plain.extend(c.escape_default());
        } else {
            plain.push(c);
        }
        plain
    })
}

/// Lines of an excerpt that are shown in full.
const MOST_LINES: usize = 6;

/// Columns of a line that are shown; more than fits a screen, but no megabyte.
const MOST_COLUMNS: usize = 160;
