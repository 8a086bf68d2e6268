//! The scene of runs that ask a second source (`support/asked.rs`). What is there may change between a crash and the run after it, and what the dead run was told must not count then.

use std::collections::BTreeMap;

use crate::scene::{DUE, KEPT, NOTHING, Rows, Scene};
use crate::stage::{Inside, Stage, own};

fn has_copy(i: usize) -> bool {
    !i.is_multiple_of(3)
}

fn is_needed(i: usize) -> bool {
    i % 3 == 1
}

/// `n` requests and persons, every fourth of which is not due.
pub fn scene(n: usize) -> Scene {
    let mut scene = Scene::new(0);
    for i in 1..=n {
        let kept = i.is_multiple_of(4);
        let day = if kept { KEPT } else { DUE };
        let stays = kept || !has_copy(i);
        scene.row("request", i, &[&format!("R{i}"), "x", day], stays.then(Vec::new));
        let masked = is_needed(i).then(|| vec![(2, NOTHING)]);
        let fate = if kept { Some(Vec::new()) } else { masked };
        scene.row("person", i, &[&format!("P{i}"), &format!("N{i}"), "x@example.org", day], fate);
    }
    scene
}

/// How many answers lie in the table of those that the dead run noted.
pub async fn noted(stage: &Stage, inside: &Inside) -> usize {
    let mut session = inside.source.session().await.unwrap();
    let rows = session.rows(&format!("SELECT person FROM {}", own(stage.engine, "elsewhere"))).await.unwrap();
    session.done().await.unwrap();
    rows.len()
}

/// Something else is true there before the next run: a person who is still here signs, a copy comes, a copy goes. Answers with what must be left then.
pub async fn change(stage: &Stage, found: &Rows) -> Rows {
    let mut after = stage.scene.after.clone();
    let still = |table: &str, of: &dyn Fn(usize) -> bool| -> Option<usize> {
        let same = |id: &&usize| found[table].get(id) == Some(&stage.scene.before[table][id]);
        stage.scene.before[table].keys().filter(same).copied().find(|id| !id.is_multiple_of(4) && of(*id))
    };
    let mut sql = String::new();
    if let Some(id) = still("person", &|id| !is_needed(id)) {
        sql.push_str(&format!("INSERT INTO contract VALUES (1000, 'P{id}', NULL, 'x');\n"));
        let mut row = stage.scene.before["person"][&id].clone();
        row[2] = NOTHING.to_owned();
        after.get_mut("person").unwrap().insert(id, row);
    }
    if let Some(id) = still("request", &|id| !has_copy(id)) {
        sql.push_str(&format!("INSERT INTO paper VALUES (1000, {id}, 'R{id}', 'x');\n"));
        after.get_mut("request").unwrap().remove(&id);
    }
    if let Some(id) = still("request", &has_copy) {
        sql.push_str(&format!("DELETE FROM paper WHERE id = {id};\n"));
        after.get_mut("request").unwrap().insert(id, stage.scene.before["request"][&id].clone());
    }
    stage.there(&sql).await;
    after
}

#[test]
fn who_asks_has_records_of_every_fate() {
    let scene = scene(12);
    let left = |table: &str| scene.after[table].keys().copied().collect::<Vec<_>>();
    assert_eq!((left("request"), left("person")), (vec![3, 4, 6, 8, 9, 12], vec![1, 4, 7, 8, 10, 12]));
    let masked: BTreeMap<_, _> = scene.after["person"].iter().filter(|(_, row)| row[2] == NOTHING).collect();
    assert_eq!(masked.into_keys().copied().collect::<Vec<_>>(), [1, 7, 10]);
}
