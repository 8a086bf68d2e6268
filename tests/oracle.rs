//! The generated SQL against the reference model: random policies over random rows, carried out by the real enforcement on the real engines, must leave
//! exactly what the model says.
//!
//! `RETENTIOND_CASES` sets how many cases run on each engine, `RETENTIOND_SEED` the first seed. From the seed 1,000,000 on the cases are tangled: tables
//! have further foreign keys and references to themselves, and records read each other in circles; from 2,000,000 on purposes keep in archives, which
//! must hold exactly what the model says, and from 3,000,000 on data sets have recovery windows as well; from 4,000,000 on a second source, which is asked, keeps some of their fields, and from
//! 5,000,000 on some records leave only once a second source has their copy. Without either variable some of each kind run.
//!
//! Each seed that differs is told apart: one that leaves a knot, which is rows due and masked that only keep each other, or one that differs otherwise.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

#[path = "oracle_support/archived.rs"]
mod archived;
#[path = "oracle_support/differences.rs"]
mod differences;
#[expect(dead_code, reason = "this binary uses a part of the fixture")]
#[path = "support/enforcement.rs"]
mod enforcement;
#[path = "support/pseudonym_key.rs"]
mod pseudonym_key;
#[path = "oracle_support/second.rs"]
mod second;
#[path = "support/mod.rs"]
mod support;
mod support_random;

use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{TimeZone as _, Utc};
use differences::{censuses_differ, hash_differs, left_over, shown, too_long, worlds_differ};
use enforcement::{Fixture, IDENTITY, Rules, rules, unlimited};
use retentiond::enforce::{Silent, run_documents};
use retentiond::plan::schema::Engine;
use retentiond::policy::map::DataMap;
use retentiond::policy::recovery;
use retentiond::reference::{Archived, Reference, World};
use second::There;
use support::database;
use support_random::Case;

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|t| t.parse().ok()).unwrap_or(otherwise)
}

/// What was met: values in archives, those of them whose end is not known yet, and those in recovery windows.
#[derive(Default)]
struct Moved {
    all: AtomicUsize,
    open: AtomicUsize,
    windows: AtomicUsize,
    /// Values that stayed, or rows, because a second source needs them.
    elsewhere: AtomicUsize,
    /// Values or rows that waited for a copy.
    waited: AtomicUsize,
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

/// All rows of a case as an engine answers them.
async fn answers(fixture: &Fixture<'_>, case: &Case) -> Vec<Vec<Vec<Option<String>>>> {
    let mut session = fixture.source.session().await.unwrap();
    let mut answers = Vec::new();
    for table in 0..case.shapes.len() {
        answers.push(session.rows(&case.select(table, fixture.engine)).await.unwrap());
    }
    session.done().await.unwrap();
    answers
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
    let there = There::new(fixture, case, &rules).await;
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
    report += &left_over(&outcome);
    let stored = case.stored(&answers(fixture, case).await, engine);
    let (reference, before) = (case.reference(&rules.map, &rules.policies), case.world());
    let (expected, mut archived) = reference.run_with_archives(&before);
    if case.second.is_some() {
        let alone = Reference { needed: &[], ..reference.clone() };
        moved.elsewhere.fetch_add(alone.run(&before).differences(&expected).len(), Ordering::Relaxed);
    }
    let key = match prepared.plan.pseudonyms.is_empty() {
        true => None,
        false => Some(pseudonym_key::read(engine, fixture.database).await),
    };
    let as_stored = |world: &World| key.as_ref().map_or_else(|| world.clone(), |key| key.stored_world(world.clone()));
    report += &worlds_differ(&reference, &before, &as_stored(&expected), &stored);
    if let Some(there) = there.filter(There::has_copies) {
        // What waited for its copy goes as soon as that is there.
        let every = case_of(case.seed).with_every_copy();
        there.refill(&every).await;
        let others = &every.second.as_ref()?.rows;
        let copied = Reference { others, ..reference.clone() };
        let (after, later) = copied.run_with_archives(&expected);
        moved.waited.fetch_add(after.differences(&expected).len(), Ordering::Relaxed);
        archived.extend(later);
        if let Err(e) = fixture.run_prepared(&prepared, unlimited(), &Silent).await {
            return Some(format!("the run after the copies came failed: {e}"));
        }
        let stored = case.stored(&answers(fixture, case).await, engine);
        let differences = worlds_differ(&copied, &expected, &as_stored(&after), &stored);
        if !differences.is_empty() {
            let _ = write!(report, "once every copy is there:\n{differences}");
        }
    }
    report += &archives_differ(fixture, case, &rules.map, archived, moved).await;
    if !report.is_empty() {
        for a in &outcome.actions {
            let _ = writeln!(report, "  {}: {} of {} due, {} wait", a.action, a.changed, a.due_before, a.no_copy);
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

/// The first seed of cases with purposes that keep by a copy in a second source.
const COPIES: u64 = 5_000_000;

fn seeds() -> Vec<u64> {
    let asked = ["RETENTIOND_SEED", "RETENTIOND_CASES"].iter().any(|v| std::env::var(v).is_ok());
    let (first, cases) = (number("RETENTIOND_SEED", 0), number("RETENTIOND_CASES", 60));
    let found = FOUND.into_iter().filter(|_| first == 0);
    match asked {
        true => (first..first + cases).chain(found).collect(),
        false => {
            let plain = (0..40).chain(found).chain(TANGLED..TANGLED + 30).chain(ARCHIVES..ARCHIVES + 20);
            let asking = (ELSEWHERE..ELSEWHERE + 12).chain(COPIES..COPIES + 12);
            plain.chain(WINDOWS..WINDOWS + 5).chain(asking).collect()
        }
    }
}

fn case_of(seed: u64) -> Case {
    match seed {
        ..TANGLED => Case::new(seed),
        TANGLED..ARCHIVES => Case::tangled(seed),
        ARCHIVES..WINDOWS => Case::archiving(seed),
        WINDOWS..ELSEWHERE => Case::windowed(seed),
        ELSEWHERE..COPIES => Case::kept_elsewhere(seed),
        COPIES.. => Case::copied(seed),
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
    let waited = moved.waited.into_inner();
    eprintln!(
        "{moved_all} values in archives on {}, {open} of them without an end, {windows} in recovery windows; {elsewhere} kept elsewhere, {waited} waited for a copy",
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
        elsewhere > 0 || seeds.iter().filter(|seed| (ELSEWHERE..COPIES).contains(*seed)).count() < 10,
        "nothing was kept by a second source on {}",
        engine.name()
    );
    assert!(
        waited > 0 || seeds.iter().filter(|seed| **seed >= COPIES).count() < 10,
        "nothing waited for a copy on {}",
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
