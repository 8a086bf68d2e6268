//! `retentiond plan`.

use chrono::NaiveDate;

use super::context::{Cx, noon};
use super::exit::{Exit, Failure};
use super::table::Table;
use crate::config::{Lang, SourceRules};
use crate::enforce::{Prepared, take_census};
use crate::plan::action::ActionKind;
use crate::plan::census::{Counts, Note};
use crate::policy::reader::shown;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this source.
    #[arg(long)]
    source: Option<String>,
    /// Answer for another day.
    #[arg(long)]
    at: Option<NaiveDate>,
}

/// Shows what a run would do. Reads only.
pub async fn run(cx: &Cx, args: Args) -> Result<Exit, Failure> {
    let workspace = cx.workspace()?;
    let mut all = Vec::new();
    for id in cx.sources(&workspace, args.source.as_deref())? {
        let Some(rules) = workspace.sources.get(&id) else { continue };
        let now = args.at.map_or_else(|| cx.clock.now(), |day| noon(day, rules));
        let source = cx.connect(&workspace, &id).await?;
        let prepared = cx.prepare(&workspace, &source, rules, now).await?;
        let mut session = source.session().await?;
        let counts = take_census(&mut session, &prepared.plan).await?;
        session.done().await?;
        source.close().await;
        match cx.format {
            super::Format::Json => all.push(json(&prepared, &counts)),
            super::Format::Text => print!("{}", text(&prepared, rules, &counts, cx.lang(&workspace))),
        }
    }
    if cx.format == super::Format::Json {
        println!("{}", serde_json::Value::from(all));
    }
    Ok(Exit::Ok)
}

/// The plan and its counts as a JSON value.
#[must_use]
pub fn json(prepared: &Prepared, counts: &[(String, Counts)]) -> serde_json::Value {
    let plan = &prepared.plan;
    serde_json::json!({
        "source": plan.source,
        "plan": plan.hash,
        "today": plan.today.to_string(),
        "data_sets": counts.iter().map(|(id, c)| serde_json::json!({
            "data_set": id, "records": c.records, "frozen": c.frozen, "uncovered": c.uncovered, "notes": c.notes,
            "purposes": c.purposes.iter().map(|(p, f)| serde_json::json!({
                "purpose": p, "covered": f.covered, "running": f.running, "due": f.due, "held": f.held, "kept_while": f.kept_while,
                "undated": f.undated, "undecided": f.undecided, "ended": f.ended, "oldest_due_start": f.oldest_due_start,
            })).collect::<Vec<_>>(),
            "actions": c.actions,
        })).collect::<Vec<_>>(),
        "actions": plan.actions.iter().map(|a| serde_json::json!({
            "action": a.id, "kind": a.kind.word(), "data_set": a.data_set, "categories": a.categories, "purposes": a.purposes,
            "columns": a.set.iter().map(|(c, _)| c).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
    })
}

/// The plan as a page for people.
#[must_use]
pub fn text(prepared: &Prepared, rules: &SourceRules, counts: &[(String, Counts)], lang: Lang) -> String {
    let plan = &prepared.plan;
    let fr = lang == Lang::Fr;
    let pick = |f: &'static str, e: &'static str| if fr { f } else { e };
    let mut out = match lang {
        Lang::Fr => format!("Source {} : plan du {}\n\n", plan.source, plan.today.format("%d/%m/%Y")),
        Lang::En => format!("Source {}: plan for {}\n\n", plan.source, plan.today),
    };
    for (id, c) in counts {
        let title = rules.map.data_set(id).map_or(id.as_str(), |d| if fr { &d.title.fr } else { &d.title.en });
        let records = if fr { "enregistrements" } else { "records" };
        out.push_str(&format!("{} ({id}): {} {records}\n", shown(title), number(c.records, lang)));
        let mut table = if fr {
            Table::new(&[
                "finalité",
                "couverts",
                "en cours",
                "échus",
                "gelés",
                "suspendus",
                "sans date",
                "indécis",
                "plus ancien",
            ])
        } else {
            Table::new(&["purpose", "covered", "running", "due", "held", "suspended", "undated", "undecided", "oldest start"])
        };
        for (purpose, f) in &c.purposes {
            let figures = [f.covered, f.running, f.due, f.held, f.kept_while, f.undated, f.undecided].map(|n| number(n, lang));
            let oldest = f.oldest_due_start.map_or("-".to_owned(), |d| d.to_string());
            table.row(std::iter::once(purpose.clone()).chain(figures).chain([oldest]).collect());
        }
        out.push_str(&table.render());
        if c.uncovered > 0 {
            out.push_str(&format!(
                "  {} {}\n",
                number(c.uncovered, lang),
                pick("enregistrements qu'aucune finalité ne couvre", "records that no purpose covers")
            ));
        }
        for (note, subject, n) in &c.notes {
            let what = match note {
                Note::UncoveredField => pick("champs qu'aucune finalité ne couvre :", "fields that no purpose covers:"),
                Note::InvalidDate => pick("dates illisibles :", "dates that break their format:"),
                Note::InvalidPeriod => pick("durées nulles ou négatives :", "periods that are zero or negative:"),
                Note::NeverStoredFrozen => {
                    pick("INCIDENT, valeurs interdites gelées :", "INCIDENT, frozen values that must never be stored:")
                }
            };
            out.push_str(&format!("  ! {} {what} {subject}\n", number(*n, lang)));
        }
        for (action, n) in c.actions.iter().filter(|(_, n)| *n > 0) {
            let Some(a) = plan.actions.iter().find(|a| a.id == *action) else { continue };
            let what = match a.kind {
                ActionKind::Delete => pick("à supprimer", "to delete").to_owned(),
                ActionKind::Anonymise => pick("à anonymiser", "to anonymise").to_owned(),
                ActionKind::Clear => format!("{} {}", pick("dont effacer :", "of which to clear:"), a.categories.join(", ")),
                ActionKind::Empty => pick(
                    "à vider, puis supprimer quand plus rien ne s'y réfère",
                    "to empty now, and delete once nothing refers to them",
                )
                .to_owned(),
                ActionKind::NeverStored => {
                    format!(
                        "{} {}",
                        pick("INCIDENT, valeurs interdites :", "INCIDENT, values that must never be stored:"),
                        a.categories.join(", ")
                    )
                }
            };
            out.push_str(&format!("  → {} {what}\n", number(*n, lang)));
        }
        out.push('\n');
    }
    let total: u64 = counts.iter().flat_map(|(_, c)| &c.actions).map(|(_, n)| n).sum();
    if total == 0 {
        out.push_str(pick("Rien n'est échu.\n", "Nothing is due.\n"));
    }
    out.push_str(&format!("{} {}\n", pick("Empreinte du plan :", "Plan hash:"), plan.hash));
    out
}

/// A number with the language's thousands separator.
#[must_use]
pub fn number(n: u64, lang: Lang) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(if lang == Lang::Fr { '\u{202f}' } else { ',' });
        }
        out.push(c);
    }
    out
}
