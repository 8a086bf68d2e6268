//! Several workers on one action: how many there are, how they take what is due, and what the application does beside them.

use retentiond::enforce::{Pace, Point, Settings};
use retentiond::plan::schema::Engine;

use crate::enforcement::unlimited;
use crate::scene::{SHAPES, Shape};
use crate::schedule::{Numbers, Schedule, two_transactions};

/// The workers of a run, and where chance begins that gives them their turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Team {
    pub workers: usize,
    /// Most records of a batch: so few that every worker finds one.
    pub rows: usize,
    /// Keys looked up at once; fewer than are due, so that keys are looked for again and stretches are walked where the pace allows it, or all at once.
    pub chunk: u64,
    pub pace: Pace,
    /// The first foreign transaction is made at one moment, while a worker is at this point, and committed there, or when one is at the next.
    pub sharp: Option<(Point, bool)>,
    pub seed: u64,
}

impl Team {
    pub fn settings(self) -> Settings {
        let Self { workers, rows, chunk, pace, .. } = self;
        Settings { workers, first_batch: rows, largest_batch: rows, chunk, pace, ..unlimited() }
    }
}

impl std::fmt::Display for Team {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { workers, rows, chunk, pace, sharp, seed } = self;
        let sharp = sharp.map_or_else(String::new, |(point, whole)| {
            let rest = if whole { "" } else { ", its end at the next" };
            format!(", A when {}{rest}", format!("{point:?}").to_lowercase())
        });
        write!(f, "{workers} workers, batches of {rows}, {chunk} keys at once, {pace:?}{sharp}, turns {seed:x}")
    }
}

/// So many schedules of two or three workers beside one foreign transaction or, in two of three, two.
pub fn teams(engine: Engine, n: usize, numbers: &mut Numbers) -> Vec<Schedule> {
    let shapes: Vec<Shape> = SHAPES.into_iter().filter(|s| !s.accepted_race(engine)).collect();
    let mut all = Vec::with_capacity(n);
    while all.len() < n {
        let shape = shapes[all.len() % shapes.len()];
        let actions = shape.actions();
        let sharp = [Point::Found, Point::Fenced, Point::Locked, Point::Locked, Point::Acted, Point::Acted];
        let sharp = (numbers.below(4) != 0).then(|| (sharp[numbers.below(sharp.len())], numbers.below(2) == 0));
        let Some(mut foreign) = two_transactions(engine, shape, sharp.is_some(), numbers) else { continue };
        foreign.truncate(1 + numbers.below(3).min(1));
        let team = Team {
            workers: 2 + numbers.below(2),
            rows: 1 + numbers.below(2),
            chunk: [2, 20_000][numbers.below(2)],
            pace: [Pace::Gentle, Pace::Full][numbers.below(2)],
            sharp,
            seed: numbers.next(),
        };
        let action = actions[numbers.below(actions.len())].clone();
        all.push(Schedule { shape, action, foreign, turns: Vec::new(), team: Some(team) });
    }
    all
}
