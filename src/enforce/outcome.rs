//! What a run did: plain data for whoever shows it.

use crate::journal::{Ceiling, FileCount, Id128};
use crate::plan::census::Counts;
use crate::plan::due::DueCounts;
use crate::state::SealedGroup;

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

/// A purpose of another source that could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct UnaskedPurpose {
    /// Its name, `source.purpose`.
    pub purpose: String,
    /// Why not.
    pub why: String,
    /// People whose records would go, as far as is known here, if it did not need them.
    pub people: u64,
}

/// What became of files that rows pointed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct FileOutcome {
    /// Removed.
    pub removed: u64,
    /// Not there.
    pub missing: u64,
    /// Kept, because a row that stays points to them as well.
    pub shared: u64,
    /// Sealed into archives: they leave once the batch is committed.
    #[serde(skip_serializing_if = "is_zero")]
    pub sealed: u64,
    /// Of those, kept because they are not what was sealed any more.
    #[serde(skip_serializing_if = "is_zero")]
    pub changed: u64,
    /// Of those, still there because they cannot be removed: the next run tries again.
    #[serde(skip_serializing_if = "is_zero")]
    pub kept: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl FileOutcome {
    /// Adds what a batch did.
    pub(super) fn count(&mut self, counts: &[FileCount]) {
        for c in counts {
            let (removed, missing, shared, sealed, changed) = (c.removed, c.missing, c.shared, c.sealed, c.changed);
            self.add(&Self { removed, missing, shared, sealed, changed, kept: 0 });
        }
    }

    /// Adds another outcome.
    pub fn add(&mut self, other: &Self) {
        self.removed += other.removed;
        self.missing += other.missing;
        self.shared += other.shared;
        self.sealed += other.sealed;
        self.changed += other.changed;
        self.kept += other.kept;
    }
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
    /// Rows that went into archives before anything changed, with those that follow; once for each archive.
    pub archived: u64,
    /// What became of the files that the rows pointed to.
    pub files: FileOutcome,
    /// Records that the database refused to change.
    pub failed: u64,
    /// Records that somebody else kept locked.
    pub busy: u64,
    /// Records whose copy elsewhere was not seen: they wait for it.
    pub no_copy: u64,
    /// Roots with more rows behind them than a batch may take.
    pub too_large: u64,
    /// Records that nothing can be done with because their key names nobody: NULL, or a text with a character NUL (SQLite).
    #[serde(skip_serializing_if = "is_zero")]
    pub nameless: u64,
    /// Due when it ended, counted anew.
    pub due_after: u64,
    /// The ceiling that stopped it.
    pub stopped: Option<Stopped>,
}

impl ActionOutcome {
    /// Records that were tried and stay due: they are not tried again in the same run.
    pub(super) fn left(&self) -> u64 {
        self.failed + self.busy + self.no_copy + self.too_large + self.nameless
    }

    /// Forgets them, so that they are tried once more.
    pub(super) fn try_again(&mut self) {
        (self.failed, self.busy, self.no_copy, self.too_large, self.nameless) = (0, 0, 0, 0, 0);
    }

    /// Adds what a part of the action did.
    pub(super) fn add(&mut self, part: &Self) {
        self.changed += part.changed;
        self.related += part.related;
        self.archived += part.archived;
        self.files.add(&part.files);
        self.failed += part.failed;
        self.busy += part.busy;
        self.no_copy += part.no_copy;
        self.too_large += part.too_large;
        self.nameless += part.nameless;
    }
}

/// What became of what one archive purpose keeps.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct ArchiveOutcome {
    /// The archive.
    pub archive: String,
    /// The data set.
    pub data_set: String,
    /// The purpose.
    pub purpose: String,
    /// Records that it kept when the run began to destroy.
    pub records: u64,
    /// Of these, records whose last day is not known yet.
    pub open: u64,
    /// Of these, records whose way to a last day is lost, so that nobody will ever know it by itself.
    pub astray: u64,
    /// Of these, records whose last day had passed.
    pub due: u64,
    /// Records whose last day had not, and that lie in objects that orders have ended for all of their records.
    #[serde(skip_serializing_if = "is_zero")]
    pub ordered: u64,
    /// Records that are over, too, by an order or by their day, and lie in objects with others that are to be kept: for a purpose that goes on, or by a
    /// hold or a restriction.
    #[serde(skip_serializing_if = "is_zero")]
    pub among_others: u64,
    /// Records destroyed.
    pub destroyed: u64,
    /// Records that a hold or a restriction keeps, though they are over.
    pub held: u64,
    /// Records in objects that the archive would not destroy.
    pub failed: u64,
    /// Why it would not, the first time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The next last day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_end: Option<String>,
    /// The ceiling that stopped it.
    pub stopped: Option<Stopped>,
}

impl ArchiveOutcome {
    /// Before anything was done.
    pub(super) fn of(group: &SealedGroup) -> Self {
        Self {
            archive: group.archive.clone(),
            data_set: group.data_set.clone(),
            purpose: group.purpose.clone(),
            records: group.records,
            due: group.due,
            open: group.open,
            next_end: group.next_end.clone(),
            ..Self::default()
        }
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
    /// What became of files that were sealed, by this run or by one that did not get to their end.
    pub left: FileOutcome,
    /// By archive, data set and purpose.
    pub archives: Vec<ArchiveOutcome>,
    /// What was due after, by data set.
    pub after: Vec<(String, DueCounts)>,
    /// The full census after, by data set, if one was taken.
    pub census: Option<Vec<(String, Counts)>>,
    /// Batches of earlier runs that were closed first.
    pub recovered: u64,
    /// Batches that the database no longer knows.
    pub reverted: u64,
    /// Data sets with copies that could not be asked, each with the reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unasked: Vec<(String, String)>,
    /// Purposes of other sources that could not be asked: they keep everybody.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unasked_elsewhere: Vec<UnaskedPurpose>,
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

    /// Records refused, and sealed files that stay.
    #[must_use]
    pub fn failed(&self) -> u64 {
        let archived: u64 = self.archives.iter().map(|a| a.failed).sum();
        self.actions.iter().map(|a| a.failed + a.too_large + a.nameless).sum::<u64>()
            + archived
            + self.left.changed
            + self.left.kept
    }

    /// Records that somebody else kept locked.
    #[must_use]
    pub fn busy(&self) -> u64 {
        self.actions.iter().map(|a| a.busy).sum()
    }

    /// Whether a ceiling stopped anything.
    #[must_use]
    pub fn stopped(&self) -> bool {
        self.actions.iter().any(|a| a.stopped.is_some()) || self.archives.iter().any(|a| a.stopped.is_some())
    }
}
