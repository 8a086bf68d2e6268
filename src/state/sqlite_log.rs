//! The journal's storage in SQLite.

use sqlx::sqlite::SqlitePool;
use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::log_store::{
    Class, Commit, Head, LogStore, Pending, SealedGroup, SealedQuery, SealedRow, StoredCheckpoint, StoredDocument, StoredEntry,
};
use super::sqlite_sealed;
use super::{Access, State, StateError};

/// How many entries one INSERT carries: large enough that statements cost little, small enough to stay prepared.
const ROWS: usize = 250;

/// The expressions are those of the indexes `log_entry_source` and `log_entry_undone`, to the letter.
const BATCHES_BACK: &str = "SELECT i.seq, json_extract(CAST(i.data AS TEXT), '$.batch') FROM log_entry AS i
    WHERE i.kind = 'intent' AND json_extract(CAST(i.data AS TEXT), '$.source') = ?1 AND i.seq < ?2 AND NOT EXISTS (
        SELECT 1 FROM log_entry AS u WHERE u.kind IN ('aborted', 'reverted')
            AND json_extract(CAST(u.data AS TEXT), '$.batch') = json_extract(CAST(i.data AS TEXT), '$.batch'))
    ORDER BY i.seq DESC LIMIT ?3";

/// [`LogStore`] over the state's SQLite database.
#[derive(Debug, Clone)]
pub struct SqliteLog {
    pool: SqlitePool,
    access: Access,
}

impl SqliteLog {
    /// The log of this state.
    #[must_use]
    pub fn new(state: &State) -> Self {
        Self { pool: state.pool().clone(), access: state.access() }
    }
}

pub(super) fn sql(n: u64) -> Result<i64, StateError> {
    i64::try_from(n).map_err(|_| StateError::Damaged("a number exceeds 63 bits"))
}

pub(super) fn unsigned(n: i64) -> Result<u64, StateError> {
    u64::try_from(n).map_err(|_| StateError::Damaged("a negative position"))
}

fn hash_of(bytes: &[u8]) -> Result<[u8; 32], StateError> {
    bytes.try_into().map_err(|_| StateError::Damaged("a hash that is not 32 bytes long"))
}

/// The hash of this index in a row that begins with index `first`.
fn within(first: u64, hashes: &[u8], index: u64) -> Option<&[u8]> {
    let at = usize::try_from(index.checked_sub(first)?).ok()?.checked_mul(32)?;
    hashes.get(at..at.checked_add(32)?)
}

fn entry_of(row: &sqlx::sqlite::SqliteRow) -> Result<StoredEntry, StateError> {
    Ok(StoredEntry { seq: unsigned(row.try_get(0)?)?, data: row.try_get(1)? })
}

fn checkpoint_of(row: &sqlx::sqlite::SqliteRow) -> Result<StoredCheckpoint, StateError> {
    Ok(StoredCheckpoint { size: unsigned(row.try_get(0)?)?, note: row.try_get(1)? })
}

async fn append(pool: &SqlitePool, commit: Commit) -> Result<(), StateError> {
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    let expected = sql(commit.expected)?;
    let size = expected + sql(commit.entries.len() as u64)?;
    let counted = sqlx::query("UPDATE log_head SET size = ?, last_time = ? WHERE size = ?")
        .bind(size)
        .bind(commit.last_time)
        .bind(expected)
        .execute(&mut *tx)
        .await?;
    if counted.rows_affected() != 1 {
        let found: i64 = sqlx::query_scalar("SELECT size FROM log_head").fetch_one(&mut *tx).await?;
        return Err(StateError::Conflict { expected: commit.expected, found: unsigned(found)? });
    }
    let (mut changes, expected_changes) = rows(&commit)?;
    if expected_changes > 0 && changes.build().execute(&mut *tx).await?.rows_affected() != expected_changes {
        // Whatever is new is inserted, or an error: only what was to be closed can be missing.
        return Err(StateError::NotOpen(commit.closed.first().map_or("entry", |(class, _)| class.name())));
    }
    for document in &commit.documents {
        sqlx::query("INSERT INTO document (hash, kind, body) VALUES (?, ?, ?) ON CONFLICT (hash) DO NOTHING")
            .bind(document.hash.as_slice())
            .bind(document.kind)
            .bind(&document.body)
            .execute(&mut *tx)
            .await?;
    }
    if let Some(checkpoint) = &commit.checkpoint {
        sqlx::query("INSERT INTO log_checkpoint (size, note) VALUES (?, ?)")
            .bind(sql(checkpoint.size)?)
            .bind(&checkpoint.note)
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Entries, hashes, and what is opened and closed, as statements that go to the library's thread at once; and how many rows they change.
fn rows(commit: &Commit) -> Result<(QueryBuilder<Sqlite>, u64), StateError> {
    let mut all = QueryBuilder::<Sqlite>::new("");
    let mut seq = sql(commit.expected)?;
    for rows in commit.entries.chunks(ROWS) {
        all.push("INSERT INTO log_entry (seq, kind, data) ");
        all.push_values(rows, |mut values, entry| {
            values.push_bind(seq).push_bind(entry.kind).push_bind(entry.data.as_slice());
            seq += 1;
        });
        all.push(";");
    }
    if !commit.hashes.is_empty() {
        all.push("INSERT INTO log_hash (first, hashes) VALUES (").push_bind(sql(commit.first_hash)?).push(", ");
        all.push_bind(commit.hashes.as_slice()).push(");");
    }
    for (class, id) in &commit.closed {
        all.push("DELETE FROM log_open WHERE class = ").push_bind(class.name()).push(" AND id = ");
        all.push_bind(id.as_slice()).push(";");
    }
    for (class, id, seq) in &commit.opened {
        all.push("INSERT INTO log_open (class, id, seq) VALUES (").push_bind(class.name()).push(", ").push_bind(id.as_slice());
        all.push(", ").push_bind(sql(*seq)?).push(");");
    }
    sqlite_sealed::rows(commit, &mut all)?;
    let hashes = usize::from(!commit.hashes.is_empty());
    let catalogue = commit.sealed.len() + commit.dated.len() + commit.unsealed.len();
    Ok((all, (commit.entries.len() + hashes + commit.closed.len() + commit.opened.len() + catalogue) as u64))
}

impl LogStore for SqliteLog {
    fn head(&self) -> Pending<'_, Head> {
        Box::pin(async {
            let row = sqlx::query("SELECT size, last_time FROM log_head").fetch_one(&self.pool).await?;
            Ok(Head { size: unsigned(row.try_get(0)?)?, last_time: row.try_get(1)? })
        })
    }

    fn append(&self, commit: Commit) -> Pending<'_, ()> {
        Box::pin(async {
            if self.access == Access::Read {
                return Err(StateError::ReadOnly);
            }
            append(&self.pool, commit).await
        })
    }

    fn hashes(&self, indexes: Vec<u64>) -> Pending<'_, Vec<[u8; 32]>> {
        Box::pin(async move {
            let mut connection = self.pool.acquire().await?;
            let mut out = Vec::with_capacity(indexes.len());
            // One row holds the hashes of one append; neighbours mostly come from the same row.
            let mut row: Option<(u64, Vec<u8>)> = None;
            for index in indexes {
                let known = row.take().filter(|(first, hashes)| within(*first, hashes, index).is_some());
                let (first, hashes) = match known {
                    Some(row) => row,
                    None => {
                        let row = sqlx::query("SELECT first, hashes FROM log_hash WHERE first <= ? ORDER BY first DESC LIMIT 1")
                            .bind(sql(index)?)
                            .fetch_optional(&mut *connection)
                            .await?
                            .ok_or(StateError::Damaged("a missing tree hash"))?;
                        (unsigned(row.try_get(0)?)?, row.try_get(1)?)
                    }
                };
                out.push(hash_of(within(first, &hashes, index).ok_or(StateError::Damaged("a missing tree hash"))?)?);
                row = Some((first, hashes));
            }
            Ok(out)
        })
    }

    fn entries(&self, from: u64, limit: u32) -> Pending<'_, Vec<StoredEntry>> {
        Box::pin(async move {
            let rows = sqlx::query("SELECT seq, data FROM log_entry WHERE seq >= ? ORDER BY seq LIMIT ?")
                .bind(sql(from)?)
                .bind(limit)
                .fetch_all(&self.pool)
                .await?;
            rows.iter().map(entry_of).collect()
        })
    }

    fn entries_of(&self, kind: &'static str, from: u64, limit: u32) -> Pending<'_, Vec<StoredEntry>> {
        Box::pin(async move {
            let rows = sqlx::query("SELECT seq, data FROM log_entry WHERE kind = ? AND seq >= ? ORDER BY seq LIMIT ?")
                .bind(kind)
                .bind(sql(from)?)
                .bind(limit)
                .fetch_all(&self.pool)
                .await?;
            rows.iter().map(entry_of).collect()
        })
    }

    fn entries_back(&self, kind: &'static str, before: u64, limit: u32) -> Pending<'_, Vec<StoredEntry>> {
        Box::pin(async move {
            let rows = sqlx::query("SELECT seq, data FROM log_entry WHERE kind = ? AND seq < ? ORDER BY seq DESC LIMIT ?")
                .bind(kind)
                .bind(sql(before)?)
                .bind(limit)
                .fetch_all(&self.pool)
                .await?;
            rows.iter().map(entry_of).collect()
        })
    }

    fn batches_back(&self, source: String, before: u64, limit: u32) -> Pending<'_, Vec<(u64, String)>> {
        Box::pin(async move {
            let rows = sqlx::query(BATCHES_BACK).bind(source).bind(sql(before)?).bind(limit).fetch_all(&self.pool).await?;
            rows.iter().map(|row| Ok((unsigned(row.try_get(0)?)?, row.try_get(1)?))).collect()
        })
    }

    fn newest_of(&self, kind: &'static str) -> Pending<'_, Option<StoredEntry>> {
        Box::pin(async move {
            let row = sqlx::query("SELECT seq, data FROM log_entry WHERE kind = ? ORDER BY seq DESC LIMIT 1")
                .bind(kind)
                .fetch_optional(&self.pool)
                .await?;
            row.as_ref().map(entry_of).transpose()
        })
    }

    fn open(&self, class: Class) -> Pending<'_, Vec<StoredEntry>> {
        Box::pin(async move {
            let rows = sqlx::query(
                "SELECT e.seq, e.data FROM log_open o JOIN log_entry e ON e.seq = o.seq WHERE o.class = ? ORDER BY e.seq",
            )
            .bind(class.name())
            .fetch_all(&self.pool)
            .await?;
            rows.iter().map(entry_of).collect()
        })
    }

    fn opened_by(&self, class: Class, id: [u8; 16]) -> Pending<'_, Option<StoredEntry>> {
        Box::pin(async move {
            let row = sqlx::query(
                "SELECT e.seq, e.data FROM log_open o JOIN log_entry e ON e.seq = o.seq WHERE o.class = ? AND o.id = ?",
            )
            .bind(class.name())
            .bind(id.to_vec())
            .fetch_optional(&self.pool)
            .await?;
            row.as_ref().map(entry_of).transpose()
        })
    }

    fn sealed(&self, query: SealedQuery, limit: u32) -> Pending<'_, Vec<SealedRow>> {
        Box::pin(async move { sqlite_sealed::sealed(&self.pool, query, limit).await })
    }

    fn sealed_groups(&self, today: String) -> Pending<'_, Vec<SealedGroup>> {
        Box::pin(async move { sqlite_sealed::groups(&self.pool, &today).await })
    }

    fn sealed_under(&self, key_id: String) -> Pending<'_, bool> {
        Box::pin(async move {
            let found: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM log_sealed WHERE key_id = ?)")
                .bind(key_id)
                .fetch_one(&self.pool)
                .await?;
            Ok(found)
        })
    }

    fn checkpoints(&self) -> Pending<'_, Vec<StoredCheckpoint>> {
        Box::pin(async {
            let rows = sqlx::query("SELECT size, note FROM log_checkpoint ORDER BY size, id").fetch_all(&self.pool).await?;
            rows.iter().map(checkpoint_of).collect()
        })
    }

    fn newest_checkpoint(&self) -> Pending<'_, Option<StoredCheckpoint>> {
        Box::pin(async move {
            let row = sqlx::query("SELECT size, note FROM log_checkpoint ORDER BY size DESC, id DESC LIMIT 1")
                .fetch_optional(&self.pool)
                .await?;
            row.as_ref().map(checkpoint_of).transpose()
        })
    }

    fn document(&self, hash: [u8; 32]) -> Pending<'_, Option<StoredDocument>> {
        Box::pin(async move {
            let row = sqlx::query("SELECT kind, body FROM document WHERE hash = ?")
                .bind(hash.to_vec())
                .fetch_optional(&self.pool)
                .await?;
            let Some(row) = row else { return Ok(None) };
            Ok(Some(StoredDocument { hash, kind: row.try_get(0)?, body: row.try_get(1)? }))
        })
    }

    fn document_hashes(&self) -> Pending<'_, Vec<[u8; 32]>> {
        Box::pin(async move {
            let rows: Vec<Vec<u8>> = sqlx::query_scalar("SELECT hash FROM document ORDER BY hash").fetch_all(&self.pool).await?;
            rows.iter().map(|hash| hash_of(hash)).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_batches_of_a_source_are_found_without_reading_those_of_others() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::create(&dir.path().join("state")).await.unwrap();
        let plan = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {BATCHES_BACK}")));
        let rows = plan.bind("a").bind(1).bind(1).fetch_all(state.pool()).await.unwrap();
        let steps: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
        for index in ["log_entry_source (<expr>=? AND seq<?)", "log_entry_undone (<expr>=?)"] {
            assert!(steps.iter().any(|step| step.contains(index)), "{steps:?}");
        }
        assert!(!steps.iter().any(|step| step.contains("SCAN") || step.contains("TEMP")), "{steps:?}");
    }
}
