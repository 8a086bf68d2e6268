//! S3 buckets of the settings: those of archives and those of stores of files.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::tenant_roots::meet;

use crate::archive::{BucketSettings, LockMode, Secret};
use crate::policy::located::{Faults, Located};
use crate::policy::reader::Reader;

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

/// Why the settings of a bucket cannot be used.
#[derive(Debug)]
pub enum BucketError {
    /// Its secret cannot be read, or others may read it.
    Secret(PathBuf, crate::state::StateError),
    /// The credential's directory is not in the environment.
    NoCredentials,
}

impl std::fmt::Display for BucketError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Secret(path, e) => write!(f, "the secret in {} cannot be read: {e}", path.display()),
            Self::NoCredentials => f.write_str(
                "CREDENTIALS_DIRECTORY is not set: `secret_credential` needs a service manager that passes credentials",
            ),
        }
    }
}

impl BucketTable {
    /// Whether a key can begin with the prefixes of both.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let place = |of: &Self| (of.endpoint.as_ref().map(|url| url.trim_end_matches('/').to_ascii_lowercase()), of.name.clone());
        let parts = |of: &Self| of.prefix.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        place(self) == place(other) && meet(&parts(self), &parts(other))
    }

    /// What a client needs, with the secret. `base` is the directory of the settings file.
    ///
    /// # Errors
    /// [`BucketError`].
    pub(super) fn settings(&self, base: &Path) -> Result<BucketSettings, BucketError> {
        let file = match (&self.secret_file, &self.secret_credential) {
            (Some(file), _) => base.join(file),
            (None, credential) => {
                let directory = std::env::var_os("CREDENTIALS_DIRECTORY").ok_or(BucketError::NoCredentials)?;
                PathBuf::from(directory).join(credential.as_deref().unwrap_or_default())
            }
        };
        let secret = crate::state::read_private(&file).map_err(|e| BucketError::Secret(file, e))?;
        Ok(BucketSettings {
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
    }
}

/// Reads the form of a bucket, but how objects are locked: only an archive's are. Returns its prefix.
pub(super) fn bucket_shape(r: &Reader<'_, '_>, faults: &mut Faults) -> Option<Located<String>> {
    for key in ["name", "region", "access_key_id"] {
        r.required_text(key, "a text", faults);
    }
    r.text("endpoint", faults);
    let prefix = r.text("prefix", faults);
    let secrets = [r.text("secret_file", faults), r.text("secret_credential", faults)];
    if secrets.iter().flatten().count() != 1 {
        faults
            .error(&r.at, "a bucket does not have exactly one of `secret_file` and `secret_credential`")
            .expected("secret_file = \"…\": a file with the secret of the access key that only its owner may read");
    }
    r.flag("allow_http", faults);
    prefix
}
