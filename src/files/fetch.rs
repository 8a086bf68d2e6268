//! Objects of a bucket that are read, a piece at a time.

use std::ops::Range;
use std::sync::Arc;

use object_store::path::Path;
use reqwest::header::{HeaderValue, RANGE};
use reqwest::{Method, StatusCode};
use tokio::sync::mpsc;

use super::bucket::{Bucket, Seen, said};
use super::root::FileError;
use super::{FilePath, Stamp};
use crate::archive::pipe::{Fetched, PIECE};
use crate::archive::service::Request;

/// How often a piece is asked for that was cut off.
const ATTEMPTS: u32 = 4;

impl Bucket {
    /// The stamp of a file; `None` when it is missing.
    pub(super) async fn stamp(&self, path: &FilePath) -> Result<Option<Stamp>, FileError> {
        match self.head(&self.key(path)?, FileError::Unread).await? {
            Some((seen, _)) => Ok(Some(seen.stamp())),
            None => self.missing().await.map(|()| None),
        }
    }

    /// A reader of a file, for threads that may wait; `None` when it is missing. Each piece is asked of the object that was seen first: a reader that comes to
    /// its end has read that and no other.
    pub(super) async fn open(self: &Arc<Self>, path: &FilePath) -> Result<Option<(Fetched, Stamp)>, FileError> {
        let key = self.key(path)?;
        let Some((seen, _)) = self.head(&key, FileError::Unread).await? else { return self.missing().await.map(|()| None) };
        let (stamp, bucket) = (seen.stamp(), Arc::clone(self));
        let (to, from) = mpsc::channel(1);
        tokio::spawn(async move {
            let mut at = 0;
            while at < seen.bytes {
                let end = seen.bytes.min(at + PIECE as u64);
                let piece = bucket.piece(&key, &seen, at..end).await;
                let failed = piece.is_err();
                if to.send(piece.map_err(std::io::Error::other)).await.is_err() || failed {
                    return;
                }
                at = end;
            }
        });
        Ok(Some((Fetched::new(from), stamp)))
    }

    async fn piece(&self, key: &Path, seen: &Seen, range: Range<u64>) -> Result<Vec<u8>, FileError> {
        let bytes = HeaderValue::from_str(&format!("bytes={}-{}", range.start, range.end - 1));
        let bytes = bytes.map_err(|_| FileError::Unread(std::io::Error::other("no range")))?;
        let mut request = Request::new(Method::GET, key, &[]).header(RANGE, bytes);
        request.headers.extend(seen.guard());
        for _ in 0..ATTEMPTS {
            let answer = self.send(&request).await?;
            match answer.status() {
                StatusCode::PARTIAL_CONTENT | StatusCode::OK => {}
                StatusCode::PRECONDITION_FAILED | StatusCode::NOT_FOUND => return Err(FileError::Changed),
                _ => return Err(FileError::Unread(said(answer).await)),
            }
            if !seen.is_of(answer.headers()) {
                return Err(FileError::Changed);
            }
            let whole = answer.status() == StatusCode::OK && (range.start > 0 || range.end < seen.bytes);
            if whole {
                return Err(FileError::Unread(std::io::Error::other("the service gives no part of an object")));
            }
            match answer.bytes().await {
                Ok(piece) if piece.len() as u64 == range.end - range.start => return Ok(piece.into()),
                Ok(_) => return Err(FileError::Changed),
                // Cut off on the way.
                Err(_) => {}
            }
        }
        Err(FileError::Unread(std::io::Error::other("a part of an object is cut off each time")))
    }
}
