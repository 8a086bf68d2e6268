//! The part of a batch that moves fields into archives: read under the locks, sealed, written, read back, and only then may anything change.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sha2::{Digest as _, Sha256};

use super::batch::{Failure, Transaction, macs};
use super::error::EnforceError;
use super::files::OUTSIDE;
use super::orders::{subject_key, tenant_key};
use super::watch::Point;
use crate::archive::{self, Column, FORMAT, Header, Row, SealError, Sealer, Table, VERSION, WITH_FILES, file_name, object_name};
use crate::files::FilePath;
use crate::journal::{Day, Hash, JournalError, Mac, MacOf, Macs, Name, Sealed};
use crate::plan::archiving::{Archiving, Part, PartColumn, PartRow};
use crate::plan::cell::Cell;
use crate::plan::key::RecordKey;
use crate::plan::open_end::End;
use crate::plan::own_statements::PendingRow;
use crate::source::SourceError;

/// After how long a server is told that its transaction is still alive.
const HEARTBEAT: std::time::Duration = std::time::Duration::from_secs(1);

/// What one object takes: of which records, by their place among the keys.
type Groups = BTreeMap<(usize, End), Vec<usize>>;

/// The rows of one table of the records, by the place of their record among the keys.
type RowsOf = HashMap<usize, Vec<Vec<Cell>>>;

impl Transaction<'_, '_> {
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
            for one in taken.ok_or(Failure::Moved)? {
                match one.until {
                    End::Copy(_) => copied.push((place, one)),
                    _ => groups.entry((one.purpose, one.until)).or_default().push(place),
                }
            }
            let again = own.insert(place, vec![archiving.own_row(d, &row).ok_or(Failure::Unsealable)?]);
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
        let mut heard = std::time::Instant::now();
        for ((purpose, until), mut records) in groups {
            records.sort_unstable();
            let object = Object { archiving, purpose, until: &until, records: &records };
            let sealed = self.seal(object, &tables, keys).await?;
            if let End::Open(link) = &until {
                self.open.push(PendingRow {
                    source: sealed.source.to_string(),
                    batch: self.batch.to_string(),
                    part: sealed.part,
                    data_set: sealed.data_set.to_string(),
                    purpose: sealed.purpose.to_string(),
                    link: serde_json::to_string(link).map_err(|_| Failure::Unsealable)?,
                });
            }
            self.sealed.push(sealed);
            // The server ends a transaction of which it hears nothing for some seconds.
            if heard.elapsed() > HEARTBEAT {
                self.session.rows("SELECT 1").await?;
                heard = std::time::Instant::now();
            }
        }
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

    async fn seal(&mut self, object: Object<'_>, tables: &[RowsOf], keys: &[RecordKey]) -> Result<Sealed, Failure> {
        let Object { archiving, purpose, until, records } = object;
        let purpose = &archiving.purposes[purpose];
        let archive = purpose.archive().unwrap_or_default();
        let to = self.cx.archives.get(archive).ok_or_else(|| EnforceError::NoArchive(archive.to_owned()))?;
        let data_set = archiving.parts.first().map(|p| p.data_set.as_str()).unwrap_or_default();
        let (part, batch, day) = (self.sealed.len() as u32, self.batch.to_string(), until.day());
        let unnamed = || EnforceError::Unknown("name of an object");
        let name = object_name(self.cx.source.as_str(), &batch, day, part).map_err(|_| unnamed())?;
        let source = self.cx.source.clone();
        let of_file = |n| file_name(source.as_str(), &batch, day, part, n).map_err(|_| Failure::Fatal(unnamed()));
        let files = Box::pin(self.seal_files(to, &of_file, day, object.files(tables)?)).await?;
        let header = self.header(&object, data_set);
        let mut sealer = Sealer::new(&to.recipients, &header, Vec::new()).map_err(EnforceError::from)?;
        for (number, record) in records.iter().enumerate() {
            // Tables count as the header lists them.
            for (table, (part, rows)) in archiving.parts.iter().zip(tables).filter(|(part, _)| object.takes(part)).enumerate() {
                for cells in rows.get(record).into_iter().flatten() {
                    let columns = part.columns.iter().zip(cells);
                    let cells = columns.filter(|(c, _)| c.takers.contains(&object.purpose)).map(|(_, cell)| cell.clone());
                    let row = Row { table: table as u32, record: number as u64, cells: cells.collect() };
                    sealer.row(&row).map_err(|e| match e {
                        SealError::TooLong { .. } | SealError::Fit { .. } => Failure::Unsealable,
                        e => Failure::Fatal(e.into()),
                    })?;
                }
            }
        }
        for file in &files.lines {
            sealer.file(file).map_err(EnforceError::from)?;
        }
        let rows = sealer.rows();
        let bytes = sealer.finish().map_err(EnforceError::from)?;
        let (size, sha256): (_, [u8; 32]) = (bytes.len() as u64, Sha256::digest(&bytes).into());
        self.sealing = true;
        to.store.put(&name, bytes, until.day()).await.map_err(EnforceError::from)?;
        to.store.check(&name, &sha256).await.map_err(EnforceError::from)?;
        let taken: Vec<RecordKey> = records.iter().map(|n| keys[*n].clone()).collect();
        let root: Vec<_> =
            tables.first().into_iter().flat_map(|rows| records.iter().filter_map(|n| rows.get(n))).flatten().collect();
        let tenants = root.iter().filter_map(|cells| Some(tenant_key(&archiving.tenant(cells)?))).collect();
        let subjects = root.iter().flat_map(|cells| archiving.subjects(cells)).map(|(who, id)| subject_key(who, &id)).collect();
        Ok(Sealed {
            source: self.cx.source.clone(),
            data_set: Name::parse(data_set).map_err(EnforceError::from)?,
            archive: Name::parse(archive).map_err(EnforceError::from)?,
            purpose: Name::parse(purpose.id()).map_err(EnforceError::from)?,
            until: until.day().map(Day::try_from).transpose().map_err(EnforceError::from)?,
            part,
            sha256: Hash(sha256),
            bytes: size,
            rows,
            macs: macs(self.cx, data_set, &taken)?,
            tenants: self.macs_of(MacOf::Tenant, data_set, tenants)?,
            subjects: self.macs_of(MacOf::Subject, data_set, subjects)?,
            files: files.sealed,
        })
    }

    fn header(&self, object: &Object<'_>, data_set: &str) -> Header {
        let Object { archiving, purpose, until, .. } = object;
        let of = &archiving.purposes[*purpose];
        Header {
            format: FORMAT.to_owned(),
            version: if object.has_files() { WITH_FILES } else { VERSION },
            archive: of.archive().unwrap_or_default().to_owned(),
            source: self.cx.source.to_string(),
            engine: archive::Engine::from(self.cx.dialect.engine),
            data_set: data_set.to_owned(),
            purpose: of.id().to_owned(),
            until: until.day(),
            batch: self.batch.to_string(),
            run: self.cx.run.to_string(),
            tables: archiving.parts.iter().filter(|p| object.takes(p)).map(|p| table(p, &archiving.parts, *purpose)).collect(),
        }
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

/// One object to be sealed.
#[derive(Clone, Copy)]
struct Object<'o> {
    archiving: &'o Archiving,
    purpose: usize,
    until: &'o End,
    records: &'o [usize],
}

impl Object<'_> {
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
    fn files(&self, tables: &[RowsOf]) -> Result<BTreeSet<(String, FilePath)>, Failure> {
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
