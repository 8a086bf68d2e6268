//! `retentiond init`.

use super::context::Cx;
use super::exit::{Exit, Failure};
use super::output;
use crate::journal::{Journal, random_origin};
use crate::state::State;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Creates the state directory, its keys and the journal.
pub async fn run(cx: &Cx, _: Args) -> Result<Exit, Failure> {
    let workspace = cx.workspace()?;
    let dir = workspace.base.join(&workspace.settings.state);
    let state = State::create(&dir).await?;
    let journal = Journal::create(&state, cx.clock.clone(), random_origin()?).await?;
    let key = journal.verifier_key().await;
    match cx.format {
        super::Format::Json => output::json(
            &serde_json::json!({ "state": dir.display().to_string(), "origin": journal.origin().to_string(), "public_key": key.to_string() }),
        )?,
        super::Format::Text => {
            output::line(format!("The journal `{}` was created in {}.", journal.origin(), dir.display()))?;
            output::line(format!("Its public key, which auditors need to verify it (keep a copy elsewhere):\n\n  {key}\n"))?;
            output::line(
                "Next: `retentiond setup` prints the SQL that prepares each source, `retentiond check` says what is missing.",
            )?;
        }
    }
    state.close().await;
    Ok(Exit::Ok)
}
