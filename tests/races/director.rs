//! Lets everybody make their steps in the order of a schedule.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use retentiond::plan::schema::Engine;
use tokio::sync::Mutex;

use crate::schedule::{End, Schedule, Turn};
use crate::session::{Report, Session, Wire};

/// The course of one schedule.
pub struct Director {
    course: Mutex<Course>,
    /// How long the engine may take for a step before it is held to be waiting.
    patience: Duration,
}

struct Course {
    sessions: Vec<Session>,
    control: Wire,
    turns: VecDeque<Turn>,
    steps: Vec<VecDeque<String>>,
    /// Steps that the engine has made.
    made: usize,
    moved: Instant,
    /// Batches that the engine has begun since.
    tries: usize,
    /// Foreign steps made.
    foreign: usize,
    nudges: usize,
}

/// Batches that the engine begins without getting further before it is held to be waiting.
const TRIES: usize = 3;

/// What became of the foreign transactions.
#[derive(Debug, Default)]
pub struct Ended {
    pub reports: Vec<Report>,
    /// Where some were the victims of deadlocks: the server says that these were between foreign sessions and nobody else.
    pub alone: bool,
    /// Steps that were let go because the engine waited for them.
    pub nudges: usize,
}

impl Director {
    pub async fn new(engine: Engine, url: &str) -> Self {
        let sessions = vec![Session::open(engine, url).await, Session::open(engine, url).await];
        let control = Wire::connect(engine, url).await.unwrap();
        let (turns, steps, moved) = (VecDeque::new(), Vec::new(), Instant::now());
        let patience = Duration::from_millis(if engine == Engine::Sqlite { 60 } else { 600 });
        Self {
            course: Mutex::new(Course { sessions, control, turns, steps, made: 0, moved, tries: 0, foreign: 0, nudges: 0 }),
            patience,
        }
    }

    /// The same, for a batch whose steps are single statements: what takes longer waits.
    pub fn impatient(self) -> Self {
        Self { patience: Duration::from_millis(60), ..self }
    }

    /// Takes a schedule up; nobody moves yet.
    pub async fn begin(&self, engine: Engine, schedule: &Schedule) {
        let mut course = self.course.lock().await;
        course.sessions.iter_mut().for_each(Session::begin);
        course.turns = schedule.turns.iter().copied().collect();
        course.steps = schedule
            .foreign
            .iter()
            .map(|t| {
                let begin = match (engine, t.serializable) {
                    (Engine::Postgres, true) => "BEGIN ISOLATION LEVEL SERIALIZABLE",
                    (Engine::Sqlite, _) => "BEGIN IMMEDIATE",
                    _ => "BEGIN",
                };
                let mut steps: VecDeque<String> = t.change.steps.iter().cloned().collect();
                if let Some(first) = steps.front_mut() {
                    *first = format!("{begin}; {first}");
                }
                steps.push_back(if t.end == End::Commit { "COMMIT".to_owned() } else { "ROLLBACK".to_owned() });
                steps
            })
            .collect();
        (course.made, course.tries, course.foreign, course.nudges) = (0, 0, 0, 0);
        course.moved = Instant::now();
    }

    /// The engine has made so many of its steps: the foreign steps that come before its next one are made now.
    pub async fn reached(&self, made: usize) {
        let mut course = self.course.lock().await;
        while let Some(turn) = course.turns.front().copied() {
            match turn {
                Turn::Engine if course.made >= made => break,
                Turn::Engine => {
                    course.turns.pop_front();
                    course.made += 1;
                }
                Turn::Foreign(i) => {
                    course.turns.pop_front();
                    course.foreign(i).await;
                }
            }
            course.tries = 0;
        }
        course.moved = Instant::now();
    }

    /// The engine is alive; whether it begins a batch of the action in question.
    pub async fn alive(&self, begins: bool) {
        let mut course = self.course.lock().await;
        course.moved = Instant::now();
        course.tries += usize::from(begins);
    }

    /// When the engine has not moved for a while, or tries the same again and again, it waits for a foreign session: the next foreign step is made.
    pub async fn nudge(&self) {
        // The engine itself may be in the middle of a foreign step.
        let Ok(mut course) = self.course.try_lock() else { return };
        if course.moved.elapsed() < self.patience && course.tries < TRIES {
            return;
        }
        while let Some(turn) = course.turns.pop_front() {
            match turn {
                Turn::Engine => course.made += 1,
                Turn::Foreign(i) => {
                    course.nudges += 1;
                    course.foreign(i).await;
                    break;
                }
            }
        }
        course.tries = 0;
        course.moved = Instant::now();
    }

    /// Whether a foreign step is still under way, and how many were begun.
    pub async fn under_way(&self) -> (bool, usize) {
        let course = self.course.lock().await;
        (course.sessions.iter().any(|s| !s.idle()), course.foreign)
    }

    /// How many steps each foreign session has left.
    pub async fn left(&self) -> Vec<usize> {
        self.course.lock().await.steps.iter().map(VecDeque::len).collect()
    }

    /// Makes the next step of a foreign session, out of any schedule.
    pub async fn step(&self, i: usize) {
        self.course.lock().await.foreign(i).await;
    }

    /// Makes all steps that are left, and waits for their answers.
    pub async fn end(&self) -> Ended {
        self.reached(usize::MAX).await;
        let course = self.course.lock().await;
        for session in &course.sessions {
            session.settle().await;
        }
        let reports: Vec<Report> = course.sessions.iter().map(Session::report).collect();
        let ours = |number: &String| course.sessions.iter().any(|s| s.number == *number);
        let alone = reports.iter().filter(|r| r.victim()).all(|r| !r.met.is_empty() && r.met.iter().all(ours));
        Ended { alone, reports, nudges: course.nudges }
    }
}

impl Course {
    async fn foreign(&mut self, i: usize) {
        self.foreign += 1;
        if let Some(sql) = self.steps[i].pop_front() {
            self.sessions[i].step(sql, &mut self.control).await;
        }
    }
}
