//! `retentiond archive destroy`: what every run does with archives at its end, and nothing else.

use crate::archive::Archives;
use crate::cli::context::Cx;
use crate::cli::enforce::{archive, beside_the_due, exit_of, worst_of};
use crate::cli::exit::{Exit, Failure};
use crate::cli::tenants::{broken_json, broken_text, families, prepare, say_unusable};
use crate::cli::{Format, output};
use crate::config::{SourceRules, Workspace, family_of};
use crate::enforce::{RunOutcome, RunRequest, Scope, Silent, run as enforce};
use crate::journal::{Journal, Trigger};
use crate::state::State;

/// Destroys what archives keep no longer.
pub async fn run(cx: &Cx, source: Option<String>) -> Result<Exit, Failure> {
    let workspace = cx.workspace_with_tenants().await?;
    let archives = cx.archives(&workspace)?;
    let (state, journal) = cx.state(&workspace).await?;
    let (mut worst, mut all) = (Exit::Ok, Vec::new());
    for family in families(&workspace, source.as_deref()) {
        worst = say_unusable(&workspace, family, cx.lang(&workspace), worst);
    }
    for id in cx.sources(&workspace, source.as_deref())? {
        let Some(rules) = workspace.sources.get(&id) else { continue };
        let outcome = match one(cx, &workspace, (&state, &journal), &archives, &id, &rules).await {
            // One tenant that is broken does not keep what has ended of another.
            Err(failure) if family_of(&id).is_some() => {
                worst = worst_of(worst, Exit::Failed);
                match cx.format {
                    Format::Json => all.push(broken_json(&id, &failure)),
                    Format::Text => output::say(broken_text(&id, &failure, cx.lang(&workspace)))?,
                }
                continue;
            }
            other => other?,
        };
        worst = worst_of(worst, exit_of(&outcome));
        match cx.format {
            Format::Json => all.push(serde_json::json!({ "source": id, "archives": outcome.archives })),
            Format::Text => {
                output::line(format!("Source {id}: {}", outcome.run))?;
                let lang = cx.lang(&workspace);
                for one in &outcome.archives {
                    output::say(archive(&id, one, &workspace.settings, lang) + &beside_the_due(one, lang))?;
                }
            }
        }
    }
    if cx.format == Format::Json {
        output::json(&serde_json::Value::from(all))?;
    }
    state.close().await;
    Ok(worst)
}

/// Destroys what archives keep no longer of one source.
async fn one(
    cx: &Cx,
    workspace: &Workspace,
    (state, journal): (&State, &Journal),
    archives: &Archives,
    id: &str,
    rules: &SourceRules,
) -> Result<RunOutcome, Failure> {
    let source = cx.connect(workspace, id).await?;
    let now = cx.clock.now();
    let prepared = match family_of(id) {
        Some(_) => prepare(cx, &source, rules, now).await?,
        None => cx.prepare(workspace, &source, rules, now).await?,
    };
    let fence = crate::enforce::run::take_fence(&source, state, journal, &prepared).await?;
    let outcome = enforce(RunRequest {
        source: &source,
        prepared: &prepared,
        journal,
        fence,
        settings: cx.limits(workspace, id),
        scope: Scope::Archives,
        full_census: false,
        archives,
        copies: &crate::enforce::Copies::default(),
        elsewhere: &crate::enforce::Elsewhere::default(),
        files: Default::default(),
        watch: &Silent,
        trigger: Trigger::Command,
    })
    .await?;
    source.close().await;
    Ok(outcome)
}
