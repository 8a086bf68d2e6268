//! The part of a batch that seals files into archives: each streamed from its store into an object of its own beside that of its rows, and read back,
//! before anything changes. The file itself leaves only after the commit: until then the archive may lose its object again.

use std::collections::BTreeSet;
use std::io::ErrorKind;

use chrono::NaiveDate;

use super::alive::alive;
use super::batch::{Failure, Transaction};
use super::error::EnforceError;
use super::files::{self, failure};
use crate::archive::{Archive, FileLine, ObjectName, Plain, Recipients, SealError, pipe, seal_file};
use crate::files::{Content, FileError, FilePath, Stamp};
use crate::journal::{Hash, SealedFile};

/// The files of one object.
#[derive(Default)]
pub(super) struct Files {
    /// As its rows' object names them.
    pub lines: Vec<FileLine>,
    /// As the journal does.
    pub sealed: Vec<SealedFile>,
}

/// A file is read, compressed, encrypted and sent on its way; if it stayed what it was meanwhile.
fn make(recipients: &Recipients, mut file: Content, stamp: &Stamp, inlet: pipe::Inlet) -> Result<Plain, Made> {
    let (plain, inlet) = seal_file(recipients, &mut file, inlet).map_err(Made::Seal)?;
    if !file.stayed(stamp).map_err(Made::File)? {
        return Err(Made::File(FileError::Changed));
    }
    inlet.end().map_err(|e| Made::Seal(e.into()))?;
    Ok(plain)
}

/// Why a file was not sealed.
enum Made {
    File(FileError),
    Seal(SealError),
}

impl Transaction<'_, '_> {
    /// Seals these files, each by its store and path, beside the object that names them by number. What is missing is left out.
    pub(super) async fn seal_files(
        &mut self,
        to: &Archive,
        name: &(dyn Fn(u64) -> Result<ObjectName, Failure> + Sync),
        until: Option<NaiveDate>,
        paths: BTreeSet<(String, FilePath)>,
    ) -> Result<Files, Failure> {
        let mut all = Files::default();
        for (store, path) in paths {
            let from = self.store(&store)?;
            let found = self.alive(async { from.stamp(&path).await.map_err(|e| failure(&e)) }).await?;
            let known = self.archived.insert((store.clone(), path.clone()), found.clone());
            // Several archives take the same.
            if known.is_some_and(|known| known != found) {
                return Err(Failure::File(files::CHANGED));
            }
            let Some(stamp) = found else { continue };
            let number = all.lines.len() as u64;
            let (plain, stored) = self.seal_file(to, &name(number)?, until, (&store, &path, stamp)).await?;
            all.sealed.push(SealedFile { sha256: Hash(stored.sha256), bytes: stored.bytes });
            let (path, sha256) = (path.as_str().to_owned(), Hash(plain.sha256));
            all.lines.push(FileLine { file: number, store, path, bytes: plain.bytes, sha256 });
        }
        Ok(all)
    }

    async fn seal_file(
        &mut self,
        to: &Archive,
        name: &ObjectName,
        until: Option<NaiveDate>,
        (store, path, stamp): (&str, &FilePath, Stamp),
    ) -> Result<(Plain, Plain), Failure> {
        let (from, recipients) = (self.store(store)?, to.recipients.clone());
        self.sealing = true;
        let work = async {
            let opened = from.open(path).await.map_err(|e| failure(&e))?;
            let (file, _) = opened.filter(|(_, found)| *found == stamp).ok_or_else(|| failure(&FileError::Changed))?;
            let (inlet, outlet) = pipe::pipe();
            let maker = tokio::task::spawn_blocking(move || make(&recipients, file, &stamp, inlet));
            let stored = to.store.put_from(name, outlet, until).await;
            let made = maker.await.map_err(|_| EnforceError::Unknown("end of a file operation"))?;
            let plain = match (made, &stored) {
                (Ok(plain), _) => plain,
                // It was not taken from us: the store says why.
                (Err(Made::Seal(SealError::Io(e))), Err(_)) if e.kind() == ErrorKind::BrokenPipe => Plain::default(),
                (Err(Made::Seal(SealError::Io(e))), _) => return Err(failure(&FileError::of_reading(e))),
                (Err(Made::Seal(e)), _) => return Err(Failure::Fatal(e.into())),
                (Err(Made::File(e)), _) => return Err(failure(&e)),
            };
            let stored = stored.map_err(EnforceError::from)?;
            to.store.check(name, &stored.sha256).await.map_err(EnforceError::from)?;
            Ok((plain, stored))
        };
        self.alive(work).await
    }

    /// Waits for something that may take long, and tells the server meanwhile that its transaction is alive.
    pub(super) async fn alive<T>(&mut self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        match alive(self.session, work).await {
            (_, Some(lost)) => Err(Failure::Source(lost)),
            (done, None) => done,
        }
    }
}
