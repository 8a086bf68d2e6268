//! `retentiond archive erase`: what is over, by an order or by its day, and lies in objects with what is to be kept, is taken out of them by whoever can
//! open them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use super::{identities, reason};
use crate::archive::{Archives, Identities};
use crate::cli::context::Cx;
use crate::cli::enforce::worst_of;
use crate::cli::exit::{Exit, Failure};
use crate::cli::tenants::{broken_json, broken_text, families, prepare, say_unusable};
use crate::cli::words::{colon, count, pick};
use crate::cli::{Format, output};
use crate::config::{Lang, SourceRules, Workspace, family_of};
use crate::enforce::erasure::{AmongOthers, ErasureRequest, Taken, erase, preview};
use crate::enforce::run::take_fence;
use crate::enforce::unseal::Why;
use crate::journal::{Access, Journal, Reference};
use crate::policy::reader::shown;
use crate::state::State;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only of this source.
    #[arg(long)]
    source: Option<String>,
    /// Only in this archive; may be repeated.
    #[arg(long)]
    archive: Vec<String>,
    /// The file of an age identity, or of an SSH private key, that opens the archive; readable by its owner alone. Without it, nothing is opened or changed.
    #[arg(long, requires_all = ["actor", "reason", "reference"])]
    identity: Option<PathBuf>,
    /// Who; one of the settings' `actors`.
    #[arg(long, requires = "identity")]
    actor: Option<String>,
    /// Why: data_subject_access, legal_claim, authority_request, audit, legal_duty, error_correction.
    #[arg(long, requires = "identity")]
    reason: Option<String>,
    /// The file or decision outside: letters, digits, `.`, `_`, `/`, `-`.
    #[arg(long, requires = "identity")]
    reference: Option<String>,
}

/// What is needed for each source.
struct Asked<'a> {
    workspace: &'a Workspace,
    state: &'a State,
    journal: &'a Journal,
    archives: &'a Archives,
    only: Option<&'a BTreeSet<String>>,
    by: Option<&'a (Arc<Identities>, Why)>,
}

/// What there is, or what was done.
enum Told {
    Found(Vec<AmongOthers>),
    Done(Taken),
}

/// Shows what is among others, or takes it out.
pub async fn run(cx: &Cx, args: Args) -> Result<Exit, Failure> {
    let workspace = cx.workspace_with_tenants().await?;
    let lang = cx.lang(&workspace);
    let only: BTreeSet<String> = args.archive.iter().cloned().collect();
    if let Some(unknown) = only.iter().find(|name| !workspace.settings.archives.contains_key(*name)) {
        return Err(Failure::new(Exit::Usage, format!("the settings have no archive `{}`", shown(unknown))));
    }
    let by = by(cx, &workspace, &args)?;
    let archives = cx.archives(&workspace)?;
    let (state, journal) = cx.state(&workspace).await?;
    let asked = Asked {
        workspace: &workspace,
        state: &state,
        journal: &journal,
        archives: &archives,
        only: (!only.is_empty()).then_some(&only),
        by: by.as_ref(),
    };
    let done = each(cx, &asked, args.source.as_deref()).await;
    if by.is_some() {
        // Whoever verifies the journal sees what went, without waiting for the next run.
        journal.checkpoint().await?;
    }
    let (worst, all) = done?;
    state.close().await;
    match cx.format {
        Format::Json => output::json(&serde_json::Value::from(all))?,
        Format::Text if by.is_none() => output::line(pick(
            lang,
            "Rien n'a été ouvert ni changé. Pour effacer\u{a0}: la même commande avec --identity, --actor, --reason et --reference.",
            "Nothing was opened or changed. To erase: the same command with --identity, --actor, --reason and --reference.",
        ))?,
        Format::Text => {}
    }
    Ok(worst)
}

/// The same for each source; what is told of it in JSON.
async fn each(cx: &Cx, asked: &Asked<'_>, only: Option<&str>) -> Result<(Exit, Vec<serde_json::Value>), Failure> {
    let lang = cx.lang(asked.workspace);
    let (mut worst, mut all) = (Exit::Ok, Vec::new());
    for family in families(asked.workspace, only) {
        worst = say_unusable(asked.workspace, family, lang, worst);
    }
    for id in cx.sources(asked.workspace, only)? {
        let Some(rules) = asked.workspace.sources.get(&id) else { continue };
        let told = match one(cx, asked, &id, &rules).await {
            // One tenant that is broken does not keep what is to go of another.
            Err(failure) if family_of(&id).is_some() => {
                worst = worst_of(worst, Exit::Failed);
                match cx.format {
                    Format::Json => all.push(broken_json(&id, &failure)),
                    Format::Text => output::say(broken_text(&id, &failure, lang))?,
                }
                continue;
            }
            other => other?,
        };
        if matches!(&told, Told::Done(taken) if !taken.is_whole()) {
            worst = worst_of(worst, Exit::Failed);
        }
        match (cx.format, &told) {
            (Format::Json, Told::Found(found)) => all.push(serde_json::json!({ "source": id, "among_others": found })),
            (Format::Json, Told::Done(taken)) => all.push(serde_json::json!({ "source": id, "done": taken })),
            (Format::Text, Told::Found(found)) => output::say(found_text(&id, found, lang))?,
            (Format::Text, Told::Done(taken)) => output::say(done_text(&id, taken, lang))?,
        }
    }
    Ok((worst, all))
}

/// Who opens the archives, with what, and why.
fn by(cx: &Cx, workspace: &Workspace, args: &Args) -> Result<Option<(Arc<Identities>, Why)>, Failure> {
    let Some(identity) = &args.identity else { return Ok(None) };
    let said = |text: &Option<String>| text.clone().unwrap_or_default();
    let why = Why {
        access: Access::Erase,
        actor: cx.actor(workspace, &said(&args.actor))?,
        reason: reason(&said(&args.reason))?,
        reference: Reference::parse(&said(&args.reference))?,
    };
    Ok(Some((Arc::new(identities(identity)?), why)))
}

async fn one(cx: &Cx, asked: &Asked<'_>, id: &str, rules: &SourceRules) -> Result<Told, Failure> {
    let source = cx.connect(asked.workspace, id).await?;
    let now = cx.clock.now();
    let prepared = match family_of(id) {
        Some(_) => prepare(cx, &source, rules, now).await?,
        None => cx.prepare(asked.workspace, &source, rules, now).await?,
    };
    let told = match asked.by {
        None => Told::Found(preview(&source, &prepared, asked.journal, asked.only).await?),
        Some((identities, why)) => {
            let fence = take_fence(&source, asked.state, asked.journal, &prepared).await?;
            let request = ErasureRequest {
                source: &source,
                prepared: &prepared,
                journal: asked.journal,
                fence,
                archives: asked.archives,
                only: asked.only,
                identities,
                why: why.clone(),
            };
            Told::Done(Box::pin(erase(request)).await?)
        }
    };
    source.close().await;
    Ok(told)
}

fn found_text(id: &str, found: &[AmongOthers], lang: Lang) -> String {
    let colon = colon(lang);
    if found.is_empty() {
        let none = pick(lang, "rien à effacer parmi ce qui est à conserver", "nothing to be erased among what is to be kept");
        return format!("Source {id}{colon} {none}.\n");
    }
    let mut out = format!("Source {id}{colon}\n");
    for of in found {
        let records = count(
            of.records,
            lang,
            ("enregistrement à effacer", "enregistrements à effacer"),
            ("record to be erased", "records to be erased"),
        );
        let objects = count(of.objects, lang, ("objet", "objets"), ("object", "objects"));
        let within = pick(lang, "dans", "in");
        let held = match of.held {
            0 => String::new(),
            n => format!(" ({})", count(n, lang, ("gelé, laissé", "gelés, laissés"), ("held, stays", "held, stay"))),
        };
        out += &format!("  Archive {}, {} ({}){colon} {records} {within} {objects}{held}\n", of.archive, of.purpose, of.data_set);
    }
    out
}

fn done_text(id: &str, taken: &Taken, lang: Lang) -> String {
    let records = count(
        taken.records,
        lang,
        ("enregistrement effacé", "enregistrements effacés"),
        ("record is erased", "records are erased"),
    );
    let objects = count(
        taken.objects,
        lang,
        ("objet, scellé à nouveau", "objets, scellés à nouveau"),
        ("object, which was sealed anew", "objects, which were sealed anew"),
    );
    let said = match taken.records {
        0 => pick(lang, "rien n'a été effacé", "nothing was erased").to_owned(),
        _ => format!("{records} {} {objects}", pick(lang, "de", "from")),
    };
    let mut out = format!("Source {id}{} {said}.\n", colon(lang));
    let lines = [
        (taken.held, ("gelé, laissé", "gelés, laissés"), ("is held, and stays", "are held, and stay")),
        (
            taken.locked,
            (
                "dans un objet verrouillé par le compartiment jusqu'à son terme",
                "dans des objets verrouillés par le compartiment jusqu'à leur terme",
            ),
            ("in an object that its bucket locks to its end", "in objects that their bucket locks to their end"),
        ),
        (
            taken.unopened,
            ("dans un objet que cette identité n'ouvre pas", "dans des objets que cette identité n'ouvre pas"),
            ("in an object that this identity does not open", "in objects that this identity does not open"),
        ),
        (
            taken.left,
            (
                "dans un objet remplacé qui n'est pas encore supprimé",
                "dans des objets remplacés qui ne sont pas encore supprimés",
            ),
            ("in an object that was replaced and is not removed yet", "in objects that were replaced and are not removed yet"),
        ),
        (taken.failed, ("non effacé", "non effacés"), ("could not be erased", "could not be erased")),
    ];
    for (n, fr, en) in lines.into_iter().filter(|(n, ..)| *n > 0) {
        out += &format!("  {}\n", count(n, lang, fr, en));
    }
    if let Some(error) = &taken.error {
        out += &format!("  {}{} {}\n", pick(lang, "la dernière erreur", "the last error"), colon(lang), shown(error));
    }
    out
}
