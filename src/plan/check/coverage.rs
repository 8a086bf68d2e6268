//! What nobody declared, and purposes without an end in sight.

use std::collections::BTreeSet;

use super::{Inspection, listed, tables};
use crate::plan::resolve::Resolved;
use crate::plan::schema::{Table, TableKind};
use crate::policy::located::Faults;
use crate::policy::map::{DataSet, Missing, RelatedTo, Test};
use crate::policy::reader::shown;

pub(super) fn inspect(cx: &Inspection<'_>, faults: &mut Faults) {
    for (data, table) in cx.mapped() {
        let unmapped: Vec<String> = unmapped_columns(&cx.resolved, data, table).map(|name| shown(&name)).collect();
        if !unmapped.is_empty() {
            let word = if unmapped.len() == 1 { "unmapped column" } else { "unmapped columns" };
            faults
                .warning(&data.table.at, format!("{word} of table `{}`: {}", cx.name(&table.name), listed(&unmapped)))
                .expected("each personal column in a category, each other one in `plain`");
        }
        endless(cx, data, faults);
    }
    report_tables(cx, faults);
}

/// Columns of a mapped table that the map does not mention.
pub fn unmapped_columns<'t>(resolved: &Resolved<'_>, data: &DataSet, table: &'t Table) -> impl Iterator<Item = String> + use<'t> {
    let declared = declared_columns(resolved, data, table);
    let left: Vec<String> =
        table.columns.iter().filter(|c| !declared.contains(c.name.as_str())).map(|c| c.name.clone()).collect();
    left.into_iter()
}

/// Columns that the map uses in any way.
pub fn declared_columns<'a>(resolved: &Resolved<'a>, data: &'a DataSet, table: &Table) -> BTreeSet<&'a str> {
    let mut names: BTreeSet<&str> = BTreeSet::new();
    names.extend(data.categories.iter().flat_map(|c| &c.columns).map(|c| c.name.as_str()));
    names.extend(data.plain.iter().chain(&data.key).chain(&data.tenant).chain(&data.to_do).map(|c| c.as_str()));
    names.extend(data.parent.iter().flat_map(|p| &p.on).map(|(here, _)| here.as_str()));
    names.extend(data.events.iter().filter(|e| e.of.is_none()).map(|e| e.column.as_str()));
    names.extend(data.periods.iter().map(|p| p.column.as_str()));
    names.extend(data.subjects.iter().map(|s| s.column.as_str()));
    names.extend(data.copies.iter().flat_map(|c| &c.matched_by).map(|(_, own)| own.as_str()));
    for condition in &data.conditions {
        if let Test::Row(expression) = &condition.test {
            expression.columns(&mut |c| names.extend([c]));
        }
    }
    // Columns that others read here: joins, filters, dates of related rows.
    for other in &resolved.map.data_sets {
        if let Some(parent) = other.parent.as_ref().filter(|p| p.data.value == data.id.value) {
            names.extend(parent.on.iter().map(|(_, there)| there.as_str()));
        }
        let here = |to: &RelatedTo| resolved.related(other, to).is_some_and(|(t, _)| t.name == table.name);
        for related in tables::relations(other) {
            if let RelatedTo::Table(_, on) = &related.to {
                if here(&related.to) {
                    names.extend(on.iter().map(|(there, _)| there.as_str()));
                }
                if other.id == data.id {
                    names.extend(on.iter().map(|(_, own)| own.as_str()));
                }
            }
            if let Some(filter) = related.filter.as_ref().filter(|_| here(&related.to)) {
                filter.columns(&mut |c| names.extend([c]));
            }
        }
        for event in &other.events {
            if event.of.as_ref().is_some_and(|of| here(&of.to)) {
                names.insert(&event.column);
            }
        }
    }
    names
}

/// Tables of the database that the map neither maps nor sets aside. A materialised view holds copies and counts as a table.
#[must_use]
pub fn unmapped_tables<'a>(resolved: &Resolved<'a>) -> Vec<&'a Table> {
    let map = resolved.map;
    let cascades = map.data_sets.iter().flat_map(|d| &d.cascades);
    let set_aside: BTreeSet<_> =
        map.free_of_personal_data.iter().chain(cascades).filter_map(|t| resolved.find_table(t)).map(|t| &t.name).collect();
    resolved
        .schema
        .tables
        .iter()
        .filter(|t| t.kind != TableKind::View || t.storage == "materialized view")
        .filter(|t| resolved.data_set_of(t).is_none() && !set_aside.contains(&t.name))
        .collect()
}

fn report_tables(cx: &Inspection<'_>, faults: &mut Faults) {
    let map = cx.resolved.map;
    let unmapped: Vec<String> = unmapped_tables(&cx.resolved).into_iter().map(|t| cx.name(&t.name)).collect();
    if !unmapped.is_empty() {
        let word = if unmapped.len() == 1 { "unmapped table" } else { "unmapped tables" };
        faults
            .warning(&map.source.at, format!("{word}: {}", listed(&unmapped)))
            .expected("a data set for each table with personal data, free_of_personal_data = [\"…\"] for the others");
    }
}

/// Purposes that run on for ever where the one date that could end them is missing.
fn endless(cx: &Inspection<'_>, data: &DataSet, faults: &mut Faults) {
    for purpose in cx.purposes_of(data) {
        let Some(start) = &purpose.starts else { continue };
        let [name] = start.events.as_slice() else { continue };
        let running = data.event(name).is_some_and(|e| e.missing == Missing::Running && e.of.is_none());
        if running && purpose.at_most.is_empty() && purpose.ends_when.is_none() {
            faults
                .warning(&name.at, format!("purpose `{}` never ends for records without a date of `{}`", purpose.id, shown(name)))
                .help("if the date may stay unknown for ever, add a cap: at_most = […]");
        }
    }
}
