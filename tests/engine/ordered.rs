//! Orders that end a purpose reach what archives keep for it: whole objects go before their day, and what lies among others is told of.

use retentiond::enforce::orders::Target;
use retentiond::enforce::{ArchiveOutcome, RunOutcome, Settings, Silent};
use retentiond::journal::{DestructionCause, Event};
use retentiond::plan::schema::Engine;
use retentiond::policy::purpose::OrderKind;

use crate::archives::{MAP, POLICY, at, lies, set};
use crate::enforcement::{Fixture, Rules, rules, unlimited};
use crate::restore::{lift, place, record};
use crate::scene::{ENGINES, consistent, entries, now, number, own, run_clean};
use crate::support::{TestDatabase, database};

/// Five clients of two houses, who left on one day, and one of no house.
pub async fn clients(engine: Engine) -> Option<TestDatabase> {
    let db = database(engine).await?;
    let date = if engine == Engine::Sqlite { "TEXT" } else { "date" };
    db.run_sql(&format!(
        "CREATE TABLE house (name varchar(20) PRIMARY KEY, ended_on {date});
         INSERT INTO house VALUES ('north', NULL), ('south', NULL);
         CREATE TABLE client (id integer PRIMARY KEY, house varchar(20), ref varchar(20), name varchar(50) NOT NULL, iban varchar(40), left_on {date},
             FOREIGN KEY (house) REFERENCES house (name));
         CREATE TABLE note (id integer PRIMARY KEY, client_id integer NOT NULL, body varchar(50) NOT NULL, FOREIGN KEY (client_id) REFERENCES client (id));
         INSERT INTO client VALUES (1, 'north', NULL, 'N1', NULL, '2024-06-30'), (2, 'north', NULL, 'N2', NULL, '2024-06-30'),
             (3, 'north', NULL, 'N3', NULL, '2024-06-30'), (4, 'south', NULL, 'S4', NULL, '2024-06-30'), (5, NULL, NULL, 'Z5', NULL, '2024-06-30'),
             (6, 'south', NULL, 'S6', NULL, NULL);
         INSERT INTO note VALUES (11, 1, 'old')"
    ))
    .await;
    Some(db)
}

/// The names that lie in the archives, by object.
pub async fn names(fixture: &Fixture<'_>) -> Vec<String> {
    let of_object = |object: String| {
        let names = object.split(' ').filter_map(|word| word.strip_prefix("name=")).map(|n| n.trim_end_matches(';').to_owned());
        names.collect::<Vec<_>>().join("+")
    };
    let mut all: Vec<String> = lies(fixture).await.into_iter().map(of_object).collect();
    all.sort();
    all
}

pub fn evidence(outcome: &RunOutcome) -> &ArchiveOutcome {
    outcome.archives.iter().find(|a| a.purpose == "evidence").unwrap()
}

/// Due by its day, ended by orders, among others, destroyed, held.
fn figures(outcome: &RunOutcome) -> (u64, u64, u64, u64, u64) {
    let a = evidence(outcome);
    (a.due, a.ordered, a.among_others, a.destroyed, a.held)
}

async fn causes(fixture: &Fixture<'_>) -> Vec<(DestructionCause, u64)> {
    let mut all: Vec<(DestructionCause, u64)> = Vec::new();
    for entry in entries(fixture).await {
        match entry.event {
            Event::DestructionIntended { cause, .. } => all.push((cause, 0)),
            Event::Destroyed { records, .. } => all.last_mut().unwrap().1 = records,
            _ => {}
        }
    }
    all
}

/// The same, where what archives keep ends some time after a house did.
pub fn open_rules() -> Rules {
    let event = "[data.client.events.ended]\ntitle = { fr = \"Fin\", en = \"End\" }\nof = { table = \"house\", on = { name = \"house\" } }\ncolumn = \"ended_on\"\nformat = \"iso_date\"\nmissing = \"running\"\n\n[data.note]";
    let map = MAP.replacen("[data.note]", event, 1).replace("plain = [\"ref\"]", "plain = [\"ref\", \"house\"]");
    let (before, evidence_at) = POLICY.split_at(POLICY.find("id = \"evidence\"").unwrap());
    let policy = format!("{before}{}", evidence_at.replace("starts = \"left\"", "starts = \"ended\""));
    rules(&map, &[&policy])
}

fn client_rules() -> Rules {
    rules(MAP, &[POLICY])
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_whose_records_orders_have_ended_goes_before_its_day_and_one_of_whose_others_are_kept_stays() {
    for engine in ENGINES {
        let Some(db) = clients(engine).await else { continue };
        let (fixture, rules) = (Fixture::new(engine, &db, "crm", now()).await, client_rules());
        run_clean(&fixture, &rules).await;
        // No object has records of two houses.
        assert_eq!(names(&fixture).await, ["N1+N2+N3", "S4", "Z5"], "{}", engine.name());
        assert_eq!(figures(&run_clean(&fixture, &rules).await), (0, 0, 0, 0, 0));

        // The purpose rests on legitimate interest: erasure and objection end it. What lies alone goes; what lies among others is told of, once for each record.
        let order = |kind: OrderKind, of: Target| place(&fixture, &rules, kind, "client", of);
        order(OrderKind::Erasure, record(5)).await;
        order(OrderKind::Objection, record(1)).await;
        let again = order(OrderKind::Erasure, record(1)).await;
        assert_eq!(figures(&run_clean(&fixture, &rules).await), (0, 1, 1, 1, 0), "{}", engine.name());
        assert_eq!(names(&fixture).await, ["N1+N2+N3", "S4"], "{}", engine.name());
        assert_eq!(figures(&run_clean(&fixture, &rules).await), (0, 0, 1, 0, 0), "{}", engine.name());
        lift(&fixture, again).await;
        assert_eq!(figures(&run_clean(&fixture, &rules).await), (0, 0, 1, 0, 0), "{}", engine.name());

        // A hold keeps what an order has ended; an order that the journal does not know ends nothing.
        order(OrderKind::Erasure, record(4)).await;
        let hold = order(OrderKind::Hold, record(4)).await;
        db.run_sql(&format!(
            "INSERT INTO {} (order_id, source, data_set, kind, scope, target, placed_on) VALUES ('{}', 'crm', 'client', 'instruction', 'tenant', 'north', '2026-01-01')",
            own(engine, "hold"),
            "0".repeat(32)
        ))
        .await;
        assert_eq!(figures(&fixture.run(&rules).await), (0, 1, 1, 0, 1), "{}", engine.name());
        lift(&fixture, hold).await;
        assert_eq!(figures(&fixture.run(&rules).await), (0, 1, 1, 1, 0), "{}", engine.name());
        assert_eq!(names(&fixture).await, ["N1+N2+N3"], "{}", engine.name());

        // An instruction ends everything of its tenant, and of nobody else.
        order(OrderKind::Instruction, Target::Tenant("south".into())).await;
        assert_eq!(figures(&fixture.run(&rules).await), (0, 0, 1, 0, 0), "{}", engine.name());
        order(OrderKind::Instruction, Target::Tenant("north".into())).await;
        assert_eq!(figures(&fixture.run(&rules).await), (0, 3, 0, 3, 0), "{}", engine.name());
        assert!(lies(&fixture).await.is_empty(), "{}", engine.name());
        let ordered = |n| (DestructionCause::Ordered, n);
        assert_eq!(causes(&fixture).await, [ordered(1), ordered(1), ordered(3)], "{}", engine.name());
        consistent(&fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_orders_that_end_the_purpose_reach_what_it_keeps_and_ceilings_count_them() {
    for engine in ENGINES {
        let Some(db) = clients(engine).await else { continue };
        let policy = POLICY.replace("kept_in = \"archive:evidence\"", "kept_in = \"archive:evidence\"\nended_by = []");
        let (fixture, rules) = (Fixture::new(engine, &db, "crm", now()).await, rules(MAP, &[&policy]));
        run_clean(&fixture, &rules).await;
        let order = |kind: OrderKind, of: Target| place(&fixture, &rules, kind, "client", of);
        order(OrderKind::Erasure, record(5)).await;
        order(OrderKind::Objection, record(4)).await;
        assert_eq!(figures(&run_clean(&fixture, &rules).await), (0, 0, 0, 0, 0), "{}", engine.name());
        assert_eq!(names(&fixture).await.len(), 3);
        // Three of five are more than one may be.
        order(OrderKind::Instruction, Target::Tenant("north".into())).await;
        let mut most = unlimited();
        most.ceilings.rows = Some(2);
        let outcome = fixture.run_with(&rules, Settings { ..most }, &Silent).await.unwrap();
        assert!(evidence(&outcome).stopped.is_some(), "{}", engine.name());
        assert_eq!((names(&fixture).await.len(), figures(&outcome)), (3, (0, 3, 0, 0, 0)), "{}", engine.name());
        assert_eq!(figures(&run_clean(&fixture, &rules).await), (0, 3, 0, 3, 0), "{}", engine.name());
        // The others go by their day.
        set(&fixture, at(2029, 7, 1));
        assert_eq!(evidence(&fixture.run(&rules).await).destroyed, 2, "{}", engine.name());
        consistent(&fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_until_a_day_that_nobody_knows_goes_by_order_with_the_way_to_it() {
    for engine in ENGINES {
        let Some(db) = clients(engine).await else { continue };
        let (fixture, rules) = (Fixture::new(engine, &db, "crm", now()).await, open_rules());
        run_clean(&fixture, &rules).await;
        let pending = || async { number(&fixture, &format!("FROM {}", own(engine, "pending"))).await };
        assert_eq!(
            (names(&fixture).await, pending().await),
            (vec!["N1+N2+N3".to_owned(), "S4".to_owned()], 2),
            "{}",
            engine.name()
        );
        place(&fixture, &rules, OrderKind::Instruction, "client", Target::Tenant("north".into())).await;
        assert_eq!(figures(&fixture.run(&rules).await), (0, 3, 0, 3, 0), "{}", engine.name());
        fixture.run(&rules).await;
        assert_eq!((names(&fixture).await, pending().await), (vec!["S4".to_owned()], 1), "{}", engine.name());
        // The other one still hears of its end.
        db.run_sql("UPDATE house SET ended_on = '2026-11-01'").await;
        assert_eq!(evidence(&fixture.run(&rules).await).open, 0, "{}", engine.name());
        assert_eq!(pending().await, 0);
        consistent(&fixture).await;
    }
}
