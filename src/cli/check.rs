//! `retentiond check`.

use super::context::Cx;
use super::exit::{Exit, Failure};
use super::{Format, faults};
use crate::plan::resolve::Resolved;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this source.
    #[arg(long)]
    source: Option<String>,
    /// Only the files: open no connection.
    #[arg(long)]
    offline: bool,
}

/// Compares everything with everything.
pub async fn run(cx: &Cx, args: Args) -> Result<Exit, Failure> {
    let (workspace, mut found) = cx.workspace_with_faults()?;
    if !args.offline && !found.any_error() {
        for id in cx.sources(&workspace, args.source.as_deref())? {
            let Some(rules) = workspace.sources.get(&id) else { continue };
            let source = cx.connect(&workspace, &id).await?;
            let schema = source.introspect().await?;
            Resolved::new(&rules.map, &schema).check(&mut found);
            source.close().await;
        }
    }
    faults::print(&found, &workspace.files, cx.format);
    if found.any_error() {
        return Ok(Exit::Config);
    }
    if cx.format == Format::Text {
        let purposes: usize = workspace.sources.values().flat_map(|s| &s.policies).map(|p| p.purposes.len()).sum();
        println!("{} sources, {purposes} purposes: no error.", workspace.sources.len());
    }
    Ok(Exit::Ok)
}
