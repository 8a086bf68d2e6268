//! Files that archives keep beside a record: written out for whoever has a right to them, or put back where they were.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::{Read, Write};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::error::EnforceError;
use super::unseal::{Unsealed, UnsealedFile};
use crate::archive::{Archives, Identities, OpenError, Plain, open_file};
use crate::files::{FileError, FilePath, Files, Stamp, Store};
use crate::plan::compile::Plan;
use crate::source::Session;

/// How many values are asked for at once.
const VALUES: usize = 500;

/// What became of files that were put back.
#[derive(Debug, Default)]
pub struct FilesBack {
    /// Files that were written, so that they can be taken back.
    written: Vec<(Store, FilePath, Stamp)>,
    /// Files that were there, with the content that was sealed.
    pub there: u64,
}

enum Failed {
    File(FileError),
    Open(OpenError),
}

impl From<FileError> for Failed {
    fn from(e: FileError) -> Self {
        Self::File(e)
    }
}

impl From<Failed> for EnforceError {
    fn from(e: Failed) -> Self {
        match e {
            Failed::File(e) => Self::File(e),
            Failed::Open(e) => Self::Open(e),
        }
    }
}

fn path_of(file: &UnsealedFile) -> Result<FilePath, EnforceError> {
    FilePath::new(&file.line.path).map_err(|_| EnforceError::Unknown("form of a file's path"))
}

/// Opens one file and creates it in a store.
///
/// # Errors
/// [`FileError::Exists`] and others of the store; of the archive; of an object that is not the one that was sealed. Then no file was created.
pub async fn write_file(
    archives: &Archives,
    identities: &Arc<Identities>,
    file: &UnsealedFile,
    into: &Store,
    to: &FilePath,
) -> Result<Stamp, EnforceError> {
    let archive = archives.get(&file.archive).ok_or_else(|| EnforceError::NoArchive(file.archive.clone()))?;
    let sealed: Box<dyn Read + Send> = archive.store.stream(&file.name).await?;
    let plain = Plain { bytes: file.line.bytes, sha256: file.line.sha256.0 };
    let identities = Arc::clone(identities);
    let write = move |mut into: &mut dyn Write| open_file(sealed, &identities, plain, &mut into).map_err(Failed::Open);
    Ok(into.create(to, write).await?)
}

/// Those files of these objects, by store and path, to which some row points now: asked in the transaction that puts rows back, before it is committed.
///
/// # Errors
/// Of the database.
pub async fn pointed(
    session: &mut Session,
    plan: &Plan,
    objects: &[&Unsealed],
) -> Result<HashSet<(String, String)>, EnforceError> {
    let mut paths: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in objects.iter().flat_map(|object| &object.files).map(|file| &file.line) {
        paths.entry(&line.store).or_default().insert(&line.path);
    }
    let mut all = HashSet::new();
    for (store, paths) in paths {
        let Some(pointing) = plan.pointing.get(store) else { continue };
        for page in paths.into_iter().collect::<Vec<_>>().chunks(VALUES) {
            for sql in pointing.still(plan.dialect, page) {
                let held = session.rows(&sql).await?.into_iter().flatten().flatten();
                all.extend(held.map(|path| (store.to_owned(), path)));
            }
        }
    }
    Ok(all)
}

/// Puts files of these objects back into their stores, the newest object first: those to which rows point. One that is there as it was sealed stays.
///
/// # Errors
/// As of [`write_file`]. Then what was written is taken back.
pub async fn put_files(
    archives: &Archives,
    stores: &Files,
    objects: &[&Unsealed],
    pointed: &HashSet<(String, String)>,
    identities: &Arc<Identities>,
) -> Result<FilesBack, EnforceError> {
    let (mut back, mut done) = (FilesBack::default(), BTreeSet::new());
    for file in objects.iter().rev().flat_map(|object| &object.files) {
        let of = (file.line.store.clone(), file.line.path.clone());
        // What no row points to would never go again.
        if !pointed.contains(&of) || !done.insert(of) {
            continue;
        }
        if let Err(e) = put(archives, stores, file, identities, &mut back).await {
            back.take_back().await;
            return Err(e);
        }
    }
    Ok(back)
}

async fn put(
    archives: &Archives,
    stores: &Files,
    file: &UnsealedFile,
    identities: &Arc<Identities>,
    back: &mut FilesBack,
) -> Result<(), EnforceError> {
    let store = stores.get(&file.line.store).ok_or_else(|| EnforceError::NoFiles(file.line.store.clone()))?;
    let path = path_of(file)?;
    match write_file(archives, identities, file, store, &path).await {
        Ok(stamp) => {
            back.written.push((store.clone(), path, stamp));
            Ok(())
        }
        Err(EnforceError::File(FileError::Exists)) if is_there(store, &path, file).await? => {
            back.there += 1;
            Ok(())
        }
        Err(e) => Err(e),
    }
}

/// Whether the file that is there is the one that was sealed.
async fn is_there(store: &Store, path: &FilePath, file: &UnsealedFile) -> Result<bool, EnforceError> {
    let Some((mut found, _)) = store.open(path).await.map_err(EnforceError::File)? else { return Ok(false) };
    let line = file.line.clone();
    let work = move || {
        let mut sum = Sha256::new();
        let bytes = std::io::copy(&mut found, &mut sum).map_err(FileError::of_reading)?;
        Ok::<_, FileError>(bytes == line.bytes && <[u8; 32]>::from(sum.finalize()) == line.sha256.0)
    };
    let found = tokio::task::spawn_blocking(work).await.map_err(|_| EnforceError::Unknown("end of a file operation"))?;
    found.map_err(EnforceError::File)
}

impl FilesBack {
    /// How many were written.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written.len() as u64
    }

    /// Removes what was written: the rows that point to it do not come back.
    pub async fn take_back(&self) {
        for (store, path, stamp) in &self.written {
            if let Err(e) = store.remove_same(path, stamp).await {
                tracing::warn!(error = %e, "a file that was put back stays, without its row");
            }
        }
    }
}
