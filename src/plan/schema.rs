//! The live schema of a source as plain data: what `source::introspect` reads and what compilation and `check` decide on.
//!
//! Nothing here knows a database driver. Two schemas that compare equal have the same [`Schema::fingerprint`].

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A database engine, as far as generated SQL differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// PostgreSQL 13 or later.
    Postgres,
    /// MariaDB 10.6 or later.
    MariaDb,
    /// MySQL 8.0 or later.
    MySql,
    /// SQLite, the library that this program contains.
    Sqlite,
}

impl Engine {
    /// Whether this is MariaDB or MySQL, which share one dialect and one batch protocol.
    #[must_use]
    pub fn is_mysql_family(self) -> bool {
        matches!(self, Self::MariaDb | Self::MySql)
    }

    /// The engine's name as people write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::MariaDb => "MariaDB",
            Self::MySql => "MySQL",
            Self::Sqlite => "SQLite",
        }
    }
}

/// A table's name: on PostgreSQL with its schema, on MariaDB/MySQL with its database, on SQLite with `main`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TableName {
    /// Schema (PostgreSQL), database (MariaDB, MySQL) or attached database (SQLite).
    pub schema: String,
    /// The table's own name, as the engine stores it (unquoted, case preserved).
    pub name: String,
}

/// What a column can hold, as far as keys, masks and dates need to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TypeClass {
    /// Whole numbers, signed or unsigned, of any width.
    Integer,
    /// Exact decimal numbers.
    Decimal,
    /// Binary floating point: never a key, never a band.
    Float,
    /// Booleans (`tinyint(1)` on MariaDB/MySQL is `Integer`).
    Boolean,
    /// Character data.
    Text,
    /// Bytes.
    Binary,
    /// `BIT(n)` of MariaDB/MySQL, `bit`/`varbit` of PostgreSQL.
    Bit,
    /// A calendar date without a time.
    Date,
    /// A date and time without a zone: PostgreSQL `timestamp`, MariaDB/MySQL `datetime`.
    DateTime,
    /// An instant: PostgreSQL `timestamptz`, MariaDB/MySQL `timestamp`.
    Instant,
    /// A UUID.
    Uuid,
    /// JSON documents.
    Json,
    /// Network addresses (`inet`, `cidr`).
    Inet,
    /// An enumeration or set of labels.
    Enum,
    /// Everything else: cannot be a key, a date or the target of a mask other than null.
    Other,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Column {
    /// Name as stored.
    pub name: String,
    /// The type as the engine prints it (`varchar(80)`, `timestamp with time zone`, `bigint(20) unsigned`).
    pub sql_type: String,
    /// The class of `sql_type`.
    pub class: TypeClass,
    /// Longest value in characters (text) or bytes (binary), where the engine enforces one.
    pub max_length: Option<u64>,
    /// Whether NULL is allowed.
    pub nullable: bool,
    /// Whether the engine computes the value (generated, virtual, identity `ALWAYS`).
    pub generated: bool,
    /// The default expression as the engine prints it.
    pub default: Option<String>,
    /// MariaDB/MySQL `ON UPDATE CURRENT_TIMESTAMP`.
    pub on_update_now: bool,
    /// Collation, where the engine has one for this column.
    pub collation: Option<String>,
}

/// An index, unique or not. The primary key is one too.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Index {
    /// Name as stored.
    pub name: String,
    /// Columns in order; an expression member is an empty string.
    pub columns: Vec<String>,
    /// Whether it enforces uniqueness.
    pub unique: bool,
    /// The predicate of a partial index, as the engine prints it.
    pub predicate: Option<String>,
    /// Whether the planner may use it for a range (PostgreSQL `indisvalid`, MariaDB `IGNORED`, MySQL `INVISIBLE`; only B-trees count).
    pub usable: bool,
}

impl Index {
    /// Whether it finds rows by one of these columns.
    #[must_use]
    pub fn leads_to(&self, is_one: impl Fn(&String) -> bool) -> bool {
        self.usable && self.predicate.is_none() && self.columns.first().is_some_and(is_one)
    }
}

/// What a foreign key does when its parent row is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDelete {
    /// `NO ACTION` or `RESTRICT`: the deletion fails.
    Restrict,
    /// The child rows are deleted.
    Cascade,
    /// The child's columns become NULL.
    SetNull,
    /// The child's columns get their default.
    SetDefault,
}

/// A foreign key of the table that holds it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ForeignKey {
    /// Constraint name; SQLite has none and gets `fk_<n>`.
    pub name: String,
    /// Referencing columns of this table, in order.
    pub columns: Vec<String>,
    /// Referenced table.
    pub parent: TableName,
    /// Referenced columns, in the same order.
    pub parent_columns: Vec<String>,
    /// Action on deletion of the parent row.
    pub on_delete: OnDelete,
    /// Whether updating the parent's key changes the child (`ON UPDATE` other than restrict / no action).
    pub on_update_changes: bool,
    /// Whether the check waits for the end of the transaction (now, not merely may be made to).
    pub deferred: bool,
}

/// A CHECK constraint.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Check {
    /// Name as stored.
    pub name: String,
    /// Expression as the engine prints it.
    pub expression: String,
}

/// A trigger on a table.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Trigger {
    /// Name as stored.
    pub name: String,
    /// Whether it fires before the change (and so may veto or alter it).
    pub before: bool,
    /// Fires on UPDATE.
    pub on_update: bool,
    /// Fires on DELETE.
    pub on_delete: bool,
    /// Hash of its body (SHA-256, hexadecimal), so that a changed body changes the fingerprint.
    pub body_hash: String,
    /// Tables that its body names, as far as the text shows; itself excluded.
    pub mentions: Vec<String>,
}

/// What kind of relation a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableKind {
    /// An ordinary table.
    Table,
    /// A partitioned table (its partitions are not listed as tables of their own).
    Partitioned,
    /// A view or materialised view.
    View,
    /// A foreign, federated or otherwise remote table.
    Foreign,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Table {
    /// Its name.
    pub name: TableName,
    /// Its kind.
    pub kind: TableKind,
    /// Whether changes to it are transactional and survive a crash (false: MyISAM, Aria, MEMORY, unlogged).
    pub durable: bool,
    /// Storage engine or access method, for messages.
    pub storage: String,
    /// Columns in the table's order.
    pub columns: Vec<Column>,
    /// Primary key columns in key order; empty without one.
    pub primary_key: Vec<String>,
    /// Indexes, the primary key's included.
    pub indexes: Vec<Index>,
    /// Foreign keys that this table holds.
    pub foreign_keys: Vec<ForeignKey>,
    /// CHECK constraints.
    pub checks: Vec<Check>,
    /// Triggers.
    pub triggers: Vec<Trigger>,
    /// Whether row-level security applies to the connected role.
    pub row_security: bool,
    /// Whether old row values leave by replication (PostgreSQL REPLICA IDENTITY FULL).
    pub replica_identity_full: bool,
    /// The engine's estimate of its rows.
    pub estimated_rows: Option<u64>,
}

impl Table {
    /// Whether columns of this kind name at most one row.
    #[must_use]
    pub fn tells_one(&self, column: impl Fn(&String) -> bool) -> bool {
        self.indexes.iter().any(|i| i.unique && i.usable && i.predicate.is_none() && i.columns.iter().all(&column))
    }

    /// The column of that name, as stored.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }
}

/// Who the server says it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ServerIdentity {
    /// The engine that answered.
    pub engine: Engine,
    /// Version as the server prints it.
    pub version: String,
    /// What identifies this very database: PostgreSQL system identifier and database OID; MariaDB/MySQL
    /// server id or UUID and database name; SQLite the file's canonical path. Hashed (SHA-256, hexadecimal).
    pub id: String,
}

/// A source's schema as one value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// The server.
    pub server: ServerIdentity,
    /// Tables and views, sorted by name. The product's own tables are left out.
    pub tables: Vec<Table>,
    /// Schemas that an unqualified name is looked up in, in order.
    pub search_path: Vec<String>,
}

impl Schema {
    /// The table of exactly that name.
    #[must_use]
    pub fn table(&self, name: &TableName) -> Option<&Table> {
        self.tables.iter().find(|t| t.name == *name)
    }

    /// Tables that have a foreign key to `parent`, each with that key.
    pub fn children_of<'a>(&'a self, parent: &'a TableName) -> impl Iterator<Item = (&'a Table, &'a ForeignKey)> {
        self.tables.iter().flat_map(move |t| t.foreign_keys.iter().filter(move |f| f.parent == *parent).map(move |f| (t, f)))
    }

    /// How many tables, one after the other, refer to a table: in this order rows can be deleted that refer to each other. Of tables that refer to
    /// each other in a circle it says nothing.
    #[must_use]
    pub fn rank(&self, table: &TableName) -> usize {
        /// Longer chains than that are circles.
        const LONGEST: usize = 32;
        let mut ranks: HashMap<&TableName, usize> = HashMap::new();
        for _ in 0..LONGEST {
            let mut changed = false;
            for child in &self.tables {
                let below = ranks.get(&child.name).copied().unwrap_or(0);
                for key in child.foreign_keys.iter().filter(|key| key.parent != child.name) {
                    let rank = ranks.entry(&key.parent).or_default();
                    changed |= *rank <= below;
                    *rank = (*rank).max(below + 1);
                }
            }
            if !changed {
                break;
            }
        }
        ranks.get(table).copied().unwrap_or(0)
    }

    /// SHA-256 (hexadecimal) over what enforcement depends on in the given tables: columns, keys, constraints,
    /// triggers; not the row estimates, not the server's version.
    ///
    /// # Panics
    /// Never: plain data always serialises.
    #[must_use]
    pub fn fingerprint<'a>(&self, tables: impl IntoIterator<Item = &'a TableName>) -> String {
        let mut names: Vec<&TableName> = tables.into_iter().collect();
        names.sort();
        names.dedup();
        let mut hash = Sha256::new();
        for name in names {
            if let Some(table) = self.table(name) {
                let mut table = table.clone();
                table.estimated_rows = None;
                hash.update(serde_json::to_vec(&table).unwrap_or_default());
                hash.update(b"\n");
            }
        }
        hex::encode(hash.finalize())
    }
}
