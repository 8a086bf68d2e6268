//! Indexes without which a nightly run reads whole tables, each with the statement that creates it.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use super::{Inspection, touch};
use crate::plan::action::ActionKind;
use crate::plan::boolean::B;
use crate::plan::dialect::Dialect;
use crate::plan::schema::{Column, Engine, Index, Table, TableKind, TableName, TypeClass};
use crate::plan::to_do::{self, ToDo};
use crate::plan::touch::{Touch, lookups};
use crate::policy::located::{Faults, Span};
use crate::policy::map::{DataSet, Event};
use crate::policy::mask::Mask;
use crate::policy::purpose::{Cap, Purpose};
use crate::policy::reader::shown;
use crate::policy::start::{Combine, Start};

pub(super) fn inspect(cx: &Inspection<'_>, touched: &BTreeMap<TableName, Touch>, faults: &mut Faults) {
    let mut advised: BTreeSet<(TableName, Vec<String>)> = BTreeSet::new();
    let mut unnamed: BTreeMap<String, (Span, String)> = BTreeMap::new();
    for (data, table) in cx.mapped() {
        to_do_column(cx, data, table, &touch(touched, &table.name), faults);
    }
    for (data, table) in cx.mapped().filter(|(d, _)| cx.resolved.map.root_of(d).id == d.id) {
        for group in cx.purposes_of(data).flat_map(|p| start_columns(data, p)) {
            // Where no index can be partial, one that does not begin with the to-do column reads what was masked in earlier years.
            let delete = touch(touched, &table.name).delete;
            let todo = to_do::expected(&cx.resolved, data).filter(|_| !delete).map(|e| e.name);
            let partial = !delete && to_do(cx, data, table).is_some();
            let found = |partial: bool| {
                group.iter().any(|e| table.indexes.iter().any(|i| serves(i, todo.as_deref(), partial, &e.column, data)))
            };
            let indexed = found(partial);
            if let (true, Some(name), None) = (indexed, &todo, &data.to_do) {
                unnamed.insert(data.id.value.clone(), (data.table.at.clone(), name.clone()));
            }
            let Some(event) = group.first().filter(|_| !indexed) else { continue };
            let Some(column) = table.column(&event.column) else { continue };
            if advised.insert((table.name.clone(), vec![column.name.clone()])) {
                let at = &event.column.at;
                if partial && found(false) {
                    narrower_index(cx, data, table, column, at, faults);
                } else {
                    start_index(cx, data, table, column, &touch(touched, &table.name), at, faults);
                }
            }
        }
    }
    for (id, (at, name)) in unnamed {
        faults
            .warning(
                &at,
                format!("data set `{id}` does not name its to-do column: every run reads what was masked in earlier years"),
            )
            .expected(format!("to_do = \"{name}\""));
    }
    for (data, table) in cx.mapped() {
        for file in &data.files {
            let Some(column) = table.column(&file.column).filter(|_| table.kind != TableKind::View) else { continue };
            let names = vec![column.name.clone()];
            if table.indexes.iter().any(|i| joins(i, &names)) || !advised.insert((table.name.clone(), names)) {
                continue;
            }
            let (of, shown_name, store) = (cx.name(&table.name), shown(&column.name), shown(&file.store));
            let what = format!("no index of table `{of}` begins with `{shown_name}`, which points to files of `{store}`");
            faults
                .warning(&file.column.at, format!("{what}: the whole table is read for each batch with such a file"))
                .help(create(cx.resolved.dialect, table, &[column], None));
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

/// The column that an index on a start must begin with, where the map names one.
fn to_do_of<'a>(cx: &Inspection<'a>, data: &'a DataSet) -> Option<&'a str> {
    let known = to_do::expected(&cx.resolved, data);
    data.to_do.as_ref().map(|c| c.value.as_str()).filter(|name| known.is_some_and(|e| e.name == *name))
}

/// The column that says what is still to be masked: whether what the map names is it.
fn to_do_column(cx: &Inspection<'_>, data: &DataSet, table: &Table, touch: &Touch, faults: &mut Faults) {
    let Some(named) = &data.to_do else { return };
    let expected = to_do::expected(&cx.resolved, data).filter(|_| !touch.delete);
    let Some(expected) = expected else {
        faults
            .error(&named.at, format!("data set `{}` can have no to-do column", data.id))
            .expected("MariaDB or MySQL, a data set that is masked and never deleted, that nothing follows, and whose TIMESTAMP columns have no mask but \"null\"");
        return;
    };
    if expected.name != named.value {
        faults
            .error(&named.at, format!("column `{}` was made for other masks than those of this map", shown(named)))
            .expected(format!("to_do = \"{}\"", expected.name))
            .help(create_to_do(cx.resolved.dialect, table, &expected));
    } else if table.column(named).is_none_or(|c| !c.generated) {
        faults
            .error(&named.at, format!("table `{}` has no generated column `{}`", cx.name(&table.name), shown(named)))
            .help(create_to_do(cx.resolved.dialect, table, &expected));
    }
}

/// The statement that adds the column. It is computed when it is read, and `SELECT *` does not show it.
fn create_to_do(d: Dialect, table: &Table, todo: &ToDo) -> String {
    let (table, name) = (d.table(&table.name), d.ident(&todo.name));
    format!("ALTER TABLE {table} ADD COLUMN {name} TINYINT(1) GENERATED ALWAYS AS ({}) VIRTUAL INVISIBLE;", todo.expression)
}

/// Whether an index finds rows by this start. A partial one does when it is about what is still to be masked, and only such a one where masked rows
/// stay and the engine has them.
fn serves(index: &Index, first: Option<&str>, partial: bool, column: &str, data: &DataSet) -> bool {
    if let Some(first) = first {
        let begins = index.columns.iter().map(String::as_str).take(2).eq([first, column]);
        return index.usable && begins && index.predicate.is_none();
    }
    let about_masks = |predicate: &String| {
        data.categories.iter().flat_map(|c| &c.columns).any(|personal| predicate.contains(personal.name.as_str()))
    };
    index.usable && index.columns.first().is_some_and(|c| c == column) && index.predicate.as_ref().map_or(!partial, about_masks)
}

/// Whether an index finds rows by these columns.
fn joins(index: &Index, names: &[String]) -> bool {
    let leading = index.columns.iter().take(names.len());
    let within = leading.clone().all(|c| names.contains(c));
    index.usable && index.predicate.is_none() && within && (leading.count() == names.len() || index.unique)
}

/// There is an index on the start, over all rows.
fn narrower_index(cx: &Inspection<'_>, data: &DataSet, table: &Table, column: &Column, at: &Span, faults: &mut Faults) {
    let (name, start) = (cx.name(&table.name), shown(&column.name));
    let partial = to_do(cx, data, table);
    faults
        .warning(
            at,
            format!(
                "the index of table `{name}` on the start `{start}` also holds what was masked in earlier years: every run reads that"
            ),
        )
        .help(create(cx.resolved.dialect, table, &[column], partial.as_deref()));
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
    let todo = if touch.delete { None } else { to_do::expected(&cx.resolved, data) };
    let members: Vec<&str> = to_do_of(cx, data).into_iter().chain([column.name.as_str()]).collect();
    let fault = faults.warning(
        at,
        format!(
            "no index of table `{}` begins with {}: every run reads the whole table",
            cx.name(&table.name),
            if members.len() == 1 {
                format!("the start `{}`", shown(&column.name))
            } else {
                format!("`{}` and the start `{}`", shown(members[0]), shown(&column.name))
            }
        ),
    );
    match todo {
        // Not there yet: the column first, then the index over both.
        Some(todo) if members.len() == 1 => {
            let index = index_over(d, table, &[&todo.name, &column.name]);
            // On one line: what is printed shows a line break as something else.
            fault.help(format!("{} {index}", create_to_do(d, table, &todo)));
            fault.expected(format!(
                "to_do = \"{}\" in the map, a column that says what is still to be masked; without it each run reads what was masked in earlier years: {} has no partial indexes",
                todo.name,
                d.engine.name()
            ));
        }
        Some(_) => {
            fault.help(index_over(d, table, &members));
        }
        None => {
            let partial = if touch.delete { None } else { to_do(cx, data, table) };
            fault.help(create(d, table, &[column], partial.as_deref()));
        }
    }
}

fn index_over(d: Dialect, table: &Table, columns: &[&str]) -> String {
    let members: Vec<String> = columns.iter().map(|c| d.ident(c)).collect();
    let name = d.ident(&index_name(&table.name.name, columns));
    format!("CREATE INDEX {name} ON {} ({});", d.table(&table.name), members.join(", "))
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
