//! `retentiond archive`: what lies in intermediate archives, and how those who may get at it.

mod destroy;
mod erase;
mod export;
mod find;
mod list;
mod restore;
mod verify;

use std::path::PathBuf;

use clap::Subcommand;

use super::context::Cx;
use super::exit::{Exit, Failure};
use crate::journal::AccessReason;
use crate::policy::reader::shown;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// What each archive keeps: for which purpose, how many records, until when. Opens nothing.
    List {
        /// Only of this source.
        #[arg(long)]
        source: Option<String>,
    },
    /// Where a record lies: under which purpose, since when, until when. Opens nothing.
    Find(Record),
    /// Write out what archives keep of a record. Needs an identity; leaves a trace in the journal.
    Export(export::Args),
    /// Put a record back where it came from, under a hold. Needs an identity; leaves a trace in the journal.
    Restore(restore::Args),
    /// Destroy what archives keep no longer, as every run does at its end.
    Destroy {
        /// Only of this source.
        #[arg(long)]
        source: Option<String>,
    },
    /// Take out of objects what orders have ended and lies among others. Shows it; with an identity, does it, and leaves a trace in the journal.
    Erase(erase::Args),
    /// Compare the archives with the journal: what is missing, what was changed, what nobody knows.
    Verify(verify::Args),
}

/// A record.
#[derive(Debug, clap::Args)]
pub struct Record {
    /// The data set, `source.data_set`.
    #[arg(long)]
    pub data: String,
    /// The record's key; once for each column of it.
    #[arg(long, required = true, allow_hyphen_values = true)]
    pub key: Vec<String>,
}

/// Who opens an archive with what, and why.
#[derive(Debug, clap::Args)]
pub struct Access {
    /// The file of an age identity, or of an SSH private key, that opens the archive; readable by its owner alone.
    #[arg(long)]
    pub identity: PathBuf,
    /// Who; one of the settings' `actors`.
    #[arg(long)]
    pub actor: String,
    /// Why: data_subject_access, legal_claim, authority_request, audit, legal_duty, error_correction.
    #[arg(long)]
    pub reason: String,
    /// The file or decision outside: letters, digits, `.`, `_`, `/`, `-`.
    #[arg(long)]
    pub reference: String,
}

/// Carries out.
pub async fn run(cx: &Cx, args: Args) -> Result<Exit, Failure> {
    match args.what {
        What::List { source } => list::run(cx, source).await,
        What::Find(record) => find::run(cx, record).await,
        What::Export(args) => export::run(cx, args).await,
        What::Restore(args) => restore::run(cx, args).await,
        What::Destroy { source } => destroy::run(cx, source).await,
        What::Erase(args) => erase::run(cx, args).await,
        What::Verify(args) => verify::run(cx, args).await,
    }
}

pub(super) use export::identities;

pub(super) fn reason(text: &str) -> Result<AccessReason, Failure> {
    text.parse().map_err(|_| {
        let known: Vec<&str> = AccessReason::ALL.iter().map(|r| r.as_str()).collect();
        Failure::new(Exit::Usage, format!("`{}` is not a reason: {}", shown(text), known.join(", ")))
    })
}
