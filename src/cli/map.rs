//! `retentiond map`.

use std::path::PathBuf;

use super::context::Cx;
use super::exit::{Exit, Failure};
use super::output;
use super::{Format, faults};
use crate::config::{File, load};
use crate::enforce::draft;
use crate::policy::located::Faults;
use crate::source::{Source, Target};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The source's id.
    #[arg(long)]
    source: String,
    /// Its URL; without it and `--url-file`, the settings' (whose map need not exist yet).
    #[arg(long, conflicts_with = "url_file")]
    url: Option<String>,
    /// A file that holds its URL.
    #[arg(long)]
    url_file: Option<PathBuf>,
    /// Recognise columns by their names alone: read no row.
    #[arg(long)]
    names_only: bool,
}

/// Drafts a data map from the live schema.
pub async fn run(cx: &Cx, args: Args) -> Result<Exit, Failure> {
    let target = match (&args.url, &args.url_file) {
        (Some(url), _) => Target::new(url.clone()),
        (None, Some(path)) => {
            let bytes = crate::state::read_private(path)?;
            Target::new(String::from_utf8_lossy(&bytes).trim())
        }
        (None, None) => from_settings(cx, &args.source)?,
    };
    let source = Source::connect(&target).await?;
    let text = draft(&source, &args.source, !args.names_only).await?;
    source.close().await;
    match cx.format {
        Format::Json => output::json(&serde_json::json!({ "source": args.source, "map": text }))?,
        Format::Text => output::say(text)?,
    }
    Ok(Exit::Ok)
}

fn from_settings(cx: &Cx, id: &str) -> Result<Target, Failure> {
    let text =
        std::fs::read_to_string(&cx.config).map_err(|e| Failure::new(Exit::Config, format!("{}: {e}", cx.config.display())))?;
    let files = [File { path: cx.config.clone(), text }];
    let mut found = Faults::default();
    let Ok(settings) = load(&files[0].text, 0, &cx.config, &mut found) else {
        faults::print(&found, &files, cx.format)?;
        return Err(Failure::said(Exit::Config));
    };
    let source =
        settings.sources.get(id).ok_or_else(|| Failure::new(Exit::Usage, "the settings have no such source: give `--url`"))?;
    let base = cx.config.parent().unwrap_or(std::path::Path::new("."));
    source.target(base).map_err(|e| Failure::new(Exit::Config, format!("source {id}: {e}")))
}
