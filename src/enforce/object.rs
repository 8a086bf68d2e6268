//! One object as a batch seals it: what it takes of the rows that were read, and how it is written.

use std::collections::{BTreeSet, HashMap};

use chrono::NaiveDate;
use sha2::{Digest as _, Sha256};

use super::batch::Failure;
use super::error::EnforceError;
use super::files::OUTSIDE;
use crate::archive::{
    self, Archive, Column, FORMAT, FileLine, Header, ObjectName, Recipients, Row, SealError, Sealer, Table, VERSION, WITH_FILES,
};
use crate::files::FilePath;
use crate::journal::{Hash, Id128, Name, Sealed};
use crate::plan::archiving::{Archiving, Part, PartColumn};
use crate::plan::cell::Cell;
use crate::plan::open_end::End;
use crate::plan::schema::Engine;

/// The rows of one table of the records, by the place of their record among the keys.
pub(super) type RowsOf = HashMap<usize, Vec<Vec<Cell>>>;

/// The batch that seals.
pub(super) struct Of<'o> {
    pub source: &'o Name,
    pub engine: Engine,
    pub batch: Id128,
    pub run: Id128,
}

/// An object with all that goes into it.
pub(super) struct Making {
    /// Its name.
    pub name: ObjectName,
    pub header: Header,
    /// Its rows, in their order.
    pub rows: Vec<Row>,
    /// The files that were sealed beside it.
    pub files: Vec<FileLine>,
    /// To the end of which day a bucket is to lock it.
    pub lock_until: Option<NaiveDate>,
    /// What the journal will say of it, but for what is not known before it is written: hash, length, number of rows.
    pub sealed: Sealed,
}

impl Making {
    /// Seals it, writes it, and reads it back.
    pub(super) async fn write(self, to: &Archive) -> Result<Sealed, Failure> {
        let Self { name, header, rows, files, lock_until, mut sealed } = self;
        let recipients = to.recipients.clone();
        let made = tokio::task::spawn_blocking(move || seal(&recipients, &header, &rows, &files)).await;
        let (bytes, rows) = made.map_err(|_| EnforceError::Unknown("end of a sealing"))??;
        let sha256: [u8; 32] = Sha256::digest(&bytes).into();
        (sealed.sha256, sealed.bytes, sealed.rows) = (Hash(sha256), bytes.len() as u64, rows);
        to.store.put(&name, bytes, lock_until).await.map_err(EnforceError::from)?;
        to.store.check(&name, &sha256).await.map_err(EnforceError::from)?;
        Ok(sealed)
    }
}

/// The object's bytes, and how many rows are in them.
fn seal(recipients: &Recipients, header: &Header, rows: &[Row], files: &[FileLine]) -> Result<(Vec<u8>, u64), Failure> {
    let mut sealer = Sealer::new(recipients, header, Vec::new()).map_err(EnforceError::from)?;
    for row in rows {
        sealer.row(row).map_err(|e| match e {
            SealError::TooLong { .. } | SealError::Fit { .. } => Failure::Unsealable,
            e => Failure::Fatal(e.into()),
        })?;
    }
    for file in files {
        sealer.file(file).map_err(EnforceError::from)?;
    }
    let rows = sealer.rows();
    Ok((sealer.finish().map_err(EnforceError::from)?, rows))
}

/// One object to be sealed: of which records, by their place among the keys.
#[derive(Clone, Copy)]
pub(super) struct Object<'o> {
    pub archiving: &'o Archiving,
    pub purpose: usize,
    pub until: &'o End,
    pub records: &'o [usize],
}

impl Object<'_> {
    /// Its rows. Tables count as the header lists them.
    pub(super) fn rows(&self, tables: &[RowsOf]) -> Vec<Row> {
        let taken: Vec<_> = self.archiving.parts.iter().zip(tables).filter(|(part, _)| self.takes(part)).collect();
        let mut all = Vec::new();
        for (number, record) in self.records.iter().enumerate() {
            for (table, (part, rows)) in taken.iter().enumerate() {
                for cells in rows.get(record).into_iter().flatten() {
                    let cells = self.columns(part).filter_map(|(at, _)| cells.get(at).cloned()).collect();
                    all.push(Row { table: table as u32, record: number as u64, cells });
                }
            }
        }
        all
    }

    pub(super) fn header(&self, by: &Of<'_>, data_set: &str) -> Header {
        let of = &self.archiving.purposes[self.purpose];
        let parts = &self.archiving.parts;
        Header {
            format: FORMAT.to_owned(),
            version: if self.has_files() { WITH_FILES } else { VERSION },
            archive: of.archive().unwrap_or_default().to_owned(),
            source: by.source.to_string(),
            engine: archive::Engine::from(by.engine),
            data_set: data_set.to_owned(),
            purpose: of.id().to_owned(),
            until: self.until.day(),
            batch: by.batch.to_string(),
            run: by.run.to_string(),
            tables: parts.iter().filter(|p| self.takes(p)).map(|p| table(p, parts, self.purpose)).collect(),
        }
    }

    /// Whether its purpose takes rows of a part.
    fn takes(&self, part: &Part) -> bool {
        part.takers.contains(&self.purpose)
    }

    /// The columns of a part that it takes, and where each stands.
    fn columns<'p>(&self, part: &'p Part) -> impl Iterator<Item = (usize, &'p PartColumn)> + use<'p> {
        let purpose = self.purpose;
        part.columns.iter().enumerate().filter(move |(_, c)| c.takers.contains(&purpose))
    }

    /// Whether a column that it takes points to files.
    fn has_files(&self) -> bool {
        let parts = self.archiving.parts.iter().filter(|part| self.takes(part));
        parts.flat_map(|part| self.columns(part)).any(|(_, column)| column.files.is_some())
    }

    /// The files that its rows point to, by store and path.
    pub(super) fn files(&self, tables: &[RowsOf]) -> Result<BTreeSet<(String, FilePath)>, Failure> {
        let mut all = BTreeSet::new();
        for (part, rows) in self.archiving.parts.iter().zip(tables).filter(|(part, _)| self.takes(part)) {
            for (at, column) in self.columns(part) {
                let Some(files) = &column.files else { continue };
                for cell in self.records.iter().filter_map(|r| rows.get(r)).flatten().filter_map(|cells| cells.get(at)) {
                    let path = files.path(cell).map_err(|_| Failure::File(OUTSIDE))?;
                    let Some(path) = path else { continue };
                    all.insert((files.store.clone(), FilePath::new(&path).map_err(|_| Failure::File(OUTSIDE))?));
                }
            }
        }
        Ok(all)
    }
}

fn table(part: &Part, parts: &[Part], purpose: usize) -> Table {
    let above = part.follows.as_ref().and_then(|(above, on)| Some((parts.get(*above)?, on)));
    let columns = part.columns.iter().filter(|c| c.takers.contains(&purpose));
    Table {
        data_set: part.data_set.clone(),
        schema: Some(part.table.schema.clone()).filter(|s| !s.is_empty()),
        table: part.table.name.clone(),
        parent: above.map(|(above, _)| above.data_set.clone()),
        on: above.map(|(_, on)| on.clone()).unwrap_or_default(),
        key: part.key.clone(),
        columns: columns
            .map(|c| Column {
                name: c.column.name.clone(),
                kind: c.column.sql_type.clone(),
                category: c.category.clone(),
                files: c.files.as_ref().map(|f| f.store.clone()),
            })
            .collect(),
    }
}
