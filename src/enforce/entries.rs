//! What a run writes into the journal beside its batches: what was counted, what was found, what became of each action.

use super::batch::word;
use super::error::EnforceError;
use super::outcome::RunOutcome;
use super::prepare::Prepared;
use crate::journal::{Append, Day, Event, FindingKind, Id128, Name, Outcome, Phase};
use crate::plan::action::ActionKind;
use crate::plan::census::{Counts, Note};
use crate::plan::due::DueCounts;

/// What ends a run: what was found, what was done, what is left.
///
/// # Errors
/// Of names that are none.
pub fn end(
    prepared: &Prepared,
    run: Id128,
    source: &Name,
    outcome: &RunOutcome,
    first: Vec<Event>,
) -> Result<Append, EnforceError> {
    let mut append = Append::new().events(first);
    append = append.events(match &outcome.census {
        Some(census) => full(run, source, census)?,
        None => due(run, source, Phase::After, &outcome.after)?,
    });
    for (action, out) in prepared.plan.actions.iter().zip(&outcome.actions) {
        let data_set = Name::parse(&out.data_set)?;
        append = append.event(Event::Backlog {
            run,
            source: source.clone(),
            data_set: data_set.clone(),
            action: word(action.kind),
            due_before: out.due_before,
            changed: out.changed,
            failed: out.failed + out.too_large + out.nameless,
            busy: out.busy,
            due_after: out.due_after,
        });
        if action.kind == ActionKind::NeverStored && out.changed > 0 {
            for category in &action.categories {
                append = append.event(Event::Incident {
                    run,
                    source: source.clone(),
                    data_set: data_set.clone(),
                    category: Name::parse(category)?,
                    count: out.changed,
                    cleared: true,
                });
            }
        }
        if out.too_large > 0 {
            append = append.event(finding(
                run,
                source,
                Some(&data_set),
                FindingKind::FollowerLimit,
                Some(Name::parse(&action.id)?),
                out.too_large,
            ));
        }
        if out.nameless > 0 {
            let subject = Some(Name::parse(&action.id)?);
            append = append.event(finding(run, source, Some(&data_set), FindingKind::Nameless, subject, out.nameless));
        }
        if out.no_copy > 0 {
            let subject = Some(Name::parse(&action.id)?);
            append = append.event(finding(run, source, Some(&data_set), FindingKind::WaitsForCopy, subject, out.no_copy));
        }
        if out.files.missing > 0 {
            let subject = Some(Name::parse(&action.id)?);
            append = append.event(finding(run, source, Some(&data_set), FindingKind::FilesMissing, subject, out.files.missing));
        }
        if out.busy > 0 {
            append =
                append.event(finding(run, source, Some(&data_set), FindingKind::Busy, Some(Name::parse(&action.id)?), out.busy));
        }
    }
    for unasked in &outcome.unasked_elsewhere {
        // With the id of a tenant it may be longer than a name.
        let purpose = Some(Name::of_identifier(&unasked.purpose));
        append = append.event(finding(run, source, None, FindingKind::NotAsked, purpose, unasked.people));
    }
    append = append.events(schema_findings(prepared, run, source)?);
    for (data_set, counts) in &outcome.after {
        append = append.events(deadlines(prepared, run, source, data_set, counts)?);
    }
    append = append.events(match &outcome.census {
        Some(census) => full_findings(run, source, census)?,
        None => due_findings(run, source, &outcome.after)?,
    });
    let result = if outcome.interrupted || outcome.stopped() { Outcome::Stopped } else { Outcome::Complete };
    append = append.event(Event::RunFinished {
        run,
        outcome: result,
        changed: outcome.changed(),
        failed: outcome.failed(),
        busy: outcome.busy(),
    });
    Ok(append)
}

/// Columns and tables that the map does not mention.
fn schema_findings(prepared: &Prepared, run: Id128, source: &Name) -> Result<Vec<Event>, EnforceError> {
    let mut events = Vec::new();
    for (data_set, column) in &prepared.plan.unmapped_columns {
        let data_set = Name::parse(data_set)?;
        events.push(finding(run, source, Some(&data_set), FindingKind::UnmappedColumn, Some(Name::of_identifier(column)), 1));
    }
    for table in &prepared.plan.unmapped_tables {
        events.push(finding(run, source, None, FindingKind::UnmappedTable, Some(Name::of_identifier(table)), 1));
    }
    Ok(events)
}

fn notes(run: Id128, source: &Name, data_set: &str, counts: &Counts) -> Result<Vec<Event>, EnforceError> {
    let data_set = Name::parse(data_set)?;
    let mut events = Vec::new();
    for (note, subject, count) in &counts.notes {
        let subject = Name::parse(subject)?;
        let kind = match note {
            Note::UncoveredField => FindingKind::UncoveredField,
            Note::ArchiveOnly => FindingKind::ArchiveOnly,
            Note::WaitsForDate => FindingKind::WaitsForDate,
            Note::InvalidDate => FindingKind::InvalidDate,
            Note::InvalidPeriod => FindingKind::InvalidPeriod,
            Note::NeverStoredFrozen => {
                let (source, data_set) = (source.clone(), data_set.clone());
                events.push(Event::Incident { run, source, data_set, category: subject, count: *count, cleared: false });
                continue;
            }
        };
        events.push(finding(run, source, Some(&data_set), kind, Some(subject), *count));
    }
    Ok(events)
}

/// Purposes that should have been done with by now and are not.
fn deadlines(
    prepared: &Prepared,
    run: Id128,
    source: &Name,
    data_set: &str,
    counts: &DueCounts,
) -> Result<Vec<Event>, EnforceError> {
    let mut events = Vec::new();
    for deadline in prepared.plan.deadlines.iter().filter(|d| d.data_set == data_set) {
        let Some((_, figures)) = counts.purposes.iter().find(|(id, _)| *id == deadline.purpose) else { continue };
        if figures.oldest_due_start.is_some_and(|start| deadline.passed(start, prepared.plan.today)) {
            let (data_set, purpose) = (Name::parse(data_set)?, Name::parse(&deadline.purpose)?);
            events.push(finding(run, source, Some(&data_set), FindingKind::DeadlinePassed, Some(purpose), figures.due));
        }
    }
    Ok(events)
}

fn full_findings(run: Id128, source: &Name, census: &[(String, Counts)]) -> Result<Vec<Event>, EnforceError> {
    let mut events = Vec::new();
    for (data_set, counts) in census {
        events.extend(notes(run, source, data_set, counts)?);
        let data_set = Name::parse(data_set)?;
        if counts.uncovered > 0 {
            events.push(finding(run, source, Some(&data_set), FindingKind::UncoveredRecord, None, counts.uncovered));
        }
        for (purpose, figures) in &counts.purposes {
            let purpose = Name::parse(purpose)?;
            for (kind, n) in [(FindingKind::Undated, figures.undated), (FindingKind::Undecided, figures.undecided)] {
                if n > 0 {
                    events.push(finding(run, source, Some(&data_set), kind, Some(purpose.clone()), n));
                }
            }
        }
    }
    Ok(events)
}

fn due_findings(run: Id128, source: &Name, counts: &[(String, DueCounts)]) -> Result<Vec<Event>, EnforceError> {
    let mut events = Vec::new();
    for (data_set, counts) in counts {
        let data_set = Name::parse(data_set)?;
        for (purpose, n) in counts.purposes.iter().filter_map(|(p, f)| Some((p, f.undated.filter(|n| *n > 0)?))) {
            events.push(finding(run, source, Some(&data_set), FindingKind::Undated, Some(Name::parse(purpose)?), n));
        }
    }
    Ok(events)
}

fn finding(run: Id128, source: &Name, data_set: Option<&Name>, finding: FindingKind, subject: Option<Name>, count: u64) -> Event {
    Event::Finding { run, source: source.clone(), data_set: data_set.cloned(), finding, subject, count }
}

/// The due census as entries.
///
/// # Errors
/// Of names that are none.
pub fn due(run: Id128, source: &Name, phase: Phase, all: &[(String, DueCounts)]) -> Result<Vec<Event>, EnforceError> {
    let mut events = Vec::new();
    for (data_set, counts) in all {
        for (purpose, f) in &counts.purposes {
            events.push(Event::Census {
                run,
                source: source.clone(),
                phase,
                data_set: Name::parse(data_set)?,
                purpose: Name::parse(purpose)?,
                covered: None,
                running: None,
                due: f.due,
                held: f.held,
                kept_while: f.kept_while,
                undated: f.undated,
                undecided: None,
                oldest_overdue: f.oldest_due_start.and_then(|d| Day::try_from(d).ok()),
            });
        }
    }
    Ok(events)
}

/// The full census as entries.
fn full(run: Id128, source: &Name, all: &[(String, Counts)]) -> Result<Vec<Event>, EnforceError> {
    let mut events = Vec::new();
    for (data_set, counts) in all {
        for (purpose, f) in &counts.purposes {
            events.push(Event::Census {
                run,
                source: source.clone(),
                phase: Phase::After,
                data_set: Name::parse(data_set)?,
                purpose: Name::parse(purpose)?,
                covered: Some(f.covered),
                running: Some(f.running),
                due: f.due,
                held: f.held,
                kept_while: f.kept_while,
                undated: Some(f.undated),
                undecided: Some(f.undecided),
                oldest_overdue: f.oldest_due_start.and_then(|d| Day::try_from(d).ok()),
            });
        }
    }
    Ok(events)
}
