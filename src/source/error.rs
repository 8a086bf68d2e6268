//! What can go wrong with a customer's database, without a single value in it.

use crate::plan::schema::Engine;

/// What the caller should do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Somebody else was in the way (deadlock, serialisation failure, lock or statement time-out): try again, a bounded number of times.
    Retry,
    /// A row cannot be changed that way (constraint, trigger veto, value out of range): bisect until that row stands alone.
    Row,
    /// The connection is gone; what its transaction did is unknown until the ledger is read.
    Lost,
    /// The connected role may not do this.
    Privilege,
    /// The target is described wrongly or in a state that forbids the work (wrong password, read-only server).
    Config,
    /// Everything else: stop this source and report.
    Fatal,
}

/// An error that the database itself reported, reduced to what names no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseFault {
    /// The engine that reported it.
    pub engine: Engine,
    /// What to do about it.
    pub class: Class,
    /// SQLSTATE (PostgreSQL), error number (MariaDB, MySQL) or extended result code (SQLite).
    pub code: String,
    /// What the code means, in a few words of ours; empty when the code is not a known one.
    pub meaning: &'static str,
    /// The constraint or index, if the report names one that the schema has.
    pub constraint: Option<String>,
    /// The table, likewise.
    pub table: Option<String>,
    /// The column, likewise.
    pub column: Option<String>,
}

/// What is wrong with the description of a target, or with what it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigFault {
    /// The URL begins with none of `postgres:`, `mysql:`, `mariadb:`, `sqlite:`.
    Scheme,
    /// The URL cannot be read.
    Url,
    /// The URL names no user.
    NoUser,
    /// The URL names no database.
    NoDatabase,
    /// The URL carries TLS parameters, which belong to the target's own settings.
    TlsInUrl,
    /// An SQLite URL asks for a file to be created, or for a database in memory.
    SqliteMode,
    /// The SQLite file does not exist or cannot be opened.
    SqliteFile,
    /// TLS could not be established as demanded.
    Tls,
    /// The server is older than the oldest supported version.
    TooOld,
    /// A setting that decides what statements mean could not be given its required value.
    Setting(&'static str),
}

impl ConfigFault {
    /// Whether the URL itself is at fault, and not the database that it leads to.
    #[must_use]
    pub fn is_of_the_url(self) -> bool {
        match self {
            Self::Scheme | Self::Url | Self::NoUser | Self::NoDatabase | Self::TlsInUrl | Self::SqliteMode => true,
            Self::SqliteFile | Self::Tls | Self::TooOld | Self::Setting(_) => false,
        }
    }
}

impl std::fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Scheme => f.write_str("the URL must begin with postgres:, mysql:, mariadb: or sqlite:"),
            Self::Url => f.write_str("the URL cannot be read"),
            Self::NoUser => f.write_str("the URL names no user"),
            Self::NoDatabase => f.write_str("the URL names no database"),
            Self::TlsInUrl => f.write_str("TLS is set beside the URL, not in it"),
            Self::SqliteMode => f.write_str("an SQLite source is an existing file: no mode=rwc, no memory database"),
            Self::SqliteFile => f.write_str("the SQLite file cannot be opened"),
            Self::Tls => f.write_str("no TLS connection as demanded (certificate, host name, or the server offers none)"),
            Self::TooOld => f.write_str("the server is too old: PostgreSQL 13, MariaDB 10.6 or MySQL 8.0 is needed"),
            Self::Setting(name) => write!(f, "the setting {name} cannot be given its required value"),
        }
    }
}

/// An error of a source. Neither its text nor its `Debug` form contains a value of the database, a URL or a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceError {
    /// The database reported an error.
    Database(DatabaseFault),
    /// The connection broke, or the server stopped making sense; the text says in which way.
    Lost(&'static str),
    /// No connection within the connect time-out.
    ConnectTimeout,
    /// The target is described wrongly.
    Config(ConfigFault),
    /// A result column (counted from 0) holds bytes that are not UTF-8 text.
    NotText(usize),
    /// The session already saw an error, or an answer was left half read: it can only be dropped.
    Spent,
    /// The database's catalogue answered in a shape that is not understood; the text says where.
    Catalogue(&'static str),
}

impl SourceError {
    /// What to do about it.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Database(fault) => fault.class,
            Self::Lost(_) | Self::ConnectTimeout => Class::Lost,
            Self::Config(_) => Class::Config,
            Self::NotText(_) | Self::Spent | Self::Catalogue(_) => Class::Fatal,
        }
    }

    /// SQLSTATE, error number or result code, where the database reported one.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Database(fault) => Some(&fault.code),
            _ => None,
        }
    }
}

impl std::fmt::Display for DatabaseFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let meaning = if self.meaning.is_empty() { "database error" } else { self.meaning };
        write!(f, "{} {meaning}", self.code)?;
        let on = |word: &str, name: &Option<String>| name.as_ref().map(|n| format!("{word} {n:?}")).unwrap_or_default();
        let named = [on("constraint", &self.constraint), on("column", &self.column), on("table", &self.table)];
        let named: Vec<&str> = named.iter().map(String::as_str).filter(|n| !n.is_empty()).collect();
        if named.is_empty() { Ok(()) } else { write!(f, " ({})", named.join(" on ")) }
    }
}

impl std::fmt::Display for SourceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Database(fault) => fault.fmt(f),
            Self::Lost(how) => write!(f, "connection lost: {how}"),
            Self::ConnectTimeout => f.write_str("no connection within the connect time-out"),
            Self::Config(fault) => fault.fmt(f),
            Self::NotText(column) => write!(f, "result column {column} is not UTF-8 text"),
            Self::Spent => f.write_str("the session already failed and can only be dropped"),
            Self::Catalogue(place) => write!(f, "the catalogue cannot be understood: {place}"),
        }
    }
}

impl std::error::Error for SourceError {}
