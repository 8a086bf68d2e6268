//! `retentiond locate`.

use super::Format;
use super::context::Cx;
use super::exit::{Exit, Failure};
use super::output;
use crate::enforce::keys::keys_of;
use crate::journal::{Mac, MacKeys, Name};
use crate::plan::key::RecordKey;
use crate::plan::resolve::Resolved;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The MAC that a report names, 32 hexadecimal digits.
    mac: String,
    /// The data set, `source.data_set`.
    #[arg(long)]
    data: String,
}

/// Reads every key of the data set and compares its MAC under every key that still exists.
pub async fn run(cx: &Cx, args: Args) -> Result<Exit, Failure> {
    let workspace = cx.workspace_with_tenants().await?;
    let (rules, data) = cx.data_set(&workspace, &args.data)?;
    let mac = Mac::parse(&args.mac)?;
    let state = cx.state_to_read(&workspace).await?;
    let keys = MacKeys::load(&state.key_dir())?;
    let source = cx.connect(&workspace, &rules.map.source).await?;
    let schema = source.introspect().await?;
    let resolved = Resolved::new(&rules.map, &schema);
    let (name, data_set) = (Name::parse(&rules.map.source)?, Name::parse(&data.id)?);
    let columns = resolved.key_columns(&data);
    let table = resolved.table(&data).ok_or_else(|| Failure::new(Exit::Config, "the database does not have that table"))?;
    let mut session = source.session().await?;
    let (mut found, mut after): (Option<RecordKey>, Option<RecordKey>) = (None, None);
    while found.is_none() {
        let sql = crate::plan::lookup::keys_after(resolved.dialect, &table.name, &columns, after.as_ref(), 10_000);
        let page = keys_of(resolved.dialect, &columns, &session.rows(&sql).await?)?;
        found = page.iter().find(|k| keys.ids().into_iter().any(|id| keys.mac(id, &name, &data_set, k) == Some(mac))).cloned();
        after = page.last().cloned();
        if after.is_none() {
            break;
        }
    }
    session.done().await?;
    source.close().await;
    let parts = found.map(|k| k.0.into_iter().map(|p| p.text).collect::<Vec<_>>());
    match (cx.format, &parts) {
        (Format::Json, _) => output::json(&serde_json::json!({ "data_set": args.data, "key": parts }))?,
        (Format::Text, Some(parts)) => {
            output::line(parts.iter().map(|p| crate::policy::reader::inert(p)).collect::<Vec<_>>().join(" "))?
        }
        (Format::Text, None) => eprintln!("no record of {} has this MAC under a key that still exists", args.data),
    }
    Ok(if parts.is_some() { Exit::Ok } else { Exit::Failed })
}
