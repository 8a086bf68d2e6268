//! `retentiond adopt`.

use super::context::Cx;
use super::exit::{Exit, Failure};
use super::output;
use crate::enforce::fence::{Adopt, take};
use crate::journal::Adoption;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The source.
    #[arg(long)]
    source: String,
    /// Why the database is another than before.
    #[arg(long, value_enum)]
    reason: Reason,
    /// Who decided it; one of the settings' `actors`.
    #[arg(long)]
    actor: String,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Reason {
    /// A copy of a known database.
    Cloned,
    /// The same database on another server.
    Moved,
    /// Another enforcer's source.
    Takeover,
    /// The same database from an earlier backup.
    Restored,
}

/// Accepts a database under a source's name.
pub async fn run(cx: &Cx, args: Args) -> Result<Exit, Failure> {
    let workspace = cx.workspace_with_tenants().await?;
    let actor = cx.actor(&workspace, &args.actor)?;
    cx.sources(&workspace, Some(&args.source))?;
    let reason = match args.reason {
        Reason::Cloned => Adoption::Cloned,
        Reason::Moved => Adoption::Moved,
        Reason::Takeover => Adoption::Takeover,
        Reason::Restored => Adoption::Restored,
    };
    let (state, journal) = cx.state(&workspace).await?;
    let source = cx.connect(&workspace, &args.source).await?;
    let schema = source.introspect().await?;
    let fence = take(&source, &state, &journal, &args.source, &schema.server.id, Some(&Adopt { reason, actor })).await?;
    source.close().await;
    match cx.format {
        super::Format::Json => output::json(&serde_json::json!({ "source": args.source, "epoch": fence.epoch }))?,
        super::Format::Text => {
            output::line(format!("The source {} belongs to this state from epoch {} on.", args.source, fence.epoch))?
        }
    }
    state.close().await;
    Ok(Exit::Ok)
}
