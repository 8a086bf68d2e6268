//! `retentiond undo`: what a run took comes back from where it was sealed; first shown, then done as it was shown.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use super::archive::{identities, reason};
use super::context::{Cx, unknown_source};
use super::exit::{Exit, Failure};
use super::table::Table;
use super::words::{colon, count, day, number, pick};
use super::{Format, output};
use crate::config::{Lang, SourceRules, Workspace};
use crate::enforce::run::take_fence;
use crate::enforce::undo::{Account, Asked, Back, Group, UndoRequest, preview, undo};
use crate::enforce::unseal::Why;
use crate::enforce::{EnforceError, Silent};
use crate::journal::{Access, Action, Day, Hash, Id128, Name, Reader, Reference};
use crate::plan::compile;
use crate::policy::reader::shown;
use crate::source::Class;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The source.
    #[arg(long)]
    source: String,
    /// The run, as `enforce` and `journal show` name it.
    #[arg(long)]
    run: String,
    /// Only what lies in this archive; may be repeated. Without it, from all.
    #[arg(long)]
    archive: Vec<String>,
    /// The hash that the preview printed: exactly that is put back. Without it nothing is opened and nothing is changed.
    #[arg(long, requires_all = ["identity", "actor", "reason", "reference"])]
    plan: Option<String>,
    /// The file of an age identity, or of an SSH private key, that opens the archives; readable by its owner alone.
    #[arg(long, requires = "plan")]
    identity: Option<PathBuf>,
    /// Who; one of the settings' `actors`.
    #[arg(long, requires = "plan")]
    actor: Option<String>,
    /// Why: data_subject_access, legal_claim, authority_request, audit, legal_duty, error_correction.
    #[arg(long, requires = "plan")]
    reason: Option<String>,
    /// The file or decision outside: letters, digits, `.`, `_`, `/`, `-`.
    #[arg(long, requires = "plan")]
    reference: Option<String>,
    /// A private file with the URL of a user who may insert rows: the enforcer's own role may not.
    #[arg(long, value_name = "FILE", requires = "plan")]
    url_file: Option<PathBuf>,
}

/// Shows what can come back of a run, or puts it back.
pub async fn run(cx: &Cx, args: Args) -> Result<Exit, Failure> {
    let workspace = cx.workspace_with_tenants().await?;
    let rules = workspace.sources.get(&args.source).ok_or_else(|| unknown_source(&workspace, &args.source))?;
    let rules: &SourceRules = &rules;
    let archives: BTreeSet<String> = args.archive.iter().cloned().collect();
    if let Some(unknown) = archives.iter().find(|name| !workspace.settings.archives.contains_key(*name)) {
        return Err(Failure::new(Exit::Usage, format!("the settings have no archive `{}`", shown(unknown))));
    }
    let (source, run) = (Name::parse(&args.source)?, Id128::parse(&args.run)?);
    let asked = Asked {
        source: &source,
        run,
        archives: (!archives.is_empty()).then_some(&archives),
        map: &rules.map,
        map_hash: Hash::of(rules.documents.map.as_bytes()),
        today: today(cx, rules)?,
    };
    match &args.plan {
        None => {
            let account = preview(&Reader::new(&cx.state_to_read(&workspace).await?), asked).await?;
            match cx.format {
                Format::Json => {
                    let mut told = serde_json::json!(account);
                    told["source"] = args.source.into();
                    output::json(&told)?;
                }
                Format::Text => output::say(text(&args, rules, &account, cx.lang(&workspace)))?,
            }
            Ok(Exit::Ok)
        }
        Some(plan) => carry_out(cx, &workspace, rules, asked, Hash::parse(plan)?, &args).await,
    }
}

/// The day that it is for the source.
fn today(cx: &Cx, rules: &SourceRules) -> Result<Day, Failure> {
    Ok(Day::try_from(rules.today(cx.clock.now()))?)
}

async fn carry_out(
    cx: &Cx,
    workspace: &Workspace,
    rules: &SourceRules,
    asked: Asked<'_>,
    plan: Hash,
    args: &Args,
) -> Result<Exit, Failure> {
    let said = |text: &Option<String>| text.clone().unwrap_or_default();
    let why = Why {
        access: Access::Undo,
        actor: cx.actor(workspace, &said(&args.actor))?,
        reason: reason(&said(&args.reason))?,
        reference: Reference::parse(&said(&args.reference))?,
    };
    let identities = Arc::new(identities(&args.identity.clone().unwrap_or_default())?);
    let (archives, files) = (cx.archives(workspace)?, cx.files(workspace, &rules.map)?);
    let (state, journal) = cx.state(workspace).await?;
    // What cannot be is said before anybody's fence is taken.
    preview(&journal.reader(), asked).await?;
    let source = cx.connect_as(workspace, &args.source, args.url_file.as_deref()).await?;
    let now = cx.clock.now();
    let prepared = cx.prepare(workspace, &source, rules, now).await?;
    let records = compile::records(&rules.map, &rules.policies, &prepared.schema, &prepared.moment);
    let fence = take_fence(&source, &state, &journal, &prepared).await?;
    let request = UndoRequest {
        asked,
        plan,
        source: &source,
        records: &records,
        prepared: &prepared,
        journal: &journal,
        fence,
        archives: &archives,
        files: &files,
        identities: &identities,
        why,
        now,
        watch: &Silent,
    };
    let back = Box::pin(undo(request)).await.map_err(|e| match e {
        EnforceError::PlanChanged { approved, found } => Failure::new(
            Exit::Denied,
            format!("what would come back now has the hash {found}, not {approved} as approved: look at the preview again"),
        ),
        EnforceError::Source(e) if e.class() == Class::Privilege && args.url_file.is_none() => {
            let mut failure = Failure::from(e);
            failure
                .message
                .push_str(": nothing of this batch was put back; `--url-file` connects as somebody who may insert rows");
            failure
        }
        e => e.into(),
    })?;
    // Whoever verifies the journal sees what came back, without waiting for the next run.
    journal.checkpoint().await?;
    source.close().await;
    state.close().await;
    match cx.format {
        Format::Json => {
            output::json(&serde_json::json!({ "source": args.source, "run": args.run, "plan": plan.to_string(), "done": back }))?
        }
        Format::Text => output::say(done(&back, cx.lang(workspace)))?,
    }
    Ok(if back.is_whole() { Exit::Ok } else { Exit::Failed })
}

fn done(back: &Back, lang: Lang) -> String {
    let say = |n: u64, fr: &str, en: &str| match n {
        0 => String::new(),
        n => format!("  {} {}\n", number(n, lang), pick(lang, fr, en)),
    };
    let records = count(
        back.records,
        lang,
        ("enregistrement est revenu", "enregistrements sont revenus"),
        ("record is back", "records are back"),
    );
    let mut out = format!("{records}{}\n", pick(lang, ", chacun gelé par un ordre de conservation.", ", each under a hold."));
    out += &say(back.inserted, "lignes réinsérées", "rows inserted");
    out += &say(
        back.unmasked,
        "lignes dont les champs masqués ont retrouvé leur valeur",
        "rows whose masked fields have their values again",
    );
    out += &say(
        back.newer,
        "champs laissés tels quels, car écrits depuis",
        "fields left as they are, because somebody has written to them since",
    );
    out += &say(back.there, "enregistrements déjà là, laissés tels quels", "records that were there, left as they are");
    out += &say(
        back.gone,
        "enregistrements masqués disparus depuis, non réinsérés",
        "masked records that are gone since, not inserted",
    );
    out += &say(back.files, "fichiers revenus", "files are back");
    out += &say(back.lost, "valeurs archivées de colonnes disparues", "archived values of columns that are there no more");
    out += &say(
        back.busy,
        "enregistrements verrouillés par d'autres\u{a0}: relancez la même commande",
        "records locked by others: run the same command again",
    );
    out += &say(back.refused, "enregistrements refusés par la base", "records that the database refuses");
    if let Some(last) = &back.last {
        out += &format!("  {}{} {}\n", pick(lang, "le dernier refus", "the last refusal"), colon(lang), shown(last));
    }
    out
}

fn text(args: &Args, rules: &SourceRules, account: &Account, lang: Lang) -> String {
    let (say, colon) = (|fr, en| pick(lang, fr, en), colon(lang));
    let mut out = format!(
        "Source {}{colon} {} {} ({})\n\n",
        args.source,
        say("annulation de l'exécution", "undoing the run"),
        account.run,
        account.started
    );
    let mut table = Table::new(&match lang {
        Lang::Fr => [
            "données",
            "action",
            "enregistrements",
            "à remettre",
            "dont en partie",
            "déjà revenus",
            "jamais scellés",
            "archives exclues",
            "détruits",
            "délai passé",
            "fichiers",
        ],
        Lang::En => [
            "data set",
            "action",
            "records",
            "come back",
            "of these in part",
            "back already",
            "never sealed",
            "archives left out",
            "destroyed",
            "time over",
            "files",
        ],
    });
    for g in &account.groups {
        let Group { records, back, part, again, unsealed, left_out, destroyed, over, files, .. } = g;
        let figures = [records, back, part, again, unsealed, left_out, destroyed, over, files].map(|n| number(*n, lang));
        table.row([g.data_set.to_string(), action(g.action, lang).to_owned()].into_iter().chain(figures).collect());
    }
    out += &table.render();
    for first in &account.first {
        let title = rules.map.data_set(first.data_set.as_str());
        let title = title.map_or(first.data_set.as_str(), |d| pick(lang, &d.title.fr, &d.title.en));
        let records = count(first.records, lang, ("enregistrement", "enregistrements"), ("record", "records"));
        out += &match lang {
            Lang::Fr => format!(
                "À annuler avant\u{a0}: l'exécution {} a supprimé {records} de {} ({}), dont ceux-ci peuvent dépendre.\n",
                first.run,
                shown(title),
                first.data_set
            ),
            Lang::En => format!(
                "To be undone before: the run {} deleted {records} of {} ({}), to which these may belong.\n",
                first.run,
                shown(title),
                first.data_set
            ),
        };
    }
    let total: u64 = account.groups.iter().map(|g| g.back).sum();
    if total == 0 {
        out += say("Rien ne peut être remis.\n", "Nothing can come back.\n");
        return out;
    }
    out += say(
        "Seuls reviennent les champs qu’une archive a pris (`needs` de la politique)\u{a0}; « en partie » compte ceux dont un objet n’est plus là.\n",
        "Only fields that an archive took come back (`needs` of the policy); “in part” counts those of which an object is gone.\n",
    );
    let archives = account.archives.iter().cloned().collect::<Vec<_>>().join(", ");
    out += &format!("{}{colon} {archives}\n", say("Archives à ouvrir", "Archives to be opened"));
    if let Some(until) = account.until.as_deref().and_then(|until| Day::parse(until).ok()) {
        out += &format!("{}{colon} {}\n", say("Entier jusqu'au", "Whole until"), day(until.date(), lang));
    }
    out += &format!("{}{colon} {}\n", say("Empreinte", "Plan hash"), account.plan);
    out += say(
        "Rien n'a été ouvert ni changé. Pour remettre exactement cela\u{a0}: la même commande avec --plan, --identity, --actor, --reason et --reference.\n",
        "Nothing was opened or changed. To put back exactly this: the same command with --plan, --identity, --actor, --reason and --reference.\n",
    );
    out
}

fn action(action: Action, lang: Lang) -> &'static str {
    match action {
        Action::Delete => pick(lang, "supprimer", "delete"),
        Action::Anonymise => pick(lang, "anonymiser", "anonymise"),
        Action::Pseudonymise => pick(lang, "pseudonymiser", "pseudonymise"),
        Action::Clear => pick(lang, "effacer", "clear"),
        Action::Empty => pick(lang, "vider", "empty"),
        Action::ClearIncident => pick(lang, "effacer (incident)", "clear (incident)"),
        Action::Destroy => pick(lang, "détruire", "destroy"),
    }
}
