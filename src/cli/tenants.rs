//! Families: each tenant on its own, a few at a time, and none of them in the way of another.

use futures_util::StreamExt as _;
use serde_json::{Value, json};

use super::context::Cx;
use super::enforce::{Args, census_due, exit_of, stops, text, worst_of};
use super::exit::{Exit, Failure};
use super::progress::Progress;
use super::words::{self, pick};
use super::{Format, ceiling, output};
use crate::config::{Lang, SourceRules, Workspace, family_of};
use crate::enforce::{EnforceError, Prepared, RunOutcome, RunRequest, Scope, Watch, run, run::take_fence};
use crate::journal::{Journal, Trigger};
use crate::policy::located::Faults;
use crate::source::Source;
use crate::state::State;

/// The families that a command is about: the one named, or all when nothing is named.
pub fn families<'w>(workspace: &'w Workspace, named: Option<&str>) -> Vec<&'w str> {
    workspace.families.keys().map(String::as_str).filter(|id| named.is_none_or(|named| named == *id)).collect()
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
) -> Result<(Exit, Vec<Value>), Failure> {
    let lang = cx.lang(workspace);
    let Some(of) = workspace.families.get(family) else { return Ok((Exit::Ok, Vec::new())) };
    let mut worst = say_unusable(workspace, family, lang, Exit::Ok);
    let mut results = Vec::new();
    let progress = Progress::listening(true, lang);
    let work = of.tenants.iter().map(|id| {
        let progress = &progress;
        async move { (id, tenant(cx, workspace, (state, journal), id, args, progress).await) }
    });
    let mut work = futures_util::stream::iter(work).buffer_unordered(of.at_once.max(1));
    let (mut done, mut broken, mut waiting) = (0_u64, 0_u64, 0_u64);
    while let Some((id, result)) = work.next().await {
        match result {
            Ok(None) => {
                waiting += 1;
                worst = worst_of(worst, Exit::Stopped);
            }
            Ok(Some(outcome)) => {
                done += 1;
                worst = worst_of(worst, exit_of(&outcome));
                match cx.format {
                    Format::Json => results.push(json!({
                        "source": id, "outcome": outcome, "stopped": ceiling::json(stops(&outcome), &workspace.settings, id),
                    })),
                    Format::Text => output::say(text(id, &outcome, &workspace.settings, lang))?,
                }
            }
            Err(failure) => {
                broken += 1;
                worst = worst_of(worst, Exit::Failed);
                match cx.format {
                    Format::Json => results.push(broken_json(id, &failure)),
                    Format::Text => output::say(broken_text(id, &failure, lang))?,
                }
            }
        }
    }
    let known = state.known_sources().await?;
    let gone: Vec<&String> = known.iter().filter(|id| family_of(id) == Some(family) && !of.tenants.contains(id)).collect();
    match cx.format {
        Format::Json => {
            results.sort_by(|a, b| a["source"].as_str().cmp(&b["source"].as_str()));
            results.extend(gone.iter().map(|id| json!({ "source": id, "gone": true })));
        }
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

/// One run over one tenant; `None` when a person ended the command before it began.
async fn tenant(
    cx: &Cx,
    workspace: &Workspace,
    (state, journal): (&State, &Journal),
    id: &str,
    args: &Args,
    progress: &Progress,
) -> Result<Option<RunOutcome>, Failure> {
    if progress.stop() {
        return Ok(None);
    }
    let Some(rules) = workspace.sources.get(id) else { return Ok(None) };
    let source = cx.connect(workspace, id).await?;
    let prepared = prepare(cx, &source, rules, cx.clock.now()).await?;
    if !args.plan.contains(&prepared.plan.hash) {
        let approved = args.plan.first().cloned().unwrap_or_default();
        return Err(EnforceError::PlanChanged { approved, found: prepared.plan.hash }.into());
    }
    let (archives, files) = (cx.archives(workspace)?, cx.files(workspace)?);
    let copies = cx.copies(workspace, rules).await;
    let fence = take_fence(&source, state, journal, &prepared).await?;
    let now = prepared.plan.now;
    let full_census = args.full_census || census_due(state.last_full_census(id).await?, now, &workspace.settings);
    let outcome = run(RunRequest {
        scope: Scope::Everything,
        source: &source,
        prepared: &prepared,
        journal,
        fence,
        settings: workspace.settings.run(id, args.pace, args.workers),
        full_census,
        archives: &archives,
        copies: &copies,
        files,
        watch: progress,
        trigger: Trigger::Command,
    })
    .await?;
    if outcome.census.is_some() {
        state.full_census_taken(id, now).await?;
    }
    source.close().await;
    copies.close().await;
    Ok(Some(outcome))
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
