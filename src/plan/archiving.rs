//! What moves into archives with an action: which records, which of their fields, until when.
//!
//! Under the locks of a batch, one statement asks of each record which archive purposes take something of it and reads the dates behind
//! their ends; another for each table of the record reads the values. Both are asked by key, of rows that were just confirmed to be due.

use super::action::{ActionKind, ROW, key_columns};
use super::boolean::B;
use super::cell::Cell;
use super::check::declared_columns;
use super::dialect::Dialect;
use super::explain::columns::{Cells, Columns, PurposeColumns, cell, is_set};
use super::explain::purposes::PurposeReader;
use super::key::RecordKey;
use super::open_end::{End, LAST_DAY};
use super::record::{Records, Timed, Wanted};
use super::schema::{Column, TableName};
use super::sketch::Sketch;
use super::terms::inner_alias;
use super::writer::Writer;
use crate::policy::bound::RunTime;
use crate::policy::link::needs_category;
use crate::policy::map::{CopyElsewhere, DataSet, Disposition};
use crate::policy::mask::Mask;
use crate::policy::purpose::{Needs, Place, Purpose};

/// What an action moves into archives before it changes anything.
#[derive(Debug, Clone)]
pub struct Archiving {
    /// The archive purposes that may take something.
    pub purposes: Vec<ArchivePurpose>,
    /// The tables of the record: its root first, then those that follow, each after the one that it belongs to.
    pub parts: Vec<Part>,
    table: TableName,
    key: Vec<Column>,
    data: DataSet,
    columns: String,
    /// The same, as it is asked under locks.
    locking: String,
    /// How many these are.
    width: usize,
    ends: PurposeColumns,
    sketch: Option<Sketch>,
}

/// Where what leaves the active base is kept from then on.
#[derive(Debug, Clone)]
pub enum Keeping {
    /// Sealed, in the archive of this name.
    Archive(String),
    /// By a copy that is there already.
    Copy(CopyElsewhere),
}

/// One purpose that keeps outside the active base.
#[derive(Debug, Clone)]
pub struct ArchivePurpose {
    /// Where.
    pub keeping: Keeping,
    purpose: Purpose,
    run: RunTime,
    index: usize,
    /// Where the statement says whether it takes something of a record, until a day that is known.
    takes: usize,
    /// Where it says whether it takes something until a day that is not known yet, and the columns that lead to it.
    opens: Option<Opens>,
    /// Where the statement says whether it keeps something of a record that is there to be taken.
    owed: usize,
}

impl ArchivePurpose {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.purpose.id
    }

    /// Its archive.
    #[must_use]
    pub fn archive(&self) -> Option<&str> {
        match &self.keeping {
            Keeping::Archive(archive) => Some(archive),
            Keeping::Copy(_) => None,
        }
    }

    /// Its index among the purposes of the policies.
    pub(super) fn index(&self) -> usize {
        self.index
    }

    /// The purpose, as of this run.
    pub(super) fn timed(&self) -> Timed<'_> {
        Timed { purpose: &self.purpose, run: self.run }
    }

    /// The columns of a record that lead to an end in the archive that is not known yet.
    pub(super) fn link(&self) -> impl Iterator<Item = &Column> {
        let opens = self.opens.as_ref().filter(|_| self.archive().is_some());
        opens.into_iter().flat_map(|o| &o.link).map(|(column, _)| column)
    }

    /// Where it keeps, in one word, for the plan's hash: what a copy is lies in the data map.
    fn place(&self) -> &str {
        match &self.keeping {
            Keeping::Archive(archive) => archive,
            Keeping::Copy(copy) => &copy.name,
        }
    }

    /// What is found by the values that stand in an answer.
    fn end_by(&self, link: Option<RecordKey>) -> Option<End> {
        match &self.keeping {
            Keeping::Archive(_) => link.map(End::Open),
            Keeping::Copy(_) => Some(End::Copy(link)),
        }
    }
}

/// Where a statement says whether an end is open, and where the values stand that lead to it.
#[derive(Debug, Clone)]
struct Opens {
    at: usize,
    link: Vec<(Column, usize)>,
}

impl Opens {
    fn link(&self, d: Dialect, row: &Cells) -> Option<RecordKey> {
        let parts = self.link.iter().map(|(column, at)| d.key_part(column, cell(row, *at)?));
        Some(RecordKey(parts.collect::<Option<_>>()?)).filter(|key| !key.0.is_empty())
    }
}

/// One table of a record.
#[derive(Debug, Clone)]
pub struct Part {
    /// Its data set.
    pub data_set: String,
    /// The data set that it follows, as an index, and the join: (its column, column there).
    pub follows: Option<(usize, Vec<(String, String)>)>,
    /// Its table.
    pub table: TableName,
    /// Its key, by name.
    pub key: Vec<String>,
    /// What is read of its rows.
    pub columns: Vec<PartColumn>,
    /// Which of the purposes take its rows, as indexes.
    pub takers: Vec<usize>,
}

/// One column that is read.
#[derive(Debug, Clone)]
pub struct PartColumn {
    /// The column.
    pub column: Column,
    /// Its category; `None` for one that is free of personal data.
    pub category: Option<String>,
    /// Which of the purposes take it, as indexes.
    pub takers: Vec<usize>,
    /// Where its values are paths of files.
    pub files: Option<FilesOf>,
}

/// What the values of a column that points to files mean.
#[derive(Debug, Clone)]
pub struct FilesOf {
    /// The store of the settings.
    pub store: String,
    /// The value that stands for no file besides NULL and the empty text: its mask.
    pub none: Option<String>,
}

impl FilesOf {
    /// The path that a value is; `None` where it is that of no file.
    ///
    /// # Errors
    /// A value that is no text.
    pub fn path(&self, cell: &Cell) -> Result<Option<String>, NoPath> {
        let text = match cell {
            Cell::Null => return Ok(None),
            Cell::Text(text) => text.clone(),
            Cell::Integer(n) => n.to_string(),
            Cell::Bytes(bytes) => String::from_utf8(bytes.clone()).map_err(|_| NoPath)?,
            Cell::Real(_) => return Err(NoPath),
        };
        Ok(Some(text).filter(|t| !t.is_empty() && self.none.as_ref() != Some(t)))
    }
}

/// A value that is no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoPath;

/// What an archive purpose takes of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The purpose, as an index.
    pub purpose: usize,
    /// Until when it keeps.
    pub until: End,
}

/// A row of a part: the record's key, and its cells in the part's order of columns.
#[derive(Debug)]
pub struct PartRow {
    /// The key of the root row.
    pub record: RecordKey,
    /// The values.
    pub cells: Vec<Cell>,
}

impl Archiving {
    /// What decides what is moved, for the plan's hash: the question, and the columns that each purpose takes.
    #[must_use]
    pub fn rule(&self) -> String {
        let purposes = self.purposes.iter().map(|p| format!("{} in {}", p.id(), p.place()));
        let columns = self
            .parts
            .iter()
            .flat_map(|p| p.columns.iter().map(|c| format!("{}.{} {:?}{}", p.data_set, c.column.name, c.takers, files(c))));
        fn files(column: &PartColumn) -> String {
            column.files.as_ref().map_or_else(String::new, |f| format!(" with files of {}", f.store))
        }
        std::iter::once(self.columns.clone()).chain(purposes).chain(columns).collect::<Vec<_>>().join("\n")
    }

    /// Asks which purposes take something of these records, and for the dates of their ends.
    #[must_use]
    pub fn look(&self, d: Dialect, keys: &[RecordKey]) -> String {
        self.select(d, keys, &self.columns)
    }

    /// The same of records that are locked, with the values of their own rows: of the first part.
    #[must_use]
    pub fn ask(&self, d: Dialect, keys: &[RecordKey]) -> String {
        let cells = self.parts.first().into_iter().flat_map(|p| &p.columns).map(|c| d.cell_text(ROW, &c.column));
        let all: Vec<String> = std::iter::once(self.locking.clone()).chain(cells).collect();
        format!("{}{}", self.select(d, keys, &all.join(", ")), d.lock_with_others_held(ROW))
    }

    /// Asks where these records stand among all, those of one object beside each other; `None` where all are alike.
    #[must_use]
    pub fn sketch(&self, d: Dialect, keys: &[RecordKey]) -> Option<String> {
        Some(self.select(d, keys, self.sketch.as_ref()?.columns()))
    }

    /// The record that a row of [`Self::sketch`] is about, and its place.
    #[must_use]
    pub fn place(&self, d: Dialect, row: &Cells) -> Option<(RecordKey, u64)> {
        let record = record_key(d, &self.key, row)?;
        Some((record, self.sketch.as_ref()?.place(&self.data, row.get(self.key.len()..)?, &self.purposes)))
    }

    fn select(&self, d: Dialect, keys: &[RecordKey], what: &str) -> String {
        format!(
            "SELECT {}, {what} FROM {} AS {ROW} WHERE {}",
            key_columns(d, &self.key, ROW),
            d.table(&self.table),
            d.key_in(ROW, &self.key, keys)
        )
    }

    /// The record that a row of [`Self::ask`] is about, and what is taken of it: nothing that could be said, if a purpose keeps something of it that it
    /// cannot take, which is not due then. `None` for an answer in no form that was asked for: a key that
    /// is none, or an end that cannot be reckoned though the database says that it is known.
    #[must_use]
    pub fn read(&self, d: Dialect, row: &Cells) -> Option<(RecordKey, Option<Vec<Taken>>)> {
        let record = record_key(d, &self.key, row)?;
        let row = row.get(self.key.len()..)?;
        let reader = PurposeReader { data: &self.data, columns: &self.ends, row };
        let mut all = Vec::new();
        for (purpose, p) in self.purposes.iter().enumerate() {
            let until = if is_set(row, p.takes) {
                let (_, at) = *self.ends.states.iter().find(|(i, _)| *i == p.index)?;
                End::Day(reader.end(p.timed(), at)?.day_before().min(LAST_DAY))
            } else if let Some(opens) = p.opens.as_ref().filter(|o| is_set(row, o.at)) {
                p.end_by(opens.link(d, row))?
            } else if is_set(row, p.owed) {
                return Some((record, None));
            } else {
                continue;
            };
            all.push(Taken { purpose, until });
        }
        Some((record, Some(all)))
    }

    /// Whether a record may have to wait for its copy.
    #[must_use]
    pub fn asks_for_copies(&self) -> bool {
        self.purposes.iter().any(|p| matches!(p.keeping, Keeping::Copy(_)))
    }

    /// The tenant of a record, from the cells of its root row; `None` where it has none.
    #[must_use]
    pub fn tenant(&self, cells: &[Cell]) -> Option<String> {
        self.named(self.data.tenant.as_ref()?, cells)
    }

    /// The persons whom a record is about, from the cells of its root row: what each is to it, and the identifier.
    pub fn subjects<'s>(&'s self, cells: &'s [Cell]) -> impl Iterator<Item = (&'s str, String)> {
        self.data.subjects.iter().filter_map(|s| Some((s.subject.as_str(), self.named(&s.column, cells)?)))
    }

    /// A value of a root row as orders name it.
    fn named(&self, column: &str, cells: &[Cell]) -> Option<String> {
        let at = self.parts.first()?.columns.iter().position(|c| c.column.name == column)?;
        match cells.get(at)? {
            Cell::Text(text) => Some(text.clone()),
            Cell::Integer(n) => Some(n.to_string()),
            Cell::Null | Cell::Bytes(_) | Cell::Real(_) => None,
        }
    }

    /// Reads the rows of a part that belong to these records; those of the first one come with [`Self::ask`].
    #[must_use]
    pub fn rows(&self, d: Dialect, part: usize, keys: &[RecordKey]) -> String {
        let (mut from, mut at, mut alias) = (String::new(), part, ROW.to_owned());
        // Named from the root downward, joined from the part upward.
        let mut chain = Vec::new();
        while let Some((above, on)) = self.parts.get(at).and_then(|p| p.follows.as_ref()) {
            chain.push((at, on));
            at = *above;
        }
        for (n, on) in chain.into_iter().rev() {
            let name = inner_alias(&alias);
            let on: Vec<String> =
                on.iter().map(|(here, there)| format!("{} = {}", d.column(&name, here), d.column(&alias, there))).collect();
            from.push_str(&format!(" JOIN {} AS {name} ON {}", d.table(&self.parts[n].table), on.join(" AND ")));
            alias = name;
        }
        let columns: Vec<String> = self.parts[part].columns.iter().map(|c| d.cell_text(&alias, &c.column)).collect();
        format!(
            "SELECT {}, {} FROM {} AS {ROW}{from} WHERE {}{}",
            key_columns(d, &self.key, ROW),
            columns.join(", "),
            d.table(&self.table),
            d.key_in(ROW, &self.key, keys),
            d.lock_with_others_held(&alias)
        )
    }

    /// The record's own row, as [`Self::ask`] answered with it.
    #[must_use]
    pub fn own_row(&self, d: Dialect, row: &Cells) -> Option<Vec<Cell>> {
        self.cells(d, 0, row.get(self.key.len() + self.width..)?)
    }

    fn cells(&self, d: Dialect, part: usize, values: &Cells) -> Option<Vec<Cell>> {
        let columns = &self.parts.get(part)?.columns;
        (values.len() == columns.len()).then_some(())?;
        columns.iter().zip(values).map(|(c, value)| d.cell(&c.column, value.as_deref())).collect()
    }

    /// A row that [`Self::rows`] answered with; `None` for one in no form that was asked for.
    #[must_use]
    pub fn row(&self, d: Dialect, part: usize, row: &Cells) -> Option<PartRow> {
        let record = record_key(d, &self.key, row)?;
        Some(PartRow { record, cells: self.cells(d, part, row.get(self.key.len()..)?)? })
    }
}

/// What the values of a column mean, if they are paths of files.
fn files_of(data: &DataSet, column: &str) -> Option<FilesOf> {
    let file = data.files.iter().find(|f| f.column.value == column)?;
    let personal = data.categories.iter().flat_map(|c| &c.columns).find(|c| c.name.value == column)?;
    let none = if let Mask::Fixed(text) = &personal.mask.value { Some(text.clone()) } else { None };
    Some(FilesOf { store: file.store.value.clone(), none })
}

fn record_key(d: Dialect, key: &[Column], row: &Cells) -> Option<RecordKey> {
    let parts = key.iter().zip(row).map(|(column, text)| d.key_part(column, text.as_deref()?));
    Some(RecordKey(parts.collect::<Option<_>>()?))
}

/// What is asked of a record: which purposes take something of it, and the dates behind their ends.
fn question(
    records: &Records<'_>,
    data: &DataSet,
    kind: ActionKind,
    wanted: Wanted<'_>,
) -> (Columns, PurposeColumns, Vec<ArchivePurpose>) {
    let (mut columns, mut purposes) = (Columns::default(), Vec::new());
    for i in records.archive_purposes(data) {
        let Timed { purpose, run } = records.purposes[i];
        let needed = |data_set: &str, category: &str, never: bool| {
            !never && wanted(data_set, category, never) && needs_category(purpose, category)
        };
        let there = records.todo(data, ROW, &needed);
        // A row that goes can be undone even where nothing personal is left of it.
        let taken = if purpose.is_window() && kind == ActionKind::Delete { B::True } else { there.clone() };
        let keeping = match &purpose.kept_in {
            Place::ActiveBase => continue,
            Place::Archive(_) if taken.is_false() => continue,
            Place::Archive(archive) => Keeping::Archive(archive.value.clone()),
            Place::Copy(name) => match data.copies.iter().find(|c| c.name.value == name.value) {
                Some(copy) => Keeping::Copy(copy.clone()),
                None => continue,
            },
        };
        let takes = columns.bit(&B::and([records.end_known(i, data, ROW), taken]));
        let d = records.terms.resolved.dialect;
        let keeps = B::and([records.terms.covers(purpose, data, ROW), records.ended(i, data, ROW).negate()]);
        let opens = match &keeping {
            Keeping::Archive(_) => {
                let open = || B::and([records.end_open(i, data, ROW), there.clone()]);
                records.link(i, data).map(|link| (open(), link))
            }
            // Also of a row without anything that could be sealed.
            // Whose columns cannot be compared has no copy that anybody could see.
            Keeping::Copy(copy) => Some((keeps.clone(), records.columns_of(copy, data).unwrap_or_default())),
        };
        let opens = opens.map(|(open, link)| Opens {
            at: columns.bit(&open),
            link: link.into_iter().map(|c| (c.clone(), columns.text(d.key_text(ROW, &c)))).collect(),
        });
        let owed = columns.bit(&B::and([keeps, there]));
        purposes.push(ArchivePurpose { keeping, purpose: purpose.clone(), run, index: i, takes, opens, owed });
    }
    let indexes: Vec<usize> = purposes.iter().map(|p| p.index).collect();
    let ends = PurposeColumns::new(records, &indexes, data, ROW, &mut columns);
    (columns, ends, purposes)
}

impl Writer<'_, '_> {
    /// What an action on these fields moves into archives; `None` where no archive purpose needs any of them.
    pub(super) fn archiving(&self, kind: ActionKind, wanted: Wanted<'_>) -> Option<Archiving> {
        if kind == ActionKind::NeverStored {
            return None;
        }
        let data = self.data;
        let (columns, ends, purposes) = question(self.full, data, kind, wanted);
        if purposes.is_empty() {
            return None;
        }
        // The same under locks: what it reads elsewhere must be what was committed last, and stay so.
        let (locking, ..) = question(self.of_keys, data, kind, wanted);
        let mut parts = Vec::new();
        self.part(data, None, (&purposes, kind), wanted, &mut parts);
        Some(Archiving {
            sketch: Sketch::new(self.resolved.dialect, self.full, data, &purposes),
            parts,
            table: self.table_name(data),
            key: self.resolved.key_columns(data),
            data: data.clone(),
            width: columns.len(),
            columns: columns.list(),
            locking: locking.list(),
            ends,
            purposes,
        })
    }

    fn part(
        &self,
        data: &DataSet,
        above: Option<usize>,
        (purposes, kind): (&[ArchivePurpose], ActionKind),
        wanted: Wanted<'_>,
        parts: &mut Vec<Part>,
    ) {
        let Some(table) = self.resolved.table(data) else { return };
        let declared = declared_columns(&self.resolved, data, table);
        // Rows without personal data of their own, or of what follows them, say nothing that a purpose asked for by name.
        let all: Vec<usize> = (0..purposes.len()).collect();
        let rows: Vec<usize> = all.into_iter().filter(|p| above.is_none() || self.reaches(&purposes[*p].purpose, data)).collect();
        if rows.is_empty() {
            return;
        }
        let mut columns = Vec::new();
        // What the database computes it will compute again; a key is needed even so.
        let is_key = |name: &str| data.key.iter().any(|k| k.value == name);
        for column in &table.columns {
            // Orders find what lies in an object by its tenants and persons, whether it takes their columns or not.
            let is_named = data.tenant.iter().chain(data.subjects.iter().map(|s| &s.column)).any(|c| c.value == column.name);
            if !declared.contains(column.name.as_str()) || (column.generated && !is_key(&column.name) && !is_named) {
                continue;
            }
            let category = data.categories.iter().find(|c| c.columns.iter().any(|p| p.name.value == column.name));
            let takers = match category {
                None => rows.clone(),
                Some(c) if c.never_stored || !wanted(&data.id, &c.name, c.never_stored) => Vec::new(),
                Some(c) => rows.iter().copied().filter(|p| needs_category(&purposes[*p].purpose, &c.name)).collect(),
            };
            if !takers.is_empty() || (is_named && above.is_none()) {
                let category = category.map(|c| c.name.value.clone());
                columns.push(PartColumn { column: column.clone(), category, takers, files: files_of(data, &column.name) });
            }
        }
        let on = data.parent.iter().flat_map(|p| &p.on).map(|(here, there)| (here.value.clone(), there.value.clone())).collect();
        parts.push(Part {
            data_set: data.id.value.clone(),
            follows: above.map(|above| (above, on)),
            table: table.name.clone(),
            key: data.key.iter().map(|k| k.value.clone()).collect(),
            columns,
            takers: rows,
        });
        let this = parts.len() - 1;
        for follower in self.resolved.map.followers_of(data) {
            self.part(follower, Some(this), (purposes, kind), wanted, parts);
        }
        // Rows that stay and lose nothing are not evidence of anything.
        let goes = match kind {
            ActionKind::Delete => true,
            ActionKind::Anonymise | ActionKind::Pseudonymise => data.disposition == Disposition::Delete,
            _ => false,
        };
        let takes = parts[this].columns.iter().any(|c| c.category.is_some());
        if above.is_some() && !goes && !takes && parts.len() == this + 1 {
            parts.pop();
        }
    }

    /// Whether a purpose takes rows of a data set that follows its own: it needs a category there or below, or whatever there is, as what undoes does.
    fn reaches(&self, purpose: &Purpose, data: &DataSet) -> bool {
        let by_name = matches!(purpose.needs.value, Needs::These(_)) && !purpose.is_window();
        let here = data.categories.iter().any(|c| !c.never_stored && needs_category(purpose, &c.name));
        !by_name || here || self.resolved.map.followers_of(data).any(|below| self.reaches(purpose, below))
    }
}
