//! Where a piece of a Corefile stands, across imported files.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A range of bytes in one of the files that a Corefile was read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// Which file of the [`Sources`].
    pub file: u32,
    /// Offset of the first byte.
    pub start: u32,
    /// Offset after the last byte; equal to `start` for a point.
    pub end: u32,
}

impl Span {
    /// The smallest span that covers both; `self` where they are in different files.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        if self.file != other.file {
            return self;
        }
        Self { file: self.file, start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// One file that was read, or an inline text.
#[derive(Clone, Debug)]
pub struct Source {
    /// The path as the user would name it.
    pub path: PathBuf,
    /// The text, invalid UTF-8 replaced.
    pub text: Arc<str>,
}

/// Every file that one Corefile was read from, imports included.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<Source>,
    /// For each file, the offset of each line's first byte: positions are asked for once per diagnostic.
    line_starts: Vec<Vec<usize>>,
}

impl Sources {
    /// Adds a file and returns its number, which spans carry.
    pub fn add(&mut self, path: impl AsRef<Path>, text: impl Into<Arc<str>>) -> u32 {
        let text = text.into();
        let after_breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        self.line_starts.push(std::iter::once(0).chain(after_breaks).collect());
        self.files.push(Source { path: path.as_ref().to_owned(), text });
        u32::try_from(self.files.len() - 1).unwrap_or(u32::MAX)
    }

    /// The files, in the order they were read; the Corefile itself comes first.
    pub fn files(&self) -> &[Source] {
        &self.files
    }

    /// The position of a span's first byte, for messages.
    pub fn position(&self, span: Span) -> Position<'_> {
        self.position_at(span.file, span.start)
    }

    /// The position after a span's last byte; in the line of that byte if it is a line break.
    pub fn end_position(&self, span: Span) -> Position<'_> {
        let end = span.end.max(span.start);
        let text = self.files.get(span.file as usize).map_or("", |source| &*source.text);
        let is_after_break =
            end > span.start && text.as_bytes().get(end as usize - 1) == Some(&b'\n');
        self.position_at(span.file, end - u32::from(is_after_break))
    }

    /// The text of a line, counted from 1, without its line break.
    pub(crate) fn line(&self, file: u32, line: usize) -> Option<&str> {
        let file = file as usize;
        let starts = self.line_starts.get(file)?;
        let start = *starts.get(line.checked_sub(1)?)?;
        let end = starts.get(line).map_or(self.files[file].text.len(), |next| next - 1);
        let text = &self.files[file].text[start..end];
        Some(text.strip_suffix('\r').unwrap_or(text))
    }

    fn position_at(&self, file: u32, offset: u32) -> Position<'_> {
        let (Some(source), Some(starts)) =
            (self.files.get(file as usize), self.line_starts.get(file as usize))
        else {
            return Position { path: Path::new("Corefile"), line: 0, column: 0 };
        };
        let mut offset = (offset as usize).min(source.text.len());
        while !source.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = starts.partition_point(|start| *start <= offset);
        let line_start = starts[line - 1];
        Position {
            path: &source.path,
            line,
            column: source.text[line_start..offset].chars().count() + 1,
        }
    }
}

/// A place as people name it; displays as `path:line:column`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position<'a> {
    /// The file.
    pub path: &'a Path,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl fmt::Display for Position<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.path.display(), self.line, self.column)
    }
}
