//! What deleting a row would do elsewhere, and what could be inserted behind a predicate's back.

use std::collections::{BTreeMap, BTreeSet};

use super::{Inspection, tables, touch};
use crate::plan::schema::{Engine, OnDelete, Table, TableName};
use crate::plan::touch::Touch;
use crate::policy::located::{Faults, Span};
use crate::policy::map::{DataSet, RelatedTo};
use crate::policy::reader::shown;

pub(super) fn inspect(cx: &Inspection<'_>, touched: &BTreeMap<TableName, Touch>, faults: &mut Faults) {
    for (data, table) in cx.mapped() {
        let declared: Vec<&Table> = data.cascades.iter().filter_map(|c| cx.resolved.find_table(c)).collect();
        declared_cascades(cx, data, table, faults);
        if touch(touched, &table.name).delete {
            undeclared(cx, data, table, &declared, &data.table.at, faults);
            for (cascade, reference) in declared.iter().zip(&data.cascades) {
                undeclared(cx, data, cascade, &declared, &reference.at, faults);
            }
            if cx.resolved.dialect.engine.is_mysql_family() {
                circles(cx, data, table, faults);
            }
        }
    }
    if cx.resolved.dialect.engine == Engine::Postgres {
        races(cx, faults);
    }
}

/// Words for what a foreign key does by itself.
fn effect(on_delete: OnDelete) -> &'static str {
    match on_delete {
        OnDelete::Cascade => "deletes rows of",
        OnDelete::SetNull => "empties columns of",
        OnDelete::SetDefault => "rewrites columns of",
        OnDelete::Restrict => "is refused by",
    }
}

/// Foreign keys by which a deletion reaches tables that nobody declared.
fn undeclared(cx: &Inspection<'_>, data: &DataSet, table: &Table, declared: &[&Table], at: &Span, faults: &mut Faults) {
    for (child, key) in cx.resolved.schema.children_of(&table.name) {
        let known = cx.resolved.data_set_of(child).is_some()
            || key.on_delete == OnDelete::Cascade && declared.iter().any(|d| d.name == child.name) && is_of(cx, data, table);
        if key.on_delete == OnDelete::Restrict || known {
            continue;
        }
        let name = cx.name(&child.name);
        let expected = match key.on_delete {
            OnDelete::Cascade if is_of(cx, data, table) => {
                format!("cascades = [\"{name}\"], or a data set that follows `{}`", data.id)
            }
            _ => format!("a data set for `{name}`: its rows change with a deleted one and nobody would count them"),
        };
        faults
            .error(
                at,
                format!(
                    "deleting a row of `{}` {} `{name}` by the foreign key `{}`, which the map does not declare",
                    cx.name(&table.name),
                    effect(key.on_delete),
                    shown(&key.name)
                ),
            )
            .expected(expected);
    }
}

/// MariaDB and MySQL look at foreign keys row by row: rows that refer to each other in a circle cannot be deleted.
fn circles(cx: &Inspection<'_>, data: &DataSet, table: &Table, faults: &mut Faults) {
    let mut reached: BTreeSet<&TableName> = BTreeSet::new();
    let mut open: Vec<&TableName> = table.foreign_keys.iter().map(|k| &k.parent).filter(|p| **p != table.name).collect();
    while let Some(name) = open.pop() {
        if reached.insert(name)
            && let Some(next) = cx.resolved.schema.tables.iter().find(|t| t.name == *name)
        {
            open.extend(next.foreign_keys.iter().map(|k| &k.parent));
        }
    }
    if reached.contains(&table.name) {
        faults
            .warning(&data.table.at, format!("foreign keys lead from `{}` in a circle back to it", cx.name(&table.name)))
            .help("rows that refer to each other cannot be deleted here, and are reported as failed: this server looks at foreign keys row by row");
    }
}

/// Whether `table` is the data set's own.
fn is_of(cx: &Inspection<'_>, data: &DataSet, table: &Table) -> bool {
    cx.resolved.table(data).is_some_and(|own| own.name == table.name)
}

/// Declared cascades must be there, and their rows must have names.
fn declared_cascades(cx: &Inspection<'_>, data: &DataSet, table: &Table, faults: &mut Faults) {
    for cascade in &data.cascades {
        let Some(child) = cx.resolved.find_table(cascade) else {
            let known = cx.resolved.schema.children_of(&table.name).map(|(t, _)| t.name.name.as_str()).collect::<Vec<_>>();
            faults
                .error(&cascade.at, format!("the database has no table `{}`", shown(&cascade.name)))
                .nearest(&cascade.name, known);
            continue;
        };
        let name = cx.name(&child.name);
        if cx.resolved.data_set_of(child).is_some() {
            faults
                .error(&cascade.at, format!("`{name}` is a data set of its own"))
                .expected("either a data set that follows, or a cascade of a table without personal data");
        }
        let cascading = child.foreign_keys.iter().any(|k| k.parent == table.name && k.on_delete == OnDelete::Cascade);
        if !cascading {
            faults
                .error(&cascade.at, format!("`{name}` has no foreign key with ON DELETE CASCADE to `{}`", cx.name(&table.name)))
                .expected("tables whose rows the database deletes with a row of this one");
        }
        if child.primary_key.is_empty() {
            faults
                .error(&cascade.at, format!("table `{name}` has no primary key"))
                .expected("a primary key: without one a deleted row cannot be counted or named");
        }
    }
}

/// PostgreSQL: rows that a predicate reads must not appear while it acts, and only a foreign key stops them.
fn races(cx: &Inspection<'_>, faults: &mut Faults) {
    for (data, table) in cx.mapped().filter(|(d, _)| cx.resolved.map.root_of(d).id == d.id) {
        let mut seen = BTreeSet::new();
        for (other, pairs) in cx.plan.actions.iter().filter(|a| a.data_set == data.id.value).flat_map(|a| &a.reads) {
            if !seen.insert((other, pairs)) || guarded(cx, table, other, pairs) {
                continue;
            }
            let at = place(cx, data, other);
            let name = cx.name(other);
            if data.accepts_race {
                faults.warning(
                    &at,
                    format!(
                        "no foreign key ties `{name}` to `{}`: a row inserted there while a batch runs is not seen by it; the map accepts that",
                        data.id
                    ),
                );
            } else {
                let columns: Vec<String> = pairs.iter().map(|(there, _)| format!("`{}`", shown(there))).collect();
                faults
                    .error(
                        &at,
                        format!(
                            "`{}` is decided by rows of `{name}`, but no foreign key over {} ties them: one inserted while a batch runs would be missed",
                            data.id,
                            columns.join(", ")
                        ),
                    )
                    .expected("a foreign key (NOT VALID suffices), or accepts_race = true in the data set");
            }
        }
    }
}

/// Whether a foreign key in either direction rests on the join.
fn guarded(cx: &Inspection<'_>, table: &Table, other: &TableName, pairs: &[(String, String)]) -> bool {
    let Some(other) = cx.resolved.schema.table(other) else { return true };
    let from_other = other.foreign_keys.iter().any(|k| {
        k.parent == table.name
            && k.columns.iter().zip(&k.parent_columns).all(|(c, p)| pairs.iter().any(|(there, here)| there == c && here == p))
    });
    let to_other = table.foreign_keys.iter().any(|k| {
        k.parent == other.name
            && k.columns.iter().zip(&k.parent_columns).all(|(c, p)| pairs.iter().any(|(there, here)| there == p && here == c))
    });
    from_other || to_other
}

/// Where the map brings the other table into play.
fn place(cx: &Inspection<'_>, data: &DataSet, other: &TableName) -> Span {
    let is_other = |d: &DataSet| cx.resolved.table(d).is_some_and(|t| t.name == *other);
    let related = tables::relations(data).find_map(|r| match &r.to {
        RelatedTo::Table(name, _) => cx.resolved.find_table(name).filter(|t| t.name == *other).map(|_| name.at.clone()),
        RelatedTo::DataSet(id) => cx.resolved.map.data_set(id).filter(|d| is_other(d)).map(|_| id.at.clone()),
    });
    let child = cx.resolved.map.data_sets.iter().find(|d| is_other(d)).and_then(|d| d.parent.as_ref()).map(|p| p.data.at.clone());
    related.or(child).unwrap_or_else(|| data.table.at.clone())
}
