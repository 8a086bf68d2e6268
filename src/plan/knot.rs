//! Data sets whose records may keep each other from being deleted in a circle: none of them goes before the others, so they go together or not at all.
//!
//! A parent and a child that keep each other by the columns of `belongs_to` are no such circle: the parent's deletion takes the child along. What else
//! leads back to where it began is: a data set that refers to its own rows, two that read each other, a child of one parent that another one reads.

use super::action::{ROW, key_columns};
use super::archiving::Archiving;
use super::boolean::B;
use super::companion::{Companion, Operation, lock_reads, refer_to_each_other, rows_by, statement};
use super::dialect::Dialect;
use super::dialect::keys::KeyOrder;
use super::elsewhere::People;
use super::key::RecordKey;
use super::pointers::Pointers;
use super::schema::{Column, Engine, TableName};

/// Data sets whose records may keep each other in a circle.
#[derive(Debug, Clone)]
pub struct Knot {
    /// Root data sets in the order of the plan, and what follows them and goes: a row of those may go alone beside a record that stays.
    pub members: Vec<Member>,
}

/// One data set of a knot.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its id.
    pub data_set: String,
    /// The place of its root data set among the members; its own for a root.
    pub root: usize,
    /// Its table.
    pub table: TableName,
    /// Its key, in the map's order.
    pub key: Vec<Column>,
    /// What goes with one of its rows.
    pub companions: Vec<Companion>,
    /// What of it moves into archives when it is deleted. Of roots.
    pub archiving: Option<Archiving>,
    /// Of whom other sources are asked before it is deleted. Of roots.
    pub people: Option<People>,
    /// Its columns that point to files.
    pub files: Option<Pointers>,
    /// Its place in the order in which rows can be deleted that refer to each other: who refers comes first.
    pub rank: usize,
    /// Its foreign keys to its own rows, as of [`Companion::itself`].
    pub(super) itself: Vec<Vec<(String, String)>>,
    /// Those who keep a row and may go themselves.
    pub ways: Vec<Way>,
    /// The key of the root, and the tables to it, for one that follows.
    pub(super) root_key: Vec<Column>,
    /// `FROM`, over rows of alias `r`.
    pub(super) from: String,
    /// The alias of the root's row.
    pub(super) root_alias: String,
    /// Whether its record is deleted, once nobody keeps it.
    pub(super) record_due: [B; 2],
    /// Whether it goes alone, beside a record that stays, once nobody keeps it.
    pub(super) alone_due: [B; 2],
    /// Whether somebody keeps it who will not go.
    pub(super) kept: [B; 2],
    /// Whether a record of the same knot keeps it that is not due itself. Of roots.
    pub(super) hopeless: B,
    /// Whether others of the knot keep it. Only of what follows: all that nobody keeps is deleted with a mask of its record.
    pub(super) waits: B,
    /// Whether it is deleted by other means. Of roots.
    pub(super) foreseen: B,
    /// Whether something of it is left to mask; of what follows, whether anything of its record is left to do by other means.
    pub(super) to_do: B,
    /// Tables that decide, with their join: (column there, column of these rows).
    pub(super) reads: Vec<(TableName, Vec<(String, String)>)>,
    /// The same, joined to the row of its root. Only of what follows.
    pub(super) root_reads: Vec<(TableName, Vec<(String, String)>)>,
}

/// A way from a row to those who keep it.
#[derive(Debug, Clone)]
pub struct Way {
    /// Their place among the members.
    pub to: usize,
    /// Whether they refer to it by a foreign key, and must be deleted before it.
    pub refers: bool,
    /// `JOIN`s, over rows of alias `r`.
    pub(super) joins: String,
    /// The alias of those who keep it.
    pub(super) alias: String,
    pub(super) condition: [B; 2],
}

/// What is asked about a row, as long as nothing is locked, or under locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Under {
    /// Without locking anything.
    Nothing,
    /// Rows are locked as they are read.
    Locks,
}

impl Under {
    fn of(self, both: &[B; 2]) -> &B {
        &both[usize::from(self == Self::Locks)]
    }

    fn lock(self, d: Dialect, alias: &str) -> String {
        if self == Self::Locks { d.lock_with_others_held(alias) } else { String::new() }
    }
}

impl Knot {
    /// Locks rows of a member that might go together with others, leaving out those that somebody else holds; then what decides about them.
    #[must_use]
    pub fn lock(&self, d: Dialect, member: usize, keys: &[RecordKey]) -> Vec<String> {
        let m = &self.members[member];
        let table = d.table(&m.table);
        let lock = d.lock_free(ROW);
        let keys_in = d.key_in(ROW, &m.key, keys);
        let mut all = vec![format!("SELECT {} FROM {table} AS {ROW} WHERE {keys_in}{lock}", key_columns(d, &m.key, ROW))];
        all.extend(lock_reads(d, &m.table, &m.key, &m.reads, keys));
        all.extend(m.lock_root(d, keys));
        all
    }
}

impl Member {
    /// Whether it is a root data set.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.root_key.is_empty()
    }

    /// Whether rows of it may go without a record that goes with them.
    #[must_use]
    pub fn is_searched(&self) -> bool {
        !self.waits.is_false() && !self.alone_due[0].is_false()
    }

    /// Of these rows those that go unless another of the knot keeps them: key, key of the root, and whether they go with it. The columns of the root's key
    /// are missing for roots.
    #[must_use]
    pub fn may_go(&self, d: Dialect, keys: &[RecordKey], under: Under) -> String {
        let alone = B::and([under.of(&self.alone_due).clone(), under.of(&self.kept).clone().negate()]);
        let condition = if self.is_root() { alone } else { B::or([under.of(&self.record_due).clone(), alone]) };
        let mut columns = vec![key_columns(d, &self.key, ROW)];
        if !self.is_root() {
            columns.push(key_columns(d, &self.root_key, &self.root_alias));
            columns.push(format!("CASE WHEN {} THEN '1' ELSE '0' END", under.of(&self.record_due).render()));
        }
        format!(
            "SELECT {} FROM {} WHERE {}{}",
            columns.join(", "),
            self.from,
            B::and([B::sql(d.key_in(ROW, &self.key, keys)), condition]).render(),
            under.lock(d, ROW)
        )
    }

    /// Locks the records that rows follow, and what decides about those. PostgreSQL only, as [`lock_reads`].
    fn lock_root(&self, d: Dialect, keys: &[RecordKey]) -> Vec<String> {
        if d.engine != Engine::Postgres || self.is_root() {
            return Vec::new();
        }
        let (root, keys) = (&self.root_alias, d.key_in(ROW, &self.key, keys));
        let mut all = vec![format!("SELECT 1::text FROM {} WHERE {keys} FOR SHARE OF {root}", self.from)];
        for (read, pairs) in &self.root_reads {
            let on: Vec<String> =
                pairs.iter().map(|(there, here)| format!("{} = {}", d.column("c", there), d.column(root, here))).collect();
            let read = format!("{} AS c ON {}", d.table(read), on.join(" AND "));
            all.push(format!("SELECT 1::text FROM {} JOIN {read} WHERE {keys} FOR SHARE OF c", self.from));
        }
        all
    }

    /// The rows that follow these roots.
    #[must_use]
    pub fn of_root(&self, d: Dialect, root: &RecordKey) -> String {
        let is = d.key_in(&self.root_alias, &self.root_key, std::slice::from_ref(root));
        format!("SELECT {} FROM {} WHERE {is}", key_columns(d, &self.key, ROW), self.from)
    }

    /// The columns of the root's key.
    #[must_use]
    pub fn root_key(&self) -> &[Column] {
        &self.root_key
    }

    /// Who keeps these rows on a way: key of the row, key of who keeps it.
    #[must_use]
    pub fn who_keeps(&self, d: Dialect, way: &Way, keeper: &Member, keys: &[RecordKey], under: Under) -> String {
        format!(
            "SELECT {}, {} FROM {} AS {ROW}{} WHERE {}{}",
            key_columns(d, &self.key, ROW),
            key_columns(d, &keeper.key, &way.alias),
            d.table(&self.table),
            way.joins,
            B::and([B::sql(d.key_in(ROW, &self.key, keys)), under.of(&way.condition).clone()]).render(),
            under.lock(d, &way.alias)
        )
    }

    /// Rows that only others of the knot keep, which are due themselves, in key order after a key: key, and whether something of each is left to mask. Of
    /// what follows, rows beside a record that stays, and whether anything of that is left to do by other means. With `waiting`, only those of which it is not foreseen that they go by other means.
    #[must_use]
    pub fn find(&self, d: Dialect, after: Option<&RecordKey>, limit: u64, waiting: bool) -> String {
        let [due, kept] = [&self.alone_due, &self.kept].map(|both| both[0].clone());
        let after = after.map(|k| B::sql(d.key_compare(ROW, &self.key, KeyOrder::After, k))).unwrap_or(B::True);
        let other = if waiting { self.foreseen.clone() } else { B::False };
        let (hopeless, named) = (self.hopeless.clone().negate(), d.named(ROW, &self.key));
        let condition = B::and([after, due, kept.negate(), self.waits.clone(), hopeless, other.negate(), named]);
        format!(
            "SELECT {}, CASE WHEN {} THEN '1' ELSE '0' END FROM {} WHERE {} ORDER BY {} LIMIT {limit}",
            key_columns(d, &self.key, ROW),
            self.to_do.render(),
            self.from,
            condition.render(),
            d.key_order(ROW, &self.key)
        )
    }

    /// Pairs among these rows: who refers, and to whom. Only where the engine looks at foreign keys row by row.
    #[must_use]
    pub fn refer_to_each_other(&self, d: Dialect, keys: &[RecordKey]) -> Option<String> {
        refer_to_each_other(d, &self.table, &self.key, &self.itself, keys)
    }

    /// Deletes exactly these rows.
    #[must_use]
    pub fn delete(&self, d: Dialect, keys: &[RecordKey]) -> String {
        statement(d, &rows_by(d, &self.table, &[]), &Operation::Delete, &B::sql(d.key_in(ROW, &self.key, keys)))
    }
}
