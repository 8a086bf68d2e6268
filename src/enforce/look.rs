//! What a worker looks up outside its batches: which records are due, how many, and where their keys begin and end. Nothing is locked here; each
//! batch looks again under its locks.

use std::collections::{HashMap, HashSet};

use super::error::EnforceError;
use super::keys::{Keys, keys_of};
use super::work::Worker;
use crate::plan::action::{Action, Path};
use crate::plan::archiving::{Archiving, Taken};
use crate::plan::gather::gathers;
use crate::plan::key::RecordKey;
use crate::source::{Class, Row};

/// How many times as many keys are looked up at once where each takes little room.
const SMALL_KEYS: u64 = 10;

/// How many records are asked about at once.
const PAGE: usize = 1_000;

impl Worker<'_> {
    /// How many rows the table of an action has, counted no further than `most`.
    ///
    /// # Errors
    /// Of the database.
    pub async fn count_table(&mut self, action: &Action, most: u64) -> Result<u64, EnforceError> {
        let rows = self.look(&action.count_table(self.common.cx.dialect, most)).await?;
        Ok(rows.first().and_then(|r| r.first()?.as_deref()?.parse().ok()).unwrap_or(0))
    }

    /// Reads outside any batch, once more over a new connection when the old one turns out to be gone: servers end those that were idle.
    async fn look(&mut self, sql: &str) -> Result<Vec<Row>, EnforceError> {
        match self.look_once(sql).await {
            Err(EnforceError::Source(e)) if matches!(e.class(), Class::Lost) => {
                self.drop_session().await;
                self.look_once(sql).await
            }
            answer => answer,
        }
    }

    async fn look_once(&mut self, sql: &str) -> Result<Vec<Row>, EnforceError> {
        let mysql = self.common.cx.dialect.engine.is_mysql_family();
        let session = self.session().await?;
        let rows = session.rows(sql).await?;
        if mysql {
            // What was read opened a transaction, whose isolation cannot be chosen any more.
            session.rows("COMMIT").await?;
        }
        Ok(rows)
    }

    /// How many keys of an action are looked up at once: more of those that take little room, since a question about children may cost the same for
    /// one key as for all; and more of those that go into archives, so that each object finds many with its end.
    #[must_use]
    pub fn chunk(&self, action: &Action) -> u64 {
        let chunk = self.common.settings.chunk;
        let more = gathers(self.common.cx.dialect, &action.key) || action.archiving.is_some();
        if more { chunk.saturating_mul(SMALL_KEYS) } else { chunk }
    }

    /// Keys of records that go into archives, in the order of the ends that they have there: an object holds records of one end, and the more of them
    /// the better. Those that wait for a copy are left out and counted: each would end its batch. Whatever changes until they are locked is seen then.
    ///
    /// # Errors
    /// Of the database.
    pub async fn by_end(&mut self, action: &Action, keys: Keys) -> Result<(Keys, u64), EnforceError> {
        let Some(archiving) = &action.archiving else { return Ok((keys, 0)) };
        let without = self.without_copy(archiving, &keys).await?;
        let places = self.places(archiving, &keys).await?;
        if without.is_empty() && places.is_empty() {
            return Ok((keys, 0));
        }
        let mut order: Vec<usize> = (0..keys.len()).filter(|at| !without.contains(at)).collect();
        order.sort_by_key(|at| places.get(*at));
        Ok((keys.chosen(&order), without.len() as u64))
    }

    /// Where each record stands among those that come together; nothing where all are alike.
    async fn places(&mut self, archiving: &Archiving, keys: &Keys) -> Result<Vec<u64>, EnforceError> {
        let d = self.common.cx.dialect;
        let mut places = Vec::new();
        for from in (0..keys.len()).step_by(PAGE).take_while(|_| keys.len() > 1) {
            let page = keys.part(from..(from + PAGE).min(keys.len()));
            let Some(sketch) = archiving.sketch(d, &page) else { break };
            let rows = self.look(&sketch).await?;
            let found: HashMap<RecordKey, u64> = rows.iter().filter_map(|row| archiving.place(d, row)).collect();
            places.extend(page.iter().map(|key| found.get(key).copied().unwrap_or(u64::MAX)));
        }
        Ok(places)
    }

    /// The places of those that wait for a copy.
    async fn without_copy(&mut self, archiving: &Archiving, keys: &Keys) -> Result<HashSet<usize>, EnforceError> {
        let d = self.common.cx.dialect;
        let mut without = HashSet::new();
        for from in (0..keys.len()).step_by(PAGE).take_while(|_| archiving.asks_for_copies()) {
            let page = keys.part(from..(from + PAGE).min(keys.len()));
            let rows = self.look(&archiving.look(d, &page)).await?;
            let mut taken: HashMap<RecordKey, Vec<Taken>> = rows
                .iter()
                .filter_map(|row| archiving.read(d, row))
                .map(|(key, taken)| (key, taken.unwrap_or_default()))
                .collect();
            let taken = page.iter().enumerate().filter_map(|(n, key)| Some((n, taken.remove(key)?)));
            let placed = taken.flat_map(|(n, all)| all.into_iter().map(move |one| (from + n, one)));
            without.extend(self.common.cx.copies.missing(archiving, placed.collect()).await);
        }
        Ok(without)
    }

    /// Candidates of an action in key order after a key, and whether these are the last.
    ///
    /// # Errors
    /// Of the database.
    pub async fn find(&mut self, action: &Action, path: Path, after: Option<&RecordKey>) -> Result<(Keys, bool), EnforceError> {
        let (d, most) = (self.common.cx.dialect, self.chunk(action));
        let rows = self.look(&action.find(d, path, after, most)).await?;
        let mut keys = Keys::answered(d, &action.key, rows)?;
        if gathers(d, &action.key) {
            keys.sort();
        }
        let last = (keys.len() as u64) < most;
        Ok((keys, last))
    }

    /// All candidates of an action, in the order of their keys where these are numbers.
    ///
    /// # Errors
    /// Of the database.
    pub async fn find_all(&mut self, action: &Action) -> Result<Keys, EnforceError> {
        let d = self.common.cx.dialect;
        let rows = self.look(&action.find_all(d)).await?;
        let mut keys = Keys::answered(d, &action.key, rows)?;
        keys.sort();
        Ok(keys)
    }

    /// All candidates of an action from one key to another.
    ///
    /// # Errors
    /// Of the database.
    pub async fn find_between(&mut self, action: &Action, ends: &[RecordKey; 2]) -> Result<Keys, EnforceError> {
        let d = self.common.cx.dialect;
        let rows = self.look(&action.find_between(d, ends)).await?;
        let mut keys = Keys::answered(d, &action.key, rows)?;
        keys.sort();
        Ok(keys)
    }

    /// How many candidates of an action have a key that names nobody.
    ///
    /// # Errors
    /// Of the database.
    pub async fn count_nameless(&mut self, action: &Action) -> Result<u64, EnforceError> {
        let Some(count) = action.count_nameless(self.common.cx.dialect) else { return Ok(0) };
        let rows = self.look(&count).await?;
        Ok(rows.first().and_then(|r| r.first()?.as_deref()?.parse().ok()).unwrap_or(0))
    }

    /// The first and the last key of an action's table.
    ///
    /// # Errors
    /// Of the database.
    pub async fn first_and_last(&mut self, action: &Action) -> Result<[Option<RecordKey>; 2], EnforceError> {
        let d = self.common.cx.dialect;
        let first = self.look(&action.end(d, false)).await?;
        let last = self.look(&action.end(d, true)).await?;
        Ok([keys_of(d, &action.key, &first)?.pop(), keys_of(d, &action.key, &last)?.pop()])
    }

    /// How many of these records are due, each looked at now.
    ///
    /// # Errors
    /// Of the database.
    pub async fn due_of(&mut self, action: &Action, keys: &[RecordKey]) -> Result<u64, EnforceError> {
        let mut n = 0;
        for page in keys.chunks(1_000) {
            n += self.look(&action.look(self.common.cx.dialect, page)).await?.len() as u64;
        }
        Ok(n)
    }
}
