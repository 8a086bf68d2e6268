//! An object without some of its records.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use chrono::NaiveDate;

use crate::archive::{Archives, Cell, FileLine, Header, Identities, Row, file_name, object_name};
use crate::enforce::batch::Failure;
use crate::enforce::catalogue::Found;
use crate::enforce::destruction::file_name_of;
use crate::enforce::error::EnforceError;
use crate::enforce::object::Making;
use crate::enforce::orders::subject_key;
use crate::enforce::prepare::Prepared;
use crate::enforce::unseal::{Rows, pointed, read_object, rows_of};
use crate::journal::{Day, Hash, Id128, Journal, KeyId, Mac, MacOf, Macs, Sealed, SealedFile};
use crate::state::SealedRow;

/// An object, and the records that are to leave it.
#[derive(Clone, Copy)]
pub(super) struct Split<'s> {
    pub row: &'s SealedRow,
    pub sealed: &'s Sealed,
    pub key_id: KeyId,
    pub going: &'s HashSet<Mac>,
}

/// What is to be written: the rows that stay, and the files to which they point.
pub(super) struct Rest {
    row: SealedRow,
    header: Header,
    rows: Vec<Row>,
    /// Each with the number that it had, and its hash as it lies there.
    files: Vec<(FileLine, u64, SealedFile)>,
    /// The last day, where it is not over: no bucket takes a lock that has ended.
    lock_until: Option<NaiveDate>,
    sealed: Sealed,
}

fn otherwise() -> EnforceError {
    EnforceError::Unknown("record in an object that does not name it: its key is read in another way now")
}

impl Split<'_> {
    /// Opens the object and makes out what stays.
    ///
    /// # Errors
    /// Of an identity that opens nothing, of an object that is not the one that was sealed, or whose records cannot be told one from the other.
    pub async fn rest(
        self,
        journal: &Journal,
        archives: &Archives,
        prepared: &Prepared,
        identities: &Arc<Identities>,
        part: u32,
    ) -> Result<Rest, EnforceError> {
        let Self { row, sealed, key_id, going } = self;
        let (source, data_set) = (&sealed.source, &sealed.data_set);
        let columns = prepared.keys.get(data_set.as_str()).ok_or(EnforceError::Unknown("data set of an archived row"))?;
        let bytes =
            read_object(archives, source, &Found { since: row.seq, row: row.clone(), sealed: sealed.clone(), key_id }).await?;
        let (d, columns, identities) = (prepared.plan.dialect, columns.clone(), Arc::clone(identities));
        let opened = tokio::task::spawn_blocking(move || rows_of(d, &columns, bytes, &identities, &|_| true)).await;
        let (mut header, records, lines) = opened.map_err(|_| EnforceError::Unknown("end of an opening"))??;
        let (mut staying, mut macs, mut gone) = (Vec::new(), Vec::new(), HashSet::new());
        let (mut theirs, mut ours) = (BTreeSet::new(), BTreeSet::new());
        for Rows { key, rows } in records {
            let mac = key.and_then(|key| journal.mac_keys().mac_of(MacOf::Record, key_id, source, data_set, &key));
            let mac = mac.filter(|mac| sealed.macs.contains(*mac)).ok_or_else(otherwise)?;
            let goes = going.contains(&mac);
            let about = self.about(journal, prepared, &header, &rows);
            if goes {
                theirs.extend(about)
            } else {
                ours.extend(about)
            }
            if goes {
                gone.insert(mac);
            } else {
                macs.push(mac);
                staying.push(rows);
            }
        }
        if gone != *going || (macs.len() + gone.len()) as u64 != sealed.macs.len() {
            return Err(otherwise());
        }
        let mut names = BTreeSet::new();
        staying.iter().for_each(|rows| names.extend(pointed(&header, rows)));
        let mut files = Vec::new();
        for line in lines.iter().filter(|line| names.contains(&(line.store.as_str(), line.path.clone()))) {
            let at = usize::try_from(line.file).ok().and_then(|at| sealed.files.get(at)).ok_or_else(otherwise)?;
            files.push((FileLine { file: files.len() as u64, ..line.clone() }, line.file, *at));
        }
        let numbered = (0..).zip(staying);
        let rows = numbered.flat_map(|(record, rows)| {
            rows.into_iter().map(move |(table, cells)| Row { table: u32::try_from(table).unwrap_or(u32::MAX), record, cells })
        });
        let rows = rows.collect();
        // Whom nobody of those that stay is about.
        let subjects = sealed.subjects.as_bytes().chunks_exact(16).filter_map(|mac| Some(Mac(mac.try_into().ok()?)));
        let subjects: Macs = subjects.filter(|mac| !theirs.contains(&mac.0) || ours.contains(&mac.0)).collect();
        let until = row.until.as_deref().map(Day::parse).transpose()?;
        header.until = until.map(Day::date);
        let sealed = Sealed {
            until,
            part,
            sha256: Hash([0; 32]),
            bytes: 0,
            rows: 0,
            macs: macs.into_iter().collect(),
            subjects,
            files: files.iter().map(|(_, _, sealed)| *sealed).collect(),
            ..sealed.clone()
        };
        let lock_until = header.until.filter(|day| *day >= prepared.plan.now.date_naive());
        Ok(Rest { row: row.clone(), header, rows, files, lock_until, sealed })
    }

    /// The persons whom a record is about, by the MACs under which the object names them.
    fn about(&self, journal: &Journal, prepared: &Prepared, header: &Header, rows: &[(usize, Vec<Cell>)]) -> Vec<[u8; 16]> {
        let (source, data_set) = (&self.sealed.source, &self.sealed.data_set);
        let root = rows.iter().find(|(table, _)| *table == 0).map(|(_, cells)| cells);
        let mac = |subject: &str, column: &str| {
            let at = header.tables.first()?.columns.iter().position(|c| c.name == column)?;
            let id = match root?.get(at)? {
                Cell::Text(text) => text.clone(),
                Cell::Integer(n) => n.to_string(),
                Cell::Null | Cell::Bytes(_) | Cell::Real(_) => return None,
            };
            journal.mac_keys().mac_of(MacOf::Subject, self.key_id, source, data_set, &subject_key(subject, &id))
        };
        let named = prepared.plan.subjects.iter().filter(|at| at.data_set == data_set.as_str());
        named.filter_map(|at| Some(mac(&at.subject, &at.column.name)?.0)).collect()
    }
}

impl Rest {
    /// Its number among the objects of its batch.
    pub fn part(&self) -> u32 {
        self.sealed.part
    }

    /// Seals it, writes it, and reads it back, its files first.
    ///
    /// # Errors
    /// Of the archive.
    pub async fn write(self, archives: &Archives) -> Result<Sealed, EnforceError> {
        let Self { row, header, rows, files, lock_until, sealed } = self;
        let archive = archives.get(&row.archive).ok_or_else(|| EnforceError::NoArchive(row.archive.clone()))?;
        let (batch, until) = (Id128(row.batch).to_string(), sealed.until.map(Day::date));
        let unnamed = |_| EnforceError::Unknown("name of an object");
        for (line, before, file) in &files {
            let from = file_name_of(&row, *before)?;
            let to = file_name(&row.source, &batch, until, sealed.part, line.file).map_err(unnamed)?;
            archive.store.put_copy(&to, (&from, &file.sha256.0), lock_until).await?;
        }
        let name = object_name(&row.source, &batch, until, sealed.part).map_err(unnamed)?;
        let files = files.into_iter().map(|(line, ..)| line).collect();
        let making = Making { name, header, rows, files, lock_until, sealed };
        making.write(archive).await.map_err(|failure| match failure {
            Failure::Fatal(e) => e,
            _ => EnforceError::Unknown("form of an archived row"),
        })
    }
}
