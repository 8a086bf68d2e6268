//! The generated SQL against the reference model: random policies over random rows, carried out by the real enforcement on the real engines, must leave
//! exactly what the model says.
//!
//! `RETENTIOND_CASES` sets how many cases run on each engine, `RETENTIOND_SEED` the first seed. From the seed 1,000,000 on the cases are tangled: tables
//! have further foreign keys and references to themselves, and records read each other in circles; from 2,000,000 on purposes keep in archives, which
//! must hold exactly what the model says, and from 3,000,000 on data sets have recovery windows as well; from 4,000,000 on a second source, which is asked, keeps some of their fields. Without either variable some of each kind run.
//!
//! Each seed that differs is told apart: one that leaves a knot, which is rows due and masked that only keep each other, or one that differs otherwise.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

#[path = "oracle_support/archived.rs"]
mod archived;
#[expect(dead_code, reason = "this binary uses a part of the fixture")]
#[path = "support/enforcement.rs"]
mod enforcement;
#[path = "support/pseudonym_key.rs"]
mod pseudonym_key;
#[path = "support/mod.rs"]
mod support;
mod support_random;

use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, TimeDelta, TimeZone as _, Utc};
use enforcement::{Fixture, IDENTITY, Rules, rules, unlimited};
use retentiond::enforce::{
    AskedOf, Documents, Expecting, Prepared, Questions, Silent, run_documents, take_census, take_due_census,
};
use retentiond::plan::compile::{Moment, compile};
use retentiond::plan::schema::Engine;
use retentiond::policy::map::DataMap;
use retentiond::policy::recovery;
use retentiond::reference::{Archived, Reference, TableId, Value, World, masking};
use support::database;
use support_random::Case;

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|t| t.parse().ok()).unwrap_or(otherwise)
}

/// A value of a random case, which is invented.
fn shown(value: &Value) -> String {
    match value {
        Value::Integer(n) => n.to_string(),
        Value::Text(t) | Value::Json(t) | Value::Decimal(t) => format!("{t:?}"),
        Value::Date(d) => d.to_string(),
        other => format!("{other:?}"),
    }
}

/// What every run counts by its indexes must agree with what the full census counts row by row.
async fn censuses_differ(fixture: &Fixture<'_>, prepared: &Prepared) -> String {
    let mut session = fixture.source.session().await.unwrap();
    let full = take_census(&mut session, &prepared.plan).await.unwrap();
    session.done().await.unwrap();
    let due = take_due_census(&fixture.source, &prepared.plan, prepared.moment.orders, Expecting::Anything).await.unwrap();
    let mut report = String::new();
    for ((data_set, all), (_, now)) in full.iter().zip(&due) {
        let ends_otherwise = |id: &str| id.ends_with(".delete") || id.ends_with(".empty");
        for (counted, (id, n)) in all.actions.iter().zip(&now.actions) {
            // The full census tells the end of the run of what only waits for rows that go in it.
            if counted != &(id.clone(), *n) && !ends_otherwise(id) {
                let _ = writeln!(report, "census {counted:?}, due census {n}");
            }
        }
        let same = all.actions == now.actions;
        for ((id, all), (_, now)) in all.purposes.iter().zip(&now.purposes) {
            let due = same && (all.due, all.oldest_due_start) != (now.due, now.oldest_due_start);
            let more = now.held > all.held || now.kept_while > all.kept_while || now.undated.is_some_and(|n| n > all.undated);
            if due || more {
                let _ = writeln!(report, "{data_set} {id}: census {all:?}, due census {now:?}");
            }
        }
    }
    report
}

/// A statement that grows with every way in which data sets depend on each other ends as one that takes a server's memory.
const LONGEST: usize = 800_000;

fn too_long(prepared: &Prepared) -> String {
    let plan = &prepared.plan;
    let mut report = String::new();
    let censuses = plan.censuses.iter().map(|c| (format!("{}.census", c.data_set), c.sql.len()));
    for (what, length) in censuses.chain(plan.actions.iter().map(|a| (a.id.clone(), a.predicate.render().len()))) {
        if length > LONGEST {
            let _ = writeln!(report, "{what} takes {length} bytes to ask");
        }
    }
    report
}

/// What became of a row that only one of the worlds has.
fn fate(map: &DataMap, stored: &World, table: &TableId, key: &[Value]) -> &'static str {
    let TableId::DataSet(id) = table else { return "is there or gone" };
    match (stored.data_set(id).is_some_and(|t| t.rows.contains_key(key)), masked(map, stored, id, key)) {
        (false, _) => "is gone",
        (true, true) => "is left, masked",
        (true, false) => "is left, not masked",
    }
}

fn masked(map: &DataMap, world: &World, id: &str, key: &[Value]) -> bool {
    let personal = map.data_set(id).into_iter().flat_map(|d| &d.categories).flat_map(|c| &c.columns);
    personal.into_iter().all(|c| world.value(id, key, &c.name).is_some_and(|v| masking::is_done(v, &c.mask)))
}

/// What was met: values in archives, those of them whose end is not known yet, and those in recovery windows.
#[derive(Default)]
struct Moved {
    all: AtomicUsize,
    open: AtomicUsize,
    windows: AtomicUsize,
    /// Values that stayed, or rows, because a second source needs them.
    elsewhere: AtomicUsize,
}

/// What lies in archives must be what the model says, each value once.
async fn archives_differ(
    fixture: &Fixture<'_>,
    case: &Case,
    map: &DataMap,
    mut expected: Vec<Archived>,
    moved: &Moved,
) -> String {
    let identity = fixture._folder.path().join("identity");
    retentiond::state::write_private(&identity, IDENTITY.as_bytes()).unwrap();
    let (found, faults) = case.archived(map, &fixture.archives, fixture.engine, &identity).await;
    moved.all.fetch_add(found.len(), Ordering::Relaxed);
    moved.open.fetch_add(found.iter().filter(|a| a.until.is_none()).count(), Ordering::Relaxed);
    moved.windows.fetch_add(found.iter().filter(|a| a.purpose.starts_with(recovery::PREFIX)).count(), Ordering::Relaxed);
    let mut report: String = faults.into_iter().map(|f| f + "\n").collect();
    let told = |a: &Archived| {
        let key: Vec<String> = a.key.iter().map(shown).collect();
        format!(
            "{} {key:?} {} = {} for {} until {}",
            a.data_set,
            a.column,
            shown(&a.value),
            a.purpose,
            a.until.map_or_else(|| "open".to_owned(), |day| day.to_string())
        )
    };
    for one in found {
        match expected.iter().position(|e| *e == one) {
            Some(at) => {
                expected.swap_remove(at);
            }
            None => {
                let _ = writeln!(report, "archived, and should not be: {}", told(&one));
            }
        }
    }
    for one in expected {
        let _ = writeln!(report, "not archived: {}", told(&one));
    }
    report
}

/// A plan's hash is the same at every second of its day, whether an order stands, and whoever asks.
fn hash_differs(prepared: &Prepared, rules: &Rules) -> String {
    let day = |at: DateTime<Utc>| rules.policies.iter().map(|p| at.with_timezone(&p.time_zone).date_naive()).collect::<Vec<_>>();
    let now = prepared.moment.now;
    let others = [now - TimeDelta::seconds(1), now + TimeDelta::seconds(1)].into_iter().filter(|at| day(*at) == day(now));
    let mut report = String::new();
    for at in others {
        let orders = !prepared.moment.orders;
        let moment = Moment { now: at, orders, asker: "0123456789abcdef".repeat(2), ..prepared.moment.clone() };
        let Documents { policy, map } = &rules.documents;
        if compile(&rules.map, &rules.policies, &prepared.schema, &moment, &[policy, map]).hash != prepared.plan.hash {
            let _ = writeln!(report, "another hash at {at}");
        }
    }
    report
}

/// One case on one engine; the differences, if any.
async fn differs(fixture: &mut Fixture<'_>, case: &Case, moved: &Moved) -> Option<String> {
    let engine = fixture.engine;
    fixture.database.run_sql(&case.load(engine)).await;
    let both = case.read_both();
    let rules = match &both {
        None => rules(&case.map, &[&case.policy]),
        Some(([map, _], policies)) => {
            let mut texts = [("random", case.policy.as_str()), ("other", case.second.as_ref()?.policy.as_str())];
            Rules { map: map.clone(), policies: policies.to_vec(), documents: run_documents(&case.map, &mut texts) }
        }
    };
    let other = database(Engine::Sqlite).await?;
    if let (Some(([_, map], policies)), Some(second)) = (&both, &case.second) {
        other.run_sql(&second.load()).await;
        let there = Fixture::new(Engine::Sqlite, &other, "other", case.now).await;
        let rules = Rules { map: map.clone(), policies: policies.to_vec(), documents: rules.documents.clone() };
        let prepared = there.prepare_at(&rules, case.now).await;
        for asked in AskedOf::all(&case.read().0, policies).into_values() {
            fixture.elsewhere.add(&there.source, Questions::new(&prepared, &rules.map, &rules.policies, &asked).unwrap());
        }
    }
    let fixture = &*fixture;
    let prepared = fixture.prepare_at(&rules, case.now).await;
    for order in &case.orders {
        fixture.place(&rules, &prepared, order).await;
    }
    let prepared = fixture.prepare_at(&rules, case.now).await;
    fixture.elsewhere.ask(&fixture.source, &prepared.plan).await.unwrap();
    let mut report = too_long(&prepared) + &hash_differs(&prepared, &rules) + &censuses_differ(fixture, &prepared).await;
    let outcome = match fixture.run_prepared(&prepared, unlimited(), &Silent).await {
        Ok(outcome) => outcome,
        Err(e) => return Some(format!("the run failed: {e}")),
    };
    for a in outcome.actions.iter().filter(|a| a.due_after + a.failed + a.busy + a.too_large > 0) {
        let _ = writeln!(report, "left over: {a:?}");
    }
    let mut session = fixture.source.session().await.unwrap();
    let mut answers = Vec::new();
    for table in 0..case.shapes.len() {
        answers.push(session.rows(&case.select(table, engine)).await.unwrap());
    }
    session.done().await.unwrap();
    let (reference, before) = (case.reference(&rules.map, &rules.policies), case.world());
    let (mut expected, archived) = reference.run_with_archives(&before);
    if case.second.is_some() {
        let alone = Reference { needed: &[], ..reference.clone() };
        moved.elsewhere.fetch_add(alone.run(&before).differences(&expected).len(), Ordering::Relaxed);
    }
    report += &archives_differ(fixture, case, &rules.map, archived, moved).await;
    if !prepared.plan.pseudonyms.is_empty() {
        expected = pseudonym_key::read(engine, fixture.database).await.stored_world(expected);
    }
    let stored = case.stored(&answers, engine);
    for (table, key, column) in expected.differences(&stored) {
        let names: Vec<String> = key.iter().map(shown).collect();
        let what = column.as_deref().unwrap_or_else(|| fate(&rules.map, &stored, &table, &key));
        let _ = writeln!(report, "{table:?} {names:?} {what}");
        if let (TableId::DataSet(id), true) = (&table, number("RETENTIOND_CASES", 60) == 1) {
            let column = column.unwrap_or_default();
            let texts = |world: &World| world.value(id, &key, &column).map(shown);
            if let Some(decision) = reference.decide(&before, id, &key) {
                let states: Vec<String> = decision.states.iter().map(|s| format!("{} {:?}", s.purpose.id, s.state)).collect();
                let fates: Vec<String> =
                    decision.fields.iter().map(|f| format!("{}.{} {:?}", f.data_set, f.column, f.fate)).collect();
                let _ = writeln!(report, "  {:?}\n  {states:?}\n  {fates:?}", decision.outcome);
            }
            let _ = writeln!(report, "  was {:?}, expected {:?}, is {:?}", texts(&before), texts(&expected), texts(&stored));
        }
    }
    if !report.is_empty() {
        for a in &outcome.actions {
            let _ = writeln!(report, "  {}: {} of {} due", a.action, a.changed, a.due_before);
        }
    }
    (!report.is_empty()).then_some(report)
}

/// Seeds beyond the first ones that once found a difference.
const FOUND: [u64; 8] = [100_033, 100_202, 100_234, 200_092, 300_030, 300_121, 500_299, 500_519];

/// The first seed of tangled cases.
const TANGLED: u64 = 1_000_000;

/// The first seed of cases with archives.
const ARCHIVES: u64 = 2_000_000;

/// The first seed of cases with recovery windows.
const WINDOWS: u64 = 3_000_000;

/// The first seed of cases with purposes of a second source.
const ELSEWHERE: u64 = 4_000_000;

fn seeds() -> Vec<u64> {
    let asked = ["RETENTIOND_SEED", "RETENTIOND_CASES"].iter().any(|v| std::env::var(v).is_ok());
    let (first, cases) = (number("RETENTIOND_SEED", 0), number("RETENTIOND_CASES", 60));
    let found = FOUND.into_iter().filter(|_| first == 0);
    match asked {
        true => (first..first + cases).chain(found).collect(),
        false => {
            let plain = (0..40).chain(found).chain(TANGLED..TANGLED + 30).chain(ARCHIVES..ARCHIVES + 20);
            plain.chain(WINDOWS..WINDOWS + 5).chain(ELSEWHERE..ELSEWHERE + 12).collect()
        }
    }
}

fn case_of(seed: u64) -> Case {
    match seed {
        ..TANGLED => Case::new(seed),
        TANGLED..ARCHIVES => Case::tangled(seed),
        ARCHIVES..WINDOWS => Case::archiving(seed),
        WINDOWS..ELSEWHERE => Case::windowed(seed),
        ELSEWHERE.. => Case::kept_elsewhere(seed),
    }
}

async fn all(engine: Engine) {
    let seeds = seeds();
    let (mut wrong, moved) = (Vec::new(), Moved::default());
    for seed in &seeds {
        let Some(db) = database(engine).await else { return };
        // The journal's clock stands still; the instant of each run is the case's own.
        // Every other case has pseudonyms for its tokens, where the engine can make them.
        let pseudonyms = engine != Engine::Sqlite && seed % 2 == 1;
        let case = if pseudonyms { case_of(*seed).with_pseudonyms() } else { case_of(*seed) };
        let mut fixture =
            Fixture::new(engine, &db, &case.read().0.source, Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).unwrap()).await;
        if pseudonyms {
            pseudonym_key::draw(engine, &db, &case.read().0.source).await;
        }
        if let Some(report) = differs(&mut fixture, &case, &moved).await {
            eprintln!("seed {seed} on {}:\n{report}", engine.name());
            if seeds.len() == 1 {
                eprintln!("{}\n{}\n{}\nnow {}\norders {:?}", case.map, case.policy, case.load(engine), case.now, case.orders);
            }
            wrong.push(*seed);
        }
    }
    let (moved_all, open) = (moved.all.into_inner(), moved.open.into_inner());
    let (windows, elsewhere) = (moved.windows.into_inner(), moved.elsewhere.into_inner());
    eprintln!(
        "{moved_all} values in archives on {}, {open} of them without an end, {windows} in recovery windows; {elsewhere} kept elsewhere",
        engine.name()
    );
    assert!(
        moved_all > 0 || seeds.iter().filter(|seed| **seed >= ARCHIVES).count() < 20,
        "nothing was archived on {}",
        engine.name()
    );
    assert!(
        windows > 0 || seeds.iter().filter(|seed| (WINDOWS..ELSEWHERE).contains(*seed)).count() < 5,
        "nothing lay in a window on {}",
        engine.name()
    );
    assert!(
        elsewhere > 0 || seeds.iter().filter(|seed| **seed >= ELSEWHERE).count() < 10,
        "nothing was kept by a second source on {}",
        engine.name()
    );
    assert!(wrong.is_empty(), "{} of {} cases differ on {}: seeds {wrong:?}", wrong.len(), seeds.len(), engine.name());
}

#[tokio::test]
async fn enforcement_does_what_the_reference_model_says_on_sqlite() {
    all(Engine::Sqlite).await;
}

#[tokio::test]
async fn enforcement_does_what_the_reference_model_says_on_postgresql() {
    all(Engine::Postgres).await;
}

#[tokio::test]
async fn enforcement_does_what_the_reference_model_says_on_mariadb() {
    all(Engine::MariaDb).await;
}

#[tokio::test]
async fn enforcement_does_what_the_reference_model_says_on_mysql() {
    all(Engine::MySql).await;
}
