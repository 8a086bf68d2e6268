//! `retentiond enforce`.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use super::context::Cx;
use super::exit::{Exit, Failure};
use super::output;
use super::progress::Progress;
use super::{Format, plan};
use crate::config::Lang;
use crate::enforce::{RunOutcome, RunRequest, run as enforce, take_census};
use crate::journal::Trigger;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this source.
    #[arg(long)]
    source: Option<String>,
    /// The hash of the plan that was shown; without it, the plan is shown and asked about on a terminal.
    #[arg(long, value_name = "HASH")]
    plan: Option<String>,
}

/// Does one run.
pub async fn run(cx: &Cx, args: Args) -> Result<Exit, Failure> {
    let workspace = cx.workspace()?;
    let lang = cx.lang(&workspace);
    let ids = cx.sources(&workspace, args.source.as_deref())?;
    if args.plan.is_some() && ids.len() != 1 {
        return Err(Failure::new(Exit::Usage, "`--plan` is about one source: name it with `--source`"));
    }
    let (state, journal) = cx.state(&workspace).await?;
    let mut worst = Exit::Ok;
    let mut results = Vec::new();
    for id in ids {
        let Some(rules) = workspace.sources.get(&id) else { continue };
        let source = cx.connect(&workspace, &id).await?;
        let prepared = cx.prepare(&workspace, &source, rules, cx.clock.now()).await?;
        match &args.plan {
            Some(hash) if *hash == prepared.plan.hash => {}
            Some(hash) => {
                return Err(crate::enforce::EnforceError::PlanChanged {
                    approved: hash.clone(),
                    found: prepared.plan.hash.clone(),
                }
                .into());
            }
            None => {
                let mut session = source.session().await?;
                let counts = take_census(&mut session, &prepared.plan).await?;
                session.done().await?;
                output::say(plan::text(&prepared, rules, &counts, lang))?;
                if !confirmed(lang)? {
                    return Err(Failure::new(Exit::Denied, "nothing was done"));
                }
            }
        }
        let fence = crate::enforce::run::take_fence(&source, &state, &journal, &prepared).await?;
        let progress = Progress::listening(cx.format == Format::Json);
        let settings = cx.limits(&workspace, &id);
        let request = RunRequest {
            source: &source,
            prepared: &prepared,
            journal: &journal,
            fence,
            settings,
            watch: &progress,
            trigger: Trigger::Command,
        };
        let outcome = enforce(request).await?;
        source.close().await;
        worst = worst_of(worst, exit_of(&outcome));
        match cx.format {
            Format::Json => results.push(serde_json::json!({ "source": id, "outcome": outcome })),
            Format::Text => output::say(text(&id, &outcome, lang))?,
        }
    }
    if cx.format == Format::Json {
        output::json(&serde_json::Value::from(results))?;
    }
    state.close().await;
    Ok(worst)
}

/// The exit code of one run.
#[must_use]
pub fn exit_of(outcome: &RunOutcome) -> Exit {
    if outcome.stopped() || outcome.interrupted {
        Exit::Stopped
    } else if outcome.failed() > 0 {
        Exit::Failed
    } else {
        Exit::Ok
    }
}

fn worst_of(a: Exit, b: Exit) -> Exit {
    match (a, b) {
        (Exit::Stopped, _) | (_, Exit::Stopped) => Exit::Stopped,
        (Exit::Failed, _) | (_, Exit::Failed) => Exit::Failed,
        _ => Exit::Ok,
    }
}

fn confirmed(lang: Lang) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(
            Exit::Denied,
            "without a terminal to ask on, `enforce` needs `--plan <hash>` of the plan that was shown",
        ));
    }
    let (question, yes) = match lang {
        Lang::Fr => ("Exécuter ce plan ? Tapez « oui » : ", "oui"),
        Lang::En => ("Carry out this plan? Type \"yes\": ", "yes"),
    };
    eprint!("{question}");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(|e| Failure::new(Exit::Unavailable, e.to_string()))?;
    Ok(answer.trim().eq_ignore_ascii_case(yes))
}

/// What a run did, for people.
#[must_use]
pub fn text(source: &str, outcome: &RunOutcome, lang: Lang) -> String {
    let fr = lang == Lang::Fr;
    let n = |x: u64| plan::number(x, lang);
    let mut table = if fr {
        super::table::Table::new(&["action", "échus", "traités", "liés", "refusés", "verrouillés", "restants", ""])
    } else {
        super::table::Table::new(&["action", "due", "changed", "related", "failed", "busy", "left", ""])
    };
    for a in outcome.actions.iter().filter(|a| a.due_before + a.changed + a.due_after > 0) {
        let stopped = a.stopped.map_or(String::new(), |s| {
            let word = if fr { "arrêté par le plafond" } else { "stopped by the ceiling" };
            format!("{word} {} ({} > {})", s.ceiling, s.found, s.limit)
        });
        table.row(vec![
            a.action.clone(),
            n(a.due_before),
            n(a.changed),
            n(a.related),
            n(a.failed + a.too_large),
            n(a.busy),
            n(a.due_after),
            stopped,
        ]);
    }
    let head = if fr {
        format!("Source {source} : exécution {}\n", outcome.run)
    } else {
        format!("Source {source}: run {}\n", outcome.run)
    };
    let body = if table.is_empty() {
        if fr { "  Rien n'était échu.\n".to_owned() } else { "  Nothing was due.\n".to_owned() }
    } else {
        table.render()
    };
    let mut notes = String::new();
    if outcome.recovered > 0 {
        notes.push_str(&if fr {
            format!("  {} lots interrompus clos\n", outcome.recovered)
        } else {
            format!("  {} interrupted batches closed\n", outcome.recovered)
        });
    }
    if outcome.reverted > 0 {
        notes.push_str(&if fr {
            format!("  {} lots défaits par une restauration de la base, traités à nouveau\n", outcome.reverted)
        } else {
            format!("  {} batches undone by a restored database, done again\n", outcome.reverted)
        });
    }
    format!("{head}{body}{notes}\n")
}
