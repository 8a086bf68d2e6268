//! Exactly the privileges that a plan needs, and how those of the connected role differ from them.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::compile::Plan;
use crate::plan::own_tables::{OwnTable, is_own};
use crate::plan::resolve::Resolved;
use crate::plan::schema::{Engine, Table, TableName};
use crate::plan::touch::touches;
use crate::policy::located::Faults;
use crate::policy::map::{RelatedTo, Test};
use crate::policy::reader::shown;
use crate::source::setup::TableGrant;
use crate::source::{Extent, Privileges, Surroundings};

/// What the enforcer's role must be able to do on the customer's tables, by name: nothing less works, nothing more is needed.
#[must_use]
pub fn grants(plan: &Plan, resolved: &Resolved<'_>) -> Vec<TableGrant> {
    let mut all: BTreeMap<TableName, TableGrant> = BTreeMap::new();
    let touched = touches(plan);
    let mut read = tables_read(resolved);
    // Whether a row goes is asked of all that refer to it, also of what refers to rows that follow others.
    for deleted in touched.iter().filter(|(_, touch)| touch.delete).map(|(name, _)| name) {
        read.extend(resolved.schema.children_of(deleted).map(|(child, _)| child.name.clone()));
    }
    for name in read.iter().chain(touched.keys()) {
        let touch = touched.get(name).cloned().unwrap_or_default();
        let locking_column = resolved.schema.table(name).and_then(some_column);
        all.entry(name.clone()).or_insert_with(|| TableGrant {
            table: name.clone(),
            select: true,
            lock: locking_column.filter(|_| touch.locked && touch.set.is_empty()),
            update_columns: touch.set.into_keys().collect(),
            delete: touch.delete,
        });
    }
    if !plan.pseudonyms.is_empty() {
        let database = resolved.schema.search_path.first().map(String::as_str).unwrap_or_default();
        let table = OwnTable::PseudonymKey.name(resolved.dialect.engine, database);
        all.insert(table.clone(), TableGrant { table, select: true, update_columns: Vec::new(), delete: false, lock: None });
    }
    all.into_values().collect()
}

/// The column that stands for the right to lock: the key, which nothing ever writes.
fn some_column(table: &Table) -> Option<String> {
    table.primary_key.first().or_else(|| table.columns.first().map(|c| &c.name)).cloned()
}

/// Mapped tables and those that events and conditions read.
fn tables_read(resolved: &Resolved<'_>) -> BTreeSet<TableName> {
    let mut all = BTreeSet::new();
    for data in &resolved.map.data_sets {
        all.extend(resolved.table(data).map(|t| t.name.clone()));
        let of_events = data.events.iter().filter_map(|e| e.of.as_ref());
        let of_conditions = data.conditions.iter().filter_map(|c| match &c.test {
            Test::Some(related) | Test::No(related) => Some(related),
            Test::Row(_) => None,
        });
        for related in of_events.chain(of_conditions) {
            if let RelatedTo::Table(name, _) = &related.to {
                all.extend(resolved.find_table(name).map(|t| t.name.clone()));
            }
        }
    }
    all
}

/// Compares the connected role's privileges with what the plan needs: missing ones are errors, others warnings.
pub(super) fn judge(needed: &[TableGrant], resolved: &Resolved<'_>, found: &Surroundings, faults: &mut Faults) {
    let engine = resolved.dialect.engine;
    if engine == Engine::Sqlite {
        return;
    }
    let at = &resolved.map.source.at;
    let mut all: Vec<TableGrant> = own_tables(engine, resolved, found);
    if all.is_empty() {
        faults
            .error(at, "the database has none of this program's own tables, or the connected role may not use them")
            .expected("the script that `retentiond setup` prints, run by an administrator");
    }
    all.extend(needed.iter().cloned());
    for grant in &all {
        let held = found.privileges.get(&grant.table).cloned().unwrap_or_default();
        let lacking = missing(engine, grant, &held, resolved);
        if !lacking.is_empty() {
            faults
                .error(at, format!("the connected role lacks {} on table `{}`", lacking.join(", "), place(&grant.table)))
                .expected("the grants that `retentiond setup` prints");
        }
    }
    if found.superuser {
        return;
    }
    let mut beyond: Vec<String> = Vec::new();
    for (table, held) in &found.privileges {
        match all.iter().find(|g| g.table == *table) {
            Some(grant) => {
                let more = surplus(engine, grant, held);
                if !more.is_empty() {
                    faults
                        .warning(at, format!("the connected role does not need {} on table `{}`", more.join(", "), place(table)))
                        .help("the script that `retentiond setup` prints revokes what is not needed");
                }
            }
            None if *held != Privileges::default() => beyond.push(format!("`{}`", place(table))),
            None => {}
        }
    }
    if !beyond.is_empty() {
        let more = if beyond.len() > 20 { format!(" and {} more", beyond.len() - 20) } else { String::new() };
        beyond.truncate(20);
        faults.warning(
            at,
            format!("the connected role has privileges on tables that it does not need: {}{more}", beyond.join(", ")),
        );
    }
}

fn place(table: &TableName) -> String {
    format!("{}.{}", shown(&table.schema), shown(&table.name))
}

/// What the batches need on this program's own tables; nothing when the role sees none of them.
fn own_tables(engine: Engine, resolved: &Resolved<'_>, found: &Surroundings) -> Vec<TableGrant> {
    if !found.privileges.iter().any(|(t, held)| is_own(engine, t) && *held != Privileges::default()) {
        return Vec::new();
    }
    let database = resolved.schema.search_path.first().map(String::as_str).unwrap_or_default();
    let own = OwnTable::ALL.into_iter().map(|own| TableGrant {
        table: own.name(engine, database),
        select: true,
        update_columns: if is_appended(own) { Vec::new() } else { vec!["*".to_owned()] },
        delete: is_appended(own),
        lock: None,
    });
    own.collect()
}

/// Whether the rows of one of our tables are written once, and removed when their time is over.
fn is_appended(own: OwnTable) -> bool {
    matches!(own, OwnTable::Ledger | OwnTable::Pending | OwnTable::Leaving | OwnTable::Elsewhere)
}

fn needs_insert(engine: Engine, table: &TableName) -> bool {
    let is = |own: OwnTable| own.sql(engine).rsplit('.').next() == Some(table.name.as_str());
    let inserted = [OwnTable::Ledger, OwnTable::Hold, OwnTable::Pending, OwnTable::Leaving, OwnTable::Elsewhere];
    is_own(engine, table) && inserted.into_iter().any(is)
}

fn missing(engine: Engine, grant: &TableGrant, held: &Privileges, resolved: &Resolved<'_>) -> Vec<String> {
    let mut lacking = Vec::new();
    let columns = resolved.schema.table(&grant.table).map(|t| t.columns.as_slice()).unwrap_or_default();
    let reads_all = held.select == Extent::Table || !columns.is_empty() && columns.iter().all(|c| held.select.reaches(&c.name));
    if grant.select && !reads_all {
        lacking.push("SELECT".to_owned());
    }
    let unwritable: Vec<&String> = grant.update_columns.iter().filter(|c| !held.update.reaches(c)).collect();
    if !unwritable.is_empty() {
        let whole = unwritable.iter().any(|c| *c == "*");
        let names: Vec<String> = unwritable.iter().map(|c| shown(c)).collect();
        lacking.push(if whole { "UPDATE".to_owned() } else { format!("UPDATE ({})", names.join(", ")) });
    }
    if grant.delete && !held.delete {
        lacking.push("DELETE".to_owned());
    }
    if needs_insert(engine, &grant.table) && held.insert != Extent::Table {
        lacking.push("INSERT".to_owned());
    }
    let may_lock = match engine {
        Engine::Postgres => held.update.reaches_any(),
        Engine::MySql => held.update.reaches_any() || held.delete,
        Engine::MariaDb | Engine::Sqlite => true,
    };
    if let Some(column) = grant.lock.as_ref().filter(|_| !may_lock) {
        lacking.push(format!("UPDATE ({}), with which rows may be locked", shown(column)));
    }
    lacking
}

fn surplus(engine: Engine, grant: &TableGrant, held: &Privileges) -> Vec<String> {
    let mut more: Vec<String> = held.more.iter().map(|m| shown(m)).collect();
    if held.delete && !grant.delete {
        more.push("DELETE".to_owned());
    }
    if held.insert != Extent::Nothing && !needs_insert(engine, &grant.table) {
        more.push("INSERT".to_owned());
    }
    let expected = |c: &String| grant.update_columns.contains(c) || grant.lock.as_ref() == Some(c);
    let whole = grant.update_columns.iter().any(|c| c == "*");
    match &held.update {
        Extent::Table if !whole => more.push("UPDATE on every column".to_owned()),
        Extent::Columns(names) if !whole && !names.iter().all(expected) => {
            let names: Vec<String> = names.iter().filter(|c| !expected(c)).map(|c| shown(c)).collect();
            more.push(format!("UPDATE ({})", names.join(", ")));
        }
        _ => {}
    }
    more
}
