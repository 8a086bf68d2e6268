//! The end of what archives keep: counted, destroyed when its last day has passed, unless a hold or a restriction reaches it.
//!
//! The store itself is the ledger of destructions: an object that is gone is destroyed. The intent to destroy is durable first, so that a run
//! that died in between is closed by the next.

use std::collections::{BTreeMap, HashSet};

use super::alive::alive;
use super::error::EnforceError;
use super::guard::would_stop;
use super::kept::{Kept, PAGE, query, sealed_of};
use super::ordered::{Reached, place};
use super::outcome::{ArchiveOutcome, Stopped};
use super::settings::Ceilings;
use super::standing::{Frozen, Holds};
use crate::archive::{Archives, ObjectName, Store, StoreError, file_name, object_name, objects_of};
use crate::journal::{Action, Append, Day, DestructionCause, Event, Id128, Name, ObjectRef, Phase};
use crate::source::{Session, SourceError};
use crate::state::{SealedGroup, SealedQuery, SealedRow};

/// How many objects are looked for to tell whether an archive is the one that it should be.
const OTHERS: usize = 10;

/// What a run does to the archives of one source.
pub(super) struct Destruction<'a> {
    /// What they keep of it.
    pub kept: Kept<'a>,
    /// The archives.
    pub archives: &'a Archives,
    /// The run.
    pub run: Id128,
}

impl Destruction<'_> {
    /// Closes destructions that an interrupted run left open: what is gone is destroyed, what is there is due again.
    ///
    /// # Errors
    /// Of journal and archives.
    pub async fn recover(&self) -> Result<(), EnforceError> {
        for entry in self.kept.journal.reader().open_destructions().await? {
            let Event::DestructionIntended { destruction, source, archive, objects, .. } = entry.event else { continue };
            if source != *self.kept.source {
                continue;
            }
            let Some(store) = self.archives.get(archive.as_str()).map(|a| &a.store) else {
                tracing::warn!(%archive, "the settings have no such archive any more: what a run began to destroy there stays open");
                continue;
            };
            let mut gone = Vec::new();
            for object in &objects {
                let rows = self.kept.catalogued(object.batch).await?;
                let Some(row) = rows.iter().find(|row| object_of(row) == *object) else { continue };
                if !store.exists(&name_of(row)?).await? {
                    gone.push(*object);
                }
            }
            if !gone.is_empty() && !self.has_others(store, &archive, &objects).await? {
                tracing::warn!(%archive, "the archive has nothing of what it should have: what a run began to destroy there stays open");
                continue;
            }
            self.destroyed(destruction, gone, true).await?;
        }
        Ok(())
    }

    /// Whether an archive has something of this source besides these objects, where it should: one that is not mounted, or another one, has not, and that
    /// it does not have what was to go says nothing.
    async fn has_others(&self, store: &Store, archive: &Name, but: &[ObjectRef]) -> Result<bool, EnforceError> {
        let (source, archive) = (Some(self.kept.source.to_string()), Some(archive.to_string()));
        let query = SealedQuery { source, archive, ..SealedQuery::default() };
        let rows =
            self.kept.journal.reader().sealed(query, u32::try_from(but.len()).unwrap_or(PAGE).saturating_add(PAGE)).await?;
        let mut others = rows.iter().filter(|row| !but.contains(&object_of(row))).take(OTHERS).peekable();
        let none = others.peek().is_none();
        for row in others {
            if store.exists(&name_of(row)?).await? {
                return Ok(true);
            }
        }
        Ok(none)
    }

    /// Counts what the archives keep of this source, for the journal and the outcome.
    ///
    /// # Errors
    /// Of the journal.
    pub async fn census(&self, phase: Phase, reached: &Reached) -> Result<(), EnforceError> {
        let groups = self.kept.groups().await?;
        let mut append = Append::new();
        for group in &groups {
            append = append.event(Event::ArchiveCensus {
                run: self.run,
                source: self.kept.source.clone(),
                phase,
                archive: Name::parse(&group.archive)?,
                data_set: Name::parse(&group.data_set)?,
                purpose: Name::parse(&group.purpose)?,
                objects: group.objects,
                records: group.records,
                due: group.due,
                open: group.open,
                ordered: reached.get(&place(group)).map_or(0, |of| of.all()),
                next_end: group.next_end.as_deref().map(Day::parse).transpose()?,
                oldest_overdue: group.oldest_overdue.as_deref().map(Day::parse).transpose()?,
            });
        }
        if !groups.is_empty() {
            self.kept.journal.append(append).await?;
        }
        Ok(())
    }

    /// Destroys what is due, by its day or by an order, but what a hold or restriction reaches.
    ///
    /// # Errors
    /// Of the journal and the source's database. An archive that refuses is in the outcome: the others go on.
    pub async fn enforce(
        &self,
        reached: &Reached,
        holds: &Holds<'_>,
        ceilings: Ceilings,
    ) -> Result<Vec<ArchiveOutcome>, EnforceError> {
        let mut outcomes = Vec::new();
        for group in self.kept.groups().await? {
            let ordered = reached.get(&place(&group));
            let due = group.due + ordered.map_or(0, |of| of.records);
            let stopped = if due > 0 { would_stop(ceilings, due, group.records) } else { None };
            let mut out = ArchiveOutcome { stopped, ..ArchiveOutcome::of(&group) };
            if let Some(of) = ordered {
                (out.ordered, out.among_others) = (of.records, of.among_others);
            }
            if let Some(Stopped { ceiling, limit, found }) = stopped {
                let (source, data_set) = (self.kept.source.clone(), Name::parse(&group.data_set)?);
                let event =
                    Event::PurposeStopped { run: self.run, source, data_set, action: Action::Destroy, ceiling, limit, found };
                self.kept.journal.append(event).await?;
            } else if due > 0 {
                match self.archives.get(&group.archive).map(|a| &a.store) {
                    Some(store) => {
                        if group.due > 0 {
                            self.by_end(store, &group, holds, &mut out).await?;
                        }
                        self.by_order(store, ordered.map_or(&[], |of| &of.objects), holds, &mut out).await?;
                    }
                    None => {
                        (out.failed, out.error) = (due, Some(EnforceError::NoArchive(group.archive.clone()).to_string()));
                    }
                }
            }
            outcomes.push(out);
        }
        Ok(outcomes)
    }

    async fn by_end(
        &self,
        store: &Store,
        group: &SealedGroup,
        holds: &Holds<'_>,
        out: &mut ArchiveOutcome,
    ) -> Result<(), EnforceError> {
        let ended_before = Some(Day::try_from(self.kept.terms.today(&group.purpose))?.to_string());
        let mut query = SealedQuery { ended_before, ..query(group) };
        loop {
            let page = self.kept.journal.reader().sealed(query.clone(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            query.after = Some((last.batch, last.part));
            // Nobody places an order while this is looked at and done.
            let (mut session, frozen) = holds.keep().await?;
            self.page(&mut session, store, page, &frozen, DestructionCause::Ended, out).await?;
            session.discard().await;
        }
    }

    /// Destroys these objects of one archive purpose, but those that are frozen, while the session's transaction keeps orders from changing: when it is
    /// lost, nothing more goes.
    ///
    /// # Errors
    /// Of the journal and the source's database.
    pub(super) async fn page(
        &self,
        session: &mut Session,
        store: &Store,
        page: Vec<SealedRow>,
        frozen: &Frozen,
        cause: DestructionCause,
        out: &mut ArchiveOutcome,
    ) -> Result<(), EnforceError> {
        let mut by_end: BTreeMap<Option<String>, Vec<SealedRow>> = BTreeMap::new();
        for row in page {
            let frozen = self.frozen(&row, frozen).await?;
            if frozen > 0 {
                out.held += frozen;
                // What is over beside them: nobody but the holders of an identity can take it out.
                out.among_others += row.records - frozen;
            } else if held(alive(session, store.exists(&name_of(&row)?)).await)?? {
                by_end.entry(row.until.clone()).or_default().push(row);
            } else {
                // Nobody has destroyed it: that it is not there must be told, and not taken for done.
                out.failed += row.records;
                out.error.get_or_insert_with(|| "an object is missing: see `archive verify`".to_owned());
            }
        }
        for rows in by_end.values() {
            let (records, error) = self.destroy(session, store, rows, cause).await?;
            out.destroyed += records;
            out.failed += rows.iter().map(|r| r.records).sum::<u64>() - records;
            if let Some(e) = error {
                tracing::warn!(error = %e, archive = %out.archive, "an archived object cannot be destroyed");
                out.error.get_or_insert(e.to_string());
            }
        }
        Ok(())
    }

    /// How many records of an object a hold or a restriction covers: all, where one may cover any of them.
    async fn frozen(&self, row: &SealedRow, frozen: &Frozen) -> Result<u64, EnforceError> {
        if frozen.is_empty() {
            return Ok(0);
        }
        let Some((sealed, key_id)) = sealed_of(&self.kept.journal.reader(), row).await? else { return Ok(row.records) };
        let records = frozen.records(self.kept.journal, self.kept.source, &sealed, key_id);
        Ok(records.map_or(row.records, |all| all.len() as u64))
    }

    /// Destroys objects of one end; how many records they held that are gone, and why the rest is not.
    async fn destroy(
        &self,
        session: &mut Session,
        store: &Store,
        rows: &[SealedRow],
        cause: DestructionCause,
    ) -> Result<(u64, Option<StoreError>), EnforceError> {
        let Some(first) = rows.first() else { return Ok((0, None)) };
        let (destruction, until) = (Id128::random()?, first.until.as_deref().map(Day::parse).transpose()?);
        let intent = Event::DestructionIntended {
            run: self.run,
            destruction,
            source: self.kept.source.clone(),
            data_set: Name::parse(&first.data_set)?,
            archive: Name::parse(&first.archive)?,
            purpose: Name::parse(&first.purpose)?,
            until,
            cause,
            objects: rows.iter().map(object_of).collect(),
        };
        self.kept.journal.append(intent).await?;
        let (mut gone, mut error, mut lost) = (Vec::new(), None, None);
        for row in rows {
            let names = self.names_of(row).await?;
            let removing = async {
                for name in names {
                    store.remove(&name).await?;
                }
                Ok(())
            };
            let (removed, gave_up) = alive(session, removing).await;
            match removed {
                Ok(()) => gone.push(object_of(row)),
                Err(e) => error = error.or(Some(e)),
            }
            // Somebody may have placed an order since.
            if gave_up.is_some() {
                lost = gave_up;
                break;
            }
        }
        let taken: HashSet<ObjectRef> = gone.iter().copied().collect();
        let counts = rows.iter().filter(|r| taken.contains(&object_of(r)));
        let records = counts.map(|r| r.records).sum();
        self.destroyed(destruction, gone, false).await?;
        lost.map_or(Ok((records, error)), |e| Err(e.into()))
    }

    async fn destroyed(&self, destruction: Id128, gone: Vec<ObjectRef>, recovered: bool) -> Result<(), EnforceError> {
        let mut records = 0;
        for object in &gone {
            let rows = self.kept.catalogued(object.batch).await?;
            records += rows.iter().filter(|r| r.part == object.part).map(|r| r.records).sum::<u64>();
        }
        let event = Event::Destroyed { run: self.run, destruction, objects: gone, records, recovered };
        self.kept.journal.append(event).await?;
        Ok(())
    }

    /// The names of what was sealed together: files first, the object that names them last, so that nothing is left of what is gone.
    pub(super) async fn names_of(&self, row: &SealedRow) -> Result<Vec<ObjectName>, EnforceError> {
        let sealed = sealed_of(&self.kept.journal.reader(), row).await?;
        let files = sealed.map_or(0, |(sealed, _)| sealed.files.len() as u64);
        (0..files).map(|file| file_name_of(row, file)).chain([name_of(row)]).collect()
    }
}

/// What came of something, where the transaction was not lost meanwhile.
fn held<T>((done, lost): (T, Option<SourceError>)) -> Result<T, EnforceError> {
    lost.map_or(Ok(done), |e| Err(e.into()))
}

pub(super) fn object_of(row: &SealedRow) -> ObjectRef {
    ObjectRef { batch: Id128(row.batch), part: row.part }
}

/// The name under which an object was sealed.
pub(super) fn name_of(row: &SealedRow) -> Result<ObjectName, EnforceError> {
    let until = row.until.as_deref().filter(|_| !row.open).map(Day::parse).transpose()?;
    object_name(&row.source, &Id128(row.batch).to_string(), until.map(Day::date), row.part)
        .map_err(|_| EnforceError::Unknown("name of an object"))
}

/// The name under which a file was sealed beside an object.
pub(super) fn file_name_of(row: &SealedRow, file: u64) -> Result<ObjectName, EnforceError> {
    let until = row.until.as_deref().filter(|_| !row.open).map(Day::parse).transpose()?;
    file_name(&row.source, &Id128(row.batch).to_string(), until.map(Day::date), row.part, file)
        .map_err(|_| EnforceError::Unknown("name of an object"))
}

/// Removes what a batch that never happened may have left in the archives.
///
/// # Errors
/// Of an archive.
pub(super) async fn forget(archives: &Archives, source: &Name, batch: Id128) -> Result<(), EnforceError> {
    let prefix = objects_of(source.as_str(), &batch.to_string()).map_err(|_| EnforceError::Unknown("name of an object"))?;
    for archive in archives.0.values() {
        archive.store.sweep(Some(&prefix)).await?;
        for object in archive.store.list(Some(&prefix)).await? {
            match archive.store.remove(&object.name).await {
                // A lock that was put on it with its end: it goes then, by hand, and `archive verify` names it until then.
                Err(e @ StoreError::Locked { .. }) => {
                    tracing::warn!(error = %e, "an object of a batch that did not happen is locked")
                }
                other => other?,
            }
        }
    }
    Ok(())
}
