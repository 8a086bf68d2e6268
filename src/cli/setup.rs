//! `retentiond setup`.

use std::path::PathBuf;

use super::context::{Cx, unknown_source};
use super::exit::{Exit, Failure};
use super::output;
use super::{Format, faults};
use crate::enforce::check;
use crate::policy::located::Faults;
use crate::source::setup::{SetupRequest, script};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The source.
    #[arg(long)]
    source: String,
    /// The role to create; the settings or `retentiond` decide without it.
    #[arg(long)]
    role: Option<String>,
    /// A private file with the URL of an administrator to connect as: the settings' role is made by the script.
    #[arg(long, value_name = "FILE")]
    url_file: Option<PathBuf>,
    /// How many workers may act at once.
    #[arg(long, default_value_t = 4)]
    slots: u16,
}

/// Prints the script. Runs nothing.
pub async fn run(cx: &Cx, args: Args) -> Result<Exit, Failure> {
    let workspace = cx.workspace_with_tenants().await?;
    let rules = workspace.sources.get(&args.source).ok_or_else(|| unknown_source(&workspace, &args.source))?;
    let source = cx.connect_as(&workspace, &args.source, args.url_file.as_deref()).await?;
    // What this role lacks is what the script is for: of the faults, only those that leave no plan matter here.
    let mut found = Faults::default();
    let checked = check(&source, &rules.map, &rules.policies, cx.clock.now(), false, &mut found).await?;
    if checked.plan.is_none() {
        faults::print(&found, &workspace.files, cx.format)?;
        return Err(Failure::said(Exit::Config));
    }
    let role = workspace.settings.sources.get(&args.source).and_then(|s| s.role.clone());
    let mut session = source.session().await?;
    let dialect = crate::plan::dialect::Dialect { engine: source.engine() };
    let database =
        session.rows(dialect.current_database()).await?.into_iter().next().and_then(|r| r.into_iter().next().flatten());
    let database = database.ok_or_else(|| Failure::new(Exit::Config, "the connection has no database"))?;
    session.done().await?;
    let request = SetupRequest {
        source: args.source.clone(),
        role: args.role.or(role).unwrap_or_else(|| "retentiond".to_owned()),
        host: None,
        slots: args.slots,
        database,
        tables: checked.grants,
    };
    let text = script(source.engine(), &request).map_err(|e| Failure::new(Exit::Usage, e.to_string()))?;
    source.close().await;
    match cx.format {
        Format::Json => output::json(&serde_json::json!({ "source": args.source, "script": text }))?,
        Format::Text => output::say(text)?,
    }
    Ok(Exit::Ok)
}
