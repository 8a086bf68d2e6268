//! Families: each tenant on its own, a few at a time, and none of them in the way of another.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;

use futures_util::{FutureExt as _, StreamExt as _};
use serde_json::{Value, json};

use super::context::Cx;
use super::enforce::{Args, census_due, exit_of, stops, text, worst_of};
use super::exit::{Exit, Failure};
use super::progress::Progress;
use super::words::{self, pick};
use super::{Format, ceiling, output};
use crate::archive::Archives;
use crate::config::{Family, Lang, SourceRules, Workspace, family_of};
use crate::enforce::{EnforceError, Prepared, RunOutcome, RunRequest, Scope, Watch, run, run::take_fence};
use crate::journal::{Journal, Trigger};
use crate::policy::located::Faults;
use crate::source::Source;
use crate::state::State;

/// The families that a command is about: the one named, or all when nothing is named.
pub fn families<'w>(workspace: &'w Workspace, named: Option<&str>) -> Vec<&'w str> {
    workspace.families.keys().map(String::as_str).filter(|id| named.is_none_or(|named| named == *id)).collect()
}

/// Most connections to tenants' databases at once, whatever the settings say.
const CONNECTIONS: usize = 64;

/// What the tenants of a family share.
struct Shared<'a> {
    cx: &'a Cx,
    workspace: &'a Workspace,
    state: &'a State,
    journal: &'a Journal,
    args: &'a Args,
    archives: Archives,
    progress: Progress,
}

/// What became of the tenants of a family.
#[derive(Default)]
struct Told {
    done: u64,
    broken: u64,
    waiting: u64,
    /// For programs, by tenant.
    results: BTreeMap<String, Box<str>>,
}

/// One run over each tenant of a family: the exit code, and for programs what became of each.
///
/// # Errors
/// What concerns all tenants: archives, the state, the output. What is wrong with a tenant is told by its name and counts as a failure.
pub async fn enforce(
    cx: &Cx,
    workspace: &Workspace,
    (state, journal): (&State, &Journal),
    family: &str,
    args: &Args,
) -> Result<(Exit, Vec<Box<str>>), Failure> {
    let lang = cx.lang(workspace);
    let Some(of) = workspace.families.get(family) else { return Ok((Exit::Ok, Vec::new())) };
    let mut worst = say_unusable(workspace, family, lang, Exit::Ok);
    let mut told = Told::default();
    let progress = Progress::listening(true, lang);
    let archives = cx.archives(workspace)?;
    let shared = Shared { cx, workspace, state, journal, args, archives, progress };
    let work = of.tenants.iter().map(|id| {
        let shared = &shared;
        async move { (id, contained(shared, id).await) }
    });
    let mut work = futures_util::stream::iter(work).buffer_unordered(at_once(workspace, of, args));
    // Whoever reads no more does not interrupt what has begun.
    let mut output = Ok(());
    while let Some((id, result)) = work.next().await {
        let (exit, said) = tell(&shared, id, result, &mut told);
        worst = worst_of(worst, exit);
        if let (Ok(()), Some(said)) = (&output, said) {
            output = output::say(said);
            if output.is_err() {
                shared.progress.end();
            }
        }
    }
    drop(work);
    output?;
    let known = state.known_sources().await?;
    let gone: Vec<&String> = known.iter().filter(|id| family_of(id) == Some(family) && !of.tenants.contains(id)).collect();
    let Told { done, broken, waiting, results } = told;
    let mut results: Vec<Box<str>> = results.into_values().collect();
    match cx.format {
        Format::Json => results.extend(gone.iter().map(|id| json!({ "source": id, "gone": true }).to_string().into())),
        Format::Text => {
            for id in gone {
                output::line(match lang {
                    Lang::Fr => format!("{id}\u{a0}: traité auparavant, n'est plus dans la famille"),
                    Lang::En => format!("{id}: enforced before, no longer in the family"),
                })?;
            }
            output::line(match lang {
                Lang::Fr => {
                    format!("Famille {family}\u{a0}: clients traités {done}, en erreur {broken}, non commencés {waiting}")
                }
                Lang::En => format!("Family {family}: tenants done {done}, broken {broken}, not begun {waiting}"),
            })?;
        }
    }
    Ok((worst, results))
}

/// How many tenants at a time: as the settings say, and no more than have room within [`CONNECTIONS`]. Each has one connection for each of its workers, and
/// one to count with; and one for each worker to each source that is asked about its records.
fn at_once(workspace: &Workspace, of: &Family, args: &Args) -> usize {
    let workers = |id: &String| workspace.settings.run(id, args.pace, args.workers).workers.max(1);
    let asked = of.tenants.first().and_then(|id| workspace.sources.get(id)).map_or(0, |rules| rules.asked().len());
    let each = 1 + of.tenants.iter().map(workers).max().unwrap_or(1) * (1 + asked);
    of.at_once.min(CONNECTIONS / each).max(1)
}

/// Counts what became of a tenant: its exit code, and what people are told.
fn tell(shared: &Shared<'_>, id: &str, result: Result<Option<RunOutcome>, Failure>, told: &mut Told) -> (Exit, Option<String>) {
    let (cx, settings, lang) = (shared.cx, &shared.workspace.settings, shared.cx.lang(shared.workspace));
    let (exit, json, said) = match result {
        Ok(None) => {
            told.waiting += 1;
            return (Exit::Stopped, None);
        }
        Ok(Some(outcome)) => {
            told.done += 1;
            let stopped = ceiling::json(stops(&outcome), settings, id);
            (
                exit_of(&outcome),
                json!({ "source": id, "outcome": outcome, "stopped": stopped }),
                text(id, &outcome, settings, lang),
            )
        }
        Err(failure) => {
            told.broken += 1;
            (Exit::Failed, broken_json(id, &failure), broken_text(id, &failure, lang))
        }
    };
    match cx.format {
        Format::Json => {
            told.results.insert(id.to_owned(), json.to_string().into());
            (exit, None)
        }
        Format::Text => (exit, Some(said)),
    }
}

/// One run over one tenant, from whose defects, even ours, no other suffers.
async fn contained(shared: &Shared<'_>, id: &str) -> Result<Option<RunOutcome>, Failure> {
    let done = AssertUnwindSafe(tenant(shared, id)).catch_unwind().await;
    done.unwrap_or_else(|_| {
        Err(Failure::new(Exit::Failed, "a defect of this program ended its run; the next run closes what is open"))
    })
}

/// One run over one tenant; `None` when a person ended the command before it began.
async fn tenant(shared: &Shared<'_>, id: &str) -> Result<Option<RunOutcome>, Failure> {
    let Shared { cx, workspace, .. } = shared;
    if shared.progress.stop() {
        return Ok(None);
    }
    let Some(rules) = workspace.sources.get(id) else { return Ok(None) };
    let source = cx.connect(workspace, id).await?;
    let outcome = connected(shared, id, &rules, &source).await;
    // Whatever came of it: its connections are another's to open.
    source.close().await;
    outcome.map(Some)
}

async fn connected(shared: &Shared<'_>, id: &str, rules: &SourceRules, source: &Source) -> Result<RunOutcome, Failure> {
    let Shared { cx, workspace, state, journal, args, archives, progress } = shared;
    let prepared = prepare(cx, source, rules, cx.clock.now()).await?;
    if !args.plan.contains(&prepared.plan.hash) {
        let approved = args.plan.first().cloned().unwrap_or_default();
        return Err(EnforceError::PlanChanged { approved, found: prepared.plan.hash }.into());
    }
    let files = cx.files(workspace, &rules.map)?;
    let fence = take_fence(source, state, journal, &prepared).await?;
    let now = prepared.plan.now;
    let full_census = args.full_census || census_due(state.last_full_census(id).await?, now, &workspace.settings);
    let copies = cx.copies(workspace, rules).await;
    let elsewhere = cx.elsewhere(workspace, rules, now).await;
    let outcome = run(RunRequest {
        scope: Scope::Everything,
        source,
        prepared: &prepared,
        journal,
        fence,
        settings: workspace.settings.run(id, args.pace, args.workers),
        full_census,
        archives,
        copies: &copies,
        elsewhere: &elsewhere,
        files,
        watch: progress,
        trigger: Trigger::Command,
    })
    .await;
    copies.close().await;
    elsewhere.close().await;
    let outcome = outcome?;
    if outcome.census.is_some() {
        state.full_census_taken(id, now).await?;
    }
    Ok(outcome)
}

/// The plan of a tenant. What does not fit in its schema is told in one line; `check` tells all of it.
pub async fn prepare(
    cx: &Cx,
    source: &Source,
    rules: &SourceRules,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<Prepared, Failure> {
    let mut found = Faults::default();
    cx.prepare_with(source, rules, now, &mut found).await?.ok_or_else(|| {
        let first = found.sorted().first().map_or(String::new(), |f| f.message.clone());
        Failure::new(Exit::Config, format!("its database does not fit the map: {first}"))
    })
}

/// Tells what should be a tenant of a family and cannot be one, on standard error.
pub fn say_unusable(workspace: &Workspace, family: &str, lang: Lang, worst: Exit) -> Exit {
    let Some(of) = workspace.families.get(family) else { return worst };
    let colon = words::colon(lang);
    for what in &of.unusable {
        eprintln!("retentiond: {} {family}{colon} {what}", pick(lang, "famille", "family"));
    }
    if of.tenants.is_empty() {
        eprintln!("retentiond: {} {family}{colon} {}", pick(lang, "famille", "family"), pick(lang, "aucun client", "no tenant"));
    }
    if of.unusable.is_empty() && !of.tenants.is_empty() { worst } else { worst_of(worst, Exit::Failed) }
}

/// A broken tenant for programs.
pub fn broken_json(id: &str, failure: &Failure) -> Value {
    json!({ "source": id, "error": failure.message, "exit": failure.exit as u8 })
}

/// A broken tenant for people.
pub fn broken_text(id: &str, failure: &Failure, lang: Lang) -> String {
    format!("Source {id}{} {} {}\n\n", words::colon(lang), pick(lang, "EN ERREUR,", "BROKEN,"), failure.message)
}
