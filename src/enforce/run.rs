//! One run over one source.

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::Instant as Timer;

use chrono::{DateTime, SecondsFormat, Utc};

use super::batch::Context;
use super::census::{self, DueCensuses, Expecting};
use super::copies::Copies;
use super::crew;
use super::destruction::Destruction;
use super::elsewhere::Elsewhere;
use super::entries;
use super::erasure;
use super::error::EnforceError;
use super::fence::{self, Fence};
use super::guard::{guard, purpose_stopped};
use super::kept::{Kept, Terms};
use super::leaving::Leaving;
use super::ordered::Reached;
use super::outcome::{ActionOutcome, FileOutcome, RunOutcome, Stopped};
use super::prepare::Prepared;
use super::pseudonym;
use super::recover;
use super::release;
use super::settings::Settings;
use super::standing::{Holds, Orders};
use super::watch::Watch;
use super::work::{Common, Worker};
use crate::archive::Archives;
use crate::files::Files;
use crate::journal::{
    Append, Ceiling, DocumentKind, Event, Hash, Id128, Instant, Journal, Name, Outcome, Phase, Trigger, program_version,
};
use crate::plan::action::{Action, ActionKind};
use crate::plan::census::Counts;
use crate::plan::compile::Plan;
use crate::plan::due::DueCounts;
use crate::plan::schema::Engine;
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
    /// What the run does.
    pub scope: Scope,
    /// Whether the run ends with a full census, which reads whole tables, beside the due census that every run has.
    pub full_census: bool,
    /// The archives of the settings.
    pub archives: &'a Archives,
    /// The data sets elsewhere that hold copies.
    pub copies: &'a Copies,
    /// The purposes elsewhere that keep something here.
    pub elsewhere: &'a Elsewhere,
    /// The stores of files of the settings.
    pub files: std::sync::Arc<Files>,
    /// Who looks on.
    pub watch: &'a dyn Watch,
    /// What started it.
    pub trigger: Trigger,
}

/// What a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// Everything that is due, in the source and in its archives.
    #[default]
    Everything,
    /// What archives keep no longer; the source is left as it is.
    Archives,
}

/// How often the actions are repeated so that what one of them made final lets another follow.
const ROUNDS: usize = 16;

/// Does one run: recovery, due census, actions until nothing changes, due census, full census where asked for.
///
/// # Errors
/// What ends the run. What was done until then is in the journal; the next run closes what is open.
pub async fn run(request: RunRequest<'_>) -> Result<RunOutcome, EnforceError> {
    let (journal, plan) = (request.journal, &request.prepared.plan);
    let id = Id128::random()?;
    let name = Name::parse(&plan.source)?;
    let plan_hash = Hash::parse(&plan.hash)?;
    pseudonym::require(request.source, plan).await?;
    start(journal, request.prepared, id, &name, plan_hash, request.trigger).await?;
    let (source, elsewhere) = (request.source, request.elsewhere);
    let result = started(request, id, name, plan_hash).await;
    // Where that fails, the next run does it.
    if let Err(e) = elsewhere.forget(source, plan).await {
        tracing::warn!(error = %e, "what other sources said of people is left in the database");
    }
    if result.is_err() {
        let event = Event::RunFinished { run: id, outcome: Outcome::Failed, changed: 0, failed: 0, busy: 0 };
        // Where the journal itself is what failed, the first error says more.
        if let Err(e) = journal.append(event).await {
            tracing::warn!(error = %e, "the end of a failed run is not in the journal");
        }
    }
    result
}

async fn started(request: RunRequest<'_>, id: Id128, name: Name, plan_hash: Hash) -> Result<RunOutcome, EnforceError> {
    let RunRequest {
        source,
        prepared,
        journal,
        fence,
        settings,
        scope,
        full_census,
        archives,
        copies,
        elsewhere,
        files,
        watch,
        ..
    } = request;
    let plan = &prepared.plan;
    let key_id = journal.current_mac_key().await?;
    let mut session = source.session().await?;
    let recovered = recover::recover(&mut session, journal, archives, &name, id).await?;
    let kept = Kept { journal, source: &name, terms: Terms::of(prepared) };
    let destruction = Destruction { kept, archives, run: id };
    destruction.recover().await?;
    erasure::close(&mut session, (journal, archives), &name).await?;
    let mut actions = plan.actions.clone();
    // The plan may have been made when no order stood.
    let restored = super::orders::restore(&mut session, journal, &name, prepared).await? > 0;
    let orders = prepared.moment.orders || restored;
    if restored {
        actions.iter_mut().for_each(|a| a.candidates = a.predicate.clone());
    }
    // What a run before had sealed, and did not get to remove.
    let stores = std::sync::Arc::clone(&files);
    let leaving = Leaving { journal, files: &stores, run: id, source: &name, plan };
    let mut left = FileOutcome::default();
    if scope == Scope::Everything {
        left = Box::pin(leaving.let_go(&mut session)).await?;
    }
    // Before anything goes that could say when something ends.
    let dated = destruction.date(&mut session, plan).await?;
    session.done().await?;
    elsewhere.ask(source, plan).await?;
    let before = census::due(source, plan, orders, Expecting::Anything).await?;
    journal.append(Append::new().events(entries::due(id, &name, Phase::Before, &before)?)).await?;
    // First of all: what the source has to say, and how long that takes, is no reason to keep what has ended.
    let holds = Holds { orders: Orders::of(source, prepared), fence: &fence };
    let reached = if orders { destruction.kept.reached(holds.orders).await? } else { Reached::new() };
    destruction.census(Phase::Before, &reached).await?;
    let mut archived = destruction.enforce(&reached, &holds, settings.ceilings).await?;
    let reached = if reached.is_empty() { reached } else { destruction.kept.reached(holds.orders).await? };
    for out in &mut archived {
        let place = (out.archive.clone(), out.data_set.clone(), out.purpose.clone());
        out.astray = dated.astray.get(&place).copied().unwrap_or_default();
    }

    let slots = fence.slots.clone();
    let cx = Context {
        journal,
        dialect: plan.dialect,
        run: id,
        source: name.clone(),
        plan_hash,
        key_id,
        fence,
        applied_at: rfc3339(plan.now),
        archives,
        copies,
        elsewhere,
        asker: &plan.asker,
        files,
        watch,
    };
    let deadline = settings.ceilings.time.map(|t| Timer::now() + t);
    let common = Common { source, cx, settings, deadline, named: Mutex::new(HashSet::new()) };
    let most = if plan.dialect.engine == Engine::Sqlite { 1 } else { settings.workers.max(1) };
    let mut workers: Vec<Worker<'_>> = slots.iter().take(most).map(|slot| Worker::new(&common, *slot)).collect();
    let result = match scope {
        Scope::Everything => work(&mut workers, plan, orders, &actions, &before).await,
        Scope::Archives => Ok((outcomes(&actions, &before), before.clone())),
    };
    let waiting = workers.iter_mut().flat_map(|w| std::mem::take(&mut w.pending.0)).collect::<Vec<_>>();
    drop(workers);
    journal.append(Append::new().events(waiting)).await?;
    let (mut actions, after) = result?;
    if actions.iter().any(|a| a.files.sealed > 0) {
        let mut session = source.session().await?;
        // Those that could not leave are looked at again.
        (left.kept, left.changed) = (0, 0);
        left.add(&Box::pin(leaving.let_go(&mut session)).await?);
        session.done().await?;
    }
    destruction.census(Phase::After, &reached).await?;
    let changed = actions.iter().any(|a| a.changed + a.related > 0);
    let old_pages = plan.dialect.engine == Engine::Sqlite && changed && !no_old_pages(source).await;
    let mut full = None;
    if full_census {
        let mut session = source.session().await?;
        full = Some(census::take(&mut session, plan).await?);
        session.done().await?;
    }
    let mut out_of_time = Vec::new();
    for (action, out) in plan.actions.iter().zip(&mut actions) {
        out.due_after = due_of(&after, action).max(full.as_deref().map_or(0, |full| counted(full, action)));
        if common.out_of_time() && out.stopped.is_none() && out.due_after > out.left() {
            let limit = settings.ceilings.time.map_or(0, |t| t.as_secs());
            let over = deadline.map_or(0, |d| d.elapsed().as_secs());
            let stopped = Stopped { ceiling: Ceiling::Time, limit, found: limit + over };
            out.stopped = Some(stopped);
            out_of_time.push(purpose_stopped(&common.cx, action, stopped)?);
        }
    }
    let outcome = RunOutcome {
        run: id,
        actions,
        left,
        archives: archived,
        after,
        census: full,
        recovered: recovered.closed,
        reverted: recovered.reverted,
        unasked: copies.unasked(),
        unasked_elsewhere: elsewhere.unasked(),
        interrupted: watch.stop(),
        old_pages,
    };
    journal.append(entries::end(prepared, id, &name, &outcome, out_of_time)?).await?;
    Ok(outcome)
}

/// Has SQLite bring what was changed from its write-ahead log into the file, over what it replaces, and cut the log; whether it could. A reader who
/// keeps it from that is not waited for longer than for a lock. What was done stands either way.
async fn no_old_pages(source: &Source) -> bool {
    let checkpoint = async {
        let mut session = source.session().await?;
        let answer = session.rows("PRAGMA wal_checkpoint(TRUNCATE)").await?;
        session.done().await?;
        // The first column says whether somebody was in the way.
        Ok::<_, EnforceError>(answer.first().and_then(|row| row.first()?.as_deref()) == Some("0"))
    };
    checkpoint.await.unwrap_or_else(|e| {
        tracing::warn!(error = %e, "SQLite's log was not cut");
        false
    })
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

/// All actions, repeated until a round changes nothing: what waits is emptied only once nothing else can go. Each round begins with a count of
/// what is due; the last count of all, after which nothing was changed, comes with the outcomes.
async fn work(
    workers: &mut [Worker<'_>],
    plan: &Plan,
    orders: bool,
    actions: &[Action],
    before: &DueCensuses,
) -> Result<(Vec<ActionOutcome>, DueCensuses), EnforceError> {
    let mut counts = before.clone();
    let mut outcomes = outcomes(actions, before);
    // A mistake is stopped before anything is touched.
    for (action, out) in actions.iter().zip(&mut outcomes) {
        guard(workers, action, out, out.due_before).await?;
    }
    let Some(first) = workers.first() else { return Err(EnforceError::NotSetUp) };
    let common = first.common;
    let mut circles = release::Circles::default();
    for empties in [false, true] {
        for _ in 0..ROUNDS {
            let (mut progress, mut tried) = (0, false);
            for (at, action) in actions.iter().enumerate() {
                if action.kind != ActionKind::Empty || empties {
                    let changed = turn(workers, action, due_of(&counts, action), &mut outcomes[at]).await?;
                    tried |= changed.is_some();
                    progress += changed.unwrap_or_default();
                }
                // Their turn is that of the last of them; where nothing was done since, nothing is new.
                let knots = release::after(plan, actions, at);
                for knot in knots.take(if empties && progress == 0 { 0 } else { usize::MAX }) {
                    progress += release::release(workers, knot, actions, &mut outcomes, &mut circles).await?;
                }
            }
            if tried || progress > 0 {
                for worker in workers.iter_mut() {
                    worker.put_back().await?;
                }
                let done = outcomes.iter().map(|out| out.changed).sum();
                common.cx.elsewhere.ask(common.source, plan).await?;
                counts = census::due(common.source, plan, orders, Expecting::Little { done }).await?;
            }
            if progress == 0 {
                break;
            }
        }
    }
    for out in &mut outcomes {
        if let Some(left) = circles.left.get(&out.action) {
            out.add(left);
        }
    }
    Ok((outcomes, counts))
}

/// The actions before anything is done.
fn outcomes(actions: &[Action], before: &DueCensuses) -> Vec<ActionOutcome> {
    let outcome = |action: &Action| ActionOutcome {
        action: action.id.clone(),
        data_set: action.data_set.clone(),
        due_before: due_of(before, action),
        ..ActionOutcome::default()
    };
    actions.iter().map(outcome).collect()
}

/// What one action does in a round in which `due` rows are due for it: how many records it changed; `None` when it has nothing to do, or may not.
async fn turn(
    workers: &mut [Worker<'_>],
    action: &Action,
    due: u64,
    out: &mut ActionOutcome,
) -> Result<Option<u64>, EnforceError> {
    let Some(common) = workers.first().map(|w| w.common).filter(|common| out.stopped.is_none() && !common.stopping()) else {
        return Ok(None);
    };
    // Rows that failed or were busy before stay due; they are not tried again in the same run. What an earlier action made due counts towards a
    // ceiling too: a mistake may come in steps.
    if due <= out.left() || guard(workers, action, out, out.changed + due).await? {
        return Ok(None);
    }
    common.cx.watch.begins(&action.id, due);
    let so_far = out.changed;
    out.try_again();
    crew::act(workers, action, due, out).await?;
    Ok(Some(out.changed - so_far))
}

fn due_of(counts: &[(String, DueCounts)], action: &Action) -> u64 {
    let of_set = counts.iter().find(|(id, _)| *id == action.data_set);
    of_set.and_then(|(_, c)| c.actions.iter().find(|(id, _)| *id == action.id)).map_or(0, |(_, n)| *n)
}

/// What a full census, which trusts no to-do column, says of an action. Of deletions it tells the end of a run, not what is left after one.
fn counted(census: &[(String, Counts)], action: &Action) -> u64 {
    if matches!(action.kind, ActionKind::Delete | ActionKind::Empty) {
        return 0;
    }
    let of_set = census.iter().find(|(id, _)| *id == action.data_set);
    of_set.and_then(|(_, c)| c.actions.iter().find(|(id, _)| *id == action.id)).map_or(0, |(_, n)| *n)
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
