//! Rows that the database refuses to change.

use retentiond::journal::{Event, KeyId, Mac, Name};
use retentiond::plan::key::{KeyKind, KeyPart, RecordKey};
use retentiond::plan::schema::Engine;

use crate::enforcement::{Fixture, unlimited};
use crate::scene::{ENGINES, consistent, entries, now, number, organisation, scene_rules};

/// A trigger that refuses to delete the row 257 of a table, by an error or without a word.
pub fn veto(engine: Engine, table: &str, name: &str, silent: bool) -> String {
    match (engine, silent) {
        (Engine::Postgres, false) => format!(
            "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF OLD.id = 257 THEN RAISE EXCEPTION 'no'; END IF; RETURN OLD; END $$;
             CREATE TRIGGER {name} BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()"
        ),
        (Engine::Postgres, true) => format!(
            "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF OLD.id = 257 THEN RETURN NULL; END IF; RETURN OLD; END $$;
             CREATE TRIGGER {name} BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()"
        ),
        (Engine::Sqlite, silent) => {
            let raise = if silent { "RAISE(IGNORE)" } else { "RAISE(ABORT, 'no')" };
            format!("CREATE TRIGGER {name} BEFORE DELETE ON {table} WHEN OLD.id = 257 BEGIN SELECT {raise}; END")
        }
        _ => format!(
            "CREATE TRIGGER {name} BEFORE DELETE ON {table} FOR EACH ROW IF OLD.id = 257 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'; END IF"
        ),
    }
}

fn mac(fixture: &Fixture<'_>, key_id: KeyId, data_set: &str, id: u64) -> Mac {
    let key = RecordKey(vec![KeyPart { kind: KeyKind::Integer, text: id.to_string() }]);
    let (source, data_set) = (Name::parse("crm").unwrap(), Name::parse(data_set).unwrap());
    fixture.journal.mac_keys().mac(key_id, &source, &data_set, &key).unwrap()
}

/// Exactly the row 257 failed, once, under its own MAC; everything else is gone.
pub async fn only_257_failed(fixture: &Fixture<'_>, data_set: &str) -> String {
    assert_eq!(number(fixture, &format!("FROM {data_set}")).await, 1);
    assert_eq!(number(fixture, &format!("FROM {data_set} WHERE id = 257")).await, 1);
    let mut found = Vec::new();
    for entry in entries(fixture).await {
        if let Event::RecordFailed { key_id, mac: named, code, data_set: of, .. } = entry.event {
            assert_eq!((of.as_str(), named), (data_set, mac(fixture, key_id, data_set, 257)));
            found.push(code.to_string());
        }
    }
    assert_eq!(found.len(), 1, "{}: {found:?}", fixture.engine.name());
    consistent(fixture).await;
    found.remove(0)
}

#[tokio::test]
async fn one_row_that_a_trigger_vetoes_is_named_and_the_other_499_go() {
    for engine in ENGINES {
        for silent in [false, true] {
            if silent && engine.is_mysql_family() {
                continue;
            }
            let Some(db) = organisation(engine, 500).await else { continue };
            let fixture = Fixture::new(engine, &db, "crm", now()).await;
            db.run_sql(&veto(engine, "log", "veto", silent)).await;
            let outcome = fixture.run_with(&scene_rules(&["veto"]), unlimited(), &crate::scene::Costs::default()).await.unwrap();
            assert_eq!((outcome.failed(), outcome.busy()), (1, 0), "{} {silent}: {:?}", engine.name(), outcome.actions);
            let code = only_257_failed(&fixture, "log").await;
            assert_eq!(code == "vetoed", silent, "{code}");
        }
    }
}

/// A statement that no row can pass is not tried on every row: the action is given up, and what is left stays due.
#[tokio::test]
async fn an_action_that_every_row_refuses_is_given_up() {
    for engine in ENGINES {
        let Some(db) = organisation(engine, 200).await else { continue };
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        db.run_sql(&veto(engine, "log", "veto", false).replace("OLD.id = 257", "OLD.id > 0")).await;
        let mut settings = unlimited();
        settings.most_failures = 5;
        let outcome = fixture.run_with(&scene_rules(&["veto"]), settings, &crate::scene::Costs::default()).await.unwrap();
        let log = outcome.actions.iter().find(|a| a.action == "log.delete").unwrap();
        assert!(
            (5..10).contains(&log.failed) && log.changed == 0 && log.due_after == log.due_before,
            "{} {log:?}",
            engine.name()
        );
        consistent(&fixture).await;
    }
}

#[tokio::test]
async fn a_veto_on_a_root_keeps_what_follows_it_too() {
    for engine in ENGINES {
        for silent in [false, true] {
            if silent && engine.is_mysql_family() {
                continue;
            }
            let Some(db) = organisation(engine, 500).await else { continue };
            let fixture = Fixture::new(engine, &db, "crm", now()).await;
            db.run_sql(&veto(engine, "client", "veto_client", silent)).await;
            let outcome = fixture.run(&scene_rules(&["veto_client"])).await;
            assert_eq!((outcome.failed(), outcome.busy()), (1, 0), "{} {silent}: {:?}", engine.name(), outcome.actions);
            assert_eq!(number(&fixture, "FROM note").await, 1);
            assert_eq!(number(&fixture, "FROM note WHERE client_id = 257").await, 1);
            only_257_failed(&fixture, "client").await;
        }
    }
}

#[tokio::test]
async fn a_mask_that_one_row_s_check_refuses_leaves_that_row_alone() {
    for engine in ENGINES {
        let Some(db) = organisation(engine, 500).await else { continue };
        db.run_sql("DROP TABLE visit; DROP TABLE account").await;
        let date = if engine == Engine::Sqlite { "TEXT" } else { "date" };
        let values: Vec<String> = (1..=500).map(|i| format!("({i}, 'A{i}')")).collect();
        db.run_sql(&format!(
            "CREATE TABLE account (id integer PRIMARY KEY, name varchar(50) NOT NULL, CONSTRAINT vip CHECK (id <> 257 OR name <> 'ANONYME'));
             CREATE TABLE visit (id integer PRIMARY KEY, account_id integer NOT NULL REFERENCES account (id), seen {date} NOT NULL);
             INSERT INTO account VALUES {};
             INSERT INTO visit SELECT id, id, '2020-01-01' FROM account",
            values.join(", ")
        ))
        .await;
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let outcome = fixture.run(&scene_rules(&[])).await;
        assert_eq!((outcome.failed(), outcome.busy()), (1, 0), "{}: {:?}", engine.name(), outcome.actions);
        assert_eq!(number(&fixture, "FROM account WHERE name <> 'ANONYME'").await, 1);
        let failed = entries(&fixture).await.into_iter().find_map(|e| match e.event {
            Event::RecordFailed { key_id, mac, constraint, .. } => Some((key_id, mac, constraint)),
            _ => None,
        });
        let (key_id, named, constraint) = failed.unwrap();
        assert_eq!(named, mac(&fixture, key_id, "account", 257));
        assert_eq!(constraint.unwrap().as_str(), "vip", "{}", engine.name());
        consistent(&fixture).await;
    }
}

#[tokio::test]
async fn a_row_that_fails_in_every_round_is_named_once() {
    for engine in ENGINES {
        let Some(db) = organisation(engine, 300).await else { continue };
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        db.run_sql(&veto(engine, "client", "veto_client", false)).await;
        // Something else becomes due while the first round runs, which makes a second one.
        let url = db.url.clone();
        let step = crate::scene::Once::new(
            retentiond::enforce::Point::Committed,
            "log.delete",
            0,
            Box::new(move || {
                let url = url.clone();
                Box::pin(async move {
                    crate::rows::foreign(engine, &url, "INSERT INTO client VALUES (9001, 'X', '2020-01-01')")
                        .await
                        .unwrap_or_default();
                })
            }),
        );
        fixture.run_with(&scene_rules(&["veto_client"]), unlimited(), &step).await.unwrap();
        assert!(step.happened());
        only_257_failed(&fixture, "client").await;
    }
}

#[tokio::test]
async fn a_run_that_fails_before_its_first_batch_ends_in_the_journal_too() {
    for engine in ENGINES {
        let Some(db) = organisation(engine, 5).await else { continue };
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let prepared = fixture.prepare(&scene_rules(&[])).await;
        db.run_sql("DROP TABLE visit").await;
        fixture.run_prepared(&prepared, unlimited(), &retentiond::enforce::Silent).await.unwrap_err();
        let kinds: Vec<String> = entries(&fixture).await.iter().map(|e| e.event.kind().to_owned()).collect();
        assert_eq!(kinds.iter().filter(|k| *k == "run_started").count(), 1, "{}", engine.name());
        assert_eq!(kinds.last().map(String::as_str), Some("run_finished"), "{}", engine.name());
    }
}
