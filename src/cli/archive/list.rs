//! `retentiond archive list`.

use crate::cli::Format;
use crate::cli::context::Cx;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;
use crate::cli::table::Table;
use crate::cli::words::{number, written_day};
use crate::config::{Lang, Workspace, family_of};
use crate::journal::{Day, Reader};
use crate::state::SealedGroup;

/// Prints what each archive keeps.
pub async fn run(cx: &Cx, source: Option<String>) -> Result<Exit, Failure> {
    let workspace = cx.workspace_with_tenants().await?;
    cx.sources(&workspace, source.as_deref())?;
    let reader = Reader::new(&cx.state_to_read(&workspace).await?);
    let groups = of_today(cx, &workspace, &reader, source.as_deref()).await?;
    match cx.format {
        Format::Json => {
            let all = groups.iter().map(|g| {
                serde_json::json!({
                    "archive": g.archive, "data_set": format!("{}.{}", g.source, g.data_set), "purpose": g.purpose,
                    "objects": g.objects, "records": g.records, "due": g.due, "open": g.open,
                    "next_end": g.next_end, "oldest_overdue": g.oldest_overdue,
                })
            });
            output::json(&all.collect())?;
        }
        Format::Text => {
            let lang = cx.lang(&workspace);
            let end = |day: Option<String>| day.map_or_else(|| "-".to_owned(), |day| written_day(&day, lang));
            let mut table = Table::new(&match lang {
                Lang::Fr => [
                    "archive",
                    "jeu de données",
                    "finalité",
                    "objets",
                    "fiches",
                    "échues",
                    "fin inconnue",
                    "prochaine fin",
                    "plus ancienne fin dépassée",
                ],
                Lang::En => {
                    ["archive", "data set", "purpose", "objects", "records", "over", "open", "next end", "oldest end passed"]
                }
            });
            for g in groups {
                table.row(vec![
                    g.archive,
                    format!("{}.{}", g.source, g.data_set),
                    g.purpose,
                    number(g.objects, lang),
                    number(g.records, lang),
                    number(g.due, lang),
                    number(g.open, lang),
                    end(g.next_end),
                    end(g.oldest_overdue),
                ]);
            }
            output::say(table.render())?;
        }
    }
    Ok(Exit::Ok)
}

/// What the archives keep for a source, or for all: each purpose's ends counted by the day that it is in its own zone.
async fn of_today(cx: &Cx, workspace: &Workspace, reader: &Reader, source: Option<&str>) -> Result<Vec<SealedGroup>, Failure> {
    let now = cx.clock.now();
    let utc = now.date_naive();
    let today = |g: &SealedGroup| match workspace.sources.get(&g.source) {
        Some(rules) => rules.today_of(&g.purpose, now),
        None => utc,
    };
    let mut all = Vec::new();
    // No zone is further from UTC than a day.
    for day in [utc.pred_opt(), Some(utc), utc.succ_opt()].into_iter().flatten() {
        let groups = reader.sealed_groups(Day::try_from(day)?).await?;
        all.extend(groups.into_iter().filter(|g| today(g) == day));
    }
    all.retain(|g| source.is_none_or(|s| s == g.source || family_of(&g.source) == Some(s)));
    all.sort_by(|a, b| {
        let key = |g: &SealedGroup| (g.archive.clone(), g.source.clone(), g.data_set.clone(), g.purpose.clone());
        key(a).cmp(&key(b))
    });
    Ok(all)
}
