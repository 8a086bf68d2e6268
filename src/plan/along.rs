//! What goes along with a row that is deleted: what follows it, and what the map declares to go with either.

use super::boolean::B;
use super::record::Records;
use super::resolve::Resolved;
use super::schema::{ForeignKey, OnDelete, Table};
use super::terms::{exists, join};
use crate::policy::map::{DataSet, Disposition};

/// A row that is asked to go, with everything that follows it.
#[derive(Clone, Copy)]
pub(super) struct Goes<'g> {
    /// Its data set.
    pub data: &'g DataSet,
    /// Its alias.
    pub alias: &'g str,
}

impl Records<'_> {
    /// Whether a row is the one that goes, or follows it.
    pub(super) fn goes_along(&self, goes: Goes<'_>, data: &DataSet, alias: &str) -> B {
        match data.id == goes.data.id {
            true => same_row(self.resolved(), data, alias, goes.alias),
            false => self.is_above(data, alias, goes.data, goes.alias),
        }
    }

    /// Whether a row of a table that is no data set is deleted with the row that goes, or with what follows it, by another foreign key that the map declares.
    pub(super) fn cascades_along(&self, goes: Goes<'_>, table: &Table, by: &ForeignKey, alias: &str) -> B {
        let resolved = self.resolved();
        let mut ways = Vec::new();
        for data in self.map().record_of(goes.data) {
            let Some(parent) =
                resolved.table(data).filter(|_| data.id == goes.data.id || data.disposition == Disposition::Delete)
            else {
                continue;
            };
            if !data.cascades.iter().any(|c| resolved.find_table(c).is_some_and(|t| t.name == table.name)) {
                continue;
            }
            for (_, key) in resolved.schema.children_of(&parent.name).filter(|(child, _)| child.name == table.name) {
                if key.on_delete != OnDelete::Cascade || key == by {
                    continue;
                }
                let on: Vec<(String, String)> = key.parent_columns.iter().cloned().zip(key.columns.iter().cloned()).collect();
                if data.id == goes.data.id {
                    ways.push(join(resolved, goes.alias, alias, &on));
                } else {
                    let above = above(alias);
                    let along = self.goes_along(goes, data, &above);
                    ways.push(exists(resolved, parent, [&above, alias], &on, &along));
                }
            }
        }
        B::or(ways)
    }

    /// Whether a row follows, directly or not, this row of `root`.
    pub(super) fn is_above(&self, data: &DataSet, alias: &str, root: &DataSet, name: &str) -> B {
        let resolved = self.resolved();
        let Some(parent) = data.parent.as_ref() else { return B::False };
        let Some(next) = self.map().data_set(&parent.data) else { return B::False };
        let on: Vec<_> = parent.on.iter().map(|(here, there)| (there.value.clone(), here.value.clone())).collect();
        if next.id == root.id {
            return join(resolved, name, alias, &on);
        }
        let Some(table) = resolved.table(next) else { return B::False };
        let between = above(alias);
        let inner = self.is_above(next, &between, root, name);
        exists(resolved, table, [&between, alias], &on, &inner)
    }
}

/// Whether rows that follow others are joined to those that they follow, and no others, by these columns (of the row, of the one that it follows).
pub(super) fn joins_parent(data: &DataSet, parent: &DataSet, on: &[(String, String)]) -> bool {
    let joined = |here: &str, there: &str| on.iter().any(|(h, t)| h == here && t == there);
    data.parent.as_ref().is_some_and(|p| p.follows && p.data == parent.id && p.on.iter().all(|(h, t)| joined(h, t)))
}

/// Whether records belong to others, and do not follow them, by exactly these columns (of the child, of the parent).
pub(super) fn belongs_by(child: &DataSet, parent: &DataSet, on: &[(String, String)]) -> bool {
    child.parent.as_ref().is_some_and(|p| {
        let pair = |(here, there): &(String, String)| p.on.iter().any(|(h, t)| h.value == *here && t.value == *there);
        !p.follows && p.data == parent.id && p.on.len() == on.len() && on.iter().all(pair)
    })
}

pub(super) fn same_row(resolved: &Resolved<'_>, data: &DataSet, inner: &str, outer: &str) -> B {
    let d = resolved.dialect;
    let key = resolved.key_columns(data);
    B::and(key.iter().map(|c| B::sql(format!("{} = {}", d.column(inner, &c.name), d.column(outer, &c.name)))))
}

/// The alias of the row above one: no alias of rows below, which end otherwise.
fn above(alias: &str) -> String {
    format!("{alias}a")
}

pub(super) fn not_same_row(resolved: &Resolved<'_>, data: &DataSet, inner: &str, outer: &str) -> B {
    same_row(resolved, data, inner, outer).negate()
}
