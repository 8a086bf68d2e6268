//! Schedules: every order in which the steps of a batch and of one or two foreign transactions can follow each other.

use retentiond::plan::schema::Engine;

use crate::changes::{Change, changes};
use crate::scene::{SHAPES, Shape};
use crate::team::Team;

/// Who makes the next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The engine: found, fenced, locked, acted, committed.
    Engine,
    /// A foreign session.
    Foreign(usize),
}

/// Steps of a batch that others can come between.
pub const ENGINE_STEPS: usize = 5;

/// How a foreign transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Commit,
    Rollback,
}

/// One foreign transaction.
#[derive(Debug, Clone)]
pub struct Transaction {
    pub change: Change,
    pub end: End,
    /// PostgreSQL only.
    pub serializable: bool,
}

/// One schedule.
#[derive(Debug, Clone)]
pub struct Schedule {
    pub shape: Shape,
    /// The action between whose steps the others are put.
    pub action: String,
    pub foreign: Vec<Transaction>,
    pub turns: Vec<Turn>,
    /// Several workers, who draw their turns as they play: then there are none beforehand.
    pub team: Option<Team>,
}

impl Schedule {
    /// Whether a change that keeps the record is made and committed at one moment between the steps of the batch: what loses, loses there first.
    pub fn is_sharp(&self) -> bool {
        let at: Vec<usize> = self.turns.iter().enumerate().filter(|(_, t)| **t != Turn::Engine).map(|(i, _)| i).collect();
        let together = at.windows(2).all(|w| w[1] == w[0] + 1);
        let between = at.first() > Some(&0) && at.last() < Some(&(self.turns.len() - 1));
        together && between && self.foreign.iter().all(|t| t.end == End::Commit && t.change.keeps())
    }
}

impl std::fmt::Display for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.action)?;
        for (i, t) in self.foreign.iter().enumerate() {
            let level = if t.serializable { " serializable" } else { "" };
            write!(f, " | {}: {} {:?}{level}", char::from(b'A' + u8::try_from(i).unwrap_or(25)), t.change.name, t.end)?;
        }
        f.write_str(" | ")?;
        if let Some(team) = &self.team {
            return write!(f, "{team}");
        }
        let mut engine = ["found", "fenced", "locked", "acted", "committed"].into_iter();
        for turn in &self.turns {
            match turn {
                Turn::Engine => write!(f, "{} ", engine.next().unwrap_or("?"))?,
                Turn::Foreign(i) => write!(f, "{} ", char::from(b'A' + u8::try_from(*i).unwrap_or(25)))?,
            }
        }
        Ok(())
    }
}

/// Every order of the steps: `left[0]` of the engine, the others of foreign sessions.
pub fn interleavings(left: &[usize]) -> Vec<Vec<Turn>> {
    if left.iter().all(|n| *n == 0) {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (i, n) in left.iter().enumerate().filter(|(_, n)| **n > 0) {
        let mut rest = left.to_vec();
        rest[i] = n - 1;
        let turn = if i == 0 { Turn::Engine } else { Turn::Foreign(i - 1) };
        all.extend(interleavings(&rest).into_iter().map(|mut tail| {
            tail.insert(0, turn);
            tail
        }));
    }
    all
}

/// A small generator of numbers, the same on every machine.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap_or(0)
    }

    pub fn shuffle<T>(&mut self, all: &mut [T]) {
        for i in (1..all.len()).rev() {
            all.swap(i, self.below(i + 1));
        }
    }
}

/// Every schedule of a batch and one foreign transaction.
pub fn two_sessions(engine: Engine) -> Vec<Schedule> {
    let mut all = Vec::new();
    for shape in SHAPES.into_iter().filter(|s| !s.accepted_race(engine)) {
        for change in changes(engine, shape) {
            let turns = interleavings(&[ENGINE_STEPS, change.steps.len() + 1]);
            for action in shape.actions() {
                for end in [End::Commit, End::Rollback] {
                    let foreign = vec![Transaction { change: change.clone(), end, serializable: false }];
                    all.extend(turns.iter().map(|turns| Schedule {
                        shape,
                        action: action.clone(),
                        foreign: foreign.clone(),
                        turns: turns.clone(),
                        team: None,
                    }));
                }
            }
        }
    }
    all
}

/// So many schedules of a batch and two foreign transactions with different changes, drawn from all of them. In three of four the first transaction keeps
/// a record that was due: it is made at one moment between two steps of the batch and committed there or behind the next step, wherever the other one is then.
pub fn three_sessions(engine: Engine, n: usize, numbers: &mut Numbers) -> Vec<Schedule> {
    let shapes: Vec<Shape> = SHAPES.into_iter().filter(|s| !s.accepted_race(engine)).collect();
    let mut all = Vec::with_capacity(n);
    while all.len() < n {
        let shape = shapes[all.len() % shapes.len()];
        let actions = shape.actions();
        let sharp = numbers.below(4) != 0;
        let Some(foreign) = two_transactions(engine, shape, sharp, numbers) else { continue };
        let steps = |i: usize| [Turn::Foreign(i)].repeat(foreign[i].change.steps.len() + 1);
        let mut turns = [[Turn::Engine; ENGINE_STEPS].as_slice(), &steps(1)].concat();
        if sharp {
            numbers.shuffle(&mut turns);
            // Twice as often behind the locks.
            let before = [1, 2, 3, 3, 4, 4][numbers.below(6)];
            let commits = before + numbers.below(2);
            let place = |turns: &[Turn], step: usize| {
                let engine = turns.iter().enumerate().filter(|(_, t)| **t == Turn::Engine).map(|(i, _)| i);
                engine.take(step + 1).last().unwrap_or(0)
            };
            let at = place(&turns, commits.min(ENGINE_STEPS - 1));
            turns.insert(at, Turn::Foreign(0));
            let at = place(&turns, before);
            turns.splice(at..at, steps(0).into_iter().skip(1));
        } else {
            turns.extend(steps(0));
            numbers.shuffle(&mut turns);
        }
        let action = actions[numbers.below(actions.len())].clone();
        all.push(Schedule { shape, action, foreign, turns, team: None });
    }
    all
}

/// Two transactions with different changes that can begin on the same scene; a sharp one begins with a change that keeps a record, and commits it.
pub fn two_transactions(engine: Engine, shape: Shape, sharp: bool, numbers: &mut Numbers) -> Option<Vec<Transaction>> {
    let changes = changes(engine, shape);
    // What comes with children is as likely as all else together.
    let of_children = numbers.below(2) == 0;
    let first = |c: &&Change| !sharp || c.keeps() && (c.name.contains("child") == of_children || shape.child().is_none());
    let firsts: Vec<&Change> = changes.iter().filter(first).collect();
    if firsts.is_empty() {
        return None;
    }
    let (a, b) = (firsts[numbers.below(firsts.len())], &changes[numbers.below(changes.len())]);
    // Two beginnings cannot both be had, unless they are the same.
    let together = a.init.is_empty() || b.init.is_empty() || a.init == b.init;
    if a.name == b.name || !together || sharp && !b.init.is_empty() {
        return None;
    }
    let mut transaction = |change: &Change, commits: bool| Transaction {
        change: change.clone(),
        end: if numbers.below(4) == 0 && !commits { End::Rollback } else { End::Commit },
        serializable: engine == Engine::Postgres && numbers.below(4) == 0,
    };
    Some(vec![transaction(a, sharp), transaction(b, false)])
}

#[test]
fn a_batch_and_a_foreign_transaction_of_two_steps_can_be_interleaved_in_twenty_one_ways() {
    assert_eq!(interleavings(&[5, 2]).len(), 21);
    assert_eq!(interleavings(&[5, 3]).len(), 56);
    assert_eq!(interleavings(&[5, 2, 2]).len(), 756);
}

#[test]
fn there_are_more_than_three_thousand_schedules_of_two_sessions_on_each_engine() {
    for engine in [Engine::Postgres, Engine::MariaDb, Engine::Sqlite] {
        let all = two_sessions(engine);
        eprintln!(
            "{}: {} schedules of two sessions, {} sharp",
            engine.name(),
            all.len(),
            all.iter().filter(|s| s.is_sharp()).count()
        );
        assert!(all.len() > 3_000);
    }
}
