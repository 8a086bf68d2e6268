//! Faults as people read them: file, line, column, the excerpt, what is expected, how to mend it.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::Format;
use crate::config::File;
use crate::policy::located::{Fault, Faults, Severity};

/// Prints all faults on standard error (text) or standard output (JSON), sorted by place.
pub fn print(faults: &Faults, files: &[File], format: Format) {
    match format {
        Format::Json => println!("{}", json(faults, files)),
        Format::Text => eprint!("{}", text(faults, files)),
    }
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

fn one(fault: &Fault, files: &[File]) -> String {
    let level = match fault.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(fault.message.as_str());
    let file = fault.at.as_ref().and_then(|at| files.get(at.file).map(|f| (at, f)));
    let path = file.map(|(_, f)| f.path.display().to_string()).unwrap_or_default();
    let mut group = match file {
        Some((at, file)) => {
            let label = fault.expected.as_deref().map(|e| format!("expected {e}"));
            let end = at.range.end.min(file.text.len());
            let start = at.range.start.min(end);
            // A span over many lines (a whole table) is shown by its first line.
            let first_line = file.text[start..end].find('\n').map_or(end, |n| start + n);
            let annotation = AnnotationKind::Primary.span(start..first_line);
            let annotation = match &label {
                Some(label) => annotation.label(label.clone()),
                None => annotation,
            };
            title.element(Snippet::source(file.text.as_str()).path(path.as_str()).annotation(annotation))
        }
        None => match &fault.expected {
            Some(e) => title.element(Level::NOTE.message(format!("expected {e}"))),
            None => Group::with_title(title),
        },
    };
    if let Some(help) = &fault.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    Renderer::plain().render(&[group])
}

/// Line and column (from 1, in characters) of a byte in a text.
#[must_use]
pub fn line_column(text: &str, byte: usize) -> (usize, usize) {
    let mut byte = byte.min(text.len());
    while !text.is_char_boundary(byte) {
        byte -= 1;
    }
    let before = &text[..byte];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// The faults as a JSON value.
#[must_use]
pub fn json(faults: &Faults, files: &[File]) -> serde_json::Value {
    let list: Vec<serde_json::Value> = faults
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
        .collect();
    serde_json::json!({ "faults": list, "left_out": faults.left_out() })
}
