//! Where a source is and how it must be reached, and the connection options that follow.

use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::sqlite::SqliteConnectOptions;

use super::error::{ConfigFault, SourceError};

/// A URL with a password in it: it can be used, not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl(String);

impl SecretUrl {
    /// Wraps a URL.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }
}

impl std::fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretUrl(_)")
    }
}

/// How much of a network connection must be proven before anything is said over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TlsMode {
    /// As [`TlsMode::VerifyFull`], except over a unix socket or to a loopback address (`localhost`, `127.0.0.0/8`, `::1`), where
    /// TLS is used when the server offers it and nothing is verified.
    #[default]
    Default,
    /// Encrypted; the certificate leads to a trusted root and names the host.
    VerifyFull,
    /// Encrypted; the certificate leads to a trusted root.
    VerifyCa,
    /// Not encrypted. `check` warns of it.
    Off,
}

/// Where a source is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `postgres://user:password@host/database`, `mysql://…`, `mariadb://…` or `sqlite:path`. A unix socket is named by
    /// `?host=/directory` (PostgreSQL) or `?socket=/path` (MariaDB, MySQL). User and database are required.
    pub url: SecretUrl,
    /// Demands on TLS; ignored for SQLite.
    pub tls: TlsMode,
    /// A PEM file of the roots to trust, instead of the machine's own.
    pub ca_file: Option<PathBuf>,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest run of one statement, enforced by the server: PostgreSQL any statement, MariaDB any statement, MySQL `SELECT` only,
    /// SQLite none. On PostgreSQL it is a start-up option, which PgBouncer refuses: leave it out there.
    pub statement_timeout: Option<Duration>,
    /// Longest silence of a server that was asked something. A network that swallows packets closes no connection: without this limit a run
    /// would wait for ever. It must be longer than the longest count of a large table.
    pub answer_timeout: Duration,
    /// Longest wait for a lock: InnoDB rounds up to whole seconds, SQLite waits this long for the file. PostgreSQL's is set by each
    /// transaction that acts for itself; other statements wait a minute.
    pub lock_timeout: Duration,
    /// Most connections at once. They are opened when they are needed: one for each worker of a run, and one to count with.
    pub connections: u32,
}

impl Target {
    /// A target with the usual limits: 10 s to connect, no statement time-out, half an hour for an answer, 1 s for locks, 66 connections (64 workers, and two), default TLS.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: SecretUrl::new(url),
            tls: TlsMode::Default,
            ca_file: None,
            connect_timeout: Duration::from_secs(10),
            statement_timeout: None,
            answer_timeout: Duration::from_secs(1800),
            lock_timeout: Duration::from_secs(1),
            connections: 66,
        }
    }

    /// The options that the URL and the settings beside it amount to.
    pub(super) fn options(&self) -> Result<Options, SourceError> {
        let url = self.url.0.as_str();
        let options = match url.split_once(':').map(|(scheme, _)| scheme) {
            Some("postgres" | "postgresql") => self.postgres(url).map(Options::Postgres),
            Some("mysql" | "mariadb") => self.mysql(url).map(Options::MySql),
            Some("sqlite") => self.sqlite(url).map(Options::Sqlite),
            _ => Err(ConfigFault::Scheme),
        };
        options.map_err(SourceError::Config)
    }

    /// How these options reach the server.
    pub(super) fn reach(&self, options: &Options) -> Reach {
        let (local, verified) = match options {
            Options::Postgres(o) => {
                (is_near(o.get_socket().is_some(), o.get_host()), matches!(o.get_ssl_mode(), PgSslMode::VerifyFull))
            }
            Options::MySql(o) => {
                (is_near(o.get_socket().is_some(), o.get_host()), matches!(o.get_ssl_mode(), MySqlSslMode::VerifyIdentity))
            }
            Options::Sqlite(_) => (true, false),
        };
        Reach { local, verified, several: self.connections > 1, pooler: false }
    }

    fn postgres(&self, url: &str) -> Result<PgConnectOptions, ConfigFault> {
        let parts = Parts::of(url)?;
        let options = PgConnectOptions::from_str(url).map_err(|_| ConfigFault::Url)?;
        if !parts.names_user && !parts.has_parameter("user") {
            return Err(ConfigFault::NoUser);
        }
        if options.get_database().is_none_or(str::is_empty) {
            return Err(ConfigFault::NoDatabase);
        }
        let near = is_near(options.get_socket().is_some(), options.get_host());
        let mode = match self.tls {
            TlsMode::Default if near => PgSslMode::Prefer,
            TlsMode::Default | TlsMode::VerifyFull => PgSslMode::VerifyFull,
            TlsMode::VerifyCa => PgSslMode::VerifyCa,
            TlsMode::Off => PgSslMode::Disable,
        };
        let mut options = options
            .ssl_mode(mode)
            .application_name("retentiond")
            .extra_float_digits(None)
            .statement_cache_capacity(0)
            .disable_statement_logging();
        if let Some(file) = &self.ca_file {
            options = options.ssl_root_cert(file);
        }
        if let Some(limit) = self.statement_timeout {
            options = options.options([("statement_timeout", limit.as_millis().to_string())]);
        }
        Ok(options)
    }

    fn mysql(&self, url: &str) -> Result<MySqlConnectOptions, ConfigFault> {
        let parts = Parts::of(url)?;
        let options = MySqlConnectOptions::from_str(url).map_err(|_| ConfigFault::Url)?;
        if !parts.names_user {
            return Err(ConfigFault::NoUser);
        }
        if options.get_database().is_none_or(str::is_empty) {
            return Err(ConfigFault::NoDatabase);
        }
        let near = is_near(options.get_socket().is_some(), options.get_host());
        let mode = match self.tls {
            TlsMode::Default if near => MySqlSslMode::Preferred,
            TlsMode::Default | TlsMode::VerifyFull => MySqlSslMode::VerifyIdentity,
            TlsMode::VerifyCa => MySqlSslMode::VerifyCa,
            TlsMode::Off => MySqlSslMode::Disabled,
        };
        let mut options = options
            .ssl_mode(mode)
            .charset("utf8mb4")
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .timezone(None)
            .statement_cache_capacity(0)
            .disable_statement_logging();
        if let Some(file) = &self.ca_file {
            options = options.ssl_ca(file);
        }
        Ok(options)
    }

    fn sqlite(&self, url: &str) -> Result<SqliteConnectOptions, ConfigFault> {
        let query = url.split_once('?').map_or("", |(_, query)| query);
        if query.contains("mode=rwc") || query.contains("mode=memory") || url.contains(":memory:") {
            return Err(ConfigFault::SqliteMode);
        }
        let options = SqliteConnectOptions::from_str(url).map_err(|_| ConfigFault::Url)?;
        if options.get_filename().as_os_str().is_empty() {
            return Err(ConfigFault::NoDatabase);
        }
        Ok(options
            .create_if_missing(false)
            .foreign_keys(true)
            // What is deleted must not linger in the file's free pages.
            .pragma("secure_delete", "ON")
            // In KiB: room for what a batch touches. The default of 2 MiB writes pages out and reads them back within one transaction.
            .pragma("cache_size", "-8192")
            // The library hands rows over from a thread of its own, which waits when so many are not taken yet.
            .row_buffer_size(2_000)
            .busy_timeout(self.lock_timeout)
            .statement_cache_capacity(0)
            .disable_statement_logging())
    }

    /// What every MariaDB or MySQL connection is told first.
    ///
    /// Strict, and able to read and keep zero dates; `\` stays an escape character in string literals and `||` concatenates. Without MariaDB's cache of
    /// what subqueries answer: it takes outer values for the same that their column's collation does, also where the subquery compares exactly.
    pub(super) fn mysql_setup(&self, mariadb: bool) -> String {
        let lock = self.lock_timeout.as_secs() + u64::from(self.lock_timeout.subsec_nanos() > 0);
        let lock = lock.max(1);
        let mut sql = format!(
            "SET autocommit = 0, SESSION time_zone = '+00:00', \
             SESSION sql_mode = 'STRICT_TRANS_TABLES,STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,PIPES_AS_CONCAT', \
             SESSION foreign_key_checks = 1, SESSION unique_checks = 1, SESSION sql_safe_updates = 0, SESSION sql_big_selects = 1, \
             SESSION sql_select_limit = 18446744073709551615, SESSION sql_auto_is_null = 0, SESSION group_concat_max_len = 1048576, \
             SESSION innodb_lock_wait_timeout = {lock}, SESSION lock_wait_timeout = {lock}"
        );
        // With autocommit off, each look at a table is a transaction until it is ended: it must not outlive a network that swallows that end, since it keeps
        // the table from being altered and old rows from being purged. MySQL knows no limit but that of idle connections; the pool opens new ones.
        sql.push_str(if mariadb {
            ", SESSION check_constraint_checks = 1, SESSION idle_transaction_timeout = 60, SESSION optimizer_switch = 'subquery_cache=off'"
        } else {
            ", SESSION wait_timeout = 60"
        });
        if let Some(limit) = self.statement_timeout {
            let limit = limit.as_millis();
            if mariadb {
                sql.push_str(&format!(", SESSION max_statement_time = {}.{:03}", limit / 1000, limit % 1000));
            } else {
                sql.push_str(&format!(", SESSION max_execution_time = {limit}"));
            }
        }
        sql.push_str("; SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ");
        sql
    }
}

/// Connection options of one engine.
#[derive(Clone)]
pub(super) enum Options {
    Postgres(PgConnectOptions),
    MySql(MySqlConnectOptions),
    Sqlite(SqliteConnectOptions),
}

/// How a connection gets to its server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach {
    /// Over a unix socket, to a loopback address, or to a file.
    pub local: bool,
    /// With a certificate that leads to a trusted root and names the host.
    pub verified: bool,
    /// Whether a second connection may be opened beside the first.
    pub several: bool,
    /// A pooler in between gave itself away when connecting.
    pub pooler: bool,
}

/// What a URL says in so many words, as far as the driver would fill gaps with guesses.
struct Parts<'a> {
    names_user: bool,
    query: &'a str,
}

impl<'a> Parts<'a> {
    fn of(url: &'a str) -> Result<Self, ConfigFault> {
        let (_, rest) = url.split_once("://").ok_or(ConfigFault::Url)?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
        let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
        let parts = Self {
            names_user: !user.split(':').next().unwrap_or("").is_empty(),
            query: rest.split_once('?').map_or("", |(_, q)| q),
        };
        if parts.parameters().any(|p| p.starts_with("ssl")) { Err(ConfigFault::TlsInUrl) } else { Ok(parts) }
    }

    fn parameters(&self) -> impl Iterator<Item = &'a str> {
        self.query.split('&').map(|p| p.split('=').next().unwrap_or(""))
    }

    fn has_parameter(&self, name: &str) -> bool {
        self.parameters().any(|p| p == name)
    }
}

/// Whether a server is reached without a network.
fn is_near(socket: bool, host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    socket
        || host.starts_with('/')
        || host.eq_ignore_ascii_case("localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(url: &str) -> Option<SourceError> {
        Target::new(url).options().err()
    }

    #[test]
    fn a_target_never_prints_its_url() {
        let shown = format!("{:?}", Target::new("postgres://me:hunter2@db/x"));
        assert!(!shown.contains("hunter2") && !shown.contains("db/x"), "{shown}");
    }

    #[test]
    fn user_and_database_are_required_and_tls_stays_out_of_the_url() {
        let config = |f| Some(SourceError::Config(f));
        assert_eq!(fault("postgres://db/x"), config(ConfigFault::NoUser));
        assert_eq!(fault("postgres://:pw@db/x"), config(ConfigFault::NoUser));
        assert_eq!(fault("postgres://me@db"), config(ConfigFault::NoDatabase));
        assert_eq!(fault("mysql://db/x"), config(ConfigFault::NoUser));
        assert_eq!(fault("mysql://me@db/"), config(ConfigFault::NoDatabase));
        assert_eq!(fault("postgres://me@db/x?sslmode=disable"), config(ConfigFault::TlsInUrl));
        assert_eq!(fault("mysql://me@db/x?ssl-mode=DISABLED"), config(ConfigFault::TlsInUrl));
        assert_eq!(fault("oracle://me@db/x"), config(ConfigFault::Scheme));
        assert_eq!(fault("sqlite:x.db?mode=rwc"), config(ConfigFault::SqliteMode));
        assert_eq!(fault("sqlite::memory:"), config(ConfigFault::SqliteMode));
        assert_eq!(fault("postgres:///x?user=me&host=/run/postgresql"), None);
    }

    #[test]
    fn tls_is_verified_in_full_unless_the_server_is_this_machine() {
        let pg = |url: &str, tls| match (Target { tls, ..Target::new(url) }).options() {
            Ok(Options::Postgres(o)) => format!("{:?}", o.get_ssl_mode()),
            _ => "?".to_owned(),
        };
        assert_eq!(pg("postgres://me@db.example/x", TlsMode::Default), "VerifyFull");
        assert_eq!(pg("postgres://me@localhost.example/x", TlsMode::Default), "VerifyFull");
        assert_eq!(pg("postgres://me@127.0.0.1/x", TlsMode::Default), "Prefer");
        assert_eq!(pg("postgres://me@[::1]/x", TlsMode::Default), "Prefer");
        assert_eq!(pg("postgres://me@x/x?host=/run/pg", TlsMode::Default), "Prefer");
        assert_eq!(pg("postgres://me@127.0.0.1/x", TlsMode::VerifyFull), "VerifyFull");
        let my = |url: &str| match Target::new(url).options() {
            Ok(Options::MySql(o)) => format!("{:?}", o.get_ssl_mode()),
            _ => "?".to_owned(),
        };
        assert_eq!(my("mysql://me@db.example/x"), "VerifyIdentity");
        assert_eq!(my("mariadb://me@localhost/x"), "Preferred");
    }
}
