//! One thing that a run does to one kind of record: which rows, which columns, what goes with them.

use super::archiving::Archiving;
use super::boolean::B;
use super::companion::{Companion, Operation, PRIMARY, lock_reads, rows_by, statement};
use super::dialect::Dialect;
use super::dialect::keys::KeyOrder;
use super::elsewhere::People;
use super::gather::{gathered, returning};
use super::key::RecordKey;
use super::pointers::Pointers;
use super::schema::{Column, Engine, TableName};

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
    /// The same, asked of rows that are named by their keys: other tables are looked up for each, and what is read is locked where the engine needs to be
    /// told.
    pub of_keys: B,
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
    /// What moves into archives before anything changes.
    pub archiving: Option<Archiving>,
    /// Of whom other sources are asked before anything changes.
    pub people: Option<People>,
    /// Columns of the row that point to files which go.
    pub files: Option<Pointers>,
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
    /// Along the primary key, because a good share of the rows that it passes are due, or because the rows are named by it. MariaDB and MySQL would rather
    /// collect and sort all that are due for each batch, or walk another index, whose every entry they lock.
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
            Engine::Postgres | Engine::Sqlite if self.reads.is_empty() && self.companions.is_empty() && !self.takes_more() => {
                Shape::Window
            }
            // MySQL cannot be told not to wait.
            Engine::MariaDb if self.repeats_predicate(d) => Shape::Keys,
            _ => Shape::LockFirst,
        }
    }

    /// Whether more happens to its rows than a statement says: fields of them go into archives, or files with them, or other sources are asked of them.
    fn takes_more(&self) -> bool {
        self.archiving.is_some() || self.files.is_some() || self.people.is_some()
    }

    /// Whether files go with its rows, or with what goes with those.
    #[must_use]
    pub fn takes_files(&self) -> bool {
        self.files.is_some() || self.companions.iter().any(Companion::takes_files)
    }

    /// Whether the acting statement can repeat the predicate. Not when what goes with the row is gone by then; not on MariaDB and MySQL when the
    /// predicate reads the row's own table again, which they refuse in a statement that changes it (1093); and not on MySQL when it reads other rows
    /// at all, for which the acting statement would wait; and not where what was archived must be exactly what is changed. They are confirmed under all
    /// locks instead.
    #[must_use]
    pub fn repeats_predicate(&self, d: Dialect) -> bool {
        let reads_itself = || self.predicate.render().contains(&format!("FROM {} AS ", d.table(&self.table)));
        self.companions.is_empty()
            && !self.takes_more()
            && match d.engine {
                Engine::MySql => self.reads.is_empty() && !reads_itself(),
                Engine::MariaDb => !reads_itself(),
                Engine::Postgres | Engine::Sqlite => true,
            }
    }

    /// The predicate for rows that are named by their keys, where nothing it reads has to be locked by the asking.
    fn named(&self, d: Dialect) -> &B {
        if d.engine == Engine::Postgres { &self.of_keys } else { &self.predicate }
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
            Path::Along if self.by_primary_key => vec![PRIMARY],
            Path::ToDo => self.to_do_indexes.iter().map(String::as_str).collect(),
            Path::Planned | Path::Along => Vec::new(),
        };
        rows_by(d, &self.table, &names)
    }

    /// Candidates in key order after a key, at most so many.
    #[must_use]
    pub fn find(&self, d: Dialect, path: Path, after: Option<&RecordKey>, limit: u64) -> String {
        let after = after.map(|k| B::sql(d.key_compare(ROW, &self.key, KeyOrder::After, k))).unwrap_or(B::True);
        let select = format!(
            "SELECT {} FROM {} WHERE {} ORDER BY {} LIMIT {limit}",
            self.key_columns(d),
            self.table_by(d, path),
            B::and([after, self.candidates.clone(), d.named(ROW, &self.key)]).render(),
            d.key_order(ROW, &self.key)
        );
        gathered(d, &self.key, select)
    }

    /// Counts the candidates whose key names nobody; `None` where there can be none.
    #[must_use]
    pub fn count_nameless(&self, d: Dialect) -> Option<String> {
        let nameless = d.named(ROW, &self.key).negate();
        (!nameless.is_false()).then(|| {
            let condition = B::and([self.candidates.clone(), nameless]);
            format!("SELECT {} FROM {} AS {ROW} WHERE {}", d.as_text("COUNT(*)"), d.table(&self.table), condition.render())
        })
    }

    /// All candidates, in no order: for a few of them, which an index finds. Asked for in key order, planners read the table in that order.
    #[must_use]
    pub fn find_all(&self, d: Dialect) -> String {
        let candidates = B::and([self.candidates.clone(), d.named(ROW, &self.key)]).render();
        gathered(
            d,
            &self.key,
            format!("SELECT {} FROM {} AS {ROW} WHERE {candidates}", self.key_columns(d), d.table(&self.table)),
        )
    }

    /// All candidates from one key to another, in key order.
    #[must_use]
    pub fn find_between(&self, d: Dialect, [from, to]: &[RecordKey; 2]) -> String {
        let between = self.between(d, from, to);
        let select = format!(
            "SELECT {} FROM {} AS {ROW} WHERE {} ORDER BY {}",
            self.key_columns(d),
            d.table(&self.table),
            B::and([between, self.candidates.clone(), d.named(ROW, &self.key)]).render(),
            d.key_order(ROW, &self.key)
        );
        gathered(d, &self.key, select)
    }

    /// The first key of the table, or the last one: for keys of one column.
    #[must_use]
    pub fn end(&self, d: Dialect, last: bool) -> String {
        let direction = if last { " DESC" } else { "" };
        let named = d.named(ROW, &self.key);
        let named = if named == B::True { String::new() } else { format!(" WHERE {}", named.render()) };
        format!(
            "SELECT {} FROM {} AS {ROW}{named} ORDER BY {}{direction} LIMIT 1",
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
        self.select(d, keys, self.named(d).clone(), "")
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
        returning(d, &self.key, &self.act_run(d, from, to), &self.returning(d))
    }

    /// Locks the rows of these keys, leaving out those that somebody else holds, and on MariaDB and MySQL those that are not due: there, whoever acts must
    /// find all of them so. `None` where there is nothing to lock: SQLite has one writer.
    #[must_use]
    pub fn lock(&self, d: Dialect, keys: &[RecordKey]) -> Option<String> {
        let due = match d.engine {
            Engine::Sqlite => return None,
            // One alone may turn out to have too many followers: only if it is due, that is a finding.
            Engine::Postgres if self.settled_by_lock(d) || keys.len() == 1 => self.of_keys.clone(),
            // It is asked under all locks whether they are due; asking before would cost as much again.
            Engine::Postgres => B::True,
            Engine::MariaDb | Engine::MySql => self.predicate.clone(),
        };
        Some(self.select(d, keys, due, &d.lock_free(ROW)))
    }

    /// Whether the rows that [`Self::lock`] returns stay due until the commit: the predicate reads nothing but the row that it locks, and orders, and is not
    /// repeated later.
    fn settled_by_lock(&self, d: Dialect) -> bool {
        let row_alone = self.reads.is_empty() && !self.companions.iter().any(Companion::reads_others);
        let locks = match d.engine {
            Engine::Postgres => true,
            // Whoever goes into an archive alone is locked by its predicate, and what goes along by its own statement.
            Engine::MariaDb | Engine::MySql => self.takes_more() && self.companions.is_empty(),
            Engine::Sqlite => false,
        };
        locks && row_alone && !self.repeats_predicate(d)
    }

    /// Whether [`Self::confirm`] asks under all locks who is due, instead of the acting statement.
    #[must_use]
    pub fn confirms(&self, d: Dialect) -> bool {
        !self.repeats_predicate(d) && !self.settled_by_lock(d)
    }

    /// Locks the rows of these keys that are due, waiting for each as long as the engine's lock time-out says.
    #[must_use]
    pub fn wait(&self, d: Dialect, keys: &[RecordKey]) -> String {
        let lock = if d.engine == Engine::Postgres { format!(" FOR UPDATE OF {ROW}") } else { d.lock_free(ROW) };
        self.select(d, keys, self.named(d).clone(), &lock)
    }

    fn select(&self, d: Dialect, keys: &[RecordKey], which: B, lock: &str) -> String {
        let condition = B::and([B::sql(d.key_in(ROW, &self.key, keys)), which]);
        format!("SELECT {} FROM {} WHERE {}{lock}", self.key_columns(d), self.table_by(d, Path::Along), condition.render())
    }

    /// Reads once more, under all locks, which of these keys are due: for actions whose companions go first, so that the acting statement
    /// itself cannot repeat a predicate about rows that are gone by then.
    #[must_use]
    pub fn confirm(&self, d: Dialect, keys: &[RecordKey]) -> String {
        self.select(d, keys, self.of_keys.clone(), &d.lock_with_others_held(ROW))
    }

    /// Locks the rows that the predicate reads about these keys, so that none changes before the commit. PostgreSQL only: InnoDB locks
    /// them in the acting statement at REPEATABLE READ, SQLite has one writer.
    #[must_use]
    pub fn lock_read_rows(&self, d: Dialect, keys: &[RecordKey]) -> Vec<String> {
        lock_reads(d, &self.table, &self.key, &self.reads, keys)
    }

    /// Acts on exactly these keys, the predicate repeated, `answering` with those that it changed. On MariaDB and MySQL the affected count is the number of matched rows.
    #[must_use]
    pub fn act_keys(&self, d: Dialect, keys: &[RecordKey], answering: bool) -> String {
        let mut condition = vec![B::sql(d.key_in(ROW, &self.key, keys))];
        // What it was deleted with is gone by now, and the rows are locked: the predicate's own terms about companions would not hold any more.
        condition.push(if self.repeats_predicate(d) { self.named(d).clone() } else { self.own_todo.clone() });
        let act = self.act(d, &B::and(condition));
        if answering && !d.engine.is_mysql_family() { returning(d, &self.key, &act, &self.returning(d)) } else { act }
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
        statement(d, &self.table_by(d, Path::Along), &operation, condition)
    }
}

pub(super) fn key_columns(d: Dialect, key: &[Column], alias: &str) -> String {
    key.iter().map(|c| d.key_text(alias, c)).collect::<Vec<_>>().join(", ")
}
