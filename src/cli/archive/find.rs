//! `retentiond archive find`: by keyed names alone, without opening anything.

use super::Record;
use crate::cli::Format;
use crate::cli::context::Cx;
use crate::cli::exit::{Exit, Failure};
use crate::cli::key::{refused, typed_key};
use crate::cli::output;
use crate::cli::table::Table;
use crate::cli::words::{pick, written_day};
use crate::config::{Lang, Workspace};
use crate::enforce::catalogue::{self, Found};
use crate::enforce::orders;
use crate::journal::{Id128, Journal, Name};
use crate::plan::key::RecordKey;
use crate::plan::resolve::Resolved;
use crate::plan::schema::Schema;
use crate::policy::map::DataMap;
use crate::policy::map::DataSet;
use crate::source::Session;

/// The key of a record as the database spells it, whether it is still there or not.
pub async fn key_of(
    session: &mut Session,
    map: &DataMap,
    schema: &Schema,
    data: &DataSet,
    record: &Record,
) -> Result<RecordKey, Failure> {
    let resolved = Resolved::new(map, schema);
    if resolved.map.root_of(data).id != data.id {
        let root = &resolved.map.root_of(data).id;
        return Err(Failure::new(
            Exit::Usage,
            format!("`{}` follows `{root}`: archives name records by their root's key", data.id),
        ));
    }
    let typed = typed_key(&resolved, data, &record.key)?;
    let stored = orders::root_key(session, &resolved, data, &typed).await.map_err(|e| refused(e, &resolved, data))?;
    match stored {
        Some(key) => Ok(key),
        None => orders::spelled(session, &resolved, data, &typed).await.map_err(|e| refused(e, &resolved, data)),
    }
}

/// The objects that hold something of a record.
pub async fn found(journal: &Journal, source: &str, data: &DataSet, key: &RecordKey) -> Result<Vec<Found>, Failure> {
    Ok(catalogue::find(journal, &Name::parse(source)?, &Name::parse(&data.id)?, key).await?)
}

/// When an object was sealed.
pub async fn since(journal: &Journal, found: &Found) -> Result<String, Failure> {
    Ok(journal.reader().entry(found.since).await?.map(|e| e.time.to_string()).unwrap_or_default())
}

/// Tells where a record lies.
pub async fn run(cx: &Cx, record: Record) -> Result<Exit, Failure> {
    let workspace: Workspace = cx.workspace_with_tenants().await?;
    let (rules, data) = cx.data_set(&workspace, &record.data)?;
    let id = rules.map.source.value.clone();
    let (state, journal) = cx.state(&workspace).await?;
    let source = cx.connect(&workspace, &id).await?;
    let schema = source.introspect().await?;
    let mut session = source.session().await?;
    let key = key_of(&mut session, &rules.map, &schema, &data, &record).await?;
    session.done().await?;
    source.close().await;
    let all = found(&journal, &id, &data, &key).await?;
    let lang = cx.lang(&workspace);
    let mut rows = Table::new(&match lang {
        Lang::Fr => ["archive", "finalité", "depuis", "jusqu'au", "lot", "partie"],
        Lang::En => ["archive", "purpose", "since", "until", "batch", "part"],
    });
    let mut list = Vec::new();
    for one in &all {
        let since = since(&journal, one).await?;
        let batch = Id128(one.row.batch).to_string();
        list.push(serde_json::json!({
            "archive": one.row.archive, "purpose": one.row.purpose, "since": since, "until": one.row.until,
            "batch": batch, "part": one.row.part, "sha256": one.sealed.sha256.to_string(), "bytes": one.sealed.bytes,
        }));
        let (archive, purpose, until) = (one.row.archive.clone(), one.row.purpose.clone(), one.row.until.clone());
        let until =
            until.map_or_else(|| pick(lang, "pas encore connu", "not known yet").to_owned(), |day| written_day(&day, lang));
        rows.row(vec![archive, purpose, since, until, batch, one.row.part.to_string()]);
    }
    match cx.format {
        Format::Json => output::json(&serde_json::json!({ "data_set": record.data, "objects": list }))?,
        Format::Text if list.is_empty() => match lang {
            Lang::Fr => eprintln!("aucune archive ne conserve rien de cette fiche de {}", record.data),
            Lang::En => eprintln!("no archive keeps anything of this record of {}", record.data),
        },
        Format::Text => output::say(rows.render())?,
    }
    state.close().await;
    Ok(if all.is_empty() { Exit::Failed } else { Exit::Ok })
}
