//! What can go wrong with a store.

use std::path::PathBuf;

use chrono::{DateTime, Utc};

use super::ObjectName;

/// An error of a store. Holds nothing of what an object contains, and no secret of the settings.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// A file or directory operation failed.
    Io {
        /// What was being done, a verb phrase.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// The directory can be written by others, or belongs to somebody else.
    Exposed {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A symbolic link, or something else that is neither a file nor a directory of ours, stands where an object or its directory belongs.
    Foreign(PathBuf),
    /// The name is taken by an object of other content. Nothing was written.
    Exists(ObjectName),
    /// There is no such object.
    Missing(ObjectName),
    /// The object that was read back is not the one that was written.
    Differs(ObjectName),
    /// The object must not be removed yet: the bucket's Object Lock holds it. It is still there, whole.
    Locked {
        /// The object.
        name: ObjectName,
        /// When the lock ends; `None` for a legal hold, or when the bucket does not say.
        until: Option<DateTime<Utc>>,
    },
    /// The object was written, but the bucket does not lock it as long as it should: it lacks Object Lock, or does not tell us.
    Unlocked(ObjectName),
    /// The bucket refused or could not be reached.
    Bucket {
        /// What was being done, a verb phrase.
        doing: &'static str,
        /// The object, where it is about one.
        name: Option<ObjectName>,
        /// The answer's code, or what went wrong on the way.
        reason: String,
    },
    /// The settings of the bucket cannot be used.
    Settings(String),
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io { doing, path, source } => write!(f, "{doing} {}: {source}", path.display()),
            Self::Exposed { path, mode } => {
                write!(f, "{} can be written by others or belongs to somebody else (mode {mode:04o})", path.display())
            }
            Self::Foreign(path) => write!(f, "{} is a symbolic link, or of another kind than it should be", path.display()),
            Self::Exists(name) => write!(f, "object {name} exists with other content"),
            Self::Missing(name) => write!(f, "object {name} is not there"),
            Self::Differs(name) => write!(f, "object {name} is not what was written"),
            Self::Locked { name, until: Some(until) } => {
                write!(f, "object {name} is locked until {}", until.format("%Y-%m-%dT%H:%M:%SZ"))
            }
            Self::Locked { name, until: None } => write!(f, "object {name} is locked"),
            Self::Unlocked(name) => write!(f, "object {name} was written, but the bucket does not lock it as long as it should"),
            Self::Bucket { doing, name: Some(name), reason } => write!(f, "{doing} {name}: {reason}"),
            Self::Bucket { doing, name: None, reason } => write!(f, "{doing}: {reason}"),
            Self::Settings(what) => write!(f, "the bucket's settings cannot be used: {what}"),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
