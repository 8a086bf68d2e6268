//! The part of a batch that removes files: what rows point to is read and looked at before anything changes, and removed when the rows have changed
//! and before that is committed.

use std::collections::BTreeSet;

use super::along::{Along, Rows};
use super::batch::{Failure, Transaction};
use super::error::EnforceError;
use crate::files::{FileError, FilePath, Store};
use crate::journal::{FileCount, Name};
use crate::plan::key::RecordKey;
use crate::plan::own_statements::LeavingRow;
use crate::plan::pointers::{Pointer, Pointers};

/// The code of a record whose file's name leaves its root.
pub const OUTSIDE: &str = "file_outside";
/// The code of a record that points to something that is no file.
pub const FOREIGN: &str = "file_foreign";
/// The code of a record whose file cannot be removed.
pub const KEPT: &str = "file_kept";
/// The code of a record whose store is not there.
pub const NO_STORE: &str = "file_store";

/// The code of a record whose file cannot be read.
pub const UNREAD: &str = "file_unread";
/// The code of a record whose file is written while it is sealed.
pub const CHANGED: &str = "file_changed";

/// How many files are removed at once.
const PAGE: usize = 64;
/// How many values are asked for at once.
const VALUES: usize = 500;

/// The files of one column that go.
pub(super) struct Going<'t> {
    pointer: &'t Pointer,
    paths: BTreeSet<FilePath>,
}

pub(super) fn failure(e: &FileError) -> Failure {
    tracing::warn!(error = %e, "a file stays, and its row with it");
    Failure::File(match e {
        FileError::Outside => OUTSIDE,
        FileError::Foreign => FOREIGN,
        FileError::Kept(_) => KEPT,
        FileError::Unread(_) => UNREAD,
        FileError::Changed => CHANGED,
        _ => NO_STORE,
    })
}

impl<'t> Transaction<'t, '_> {
    pub(super) fn store(&self, store: &str) -> Result<Store, Failure> {
        self.cx.files.get(store).cloned().ok_or_else(|| EnforceError::NoFiles(store.to_owned()).into())
    }

    /// Notes the files that these rows point to. The rows are locked, and due.
    pub(super) async fn point(&mut self, pointers: Option<&'t Pointers>, keys: &[RecordKey]) -> Result<(), Failure> {
        let Some(pointers) = pointers.filter(|_| !keys.is_empty()) else { return Ok(()) };
        let rows = self.session.rows(&pointers.read(self.cx.dialect, keys)).await?;
        for (at, pointer) in pointers.columns.iter().enumerate() {
            let mut paths = BTreeSet::new();
            for value in rows.iter().filter_map(|row| row.get(at)?.as_deref()).filter(|v| !v.is_empty()) {
                paths.insert(FilePath::new(value).map_err(|_| Failure::File(OUTSIDE))?);
            }
            let store = self.store(&pointer.store)?;
            let looked: Vec<FilePath> = paths.iter().filter(|p| !self.cx.files.was_ours(&pointer.store, p)).cloned().collect();
            self.alive(async { store.look(looked).await.map_err(|e| failure(&e)) }).await?;
            if !paths.is_empty() {
                self.going.push(Going { pointer, paths });
            }
        }
        Ok(())
    }

    /// Notes the files of rows that go along.
    pub(super) async fn point_along(&mut self, all: &[Along<'t>]) -> Result<(), Failure> {
        for Along { companion, rows } in all {
            if let Rows::Found(keys) = rows {
                self.point(companion.files.as_ref(), keys).await?;
            }
        }
        Ok(())
    }

    /// Removes the files that were noted and that no row points to any more.
    pub(super) async fn remove_files(&mut self) -> Result<(), Failure> {
        let going = std::mem::take(&mut self.going);
        if going.is_empty() {
            return Ok(());
        }
        // What a deferred constraint refuses keeps its files.
        if let Some(now) = self.cx.dialect.constraints_now() {
            self.session.rows(now).await?;
        }
        let mut done: BTreeSet<(String, FilePath)> = BTreeSet::new();
        for Going { pointer, paths } in going {
            let store = pointer.store.clone();
            let paths: Vec<FilePath> = paths.into_iter().filter(|p| done.insert((store.clone(), p.clone()))).collect();
            let shared = self.shared(pointer, &paths).await?;
            let (stay, go): (Vec<_>, Vec<_>) = paths.into_iter().partition(|p| shared.contains(p.as_str()));
            let name = Name::parse(&store).map_err(EnforceError::from)?;
            let mut count = FileCount { shared: stay.len() as u64, ..FileCount::of(name) };
            let go = self.leave(&store, go, &mut count);
            let (gone, go): (Vec<_>, Vec<_>) = go.into_iter().partition(|p| self.cx.files.was_ours(&store, p));
            count.removed += gone.len() as u64;
            for page in go.chunks(PAGE) {
                let (from, page) = (self.store(&store)?, page.to_vec());
                let noted = std::sync::Arc::clone(&self.cx.files);
                let of = store.clone();
                let work = async { from.remove(page, move |path| noted.note(&of, path)).await.map_err(|e| failure(&e)) };
                let found = self.alive(work).await?;
                let removed = found.iter().filter(|f| **f).count() as u64;
                count.removed += removed;
                count.missing += found.len() as u64 - removed;
            }
            self.removed.extend(gone.into_iter().chain(go).map(|p| (store.clone(), p)));
            match self.files.iter_mut().find(|c| c.store == count.store) {
                Some(all) => all.add(&count),
                None => self.files.push(count),
            }
        }
        Ok(())
    }

    /// Takes out those files that archives took: they leave when all is committed, and what was missing then is not looked for again. The others.
    fn leave(&mut self, store: &str, files: Vec<FilePath>, count: &mut FileCount) -> Vec<FilePath> {
        let mut others = Vec::new();
        for path in files {
            match self.archived.get(&(store.to_owned(), path.clone())) {
                None => others.push(path),
                Some(None) => count.missing += 1,
                Some(Some(stamp)) => {
                    count.sealed += 1;
                    self.leaving.push(LeavingRow {
                        source: self.cx.source.to_string(),
                        batch: self.batch.to_string(),
                        n: u32::try_from(self.leaving.len()).unwrap_or(u32::MAX),
                        store: store.to_owned(),
                        path: path.as_str().to_owned(),
                        stamp: stamp.as_str().to_owned(),
                    });
                }
            }
        }
        others
    }

    /// Which of these files rows that stay still point to.
    async fn shared(&mut self, pointer: &Pointer, paths: &[FilePath]) -> Result<BTreeSet<String>, Failure> {
        let mut shared = BTreeSet::new();
        for page in paths.chunks(VALUES) {
            let values: Vec<&str> = page.iter().map(FilePath::as_str).collect();
            for sql in pointer.still(self.cx.dialect, &values) {
                shared.extend(self.session.rows(&sql).await?.into_iter().flatten().flatten());
            }
        }
        Ok(shared)
    }
}
