//! Places where files lie that rows point to.

use std::fs::File;
use std::io::{Read, Write};
use std::sync::Arc;

use super::bucket::Bucket;
use super::root::{FileError, Root};
use super::{FilePath, Gone, Stamp};
use crate::archive::pipe::Fetched;

/// A place where files lie.
#[derive(Clone, Debug)]
pub enum Store {
    /// A directory and what is below it.
    Directory(Root),
    /// Objects of an S3 bucket.
    Bucket(Arc<Bucket>),
}

impl From<Root> for Store {
    fn from(root: Root) -> Self {
        Self::Directory(root)
    }
}

impl From<Bucket> for Store {
    fn from(bucket: Bucket) -> Self {
        Self::Bucket(Arc::new(bucket))
    }
}

/// A file that is read, in a thread that may wait.
pub enum Content {
    /// Of a directory.
    File(File),
    /// Of a bucket.
    Object(Fetched),
}

impl Read for Content {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::File(file) => file.read(into),
            Self::Object(object) => object.read(into),
        }
    }
}

impl Content {
    /// Whether what was read to its end was one file from its beginning on: somebody may write a file of a directory meanwhile, while each piece of an object
    /// is asked of the one that was seen first.
    ///
    /// # Errors
    /// [`FileError::Unread`].
    pub fn stayed(&self, stamp: &Stamp) -> Result<bool, FileError> {
        match self {
            Self::File(file) => stamp.is_of(file),
            Self::Object(_) => Ok(true),
        }
    }
}

/// Runs file operations where waiting is allowed.
async fn blocking<T: Send + 'static, E: From<FileError> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(FileError::Kept(std::io::Error::other("the program is ending")).into()),
    }
}

impl Store {
    /// Looks whether files could be removed, as far as can be told; one that is missing could.
    ///
    /// # Errors
    /// [`FileError`] of one of them.
    pub async fn look(&self, paths: Vec<FilePath>) -> Result<(), FileError> {
        match self {
            Self::Directory(root) => {
                let root = root.clone();
                blocking(move || paths.iter().try_for_each(|path| root.look(path).map(drop))).await
            }
            Self::Bucket(bucket) => bucket.look(&paths).await,
        }
    }

    /// Removes files, durably; for each whether it was there. When one cannot be removed, others are gone: `removed` hears of each.
    ///
    /// # Errors
    /// [`FileError`] of one of them.
    pub async fn remove(
        &self,
        paths: Vec<FilePath>,
        removed: impl Fn(&FilePath) + Send + Sync + 'static,
    ) -> Result<Vec<bool>, FileError> {
        match self {
            Self::Directory(root) => {
                let root = root.clone();
                blocking(move || root.remove(&paths, removed)).await
            }
            Self::Bucket(bucket) => bucket.remove(&paths, removed).await,
        }
    }

    /// The stamp of a file that can be read; `None` when it is missing.
    ///
    /// # Errors
    /// [`FileError`].
    pub async fn stamp(&self, path: &FilePath) -> Result<Option<Stamp>, FileError> {
        match self {
            Self::Directory(root) => {
                let (root, path) = (root.clone(), path.clone());
                blocking(move || Ok(root.open_file(&path)?.map(|(_, stamp)| stamp))).await
            }
            Self::Bucket(bucket) => bucket.stamp(path).await,
        }
    }

    /// Opens a file for reading; `None` when it is missing.
    ///
    /// # Errors
    /// [`FileError`].
    pub async fn open(&self, path: &FilePath) -> Result<Option<(Content, Stamp)>, FileError> {
        match self {
            Self::Directory(root) => {
                let (root, path) = (root.clone(), path.clone());
                let opened = blocking(move || root.open_file(&path)).await?;
                Ok(opened.map(|(file, stamp)| (Content::File(file), stamp)))
            }
            Self::Bucket(bucket) => Ok(bucket.open(path).await?.map(|(object, stamp)| (Content::Object(object), stamp))),
        }
    }

    /// Removes a file, durably, if it is the one that was read.
    ///
    /// # Errors
    /// [`FileError`].
    pub async fn remove_same(&self, path: &FilePath, stamp: &Stamp) -> Result<Gone, FileError> {
        match self {
            Self::Directory(root) => {
                let (root, path, stamp) = (root.clone(), path.clone(), stamp.clone());
                blocking(move || root.remove_same(&path, &stamp)).await
            }
            Self::Bucket(bucket) => bucket.remove_same(path, stamp).await,
        }
    }

    /// Creates a file with the content that `write` gives it in a thread that may wait. Until it is whole it is not there.
    ///
    /// # Errors
    /// [`FileError::Exists`] when the name is taken; others. Then no file was created.
    pub async fn create<E: From<FileError> + Send + 'static>(
        &self,
        path: &FilePath,
        write: impl FnOnce(&mut dyn Write) -> Result<(), E> + Send + 'static,
    ) -> Result<Stamp, E> {
        match self {
            Self::Directory(root) => {
                let (root, path) = (root.clone(), path.clone());
                blocking(move || root.create(&path, write)).await
            }
            Self::Bucket(bucket) => bucket.create(path, write).await,
        }
    }

    /// Whether the store can be used now, as far as that can be told without removing anything.
    ///
    /// # Errors
    /// [`FileError`].
    pub async fn probe(&self) -> Result<(), FileError> {
        match self {
            Self::Directory(root) => {
                let root = root.clone();
                blocking(move || root.probe()).await
            }
            Self::Bucket(bucket) => bucket.probe().await,
        }
    }
}
