//! Rows of other tables that change with a batch's own: what follows them, what the map declares to go with them, children that waited for nothing else.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;

use super::batch::{Failure, Transaction, macs};
use super::circles::halves;
use super::error::EnforceError;
use super::graph::{Graph, Group, Kept, Standing, steps};
use super::keys::{Keys, keys_of};
use crate::journal::{Name, Related, RelatedAction};
use crate::plan::companion::{Companion, Operation, remains};
use crate::plan::dialect::Dialect;
use crate::plan::key::RecordKey;
use crate::plan::schema::{Column, Engine, TableName};
use crate::source::Row as Answer;

/// Rows that change with others.
pub(super) struct Along<'b> {
    pub(super) companion: &'b Companion,
    pub(super) rows: Rows,
}

/// Which rows.
pub(super) enum Rows {
    /// These, which are locked where the engine locks rows.
    Found(Vec<RecordKey>),
    /// Whichever belong to these rows of the table above when they are deleted: so many when they were counted.
    Of(Vec<RecordKey>, usize),
}

impl Along<'_> {
    /// Locks the tables that decide about them.
    pub(super) fn lock_read_rows(&self, d: Dialect) -> Vec<String> {
        match &self.rows {
            Rows::Found(rows) => self.companion.lock_read_rows(d, rows),
            Rows::Of(..) => Vec::new(),
        }
    }
}

/// Everything that changes with some rows.
pub(super) struct Going<'t> {
    /// What.
    pub(super) rows: Vec<Along<'t>>,
    /// The rows that were looked up.
    pub(super) seen: BTreeSet<(&'t TableName, RecordKey)>,
    /// How many rows more the batch may take.
    pub(super) room: usize,
}

/// A statement that deletes, and how many rows it must.
pub(super) struct Deletion {
    pub(super) sql: String,
    pub(super) rows: u64,
    /// Answers with a row when one of them is still there. Only where rows that other statements delete by cascading keys are not counted.
    pub(super) left: Option<String>,
}

impl Deletion {
    /// A deletion of exactly these rows; `circular` as for [`Transaction::change`].
    pub(super) fn new(d: Dialect, sql: String, rows: &Above<'_>, circular: bool) -> Self {
        let left = (circular && d.engine == Engine::Sqlite).then(|| remains(d, rows.table, rows.key, rows.keys));
        Self { sql, rows: rows.keys.len() as u64, left }
    }
}

/// Rows: those whose companions are looked for, or that are deleted.
#[derive(Clone, Copy)]
pub(super) struct Above<'r> {
    pub(super) table: &'r TableName,
    pub(super) key: &'r [Column],
    pub(super) keys: &'r [RecordKey],
}

type Boxed<'f, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send + 'f>>;

impl<'t> Transaction<'t, '_> {
    /// The rows that go with these records of the action, and those that go with them.
    pub(super) async fn along(&mut self, keys: &[RecordKey]) -> Result<Going<'t>, Failure> {
        let action = self.asked.action;
        let (mut room, mut seen) = (self.asked.most_rows.saturating_sub(keys.len()), BTreeSet::new());
        let above = Above { table: &action.table, key: &action.key, keys };
        let rows = self.companions(&action.companions, above, &mut room, &mut seen).await?;
        Ok(Going { rows, seen, room })
    }

    /// The rows that go with these, and those that go with them, deepest first. All are found before any of them changes: whether one goes may rest on
    /// another.
    pub(super) fn companions<'f>(
        &'f mut self,
        list: &'t [Companion],
        above: Above<'f>,
        room: &'f mut usize,
        seen: &'f mut BTreeSet<(&'t TableName, RecordKey)>,
    ) -> Boxed<'f, Vec<Along<'t>>>
    where
        't: 'f,
    {
        Box::pin(async move {
            let d = self.cx.dialect;
            let mut all = Vec::new();
            for companion in list {
                if !companion.by.is_empty() {
                    let counted = self.session.rows(&companion.count(d, above.keys, room.saturating_add(1))).await?;
                    let n = counted.first().and_then(|r| r.first()?.as_deref()?.parse().ok()).unwrap_or(0);
                    *room = room.checked_sub(n).ok_or(Failure::TooLarge)?;
                    all.push(Along { companion, rows: Rows::Of(above.keys.to_vec(), n) });
                    continue;
                }
                // Some may be among those that were found in other ways.
                let most = room.saturating_add(seen.len()).saturating_add(1);
                let found = self.session.rows(&companion.find(d, above.table, above.key, above.keys, most)).await?;
                if found.len() >= most {
                    return Err(Failure::TooLarge);
                }
                let mut rows = keys_of(d, &companion.key, &found)?;
                rows.sort();
                rows.dedup();
                // Some are reached in more ways than one.
                rows.retain(|key| seen.insert((&companion.table, key.clone())));
                if rows.is_empty() {
                    continue;
                }
                *room = room.checked_sub(rows.len()).ok_or(Failure::TooLarge)?;
                let below = Above { table: &companion.table, key: &companion.key, keys: &rows };
                all.extend(self.companions(&companion.companions, below, room, seen).await?);
                all.push(Along { companion, rows: Rows::Found(rows) });
            }
            Ok(all)
        })
    }

    /// Asks other sources of the people whose records go along.
    pub(super) async fn still_unneeded_along(&mut self, all: &[Along<'t>]) -> Result<(), Failure> {
        for Along { companion, rows } in all {
            if let (Some(people), Rows::Found(keys)) = (&companion.people, rows) {
                self.still_unneeded(Some(people), keys).await?;
            }
        }
        Ok(())
    }

    /// Moves what archives keep of records that go along into them.
    pub(super) async fn archive_along(&mut self, all: &[Along<'t>]) -> Result<(), Failure> {
        for Along { companion, rows } in all {
            if let (Some(archiving), Rows::Found(keys)) = (&companion.archiving, rows) {
                self.archive(archiving, keys).await?;
            }
        }
        Ok(())
    }

    /// Changes them, those first that refer to others by foreign keys, and deletes what they go with after them. `circular` says that foreign keys lead
    /// back from what goes last: then they are looked at when all are gone, where the engine can. `room` is how many rows more the batch may take.
    pub(super) async fn change(
        &mut self,
        all: Vec<Along<'t>>,
        last: Vec<Deletion>,
        circular: bool,
        room: usize,
    ) -> Result<(), Failure> {
        let d = self.cx.dialect;
        if circular && d.engine == Engine::Sqlite {
            self.session.rows("PRAGMA defer_foreign_keys = ON").await?;
        }
        let (mut found, mut swept) = (Vec::new(), Vec::new());
        for Along { companion, rows } in all {
            match rows {
                Rows::Found(rows) => found.push((companion, rows)),
                Rows::Of(above, counted) => swept.push((companion, above, counted)),
            }
        }
        found.sort_by_key(|(companion, _)| companion.rank);
        for (companion, rows) in &mut found {
            if let Some(narrow) = companion.narrow(d, rows) {
                *rows = keys_of(d, &companion.key, &self.session.rows(&narrow).await?)?;
            }
        }
        // Nobody refers to these: they go before anything that they refer to.
        self.sweep(swept, room).await?;
        let mut deletions = Vec::new();
        for (companion, rows) in found.into_iter().filter(|(_, rows)| !rows.is_empty()) {
            let (action, steps) = match &companion.operation {
                Operation::Delete => {
                    let refer = companion.refer_to_each_other(d, &rows);
                    (RelatedAction::Deleted, self.steps(&companion.key, refer, &rows).await?)
                }
                Operation::Mask(set) if set.is_empty() => continue,
                Operation::Mask(_) => (RelatedAction::Masked, vec![rows.clone()]),
            };
            for step in steps {
                let of_step = Above { table: &companion.table, key: &companion.key, keys: &step };
                let act = Deletion::new(d, companion.act(d, &step), &of_step, circular && action == RelatedAction::Deleted);
                if action == RelatedAction::Masked {
                    self.delete(vec![act], false).await?;
                } else {
                    deletions.push(act);
                }
            }
            self.note(companion, action, &rows)?;
        }
        deletions.extend(last);
        self.delete(deletions, circular).await
    }

    /// Deletes rows by what they belong to, all in one round trip.
    async fn sweep(&mut self, swept: Vec<(&'t Companion, Vec<RecordKey>, usize)>, mut room: usize) -> Result<(), Failure> {
        if swept.is_empty() {
            return Ok(());
        }
        let d = self.cx.dialect;
        let statements: Vec<String> = swept.iter().map(|(companion, above, _)| companion.sweep(d, above)).collect();
        let answers = self.session.script(&statements.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        for ((companion, _, counted), answer) in swept.into_iter().zip(answers) {
            let rows = Keys::answered(d, &companion.key, answer.rows)?.all();
            room = room.saturating_add(counted).checked_sub(rows.len()).ok_or(Failure::TooLarge)?;
            if !rows.is_empty() {
                self.note(companion, RelatedAction::Deleted, &rows)?;
            }
        }
        Ok(())
    }

    /// Notes what was done to rows of another table, for the ledger and the journal.
    fn note(&mut self, companion: &Companion, action: RelatedAction, rows: &[RecordKey]) -> Result<(), Failure> {
        let name = companion.data_set.as_deref().map_or_else(|| Ok(Name::of_identifier(&companion.table.name)), Name::parse);
        let data_set = name.map_err(EnforceError::from)?;
        let macs = macs(self.cx, data_set.as_str(), rows)?;
        self.related.push(Related { data_set, action, rows: rows.len() as u64, macs });
        Ok(())
    }

    /// Carries out statements one after the other, or, where PostgreSQL is to look at foreign keys when all are done, as one.
    async fn delete(&mut self, all: Vec<Deletion>, at_once: bool) -> Result<(), Failure> {
        let d = self.cx.dialect;
        if all.is_empty() {
            return Ok(());
        }
        let as_expected = if at_once && d.engine == Engine::Postgres && all.len() > 1 {
            let parts: Vec<String> = all.iter().enumerate().map(|(n, a)| format!("d{n} AS ({} RETURNING 1)", a.sql)).collect();
            let counts: Vec<String> = (0..all.len()).map(|n| d.as_text(&format!("(SELECT count(*) FROM d{n})"))).collect();
            let answer = self.session.rows(&format!("WITH {} SELECT {}", parts.join(", "), counts.join(", "))).await?;
            let acted = answer.iter().flatten().map(|n| n.as_deref().and_then(|n| n.parse().ok()));
            acted.eq(all.iter().map(|a| Some(a.rows)))
        } else if all.iter().all(|a| a.left.is_some()) {
            // Keys that cascade along a circle delete rows of the next statement: SQLite counts only those of the statement itself.
            let left = all.iter().filter_map(|a| a.left.as_deref());
            let statements: Vec<&str> = all.iter().map(|a| a.sql.as_str()).chain(left).collect();
            self.session.script(&statements).await?.iter().skip(all.len()).all(|answer| answer.rows.is_empty())
        } else {
            // One after the other, and yet in one round trip.
            let statements: Vec<&str> = all.iter().map(|a| a.sql.as_str()).collect();
            let acted = self.session.script(&statements).await?;
            acted.iter().map(|a| a.count).eq(all.iter().map(|a| a.rows))
        };
        if as_expected { Ok(()) } else { Err(Failure::Vetoed) }
    }

    /// The order in which rows of one table can be deleted: InnoDB looks at foreign keys row by row. `refer` reads who of them refers to whom.
    pub(super) async fn steps(
        &mut self,
        key: &[Column],
        refer: Option<String>,
        rows: &[RecordKey],
    ) -> Result<Vec<Vec<RecordKey>>, Failure> {
        let (d, once) = (self.cx.dialect, vec![rows.to_vec()]);
        let Some(refer) = refer.filter(|_| rows.len() > 1) else { return Ok(once) };
        let pairs = self.session.rows(&refer).await?.into_iter().map(|row| halves(row, key.len()));
        let (by, to): (Vec<Answer>, Vec<Answer>) = pairs.unzip();
        let mut graph = Graph::default();
        rows.iter().for_each(|key| graph.insert((0, key.clone()), Standing::Unless(Vec::new())));
        for (by, to) in keys_of(d, key, &by)?.into_iter().zip(keys_of(d, key, &to)?) {
            graph.keep(&(0, to), Kept { by: (0, by), refers: true });
        }
        let groups = graph.groups();
        if groups.iter().flat_map(Group::rows).count() != rows.len() {
            // Somebody else refers to one of them: the database says so.
            return Ok(once);
        }
        Ok(steps(&groups).map(|step| step.map(|row| row.1.clone()).collect()).collect())
    }
}
