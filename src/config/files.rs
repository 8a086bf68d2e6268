//! The stores of files that columns point to: where each has its root.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::archives::ArchiveSettings;
use super::buckets::{BucketError, BucketTable, bucket_shape};
use super::tenant_roots;
use crate::archive::StoreError;
use crate::files::{Bucket, FileError, Files, Root, Store};
use crate::policy::located::{Faults, Located};
use crate::policy::read_form::name;
use crate::policy::reader::{Reader, shown};

/// One store of files.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSettings {
    /// Its root: the directory in which the values of columns are paths, if it is no bucket. With `{tenant}` in it, one for each tenant of a family.
    pub directory: Option<PathBuf>,
    /// The bucket that holds its files, below its prefix.
    pub bucket: Option<BucketTable>,
}

impl FileSettings {
    /// Its root in words of the settings.
    fn root(&self) -> &str {
        match (&self.bucket, &self.directory) {
            (Some(bucket), _) => &bucket.prefix,
            (None, directory) => directory.as_ref().and_then(|d| d.to_str()).unwrap_or("files"),
        }
    }

    /// Whether it has a root for each tenant of a family.
    pub(super) fn is_for_tenants(&self) -> bool {
        tenant_roots::is_for_tenants(self.root())
    }
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

/// Opens all stores of the settings but those that have a root for each tenant. `archives` are those of the same settings, `base` the directory of the
/// settings file.
///
/// # Errors
/// [`FilesError`] with the store's name.
pub fn open(
    settings: &BTreeMap<String, FileSettings>,
    archives: &BTreeMap<String, ArchiveSettings>,
    base: &Path,
) -> Result<Files, (String, FilesError)> {
    let mut all = Files::default();
    for (name, store) in settings.iter().filter(|(_, store)| !store.is_for_tenants()) {
        let opened = match &store.bucket {
            Some(table) => bucket(table, base),
            None => Root::new(&base.join(store.root())).map(Store::from).map_err(FilesError::Root),
        };
        all.insert(name.clone(), opened.map_err(|e| (name.clone(), e))?);
    }
    apart(settings, archives, base)?;
    Ok(all)
}

/// Opens stores for one tenant, at that tenant's roots: those of these names that have one for each. A directory that is missing is no error: what is asked
/// of it is refused, and check tells it.
///
/// # Errors
/// [`FilesError`] with the store's name.
pub fn open_for_tenant<'n>(
    settings: &BTreeMap<String, FileSettings>,
    archives: &BTreeMap<String, ArchiveSettings>,
    base: &Path,
    tenant: &str,
    names: impl IntoIterator<Item = &'n str>,
) -> Result<Files, (String, FilesError)> {
    apart(settings, archives, base)?;
    let mut all = Files::default();
    for name in names {
        let Some(store) = settings.get(name).filter(|store| store.is_for_tenants()) else { continue };
        let opened = match &store.bucket {
            Some(table) => bucket(&BucketTable { prefix: tenant_roots::of(&table.prefix, tenant), ..table.clone() }, base),
            None => {
                let (from, own) = tenant_roots::parted(store.root(), tenant);
                Ok(Root::of_tenant(&base.join(from), own).into())
            }
        };
        all.insert(name.to_owned(), opened.map_err(|e| (name.to_owned(), e))?);
    }
    Ok(all)
}

fn bucket(table: &BucketTable, base: &Path) -> Result<Store, FilesError> {
    let of = table.settings(base).map_err(FilesError::Bucket)?;
    Bucket::new(of).map(Store::from).map_err(FilesError::Store)
}

/// Whether no file of one store can be one of another, nor an object of an archive.
fn apart(
    settings: &BTreeMap<String, FileSettings>,
    archives: &BTreeMap<String, ArchiveSettings>,
    base: &Path,
) -> Result<(), (String, FilesError)> {
    let (mut known, mut buckets) = (Vec::<(&String, PathBuf)>::new(), Vec::<(&String, &BucketTable)>::new());
    for (name, store) in settings {
        if let Some(table) = &store.bucket {
            if let Some((other, _)) = buckets.iter().find(|(_, other)| table.overlaps(other)) {
                return Err((name.clone(), FilesError::Overlap((*other).clone())));
            }
            let holds = |archive: &ArchiveSettings| archive.bucket.as_ref().is_some_and(|other| table.overlaps(other));
            if let Some((other, _)) = archives.iter().find(|(_, archive)| holds(archive)) {
                return Err((name.clone(), FilesError::Archive(other.clone())));
            }
            buckets.push((name, table));
            continue;
        }
        let real = tenant_roots::real(base, store.root());
        if let Some((other, _)) = known.iter().find(|(_, at)| tenant_roots::meet(&names(at), &names(&real))) {
            return Err((name.clone(), FilesError::Overlap((*other).clone())));
        }
        known.push((name, real));
    }
    Ok(())
}

fn names(path: &Path) -> Vec<String> {
    path.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect()
}

/// Reads the form of `[files.<name>]`; the names, where they are written.
pub(super) fn shape(root: &Reader<'_, '_>, faults: &mut Faults) -> Vec<Located<String>> {
    let Some(files) = root.table("files", faults) else { return Vec::new() };
    let mut names = Vec::new();
    for (id, value) in files.entries() {
        let Some(store) = Reader::of(value, root.at.file, faults) else { continue };
        let Some(id) = name(id, "the name of a store of files", faults) else { continue };
        let mut root = store.text("directory", faults);
        if let Some(bucket) = store.table("bucket", faults) {
            root = root.or(bucket_shape(&bucket, faults));
            bucket.finish(faults);
        }
        if store.get("directory").is_some() == store.get("bucket").is_some() {
            faults
                .error(&id.at, format!("store of files `{}` does not have exactly one of `directory` and `bucket`", shown(&id)))
                .expected("directory = \"/srv/recordings\", the root below which the files lie, or bucket = { … }");
        }
        if let Some(root) = root {
            tenant_roots::shape(&root, faults);
        }
        store.finish(faults);
        names.push(id);
    }
    names
}
