//! The ends of erasures, of this command and of one that died: what the journal has of a rest decides. Nothing is removed before what stands for it was
//! seen: an archive that is not mounted has neither, and says nothing of either.

use std::collections::BTreeSet;

use crate::archive::{Archive, Archives, ObjectName, StoreError, file_name, object_name, objects_of, part_of};
use crate::enforce::destruction::name_of;
use crate::enforce::error::EnforceError;
use crate::enforce::kept::{sealed_at, sealed_of};
use crate::journal::{Code, Day, Event, Id128, Journal, Name, ObjectRef, Sealed};
use crate::plan::dialect::Dialect;
use crate::source::Session;
use crate::state::{SealedQuery, SealedRow};

/// Closes what an interrupted erasure of this source left open: without a rest in the journal, whatever there is of one is removed; with one, what
/// is there of the object. An archive that refuses is told to the log; the next one tries again.
///
/// Must run after the fence was taken: no earlier erasure can go on any more.
///
/// # Errors
/// Of database and journal.
pub(in crate::enforce) async fn close(
    session: &mut Session,
    (journal, archives): (&Journal, &Archives),
    source: &Name,
) -> Result<(), EnforceError> {
    for entry in journal.reader().open_erasures().await? {
        let Event::ArchiveErasureIntended { erasure, source: of, archive, object, part, .. } = entry.event else { continue };
        if of == *source && said(give_up((journal, archives), (source, archive.as_str()), object, part).await)? {
            journal.append(Event::ArchiveErasureAborted { erasure, code: Code::parse("interrupted")? }).await?;
        }
    }
    for entry in journal.reader().open_resealed().await? {
        let Event::ArchiveResealed { erasure, sealed, .. } = entry.event else { continue };
        if sealed.source == *source {
            said(finish(session, (journal, archives), erasure, true).await)?;
        }
    }
    Ok(())
}

/// Whether it worked; what an archive refuses is told.
fn said(done: Result<(), EnforceError>) -> Result<bool, EnforceError> {
    match done {
        Ok(()) => Ok(true),
        Err(e @ (EnforceError::Store(_) | EnforceError::NoArchive(_))) => {
            tracing::warn!(error = %e, "an erasure from an archive stays open");
            Ok(false)
        }
        Err(e) => Err(e),
    }
}

/// Removes what there is of a rest that never came to stand for its object, once that was seen; where its time was over meanwhile, all that is there.
async fn give_up(
    (journal, archives): (&Journal, &Archives),
    (source, archive): (&Name, &str),
    object: ObjectRef,
    part: u32,
) -> Result<(), EnforceError> {
    let Some((row, sealed)) = catalogued(journal, object).await? else {
        let rest = ObjectRef { batch: object.batch, part };
        return remove(archive_of(archives, archive)?, source, rest, Vec::new()).await;
    };
    let name = name_of(&row)?;
    if !archive_of(archives, &row.archive)?.store.exists(&name).await? {
        return Err(StoreError::Missing(name).into());
    }
    remove_rest(archives, (&row, &sealed), part).await
}

/// Removes an object whose rest stands for it, and has the way to its end, where it is not known, lead to the rest.
///
/// # Errors
/// Of database, journal and archive: then the erasure stays open.
pub(super) async fn finish(
    session: &mut Session,
    (journal, archives): (&Journal, &Archives),
    erasure: Id128,
    recovered: bool,
) -> Result<(), EnforceError> {
    let reader = journal.reader();
    let open = reader.open_resealed().await?.into_iter().find_map(|entry| match entry.event {
        Event::ArchiveResealed { erasure: of, object, entry, records, sealed, .. } if of == erasure => {
            Some((object, entry, records, sealed))
        }
        _ => None,
    });
    let Some((object, entry, records, rest)) = open else { return Ok(()) };
    let archive = archive_of(archives, rest.archive.as_str())?;
    // It may be over by now, or have a rest itself.
    if catalogued(journal, ObjectRef { batch: object.batch, part: rest.part }).await?.is_some() {
        seen(archive, object.batch, &rest).await?;
    }
    if rest.until.is_none() {
        let d = Dialect { engine: session.engine() };
        if d.engine.is_mysql_family() {
            // What was read until now opened a transaction.
            session.rows("COMMIT").await?;
        }
        let moved = d.move_pending(rest.source.as_str(), &object.batch.to_string(), (object.part, rest.part));
        let mut all = d.begin();
        all.extend(moved.iter().map(String::as_str));
        all.push(d.commit());
        session.script(&all).await?;
    }
    let before = sealed_at(&reader, entry, object.part).await?.map(|(before, _)| before);
    let before = before.ok_or(EnforceError::Unknown("entry of an object"))?;
    let until = before.until.map(Day::date);
    let names = names(&rest.source, object, &[until], before.files.len() as u64)?;
    remove(archive, &rest.source, object, names).await?;
    journal.append(Event::ArchiveErased { erasure, records, recovered }).await?;
    Ok(())
}

/// Looks whether a rest is there as it was sealed, and its files.
async fn seen(archive: &Archive, batch: Id128, rest: &Sealed) -> Result<(), EnforceError> {
    let object = ObjectRef { batch, part: rest.part };
    let mut names = names(&rest.source, object, &[rest.until.map(Day::date)], rest.files.len() as u64)?;
    let name = names.pop().ok_or(EnforceError::Unknown("name of an object"))?;
    archive.store.check(&name, &rest.sha256.0).await?;
    for file in names {
        if !archive.store.exists(&file).await? {
            return Err(StoreError::Missing(file).into());
        }
    }
    Ok(())
}

/// Removes what there is of the rest of an object that counts.
///
/// # Errors
/// Of the archive.
pub(super) async fn remove_rest(
    archives: &Archives,
    (row, sealed): (&SealedRow, &Sealed),
    part: u32,
) -> Result<(), EnforceError> {
    let (archive, object) = (archive_of(archives, &row.archive)?, ObjectRef { batch: Id128(row.batch), part });
    let known = row.until.as_deref().map(Day::parse).transpose()?.map(Day::date);
    // Its end may have become known in between.
    let names = names(&sealed.source, object, &[known, None], sealed.files.len() as u64)?;
    remove(archive, &sealed.source, object, names).await
}

/// Removes an object and its files by their names, so that no version of them stays, also those that are listed, and what is unfinished in their batch. One
/// that cannot be removed does not keep the others.
async fn remove(archive: &Archive, source: &Name, object: ObjectRef, names: Vec<ObjectName>) -> Result<(), EnforceError> {
    let prefix = prefix(source, object.batch)?;
    let listed = archive.store.list(Some(&prefix)).await?.into_iter().map(|listed| listed.name);
    let known: BTreeSet<ObjectName> = names.iter().cloned().collect();
    let others = listed.filter(|name| part_of(name) == Some(object.part) && !known.contains(name)).collect::<Vec<_>>();
    let mut failed = None;
    for name in others.into_iter().chain(names) {
        failed = archive.store.remove(&name).await.err().or(failed);
    }
    archive.store.sweep(Some(&prefix)).await?;
    failed.map_or(Ok(()), |e| Err(e.into()))
}

/// The names of an object under each of these ends: files first, the object that names them last.
fn names(
    source: &Name,
    object: ObjectRef,
    ends: &[Option<chrono::NaiveDate>],
    files: u64,
) -> Result<Vec<ObjectName>, EnforceError> {
    let (source, batch) = (source.as_str(), object.batch.to_string());
    let of_end = |end: &Option<chrono::NaiveDate>| {
        let files = (0..files).map(|file| file_name(source, &batch, *end, object.part, file));
        files.chain([object_name(source, &batch, *end, object.part)]).collect::<Vec<_>>()
    };
    let all: Result<Vec<ObjectName>, _> = ends.iter().flat_map(of_end).collect();
    all.map_err(|_| EnforceError::Unknown("name of an object"))
}

/// The common beginning of the names of a batch's objects.
pub(super) fn prefix(source: &Name, batch: Id128) -> Result<ObjectName, EnforceError> {
    objects_of(source.as_str(), &batch.to_string()).map_err(|_| EnforceError::Unknown("name of an object"))
}

fn archive_of<'a>(archives: &'a Archives, name: &str) -> Result<&'a Archive, EnforceError> {
    archives.get(name).ok_or_else(|| EnforceError::NoArchive(name.to_owned()))
}

/// An object that counts, with what the journal says of it.
async fn catalogued(journal: &Journal, object: ObjectRef) -> Result<Option<(SealedRow, Sealed)>, EnforceError> {
    let query = SealedQuery { batch: Some(object.batch.0), ..SealedQuery::default() };
    let rows = journal.reader().sealed(query, u32::MAX).await?;
    let Some(row) = rows.into_iter().find(|row| row.part == object.part) else { return Ok(None) };
    Ok(sealed_of(&journal.reader(), &row).await?.map(|(sealed, _)| (row, sealed)))
}
