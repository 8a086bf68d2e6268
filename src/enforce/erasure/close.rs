//! The ends of erasures, of this command and of one that died: what the journal has of a rest decides.

use crate::archive::{Archives, ObjectName, Store, is_of_part, objects_of};
use crate::enforce::error::EnforceError;
use crate::journal::{Code, Event, Id128, Journal, Name};
use crate::plan::dialect::Dialect;
use crate::source::Session;

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
        if of != *source {
            continue;
        }
        if said(remove(archives, source, (archive.as_str(), object.batch, part)).await)? {
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
    let open = journal.reader().open_resealed().await?.into_iter().find_map(|entry| match entry.event {
        Event::ArchiveResealed { erasure: of, object, records, sealed, .. } if of == erasure => Some((object, records, sealed)),
        _ => None,
    });
    let Some((object, records, sealed)) = open else { return Ok(()) };
    if sealed.until.is_none() {
        let d = Dialect { engine: session.engine() };
        if d.engine.is_mysql_family() {
            // What was read until now opened a transaction.
            session.rows("COMMIT").await?;
        }
        let moved = d.move_pending(sealed.source.as_str(), &object.batch.to_string(), (object.part, sealed.part));
        let mut all = d.begin();
        all.extend(moved.iter().map(String::as_str));
        all.push(d.commit());
        session.script(&all).await?;
    }
    remove(archives, &sealed.source, (sealed.archive.as_str(), object.batch, object.part)).await?;
    journal.append(Event::ArchiveErased { erasure, records, recovered }).await?;
    Ok(())
}

/// Removes an object, its files first, and what is unfinished in its batch.
///
/// # Errors
/// Of the archive.
pub(super) async fn remove(
    archives: &Archives,
    source: &Name,
    (archive, batch, part): (&str, Id128, u32),
) -> Result<(), EnforceError> {
    let store = &archives.get(archive).ok_or_else(|| EnforceError::NoArchive(archive.to_owned()))?.store;
    let prefix = objects_of(source.as_str(), &batch.to_string()).map_err(|_| EnforceError::Unknown("name of an object"))?;
    for name in of_part(store, &prefix, part).await? {
        store.remove(&name).await?;
    }
    store.sweep(Some(&prefix)).await?;
    Ok(())
}

/// The names of an object and its files that are there: in their order the object, which names the others, is the last.
async fn of_part(store: &Store, prefix: &ObjectName, part: u32) -> Result<Vec<ObjectName>, EnforceError> {
    let listed = store.list(Some(prefix)).await?;
    Ok(listed.into_iter().map(|object| object.name).filter(|name| is_of_part(name, part)).collect())
}
