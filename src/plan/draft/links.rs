//! Which data set belongs to which: from foreign keys.

use std::collections::BTreeSet;

use crate::plan::schema::{ForeignKey, Schema, Table, TableName};

/// A link from a table to the one that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link<'a> {
    /// The foreign key.
    pub key: &'a ForeignKey,
    /// Whether the child may share the parent's fate: its only link, never NULL, to exactly one row.
    pub follows: bool,
}

/// The link of `table` to one of the mapped tables, if it has one. A circle of such links is opened at one of its tables.
///
/// Of several the first that is never NULL is taken, and what has several links has purposes of its own.
#[must_use]
pub fn parent<'a>(schema: &'a Schema, mapped: &BTreeSet<&TableName>, table: &'a Table) -> Option<Link<'a>> {
    let keys = usable(schema, mapped, table);
    let chosen = chosen(table, &keys)?;
    if breaks_circle(schema, mapped, table) {
        return None;
    }
    let follows = keys.len() == 1 && required(table, chosen) && names_one_row(schema, chosen);
    Some(Link { key: chosen, follows })
}

fn usable<'a>(schema: &Schema, mapped: &BTreeSet<&TableName>, table: &'a Table) -> Vec<&'a ForeignKey> {
    let right = |f: &&ForeignKey| {
        f.parent != table.name
            && mapped.contains(&f.parent)
            && !f.columns.is_empty()
            && f.columns.len() == f.parent_columns.len()
            && schema.table(&f.parent).is_some_and(|p| f.parent_columns.iter().all(|c| p.column(c).is_some()))
    };
    table.foreign_keys.iter().filter(right).collect()
}

fn chosen<'a>(table: &Table, keys: &[&'a ForeignKey]) -> Option<&'a ForeignKey> {
    keys.iter().copied().find(|f| required(table, f)).or_else(|| keys.first().copied())
}

fn required(table: &Table, key: &ForeignKey) -> bool {
    key.columns.iter().all(|c| table.column(c).is_some_and(|c| !c.nullable) || table.primary_key.contains(c))
}

/// Whether the referenced columns are unique, as a follower needs.
fn names_one_row(schema: &Schema, key: &ForeignKey) -> bool {
    schema.table(&key.parent).is_some_and(|p| {
        p.indexes.iter().any(|i| i.unique && i.predicate.is_none() && i.columns.iter().all(|c| key.parent_columns.contains(c)))
    })
}

/// Whether `table` is where a circle of parents is opened: at a link that may be NULL if there is one, else at the first name.
fn breaks_circle(schema: &Schema, mapped: &BTreeSet<&TableName>, table: &Table) -> bool {
    let link = |t: &Table| chosen(t, &usable(schema, mapped, t)).map(|f| (required(t, f), f.parent.clone()));
    let mut circle = BTreeSet::new();
    let mut at = table;
    while let Some((required, parent)) = link(at) {
        if !circle.insert((required, &at.name)) {
            // The chain runs into a circle that `table` is no part of.
            return false;
        }
        if parent == table.name {
            return circle.first().is_some_and(|(_, name)| **name == table.name);
        }
        let Some(next) = schema.table(&parent) else { return false };
        at = next;
    }
    false
}
