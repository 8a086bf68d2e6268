//! Names of objects.

use std::fmt;

/// The longest name, in bytes.
const LONGEST: usize = 255;

/// The name of an object within its store: segments of `A-Z a-z 0-9 . _ -` with slashes between, for example
/// `crm/00ff/2031-12-31-1.jsonl.zst.age`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName(String);

/// A text that is no name of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidName;

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "not an object's name: segments of letters, digits, '.', '_' and '-' with slashes between, at most {LONGEST} characters"
        )
    }
}

impl std::error::Error for InvalidName {}

impl ObjectName {
    /// Takes a text as a name.
    ///
    /// # Errors
    /// [`InvalidName`]: an empty segment, one that is `.` or `..`, another character, or more than 255 of them.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        let segment = |s: &str| {
            !matches!(s, "" | "." | "..") && s.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        };
        if text.len() <= LONGEST && text.split('/').all(segment) { Ok(Self(text.to_owned())) } else { Err(InvalidName) }
    }

    /// The name as a text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The segments, of which there is at least one.
    pub(super) fn segments(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// The segments of the directories, and the last one.
    pub(super) fn split(&self) -> (Vec<&str>, &str) {
        let mut segments: Vec<&str> = self.segments().collect();
        let last = segments.pop().unwrap_or_default();
        (segments, last)
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for ObjectName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_never_leaves_its_store() {
        for good in ["a", "crm/00ff/2031-12-31-1.jsonl.zst.age", "...", ".a/b..", &"x".repeat(255)] {
            assert!(ObjectName::new(good).is_ok(), "{good}");
        }
        for bad in
            ["", "/a", "a/", "a//b", ".", "..", "a/../b", "a/./b", "a b", "a\\b", "é", "a\0", "~a", "%2e", &"x".repeat(256)]
        {
            assert_eq!(ObjectName::new(bad), Err(InvalidName), "{bad}");
        }
    }
}
