//! Ceilings: how much one action may change before somebody must look at it.

use super::batch::{Context, word};
use super::error::EnforceError;
use super::outcome::{ActionOutcome, Stopped};
use super::settings::Ceilings;
use super::work::Worker;
use crate::journal::{Ceiling, Event, Name};
use crate::plan::action::{Action, ActionKind};

/// Whether so many rows are too many.
fn rows(ceilings: Ceilings, due: u64) -> Option<Stopped> {
    ceilings.rows.filter(|limit| due > *limit).map(|limit| Stopped { ceiling: Ceiling::Rows, limit, found: due })
}

/// How far a table must be counted to know whether `due` is too large a share of it; `None` when it cannot be. More rows than that are enough,
/// and a small share of a large table is known after counting little of it.
fn share_needs(ceilings: Ceilings, due: u64) -> Option<u64> {
    let limit = ceilings.share.filter(|limit| *limit < 1_000)?;
    let enough = due.saturating_mul(1_000) / limit.max(1) + 1;
    // A table with fewer rows than are measured, or with all that it takes.
    (due > 0 && enough > ceilings.share_from_rows).then_some(enough)
}

/// Whether `due` of `records` rows is too large a share. `records` may be cut at what `share_needs` says.
fn share(ceilings: Ceilings, due: u64, records: u64) -> Option<Stopped> {
    let found = due.saturating_mul(1_000).checked_div(records).unwrap_or(0);
    let limit = ceilings.share.filter(|limit| records >= ceilings.share_from_rows && found > *limit)?;
    Some(Stopped { ceiling: Ceiling::Share, limit, found })
}

/// What stops an action that finds so many of a table's records due, if anything does: the one place that decides, for the run and for the plan that
/// foretells it. `records` may be cut at what `share_needs` says.
#[must_use]
pub fn would_stop(ceilings: Ceilings, due: u64, records: u64) -> Option<Stopped> {
    rows(ceilings, due).or_else(|| share_needs(ceilings, due).and_then(|most| share(ceilings, due, records.min(most))))
}

/// Stops an action that would change more than a ceiling allows; says so in its outcome and in the journal.
///
/// # Errors
/// Of the database.
pub(super) async fn guard(
    workers: &mut [Worker<'_>],
    action: &Action,
    out: &mut ActionOutcome,
    due: u64,
) -> Result<bool, EnforceError> {
    let Some(first) = workers.first_mut() else { return Err(EnforceError::NotSetUp) };
    let ceilings = first.common.settings.ceilings;
    let mut records = 0;
    if let Some(most) = share_needs(ceilings, due).filter(|_| rows(ceilings, due).is_none()) {
        // Rows that this run has deleted were there when it began.
        let gone = if action.kind == ActionKind::Delete { out.changed } else { 0 };
        records = first.count_table(action, most).await? + gone;
    }
    let stopped = would_stop(ceilings, due, records);
    if let Some(stopped) = stopped {
        out.stopped = Some(stopped);
        let event = purpose_stopped(&first.common.cx, action, stopped)?;
        first.pending.0.push(event);
    }
    Ok(stopped.is_some())
}

/// The journal's entry about an action that a ceiling stopped.
///
/// # Errors
/// For a data set whose id is no name.
pub(super) fn purpose_stopped(cx: &Context<'_>, action: &Action, stopped: Stopped) -> Result<Event, EnforceError> {
    Ok(Event::PurposeStopped {
        run: cx.run,
        source: cx.source.clone(),
        data_set: Name::parse(&action.data_set)?,
        action: word(action.kind),
        ceiling: stopped.ceiling,
        limit: stopped.limit,
        found: stopped.found,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counting_no_further_than_needed_answers_as_counting_everything() {
        for limit in [1, 10, 333, 500, 999] {
            for share_from_rows in [0, 1, 1_000] {
                let ceilings = Ceilings { share: Some(limit), share_from_rows, ..Ceilings::default() };
                for records in [0u64, 1, 2, 10, 999, 1_000, 1_001, 2_000, 100_000] {
                    for due in (0..=records).step_by((records as usize / 97).max(1)) {
                        let whole = share(ceilings, due, records);
                        let cut = would_stop(ceilings, due, records);
                        assert_eq!(whole, cut, "{due} of {records}, limit {limit}, from {share_from_rows}");
                    }
                }
            }
        }
    }
}
