//! The archives of the settings: where sealed objects lie, and who can open them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use crate::archive::{Archive, Archives, Bucket, BucketSettings, Directory, LockMode, Recipients, Secret, Store, StoreError};
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

/// An S3 bucket.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BucketTable {
    /// Its name.
    pub name: String,
    /// Its region.
    pub region: String,
    /// The URL of the service; Amazon's without it.
    pub endpoint: Option<String>,
    /// What the keys of our objects begin with.
    #[serde(default)]
    pub prefix: String,
    /// The id of the access key.
    pub access_key_id: String,
    /// A file that holds its secret, readable by its owner alone.
    pub secret_file: Option<PathBuf>,
    /// The name of a systemd credential that holds its secret.
    pub secret_credential: Option<String>,
    /// How objects are locked until their end: `compliance` or `governance`; not at all without it.
    pub object_lock: Option<LockWord>,
    /// Whether a service without TLS is talked to.
    #[serde(default)]
    pub allow_http: bool,
}

/// Words for [`LockMode`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LockWord {
    /// Nobody can remove an object before its end.
    Compliance,
    /// Somebody with a right of their own can.
    Governance,
}

/// Why an archive cannot be used.
#[derive(Debug)]
pub enum ArchiveError {
    /// Its secret cannot be read, or others may read it.
    Secret(PathBuf, crate::state::StateError),
    /// The credential's directory is not in the environment.
    NoCredentials,
    /// Its recipients are none.
    Recipients(crate::archive::RecipientError),
    /// Its store cannot be used.
    Store(StoreError),
}

impl std::fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Secret(path, e) => write!(f, "the secret in {} cannot be read: {e}", path.display()),
            Self::NoCredentials => f.write_str(
                "CREDENTIALS_DIRECTORY is not set: `secret_credential` needs a service manager that passes credentials",
            ),
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
            (Some(bucket), _) => Store::Bucket(Arc::new(bucket.open(base)?)),
            (None, directory) => {
                let root = base.join(directory.as_deref().unwrap_or(Path::new("archive")));
                Store::Directory(Directory::new(&root).map_err(ArchiveError::Store)?)
            }
        };
        Ok(Archive { store, recipients })
    }
}

impl BucketTable {
    fn open(&self, base: &Path) -> Result<Bucket, ArchiveError> {
        let file = match (&self.secret_file, &self.secret_credential) {
            (Some(file), _) => base.join(file),
            (None, credential) => {
                let directory = std::env::var_os("CREDENTIALS_DIRECTORY").ok_or(ArchiveError::NoCredentials)?;
                PathBuf::from(directory).join(credential.as_deref().unwrap_or_default())
            }
        };
        let secret = crate::state::read_private(&file).map_err(|e| ArchiveError::Secret(file, e))?;
        Bucket::new(BucketSettings {
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            bucket: self.name.clone(),
            prefix: self.prefix.clone(),
            access_key_id: self.access_key_id.clone(),
            secret: Secret::new(String::from_utf8_lossy(&secret).trim().to_owned()),
            object_lock: self.object_lock.map(|mode| match mode {
                LockWord::Compliance => LockMode::Compliance,
                LockWord::Governance => LockMode::Governance,
            }),
            allow_http: self.allow_http,
        })
        .map_err(ArchiveError::Store)
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
        archive.text("directory", faults);
        archive.require("recipients", "[\"age1…\"], public keys that open what is archived", faults);
        let recipients = archive.texts("recipients", faults);
        if archive.get("recipients").is_some()
            && let Err(e) = Recipients::parse(&recipients.iter().map(|r| r.value.as_str()).collect::<Vec<_>>())
        {
            let at = e.entry.checked_sub(1).and_then(|n| recipients.get(n)).map_or(&id.at, |r| &r.at);
            faults.error(at, e.to_string()).expected("a public key of age (age1…) or of SSH (ssh-ed25519 …, ssh-rsa …)");
        }
        if let Some(bucket) = archive.table("bucket", faults) {
            bucket_shape(&bucket, faults);
            bucket.finish(faults);
        }
        if archive.get("directory").is_some() == archive.get("bucket").is_some() {
            faults
                .error(&id.at, format!("archive `{}` does not have exactly one of `directory` and `bucket`", shown(&id)))
                .expected("directory = \"/var/lib/retentiond/archive\", or bucket = { … }");
        }
        archive.finish(faults);
        names.push(id);
    }
    names
}

fn bucket_shape(r: &Reader<'_, '_>, faults: &mut Faults) {
    for key in ["name", "region", "access_key_id"] {
        r.required_text(key, "a text", faults);
    }
    for key in ["endpoint", "prefix"] {
        r.text(key, faults);
    }
    let secrets = [r.text("secret_file", faults), r.text("secret_credential", faults)];
    if secrets.iter().flatten().count() != 1 {
        faults
            .error(&r.at, "a bucket does not have exactly one of `secret_file` and `secret_credential`")
            .expected("secret_file = \"…\": a file with the secret of the access key that only its owner may read");
    }
    if let Some(mode) = r.text("object_lock", faults) {
        word(&mode, &[("compliance", ()), ("governance", ())], "a mode of Object Lock", faults);
    }
    r.flag("allow_http", faults);
}
