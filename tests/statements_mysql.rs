//! MySQL's statements beside MariaDB's, whose dialect it shares.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

#[expect(dead_code, reason = "this binary uses a part of the fixture")]
#[path = "support/enforcement.rs"]
mod enforcement;
#[path = "support/mod.rs"]
mod support;

use chrono::{TimeZone as _, Utc};
use enforcement::{Fixture, rules};
use retentiond::plan::action::Action;
use retentiond::plan::companion::Companion;
use retentiond::plan::compile::{Plan, compile};
use retentiond::plan::dialect::Dialect;
use retentiond::plan::key::{KeyKind, KeyPart, RecordKey};
use retentiond::plan::schema::{Column, Engine, TableName};
use support::database;

const ORGANISATIONS: [&str; 7] = ["sofraco", "secufor", "bsoft", "bsoft-customers", "seveane", "capassurances", "generic"];

fn shipped(organisation: &str, file: &str) -> String {
    std::fs::read_to_string(format!("{}/config/examples/{organisation}/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// What a batch of an action says once it holds its rows, beside the action's id.
fn under_locks(plan: &Plan, database: &str) -> Vec<(String, Vec<String>)> {
    let d = plan.dialect;
    let keys_of = |columns: &[Column]| {
        let part = |n: u8| move |_: &Column| KeyPart { kind: KeyKind::Integer, text: n.to_string() };
        [RecordKey(columns.iter().map(part(1)).collect()), RecordKey(columns.iter().map(part(2)).collect())]
    };
    fn below(d: Dialect, above: (&TableName, &[Column]), list: &[Companion], keys: &[RecordKey], all: &mut Vec<String>) {
        for companion in list {
            all.push(companion.find(d, above.0, above.1, keys, 1_000));
            below(d, (&companion.table, &companion.key), &companion.companions, keys, all);
            all.extend(companion.narrow(d, keys));
            all.push(companion.act(d, keys));
        }
    }
    let of = |action: &Action| {
        let keys = keys_of(&action.key);
        let mut all = action.lock_read_rows(d, &keys);
        if !action.repeats_predicate(d) {
            all.push(action.confirm(d, &keys));
        }
        below(d, (&action.table, &action.key), &action.companions, &keys, &mut all);
        all.push(action.act_keys(d, &keys, true));
        all.into_iter().map(|sql| sql.replace(&format!("`{database}`"), "`db`")).collect()
    };
    plan.actions.iter().map(|a| (a.id.clone(), of(a))).collect()
}

/// The plan of a shipped organisation on a database of MariaDB or MySQL, as it is there and as MySQL would have it.
async fn shipped_on(engine: Engine, organisation: &str) -> Option<[Vec<(String, Vec<String>)>; 2]> {
    let now = Utc.with_ymd_and_hms(2026, 11, 22, 8, 0, 0).unwrap();
    let db = database(engine).await?;
    db.run_sql(&shipped(organisation, "schema.mariadb.sql")).await;
    let rules = rules(&shipped(organisation, "map.toml"), &[&shipped(organisation, "policy.toml")]);
    let fixture = Fixture::new(engine, &db, &rules.map.source, now).await;
    let mut prepared = fixture.prepare(&rules).await;
    prepared.schema.server.engine = Engine::MySql;
    let mysql = compile(&rules.map, &rules.policies, &prepared.schema, &prepared.moment, &[]);
    let name = db.url.rsplit('/').next().unwrap();
    Some([under_locks(&prepared.plan, name), under_locks(&mysql, name)])
}

/// MySQL cannot wait less than a second, so that no statement may wait at all once rows are held: every locking read says so, and what acts
/// reads no other row. Told from MariaDB's schema, which is at hand everywhere.
#[tokio::test]
async fn on_mysql_no_statement_waits_for_anybody_while_rows_are_held() {
    let waits = |sql: &str| {
        let locking = ["FOR UPDATE", "FOR SHARE", "LOCK IN SHARE MODE"];
        locking.iter().any(|locks| sql.split(locks).skip(1).any(|rest| !rest.starts_with(" NOWAIT")))
    };
    for organisation in ORGANISATIONS {
        let Some([mariadb, mysql]) = shipped_on(Engine::MariaDb, organisation).await else { return };
        assert_eq!(mariadb.len(), mysql.len());
        // The rule is one that MariaDB's statements break: there the session's time-out forbids waiting.
        assert!(organisation != "secufor" || mariadb.iter().flat_map(|(_, said)| said).any(|sql| waits(sql)));
        for ((id, said), (_, instead)) in mariadb.iter().zip(&mysql) {
            for sql in instead {
                assert!(!waits(sql), "{organisation} {id}: {sql}");
                let acts = !sql.starts_with("SELECT ");
                assert!(!acts || !sql.contains("(SELECT 1 FROM `db`."), "{organisation} {id}: {sql}");
                // But for how they lock, the statements are MariaDB's, or what MariaDB says in the statement that acts.
                let softened =
                    sql.replace(" FOR SHARE NOWAIT", " LOCK IN SHARE MODE").replace(" FOR UPDATE NOWAIT", " FOR UPDATE");
                assert!(said.contains(&softened) || said.len() == 1, "{organisation} {id}: {sql}");
            }
        }
    }
}

/// A MySQL server's own schema leads to the same statements as MariaDB's does.
#[tokio::test]
async fn mysql_and_mariadb_are_read_alike() {
    for organisation in ORGANISATIONS {
        let Some([own, same]) = shipped_on(Engine::MySql, organisation).await else { return };
        let Some([_, read]) = shipped_on(Engine::MariaDb, organisation).await else { return };
        assert!(own == same && own == read && !own.is_empty(), "{organisation}");
    }
}
