//! `retentiond archive export`: what archives keep of a person's record, for an access request (Art. 15 GDPR) or whoever else has a right to it.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Access, Record, find, reason};
use crate::archive::{Archives, Cell, Identities};
use crate::cli::context::Cx;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;
use crate::enforce::EnforceError;
use crate::enforce::unseal::{Unsealed, UnsealedFile, Why, unseal};
use crate::enforce::unseal_files::write_file;
use crate::files::{FilePath, Root, Store};
use crate::journal::{Access as Opening, Name, Reference};
use crate::plan::dialect::{Dialect, is_number};
use crate::plan::resolve::Resolved;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    record: Record,
    #[command(flatten)]
    access: Access,
    /// How it is written.
    #[arg(long = "as", value_enum, default_value_t = As::Json)]
    how: As,
    /// The file to create, which nobody else may read; without it, the standard output. Files of the record are written into a directory beside it,
    /// which has its name with `.files` behind.
    #[arg(long)]
    output: Option<PathBuf>,
}

/// Forms of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum As {
    /// One JSON document.
    Json,
    /// A line for each value.
    Csv,
}

/// Opens what archives keep of a record and writes it out.
pub async fn run(cx: &Cx, args: Args) -> Result<Exit, Failure> {
    let workspace = cx.workspace_with_tenants().await?;
    let (rules, data) = cx.data_set(&workspace, &args.record.data)?;
    let actor = cx.actor(&workspace, &args.access.actor)?;
    let (reason, reference) = (reason(&args.access.reason)?, Reference::parse(&args.access.reference)?);
    let identities = Arc::new(identities(&args.access.identity)?);
    let id = rules.map.source.value.clone();
    let archives = cx.archives(&workspace)?;
    let (state, journal) = cx.state(&workspace).await?;
    let source = cx.connect(&workspace, &id).await?;
    let schema = source.introspect().await?;
    let mut session = source.session().await?;
    let key = find::key_of(&mut session, &rules.map, &schema, &data, &args.record).await?;
    session.done().await?;
    source.close().await;
    let found = find::found(&journal, &id, &data, &key).await?;
    if found.is_empty() {
        return Err(Failure::new(Exit::Failed, format!("no archive keeps anything of this record of {}", args.record.data)));
    }
    let why = Why { access: Opening::Export, actor, reason, reference };
    let columns = Resolved::new(&rules.map, &schema).key_columns(&data);
    let d = Dialect { engine: schema.server.engine };
    let of = (&Name::parse(&id)?, &Name::parse(&data.id)?, &key);
    let objects = unseal((&journal, &archives), d, &columns, of, &found, &identities, why).await?;
    state.close().await;
    let files: usize = objects.iter().map(|object| object.files.len()).sum();
    if files > 0 {
        let beside = args.output.as_ref().ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                format!("{files} files belong to this record: name a file with --output, and they are written beside it"),
            )
        })?;
        write_files(&archives, &identities, &objects, &beside_of(beside)).await?;
    }
    let text = match args.how {
        As::Json => json(&args.record.data, &objects),
        As::Csv => csv(&objects),
    };
    match args.output {
        Some(file) => {
            let file = std::path::absolute(&file).map_err(|e| Failure::new(Exit::Failed, format!("{}: {e}", file.display())))?;
            crate::state::write_private(&file, text.as_bytes())?;
        }
        None => output::say(text)?,
    }
    Ok(Exit::Ok)
}

/// The directory of an export's files.
fn beside_of(output: &Path) -> PathBuf {
    let mut name = output.as_os_str().to_owned();
    name.push(".files");
    name.into()
}

/// Where a file of the nth object is written in that directory.
fn place_of(object: usize, file: &UnsealedFile) -> String {
    format!("{}/{}/{}", object + 1, file.line.store, file.line.path)
}

/// Writes the files of a record below a directory that nobody else may enter.
async fn write_files(
    archives: &Archives,
    identities: &Arc<Identities>,
    objects: &[Unsealed],
    beside: &Path,
) -> Result<(), Failure> {
    let refused = |e: std::io::Error| Failure::new(Exit::Failed, format!("{}: {e}", beside.display()));
    std::fs::DirBuilder::new().mode(0o700).create(beside).map_err(refused)?;
    let into = Store::from(Root::new(beside).map_err(|e| Failure::new(Exit::Failed, e.to_string()))?);
    for (n, object) in objects.iter().enumerate() {
        for file in &object.files {
            let to = FilePath::new(&place_of(n, file)).map_err(|_| EnforceError::Unknown("form of a file's path"))?;
            write_file(archives, identities, file, &into, &to).await?;
        }
    }
    Ok(())
}

/// Reads the identity that opens an archive.
pub fn identities(file: &Path) -> Result<Identities, Failure> {
    Identities::read(file).map_err(|e| Failure::new(Exit::Denied, format!("{}: {e}", file.display())))
}

fn json(data_set: &str, objects: &[Unsealed]) -> String {
    let objects: Vec<_> = objects
        .iter()
        .enumerate()
        .map(|(n, object)| {
            let rows: Vec<_> = object
                .rows
                .iter()
                .map(|(table, cells)| {
                    let table = &object.header.tables[*table];
                    let values: serde_json::Map<_, _> =
                        table.columns.iter().zip(cells).map(|(c, cell)| (c.name.clone(), serde_json::json!(cell))).collect();
                    serde_json::json!({ "data_set": table.data_set, "values": values })
                })
                .collect();
            let header = &object.header;
            let mut told =
                serde_json::json!({ "archive": header.archive, "purpose": header.purpose, "until": header.until, "rows": rows });
            if !object.files.is_empty() {
                let files = object.files.iter().map(|file| {
                    let (line, written) = (&file.line, place_of(n, file));
                    serde_json::json!({ "store": line.store, "path": line.path, "bytes": line.bytes, "sha256": line.sha256, "file": written })
                });
                told["files"] = files.collect();
            }
            told
        })
        .collect();
    let all = serde_json::json!({ "data_set": data_set, "objects": objects });
    serde_json::to_string_pretty(&all).unwrap_or_default() + "\n"
}

fn csv(objects: &[Unsealed]) -> String {
    let mut text = String::from("archive,purpose,until,data_set,row,column,category,value\r\n");
    for object in objects {
        let header = &object.header;
        for (number, (table, cells)) in object.rows.iter().enumerate() {
            let table = &header.tables[*table];
            for (column, cell) in table.columns.iter().zip(cells) {
                let value = match cell {
                    Cell::Null => String::new(),
                    Cell::Text(value) => field(value),
                    Cell::Integer(n) => n.to_string(),
                    Cell::Real(n) => n.to_string(),
                    Cell::Bytes(bytes) => hex::encode(bytes),
                };
                let category = column.category.as_deref().unwrap_or_default();
                let row = [
                    header.archive.clone(),
                    header.purpose.clone(),
                    header.until.map(|day| day.to_string()).unwrap_or_default(),
                    table.data_set.clone(),
                    (number + 1).to_string(),
                    field(&column.name),
                    category.to_owned(),
                    value,
                ];
                text.push_str(&row.join(","));
                text.push_str("\r\n");
            }
        }
    }
    text
}

/// A text as RFC 4180 has it. One that a spreadsheet would take for a formula is given an apostrophe, which it shows as text.
fn field(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && !is_number(text);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}
