//! Files that come back: written beside their name, and never over another.

use std::fs::File;
use std::io::Write;

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::root::{DIRECTORY, FileError, Root};
use super::{FilePath, Stamp};

/// What the names of unfinished files begin with.
const UNFINISHED: &str = "~retentiond-";

fn unwritten(e: impl Into<std::io::Error>) -> FileError {
    FileError::Unwritten(e.into())
}

impl Root {
    /// Creates a file with the content that `write` gives it, durably, with the directories that it needs. Until it is whole it has another name.
    ///
    /// # Errors
    /// [`FileError::Exists`] when the name is taken; others. Then nothing was created but directories.
    pub fn create<E: From<FileError>>(
        &self,
        path: &FilePath,
        write: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<Stamp, E> {
        let (directories, name) = path.split();
        let mut at = self.open()?;
        for directory in directories {
            match rustix::fs::mkdirat(&at, directory, Mode::RWXU | Mode::RWXG) {
                Ok(()) => rustix::fs::fsync(&at).map_err(unwritten)?,
                Err(Errno::EXIST) => {}
                Err(e) => return Err(unwritten(e).into()),
            }
            at = match rustix::fs::openat(&at, directory, DIRECTORY, Mode::empty()) {
                Ok(next) => next,
                Err(Errno::LOOP | Errno::NOTDIR) => return Err(FileError::Foreign.into()),
                Err(e) => return Err(unwritten(e).into()),
            };
        }
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|_| unwritten(std::io::Error::other("no random numbers")))?;
        let unfinished = format!("{UNFINISHED}{}", hex::encode(random));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::WGRP;
        let mut file: File = rustix::fs::openat(&at, unfinished.as_str(), flags, mode).map_err(unwritten)?.into();
        let named = || {
            write(&mut file)?;
            file.sync_all().map_err(unwritten)?;
            match rustix::fs::renameat_with(&at, unfinished.as_str(), &at, name, RenameFlags::NOREPLACE) {
                // Network file systems that cannot rename so can link, which never replaces either.
                Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                    rustix::fs::linkat(&at, unfinished.as_str(), &at, name, AtFlags::empty())
                        .and_then(|()| rustix::fs::unlinkat(&at, unfinished.as_str(), AtFlags::empty()))
                }
                other => other,
            }
            .map_err(|e| if e == Errno::EXIST { FileError::Exists } else { unwritten(e) })?;
            rustix::fs::fsync(&at).map_err(unwritten)?;
            Ok(Stamp::read(&file)?)
        };
        let done = named();
        if done.is_err() {
            // Named or not: what it is not whole under its name, it is not.
            let _ = rustix::fs::unlinkat(&at, unfinished.as_str(), AtFlags::empty());
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_comes_whole_or_not_at_all_and_never_over_another() {
        let folder = tempfile::tempdir().unwrap();
        let (root, path) = (Root::new(folder.path()).unwrap(), FilePath::new("a/b/one").unwrap());
        let put = |text: &'static str| root.create(&path, |into| into.write_all(text.as_bytes()).map_err(FileError::Unwritten));
        let refused = root.create(&path, |into| {
            into.write_all(b"half").unwrap();
            Err(FileError::Changed)
        });
        assert!(matches!(refused, Err(FileError::Changed)));
        let there = || std::fs::read_dir(folder.path().join("a/b")).unwrap().count();
        assert_eq!(there(), 0);
        let stamp = put("first").unwrap();
        assert!(matches!(put("second"), Err(FileError::Exists)));
        assert_eq!((there(), std::fs::read_to_string(folder.path().join("a/b/one")).unwrap().as_str()), (1, "first"));
        assert_eq!(root.remove_same(&path, &stamp).unwrap(), super::super::Gone::Removed);
    }
}
