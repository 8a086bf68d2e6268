//! One run over one source.

use std::collections::HashSet;
use std::time::Instant as Timer;

use chrono::{DateTime, SecondsFormat, Utc};

use super::batch::{Context, Pending, word};
use super::census;
use super::error::EnforceError;
use super::fence::{self, Fence};
use super::outcome::{ActionOutcome, RunOutcome, Stopped};
use super::prepare::Prepared;
use super::recover;
use super::settings::Settings;
use super::watch::Watch;
use super::work::Worker;
use crate::journal::{
    Append, Ceiling, Day, DocumentKind, Event, FindingKind, Hash, Id128, Instant, Journal, Name, Outcome, Phase, Trigger,
    program_version,
};
use crate::plan::action::{Action, ActionKind};
use crate::plan::census::{Counts, Note};
use crate::source::Source;

/// Everything that a run needs.
pub struct RunRequest<'a> {
    /// The source's connections.
    pub source: &'a Source,
    /// The plan and what it was made from.
    pub prepared: &'a Prepared,
    /// The journal.
    pub journal: &'a Journal,
    /// The fence, just taken.
    pub fence: Fence,
    /// Limits.
    pub settings: Settings,
    /// Who looks on.
    pub watch: &'a dyn Watch,
    /// What started it.
    pub trigger: Trigger,
}

/// How often the actions are repeated so that what one of them made final lets another follow.
const ROUNDS: usize = 16;

/// Does one run: recovery, census, actions until nothing changes, census, checkpoint.
///
/// # Errors
/// What ends the run. What was done until then is in the journal; the next run closes what is open.
pub async fn run(request: RunRequest<'_>) -> Result<RunOutcome, EnforceError> {
    let RunRequest { source, prepared, journal, fence, settings, watch, trigger } = request;
    let plan = &prepared.plan;
    let id = Id128::random()?;
    let name = Name::parse(&plan.source)?;
    let plan_hash = Hash::parse(&plan.hash)?;
    let key_id = journal.current_mac_key().await?;
    start(journal, prepared, id, &name, plan_hash, trigger).await?;
    let mut session = source.session().await?;
    let recovered = recover::recover(&mut session, journal, &name, id).await?;
    let mut actions = plan.actions.clone();
    if super::orders::restore(&mut session, journal, &name, prepared).await? > 0 {
        // The plan may have been made when no order stood.
        actions.iter_mut().for_each(|a| a.candidates = a.predicate.clone());
    }
    let before = census::take(&mut session, plan).await?;
    session.done().await?;
    journal.append(Append::new().events(census_events(id, &name, Phase::Before, &before)?)).await?;

    let cx = Context {
        journal,
        dialect: plan.dialect,
        run: id,
        source: name.clone(),
        plan_hash,
        key_id,
        slot: settings.slot,
        applied_at: rfc3339(plan.now),
        watch,
    };
    let deadline = settings.ceilings.time.map(|t| Timer::now() + t);
    let mut worker = Worker {
        source,
        cx,
        fence,
        settings,
        deadline,
        pending: Pending::default(),
        session: None,
        size: settings.first_batch,
        named: HashSet::new(),
    };
    let result = work(&mut worker, &actions, &before).await;
    let entries = std::mem::take(&mut worker.pending.0);
    journal.append(Append::new().events(entries)).await?;
    let actions = match result {
        Ok(actions) => actions,
        Err(e) => {
            journal.append(Event::RunFinished { run: id, outcome: Outcome::Failed, changed: 0, failed: 0, busy: 0 }).await?;
            return Err(e);
        }
    };
    let mut session = source.session().await?;
    let after = census::take(&mut session, plan).await?;
    session.done().await?;
    let outcome = RunOutcome {
        run: id,
        actions,
        after,
        recovered: recovered.closed,
        reverted: recovered.reverted,
        interrupted: watch.stop(),
    };
    finish(journal, prepared, id, &name, &outcome).await?;
    Ok(outcome)
}

async fn start(
    journal: &Journal,
    prepared: &Prepared,
    run: Id128,
    source: &Name,
    plan_hash: Hash,
    trigger: Trigger,
) -> Result<(), EnforceError> {
    let policy = prepared.documents.policy.clone().into_bytes();
    let map = prepared.documents.map.clone().into_bytes();
    let schema = serde_json::to_vec(&prepared.schema).map_err(|_| EnforceError::Unknown("form of a schema"))?;
    let event = Event::RunStarted {
        run,
        source: source.clone(),
        trigger,
        now: Instant::try_from(prepared.plan.now)?,
        plan_hash,
        policy_hash: Hash::of(&policy),
        map_hash: Hash::of(&map),
        schema_hash: Hash::of(&schema),
        version: program_version()?,
    };
    let append = Append::new()
        .document(DocumentKind::Policy, policy)
        .document(DocumentKind::Map, map)
        .document(DocumentKind::Schema, schema);
    journal.append(append.event(event)).await?;
    Ok(())
}

/// All actions, repeated until a round changes nothing: what waits is emptied only once nothing else can go.
async fn work(
    worker: &mut Worker<'_>,
    actions: &[Action],
    before: &[(String, Counts)],
) -> Result<Vec<ActionOutcome>, EnforceError> {
    let mut outcomes: Vec<ActionOutcome> = Vec::new();
    for action in actions {
        let due_before = worker.count(action).await?;
        let mut out = ActionOutcome {
            action: action.id.clone(),
            data_set: action.data_set.clone(),
            due_before,
            ..ActionOutcome::default()
        };
        let records = before.iter().find(|(d, _)| *d == action.data_set).map_or(0, |(_, c)| c.records);
        if let Some(stopped) = ceiling(worker.settings, due_before, records) {
            stop(worker, action, &mut out, stopped)?;
        }
        outcomes.push(out);
    }
    let waiting = |a: &Action| a.kind == ActionKind::Empty;
    for empties in [false, true] {
        for round in 0..ROUNDS {
            let mut progress = 0;
            for (action, out) in actions.iter().zip(&mut outcomes) {
                if waiting(action) && !empties || out.stopped.is_some() || worker.stopping() {
                    continue;
                }
                let due = if round == 0 && !empties { out.due_before } else { worker.count(action).await? };
                // Rows that failed or were busy before stay due; they are not tried again in the same run.
                if due <= out.failed + out.busy + out.too_large {
                    continue;
                }
                // What an earlier action made due counts too: a mistake may come in steps.
                let records = before.iter().find(|(d, _)| *d == action.data_set).map_or(0, |(_, c)| c.records);
                if let Some(stopped) = ceiling(worker.settings, out.changed + due, records) {
                    stop(worker, action, out, stopped)?;
                    continue;
                }
                worker.cx.watch.begins(&action.id, due);
                let so_far = out.changed;
                (out.failed, out.busy, out.too_large) = (0, 0, 0);
                worker.action(action, out).await?;
                progress += out.changed - so_far;
            }
            if progress == 0 {
                break;
            }
        }
    }
    for (action, out) in actions.iter().zip(&mut outcomes) {
        out.due_after = worker.count(action).await?;
        if worker.out_of_time() && out.stopped.is_none() && out.due_after > out.failed + out.busy + out.too_large {
            let limit = worker.settings.ceilings.time.map_or(0, |t| t.as_secs());
            let over = worker.deadline.map_or(0, |d| d.elapsed().as_secs());
            stop(worker, action, out, Stopped { ceiling: Ceiling::Time, limit, found: limit + over })?;
        }
    }
    Ok(outcomes)
}

/// Notes that a ceiling stopped an action, in its outcome and in the journal.
fn stop(worker: &mut Worker<'_>, action: &Action, out: &mut ActionOutcome, stopped: Stopped) -> Result<(), EnforceError> {
    out.stopped = Some(stopped);
    worker.pending.0.push(Event::PurposeStopped {
        run: worker.cx.run,
        source: worker.cx.source.clone(),
        data_set: Name::parse(&action.data_set)?,
        action: word(action.kind),
        ceiling: stopped.ceiling,
        limit: stopped.limit,
        found: stopped.found,
    });
    Ok(())
}

fn ceiling(settings: Settings, due: u64, records: u64) -> Option<Stopped> {
    let c = settings.ceilings;
    if let Some(limit) = c.rows.filter(|limit| due > *limit) {
        return Some(Stopped { ceiling: Ceiling::Rows, limit, found: due });
    }
    let share = due.saturating_mul(1_000).checked_div(records).unwrap_or(0);
    c.share.filter(|limit| records >= c.share_from_rows && share > *limit).map(|limit| Stopped {
        ceiling: Ceiling::Share,
        limit,
        found: share,
    })
}

async fn finish(
    journal: &Journal,
    prepared: &Prepared,
    run: Id128,
    source: &Name,
    outcome: &RunOutcome,
) -> Result<(), EnforceError> {
    let mut append = Append::new().events(census_events(run, source, Phase::After, &outcome.after)?);
    for (action, out) in prepared.plan.actions.iter().zip(&outcome.actions) {
        let data_set = Name::parse(&out.data_set)?;
        append = append.event(Event::Backlog {
            run,
            source: source.clone(),
            data_set: data_set.clone(),
            action: word(action.kind),
            due_before: out.due_before,
            changed: out.changed,
            failed: out.failed + out.too_large,
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
            append = append.event(finding(run, source, Some(&data_set), FindingKind::FollowerLimit, None, out.too_large));
        }
        if out.busy > 0 {
            append = append.event(finding(run, source, Some(&data_set), FindingKind::Busy, None, out.busy));
        }
    }
    append = append.events(schema_findings(prepared, run, source)?);
    for (data_set, counts) in &outcome.after {
        append = append.events(note_events(run, source, data_set, counts)?);
        append = append.events(deadline_events(prepared, run, source, data_set, counts)?);
        let data_set = Name::parse(data_set)?;
        if counts.uncovered > 0 {
            append = append.event(finding(run, source, Some(&data_set), FindingKind::UncoveredRecord, None, counts.uncovered));
        }
        for (purpose, figures) in &counts.purposes {
            let purpose = Name::parse(purpose)?;
            for (kind, n) in [(FindingKind::Undated, figures.undated), (FindingKind::Undecided, figures.undecided)] {
                if n > 0 {
                    append = append.event(finding(run, source, Some(&data_set), kind, Some(purpose.clone()), n));
                }
            }
        }
    }
    let result = if outcome.interrupted || outcome.stopped() { Outcome::Stopped } else { Outcome::Complete };
    append = append.event(Event::RunFinished {
        run,
        outcome: result,
        changed: outcome.changed(),
        failed: outcome.failed(),
        busy: outcome.busy(),
    });
    journal.append(append).await?;
    Ok(())
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

fn note_events(run: Id128, source: &Name, data_set: &str, counts: &Counts) -> Result<Vec<Event>, EnforceError> {
    let data_set = Name::parse(data_set)?;
    let mut events = Vec::new();
    for (note, subject, count) in &counts.notes {
        let subject = Name::parse(subject)?;
        let kind = match note {
            Note::UncoveredField => FindingKind::UncoveredField,
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
fn deadline_events(
    prepared: &Prepared,
    run: Id128,
    source: &Name,
    data_set: &str,
    counts: &Counts,
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

fn finding(run: Id128, source: &Name, data_set: Option<&Name>, finding: FindingKind, subject: Option<Name>, count: u64) -> Event {
    Event::Finding { run, source: source.clone(), data_set: data_set.cloned(), finding, subject, count }
}

fn census_events(run: Id128, source: &Name, phase: Phase, all: &[(String, Counts)]) -> Result<Vec<Event>, EnforceError> {
    let mut events = Vec::new();
    for (data_set, counts) in all {
        for (purpose, f) in &counts.purposes {
            events.push(Event::Census {
                run,
                source: source.clone(),
                phase,
                data_set: Name::parse(data_set)?,
                purpose: Name::parse(purpose)?,
                covered: Some(f.covered),
                running: Some(f.running),
                due: f.due,
                held: f.held,
                kept_while: f.kept_while,
                undated: f.undated,
                undecided: f.undecided,
                oldest_overdue: f.oldest_due_start.and_then(|d| Day::try_from(d).ok()),
            });
        }
    }
    Ok(events)
}

fn rfc3339(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Takes the fence for a run.
///
/// # Errors
/// See [`fence::take`].
pub async fn take_fence(
    source: &Source,
    state: &crate::state::State,
    journal: &Journal,
    prepared: &Prepared,
) -> Result<Fence, EnforceError> {
    fence::take(source, state, journal, &prepared.plan.source, &prepared.schema.server.id, None).await
}
