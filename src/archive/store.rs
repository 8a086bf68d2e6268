//! Places where objects lie.

use std::io::{Cursor, Read, sink};
use std::path::PathBuf;
use std::sync::Arc;

use chrono::NaiveDate;
use futures_util::StreamExt as _;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::file::{Plain, copy};
use super::pipe::{Fetched, Outlet, pipe};
use super::{Bucket, Directory, ObjectName, StoreError};

/// A place where objects lie: created once, never overwritten, removed when their time is over.
#[derive(Clone, Debug)]
pub enum Store {
    /// Files below a directory.
    Directory(Directory),
    /// Objects of an S3 bucket.
    Bucket(Arc<Bucket>),
}

/// An object in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: ObjectName,
    /// Its size in bytes.
    pub size: u64,
}

/// What was stored: the length and SHA-256 of an object, as it lies there.
pub type Stored = Plain;

/// Runs file operations where waiting is allowed.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, StoreError> + Send + 'static) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => {
            let source = std::io::Error::other("the program is ending");
            Err(StoreError::Io { doing: "working in", path: "the archive".into(), source })
        }
    }
}

impl Store {
    /// Creates an object; it is durable when this returns. The same bytes under the same name again are fine. A bucket with Object Lock
    /// holds it to the end of `keep_until`, UTC, and is asked whether it does.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the name holds other bytes; [`StoreError::Unlocked`] when the object is there but not locked; others.
    /// After an error the object may or may not be there: the same call again finds out.
    pub async fn put(&self, name: &ObjectName, bytes: Vec<u8>, keep_until: Option<NaiveDate>) -> Result<(), StoreError> {
        match self {
            Self::Directory(directory) => {
                let (directory, name) = (directory.clone(), name.clone());
                blocking(move || directory.put(&name, &bytes)).await
            }
            Self::Bucket(bucket) => bucket.put(name, bytes, keep_until).await,
        }
    }

    /// Creates an object of what comes out of a pipe, a few pieces at a time; otherwise as [`Store::put`]. A pipe that stops before its end creates
    /// nothing.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the name is taken; [`StoreError::Unlocked`]; others.
    pub async fn put_from(
        &self,
        name: &ObjectName,
        mut outlet: Outlet,
        keep_until: Option<NaiveDate>,
    ) -> Result<Stored, StoreError> {
        match self {
            Self::Directory(directory) => {
                let (directory, name) = (directory.clone(), name.clone());
                blocking(move || directory.put_from(&name, &mut outlet)).await
            }
            Self::Bucket(bucket) => bucket.put_from(name, outlet, keep_until).await,
        }
    }

    /// Reads an object back, a few pieces at a time, and compares its SHA-256.
    ///
    /// # Errors
    /// [`StoreError::Differs`], [`StoreError::Missing`], others.
    pub async fn check(&self, name: &ObjectName, sha256: &[u8; 32]) -> Result<(), StoreError> {
        let mut reader = self.stream(name).await?;
        let of = name.clone();
        let found = blocking(move || {
            copy(&mut reader, &mut sink()).map_err(|source| StoreError::Io { doing: "reading", path: of.as_str().into(), source })
        });
        if found.await?.sha256 == *sha256 { Ok(()) } else { Err(StoreError::Differs(name.clone())) }
    }

    /// A reader of an object that never holds the whole; for threads that may wait, not for asynchronous code.
    ///
    /// # Errors
    /// [`StoreError::Missing`], others.
    pub async fn stream(&self, name: &ObjectName) -> Result<Box<dyn Read + Send>, StoreError> {
        let Self::Bucket(bucket) = self else { return self.reader(name).await };
        let mut from = bucket.stream(name).await?;
        let (to, out) = mpsc::channel(1);
        tokio::spawn(async move {
            while let Some(piece) = from.next().await {
                if to.send(piece.map_err(std::io::Error::from)).await.is_err() {
                    break;
                }
            }
        });
        Ok(Box::new(Fetched::new(out)))
    }

    /// Reads a whole object.
    ///
    /// # Errors
    /// [`StoreError::Missing`], others.
    pub async fn read(&self, name: &ObjectName) -> Result<Vec<u8>, StoreError> {
        match self {
            Self::Directory(directory) => {
                let (directory, name) = (directory.clone(), name.clone());
                blocking(move || directory.read(&name)).await
            }
            Self::Bucket(bucket) => bucket.read(name).await,
        }
    }

    /// A reader of an object, as [`super::open`] takes it: from a file as it is asked for, from a bucket out of memory.
    ///
    /// # Errors
    /// [`StoreError::Missing`], others.
    pub async fn reader(&self, name: &ObjectName) -> Result<Box<dyn Read + Send>, StoreError> {
        match self {
            Self::Directory(directory) => {
                let (directory, name) = (directory.clone(), name.clone());
                blocking(move || directory.open(&name)).await.map(|file| Box::new(file) as Box<dyn Read + Send>)
            }
            Self::Bucket(bucket) => Ok(Box::new(Cursor::new(bucket.read(name).await?))),
        }
    }

    /// Has a bucket with Object Lock keep an object to the end of that day, UTC, which was not known when it was created; elsewhere there is nothing to do.
    ///
    /// # Errors
    /// [`StoreError::Unlocked`] when it is not locked then; others.
    pub async fn keep(&self, name: &ObjectName, until: NaiveDate) -> Result<(), StoreError> {
        match self {
            Self::Directory(_) => Ok(()),
            Self::Bucket(bucket) => bucket.keep(name, until).await,
        }
    }

    /// Removes an object, durably; one that is not there is fine. In a bucket with versions every version of it goes.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when an Object Lock holds it; others. Then the object, or some version of it, is still there.
    pub async fn remove(&self, name: &ObjectName) -> Result<(), StoreError> {
        match self {
            Self::Directory(directory) => {
                let (directory, name) = (directory.clone(), name.clone());
                blocking(move || directory.remove(&name)).await
            }
            Self::Bucket(bucket) => bucket.remove(name).await,
        }
    }

    /// Whether there is an object of this name.
    ///
    /// # Errors
    /// [`StoreError`], when it cannot be told.
    pub async fn exists(&self, name: &ObjectName) -> Result<bool, StoreError> {
        match self {
            Self::Directory(directory) => {
                let (directory, name) = (directory.clone(), name.clone());
                match blocking(move || directory.open(&name)).await {
                    Ok(_) => Ok(true),
                    Err(StoreError::Missing(_)) => Ok(false),
                    Err(error) => Err(error),
                }
            }
            Self::Bucket(bucket) => bucket.exists(name).await,
        }
    }

    /// The objects below `prefix`, whole segments of a name, or all; in the order of their names. What is no object of ours is left out.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] for a symbolic link among them; others.
    pub async fn list(&self, prefix: Option<&ObjectName>) -> Result<Vec<Listed>, StoreError> {
        match self {
            Self::Directory(directory) => {
                let (directory, prefix) = (directory.clone(), prefix.cloned());
                blocking(move || directory.list(prefix.as_ref())).await
            }
            Self::Bucket(bucket) => bucket.list(prefix).await,
        }
    }

    /// Whether an Object Lock holds an object now.
    ///
    /// # Errors
    /// When it cannot be told.
    pub async fn is_held(&self, name: &ObjectName) -> Result<bool, StoreError> {
        match self {
            Self::Directory(_) => Ok(false),
            Self::Bucket(bucket) => bucket.is_held(name).await,
        }
    }

    /// Creates an object with the bytes of another, a few pieces at a time, and reads it back; otherwise as [`Store::put_from`].
    ///
    /// # Errors
    /// As of [`Store::put_from`]; [`StoreError::Differs`] where the other has not this SHA-256.
    pub async fn put_copy(
        &self,
        name: &ObjectName,
        (from, sha256): (&ObjectName, &[u8; 32]),
        keep_until: Option<NaiveDate>,
    ) -> Result<Stored, StoreError> {
        let mut reader = self.stream(from).await?;
        let (mut inlet, outlet) = pipe();
        let copying = tokio::task::spawn_blocking(move || std::io::copy(&mut reader, &mut inlet).and_then(|_| inlet.end()));
        let stored = self.put_from(name, outlet, keep_until).await;
        // What kept it from being read says more than that it was not whole.
        let of = from.as_str().to_owned();
        let failed = move |source| StoreError::Io { doing: "reading", path: of.into(), source };
        match copying.await {
            Ok(Err(e)) if e.kind() != std::io::ErrorKind::BrokenPipe => return Err(failed(e)),
            Err(_) => return Err(failed(std::io::Error::other("the program is ending"))),
            Ok(_) => {}
        }
        let stored = stored?;
        if stored.sha256 != *sha256 {
            return Err(StoreError::Differs(from.clone()));
        }
        self.check(name, sha256).await?;
        Ok(stored)
    }

    /// Removes what interrupted writes left unfinished below `prefix`, whole segments of a name, or everywhere; how many they were. What somebody
    /// writes just now stays. A bucket has no unfinished objects; the parts of an upload that was interrupted are its own matter (a lifecycle rule).
    ///
    /// # Errors
    /// As of [`Store::remove`].
    pub async fn sweep(&self, prefix: Option<&ObjectName>) -> Result<usize, StoreError> {
        match self {
            Self::Directory(directory) => {
                let (directory, prefix) = (directory.clone(), prefix.cloned());
                blocking(move || directory.sweep(prefix.as_ref())).await
            }
            Self::Bucket(_) => Ok(0),
        }
    }

    /// The paths of what [`Store::sweep`] would remove.
    ///
    /// # Errors
    /// As of [`Store::list`].
    pub async fn leftovers(&self) -> Result<Vec<PathBuf>, StoreError> {
        match self {
            Self::Directory(directory) => {
                let directory = directory.clone();
                blocking(move || directory.leftovers()).await
            }
            Self::Bucket(_) => Ok(Vec::new()),
        }
    }

    /// Whether an object can be written, read back and removed now; and, where Object Lock is configured, whether the bucket has it.
    ///
    /// # Errors
    /// What fails. [`StoreError::Locked`] tells of a bucket that locks every object by itself: then the probe, 32 random bytes, stays.
    pub async fn probe(&self) -> Result<(), StoreError> {
        let mut bytes = [0; 32];
        let failed = || StoreError::Settings("no random numbers".to_owned());
        getrandom::fill(&mut bytes).map_err(|_| failed())?;
        let name = ObjectName::new(&format!("probe/{}", hex::encode(&bytes[..8]))).map_err(|_| failed())?;
        if let Self::Bucket(bucket) = self {
            bucket.probe_lock().await?;
        }
        self.put(&name, bytes.to_vec(), None).await?;
        let checked = self.check(&name, &Sha256::digest(bytes).into()).await;
        let removed = self.remove(&name).await;
        checked.and(removed)?;
        if self.exists(&name).await? { Err(StoreError::Differs(name)) } else { Ok(()) }
    }
}
