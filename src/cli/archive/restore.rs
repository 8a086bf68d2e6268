//! `retentiond archive restore`.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Access, Record, export, find, reason};
use crate::cli::Format;
use crate::cli::context::Cx;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;
use crate::cli::words::{count, pick};
use crate::enforce::orders::{self, NewOrder, Target};
use crate::enforce::put_back::put_back;
use crate::enforce::unseal::{Unsealed, Why, unseal};
use crate::enforce::unseal_files::{pointed, put_files};
use crate::journal::{Access as Opening, Name, OrderReason, Reference};
use crate::plan::compile;
use crate::policy::purpose::OrderKind;
use crate::source::Class;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    record: Record,
    #[command(flatten)]
    access: Access,
    /// A private file with the URL of a user who may insert rows: the enforcer's own role may not.
    #[arg(long, value_name = "FILE")]
    url_file: Option<PathBuf>,
}

/// Puts a record back.
pub async fn run(cx: &Cx, args: Args) -> Result<Exit, Failure> {
    let workspace = cx.workspace_with_tenants().await?;
    let (rules, data) = cx.data_set(&workspace, &args.record.data)?;
    let actor = cx.actor(&workspace, &args.access.actor)?;
    let (reason, reference) = (reason(&args.access.reason)?, Reference::parse(&args.access.reference)?);
    let identities = Arc::new(export::identities(&args.access.identity)?);
    let id = rules.map.source.value.clone();
    let (archives, stores) = (cx.archives(&workspace)?, cx.files(&workspace, &rules.map)?);
    let (state, journal) = cx.state(&workspace).await?;
    let source = cx.connect_as(&workspace, &id, args.url_file.as_deref()).await?;
    let prepared = cx.prepare(&workspace, &source, &rules, cx.clock.now()).await?;
    let records = compile::records(&rules.map, &rules.policies, &prepared.schema, &prepared.moment);
    let resolved = records.terms.resolved;
    let mut session = source.session().await?;
    let key = find::key_of(&mut session, &rules.map, &prepared.schema, &data, &args.record).await?;
    session.done().await?;
    let found = find::found(&journal, &id, &data, &key).await?;
    if found.is_empty() {
        return Err(Failure::new(Exit::Failed, format!("no archive keeps anything of this record of {}", args.record.data)));
    }
    let why = Why { access: Opening::Restore, actor: actor.clone(), reason, reference: reference.clone() };
    let of = (&Name::parse(&id)?, &Name::parse(&data.id)?, &key);
    let columns = resolved.key_columns(&data);
    let objects = unseal((&journal, &archives), resolved.dialect, &columns, of, &found, &identities, why).await?;
    // The hold stands before the record does: no run finds it without.
    let hold = NewOrder {
        kind: OrderKind::Hold,
        target: Target::Record(key.clone()),
        actor,
        reason: OrderReason::ErrorCorrection,
        reference,
        until: None,
        once: false,
    };
    let placed = orders::place(&source, &journal, &prepared, &resolved, &data, hold, prepared.plan.today).await?;
    let mut session = source.session().await?;
    session.script(&resolved.dialect.begin()).await?;
    let all: Vec<&Unsealed> = objects.iter().collect();
    // Files stand before the rows that point to them can be seen.
    let done = match put_back(&mut session, &records, &objects).await {
        Ok(rows) => match pointed(&mut session, &prepared.plan, &all).await {
            Ok(pointed) => put_files(&archives, &stores, &all, &pointed, &identities).await.map(|files| (rows, files)),
            Err(e) => Err(e),
        },
        Err(e) => Err(e),
    };
    let (done, files) = match done {
        Ok(done) => done,
        Err(e) => {
            session.discard().await;
            let mut failure = Failure::from(e);
            failure.message.push_str(&format!(": nothing was put back; the hold {} stands until it is lifted", placed.order));
            return Err(failure);
        }
    };
    if let Err(e) = session.rows(resolved.dialect.commit()).await {
        // Whether it came about, nobody can say then: files without their rows are worse off than rows without their files.
        if e.class() != Class::Lost {
            files.take_back().await;
        }
        return Err(e.into());
    }
    session.done().await?;
    source.close().await;
    match cx.format {
        Format::Json => {
            let mut told = serde_json::json!({ "hold": placed.order.to_string(), "done": done });
            if files.written() + files.there > 0 {
                told["files"] = serde_json::json!({ "written": files.written(), "there": files.there });
            }
            output::json(&told)?;
        }
        Format::Text => {
            let lang = cx.lang(&workspace);
            let n = |n: u64, fr: (&str, &str), en: (&str, &str)| count(n, lang, fr, en);
            let rows = n(done.inserted, ("ligne remise", "lignes remises"), ("row is back", "rows are back"));
            let masked = n(
                done.unmasked,
                ("ligne a retrouvé ses champs masqués", "lignes ont retrouvé leurs champs masqués"),
                ("row has its masked fields again", "rows have their masked fields again"),
            );
            let under = pick(lang, "sous le gel", "under the hold");
            let mut said = format!("{rows}, {masked}, {under} {}.", placed.order);
            if done.lost > 0 {
                let fr = ("colonne archivée n’existe plus", "colonnes archivées n’existent plus");
                let en = ("archived column is in these tables no more", "archived columns are in these tables no more");
                said += &format!(" {}.", n(done.lost, fr, en));
            }
            if files.written() + files.there > 0 {
                let back = n(files.written(), ("fichier remis", "fichiers remis"), ("file is back", "files are back"));
                let there = n(files.there, ("était déjà là", "étaient déjà là"), ("was there", "were there"));
                said += &format!(" {back}, {there}.");
            }
            output::line(said)?;
        }
    }
    state.close().await;
    Ok(Exit::Ok)
}
