//! One thing that a run does to one kind of record: which rows, which columns, what goes with them.

use super::boolean::B;
use super::dialect::Dialect;
use super::dialect::keys::KeyOrder;
use super::key::RecordKey;
use super::schema::{Column, Engine, TableName, TypeClass};

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ActionKind {
    /// Values that must never be stored are cleared, and reported as an incident.
    NeverStored,
    /// The row is deleted with what follows it.
    Delete,
    /// Every personal field is masked; the row stays for good.
    Anonymise,
    /// The same, with a pseudonym among the masks: what stays is personal data still.
    Pseudonymise,
    /// The fields of one group are masked; the row stays because something else keeps it.
    Clear,
    /// The row is due for deletion but still referenced or read: masked now, deleted later.
    Empty,
}

impl ActionKind {
    /// The word for it in journals, plans and ids.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::NeverStored => "never-stored",
            Self::Delete => "delete",
            Self::Anonymise => "anonymise",
            Self::Pseudonymise => "pseudonymise",
            Self::Clear => "clear",
            Self::Empty => "empty",
        }
    }
}

/// What happens to the rows of a companion table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// They are deleted.
    Delete,
    /// These columns are set, over the row of alias `r`.
    Mask(Vec<(String, String)>),
}

/// Rows of another table that change in the same transaction.
#[derive(Debug, Clone)]
pub struct Companion {
    /// The data set, if the table is one.
    pub data_set: Option<String>,
    /// Its table.
    pub table: TableName,
    /// Its key.
    pub key: Vec<Column>,
    /// Pairs that join it: (its column, column of the table above).
    pub on: Vec<(String, String)>,
    /// Rows (alias `r`) on which the operation has something to do.
    pub condition: B,
    /// Rows through which its own companions are reached: all of them, where it has any. May speak of the row [`ABOVE`].
    pub reach: B,
    /// Tables that decide whether they go, with their join: (column there, column of these rows). Of records that would stay for reasons of their own.
    pub reads: Vec<(TableName, Vec<(String, String)>)>,
    /// What happens to them.
    pub operation: Operation,
    /// Its place in the order in which rows can be deleted that refer to each other: who refers comes first.
    pub rank: usize,
    /// Its foreign keys to its own rows: (column of who refers, column of whom it refers to).
    pub itself: Vec<Vec<(String, String)>>,
    /// What goes before them in turn.
    pub companions: Vec<Companion>,
}

/// How a batch takes its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One statement finds and acts over a window of keys.
    Window,
    /// One statement acts on exact keys; at REPEATABLE READ it locks what it reads.
    Keys,
    /// The rows are locked first, what the predicate reads after them.
    LockFirst,
}

/// One action of a plan.
#[derive(Debug, Clone)]
pub struct Action {
    /// Its id within the source: `person.delete`, `person.clear.bank`.
    pub id: String,
    /// The root data set whose records it changes.
    pub data_set: String,
    /// What it does.
    pub kind: ActionKind,
    /// The root table.
    pub table: TableName,
    /// The root table's key, in the map's order.
    pub key: Vec<Column>,
    /// Which rows (alias `r`), orders included: repeated in the statement that acts.
    pub predicate: B,
    /// The same, locking the rows that it reads in other tables where the engine needs to be told.
    pub locking: B,
    /// The same without looking for orders when none stands: for finding candidates.
    pub candidates: B,
    /// Rows that it would change if no hold or restriction kept them.
    pub held: B,
    /// Columns set on the root row; empty for deletions.
    pub set: Vec<(String, String)>,
    /// Whether the root row itself has something to do; its followers alone may.
    pub own_todo: B,
    /// Categories whose fields it touches.
    pub categories: Vec<String>,
    /// Purposes on whose end it rests, by id.
    pub purposes: Vec<String>,
    /// Rows of other tables that change with it.
    pub companions: Vec<Companion>,
    /// Tables that the predicate reads, with their join to the root: (column there, column of the root). Empty when it reads the row alone.
    pub reads: Vec<(TableName, Vec<(String, String)>)>,
    /// Whether foreign keys lead from its table, or from what goes with it, to what is deleted before that.
    pub circular: bool,
    /// Whether the key is the table's primary key.
    pub by_primary_key: bool,
    /// Indexes that begin with the column that says whether anything is left to mask; see [`to_do`](super::to_do).
    pub to_do_indexes: Vec<String>,
}

/// How rows are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Path {
    /// As the engine's planner thinks best.
    #[default]
    Planned,
    /// Along the primary key, because a good share of the rows that it passes are due. MariaDB and MySQL would rather collect and sort all of them for
    /// each batch.
    Along,
    /// By the to-do column, because next to nothing is left: MariaDB's and MySQL's statistics do not know that yet.
    ToDo,
}

/// The alias of the row that acts; every predicate is written over it.
pub const ROW: &str = "r";

/// The alias of the row above, where rows that go with it are looked for.
pub const ABOVE: &str = "p";

impl Action {
    /// How a batch takes its rows when nobody is in the way.
    #[must_use]
    pub fn shape(&self, d: Dialect) -> Shape {
        match d.engine {
            // The predicate reads only the row and the orders, which the fence holds still.
            Engine::Postgres | Engine::Sqlite if self.reads.is_empty() && self.companions.is_empty() => Shape::Window,
            // MySQL cannot be told not to wait.
            Engine::MariaDb if self.repeats_predicate(d) => Shape::Keys,
            _ => Shape::LockFirst,
        }
    }

    /// Whether the acting statement can repeat the predicate. Not when what goes with the row is gone by then; not on MariaDB and MySQL when the
    /// predicate reads the row's own table again, which they refuse in a statement that changes it (1093); and not on MySQL when it reads other rows
    /// at all, for which the acting statement would wait. They are confirmed under all locks instead.
    #[must_use]
    pub fn repeats_predicate(&self, d: Dialect) -> bool {
        let reads_itself = || self.predicate.render().contains(&format!("FROM {} AS ", d.table(&self.table)));
        self.companions.is_empty()
            && match d.engine {
                Engine::MySql => self.reads.is_empty() && !reads_itself(),
                Engine::MariaDb => !reads_itself(),
                Engine::Postgres | Engine::Sqlite => true,
            }
    }

    /// Expressions that read the key.
    #[must_use]
    pub fn key_columns(&self, d: Dialect) -> String {
        key_columns(d, &self.key, ROW)
    }

    /// What an acting statement returns: SQLite does not know the alias there.
    fn returning(&self, d: Dialect) -> String {
        key_columns(d, &self.key, if d.engine == Engine::Sqlite { "" } else { ROW })
    }

    /// The table as rows are looked for in it.
    #[must_use]
    pub fn table_by(&self, d: Dialect, path: Path) -> String {
        let names = match path {
            Path::Along if self.by_primary_key => vec!["PRIMARY"],
            Path::ToDo => self.to_do_indexes.iter().map(String::as_str).collect(),
            Path::Planned | Path::Along => Vec::new(),
        };
        let names: Vec<String> = names.into_iter().map(|n| d.ident(n)).collect();
        let hint = match d.engine.is_mysql_family() && !names.is_empty() {
            true => format!(" FORCE INDEX ({})", names.join(", ")),
            false => String::new(),
        };
        format!("{} AS {ROW}{hint}", d.table(&self.table))
    }

    /// Candidates in key order after a key, at most so many.
    #[must_use]
    pub fn find(&self, d: Dialect, path: Path, after: Option<&RecordKey>, limit: u64) -> String {
        let after = after.map(|k| B::sql(d.key_compare(ROW, &self.key, KeyOrder::After, k))).unwrap_or(B::True);
        format!(
            "SELECT {} FROM {} WHERE {} ORDER BY {} LIMIT {limit}",
            self.key_columns(d),
            self.table_by(d, path),
            B::and([after, self.candidates.clone()]).render(),
            d.key_order(ROW, &self.key)
        )
    }

    /// All candidates, in no order: for a few of them, which an index finds. Asked for in key order, planners read the table in that order.
    #[must_use]
    pub fn find_all(&self, d: Dialect) -> String {
        format!("SELECT {} FROM {} AS {ROW} WHERE {}", self.key_columns(d), d.table(&self.table), self.candidates.render())
    }

    /// All candidates from one key to another, in key order.
    #[must_use]
    pub fn find_between(&self, d: Dialect, [from, to]: &[RecordKey; 2]) -> String {
        let between = self.between(d, from, to);
        format!(
            "SELECT {} FROM {} AS {ROW} WHERE {} ORDER BY {}",
            self.key_columns(d),
            d.table(&self.table),
            B::and([between, self.candidates.clone()]).render(),
            d.key_order(ROW, &self.key)
        )
    }

    /// The first key of the table, or the last one: for keys of one column.
    #[must_use]
    pub fn end(&self, d: Dialect, last: bool) -> String {
        let direction = if last { " DESC" } else { "" };
        format!(
            "SELECT {} FROM {} AS {ROW} ORDER BY {}{direction} LIMIT 1",
            self.key_columns(d),
            d.table(&self.table),
            d.key_order(ROW, &self.key)
        )
    }

    fn between(&self, d: Dialect, from: &RecordKey, to: &RecordKey) -> B {
        B::and([
            B::sql(d.key_compare(ROW, &self.key, KeyOrder::From, from)),
            B::sql(d.key_compare(ROW, &self.key, KeyOrder::UpTo, to)),
        ])
    }

    /// Which of these keys are due, without locking anything.
    #[must_use]
    pub fn look(&self, d: Dialect, keys: &[RecordKey]) -> String {
        let condition = B::and([B::sql(d.key_in(ROW, &self.key, keys)), self.predicate.clone()]);
        format!("SELECT {} FROM {} AS {ROW} WHERE {}", self.key_columns(d), d.table(&self.table), condition.render())
    }

    /// How many rows the table has, counted no further than `most`.
    #[must_use]
    pub fn count_table(&self, d: Dialect, most: u64) -> String {
        let table = d.table(&self.table);
        format!("SELECT {} FROM (SELECT 1 FROM {table} LIMIT {most}) AS t", d.as_text("COUNT(*)"))
    }

    /// Acts on every due row of a window of keys and returns their keys: the one-statement shape.
    #[must_use]
    pub fn act_window(&self, d: Dialect, from: &RecordKey, to: &RecordKey) -> String {
        let act = format!("{} RETURNING {}", self.act_run(d, from, to), self.returning(d));
        if self.gathers_keys(d) { format!("WITH acted (key) AS ({act}) SELECT string_agg(key, ',') FROM acted") } else { act }
    }

    /// Whether [`Self::act_window`] answers with all keys in one text, separated by commas: a message for each row costs as much as deleting it.
    #[must_use]
    pub fn gathers_keys(&self, d: Dialect) -> bool {
        d.engine == Engine::Postgres && matches!(self.key.as_slice(), [key] if key.class == TypeClass::Integer)
    }

    /// Locks the rows of these keys that are due, leaving out those that somebody else holds.
    #[must_use]
    pub fn lock(&self, d: Dialect, keys: &[RecordKey], skip_locked: bool) -> String {
        let condition = B::and([B::sql(d.key_in(ROW, &self.key, keys)), self.predicate.clone()]);
        let lock = match d.engine {
            Engine::Postgres if !skip_locked => format!(" FOR UPDATE OF {ROW}"),
            _ => d.lock_free(ROW),
        };
        format!("SELECT {} FROM {} AS {ROW} WHERE {}{lock}", self.key_columns(d), d.table(&self.table), condition.render())
    }

    /// Reads once more, under all locks, which of these keys are due: for actions whose companions go first, so that the acting statement
    /// itself cannot repeat a predicate about rows that are gone by then.
    #[must_use]
    pub fn confirm(&self, d: Dialect, keys: &[RecordKey]) -> String {
        let condition = B::and([B::sql(d.key_in(ROW, &self.key, keys)), self.locking.clone()]);
        let lock = d.lock_with_others_held(ROW);
        format!("SELECT {} FROM {} AS {ROW} WHERE {}{lock}", self.key_columns(d), d.table(&self.table), condition.render())
    }

    /// Locks the rows that the predicate reads about these keys, so that none changes before the commit. PostgreSQL only: InnoDB locks
    /// them in the acting statement at REPEATABLE READ, SQLite has one writer.
    #[must_use]
    pub fn lock_read_rows(&self, d: Dialect, keys: &[RecordKey]) -> Vec<String> {
        lock_reads(d, &self.table, &self.key, &self.reads, keys)
    }

    /// Acts on exactly these keys, the predicate repeated. On MariaDB and MySQL the affected count is the number of matched rows.
    #[must_use]
    pub fn act_keys(&self, d: Dialect, keys: &[RecordKey], returning: bool) -> String {
        let mut condition = vec![B::sql(d.key_in(ROW, &self.key, keys))];
        // What it was deleted with is gone by now, and the rows are locked: the predicate's own terms about companions would not hold any more.
        condition.push(if self.repeats_predicate(d) { self.predicate.clone() } else { self.own_todo.clone() });
        let act = self.act(d, &B::and(condition));
        if returning && !d.engine.is_mysql_family() { format!("{act} RETURNING {}", self.returning(d)) } else { act }
    }

    /// Acts on every due row of a window of keys, the predicate repeated, and tells only how many.
    #[must_use]
    pub fn act_run(&self, d: Dialect, from: &RecordKey, to: &RecordKey) -> String {
        self.act(d, &B::and([self.between(d, from, to), self.predicate.clone()]))
    }

    fn act(&self, d: Dialect, condition: &B) -> String {
        let operation = match self.kind {
            ActionKind::Delete => Operation::Delete,
            _ => Operation::Mask(self.set.clone()),
        };
        statement(d, &self.table, &operation, condition)
    }
}

impl Companion {
    /// Its table and those of what goes with it, where rows are deleted.
    pub(super) fn deleted_tables<'c>(&'c self, tables: &mut Vec<&'c TableName>) {
        if self.operation == Operation::Delete {
            tables.push(&self.table);
        }
        self.companions.iter().for_each(|c| c.deleted_tables(tables));
    }

    /// The keys of its rows that belong to these rows of the table above; locked where the engine locks by row.
    #[must_use]
    pub fn find(&self, d: Dialect, above: &TableName, above_key: &[Column], keys: &[RecordKey]) -> String {
        let on: Vec<String> =
            self.on.iter().map(|(here, there)| format!("{} = {}", d.column(ROW, here), d.column(ABOVE, there))).collect();
        let lock = d.lock_with_others_held(ROW);
        let condition = B::and([B::sql(d.key_in(ABOVE, above_key, keys)), self.reach.clone()]);
        format!(
            "SELECT {} FROM {} AS {ABOVE} JOIN {} AS {ROW} ON {} WHERE {}{lock}",
            key_columns(d, &self.key, ROW),
            d.table(above),
            d.table(&self.table),
            on.join(" AND "),
            condition.render()
        )
    }

    /// Which of these rows have something to do themselves.
    #[must_use]
    pub fn narrow(&self, d: Dialect, keys: &[RecordKey]) -> Option<String> {
        (self.condition != self.reach).then(|| {
            let condition = B::and([B::sql(d.key_in(ROW, &self.key, keys)), self.condition.clone()]);
            format!(
                "SELECT {} FROM {} AS {ROW} WHERE {}",
                key_columns(d, &self.key, ROW),
                d.table(&self.table),
                condition.render()
            )
        })
    }

    /// Pairs among these rows: who refers, and to whom. Only where the engine looks at foreign keys row by row.
    #[must_use]
    pub fn refer_to_each_other(&self, d: Dialect, keys: &[RecordKey]) -> Option<String> {
        refer_to_each_other(d, &self.table, &self.key, &self.itself, keys)
    }

    /// The same as [`Action::lock_read_rows`].
    #[must_use]
    pub fn lock_read_rows(&self, d: Dialect, keys: &[RecordKey]) -> Vec<String> {
        lock_reads(d, &self.table, &self.key, &self.reads, keys)
    }

    /// Whether rows of these, or of those that go with them, go or stay by what other tables say of them.
    #[must_use]
    pub fn reads_others(&self) -> bool {
        !self.reads.is_empty() || self.companions.iter().any(Self::reads_others)
    }

    /// Whether these, or some of those that go with them, are deleted.
    #[must_use]
    pub fn deletes(&self) -> bool {
        matches!(self.operation, Operation::Delete) || self.companions.iter().any(Self::deletes)
    }

    /// Acts on exactly these rows.
    #[must_use]
    pub fn act(&self, d: Dialect, keys: &[RecordKey]) -> String {
        statement(d, &self.table, &self.operation, &B::sql(d.key_in(ROW, &self.key, keys)))
    }
}

pub(super) fn lock_reads(
    d: Dialect,
    table: &TableName,
    key: &[Column],
    reads: &[(TableName, Vec<(String, String)>)],
    keys: &[RecordKey],
) -> Vec<String> {
    if d.engine != Engine::Postgres {
        return Vec::new();
    }
    let by_table = reads.iter().map(|(read, pairs)| {
        let on: Vec<String> =
            pairs.iter().map(|(there, here)| format!("{} = {}", d.column("c", there), d.column(ROW, here))).collect();
        format!(
            "SELECT 1::text FROM {} AS {ROW} JOIN {} AS c ON {} WHERE {} FOR SHARE OF c",
            d.table(table),
            d.table(read),
            on.join(" AND "),
            d.key_in(ROW, key, keys)
        )
    });
    by_table.collect()
}

/// Pairs among rows of one table, by its foreign keys to its own rows: who refers, and to whom. Only where the engine looks at foreign keys row by row.
pub(super) fn refer_to_each_other(
    d: Dialect,
    table: &TableName,
    key: &[Column],
    itself: &[Vec<(String, String)>],
    keys: &[RecordKey],
) -> Option<String> {
    if !d.engine.is_mysql_family() || itself.is_empty() {
        return None;
    }
    let equal = |by: &str, to: &str| B::sql(format!("{} = {}", d.column("c", by), d.column(ROW, to)));
    let joined = itself.iter().map(|pairs| B::and(pairs.iter().map(|(by, to)| equal(by, to))));
    let other = B::and(key.iter().map(|k| equal(&k.name, &k.name))).negate();
    let name = d.table(table);
    Some(format!(
        "SELECT {}, {} FROM {name} AS {ROW} JOIN {name} AS c WHERE {}",
        key_columns(d, key, "c"),
        key_columns(d, key, ROW),
        B::and([B::sql(d.key_in(ROW, key, keys)), B::or(joined), other]).render()
    ))
}

/// Reads one of these rows that is still there.
#[must_use]
pub fn remains(d: Dialect, table: &TableName, key: &[Column], keys: &[RecordKey]) -> String {
    format!("SELECT {} FROM {} AS {ROW} WHERE {} LIMIT 1", key_columns(d, key, ROW), d.table(table), d.key_in(ROW, key, keys))
}

pub(super) fn key_columns(d: Dialect, key: &[Column], alias: &str) -> String {
    key.iter().map(|c| d.key_text(alias, c)).collect::<Vec<_>>().join(", ")
}

/// The statement that does an operation on the rows (alias `r`) of a condition.
pub(super) fn statement(d: Dialect, table: &TableName, operation: &Operation, condition: &B) -> String {
    let (table, condition) = (d.table(table), condition.render());
    match operation {
        Operation::Delete if d.engine.is_mysql_family() => format!("DELETE {ROW} FROM {table} AS {ROW} WHERE {condition}"),
        Operation::Delete => format!("DELETE FROM {table} AS {ROW} WHERE {condition}"),
        Operation::Mask(set) => {
            let set: Vec<String> = set
                .iter()
                .map(|(column, value)| {
                    let target = if d.engine.is_mysql_family() { d.column(ROW, column) } else { d.ident(column) };
                    format!("{target} = {value}")
                })
                .collect();
            format!("UPDATE {table} AS {ROW} SET {} WHERE {condition}", set.join(", "))
        }
    }
}
