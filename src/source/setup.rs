//! The SQL that prepares a source: our tables and a role that may do what enforcement needs and nothing else.
//!
//! The script is printed for review and run by whoever administers the database; this program never runs it by itself.
//! Running it again changes nothing, except that the grants on the tables that it names become exactly those it lists.

use crate::plan::{
    own_tables::OwnTable,
    quote::{self, NulInText},
    schema::{Engine, TableName},
};

/// What the enforcer's role is to do on one mapped table. Reading is always granted on the whole table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableGrant {
    /// The table.
    pub table: TableName,
    /// Whether rows are read (predicates, masks, counts): SELECT on the whole table.
    pub select: bool,
    /// The columns that masks write, and those that are written to themselves.
    pub update_columns: Vec<String>,
    /// Whether rows are deleted.
    pub delete: bool,
    /// A column on which to grant UPDATE when rows are locked (`FOR UPDATE`, `FOR SHARE`) but never written: PostgreSQL and
    /// MySQL lock only rows that one may change. Not used where another privilege suffices, nor on MariaDB.
    pub lock: Option<String>,
}

/// What a script is written for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetupRequest {
    /// The source's name in the configuration.
    pub source: String,
    /// The role (PostgreSQL) or user (MariaDB, MySQL) of the enforcer. Unused on SQLite.
    pub role: String,
    /// The host part of a MariaDB or MySQL user; `None` is `%`.
    pub host: Option<String>,
    /// How many batches may run at the same time; slots are numbered from 0.
    pub slots: u16,
    /// The database in which the tables are created. On SQLite it only appears in a comment.
    pub database: String,
    /// What the role may do on the mapped tables.
    pub tables: Vec<TableGrant>,
}

/// Why no script can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetupError {
    /// A source without a slot could never run a batch.
    NoSlots,
    /// A name contains U+0000, which no engine can store.
    NulInName,
}

impl std::fmt::Display for SetupError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoSlots => "a source needs at least one slot",
            Self::NulInName => "a name contains the character U+0000",
        })
    }
}

impl std::error::Error for SetupError {}

impl From<NulInText> for SetupError {
    fn from(_: NulInText) -> Self {
        Self::NulInName
    }
}

/// The name of one of our tables as SQL of that engine.
#[must_use]
pub const fn own_table(engine: Engine, table: OwnTable) -> &'static str {
    table.sql(engine)
}

/// The complete, commented script. Its statements end with `;` at the end of a line; it needs no client command, so it
/// runs through `psql`, `mariadb`, `mysql` and `sqlite3` and through any driver that takes several statements at once.
///
/// # Errors
/// [`SetupError`] when the request has no slot or a name contains U+0000.
pub fn script(engine: Engine, request: &SetupRequest) -> Result<String, SetupError> {
    if request.slots == 0 {
        return Err(SetupError::NoSlots);
    }
    let names = [&request.source, &request.role, &request.database];
    let columns = request.tables.iter().flat_map(|t| t.update_columns.iter().chain(&t.lock));
    let tables = request.tables.iter().flat_map(|t| [&t.table.schema, &t.table.name]);
    if names.into_iter().chain(&request.host).chain(columns).chain(tables).any(|name| name.contains('\0')) {
        return Err(SetupError::NulInName);
    }
    let source = quote::text_literal(engine, &request.source)?;
    let role = account(engine, request);
    let database = quote::identifier(engine, &request.database);
    let values = [
        ("source_comment", in_comment(&request.source)),
        ("role_comment", in_comment(&request.role)),
        ("database_comment", in_comment(&request.database)),
        ("database", database.clone()),
        ("fence_rows", fence_rows(&source, request.slots)),
        ("create_role", dollar_quoted(&create_role(request)?)),
        ("pseudonym_key", if makes_key(engine, request) { pseudonym_key(engine, &database) } else { String::new() }),
        ("later_columns", later_columns(engine, &database)),
        ("create_trigger", create_trigger(engine).to_owned()),
        ("grants", grants(engine, request, &role)),
        ("role", role),
    ];
    Ok(fill(template(engine), &values))
}

fn template(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => include_str!("setup/postgres.sql"),
        Engine::MariaDb | Engine::MySql => include_str!("setup/mysql.sql"),
        Engine::Sqlite => include_str!("setup/sqlite.sql"),
    }
}

/// The role as SQL: on MariaDB and MySQL a user and the hosts that it may come from.
fn account(engine: Engine, request: &SetupRequest) -> String {
    let role = quote::identifier(engine, &request.role);
    if engine.is_mysql_family() {
        format!("{role}@{}", quote::identifier(engine, request.host.as_deref().unwrap_or("%")))
    } else {
        role
    }
}

/// Whether the role reads the key of pseudonyms, which is then made if it is not there.
fn makes_key(engine: Engine, request: &SetupRequest) -> bool {
    let key = OwnTable::PseudonymKey.name(engine, &request.database);
    request.tables.iter().any(|t| t.table == key)
}

/// Table and key of the pseudonyms. The server draws the key itself, so that no statement and no log ever shows it.
fn pseudonym_key(engine: Engine, database: &str) -> String {
    let template = match engine {
        Engine::Postgres => include_str!("setup/pseudonym_key.postgres.sql"),
        Engine::MariaDb | Engine::MySql => include_str!("setup/pseudonym_key.mysql.sql"),
        Engine::Sqlite => "",
    };
    fill(template, &[("database", database.to_owned())])
}

/// Adds to the ledger of an earlier version what it did not have. MySQL knows no ADD COLUMN IF NOT EXISTS: `check` says the statement there.
fn later_columns(engine: Engine, database: &str) -> String {
    if engine != Engine::MariaDb {
        return String::new();
    }
    let add = |column: &str| {
        format!("    ADD COLUMN IF NOT EXISTS {column} longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '[]'")
    };
    let all = OwnTable::LATER.map(add).join(",\n");
    format!("-- What an earlier version did not have.\nALTER TABLE {database}.{}\n{all};\n\n", OwnTable::Ledger.sql(engine))
}

fn create_trigger(engine: Engine) -> &'static str {
    match engine {
        Engine::MariaDb => "CREATE OR REPLACE TRIGGER",
        Engine::Postgres | Engine::MySql | Engine::Sqlite => "CREATE TRIGGER IF NOT EXISTS",
    }
}

/// The body of PostgreSQL's `DO`: there is no CREATE ROLE IF NOT EXISTS.
fn create_role(request: &SetupRequest) -> Result<String, SetupError> {
    let name = quote::text_literal(Engine::Postgres, &request.role)?;
    let role = quote::identifier(Engine::Postgres, &request.role);
    Ok(format!(
        "\nBEGIN\n    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {name}) THEN\n        CREATE ROLE {role} LOGIN;\n    \
         END IF;\nEND\n"
    ))
}

/// A text between dollar quotes whose tag does not occur in it.
fn dollar_quoted(body: &str) -> String {
    let mut tag = String::from("$retentiond$");
    while body.contains(&tag) {
        tag.insert(1, '_');
    }
    format!("{tag}{body}{tag}")
}

fn fence_rows(source: &str, slots: u16) -> String {
    (0..slots).map(|slot| format!("    ({source}, {slot}, 0, '', '')")).collect::<Vec<_>>().join(",\n")
}

/// The statements that leave the role with exactly the listed privileges on each mapped table.
fn grants(engine: Engine, request: &SetupRequest, role: &str) -> String {
    let mut out = String::new();
    if engine == Engine::Postgres {
        let mut schemas: Vec<&str> = request.tables.iter().map(|t| t.table.schema.as_str()).collect();
        schemas.sort_unstable();
        schemas.dedup();
        for schema in schemas {
            out += &format!("GRANT USAGE ON SCHEMA {} TO {role};\n", quote::identifier(engine, schema));
        }
    }
    for grant in &request.tables {
        let table = quote::table(engine, &grant.table);
        out += "\n";
        if engine.is_mysql_family() {
            // Revoking what was never granted is an error there: grant first.
            out += &format!("GRANT SELECT ON {table} TO {role};\n");
        }
        out += &format!("REVOKE ALL PRIVILEGES ON {table} FROM {role};\n");
        let privileges = privileges(engine, grant);
        if lock_column(engine, grant).is_some() {
            out += "-- Nothing writes the column of this UPDATE: with the right to change a column, rows can be locked that a decision rests on.\n";
        }
        if !privileges.is_empty() {
            out += &format!("GRANT {} ON {table} TO {role};\n", privileges.join(", "));
        }
    }
    out
}

/// The column on which UPDATE is granted for nothing but the locks that the right to it allows.
fn lock_column(engine: Engine, grant: &TableGrant) -> Option<&String> {
    let written = !grant.update_columns.is_empty();
    let needed = match engine {
        Engine::Postgres => !written,
        Engine::MySql => !written && !grant.delete,
        Engine::MariaDb | Engine::Sqlite => false,
    };
    grant.lock.as_ref().filter(|_| needed)
}

fn privileges(engine: Engine, grant: &TableGrant) -> Vec<String> {
    let mut columns: Vec<&String> = grant.update_columns.iter().chain(lock_column(engine, grant)).collect();
    columns.sort_unstable();
    columns.dedup();
    let mut out = Vec::new();
    if grant.select {
        out.push("SELECT".to_owned());
    }
    if !columns.is_empty() {
        let columns: Vec<_> = columns.into_iter().map(|c| quote::identifier(engine, c)).collect();
        out.push(format!("UPDATE ({})", columns.join(", ")));
    }
    if grant.delete {
        out.push("DELETE".to_owned());
    }
    out
}

/// A name inside a comment: whatever could end the line, or turn its direction, is escaped.
fn in_comment(name: &str) -> String {
    name.escape_debug().to_string()
}

/// Replaces each `{{name}}` of a template by its value, in one pass: a value that looks like a placeholder stays as it is.
fn fill(template: &str, values: &[(&str, String)]) -> String {
    let mut out = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        out += before;
        match after.split_once("}}") {
            Some((name, tail)) => {
                out += values.iter().find(|(n, _)| *n == name).map_or("", |(_, value)| value.as_str());
                rest = tail;
            }
            None => rest = after,
        }
    }
    out + rest
}

#[cfg(test)]
mod tests;
