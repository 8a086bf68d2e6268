//! What surrounds a schema: who we are there, what we may do, how durable a commit is, and who stands in between.

use std::collections::{BTreeMap, BTreeSet};

use super::error::{Class, SourceError};
use super::pool::Source;
use super::session::{Row, Session};
use super::surroundings_mysql;
use crate::plan::schema::{Engine, TableName};

/// How much of a table a privilege reaches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Extent {
    /// Nothing.
    #[default]
    Nothing,
    /// These columns, by name.
    Columns(BTreeSet<String>),
    /// The whole table.
    Table,
}

impl Extent {
    /// Whether the privilege reaches that column.
    #[must_use]
    pub fn reaches(&self, column: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::Columns(names) => names.contains(column),
            Self::Table => true,
        }
    }

    /// Whether it reaches any column (what PostgreSQL asks for `FOR UPDATE` and `FOR SHARE`).
    #[must_use]
    pub fn reaches_any(&self) -> bool {
        *self != Self::Nothing
    }

    pub(super) fn add_column(&mut self, name: &str) {
        match self {
            Self::Nothing => *self = Self::Columns(BTreeSet::from([name.to_owned()])),
            Self::Columns(names) => drop(names.insert(name.to_owned())),
            Self::Table => {}
        }
    }
}

/// What the connected role may do with one table, from whatever grant, membership or ownership.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Privileges {
    /// Reading.
    pub select: Extent,
    /// Inserting.
    pub insert: Extent,
    /// Updating.
    pub update: Extent,
    /// Deleting rows.
    pub delete: bool,
    /// Whatever else it may do, in the engine's words (`TRUNCATE`, `ALTER`, `OWNER`), sorted.
    pub more: Vec<String>,
}

/// The facts around a schema that `check` decides on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surroundings {
    /// The connected role: PostgreSQL's current user, `user@host` on MariaDB and MySQL, empty on SQLite.
    pub role: String,
    /// Whether the role may do everything (PostgreSQL superuser; `SUPER` on MariaDB and MySQL).
    pub superuser: bool,
    /// Whether row-level security does not apply to the role at all.
    pub bypasses_row_security: bool,
    /// Whether the server is a replica, or refuses writes.
    pub read_only: bool,
    /// Whether the bytes travel encrypted; `false` on a unix socket or a file, see `local`.
    pub encrypted: bool,
    /// Whether the server's certificate was verified, host name included.
    pub verified: bool,
    /// Whether no network lies in between (unix socket, loopback, file).
    pub local: bool,
    /// Whether transactions of several connections share one server process (a transaction pooler such as PgBouncer): seen only when
    /// it happened while looking, and only with at least two connections. Always `false` elsewhere than on PostgreSQL.
    pub pooler: bool,
    /// Nodes of a Galera cluster, where it is one.
    pub galera_nodes: Option<u32>,
    /// Whether every trigger is visible to the role. On MariaDB and MySQL that takes the `TRIGGER` privilege on the whole database.
    pub sees_triggers: bool,
    /// Settings by the engine's names, as far as this server has them. PostgreSQL: `synchronous_commit`, `fsync`,
    /// `full_page_writes`, `wal_level`, `default_transaction_isolation`, `log_statement`, `citus` (the extension's version),
    /// `logical_slots` (how many). MariaDB, MySQL (global values): `innodb_flush_log_at_trx_commit`, `sync_binlog`, `log_bin`,
    /// `binlog_format`, `binlog_row_image`, `transaction_isolation`, `general_log`, `wsrep_on`, `innodb_snapshot_isolation`. SQLite:
    /// `journal_mode`, `synchronous`, `secure_delete`.
    pub settings: BTreeMap<String, String>,
    /// What the role may do beyond single tables, in the engine's words (`CREATEROLE`, `CREATE ON SCHEMA public`, `FILE`), sorted.
    pub wide: Vec<String>,
    /// Privileges on each table and view of the database, the product's own included.
    pub privileges: BTreeMap<TableName, Privileges>,
}

impl Source {
    /// Reads the facts around the schema.
    ///
    /// # Errors
    /// Whatever the server reports.
    pub async fn surroundings(&self) -> Result<Surroundings, SourceError> {
        let mut session = self.session().await?;
        let mut found = match self.engine() {
            Engine::Postgres => postgres(&mut session).await?,
            Engine::MariaDb | Engine::MySql => surroundings_mysql::read(&mut session).await?,
            Engine::Sqlite => sqlite(&mut session).await?,
        };
        found.local = self.reach.local;
        found.verified = found.encrypted && self.reach.verified;
        match self.engine() {
            Engine::Postgres if self.reach.several => {
                // Two connections of ours are two processes, unless somebody shares one among them.
                let process = "SELECT pg_backend_pid()";
                let mut other = self.session().await?;
                found.pooler = session.rows(process).await? == other.rows(process).await?;
                other.done().await?;
            }
            Engine::Sqlite => {
                let mut writer = self.session().await?;
                let locked = writer.rows("BEGIN IMMEDIATE").await;
                found.read_only = locked.is_err_and(|e| e.class() == Class::Config);
                writer.done().await?;
            }
            _ => {}
        }
        session.done().await?;
        Ok(found)
    }
}

impl Surroundings {
    pub(super) fn empty() -> Self {
        Self {
            role: String::new(),
            superuser: false,
            bypasses_row_security: true,
            read_only: false,
            encrypted: false,
            verified: false,
            local: false,
            pooler: false,
            galera_nodes: None,
            sees_triggers: true,
            settings: BTreeMap::new(),
            wide: Vec::new(),
            privileges: BTreeMap::new(),
        }
    }
}

pub(super) fn field(row: &Row, i: usize) -> &str {
    row.get(i).and_then(Option::as_deref).unwrap_or("")
}

fn flag(row: &Row, i: usize) -> bool {
    matches!(field(row, i), "t" | "1")
}

async fn postgres(session: &mut Session) -> Result<Surroundings, SourceError> {
    let mut found = Surroundings::empty();
    let sql = "SELECT current_user, r.rolsuper, r.rolsuper OR r.rolbypassrls, \
         pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on', \
         coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false), r.rolcreaterole, r.rolcreatedb, r.rolreplication \
         FROM pg_roles r WHERE r.rolname = current_user";
    for row in &session.rows(sql).await? {
        found.role = field(row, 0).to_owned();
        (found.superuser, found.bypasses_row_security) = (flag(row, 1), flag(row, 2));
        (found.read_only, found.encrypted) = (flag(row, 3), flag(row, 4));
        for (i, word) in [(1, "SUPERUSER"), (5, "CREATEROLE"), (6, "CREATEDB"), (7, "REPLICATION")] {
            if flag(row, i) {
                found.wide.push(word.to_owned());
            }
        }
    }
    let sql = "SELECT name, setting FROM pg_settings WHERE name IN ('synchronous_commit', 'fsync', 'full_page_writes', 'wal_level', \
         'default_transaction_isolation', 'log_statement') \
         UNION ALL SELECT 'citus', extversion FROM pg_extension WHERE extname = 'citus' \
         UNION ALL SELECT 'logical_slots', count(*)::text FROM pg_replication_slots WHERE slot_type = 'logical'";
    for row in &session.rows(sql).await? {
        found.settings.insert(field(row, 0).to_owned(), field(row, 1).to_owned());
    }
    let sql = "SELECT 'CREATE ON SCHEMA ' || nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND has_schema_privilege(oid, 'CREATE') \
         UNION ALL SELECT 'CREATE ON DATABASE' WHERE has_database_privilege(current_database(), 'CREATE') \
         UNION ALL SELECT 'MEMBER OF ' || rolname FROM pg_roles WHERE pg_has_role(oid, 'USAGE') AND rolname <> current_user \
           AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)";
    found.wide.extend(session.rows(sql).await?.iter().map(|row| field(row, 0).to_owned()));
    found.wide.sort();

    let listed = "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') \
         AND NOT c.relispartition AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'";
    // A table's privilege is worth nothing without USAGE on its schema.
    let may = |p: &str| format!("has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, '{p}')");
    let sql = format!(
        "SELECT n.nspname, c.relname, {}, {}, {}, {}, {}, {}, {}, pg_has_role(c.relowner, 'USAGE') {listed}",
        may("SELECT"),
        may("INSERT"),
        may("UPDATE"),
        may("DELETE"),
        may("TRUNCATE"),
        may("REFERENCES"),
        may("TRIGGER")
    );
    for row in &session.rows(&sql).await? {
        let extent = |i| if flag(row, i) { Extent::Table } else { Extent::Nothing };
        let more = [(9, "OWNER"), (7, "REFERENCES"), (8, "TRIGGER"), (6, "TRUNCATE")];
        let more = more.iter().filter(|(i, _)| flag(row, *i)).map(|(_, word)| (*word).to_owned()).collect();
        let privileges = Privileges { select: extent(2), insert: extent(3), update: extent(4), delete: flag(row, 5), more };
        found.privileges.insert(TableName { schema: field(row, 0).to_owned(), name: field(row, 1).to_owned() }, privileges);
    }
    let sql = "SELECT n.nspname, c.relname, a.attname, p.word FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
         CROSS JOIN (VALUES ('SELECT'), ('INSERT'), ('UPDATE')) AS p(word) \
         WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema') \
         AND has_schema_privilege(n.oid, 'USAGE') AND has_column_privilege(c.oid, a.attnum, p.word) AND NOT has_table_privilege(c.oid, p.word)";
    for row in &session.rows(sql).await? {
        let name = TableName { schema: field(row, 0).to_owned(), name: field(row, 1).to_owned() };
        let Some(privileges) = found.privileges.get_mut(&name) else { continue };
        match field(row, 3) {
            "SELECT" => privileges.select.add_column(field(row, 2)),
            "INSERT" => privileges.insert.add_column(field(row, 2)),
            _ => privileges.update.add_column(field(row, 2)),
        }
    }
    Ok(found)
}

async fn sqlite(session: &mut Session) -> Result<Surroundings, SourceError> {
    let mut found = Surroundings::empty();
    for name in ["journal_mode", "synchronous", "secure_delete"] {
        let rows = session.rows(&format!("PRAGMA {name}")).await?;
        found.settings.insert(name.to_owned(), rows.first().map(|row| field(row, 0)).unwrap_or("").to_owned());
    }
    let sql = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    for row in &session.rows(sql).await? {
        let all =
            Privileges { select: Extent::Table, insert: Extent::Table, update: Extent::Table, delete: true, more: Vec::new() };
        found.privileges.insert(TableName { schema: "main".to_owned(), name: field(row, 0).to_owned() }, all);
    }
    Ok(found)
}
