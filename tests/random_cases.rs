//! The random cases themselves: valid, portable, and varied enough that agreement with them means something.

mod support_random;

use std::collections::BTreeMap;

use retentiond::plan::schema::Engine;
use retentiond::reference::{End, Outcome, State, View};
use sqlx::{AssertSqlSafe, Connection, Row};
use support_random::{Case, Options};

#[test]
fn every_case_reads_and_links_without_a_fault() {
    for seed in 0..1_000 {
        Case::new(seed).read();
    }
    for seed in 0..1_000 {
        Case::tangled(seed).read();
    }
    for seed in 0..1_000 {
        Case::archiving(seed).read();
    }
    for seed in 0..1_000 {
        Case::windowed(seed).read();
    }
    let second = (0..300).map(Case::kept_elsewhere).filter(|case| case.read_both().is_some());
    assert!(second.filter_map(|case| case.second).all(|second| second.load(Engine::Sqlite).contains("CREATE TABLE")));
    for case in (0..300).map(Case::copied) {
        case.read();
        assert!(case.second.as_ref().is_some_and(|second| !second.copies.is_empty()));
        let every = case.with_every_copy().second.unwrap();
        assert!(every.copies.iter().all(|copied| copied.refill(Engine::Sqlite).contains("INSERT")));
    }
    for seed in 0..200 {
        Case::with(seed, Options { json: false, shifts: false, related: false, archives: None }).read();
    }
}

#[test]
fn every_case_has_a_form_with_pseudonyms_and_most_use_it() {
    let mut with = 0;
    for seed in 0..300 {
        let (map, _) = Case::new(seed).with_pseudonyms().read();
        with += usize::from(map.data_sets.iter().any(|d| d.pseudonyms().next().is_some()));
    }
    assert!(with > 150, "{with} of 300");
}

#[test]
fn the_same_seed_gives_the_same_case() {
    for seed in 0..50 {
        for case in [Case::new, Case::tangled] {
            let (a, b) = (case(seed), case(seed));
            assert!(a.map == b.map && a.policy == b.policy && a.world() == b.world() && a.orders == b.orders && a.now == b.now);
        }
    }
}

#[test]
fn a_second_run_changes_nothing_and_no_run_adds_a_row() {
    for case in (0..600).map(Case::new).chain((0..300).map(Case::tangled)) {
        let seed = case.seed;
        let (map, policy) = case.read();
        let reference = case.reference(&map, std::slice::from_ref(&policy));
        let after = reference.run(&case.world());
        assert!(reference.run(&after) == after, "seed {seed}");
        for (table, before) in after.tables.iter().zip(&case.world().tables) {
            assert!(table.rows.keys().all(|k| before.rows.contains_key(k)), "seed {seed}");
        }
    }
}

#[test]
fn every_outcome_and_every_state_occurs_often() {
    for cases in [(0..500).map(Case::new).collect::<Vec<_>>(), (0..500).map(Case::tangled).collect()] {
        outcomes_and_states_of(&cases);
    }
}

fn outcomes_and_states_of(cases: &[Case]) {
    let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
    let mut states: BTreeMap<String, usize> = BTreeMap::new();
    for case in cases {
        let (map, policy) = case.read();
        let reference = case.reference(&map, std::slice::from_ref(&policy));
        let world = case.world();
        let view = View::new(&reference, &world);
        for shape in case.shapes.iter().filter(|s| s.is_root()) {
            for root in view.rows(shape.name) {
                let decision = view.judge(root);
                *outcomes.entry(format!("{:?}", decision.outcome)).or_default() += 1;
                for state in decision.states {
                    *states.entry(format!("{:?}", state.state)).or_default() += 1;
                }
            }
        }
    }
    println!("{outcomes:?}\n{states:?}");
    for outcome in
        [Outcome::Held, Outcome::Done, Outcome::Stays, Outcome::Uncovered, Outcome::Anonymise, Outcome::Emptied, Outcome::Delete]
    {
        assert!(outcomes.get(&format!("{outcome:?}")).is_some_and(|n| *n >= 8), "{outcome:?}: {outcomes:?}");
    }
    for state in [
        State::NotCovering,
        State::Undecided,
        State::KeptWhile,
        State::Running,
        State::NotYet,
        State::Undated,
        State::Ended(End::Condition),
        State::Ended(End::Cap),
        State::Ended(End::Time),
    ] {
        assert!(states.get(&format!("{state:?}")).is_some_and(|n| *n >= 40), "{state:?}: {states:?}");
    }
}

#[tokio::test]
async fn sqlite_holds_exactly_the_rows_of_the_case() {
    for case in (0..60).map(Case::new).chain((0..60).map(Case::tangled)) {
        let seed = case.seed;
        let mut connection = sqlx::SqliteConnection::connect("sqlite::memory:").await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(case.load(Engine::Sqlite))).execute(&mut connection).await.unwrap();
        let mut answers = Vec::new();
        for table in 0..case.shapes.len() {
            let rows = sqlx::raw_sql(AssertSqlSafe(case.select(table, Engine::Sqlite))).fetch_all(&mut connection).await.unwrap();
            let row = |r: &sqlx::sqlite::SqliteRow| (0..r.len()).map(|i| r.get::<Option<String>, _>(i)).collect();
            answers.push(rows.iter().map(row).collect());
        }
        assert!(case.stored(&answers, Engine::Sqlite) == case.world(), "seed {seed}");
    }
}
