//! Records that keep each other from going in a circle: together or not at all, in an order that foreign keys allow, and never beyond a ceiling.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use retentiond::enforce::{Point, Silent, explain, take_census};
use retentiond::journal::Event;
use retentiond::plan::explain::Outcome;
use retentiond::plan::schema::Engine;
use retentiond::policy::purpose::OrderKind;

use crate::enforcement::{Fixture, Rules, unlimited};
use crate::restore::{place, record};
use crate::rows::foreign;
use crate::scene::{ENGINES, LOCKING, Once, batches_of, clean, consistent, entries, now};
use crate::support::database;
use crate::together::{check, data, dates, follower, left, of, purpose};

/// Claims of a contract read it and are read by it; a claim may be taken from another.
fn claims() -> Rules {
    of(
        &[
            data("contract", "\"id\"", "accepts_race = true", &[("claimed", "of = \"claim\"", "closed")]),
            data(
                "claim",
                "\"id\"",
                "accepts_race = true\nbelongs_to = \"contract\"\non = { contract_id = \"id\" }",
                &[("ended", "of = \"contract\"", "ended")],
            ),
        ],
        &[purpose("contract", "{ latest_of = [\"claimed\"] }", ""), purpose("claim", "\"ended\"", "")],
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn children_that_refer_to_each_other_go_with_their_parent() {
    check(
        &claims(),
        "CREATE TABLE contract (id integer PRIMARY KEY, ended DATE, body varchar(50) NOT NULL);
         CREATE TABLE claim (id integer PRIMARY KEY, contract_id integer NOT NULL, taken_from integer, closed DATE, body varchar(50) NOT NULL,
             FOREIGN KEY (contract_id) REFERENCES contract (id), FOREIGN KEY (taken_from) REFERENCES claim (id));
         INSERT INTO contract VALUES (1, '{DUE}', 'A'), (2, '{DUE}', 'B'), (3, '{DUE}', 'C'), (4, '{DUE}', 'D');
         INSERT INTO claim VALUES (11, 1, NULL, '{DUE}', 'a'), (12, 1, 11, '{DUE}', 'b'), (13, 1, 12, '{DUE}', 'c'),
             (21, 2, NULL, '{DUE}', 'd'), (22, 2, 21, '2026-01-01', 'e'), (31, 3, NULL, '{DUE}', 'f'), (41, 4, 31, '{DUE}', 'g'), (42, 4, NULL, '{DUE}', 'h')",
        &[("claim", 42)],
        &["contract", "claim"],
        // A claim of 2 is too young; a held claim keeps 4, and 4's other claim keeps 3.
        &["contract 2", "contract 3", "contract 4", "claim 21", "claim 22", "claim 31", "claim 41", "claim 42"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_thread_of_replies_goes_at_once() {
    let rules =
        of(&[data("reply", "\"id\"", "accepts_race = true", &[("said", "", "said")])], &[purpose("reply", "\"said\"", "")]);
    let rows: Vec<String> = (1..=60)
        .map(|n| format!("({n}, {}, '{{DUE}}', 'x')", if n == 1 { "NULL".into() } else { (n - 1).to_string() }))
        .collect();
    let more = "(101, NULL, '{DUE}', 'y'), (102, 101, '{DUE}', 'y'), (103, 102, '2026-01-01', 'y'), (104, 101, '{DUE}', 'y')";
    check(
        &rules,
        &format!(
            "CREATE TABLE reply (id integer PRIMARY KEY, answers integer, said DATE, body varchar(50) NOT NULL, FOREIGN KEY (answers) REFERENCES reply (id));
             INSERT INTO reply VALUES {}, {more}",
            rows.join(", ")
        ),
        &[],
        &["reply"],
        &["reply 101", "reply 102", "reply 103"],
    )
    .await;
}

/// Persons and files that read each other by columns of their own, and no parents or children.
fn persons_and_files() -> Rules {
    persons_and_files_with("")
}

fn persons_and_files_with(more: &str) -> Rules {
    of(
        &[
            data(
                "person",
                "\"id\"",
                "accepts_race = true",
                &[("filed", "of = { table = \"file\", on = { id = \"file_id\" } }", "closed")],
            ),
            data(
                "file",
                "\"id\"",
                &format!("accepts_race = true{more}"),
                &[("seen", "of = { table = \"person\", on = { id = \"person_id\" } }", "seen")],
            ),
        ],
        &[purpose("person", "{ latest_of = [\"filed\"] }", ""), purpose("file", "{ latest_of = [\"seen\"] }", "")],
    )
}

const PERSONS_AND_FILES: &str = "CREATE TABLE person (id integer PRIMARY KEY, file_id integer, seen DATE, body varchar(50) NOT NULL);
     CREATE TABLE file (id integer PRIMARY KEY, person_id integer, closed DATE, body varchar(50) NOT NULL);
     INSERT INTO person VALUES (1, 1, '{DUE}', 'a'), (2, 2, '{DUE}', 'b'), (3, 4, '{DUE}', 'c'), (4, 3, '{DUE}', 'd'), (5, 5, '{DUE}', 'e'), (6, 5, '2026-01-01', 'f');
     INSERT INTO file VALUES (1, 1, '{DUE}', 'A'), (2, 2, '{DUE}', 'B'), (3, 3, '{DUE}', 'C'), (4, 4, '{DUE}', 'D'), (5, 6, '{DUE}', 'E')";

#[tokio::test(flavor = "multi_thread")]
async fn records_that_read_each_other_in_a_circle_go_together() {
    check(
        &persons_and_files(),
        PERSONS_AND_FILES,
        &[("file", 2)],
        &["person", "file"],
        // File 2 is held. File 5 reads person 6, who was seen too lately, and keeps whoever it reads.
        &["person 2", "person 6", "file 2", "file 5"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_and_explanation_know_of_a_circle_what_the_run_does() {
    for engine in ENGINES {
        let Some(db) = database(engine).await else { continue };
        db.run_sql(&dates(engine, PERSONS_AND_FILES)).await;
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let rules = persons_and_files();
        place(&fixture, &rules, OrderKind::Hold, "file", record(2)).await;
        let prepared = fixture.prepare(&rules).await;
        let mut session = fixture.source.session().await.unwrap();
        let census = take_census(&mut session, &prepared.plan).await.unwrap();
        session.done().await.unwrap();
        let counted: Vec<(&str, u64)> = census.iter().flat_map(|(_, c)| &c.actions).map(|(id, n)| (id.as_str(), *n)).collect();
        assert_eq!(
            counted,
            [("file.delete", 3), ("file.empty", 0), ("person.delete", 4), ("person.empty", 2)],
            "{}: persons 2 and 6 are emptied",
            engine.name()
        );
        for (data, key, expected) in [("person", 1, true), ("person", 2, false), ("file", 4, true), ("file", 2, false)] {
            let story = explain(&fixture.source, &prepared, &rules.map, &rules.policies, data, &[key.to_string()]).await.unwrap();
            assert_eq!(story.outcome == Outcome::Delete, expected, "{} {data} {key}: {:?}", engine.name(), story.outcome);
        }
        let outcome = fixture.run_prepared(&prepared, unlimited(), &Silent).await.unwrap();
        let changed: Vec<(&str, u64, u64)> = outcome.actions.iter().map(|a| (a.action.as_str(), a.changed, a.related)).collect();
        assert!(changed.contains(&("person.empty", 2, 0)) && changed.contains(&("file.empty", 0, 0)), "{changed:?}");
        let gone: u64 = changed.iter().filter(|a| a.0.ends_with(".delete")).map(|a| a.1 + a.2).sum();
        assert_eq!(gone, 7, "{changed:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_a_record_goes_with_it_however_its_rows_refer_to_each_other() {
    let person = data("person", "\"id\"", "accepts_race = true", &[("seen", "", "seen")]);
    check(
        &of(&[person, follower("file", "person"), follower("note", "person")], &[purpose("person", "\"seen\"", "")]),
        "CREATE TABLE person (id integer PRIMARY KEY, seen DATE, body varchar(50) NOT NULL);
         CREATE TABLE file (id integer PRIMARY KEY, person_id integer NOT NULL, other_id integer, body varchar(50) NOT NULL,
             FOREIGN KEY (person_id) REFERENCES person (id), FOREIGN KEY (other_id) REFERENCES person (id));
         CREATE TABLE note (id integer PRIMARY KEY, person_id integer NOT NULL, file_id integer, answers integer, body varchar(50) NOT NULL,
             FOREIGN KEY (person_id) REFERENCES person (id), FOREIGN KEY (file_id) REFERENCES file (id), FOREIGN KEY (answers) REFERENCES note (id));
         INSERT INTO person VALUES (1, '{DUE}', 'a'), (2, '{DUE}', 'b'), (3, '{DUE}', 'c'), (4, '2026-01-01', 'd'), (5, '{DUE}', 'e');
         INSERT INTO file VALUES (11, 1, NULL, 'x'), (21, 2, 3, 'x'), (31, 3, NULL, 'x'), (41, 4, 5, 'x');
         INSERT INTO note VALUES (111, 1, 11, NULL, 'y'), (112, 1, 11, 111, 'y'), (113, 1, NULL, 112, 'y'), (311, 3, 21, NULL, 'y'), (411, 4, NULL, NULL, 'y')",
        &[],
        &["person", "file", "note"],
        // 2 and 3 keep each other by what follows them, and go. A file of 4, who stays, refers to 5.
        &["person 4", "person 5", "file 41", "note 411"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_refers_to_what_follows_it_goes_where_the_engine_can_delete_it_and_is_named_where_not() {
    for engine in ENGINES {
        let Some(db) = database(engine).await else { continue };
        let late =
            if engine == Engine::Sqlite { "" } else { "ALTER TABLE person ADD FOREIGN KEY (lives_at) REFERENCES address (id);" };
        let early = if engine == Engine::Sqlite { ", FOREIGN KEY (lives_at) REFERENCES address (id)" } else { "" };
        db.run_sql(&dates(
            engine,
            &format!(
                "CREATE TABLE person (id integer PRIMARY KEY, lives_at integer, seen DATE, body varchar(50) NOT NULL{early});
                 CREATE TABLE address (id integer PRIMARY KEY, person_id integer, body varchar(50) NOT NULL, FOREIGN KEY (person_id) REFERENCES person (id));
                 INSERT INTO person VALUES (1, NULL, '{{DUE}}', 'a'), (2, NULL, '2026-01-01', 'b'), (3, NULL, '{{DUE}}', 'c'), (4, NULL, '{{DUE}}', 'd');
                 INSERT INTO address VALUES (1, 1, 'A'), (2, 2, 'B'), (3, 3, 'C'), (4, 4, 'D');
                 update person SET lives_at = id WHERE id < 4; update person SET lives_at = 3 WHERE id = 2; {late}"
            ),
        ))
        .await;
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let person = data("person", "\"id\"", "accepts_race = true", &[("seen", "", "seen")]);
        let rules = of(&[person, follower("address", "person")], &[purpose("person", "\"seen\"", "")]);
        let outcome = fixture.run_with(&rules, unlimited(), &Silent).await.unwrap();
        let rows = left(&fixture, &["person", "address"]).await;
        if engine.is_mysql_family() {
            let expected = ["person 1", "person 2", "person 3", "address 1", "address 2", "address 3"];
            assert_eq!(rows, expected, "{}: it checks row by row", engine.name());
            assert_eq!(outcome.failed(), 1, "{:?}", outcome.actions);
        } else {
            // 2 stays, and lives at 3's.
            assert_eq!(rows, ["person 2", "person 3", "address 2", "address 3"], "{} {:?}", engine.name(), outcome.actions);
            clean(&outcome);
        }
        consistent(&fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_reads_what_follows_another_of_its_data_set_keeps_it() {
    let person = data(
        "person",
        "\"id\"",
        "accepts_race = true",
        &[("filed", "of = { table = \"file\", on = { other_id = \"id\" } }", "closed"), ("seen", "", "seen")],
    );
    check(
        &of(&[person, follower("file", "person")], &[purpose("person", "{ latest_of = [\"filed\", \"seen\"] }", "")]),
        "CREATE TABLE person (id integer PRIMARY KEY, seen DATE, body varchar(50) NOT NULL);
         CREATE TABLE file (id integer PRIMARY KEY, person_id integer NOT NULL, other_id integer, closed DATE, body varchar(50) NOT NULL);
         INSERT INTO person VALUES (1, '{DUE}', 'a'), (2, '2026-01-01', 'b'), (3, '{DUE}', 'c'), (4, '{DUE}', 'd');
         INSERT INTO file VALUES (11, 1, 2, '{DUE}', 'x'), (31, 3, 3, '{DUE}', 'x'), (41, 4, 3, '{DUE}', 'x')",
        &[],
        &["person", "file"],
        &["person 1", "person 2", "file 11"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_refers_to_what_follows_another_of_its_circle_goes_before_it() {
    let follower = follower("note", "person");
    let rules = of(
        &[
            data(
                "person",
                "\"id\"",
                "accepts_race = true",
                &[("filed", "of = { table = \"file\", on = { id = \"file_id\" } }", "closed")],
            ),
            follower,
            data(
                "file",
                "\"id\"",
                "accepts_race = true",
                &[("seen", "of = { table = \"person\", on = { id = \"person_id\" } }", "seen")],
            ),
        ],
        &[purpose("person", "{ latest_of = [\"filed\"] }", ""), purpose("file", "{ latest_of = [\"seen\"] }", "")],
    );
    check(
        &rules,
        "CREATE TABLE person (id integer PRIMARY KEY, file_id integer, seen DATE, body varchar(50) NOT NULL);
         CREATE TABLE note (id integer PRIMARY KEY, person_id integer NOT NULL, body varchar(50) NOT NULL, FOREIGN KEY (person_id) REFERENCES person (id));
         CREATE TABLE file (id integer PRIMARY KEY, person_id integer, note_id integer, closed DATE, body varchar(50) NOT NULL,
             FOREIGN KEY (person_id) REFERENCES person (id), FOREIGN KEY (note_id) REFERENCES note (id));
         INSERT INTO person VALUES (1, 1, '{DUE}', 'a'), (2, 2, '{DUE}', 'b');
         INSERT INTO note VALUES (11, 1, 'x'), (12, 1, 'x'), (21, 2, 'y');
         INSERT INTO file VALUES (1, 1, 11, '{DUE}', 'A'), (2, 2, 21, '{DUE}', 'B'), (3, 2, 21, '2026-01-01', 'C')",
        &[("file", 3)],
        &["person", "note", "file"],
        &["person 2", "note 21", "file 2", "file 3"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_refers_to_each_other_goes_where_the_engine_can_delete_it_and_is_named_where_not() {
    // Keys that cascade along the circle delete its rows by themselves.
    for (engine, cascade) in ENGINES.into_iter().flat_map(|e| ["", " ON DELETE CASCADE"].map(|c| (e, c))) {
        if engine.is_mysql_family() && !cascade.is_empty() {
            continue;
        }
        let Some(db) = database(engine).await else { continue };
        let key = format!("FOREIGN KEY (file_id) REFERENCES file (id){cascade}");
        let (early, late) = match engine {
            Engine::Sqlite => (format!(", {key}"), String::new()),
            _ => (String::new(), format!("ALTER TABLE person ADD {key};")),
        };
        db.run_sql(&dates(
            engine,
            &format!(
                "CREATE TABLE person (id integer PRIMARY KEY, file_id integer, seen DATE, body varchar(50) NOT NULL{early});
                 CREATE TABLE file (id integer PRIMARY KEY, person_id integer, closed DATE, body varchar(50) NOT NULL, FOREIGN KEY (person_id) REFERENCES person (id){cascade});
                 INSERT INTO person VALUES (1, NULL, '{{DUE}}', 'a'), (2, NULL, '{{DUE}}', 'b');
                 INSERT INTO file VALUES (1, 1, '{{DUE}}', 'A'), (2, 2, '2026-01-01', 'B');
                 update person SET file_id = id; {late}"
            ),
        ))
        .await;
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let rules = of(
            &[
                data("person", "\"id\"", "accepts_race = true", &[("seen", "", "seen")]),
                data("file", "\"id\"", "accepts_race = true", &[("closed", "", "closed")]),
            ],
            &[purpose("person", "\"seen\"", ""), purpose("file", "\"closed\"", "")],
        );
        let outcome = fixture.run_with(&rules, unlimited(), &Silent).await.unwrap();
        let rows = left(&fixture, &["person", "file"]).await;
        if engine.is_mysql_family() {
            assert_eq!(rows, ["person 1", "person 2", "file 1", "file 2"], "{}: it checks row by row", engine.name());
            assert_eq!(outcome.failed(), 1);
            let failed = entries(&fixture).await.into_iter().filter(|e| matches!(e.event, Event::RecordFailed { .. })).count();
            assert_eq!(failed, 1);
        } else {
            assert_eq!(rows, ["person 2", "file 2"], "{} {:?}", engine.name(), outcome.actions);
            clean(&outcome);
        }
        consistent(&fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ceiling_stops_a_circle_before_it_touches_anything() {
    for engine in ENGINES {
        let Some(db) = database(engine).await else { continue };
        db.run_sql(&dates(engine, PERSONS_AND_FILES)).await;
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let mut settings = unlimited();
        settings.ceilings.rows = Some(3);
        let outcome = fixture.run_with(&persons_and_files(), settings, &Silent).await.unwrap();
        assert!(outcome.stopped(), "{}", engine.name());
        assert_eq!(left(&fixture, &["person", "file"]).await.len(), 10, "person 5 goes by itself: {:?}", outcome.actions);
        consistent(&fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_went_with_those_of_another_data_set_count_towards_their_ceiling() {
    let rules = of(
        &[
            data(
                "person",
                "\"id\"",
                "accepts_race = true",
                &[("filed", "of = { table = \"file\", on = { id = \"file_id\" } }", "closed")],
            ),
            data(
                "file",
                "\"id\"",
                "accepts_race = true",
                &[("seen", "of = { table = \"person\", on = { file_id = \"id\" } }", "seen")],
            ),
            data(
                "visit",
                "\"id\"",
                "accepts_race = true",
                &[("seen", "of = { table = \"person\", on = { id = \"person_id\" } }", "seen")],
            ),
        ],
        &[
            purpose("person", "{ latest_of = [\"filed\"] }", ""),
            purpose("file", "{ latest_of = [\"seen\"] }", ""),
            purpose("visit", "{ latest_of = [\"seen\"] }", ""),
        ],
    );
    // Two persons in the first round, and two in the second, when the visit that read one of them is gone.
    for (engine, ceiling, expected) in ENGINES.into_iter().flat_map(|e| [(e, 4, &[][..]), (e, 3, &["person 3", "person 4"][..])])
    {
        let Some(db) = database(engine).await else { continue };
        db.run_sql(&dates(
            engine,
            "CREATE TABLE person (id integer PRIMARY KEY, file_id integer, seen DATE, body varchar(50) NOT NULL);
             CREATE TABLE file (id integer PRIMARY KEY, closed DATE, body varchar(50) NOT NULL);
             CREATE TABLE visit (id integer PRIMARY KEY, person_id integer, body varchar(50) NOT NULL);
             INSERT INTO person VALUES (1, 1, '{DUE}', 'a'), (2, 1, '{DUE}', 'b'), (3, 2, '{DUE}', 'c'), (4, 2, '{DUE}', 'd');
             INSERT INTO file VALUES (1, '{DUE}', 'A'), (2, '{DUE}', 'B');
             INSERT INTO visit VALUES (9, 3, 'V')",
        ))
        .await;
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let mut settings = unlimited();
        settings.ceilings.rows = Some(ceiling);
        let outcome = fixture.run_with(&rules, settings, &Silent).await.unwrap();
        assert_eq!(left(&fixture, &["person"]).await, expected, "{} {ceiling} {:?}", engine.name(), outcome.actions);
        let stopped = outcome.actions.iter().any(|a| a.action == "person.delete" && a.stopped.is_some());
        assert_eq!(stopped, !expected.is_empty(), "{} {ceiling}", engine.name());
        consistent(&fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_row_in_the_way_stops_only_its_own_circle() {
    for (engine, batch) in ENGINES.into_iter().flat_map(|e| [(e, 1), (e, 1_000)]) {
        let Some(db) = database(engine).await else { continue };
        db.run_sql(&dates(engine, PERSONS_AND_FILES)).await;
        let refuse = match engine {
            Engine::Sqlite => "CREATE TRIGGER no BEFORE DELETE ON file WHEN OLD.id = 3 BEGIN SELECT RAISE(ABORT, 'no'); END".to_owned(),
            Engine::Postgres => "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF OLD.id = 3 THEN RAISE check_violation; END IF; RETURN OLD; END $$;
                 CREATE TRIGGER no BEFORE DELETE ON file FOR EACH ROW EXECUTE FUNCTION no()"
                .to_owned(),
            _ => "CREATE TRIGGER no BEFORE DELETE ON file FOR EACH ROW IF OLD.id = 3 THEN SIGNAL SQLSTATE '23000'; END IF".to_owned(),
        };
        foreign(engine, &db.url, &refuse).await.unwrap();
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let outcome =
            fixture.run_with(&persons_and_files_with("\ntriggers = [\"no\"]"), batches_of(batch), &Silent).await.unwrap();
        let rows = left(&fixture, &["person", "file"]).await;
        assert_eq!(rows, ["person 3", "person 4", "person 6", "file 3", "file 4", "file 5"], "{} {batch}", engine.name());
        assert!(outcome.failed() > 0, "{:?}", outcome.actions);
        consistent(&fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_circle_stays_whole_when_something_revives_one_of_it_meanwhile() {
    for engine in LOCKING {
        for (point, change) in [
            (Point::Fenced, "UPDATE person SET seen = '2026-01-01' WHERE id = 4"),
            (Point::Locked, "UPDATE file SET closed = '2026-01-01' WHERE id = 3"),
        ] {
            let Some(db) = database(engine).await else { continue };
            db.run_sql(&dates(engine, PERSONS_AND_FILES)).await;
            let fixture = Fixture::new(engine, &db, "crm", now()).await;
            let url = db.url.clone();
            let in_time = Arc::new(Mutex::new(false));
            let early = in_time.clone();
            let watch = Once::new(
                point,
                "file.delete",
                0,
                Box::new(move || {
                    let (url, early) = (url.clone(), early.clone());
                    Box::pin(async move {
                        let mut running = tokio::spawn(async move { foreign(engine, &url, change).await });
                        if let Ok(done) = tokio::time::timeout(Duration::from_millis(1_000), &mut running).await {
                            *early.lock().unwrap() = done.unwrap().is_ok();
                        }
                    })
                }),
            );
            let outcome = fixture.run_with(&persons_and_files(), batches_of(1_000), &watch).await.unwrap();
            let early = *in_time.lock().unwrap();
            let rows = left(&fixture, &["person", "file"]).await;
            let expected: &[&str] = match early {
                true => &["person 3", "person 4", "person 6", "file 3", "file 4", "file 5"],
                false => &["person 6", "file 5"],
            };
            assert!(watch.happened(), "{} {point:?}", engine.name());
            assert_eq!(rows, expected, "{} {point:?} {early} {:?}", engine.name(), outcome.actions);
            consistent(&fixture).await;
        }
    }
}
