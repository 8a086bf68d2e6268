//! Limits of a run.

use std::time::Duration;

/// What stops a purpose's work for this run before it does damage. `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ceilings {
    /// Most rows that one action may change.
    pub rows: Option<u64>,
    /// Largest share of a table's rows that one action may change, in thousandths.
    pub share: Option<u64>,
    /// Tables with fewer rows are not measured by their share.
    pub share_from_rows: u64,
    /// Longest time that a run may work.
    pub time: Option<Duration>,
}

impl Default for Ceilings {
    /// No row limit, half of a table from 1,000 rows on, no time limit.
    fn default() -> Self {
        Self { rows: None, share: Some(500), share_from_rows: 1_000, time: None }
    }
}

/// How hard a run works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pace {
    /// Short transactions on one connection, and as long a rest after each: for the hours in which the application works.
    #[default]
    Gentle,
    /// Long transactions, no rest, all workers: for a maintenance window.
    Full,
}

/// How a run works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Ceilings.
    pub ceilings: Ceilings,
    /// Rows of the first batch; later ones adapt.
    pub first_batch: usize,
    /// Most rows of a batch, followers included.
    pub largest_batch: usize,
    /// The transaction time that batches adapt to.
    pub target_time: Duration,
    /// Most rows that may follow one root; a root with more is a finding.
    pub most_followers: usize,
    /// Records that may fail before an action is given up for this run: a statement that no row can pass must not be tried on every row.
    pub most_failures: u64,
    /// Keys looked up at once.
    pub chunk: u64,
    /// How hard it works.
    pub pace: Pace,
    /// Connections that act at once, at most as many as the setup created slots of the fence for. SQLite has one writer.
    pub workers: usize,
}

impl Settings {
    /// The settings of a maintenance window, with these ceilings and so many workers.
    #[must_use]
    pub fn at_full_pace(ceilings: Ceilings, workers: usize) -> Self {
        Self {
            ceilings,
            pace: Pace::Full,
            workers,
            first_batch: 5_000,
            largest_batch: 20_000,
            target_time: Duration::from_millis(250),
            ..Self::default()
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ceilings: Ceilings::default(),
            first_batch: 250,
            largest_batch: 10_000,
            target_time: Duration::from_millis(10),
            most_followers: 100_000,
            most_failures: 1_000,
            chunk: 20_000,
            pace: Pace::Gentle,
            workers: 1,
        }
    }
}
