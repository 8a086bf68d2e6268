//! A schema and what was found in it, as the text of a data map.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::finding::{Evidence, Finding, judge, refuted};
use super::kind::{Group, Kind};
use super::{events, links, mask, titles, toml};
use crate::plan::dialect::Dialect;
use crate::plan::dialect::keys::kind_of;
use crate::plan::schema::{Column, Schema, Table, TableKind, TableName};
use crate::policy::map::{DateFormat, Missing};
use crate::policy::mask::Mask;
use crate::policy::reader::shown;

const HEAD: &str = "\
# A draft, made from the live schema. Nothing in it is decided: read each table, correct it, and only then let a policy use it.
# `why` says what made a column look personal and how sure that is; no value was written down.
# Brouillon établi à partir du schéma : à relire et à corriger table par table avant tout usage.
";

/// Why a name alone does not decide.
const MARKS: &str = "its sampled values are a handful of short marks";

/// Personal columns by category, each with its mask and why.
type Categories<'a> = BTreeMap<Group, Vec<(&'a Column, Mask, Finding)>>;

/// One table of the draft.
struct Draft<'a> {
    table: &'a Table,
    id: String,
    categories: Categories<'a>,
    /// Personal columns that cannot be masked, with the reason.
    undecided: Vec<(&'a str, Finding, &'static str)>,
    /// Columns that their names alone call personal.
    refuted: Vec<(&'a str, Kind)>,
    /// The formats in which all sampled values of a column are dates.
    dates: BTreeMap<&'a str, DateFormat>,
}

/// Writes the draft of a data map for the tables of a schema.
///
/// It reads as a data map without a fault and fits the schema, unless no table holds a recognised personal column: a map without a
/// data set is none, and the draft then says so in a comment.
#[must_use]
pub fn write(schema: &Schema, evidence: &Evidence, source: &str) -> String {
    let dialect = Dialect { engine: schema.server.engine };
    // MariaDB and MySQL show tables of other databases that refer to this one: those are other sources' affair.
    let own = |t: &&Table| !dialect.engine.is_mysql_family() || schema.search_path.contains(&t.name.schema);
    let (mut drafts, mut free, mut notes, mut doubted) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut ids = BTreeSet::new();
    for table in schema.tables.iter().filter(own) {
        let findings = judge(table, evidence);
        let personal: Vec<&str> =
            table.columns.iter().zip(&findings).filter(|(_, f)| f.is_some()).map(|(c, _)| c.name.as_str()).collect();
        let lacks = lack(table);
        match (personal.is_empty(), lacks) {
            (true, _) if matches!(table.kind, TableKind::View | TableKind::Foreign) => {}
            (true, _) => {
                free.push(table);
                let doubts = refuted(table, evidence);
                doubted.extend(
                    doubts
                        .into_iter()
                        .map(|(c, kind)| format!("`{}` of `{}` ({})", shown(c), shown(&table.name.name), kind.word())),
                );
            }
            (false, Some(why)) => notes.push(format!("`{}` {why}: {}", shown(&table.name.name), names(&personal))),
            (false, None) => {
                let (categories, undecided) = columns(schema, dialect, table, &findings);
                if categories.is_empty() {
                    notes.push(format!(
                        "`{}` has personal columns that no mask fits: {}",
                        shown(&table.name.name),
                        names(&personal)
                    ));
                } else {
                    let seen = evidence.get(&table.name).into_iter().flatten();
                    drafts.push(Draft {
                        table,
                        id: titles::id(&table.name.name, &mut ids),
                        categories,
                        undecided,
                        refuted: refuted(table, evidence),
                        dates: seen.filter_map(|(c, s)| Some((c.as_str(), s.dates?))).collect(),
                    });
                }
            }
        }
    }
    let mut out = head(schema, source, &free, &doubted, &notes);
    if drafts.is_empty() {
        out.push_str("# No table with a recognised personal column: describe at least one below.\n[data]\n");
    }
    let mapped: BTreeSet<&TableName> = drafts.iter().map(|d| &d.table.name).collect();
    let ids: BTreeMap<&TableName, &str> = drafts.iter().map(|d| (&d.table.name, d.id.as_str())).collect();
    for draft in &drafts {
        data_set(&mut out, schema, draft, &mapped, &ids);
    }
    out
}

/// Why a table cannot be a data set.
fn lack(table: &Table) -> Option<&'static str> {
    let unfit = |k: &String| table.column(k).is_none_or(|c| kind_of(c.class).is_none());
    match table.kind {
        TableKind::View => Some("is a view; its tables are mapped, with these columns"),
        TableKind::Foreign => Some("is kept in another database, to be mapped there, with these columns"),
        _ if table.primary_key.is_empty() => Some("has no primary key, without which no row can be named; it holds"),
        _ if table.primary_key.iter().any(unfit) => Some("has a primary key of a type that names no row exactly; it holds"),
        _ => None,
    }
}

fn columns<'a>(
    schema: &Schema,
    dialect: Dialect,
    table: &'a Table,
    findings: &[Option<Finding>],
) -> (Categories<'a>, Vec<(&'a str, Finding, &'static str)>) {
    let (mut categories, mut undecided) = (Categories::new(), Vec::new());
    let referenced = |c: &str| schema.children_of(&table.name).any(|(_, f)| f.parent_columns.iter().any(|x| x == c));
    for (column, finding) in table.columns.iter().zip(findings) {
        let Some(finding) = *finding else { continue };
        let why = if table.primary_key.contains(&column.name) {
            Err("it is part of the primary key")
        } else if referenced(&column.name) {
            Err("other tables refer to it")
        } else if column.generated {
            Err("the database computes it")
        } else {
            mask::suggest(dialect, table, column, finding.kind).ok_or("no mask fits its type and constraints")
        };
        match why {
            Ok(mask) => categories.entry(finding.kind.group()).or_default().push((column, mask, finding)),
            Err(why) => undecided.push((column.name.as_str(), finding, why)),
        }
    }
    (categories, undecided)
}

fn head(schema: &Schema, source: &str, free: &[&Table], doubted: &[String], notes: &[String]) -> String {
    let mut out = format!("{HEAD}\n[source]\nid = {}\n", toml::string(source));
    out.push_str("# Confirm: the zone of dates and times that are stored without one.\ntime_zone = \"Europe/Paris\"\n");
    if !free.is_empty() {
        out.push_str("# Nothing personal was recognised in these tables. Who knows them confirms it by taking the `#` away.\n");
        out.push_str("# free_of_personal_data = [\n");
        for table in free {
            let _ = writeln!(out, "#     {},", reference(schema, &table.name));
        }
        out.push_str("# ]\n");
    }
    for column in doubted {
        let _ = writeln!(out, "# Called personal by its name alone, {MARKS}: {column}");
    }
    if !notes.is_empty() {
        out.push_str("# Not drafted:\n");
        for note in notes {
            let _ = writeln!(out, "#   {note}");
        }
    }
    out.push('\n');
    out
}

fn data_set(
    out: &mut String,
    schema: &Schema,
    draft: &Draft<'_>,
    mapped: &BTreeSet<&TableName>,
    ids: &BTreeMap<&TableName, &str>,
) {
    let (table, id) = (draft.table, &draft.id);
    let title = titles::of_table(&table.name.name);
    let _ = writeln!(out, "[data.{id}]");
    let _ = writeln!(out, "title = {{ fr = {}, en = {} }}", toml::string(&title.fr), toml::string(&title.en));
    let _ = writeln!(out, "table = {}", reference(schema, &table.name));
    out.push_str(&toml::list("key", &texts(&table.primary_key)));
    if let Some(link) = links::parent(schema, mapped, table)
        && let Some(parent) = ids.get(&link.key.parent)
    {
        let word = if link.follows { "follows" } else { "belongs_to" };
        let pairs: Vec<String> = link
            .key
            .columns
            .iter()
            .zip(&link.key.parent_columns)
            .map(|(here, there)| format!("{} = {}", toml::key(here), toml::string(there)))
            .collect();
        let _ = writeln!(out, "{word} = {}\non = {{ {} }}", toml::string(parent), pairs.join(", "));
    }
    let outside: BTreeSet<&str> = schema
        .children_of(&table.name)
        .filter(|(child, _)| child.name != table.name && !mapped.contains(&child.name))
        .map(|(child, _)| child.name.name.as_str())
        .collect();
    if outside.is_empty() {
        out.push_str("disposition = \"delete\"\n");
    } else {
        let outside: Vec<&str> = outside.into_iter().collect();
        let _ = writeln!(out, "# Rows of {} refer to this table, so its rows stay and are masked.", names(&outside));
        out.push_str("disposition = \"anonymise\"\n");
    }
    if !table.triggers.is_empty() {
        let triggers: Vec<&str> = table.triggers.iter().map(|t| t.name.as_str()).collect();
        let _ = writeln!(out, "# Triggers to review and to list under `triggers`: {}", names(&triggers));
    }
    for (column, finding, why) in &draft.undecided {
        let _ = writeln!(out, "# Looks personal and is left to you, {why}: `{}` ({})", shown(column), finding.why());
    }
    for (column, kind) in &draft.refuted {
        let _ = writeln!(out, "# Called personal by its name alone, {MARKS}: `{}` ({})", shown(column), kind.word());
    }
    let declared = |c: &str| {
        table.primary_key.iter().any(|k| k == c)
            || draft.undecided.iter().any(|(u, ..)| *u == c)
            || draft.categories.values().flatten().any(|(p, ..)| p.name == c)
    };
    let plain: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).filter(|c| !declared(c)).collect();
    if !plain.is_empty() {
        out.push_str("# Confirm: nothing personal in these columns.\n");
        out.push_str(&toml::list("plain", &plain));
    }
    categories(out, draft);
    candidate_events(out, schema, draft);
    out.push('\n');
}

fn categories(out: &mut String, draft: &Draft<'_>) {
    for (group, columns) in &draft.categories {
        let _ = writeln!(out, "\n[data.{}.categories.{}]", draft.id, group.name());
        if *group == Group::CardCode {
            out.push_str("# A verification code must not be stored: it is cleared wherever it is found.\nnever_stored = true\n");
        }
        let _ = writeln!(out, "[data.{}.categories.{}.masks]", draft.id, group.name());
        for (column, mask, finding) in columns {
            let _ = writeln!(out, "# why: {}", finding.why());
            let _ = writeln!(out, "{} = {}", toml::key(&column.name), toml::mask(mask));
        }
    }
}

fn candidate_events(out: &mut String, schema: &Schema, draft: &Draft<'_>) {
    let (mut taken, mut titled) = (BTreeSet::new(), BTreeSet::new());
    for column in &draft.table.columns {
        let personal = draft.categories.values().flatten().any(|(p, ..)| p.name == column.name);
        let dates = draft.dates.get(column.name.as_str()).copied();
        let Some(candidate) = events::candidate(schema.server.engine, column, dates).filter(|_| !personal) else { continue };
        let title = titles::distinct(candidate.title, &column.name, &mut titled);
        let _ = writeln!(out, "\n[data.{}.events.{}]", draft.id, titles::id(&column.name, &mut taken));
        let _ = writeln!(out, "title = {{ fr = {}, en = {} }}", toml::string(&title.fr), toml::string(&title.en));
        let _ = writeln!(out, "column = {}", toml::string(&column.name));
        if let Some(format) = candidate.format {
            out.push_str("# Every sampled value is a date in this format.\n");
            let _ = writeln!(out, "format = {}", toml::string(format.word()));
        }
        if candidate.missing == Missing::Running {
            out.push_str("missing = \"running\"\n");
        }
    }
}

/// A table as the map names it: with its schema where the name alone would not find it.
fn reference(schema: &Schema, name: &TableName) -> String {
    let alone = schema.tables.iter().filter(|t| t.name.name == name.name).count() == 1;
    if alone && schema.search_path.contains(&name.schema) && !name.name.contains('.') {
        toml::string(&name.name)
    } else {
        format!("{{ schema = {}, name = {} }}", toml::string(&name.schema), toml::string(&name.name))
    }
}

fn texts(all: &[String]) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}

/// Names for a comment: on one line, whatever they contain.
fn names(all: &[&str]) -> String {
    let more = if all.len() > 12 { ", …" } else { "" };
    all.iter().take(12).map(|n| format!("`{}`", shown(n))).collect::<Vec<_>>().join(", ") + more
}
