//! The diagnostics of one Corefile: each once, and not too many.

use std::collections::HashSet;

use crate::{Diagnostic, Severity, Span};

#[derive(Default)]
pub(crate) struct Reports {
    diagnostics: Vec<Diagnostic>,
    /// A line that is imported twice is complained about once.
    seen: HashSet<(Option<Span>, String)>,
    n_warnings: usize,
    n_errors: usize,
}

impl Reports {
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        if !self.has_room(diagnostic.severity)
            || !self.seen.insert((diagnostic.span, diagnostic.message.clone()))
        {
            return;
        }
        let severity = diagnostic.severity;
        let (n, kind) = match severity {
            Severity::Warning => (&mut self.n_warnings, "warnings"),
            Severity::Error => (&mut self.n_errors, "errors"),
        };
        *n += 1;
        self.diagnostics.push(if *n <= MOST_OF_A_KIND {
            diagnostic
        } else {
            let message = format!("more than {MOST_OF_A_KIND} {kind}: the others are left out");
            Diagnostic { severity, ..Diagnostic::general(message) }
        });
    }

    /// Whether one more of its kind would be kept. Costly help need not be looked for otherwise.
    pub(crate) fn has_room(&self, severity: Severity) -> bool {
        let n = match severity {
            Severity::Warning => self.n_warnings,
            Severity::Error => self.n_errors,
        };
        n <= MOST_OF_A_KIND
    }

    /// By place; what is about no place comes last.
    pub(crate) fn into_sorted(mut self) -> Vec<Diagnostic> {
        self.diagnostics.sort_by_key(|diagnostic| {
            let span = diagnostic.span;
            (span.is_none(), span.map(|span| (span.file, span.start)))
        });
        self.diagnostics
    }
}

/// Warnings, and errors: enough to see what is wrong.
const MOST_OF_A_KIND: usize = 100;
