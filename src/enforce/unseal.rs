//! Opening what archives keep of one record, with the identity of somebody who may.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::catalogue::Found;
use super::error::EnforceError;
use sha2::{Digest as _, Sha256};

use crate::archive::{
    Archives, Column, FileLine, Header, Identities, ObjectName, OpenError, StoreError, Table, file_name, object_name, open,
};
use crate::journal::{Access, AccessReason, Day, Event, Journal, Name, ObjectRef, Reference};
use crate::plan::archiving::FilesOf;
use crate::plan::cell::Cell;
use crate::plan::dialect::Dialect;
use crate::plan::key::RecordKey;
use crate::plan::schema::Column as LiveColumn;

/// What one object holds of a record.
#[derive(Debug)]
pub struct Unsealed {
    /// The object's first line.
    pub header: Arc<Header>,
    /// Rows of the record, each with the place of its table in the header.
    pub rows: Vec<(usize, Vec<Cell>)>,
    /// The files that these rows pointed to and that were sealed with them.
    pub files: Vec<UnsealedFile>,
}

/// A file that was sealed beside an object.
#[derive(Debug, Clone)]
pub struct UnsealedFile {
    /// What it was.
    pub line: FileLine,
    /// The archive that it lies in.
    pub archive: String,
    /// Its name there.
    pub name: ObjectName,
}

/// Who opens an archive, and why: every opening is in the journal before it happens.
#[derive(Debug, Clone)]
pub struct Why {
    /// What for.
    pub access: Access,
    /// Who.
    pub actor: Name,
    /// Why.
    pub reason: AccessReason,
    /// The file outside.
    pub reference: Reference,
}

/// Opens these objects and takes what they hold of the record with this key, whose columns in the database are `columns`.
///
/// # Errors
/// Of the journal, of an archive, of an identity that opens nothing, of an object that is not the one that was sealed.
pub async fn unseal(
    (journal, archives): (&Journal, &Archives),
    d: Dialect,
    columns: &[LiveColumn],
    (source, data_set, key): (&Name, &Name, &RecordKey),
    found: &[Found],
    identities: &Identities,
    why: Why,
) -> Result<Vec<Unsealed>, EnforceError> {
    let key_id = journal.current_mac_key().await?;
    let mac = journal.mac_keys().mac(key_id, source, data_set, key);
    let Why { access, actor, reason, reference } = why;
    journal
        .append(Event::ArchiveOpened {
            source: source.clone(),
            data_set: data_set.clone(),
            access,
            key_id: Some(key_id),
            mac: Some(mac.ok_or(EnforceError::Journal(crate::journal::JournalError::MissingMacKey(key_id)))?),
            objects: found.iter().map(|f| ObjectRef { batch: crate::journal::Id128(f.row.batch), part: f.row.part }).collect(),
            actor,
            reason,
            reference,
        })
        .await?;
    let mut all = Vec::new();
    for object in found {
        let bytes = read_object(archives, source, object).await?;
        let (header, records, lines) = rows_of(d, columns, bytes, identities, &|of| of == Some(key))?;
        let Some(Rows { rows, .. }) = records.into_iter().next() else {
            return Err(EnforceError::Unknown("record in an object that names it: its key is read in another way now"));
        };
        let pointed = pointed(&header, &rows);
        let own = lines.iter().filter(|f| pointed.contains(&(f.store.as_str(), f.path.clone())));
        let files = own.map(|line| file_of(source, object, line)).collect::<Result<Vec<_>, _>>()?;
        all.push(Unsealed { header: Arc::new(header), rows, files });
    }
    Ok(all)
}

/// Reads an object as it was sealed: what is opened is what was compared, whoever else writes there.
///
/// # Errors
/// Of the archive; of an object that is not the one that was sealed.
pub(super) async fn read_object(archives: &Archives, source: &Name, object: &Found) -> Result<Vec<u8>, EnforceError> {
    let batch = crate::journal::Id128(object.row.batch).to_string();
    let name = object_name(source.as_str(), &batch, object.sealed.until.map(Day::date), object.row.part)
        .map_err(|_| EnforceError::Unknown("name of an object"))?;
    let archive = archives.get(&object.row.archive).ok_or_else(|| EnforceError::NoArchive(object.row.archive.clone()))?;
    let bytes = archive.store.read(&name).await?;
    if <[u8; 32]>::from(Sha256::digest(&bytes)) != object.sealed.sha256.0 {
        return Err(StoreError::Differs(name).into());
    }
    Ok(bytes)
}

/// The rows of one record in an object, each with the place of its table in the header.
pub(super) struct Rows {
    /// The record's key, where it can be read.
    pub(super) key: Option<RecordKey>,
    pub(super) rows: Vec<(usize, Vec<Cell>)>,
}

/// Opens an object and reads it to its end: an object that was cut off says so only there. What is not wanted, by its key, is not kept.
///
/// # Errors
/// Of an identity that opens nothing, of an object that cannot be read.
pub(super) fn rows_of(
    d: Dialect,
    columns: &[LiveColumn],
    bytes: Vec<u8>,
    identities: &Identities,
    wanted: &(dyn Fn(Option<&RecordKey>) -> bool + Sync),
) -> Result<(Header, Vec<Rows>, Vec<FileLine>), EnforceError> {
    let (header, mut rows) = open(std::io::Cursor::new(bytes), identities)?;
    let root = header.tables.first().cloned();
    let (mut all, mut record, mut kept) = (Vec::new(), None, false);
    for row in rows.by_ref() {
        let row = row?;
        let table = row.table as usize;
        // The row of the data set comes before what follows it.
        if record.replace(row.record) != Some(row.record) {
            let key = root.as_ref().filter(|_| table == 0).and_then(|root| key_of(d, root, columns, &row.cells));
            kept = wanted(key.as_ref());
            if kept {
                all.push(Rows { key, rows: Vec::new() });
            }
        }
        if let Some(of) = all.last_mut().filter(|_| kept) {
            of.rows.push((table, row.cells));
        }
    }
    let files = rows.files().to_vec();
    Ok((header, all, files))
}

/// A file that was sealed beside an object.
///
/// # Errors
/// Of a name that is none.
pub(super) fn file_of(source: &Name, object: &Found, line: &FileLine) -> Result<UnsealedFile, EnforceError> {
    let (batch, until) = (crate::journal::Id128(object.row.batch).to_string(), object.sealed.until.map(Day::date));
    let name = file_name(source.as_str(), &batch, until, object.row.part, line.file)
        .map_err(|_| EnforceError::Unknown("name of an object"))?;
    Ok(UnsealedFile { line: line.clone(), archive: object.row.archive.clone(), name })
}

/// The files that rows point to: store and path.
pub(super) fn pointed<'h>(header: &'h Header, rows: &[(usize, Vec<Cell>)]) -> BTreeSet<(&'h str, String)> {
    let mut all = BTreeSet::new();
    for (table, cells) in rows {
        for (column, cell) in header.tables.get(*table).into_iter().flat_map(|t| &t.columns).zip(cells) {
            let Some(store) = &column.files else { continue };
            let path = FilesOf { store: store.clone(), none: None }.path(cell);
            all.extend(path.ok().flatten().map(|path| (store.as_str(), path)));
        }
    }
    all
}

/// The key that a root row has in the database.
fn key_of(d: Dialect, table: &Table, columns: &[LiveColumn], cells: &[Cell]) -> Option<RecordKey> {
    let part = |live: &LiveColumn| {
        let at = table.columns.iter().position(|c: &Column| c.name == live.name)?;
        d.key_of_cell(live, cells.get(at)?)
    };
    Some(RecordKey(columns.iter().map(part).collect::<Option<_>>()?))
}

impl From<OpenError> for EnforceError {
    fn from(e: OpenError) -> Self {
        Self::Open(e)
    }
}
