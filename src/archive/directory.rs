//! Objects as files below a directory.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use super::pipe::Outlet;
use super::place::{Place, io_error};
use super::store::{Listed, Stored};
use super::{ObjectName, StoreError};

/// What the names of unfinished files begin with: a character that no object's name has.
const UNFINISHED: char = '~';

/// How often a put begins again when another thread comes between: one that removes a directory with its last object, or takes the name.
const ATTEMPTS: u32 = 16;

/// Objects as files of mode 0600 in directories of mode 0700 below a root, whatever the umask.
///
/// A file is written beside its name, synced and renamed, so that it is there whole or not at all. No symbolic link below the root
/// is followed. What a file system keeps of removed files (snapshots, blocks not yet reused) is not erased: it stays encrypted.
#[derive(Clone, Debug)]
pub struct Directory {
    root: PathBuf,
}

impl Directory {
    /// Takes this directory, and makes it with mode 0700 when it is missing; the directory above must be there, so that a disk that is not
    /// mounted is noticed.
    ///
    /// # Errors
    /// [`StoreError::Exposed`] when others may write it; [`StoreError::Io`].
    pub fn new(root: &Path) -> Result<Self, StoreError> {
        match std::fs::DirBuilder::new().mode(0o700).create(root) {
            Ok(()) => {
                let above = root.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
                rustix::fs::chmod(root, Mode::RWXU).map_err(io_error("making", root))?;
                File::open(above).and_then(|d| d.sync_all()).map_err(io_error("syncing", above))?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io_error("making", root)(error)),
        }
        Place::root(root)?;
        Ok(Self { root: root.to_owned() })
    }

    /// As [`super::Store::put`].
    pub(super) fn put(&self, name: &ObjectName, bytes: &[u8]) -> Result<(), StoreError> {
        let (segments, last) = name.split();
        for _ in 0..ATTEMPTS {
            let Some(place) = self.make(&segments)? else { continue };
            if self.same(&place, name, last, bytes)? {
                return Ok(());
            }
            let Some(mut unfinished) = Unfinished::create(&place)? else { continue };
            unfinished.fill(|file| file.write_all(bytes))?;
            if unfinished.become_named(last)? {
                return place.sync();
            }
        }
        Err(io_error("making", &self.root)(std::io::Error::from(std::io::ErrorKind::NotFound)))
    }

    /// As [`super::Store::put_from`].
    pub(super) fn put_from(&self, name: &ObjectName, outlet: &mut Outlet) -> Result<Stored, StoreError> {
        let (segments, last) = name.split();
        for _ in 0..ATTEMPTS {
            let Some(place) = self.make(&segments)? else { continue };
            let Some(mut unfinished) = Unfinished::create(&place)? else { continue };
            let (mut sum, mut bytes) = (Sha256::new(), 0);
            unfinished.fill(|file| {
                while let Some(piece) = outlet.wait()? {
                    sum.update(&piece);
                    bytes += piece.len() as u64;
                    file.write_all(&piece)?;
                }
                Ok(())
            })?;
            if !unfinished.become_named(last)? {
                return Err(StoreError::Exists(name.clone()));
            }
            place.sync()?;
            return Ok(Stored { bytes, sha256: sum.finalize().into() });
        }
        Err(io_error("making", &self.root)(std::io::Error::from(std::io::ErrorKind::NotFound)))
    }

    fn make(&self, segments: &[&str]) -> Result<Option<Place>, StoreError> {
        let mut place = Place::root(&self.root)?;
        for segment in segments {
            match place.make(segment)? {
                Some(next) => place = next,
                None => return Ok(None),
            }
        }
        Ok(Some(place))
    }

    /// Whether the name holds these bytes already, which are then made durable: whoever wrote them may have stopped before.
    fn same(&self, place: &Place, name: &ObjectName, last: &str, bytes: &[u8]) -> Result<bool, StoreError> {
        let path = place.path.join(last);
        let Some(file) = place.file(last)? else { return Ok(false) };
        let mut found = Vec::new();
        (&file).take(bytes.len() as u64 + 1).read_to_end(&mut found).map_err(io_error("reading", &path))?;
        if found != bytes {
            return Err(StoreError::Exists(name.clone()));
        }
        file.sync_all().map_err(io_error("syncing", &path))?;
        place.sync().map(|()| true)
    }

    /// Opens an object for reading.
    pub(super) fn open(&self, name: &ObjectName) -> Result<File, StoreError> {
        let (segments, last) = name.split();
        let place = Place::walk(&self.root, &segments)?;
        place.map_or(Ok(None), |place| place.file(last))?.ok_or_else(|| StoreError::Missing(name.clone()))
    }

    /// As [`super::Store::read`].
    pub(super) fn read(&self, name: &ObjectName) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::new();
        self.open(name)?.read_to_end(&mut bytes).map_err(io_error("reading", &self.root.join(name.as_str())))?;
        Ok(bytes)
    }

    /// As [`super::Store::remove`]. Directories that become empty go too.
    pub(super) fn remove(&self, name: &ObjectName) -> Result<(), StoreError> {
        let (segments, last) = name.split();
        let places = self.places(&segments)?;
        if let (true, Some(place)) = (places.len() > segments.len(), places.last()) {
            // Refuses what is no file of ours.
            place.file(last)?;
            place.unlink(last)?;
        }
        // Also where nothing was removed: whoever removed it may have stopped before this.
        places.last().map_or(Ok(()), Place::sync)?;
        prune(&places, &segments)
    }

    /// As [`super::Store::list`].
    pub(super) fn list(&self, prefix: Option<&ObjectName>) -> Result<Vec<Listed>, StoreError> {
        let segments: Vec<&str> = prefix.map(|p| p.segments().collect()).unwrap_or_default();
        let mut found = Vec::new();
        self.visit(&segments, &mut |place, relative, name, kind, size| {
            if kind == FileType::Symlink {
                return Err(StoreError::Foreign(place.path.join(name)));
            }
            // Other names are not ours: unfinished files, `lost+found`.
            if let (FileType::RegularFile, Ok(name)) = (kind, ObjectName::new(relative)) {
                found.push(Listed { name, size });
            }
            Ok(())
        })?;
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// The unfinished files that interrupted writes left behind, by their paths. Those of writes that still run are not among them.
    ///
    /// # Errors
    /// [`StoreError`], as for a listing.
    pub fn leftovers(&self) -> Result<Vec<PathBuf>, StoreError> {
        let mut found = Vec::new();
        self.visit(&[], &mut |place, _, name, kind, _| {
            if kind == FileType::RegularFile && name.starts_with(UNFINISHED) && abandoned(place, name)? {
                found.push(place.path.join(name));
            }
            Ok(())
        })?;
        found.sort();
        Ok(found)
    }

    /// As [`super::Store::sweep`]. Directories that become empty go too.
    ///
    /// # Errors
    /// [`StoreError`], as for a removal.
    pub fn sweep(&self, prefix: Option<&ObjectName>) -> Result<usize, StoreError> {
        let segments: Vec<&str> = prefix.map(|p| p.segments().collect()).unwrap_or_default();
        let mut swept = 0;
        self.visit(&segments, &mut |place, _, name, kind, _| {
            if kind == FileType::RegularFile && name.starts_with(UNFINISHED) && abandoned(place, name)? {
                place.unlink(name)?;
                place.sync()?;
                swept += 1;
            }
            Ok(())
        })?;
        if swept > 0 {
            prune(&self.places(&segments)?, &segments)?;
        }
        Ok(swept)
    }

    /// The root and the directories of these segments, as far as they are there.
    fn places(&self, segments: &[&str]) -> Result<Vec<Place>, StoreError> {
        let mut places = vec![Place::root(&self.root)?];
        for segment in segments {
            let Some(next) = places.last().map_or(Ok(None), |place| place.enter(segment))? else { break };
            places.push(next);
        }
        Ok(places)
    }

    /// Shows every entry below these segments that is no directory, with its path within the root.
    fn visit(&self, segments: &[&str], see: &mut See<'_>) -> Result<(), StoreError> {
        let Some(place) = Place::walk(&self.root, segments)? else { return Ok(()) };
        let mut pending = vec![(place, segments.join("/"))];
        while let Some((place, at)) = pending.pop() {
            for (name, kind, size) in place.entries()? {
                let relative = if at.is_empty() { name.clone() } else { format!("{at}/{name}") };
                if kind != FileType::Directory {
                    see(&place, &relative, &name, kind, size)?;
                } else if ObjectName::new(&name).is_ok()
                    && let Some(next) = place.enter(&name)?
                {
                    pending.push((next, relative));
                }
            }
        }
        Ok(())
    }
}

/// Removes the last of these directories, and those above it, as long as they are empty.
fn prune(places: &[Place], segments: &[&str]) -> Result<(), StoreError> {
    for (place, segment) in places.iter().zip(segments).rev() {
        if !place.prune(segment)? {
            break;
        }
    }
    Ok(())
}

/// Directory, path within the root, name, kind and size in bytes.
type See<'a> = dyn FnMut(&Place, &str, &str, FileType, u64) -> Result<(), StoreError> + 'a;

/// Whether nobody writes this unfinished file any more: its writer holds a lock on it.
fn abandoned(place: &Place, name: &str) -> Result<bool, StoreError> {
    let Some(file) = place.file(name)? else { return Ok(false) };
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(io_error("locking", &place.path.join(name))(error)),
    }
}

/// A file without its name yet; removed again when it does not get one.
struct Unfinished<'a> {
    place: &'a Place,
    name: String,
    named: bool,
    /// Locked as long as it is written.
    file: File,
}

impl<'a> Unfinished<'a> {
    /// Creates a file of mode 0600; `None` when the directory has vanished.
    fn create(place: &'a Place) -> Result<Option<Self>, StoreError> {
        let mut random = [0; 8];
        getrandom::fill(&mut random)
            .map_err(|_| io_error("naming a file in", &place.path)(std::io::Error::other("no random numbers")))?;
        let name = format!("{UNFINISHED}{}", hex::encode(random));
        let path = place.path.join(&name);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let file: File = match rustix::fs::openat(&place.fd, name.as_str(), flags, mode) {
            Ok(fd) => fd.into(),
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(io_error("creating", &path)(error)),
        };
        let made = rustix::fs::flock(&file, FlockOperation::LockExclusive)
            .and_then(|()| rustix::fs::fchmod(&file, mode))
            .map_err(std::io::Error::from);
        let unfinished = Self { place, name, named: false, file };
        made.map_err(io_error("writing", &path))?;
        Ok(Some(unfinished))
    }

    /// Writes its content and syncs it.
    fn fill(&mut self, write: impl FnOnce(&mut File) -> std::io::Result<()>) -> Result<(), StoreError> {
        let path = self.place.path.join(&self.name);
        write(&mut self.file).and_then(|()| self.file.sync_all()).map_err(io_error("writing", &path))
    }

    /// Gives the file its name; `false` when that is taken, or a sweep came between.
    fn become_named(mut self, name: &str) -> Result<bool, StoreError> {
        let fd = &self.place.fd;
        let renamed = match rustix::fs::renameat_with(fd, self.name.as_str(), fd, name, RenameFlags::NOREPLACE) {
            // Network file systems that cannot rename so can link, which never replaces either.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                rustix::fs::linkat(fd, self.name.as_str(), fd, name, rustix::fs::AtFlags::empty())
                    .and_then(|()| rustix::fs::unlinkat(fd, self.name.as_str(), rustix::fs::AtFlags::empty()))
            }
            other => other,
        };
        match renamed {
            Ok(()) => {
                self.named = true;
                Ok(true)
            }
            Err(Errno::EXIST | Errno::NOENT) => Ok(false),
            Err(error) => Err(io_error("naming", &self.place.path.join(name))(error)),
        }
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if !self.named {
            // What cannot be removed now, a sweep finds.
            let _ = self.place.unlink(&self.name);
        }
    }
}
