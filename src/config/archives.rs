//! The archives of the settings: where sealed objects lie, and who can open them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::buckets::{BucketError, BucketTable, bucket_shape};
use super::tenant_roots::is_for_tenants;
use crate::archive::{Archive, Archives, Bucket, Directory, Recipients, Store, StoreError};
use crate::policy::located::{Faults, Located};
use crate::policy::read_form::{name, word};
use crate::policy::reader::{Reader, shown};

/// One archive.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveSettings {
    /// The directory that holds its objects, if none of a bucket does.
    pub directory: Option<PathBuf>,
    /// The bucket that holds its objects.
    pub bucket: Option<BucketTable>,
    /// Public keys, each of which opens them: of age, or of SSH.
    pub recipients: Vec<String>,
}

/// Why an archive cannot be used.
#[derive(Debug)]
pub enum ArchiveError {
    /// The settings of its bucket.
    Bucket(BucketError),
    /// Its recipients are none.
    Recipients(crate::archive::RecipientError),
    /// Its store cannot be used.
    Store(StoreError),
}

impl std::fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bucket(e) => write!(f, "{e}"),
            Self::Recipients(e) => write!(f, "{e}"),
            Self::Store(e) => write!(f, "{e}"),
        }
    }
}

impl ArchiveSettings {
    /// Opens the archive. `base` is the directory of the settings file.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn open(&self, base: &Path) -> Result<Archive, ArchiveError> {
        let recipients = Recipients::parse(&self.recipients).map_err(ArchiveError::Recipients)?;
        let store = match (&self.bucket, &self.directory) {
            (Some(bucket), _) => {
                let settings = bucket.settings(base).map_err(ArchiveError::Bucket)?;
                Store::Bucket(Arc::new(Bucket::new(settings).map_err(ArchiveError::Store)?))
            }
            (None, directory) => {
                let root = base.join(directory.as_deref().unwrap_or(Path::new("archive")));
                Store::Directory(Directory::new(&root).map_err(ArchiveError::Store)?)
            }
        };
        Ok(Archive { store, recipients })
    }
}

/// Opens all archives of the settings.
///
/// # Errors
/// [`ArchiveError`] with the archive's name.
pub fn open(settings: &BTreeMap<String, ArchiveSettings>, base: &Path) -> Result<Archives, (String, ArchiveError)> {
    let mut all = Archives::default();
    for (name, archive) in settings {
        all.0.insert(name.clone(), archive.open(base).map_err(|e| (name.clone(), e))?);
    }
    Ok(all)
}

/// Reads the form of `[archives.<name>]`; the names, where they are written.
pub(super) fn shape(root: &Reader<'_, '_>, faults: &mut Faults) -> Vec<Located<String>> {
    let Some(archives) = root.table("archives", faults) else { return Vec::new() };
    let mut names = Vec::new();
    for (id, value) in archives.entries() {
        let Some(archive) = Reader::of(value, root.at.file, faults) else { continue };
        let Some(id) = name(id, "the name of an archive", faults) else { continue };
        let mut place = archive.text("directory", faults);
        archive.require("recipients", "[\"age1…\"], public keys that open what is archived", faults);
        let recipients = archive.texts("recipients", faults);
        if archive.get("recipients").is_some()
            && let Err(e) = Recipients::parse(&recipients.iter().map(|r| r.value.as_str()).collect::<Vec<_>>())
        {
            let at = e.entry.checked_sub(1).and_then(|n| recipients.get(n)).map_or(&id.at, |r| &r.at);
            faults.error(at, e.to_string()).expected("a public key of age (age1…) or of SSH (ssh-ed25519 …, ssh-rsa …)");
        }
        if let Some(bucket) = archive.table("bucket", faults) {
            place = place.or(bucket_shape(&bucket, faults));
            if let Some(mode) = bucket.text("object_lock", faults) {
                word(&mode, &[("compliance", ()), ("governance", ())], "a mode of Object Lock", faults);
            }
            bucket.finish(faults);
        }
        if archive.get("directory").is_some() == archive.get("bucket").is_some() {
            faults
                .error(&id.at, format!("archive `{}` does not have exactly one of `directory` and `bucket`", shown(&id)))
                .expected("directory = \"/var/lib/retentiond/archive\", or bucket = { … }");
        }
        if let Some(place) = place.filter(|place| is_for_tenants(place)) {
            faults
                .error(&place.at, format!("archive `{}` cannot have a place for each tenant", shown(&id)))
                .expected("a place for all: the names of objects begin with the tenant's source");
        }
        archive.finish(faults);
        names.push(id);
    }
    names
}
