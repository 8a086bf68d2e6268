//! `retentiond plan`.

use chrono::NaiveDate;

use super::context::{Cx, noon};
use super::exit::{Exit, Failure};
use super::output;
use super::table::Table;
use super::words::{self, count, number, pick};
use super::{Format, ceiling, tenants};
use crate::config::{Lang, Settings, SourceRules, Workspace, family_of};
use crate::enforce::Prepared;
use crate::plan::action::ActionKind;
use crate::plan::archiving::{ArchivePurpose, Keeping};
use crate::plan::census::{Counts, Note};
use crate::plan::listing::{Listed, listing};
use crate::policy::reader::shown;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this source.
    #[arg(long)]
    source: Option<String>,
    /// Answer for another day. Orders count as they stand now.
    #[arg(long)]
    at: Option<NaiveDate>,
    /// Show the statements instead of the counts, as one can put them behind an EXPLAIN.
    #[arg(long)]
    sql: bool,
}

/// Shows what a run would do. Changes no record; what other sources say of people stands in our own table meanwhile.
pub async fn run(cx: &Cx, args: Args) -> Result<Exit, Failure> {
    let workspace = cx.workspace_with_tenants().await?;
    let (mut all, mut worst) = (Vec::<Box<str>>::new(), Exit::Ok);
    for family in tenants::families(&workspace, args.source.as_deref()) {
        worst = tenants::say_unusable(&workspace, family, cx.lang(&workspace), worst);
    }
    for id in cx.sources(&workspace, args.source.as_deref())? {
        let Some(rules) = workspace.sources.get(&id) else { continue };
        let shown = match one(cx, &workspace, &id, &rules, &args).await {
            // One tenant that cannot be asked does not keep the others from being asked.
            Err(failure) if family_of(&id).is_some() => {
                worst = Exit::Failed;
                match cx.format {
                    Format::Json => tenants::broken_json(&id, &failure).to_string(),
                    Format::Text if args.sql => commented(&tenants::broken_text(&id, &failure, cx.lang(&workspace))),
                    Format::Text => tenants::broken_text(&id, &failure, cx.lang(&workspace)),
                }
            }
            other => other?,
        };
        match cx.format {
            Format::Json => all.push(shown.into()),
            Format::Text => output::say(shown)?,
        }
    }
    if cx.format == Format::Json {
        output::json_list(&all)?;
    }
    Ok(worst)
}

/// What is shown of one source: a page or a script for people, an object for programs.
async fn one(cx: &Cx, workspace: &Workspace, id: &str, rules: &SourceRules, args: &Args) -> Result<String, Failure> {
    let now = args.at.map_or_else(|| cx.clock.now(), |day| noon(day, rules));
    let source = cx.connect(workspace, id).await?;
    let asked = async {
        let prepared = match family_of(id) {
            Some(_) => tenants::prepare(cx, &source, rules, now).await?,
            None => cx.prepare(workspace, &source, rules, now).await?,
        };
        if args.sql {
            return Ok::<_, Failure>((prepared, Vec::new(), Vec::new()));
        }
        let elsewhere = cx.elsewhere(workspace, rules, now).await;
        let counts = elsewhere.census(&source, &prepared.plan).await?;
        let unasked = elsewhere.unasked();
        elsewhere.close().await;
        Ok((prepared, counts, unasked))
    };
    let asked = asked.await;
    source.close().await;
    let (prepared, counts, unasked) = asked?;
    let tenant = family_of(id).is_some();
    Ok(match (cx.format, args.sql) {
        (Format::Json, true) => {
            let statements = listing(&prepared.plan);
            serde_json::json!({ "source": id, "plan": prepared.plan.hash, "statements": statements }).to_string()
        }
        (Format::Text, true) if tenant => format!("-- source {id}\n\n{}", sql(&listing(&prepared.plan))),
        (Format::Text, true) => sql(&listing(&prepared.plan)),
        (Format::Json, false) => {
            let mut shown = json(&prepared, &counts, &workspace.settings);
            if !unasked.is_empty() {
                shown["unasked_elsewhere"] = serde_json::json!(unasked);
            }
            shown.to_string()
        }
        (Format::Text, false) => {
            let end = if tenant { "\n" } else { "" };
            let lang = cx.lang(workspace);
            let unasked = unasked.iter().map(|of| super::enforce::unasked(of, lang) + "\n");
            text(&prepared, rules, &counts, &workspace.settings, lang) + &unasked.collect::<String>() + end
        }
    })
}

/// Words within a script.
fn commented(words: &str) -> String {
    words.trim().lines().map(|line| format!("-- {line}\n")).collect::<String>() + "\n"
}

/// The statements as a script with comments.
fn sql(statements: &[Listed]) -> String {
    statements.iter().map(|s| format!("-- {}: {}\n{};\n\n", shown(&s.action), s.step.word(), s.sql)).collect()
}

/// The plan and its counts as a JSON value.
#[must_use]
pub fn json(prepared: &Prepared, counts: &[(String, Counts)], settings: &Settings) -> serde_json::Value {
    let plan = &prepared.plan;
    serde_json::json!({
        "source": plan.source,
        "plan": plan.hash,
        "today": plan.today.to_string(),
        "data_sets": counts.iter().map(|(id, c)| serde_json::json!({
            "data_set": id, "records": c.records, "frozen": c.frozen, "done": c.done, "uncovered": c.uncovered, "notes": c.notes,
            "purposes": c.purposes.iter().map(|(p, f)| serde_json::json!({
                "purpose": p, "covered": f.covered, "running": f.running, "due": f.due, "held": f.held, "kept_while": f.kept_while,
                "undated": f.undated, "undecided": f.undecided, "done": f.done, "ended": f.ended, "oldest_due_start": f.oldest_due_start,
            })).collect::<Vec<_>>(),
            "actions": c.actions, "would_be_stopped": ceiling::json(ceiling::foreseen(settings, &plan.source, c), settings, &plan.source),
        })).collect::<Vec<_>>(),
        "actions": plan.actions.iter().map(|a| serde_json::json!({
            "action": a.id, "kind": a.kind.word(), "data_set": a.data_set, "categories": a.categories, "purposes": a.purposes,
            "archives": a.archiving.iter().flat_map(|x| &x.purposes).map(kept).collect::<Vec<_>>(),
            "columns": a.set.iter().map(|(c, _)| c).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
    })
}

/// The plan as a page for people.
#[must_use]
pub fn text(prepared: &Prepared, rules: &SourceRules, counts: &[(String, Counts)], settings: &Settings, lang: Lang) -> String {
    let plan = &prepared.plan;
    let say = |fr, en| pick(lang, fr, en);
    let (source, today, colon) = (&plan.source, words::day(plan.today, lang), words::colon(lang));
    let mut out = format!("Source {source}{colon} {} {today}\n\n", say("plan du", "plan for"));
    for (id, c) in counts {
        let title = rules.map.data_set(id).map_or(id.as_str(), |d| pick(lang, &d.title.fr, &d.title.en));
        let records = count(c.records, lang, ("enregistrement", "enregistrements"), ("record", "records"));
        out.push_str(&format!("{} ({id}){colon} {records}\n", shown(title)));
        out.push_str(&purposes(c, lang).render());
        if c.purposes.iter().any(|(_, f)| f.ended > 0) {
            out.push_str(say(
                "  Terminés\u{a0}: une autre finalité ou un ordre garde l'enregistrement, ou ce qui devait partir est parti.\n",
                "  Ended: another purpose or an order keeps the record, or what had to go is gone.\n",
            ));
        }
        if c.uncovered > 0 {
            let records = count(
                c.uncovered,
                lang,
                ("enregistrement qu'aucune finalité ne couvre", "enregistrements qu'aucune finalité ne couvre"),
                ("record that no purpose covers", "records that no purpose covers"),
            );
            out.push_str(&format!("  {records}\n"));
        }
        for (note, subject, n) in &c.notes {
            let (fr, en) = noted(note);
            out.push_str(&format!("  ! {}{colon} {subject}\n", count(*n, lang, fr, en)));
        }
        let stops = ceiling::foreseen(settings, source, c);
        for (action, n) in c.actions.iter().filter(|(id, n)| *n > 0 || stops.iter().any(|(stopped, _)| stopped == id)) {
            let Some(a) = plan.actions.iter().find(|a| a.id == *action) else { continue };
            let (n, categories) = (number(*n, lang), a.categories.join(", "));
            let line = match a.kind {
                ActionKind::Delete => format!("{n} {}", say("à supprimer", "to delete")),
                ActionKind::Anonymise => format!("{n} {}", say("à anonymiser", "to anonymise")),
                ActionKind::Pseudonymise => format!("{n} {}", say("à pseudonymiser", "to pseudonymise")),
                ActionKind::Clear => format!("{n} {}{colon} {categories}", say("à effacer en partie", "to clear in part")),
                ActionKind::Empty => format!(
                    "{n} {}",
                    say(
                        "à vider, puis à supprimer quand plus rien ne s'y référera",
                        "to empty now, and to delete once nothing refers to them",
                    )
                ),
                ActionKind::NeverStored => format!(
                    "{}{colon} {n} {} ({categories})",
                    say("INCIDENT", "INCIDENT"),
                    say("avec des valeurs qui ne doivent jamais être conservées", "with values that must never be stored")
                ),
            };
            out.push_str(&format!("  → {line}\n"));
            for p in a.archiving.iter().flat_map(|archiving| &archiving.purposes) {
                let (what, place) = match &p.keeping {
                    Keeping::Archive(archive) => (
                        say(
                            "versé d'abord, pour la part qui la concerne, dans l'archive",
                            "first sealed, as far as it needs it, into the archive",
                        ),
                        archive.clone(),
                    ),
                    Keeping::Copy(copy) => {
                        (say("seulement une fois vue la copie dans", "only once the copy was seen in"), copy.of.value.to_string())
                    }
                };
                out.push_str(&format!("    {what} {place}{colon} {}\n", p.id()));
            }
            if let Some((_, s)) = stops.iter().find(|(id, _)| id == action) {
                let setting = settings.ceiling_key(source, s.ceiling);
                out.push_str(&format!("    ! {}\n", ceiling::would_be_stopped(*s, setting, lang)));
            }
        }
        out.push('\n');
    }
    let total: u64 = counts.iter().flat_map(|(_, c)| &c.actions).map(|(_, n)| n).sum();
    if total == 0 {
        out.push_str(say("Rien n'est échu.\n", "Nothing is due.\n"));
    } else if counts.iter().any(|(_, c)| c.purposes.iter().any(|(_, f)| f.ended > 0)) {
        // What keeps what is known; how much of it will be left once these actions are done is not.
        out.push_str(say(
            "Ce que seules ces actions retiennent encore (parmi les « terminés », ou à vider) part dans le même passage, sous les mêmes plafonds\u{a0}: il peut être supprimé plus que ce plan ne compte.\n",
            "What these actions alone still keep (among the ended, or to be emptied) goes in the same run, under the same ceilings: more may be deleted than this plan counts.\n",
        ));
    }
    out.push_str(&format!("{}{colon} {}\n", say("Empreinte du plan", "Plan hash"), plan.hash));
    out
}

/// A row for each purpose: what it covers is the sum of the columns up to the ended, and the held are among them.
fn purposes(c: &Counts, lang: Lang) -> Table {
    let mut table = Table::new(&match lang {
        Lang::Fr => [
            "finalité",
            "couverts",
            "en cours",
            "échus",
            "suspendus",
            "sans date",
            "indécis",
            "faits",
            "terminés",
            "dont gelés",
            "plus ancien départ",
        ],
        Lang::En => [
            "purpose",
            "covered",
            "running",
            "due",
            "suspended",
            "undated",
            "undecided",
            "done",
            "ended",
            "of these held",
            "oldest start",
        ],
    });
    for (purpose, f) in &c.purposes {
        let figures = [f.covered, f.running, f.due, f.kept_while, f.undated, f.undecided, f.done, f.ended, f.held];
        let oldest = f.oldest_due_start.map_or("-".to_owned(), |d| words::day(d, lang));
        table.row(std::iter::once(purpose.clone()).chain(figures.map(|n| number(n, lang))).chain([oldest]).collect());
    }
    table
}

/// Where a purpose keeps what leaves.
fn kept(p: &ArchivePurpose) -> serde_json::Value {
    match &p.keeping {
        Keeping::Archive(archive) => serde_json::json!({ "archive": archive, "purpose": p.id() }),
        Keeping::Copy(copy) => serde_json::json!({ "copy": copy.of.value.to_string(), "purpose": p.id() }),
    }
}

/// What was counted, one and several of it, in French and in English.
fn noted(note: &Note) -> ((&'static str, &'static str), (&'static str, &'static str)) {
    match note {
        Note::UncoveredField => (
            ("champ qu'aucune finalité ne couvre", "champs qu'aucune finalité ne couvre"),
            ("field that no purpose covers", "fields that no purpose covers"),
        ),
        Note::ArchiveOnly => (
            ("champ que seules des finalités d'archivage couvrent", "champs que seules des finalités d'archivage couvrent"),
            ("field that archive purposes alone cover", "fields that archive purposes alone cover"),
        ),
        Note::WaitsForDate => (
            ("champ échu dont l'archivage attend une date", "champs échus dont l'archivage attend une date"),
            ("field due whose archive waits for a date", "fields due whose archive waits for a date"),
        ),
        Note::InvalidDate => {
            (("date illisible", "dates illisibles"), ("date that breaks its format", "dates that break their format"))
        }
        Note::InvalidPeriod => (
            ("durée nulle ou négative", "durées nulles ou négatives"),
            ("period that is zero or negative", "periods that are zero or negative"),
        ),
        Note::NeverStoredFrozen => (
            ("INCIDENT, valeur interdite gelée", "INCIDENT, valeurs interdites gelées"),
            ("INCIDENT, frozen value that must never be stored", "INCIDENT, frozen values that must never be stored"),
        ),
    }
}
