//! Putting a record back where it came from: in one transaction, under a hold, so that the next run does not take it again.

use super::error::EnforceError;
use super::unseal::Unsealed;
use crate::plan::cell::Cell;
use crate::plan::dialect::Dialect;
use crate::plan::key::RecordKey;
use crate::plan::put_back::{Back, Unmask};
use crate::plan::record::Records;
use crate::plan::schema::{Column, Engine, Table};
use crate::policy::map::DataSet;
use crate::source::Session;

/// What was put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct PutBack {
    /// Rows that were inserted.
    pub inserted: u64,
    /// Rows that were there, and of which masked fields got their values back.
    pub unmasked: u64,
    /// Columns of the archive that the tables do not have any more.
    pub lost: u64,
}

/// A row as all objects together have it: each purpose's object holds what that purpose needs, and a row is inserted with all of it.
pub(super) struct Whole<'w> {
    pub(super) data: &'w DataSet,
    pub(super) table: &'w Table,
    pub(super) key: RecordKey,
    /// Its columns, each with the value that the newest object has.
    pub(super) cells: Vec<(&'w Column, &'w Cell)>,
    /// Other values that older objects have of these columns, the newest of them first: what was sealed before a mask that a newer object has.
    pub(super) older: Vec<(&'w Column, &'w Cell)>,
}

impl<'w> Whole<'w> {
    /// The row with its newest values.
    pub(super) fn back(&self) -> Back<'w> {
        Back { data: self.data, table: self.table, cells: self.cells.clone() }
    }

    /// The row with the values that older objects have.
    pub(super) fn before(&self) -> Back<'w> {
        Back { data: self.data, table: self.table, cells: self.older.clone() }
    }
}

/// The rows that objects (the oldest first) hold of a record, each once, what is followed before what follows it; and how many columns of theirs the tables do not have any more.
///
/// # Errors
/// [`EnforceError::Unknown`] for a table that the map does not have any more; [`EnforceError::Key`] for a row whose key cannot be read.
pub(super) fn whole<'w>(records: &Records<'w>, objects: &'w [Unsealed]) -> Result<(Vec<Whole<'w>>, u64), EnforceError> {
    let resolved = records.terms.resolved;
    let d = resolved.dialect;
    let (mut all, mut lost) = (Vec::<Whole<'w>>::new(), 0);
    let mut places = std::collections::HashMap::new();
    for object in objects.iter().rev() {
        for (table, cells) in &object.rows {
            let header = &object.header.tables[*table];
            let data = resolved.map.data_set(&header.data_set).ok_or(EnforceError::Unknown("data set of an archived row"))?;
            let live = resolved.table(data).ok_or(EnforceError::Unknown("table of an archived row"))?;
            let mut found: Vec<(&Column, &Cell)> =
                header.columns.iter().zip(cells).filter_map(|(c, cell)| Some((live.column(&c.name)?, cell))).collect();
            lost += (header.columns.len() - found.len()) as u64;
            // What the database computes it computes again.
            found.retain(|(c, _)| !c.generated || data.key.iter().any(|k| k.value == c.name));
            let row = Whole { data, table: live, key: RecordKey(Vec::new()), cells: found, older: Vec::new() };
            let key = row.back().key(d).ok_or(EnforceError::Key)?;
            match places.get(&(data.id.value.as_str(), key.clone())) {
                None => {
                    places.insert((data.id.value.as_str(), key.clone()), all.len());
                    all.push(Whole { key, ..row });
                }
                Some(at) => add(&mut all[*at], row.cells),
            }
        }
    }
    all.sort_by_key(|row| depth(records, row.data));
    Ok((all, lost))
}

/// Adds what an older object has of a row.
fn add<'w>(row: &mut Whole<'w>, cells: Vec<(&'w Column, &'w Cell)>) {
    for (column, cell) in cells {
        match row.cells.iter().find(|(c, _)| c.name == column.name) {
            None => row.cells.push((column, cell)),
            Some((_, newer)) if *newer != cell => row.older.push((column, cell)),
            Some(_) => {}
        }
    }
}

/// How many data sets a row follows.
fn depth(records: &Records<'_>, data: &DataSet) -> usize {
    let map = records.terms.resolved.map;
    let above = |data: &DataSet| map.data_set(&data.parent.as_ref().filter(|p| p.follows)?.data);
    // A map in which data sets follow each other in a circle is refused.
    std::iter::successors(above(data), |data| above(data)).count()
}

/// What became of the masked fields of a row that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Unmasked {
    /// Fields that have their values back.
    pub(super) fields: u64,
    /// Fields that stay as they are, because somebody has written to them since.
    pub(super) newer: u64,
}

impl std::ops::AddAssign for Unmasked {
    fn add_assign(&mut self, other: Self) {
        self.fields += other.fields;
        self.newer += other.newer;
    }
}

/// Gives a row its values back: to each column that still holds what its mask put there, and to no other.
///
/// # Errors
/// Of the database.
pub(super) async fn unmask(
    session: &mut Session,
    records: &Records<'_>,
    row: &Back<'_>,
    key: &RecordKey,
) -> Result<Unmasked, EnforceError> {
    let d = records.terms.resolved.dialect;
    let mut done = Unmasked::default();
    for column in row.unmask(d, records, key) {
        let before = value(session, d, &column).await?;
        if column.is_back(&before) {
            continue;
        }
        if session.execute(&column.set).await? == 0 {
            done.newer += 1;
            continue;
        }
        if let Some(again) = &column.again {
            // Somebody may have written what has the form of a mask, and is none of this value.
            session.execute(again).await?;
            if value(session, d, &column).await? != before {
                session.execute(&column.force(d, &before)).await?;
                done.newer += 1;
                continue;
            }
            session.execute(&column.back(d)).await?;
        }
        done.fields += 1;
    }
    Ok(done)
}

async fn value(session: &mut Session, d: Dialect, column: &Unmask<'_>) -> Result<Cell, EnforceError> {
    let row = session.rows(&column.read).await?.into_iter().next().ok_or(EnforceError::Key)?;
    column.value(d, row.first().and_then(Option::as_deref)).ok_or(EnforceError::Unknown("form of a value"))
}

/// Puts back what objects hold of a record: roots before what follows them, each row with what all objects have of it, the newest value first, so that
/// an older value never takes the place of a newer one. The session is in a transaction, which the caller commits.
///
/// # Errors
/// Of the database; [`EnforceError::Unknown`] for a table that the map does not have any more; [`EnforceError::Key`] for a row whose key cannot be read.
pub async fn put_back(session: &mut Session, records: &Records<'_>, objects: &[Unsealed]) -> Result<PutBack, EnforceError> {
    let d = records.terms.resolved.dialect;
    let (rows, lost) = whole(records, objects)?;
    let mut done = PutBack { lost, ..PutBack::default() };
    for row in &rows {
        let mut changed = Unmasked::default();
        let there = !session.rows(&row.back().is_there(d, &row.key)).await?.is_empty();
        if there {
            changed += unmask(session, records, &row.back(), &row.key).await?;
        } else {
            session.rows(&row.back().insert(d)).await?;
            done.inserted += 1;
        }
        changed += unmask(session, records, &row.before(), &row.key).await?;
        done.unmasked += u64::from(there && changed.fields > 0);
    }
    if d.engine == Engine::Postgres {
        session.rows("SET CONSTRAINTS ALL IMMEDIATE").await?;
    }
    Ok(done)
}
