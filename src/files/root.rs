//! A local directory and the files below it.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::FilePath;

/// An error about a file or its root. Names the root, never a file: its name may say whose it is.
#[derive(Debug)]
#[non_exhaustive]
pub enum FileError {
    /// The root cannot be used: no file of it can be judged.
    Root {
        /// The root.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// The bucket cannot be used: no file of it can be judged.
    Bucket {
        /// The bucket.
        place: String,
        /// Why.
        reason: String,
    },
    /// The root is empty: what is missing from it was perhaps never looked at.
    Empty(PathBuf),
    /// No file of the store can have this path.
    Outside,
    /// What stands there is a symbolic link, a directory, or something else that is no file, or the way to it leads through such.
    Foreign,
    /// The file cannot be removed.
    Kept(std::io::Error),
    /// The file cannot be read.
    Unread(std::io::Error),
    /// The file is not the one that it was a moment ago, or somebody writes it.
    Changed,
    /// The file cannot be written.
    Unwritten(std::io::Error),
    /// There is a file of other content.
    Exists,
}

impl std::fmt::Display for FileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Root { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Empty(path) => {
                write!(f, "{} is empty: is it mounted, or the right one? (a file of any name in it says so)", path.display())
            }
            Self::Bucket { place, reason } => write!(f, "{place}: {reason}"),
            Self::Outside => f.write_str("no file of the store can have this path"),
            Self::Foreign => f.write_str("no file, or not reached by directories alone"),
            Self::Kept(source) => write!(f, "a file cannot be removed: {source}"),
            Self::Unread(source) => write!(f, "a file cannot be read: {source}"),
            Self::Changed => f.write_str("a file changes while it is read"),
            Self::Unwritten(source) => write!(f, "a file cannot be written: {source}"),
            Self::Exists => f.write_str("a file of other content is there"),
        }
    }
}

impl FileError {
    /// Why a file that was read could not be.
    #[must_use]
    pub fn of_reading(e: std::io::Error) -> Self {
        e.downcast().unwrap_or_else(Self::Unread)
    }
}

impl std::error::Error for FileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Root { source, .. } | Self::Kept(source) | Self::Unread(source) | Self::Unwritten(source) => Some(source),
            _ => None,
        }
    }
}

/// A directory whose files go with rows.
#[derive(Clone, Debug)]
pub struct Root {
    path: PathBuf,
    /// As much of it as may be reached by links.
    from: PathBuf,
    /// The directories below that, which lead to the root and are no links.
    own: Vec<String>,
}

pub(super) const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl Root {
    /// Takes a directory, which must be there; it may itself be reached by a link.
    ///
    /// # Errors
    /// [`FileError::Root`].
    pub fn new(path: &Path) -> Result<Self, FileError> {
        let root = Self { path: path.to_owned(), from: path.to_owned(), own: Vec::new() };
        root.probe().map(|()| root)
    }

    /// The root of one tenant: the directories `own` below `from`, of which each is one of its own, since a link could lead to another tenant's files. It
    /// may be missing: what is asked of it then is refused.
    #[must_use]
    pub fn of_tenant(from: &Path, own: Vec<String>) -> Self {
        Self { path: own.iter().fold(from.to_owned(), |path, name| path.join(name)), from: from.to_owned(), own }
    }

    /// Whether it is there.
    ///
    /// # Errors
    /// [`FileError::Root`].
    pub fn probe(&self) -> Result<(), FileError> {
        self.open().map(drop)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn open(&self) -> Result<OwnedFd, FileError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let failed = |source: std::io::Error| FileError::Root { path: self.path.clone(), source };
        let mut at = rustix::fs::open(&self.from, flags, Mode::empty()).map_err(|e| failed(e.into()))?;
        for name in &self.own {
            at = rustix::fs::openat(&at, name.as_str(), DIRECTORY, Mode::empty()).map_err(|e| match e {
                Errno::LOOP | Errno::NOTDIR => failed(std::io::Error::other(format!(
                    "`{name}` is no directory, or a link, which may lead to another tenant's files"
                ))),
                e => failed(e.into()),
            })?;
        }
        Ok(at)
    }

    /// The directory of a file; `None` when it is missing.
    pub(super) fn enter(&self, path: &FilePath) -> Result<Option<OwnedFd>, FileError> {
        let mut at = self.open()?;
        for name in path.split().0 {
            at = match rustix::fs::openat(&at, name, DIRECTORY, Mode::empty()) {
                Ok(next) => next,
                Err(Errno::NOENT) => return self.missing().map(|()| None),
                Err(Errno::LOOP | Errno::NOTDIR) => return Err(FileError::Foreign),
                Err(e) => return Err(FileError::Kept(e.into())),
            };
        }
        Ok(Some(at))
    }

    /// A file is missing: not believed of a root without any entry, as an unmounted disk leaves it.
    pub(super) fn missing(&self) -> Result<(), FileError> {
        let failed = |e: Errno| FileError::Root { path: self.path.clone(), source: e.into() };
        for entry in rustix::fs::Dir::read_from(self.open()?).map_err(failed)? {
            if !matches!(entry.map_err(failed)?.file_name().to_bytes(), b"." | b"..") {
                return Ok(());
            }
        }
        Err(FileError::Empty(self.path.clone()))
    }

    /// Whether a file is there and, as far as can be told, could be removed.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn look(&self, path: &FilePath) -> Result<bool, FileError> {
        let Some(at) = self.enter(path)? else { return Ok(false) };
        let name = path.split().1;
        match rustix::fs::statat(&at, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile => return Err(FileError::Foreign),
            Ok(_) => {}
            Err(Errno::NOENT) => return self.missing().map(|()| false),
            Err(e) => return Err(FileError::Kept(e.into())),
        }
        match rustix::fs::accessat(&at, ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS) {
            Ok(()) => Ok(true),
            Err(e) => Err(FileError::Kept(e.into())),
        }
    }

    /// Removes files, durably; for each whether it was there. Those before one that cannot be removed are gone: `removed` hears of each.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn remove(&self, paths: &[FilePath], mut removed: impl FnMut(&FilePath)) -> Result<Vec<bool>, FileError> {
        let (mut found, mut touched, mut failure) = (Vec::new(), BTreeMap::new(), None);
        for path in paths {
            match self.unlink(path) {
                Ok(Some(directory)) => {
                    removed(path);
                    touched.insert(path.split().0, directory);
                    found.push(true);
                }
                Ok(None) => found.push(false),
                Err(e) => {
                    failure = Some(e);
                    break;
                }
            }
        }
        for directory in touched.values() {
            rustix::fs::fsync(directory).map_err(|e| FileError::Kept(e.into()))?;
        }
        failure.map_or(Ok(found), Err)
    }

    /// Removes one file; the directory that it was in, to be synced.
    fn unlink(&self, path: &FilePath) -> Result<Option<OwnedFd>, FileError> {
        let Some(at) = self.enter(path)? else { return Ok(None) };
        let name = path.split().1;
        match rustix::fs::statat(&at, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile => return Err(FileError::Foreign),
            Ok(_) => {}
            Err(Errno::NOENT) => return self.missing().map(|()| None),
            Err(e) => return Err(FileError::Kept(e.into())),
        }
        match rustix::fs::unlinkat(&at, name, AtFlags::empty()) {
            Ok(()) => Ok(Some(at)),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::ISDIR) => Err(FileError::Foreign),
            Err(e) => Err(FileError::Kept(e.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn path(text: &str) -> FilePath {
        FilePath::new(text).unwrap()
    }

    /// A root with `a/one` and `two`, and a file beside it.
    fn place() -> (tempfile::TempDir, Root) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("a")).unwrap();
        for file in ["root/a/one", "root/two", "beside"] {
            fs::write(folder.path().join(file), "x").unwrap();
        }
        let root = Root::new(&root).unwrap();
        (folder, root)
    }

    #[test]
    fn files_are_removed_once_and_then_missing() {
        let (folder, root) = place();
        let both = [path("a/one"), path("a/none"), path("b/none")];
        let mut told = Vec::new();
        assert_eq!(root.remove(&both, |p| told.push(p.clone())).unwrap(), [true, false, false]);
        assert_eq!(told, [path("a/one")]);
        assert_eq!(root.remove(&both, |_| {}).unwrap(), [false, false, false]);
        assert!(folder.path().join("root/two").exists() && !folder.path().join("root/a/one").exists());
    }

    #[test]
    fn no_symbolic_link_is_followed_or_removed() {
        let (folder, root) = place();
        symlink(folder.path(), folder.path().join("root/out")).unwrap();
        symlink(folder.path().join("beside"), folder.path().join("root/link")).unwrap();
        symlink("a", folder.path().join("root/inside")).unwrap();
        for text in ["out/beside", "link", "inside/one", "a", "two/x"] {
            assert!(matches!(root.look(&path(text)), Err(FileError::Foreign)), "{text}");
            assert!(matches!(root.remove(&[path(text)], |_| {}), Err(FileError::Foreign)), "{text}");
        }
        for file in ["beside", "root/a/one", "root/two", "root/link", "root/out", "root/inside"] {
            assert!(folder.path().join(file).symlink_metadata().is_ok(), "{file}");
        }
    }

    #[test]
    fn a_directory_that_becomes_a_link_between_look_and_removal_leads_nowhere() {
        let (folder, root) = place();
        assert!(root.look(&path("a/one")).unwrap());
        fs::create_dir(folder.path().join("other")).unwrap();
        fs::write(folder.path().join("other/one"), "x").unwrap();
        fs::rename(folder.path().join("root/a"), folder.path().join("moved")).unwrap();
        symlink(folder.path().join("other"), folder.path().join("root/a")).unwrap();
        assert!(matches!(root.remove(&[path("a/one")], |_| {}), Err(FileError::Foreign)));
        assert!(folder.path().join("other/one").exists());
    }

    #[test]
    fn no_link_leads_to_the_root_of_a_tenant() {
        let (folder, _) = place();
        let below = |own: &[&str]| Root::of_tenant(folder.path(), own.iter().map(|name| (*name).to_owned()).collect());
        symlink("root", folder.path().join("twin")).unwrap();
        symlink("a", folder.path().join("root/b")).unwrap();
        fs::write(folder.path().join("file"), "x").unwrap();
        assert!(below(&["root", "a"]).look(&path("one")).unwrap());
        for own in [&["twin"][..], &["twin", "a"], &["root", "b"], &["file"], &["away"]] {
            let root = below(own);
            assert!(matches!(root.probe(), Err(FileError::Root { .. })), "{own:?}");
            assert!(matches!(root.look(&path("one")), Err(FileError::Root { .. })), "{own:?}");
            assert!(matches!(root.remove(&[path("one"), path("two")], |_| {}), Err(FileError::Root { .. })), "{own:?}");
        }
        // What leads to all tenants may be a link.
        symlink(folder.path(), folder.path().join("mounted")).unwrap();
        assert!(Root::of_tenant(&folder.path().join("mounted"), vec!["root".to_owned()]).look(&path("two")).unwrap());
    }

    #[test]
    fn nothing_is_missing_from_a_root_that_is_empty_or_gone() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::new(folder.path()).unwrap();
        for text in ["one", "a/one"] {
            assert!(matches!(root.look(&path(text)), Err(FileError::Empty(_))), "{text}");
            assert!(matches!(root.remove(&[path(text)], |_| {}), Err(FileError::Empty(_))), "{text}");
        }
        drop(folder);
        assert!(matches!(root.look(&path("one")), Err(FileError::Root { .. })));
    }
}
