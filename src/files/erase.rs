//! Objects of a bucket that go, with every version of them.

use futures_util::{StreamExt as _, stream};
use object_store::path::Path;
use reqwest::header::HeaderName;
use reqwest::{Method, StatusCode};

use super::bucket::{AT_ONCE, Bucket, Seen, kept, said};
use super::root::FileError;
use super::{FilePath, Gone, Stamp};
use crate::archive::service::Request;

/// How often an object is looked for again whose versions were removed.
const ROUNDS: usize = 3;

const MARKER: HeaderName = HeaderName::from_static("x-amz-delete-marker");

impl Bucket {
    /// As [`super::Root::remove`], but that those behind one that cannot be removed are tried, too.
    pub(super) async fn remove(
        &self,
        paths: &[FilePath],
        removed: impl Fn(&FilePath) + Send + Sync,
    ) -> Result<Vec<bool>, FileError> {
        let removed = &removed;
        let one = |path: FilePath| async move {
            let gone = self.erase(&self.key(&path)?, None).await?;
            if gone == Gone::Missing {
                self.missing().await?;
            } else {
                removed(&path);
            }
            Ok(gone == Gone::Removed)
        };
        let all: Vec<Result<bool, FileError>> = stream::iter(paths.to_vec()).map(one).buffered(AT_ONCE).collect().await;
        all.into_iter().collect()
    }

    /// As [`super::Root::remove_same`].
    pub(super) async fn remove_same(&self, path: &FilePath, stamp: &Stamp) -> Result<Gone, FileError> {
        let key = self.key(path)?;
        let gone = match self.head(&key, FileError::Kept).await? {
            Some((seen, _)) if seen.stamp() != *stamp => return Ok(Gone::Changed),
            Some((seen, _)) => self.erase(&key, Some(&seen)).await?,
            // Perhaps hidden, and kept.
            None => self.erase(&key, None).await?,
        };
        if gone == Gone::Missing {
            self.missing().await?;
        }
        Ok(gone)
    }

    /// Removes all versions of an object, or nothing unless the newest is the one that was seen.
    async fn erase(&self, key: &Path, only: Option<&Seen>) -> Result<Gone, FileError> {
        let (mut gone, mut hidden) = (Gone::Missing, false);
        for _ in 0..ROUNDS {
            let versions = self.versions(key).await?;
            let (plain, known) = match &versions {
                None if hidden => return Err(kept("the bucket has only hidden it, and does not list what it keeps")),
                None => (true, only.is_some()),
                Some(v) => (v.markers.is_empty() && v.data == ["null"], true),
            };
            let Some(versions) = versions.filter(|_| !plain) else {
                if !known && self.head(key, FileError::Kept).await?.is_none() {
                    return Ok(gone);
                }
                match self.delete(key, only).await? {
                    Some(done) => return Ok(done),
                    // It has versions since a moment ago.
                    None => {
                        hidden = true;
                        continue;
                    }
                }
            };
            if versions.is_empty() {
                // A list can leave out what it cannot write.
                return match gone {
                    Gone::Missing if self.head(key, FileError::Kept).await?.is_some() => Err(kept("no version of it is listed")),
                    gone => Ok(gone),
                };
            }
            if only.is_some_and(|seen| versions.data.first().is_some_and(|newest| *newest != seen.version)) {
                return Ok(Gone::Changed);
            }
            for version in versions.to_remove() {
                let answer = self.send(&Request::new(Method::DELETE, key, &[("versionId", version)])).await?;
                if !answer.status().is_success() && answer.status() != StatusCode::NOT_FOUND {
                    return Err(FileError::Kept(said(answer).await));
                }
            }
            if !versions.data.is_empty() {
                gone = Gone::Removed;
            }
        }
        Err(kept("versions of it are still there"))
    }

    /// Deletes an object that has no other version; `None` when the bucket has only hidden it.
    async fn delete(&self, key: &Path, only: Option<&Seen>) -> Result<Option<Gone>, FileError> {
        let mut request = Request::new(Method::DELETE, key, &[]);
        request.headers.extend(only.and_then(Seen::guard));
        let answer = self.send(&request).await?;
        let hidden = answer.headers().get(MARKER).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"));
        match answer.status() {
            status if status.is_success() && hidden => Ok(None),
            status if status.is_success() => Ok(Some(Gone::Removed)),
            StatusCode::NOT_FOUND => Ok(Some(Gone::Missing)),
            StatusCode::PRECONDITION_FAILED => Ok(Some(Gone::Changed)),
            _ => Err(FileError::Kept(said(answer).await)),
        }
    }
}
