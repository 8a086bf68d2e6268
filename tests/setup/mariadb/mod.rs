//! The script on MariaDB and MySQL.

mod server;

use retentiond::{
    plan::{
        quote::{identifier, text_literal},
        schema::Engine,
    },
    source::setup::{SetupRequest, script},
};
use sqlx::{AssertSqlSafe, Row as _};

use self::server::{Server, TABLES, attempt, run};
use crate::fixture::{HOSTILE, request, unique};

/// Refused on a whole table, on a column of it, or (a trigger on a MySQL with a binary log) without a privilege of the server.
const NO_PRIVILEGE: [u16; 3] = [1142, 1143, 1419];
const LOCKED: u16 = 1205;

/// What `NOWAIT` answers where somebody else holds the row.
fn locked_now(engine: Engine) -> u16 {
    if engine == Engine::MySql { 3572 } else { LOCKED }
}

const FAMILY: [Engine; 2] = [Engine::MariaDb, Engine::MySql];

fn refused(result: Result<(), u16>) -> bool {
    result.is_err_and(|number| NO_PRIVILEGE.contains(&number))
}

const INSERT_LEDGER: &str = "INSERT INTO retentiond_ledger VALUES ('b', 'crm', 'r', 1, 0, 1, 'person', 'mask', 1, '{}', '[]', '[]', 'k', x'00', 1, 'h', 't')";
const INSERT_HOLD: &str =
    "INSERT INTO retentiond_hold VALUES ('o', 'crm', 'person', 'hold', 'record', '1', '2026-01-01', NULL, NULL)";

/// What a run does, each with the privilege that it cannot do without.
const NEEDED: &[(&str, &str)] = &[
    ("SELECT epoch, token FROM retentiond_fence WHERE source = 'crm' AND slot = 1 FOR UPDATE", "SELECT ON retentiond_fence"),
    ("UPDATE retentiond_fence SET epoch = epoch + 1, token = 'x', server_id = 'y'", "UPDATE ON retentiond_fence"),
    ("SELECT * FROM retentiond_ledger", "SELECT ON retentiond_ledger"),
    (INSERT_LEDGER, "INSERT ON retentiond_ledger"),
    ("DELETE FROM retentiond_ledger", "DELETE ON retentiond_ledger"),
    ("SELECT * FROM retentiond_hold", "SELECT ON retentiond_hold"),
    (INSERT_HOLD, "INSERT ON retentiond_hold"),
    ("UPDATE retentiond_hold SET lifted_on = '2026-01-01'", "UPDATE ON retentiond_hold"),
    ("SELECT inner_key, outer_key FROM retentiond_pseudonym_key", "SELECT ON retentiond_pseudonym_key"),
    ("SELECT id FROM person FOR UPDATE SKIP LOCKED", "SELECT ON person"),
    ("UPDATE person SET name = 'x' WHERE id IN (2)", "UPDATE (name) ON person"),
    ("UPDATE person SET email = 'x' WHERE id IN (2)", "UPDATE (email) ON person"),
    ("DELETE FROM person WHERE id IN (2)", "DELETE ON person"),
    ("SELECT 1 FROM visit LOCK IN SHARE MODE", "SELECT ON visit"),
    ("SELECT 1 FROM visit FOR UPDATE", "SELECT ON visit"),
];

/// What the user has no business doing: on tables, and beyond them.
const REFUSED: &[&str] = &[
    "UPDATE person SET note = 'x'",
    "UPDATE person SET id = id",
    "INSERT INTO person (id) VALUES (3)",
    "TRUNCATE person",
    "UPDATE visit SET day = day",
    "DELETE FROM visit",
    "SELECT * FROM secret",
    "INSERT INTO retentiond_fence VALUES ('x', 9, 0, '', '')",
    "DELETE FROM retentiond_fence",
    "UPDATE retentiond_ledger SET n = 0",
    "DELETE FROM retentiond_hold",
    "UPDATE retentiond_pseudonym_key SET inner_key = outer_key",
    "DELETE FROM retentiond_pseudonym_key",
    "TRUNCATE retentiond_pseudonym_key",
    "INSERT INTO retentiond_pseudonym_key VALUES (2, '', '')",
    "TRUNCATE retentiond_hold",
    "DROP TABLE retentiond_hold",
    "DROP TRIGGER retentiond_hold_insert",
    "CREATE TABLE x (y integer)",
    "ALTER TABLE person ADD x integer",
    "CREATE TRIGGER x BEFORE DELETE ON person FOR EACH ROW SET @x = 1",
    "SELECT * FROM mysql.user",
];

#[tokio::test]
async fn the_script_can_be_run_twice_and_keeps_the_fence() {
    for engine in FAMILY {
        let Some(server) = Server::start(engine).await else { continue };
        let mut admin = server.admin().await;
        run(&mut admin, "UPDATE retentiond_fence SET epoch = 7, token = 't'").await.unwrap();
        let more = SetupRequest { slots: 3, ..server.request.clone() };
        run(&mut admin, &script(engine, &more).unwrap()).await.unwrap();
        let sql = "SELECT slot, epoch FROM retentiond_fence WHERE source = 'crm' ORDER BY slot";
        let rows = sqlx::query(sql).fetch_all(&mut admin).await.unwrap();
        let rows: Vec<(i32, i64)> = rows.iter().map(|r| (r.get(0), r.get(1))).collect();
        assert_eq!(rows, [(0, 7), (1, 7), (2, 0)]);
        server.enforcer().await;
        server.stop().await;
    }
}

#[tokio::test]
async fn every_grant_is_needed_and_sufficient() {
    for engine in FAMILY {
        let Some(server) = Server::start(engine).await else { continue };
        let (mut admin, mut enforcer, user) = (server.admin().await, server.enforcer().await, server.user());
        for (statement, privilege) in NEEDED {
            assert_eq!(attempt(&mut enforcer, statement).await, Ok(()), "{statement}");
            run(&mut admin, &format!("REVOKE {privilege} FROM {user}")).await.unwrap();
            assert!(refused(attempt(&mut enforcer, statement).await), "{statement} without {privilege}");
            run(&mut admin, &server.script()).await.unwrap();
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn the_user_can_do_nothing_else() {
    for engine in FAMILY {
        let Some(server) = Server::start(engine).await else { continue };
        let mut enforcer = server.enforcer().await;
        for statement in REFUSED {
            assert!(refused(attempt(&mut enforcer, statement).await), "{statement}");
        }
        assert_eq!(run(&mut enforcer, "CREATE DATABASE never_made").await, Err(1044));
        assert_eq!(run(&mut enforcer, "CREATE USER never_made").await, Err(1227));
        assert_eq!(run(&mut enforcer, "SET GLOBAL general_log = 0").await, Err(1227));
        server.stop().await;
    }
}

#[tokio::test]
async fn running_the_script_again_takes_back_what_it_does_not_list() {
    for engine in FAMILY {
        let Some(server) = Server::start(engine).await else { continue };
        let (mut admin, mut enforcer, user) = (server.admin().await, server.enforcer().await, server.user());
        let surplus = format!(
            "GRANT UPDATE (note) ON person TO {user}; GRANT INSERT ON visit TO {user}; GRANT DROP ON retentiond_ledger TO {user}"
        );
        run(&mut admin, &surplus).await.unwrap();
        assert_eq!(attempt(&mut enforcer, "UPDATE person SET note = 'x'").await, Ok(()));
        run(&mut admin, &server.script()).await.unwrap();
        for statement in ["UPDATE person SET note = 'x'", "INSERT INTO visit VALUES (9, 1, NULL)", "TRUNCATE retentiond_ledger"] {
            assert!(refused(attempt(&mut enforcer, statement).await), "{statement}");
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn there_is_one_key_of_128_bytes_and_no_other_fits_beside_it() {
    for engine in FAMILY {
        let Some(server) = Server::start(engine).await else { continue };
        let mut admin = server.admin().await;
        let check = if engine == Engine::MySql { 3819 } else { 4025 };
        for change in [
            "INSERT INTO retentiond_pseudonym_key SELECT 2, inner_key, outer_key FROM retentiond_pseudonym_key",
            "UPDATE retentiond_pseudonym_key SET inner_key = 'short'",
            "UPDATE retentiond_pseudonym_key SET outer_key = ''",
        ] {
            assert_eq!(attempt(&mut admin, change).await, Err(check), "{change}");
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn a_change_of_an_order_waits_for_a_running_batch() {
    for engine in FAMILY {
        let Some(server) = Server::start(engine).await else { continue };
        let (mut hand, mut batch) = (server.admin().await, server.enforcer().await);
        run(&mut hand, INSERT_HOLD).await.unwrap();
        run(&mut hand, "SET innodb_lock_wait_timeout = 1").await.unwrap();
        run(&mut batch, "START TRANSACTION").await.unwrap();
        run(&mut batch, "SELECT 1 FROM retentiond_fence WHERE source = 'crm' AND slot = 1 FOR UPDATE").await.unwrap();
        let second = INSERT_HOLD.replace("'o'", "'p'");
        let changes = [&second, "UPDATE retentiond_hold SET `until` = '2027-01-01'", "DELETE FROM retentiond_hold"];
        for change in changes {
            assert_eq!(attempt(&mut hand, change).await, Err(LOCKED), "{change}");
        }
        run(&mut batch, "ROLLBACK").await.unwrap();
        for change in changes {
            assert_eq!(attempt(&mut hand, change).await, Ok(()), "{change}");
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn an_uncommitted_order_keeps_batches_of_its_source_waiting_and_no_others() {
    for engine in FAMILY {
        let Some(server) = Server::start(engine).await else { continue };
        let (mut hand, mut batch) = (server.admin().await, server.enforcer().await);
        let other = SetupRequest { source: "other".into(), ..server.request.clone() };
        run(&mut hand, &script(engine, &other).unwrap()).await.unwrap();
        let slot = |source: &str, slot: u8| {
            format!("SELECT 1 FROM retentiond_fence WHERE source = '{source}' AND slot = {slot} FOR UPDATE NOWAIT")
        };
        for change in [INSERT_HOLD, "UPDATE retentiond_hold SET `until` = '2027-01-01'", "DELETE FROM retentiond_hold"] {
            run(&mut hand, "START TRANSACTION").await.unwrap();
            run(&mut hand, change).await.unwrap();
            assert_eq!(attempt(&mut batch, &slot("crm", 0)).await, Err(locked_now(engine)), "{change}");
            assert_eq!(attempt(&mut batch, &slot("crm", 1)).await, Err(locked_now(engine)), "{change}");
            assert_eq!(attempt(&mut batch, &slot("other", 0)).await, Ok(()), "{change}");
            run(&mut hand, "COMMIT").await.unwrap();
            assert_eq!(attempt(&mut batch, &slot("crm", 0)).await, Ok(()), "{change}");
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn slots_are_taken_in_order_so_that_two_orders_never_deadlock() {
    for engine in FAMILY {
        let Some(server) = Server::start(engine).await else { continue };
        let (mut hand, mut batch, mut watch) = (server.admin().await, server.enforcer().await, server.enforcer().await);
        run(&mut batch, "START TRANSACTION").await.unwrap();
        run(&mut batch, "SELECT 1 FROM retentiond_fence WHERE source = 'crm' AND slot = 1 FOR UPDATE").await.unwrap();
        let waiting = tokio::spawn(async move { run(&mut hand, INSERT_HOLD).await });
        let first = "SELECT 1 FROM retentiond_fence WHERE source = 'crm' AND slot = 0 FOR UPDATE NOWAIT";
        let mut taken = false;
        for _ in 0..200 {
            taken = attempt(&mut watch, first).await == Err(locked_now(engine));
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
}

#[tokio::test]
async fn an_order_by_hand_needs_no_right_on_the_fence_and_real_dates() {
    for engine in FAMILY {
        let Some(server) = Server::start(engine).await else { continue };
        let (mut admin, user) = (server.admin().await, server.user());
        run(&mut admin, &format!("REVOKE ALL PRIVILEGES ON retentiond_fence FROM {user}")).await.unwrap();
        let mut clerk = server.enforcer().await;
        assert_eq!(attempt(&mut clerk, INSERT_HOLD).await, Ok(()));
        let check = if engine == Engine::MySql { 3819 } else { 4025 };
        for (right, wrong) in
            [("NULL, NULL", "'31/12/2026', NULL"), ("2026-01-01", "2026-1-1"), ("'hold'", "'legal'"), ("'record'", "'table'")]
        {
            assert_eq!(attempt(&mut clerk, &INSERT_HOLD.replace(right, wrong)).await, Err(check), "{wrong}");
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn the_user_cannot_log_in_before_it_has_a_password() {
    for engine in FAMILY {
        let database = unique("setup");
        let request = request(&database, &database, &unique("setup_user"));
        let Some(server) = Server::without_script(engine, request, TABLES).await else { continue };
        let mut admin = server.admin().await;
        run(&mut admin, &server.script()).await.unwrap();
        assert!(server.login("").await.is_err());
        run(&mut admin, &format!("ALTER USER {} IDENTIFIED BY 'p' ACCOUNT UNLOCK", server.user())).await.unwrap();
        assert!(server.login("p").await.is_ok());
        server.stop().await;
    }
}

#[tokio::test]
async fn hostile_names_become_exactly_themselves() {
    for engine in FAMILY {
        let database = format!("{}{}", HOSTILE.replace(';', ""), unique(""));
        // MySQL's user names have at most 32 characters, and it forgets a blank at their end.
        let user: String =
            database.chars().rev().take(if engine == Engine::MySql { 32 } else { 80 }).collect::<String>().trim_end().to_owned();
        let mut request = request(&database, &database, &user);
        request.source = HOSTILE.into();
        request.tables.truncate(1);
        request.tables[0].table.name = HOSTILE.into();
        request.tables[0].update_columns = vec![HOSTILE.into()];
        let name = identifier(engine, HOSTILE);
        let tables = format!("CREATE TABLE {name} (id integer, {name} text, other text)");
        let Some(server) = Server::with(engine, request, &tables).await else { continue };
        let mut enforcer = server.enforcer().await;
        assert_eq!(attempt(&mut enforcer, &format!("UPDATE {name} SET {name} = 'x'")).await, Ok(()));
        assert!(refused(attempt(&mut enforcer, &format!("UPDATE {name} SET other = 'x'")).await));
        let row = sqlx::query("SELECT source FROM retentiond_fence WHERE slot = 1").fetch_one(&mut enforcer).await.unwrap();
        assert_eq!(row.get::<String, _>(0), HOSTILE);
        server.stop().await;
    }
}

#[tokio::test]
async fn text_literals_and_names_mean_the_same_in_every_sql_mode() {
    for engine in FAMILY {
        let Some(server) = Server::start(engine).await else { continue };
        let mut admin = server.admin().await;
        let own = if engine == Engine::MySql { "ANSI" } else { "ORACLE" };
        for mode in ["", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES,PIPES_AS_CONCAT", own, "TRADITIONAL"] {
            run(&mut admin, &format!("SET sql_mode = '{mode}'")).await.unwrap();
            for text in ["", "ANONYME", HOSTILE, "\\", "\\'", "é\u{202e}\u{1f600}\n\t%_", "\0"] {
                let literal = text_literal(engine, text).unwrap();
                let name = identifier(engine, HOSTILE);
                // The limit keeps MySQL from moving the condition inwards, for which it prints and reads the literal again, with
                // backslashes that NO_BACKSLASH_ESCAPES does not know.
                let sql = format!("SELECT t.{name} FROM (SELECT {literal} AS {name} LIMIT 1) t WHERE t.{name} = {literal}");
                let row = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(&mut admin).await.unwrap();
                assert_eq!(row.get::<String, _>(0), text, "{mode}");
            }
        }
        server.stop().await;
    }
}
