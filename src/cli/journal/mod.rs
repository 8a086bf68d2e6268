//! `retentiond journal`.

mod prove;
mod show;
mod verify;

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;

use clap::Subcommand;

use super::Format;
use super::context::Cx;
use super::exit::{Exit, Failure};
use super::output;
use crate::enforce::fence::{Adopt, take};
use crate::journal::{Adoption, Event, Name, Reader, export};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print entries, one a line: in words, or as JSON.
    Show {
        /// From this entry on.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// At most so many.
        #[arg(long, default_value_t = 1_000)]
        limit: u32,
        /// Only entries of this kind.
        #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(Event::KINDS), hide_possible_values = true)]
        kind: Option<String>,
    },
    /// Write the journal with its documents, checkpoints and public key into one file.
    Export {
        /// The file; must not exist.
        #[arg(long)]
        out: PathBuf,
    },
    /// Verify an export, the proof of a record or a certificate, offline: needs only the file, the public key and earlier checkpoints.
    Verify {
        /// The export, or what `prove --format json` printed.
        #[arg(required_unless_present = "certificate", conflicts_with = "certificate")]
        file: Option<PathBuf>,
        /// A certificate, as `retentiond certificate` wrote it.
        #[arg(long, conflicts_with = "witness")]
        certificate: Option<PathBuf>,
        /// The public key as `init` printed it, or a file that holds it; for a proof, the one of now that `key` prints.
        #[arg(long)]
        key: String,
        /// Files with checkpoints from elsewhere: a note, a mail, a mailbox.
        #[arg(long)]
        witness: Vec<PathBuf>,
    },
    /// Prove what the journal says about one record.
    Prove {
        /// The data set, `source.data_set`.
        #[arg(long)]
        data: String,
        /// The record's key; once for each column of it.
        #[arg(long, required = true, allow_hyphen_values = true)]
        key: Vec<String>,
    },
    /// Replace the signing key, announced under the old one.
    Rotate,
    /// Print the public key of now.
    Key,
    /// Go on after an old state was restored: accepts that a source's ledger is ahead of this journal.
    Recover {
        /// The source.
        #[arg(long)]
        source: String,
        /// Who decided it; one of the settings' `actors`.
        #[arg(long)]
        actor: String,
    },
}

/// Reads, exports, verifies, proves.
pub async fn run(cx: &Cx, args: Args) -> Result<Exit, Failure> {
    match args.what {
        What::Verify { file: Some(file), key, witness, .. } => verify::run(cx, &file, &key, &witness),
        What::Verify { certificate, key, .. } => verify::certificate(cx, &certificate.unwrap_or_default(), &key),
        What::Show { from, limit, kind } => show::run(cx, from, limit, kind.as_deref()).await,
        What::Export { out } => {
            let workspace = cx.workspace()?;
            let reader = Reader::new(&cx.state_to_read(&workspace).await?);
            let file = File::create_new(&out).map_err(|e| Failure::new(Exit::Unavailable, format!("{}: {e}", out.display())))?;
            let mut writer = BufWriter::new(file);
            let done = export(&reader, &mut writer).await?;
            writer.flush().map_err(|e| Failure::new(Exit::Unavailable, format!("{}: {e}", out.display())))?;
            match cx.format {
                Format::Json => output::json(
                    &serde_json::json!({ "entries": done.entries, "checkpoints": done.checkpoints, "documents": done.documents, "signed": done.signed }),
                )?,
                Format::Text => output::line(format!(
                    "{} entries (signed up to {}), {} checkpoints, {} documents in {}",
                    done.entries,
                    done.signed,
                    done.checkpoints,
                    done.documents,
                    out.display()
                ))?,
            }
            Ok(Exit::Ok)
        }
        What::Prove { data, key } => prove::run(cx, &data, &key).await,
        What::Rotate => {
            let workspace = cx.workspace()?;
            let (state, journal) = cx.state(&workspace).await?;
            public_key(cx, &journal.rotate_signing_key().await?)?;
            state.close().await;
            Ok(Exit::Ok)
        }
        What::Key => {
            let workspace = cx.workspace()?;
            let reader = Reader::new(&cx.state_to_read(&workspace).await?);
            let newest = match reader.newest_of("signing_key_rotated").await? {
                Some(entry) => Some(entry),
                None => reader.entries(0, 1).await?.pop(),
            };
            match newest.map(|e| e.event) {
                Some(Event::LogCreated { key, .. } | Event::SigningKeyRotated { key }) => public_key(cx, &key)?,
                _ => return Err(Failure::new(Exit::Unavailable, "the journal is empty")),
            }
            Ok(Exit::Ok)
        }
        What::Recover { source, actor } => recover(cx, &source, &actor).await,
    }
}

fn public_key(cx: &Cx, key: &impl std::fmt::Display) -> Result<(), Failure> {
    match cx.format {
        Format::Json => output::json(&serde_json::json!({ "public_key": key.to_string() })),
        Format::Text => output::line(key),
    }
}

async fn recover(cx: &Cx, id: &str, actor: &str) -> Result<Exit, Failure> {
    let workspace = cx.workspace_with_tenants().await?;
    let actor = cx.actor(&workspace, actor)?;
    cx.sources(&workspace, Some(id))?;
    let (state, journal) = cx.state(&workspace).await?;
    let source = cx.connect(&workspace, id).await?;
    let schema = source.introspect().await?;
    let ledger_size = crate::enforce::fence::ledger_size(&source, id).await?;
    journal.append(Event::JournalRecovered { source: Name::parse(id)?, ledger_size, actor: actor.clone() }).await?;
    take(&source, &state, &journal, id, &schema.server.id, Some(&Adopt { reason: Adoption::Takeover, actor })).await?;
    source.close().await;
    match cx.format {
        Format::Json => output::json(&serde_json::json!({ "source": id, "ledger_size": ledger_size }))?,
        Format::Text => output::line(format!(
            "The journal goes on from here; what it lost is not in it. The source's ledger knew {ledger_size} entries."
        ))?,
    }
    state.close().await;
    Ok(Exit::Ok)
}
