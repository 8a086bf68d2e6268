//! Buckets of a real S3 API, and a gate before it that refuses what a test wants refused.
//!
//! `RETENTIOND_TEST_S3` holds the URL of a service that takes any key (`tests/support/s3.sh`). Without it these tests are skipped, loudly; under `CI` they
//! fail.

use std::sync::{Arc, Mutex};

use retentiond::archive::{Bucket, BucketSettings, LockMode, Secret};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A fresh bucket of its own.
pub struct Fresh {
    pub url: String,
    pub settings: BucketSettings,
    pub http: reqwest::Client,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Plain,
    Versions,
    ObjectLock,
}

/// A key as a URL has it.
pub fn written(key: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
    key.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

impl Fresh {
    /// Makes a bucket; `None` where there is no service, loudly.
    pub async fn new(kind: Kind, object_lock: Option<LockMode>, prefix: &str) -> Option<Self> {
        let Ok(endpoint) = std::env::var("RETENTIOND_TEST_S3") else {
            assert!(std::env::var_os("CI").is_none(), "RETENTIOND_TEST_S3 must be set in CI");
            eprintln!("SKIPPED: RETENTIOND_TEST_S3 is not set, no bucket was tested");
            return None;
        };
        let mut random = [0; 8];
        getrandom::fill(&mut random).unwrap();
        let settings = BucketSettings {
            bucket: format!("b{}", hex::encode(random)),
            endpoint: Some(endpoint.clone()),
            region: "us-east-1".to_owned(),
            prefix: prefix.to_owned(),
            access_key_id: "key".to_owned(),
            secret: Secret::new("hidden".to_owned()),
            object_lock,
            allow_http: true,
        };
        // Also prepares TLS, which the client of the tests asks for.
        Bucket::new(settings.clone()).unwrap();
        // The service takes any signature, but wants one.
        let authorised = [(
            reqwest::header::AUTHORIZATION,
            "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/s3/aws4_request".parse().unwrap(),
        )];
        let http = reqwest::Client::builder().default_headers(authorised.into_iter().collect()).build().unwrap();
        let url = format!("{endpoint}/{}", settings.bucket);
        let made = http.put(&url).header("x-amz-bucket-object-lock-enabled", (kind == Kind::ObjectLock).to_string());
        assert!(made.send().await.unwrap().status().is_success());
        let fresh = Self { url, settings, http };
        if kind == Kind::Versions {
            fresh.versioning("Enabled").await;
        }
        Some(fresh)
    }

    /// Sets whether the bucket keeps versions.
    pub async fn versioning(&self, status: &str) {
        let on = format!("<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>");
        assert!(self.http.put(format!("{}?versioning", self.url)).body(on).send().await.unwrap().status().is_success());
    }

    /// The bucket's own list of versions and markers.
    pub async fn versions(&self) -> String {
        self.http.get(format!("{}?versions", self.url)).send().await.unwrap().text().await.unwrap()
    }

    /// How many versions with data and how many markers there are.
    pub async fn counts(&self) -> (usize, usize) {
        let list = self.versions().await;
        (list.matches("<Version>").count(), list.matches("<DeleteMarker>").count())
    }

    /// Deletes as somebody would who does not think of versions.
    pub async fn hide(&self, key: &str) {
        assert!(self.http.delete(format!("{}/{}", self.url, written(key))).send().await.unwrap().status().is_success());
    }

    /// Writes an object, as an application does.
    pub async fn put(&self, key: &str, content: &[u8]) {
        let put = self.http.put(format!("{}/{}", self.url, written(key))).body(content.to_vec());
        assert!(put.send().await.unwrap().status().is_success());
    }

    /// What an object holds; `None` when it is not there, or hidden.
    pub async fn get(&self, key: &str) -> Option<Vec<u8>> {
        let answer = self.http.get(format!("{}/{}", self.url, written(key))).send().await.unwrap();
        if !answer.status().is_success() {
            return None;
        }
        Some(answer.bytes().await.unwrap().to_vec())
    }

    /// Those of these keys that are there.
    pub async fn left<'k>(&self, keys: &[&'k str]) -> Vec<&'k str> {
        let mut left = Vec::new();
        for key in keys {
            if self.get(key).await.is_some() {
                left.push(*key);
            }
        }
        left
    }

    /// The settings of the same bucket behind a gate.
    pub async fn behind(&self, rule: impl Fn(&str) -> Turned + Send + 'static) -> (BucketSettings, Gate) {
        let gate = Gate::new(self.settings.endpoint.as_ref().unwrap(), rule).await;
        (BucketSettings { endpoint: Some(gate.url.clone()), ..self.settings.clone() }, gate)
    }
}

/// What becomes of a request.
pub enum Turned {
    On,
    /// This status, with a code in its body.
    Away(u16, &'static str),
    /// No answer.
    Cut,
    /// On, after a while.
    Late(std::time::Duration),
}

type Rule = Box<dyn Fn(&str) -> Turned + Send>;

/// A gate before a service: each request goes on or does not, by its first line.
pub struct Gate {
    pub url: String,
    rule: Arc<Mutex<Rule>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Gate {
    async fn new(service: &str, rule: impl Fn(&str) -> Turned + Send + 'static) -> Self {
        let service = service.trim_start_matches("http://").to_owned();
        let rule: Arc<Mutex<Rule>> = Arc::new(Mutex::new(Box::new(rule)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let of = Arc::clone(&rule);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, service.clone(), Arc::clone(&of)));
            }
        });
        Self { url, rule, task }
    }

    /// Another rule from now on.
    pub fn set(&self, rule: impl Fn(&str) -> Turned + Send + 'static) {
        *self.rule.lock().unwrap() = Box::new(rule);
    }
}

/// One request of a connection, which ends with it.
async fn serve(mut client: TcpStream, service: String, rule: Arc<Mutex<Rule>>) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let turned = rule.lock().unwrap()(head.lines().next().unwrap());
    let length =
        head.lines().find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length:").map(|n| n.trim().parse().unwrap()));
    let mut body = vec![0; length.unwrap_or(0)];
    client.read_exact(&mut body).await.ok()?;
    if let Turned::Late(while_) = turned {
        tokio::time::sleep(while_).await;
    }
    match turned {
        Turned::Cut => None,
        Turned::Away(status, code) => {
            let body = if head.starts_with("HEAD") { String::new() } else { format!("<Error><Code>{code}</Code></Error>") };
            let answer = format!("HTTP/1.1 {status} No\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            client.write_all(answer.as_bytes()).await.ok()
        }
        Turned::On | Turned::Late(_) => {
            let mut server = TcpStream::connect(service).await.ok()?;
            let head = head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
            server.write_all(head.as_bytes()).await.ok()?;
            server.write_all(&body).await.ok()?;
            tokio::io::copy(&mut server, &mut client).await.ok().map(drop)
        }
    }
}
