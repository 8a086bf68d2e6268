//! Putting a record back where it came from: in one transaction, under a hold, so that the next run does not take it again.

use super::error::EnforceError;
use super::unseal::Unsealed;
use crate::plan::cell::Cell;
use crate::plan::put_back::Back;
use crate::plan::record::Records;
use crate::plan::schema::{Column, Engine};
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

/// Puts back what objects hold of a record: roots before what follows them, the newest object first, so that an older value never takes the
/// place of a newer one. The session is in a transaction, which the caller commits.
///
/// # Errors
/// Of the database; [`EnforceError::Unknown`] for a table that the map does not have any more.
pub async fn put_back(session: &mut Session, records: &Records<'_>, objects: &[Unsealed]) -> Result<PutBack, EnforceError> {
    let resolved = records.terms.resolved;
    let d = resolved.dialect;
    let mut done = PutBack::default();
    for object in objects.iter().rev() {
        let mut rows: Vec<&(usize, Vec<Cell>)> = object.rows.iter().collect();
        rows.sort_by_key(|(table, _)| *table);
        for (table, cells) in rows {
            let header = &object.header.tables[*table];
            let data = resolved.map.data_set(&header.data_set).ok_or(EnforceError::Unknown("data set of an archived row"))?;
            let live = resolved.table(data).ok_or(EnforceError::Unknown("table of an archived row"))?;
            let mut found: Vec<(&Column, &Cell)> =
                header.columns.iter().zip(cells).filter_map(|(c, cell)| Some((live.column(&c.name)?, cell))).collect();
            done.lost += (header.columns.len() - found.len()) as u64;
            // What the database computes it computes again.
            found.retain(|(c, _)| !c.generated || data.key.iter().any(|k| k.value == c.name));
            let back = Back { data, table: live, cells: found };
            let key = back.key(d).ok_or(EnforceError::Key)?;
            if session.rows(&back.is_there(d, &key)).await?.is_empty() {
                session.rows(&back.insert(d)).await?;
                done.inserted += 1;
                continue;
            }
            let mut changed = 0;
            for statement in back.unmask(d, records, &key) {
                changed += session.execute(&statement).await?;
            }
            done.unmasked += u64::from(changed > 0);
        }
    }
    if d.engine == Engine::Postgres {
        session.rows("SET CONSTRAINTS ALL IMMEDIATE").await?;
    }
    Ok(done)
}
