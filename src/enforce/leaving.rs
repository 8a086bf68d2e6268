//! Files that were sealed into archives leave their stores once their batches are committed. Which these are stands in the source's own database, written
//! in the batch's transaction, until they are gone: whoever died in between is followed by the next run.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, stream};

use super::dating::end;
use super::error::EnforceError;
use super::outcome::FileOutcome;
use crate::files::{FileError, FilePath, Files, Gone, Stamp, Store};
use crate::journal::{Event, FileCount, Id128, Journal, Name};
use crate::plan::compile::Plan;
use crate::source::{Row, Session};

/// How many files are looked at, and removed between two entries, at once.
const PAGE: u32 = 200;
/// How many are removed at the same time.
const AT_ONCE: usize = 8;

/// What lets files go.
pub(super) struct Leaving<'a> {
    /// The journal.
    pub journal: &'a Journal,
    /// The stores.
    pub files: &'a Files,
    /// The run.
    pub run: Id128,
    /// The source.
    pub source: &'a Name,
    /// Its plan, which knows who points to files.
    pub plan: &'a Plan,
}

/// A file that leaves.
struct One {
    batch: Id128,
    n: u32,
    store: String,
    path: FilePath,
    stamp: Stamp,
}

impl One {
    fn read(row: &Row) -> Option<Self> {
        let text = |i: usize| row.get(i).and_then(Option::as_deref);
        Some(Self {
            batch: Id128::parse(text(0)?).ok()?,
            n: text(1)?.parse().ok()?,
            store: text(2)?.to_owned(),
            path: FilePath::new(text(3)?).ok()?,
            stamp: Stamp::new(text(4)?.to_owned()),
        })
    }
}

impl Leaving<'_> {
    /// Removes what was sealed and is noted, but files that a row points to, and files that are others by now. These, and what cannot go, stay noted.
    ///
    /// # Errors
    /// Of the database and the journal.
    pub async fn let_go(&self, session: &mut Session) -> Result<FileOutcome, EnforceError> {
        let mut out = FileOutcome::default();
        // A map without files has never sealed any.
        if self.plan.pointing.is_empty() {
            return Ok(out);
        }
        let d = self.plan.dialect;
        let mut after = None::<(String, u32)>;
        loop {
            let from = after.as_ref().map(|(batch, n)| (batch.as_str(), *n));
            let rows = session.rows(&d.leaving(self.source.as_str(), from, PAGE)).await?;
            end(session).await?;
            let all: Option<Vec<One>> = rows.iter().map(One::read).collect();
            let all = all.ok_or(EnforceError::Unknown("form of a file that leaves"))?;
            let Some(last) = all.last() else { return Ok(out) };
            after = Some((last.batch.to_string(), last.n));
            let mut batches: BTreeMap<Id128, BTreeMap<String, Vec<One>>> = BTreeMap::new();
            for one in all {
                batches.entry(one.batch).or_default().entry(one.store.clone()).or_default().push(one);
            }
            for (batch, stores) in batches {
                self.of_batch(session, batch, stores, &mut out).await?;
            }
        }
    }

    async fn of_batch(
        &self,
        session: &mut Session,
        batch: Id128,
        stores: BTreeMap<String, Vec<One>>,
        out: &mut FileOutcome,
    ) -> Result<(), EnforceError> {
        let (mut counts, mut left) = (Vec::new(), Vec::new());
        for (store, files) in stores {
            let mut count = FileCount::of(Name::parse(&store)?);
            let tried = files.len();
            let before = left.len();
            // Who points to them, only a map that knows the store can say.
            if let (Some(pointing), Some(from)) = (self.plan.pointing.get(&store), self.files.get(&store)) {
                let mut shared = std::collections::HashSet::new();
                let values: Vec<&str> = files.iter().map(|f| f.path.as_str()).collect();
                for sql in pointing.still(self.plan.dialect, &values) {
                    shared.extend(session.rows(&sql).await?.into_iter().flatten().flatten());
                }
                end(session).await?;
                let (stay, go): (Vec<One>, Vec<One>) = files.into_iter().partition(|f| shared.contains(f.path.as_str()));
                count.shared = stay.len() as u64;
                left.extend(stay.iter().map(|f| f.n));
                for (n, gone) in remove(from, go).await {
                    match gone {
                        Ok(Gone::Removed) => count.removed += 1,
                        Ok(Gone::Missing) => count.missing += 1,
                        // Whoever wrote it must say what it is: it stays noted, and every run tells it.
                        Ok(Gone::Changed) => {
                            count.changed += 1;
                            continue;
                        }
                        Err(e) => {
                            tracing::warn!(error = %e, %store, "a file that was sealed cannot leave its store");
                            continue;
                        }
                    }
                    left.push(n);
                }
            } else {
                tracing::warn!(%store, "map or settings have no such store of files any more: what was sealed of it stays there");
            }
            out.kept += (tried - (left.len() - before)) as u64 - count.changed;
            out.count(std::slice::from_ref(&count));
            if left.len() > before || count.changed > 0 {
                counts.push(count);
            }
        }
        if counts.is_empty() {
            return Ok(());
        }
        self.journal.append(Event::FilesRemoved { run: self.run, batch, files: counts }).await?;
        if left.is_empty() {
            return Ok(());
        }
        let d = self.plan.dialect;
        let forget = d.delete_leaving(self.source.as_str(), &batch.to_string(), &left);
        let mut all = d.begin();
        all.extend([forget.as_str(), d.commit()]);
        session.script(&all).await?;
        Ok(())
    }
}

async fn remove(from: &Store, files: Vec<One>) -> Vec<(u32, Result<Gone, FileError>)> {
    let one = |f: One| async move { (f.n, from.remove_same(&f.path, &f.stamp).await) };
    stream::iter(files).map(one).buffered(AT_ONCE).collect().await
}
