//! From a driver's error to a [`SourceError`]: codes are classified, names are confirmed against the schema, and everything
//! else that the server said is dropped here.

use sqlx::Error;
use sqlx::mysql::MySqlDatabaseError;
use sqlx::postgres::PgDatabaseError;
use sqlx::sqlite::SqliteError;

use super::error::{Class, ConfigFault, DatabaseFault, SourceError};
use super::names::Names;
use crate::plan::schema::Engine;

/// What the codes mean by which a server turns a user away.
const LOGIN_REFUSED: &str = "login refused";

impl DatabaseFault {
    /// Whether the server turned the user away, or keeps it from the database: there is no such user yet, or with another password.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        self.meaning == LOGIN_REFUSED || self.class == Class::Privilege
    }
}

/// Reduces a driver's error to what may be shown.
pub(super) fn reduce(error: &Error, engine: Engine, names: &Names) -> SourceError {
    match error {
        Error::Database(db) => {
            if let Some(pg) = db.try_downcast_ref::<PgDatabaseError>() {
                return postgres(pg, names);
            }
            if let Some(my) = db.try_downcast_ref::<MySqlDatabaseError>() {
                return mysql(my, engine, names);
            }
            match db.try_downcast_ref::<SqliteError>() {
                Some(lite) => sqlite(lite, names),
                None => SourceError::Lost("an error of an unknown driver"),
            }
        }
        Error::Configuration(_) | Error::InvalidArgument(_) => SourceError::Config(ConfigFault::Url),
        Error::Tls(_) => SourceError::Config(ConfigFault::Tls),
        Error::Io(io) if io.kind() == std::io::ErrorKind::InvalidData => SourceError::Config(ConfigFault::Tls),
        Error::Io(_) => SourceError::Lost("input or output failed"),
        Error::PoolTimedOut => SourceError::ConnectTimeout,
        Error::PoolClosed => SourceError::Lost("the source was closed"),
        Error::WorkerCrashed => SourceError::Lost("the database thread ended"),
        _ => SourceError::Lost("the server's answer could not be read"),
    }
}

fn postgres(error: &PgDatabaseError, names: &Names) -> SourceError {
    let code = error.code();
    let (class, meaning) = postgres_class(code);
    SourceError::Database(DatabaseFault {
        engine: Engine::Postgres,
        class,
        code: clean_code(code),
        meaning,
        constraint: names.confirm(error.constraint()),
        table: names.confirm(error.table()),
        column: names.confirm(error.column()),
    })
}

/// A code as it may be shown: a trigger may raise any five characters, but only letters and digits pass.
fn clean_code(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphanumeric).take(8).collect()
}

/// Class and meaning of a SQLSTATE of PostgreSQL.
pub(super) fn postgres_class(code: &str) -> (Class, &'static str) {
    match code {
        "40P01" => (Class::Retry, "deadlock"),
        "40001" => (Class::Retry, "serialisation failure"),
        "55P03" => (Class::Retry, "lock not available"),
        "57014" => (Class::Retry, "statement cancelled or timed out"),
        "23502" => (Class::Row, "not-null violation"),
        "23503" => (Class::Row, "foreign key violation"),
        "23001" => (Class::Row, "restricted by a foreign key"),
        "23505" => (Class::Row, "unique violation"),
        "23514" => (Class::Row, "check violation"),
        "23P01" => (Class::Row, "exclusion violation"),
        "22001" => (Class::Row, "value too long"),
        "P0001" => (Class::Row, "raised by a trigger or function"),
        "21000" => (Class::Fatal, "not exactly one row where one was expected"),
        "42501" => (Class::Privilege, "insufficient privilege"),
        "42P01" => (Class::Fatal, "no such table"),
        "42703" => (Class::Fatal, "no such column"),
        "42601" => (Class::Fatal, "syntax error"),
        "25006" => (Class::Config, "read-only transaction"),
        "25P02" => (Class::Fatal, "transaction already failed"),
        "25P03" | "25P04" => (Class::Lost, "idle or long transaction ended by the server"),
        "28P01" | "28000" => (Class::Config, LOGIN_REFUSED),
        "3D000" => (Class::Config, "no such database"),
        "53300" => (Class::Lost, "too many connections"),
        "57P01" | "57P02" | "57P03" | "57P04" | "57P05" => (Class::Lost, "server shut down or not ready"),
        _ => match code.get(..2) {
            Some("08") => (Class::Lost, "connection failure"),
            Some("22") => (Class::Row, "data exception"),
            Some("23") => (Class::Row, "integrity violation"),
            Some("09" | "27" | "2F" | "38" | "39" | "44" | "P0") => (Class::Row, "raised by a trigger or function"),
            Some("28") => (Class::Config, LOGIN_REFUSED),
            Some("40") => (Class::Retry, "transaction rolled back"),
            Some("42") => (Class::Fatal, "statement not valid here"),
            Some("53") => (Class::Fatal, "server out of resources"),
            Some(own) if !reserved_state(own) => (Class::Row, "raised by a trigger or function"),
            _ => (Class::Fatal, ""),
        },
    }
}

/// Whether an SQLSTATE class belongs to the standard or to PostgreSQL; any other can only come from a `RAISE`.
fn reserved_state(class: &str) -> bool {
    const KNOWN: [&str; 44] = [
        "00", "01", "02", "03", "08", "09", "0A", "0B", "0F", "0L", "0P", "0Z", "10", "20", "21", "22", "23", "24", "25", "26",
        "27", "28", "2B", "2D", "2F", "34", "38", "39", "3B", "3D", "3F", "40", "42", "44", "53", "54", "55", "57", "58", "72",
        "F0", "HV", "P0", "XX",
    ];
    KNOWN.contains(&class)
}

fn mysql(error: &MySqlDatabaseError, engine: Engine, names: &Names) -> SourceError {
    let (class, meaning) = mysql_class(error.number(), error.code().unwrap_or(""));
    let said = error.message();
    // Only shapes that the server writes itself, and only names that the schema has: a value may contain anything.
    let constraint = last_quoted(said, "for key '", "'")
        .map(|k| k.rsplit('.').next().unwrap_or(k))
        .or_else(|| between(said, "CONSTRAINT `", "`"))
        .or_else(|| between(said, "Check constraint '", "'"));
    let column = between(said, "Column '", "'").or_else(|| between(said, " for column '", "'"));
    SourceError::Database(DatabaseFault {
        engine,
        class,
        code: error.number().to_string(),
        meaning,
        constraint: names.confirm(constraint),
        table: None,
        column: names.confirm(column),
    })
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let start = text.find(before)? + before.len();
    let length = text[start..].find(after)?;
    Some(&text[start..start + length])
}

fn last_quoted<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let start = text.rfind(before)? + before.len();
    text[start..].strip_suffix(after)
}

/// Class and meaning of an error number of MariaDB or MySQL; the SQLSTATE decides for numbers without a line of their own.
pub(super) fn mysql_class(number: u16, state: &str) -> (Class, &'static str) {
    match number {
        1213 | 1614 => (Class::Retry, "deadlock"),
        1205 => (Class::Retry, "lock wait timeout"),
        3572 => (Class::Retry, "lock not available"),
        1020 => (Class::Retry, "record changed since it was read"),
        1317 | 1969 | 3024 => (Class::Retry, "statement cancelled or timed out"),
        1412 | 1615 => (Class::Retry, "table definition changed"),
        1048 | 1364 => (Class::Row, "not-null violation"),
        1062 | 1169 | 1586 => (Class::Row, "unique violation"),
        1216 | 1217 | 1451 | 1452 => (Class::Row, "foreign key violation"),
        3819 => (Class::Row, "check violation"),
        4025 if state == "23000" => (Class::Row, "check violation"),
        1406 => (Class::Row, "value too long"),
        1264 | 1265 | 1292 | 1366 | 1411 | 1525 | 1690 | 3140 => (Class::Row, "value not accepted"),
        1644 => (Class::Row, "raised by a trigger or function"),
        1044 | 1142 | 1143 | 1227 | 1370 | 1410 => (Class::Privilege, "insufficient privilege"),
        1045 | 1130 | 1129 | 1251 | 1698 => (Class::Config, LOGIN_REFUSED),
        1049 => (Class::Config, "no such database"),
        1290 | 1792 | 1836 => (Class::Config, "read-only server or transaction"),
        1040 | 1203 => (Class::Lost, "too many connections"),
        1047 => (Class::Lost, "node not ready"),
        1053 | 1079 | 3169 => (Class::Lost, "server shut down"),
        1927 | 2006 | 2013 | 4031 => (Class::Lost, "connection closed by the server"),
        1153 => (Class::Fatal, "statement too long for the server"),
        1146 => (Class::Fatal, "no such table"),
        1242 => (Class::Fatal, "not exactly one row where one was expected"),
        1301 => (Class::Row, "value too long to be hashed"),
        1054 => (Class::Fatal, "no such column"),
        1064 => (Class::Fatal, "syntax error"),
        _ => match state.get(..2) {
            Some("08") => (Class::Lost, "connection failure"),
            Some("22") => (Class::Row, "data exception"),
            Some("23") => (Class::Row, "integrity violation"),
            Some("40") => (Class::Retry, "transaction rolled back"),
            Some("45") => (Class::Row, "raised by a trigger or function"),
            Some("28") => (Class::Config, LOGIN_REFUSED),
            _ => (Class::Fatal, ""),
        },
    }
}

fn sqlite(error: &SqliteError, names: &Names) -> SourceError {
    use sqlx::error::DatabaseError as _;
    let code = error.code().and_then(|c| c.parse::<u32>().ok()).unwrap_or(1);
    let (class, meaning) = sqlite_class(code);
    if code & 0xff == 14 {
        return SourceError::Config(ConfigFault::SqliteFile);
    }
    let said = error.message();
    let failed = |kind: &str| said.strip_prefix(kind).and_then(|rest| rest.strip_prefix(" constraint failed: "));
    // `table.column[, table.column]` for UNIQUE and NOT NULL, a constraint's name for CHECK; a trigger's own text (1811) is never read.
    let member = match code {
        1299 => failed("NOT NULL"),
        1555 | 2067 => failed("UNIQUE"),
        _ => None,
    };
    let (table, column) = member.and_then(|m| m.split(", ").next()).and_then(|m| m.rsplit_once('.')).unzip();
    let constraint = if code == 275 { failed("CHECK") } else { None };
    SourceError::Database(DatabaseFault {
        engine: Engine::Sqlite,
        class,
        code: code.to_string(),
        meaning,
        constraint: names.confirm(constraint),
        table: names.confirm(table),
        column: names.confirm(column),
    })
}

/// Class and meaning of an (extended) result code of SQLite.
pub(crate) fn sqlite_class(code: u32) -> (Class, &'static str) {
    match code {
        275 => return (Class::Row, "check violation"),
        787 => return (Class::Row, "foreign key violation"),
        1299 => return (Class::Row, "not-null violation"),
        1555 | 2067 => return (Class::Row, "unique violation"),
        1811 => return (Class::Row, "raised by a trigger or function"),
        1544 => return (Class::Config, "read-only directory"),
        _ => {}
    }
    match code & 0xff {
        5 | 6 => (Class::Retry, "database is locked"),
        9 => (Class::Retry, "statement cancelled or timed out"),
        17 => (Class::Retry, "schema changed"),
        18 | 20 => (Class::Row, "value not accepted"),
        19 => (Class::Row, "integrity violation"),
        8 => (Class::Config, "read-only database"),
        14 => (Class::Config, "file cannot be opened"),
        26 => (Class::Config, "not a database"),
        3 | 23 => (Class::Privilege, "insufficient privilege"),
        10 => (Class::Fatal, "input or output failed"),
        11 => (Class::Fatal, "database is corrupt"),
        13 => (Class::Fatal, "disk full"),
        1 => (Class::Fatal, "statement not valid here"),
        _ => (Class::Fatal, ""),
    }
}
