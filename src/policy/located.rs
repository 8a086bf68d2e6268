//! Values that know where they were written, and faults that point there.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

/// A place in a file: an index into the list of files that were read together, and a byte range.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Span {
    /// Index of the file.
    pub file: usize,
    /// Byte range in it.
    pub range: Range<usize>,
}

/// A value with its place. Two are equal when their values are.
#[derive(Debug, Clone, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub at: Span,
}

impl<T> Located<T> {
    /// A value at a place.
    pub fn new(value: T, at: Span) -> Self {
        Self { value, at }
    }
}

impl<T: PartialEq> PartialEq for Located<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T> std::ops::Deref for Located<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Display> fmt::Display for Located<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

/// How bad a fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing runs until it is mended.
    Error,
    /// It runs; somebody should know.
    Warning,
}

/// Something wrong in a file, with what is expected and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Error or warning.
    pub severity: Severity,
    /// Where; `None` when it concerns no place in a file.
    pub at: Option<Span>,
    /// What is wrong, lower-case, without a full stop.
    pub message: String,
    /// What is expected at that place.
    pub expected: Option<String>,
    /// How to mend it: the nearest name, the statement to run.
    pub help: Option<String>,
}

/// All faults found so far, in the order of discovery. Bounded: a hostile file cannot fill the memory with complaints.
#[derive(Debug, Default)]
pub struct Faults {
    list: Vec<Fault>,
    left_out: usize,
    spoiled: BTreeSet<String>,
}

impl Faults {
    /// The most faults that are kept; further ones are counted.
    pub const MOST: usize = 500;

    /// Notes an error.
    pub fn error(&mut self, at: &Span, message: impl Into<String>) -> &mut Fault {
        self.push(Severity::Error, Some(at.clone()), message.into())
    }

    /// Notes a warning.
    pub fn warning(&mut self, at: &Span, message: impl Into<String>) -> &mut Fault {
        self.push(Severity::Warning, Some(at.clone()), message.into())
    }

    /// Notes an error that has no place.
    pub fn unplaced(&mut self, message: impl Into<String>) -> &mut Fault {
        self.push(Severity::Error, None, message.into())
    }

    fn push(&mut self, severity: Severity, at: Option<Span>, message: String) -> &mut Fault {
        let fault = Fault { severity, at, message, expected: None, help: None };
        if self.list.len() < Self::MOST {
            self.list.push(fault);
        } else {
            self.left_out += 1;
            if severity == Severity::Error || self.list[Self::MOST - 1].severity == Severity::Warning {
                self.list[Self::MOST - 1] = fault;
            }
        }
        let last = self.list.len() - 1;
        &mut self.list[last]
    }

    /// Remembers that something of this name is declared, with faults of its own: what refers to it is not to blame.
    pub fn spoil(&mut self, name: &str) {
        if self.spoiled.len() < Self::MOST {
            self.spoiled.insert(name.to_owned());
        }
    }

    /// Whether something of this name is declared with faults of its own.
    #[must_use]
    pub fn is_spoiled(&self, name: &str) -> bool {
        self.spoiled.contains(name)
    }

    /// How many faults were noted so far, the left out included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.list.len() + self.left_out
    }

    /// Whether any error was noted.
    #[must_use]
    pub fn any_error(&self) -> bool {
        self.list.iter().any(|f| f.severity == Severity::Error)
    }

    /// All faults, sorted by file and place.
    #[must_use]
    pub fn sorted(&self) -> Vec<&Fault> {
        let mut all: Vec<&Fault> = self.list.iter().collect();
        all.sort_by_key(|f| f.at.as_ref().map_or((usize::MAX, 0), |at| (at.file, at.range.start)));
        all
    }

    /// How many were found beyond [`Self::MOST`].
    #[must_use]
    pub fn left_out(&self) -> usize {
        self.left_out
    }
}

impl Fault {
    /// Says what is expected there.
    pub fn expected(&mut self, what: impl Into<String>) -> &mut Self {
        self.expected = Some(what.into());
        self
    }

    /// Says how to mend it.
    pub fn help(&mut self, how: impl Into<String>) -> &mut Self {
        self.help = Some(how.into());
        self
    }

    /// Names the known name nearest to `wrong`, when one is near or contains it, and says nothing otherwise: the list would be too long.
    pub fn nearest_of_many<'a>(&mut self, wrong: &str, known: impl IntoIterator<Item = &'a str>) -> &mut Self {
        let known: Vec<&str> = known.into_iter().collect();
        let ending = format!("/{wrong}");
        let inside = known.iter().find(|k| k.ends_with(&ending)).copied();
        self.nearest(wrong, inside.map_or(known, |name| vec![name]));
        match (inside, self.help.as_deref()) {
            (Some(name), _) => self.help = Some(format!("did you mean `{name}`?")),
            (None, Some(help)) if help.starts_with("known:") => self.help = None,
            _ => {}
        }
        self
    }

    /// Names the known name nearest to `wrong`, when one is near, and otherwise lists the first of the known ones.
    pub fn nearest<'a>(&mut self, wrong: &str, known: impl IntoIterator<Item = &'a str>) -> &mut Self {
        self.help = Some(nearest(wrong, known));
        self
    }

    /// Names the key nearest to `wrong`, when one is near, and otherwise lists all of them: a table has no more than can be read.
    pub fn nearest_key(&mut self, wrong: &str, known: &[&str]) -> &mut Self {
        self.help = Some(nearest_of(wrong, known.iter().copied(), usize::MAX));
        self
    }
}

/// Names the known name nearest to `wrong`, when one is near, and otherwise lists the first of the known ones.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest_of(wrong, known, 8)
}

fn nearest_of<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>, most: usize) -> String {
    let known: Vec<&str> = known.into_iter().take(1_000).collect();
    let wrong: String = wrong.chars().take(128).collect();
    let best = known.iter().map(|k| (strsim::damerau_levenshtein(&wrong, k), *k)).min();
    match best {
        None => "none is declared".to_owned(),
        Some((distance, name)) if distance <= 1 + name.chars().count() / 4 => format!("did you mean `{name}`?"),
        Some(_) => {
            let more = if known.len() > most { ", …" } else { "" };
            format!("known: {}{more}", known.iter().take(most).map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", "))
        }
    }
}
