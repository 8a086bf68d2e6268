//! What only looks changes nothing, and masks move nothing else.

use retentiond::enforce::take_census;
use retentiond::plan::schema::Engine;

use crate::enforcement::Fixture;
use crate::rows::Foreign;
use crate::scene::{ENGINES, LOCKING, MAP, POLICY, now, number, organisation, read, run_clean, scene_rules};

/// The statements that a server logged for a database, as the first words of each.
fn logged(engine: Engine, name: &str) -> Vec<String> {
    let (variable, marker) = match engine {
        Engine::Postgres => ("RETENTIOND_TEST_POSTGRES_LOG", "statement: "),
        Engine::MySql => ("RETENTIOND_TEST_MYSQL_LOG", "Query\t"),
        _ => ("RETENTIOND_TEST_MARIADB_LOG", "Query\t"),
    };
    let log = String::from_utf8_lossy(&std::fs::read(std::env::var(variable).unwrap()).unwrap()).into_owned();
    // PostgreSQL names the database in each line; MariaDB the connection, which says its database when it begins.
    let mut connections = Vec::new();
    let mut all = Vec::new();
    let mut ours = false;
    for line in log.lines() {
        if engine == Engine::Postgres {
            ours =
                if line.contains("statement: ") { line.contains(&format!("@{name} ")) } else { ours && line.starts_with('\t') };
            if ours {
                all.push(line.split_once(marker).map_or(line, |(_, sql)| sql).trim().to_owned());
            }
            continue;
        }
        let mut words = line.split_whitespace().skip_while(|w| w.contains(':') || w.len() == 6 && w.parse::<u32>().is_ok());
        if let Some(id) = words.next().and_then(|w| w.parse::<u64>().ok()) {
            if line.contains("Connect\t") && line.contains(&format!(" on {name} ")) {
                connections.push(id);
            }
            ours = connections.contains(&id) && line.contains(marker);
        }
        if ours {
            all.push(line.split_once(marker).map_or(line, |(_, sql)| sql).trim().to_owned());
        }
    }
    all
}

fn writes(sql: &str) -> bool {
    let upper = sql.to_ascii_uppercase();
    let begins = [
        "INSERT", "UPDATE", "DELETE", "REPLACE", "CREATE", "ALTER", "DROP", "TRUNCATE", "GRANT", "LOCK", "CALL", "DO ", "COPY",
        "MERGE",
    ];
    begins.iter().any(|w| upper.starts_with(w))
        || upper.contains("FOR UPDATE")
        || upper.contains("FOR SHARE")
        || upper.contains("LOCK IN SHARE MODE")
}

#[tokio::test]
async fn a_plan_with_its_census_writes_nothing_by_the_server_s_own_log() {
    for engine in LOCKING {
        let Some(db) = organisation(engine, 10).await else { continue };
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let before = logged(engine, &db.name).len();
        assert!(logged(engine, &db.name).iter().any(|s| writes(s)), "the log shows the test's own setup");
        let prepared = fixture.prepare(&scene_rules(&[])).await;
        let mut session = fixture.source.session().await.unwrap();
        let counts = take_census(&mut session, &prepared.plan).await.unwrap();
        session.done().await.unwrap();
        assert_eq!(counts.len(), 3);
        let all = logged(engine, &db.name);
        let said = &all[before..];
        assert!(said.iter().any(|s| s.contains("account")), "{} logged nothing of the plan", engine.name());
        let wrote: Vec<&String> = said.iter().filter(|s| writes(s)).collect();
        assert!(wrote.is_empty(), "{}: {wrote:?}", engine.name());
    }
}

#[tokio::test]
async fn a_plan_with_its_census_leaves_an_sqlite_file_byte_for_byte_as_it_was() {
    let Some(db) = organisation(Engine::Sqlite, 10).await else { return };
    let fixture = Fixture::new(Engine::Sqlite, &db, "crm", now()).await;
    let path = db.url.trim_start_matches("sqlite:").to_owned();
    let before = std::fs::read(&path).unwrap();
    let prepared = fixture.prepare(&scene_rules(&[])).await;
    let mut session = fixture.source.session().await.unwrap();
    take_census(&mut session, &prepared.plan).await.unwrap();
    session.done().await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), before);
    run_clean(&fixture, &scene_rules(&[])).await;
    assert_ne!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_mask_does_not_move_the_date_that_mariadb_and_mysql_set_on_update() {
    for engine in [Engine::MariaDb, Engine::MySql] {
        let Some(db) = organisation(engine, 3).await else { continue };
        db.run_sql(
        "DROP TABLE visit; DROP TABLE account;
         CREATE TABLE account (id integer PRIMARY KEY, name varchar(50) NOT NULL, seen timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
         INSERT INTO account VALUES (1, 'A', '2020-01-01 10:00:00'), (2, 'B', '2026-01-01 10:00:00')",
    )
    .await;
        let map = MAP.lines().filter(|l| !l.starts_with("triggers") && !l.starts_with("of = ")).collect::<Vec<_>>().join("\n");
        let (head, account) = map.split_once("[data.account.events.visited]").unwrap();
        let account = account.replace("format = \"iso_date\"", "");
        let rules = crate::enforcement::rules(&format!("{head}[data.account.events.visited]{account}"), &[POLICY]);
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        run_clean(&fixture, &rules).await;
        let found = read(&fixture, "SELECT name, CAST(seen AS CHAR) FROM account ORDER BY id").await;
        assert_eq!(found, ["ANONYME|2020-01-01 10:00:00", "B|2026-01-01 10:00:00"]);
    }
}

#[tokio::test]
async fn a_deferred_foreign_key_speaks_before_the_commit_and_only_its_row_fails() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let Some(db) = organisation(engine, 200).await else { continue };
        // An unmapped table that the plan does not know of yet when it is made: a key that appears between plan and run.
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let rules = scene_rules(&[]);
        let prepared = fixture.prepare(&rules).await;
        db.run_sql(
            "CREATE TABLE late (id integer PRIMARY KEY, log_id integer NOT NULL REFERENCES log (id) DEFERRABLE INITIALLY DEFERRED);
             INSERT INTO late VALUES (1, 57)",
        )
        .await;
        let outcome =
            fixture.run_prepared(&prepared, crate::enforcement::unlimited(), &retentiond::enforce::Silent).await.unwrap();
        assert_eq!((outcome.failed(), outcome.busy()), (1, 0), "{}: {:?}", engine.name(), outcome.actions);
        assert_eq!((number(&fixture, "FROM log").await, number(&fixture, "FROM log WHERE id = 57").await), (1, 1));
        crate::scene::consistent(&fixture).await;
        // With the key in its schema the next plan waits, and deletes when the other row has gone.
        let waits = fixture.run(&rules).await;
        assert_eq!(waits.failed(), 0, "{:?}", waits.actions);
        assert_eq!(read(&fixture, "SELECT ip FROM log").await, ["-"], "emptied");
        Foreign::connect(engine, &db.url).await.execute("DELETE FROM late").await.unwrap();
        run_clean(&fixture, &rules).await;
        assert_eq!(number(&fixture, "FROM log").await, 0);
    }
}

#[tokio::test]
async fn rows_of_a_declared_cascade_are_counted_into_the_batch() {
    for engine in ENGINES {
        let Some(db) = organisation(engine, 5).await else { continue };
        db.run_sql("CREATE TABLE tag (id integer PRIMARY KEY, client_id integer NOT NULL, FOREIGN KEY (client_id) REFERENCES client (id) ON DELETE CASCADE);
             INSERT INTO tag VALUES (1, 1), (2, 1), (3, 2)").await;
        let map = MAP.replace("triggers = [\"veto\"]\n", "").replace("triggers = [\"veto_client\"]\n", "cascades = [\"tag\"]\n");
        let rules = crate::enforcement::rules(&map, &[POLICY]);
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let outcome = run_clean(&fixture, &rules).await;
        let client = outcome.actions.iter().find(|a| a.action == "client.delete").unwrap();
        assert_eq!((client.changed, client.related), (5, 5 + 3), "{}", engine.name());
        assert_eq!(number(&fixture, "FROM tag").await, 0);
    }
}
