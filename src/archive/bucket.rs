//! Objects in an S3 bucket.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::NaiveDate;
use futures_util::{Stream, TryStreamExt as _};
use object_store::aws::AmazonS3;
use object_store::client::ClientOptions;
use object_store::path::Path;
use object_store::{Error as S3Error, ObjectStore as _, ObjectStoreExt as _, PutMode, PutPayload};
use reqwest::{Method, Response, StatusCode};
use sha2::{Digest as _, Sha256};

pub use super::lock::LockMode;
use super::lock::{self, Lock};
use super::pipe::Outlet;
use super::service::{Service, Versions, about, code_of, failed, reason_of};
use super::store::{Listed, Stored};
use super::{ObjectName, StoreError};

/// For how many different days clients are kept.
const CLIENTS: usize = 64;

/// A secret. `Debug` does not show it.
#[derive(Clone)]
pub struct Secret(pub(super) String);

impl Secret {
    /// Takes a text as a secret.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Where a bucket is, and how to use it.
#[derive(Clone, Debug)]
pub struct BucketSettings {
    /// The URL of the service, with path-style buckets below it; none for that of the region at Amazon.
    pub endpoint: Option<String>,
    /// The region, which enters every signature.
    pub region: String,
    /// The bucket's name.
    pub bucket: String,
    /// What the keys of our objects begin with: whole segments as in an [`ObjectName`]; empty for nothing.
    pub prefix: String,
    /// The id of the access key.
    pub access_key_id: String,
    /// The access key's secret.
    pub secret: Secret,
    /// Whether and how new objects are locked; the bucket must have Object Lock, and with it versions.
    pub object_lock: Option<LockMode>,
    /// Whether a service without TLS is talked to.
    pub allow_http: bool,
}

/// Objects in an S3 bucket.
///
/// In a bucket with versions, removal takes every version of an object and every marker that hides one, and then looks whether any is left:
/// a plain deletion would hide the data and keep it. It needs the permissions to list versions and to delete them
/// (`s3:ListBucketVersions`, `s3:DeleteObjectVersion`); with Object Lock also `s3:GetObjectRetention`, and `s3:PutObjectRetention` to lock.
/// Copies that the bucket itself makes elsewhere (replication) are out of reach. A lock of mode governance is never bypassed.
pub struct Bucket {
    service: Service,
    prefix: Option<ObjectName>,
    /// Clients that lock what they put, one for each last day: object_store signs headers of its own only as defaults of a client.
    locking: Mutex<BTreeMap<NaiveDate, Arc<AmazonS3>>>,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket").field("settings", &self.service.settings).finish_non_exhaustive()
    }
}

impl Bucket {
    /// Prepares the use of a bucket. Asks it nothing: [`super::Store::probe`] does.
    ///
    /// # Errors
    /// [`StoreError::Settings`].
    pub fn new(settings: BucketSettings) -> Result<Self, StoreError> {
        let invalid = |what: &str| StoreError::Settings(what.to_owned());
        let prefix = match settings.prefix.as_str() {
            "" => None,
            prefix => Some(ObjectName::new(prefix).map_err(|_| invalid("the prefix is not made of an object name's segments"))?),
        };
        Ok(Self { service: Service::new(settings)?, prefix, locking: Mutex::default() })
    }

    fn key(&self, name: &ObjectName) -> Path {
        match &self.prefix {
            Some(prefix) => Path::from(format!("{prefix}/{name}")),
            None => Path::from(name.as_str()),
        }
    }

    /// The client that locks to the end of a day.
    fn locking(&self, mode: LockMode, until: NaiveDate) -> Result<Arc<AmazonS3>, StoreError> {
        let mut clients = self.locking.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&until) {
            return Ok(Arc::clone(client));
        }
        let headers = lock::headers(mode, until).ok_or_else(|| StoreError::Settings("no date to lock until".to_owned()))?;
        let made = Arc::new(self.service.client(ClientOptions::new().with_default_headers(headers))?);
        if clients.len() >= CLIENTS {
            clients.clear();
        }
        clients.insert(until, Arc::clone(&made));
        Ok(made)
    }

    /// As [`super::Store::put`].
    pub(super) async fn put(&self, name: &ObjectName, bytes: Vec<u8>, keep_until: Option<NaiveDate>) -> Result<(), StoreError> {
        let sum = Sha256::digest(&bytes);
        let lock = self.service.settings.object_lock.zip(keep_until);
        // Asked first, for services that do not know conditional writes and would overwrite.
        if self.exists(name).await? {
            self.same(name, &sum).await?;
        } else {
            let (key, payload) = (self.key(name), PutPayload::from(bytes));
            let put = match lock {
                Some((mode, until)) => self.locking(mode, until)?.put_opts(&key, payload, PutMode::Create.into()).await,
                None => self.service.plain.put_opts(&key, payload, PutMode::Create.into()).await,
            };
            match put {
                Ok(_) => {}
                // Also when our own request was repeated after its answer was lost.
                Err(S3Error::AlreadyExists { .. }) => self.same(name, &sum).await?,
                Err(error) => return Err(failed("putting", name, &error)),
            }
        }
        match lock {
            Some((mode, until)) if !self.is_locked(name, mode, until).await? => Err(StoreError::Unlocked(name.clone())),
            _ => Ok(()),
        }
    }

    /// As [`super::Store::put_from`]: what is longer than a piece goes in parts, each a piece.
    pub(super) async fn put_from(
        &self,
        name: &ObjectName,
        mut outlet: Outlet,
        keep_until: Option<NaiveDate>,
    ) -> Result<Stored, StoreError> {
        let cut = |e: std::io::Error| about("putting", Some(name), e.to_string());
        let first = outlet.next().await.map_err(cut)?;
        let second = if first.is_some() { outlet.next().await.map_err(cut)? } else { None };
        let first = first.unwrap_or_default();
        let Some(mut piece) = second else {
            let stored = Stored { bytes: first.len() as u64, sha256: Sha256::digest(&first).into() };
            return self.put(name, first, keep_until).await.map(|()| stored);
        };
        if self.exists(name).await? {
            return Err(StoreError::Exists(name.clone()));
        }
        let key = self.key(name);
        let mut upload = self.service.plain.put_multipart(&key).await.map_err(|e| failed("putting", name, &e))?;
        let (mut sum, mut bytes, mut next) = (Sha256::new(), 0, Some(first));
        let sent = async {
            while let Some(part) = next.take() {
                sum.update(&part);
                bytes += part.len() as u64;
                upload.put_part(PutPayload::from(part)).await.map_err(|e| failed("putting", name, &e))?;
                if !piece.is_empty() {
                    next = Some(std::mem::take(&mut piece));
                    piece = outlet.next().await.map_err(cut)?.unwrap_or_default();
                }
            }
            upload.complete().await.map_err(|e| failed("putting", name, &e)).map(drop)
        };
        if let Err(e) = sent.await {
            // What cannot be taken back now is no object: the bucket's rule for unfinished uploads removes it.
            let _ = upload.abort().await;
            return Err(e);
        }
        if let Some(until) = keep_until {
            self.keep(name, until).await?;
        }
        Ok(Stored { bytes, sha256: sum.finalize().into() })
    }

    /// The bytes of an object, as they come.
    pub(super) async fn stream(
        &self,
        name: &ObjectName,
    ) -> Result<impl Stream<Item = object_store::Result<Vec<u8>>> + Unpin + Send + use<>, StoreError> {
        let answer = self.service.plain.get(&self.key(name)).await.map_err(|error| failed("getting", name, &error))?;
        Ok(answer.into_stream().map_ok(Vec::from))
    }

    async fn is_locked(&self, name: &ObjectName, mode: LockMode, until: NaiveDate) -> Result<bool, StoreError> {
        let answer = self.signed("reading the lock of", Some(name), Method::HEAD, &[]).await?;
        Ok(answer.status().is_success() && Lock::read(answer.headers()).suffices(mode, until))
    }

    /// As [`super::Store::keep`].
    pub(super) async fn keep(&self, name: &ObjectName, until: NaiveDate) -> Result<(), StoreError> {
        const DOING: &str = "locking";
        let Some(mode) = self.service.settings.object_lock else { return Ok(()) };
        if self.is_locked(name, mode, until).await? {
            return Ok(());
        }
        let body = lock::retention(mode, until).ok_or_else(|| StoreError::Settings("no date to lock until".to_owned()))?;
        let query = [("retention", "")];
        let answer = self.service.signed_with(DOING, Some(name), Method::PUT, &self.key(name), &query, body).await?;
        let status = answer.status();
        if !status.is_success() {
            let code = code_of(&answer.text().await.unwrap_or_default()).to_owned();
            return Err(about(DOING, Some(name), format!("{status} {code}")));
        }
        if self.is_locked(name, mode, until).await? { Ok(()) } else { Err(StoreError::Unlocked(name.clone())) }
    }

    async fn same(&self, name: &ObjectName, sum: &[u8]) -> Result<(), StoreError> {
        let found = self.read(name).await?;
        if Sha256::digest(&found).as_slice() == sum { Ok(()) } else { Err(StoreError::Exists(name.clone())) }
    }

    /// As [`super::Store::read`].
    pub(super) async fn read(&self, name: &ObjectName) -> Result<Vec<u8>, StoreError> {
        let answer = self.service.plain.get(&self.key(name)).await.map_err(|error| failed("getting", name, &error))?;
        let bytes = answer.bytes().await.map_err(|error| failed("getting", name, &error))?;
        Ok(bytes.into())
    }

    /// As [`super::Store::exists`].
    pub(super) async fn exists(&self, name: &ObjectName) -> Result<bool, StoreError> {
        match self.service.plain.head(&self.key(name)).await {
            Ok(_) => Ok(true),
            Err(S3Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(failed("looking for", name, &error)),
        }
    }

    /// As [`super::Store::list`].
    pub(super) async fn list(&self, prefix: Option<&ObjectName>) -> Result<Vec<Listed>, StoreError> {
        let below = prefix.map(|p| self.key(p)).or_else(|| self.prefix.as_ref().map(|p| Path::from(p.as_str())));
        let found: Vec<_> = self.service.plain.list(below.as_ref()).try_collect().await.map_err(|error| StoreError::Bucket {
            doing: "listing the bucket",
            name: prefix.cloned(),
            reason: reason_of(&error),
        })?;
        let ours = |key: &str| match &self.prefix {
            Some(prefix) => key.strip_prefix(prefix.as_str())?.strip_prefix('/').and_then(|name| ObjectName::new(name).ok()),
            None => ObjectName::new(key).ok(),
        };
        let mut listed: Vec<Listed> =
            found.iter().filter_map(|o| Some(Listed { name: ours(o.location.as_ref())?, size: o.size })).collect();
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(listed)
    }

    /// As [`super::Store::remove`].
    pub(super) async fn remove(&self, name: &ObjectName) -> Result<(), StoreError> {
        let Some(versions) = self.versions(name).await? else {
            return match self.service.plain.delete(&self.key(name)).await {
                Ok(()) | Err(S3Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(failed("removing", name, &error)),
            };
        };
        if versions.is_empty() {
            return Ok(());
        }
        for version in versions.to_remove() {
            self.remove_version(name, version).await?;
        }
        match self.versions(name).await? {
            Some(left) if left.is_empty() => Ok(()),
            _ => Err(about("removing", Some(name), "versions of it are still there".to_owned())),
        }
    }

    /// As [`super::Store::is_held`].
    pub(super) async fn is_held(&self, name: &ObjectName) -> Result<bool, StoreError> {
        let answer = self.signed("reading the lock of", Some(name), Method::HEAD, &[]).await?;
        match answer.status() {
            status if status.is_success() => Ok(Lock::read(answer.headers()).holds()),
            StatusCode::NOT_FOUND => Err(StoreError::Missing(name.clone())),
            status => Err(about("reading the lock of", Some(name), status.to_string())),
        }
    }

    async fn versions(&self, name: &ObjectName) -> Result<Option<Versions>, StoreError> {
        let found = self.service.versions(&self.key(name)).await;
        found.map_err(|e| about("listing the versions of", Some(name), e.reason))
    }

    async fn remove_version(&self, name: &ObjectName, version: &str) -> Result<(), StoreError> {
        const DOING: &str = "removing a version of";
        let answer = self.signed(DOING, Some(name), Method::DELETE, &[("versionId", version)]).await?;
        let status = answer.status();
        if status.is_success() || status == StatusCode::NOT_FOUND {
            return Ok(());
        }
        let code = code_of(&answer.text().await.unwrap_or_default()).to_owned();
        // Services say differently that a lock holds a version, and Amazon says only that access is denied: the lock itself tells.
        let head = self.signed("reading the lock of", Some(name), Method::HEAD, &[("versionId", version)]).await?;
        let lock = Lock::read(head.headers());
        if head.status().is_success() && lock.holds() {
            return Err(StoreError::Locked { name: name.clone(), until: lock.until });
        }
        Err(about(DOING, Some(name), format!("{status} {code}")))
    }

    /// Whether the bucket has Object Lock, where it is configured.
    pub(super) async fn probe_lock(&self) -> Result<(), StoreError> {
        const DOING: &str = "looking for the bucket's Object Lock";
        if self.service.settings.object_lock.is_none() {
            return Ok(());
        }
        let answer = self.service.signed(DOING, None, Method::GET, &Path::default(), &[("object-lock", "")]).await?;
        let status = answer.status();
        let body = answer.text().await.map_err(|error| about(DOING, None, reason_of(&error.without_url())))?;
        let enabled = status.is_success() && body.contains("<ObjectLockEnabled>Enabled<");
        if enabled { Ok(()) } else { Err(about(DOING, None, format!("{status} {}", code_of(&body)))) }
    }

    async fn signed(
        &self,
        doing: &'static str,
        name: Option<&ObjectName>,
        method: Method,
        query: &[(&str, &str)],
    ) -> Result<Response, StoreError> {
        let key = name.map(|name| self.key(name)).unwrap_or_default();
        self.service.signed(doing, name, method, &key, query).await
    }
}
