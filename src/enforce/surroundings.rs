//! What stands around the tables: a commit that may be lost, a way by which old values leave, a role that may do too much.

use crate::plan::schema::Engine;
use crate::policy::located::{Faults, Span};
use crate::policy::reader::shown;
use crate::source::Surroundings;

/// Judges the surroundings of a source; `at` is where the map names it.
pub(super) fn judge(engine: Engine, found: &Surroundings, at: &Span, faults: &mut Faults) {
    if found.read_only {
        let (what, expected) = match engine {
            Engine::Sqlite => (
                "the SQLite file cannot be written",
                "a file and a directory that this program's account may write, and no `mode=ro`",
            ),
            _ => (
                "the server refuses writes: it is a replica or read-only",
                "a connection to the primary, by a name that is never routed to a replica",
            ),
        };
        faults.error(at, what).expected(expected);
    }
    transport(found, at, faults);
    durability(engine, found, at, faults);
    leaks(engine, found, at, faults);
    if found.superuser {
        faults
            .warning(at, "the connected role is a superuser: it needs nothing of that")
            .help("the role that `retentiond setup` creates may do exactly what the plan does");
    } else {
        let wide: Vec<String> = found.wide.iter().take(10).map(|w| shown(w)).collect();
        if !wide.is_empty() {
            let more = if found.wide.len() > 10 { format!(" and {} more", found.wide.len() - 10) } else { String::new() };
            faults.warning(at, format!("the connected role has privileges beyond single tables: {}{more}", wide.join(", ")));
        }
    }
    if engine == Engine::Postgres && found.bypasses_row_security && !found.superuser {
        faults
            .warning(at, "row-level security does not apply to the connected role (BYPASSRLS): it sees the rows of every tenant");
    }
    if let Some(nodes) = found.galera_nodes {
        faults
            .warning(
                at,
                format!("a Galera cluster of {nodes} nodes answers: a batch may fail at its commit, and is then tried again"),
            )
            .help("connect to one node that takes the writes, always the same");
    }
    if found.pooler {
        faults
            .warning(at, "a connection pooler stands in between (PgBouncer or the like)")
            .help("each batch is one transaction and works in transaction mode; statement mode does not, and one before 1.21 knows no prepared statements");
    }
    if let Some(version) = found.settings.get("citus") {
        faults
            .warning(
                at,
                format!("Citus {} is installed: on distributed tables statements must stay within a shard", shown(version)),
            )
            .help("make the distribution column part of the key, or the batches touch every node");
    }
    if !found.sees_triggers {
        faults
            .warning(at, "triggers could not be seen: the connected role lacks TRIGGER on the database, and tables without a grant stay hidden")
            .help("run `retentiond check` once as an administrator (`--url-file`): a trigger or foreign key that is not seen is not checked");
    }
}

fn transport(found: &Surroundings, at: &Span, faults: &mut Faults) {
    if found.local {
        return;
    }
    if !found.encrypted {
        faults.error(at, "the connection to the server is not encrypted").expected("TLS with a verified certificate");
    } else if !found.verified {
        faults
            .warning(at, "the connection is encrypted, but the server's certificate and name are not verified")
            .help("tls = \"verify-full\", with ca_file for a private authority");
    }
}

/// A commit that a crash can undo makes the journal wrong.
fn durability(engine: Engine, found: &Surroundings, at: &Span, faults: &mut Faults) {
    let setting = |name: &str| found.settings.get(name).map(String::as_str);
    let mut lost = |name: &str, value: &str, wanted: &str| {
        faults
            .error(at, format!("{name} is `{}`: a crash can undo what was committed and journalled", shown(value)))
            .expected(format!("{name} = {wanted}"));
    };
    match engine {
        Engine::Postgres => {
            for (name, wanted) in [("synchronous_commit", "on"), ("fsync", "on"), ("full_page_writes", "on")] {
                if let Some(value @ "off") = setting(name) {
                    lost(name, value, wanted);
                }
            }
        }
        Engine::MariaDb | Engine::MySql => {
            if let Some(value) = setting("innodb_flush_log_at_trx_commit").filter(|v| *v != "1") {
                lost("innodb_flush_log_at_trx_commit", value, "1");
            }
        }
        Engine::Sqlite => {
            if let Some(value @ "0") = setting("synchronous") {
                lost("PRAGMA synchronous", value, "FULL");
            }
            if let Some(value @ ("off" | "memory")) = setting("journal_mode") {
                lost("PRAGMA journal_mode", value, "WAL");
            }
        }
    }
    if engine.is_mysql_family() && is_on(setting("log_bin")) && setting("sync_binlog").is_some_and(|v| v != "1") {
        faults.warning(at, "sync_binlog is not 1: after a crash replicas may keep what was erased here").help("sync_binlog = 1");
    }
}

fn is_on(value: Option<&str>) -> bool {
    matches!(value, Some("ON" | "on" | "1"))
}

/// Ways by which an erased value lives on, or a key is written down.
fn leaks(engine: Engine, found: &Surroundings, at: &Span, faults: &mut Faults) {
    let setting = |name: &str| found.settings.get(name).map(String::as_str);
    match engine {
        Engine::Postgres => {
            if setting("logical_slots").and_then(|n| n.parse::<u32>().ok()).is_some_and(|n| n > 0) {
                faults
                    .warning(at, "logical replication slots exist: changes leave to consumers that this program does not see")
                    .help("erase there as well; rows that a consumer already has are not called back");
            }
            if matches!(setting("log_statement"), Some("mod" | "all")) {
                faults
                    .warning(at, "the server logs statements, and with them the primary keys of disposed records")
                    .help("log_statement = ddl");
            }
        }
        Engine::MariaDb | Engine::MySql => {
            if is_on(setting("log_bin")) {
                match setting("binlog_format") {
                    Some("STATEMENT") => {
                        faults
                            .warning(at, "binlog_format is STATEMENT: random tokens become other tokens on each replica, and READ COMMITTED fails")
                            .help("binlog_format = ROW");
                    }
                    _ if setting("binlog_row_image").is_none_or(|i| i.eq_ignore_ascii_case("FULL")) => {
                        faults
                            .warning(at, "the binary log carries the old values of changed rows: what is erased lives on there until it expires")
                            .help("a short expiry, or binlog_row_image = MINIMAL");
                    }
                    _ => {}
                }
            }
            if is_on(setting("general_log")) {
                faults
                    .warning(at, "the server logs every statement, and with them the primary keys of disposed records")
                    .help("general_log = OFF");
            }
        }
        Engine::Sqlite => {
            if setting("secure_delete") == Some("0") {
                faults
                    .warning(at, "secure_delete is off: deleted values stay readable in the file's free pages")
                    .help("VACUUM after large runs, or a library compiled with secure_delete");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::policy::located::Severity;

    fn sound() -> Surroundings {
        Surroundings {
            role: "role".to_owned(),
            superuser: false,
            bypasses_row_security: false,
            read_only: false,
            encrypted: true,
            verified: true,
            local: false,
            pooler: false,
            galera_nodes: None,
            sees_triggers: true,
            settings: BTreeMap::new(),
            wide: Vec::new(),
            privileges: BTreeMap::new(),
        }
    }

    /// What is said of sound surroundings after one change: severity and message.
    fn said(engine: Engine, change: impl FnOnce(&mut Surroundings)) -> Vec<(Severity, String)> {
        let (mut found, mut faults) = (sound(), Faults::default());
        change(&mut found);
        judge(engine, &found, &Span::default(), &mut faults);
        faults.sorted().into_iter().map(|f| (f.severity, f.message.clone())).collect()
    }

    fn set(name: &str, value: &str) -> impl FnOnce(&mut Surroundings) {
        let (name, value) = (name.to_owned(), value.to_owned());
        move |s| drop(s.settings.insert(name, value))
    }

    #[track_caller]
    fn one(all: &[(Severity, String)], severity: Severity, part: &str) {
        assert!(matches!(all, [(s, m)] if *s == severity && m.contains(part)), "{part}: {all:?}");
    }

    #[test]
    fn sound_surroundings_are_not_complained_about() {
        for engine in [Engine::Postgres, Engine::MariaDb, Engine::MySql, Engine::Sqlite] {
            assert!(said(engine, |_| ()).is_empty());
            assert!(said(engine, |s| (s.local, s.encrypted, s.verified) = (true, false, false)).is_empty());
        }
        let sound = [
            (Engine::Postgres, "synchronous_commit", "on"),
            (Engine::Postgres, "synchronous_commit", "remote_apply"),
            (Engine::Postgres, "logical_slots", "0"),
            (Engine::MariaDb, "innodb_flush_log_at_trx_commit", "1"),
            (Engine::MariaDb, "log_bin", "OFF"),
            (Engine::Sqlite, "synchronous", "2"),
            (Engine::Sqlite, "secure_delete", "1"),
            (Engine::Sqlite, "journal_mode", "wal"),
        ];
        for (engine, name, value) in sound {
            assert!(said(engine, set(name, value)).is_empty(), "{name}");
        }
    }

    #[test]
    fn a_commit_that_may_be_lost_is_refused() {
        let weak = [
            (Engine::Postgres, "synchronous_commit", "off"),
            (Engine::Postgres, "fsync", "off"),
            (Engine::Postgres, "full_page_writes", "off"),
            (Engine::MariaDb, "innodb_flush_log_at_trx_commit", "2"),
            (Engine::MySql, "innodb_flush_log_at_trx_commit", "0"),
            (Engine::Sqlite, "synchronous", "0"),
            (Engine::Sqlite, "journal_mode", "memory"),
        ];
        for (engine, name, value) in weak {
            one(&said(engine, set(name, value)), Severity::Error, name);
        }
        one(&said(Engine::Postgres, |s| s.read_only = true), Severity::Error, "replica or read-only");
    }

    #[test]
    fn a_connection_over_a_network_must_be_encrypted_and_should_be_verified() {
        one(&said(Engine::Postgres, |s| (s.encrypted, s.verified) = (false, false)), Severity::Error, "not encrypted");
        one(&said(Engine::MySql, |s| s.verified = false), Severity::Warning, "not verified");
    }

    #[test]
    fn ways_by_which_erased_values_live_on_are_named() {
        one(&said(Engine::Postgres, set("logical_slots", "2")), Severity::Warning, "logical replication");
        one(&said(Engine::Postgres, set("log_statement", "all")), Severity::Warning, "primary keys");
        one(&said(Engine::MariaDb, set("general_log", "ON")), Severity::Warning, "primary keys");
        one(&said(Engine::Sqlite, set("secure_delete", "0")), Severity::Warning, "free pages");
        let binlog = |format: &'static str, image: &'static str| {
            said(Engine::MariaDb, move |s| {
                s.settings.extend(
                    [("log_bin", "ON"), ("binlog_format", format), ("binlog_row_image", image)]
                        .map(|(a, b)| (a.to_owned(), b.to_owned())),
                );
            })
        };
        one(&binlog("STATEMENT", "FULL"), Severity::Warning, "STATEMENT");
        one(&binlog("ROW", "FULL"), Severity::Warning, "old values");
        assert!(binlog("ROW", "MINIMAL").is_empty());
    }

    #[test]
    fn who_stands_between_and_who_may_do_too_much_is_named() {
        one(&said(Engine::Postgres, |s| (s.superuser, s.bypasses_row_security) = (true, true)), Severity::Warning, "superuser");
        one(&said(Engine::Postgres, |s| s.bypasses_row_security = true), Severity::Warning, "BYPASSRLS");
        one(&said(Engine::MariaDb, |s| s.galera_nodes = Some(3)), Severity::Warning, "Galera cluster of 3");
        one(&said(Engine::Postgres, |s| s.pooler = true), Severity::Warning, "pooler");
        one(&said(Engine::MariaDb, |s| s.sees_triggers = false), Severity::Warning, "triggers could not be seen");
        one(&said(Engine::Postgres, set("citus", "12.1")), Severity::Warning, "Citus 12.1");
        one(&said(Engine::Postgres, |s| s.wide = vec!["CREATEROLE".to_owned()]), Severity::Warning, "CREATEROLE");
    }
}
