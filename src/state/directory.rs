//! Private directories and files: created closed to others, refused when they were opened up.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use super::StateError;

fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> StateError {
    let path = path.to_owned();
    move |source| StateError::Io { doing, path, source }
}

fn refuse_exposed(path: &Path, mode: u32) -> Result<(), StateError> {
    if mode & 0o077 == 0 { Ok(()) } else { Err(StateError::Exposed { path: path.to_owned(), mode: mode & 0o7777 }) }
}

/// Makes sure that `path` is a directory of mode 0700 or stricter; creates it, and its parents, when it is missing.
///
/// # Errors
/// [`StateError::Exposed`] when group or others have any access; [`StateError::Io`] otherwise.
pub fn private_dir(path: &Path) -> Result<(), StateError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io("creating", path))?;
    refuse_open_dir(path)
}

/// Makes sure that `path`, a directory that must be there, has mode 0700 or stricter. Creates nothing.
///
/// # Errors
/// [`StateError::Exposed`] when group or others have any access; [`StateError::Io`] otherwise, also when it is missing.
pub fn refuse_open_dir(path: &Path) -> Result<(), StateError> {
    let mode = std::fs::metadata(path).map_err(io("reading", path))?.permissions().mode();
    refuse_exposed(path, mode)
}

/// Writes a new file of mode 0600 so that it is there whole or not at all: written beside, synced, then linked under
/// its name, which must not exist.
///
/// # Errors
/// [`StateError::Exists`] when the name is taken; [`StateError::Io`] otherwise.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), StateError> {
    let beside = path.with_extension("new");
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io("removing", &beside)(error)),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).map_err(io("creating", &beside))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io("writing", &beside))?;
    let linked = std::fs::hard_link(&beside, path);
    std::fs::remove_file(&beside).map_err(io("removing", &beside))?;
    match linked {
        Ok(()) => sync_parent(path),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Err(StateError::Exists(path.to_owned())),
        Err(error) => Err(io("creating", path)(error)),
    }
}

/// Reads a file that only its owner may access.
///
/// # Errors
/// [`StateError::Exposed`] when group or others have any access; [`StateError::Io`] otherwise, also when it is missing.
pub fn read_private(path: &Path) -> Result<Vec<u8>, StateError> {
    let mut file = File::open(path).map_err(io("opening", path))?;
    refuse_exposed(path, file.metadata().map_err(io("reading", path))?.permissions().mode())?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(io("reading", path))?;
    Ok(bytes)
}

/// Makes the creation, renaming or removal of `path` durable.
pub(crate) fn sync_parent(path: &Path) -> Result<(), StateError> {
    let parent = path.parent().unwrap_or(Path::new("."));
    File::open(parent).and_then(|d| d.sync_all()).map_err(io("syncing", parent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_file_is_created_once_and_closed_to_others() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        write_private(&path, b"secret").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(write_private(&path, b"other"), Err(StateError::Exists(_))));
        assert_eq!(read_private(&path).unwrap(), b"secret");
    }

    #[test]
    fn a_file_that_the_group_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        write_private(&path, b"secret").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read_private(&path), Err(StateError::Exposed { mode: 0o640, .. })));
    }

    #[test]
    fn a_leftover_of_an_interrupted_write_does_not_block_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        std::fs::write(path.with_extension("new"), b"half").unwrap();
        write_private(&path, b"whole").unwrap();
        assert_eq!(read_private(&path).unwrap(), b"whole");
    }
}
