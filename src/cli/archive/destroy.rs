//! `retentiond archive destroy`: what every run does with archives at its end, and nothing else.

use crate::cli::context::Cx;
use crate::cli::enforce::{archive, exit_of};
use crate::cli::exit::{Exit, Failure};
use crate::cli::{Format, output};
use crate::enforce::{RunRequest, Scope, Silent, run as enforce};
use crate::journal::Trigger;

/// Destroys what archives keep no longer.
pub async fn run(cx: &Cx, source: Option<String>) -> Result<Exit, Failure> {
    let workspace = cx.workspace()?;
    let archives = cx.archives(&workspace)?;
    let (state, journal) = cx.state(&workspace).await?;
    let (mut worst, mut all) = (Exit::Ok, Vec::new());
    for id in cx.sources(&workspace, source.as_deref())? {
        let Some(rules) = workspace.sources.get(&id) else { continue };
        let source = cx.connect(&workspace, &id).await?;
        let prepared = cx.prepare(&workspace, &source, rules, cx.clock.now()).await?;
        let fence = crate::enforce::run::take_fence(&source, &state, &journal, &prepared).await?;
        let outcome = enforce(RunRequest {
            source: &source,
            prepared: &prepared,
            journal: &journal,
            fence,
            settings: cx.limits(&workspace, &id),
            scope: Scope::Archives,
            full_census: false,
            archives: &archives,
            copies: &crate::enforce::Copies::default(),
            files: Default::default(),
            watch: &Silent,
            trigger: Trigger::Command,
        })
        .await?;
        source.close().await;
        if exit_of(&outcome) != Exit::Ok {
            worst = exit_of(&outcome);
        }
        match cx.format {
            Format::Json => all.push(serde_json::json!({ "source": id, "archives": outcome.archives })),
            Format::Text => {
                output::line(format!("Source {id}: {}", outcome.run))?;
                for one in &outcome.archives {
                    output::say(archive(&id, one, &workspace.settings, cx.lang(&workspace)))?;
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
