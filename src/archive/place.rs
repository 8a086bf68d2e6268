//! Directories below a root, entered one by one, so that no symbolic link is ever followed.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::StoreError;

/// Errors about one path.
pub(super) fn io_error<E: Into<io::Error>>(doing: &'static str, path: &Path) -> impl FnOnce(E) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { doing, path, source: source.into() }
}

/// An open directory.
pub(super) struct Place {
    pub(super) fd: OwnedFd,
    pub(super) path: PathBuf,
}

impl Place {
    /// Opens the root, which may itself be reached by a link.
    pub(super) fn root(path: &Path) -> Result<Self, StoreError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(io_error("opening", path))?;
        Self { fd, path: path.to_owned() }.checked()
    }

    /// Refuses a directory that others may write, or that is neither ours nor root's.
    fn checked(self) -> Result<Self, StoreError> {
        let stat = rustix::fs::fstat(&self.fd).map_err(io_error("reading", &self.path))?;
        let owned = stat.st_uid == 0 || stat.st_uid == rustix::process::geteuid().as_raw();
        let mode = stat.st_mode & 0o7777;
        if owned && mode & 0o022 == 0 { Ok(self) } else { Err(StoreError::Exposed { path: self.path, mode }) }
    }

    /// Enters a directory of this one; `None` when it is missing.
    pub(super) fn enter(&self, name: &str) -> Result<Option<Self>, StoreError> {
        let path = self.path.join(name);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => Self { fd, path }.checked().map(Some),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::LOOP | Errno::NOTDIR) => Err(StoreError::Foreign(path)),
            Err(error) => Err(io_error("opening", &path)(error)),
        }
    }

    /// Enters a directory of this one and makes it, durably, when it is missing; `None` when it vanished in between.
    pub(super) fn make(&self, name: &str) -> Result<Option<Self>, StoreError> {
        let path = self.path.join(name);
        match rustix::fs::mkdirat(&self.fd, name, Mode::RWXU) {
            // The umask may have taken bits away.
            Ok(()) => match rustix::fs::chmodat(&self.fd, name, Mode::RWXU, AtFlags::empty()) {
                Err(Errno::NOENT) => return Ok(None),
                other => other.map_err(io_error("making", &path))?,
            },
            Err(Errno::EXIST) => {}
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(io_error("making", &path)(error)),
        }
        // Also where it was there: whoever made it may have stopped before this.
        self.sync()?;
        self.enter(name)
    }

    /// The directory of these segments; `None` when one is missing.
    pub(super) fn walk(root: &Path, segments: &[&str]) -> Result<Option<Self>, StoreError> {
        let mut place = Self::root(root)?;
        for segment in segments {
            match place.enter(segment)? {
                Some(next) => place = next,
                None => return Ok(None),
            }
        }
        Ok(Some(place))
    }

    /// Opens a file of this directory; `None` when it is missing.
    pub(super) fn file(&self, name: &str) -> Result<Option<std::fs::File>, StoreError> {
        let path = self.path.join(name);
        // Without waiting: a pipe would otherwise be waited for.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = match rustix::fs::openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP | Errno::NXIO) => return Err(StoreError::Foreign(path)),
            Err(error) => return Err(io_error("opening", &path)(error)),
        };
        let stat = rustix::fs::fstat(&fd).map_err(io_error("reading", &path))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(StoreError::Foreign(path));
        }
        Ok(Some(fd.into()))
    }

    /// The names in this directory with their kinds and sizes in bytes, without `.` and `..`; no order.
    pub(super) fn entries(&self) -> Result<Vec<(String, FileType, u64)>, StoreError> {
        let mut found = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.fd).map_err(io_error("listing", &self.path))? {
            let entry = entry.map_err(io_error("listing", &self.path))?;
            // What is not text is not ours.
            let Ok(name) = entry.file_name().to_str() else { continue };
            if matches!(name, "." | "..") {
                continue;
            }
            match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => {
                    let size = u64::try_from(stat.st_size).unwrap_or(0);
                    found.push((name.to_owned(), FileType::from_raw_mode(stat.st_mode), size));
                }
                Err(Errno::NOENT) => {}
                Err(error) => return Err(io_error("reading", &self.path.join(name))(error)),
            }
        }
        Ok(found)
    }

    /// Removes a file of this directory, if it is there; not durable before [`Place::sync`].
    pub(super) fn unlink(&self, name: &str) -> Result<(), StoreError> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(io_error("removing", &self.path.join(name))(error)),
        }
    }

    /// Removes a directory of this one if it is empty; whether it is gone.
    pub(super) fn prune(&self, name: &str) -> Result<bool, StoreError> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => self.sync().map(|()| true),
            Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
            Err(error) => Err(io_error("removing", &self.path.join(name))(error)),
        }
    }

    /// Makes what was created, renamed or removed in this directory durable.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        rustix::fs::fsync(&self.fd).map_err(io_error("syncing", &self.path))
    }
}
