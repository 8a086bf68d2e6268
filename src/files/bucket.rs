//! An S3 bucket whose objects go with rows.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use object_store::path::Path;
use reqwest::header::{ETAG, HeaderMap, HeaderName, HeaderValue, IF_MATCH, LAST_MODIFIED};
use reqwest::{Method, Response, StatusCode};
use sha2::{Digest as _, Sha256};

use super::root::FileError;
use super::{FilePath, Stamp};
use crate::archive::lock::Lock;
use crate::archive::service::{Request, Service, Versions, code_of};
use crate::archive::{BucketSettings, ObjectName, StoreError};

/// The longest key of an object, in bytes.
const LONGEST: usize = 1_024;
/// How many objects are looked at, or removed, at once.
pub(super) const AT_ONCE: usize = 8;
/// How long a service that was not reached is left alone.
const DOWN: Duration = Duration::from_secs(10);

const VERSION: HeaderName = HeaderName::from_static("x-amz-version-id");

/// A bucket whose objects go with rows: those whose keys begin with its prefix, the fixed root.
///
/// A file is removed with every version that the bucket keeps of it and every marker that hides one: a plain deletion in a bucket with versions would hide
/// the data and keep it.
pub struct Bucket {
    pub(super) service: Service,
    prefix: Option<ObjectName>,
    /// When the service was last not reached, after several tries.
    down: Mutex<Option<Instant>>,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket").field("settings", &self.service.settings).finish_non_exhaustive()
    }
}

/// An object, as it was seen.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) etag: String,
    pub(super) bytes: u64,
    modified: String,
    pub(super) version: String,
}

impl Seen {
    /// Reads the headers of an answer about the whole of an object.
    fn read(headers: &HeaderMap) -> Option<Self> {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Some(Self {
            etag: text(ETAG)?,
            bytes: text(reqwest::header::CONTENT_LENGTH)?.parse().ok()?,
            modified: text(LAST_MODIFIED)?,
            version: text(VERSION).unwrap_or_else(|| "null".to_owned()),
        })
    }

    /// What tells it from another object of the same key.
    pub(super) fn stamp(&self) -> Stamp {
        let sum = Sha256::digest(format!("{}\n{}\n{}", self.etag, self.modified, self.version));
        Stamp::new(format!("s3-{}-{}", self.bytes, hex::encode(&sum[..16])))
    }

    /// Whether the answer to a request for a part of an object is about this one.
    pub(super) fn is_of(&self, headers: &HeaderMap) -> bool {
        let is = |name: HeaderName, value: &str| headers.get(name).is_none_or(|found| found.as_bytes() == value.as_bytes());
        headers.get(ETAG).is_some_and(|found| found.as_bytes() == self.etag.as_bytes())
            && is(LAST_MODIFIED, &self.modified)
            && is(VERSION, &self.version)
    }

    pub(super) fn guard(&self) -> Option<(HeaderName, HeaderValue)> {
        Some((IF_MATCH, HeaderValue::from_str(&self.etag).ok()?))
    }
}

/// What an answer says that is no success.
pub(super) async fn said(answer: Response) -> std::io::Error {
    let status = answer.status();
    let code = code_of(&answer.text().await.unwrap_or_default()).to_owned();
    std::io::Error::other(format!("{status} {code}").trim_end().to_owned())
}

pub(super) fn kept(why: &str) -> FileError {
    FileError::Kept(std::io::Error::other(why.to_owned()))
}

impl Bucket {
    /// Prepares the use of a bucket. Asks it nothing: [`Bucket::probe`] does.
    ///
    /// # Errors
    /// [`StoreError::Settings`].
    pub fn new(settings: BucketSettings) -> Result<Self, StoreError> {
        let invalid =
            || StoreError::Settings("the prefix is not made of names of A-Z a-z 0-9 . _ - with slashes between".to_owned());
        let prefix = match settings.prefix.as_str() {
            "" => None,
            prefix => Some(ObjectName::new(prefix).map_err(|_| invalid())?),
        };
        Ok(Self { service: Service::new(settings)?, prefix, down: Mutex::default() })
    }

    /// Where it is, as people are told.
    fn place(&self) -> String {
        let below = self.prefix.as_ref().map(|p| format!("/{p}")).unwrap_or_default();
        format!("bucket {}{below}", self.service.settings.bucket)
    }

    /// What keys of files begin with.
    fn below(&self) -> String {
        self.prefix.as_ref().map(|p| format!("{p}/")).unwrap_or_default()
    }

    pub(super) fn key(&self, path: &FilePath) -> Result<Path, FileError> {
        let key = format!("{}{}", self.below(), path.as_str());
        // As it is: `Path::from` would write some characters in another way.
        if key.len() <= LONGEST { Path::parse(key).map_err(|_| FileError::Outside) } else { Err(FileError::Outside) }
    }

    pub(super) async fn send(&self, request: &Request<'_>) -> Result<Response, FileError> {
        // Rows are locked meanwhile: what was just tried several times in vain is not tried for each of them.
        if self.down.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|since| since.elapsed() < DOWN) {
            return Err(self.unusable("it was not reached a moment ago".to_owned()));
        }
        let answer = self.service.send(request).await.map_err(|reason| self.away(reason))?;
        // Also those that never come to an end: what such a service says of a file is not believed.
        if answer.status().is_server_error() && answer.status() != StatusCode::NOT_IMPLEMENTED {
            return Err(self.away(said(answer).await.to_string()));
        }
        Ok(answer)
    }

    fn away(&self, reason: String) -> FileError {
        *self.down.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        FileError::Bucket { place: self.place(), reason }
    }

    fn unusable(&self, reason: String) -> FileError {
        FileError::Bucket { place: self.place(), reason }
    }

    /// The object of a key now; `None` when there is none, which an empty bucket is not believed.
    pub(super) async fn head(
        &self,
        key: &Path,
        refused: fn(std::io::Error) -> FileError,
    ) -> Result<Option<(Seen, Lock)>, FileError> {
        let answer = self.send(&Request::new(Method::HEAD, key, &[])).await?;
        match answer.status() {
            status if status.is_success() => {
                let seen =
                    Seen::read(answer.headers()).ok_or_else(|| self.unusable("an answer without ETag or date".to_owned()))?;
                Ok(Some((seen, Lock::read(answer.headers()))))
            }
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(refused(said(answer).await)),
        }
    }

    /// A file is missing: not believed of a bucket that has no object below the prefix.
    pub(super) async fn missing(&self) -> Result<(), FileError> {
        let below = self.below();
        let query = [("list-type", "2"), ("max-keys", "1"), ("prefix", below.as_str())];
        let answer = self.send(&Request::new(Method::GET, &Path::default(), &query)).await?;
        if !answer.status().is_success() {
            return Err(self.unusable(format!("listing: {}", said(answer).await)));
        }
        let list = answer.text().await.map_err(|_| self.away("the list of the bucket is cut off".to_owned()))?;
        if list.contains("<Contents>") { Ok(()) } else { Err(FileError::Empty(self.place().into())) }
    }

    pub(super) async fn versions(&self, key: &Path) -> Result<Option<Versions>, FileError> {
        let found = self.service.versions(key).await;
        found.map_err(|e| match e.refused {
            true => kept(&format!("its versions cannot be listed: {}", e.reason)),
            false => self.away(e.reason),
        })
    }

    /// Whether the service answers, and lets versions be listed; whether it locks by itself what is put there.
    ///
    /// # Errors
    /// [`FileError`].
    pub async fn probe(&self) -> Result<(), FileError> {
        match self.missing().await {
            // A store may begin empty.
            Ok(()) | Err(FileError::Empty(_)) => {}
            Err(e) => return Err(e),
        }
        let none = self.key(&FilePath::probe())?;
        self.versions(&none).await?;
        let answer = self.send(&Request::new(Method::GET, &Path::default(), &[("object-lock", "")])).await?;
        let locks = answer.status().is_success() && answer.text().await.unwrap_or_default().contains("<DefaultRetention>");
        match locks {
            true => Err(kept("the bucket locks every object by itself (Object Lock with a default retention)")),
            false => Ok(()),
        }
    }

    /// Whether a file is there, and not locked.
    async fn look_one(&self, path: &FilePath) -> Result<bool, FileError> {
        match self.head(&self.key(path)?, FileError::Kept).await? {
            Some((_, lock)) if lock.holds() => Err(kept("Object Lock holds it")),
            Some(_) => Ok(true),
            None => self.missing().await.map(|()| false),
        }
    }

    /// As [`super::Root::look`], of several.
    pub(super) async fn look(&self, paths: &[FilePath]) -> Result<(), FileError> {
        let mut all =
            stream::iter(paths.to_vec()).map(|path| async move { self.look_one(&path).await }).buffer_unordered(AT_ONCE);
        while let Some(looked) = all.next().await {
            looked?;
        }
        Ok(())
    }
}
