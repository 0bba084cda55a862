//! Files for `import`: paths, patterns, and each file read once.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use crate::lexer::{self, Token};
use crate::{Diagnostic, Sources, Span};

/// Reads a file, invalid UTF-8 replaced; how many bytes were is the second part.
pub(crate) fn read(path: &Path) -> io::Result<(String, usize)> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(io::Error::other("it is larger than 16 MiB"));
    }
    let mut text = String::with_capacity(bytes.len());
    let mut n_replaced = 0;
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
        n_replaced += chunk.invalid().len();
    }
    Ok((text, n_replaced))
}

/// What went wrong, in words without the number that `io::Error` adds.
pub(crate) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        _ => error.to_string(),
    }
}

/// The warning for bytes that were replaced.
pub(crate) fn not_utf8(file: u32, n_replaced: usize, sources: &Sources) -> Diagnostic {
    let text = sources.files().get(file as usize).map_or("", |source| &*source.text);
    let at = text.find(char::REPLACEMENT_CHARACTER).unwrap_or_default();
    let start = u32::try_from(at).unwrap_or(u32::MAX);
    let end = start + 3;
    Diagnostic::warning(Span { file, start, end }, format!("{n_replaced} bytes are not UTF-8"))
        .label("the first of them")
        .help("they were replaced by U+FFFD; save the file as UTF-8")
}

/// The files that were read, by their absolute paths. A file with two names is two files, as its imports differ.
#[derive(Default)]
pub(crate) struct Files {
    by_path: HashMap<PathBuf, Imported>,
}

/// One file's words.
#[derive(Clone)]
pub(crate) struct Imported {
    pub(crate) file: u32,
    pub(crate) tokens: Rc<[Token]>,
}

impl Files {
    /// Takes note of a file that was read already.
    pub(crate) fn insert(&mut self, path: &Path, imported: Imported) {
        self.by_path.insert(absolute(path), imported);
    }

    /// The words of a file, and what is doubtful about it when it is read for the first time.
    pub(crate) fn load(
        &mut self,
        path: &Path,
        sources: &mut Sources,
    ) -> io::Result<(Imported, Vec<Diagnostic>)> {
        if let Some(known) = self.by_path.get(&absolute(path)) {
            return Ok((known.clone(), Vec::new()));
        }
        if path.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let (text, n_replaced) = read(path)?;
        let file = sources.add(path, text.as_str());
        let lexed = lexer::lex(&text, file);
        let mut warnings = lexed.warnings;
        if n_replaced > 0 {
            warnings.push(not_utf8(file, n_replaced, sources));
        }
        let imported = Imported { file, tokens: lexed.tokens.into() };
        self.insert(path, imported.clone());
        Ok((imported, warnings))
    }
}

/// Why a pattern names no files.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PatternError {
    /// More than one `*` or `?`, or a `[`: such patterns can take for ever.
    TooWild,
    /// A backslash at the end of a name, where it has nothing to take the meaning from.
    DanglingEscape,
}

/// Whether a word is a pattern, so that matching nothing is no mistake.
pub(crate) fn is_pattern(word: &str) -> bool {
    word.contains(['*', '?', '[', ']'])
}

/// The paths that an import names, sorted; relative ones start where the importing file is.
pub(crate) fn matches(importer: &Path, word: &str) -> Result<Vec<PathBuf>, PatternError> {
    let pattern = if word.starts_with('/') {
        PathBuf::from(word)
    } else {
        join(importer.parent().unwrap_or_else(|| Path::new("")), Path::new(word))
    };
    // The wildcards of the whole path count, as in CoreDNS. It lets some patterns with a lone `[` match nothing.
    let text = absolute(&pattern).to_string_lossy().into_owned();
    let count = |wildcard: char| text.matches(wildcard).count();
    if count('*') > 1 || count('?') > 1 || text.contains('[') {
        return Err(PatternError::TooWild);
    }
    if has_dangling_escape(&text) {
        return Err(PatternError::DanglingEscape);
    }
    let mut paths = glob(&pattern);
    if word.starts_with('/') && word.ends_with('/') {
        // Only an absolute path keeps its final slash: then it is a folder's, and a pattern matches nothing.
        paths.retain(|path| !is_pattern(word) && path.is_dir());
    }
    Ok(paths)
}

fn has_dangling_escape(pattern: &str) -> bool {
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        if character == '\\' && matches!(characters.next(), None | Some('/')) {
            return true;
        }
    }
    false
}

/// One directory level at a time; there is at most one `*` and one `?`, so this is at most two listings deep.
fn glob(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for component in pattern.components() {
        let name = component.as_os_str().to_string_lossy();
        let is_literal =
            !matches!(component, Component::Normal(_)) || !name.contains(['*', '?', '\\']);
        if is_literal {
            for path in &mut found {
                path.push(component);
            }
            continue;
        }
        found = found.iter().flat_map(|directory| matching_entries(directory, &name)).collect();
    }
    found.retain(|path| path.symlink_metadata().is_ok());
    found
}

fn matching_entries(directory: &Path, pattern: &str) -> Vec<PathBuf> {
    let listed = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let Ok(entries) = listed.read_dir() else { return Vec::new() };
    let mut names: Vec<OsString> = entries
        .filter_map(|entry| Some(entry.ok()?.file_name()))
        .filter(|name| name_matches(pattern, &name.to_string_lossy()))
        .collect();
    names.sort_unstable();
    names.iter().map(|name| directory.join(name)).collect()
}

/// `*` is any characters, `?` any one, and a backslash takes the meaning from the character after it.
pub(crate) fn name_matches(pattern: &str, name: &str) -> bool {
    let mut pattern = pattern.chars();
    let Some(first) = pattern.next() else { return name.is_empty() };
    let rest = pattern.as_str();
    let mut after_one = name.chars();
    let one = after_one.next();
    match first {
        '*' => {
            let ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
            ends.into_iter().any(|at| name_matches(rest, &name[at..]))
        }
        '?' => one.is_some() && name_matches(rest, after_one.as_str()),
        '\\' => {
            let literal = pattern.next();
            literal == one && name_matches(pattern.as_str(), after_one.as_str())
        }
        literal => one == Some(literal) && name_matches(rest, after_one.as_str()),
    }
}

/// Joins and takes out `.` and `..` by their spelling, as Go does.
fn join(directory: &Path, path: &Path) -> PathBuf {
    let mut joined = PathBuf::new();
    for component in directory.join(path).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(joined.components().next_back(), Some(Component::Normal(_))) =>
            {
                joined.pop();
            }
            Component::ParentDir if joined.has_root() => {}
            other => joined.push(other),
        }
    }
    joined
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Enough for any zone list, and a stop for `import /dev/zero`.
const MOST_BYTES: u64 = 16 << 20;
