//! How a batch finds, locks and changes its rows: in one statement, or lock, look, act.

use super::along::{Above, Deletion};
use super::batch::{Batch, Failure, Take, Transaction};
use super::error::EnforceError;
use super::keys::{Keys, keys_of};
use super::watch::Point;
use crate::plan::action::ActionKind;
use crate::plan::companion::Companion;
use crate::plan::key::RecordKey;
use crate::plan::schema::Engine;
use crate::source::Row;

impl Transaction<'_, '_> {
    /// The keys that an acting statement answered with.
    fn answered(&self, rows: Vec<Row>) -> Result<Vec<RecordKey>, EnforceError> {
        Ok(Keys::answered(self.cx.dialect, &self.asked.action.key, rows)?.all())
    }

    /// Finds and acts in one statement over a window of keys, which answers with the keys that it changed.
    pub(super) async fn by_window(&mut self) -> Result<Vec<RecordKey>, Failure> {
        let Batch { action, keys, most_rows, take, .. } = self.asked;
        let (Some(first), Some(last)) = (keys.first(), keys.last()) else { return Ok(Vec::new()) };
        self.cx.watch.at(Point::Locked, &action.id).await;
        let rows = self.session.rows(&action.act_window(self.cx.dialect, first, last)).await?;
        let changed = self.answered(rows)?;
        if take == Take::Stretch && changed.len() > most_rows {
            return Err(Failure::TooLarge);
        }
        Ok(changed)
    }

    /// Finds and acts in one statement over exact keys, which answers with the keys that it changed.
    pub(super) async fn by_scattered_keys(&mut self) -> Result<Vec<RecordKey>, Failure> {
        let Batch { action, keys, .. } = self.asked;
        self.cx.watch.at(Point::Locked, &action.id).await;
        let rows = self.session.rows(&action.act_keys(self.cx.dialect, keys, true)).await?;
        Ok(self.answered(rows)?)
    }

    /// Acts on exact keys in one statement, which must find every one of them due and free: it waits for nobody. If it does not, nothing is
    /// known of any of them, and they are taken again by locking them first.
    pub(super) async fn by_exact_keys(&mut self) -> Result<Vec<RecordKey>, Failure> {
        let Batch { action, keys, take, .. } = self.asked;
        let d = self.cx.dialect;
        self.cx.watch.at(Point::Locked, &action.id).await;
        let sql = match (take, keys) {
            (Take::Run, [first, .., last]) => action.act_run(d, first, last),
            _ => action.act_keys(d, keys, false),
        };
        let statements: Vec<&str> = d.wait_no_more().into_iter().chain([sql.as_str()]).collect();
        let matched = self.session.script(&statements).await?.pop().map_or(0, |a| a.count);
        if matched == keys.len() as u64 { Ok(keys.to_vec()) } else { Err(Failure::Moved) }
    }

    /// Lock, read what the predicate reads, act by key in statements of their own.
    pub(super) async fn by_key(&mut self) -> Result<Vec<RecordKey>, Failure> {
        let Batch { action, keys, take, .. } = self.asked;
        let (d, watch) = (self.cx.dialect, self.cx.watch);
        let lock = if take == Take::Waiting { Some(action.wait(d, keys)) } else { action.lock(d, keys) };
        let mut due = match lock {
            Some(lock) => keys_of(d, &action.key, &self.session.rows(&lock).await?)?,
            None => keys.to_vec(),
        };
        let asked = due.len();
        if due.is_empty() {
            return Ok(due);
        }
        watch.at(Point::Taken, &action.id).await;
        let mut locks: Vec<String> = d.wait_no_more().into_iter().map(str::to_owned).collect();
        let mut decided = None;
        if d.engine == Engine::Postgres && action.companions.iter().any(|c| c.reads_others() || c.deletes()) {
            // What goes along is decided by rows of its own, which must not change either; and nobody may begin to refer to what is deleted: a foreign
            // key that cascades would take that along.
            let found = self.along(&due).await?;
            locks.extend(found.rows.iter().flat_map(|f| f.lock_read_rows(d)));
            decided = Some(found);
        }
        locks.extend(action.lock_read_rows(d, &due));
        let alone = action.repeats_predicate(d);
        let confirming = action.confirms(d);
        if confirming {
            // In the same round trip, and yet with a snapshot of its own: it sees what the locks waited for.
            locks.push(action.confirm(d, &due));
        }
        if !locks.is_empty() {
            let mut answers = self.session.script(&locks.iter().map(String::as_str).collect::<Vec<_>>()).await?;
            if confirming {
                due = keys_of(d, &action.key, &answers.pop().unwrap_or_default().rows)?;
            }
        }
        watch.at(Point::Locked, &action.id).await;
        if due.is_empty() {
            return Ok(due);
        }
        if alone {
            let sql = action.act_keys(d, &due, true);
            if d.engine.is_mysql_family() {
                let matched = self.session.execute(&sql).await?;
                return if matched == due.len() as u64 { Ok(due) } else { Err(Failure::Moved) };
            }
            let acted = self.session.rows(&sql).await?;
            let acted = self.answered(acted)?;
            return if acted.is_empty() && take == Take::Waiting { Err(Failure::Vetoed) } else { Ok(acted) };
        }
        let above = Above { table: &action.table, key: &action.key, keys: &due };
        let companions = match decided {
            // All of these were locked before it was asked who is due, and nothing else decides about them.
            Some(found) if due.len() == asked && action.companions.iter().all(Companion::decides_itself) => found,
            Some(found) => {
                let again = self.along(&due).await?;
                if !again.seen.is_subset(&found.seen) {
                    return Err(Failure::Moved);
                }
                again
            }
            None => self.along(&due).await?,
        };
        self.still_unneeded(action.people.as_ref(), &due).await?;
        self.still_unneeded_along(&companions.rows).await?;
        // A path that is none is told before anything is sealed.
        self.point(action.files.as_ref(), &due).await?;
        self.point_along(&companions.rows).await?;
        if let Some(archiving) = &action.archiving {
            self.archive(archiving, &due).await?;
        }
        self.archive_along(&companions.rows).await?;
        let act = action.act_keys(d, &due, false);
        if action.kind == ActionKind::Delete {
            let act = Deletion::new(d, act, &above, action.circular);
            self.change(companions.rows, vec![act], action.circular, companions.room).await?;
            return Ok(due);
        }
        self.change(companions.rows, Vec::new(), false, companions.room).await?;
        // Actions on followers alone leave the root row as it is; a mask may have nothing to do on a root whose followers have.
        if !action.set.is_empty() && self.session.execute(&act).await? > due.len() as u64 {
            return Err(Failure::Vetoed);
        }
        Ok(due)
    }
}
