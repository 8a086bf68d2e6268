//! Undoing a run: exactly what was previewed comes back, under holds, over nothing that is newer, whoever dies in between.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use retentiond::archive::Identities;
use retentiond::enforce::undo::{Account, Asked, Back, Group, UndoRequest, preview, undo};
use retentiond::enforce::unseal::Why;
use retentiond::enforce::{EnforceError, Point, Silent, Watch, fence};
use retentiond::journal::{Access, AccessReason, Action, Day, Event, Hash, Id128, Name, OrderReason, Reference};
use retentiond::plan::compile;
use retentiond::plan::schema::Engine;

use crate::archives::{MAP, at, lies, set};
use crate::enforcement::{Fixture, Rules, rules, unlimited};
use crate::put_back::{APART, apart, strict};
use crate::restore::lift;
use crate::scene::{ENGINES, consistent, entries, number, own, read, run_clean};
use crate::support::{TestDatabase, database};

/// What undoing needs of a fixture, and what is asked of it.
pub struct Scene<'s, 'd> {
    fixture: &'s Fixture<'d>,
    rules: &'s Rules,
    source: Name,
    run: Id128,
}

impl<'s, 'd> Scene<'s, 'd> {
    pub fn of(fixture: &'s Fixture<'d>, rules: &'s Rules, run: Id128) -> Self {
        Self { fixture, rules, source: Name::parse("crm").unwrap(), run }
    }

    fn asked(&self) -> Asked<'_> {
        Asked {
            source: &self.source,
            run: self.run,
            archives: None,
            map: &self.rules.map,
            map_hash: Hash::of(b"map"),
            today: Day::try_from(self.fixture.clock.0.lock().unwrap().date_naive()).unwrap(),
        }
    }

    pub async fn preview(&self) -> Account {
        preview(&self.fixture.journal.reader(), self.asked()).await.unwrap()
    }

    pub async fn undo(&self, plan: Hash, watch: &dyn Watch) -> Result<Back, EnforceError> {
        let (fixture, rules) = (self.fixture, self.rules);
        lies(fixture).await;
        let identities = Arc::new(Identities::read(&fixture._folder.path().join("identity")).unwrap());
        let prepared = fixture.prepare(rules).await;
        let records = compile::records(&rules.map, &rules.policies, &prepared.schema, &prepared.moment);
        let server = &prepared.schema.server.id;
        let fence = fence::take(&fixture.source, &fixture.state, &fixture.journal, "crm", server, None).await.unwrap();
        let request = UndoRequest {
            asked: self.asked(),
            plan,
            source: &fixture.source,
            records: &records,
            prepared: &prepared,
            journal: &fixture.journal,
            fence,
            archives: &fixture.archives,
            files: &fixture.files,
            identities: &identities,
            why: Why {
                access: Access::Undo,
                actor: Name::parse("dpo").unwrap(),
                reason: AccessReason::ErrorCorrection,
                reference: Reference::parse("CASE/9").unwrap(),
            },
            now: *fixture.clock.0.lock().unwrap(),
            watch,
        };
        undo(request).await
    }

    /// Undoes what the preview shows.
    pub async fn undo_all(&self) -> Back {
        let plan = self.preview().await.plan;
        self.undo(plan, &Silent).await.unwrap()
    }
}

fn group(data_set: &str, action: Action, records: u64) -> Group {
    Group {
        data_set: Name::parse(data_set).unwrap(),
        action,
        records,
        back: 0,
        part: 0,
        again: 0,
        unsealed: 0,
        left_out: 0,
        destroyed: 0,
        over: 0,
        files: 0,
    }
}

/// Lifts every hold that an undoing placed.
pub async fn lift_all(fixture: &Fixture<'_>) -> usize {
    let mut lifted = 0;
    for entry in fixture.journal.reader().open_orders().await.unwrap() {
        if let Event::OrderPlaced { order, undo: Some(_), reason: OrderReason::ErrorCorrection, .. } = entry.event {
            lift(fixture, order).await;
            lifted += 1;
        }
    }
    lifted
}

const CLIENTS: &str = "SELECT name, iban, house, ref FROM client ORDER BY id";
const NOTES: &str = "SELECT client_id, body FROM note ORDER BY id";

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_deleted_is_undone_whole_stays_undone_and_goes_again_when_its_holds_are_lifted() {
    for engine in ENGINES {
        let Some(db) = strict(engine).await else { continue };
        let fixture = Fixture::new(engine, &db, "crm", at(2026, 5, 2)).await;
        let rules = apart();
        let (clients, notes) = (read(&fixture, CLIENTS).await, read(&fixture, "SELECT body FROM note ORDER BY id").await);
        let run = run_clean(&fixture, &rules).await.run;
        let scene = Scene::of(&fixture, &rules, run);
        let account = scene.preview().await;
        assert_eq!(account.groups, [Group { back: 1, ..group("client", Action::Delete, 1) }], "{}", engine.name());
        assert_eq!(account.until.as_deref(), Some("2026-05-31"));
        let back = scene.undo(account.plan, &Silent).await.unwrap();
        assert_eq!(back, Back { records: 1, inserted: 3, ..Back::default() }, "{}", engine.name());
        assert_eq!(read(&fixture, CLIENTS).await, clients, "{}", engine.name());
        assert_eq!(read(&fixture, "SELECT body FROM note ORDER BY id").await, notes);
        consistent(&fixture).await;

        // It is nobody's prey while the holds stand, and nobody takes it for a database that was set back.
        set(&fixture, at(2026, 5, 3));
        let outcome = fixture.run(&rules).await;
        assert_eq!((outcome.changed(), outcome.reverted), (0, 0), "{}", engine.name());
        assert_eq!(read(&fixture, CLIENTS).await, clients);
        // The same command has nothing left to do, and a new preview nothing to show.
        assert_eq!(scene.undo(account.plan, &Silent).await.unwrap(), Back::default(), "{}", engine.name());
        let again = scene.preview().await;
        assert_eq!(again.groups, [Group { again: 1, ..group("client", Action::Delete, 1) }]);
        assert_ne!(again.plan, account.plan);

        assert_eq!(lift_all(&fixture).await, 1);
        let outcome = run_clean(&fixture, &rules).await;
        assert_eq!((outcome.changed(), outcome.reverted), (3, 0), "{}", engine.name());
        assert_eq!(lies(&fixture).await.len(), 4, "sealed again");
        assert_eq!(Scene::of(&fixture, &rules, outcome.run).undo_all().await.records, 1);
        assert_eq!(read(&fixture, CLIENTS).await, clients);
        consistent(&fixture).await;
    }
}

/// The clients' names are masked, and their dates of birth cut to the year.
fn masked() -> Rules {
    let map = MAP.replacen("disposition = \"delete\"", "disposition = \"anonymise\"", 1).replace(
        "columns = [\"iban\"], mask = \"null\" }",
        "columns = [\"iban\"], mask = \"null\" }\nbirth = { columns = [\"born\"], mask = \"year\" }",
    );
    let policy = APART.replace("needs = [\"identity\", \"text\"]", "needs = [\"identity\", \"text\", \"birth\"]");
    rules(&map, &[&policy])
}

async fn born(engine: Engine) -> Option<TestDatabase> {
    let db = database(engine).await?;
    let date = if engine == Engine::Sqlite { "TEXT" } else { "date" };
    db.run_sql(&format!(
        "CREATE TABLE client (id integer PRIMARY KEY, house varchar(20) NOT NULL, ref varchar(20), name varchar(50) NOT NULL, iban varchar(40), left_on {date}, born {date});
         CREATE TABLE note (id integer PRIMARY KEY, client_id integer NOT NULL, body varchar(50) NOT NULL, FOREIGN KEY (client_id) REFERENCES client (id));
         INSERT INTO client VALUES (2, 'north', 'R-2', 'Zoé', 'FR76-2', '2025-05-31', '1975-04-03'), (4, 'north', 'R-4', 'Léa', 'FR76-4', '2025-05-31', '1980-12-24'), (5, 'south', 'R-5', 'Max', 'FR76-5', '2025-05-31', '1999-09-09');
         INSERT INTO note VALUES (21, 2, 'first'), (22, 4, 'second')"
    ))
    .await;
    Some(db)
}

#[tokio::test(flavor = "multi_thread")]
async fn masked_fields_come_back_where_they_hold_what_the_mask_put_there_and_nowhere_else() {
    for engine in ENGINES {
        let Some(db) = born(engine).await else { continue };
        let fixture = Fixture::new(engine, &db, "crm", at(2026, 5, 2)).await;
        let rules = masked();
        let run = run_clean(&fixture, &rules).await.run;
        let all = "SELECT id, name, iban, born FROM client ORDER BY id";
        assert_eq!(
            read(&fixture, "SELECT name, iban FROM client ORDER BY id").await,
            ["ANONYME|-", "ANONYME|-", "ANONYME|-"],
            "{}",
            engine.name()
        );
        // Somebody writes a new name; somebody a date that has the form of a mask, and is that of nobody; the third row is deleted.
        db.run_sql("UPDATE client SET name = 'Newer' WHERE id = 2; UPDATE client SET born = '1991-01-01' WHERE id = 4; DELETE FROM client WHERE id = 5")
            .await;
        let scene = Scene::of(&fixture, &rules, run);
        let back = scene.undo_all().await;
        assert_eq!(
            read(&fixture, all.replace("id, name", "name").replace(", born", "").as_str()).await,
            ["Newer|FR76-2", "Léa|FR76-4"],
            "{}",
            engine.name()
        );
        let born = match engine {
            Engine::Postgres => "SELECT born::text FROM client ORDER BY id",
            _ => "SELECT CAST(born AS CHAR) FROM client ORDER BY id",
        };
        assert_eq!(read(&fixture, born).await, ["1975-04-03", "1991-01-01"], "{}", engine.name());
        assert_eq!(read(&fixture, "SELECT body FROM note ORDER BY id").await, ["first", "second"], "{}", engine.name());
        let expected = Back { records: 2, inserted: 2, unmasked: 2, newer: 2, gone: 1, ..Back::default() };
        assert_eq!(back, expected, "{}", engine.name());
        assert_eq!(fixture.run(&rules).await.changed(), 0, "{}", engine.name());
        consistent(&fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_the_key_of_a_deleted_record_by_now_keeps_it_and_gets_nothing_of_the_other() {
    for engine in ENGINES {
        let Some(db) = strict(engine).await else { continue };
        let fixture = Fixture::new(engine, &db, "crm", at(2026, 5, 2)).await;
        let rules = apart();
        let run = run_clean(&fixture, &rules).await.run;
        db.run_sql("INSERT INTO client VALUES (2, 'west', 'R-9', 'Somebody', '-', NULL)").await;
        let back = Scene::of(&fixture, &rules, run).undo_all().await;
        assert_eq!(back, Back { there: 1, ..Back::default() }, "{}", engine.name());
        assert_eq!(read(&fixture, CLIENTS).await[0], "Somebody|-|west|R-9", "{}", engine.name());
        assert_eq!(read(&fixture, NOTES).await, Vec::<String>::new());
        assert_eq!(number(&fixture, &format!("FROM {}", own(engine, "hold"))).await, 0, "{}", engine.name());
        consistent(&fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_for_good_is_told_and_what_was_approved_is_all_that_is_done() {
    for engine in ENGINES {
        let Some(db) = strict(engine).await else { continue };
        // One who left so long ago that nothing was sealed.
        db.run_sql("INSERT INTO client VALUES (1, 'north', 'R-1', 'Alix', 'FR76-1', '2020-01-01')").await;
        let fixture = Fixture::new(engine, &db, "crm", at(2026, 5, 2)).await;
        let rules = apart();
        let run = run_clean(&fixture, &rules).await.run;
        let scene = Scene::of(&fixture, &rules, run);
        let whole = Group { back: 1, unsealed: 1, ..group("client", Action::Delete, 2) };
        let approved = scene.preview().await;
        assert_eq!(approved.groups, std::slice::from_ref(&whole), "{}", engine.name());
        // Who leaves an archive out hears what lies there.
        let others = std::collections::BTreeSet::from(["another".to_owned()]);
        let less = Asked { archives: Some(&others), ..scene.asked() };
        let less = preview(&fixture.journal.reader(), less).await.unwrap();
        assert_eq!(less.groups, [Group { left_out: 1, back: 0, ..whole.clone() }], "{}", engine.name());
        // Its last day is over, whether the object is destroyed yet or not.
        set(&fixture, at(2026, 6, 1));
        let over = scene.preview().await;
        assert_eq!(over.groups, [Group { over: 1, back: 0, ..whole.clone() }], "{}", engine.name());
        let refused = scene.undo(approved.plan, &Silent).await;
        assert!(matches!(refused, Err(EnforceError::PlanChanged { .. })), "{refused:?}");
        run_clean(&fixture, &rules).await;
        assert_eq!(scene.preview().await.groups, [Group { destroyed: 1, back: 0, ..whole }], "{}", engine.name());
        assert_eq!(number(&fixture, "FROM client").await, 1);
        consistent(&fixture).await;
    }
}

/// Stops for ever at a point, as a process that was killed does.
struct Dead(Point);

impl Watch for Dead {
    fn at<'a>(&'a self, point: Point, _: &'a str) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        match point == self.0 {
            true => Box::pin(std::future::pending()),
            false => Box::pin(std::future::ready(())),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undoing_that_dies_anywhere_is_ended_by_the_same_command_also_behind_a_run() {
    for engine in ENGINES {
        for (point, between) in
            [Point::Intended, Point::Acted, Point::Committed].into_iter().flat_map(|p| [(p, false), (p, true)])
        {
            let Some(db) = strict(engine).await else { continue };
            let fixture = Fixture::new(engine, &db, "crm", at(2026, 5, 2)).await;
            let rules = apart();
            let clients = read(&fixture, CLIENTS).await;
            let run = run_clean(&fixture, &rules).await.run;
            let scene = Scene::of(&fixture, &rules, run);
            let plan = scene.preview().await.plan;
            let dead = Dead(point);
            let died = tokio::time::timeout(Duration::from_secs(3), scene.undo(plan, &dead)).await;
            assert!(died.is_err(), "it stops at {point:?}: {died:?}");
            if between {
                let outcome = fixture.run_with(&rules, unlimited(), &Silent).await.unwrap();
                assert_eq!((outcome.changed(), outcome.reverted), (0, 0), "{} at {point:?}", engine.name());
            }
            scene.undo(plan, &Silent).await.unwrap();
            assert_eq!(read(&fixture, CLIENTS).await, clients, "{} at {point:?}", engine.name());
            assert_eq!(number(&fixture, "FROM note").await, 2);
            let standing = format!("FROM {} WHERE lifted_on IS NULL", own(engine, "hold"));
            assert_eq!(number(&fixture, &standing).await, 1, "{} at {point:?}", engine.name());
            assert_eq!(fixture.run(&rules).await.changed(), 0, "{} at {point:?}", engine.name());
            let done: Vec<_> = entries(&fixture).await.into_iter().filter(|e| matches!(e.event, Event::Undone { .. })).collect();
            assert!(
                matches!(done[..], [ref e] if matches!(e.event, Event::Undone { records: 1, inserted: 3, recovered, .. } if recovered == (point == Point::Committed))),
                "{} at {point:?}: {done:?}",
                engine.name()
            );
            consistent(&fixture).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_says_first_who_opens_what_and_what_is_about_to_come_back() {
    let engine = Engine::Sqlite;
    let Some(db) = strict(engine).await else { return };
    let fixture = Fixture::new(engine, &db, "crm", at(2026, 5, 2)).await;
    let rules = apart();
    let run = run_clean(&fixture, &rules).await.run;
    let before = entries(&fixture).await.len();
    let scene = Scene::of(&fixture, &rules, run);
    let plan = scene.preview().await.plan;
    assert_eq!(entries(&fixture).await.len(), before, "a preview leaves nothing");
    // An archive that cannot be read leaves the trace of who tried.
    let root = fixture._folder.path().join("archive-recovery");
    std::fs::rename(root.join("crm"), root.join("aside")).unwrap();
    lies(&fixture).await;
    assert!(scene.undo(plan, &Silent).await.is_err());
    std::fs::rename(root.join("aside"), root.join("crm")).unwrap();
    scene.undo(plan, &Silent).await.unwrap();
    let kinds: Vec<_> = entries(&fixture).await[before..].iter().map(|e| e.event.kind()).collect();
    assert_eq!(kinds, ["archive_opened", "archive_opened", "undo_intended", "order_placed", "undone"]);
    for entry in &entries(&fixture).await[before..] {
        if let Event::ArchiveOpened { actor, reference, objects, mac, .. } = &entry.event {
            assert_eq!((actor.as_str(), reference.as_str(), objects.len(), mac.is_none()), ("dpo", "CASE/9", 2, true));
        }
    }
    consistent(&fixture).await;
}

/// Orders of clients: records of their own, which go first.
async fn orders(engine: Engine) -> Option<TestDatabase> {
    let db = strict(engine).await?;
    let date = if engine == Engine::Sqlite { "TEXT" } else { "date" };
    db.run_sql(&format!(
        "CREATE TABLE purchase (id integer PRIMARY KEY, client_id integer NOT NULL, label varchar(50) NOT NULL, email varchar(50) UNIQUE, left_on {date}, FOREIGN KEY (client_id) REFERENCES client (id));
         INSERT INTO purchase VALUES (31, 2, 'shoes', 'a@example.org', '2025-05-31'), (32, 2, 'hat', 'b@example.org', '2025-05-31')"
    ))
    .await;
    Some(db)
}

fn with_purchases() -> Rules {
    let map = format!(
        "{}
[data.purchase]
title = {{ fr = \"Achat\", en = \"Purchase\" }}
table = \"purchase\"
key = [\"id\"]
belongs_to = \"client\"
on = {{ client_id = \"id\" }}
disposition = \"delete\"
[data.purchase.categories]
text = {{ columns = [\"label\"], mask = {{ fixed = \"\" }} }}
contact = {{ columns = [\"email\"], mask = \"null\" }}
[data.purchase.events.left]
title = {{ fr = \"Fin\", en = \"End\" }}
column = \"left_on\"
format = \"iso_date\"
missing = \"running\"
",
        MAP.replace("columns = [\"iban\"], mask = \"null\"", "columns = [\"iban\"], mask = { fixed = \"-\" }")
    );
    let policy = format!(
        "{APART}
[[purpose]]
id = \"sales\"
title = {{ fr = \"Ventes\", en = \"Sales\" }}
legal_basis = \"contract\"
data = \"crm.purchase\"
needs = \"all\"
starts = \"left\"
keeps = \"1 year\"

[[recovery]]
data = \"crm.purchase\"
days = 30
kept_in = \"archive:recovery\"
"
    );
    rules(&map, &[&policy])
}

#[tokio::test(flavor = "multi_thread")]
async fn who_belongs_to_another_comes_back_after_it_and_who_is_refused_keeps_nobody_else() {
    for engine in ENGINES {
        let Some(db) = orders(engine).await else { continue };
        let fixture = Fixture::new(engine, &db, "crm", at(2026, 5, 2)).await;
        let rules = with_purchases();
        let run = run_clean(&fixture, &rules).await.run;
        assert_eq!((number(&fixture, "FROM purchase").await, number(&fixture, "FROM client").await), (0, 1), "{}", engine.name());
        // One of the addresses belongs to somebody else by now.
        db.run_sql("INSERT INTO purchase VALUES (99, 3, 'x', 'b@example.org', NULL)").await;
        let scene = Scene::of(&fixture, &rules, run);
        let plan = scene.preview().await.plan;
        let back = scene.undo(plan, &Silent).await.unwrap();
        assert_eq!((back.records, back.inserted, back.refused), (2, 4, 1), "{}: {back:?}", engine.name());
        assert!(!format!("{back:?}").contains("example.org"));
        assert_eq!(read(&fixture, "SELECT label FROM purchase ORDER BY id").await, ["shoes", "x"], "{}", engine.name());
        db.run_sql("DELETE FROM purchase WHERE id = 99").await;
        let back = scene.undo(plan, &Silent).await.unwrap();
        assert_eq!((back.records, back.refused), (1, 0), "{}: {back:?}", engine.name());
        assert_eq!(number(&fixture, "FROM purchase").await, 2);
        assert_eq!(fixture.run(&rules).await.changed(), 0, "{}", engine.name());
        consistent(&fixture).await;
    }
}
