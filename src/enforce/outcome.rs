//! What a run did: plain data for whoever shows it.

use crate::journal::{Ceiling, Id128};
use crate::plan::census::Counts;
use crate::plan::due::DueCounts;

/// A ceiling that stopped an action before it began, or the time that ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Stopped {
    /// Which.
    #[serde(serialize_with = "as_word")]
    pub ceiling: Ceiling,
    /// Its value.
    pub limit: u64,
    /// What was found.
    pub found: u64,
}

fn as_word<S: serde::Serializer>(ceiling: &Ceiling, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(ceiling.as_str())
}

/// What became of one action.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct ActionOutcome {
    /// Its id.
    pub action: String,
    /// Its data set.
    pub data_set: String,
    /// Due when it began.
    pub due_before: u64,
    /// Records changed.
    pub changed: u64,
    /// Rows of other tables changed with them.
    pub related: u64,
    /// Records that the database refused to change.
    pub failed: u64,
    /// Records that somebody else kept locked.
    pub busy: u64,
    /// Roots with more rows behind them than a batch may take.
    pub too_large: u64,
    /// Due when it ended, counted anew.
    pub due_after: u64,
    /// The ceiling that stopped it.
    pub stopped: Option<Stopped>,
}

impl ActionOutcome {
    /// Adds what a part of the action did.
    pub(super) fn add(&mut self, part: &Self) {
        self.changed += part.changed;
        self.related += part.related;
        self.failed += part.failed;
        self.busy += part.busy;
        self.too_large += part.too_large;
    }
}

/// What one run did.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RunOutcome {
    /// The run's id.
    #[serde(serialize_with = "as_text")]
    pub run: Id128,
    /// By action, in the order of the plan.
    pub actions: Vec<ActionOutcome>,
    /// What was due after, by data set.
    pub after: Vec<(String, DueCounts)>,
    /// The full census after, by data set, if one was taken.
    pub census: Option<Vec<(String, Counts)>>,
    /// Batches of earlier runs that were closed first.
    pub recovered: u64,
    /// Batches that the database no longer knows.
    pub reverted: u64,
    /// Whether somebody asked it to stop.
    pub interrupted: bool,
    /// Whether values that were replaced may still lie in SQLite's file or its write-ahead log, because somebody was reading: until the next checkpoint.
    pub old_pages: bool,
}

fn as_text<S: serde::Serializer>(id: &Id128, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&id.to_string())
}

impl RunOutcome {
    /// Records changed.
    #[must_use]
    pub fn changed(&self) -> u64 {
        self.actions.iter().map(|a| a.changed + a.related).sum()
    }

    /// Records refused.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.actions.iter().map(|a| a.failed + a.too_large).sum()
    }

    /// Records that somebody else kept locked.
    #[must_use]
    pub fn busy(&self) -> u64 {
        self.actions.iter().map(|a| a.busy).sum()
    }

    /// Whether a ceiling stopped anything.
    #[must_use]
    pub fn stopped(&self) -> bool {
        self.actions.iter().any(|a| a.stopped.is_some())
    }
}
