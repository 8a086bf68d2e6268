//! `retentiond explain`.

use chrono::NaiveDate;

use super::context::{Cx, noon};
use super::exit::{Exit, Failure};
use super::key::{refused, typed_key};
use super::subject::{self, Person};
use super::{Format, output};
use crate::config::Lang;
use crate::enforce::{EnforceError, explain_asking};
use crate::plan::explain::{Language, text};
use crate::plan::resolve::Resolved;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The data set, `source.data_set`.
    #[arg(long, required_unless_present = "subject")]
    data: Option<String>,
    /// The record's key; once for each column of it.
    #[arg(long, required_unless_present = "subject", allow_hyphen_values = true)]
    key: Vec<String>,
    /// A person: all records about them, in all data sets of all sources whose map names this subject.
    #[arg(long, requires = "id", conflicts_with_all = ["data", "key"])]
    subject: Option<String>,
    /// The person's identifier.
    #[arg(long, requires = "subject", allow_hyphen_values = true)]
    id: Option<String>,
    /// Answer for another day. Orders count as they stand now.
    #[arg(long)]
    at: Option<NaiveDate>,
}

/// Tells the story of one record, or of all that are about a person. Reads only.
pub async fn run(cx: &Cx, args: Args) -> Result<Exit, Failure> {
    let workspace = cx.workspace_with_tenants().await?;
    if let (Some(subject), Some(id)) = (&args.subject, &args.id) {
        return subject::explain(cx, &workspace, Person { subject, id }, args.at).await;
    }
    let (rules, data) = cx.data_set(&workspace, &args.data.unwrap_or_default())?;
    let now = args.at.map_or_else(|| cx.clock.now(), |day| noon(day, &rules));
    let source = cx.connect(&workspace, &rules.map.source).await?;
    let prepared = cx.prepare(&workspace, &source, &rules, now).await?;
    let resolved = Resolved::new(&rules.map, &prepared.schema);
    typed_key(&resolved, &data, &args.key)?;
    let elsewhere = cx.elsewhere(&workspace, &rules, now).await;
    let of = (data.id.as_str(), args.key.as_slice());
    let story = explain_asking(&source, &prepared, &rules.map, &rules.policies, of, &elsewhere).await;
    elsewhere.close().await;
    let story = story.map_err(|e| match e {
        EnforceError::NoSuchRecord => Failure::new(
            Exit::Failed,
            "no such record; where one that left lies: `retentiond archive find`, what was done to it: `retentiond journal prove`, \
             both with the same `--data` and `--key`",
        ),
        other => refused(other, &resolved, &data),
    })?;
    source.close().await;
    match cx.format {
        Format::Json => output::json(&serde_json::json!(story))?,
        Format::Text => {
            let language = match cx.lang(&workspace) {
                Lang::Fr => Language::French,
                Lang::En => Language::English,
            };
            output::line(text(&story, language).trim_end())?;
        }
    }
    Ok(Exit::Ok)
}
