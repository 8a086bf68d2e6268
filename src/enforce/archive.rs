//! The part of a batch that moves fields into archives: read under the locks, sealed, written, read back, and only then may anything change.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::pin::Pin;
use std::time::Instant;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use super::alive::HEARTBEAT;
use super::batch::{Failure, Transaction, macs};
use super::error::EnforceError;
use super::object::{Making, Object, Of, RowsOf};
use super::orders::{subject_key, tenant_key};
use super::watch::Point;
use crate::archive::{file_name, object_name};
use crate::journal::{Day, Hash, JournalError, Mac, MacOf, Macs, Name, Sealed};
use crate::plan::archiving::{Archiving, PartRow};
use crate::plan::key::RecordKey;
use crate::plan::open_end::End;
use crate::plan::own_statements::PendingRow;
use crate::source::SourceError;

/// How many objects are written at a time: their syncs wait together.
const AT_ONCE: usize = 8;

/// Objects that are being written.
type Writing<'w> = FuturesUnordered<Pin<Box<dyn Future<Output = Result<Sealed, Failure>> + Send + 'w>>>;

/// Waits until no more than so many are being written, and tells of those that are. An error does not keep it from waiting.
async fn ended(writing: &mut Writing<'_>, left: usize) -> Result<Vec<Sealed>, Failure> {
    let (mut all, mut failed) = (Vec::new(), None);
    while writing.len() > left {
        match writing.next().await {
            Some(Ok(sealed)) => all.push(sealed),
            Some(Err(failure)) => failed = failed.or(Some(failure)),
            None => break,
        }
    }
    failed.map_or(Ok(all), Err)
}

/// What one object takes: of which records, by their place among the keys. An object has records of one tenant, so that it can go when that one has gone.
type Groups = BTreeMap<(usize, Option<String>, End), Vec<usize>>;

impl<'c> Transaction<'_, 'c> {
    /// Moves what archives keep of these records into them. The records are locked, with what follows them, and due.
    pub(super) async fn archive(&mut self, archiving: &Archiving, keys: &[RecordKey]) -> Result<(), Failure> {
        let d = self.cx.dialect;
        if keys.is_empty() {
            return Ok(());
        }
        let places: HashMap<&RecordKey, usize> = keys.iter().enumerate().map(|(n, key)| (key, n)).collect();
        let (mut groups, mut copied, mut own) = (Groups::new(), Vec::new(), RowsOf::new());
        let answers = self.readable(&archiving.ask(d, keys)).await?;
        // Whoever is not there any more, or is kept by an archive that cannot take it, was not due after all.
        if answers.len() != keys.len() {
            return Err(Failure::Moved);
        }
        for row in answers {
            let (record, taken) = archiving.read(d, &row).ok_or(Failure::Unsealable)?;
            let place = *places.get(&record).ok_or(Failure::Moved)?;
            let cells = archiving.own_row(d, &row).ok_or(Failure::Unsealable)?;
            let tenant = archiving.tenant(&cells);
            for one in taken.ok_or(Failure::Moved)? {
                match one.until {
                    End::Copy(_) => copied.push((place, one)),
                    _ => groups.entry((one.purpose, tenant.clone(), one.until)).or_default().push(place),
                }
            }
            let again = own.insert(place, vec![cells]);
            if again.is_some() {
                return Err(Failure::Unsealable);
            }
        }
        // What had no copy before the batch is not in it: this is about what has lost it since.
        let waiting = self.cx.copies.missing(archiving, copied).await;
        if !waiting.is_empty() {
            return Err(Failure::Uncopied(waiting.into_iter().map(|place| keys[place].clone()).collect()));
        }
        if groups.is_empty() {
            return Ok(());
        }
        let mut tables: Vec<RowsOf> = vec![own];
        for part in 1..archiving.parts.len() {
            let mut rows = RowsOf::new();
            for row in self.readable(&archiving.rows(d, part, keys)).await? {
                let PartRow { record, cells } = archiving.row(d, part, &row).ok_or(Failure::Unsealable)?;
                rows.entry(*places.get(&record).ok_or(Failure::Moved)?).or_default().push(cells);
            }
            tables.push(rows);
        }
        let mut writing = FuturesUnordered::new();
        let asked = self.write(archiving, groups, (&tables, keys), &mut writing).await;
        // What was begun in an archive ends before anybody looks what is there.
        let ended = self.alive(async { ended(&mut writing, 0).await }).await;
        let mut sealed = asked?;
        sealed.extend(ended?);
        sealed.sort_by_key(|s| s.part);
        self.sealed.extend(sealed);
        self.cx.watch.at(Point::Sealed, &self.asked.action.id).await;
        Ok(())
    }

    /// Reads rows; a value that is no text fails those that have it, and nothing else.
    async fn readable(&mut self, sql: &str) -> Result<Vec<crate::source::Row>, Failure> {
        self.session.rows(sql).await.map_err(|e| match e {
            SourceError::NotText(_) => Failure::Unsealable,
            e => Failure::Source(e),
        })
    }

    /// Begins to write all objects, some at a time, and tells of those that are written.
    async fn write(
        &mut self,
        archiving: &Archiving,
        groups: Groups,
        (tables, keys): (&[RowsOf], &[RecordKey]),
        writing: &mut Writing<'c>,
    ) -> Result<Vec<Sealed>, Failure> {
        let (mut all, mut heard) = (Vec::new(), Instant::now());
        for (part, ((purpose, _, until), mut records)) in (self.sealed.len() as u32..).zip(groups) {
            records.sort_unstable();
            let object = Object { archiving, purpose, until: &until, records: &records };
            let making = self.describe(object, part, (tables, keys)).await?;
            let sealed = &making.sealed;
            if let End::Open(link) = &until {
                self.open.push(PendingRow {
                    source: sealed.source.to_string(),
                    batch: self.batch.to_string(),
                    part,
                    data_set: sealed.data_set.to_string(),
                    purpose: sealed.purpose.to_string(),
                    link: serde_json::to_string(link).map_err(|_| Failure::Unsealable)?,
                });
            }
            let archives = self.cx.archives;
            let to = archives.get(making.sealed.archive.as_str()).ok_or(EnforceError::Unknown("archive"))?;
            self.sealing = true;
            writing.push(Box::pin(making.write(to)));
            all.extend(self.alive(async { ended(writing, AT_ONCE - 1).await }).await?);
            // Many that are soon written take long, too.
            if heard.elapsed() > HEARTBEAT {
                self.session.rows("SELECT 1").await?;
                heard = Instant::now();
            }
        }
        Ok(all)
    }

    /// Says what an object will be, and seals the files that its rows point to.
    async fn describe(
        &mut self,
        object: Object<'_>,
        part: u32,
        (tables, keys): (&[RowsOf], &[RecordKey]),
    ) -> Result<Making, Failure> {
        let Object { archiving, purpose, until, records } = object;
        let purpose = &archiving.purposes[purpose];
        let archive = purpose.archive().unwrap_or_default();
        let to = self.cx.archives.get(archive).ok_or_else(|| EnforceError::NoArchive(archive.to_owned()))?;
        let data_set = archiving.parts.first().map(|p| p.data_set.as_str()).unwrap_or_default();
        let (batch, day) = (self.batch.to_string(), until.day());
        let unnamed = || EnforceError::Unknown("name of an object");
        let name = object_name(self.cx.source.as_str(), &batch, day, part).map_err(|_| unnamed())?;
        let source = self.cx.source.clone();
        let of_file = |n| file_name(source.as_str(), &batch, day, part, n).map_err(|_| Failure::Fatal(unnamed()));
        let files = Box::pin(self.seal_files(to, &of_file, day, object.files(tables)?)).await?;
        let taken: Vec<RecordKey> = records.iter().map(|n| keys[*n].clone()).collect();
        let root: Vec<_> =
            tables.first().into_iter().flat_map(|rows| records.iter().filter_map(|n| rows.get(n))).flatten().collect();
        let tenants = root.iter().filter_map(|cells| Some(tenant_key(&archiving.tenant(cells)?))).collect();
        let subjects = root.iter().flat_map(|cells| archiving.subjects(cells)).map(|(who, id)| subject_key(who, &id)).collect();
        let of = Of { source: &self.cx.source, engine: self.cx.dialect.engine, batch: self.batch, run: self.cx.run };
        Ok(Making {
            name,
            header: object.header(&of, data_set),
            rows: object.rows(tables),
            files: files.lines,
            lock_until: day,
            sealed: Sealed {
                source: self.cx.source.clone(),
                data_set: Name::parse(data_set).map_err(EnforceError::from)?,
                archive: Name::parse(archive).map_err(EnforceError::from)?,
                purpose: Name::parse(purpose.id()).map_err(EnforceError::from)?,
                until: day.map(Day::try_from).transpose().map_err(EnforceError::from)?,
                part,
                sha256: Hash([0; 32]),
                bytes: 0,
                rows: 0,
                macs: macs(self.cx, data_set, &taken)?,
                tenants: self.macs_of(MacOf::Tenant, data_set, tenants)?,
                subjects: self.macs_of(MacOf::Subject, data_set, subjects)?,
                files: files.sealed,
            },
        })
    }

    /// The keyed names of tenants or persons, each once.
    fn macs_of(&self, of: MacOf, data_set: &str, keys: BTreeSet<RecordKey>) -> Result<Macs, Failure> {
        let name = Name::parse(data_set).map_err(EnforceError::from)?;
        let cx = self.cx;
        let all: Option<Vec<Mac>> =
            keys.iter().map(|key| cx.journal.mac_keys().mac_of(of, cx.key_id, &cx.source, &name, key)).collect();
        let missing = || Failure::Fatal(EnforceError::Journal(JournalError::MissingMacKey(cx.key_id)));
        Ok(all.ok_or_else(missing)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn one_object_that_cannot_be_written_waits_for_the_others() {
        let ended_so_far = AtomicUsize::new(0);
        let mut writing: Writing<'_> = FuturesUnordered::new();
        writing.push(Box::pin(async { Err(Failure::Unsealable) }));
        for turns in [1, 50] {
            let ended_so_far = &ended_so_far;
            writing.push(Box::pin(async move {
                for _ in 0..turns {
                    tokio::task::yield_now().await;
                }
                ended_so_far.fetch_add(1, Ordering::Relaxed);
                Err(Failure::Moved)
            }));
        }
        assert!(matches!(ended(&mut writing, 0).await, Err(Failure::Unsealable)));
        assert_eq!((ended_so_far.load(Ordering::Relaxed), writing.len()), (2, 0));
    }
}
