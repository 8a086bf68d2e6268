//! The catalogue of archives in SQLite: which objects entries sealed and no entry destroyed.

use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::StateError;
use super::log_store::{Commit, SealedGroup, SealedQuery, SealedRow};
use super::sqlite_log::{sql, unsigned};

/// Adds what a commit seals and destroys.
pub(super) fn rows(commit: &Commit, all: &mut QueryBuilder<Sqlite>) -> Result<(), StateError> {
    for row in &commit.sealed {
        all.push(
            "INSERT INTO log_sealed (batch, part, seq, source, data_set, archive, purpose, until, open, records, key_id) VALUES (",
        );
        let mut values = all.separated(", ");
        values.push_bind(row.batch.to_vec()).push_bind(row.part).push_bind(sql(row.seq)?).push_bind(row.source.clone());
        values.push_bind(row.data_set.clone()).push_bind(row.archive.clone()).push_bind(row.purpose.clone());
        values.push_bind(row.until.clone()).push_bind(row.open).push_bind(sql(row.records)?).push_bind(row.key_id.clone());
        all.push(");");
    }
    for (batch, part, until) in &commit.dated {
        all.push("UPDATE log_sealed SET until = ").push_bind(until.clone()).push(" WHERE batch = ").push_bind(batch.to_vec());
        all.push(" AND part = ").push_bind(*part).push(";");
    }
    for (batch, part) in &commit.unsealed {
        all.push("DELETE FROM log_sealed WHERE batch = ").push_bind(batch.to_vec()).push(" AND part = ").push_bind(*part);
        all.push(";");
    }
    Ok(())
}

pub(super) async fn sealed(pool: &SqlitePool, query: SealedQuery, limit: u32) -> Result<Vec<SealedRow>, StateError> {
    let mut all = QueryBuilder::<Sqlite>::new(
        "SELECT batch, part, seq, source, data_set, archive, purpose, until, open, records, key_id FROM log_sealed WHERE 1 = 1",
    );
    let equal = [("source", query.source), ("data_set", query.data_set), ("archive", query.archive), ("purpose", query.purpose)];
    for (column, value) in equal {
        if let Some(value) = value {
            all.push(" AND ").push(column).push(" = ").push_bind(value);
        }
    }
    if let Some(day) = query.ended_before {
        all.push(" AND until < ").push_bind(day);
    }
    if query.without_end {
        all.push(" AND until IS NULL");
    }
    if let Some(batch) = query.batch {
        all.push(" AND batch = ").push_bind(batch.to_vec());
    }
    if let Some((batch, part)) = query.after {
        all.push(" AND (batch, part) > (").push_bind(batch.to_vec()).push(", ").push_bind(part).push(")");
    }
    all.push(" ORDER BY batch, part LIMIT ").push_bind(limit);
    all.build().fetch_all(pool).await?.iter().map(row_of).collect()
}

fn row_of(row: &SqliteRow) -> Result<SealedRow, StateError> {
    let batch: Vec<u8> = row.try_get(0)?;
    Ok(SealedRow {
        batch: batch.try_into().map_err(|_| StateError::Damaged("a batch that is not 16 bytes long"))?,
        part: row.try_get(1)?,
        seq: unsigned(row.try_get(2)?)?,
        source: row.try_get(3)?,
        data_set: row.try_get(4)?,
        archive: row.try_get(5)?,
        purpose: row.try_get(6)?,
        until: row.try_get(7)?,
        open: row.try_get(8)?,
        records: unsigned(row.try_get(9)?)?,
        key_id: row.try_get(10)?,
    })
}

pub(super) async fn groups(pool: &SqlitePool, today: &str) -> Result<Vec<SealedGroup>, StateError> {
    let rows = sqlx::query(
        "SELECT source, archive, data_set, purpose, COUNT(*), SUM(records), SUM(CASE WHEN until < ?1 THEN records ELSE 0 END), \
         MIN(CASE WHEN until >= ?1 THEN until END), MIN(CASE WHEN until < ?1 THEN until END), \
         SUM(CASE WHEN until IS NULL THEN records ELSE 0 END) \
         FROM log_sealed GROUP BY source, archive, data_set, purpose ORDER BY source, archive, data_set, purpose",
    )
    .bind(today)
    .fetch_all(pool)
    .await?;
    let group = |row: &SqliteRow| {
        Ok(SealedGroup {
            source: row.try_get(0)?,
            archive: row.try_get(1)?,
            data_set: row.try_get(2)?,
            purpose: row.try_get(3)?,
            objects: unsigned(row.try_get(4)?)?,
            records: unsigned(row.try_get(5)?)?,
            due: unsigned(row.try_get(6)?)?,
            next_end: row.try_get(7)?,
            oldest_overdue: row.try_get(8)?,
            open: unsigned(row.try_get(9)?)?,
        })
    };
    rows.iter().map(group).collect()
}
