//! What was seen over many schedules.

use std::collections::BTreeMap;

/// What was seen over many schedules.
#[derive(Debug, Default)]
pub struct Tally {
    pub played: usize,
    /// Records that batches changed, and were right to.
    pub touched: usize,
    /// Foreign steps that waited for a lock.
    pub waited: usize,
    /// Foreign steps that were made early because the engine waited for them.
    pub nudged: usize,
    /// Foreign steps that were made while several workers had a transaction open.
    pub amid: usize,
    /// Foreign transactions that ended in an error, by its code.
    pub errors: BTreeMap<String, usize>,
    /// Foreign sessions that were the victims of a deadlock between themselves: they are without the engine too, or the server names nobody else.
    pub own_deadlocks: usize,
    /// Batches that were given up and tried again or not, by the journal's code.
    pub aborted: BTreeMap<String, usize>,
    /// Records that a run named as failed while somebody else changed them, with the code.
    pub failed: Vec<String>,
    pub wrong: Vec<String>,
}

impl Tally {
    pub fn add(&mut self, other: Self) {
        self.played += other.played;
        self.touched += other.touched;
        self.waited += other.waited;
        self.nudged += other.nudged;
        self.amid += other.amid;
        self.own_deadlocks += other.own_deadlocks;
        for (code, n) in other.errors {
            *self.errors.entry(code).or_default() += n;
        }
        for (code, n) in other.aborted {
            *self.aborted.entry(code).or_default() += n;
        }
        self.failed.extend(other.failed);
        self.wrong.extend(other.wrong);
    }
}
