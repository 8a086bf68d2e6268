//! Purposes of one source that keep fields of records in another, of the person whom both are about: of the same engine or of another, while they run, once
//! they have ended, when they begin again between the answer and the act, and when nobody answers.

use std::collections::BTreeSet;

use retentiond::enforce::{
    AskedOf, Elsewhere, Point, Questions, RunOutcome, Silent, UnaskedPurpose, explain_asking, take_census,
};
use retentiond::journal::{Entry, Event};
use retentiond::plan::explain::Outcome;
use retentiond::plan::schema::Engine;
use retentiond::policy::located::Faults;
use retentiond::policy::map::DataMap;
use retentiond::policy::purpose::Policy;
use retentiond::policy::{link, read_map, read_policy};
use retentiond::source::{Source, Target};

use crate::enforcement::{Fixture, Rules, prepare, unlimited};
use crate::rows::foreign;
use crate::scene::{ENGINES, Once, batches_of, consistent, entries, now, number, own, read};
use crate::support::{TestDatabase, database};

const MAP: &str = r#"
[source]
id = "crm"

[data.account]
title = { fr = "Compte", en = "Account" }
table = "account"
key = ["id"]
disposition = "delete"
[data.account.categories]
label = { columns = ["label"], mask = { fixed = "" } }
[data.account.events.seen]
title = { fr = "Contact", en = "Contact" }
column = "seen"
format = "iso_date"

[data.person]
title = { fr = "Personne", en = "Person" }
table = "person"
key = ["id"]
belongs_to = "account"
on = { account_id = "id" }
plain = ["code"]
subjects = { person = "code" }
disposition = "delete"
[data.person.categories]
identity = { columns = ["name"], mask = { fixed = "" } }
contact = { columns = ["email"], mask = "null" }
[data.person.events.seen]
title = { fr = "Contact", en = "Contact" }
column = "seen"
format = "iso_date"
"#;

const POLICY: &str = r#"
[policy]
id = "crm"
author = "dpo"
title = { fr = "Politique", en = "Policy" }

[[purpose]]
id = "accounts"
title = { fr = "Comptes", en = "Accounts" }
legal_basis = "contract"
data = "crm.account"
needs = "all"
starts = "seen"
keeps = "3 years"

[[purpose]]
id = "prospects"
title = { fr = "Prospection", en = "Prospecting" }
legal_basis = "legitimate_interest"
data = "crm.person"
needs = "all"
starts = "seen"
keeps = "3 years"
"#;

const BASE_MAP: &str = r#"
[source]
id = "base"

[data.contract]
title = { fr = "Contrat", en = "Contract" }
table = "contract"
key = ["id"]
plain = ["holder", "open"]
subjects = { person = "holder" }
disposition = "delete"
[data.contract.categories]
text = { columns = ["body"], mask = { fixed = "" } }
[data.contract.events.ended]
title = { fr = "Fin du contrat", en = "End of contract" }
column = "ended_on"
format = "iso_date"
missing = "running"
[data.contract.conditions.real]
title = { fr = "Contrat conclu", en = "Concluded contract" }
sql = "open = 1"
"#;

const BASE_POLICY: &str = r#"
[policy]
id = "base"
author = "dpo"
title = { fr = "Politique", en = "Policy" }

[[purpose]]
id = "contracts"
title = { fr = "Contrats", en = "Contracts" }
legal_basis = "contract"
data = "base.contract"
when = "real"
needs = ["text", "crm.person.identity"]
starts = "ended"
keeps = "1 year"

[[purpose]]
id = "drafts"
title = { fr = "Projets", en = "Drafts" }
legal_basis = "contract"
data = "base.contract"
needs = ["text"]
starts = "ended"
keeps = "10 years"
"#;

struct Both {
    crm: Rules,
    base: DataMap,
    policies: Vec<Policy>,
}

fn both() -> Both {
    let mut faults = Faults::default();
    let maps = [MAP, BASE_MAP].map(|text| read_map::read(text, 0, &mut faults).unwrap());
    let policies = [POLICY, BASE_POLICY].map(|text| read_policy::read(text, 0, &mut faults).unwrap());
    link::link(&maps, &policies, &mut faults);
    assert!(!faults.any_error(), "{:#?}", faults.sorted());
    let documents = retentiond::enforce::run_documents(MAP, &mut [("crm", POLICY), ("base", BASE_POLICY)]);
    let [map, base] = maps;
    Both { crm: Rules { map, policies: policies.to_vec(), documents }, base, policies: policies.to_vec() }
}

fn types(engine: Engine) -> (&'static str, &'static str) {
    match engine {
        Engine::Sqlite => ("TEXT", "TEXT COLLATE NOCASE"),
        Engine::Postgres => ("date", "varchar(20)"),
        _ => ("date", "varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"),
    }
}

/// Everybody but `stays` is due in the customer base. Account 1 has all of them but `alone`, who is of account 2, which is due, too.
const PEOPLE: [(&str, &str); 11] = [
    ("runs", "2020-01-01"),
    ("over", "2020-01-01"),
    ("none", "2020-01-01"),
    ("stays", "2026-01-01"),
    ("two", "2020-01-01"),
    ("draft", "2020-01-01"),
    ("recent", "2020-01-01"),
    ("held", "2020-01-01"),
    ("Spelt", "2020-01-01"),
    ("é''1", "2020-01-01"),
    ("alone", "2020-01-01"),
];

async fn crm(engine: Engine) -> Option<TestDatabase> {
    let db = database(engine).await?;
    let (date, code) = types(engine);
    db.run_sql(&format!(
        "CREATE TABLE account (id integer PRIMARY KEY, label varchar(50) NOT NULL, seen {date} NOT NULL);
         CREATE TABLE person (id integer PRIMARY KEY, account_id integer NOT NULL REFERENCES account (id), code {code},
             name varchar(50) NOT NULL, email varchar(50), seen {date} NOT NULL);
         INSERT INTO account VALUES (1, 'one', '2026-01-01'), (2, 'two', '2020-01-01'), (3, 'three', '2020-01-01');
         INSERT INTO person VALUES (0, 1, NULL, 'nobody', 'n@example.org', '2020-01-01')"
    ))
    .await;
    for (n, (code, seen)) in PEOPLE.iter().enumerate() {
        let account = if *code == "alone" { 2 } else { 1 };
        db.run_sql(&format!(
            "INSERT INTO person VALUES ({}, {account}, '{code}', 'P{}', 'e@example.org', '{seen}')",
            n + 1,
            n + 1
        ))
        .await;
    }
    db.run_sql("INSERT INTO person VALUES (20, 3, 'none', 'P20', 'e@example.org', '2020-01-01')").await;
    Some(db)
}

async fn base(engine: Engine) -> Option<TestDatabase> {
    let db = database(engine).await?;
    let (date, code) = types(engine);
    db.run_sql(&format!(
        "CREATE TABLE contract (id integer PRIMARY KEY, holder {code}, open integer NOT NULL, ended_on {date}, body varchar(50) NOT NULL);
         INSERT INTO contract VALUES (1, 'runs', 1, NULL, 'a'), (2, 'over', 1, '2020-01-01', 'b'), (3, 'two', 1, '2020-01-01', 'c'),
             (4, 'two', 1, NULL, 'd'), (5, 'draft', 0, NULL, 'e'), (6, 'recent', 1, '2026-10-01', 'f'), (7, 'held', 1, '2019-01-01', 'g'),
             (8, 'SPELT', 1, NULL, 'h'), (9, 'é''1', 1, NULL, 'i'), (10, 'alone', 1, NULL, 'j'), (11, NULL, 1, NULL, 'k')"
    ))
    .await;
    Some(db)
}

/// The other source with a hold on contract 7, and what it can be asked.
async fn ask(fixture: &mut Fixture<'_>, other: &Fixture<'_>, both: &Both) {
    let rules = Rules { map: both.base.clone(), policies: both.policies.clone(), documents: both.crm.documents.clone() };
    let source = Source::connect(&Target::new(other.database.url.clone())).await.unwrap();
    let prepared = prepare(&source, &rules, now()).await;
    let mut elsewhere = Elsewhere::default();
    for (id, asked) in AskedOf::all(&both.crm.map, &both.policies) {
        assert_eq!(id, "base");
        elsewhere.add(&source, Questions::new(&prepared, &rules.map, &rules.policies, &asked).unwrap());
    }
    std::mem::replace(&mut fixture.elsewhere, elsewhere).close().await;
}

async fn hold(other: &Fixture<'_>, key: &str) {
    let table = own(other.engine, "hold");
    let (target, until) = (format!("{}:{key}", key.len()), if other.engine.is_mysql_family() { "`until`" } else { "\"until\"" });
    other
        .database
        .run_sql(&format!(
            "INSERT INTO {table} (order_id, source, data_set, kind, scope, target, placed_on, {until})
             VALUES ('0123456789abcdef0123456789abcdef', 'base', 'contract', 'hold', 'record', '{target}', '2026-01-01', NULL)"
        ))
        .await;
}

async fn run(fixture: &Fixture<'_>, rules: &Rules, batch: usize) -> RunOutcome {
    let settings = if batch == 0 { unlimited() } else { batches_of(batch) };
    let outcome = fixture.run_with(rules, settings, &Silent).await.unwrap();
    assert_eq!((outcome.failed(), outcome.busy(), outcome.stopped()), (0, 0, false));
    for action in &outcome.actions {
        assert_eq!(action.due_after, 0, "{action:?}");
    }
    assert_eq!(
        number(fixture, &format!("FROM {}", own(fixture.engine, "elsewhere"))).await,
        0,
        "nothing that was said of people is left"
    );
    outcome
}

/// Who is left, with what.
async fn left(fixture: &Fixture<'_>) -> Vec<String> {
    let all = read(fixture, "SELECT code, name, email FROM person ORDER BY id").await;
    all.iter().map(|row| row.replace("e@example.org", "@")).collect()
}

const KEPT: &str = "runs|P1|-,stays|P4|@,two|P5|-,recent|P7|-,held|P8|-,é'1|P10|-,alone|P11|-";

/// Whether the engine's column takes `Spelt` for `SPELT`.
fn folds(engine: Engine) -> bool {
    engine != Engine::Postgres
}

fn kept(other: Engine) -> Vec<String> {
    let mut all: Vec<String> = KEPT.split(',').map(str::to_owned).collect();
    if folds(other) {
        all.insert(5, "Spelt|P9|-".to_owned());
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_purpose_elsewhere_needs_stays_until_that_has_ended_and_nothing_else_does() {
    for engine in ENGINES {
        for (other_engine, batch) in [(engine, 0), (Engine::Sqlite, 1), (Engine::Postgres, 2), (Engine::MariaDb, 3)] {
            let (Some(db), Some(base_db)) = (crm(engine).await, base(other_engine).await) else { continue };
            let about = format!("{} asks {}, batches of {batch}", engine.name(), other_engine.name());
            let both = both();
            let mut fixture = Fixture::new(engine, &db, "crm", now()).await;
            let other = Fixture::new(other_engine, &base_db, "base", now()).await;
            hold(&other, "7").await;
            ask(&mut fixture, &other, &both).await;
            let outcome = run(&fixture, &both.crm, batch).await;
            assert_eq!(left(&fixture).await, kept(other_engine), "{about}");
            // What was kept was not due: neither before nor after.
            let persons = outcome.actions.iter().filter(|a| a.action.starts_with("person."));
            let counts: Vec<_> = persons.map(|a| (a.action.as_str(), a.due_before, a.changed)).collect();
            let (go, stay) = if folds(other_engine) { (5, 7) } else { (6, 6) };
            assert_eq!(counts, [("person.delete", go, go), ("person.clear.contact", stay, stay)], "{about}");
            assert_eq!(
                read(&fixture, "SELECT label FROM account ORDER BY id").await,
                ["one", ""],
                "{about}: account 2 is emptied, and waits for who is kept"
            );

            // What has ended there is let go here, with the account that waited for it.
            other.database.run_sql("UPDATE contract SET ended_on = '2020-01-01'").await;
            run(&fixture, &both.crm, batch).await;
            assert_eq!(left(&fixture).await, ["stays|P4|@", "held|P8|-"], "{about}");
            assert_eq!(read(&fixture, "SELECT label FROM account").await, ["one"], "{about}");
            other.database.run_sql(&format!("DELETE FROM {}", own(other_engine, "hold"))).await;
            run(&fixture, &both.crm, batch).await;
            assert_eq!(left(&fixture).await, ["stays|P4|@"], "{about}");
            consistent(&fixture).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_nobody_can_be_asked_about_is_kept_and_everything_else_goes_on() {
    for engine in ENGINES {
        let (Some(db), Some(base_db)) = (crm(engine).await, base(engine).await) else { continue };
        let both = both();
        let mut fixture = Fixture::new(engine, &db, "crm", now()).await;
        let other = Fixture::new(engine, &base_db, "base", now()).await;
        let everybody: Vec<String> = PEOPLE
            .iter()
            .enumerate()
            .map(|(n, (code, _))| {
                let email = if *code == "stays" { "@" } else { "-" };
                format!("{}|P{}|{email}", code.replace("''", "'"), n + 1)
            })
            .chain(["none|P20|-".to_owned()])
            .collect();
        // Nobody said who could be asked.
        run(&fixture, &both.crm, 0).await;
        assert_eq!(
            left(&fixture).await,
            everybody,
            "{}: who is nobody elsewhere goes, the rest keeps what may be needed",
            engine.name()
        );
        let mut silent = Elsewhere::default();
        silent.add_unasked("base.contracts:person".to_owned(), "it is away".to_owned());
        fixture.elsewhere = silent;
        let outcome = run(&fixture, &both.crm, 0).await;
        // Everybody who is somebody elsewhere, but the one whose record is not due: twelve records of eleven people.
        let told = UnaskedPurpose { purpose: "base.contracts".to_owned(), why: "it is away".to_owned(), people: 10 };
        assert_eq!((left(&fixture).await, outcome.unasked_elsewhere), (everybody.clone(), vec![told]));
        let found = |e: &Entry| match &e.event {
            Event::Finding { finding, subject, count, .. } if finding.as_str() == "not_asked" => {
                Some((subject.as_ref()?.to_string(), *count))
            }
            _ => None,
        };
        assert_eq!(entries(&fixture).await.iter().filter_map(found).collect::<Vec<_>>(), [("base.contracts".to_owned(), 10)]);
        // It answers no more once it was asked.
        ask(&mut fixture, &other, &both).await;
        base_db.run_sql("ALTER TABLE contract RENAME TO gone").await;
        let outcome = run(&fixture, &both.crm, 0).await;
        assert_eq!((left(&fixture).await, outcome.unasked_elsewhere.len()), (everybody, 1));
        base_db.run_sql("ALTER TABLE gone RENAME TO contract").await;
        hold(&other, "7").await;
        ask(&mut fixture, &other, &both).await;
        let outcome = run(&fixture, &both.crm, 0).await;
        assert_eq!((left(&fixture).await, outcome.unasked_elsewhere.len()), (kept(engine), 0));
        consistent(&fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_needed_again_after_the_answer_is_found_under_the_locks_of_the_batch() {
    for engine in ENGINES {
        for (action, who, stays) in [("person.delete", "none", 2), ("account.delete", "none", 2)] {
            let (Some(db), Some(base_db)) = (crm(engine).await, base(engine).await) else { continue };
            let both = both();
            let mut fixture = Fixture::new(engine, &db, "crm", now()).await;
            let other = Fixture::new(engine, &base_db, "base", now()).await;
            if action == "account.delete" {
                // One that goes along with its account, and not before.
                db.run_sql("DELETE FROM person WHERE id <> 20 AND id <> 3").await;
                db.run_sql("UPDATE person SET account_id = 3").await;
            }
            ask(&mut fixture, &other, &both).await;
            let url = base_db.url.clone();
            let signed = format!("INSERT INTO contract VALUES (99, '{who}', 1, NULL, 'new')");
            let watch = Once::new(
                Point::Intended,
                "person.delete",
                0,
                Box::new(move || {
                    let (url, signed) = (url.clone(), signed.clone());
                    Box::pin(async move { assert_eq!(foreign(engine, &url, &signed).await, Ok(1)) })
                }),
            );
            fixture.run_with(&both.crm, unlimited(), &watch).await.unwrap();
            assert!(watch.happened(), "{}", engine.name());
            assert_eq!(
                number(&fixture, &format!("FROM person WHERE code = '{who}' AND name <> ''")).await,
                stays,
                "{}",
                engine.name()
            );
            let all = entries(&fixture).await;
            let given_up =
                all.iter().filter(|e| matches!(&e.event, Event::Aborted { code, .. } if code.to_string() == "needed_elsewhere"));
            assert_eq!(given_up.count(), 1, "{}", engine.name());
            consistent(&fixture).await;
        }
    }
}

/// Two who recommended each other were masked while a third kept them; InnoDB deletes no such circle.
#[tokio::test(flavor = "multi_thread")]
async fn people_are_asked_about_whose_masked_records_only_keep_each_other() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let (Some(db), Some(base_db)) = (crm(engine).await, base(engine).await) else { continue };
        db.run_sql("DELETE FROM person WHERE id NOT IN (1, 2, 3, 6)").await;
        db.run_sql("ALTER TABLE person ADD COLUMN sponsor integer REFERENCES person (id)").await;
        db.run_sql("UPDATE person SET name = '', email = NULL").await;
        for (id, sponsor) in [(3, 6), (6, 3), (1, 2), (2, 1)] {
            db.run_sql(&format!("UPDATE person SET sponsor = {sponsor} WHERE id = {id}")).await;
        }
        let mut both = both();
        both.crm = {
            let map = MAP.replace("plain = [\"code\"]", "plain = [\"code\", \"sponsor\"]");
            let mut faults = Faults::default();
            Rules { map: read_map::read(&map, 0, &mut faults).unwrap(), ..both.crm }
        };
        let mut fixture = Fixture::new(engine, &db, "crm", now()).await;
        let other = Fixture::new(engine, &base_db, "base", now()).await;
        ask(&mut fixture, &other, &both).await;
        fixture.run_with(&both.crm, unlimited(), &Silent).await.unwrap();
        // `runs` is needed, and keeps who recommended them.
        assert_eq!(read(&fixture, "SELECT code FROM person ORDER BY id").await, ["runs", "over"], "{}", engine.name());
        consistent(&fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_of_a_record_names_the_purpose_elsewhere_that_keeps_it() {
    for engine in ENGINES {
        let (Some(db), Some(base_db)) = (crm(engine).await, base(engine).await) else { continue };
        let both = both();
        let mut fixture = Fixture::new(engine, &db, "crm", now()).await;
        let other = Fixture::new(engine, &base_db, "base", now()).await;
        ask(&mut fixture, &other, &both).await;
        let prepared = fixture.prepare(&both.crm).await;
        for (key, outcome, keeps) in [("1", Outcome::Clear, true), ("2", Outcome::Delete, false), ("0", Outcome::Delete, false)] {
            let (map, policies) = (&both.crm.map, &both.crm.policies);
            let story =
                explain_asking(&fixture.source, &prepared, map, policies, ("person", &[key.to_owned()]), &fixture.elsewhere)
                    .await
                    .unwrap();
            assert_eq!(story.outcome, outcome, "{} {key}", engine.name());
            let told: BTreeSet<_> =
                story.purposes.iter().filter(|p| p.source.as_deref() == Some("base")).map(|p| (p.id.as_str(), p.keeps)).collect();
            assert_eq!(told, BTreeSet::from([("contracts", keeps)]), "{} {key}", engine.name());
        }
        assert_eq!(number(&fixture, &format!("FROM {}", own(engine, "elsewhere"))).await, 0);
        // Two who ask at the same time do not answer each other.
        let another = fixture.prepare(&both.crm).await;
        assert_eq!(prepared.plan.hash, another.plan.hash);
        fixture.elsewhere.ask(&fixture.source, &prepared.plan).await.unwrap();
        let mut session = fixture.source.session().await.unwrap();
        let due = |counts: Vec<(String, retentiond::plan::census::Counts)>| {
            counts.iter().flat_map(|(_, c)| &c.actions).find(|(id, _)| id == "person.delete").map_or(0, |(_, n)| *n)
        };
        assert!(
            due(take_census(&mut session, &prepared.plan).await.unwrap())
                > due(take_census(&mut session, &another.plan).await.unwrap())
        );
        session.done().await.unwrap();
    }
}

#[test]
fn needs_elsewhere_name_what_is_there_and_one_person_whom_both_know_as_long_as_they_run() {
    let faults_of = |maps: [&str; 2], policies: [&str; 2]| {
        let mut faults = Faults::default();
        let maps = maps.map(|text| read_map::read(text, 0, &mut faults).unwrap());
        let policies = policies.map(|text| read_policy::read(text, 0, &mut faults).unwrap());
        link::link(&maps, &policies, &mut faults);
        faults.sorted().iter().map(|f| f.message.clone()).collect::<Vec<_>>()
    };
    assert!(faults_of([MAP, BASE_MAP], [POLICY, BASE_POLICY]).is_empty());
    let need = "\"crm.person.identity\"";
    for (to, expected) in [
        ("\"crn.person.identity\"", "unknown source `crn`"),
        ("\"crm.people.identity\"", "unknown data set `people` of `crm`"),
        ("\"crm.person.name\"", "unknown category `name` of `crm.person`"),
        ("\"base.contract.text\"", "`base.contract.text` lies in the purpose's own source"),
        ("\"crm.account.label\"", "data set `account` of `crm` does not name exactly one person"),
    ] {
        let found = faults_of([MAP, BASE_MAP], [POLICY, &BASE_POLICY.replace(need, to)]);
        assert!(found.iter().any(|f| f.contains(expected)), "{to}: {found:#?}");
    }
    let of_needs = "needs = [\"text\", \"crm.person.identity\"]";
    for (to, expected) in [
        ("needs = { all_but = [\"crm.person.identity\"] }", "cannot say `crm.person.identity`, which lies in another source"),
        (
            "kept_in = \"archive:evidence\"\nneeds = [\"text\", \"crm.person.identity\"]",
            "cannot say `crm.person.identity`, which lies in another source",
        ),
    ] {
        let found = faults_of([MAP, BASE_MAP], [POLICY, &BASE_POLICY.replace(of_needs, to)]);
        assert!(found.iter().any(|f| f.contains(expected)), "{to}: {found:#?}");
    }
    for (from, to, expected) in [
        (
            "subjects = { person = \"code\" }",
            "subjects = { person = \"code\", payer = \"id\" }",
            "does not name exactly one person",
        ),
        (
            "subjects = { person = \"code\" }",
            "subjects = { member = \"code\" }",
            "does not name the person `member` of `crm.person`",
        ),
        (
            "subjects = { person = \"code\" }",
            "subjects = { person = \"email\" }",
            "category `contact` of `person` has the column by which the person is known, and may go while `contracts` runs",
        ),
    ] {
        let found = faults_of([&MAP.replace(from, to), BASE_MAP], [POLICY, BASE_POLICY]);
        assert!(found.iter().any(|f| f.contains(expected)), "{to}: {found:#?}");
    }
    // What the purpose needs itself stays as long as it runs.
    let map = MAP.replace("subjects = { person = \"code\" }", "subjects = { person = \"name\" }");
    assert!(faults_of([&map, BASE_MAP], [POLICY, BASE_POLICY]).is_empty());
    let window = format!("{POLICY}\n[[recovery]]\ndata = \"crm.person\"\ndays = 30\nkept_in = \"archive:recovery\"\n");
    let found = faults_of([MAP, BASE_MAP], [&window, BASE_POLICY]);
    assert!(
        found.iter().any(|f| f.contains("has a recovery window, and purpose `contracts` of another source keeps fields of it")),
        "{found:#?}"
    );
}
