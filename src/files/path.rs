//! What a column may hold that points to a file.

use std::fmt;

/// The longest path, in bytes: that of Linux, with its end.
const LONGEST: usize = 4_095;
/// The longest name of a file or directory, in bytes.
const LONGEST_NAME: usize = 255;

/// The path of a file below a root: names with slashes between. `Debug` does not show it, as it may name a person.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilePath(String);

impl fmt::Debug for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FilePath")
    }
}

/// A text that names no file below a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutsideRoot;

impl FilePath {
    /// Takes a text as a path.
    ///
    /// # Errors
    /// [`OutsideRoot`]: an empty name, `.` or `..`, an absolute path, a backslash, a control character, or more than a file system takes.
    pub fn new(text: &str) -> Result<Self, OutsideRoot> {
        let name =
            |s: &str| !matches!(s, "" | "." | "..") && s.len() <= LONGEST_NAME && !s.chars().any(|c| c == '\\' || c.is_control());
        if text.len() <= LONGEST && text.split('/').all(name) { Ok(Self(text.to_owned())) } else { Err(OutsideRoot) }
    }

    /// One that is asked for to see whether a store answers.
    pub(super) fn probe() -> Self {
        Self("~retentiond-probe".to_owned())
    }

    /// The path as a text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The names of the directories, and that of the file.
    pub(super) fn split(&self) -> (Vec<&str>, &str) {
        let mut names: Vec<&str> = self.0.split('/').collect();
        let last = names.pop().unwrap_or_default();
        (names, last)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_never_leaves_its_root() {
        for good in ["a", "2024/03/é call 7.wav", "...", ".a/b..", "~", "a:b", &"x".repeat(255)] {
            assert!(FilePath::new(good).is_ok(), "{good}");
        }
        let long = "x/".repeat(3_000) + "x";
        for bad in [
            "",
            "/a",
            "a/",
            "a//b",
            ".",
            "..",
            "a/../b",
            "a/./b",
            "../a",
            "a\\b",
            "..\\a",
            "a\0",
            "a\nb",
            &"x".repeat(256),
            &long,
        ] {
            assert_eq!(FilePath::new(bad), Err(OutsideRoot), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_taken_stays_below_any_root(text in "[a-z./\\\\~é\\x00]{0,24}") {
            if let Ok(path) = FilePath::new(&text) {
                let plain = std::path::Path::new(path.as_str()).components().all(|c| matches!(c, std::path::Component::Normal(_)));
                prop_assert!(plain);
                prop_assert!(!text.contains("//") && !text.contains('\0'));
            }
        }
    }
}
