//! Looking over a run's shoulder: progress for people, and points at which a test can step in.

use std::future::Future;
use std::pin::Pin;

/// A moment between two steps of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Point {
    /// Candidates were found, or the ends of the table between which a stretch finds its own; nothing is locked.
    Found,
    /// The intent is durable; no transaction is open.
    Intended,
    /// The transaction holds the fence slot.
    Fenced,
    /// The rows are locked, what the predicate reads is not yet: where these are two steps.
    Taken,
    /// The rows and what the predicate reads are locked.
    Locked,
    /// What archives keep of the rows is sealed and was read back; nothing has changed.
    Sealed,
    /// The change was made, not committed.
    Acted,
    /// The ledger row was written and committed.
    Committed,
}

/// Watches a run.
pub trait Watch: Send + Sync {
    /// Called at each point of each batch, and awaited.
    fn at<'a>(&'a self, point: Point, action: &'a str) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        let _ = (point, action);
        Box::pin(std::future::ready(()))
    }

    /// An action begins with so many rows due.
    fn begins(&self, action: &str, due: u64) {
        let _ = (action, due);
    }

    /// So many more rows were changed.
    fn changed(&self, action: &str, rows: u64) {
        let _ = (action, rows);
    }

    /// A batch over so many rows, done or not, took so many round trips to the database.
    fn cost(&self, action: &str, rows: usize, round_trips: u64) {
        let _ = (action, rows, round_trips);
    }

    /// Whether the run should end after the current batch.
    fn stop(&self) -> bool {
        false
    }
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Watch for Silent {}
