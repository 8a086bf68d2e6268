//! What a batch gives up on, and what it cannot see.

use retentiond::enforce::Silent;
use retentiond::plan::schema::Engine;

use crate::changes::{changes, hold_table};
use crate::enforcement::{Fixture, unlimited};
use crate::lane;
use crate::model::Snapshot;
use crate::scene::{Shape, TARGET, fixture_now};
use crate::schedule::{ENGINE_STEPS, End, Schedule, Transaction, interleavings};
use crate::session::Wire;
use crate::support::database;

/// SQLite has one lock for all: there, nobody can hold one row.
#[test]
fn a_row_that_is_held_through_a_whole_run_is_busy_and_goes_with_the_next() {
    let shapes = [Shape::OwnDelete, Shape::LatestOf, Shape::Followers, Shape::Needed];
    std::thread::scope(|scope| {
        for (engine, shape) in [Engine::Postgres, Engine::MariaDb].into_iter().flat_map(|e| shapes.map(|s| (e, s))) {
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    for what in ["touch", "update child"] {
                        held(engine, shape, what).await;
                    }
                });
            });
        }
    });
}

async fn held(engine: Engine, shape: Shape, what: &str) {
    let Some(change) = changes(engine, shape).into_iter().find(|c| c.name == what) else { return };
    let Some(db) = database(engine).await else { return };
    db.run_sql(&shape.schema(engine)).await;
    let fixture = Fixture::new(engine, &db, "crm", fixture_now()).await;
    db.run_sql(&shape.fill(hold_table(engine))).await;
    // Enough rows for an index to be used: InnoDB locks every row that a statement reads on its way, and small tables are read whole.
    db.run_sql(&shape.crowd(engine, 400)).await;
    let (rules, mut app) = (shape.rules(false), Wire::connect(engine, &db.url).await.unwrap());
    let place = format!("{} {shape:?}: {what}", engine.name());
    app.execute(&format!("BEGIN; {}", change.steps[0])).await.unwrap();
    let outcome = fixture.run_with(&rules, unlimited(), &Silent).await.unwrap_or_else(|e| panic!("{place}: {e}"));
    assert!(outcome.busy() > 0 && outcome.failed() == 0, "{place}: {:?}", outcome.actions);
    let sql = shape.snapshot(engine, hold_table(engine));
    let mut look = Wire::connect(engine, &db.url).await.unwrap();
    let during = Snapshot::new(look.rows(&sql).await.unwrap());
    // The record is due as before, and nothing else is.
    let due = during.due(shape);
    assert!(due.iter().any(|(table, id, _)| table == shape.root() && *id == TARGET), "{place}: {due:?}");
    assert!(due.iter().all(|(_, id, _)| [TARGET, TARGET * 10].contains(id)), "{place}: {due:?}");
    app.execute("COMMIT").await.unwrap();
    let outcome = fixture.run_with(&rules, unlimited(), &Silent).await.unwrap();
    assert_eq!((outcome.busy(), outcome.failed()), (0, 0), "{place}");
    assert_eq!(Snapshot::new(look.rows(&sql).await.unwrap()).due(shape), Vec::new(), "{place}");
}

/// PostgreSQL without a foreign key: `check` refuses it until the map accepts the race. The other engines lock what is not there yet.
#[test]
fn what_the_map_accepts_as_a_race_is_a_child_that_comes_in_and_nothing_else() {
    let engine = Engine::Postgres;
    let shape = Shape::Unguarded;
    let play = |names: &[&str]| {
        let changes = changes(engine, shape).into_iter().filter(|c| names.contains(&c.name));
        let schedules = changes.flat_map(|change| {
            let foreign = vec![Transaction { change, end: End::Commit, serializable: false }];
            interleavings(&[ENGINE_STEPS, 2]).into_iter().map(move |turns| Schedule {
                shape,
                action: shape.actions().remove(0),
                foreign: foreign.clone(),
                turns,
                team: None,
            })
        });
        lane::play(engine, schedules.collect())
    };
    let Some(lost) = play(&["insert keeping child"]) else { return };
    assert!(!lost.wrong.is_empty());
    assert!(lost.wrong.iter().all(|w| w.contains("reader 7 was Kept when the batch committed")), "{:?}", lost.wrong);
    let Some(kept) = play(&["revive child", "move keeping child away"]) else { return };
    assert_eq!(kept.wrong, Vec::<String>::new());
}
