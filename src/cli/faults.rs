//! Faults as people read them: file, line, column, the excerpt, what is expected, how to mend it.

use std::borrow::Cow;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::exit::Failure;
use super::{Format, output};
use crate::config::File;
use crate::policy::located::{Fault, Faults, Severity};
use crate::policy::reader::{hostile, inert};

/// Prints all faults on standard error (text) or standard output (JSON), sorted by place.
///
/// # Errors
/// When standard output cannot be written.
pub fn print(faults: &Faults, files: &[File], format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(&json(faults, files))?,
        Format::Text => eprint!("{}", text(faults, files)),
    }
    Ok(())
}

/// The faults as text.
#[must_use]
pub fn text(faults: &Faults, files: &[File]) -> String {
    let mut out = String::new();
    for fault in faults.sorted() {
        out.push_str(&one(fault, files));
        out.push_str("\n\n");
    }
    if faults.left_out() > 0 {
        out.push_str(&format!("… and {} more\n", faults.left_out()));
    }
    out
}

/// The longest line that is shown, in bytes.
const LONGEST_LINE: usize = 1_000;

fn one(fault: &Fault, files: &[File]) -> String {
    let level = match fault.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(inert(&fault.message));
    let place = fault.at.as_ref().and_then(|at| files.get(at.file).map(|f| (at.range.clone(), f)));
    let expected = fault.expected.as_deref().map(|e| format!("expected {}", inert(e)));
    let mut group = match (place, expected) {
        (Some((range, file)), expected) => {
            let path = inert(&file.path.display().to_string());
            let excerpt = Excerpt::of(&file.text, range);
            if excerpt.line.len() > LONGEST_LINE {
                return unquoted(fault, &path, line_column(&file.text, excerpt.start + excerpt.span.start));
            } else {
                let excerpt = excerpt.visible();
                let annotation = AnnotationKind::Primary.span(excerpt.span);
                let annotation = expected.into_iter().fold(annotation, |a, e| a.label(e));
                title.element(
                    Snippet::source(without_secrets(&excerpt.line).into_owned())
                        .line_start(excerpt.number)
                        .path(path)
                        .annotation(annotation),
                )
            }
        }
        (None, Some(e)) => title.element(Level::NOTE.message(e)),
        (None, None) => Group::with_title(title),
    };
    if let Some(help) = &fault.help {
        group = group.element(Level::HELP.message(inert(help)));
    }
    Renderer::plain().render(&[group])
}

/// A fault in a line that is too long to be shown.
fn unquoted(fault: &Fault, path: &str, (line, column): (usize, usize)) -> String {
    let level = match fault.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let mut out = format!("{level}: {}\n --> {path}:{line}:{column}\n  |", inert(&fault.message));
    for (word, text) in [("note: expected", &fault.expected), ("help:", &fault.help)] {
        if let Some(text) = text {
            out.push_str(&format!("\n  = {word} {}", inert(text)));
        }
    }
    out
}

/// The first line of a place, with what is marked in it: a span over many lines (a whole table) is shown by its first.
struct Excerpt<'t> {
    line: Cow<'t, str>,
    number: usize,
    start: usize,
    span: Range<usize>,
}

impl<'t> Excerpt<'t> {
    fn of(text: &'t str, range: Range<usize>) -> Self {
        let from = text.floor_char_boundary(range.start);
        let start = text[..from].rfind('\n').map_or(0, |n| n + 1);
        let end = text[from..].find('\n').map_or(text.len(), |n| from + n);
        let to = text.floor_char_boundary(range.end).clamp(from, end);
        Self {
            line: Cow::Borrowed(&text[start..end]),
            number: text[..start].matches('\n').count() + 1,
            start,
            span: from - start..to - start,
        }
    }
}

impl Excerpt<'_> {
    /// With a mark in the place of every character that hides or reorders others. (The renderer shows ASCII control characters itself.)
    fn visible(self) -> Self {
        let mark = |c: char| if hostile(c) && !c.is_ascii() { char::REPLACEMENT_CHARACTER } else { c };
        let shown = |text: &str| text.chars().map(mark).collect::<String>();
        let (before, marked) = (shown(&self.line[..self.span.start]), shown(&self.line[self.span.clone()]));
        let span = before.len()..before.len() + marked.len();
        Self { line: Cow::Owned(format!("{before}{marked}{}", shown(&self.line[self.span.end..]))), span, ..self }
    }
}

/// A line of settings as it may be shown: a password in a URL and a private key become asterisks of the same length, so that places stay right.
fn without_secrets(line: &str) -> Cow<'_, str> {
    match without_password(line) {
        Cow::Borrowed(line) => without_private_keys(line),
        Cow::Owned(line) => Cow::Owned(without_private_keys(&line).into_owned()),
    }
}

/// Without what stands behind the head of a private key of age, however it is written.
fn without_private_keys(line: &str) -> Cow<'_, str> {
    const HEAD: &str = "AGE-SECRET-KEY-";
    let mut out = Cow::Borrowed(line);
    for (at, _) in line.to_ascii_uppercase().match_indices(HEAD) {
        let start = at + HEAD.len();
        let end = line[start..].find(['"', '\'', ' ', ',']).map_or(line.len(), |n| start + n);
        out.to_mut().replace_range(start..end, &"*".repeat(end - start));
    }
    out
}

fn without_password(line: &str) -> Cow<'_, str> {
    let Some(start) = line.find("://").map(|at| at + 3) else { return Cow::Borrowed(line) };
    let hidden = |secret: &str| "*".repeat(secret.len());
    let mut out = line.to_owned();
    if let Some(colon) = line[start..].find(':').map(|n| start + n + 1) {
        let end = line[colon..].rfind('@').map_or(colon, |n| colon + n);
        out.replace_range(colon..end, &hidden(&line[colon..end]));
    }
    if let Some(at) = out.find("password=").map(|at| at + 9) {
        let end = out[at..].find(['&', '"', '\'']).map_or(out.len(), |n| at + n);
        let stars = hidden(&out[at..end]);
        out.replace_range(at..end, &stars);
    }
    Cow::Owned(out)
}

/// Line and column (from 1, in characters) of a byte in a text.
#[must_use]
pub fn line_column(text: &str, byte: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(byte)];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// The faults as a JSON value.
#[must_use]
pub fn json(faults: &Faults, files: &[File]) -> serde_json::Value {
    serde_json::json!({ "faults": list(faults, files), "left_out": faults.left_out() })
}

/// Each fault as a JSON object.
#[must_use]
pub fn list(faults: &Faults, files: &[File]) -> Vec<serde_json::Value> {
    faults
        .sorted()
        .iter()
        .map(|f| {
            let place =
                f.at.as_ref().and_then(|at| files.get(at.file).map(|file| (file, line_column(&file.text, at.range.start))));
            serde_json::json!({
                "severity": match f.severity { Severity::Error => "error", Severity::Warning => "warning" },
                "file": place.map(|(file, _)| file.path.display().to_string()),
                "line": place.map(|(_, (line, _))| line),
                "column": place.map(|(_, (_, column))| column),
                "message": f.message,
                "expected": f.expected,
                "help": f.help,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_in_an_excerpt() {
        for (line, shown) in [
            ("url = \"postgres://app:se@cr:et@db:5432/crm\"", "url = \"postgres://app:********@db:5432/crm\""),
            ("url = \"postgres://db/crm?password=secret&x=1\"", "url = \"postgres://db/crm?password=******&x=1\""),
            ("url = \"postgres://db:5432/crm\"", "url = \"postgres://db:5432/crm\""),
            ("map = \"map.toml\"", "map = \"map.toml\""),
            ("recipients = [\"AGE-SECRET-KEY-1TQV\", \"age1x\"]", "recipients = [\"AGE-SECRET-KEY-****\", \"age1x\"]"),
            ("['age-secret-key-1tqv','age-secret-key-1é']", "['age-secret-key-****','age-secret-key-***']"),
        ] {
            assert_eq!(without_secrets(line), shown);
        }
    }
}
