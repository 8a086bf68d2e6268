//! Objects of a bucket that come back: created, and never over another.

use std::io::Write;

use object_store::path::Path;
use reqwest::header::{ETAG, HeaderName, HeaderValue, IF_NONE_MATCH};
use reqwest::{Method, Response, StatusCode};
use serde::Deserialize;

use super::bucket::{Bucket, said};
use super::root::FileError;
use super::{FilePath, Stamp};
use crate::archive::pipe::{Outlet, pipe};
use crate::archive::service::Request;

const SUMS: HeaderName = HeaderName::from_static("x-amz-checksum-algorithm");
const SUM: HeaderName = HeaderName::from_static("x-amz-checksum-sha256");

fn unwritten(why: &str) -> FileError {
    FileError::Unwritten(std::io::Error::other(why.to_owned()))
}

/// A part that was taken: its ETag and its sum, as the service must be told them again.
struct Part {
    etag: String,
    sum: Option<String>,
}

#[derive(Deserialize)]
struct Begun {
    #[serde(rename = "UploadId")]
    id: String,
}

#[derive(Deserialize)]
struct Ended {
    #[serde(rename = "ETag")]
    etag: String,
}

fn text(answer: &Response, name: HeaderName) -> Option<String> {
    answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// Refuses what is no success; a name that is taken is told from the rest.
async fn taken(answer: Response) -> Result<Response, FileError> {
    match answer.status() {
        status if status.is_success() => Ok(answer),
        StatusCode::PRECONDITION_FAILED | StatusCode::CONFLICT => Err(FileError::Exists),
        _ => Err(FileError::Unwritten(said(answer).await)),
    }
}

impl Bucket {
    /// As [`super::Root::create`]. A long file goes up in parts, and is an object only when all are there.
    pub(super) async fn create<E: From<FileError> + Send + 'static>(
        &self,
        path: &FilePath,
        write: impl FnOnce(&mut dyn Write) -> Result<(), E> + Send + 'static,
    ) -> Result<Stamp, E> {
        let key = self.key(path)?;
        // Asked first, for services that do not know conditional writes, and before anything long is sent.
        if self.head(&key, FileError::Unwritten).await?.is_some() {
            return Err(FileError::Exists.into());
        }
        let (mut inlet, outlet) = pipe();
        let maker = tokio::task::spawn_blocking(move || {
            write(&mut inlet)?;
            inlet.end().map_err(|e| E::from(FileError::Unwritten(e)))
        });
        let sent = self.upload(&key, outlet).await;
        let made = maker.await.map_err(|_| unwritten("the program is ending"))?;
        let etag = match (sent, made) {
            (Ok(etag), Ok(())) => etag,
            // Whoever makes it says why it came to no end; if it is not that nobody took it.
            (Err(Cut::Maker), Err(e)) => return Err(e),
            (Err(Cut::Service(e)), _) => return Err(e.into()),
            (Err(Cut::Maker), Ok(())) => return Err(unwritten("a pipe was cut").into()),
            (Ok(_), Err(e)) => return Err(e),
        };
        match self.head(&key, FileError::Unwritten).await? {
            // Quoted in a header; in a document some services leave the quotes out.
            Some((seen, _)) if seen.etag.trim_matches('"') == etag.trim_matches('"') => Ok(seen.stamp()),
            _ => Err(FileError::Changed.into()),
        }
    }

    /// Creates an object of what comes out of a pipe; its ETag.
    async fn upload(&self, key: &Path, mut outlet: Outlet) -> Result<String, Cut> {
        let first = outlet.next().await?;
        let second = if first.is_some() { outlet.next().await? } else { None };
        let first = first.unwrap_or_default();
        let Some(second) = second else {
            let request = Request::new(Method::PUT, key, &[]).header(IF_NONE_MATCH, HeaderValue::from_static("*")).body(first);
            let answer = taken(self.send(&request).await?).await?;
            return text(&answer, ETAG).ok_or_else(|| unwritten("an answer without ETag").into());
        };
        let begin = Request::new(Method::POST, key, &[("uploads", "")]).header(SUMS, HeaderValue::from_static("SHA256"));
        let answer = taken(self.send(&begin).await?).await?;
        let answer = answer.text().await.map_err(|_| unwritten("an answer was cut off"))?;
        let Begun { id } = quick_xml::de::from_str(&answer).map_err(|_| unwritten("an upload without an id"))?;
        let done = self.parts(key, &id, first, second, &mut outlet).await;
        if done.is_err() {
            // What cannot be taken back now is no object: the bucket's rule for unfinished uploads removes it.
            let _ = self.send(&Request::new(Method::DELETE, key, &[("uploadId", &id)])).await;
        }
        done
    }

    async fn parts(&self, key: &Path, id: &str, first: Vec<u8>, second: Vec<u8>, outlet: &mut Outlet) -> Result<String, Cut> {
        let (mut parts, mut piece, mut next) = (Vec::new(), first, Some(second));
        loop {
            let number = (parts.len() + 1).to_string();
            let query = [("partNumber", number.as_str()), ("uploadId", id)];
            let answer = taken(self.send(&Request::new(Method::PUT, key, &query).body(piece)).await?).await?;
            let etag = text(&answer, ETAG).ok_or_else(|| unwritten("an answer without ETag"))?;
            parts.push(Part { etag, sum: text(&answer, SUM) });
            let Some(following) = next.take() else { break };
            piece = following;
            next = outlet.next().await?;
        }
        let query = [("uploadId", id)];
        let end = Request::new(Method::POST, key, &query)
            .header(IF_NONE_MATCH, HeaderValue::from_static("*"))
            .body(list(&parts).into_bytes());
        let answer = taken(self.send(&end).await?).await?;
        let answer = answer.text().await.map_err(|_| unwritten("an answer was cut off"))?;
        // It can be a refusal all the same: the status is sent before the parts are put together.
        let Ended { etag } = quick_xml::de::from_str(&answer).map_err(|_| unwritten("an upload that did not end"))?;
        Ok(etag)
    }
}

/// The request that makes an object of parts.
fn list(parts: &[Part]) -> String {
    let escape = |text: &str| quick_xml::escape::escape(text).into_owned();
    let each = parts.iter().enumerate().map(|(n, part)| {
        let sum = part.sum.as_deref().map(|sum| format!("<ChecksumSHA256>{}</ChecksumSHA256>", escape(sum))).unwrap_or_default();
        format!("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag>{sum}</Part>", n + 1, escape(&part.etag))
    });
    format!(
        "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{}</CompleteMultipartUpload>",
        each.collect::<String>()
    )
}

/// Why an object was not created.
enum Cut {
    /// Who makes its content stopped.
    Maker,
    Service(FileError),
}

impl From<std::io::Error> for Cut {
    fn from(_: std::io::Error) -> Self {
        Self::Maker
    }
}

impl From<FileError> for Cut {
    fn from(e: FileError) -> Self {
        Self::Service(e)
    }
}
