//! Records that keep each other by way of what follows them, through many rows, or while somebody else writes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use retentiond::enforce::{Point, Silent, explain, take_census};
use retentiond::journal::{Event, RelatedAction};
use retentiond::plan::explain::{Operation, Outcome};
use retentiond::plan::schema::Engine;
use retentiond::policy::purpose::OrderKind;

use crate::enforcement::{Fixture, Rules, unlimited};
use crate::restore::{place, record};
use crate::rows::foreign;
use crate::scene::now;
use crate::scene::{ENGINES, LOCKING, Once, batches_of, clean, consistent, entries};
use crate::support::database;
use crate::together::{check, data, dates, follower, left, of, purpose};

fn persons_and_notes(disposition: &str) -> Rules {
    let person = data("person", "\"id\"", "accepts_race = true", &[("seen", "", "seen")]);
    let person = person.replace("disposition = \"delete\"", &format!("disposition = \"{disposition}\""));
    of(&[person, follower("note", "person")], &[purpose("person", "\"seen\"", "")])
}

const NOTES: &str = "CREATE TABLE person (id integer PRIMARY KEY, seen DATE, body varchar(50) NOT NULL);
     CREATE TABLE note (id integer PRIMARY KEY, person_id integer NOT NULL, answers integer, body varchar(50) NOT NULL,
         FOREIGN KEY (person_id) REFERENCES person (id), FOREIGN KEY (answers) REFERENCES note (id));
     INSERT INTO person VALUES (1, '{DUE}', 'a'), (2, '{DUE}', 'b');";

#[tokio::test(flavor = "multi_thread")]
async fn a_long_thread_that_follows_an_anonymised_record_goes_at_once() {
    let rows: Vec<String> =
        (1..=40).map(|n| format!("({n}, 1, {}, 'x')", if n == 1 { "NULL".into() } else { (n - 1).to_string() })).collect();
    let sql = format!("{NOTES} INSERT INTO note VALUES {}", rows.join(", "));
    check(&persons_and_notes("anonymise"), &sql, &[], &["person", "note"], &["person 1", "person 2"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_anonymised_records_and_refers_to_each_other_goes() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let Some(db) = database(engine).await else { continue };
        let sql = format!(
            "{NOTES} INSERT INTO note VALUES (11, 1, NULL, 'x'), (21, 2, 11, 'x'); update note SET answers = 21 WHERE id = 11"
        );
        db.run_sql(&dates(engine, &sql)).await;
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let outcome = fixture.run_with(&persons_and_notes("anonymise"), unlimited(), &Silent).await.unwrap();
        let rows = left(&fixture, &["person", "note"]).await;
        assert_eq!(rows, ["person 1", "person 2"], "{} {:?}", engine.name(), outcome.actions);
        clean(&outcome);
        consistent(&fixture).await;
    }
}

/// Threads beside persons that stay: of 1 one that somebody young answers in the middle, of 2 and 4 one across both, of 3 a held one.
const THREADS: &str = "INSERT INTO person VALUES (3, '{DUE}', 'c'), (4, '{DUE}', ''), (5, '2026-01-01', 'e');
     INSERT INTO note VALUES (11, 1, NULL, 'x'), (12, 1, 11, 'x'), (13, 1, 12, 'x'), (51, 5, 12, 'x'), (21, 2, NULL, ''), (41, 4, 21, ''),
         (22, 2, 41, ''), (23, 2, 22, ''), (24, 2, NULL, ''), (25, 2, 24, ''), (31, 3, NULL, 'x'), (32, 3, 31, 'x');
     update person SET body = '' WHERE id = 2";

#[tokio::test(flavor = "multi_thread")]
async fn plan_explanation_and_run_agree_about_threads_beside_records_that_stay() {
    for engine in ENGINES {
        let Some(db) = database(engine).await else { continue };
        db.run_sql(&dates(engine, &format!("{NOTES}{THREADS}"))).await;
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let rules = persons_and_notes("anonymise");
        place(&fixture, &rules, OrderKind::Hold, "person", record(3)).await;
        let prepared = fixture.prepare(&rules).await;
        let mut session = fixture.source.session().await.unwrap();
        let census = take_census(&mut session, &prepared.plan).await.unwrap();
        session.done().await.unwrap();
        let counted: Vec<(&str, u64)> = census.iter().flat_map(|(_, c)| &c.actions).map(|(id, n)| (id.as_str(), *n)).collect();
        assert_eq!(counted, [("person.anonymise", 3)], "{}", engine.name());
        let mut told = Vec::new();
        for key in 1..=5 {
            let story =
                explain(&fixture.source, &prepared, &rules.map, &rules.policies, "person", &[key.to_string()]).await.unwrap();
            let notes = |operation| {
                story.changes.iter().filter(|c| c.data_set == "note" && c.operation == operation).map(|c| c.rows).sum::<u64>()
            };
            told.push((key, story.outcome == Outcome::Anonymise, notes(Operation::Delete), notes(Operation::Mask)));
        }
        let expected = [(1, true, 1, 2), (2, true, 5, 0), (3, false, 0, 0), (4, true, 1, 0), (5, false, 0, 0)];
        assert_eq!(told, expected, "{}: 11 and 12 are masked, and wait for 51", engine.name());
        let outcome = fixture.run_prepared(&prepared, unlimited(), &Silent).await.unwrap();
        let rows = left(&fixture, &["note"]).await;
        assert_eq!(rows, ["note 11", "note 12", "note 31", "note 32", "note 51"], "{} {:?}", engine.name(), outcome.actions);
        clean(&outcome);
        consistent(&fixture).await;
        let deleted: u64 = entries(&fixture).await.iter().map(|e| deleted_notes(&e.event)).sum();
        assert_eq!(deleted, 7, "{}: each is in the journal, once", engine.name());
    }
}

/// A record that is masked, and of which a thread goes after that, is one towards a ceiling.
#[tokio::test(flavor = "multi_thread")]
async fn a_ceiling_counts_a_record_once_and_stops_threads_beside_too_many() {
    let sql = format!(
        "{NOTES} INSERT INTO note VALUES (11, 1, NULL, ''), (12, 1, 11, ''), (13, 1, 12, ''), (21, 2, NULL, ''), (22, 2, 21, ''), (23, 2, 22, '')"
    );
    let all = ["note 11", "note 12", "note 13", "note 21", "note 22", "note 23"];
    for (engine, (limit, stay)) in ENGINES.into_iter().flat_map(|e| [(2, &[][..]), (1, &all[..])].map(|x| (e, x))) {
        let Some(db) = database(engine).await else { continue };
        db.run_sql(&dates(engine, &sql)).await;
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let mut settings = unlimited();
        settings.ceilings.rows = Some(limit);
        let outcome = fixture.run_with(&persons_and_notes("anonymise"), settings, &Silent).await.unwrap();
        assert_eq!(outcome.stopped(), !stay.is_empty(), "{} {limit}: {:?}", engine.name(), outcome.actions);
        assert_eq!(left(&fixture, &["note"]).await, stay, "{} {limit}", engine.name());
        consistent(&fixture).await;
    }
}

fn deleted_notes(event: &Event) -> u64 {
    let Event::Applied { related, .. } = event else { return 0 };
    let deleted = related.iter().filter(|r| r.action == RelatedAction::Deleted && r.data_set.as_str() == "note");
    deleted.map(|r| r.rows).sum()
}

/// A record that stays is looked at once more before a thread beside it goes, and cannot change from then on.
#[tokio::test(flavor = "multi_thread")]
async fn a_thread_stays_when_the_record_that_it_follows_is_revived_meanwhile() {
    let sql = format!(
        "{NOTES} INSERT INTO note VALUES (11, 1, NULL, ''), (12, 1, 11, ''), (13, 1, 12, ''), (21, 2, NULL, ''), (22, 2, 21, ''), (23, 2, 22, '')"
    );
    let sql = sql.replace("'a'", "''").replace("'b'", "''");
    let expected = [(Point::Fenced, true, vec!["note 11", "note 12"]), (Point::Locked, false, vec![])];
    for (engine, (point, in_time, stay)) in LOCKING.into_iter().flat_map(|e| expected.clone().map(|x| (e, x))) {
        // The first batch takes what nobody answers.
        let change = (point, "person.anonymise", 1, "UPDATE person SET seen = '2026-01-01' WHERE id = 1");
        if let Some((early, rows)) = meanwhile(engine, &persons_and_notes("anonymise"), &sql, change, &["note"]).await {
            assert_eq!((early, rows), (in_time, stay.iter().map(|s| s.to_string()).collect()), "{} {point:?}", engine.name());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_records_that_keep_each_other_by_many_rows_go() {
    let person = data("person", "\"id\"", "accepts_race = true", &[("seen", "", "seen")]);
    let rows: Vec<String> = (1..=1_200).map(|n| format!("({n}, {}, {}, 'x')", 1 + n % 2, 2 - n % 2)).collect();
    check(
        &of(&[person, follower("file", "person")], &[purpose("person", "\"seen\"", "")]),
        &format!(
            "CREATE TABLE person (id integer PRIMARY KEY, seen DATE, body varchar(50) NOT NULL);
             CREATE TABLE file (id integer PRIMARY KEY, person_id integer NOT NULL, other_id integer, body varchar(50) NOT NULL,
                 FOREIGN KEY (person_id) REFERENCES person (id), FOREIGN KEY (other_id) REFERENCES person (id));
             INSERT INTO person VALUES (1, '{{DUE}}', 'a'), (2, '{{DUE}}', 'b');
             INSERT INTO file VALUES {}",
            rows.join(", ")
        ),
        &[],
        &["person", "file"],
        &[],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_circle_of_foreign_keys_through_what_follows_goes_where_the_engine_can_delete_it() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let Some(db) = database(engine).await else { continue };
        let (early, late) = match engine {
            Engine::Sqlite => (", FOREIGN KEY (file_id) REFERENCES file (id)", ""),
            _ => ("", "ALTER TABLE person ADD FOREIGN KEY (file_id) REFERENCES file (id)"),
        };
        db.run_sql(&dates(
            engine,
            &format!(
                "CREATE TABLE person (id integer PRIMARY KEY, file_id integer, seen DATE, body varchar(50) NOT NULL{early});
                 CREATE TABLE note (id integer PRIMARY KEY, person_id integer NOT NULL, body varchar(50) NOT NULL, FOREIGN KEY (person_id) REFERENCES person (id));
                 CREATE TABLE file (id integer PRIMARY KEY, note_id integer, closed DATE, body varchar(50) NOT NULL, FOREIGN KEY (note_id) REFERENCES note (id));
                 INSERT INTO person VALUES (1, NULL, '{{DUE}}', 'a');
                 INSERT INTO note VALUES (11, 1, 'x');
                 INSERT INTO file VALUES (1, 11, '{{DUE}}', 'A');
                 update person SET file_id = id; {late}"
            ),
        ))
        .await;
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let rules = of(
            &[
                data("person", "\"id\"", "accepts_race = true", &[("seen", "", "seen")]),
                follower("note", "person"),
                data("file", "\"id\"", "accepts_race = true", &[("closed", "", "closed")]),
            ],
            &[purpose("person", "\"seen\"", ""), purpose("file", "\"closed\"", "")],
        );
        let outcome = fixture.run_with(&rules, unlimited(), &Silent).await.unwrap();
        let rows = left(&fixture, &["person", "note", "file"]).await;
        assert_eq!(rows, Vec::<String>::new(), "{} {:?}", engine.name(), outcome.actions);
        clean(&outcome);
        consistent(&fixture).await;
    }
}

/// Makes a change at a point of the first batch of an action; whether it was through before the batch went on, and the rows left.
async fn meanwhile(
    engine: Engine,
    rules: &Rules,
    sql: &str,
    (point, action, nth, change): (Point, &str, usize, &'static str),
    tables: &[&str],
) -> Option<(bool, Vec<String>)> {
    let db = database(engine).await?;
    db.run_sql(&dates(engine, sql)).await;
    let fixture = Fixture::new(engine, &db, "crm", now()).await;
    let url = db.url.clone();
    let in_time = Arc::new(Mutex::new(false));
    let early = in_time.clone();
    let watch = Once::new(
        point,
        action,
        nth,
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
    let outcome = fixture.run_with(rules, batches_of(1_000), &watch).await.unwrap();
    assert!(watch.happened(), "{} {:?}", engine.name(), outcome.actions);
    consistent(&fixture).await;
    let early = *in_time.lock().unwrap();
    Some((early, left(&fixture, tables).await))
}

/// A reader that covers only while it is sued.
const READER: &str = "[data.reader.conditions.sued]\ntitle = { fr = \"x\", en = \"x\" }\nsome = { table = \"lawsuit\", on = { reader_id = \"id\" } }\nwhere = \"state = 'open'\"\n";

/// Persons and files that read each other, or persons alone.
fn circle(alone: bool, reader: &[String], of_reader: &str) -> Rules {
    let reads = |id: &str, event: &str, table: &str, column: &str| {
        let of = format!("of = {{ table = \"{table}\", on = {{ id = \"{table}_id\" }} }}");
        data(id, "\"id\"", "accepts_race = true", &[(event, &of, column)])
    };
    let (mut all, mut purposes) = (vec![follower("note", "person")], vec![of_reader.to_owned()]);
    if alone {
        all.push(data("person", "\"id\"", "accepts_race = true", &[("seen", "", "seen")]));
        purposes.push(purpose("person", "\"seen\"", ""));
    } else {
        let of_file = match reader.iter().any(|text| text.contains("events.also")) {
            true => purpose("file", "{ latest_of = [\"seen\", \"also\"] }", ""),
            false => purpose("file", "{ latest_of = [\"seen\"] }", ""),
        };
        all.extend([reads("person", "filed", "file", "closed"), reads("file", "seen", "person", "seen")]);
        purposes.extend([purpose("person", "{ latest_of = [\"filed\"] }", ""), of_file]);
    }
    all.extend_from_slice(reader);
    of(&all, &purposes)
}

const CIRCLE: &str = "CREATE TABLE person (id integer PRIMARY KEY, file_id integer, seen DATE, body varchar(50) NOT NULL);
     CREATE TABLE file (id integer PRIMARY KEY, person_id integer, closed DATE, body varchar(50) NOT NULL);
     CREATE TABLE note (id integer PRIMARY KEY, person_id integer NOT NULL, body varchar(50) NOT NULL, FOREIGN KEY (person_id) REFERENCES person (id));
     INSERT INTO person VALUES (1, 1, '{DUE}', 'a');
     INSERT INTO file VALUES (1, 1, '{DUE}', 'A');
     INSERT INTO note VALUES (11, 1, 'x');";

/// The batches whose record something else begins to need meanwhile, and whether it goes with others.
const TURNS: [(&str, bool); 2] = [("file.delete", false), ("person.delete", true)];

#[tokio::test(flavor = "multi_thread")]
async fn who_begins_to_read_a_record_meanwhile_keeps_it() {
    let reader = data(
        "reader",
        "\"id\"",
        "accepts_race = true",
        &[("seen", "of = { table = \"person\", on = { id = \"person_id\" } }", "seen")],
    );
    let sql = format!(
        "{CIRCLE} CREATE TABLE reader (id integer PRIMARY KEY, person_id integer, file_id integer, closed DATE, body varchar(50) NOT NULL);
         CREATE TABLE lawsuit (id integer PRIMARY KEY, reader_id integer, state varchar(10) NOT NULL);
         INSERT INTO reader VALUES (9, 1, NULL, NULL, 'R');
         INSERT INTO lawsuit VALUES (1, 9, 'closed')"
    );
    let mut wrong = Vec::new();
    // Files may read readers, too: then these are of the same knot.
    let inside = "[data.file.events.also]\ntitle = { fr = \"x\", en = \"x\" }\nof = { table = \"reader\", on = { file_id = \"id\" } }\ncolumn = \"closed\"\nformat = \"iso_date\"\nmissing = \"ignore\"\n";
    for (action, alone, inside) in [("file.delete", false, ""), ("person.delete", true, ""), ("file.delete", false, inside)] {
        let of_reader = purpose("reader", "{ latest_of = [\"seen\"] }", "when = \"sued\"");
        let rules = circle(alone, &[reader.clone(), READER.to_owned(), inside.to_owned()], &of_reader);
        for engine in [Engine::MariaDb, Engine::MySql] {
            let change = (Point::Locked, action, 0, "UPDATE lawsuit SET state = 'open' WHERE id = 1");
            let Some((early, rows)) = meanwhile(engine, &rules, &sql, change, &["person", "reader"]).await else { continue };
            if early && rows != ["person 1", "reader 9"] {
                wrong.push(format!("{} {action} {} {early} {rows:?}", engine.name(), inside.len()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// PostgreSQL locks the rows that may read what follows, too.
#[tokio::test(flavor = "multi_thread")]
async fn who_begins_to_read_what_follows_meanwhile_keeps_the_record() {
    let reader = data(
        "reader",
        "\"id\"",
        "accepts_race = true",
        &[("seen", "of = { table = \"note\", on = { id = \"note_id\" } }", "written")],
    );
    let condition = "[data.reader.conditions.sued]\ntitle = { fr = \"x\", en = \"x\" }\nsql = \"state = 'open'\"\n";
    let sql = format!(
        "{} CREATE TABLE reader (id integer PRIMARY KEY, note_id integer, state varchar(10) NOT NULL, body varchar(50) NOT NULL);
         INSERT INTO reader VALUES (9, 11, 'closed', 'R')",
        CIRCLE
            .replace("person_id integer NOT NULL, body", "person_id integer NOT NULL, written DATE, body")
            .replace("(11, 1, 'x')", "(11, 1, '{DUE}', 'x')")
    );
    let mut wrong = Vec::new();
    for (action, alone) in TURNS {
        let of_reader = purpose("reader", "{ latest_of = [\"seen\"] }", "when = \"sued\"");
        let rules = circle(alone, &[reader.clone(), condition.to_owned()], &of_reader);
        for engine in LOCKING {
            let change = (Point::Locked, action, 0, "UPDATE reader SET state = 'open' WHERE id = 9");
            let Some((early, rows)) = meanwhile(engine, &rules, &sql, change, &["person", "reader"]).await else { continue };
            if early && rows != ["person 1", "reader 9"] {
                wrong.push(format!("{} {action} {early} {rows:?}", engine.name()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_a_page_of_records_that_one_circle_keeps_go() {
    let rules = of(
        &[
            data(
                "file",
                "\"id\"",
                "accepts_race = true",
                &[("seen", "of = { table = \"person\", on = { file_id = \"id\" } }", "seen"), ("closed", "", "closed")],
            ),
            data(
                "person",
                "\"id\"",
                "accepts_race = true",
                &[("filed", "of = { table = \"file\", on = { id = \"main_id\" } }", "closed"), ("seen", "", "seen")],
            ),
        ],
        &[
            purpose("file", "{ latest_of = [\"seen\", \"closed\"] }", ""),
            purpose("person", "{ latest_of = [\"filed\", \"seen\"] }", ""),
        ],
    );
    let people: Vec<String> =
        (1..=1_200).map(|n| format!("({n}, 1, {}, '{{DUE}}', 'x')", if n == 600 { "1" } else { "NULL" })).collect();
    for engine in ENGINES {
        let Some(db) = database(engine).await else { continue };
        let sql = format!(
            "CREATE TABLE file (id integer PRIMARY KEY, closed DATE, body varchar(50) NOT NULL);
             CREATE TABLE person (id integer PRIMARY KEY, file_id integer, main_id integer, seen DATE, body varchar(50) NOT NULL);
             INSERT INTO file VALUES (1, '{{DUE}}', 'A');
             INSERT INTO person VALUES {}",
            people.join(", ")
        );
        db.run_sql(&dates(engine, &sql)).await;
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let outcome = fixture.run_with(&rules, unlimited(), &Silent).await.unwrap();
        assert_eq!(left(&fixture, &["person", "file"]).await, Vec::<String>::new(), "{} {:?}", engine.name(), outcome.actions);
        clean(&outcome);
        let due: Vec<(&str, u64)> = outcome.actions.iter().map(|a| (a.action.as_str(), a.due_before)).collect();
        let ceiling = due.iter().find(|a| a.0 == "file.delete").unwrap().1;
        assert_eq!(ceiling, 1, "{} {due:?}", engine.name());
        consistent(&fixture).await;
    }
}

/// By a foreign key that cascades: it would be deleted, and nobody would say so.
#[tokio::test(flavor = "multi_thread")]
async fn who_begins_to_refer_to_what_follows_meanwhile_is_not_deleted() {
    let reader = data("reader", "\"id\"", "accepts_race = true", &[("closed", "", "closed")]);
    let sql = format!(
        "{CIRCLE} CREATE TABLE reader (id integer PRIMARY KEY, note_id integer, closed DATE, body varchar(50) NOT NULL, FOREIGN KEY (note_id) REFERENCES note (id) ON DELETE CASCADE);
         INSERT INTO reader VALUES (9, NULL, '2026-01-01', 'R')"
    );
    let mut wrong = Vec::new();
    for (action, alone) in TURNS {
        let rules = circle(alone, std::slice::from_ref(&reader), &purpose("reader", "\"closed\"", ""));
        for engine in LOCKING {
            let change = (Point::Locked, action, 0, "UPDATE reader SET note_id = 11 WHERE id = 9");
            let Some((early, rows)) = meanwhile(engine, &rules, &sql, change, &["person", "note", "reader"]).await else {
                continue;
            };
            if !rows.contains(&"reader 9".to_owned()) {
                wrong.push(format!("{} {action} {early} {rows:?}", engine.name()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Person 3 refers to person 2, and a file of 2 to a file of 3: all at once, and yet in an order that InnoDB accepts row by row.
#[tokio::test(flavor = "multi_thread")]
async fn records_and_what_follows_them_refer_to_each_other_both_ways_and_go() {
    let person = data("person", "\"id\"", "accepts_race = true", &[("seen", "", "seen")]);
    check(
        &of(&[person, follower("file", "person")], &[purpose("person", "\"seen\"", "")]),
        "CREATE TABLE person (id integer PRIMARY KEY, up_id integer, seen DATE, body varchar(50) NOT NULL, FOREIGN KEY (up_id) REFERENCES person (id));
         CREATE TABLE file (id integer PRIMARY KEY, person_id integer NOT NULL, up_id integer, body varchar(50) NOT NULL,
             FOREIGN KEY (person_id) REFERENCES person (id), FOREIGN KEY (up_id) REFERENCES file (id));
         INSERT INTO person VALUES (2, NULL, '{DUE}', 'a'), (3, 2, '{DUE}', 'b');
         INSERT INTO file VALUES (1, 3, NULL, 'x'), (4, 2, 1, 'x')",
        &[],
        &["person", "file"],
        &[],
    )
    .await;
}
