//! The stores of files that columns point to: where each has its root.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::archives::ArchiveSettings;
use super::buckets::{BucketError, BucketTable, bucket_shape};
use crate::archive::StoreError;
use crate::files::{Bucket, FileError, Files, Root};
use crate::policy::located::{Faults, Located};
use crate::policy::read_form::name;
use crate::policy::reader::{Reader, shown};

/// One store of files.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSettings {
    /// Its root: the directory in which the values of columns are paths, if it is no bucket.
    pub directory: Option<PathBuf>,
    /// The bucket that holds its files, below its prefix.
    pub bucket: Option<BucketTable>,
}

/// Why a store of files cannot be used.
#[derive(Debug)]
pub enum FilesError {
    /// Its root.
    Root(FileError),
    /// The settings of its bucket.
    Bucket(BucketError),
    /// Its bucket cannot be used so.
    Store(StoreError),
    /// Its root lies in that of another store, or holds it: one file would have two names.
    Overlap(String),
    /// Objects of an archive lie in its bucket, below its prefix: a row could point to one.
    Archive(String),
}

impl std::fmt::Display for FilesError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Root(e) => write!(f, "{e}"),
            Self::Bucket(e) => write!(f, "{e}"),
            Self::Store(e) => write!(f, "{e}"),
            Self::Overlap(other) => write!(f, "its root and that of `{other}` lie in each other"),
            Self::Archive(other) => write!(f, "its bucket and prefix hold objects of the archive `{other}`, or are held by them"),
        }
    }
}

/// Opens all stores of the settings. `archives` are those of the same settings, `base` the directory of the settings file.
///
/// # Errors
/// [`FilesError`] with the store's name.
pub fn open(
    settings: &BTreeMap<String, FileSettings>,
    archives: &BTreeMap<String, ArchiveSettings>,
    base: &Path,
) -> Result<Files, (String, FilesError)> {
    let mut all = Files::default();
    let (mut known, mut buckets) = (Vec::<(&String, PathBuf)>::new(), Vec::<(&String, &BucketTable)>::new());
    for (name, store) in settings {
        if let Some(table) = &store.bucket {
            let of = table.settings(base).map_err(|e| (name.clone(), FilesError::Bucket(e)))?;
            let bucket = Bucket::new(of).map_err(|e| (name.clone(), FilesError::Store(e)))?;
            let same = |other: &BucketTable| bucket.overlaps(other.endpoint.as_deref(), &other.name, &other.prefix);
            if let Some((other, _)) = buckets.iter().find(|(_, other)| same(other)) {
                return Err((name.clone(), FilesError::Overlap((*other).clone())));
            }
            if let Some((other, _)) = archives.iter().find(|(_, archive)| archive.bucket.as_ref().is_some_and(same)) {
                return Err((name.clone(), FilesError::Archive(other.clone())));
            }
            buckets.push((name, table));
            all.insert(name.clone(), bucket);
            continue;
        }
        let path = base.join(store.directory.as_deref().unwrap_or(Path::new("files")));
        let failed = |e| (name.clone(), FilesError::Root(e));
        let root = Root::new(&path).map_err(failed)?;
        let real = std::fs::canonicalize(&path).map_err(|source| failed(FileError::Root { path, source }))?;
        if let Some((other, _)) = known.iter().find(|(_, at)| at.starts_with(&real) || real.starts_with(at)) {
            return Err((name.clone(), FilesError::Overlap((*other).clone())));
        }
        known.push((name, real));
        all.insert(name.clone(), root);
    }
    Ok(all)
}

/// Reads the form of `[files.<name>]`; the names, where they are written.
pub(super) fn shape(root: &Reader<'_, '_>, faults: &mut Faults) -> Vec<Located<String>> {
    let Some(files) = root.table("files", faults) else { return Vec::new() };
    let mut names = Vec::new();
    for (id, value) in files.entries() {
        let Some(store) = Reader::of(value, root.at.file, faults) else { continue };
        let Some(id) = name(id, "the name of a store of files", faults) else { continue };
        store.text("directory", faults);
        if let Some(bucket) = store.table("bucket", faults) {
            bucket_shape(&bucket, faults);
            bucket.finish(faults);
        }
        if store.get("directory").is_some() == store.get("bucket").is_some() {
            faults
                .error(&id.at, format!("store of files `{}` does not have exactly one of `directory` and `bucket`", shown(&id)))
                .expected("directory = \"/srv/recordings\", the root below which the files lie, or bucket = { … }");
        }
        store.finish(faults);
        names.push(id);
    }
    names
}
