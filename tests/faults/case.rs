//! Cases as they stand in `cases/*.txt`: the change to the base files, and the message that a person then reads.
//!
//! ```text
//! == what the case shows
//! in policy.toml
//! @ id = "clients"          the change is looked for from here on (optional)
//! - keeps = "3 years"       the text that goes; without it, the new text follows the line of `@`
//! + keeps = "0"             the text that comes; several lines are joined
//! --
//! the rendered faults
//! ```
//!
//! `<U+202E>` in a change stands for that character, `<x1000>(</x>` for a repetition. `live` as first line checks against the database as well.

use std::path::Path;

/// One case.
#[derive(Debug, Clone, Default)]
pub struct Case {
    pub name: String,
    /// The lines that describe the change, as written.
    pub change: Vec<String>,
    /// What is printed.
    pub output: String,
}

/// All cases of a file, and the lines before the first.
pub fn parse(text: &str) -> (String, Vec<Case>) {
    let (mut head, mut cases, mut in_output) = (String::new(), Vec::<Case>::new(), false);
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("== ") {
            cases.push(Case { name: name.to_owned(), ..Case::default() });
            in_output = false;
        } else if let Some(case) = cases.last_mut() {
            match (in_output, line) {
                (false, "--") => in_output = true,
                (false, _) => case.change.push(line.to_owned()),
                (true, _) => {
                    case.output.push_str(line);
                    case.output.push('\n');
                }
            }
        } else {
            head.push_str(line);
            head.push('\n');
        }
    }
    for case in &mut cases {
        case.output.truncate(case.output.trim_end().len());
    }
    (head, cases)
}

/// The text of a case file.
pub fn render(head: &str, cases: &[Case]) -> String {
    let mut out = head.to_owned();
    for case in cases {
        out.push_str(&format!("== {}\n{}\n--\n{}\n\n", case.name, case.change.join("\n"), case.output));
    }
    out
}

impl Case {
    /// Whether the case needs the database.
    pub fn live(&self) -> bool {
        self.change.first().is_some_and(|l| l == "live")
    }

    /// Applies the change to the files in `dir`.
    pub fn apply(&self, dir: &Path) {
        let mut file = None::<String>;
        let (mut anchor, mut old, mut new) = (None::<String>, Vec::<&str>::new(), Vec::<&str>::new());
        for line in self.change.iter().map(String::as_str).chain(["in "]) {
            let starts_anew = line.starts_with("in ") || line.starts_with("@ ") || line.starts_with('-') && !new.is_empty();
            if starts_anew && (!old.is_empty() || !new.is_empty()) {
                let path = dir.join(file.as_ref().expect("`in FILE` before a change"));
                let text = std::fs::read_to_string(&path).expect("a base file");
                let changed = self.replaced(&text, anchor.take().as_deref(), &old.join("\n"), &decoded(&new.join("\n")));
                std::fs::write(&path, changed).expect("the changed file");
                (old, new) = (Vec::new(), Vec::new());
            }
            match line.split_at(line.len().min(2)) {
                ("in", name) if !name.trim().is_empty() => file = Some(name.trim().to_owned()),
                ("@ ", text) => anchor = Some(text.to_owned()),
                ("- ", text) => old.push(text),
                ("+ ", text) => new.push(text),
                ("-", "") => old.push(""),
                ("+", "") => new.push(""),
                _ => assert!(["live", "in "].contains(&line), "{}: what is {line:?}?", self.name),
            }
        }
    }

    fn replaced(&self, text: &str, anchor: Option<&str>, old: &str, new: &str) -> String {
        let from = anchor.map_or(0, |a| text.find(a).unwrap_or_else(|| panic!("{}: no {a:?} in the base file", self.name)));
        if old.is_empty() {
            let end = text[from..].find('\n').map_or(text.len(), |n| from + n + 1);
            let end = if anchor.is_none() { 0 } else { end };
            return format!("{}{new}\n{}", &text[..end], &text[end..]);
        }
        let at = text[from..].find(old).unwrap_or_else(|| panic!("{}: no {old:?} in the base file", self.name)) + from;
        format!("{}{new}{}", &text[..at], &text[at + old.len()..])
    }
}

/// `<U+202E>` and `<x1000>…</x>` written out.
fn decoded(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.find('>').unwrap_or(0);
        let inside = &rest[1.min(end)..end];
        let character = inside.strip_prefix("U+").and_then(|h| u32::from_str_radix(h, 16).ok()).and_then(char::from_u32);
        let times = inside.strip_prefix('x').and_then(|n| n.parse::<usize>().ok());
        if let Some(c) = character {
            out.push(c);
            rest = &rest[end + 1..];
        } else if let (Some(n), Some(close)) = (times, rest.find("</x>")) {
            out.push_str(&rest[end + 1..close].repeat(n));
            rest = &rest[close + 4..];
        } else {
            out.push('<');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    out
}
