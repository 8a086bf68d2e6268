//! The acceptance cases of the published retention tables: data on each side of every boundary, and what must become of it.
//!
//! `cases/*.toml` are the data (their README has the format), [`case`] reads them, [`stage`] fills a database of one organisation and looks at it,
//! [`play`] compares what a run left with what the case says, [`archived`] what lies in the archives.

#![expect(clippy::unwrap_used, reason = "in a test a failed unwrap is a failed test")]

mod archived;
mod case;
mod copied;
mod enforced;
#[expect(dead_code, reason = "this binary uses a part of the fixture")]
#[path = "../support/enforcement.rs"]
mod enforcement;
mod later;
mod model;
mod play;
mod stage;
#[path = "../support/mod.rs"]
mod support;
mod takes;

use case::Case;
use play::{Outcome, Scene};
use retentiond::demo::SeedValue;
use retentiond::plan::schema::Engine;

/// Every statement that is enforced, one that is enforced in part, and two in both of their forms.
const STATEMENTS: [&str; 36] = [
    "BSO-1",
    "BSO-2",
    "BSO-3",
    "BSO-4",
    "BSO-5",
    "CAP-1",
    "CAP-1, copy",
    "CAP-2",
    "CARD-1",
    "CARD-1, archive",
    "SEC-1",
    "SEC-10a",
    "SEC-10b",
    "SEC-10c",
    "SEC-11",
    "SEC-12",
    "SEC-13",
    "SEC-2",
    "SEC-3",
    "SEC-4",
    "SEC-5",
    "SEC-6",
    "SEC-7",
    "SEC-8a",
    "SEC-8b",
    "SEC-9",
    "SEV-1",
    "SEV-2",
    "SEV-3",
    "SEV-4a",
    "SEV-4b",
    "SOF-1",
    "SOF-2",
    "SOF-3",
    "SOF-4",
    "SOF-5",
];

#[test]
fn every_statement_has_a_case_with_both_outcomes() {
    let cases = Case::all();
    let mut names: Vec<&str> = cases.iter().map(|c| c.statement.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, STATEMENTS);
    for case in &cases {
        let records: Vec<_> = case.runs.iter().flat_map(|r| &r.records).collect();
        for engine in [Engine::Postgres, Engine::MariaDb, Engine::Sqlite] {
            assert!(records.iter().filter(|r| r.on(engine)).count() >= 10, "{}: too few records on {engine:?}", case.statement);
        }
        let kept = records.iter().filter(|r| r.rows.iter().all(|row| row.becomes == Outcome::Untouched)).count();
        assert!(kept >= 3 && records.len() - kept >= 2, "{}: one outcome is missing", case.statement);
    }
}

/// Orders and incidents that a case speaks of are those of its rows.
#[tokio::test]
async fn orders_and_incidents_are_those_of_the_rows() {
    let mut orders = 0;
    for case in Case::all() {
        for run in &case.runs {
            let Some(scene) = Scene::set(&case, run, Engine::Sqlite).await else { panic!("SQLite is always there") };
            for order in scene.orders() {
                orders += 1;
                assert!(scene.stage.map.data_set(&order.data_set).is_some() && !order.key.is_empty(), "{}", case.statement);
                // An order that both ends and is lifted would not say which of the two a case is about.
                assert!(order.until.is_none() || !order.lifted, "{}: {:?}", case.statement, order.kind);
            }
            let never_stored = |row: &case::Row| {
                let data = scene.stage.data_set(&row.table);
                let columns =
                    data.into_iter().flat_map(|d| d.categories.iter()).filter(|c| c.never_stored).flat_map(|c| &c.columns);
                columns.filter(|c| row.columns.get(&c.name.value).is_some_and(|v| *v != SeedValue::Null)).count()
            };
            let incidents: usize = scene.records().flat_map(|r| &r.rows).map(never_stored).sum();
            assert_eq!(incidents, run.incidents, "{} at {} ({})", case.statement, run.now, scene.stage.organisation);
        }
    }
    assert!(orders > 50);
}

/// The statements that speak of files have rows with a file that goes, with one that stays, and without one.
#[tokio::test]
async fn files_go_and_stay_where_a_statement_speaks_of_them() {
    let mut spoken = Vec::new();
    for case in Case::all() {
        let (mut files, mut left, mut without) = (0, 0, 0);
        for run in &case.runs {
            let Some(scene) = Scene::set(&case, run, Engine::Sqlite).await else { panic!("SQLite is always there") };
            files += scene.stage.files().len();
            left += scene.files_left().len();
            let points = |row: &&case::Row| scene.stage.data_set(&row.table).is_some_and(|d| !d.files.is_empty());
            without +=
                scene.records().flat_map(|r| &r.rows).filter(points).filter(|r| scene.stage.files_of(r).is_empty()).count();
        }
        if files > case.runs.len() {
            assert!(files > left + 2 && left > case.runs.len() + 2 && without > 0, "{}", case.statement);
            spoken.push(case.statement);
        }
    }
    assert_eq!(spoken, ["BSO-2", "SEC-8a", "SEV-4a"]);
}

/// The cases can be loaded, and the comparison accepts exactly what they say: a run that does what a case says passes, a run that does nothing differs
/// in every row of which something was to become. Every run on SQLite, one of each case on the others.
#[tokio::test]
async fn the_comparison_accepts_what_the_case_says_and_nothing_else() {
    for engine in support::ENGINES {
        for case in Case::all() {
            let runs = if engine == Engine::Sqlite { case.runs.len() } else { 1 };
            for run in &case.runs[..runs] {
                let Some(scene) = Scene::set(&case, run, engine).await else { continue };
                let idle = scene.differences().await;
                scene.act_as_the_case_says().await;
                let done = scene.differences().await;
                let name = format!("{} at {} on {engine:?}", case.statement, run.now);
                assert!(done.is_empty(), "{name}: {done:#?}");
                let due = scene.records().flat_map(|r| &r.rows).filter(|r| r.becomes != Outcome::Untouched).count();
                assert_eq!(idle.len(), due, "{name}: {idle:#?}");
            }
        }
    }
}
