//! One person in all sources: orders that are placed everywhere at once, and the whole story.

use std::sync::Arc;

use chrono::NaiveDate;

use super::context::{Cx, noon, unknown_source};
use super::exit::{Exit, Failure};
use super::order::{Why, not_past, uninformed};
use super::table::Table;
use super::{Format, output};
use crate::config::{Lang, SourceRules, Workspace};
use crate::enforce::orders::{self, NewOrder, Target};
use crate::enforce::{EnforceError, Prepared, explain_asking as story_of, subjects};
use crate::journal::{Event, OrderKind as Kind, Reference};
use crate::plan::explain::{Language, text};
use crate::plan::key::RecordKey;
use crate::plan::resolve::Resolved;
use crate::policy::map::DataSet;
use crate::policy::purpose::OrderKind;
use crate::policy::reader::shown;
use crate::source::Source;

/// Whom a command is about.
#[derive(Clone, Copy)]
pub struct Person<'p> {
    /// What the person is to records, as the maps name it.
    pub subject: &'p str,
    /// The identifier that the data sets share.
    pub id: &'p str,
}

/// A data set that knows the person, and the records there.
struct Found {
    data_set: String,
    person: RecordKey,
    records: Vec<RecordKey>,
}

/// A source that was asked for the person.
struct Asked {
    rules: Arc<SourceRules>,
    source: Source,
    prepared: Prepared,
    found: Vec<Found>,
}

/// Who could not be asked, each with the reason.
type Unasked = Vec<(String, String)>;

/// The sources whose maps name the subject, and those of which nobody knows where they are, each with the reason.
fn sources(workspace: &Workspace, subject: &str) -> Result<(Vec<String>, Unasked), Failure> {
    let knows = |data: &DataSet| data.subjects.iter().any(|s| s.subject.value == subject);
    let all = workspace.sources.as_read().filter(|(_, rules)| rules.map.data_sets.iter().any(knows));
    let all: Vec<String> = all.map(|(id, _)| id.clone()).collect();
    let families = || workspace.families.iter().filter(|(_, f)| f.subjects.contains(subject));
    if all.is_empty() && families().next().is_none() {
        return Err(Failure::new(Exit::Usage, format!("no data map names a subject `{}`", shown(subject))));
    }
    let silent = families().flat_map(|(id, family)| family.unusable.iter().map(|why| (id.clone(), why.clone())));
    Ok((all, silent.collect()))
}

/// Asks one source. Whoever asks closes it before the next is asked: there may be a thousand.
async fn ask(cx: &Cx, workspace: &Workspace, id: &str, who: Person<'_>, at: Option<NaiveDate>) -> Result<Asked, Failure> {
    let rules = workspace.sources.get(id).ok_or_else(|| unknown_source(workspace, id))?;
    let source = cx.connect(workspace, id).await?;
    let now = at.map_or_else(|| cx.clock.now(), |day| noon(day, &rules));
    let prepared = cx.prepare(workspace, &source, &rules, now).await?;
    let mut session = source.session().await?;
    let mut found = Vec::new();
    for at in prepared.plan.subjects.iter().filter(|at| at.subject == who.subject) {
        match subjects::find(&mut session, at, who.id).await {
            Ok((person, records)) => found.push(Found { data_set: at.data_set.clone(), person, records }),
            // Where identifiers are numbers, a text is nobody's.
            Err(EnforceError::NotAKey) => {}
            Err(e) => return Err(e.into()),
        }
    }
    session.done().await?;
    Ok(Asked { rules, source, prepared, found })
}

/// What was done in one data set.
struct Line {
    data_set: String,
    order: String,
    did: &'static str,
    records: usize,
}

/// Places an order on a person. What freezes also reaches what is stored later; what ends purposes stands on the records that are there, whose
/// identifiers it may mask.
pub async fn place(
    cx: &Cx,
    workspace: &Workspace,
    who: Person<'_>,
    kind: OrderKind,
    until: Option<NaiveDate>,
    why: &Why,
) -> Result<Exit, Failure> {
    let (actor, reason, reference) = why.read(cx, workspace)?;
    let (state, journal) = cx.state(workspace).await?;
    let (ids, mut failed) = sources(workspace, who.subject)?;
    let now = cx.clock.now();
    for rules in ids.iter().filter_map(|id| workspace.sources.get(id)) {
        not_past(until, rules.today(now))?;
    }
    let freezes = matches!(kind, OrderKind::Hold | OrderKind::Restriction);
    let (mut lines, mut known) = (Vec::new(), 0);
    for id in ids {
        let Asked { rules, source, prepared, found } = match ask(cx, workspace, &id, who, None).await {
            Ok(asked) => asked,
            Err(failure) => {
                failed.push((id, failure.message));
                continue;
            }
        };
        let resolved = Resolved::new(&rules.map, &prepared.schema);
        for Found { data_set, person, records } in &found {
            known += records.len();
            let Some(data) = rules.map.data_set(data_set) else { continue };
            let name = format!("{}.{data_set}", rules.map.source);
            let targets: Vec<Target> = match freezes {
                true => vec![Target::Subject(who.subject.to_owned(), person.clone())],
                false => records.iter().cloned().map(Target::Record).collect(),
            };
            for target in targets {
                let of_all = matches!(target, Target::Subject(..));
                let (actor, reference) = (actor.clone(), reference.clone());
                let order = NewOrder { kind, target, actor, reason, reference, until, once: true };
                match orders::place(&source, &journal, &prepared, &resolved, data, order, prepared.plan.today).await {
                    Ok(placed) => lines.push(Line {
                        data_set: name.clone(),
                        order: placed.order.to_string(),
                        did: if placed.stood { "stood already" } else { "placed" },
                        records: if of_all { records.len() } else { 1 },
                    }),
                    // It has gone in between.
                    Err(EnforceError::NoSuchRecord) if !of_all => {}
                    Err(e) => failed.push((name.clone(), Failure::from(e).message)),
                }
            }
        }
        source.close().await;
    }
    state.close().await;
    if known == 0 && failed.is_empty() && !freezes {
        return Err(Failure::new(Exit::Failed, "no record is about this person"));
    }
    say(cx, kind.word(), &lines, &failed)
}

/// Lifts all orders on a person that were placed under one reference.
pub async fn lift(
    cx: &Cx,
    workspace: &Workspace,
    who: Person<'_>,
    under: &Reference,
    person_informed: Option<bool>,
    why: &Why,
) -> Result<Exit, Failure> {
    let (actor, reason, reference) = why.read(cx, workspace)?;
    let (state, journal) = cx.state(workspace).await?;
    let (ids, mut failed) = sources(workspace, who.subject)?;
    let open = journal.reader().open_orders().await?;
    let mut standing = Vec::new();
    for id in ids {
        let asked = match ask(cx, workspace, &id, who, None).await {
            Ok(asked) => asked,
            Err(failure) => {
                failed.push((id, failure.message));
                continue;
            }
        };
        for entry in &open {
            let Event::OrderPlaced { order, source, order_kind, data_set, key_id, mac, reference, .. } = &entry.event else {
                continue;
            };
            let Some(found) = asked.found.iter().find(|f| f.data_set == data_set.as_str()) else { continue };
            if reference == under
                && source.as_str() == id
                && orders::is_on(&journal, (source, data_set, *key_id, *mac), (who.subject, &found.person), &found.records)
            {
                standing.push((id.clone(), *order, *order_kind, format!("{source}.{data_set}"), found.records.len()));
            }
        }
        asked.source.close().await;
    }
    if standing.iter().any(|(_, _, kind, ..)| *kind == Kind::Restriction) && person_informed.is_none() {
        return Err(uninformed());
    }
    if standing.is_empty() && failed.is_empty() {
        return Err(Failure::new(Exit::Failed, "no order on this person stands that was placed under this reference"));
    }
    let mut lines = Vec::new();
    for (id, order, _, name, records) in standing {
        let (actor, reference) = (actor.clone(), reference.clone());
        let lifted = async {
            let today = workspace.sources.get(&id).ok_or_else(|| unknown_source(workspace, &id))?.today(cx.clock.now());
            let source = cx.connect(workspace, &id).await?;
            orders::lift(&source, &journal, &id, order, actor, reason, reference, person_informed, today).await?;
            source.close().await;
            Ok::<_, Failure>(())
        };
        match lifted.await {
            Ok(()) => lines.push(Line { data_set: name, order: order.to_string(), did: "lifted", records }),
            Err(failure) => failed.push((name, failure.message)),
        }
    }
    state.close().await;
    say(cx, "lift", &lines, &failed)
}

/// What was done, data set by data set. Where somebody could not be asked, the same command does the rest later.
fn say(cx: &Cx, what: &str, lines: &[Line], failed: &[(String, String)]) -> Result<Exit, Failure> {
    match cx.format {
        Format::Json => {
            let done: Vec<_> = lines
                .iter()
                .map(|l| serde_json::json!({ "data_set": l.data_set, "order": l.order, "did": l.did, "records": l.records }))
                .collect();
            let failed: Vec<_> = failed.iter().map(|(at, why)| serde_json::json!({ "at": at, "why": why })).collect();
            output::json(&serde_json::json!({ "kind": what, "orders": done, "failed": failed }))?;
        }
        Format::Text => {
            let mut table = Table::new(&["data set", "order", "", "records now"]);
            for l in lines {
                table.row(vec![shown(&l.data_set).to_string(), l.order.clone(), l.did.to_owned(), l.records.to_string()]);
            }
            output::say(table.render())?;
            for (at, why) in failed {
                output::line(format!("! {}: {why}", shown(at)))?;
            }
            if !failed.is_empty() {
                output::line("Give the same command again once this is mended: what stands already is left as it is.")?;
            }
        }
    }
    Ok(if failed.is_empty() { Exit::Ok } else { Exit::Failed })
}

/// Tells the stories of all records that are about a person. Reads only.
pub async fn explain(cx: &Cx, workspace: &Workspace, who: Person<'_>, at: Option<NaiveDate>) -> Result<Exit, Failure> {
    let (ids, mut failed) = sources(workspace, who.subject)?;
    let language = match cx.lang(workspace) {
        Lang::Fr => Language::French,
        Lang::En => Language::English,
    };
    let (mut stories, mut told) = (Vec::new(), Vec::new());
    for id in ids {
        let Asked { rules, source, prepared, found } = match ask(cx, workspace, &id, who, at).await {
            Ok(asked) => asked,
            Err(failure) => {
                failed.push((id, failure.message));
                continue;
            }
        };
        let elsewhere = cx.elsewhere(workspace, &rules, prepared.plan.now).await;
        for Found { data_set, records, .. } in &found {
            for record in records {
                let key: Vec<String> = record.0.iter().map(|part| part.text.clone()).collect();
                let of = (data_set.as_str(), key.as_slice());
                let story = story_of(&source, &prepared, &rules.map, &rules.policies, of, &elsewhere).await?;
                told.push(text(&story, language).trim_end().to_owned());
                stories.push(
                    serde_json::json!({ "data_set": format!("{}.{data_set}", rules.map.source), "key": key, "story": story }),
                );
            }
        }
        elsewhere.close().await;
        source.close().await;
    }
    match cx.format {
        Format::Json => {
            let failed: Vec<_> = failed.iter().map(|(at, why)| serde_json::json!({ "at": at, "why": why })).collect();
            output::json(&serde_json::json!({ "records": stories, "failed": failed }))?;
        }
        Format::Text => {
            output::line(told.join("\n\n"))?;
            for (at, why) in &failed {
                output::line(format!("! {}: {why}", shown(at)))?;
            }
        }
    }
    match (failed.is_empty(), stories.is_empty()) {
        (true, true) => Err(Failure::new(Exit::Failed, "no record is about this person")),
        (true, false) => Ok(Exit::Ok),
        (false, _) => Ok(Exit::Failed),
    }
}
