//! Opening what archives keep of one record, with the identity of somebody who may.

use std::collections::BTreeSet;

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
    pub header: Header,
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
            key_id,
            mac: mac.ok_or(EnforceError::Journal(crate::journal::JournalError::MissingMacKey(key_id)))?,
            objects: found.iter().map(|f| ObjectRef { batch: crate::journal::Id128(f.row.batch), part: f.row.part }).collect(),
            actor,
            reason,
            reference,
        })
        .await?;
    let mut all = Vec::new();
    for object in found {
        let batch = crate::journal::Id128(object.row.batch).to_string();
        let name = object_name(source.as_str(), &batch, object.sealed.until.map(Day::date), object.row.part)
            .map_err(|_| EnforceError::Unknown("name of an object"))?;
        let archive = archives.get(&object.row.archive).ok_or_else(|| EnforceError::NoArchive(object.row.archive.clone()))?;
        // What is opened is what was compared, whoever else writes there.
        let bytes = archive.store.read(&name).await?;
        if <[u8; 32]>::from(Sha256::digest(&bytes)) != object.sealed.sha256.0 {
            return Err(StoreError::Differs(name).into());
        }
        let (header, mut rows) = open(std::io::Cursor::new(bytes), identities)?;
        let root = header.tables.first().cloned();
        let mut kept: Vec<(u64, usize, Vec<Cell>)> = Vec::new();
        let mut record = None;
        // To its end: an object that was cut off says so only there.
        for row in rows.by_ref() {
            let row = row?;
            let table = row.table as usize;
            if table == 0 && root.as_ref().is_some_and(|root| is_of(d, root, columns, &row.cells, key)) {
                record = Some(row.record);
            }
            if record == Some(row.record) {
                kept.push((row.record, table, row.cells));
            }
        }
        if kept.is_empty() {
            return Err(EnforceError::Unknown("record in an object that names it: its key is read in another way now"));
        }
        let kept: Vec<(usize, Vec<Cell>)> = kept.into_iter().map(|(_, table, cells)| (table, cells)).collect();
        let pointed = pointed(&header, &kept);
        let mut files = Vec::new();
        for line in rows.files().iter().filter(|f| pointed.contains(&(f.store.as_str(), f.path.clone()))) {
            let until = object.sealed.until.map(Day::date);
            let name = file_name(source.as_str(), &batch, until, object.row.part, line.file)
                .map_err(|_| EnforceError::Unknown("name of an object"))?;
            files.push(UnsealedFile { line: line.clone(), archive: object.row.archive.clone(), name });
        }
        all.push(Unsealed { header, rows: kept, files });
    }
    Ok(all)
}

/// The files that rows point to: store and path.
fn pointed<'h>(header: &'h Header, rows: &[(usize, Vec<Cell>)]) -> BTreeSet<(&'h str, String)> {
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

/// Whether a root row is that of this record.
fn is_of(d: Dialect, table: &Table, columns: &[LiveColumn], cells: &[Cell], key: &RecordKey) -> bool {
    let part = |live: &LiveColumn| {
        let at = table.columns.iter().position(|c: &Column| c.name == live.name)?;
        d.key_of_cell(live, cells.get(at)?)
    };
    columns.len() == key.0.len() && columns.iter().zip(&key.0).all(|(live, wanted)| part(live).as_ref() == Some(wanted))
}

impl From<OpenError> for EnforceError {
    fn from(e: OpenError) -> Self {
        Self::Open(e)
    }
}
