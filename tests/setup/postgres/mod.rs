//! The script on PostgreSQL.

mod server;

use retentiond::{
    plan::{
        quote::{identifier, text_literal},
        schema::Engine::Postgres,
    },
    source::setup::{SetupRequest, script},
};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};

use self::server::{Server, attempt, run};
use crate::fixture::{HOSTILE, request, unique};

const NO_PRIVILEGE: &str = "42501";
const LOCKED: &str = "55P03";

const INSERT_LEDGER: &str = "INSERT INTO retentiond.ledger VALUES ('b', 'crm', 'r', 1, 0, 1, 'person', 'mask', 1, '{}', '[]', '[]', 'k', '\\x00', 1, 'h', 't')";
const INSERT_HOLD: &str =
    "INSERT INTO retentiond.hold VALUES ('o', 'crm', 'person', 'hold', 'record', '1', '2026-01-01', NULL, NULL)";

/// What a run does, each with the privilege that it cannot do without.
const NEEDED: &[(&str, &str)] = &[
    ("SELECT epoch, token FROM retentiond.fence", "USAGE ON SCHEMA retentiond"),
    ("SELECT epoch, token FROM retentiond.fence", "SELECT ON retentiond.fence"),
    ("SELECT epoch, token FROM retentiond.fence WHERE source = 'crm' AND slot = 1 FOR UPDATE", "UPDATE ON retentiond.fence"),
    ("UPDATE retentiond.fence SET epoch = epoch + 1, token = 'x', server_id = 'y'", "UPDATE ON retentiond.fence"),
    ("SELECT * FROM retentiond.ledger", "SELECT ON retentiond.ledger"),
    (INSERT_LEDGER, "INSERT ON retentiond.ledger"),
    ("DELETE FROM retentiond.ledger", "DELETE ON retentiond.ledger"),
    ("SELECT * FROM retentiond.hold", "SELECT ON retentiond.hold"),
    (INSERT_HOLD, "INSERT ON retentiond.hold"),
    ("UPDATE retentiond.hold SET lifted_on = '2026-01-01'", "UPDATE ON retentiond.hold"),
    ("SELECT inner_key, outer_key FROM retentiond.pseudonym_key", "SELECT ON retentiond.pseudonym_key"),
    ("SELECT * FROM app.person", "USAGE ON SCHEMA app"),
    ("SELECT * FROM app.person", "SELECT ON app.person"),
    ("UPDATE app.person SET name = 'x' WHERE id = 2 RETURNING id", "UPDATE (name) ON app.person"),
    ("UPDATE app.person SET email = 'x' WHERE id = 2 RETURNING id", "UPDATE (email) ON app.person"),
    ("SELECT id FROM app.person p FOR UPDATE OF p SKIP LOCKED", "UPDATE (name, email) ON app.person"),
    ("DELETE FROM app.person WHERE id = 2 RETURNING id", "DELETE ON app.person"),
    ("SELECT * FROM app.visit", "SELECT ON app.visit"),
    ("SELECT 1 FROM app.visit FOR SHARE", "UPDATE (id) ON app.visit"),
];

/// What the role has no business doing.
const REFUSED: &[&str] = &[
    "UPDATE app.person SET note = 'x'",
    "UPDATE app.person SET id = id",
    "INSERT INTO app.person VALUES (3)",
    "TRUNCATE app.person CASCADE",
    "UPDATE app.visit SET day = day",
    "DELETE FROM app.visit",
    "SELECT * FROM app.secret",
    "LOCK TABLE app.secret IN SHARE MODE",
    "INSERT INTO retentiond.fence VALUES ('x', 9, 0, '', '')",
    "DELETE FROM retentiond.fence",
    "UPDATE retentiond.ledger SET n = 0",
    "DELETE FROM retentiond.hold",
    "UPDATE retentiond.pseudonym_key SET inner_key = outer_key",
    "DELETE FROM retentiond.pseudonym_key",
    "TRUNCATE retentiond.pseudonym_key",
    "INSERT INTO retentiond.pseudonym_key VALUES (2, '', '')",
    "TRUNCATE retentiond.hold",
    "ALTER TABLE retentiond.hold DISABLE TRIGGER take_slots",
    "DROP TABLE retentiond.hold",
    "CREATE TABLE retentiond.x (y integer)",
    "CREATE TABLE app.x (y integer)",
    "CREATE TABLE public.x (y integer)",
    "CREATE SCHEMA x",
    "CREATE ROLE x",
    "ALTER TABLE app.person ADD x integer",
    "SET ROLE postgres",
    "SET session_replication_role = replica",
    "COPY app.visit TO PROGRAM 'true'",
];

#[tokio::test]
async fn the_script_can_be_run_twice_and_keeps_the_fence() {
    let Some(server) = Server::start().await else { return };
    let mut admin = server.admin().await;
    run(&mut admin, "UPDATE retentiond.fence SET epoch = 7, token = 't'").await.unwrap();
    let more = SetupRequest { slots: 3, ..server.request.clone() };
    run(&mut admin, &script(Postgres, &more).unwrap()).await.unwrap();
    let rows = sqlx::query("SELECT slot, epoch FROM retentiond.fence WHERE source = 'crm' ORDER BY slot")
        .fetch_all(&mut admin)
        .await
        .unwrap();
    let rows: Vec<(i32, i64)> = rows.iter().map(|r| (r.get(0), r.get(1))).collect();
    assert_eq!(rows, [(0, 7), (1, 7), (2, 0)]);
    server.stop().await;
}

#[tokio::test]
async fn every_grant_is_needed_and_sufficient() {
    let Some(server) = Server::start().await else { return };
    let (mut admin, mut enforcer, role) = (server.admin().await, server.enforcer().await, server.role());
    for (statement, privilege) in NEEDED {
        assert_eq!(attempt(&mut enforcer, statement).await, Ok(()), "{statement}");
        run(&mut admin, &format!("REVOKE {privilege} FROM {role}")).await.unwrap();
        assert_eq!(attempt(&mut enforcer, statement).await, Err(NO_PRIVILEGE.into()), "{statement} without {privilege}");
        run(&mut admin, &server.script()).await.unwrap();
    }
    server.stop().await;
}

#[tokio::test]
async fn the_role_can_do_nothing_else() {
    let Some(server) = Server::start().await else { return };
    let mut enforcer = server.enforcer().await;
    for statement in REFUSED {
        assert_eq!(attempt(&mut enforcer, statement).await, Err(NO_PRIVILEGE.into()), "{statement}");
    }
    server.stop().await;
}

#[tokio::test]
async fn running_the_script_again_takes_back_what_it_does_not_list() {
    let Some(server) = Server::start().await else { return };
    let (mut admin, mut enforcer, role) = (server.admin().await, server.enforcer().await, server.role());
    let surplus = format!(
        "GRANT UPDATE (note) ON app.person TO {role}; GRANT INSERT ON app.visit TO {role};
         GRANT TRUNCATE ON retentiond.ledger TO {role}; GRANT CREATE ON SCHEMA retentiond TO {role}; ALTER ROLE {role} CREATEDB"
    );
    run(&mut admin, &surplus).await.unwrap();
    assert_eq!(attempt(&mut enforcer, "UPDATE app.person SET note = 'x'").await, Ok(()));
    run(&mut admin, &server.script()).await.unwrap();
    for statement in [
        "UPDATE app.person SET note = 'x'",
        "INSERT INTO app.visit VALUES (9, 1, NULL)",
        "TRUNCATE retentiond.ledger",
        "CREATE TABLE retentiond.x (y integer)",
    ] {
        assert_eq!(attempt(&mut enforcer, statement).await, Err(NO_PRIVILEGE.into()), "{statement}");
    }
    assert_eq!(run(&mut enforcer, "CREATE DATABASE never_made").await, Err(NO_PRIVILEGE.into()));
    server.stop().await;
}

#[tokio::test]
async fn a_map_without_pseudonyms_takes_the_key_from_the_role_and_leaves_it_where_it_is() {
    let Some(server) = Server::start().await else { return };
    let (mut admin, mut enforcer) = (server.admin().await, server.enforcer().await);
    let key = "SELECT inner_key FROM retentiond.pseudonym_key";
    assert_eq!(attempt(&mut enforcer, key).await, Ok(()));
    let mut without = server.request.clone();
    without.tables.pop();
    let text = script(Postgres, &without).unwrap();
    assert!(!text.contains("pseudonym"), "{text}");
    run(&mut admin, &text).await.unwrap();
    assert_eq!(attempt(&mut enforcer, key).await, Err(NO_PRIVILEGE.into()));
    assert_eq!(sqlx::query(key).fetch_all(&mut admin).await.unwrap().len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn there_is_one_key_of_128_bytes_and_no_other_fits_beside_it() {
    let Some(server) = Server::start().await else { return };
    let mut admin = server.admin().await;
    for change in [
        "INSERT INTO retentiond.pseudonym_key SELECT 2, inner_key, outer_key FROM retentiond.pseudonym_key",
        "UPDATE retentiond.pseudonym_key SET inner_key = 'short'",
        "UPDATE retentiond.pseudonym_key SET outer_key = ''",
    ] {
        assert_eq!(attempt(&mut admin, change).await, Err("23514".into()), "{change}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_change_of_an_order_waits_for_a_running_batch() {
    let Some(server) = Server::start().await else { return };
    let (mut hand, mut batch) = (server.admin().await, server.enforcer().await);
    run(&mut hand, INSERT_HOLD).await.unwrap();
    run(&mut hand, "SET lock_timeout = '200ms'").await.unwrap();
    run(&mut batch, "BEGIN; SELECT 1 FROM retentiond.fence WHERE source = 'crm' AND slot = 1 FOR UPDATE").await.unwrap();
    let second = INSERT_HOLD.replace("'o'", "'p'");
    let changes = [
        &second,
        "UPDATE retentiond.hold SET \"until\" = '2027-01-01'",
        "DELETE FROM retentiond.hold",
        "TRUNCATE retentiond.hold",
    ];
    for change in changes {
        assert_eq!(attempt(&mut hand, change).await, Err(LOCKED.into()), "{change}");
    }
    run(&mut batch, "ROLLBACK").await.unwrap();
    for change in changes {
        assert_eq!(attempt(&mut hand, change).await, Ok(()), "{change}");
    }
    server.stop().await;
}

#[tokio::test]
async fn an_uncommitted_order_keeps_batches_of_its_source_waiting_and_no_others() {
    let Some(server) = Server::start().await else { return };
    let (mut hand, mut batch) = (server.admin().await, server.enforcer().await);
    let other = SetupRequest { source: "other".into(), ..server.request.clone() };
    run(&mut hand, &script(Postgres, &other).unwrap()).await.unwrap();
    run(&mut hand, "BEGIN").await.unwrap();
    run(&mut hand, INSERT_HOLD).await.unwrap();
    let slot = |source: &str, slot: u8| {
        format!("SELECT 1 FROM retentiond.fence WHERE source = '{source}' AND slot = {slot} FOR UPDATE NOWAIT")
    };
    assert_eq!(attempt(&mut batch, &slot("crm", 0)).await, Err(LOCKED.into()));
    assert_eq!(attempt(&mut batch, &slot("crm", 1)).await, Err(LOCKED.into()));
    assert_eq!(attempt(&mut batch, &slot("other", 0)).await, Ok(()));
    run(&mut hand, "COMMIT").await.unwrap();
    assert_eq!(attempt(&mut batch, &slot("crm", 0)).await, Ok(()));
    server.stop().await;
}

#[tokio::test]
async fn slots_are_taken_in_order_so_that_two_orders_never_deadlock() {
    let Some(server) = Server::start().await else { return };
    let (mut hand, mut batch, mut watch) = (server.admin().await, server.enforcer().await, server.enforcer().await);
    run(&mut batch, "BEGIN; SELECT 1 FROM retentiond.fence WHERE source = 'crm' AND slot = 1 FOR UPDATE").await.unwrap();
    let waiting = tokio::spawn(async move { run(&mut hand, INSERT_HOLD).await });
    let first = "SELECT 1 FROM retentiond.fence WHERE source = 'crm' AND slot = 0 FOR UPDATE NOWAIT";
    let mut taken = false;
    for _ in 0..200 {
        taken = attempt(&mut watch, first).await == Err(LOCKED.into());
        if taken {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(taken && !waiting.is_finished(), "slot 0 is taken while slot 1 is waited for");
    run(&mut batch, "ROLLBACK").await.unwrap();
    assert_eq!(waiting.await.unwrap(), Ok(()));
    server.stop().await;
}

#[tokio::test]
async fn an_order_by_hand_needs_no_right_on_the_fence_a_known_source_and_real_dates() {
    let Some(server) = Server::start().await else { return };
    let mut admin = server.admin().await;
    let clerk = identifier(Postgres, &unique("clerk"));
    let grants = format!(
        "CREATE ROLE {clerk}; GRANT USAGE ON SCHEMA retentiond TO {clerk}; GRANT INSERT ON retentiond.hold TO {clerk}; SET ROLE {clerk}"
    );
    run(&mut admin, &grants).await.unwrap();
    assert_eq!(attempt(&mut admin, INSERT_HOLD).await, Ok(()));
    assert_eq!(attempt(&mut admin, &INSERT_HOLD.replace("'crm'", "'crn'")).await, Err("23503".into()));
    for (right, wrong) in
        [("NULL, NULL", "'31/12/2026', NULL"), ("2026-01-01", "2026-1-1"), ("'hold'", "'legal'"), ("'record'", "'table'")]
    {
        assert_eq!(attempt(&mut admin, &INSERT_HOLD.replace(right, wrong)).await, Err("23514".into()), "{wrong}");
    }
    run(&mut admin, &format!("RESET ROLE; DROP OWNED BY {clerk}; DROP ROLE {clerk}")).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn the_role_cannot_log_in_before_it_has_a_password() {
    let Some(server) = Server::start().await else { return };
    let mut admin = server.admin().await;
    run(&mut admin, &format!("ALTER ROLE {} PASSWORD NULL", server.role())).await.unwrap();
    for password in ["", "p"] {
        let options = server.options.clone().database(&server.request.database).username(&server.request.role).password(password);
        assert!(options.connect().await.is_err());
    }
    server.stop().await;
}

#[tokio::test]
async fn hostile_names_become_exactly_themselves() {
    let database = format!("{HOSTILE}{}", unique(""));
    let mut request = request(&database, HOSTILE, &database.replace('{', "«"));
    request.source = HOSTILE.into();
    request.tables.truncate(1);
    request.tables[0].table.name = HOSTILE.into();
    request.tables[0].update_columns = vec![HOSTILE.into()];
    let name = identifier(Postgres, HOSTILE);
    let table = format!("{name}.{name}");
    let tables = format!("CREATE SCHEMA {name}; CREATE TABLE {table} (id integer, {name} text, other text)");
    let Some(server) = Server::with(request, &tables).await else { return };
    let mut enforcer = server.enforcer().await;
    assert_eq!(attempt(&mut enforcer, &format!("UPDATE {table} SET {name} = 'x'")).await, Ok(()));
    assert_eq!(attempt(&mut enforcer, &format!("UPDATE {table} SET other = 'x'")).await, Err(NO_PRIVILEGE.into()));
    let source: String =
        sqlx::query("SELECT source FROM retentiond.fence WHERE slot = 1").fetch_one(&mut enforcer).await.unwrap().get(0);
    assert_eq!(source, HOSTILE);
    server.stop().await;
}

#[tokio::test]
async fn text_literals_mean_the_same_under_both_settings_of_conforming_strings() {
    let Some(server) = Server::start().await else { return };
    let mut admin = server.admin().await;
    for setting in ["on", "off"] {
        run(&mut admin, &format!("SET standard_conforming_strings = {setting}")).await.unwrap();
        for text in ["", "ANONYME", HOSTILE, "\\", "\\'", "é\u{202e}\u{1f600}\n\t%_", "\\x41"] {
            let sql = format!("SELECT {}::text", text_literal(Postgres, text).unwrap());
            let back: String = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(&mut admin).await.unwrap().get(0);
            assert_eq!(back, text);
        }
    }
    admin.close().await.unwrap();
    server.stop().await;
}
