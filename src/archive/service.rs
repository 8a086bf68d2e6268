//! The requests to an S3 service: those of object_store, and those that it signs and does not send.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use object_store::Error as S3Error;
use object_store::RetryConfig;
use object_store::aws::{AmazonS3, AmazonS3Builder, Checksum};
use object_store::client::{ClientOptions, HttpClient, HttpConnector};
use object_store::path::Path;
use object_store::signer::{SignedUrlOptions, Signer as _};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RANGE};
use reqwest::{Method, Response, StatusCode};
use sha2::{Digest as _, Sha256};

use super::bucket::BucketSettings;
use super::versions::Page;
use super::{ObjectName, StoreError};

/// The sum of a request's body.
const SUM: HeaderName = HeaderName::from_static("x-amz-checksum-sha256");

/// The longest time for one request with its answer.
const REQUEST: Duration = Duration::from_secs(600);

/// The same for one that carries no content either way.
const SHORT: Duration = Duration::from_secs(60);

/// How long a signed request may be sent after it was signed.
const SIGNED: Duration = Duration::from_secs(900);

/// How often a request is tried that this file signs itself.
const ATTEMPTS: u32 = 4;

/// A bucket's service.
pub(crate) struct Service {
    pub(crate) settings: BucketSettings,
    http: reqwest::Client,
    /// Requests without headers of their own.
    pub(super) plain: AmazonS3,
}

/// A request that object_store can sign but not send.
pub(crate) struct Request<'a> {
    pub method: Method,
    /// The object; the bucket itself with the empty one.
    pub key: &'a Path,
    pub query: &'a [(&'a str, &'a str)],
    /// Headers; those of Amazon's own, `x-amz-…`, are signed.
    pub headers: HeaderMap,
    /// Its sum is signed, too.
    pub body: Vec<u8>,
}

impl<'a> Request<'a> {
    pub(crate) fn new(method: Method, key: &'a Path, query: &'a [(&'a str, &'a str)]) -> Self {
        Self { method, key, query, headers: HeaderMap::new(), body: Vec::new() }
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    pub(crate) fn body(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self
    }
}

/// Why the versions of an object were not listed, without its key.
pub(crate) struct Unlisted {
    /// Whether the service said no; otherwise it was not reached, or cannot say anything.
    pub refused: bool,
    pub reason: String,
}

/// Every version of one object, the newest first.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Versions {
    /// Those that hold data.
    pub data: Vec<String>,
    /// Markers that hide them.
    pub markers: Vec<String>,
}

impl Versions {
    pub(crate) fn is_empty(&self) -> bool {
        self.data.is_empty() && self.markers.is_empty()
    }

    /// In the order in which they can be removed: whatever stops that leaves no older version in the place of a newer one, and none in sight that was
    /// hidden.
    pub(crate) fn to_remove(&self) -> impl Iterator<Item = &str> {
        self.data.iter().rev().chain(self.markers.iter().rev()).map(String::as_str)
    }
}

/// Gives all clients the same connections.
#[derive(Debug)]
struct Shared(HttpClient);

impl HttpConnector for Shared {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(self.0.clone())
    }
}

/// What went wrong, without the text that a server sent: its code alone, or the errors on the way.
pub(super) fn reason_of(error: &dyn std::error::Error) -> String {
    let mut texts = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        texts.push(error.to_string());
        next = error.source();
    }
    let longest = texts.iter().max_by_key(|text| text.len()).cloned().unwrap_or_default();
    match longest.split_once('<') {
        Some((before, body)) => format!("{} {}", before.trim_end(), code_of(body)).trim_end().to_owned(),
        None => longest,
    }
}

/// The code in the body of a refusal.
pub(crate) fn code_of(body: &str) -> &str {
    let code = body.split_once("Code>").and_then(|(_, rest)| rest.split_once('<')).map_or("", |(code, _)| code);
    if code.len() <= 64 && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.') { code } else { "" }
}

impl Service {
    /// Prepares requests. Sends none.
    pub(crate) fn new(settings: BucketSettings) -> Result<Self, StoreError> {
        let invalid = |what: &str| StoreError::Settings(what.to_owned());
        if settings.endpoint.as_ref().is_some_and(|url| url.starts_with("http:")) && !settings.allow_http {
            return Err(invalid("the endpoint has no TLS, and that is not allowed"));
        }
        // One provider for the whole process; sqlx brings its own and needs none here.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Fails only when another thread was faster.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let http = reqwest::Client::builder()
            .timeout(REQUEST)
            .connect_timeout(Duration::from_secs(10))
            .https_only(!settings.allow_http)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| StoreError::Settings(reason_of(&error)))?;
        let plain = client(&settings, &http, ClientOptions::new())?;
        Ok(Self { settings, http, plain })
    }

    /// A client with other options, over the same connections.
    pub(super) fn client(&self, options: ClientOptions) -> Result<AmazonS3, StoreError> {
        client(&self.settings, &self.http, options)
    }

    /// Sends a request without a body that object_store can sign but not send; again when the service was not reached or is busy.
    pub(super) async fn signed(
        &self,
        doing: &'static str,
        name: Option<&ObjectName>,
        method: Method,
        key: &Path,
        query: &[(&str, &str)],
    ) -> Result<Response, StoreError> {
        self.signed_with(doing, name, method, key, query, String::new()).await
    }

    /// The same with a body, whose sum is signed, too.
    pub(super) async fn signed_with(
        &self,
        doing: &'static str,
        name: Option<&ObjectName>,
        method: Method,
        key: &Path,
        query: &[(&str, &str)],
        body: String,
    ) -> Result<Response, StoreError> {
        let request = Request::new(method, key, query).body(body.into_bytes());
        self.send(&request).await.map_err(|reason| about(doing, name, reason))
    }

    /// Sends a request; again when the service was not reached or is busy.
    ///
    /// # Errors
    /// What went wrong, without the object's key.
    pub(crate) async fn send(&self, request: &Request<'_>) -> Result<Response, String> {
        let mut headers = request.headers.clone();
        if !request.body.is_empty() {
            let sum = BASE64_STANDARD.encode(Sha256::digest(&request.body));
            headers.insert(SUM, HeaderValue::from_str(&sum).map_err(|_| "no sum".to_owned())?);
        }
        let mut options = SignedUrlOptions::new().with_query(request.query.iter().copied());
        for (name, value) in headers.iter().filter(|(name, _)| name.as_str().starts_with("x-amz-")) {
            options = options.with_signed_header(name.clone(), value.clone());
        }
        let long = !request.body.is_empty() || headers.contains_key(RANGE);
        let mut attempt = 0;
        loop {
            attempt += 1;
            let url = self.plain.signed_url_opts(request.method.clone(), request.key, SIGNED, &options).await;
            let url = url.map_err(|_| "the request cannot be signed".to_owned())?;
            let sent = self.http.request(request.method.clone(), url).headers(headers.clone()).body(request.body.clone());
            let answer = sent.timeout(if long { REQUEST } else { SHORT }).send().await.map_err(reqwest::Error::without_url);
            let busy = match &answer {
                Ok(answer) => {
                    answer.status() == StatusCode::TOO_MANY_REQUESTS
                        || (answer.status().is_server_error() && answer.status() != StatusCode::NOT_IMPLEMENTED)
                }
                Err(_) => true,
            };
            if !busy || attempt >= ATTEMPTS {
                return answer.map_err(|error| reason_of(&error));
            }
            tokio::time::sleep(Duration::from_millis(200) * 2u32.pow(attempt)).await;
        }
    }

    /// Every version of an object; `None` from a service that has no versions.
    ///
    /// # Errors
    /// [`Unlisted`].
    pub(crate) async fn versions(&self, key: &Path) -> Result<Option<Versions>, Unlisted> {
        let away = |reason| Unlisted { refused: false, reason };
        let (mut found, mut from): (Versions, Option<(String, String)>) = (Versions::default(), None);
        loop {
            let mut query = vec![("versions", ""), ("prefix", key.as_ref())];
            if let Some((key, version)) = &from {
                query.extend([("key-marker", key.as_str()), ("version-id-marker", version.as_str())]);
            }
            let answer = self.send(&Request::new(Method::GET, &Path::default(), &query)).await.map_err(away)?;
            let status = answer.status();
            if status == StatusCode::NOT_IMPLEMENTED {
                return Ok(None);
            }
            let body = answer.text().await.map_err(|error| away(reason_of(&error.without_url())))?;
            if !status.is_success() {
                return Err(Unlisted { refused: !status.is_server_error(), reason: format!("{status} {}", code_of(&body)) });
            }
            let page = Page::read(&body, key.as_ref()).ok_or_else(|| away("the answer is no such list".to_owned()))?;
            found.data.extend(page.versions.data);
            found.markers.extend(page.versions.markers);
            if page.next.is_none() || page.next == from {
                return Ok(Some(found));
            }
            from = page.next;
        }
    }
}

pub(super) fn about(doing: &'static str, name: Option<&ObjectName>, reason: String) -> StoreError {
    StoreError::Bucket { doing, name: name.cloned(), reason: reason.trim_end().to_owned() }
}

pub(super) fn failed(doing: &'static str, name: &ObjectName, error: &S3Error) -> StoreError {
    let reason = reason_of(error);
    match error {
        S3Error::NotFound { .. } if !reason.contains("NoSuchBucket") => StoreError::Missing(name.clone()),
        _ => about(doing, Some(name), reason),
    }
}

fn client(settings: &BucketSettings, http: &reqwest::Client, options: ClientOptions) -> Result<AmazonS3, StoreError> {
    let mut builder = AmazonS3Builder::new()
        .with_client_options(options)
        .with_http_connector(Shared(HttpClient::new(http.clone())))
        .with_region(&settings.region)
        .with_bucket_name(&settings.bucket)
        .with_access_key_id(&settings.access_key_id)
        .with_secret_access_key(&settings.secret.0)
        .with_allow_http(settings.allow_http)
        // Object Lock asks for a sum with every write.
        .with_checksum_algorithm(Checksum::SHA256)
        .with_retry(RetryConfig { max_retries: 5, retry_timeout: Duration::from_secs(120), ..RetryConfig::default() });
    if let Some(endpoint) = &settings.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    builder.build().map_err(|error| StoreError::Settings(reason_of(&error)))
}
