//! What archives keep: exactly that and until its end, whoever dies in between, whoever holds it.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use chrono::{DateTime, TimeZone as _, Utc};
use retentiond::archive::{Cell, Identities, open};
use retentiond::enforce::{Point, RunOutcome, Silent, Watch, explain};
use retentiond::journal::Event;
use retentiond::plan::census::Note;
use retentiond::plan::explain::{Language, text};
use retentiond::plan::schema::Engine;
use retentiond::policy::purpose::OrderKind;

use crate::enforcement::{Fixture, IDENTITY, Rules, rules, unlimited};
use crate::restore::{lift, place, record};
use crate::scene::{ENGINES, consistent, entries, now, own, read, run_clean};
use crate::support::{TestDatabase, database};

pub const MAP: &str = r#"
[source]
id = "crm"
time_zone = "Europe/Paris"

[data.client]
title = { fr = "Client", en = "Client" }
table = "client"
key = ["id"]
tenant = "house"
plain = ["ref"]
disposition = "delete"
[data.client.categories]
identity = { columns = ["name"], mask = { fixed = "ANONYME" } }
bank = { columns = ["iban"], mask = "null" }
[data.client.events.left]
title = { fr = "Fin de la relation", en = "End of the relationship" }
column = "left_on"
format = "iso_date"
missing = "running"

[data.note]
title = { fr = "Note", en = "Note" }
table = "note"
key = ["id"]
follows = "client"
on = { client_id = "id" }
disposition = "delete"
[data.note.categories]
text = { columns = ["body"], mask = { fixed = "" } }
"#;

pub const POLICY: &str = r#"
[policy]
id = "crm"
author = "dpo"
title = { fr = "Politique", en = "Policy" }

[[purpose]]
id = "service"
title = { fr = "Service", en = "Service" }
legal_basis = "contract"
data = "crm.client"
needs = "all"
starts = "left"
keeps = "1 year"

[[purpose]]
id = "evidence"
title = { fr = "Preuve", en = "Evidence" }
legal_basis = "legitimate_interest"
data = "crm.client"
needs = { all_but = ["bank"] }
kept_in = "archive:evidence"
starts = "left"
keeps = "5 years"
"#;

fn archive_rules() -> Rules {
    rules(MAP, &[POLICY])
}

/// Clients who left on these days: one whose archive is over as well, one for the archive, one who is kept, one who is still there.
async fn clients(engine: Engine) -> Option<TestDatabase> {
    let db = database(engine).await?;
    let date = if engine == Engine::Sqlite { "TEXT" } else { "date" };
    db.run_sql(&format!(
        "CREATE TABLE client (id integer PRIMARY KEY, house varchar(20) NOT NULL, ref varchar(20), name varchar(50) NOT NULL, iban varchar(40), left_on {date});
         CREATE TABLE note (id integer PRIMARY KEY, client_id integer NOT NULL, body varchar(50) NOT NULL, FOREIGN KEY (client_id) REFERENCES client (id));
         INSERT INTO client VALUES (1, 'north', 'R-1', 'Alix Martin', 'FR76-1', '2018-01-01'), (2, 'north', 'R-2', 'Zoé ''O''Neil', 'FR76-2', '2024-06-30'),
             (3, 'south', 'R-3', 'Noé Petit', 'FR76-3', '2026-10-01'), (4, 'south', 'R-4', 'Eve Roux', 'FR76-4', NULL);
         INSERT INTO note VALUES (11, 1, 'old'), (21, 2, 'first'), (22, 2, 'second'), (31, 3, 'kept')"
    ))
    .await;
    Some(db)
}

pub fn at(year: i32, month: u32, day: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(year, month, day, 6, 0, 0).unwrap()
}

pub fn set(fixture: &Fixture<'_>, now: DateTime<Utc>) {
    *fixture.clock.0.lock().unwrap() = now;
}

/// Everything that lies in the archives: for each object its end, then for each row the table with its columns and values.
pub async fn lies(fixture: &Fixture<'_>) -> Vec<String> {
    let identity = fixture._folder.path().join("identity");
    if !identity.exists() {
        retentiond::state::write_private(&identity, IDENTITY.as_bytes()).unwrap();
    }
    let identities = Identities::read(&identity).unwrap();
    let mut all = Vec::new();
    for archive in fixture.archives.0.values() {
        let of_rows = |l: &retentiond::archive::Listed| l.name.as_str().ends_with(".jsonl.zst.age");
        for listed in archive.store.list(None).await.unwrap().into_iter().filter(of_rows) {
            let (header, rows) = open(archive.store.reader(&listed.name).await.unwrap(), &identities).unwrap();
            let mut of_object = Vec::new();
            for row in rows.map(Result::unwrap) {
                let table = &header.tables[row.table as usize];
                let cells = table.columns.iter().zip(&row.cells).map(|(column, cell)| match cell {
                    Cell::Text(text) => format!("{}={text}", column.name),
                    Cell::Integer(n) => format!("{}={n}", column.name),
                    other => format!("{} {other:?}", column.name),
                });
                of_object.push(format!("{}: {}", table.data_set, cells.collect::<Vec<_>>().join(" ")));
            }
            of_object.sort();
            all.push(format!(
                "{} until {}: {}",
                header.purpose,
                header.until.map_or_else(|| "open".to_owned(), |day| day.to_string()),
                of_object.join("; ")
            ));
        }
    }
    all.sort();
    all
}

const ARCHIVED: &str = "evidence until 2029-06-30: client: id=2 house=north ref=R-2 name=Zoé 'O'Neil left_on=2024-06-30; \
                        note: id=21 client_id=2 body=first; note: id=22 client_id=2 body=second";

#[tokio::test(flavor = "multi_thread")]
async fn what_an_archive_keeps_moves_there_without_the_rest_and_is_destroyed_at_its_end() {
    for engine in ENGINES {
        let Some(db) = clients(engine).await else { continue };
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let rules = archive_rules();
        run_clean(&fixture, &rules).await;
        assert_eq!(read(&fixture, "SELECT name FROM client ORDER BY id").await, ["Noé Petit", "Eve Roux"], "{}", engine.name());
        // Neither the bank details nor whoever's archive is over.
        assert_eq!(lies(&fixture).await, [ARCHIVED], "{}", engine.name());
        consistent(&fixture).await;
        // Nothing moves twice, and the last day is kept whole.
        run_clean(&fixture, &rules).await;
        set(&fixture, at(2029, 6, 30));
        let outcome = run_clean(&fixture, &rules).await;
        assert_eq!((outcome.archives[0].records, outcome.archives[0].due), (1, 0));
        assert!(lies(&fixture).await.contains(&ARCHIVED.to_owned()));
        set(&fixture, at(2029, 7, 1));
        let outcome = run_clean(&fixture, &rules).await;
        let evidence = &outcome.archives[0];
        assert_eq!((evidence.due, evidence.destroyed, evidence.held, evidence.failed), (1, 1, 0, 0), "{}", engine.name());
        assert!(!lies(&fixture).await.contains(&ARCHIVED.to_owned()), "{}", engine.name());
        consistent(&fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn holds_and_restrictions_reach_into_archives() {
    for engine in ENGINES {
        let Some(db) = clients(engine).await else { continue };
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let rules = archive_rules();
        run_clean(&fixture, &rules).await;
        // Its row is gone: it can be held even so.
        let hold = place(&fixture, &rules, OrderKind::Hold, "client", record(2)).await;
        set(&fixture, at(2029, 7, 1));
        let outcome = fixture.run(&rules).await;
        assert_eq!(
            (outcome.archives[0].due, outcome.archives[0].destroyed, outcome.archives[0].held),
            (1, 0, 1),
            "{}",
            engine.name()
        );
        assert!(lies(&fixture).await.contains(&ARCHIVED.to_owned()));
        lift(&fixture, hold).await;
        let house = place(
            &fixture,
            &rules,
            OrderKind::Restriction,
            "client",
            retentiond::enforce::orders::Target::Tenant("north".into()),
        )
        .await;
        assert_eq!(fixture.run(&rules).await.archives[0].held, 1, "{}", engine.name());
        lift(&fixture, house).await;
        place(&fixture, &rules, OrderKind::Restriction, "client", retentiond::enforce::orders::Target::Tenant("south".into()))
            .await;
        assert_eq!(fixture.run(&rules).await.archives[0].destroyed, 1, "{}", engine.name());
        assert!(!lies(&fixture).await.contains(&ARCHIVED.to_owned()));
        consistent(&fixture).await;
    }
}

/// Stops for ever at a point, as a process that was killed does.
pub struct DeadAt(pub Point);

impl Watch for DeadAt {
    fn at<'a>(&'a self, point: Point, action: &'a str) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        match point == self.0 && action == "client.delete" {
            true => Box::pin(std::future::pending()),
            false => Box::pin(std::future::ready(())),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_dies_anywhere_leaves_a_record_in_one_place() {
    for engine in ENGINES {
        for point in [Point::Locked, Point::Sealed, Point::Acted, Point::Committed] {
            let Some(db) = clients(engine).await else { continue };
            let fixture = Fixture::new(engine, &db, "crm", now()).await;
            let rules = archive_rules();
            let dead = DeadAt(point);
            let run = fixture.run_with(&rules, unlimited(), &dead);
            assert!(tokio::time::timeout(Duration::from_secs(2), run).await.is_err(), "it stops at {point:?}");
            let outcome = run_clean(&fixture, &rules).await;
            assert_eq!(outcome.recovered, 1, "{} at {point:?}", engine.name());
            assert_eq!(lies(&fixture).await, [ARCHIVED], "{} at {point:?}", engine.name());
            assert_eq!(read(&fixture, "SELECT name FROM client ORDER BY id").await, ["Noé Petit", "Eve Roux"]);
            consistent(&fixture).await;
            // The catalogue has it once.
            set(&fixture, at(2029, 7, 1));
            assert_eq!(fixture.run_with(&rules, unlimited(), &Silent).await.unwrap().archives[0].destroyed, 1);
            consistent(&fixture).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sealed_before_a_database_was_set_back_is_sealed_again_and_nothing_is_destroyed_for_it() {
    for engine in ENGINES {
        let Some(db) = clients(engine).await else { continue };
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let rules = archive_rules();
        run_clean(&fixture, &rules).await;
        db.run_sql(&format!(
            "DELETE FROM {}; INSERT INTO client VALUES (2, 'north', 'R-2', 'Zoé ''O''Neil', 'FR76-2', '2024-06-30');
             INSERT INTO note VALUES (21, 2, 'first'), (22, 2, 'second')",
            own(engine, "ledger")
        ))
        .await;
        let outcome = run_clean(&fixture, &rules).await;
        assert!(outcome.reverted > 0, "{}", engine.name());
        assert_eq!(lies(&fixture).await, [ARCHIVED, ARCHIVED], "{}", engine.name());
        consistent(&fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_cannot_be_written_keeps_everything_where_it_is() {
    for engine in ENGINES {
        let Some(db) = clients(engine).await else { continue };
        let mut fixture = Fixture::new(engine, &db, "crm", now()).await;
        let rules = archive_rules();
        fixture.archives.0.remove("evidence");
        assert!(fixture.run_with(&rules, unlimited(), &Silent).await.is_err(), "{}", engine.name());
        assert_eq!(read(&fixture, "SELECT name FROM client ORDER BY id").await.len(), 4, "{}", engine.name());
        let closed = entries(&fixture).await.into_iter().filter(|e| matches!(e.event, Event::Applied { .. })).count();
        assert_eq!(closed, 0, "{}", engine.name());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_batch_with_one_object_that_cannot_be_written_none_is_left() {
    use std::os::unix::fs::PermissionsExt as _;
    let second = POLICY.replace("id = \"evidence\"", "id = \"claims\"").replace("archive:evidence", "archive:legal");
    let (_, second) = second.split_once("[[purpose]]\nid = \"claims\"").unwrap();
    // The archive that fails comes first: the others are written meanwhile.
    let policy = POLICY.replacen("[[purpose]]\n", &format!("[[purpose]]\nid = \"claims\"{second}\n[[purpose]]\n"), 1);
    for engine in ENGINES {
        let Some(db) = clients(engine).await else { continue };
        for (id, day) in (40..46).zip(1..) {
            db.run_sql(&format!("INSERT INTO client VALUES ({id}, 'north', 'R', 'Ida', NULL, '2024-03-0{day}')")).await;
        }
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let rules = rules(MAP, &[&policy]);
        let place = fixture._folder.path().join("archive-legal");
        let open_to = |mode| std::fs::set_permissions(&place, std::fs::Permissions::from_mode(mode)).unwrap();
        // An archive that others may write is refused.
        open_to(0o777);
        assert!(fixture.run_with(&rules, unlimited(), &Silent).await.is_err(), "{}", engine.name());
        let left = fixture.archives.get("evidence").unwrap().store.list(None).await.unwrap();
        assert!(left.is_empty(), "{}: {left:?}", engine.name());
        assert_eq!(read(&fixture, "SELECT name FROM client ORDER BY id").await.len(), 10, "{}", engine.name());
        open_to(0o700);
        run_clean(&fixture, &rules).await;
        // Seven whom both archives keep.
        assert_eq!(lies(&fixture).await.len(), 14, "{}", engine.name());
        consistent(&fixture).await;
    }
}

/// Whether a story says so, in both languages.
async fn says(fixture: &Fixture<'_>, rules: &Rules, key: &str, [english, french]: [&str; 2]) {
    let prepared = fixture.prepare(rules).await;
    let story = explain(&fixture.source, &prepared, &rules.map, &rules.policies, "client", &[key.to_owned()]).await.unwrap();
    for (language, words) in [(Language::English, english), (Language::French, french)] {
        let told = text(&story, language).replace('\u{a0}', " ");
        assert!(told.contains(words), "{}: {words:?} in\n{told}", fixture.engine.name());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_story_tells_what_goes_where_and_what_waits() {
    for engine in ENGINES {
        let Some(db) = clients(engine).await else { continue };
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        says(&fixture, &archive_rules(), "2", [
            "because the last purpose that needed it, “Service”, has ended. Before that, it is sealed into the archive “evidence” for the purpose “Evidence” (until 30 June 2029 inclusive).",
            "Auparavant, elle est versée dans l’archive « evidence » pour la finalité « Preuve » (jusqu’au 30 juin 2029 inclus).",
        ])
        .await;
        says(
            &fixture,
            &archive_rules(),
            "1",
            [
                "because the last purpose that needed it, “Evidence”, has ended.",
                "car la dernière finalité qui en avait besoin, « Preuve », a pris fin.",
            ],
        )
        .await;

        // Its end hangs on something that has not happened: the field stays, and the wait is a finding.
        let paid = format!(
            "{MAP}\n[data.client.events.paid]\ntitle = {{ fr = \"Solde\", en = \"Settled\" }}\ncolumn = \"ref\"\nformat = \"iso_date\"\nmissing = \"running\"\n"
        );
        let waits = rules(
            &paid,
            &[&POLICY.replace(
                "starts = \"left\"\nkeeps = \"5 years\"",
                "starts = { latest_of = [\"left\", \"paid\"] }\nkeeps = \"5 years\"",
            )],
        );
        db.run_sql("UPDATE client SET ref = NULL").await;
        says(&fixture, &waits, "2", [
            "no purpose keeps it in the active base any more, but it cannot be sealed into the archive “evidence” for the purpose “Evidence” (no known end) yet",
            "plus aucune finalité ne la conserve dans la base active",
        ])
        .await;
        let outcome = fixture.run(&waits).await;
        assert_eq!(read(&fixture, "SELECT name FROM client ORDER BY id").await.len(), 4, "{}", engine.name());
        // The bank details wait for nothing.
        assert_eq!(
            read(&fixture, "SELECT iban FROM client ORDER BY id").await,
            ["-", "-", "FR76-3", "FR76-4"],
            "{}",
            engine.name()
        );
        let notes = &outcome.census.as_ref().unwrap()[0].1.notes;
        assert!(notes.iter().any(|(note, _, n)| *note == Note::WaitsForDate && *n == 2), "{notes:?}");
        assert_eq!(lies(&fixture).await, Vec::<String>::new());

        // A policy under which nothing of the active base covers them: a finding, and nothing moves.
        let conditions =
            "\n[data.client.conditions.northern]\ntitle = { fr = \"nord\", en = \"north\" }\nsql = \"house = 'north'\"\n";
        let alone = rules(
            &format!("{MAP}{conditions}"),
            &[&POLICY.replacen("needs = \"all\"", "needs = \"all\"\nwhen = { not = \"northern\" }", 1)],
        );
        says(&fixture, &alone, "2", ["only the intermediate archive covers it", "seul l’archivage intermédiaire la couvre"])
            .await;
        let outcome = fixture.run(&alone).await;
        assert_eq!(read(&fixture, "SELECT name FROM client ORDER BY id").await.len(), 4, "{}", engine.name());
        let notes = &outcome.census.as_ref().unwrap()[0].1.notes;
        assert!(notes.iter().any(|(note, _, n)| *note == Note::ArchiveOnly && *n == 2), "{notes:?}");
        consistent(&fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_one_end_share_an_object_wherever_they_stand() {
    for engine in ENGINES {
        let Some(db) = clients(engine).await else { continue };
        let days = ["2024-03-31", "2024-04-30", "2024-05-31"];
        let rows: Vec<String> =
            (100..250).map(|id| format!("({id}, 'north', 'R', 'Client {id}', NULL, '{}')", days[id % 3])).collect();
        db.run_sql(&format!("DELETE FROM note; DELETE FROM client; INSERT INTO client VALUES {}", rows.join(", "))).await;
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let rules = archive_rules();
        fixture.run_with(&rules, crate::scene::batches_of(50), &Silent).await.unwrap();
        let all = lies(&fixture).await;
        let ends: Vec<&str> = all.iter().map(|object| &object[..object.find(": ").unwrap()]).collect();
        let expected = ["evidence until 2029-03-31", "evidence until 2029-04-30", "evidence until 2029-05-31"];
        assert_eq!(ends, expected, "{}", engine.name());
        assert_eq!(all.iter().map(|object| object.matches("client: ").count()).sum::<usize>(), 150);
        consistent(&fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_which_a_purpose_needs_nothing_by_name_stay_out_of_its_archive() {
    for engine in ENGINES {
        let Some(db) = clients(engine).await else { continue };
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let policy = POLICY.replace("{ all_but = [\"bank\"] }", "[\"identity\"]");
        assert_ne!(policy, POLICY);
        run_clean(&fixture, &rules(MAP, &[&policy])).await;
        // Neither the text of a note nor that there was one.
        let alone = ARCHIVED.split("; ").next().unwrap();
        assert_eq!(lies(&fixture).await, [alone], "{}", engine.name());
        consistent(&fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purpose_that_needs_only_what_follows_takes_the_rows_that_lead_there() {
    for engine in ENGINES {
        let Some(db) = clients(engine).await else { continue };
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let policy = POLICY.replace("{ all_but = [\"bank\"] }", "[\"text\"]");
        run_clean(&fixture, &rules(MAP, &[&policy])).await;
        let nameless = ARCHIVED.replace(" name=Zoé 'O'Neil", "");
        assert_eq!(lies(&fixture).await, [nameless], "{}", engine.name());
        consistent(&fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_not_there_is_not_taken_for_destroyed() {
    for engine in ENGINES {
        let Some(db) = clients(engine).await else { continue };
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let rules = archive_rules();
        run_clean(&fixture, &rules).await;
        // As if another directory were mounted there.
        let (root, aside) = (fixture._folder.path().join("archive-evidence"), fixture._folder.path().join("aside"));
        std::fs::rename(root.join("crm"), &aside).unwrap();
        set(&fixture, at(2029, 7, 1));
        let outcome = fixture.run(&rules).await;
        let of = |outcome: &RunOutcome| (outcome.archives[0].due, outcome.archives[0].destroyed, outcome.archives[0].failed);
        assert_eq!(of(&outcome), (1, 0, 1), "{}", engine.name());
        std::fs::remove_dir_all(root.join("crm")).unwrap();
        std::fs::rename(&aside, root.join("crm")).unwrap();
        assert_eq!(of(&fixture.run(&rules).await), (1, 1, 0), "{}", engine.name());
        consistent(&fixture).await;
    }
}

/// Moves a date when the rows are locked and what dates them is not.
struct Moves<'m>(&'m TestDatabase, std::sync::atomic::AtomicBool);

impl Watch for Moves<'_> {
    fn at<'a>(&'a self, point: Point, _: &'a str) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            if point == Point::Taken && !self.1.swap(true, std::sync::atomic::Ordering::Relaxed) {
                self.0.run_sql("UPDATE note SET dated = '2024-08-31' WHERE id = 21").await;
            }
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_rests_on_what_was_committed_last() {
    for engine in [Engine::Postgres, Engine::MariaDb, Engine::MySql] {
        let Some(db) = clients(engine).await else { continue };
        db.run_sql("ALTER TABLE note ADD COLUMN dated date; UPDATE note SET dated = '2024-06-30'").await;
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let map = MAP.replace("[data.note]\n", "[data.client.events.noted]\ntitle = { fr = \"N\", en = \"N\" }\nof = \"note\"\ncolumn = \"dated\"\nmissing = \"ignore\"\n\n[data.note]\n");
        let map = map.replace("on = { client_id = \"id\" }\n", "on = { client_id = \"id\" }\nplain = [\"dated\"]\n");
        let policy = POLICY.replace(
            "starts = \"left\"\nkeeps = \"5 years\"",
            "starts = { latest_of = [\"left\", \"noted\"] }\nkeeps = \"5 years\"",
        );
        let rules = rules(&map, &[&policy]);
        let moves = Moves(&db, false.into());
        fixture.run_with(&rules, unlimited(), &moves).await.unwrap();
        let all = lies(&fixture).await;
        assert!(
            all.iter().any(|object| object.starts_with("evidence until 2029-08-31: client: id=2")),
            "{}: {all:?}",
            engine.name()
        );
        consistent(&fixture).await;
    }
}
