//! `retentiond enforce`.

use chrono::{DateTime, TimeDelta, Utc};
use std::io::{BufRead as _, IsTerminal as _, Write as _};

use super::context::Cx;
use super::exit::{Exit, Failure};
use super::output;
use super::progress::Progress;
use super::table::Table;
use super::words::{self, count, number, pick};
use super::{Format, ceiling, plan, tenants};
use crate::config::{Lang, PaceWord, Settings, family_of};
use crate::enforce::{ArchiveOutcome, FileOutcome, RunOutcome, RunRequest, Stopped, UnaskedPurpose, run as enforce};
use crate::journal::Trigger;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this source.
    #[arg(long)]
    source: Option<String>,
    /// The hash of the plan that was shown; without it, the plan is shown and asked about on a terminal.
    ///
    /// The hash stands for the policies, the map, the live schema, the statements and the day. It does not stand for the counts that were shown,
    /// nor for orders and ceilings: the run does what is due when it runs, leaves what an order holds by then, and stops at the ceilings of then.
    ///
    /// The tenants of a family have a plan each, since its statements name the tenant: give every hash that was shown.
    #[arg(long, value_name = "HASH")]
    pub(super) plan: Vec<String>,
    /// How hard the run works; the settings decide without it.
    #[arg(long, value_enum)]
    pub(super) pace: Option<PaceWord>,
    /// Connections that act at once at full pace, at most as many as the setup made slots for.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(super) workers: Option<u8>,
    /// End with a full census, whenever the last one was.
    #[arg(long)]
    pub(super) full_census: bool,
}

/// Does one run.
pub async fn run(cx: &Cx, args: Args) -> Result<Exit, Failure> {
    let workspace = cx.workspace_with_tenants().await?;
    let lang = cx.lang(&workspace);
    let ids = cx.sources(&workspace, args.source.as_deref())?;
    let named = args.source.as_deref().is_some_and(|id| workspace.families.contains_key(id));
    if !args.plan.is_empty() && !named && ids.len() != 1 {
        return Err(Failure::new(Exit::Usage, "`--plan` is about one source or one family: name it with `--source`"));
    }
    let families = tenants::families(&workspace, args.source.as_deref());
    if !families.is_empty() && args.plan.is_empty() {
        return Err(Failure::new(
            Exit::Denied,
            pick(
                lang,
                "une famille demande `--source <famille>` et `--plan <empreinte>` pour chaque plan affiché par `retentiond plan`",
                "a family needs `--source <family>` and `--plan <hash>` for each plan that `retentiond plan` showed",
            ),
        ));
    }
    let (state, journal) = cx.state(&workspace).await?;
    let mut worst = Exit::Ok;
    let mut results: Vec<Box<str>> = Vec::new();
    for family in families {
        let done = tenants::enforce(cx, &workspace, (&state, &journal), family, &args).await?;
        worst = worst_of(worst, done.0);
        results.extend(done.1);
    }
    for id in ids.into_iter().filter(|id| !named && family_of(id).is_none_or(|_| args.source.is_some())) {
        let Some(rules) = workspace.sources.get(&id) else { continue };
        let source = cx.connect(&workspace, &id).await?;
        let prepared = cx.prepare(&workspace, &source, &rules, cx.clock.now()).await?;
        match args.plan.first() {
            Some(_) if args.plan.contains(&prepared.plan.hash) => {}
            Some(hash) => {
                return Err(crate::enforce::EnforceError::PlanChanged {
                    approved: hash.clone(),
                    found: prepared.plan.hash.clone(),
                }
                .into());
            }
            None => {
                if !std::io::stdin().is_terminal() {
                    return Err(Failure::new(
                        Exit::Denied,
                        pick(
                            lang,
                            "sans terminal où poser la question, `enforce` demande `--plan <empreinte>` du plan affiché par `retentiond plan`",
                            "without a terminal to ask on, `enforce` needs `--plan <hash>` of the plan that `retentiond plan` showed",
                        ),
                    ));
                }
                let elsewhere = cx.elsewhere(&workspace, &rules, prepared.plan.now).await;
                let counts = elsewhere.census(&source, &prepared.plan).await?;
                elsewhere.close().await;
                let shown = plan::text(&prepared, &rules, &counts, &workspace.settings, lang);
                match cx.format {
                    Format::Json => eprint!("{shown}"),
                    Format::Text => output::say(shown)?,
                }
                if !confirmed(lang)? {
                    return Err(Failure::new(Exit::Denied, pick(lang, "rien n'a été fait", "nothing was done")));
                }
            }
        }
        let (archives, files) = (cx.archives(&workspace)?, cx.files(&workspace, &rules.map)?);
        let copies = cx.copies(&workspace, &rules).await;
        let elsewhere = cx.elsewhere(&workspace, &rules, prepared.plan.now).await;
        let fence = crate::enforce::run::take_fence(&source, &state, &journal, &prepared).await?;
        let progress = Progress::listening(cx.format == Format::Json, lang);
        let settings = workspace.settings.run(&id, args.pace, args.workers);
        let now = prepared.plan.now;
        let full_census = args.full_census || census_due(state.last_full_census(&id).await?, now, &workspace.settings);
        let request = RunRequest {
            scope: crate::enforce::Scope::Everything,
            source: &source,
            prepared: &prepared,
            journal: &journal,
            fence,
            settings,
            full_census,
            archives: &archives,
            copies: &copies,
            elsewhere: &elsewhere,
            files,
            watch: &progress,
            trigger: Trigger::Command,
        };
        let outcome = enforce(request).await?;
        if outcome.census.is_some() {
            state.full_census_taken(&id, now).await?;
        }
        source.close().await;
        copies.close().await;
        elsewhere.close().await;
        worst = worst_of(worst, exit_of(&outcome));
        match cx.format {
            Format::Json => {
                let stopped = ceiling::json(stops(&outcome), &workspace.settings, &id);
                results.push(serde_json::json!({ "source": id, "outcome": outcome, "stopped": stopped }).to_string().into());
            }
            Format::Text => output::say(text(&id, &outcome, &workspace.settings, lang))?,
        }
    }
    if cx.format == Format::Json {
        output::json_list(&results)?;
    }
    state.close().await;
    Ok(worst)
}

/// Of a purpose of another source that could not be asked.
#[must_use]
pub fn unasked(of: &UnaskedPurpose, lang: Lang) -> String {
    let (fr, en) = (
        "n'a pas pu être interrogée\u{a0}: tout ce dont elle peut avoir besoin reste",
        "could not be asked: everything that it may need stays",
    );
    let people = count(of.people, lang, ("personne", "personnes"), ("person", "persons"));
    format!("{}{} {}, {people} ({})", of.purpose, words::colon(lang), pick(lang, fr, en), of.why)
}

/// What became of what an archive purpose keeps no longer.
pub fn archive(source: &str, a: &ArchiveOutcome, settings: &Settings, lang: Lang) -> String {
    let n = |x: u64| number(x, lang);
    let mut line = match lang {
        Lang::Fr => format!(
            "  Archive {}, {} ({})\u{a0}: {} enregistrements échus, {} détruits, {} gelés, {} refusés",
            a.archive,
            a.purpose,
            a.data_set,
            n(a.due + a.ordered),
            n(a.destroyed),
            n(a.held),
            n(a.failed)
        ),
        Lang::En => format!(
            "  Archive {}, {} ({}): {} records over, {} destroyed, {} held, {} refused",
            a.archive,
            a.purpose,
            a.data_set,
            n(a.due + a.ordered),
            n(a.destroyed),
            n(a.held),
            n(a.failed)
        ),
    };
    if let Some(s) = a.stopped {
        line.push_str(&format!("; {}", ceiling::stopped(s, settings.ceiling_key(source, s.ceiling), lang)));
    }
    if let Some(error) = &a.error {
        line.push_str(&format!(" ({error})"));
    }
    line + "\n"
}

/// What became of the files that rows pointed to.
fn files(outcome: &RunOutcome, lang: Lang) -> String {
    let mut all = FileOutcome::default();
    outcome.actions.iter().for_each(|a| all.add(&a.files));
    all.add(&outcome.left);
    let lines = [
        (
            all.sealed,
            ("fichier a d'abord été versé dans une archive", "fichiers ont d'abord été versés dans une archive"),
            ("file was sealed into an archive first", "files were sealed into an archive first"),
        ),
        (all.removed, ("fichier supprimé", "fichiers supprimés"), ("file removed", "files removed")),
        (all.missing, ("fichier manquait déjà", "fichiers manquaient déjà"), ("file was not there", "files were not there")),
        (
            all.shared,
            ("fichier reste, une autre ligne y renvoie", "fichiers restent, d'autres lignes y renvoient"),
            ("file stays, another row points to it", "files stay, other rows point to them"),
        ),
        (
            all.changed,
            (
                "fichier reste\u{a0}: il n'est plus celui qui a été versé dans l'archive",
                "fichiers restent\u{a0}: ils ne sont plus ceux qui ont été versés dans l'archive",
            ),
            (
                "file stays: it is not what was sealed into the archive any more",
                "files stay: they are not what was sealed into the archive any more",
            ),
        ),
        (
            all.kept,
            (
                "fichier versé dans une archive n'a pas pu être supprimé\u{a0}; la prochaine exécution essaiera de nouveau",
                "fichiers versés dans une archive n'ont pas pu être supprimés\u{a0}; la prochaine exécution essaiera de nouveau",
            ),
            (
                "file that was sealed cannot be removed; the next run tries again",
                "files that were sealed cannot be removed; the next run tries again",
            ),
        ),
    ];
    let told = lines.into_iter().filter(|(n, ..)| *n > 0);
    told.map(|(n, fr, en)| format!("  {}\n", count(n, lang, fr, en))).collect()
}

/// What else is to be said of what an archive purpose keeps: what orders have ended, what is kept until a day that nobody knows yet, or that nobody will tell.
pub fn beside_the_due(a: &ArchiveOutcome, lang: Lang) -> String {
    let (place, colon) = (format!("Archive {}, {} ({})", a.archive, a.purpose, a.data_set), words::colon(lang));
    let waits = a.open.saturating_sub(a.astray);
    let mut out = String::new();
    if a.ordered > 0 {
        let fr = (
            "enregistrement auquel une mesure a mis fin avant son terme, compté parmi les échus",
            "enregistrements auxquels une mesure a mis fin avant leur terme, comptés parmi les échus",
        );
        let en = (
            "record was ended by an order before its day, and counts as over",
            "records were ended by orders before their day, and count as over",
        );
        out.push_str(&format!("  {place}{colon} {}\n", count(a.ordered, lang, fr, en)));
    }
    if a.among_others > 0 {
        let fr = (
            "enregistrement à supprimer reste parmi d’autres qui sont à conserver\u{a0}: une mesure y a mis fin, ou son terme est passé (`archive erase`)",
            "enregistrements à supprimer restent parmi d’autres qui sont à conserver\u{a0}: une mesure y a mis fin, ou leur terme est passé (`archive erase`)",
        );
        let en = (
            "record that is to go stays among others that are to be kept: an order has ended it, or its day has passed (`archive erase`)",
            "records that are to go stay among others that are to be kept: orders have ended them, or their day has passed (`archive erase`)",
        );
        out.push_str(&format!("  {place}{colon} {}\n", count(a.among_others, lang, fr, en)));
    }
    if waits > 0 {
        let fr = ("enregistrement attend que sa fin soit connue", "enregistrements attendent que leur fin soit connue");
        let en = ("record waits for its end to be known", "records wait for their end to be known");
        out.push_str(&format!("  {place}{colon} {}\n", count(waits, lang, fr, en)));
    }
    if a.astray > 0 {
        let fr = (
            "enregistrement dont plus rien ne dira la fin\u{a0}: ce qui devait la donner a disparu ou n’est pas daté",
            "enregistrements dont plus rien ne dira la fin\u{a0}: ce qui devait la donner a disparu ou n’est pas daté",
        );
        let en = (
            "record whose end nothing will tell: the row that should is gone or undated",
            "records whose end nothing will tell: the rows that should are gone or undated",
        );
        out.push_str(&format!("  {place}{colon} {}\n", count(a.astray, lang, fr, en)));
    }
    out
}

/// Whether a run should end with a full census.
pub(super) fn census_due(last: Option<DateTime<Utc>>, now: DateTime<Utc>, settings: &Settings) -> bool {
    // Half an hour of grace: a nightly run does not begin at the same second every night.
    let every = TimeDelta::days(i64::from(settings.full_census_days)) - TimeDelta::minutes(30);
    last.is_none_or(|last| now - last >= every)
}

/// The exit code of one run.
#[must_use]
pub fn exit_of(outcome: &RunOutcome) -> Exit {
    if outcome.stopped() || outcome.interrupted {
        Exit::Stopped
    } else if outcome.failed() > 0 || !outcome.unasked.is_empty() || !outcome.unasked_elsewhere.is_empty() {
        Exit::Failed
    } else {
        Exit::Ok
    }
}

/// The exit code of a command whose parts end with these.
pub fn worst_of(a: Exit, b: Exit) -> Exit {
    match (a, b) {
        (Exit::Stopped, _) | (_, Exit::Stopped) => Exit::Stopped,
        (Exit::Failed, _) | (_, Exit::Failed) => Exit::Failed,
        _ => Exit::Ok,
    }
}

fn confirmed(lang: Lang) -> Result<bool, Failure> {
    let (question, yes) = match lang {
        Lang::Fr => ("Exécuter ce plan\u{202f}? Tapez «\u{a0}oui\u{a0}»\u{a0}: ", "oui"),
        Lang::En => ("Carry out this plan? Type \"yes\": ", "yes"),
    };
    eprint!("{question}");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(|e| Failure::new(Exit::Unavailable, e.to_string()))?;
    Ok(answer.trim().eq_ignore_ascii_case(yes))
}

/// The actions that a ceiling stopped.
pub(super) fn stops(outcome: &RunOutcome) -> Vec<(&str, Stopped)> {
    outcome.actions.iter().filter_map(|a| Some((a.action.as_str(), a.stopped?))).collect()
}

/// What a run did, for people.
#[must_use]
pub fn text(source: &str, outcome: &RunOutcome, settings: &Settings, lang: Lang) -> String {
    let say = |fr: &'static str, en: &'static str| pick(lang, fr, en);
    let n = |x: u64| number(x, lang);
    let mut table = Table::new(&match lang {
        Lang::Fr => ["action", "échus", "traités", "liés", "refusés", "verrouillés", "restants", ""],
        Lang::En => ["action", "due", "changed", "related", "failed", "busy", "left", ""],
    });
    for a in outcome.actions.iter().filter(|a| a.due_before + a.changed + a.due_after > 0) {
        table.row(vec![
            a.action.clone(),
            n(a.due_before),
            n(a.changed),
            n(a.related),
            n(a.failed + a.too_large + a.nameless),
            n(a.busy),
            n(a.due_after),
            a.stopped.map_or(String::new(), |s| ceiling::stopped(s, settings.ceiling_key(source, s.ceiling), lang)),
        ]);
    }
    let mut out = format!("Source {source}{} {} {}\n", words::colon(lang), say("exécution", "run"), outcome.run);
    if table.is_empty() && outcome.archives.iter().all(|a| a.due == 0) {
        out.push_str(say("  Rien n'était échu.\n", "  Nothing was due.\n"));
    } else {
        out.push_str(&table.render());
    }
    if outcome.actions.iter().any(|a| a.changed + a.due_after != a.due_before) {
        out.push_str(say(
            "  « Échus » compte ce qui l'était au début\u{a0}; ce qui l'est devenu pendant le passage, ou est parti avec d'autres fiches, fait la différence.\n",
            "  “Due” counts what was due at the start; what became due during the run, or went with other records, makes the difference.\n",
        ));
    }
    let archived: u64 = outcome.actions.iter().map(|a| a.archived).sum();
    if archived > 0 {
        let fr = ("ligne a d'abord été versée dans une archive", "lignes ont d'abord été versées dans une archive");
        let en = ("row was sealed into an archive first", "rows were sealed into an archive first");
        out.push_str(&format!("  {}\n", count(archived, lang, fr, en)));
    }
    if outcome.actions.iter().any(|a| a.failed > 0) {
        out.push_str(say(
            "  Refusés\u{a0}: le journal nomme chacun et dit pourquoi (`journal show --kind record_failed`), `locate` le retrouve.\n",
            "  Failed: the journal names each and says why (`journal show --kind record_failed`), `locate` finds it.\n",
        ));
    }
    let nameless: u64 = outcome.actions.iter().map(|a| a.nameless).sum();
    if nameless > 0 {
        let fr = (
            "fiche échue n'a pas de clé qui la nomme (NULL, ou un caractère NUL)\u{a0}: rien ne peut en être fait avant que la base soit corrigée",
            "fiches échues n'ont pas de clé qui les nomme (NULL, ou un caractère NUL)\u{a0}: rien ne peut en être fait avant que la base soit corrigée",
        );
        let en = (
            "due record has no key that names it (NULL, or a character NUL): nothing can be done with it before the database is corrected",
            "due records have no key that names them (NULL, or a character NUL): nothing can be done with them before the database is corrected",
        );
        out.push_str(&format!("  {}\n", count(nameless, lang, fr, en)));
    }
    let waiting: u64 = outcome.actions.iter().map(|a| a.no_copy).sum();
    if waiting > 0 {
        let fr = ("fiche échue attend sa copie, qui n'a pas été vue", "fiches échues attendent leur copie, qui n'a pas été vue");
        let en = ("due record waits for its copy, which was not seen", "due records wait for their copies, which were not seen");
        out.push_str(&format!("  {}\n", count(waiting, lang, fr, en)));
    }
    for (name, why) in &outcome.unasked {
        let said = say("les copies n'ont pas pu être cherchées", "copies could not be looked for");
        out.push_str(&format!("  {name}{} {said} ({why})\n", words::colon(lang)));
    }
    for unanswered in &outcome.unasked_elsewhere {
        out.push_str(&format!("  {}\n", unasked(unanswered, lang)));
    }
    out.push_str(&files(outcome, lang));
    for a in outcome.archives.iter().filter(|a| a.due + a.ordered > 0) {
        out.push_str(&archive(source, a, settings, lang));
    }
    for a in &outcome.archives {
        out.push_str(&beside_the_due(a, lang));
    }
    if outcome.recovered > 0 {
        let fr = ("lot interrompu a été clos", "lots interrompus ont été clos");
        let en = ("interrupted batch was closed", "interrupted batches were closed");
        out.push_str(&format!("  {}\n", count(outcome.recovered, lang, fr, en)));
    }
    if outcome.reverted > 0 {
        let fr = (
            "lot défait par une restauration de la base a été traité à nouveau",
            "lots défaits par une restauration de la base ont été traités à nouveau",
        );
        let en = ("batch undone by a restored database was done again", "batches undone by a restored database were done again");
        out.push_str(&format!("  {}\n", count(outcome.reverted, lang, fr, en)));
    }
    if outcome.old_pages {
        out.push_str(say(
            "  Un lecteur a empêché SQLite de vider son journal\u{a0}: d'anciennes valeurs y restent jusqu'à son prochain point de contrôle.\n",
            "  A reader kept SQLite from emptying its log: replaced values remain there until its next checkpoint.\n",
        ));
    }
    out.push('\n');
    out
}
