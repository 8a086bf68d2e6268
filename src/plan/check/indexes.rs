//! Indexes without which a nightly run reads whole tables, each with the statement that creates it.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use super::{Inspection, touch};
use crate::plan::action::ActionKind;
use crate::plan::boolean::B;
use crate::plan::dialect::Dialect;
use crate::plan::schema::{Column, Engine, Index, Table, TableKind, TableName, TypeClass};
use crate::plan::touch::{Touch, lookups};
use crate::policy::located::{Faults, Span};
use crate::policy::map::{DataSet, Event};
use crate::policy::mask::Mask;
use crate::policy::purpose::{Cap, Purpose};
use crate::policy::reader::shown;
use crate::policy::start::{Combine, Start};

pub(super) fn inspect(cx: &Inspection<'_>, touched: &BTreeMap<TableName, Touch>, faults: &mut Faults) {
    let mut advised: BTreeSet<(TableName, Vec<String>)> = BTreeSet::new();
    for (data, table) in cx.mapped().filter(|(d, _)| cx.resolved.map.root_of(d).id == d.id) {
        for group in cx.purposes_of(data).flat_map(|p| start_columns(data, p)) {
            let indexed = group.iter().any(|e| table.indexes.iter().any(|i| serves(i, &e.column, data)));
            let Some(event) = group.first().filter(|_| !indexed) else { continue };
            let Some(column) = table.column(&event.column) else { continue };
            if advised.insert((table.name.clone(), vec![column.name.clone()])) {
                start_index(cx, data, table, column, &touch(touched, &table.name), &event.column.at, faults);
            }
        }
    }
    for (name, columns) in lookups(cx.plan) {
        let Some(table) = cx.resolved.schema.table(&name).filter(|t| t.kind != TableKind::View) else { continue };
        let columns: Vec<&Column> = table.columns.iter().filter(|c| columns.contains(&c.name)).collect();
        let names: Vec<String> = columns.iter().map(|c| c.name.clone()).collect();
        if names.is_empty() || table.indexes.iter().any(|i| joins(i, &names)) || !advised.insert((name, names.clone())) {
            continue;
        }
        let at = cx.mapped().find(|(_, t)| t.name == table.name).map_or(&cx.resolved.map.source.at, |(d, _)| &d.table.at);
        let shown_names: Vec<String> = names.iter().map(|n| shown(n)).collect();
        faults
            .warning(
                at,
                format!(
                    "no index of table `{}` begins with {}, by which its rows are looked up: each lookup reads the whole table",
                    cx.name(&table.name),
                    super::listed(&shown_names)
                ),
            )
            .help(create(cx.resolved.dialect, table, &columns, None));
    }
}

/// The own columns that decide when a purpose ends: of each group one must be indexed.
fn start_columns<'d>(data: &'d DataSet, purpose: &Purpose) -> Vec<Vec<&'d Event>> {
    let own = |name: &str| data.event(name).filter(|e| e.of.is_none());
    let of_start = |s: &Start| {
        let events: Vec<&Event> = s.events.iter().filter_map(|n| own(n)).collect();
        let mut groups: Vec<Vec<&Event>> = events.iter().filter_map(|e| own(e.otherwise.as_deref()?)).map(|e| vec![e]).collect();
        match s.combine {
            // Every one must be over: any one narrows the search.
            Combine::Latest => groups.push(events),
            Combine::Earliest => groups.extend(events.iter().map(|e| vec![*e])),
        }
        groups
    };
    let mut groups = Vec::new();
    if let (Some(s), Some(_)) = (&purpose.starts, &purpose.keeps) {
        groups.extend(of_start(s));
    }
    for cap in &purpose.at_most {
        match cap {
            Cap::Start(s, _) => groups.extend(of_start(s)),
            Cap::Named(name) => groups.extend(own(name).map(|e| vec![e])),
        }
    }
    groups.retain(|g| !g.is_empty());
    groups
}

/// Whether an index finds rows by this start. A partial one does when it is about what is still to be masked.
fn serves(index: &Index, column: &str, data: &DataSet) -> bool {
    let about_masks = |predicate: &String| {
        data.categories.iter().flat_map(|c| &c.columns).any(|personal| predicate.contains(personal.name.as_str()))
    };
    index.usable && index.columns.first().is_some_and(|c| c == column) && index.predicate.as_ref().is_none_or(about_masks)
}

/// Whether an index finds rows by these columns.
fn joins(index: &Index, names: &[String]) -> bool {
    let leading = index.columns.iter().take(names.len());
    let within = leading.clone().all(|c| names.contains(c));
    index.usable && index.predicate.is_none() && within && (leading.count() == names.len() || index.unique)
}

fn start_index(
    cx: &Inspection<'_>,
    data: &DataSet,
    table: &Table,
    column: &Column,
    touch: &Touch,
    at: &Span,
    faults: &mut Faults,
) {
    let d = cx.resolved.dialect;
    let partial = if touch.delete { None } else { to_do(cx, data, table) };
    let fault = faults.warning(
        at,
        format!(
            "no index of table `{}` begins with the start `{}`: every run reads the whole table",
            cx.name(&table.name),
            shown(&column.name)
        ),
    );
    fault.help(create(d, table, &[column], partial.as_deref()));
    if d.engine.is_mysql_family() && !touch.delete {
        fault.expected(format!(
            "an index on the start; {} has no partial indexes, so each run still reads what was masked in earlier years",
            d.engine.name()
        ));
    }
}

/// What is still to be masked in the row itself, where every action of the data set rests on it and the engine has partial indexes.
fn to_do(cx: &Inspection<'_>, data: &DataSet, table: &Table) -> Option<String> {
    let d = cx.resolved.dialect;
    // What follows may be left to do where the row itself is done.
    if d.engine.is_mysql_family() || cx.resolved.map.followers_of(data).next().is_some() {
        return None;
    }
    let actions: Vec<_> =
        cx.plan.actions.iter().filter(|a| a.data_set == data.id.value && a.kind != ActionKind::NeverStored).collect();
    // SQLite proves only what is written alike: one index cannot serve actions on different columns.
    if d.engine == Engine::Sqlite && actions.iter().any(|a| a.set != actions[0].set) {
        return None;
    }
    let mut parts = Vec::new();
    for personal in data.categories.iter().flat_map(|c| &c.columns) {
        let column = table.column(&personal.name)?;
        // Not immutable on PostgreSQL: the printed form of an enum's labels, the calendar of a named zone.
        let immutable = match (d.engine, column.class, &personal.mask.value) {
            (Engine::Postgres, TypeClass::Enum, mask) => *mask == Mask::Null,
            (Engine::Postgres, TypeClass::Instant, Mask::DateFloor(_)) => false,
            _ => true,
        };
        if !immutable {
            return None;
        }
        parts.push(d.mask("", column, &personal.mask)?.todo);
    }
    match B::or(parts) {
        B::True | B::False => None,
        todo => Some(todo.render()),
    }
}

/// The statement that creates an index.
fn create(d: Dialect, table: &Table, columns: &[&Column], predicate: Option<&str>) -> String {
    let names: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
    let name = d.ident(&index_name(&table.name.name, &names));
    let members: Vec<String> = columns
        .iter()
        .map(|c| {
            let long = matches!(c.class, TypeClass::Text | TypeClass::Binary) && c.max_length.is_none_or(|n| n > 700);
            if d.engine.is_mysql_family() && long { format!("{}(191)", d.ident(&c.name)) } else { d.ident(&c.name) }
        })
        .collect();
    let members = members.join(", ");
    let filter = predicate.map(|p| format!(" WHERE {p}")).unwrap_or_default();
    match d.engine {
        // A partitioned table cannot have it CONCURRENTLY.
        Engine::Postgres if table.kind == TableKind::Partitioned => {
            format!("CREATE INDEX {name} ON {} ({members}){filter};", d.table(&table.name))
        }
        Engine::Postgres => format!("CREATE INDEX CONCURRENTLY {name} ON {} ({members}){filter};", d.table(&table.name)),
        Engine::MariaDb | Engine::MySql => format!("CREATE INDEX {name} ON {} ({members});", d.table(&table.name)),
        Engine::Sqlite => {
            format!("CREATE INDEX {}.{name} ON {} ({members}){filter};", d.ident(&table.name.schema), d.ident(&table.name.name))
        }
    }
}

/// A name that every engine takes, and that tells apart what it was shortened from.
fn index_name(table: &str, columns: &[&str]) -> String {
    let plain: String = std::iter::once(&table)
        .chain(columns)
        .map(|part| {
            part.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect::<String>()
        })
        .collect::<Vec<_>>()
        .join("_");
    let full = std::iter::once(&table).chain(columns).copied().collect::<Vec<_>>().join("_");
    if plain == full && plain.len() <= 50 {
        return format!("retentiond_{plain}");
    }
    let hash = hex::encode(Sha256::digest(format!("{table}\0{}", columns.join("\0"))));
    format!("retentiond_{}_{}", plain.chars().take(40).collect::<String>(), &hash[..8])
}

#[cfg(test)]
mod tests {
    use super::index_name;

    #[test]
    fn an_index_name_fits_every_engine_and_tells_columns_apart() {
        assert_eq!(index_name("person", &["last_contact"]), "retentiond_person_last_contact");
        for (a, b) in [("é\u{202e}`\"", "è\u{202e}`\""), (&"x".repeat(63), &"x".repeat(62)), ("Person", "person")] {
            let (one, two) = (index_name(a, &["c"]), index_name(b, &["c"]));
            assert_ne!(one, two);
            assert!(one.len() <= 63 && one.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{one}");
        }
    }
}
