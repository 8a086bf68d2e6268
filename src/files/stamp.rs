//! Files that were read before they are removed: only what was read goes.

use std::fs::File;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::FilePath;
use super::root::{FileError, Root};

/// What tells a file from another that has taken its name, or from itself before somebody wrote it: inode, length, last change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp(String);

impl Stamp {
    /// The stamp that was written down.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// As it is written down.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn of(stat: &Stat) -> Self {
        Self(format!("{:x}-{}-{}.{:09}", stat.st_ino, stat.st_size, stat.st_mtime, stat.st_mtime_nsec))
    }

    /// That of an open file.
    ///
    /// # Errors
    /// [`FileError::Unread`].
    pub(super) fn read(file: &File) -> Result<Self, FileError> {
        rustix::fs::fstat(file).map(|stat| Self::of(&stat)).map_err(|e| FileError::Unread(e.into()))
    }

    /// Whether an open file still has it.
    ///
    /// # Errors
    /// [`FileError::Unread`].
    pub fn is_of(&self, file: &File) -> Result<bool, FileError> {
        Self::read(file).map(|now| now == *self)
    }
}

/// What became of a file that was read and should go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// It is removed.
    Removed,
    /// It was not there any more.
    Missing,
    /// Another one is there, or it was written since: it stays.
    Changed,
}

impl Root {
    /// Opens a file for reading; `None` when it is missing.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn open_file(&self, path: &FilePath) -> Result<Option<(File, Stamp)>, FileError> {
        let Some(at) = self.enter(path)? else { return Ok(None) };
        // Without waiting: a pipe would otherwise be waited for.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = match rustix::fs::openat(&at, path.split().1, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return self.missing().map(|()| None),
            Err(Errno::LOOP | Errno::NXIO) => return Err(FileError::Foreign),
            Err(e) => return Err(FileError::Unread(e.into())),
        };
        let stat = rustix::fs::fstat(&fd).map_err(|e| FileError::Unread(e.into()))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(FileError::Foreign);
        }
        Ok(Some((fd.into(), Stamp::of(&stat))))
    }

    /// Removes a file, durably, if it is the one that was read.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn remove_same(&self, path: &FilePath, stamp: &Stamp) -> Result<Gone, FileError> {
        let Some(at) = self.enter(path)? else { return Ok(Gone::Missing) };
        let name = path.split().1;
        match rustix::fs::statat(&at, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || Stamp::of(&stat) != *stamp => {
                return Ok(Gone::Changed);
            }
            Ok(_) => {}
            Err(Errno::NOENT) => return self.missing().map(|()| Gone::Missing),
            Err(e) => return Err(FileError::Kept(e.into())),
        }
        match rustix::fs::unlinkat(&at, name, AtFlags::empty()) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Ok(Gone::Missing),
            Err(e) => return Err(FileError::Kept(e.into())),
        }
        rustix::fs::fsync(&at).map_err(|e| FileError::Kept(e.into()))?;
        Ok(Gone::Removed)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_the_file_that_was_read_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (root, path) = (Root::new(folder.path()).unwrap(), FilePath::new("a/one").unwrap());
        std::fs::create_dir(folder.path().join("a")).unwrap();
        let at = folder.path().join("a/one");
        let write = |text: &str| std::fs::write(&at, text).unwrap();
        write("first");
        let (mut file, stamp) = root.open_file(&path).unwrap().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert!(text == "first" && stamp.is_of(&file).unwrap());
        // Written again, longer or not; another file under its name; a link to it.
        std::fs::OpenOptions::new().append(true).open(&at).unwrap().write_all(b"!").unwrap();
        assert!(!stamp.is_of(&file).unwrap());
        assert_eq!(root.remove_same(&path, &stamp).unwrap(), Gone::Changed);
        std::fs::rename(&at, folder.path().join("aside")).unwrap();
        write("first");
        assert_eq!(root.remove_same(&path, &stamp).unwrap(), Gone::Changed);
        std::fs::remove_file(&at).unwrap();
        symlink("../aside", &at).unwrap();
        assert_eq!(root.remove_same(&path, &stamp).unwrap(), Gone::Changed);
        assert!(matches!(root.open_file(&path), Err(FileError::Foreign)));
        std::fs::remove_file(&at).unwrap();
        assert_eq!(root.remove_same(&path, &stamp).unwrap(), Gone::Missing);
        assert!(root.open_file(&path).unwrap().is_none());
        write("second");
        let stamp = Stamp::new(root.open_file(&path).unwrap().unwrap().1.as_str().to_owned());
        assert_eq!(root.remove_same(&path, &stamp).unwrap(), Gone::Removed);
        assert!(!at.exists() && folder.path().join("aside").exists());
    }
}
