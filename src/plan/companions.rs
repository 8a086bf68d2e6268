//! Which rows of other tables go with those of a data set: rows that follow them, those that the map declares to, children that waited for nothing else.

use super::action::{ABOVE, ActionKind, ROW};
use super::boolean::B;
use super::companion::{Companion, Operation};
use super::record::Wanted;
use super::schema::{Column, OnDelete, TableName};
use super::waiting::Beside;
use super::writer::Writer;
use crate::policy::map::{DataSet, Disposition};

impl Writer<'_, '_> {
    /// The foreign keys of a table to its own rows.
    pub(super) fn itself(&self, table: &TableName) -> Vec<Vec<(String, String)>> {
        let keys = self.resolved.schema.children_of(table).filter(|(child, _)| child.name == *table);
        keys.map(|(_, key)| key.columns.iter().cloned().zip(key.parent_columns.iter().cloned()).collect()).collect()
    }

    /// What goes with a deleted row: rows that follow it, and those that the map declares to.
    pub(super) fn gone_with(&self, data: &DataSet) -> Vec<Companion> {
        [self.followers(data, ActionKind::Delete, &|_, _, _| true), self.cascades(data)].concat()
    }

    /// Rows that follow, with what happens to them.
    pub(super) fn followers(&self, data: &DataSet, kind: ActionKind, wanted: Wanted<'_>) -> Vec<Companion> {
        let mut all = Vec::new();
        for follower in self.resolved.map.followers_of(data) {
            let goes = match (follower.disposition, kind) {
                (Disposition::Delete, ActionKind::Delete) => B::True,
                // Beside a root that stays, each goes as soon as nothing else refers to it.
                (Disposition::Delete, ActionKind::Anonymise | ActionKind::Pseudonymise) => {
                    self.named().follower_goes(follower, ROW)
                }
                _ => B::False,
            };
            if !goes.is_false() {
                all.extend(self.companion(follower, goes.clone(), goes.clone(), Operation::Delete, self.gone_with(follower)));
            }
            let stays = goes.negate();
            if !stays.is_false() {
                let companions = self.followers(follower, kind, wanted);
                let masks = self.full.masks(follower, ROW, wanted);
                let todo = B::and([stays.clone(), B::or(masks.iter().map(|(_, m)| m.todo.clone()))]);
                // A follower whose own fields are done may still lead to one that is not.
                let reach = if companions.is_empty() { todo.clone() } else { stays };
                let operation = Operation::Mask(self.set(follower, masks));
                all.extend(self.companion(follower, todo, reach, operation, companions));
            }
        }
        all
    }

    fn companion(
        &self,
        follower: &DataSet,
        condition: B,
        reach: B,
        operation: Operation,
        companions: Vec<Companion>,
    ) -> Option<Companion> {
        let parent = follower.parent.as_ref()?;
        if condition.is_false() && companions.is_empty() {
            return None;
        }
        let cleared = |column: &str| match &operation {
            Operation::Delete => true,
            Operation::Mask(set) => set.iter().any(|(name, _)| name == column),
        };
        let files = self.pointers(follower, &cleared);
        Some(Companion {
            files,
            data_set: Some(follower.id.value.clone()),
            table: self.table_name(follower),
            key: self.resolved.key_columns(follower),
            by_primary_key: self.by_primary_key(follower),
            by: Vec::new(),
            on: parent.on.iter().map(|(here, there)| (here.value.clone(), there.value.clone())).collect(),
            condition,
            reach,
            reads: if operation == Operation::Delete { self.kept_by(follower) } else { Vec::new() },
            operation,
            rank: self.resolved.schema.rank(&self.table_name(follower)),
            itself: self.itself(&self.table_name(follower)),
            companions,
            archiving: None,
            people: None,
        })
    }

    /// Rows of tables that are no data sets, declared to go with a deleted row.
    fn cascades(&self, data: &DataSet) -> Vec<Companion> {
        let Some(table) = self.resolved.table(data) else { return Vec::new() };
        let mut all = Vec::new();
        for (child, key) in self.resolved.schema.children_of(&table.name) {
            let declared = data.cascades.iter().any(|c| self.resolved.find_table(c).is_some_and(|t| t.name == child.name));
            if !declared || key.on_delete != OnDelete::Cascade || self.resolved.data_set_of(child).is_some() {
                continue;
            }
            let columns: Vec<Column> = child.primary_key.iter().filter_map(|c| child.column(c)).cloned().collect();
            all.push(Companion {
                data_set: None,
                files: None,
                table: child.name.clone(),
                key: columns,
                by_primary_key: true,
                by: Vec::new(),
                on: key.columns.iter().cloned().zip(key.parent_columns.iter().cloned()).collect(),
                condition: B::True,
                reach: B::True,
                reads: Vec::new(),
                operation: Operation::Delete,
                rank: self.resolved.schema.rank(&child.name),
                itself: self.itself(&child.name),
                companions: Vec::new(),
                archiving: None,
                people: None,
            });
        }
        all
    }

    /// Child records with purposes of their own that are due and only waited for this row: those that refer to it, and those that it and they read
    /// each other.
    pub(super) fn going_children(&self, data: &DataSet, stack: &[&str]) -> Vec<Companion> {
        let map = self.resolved.map;
        let Some(table) = self.resolved.table(data) else { return Vec::new() };
        let references = self.resolved.schema.children_of(&table.name).filter_map(|(child, key)| {
            let pairs = key.columns.iter().cloned().zip(key.parent_columns.iter().cloned()).collect();
            Some((self.resolved.data_set_of(child)?, pairs))
        });
        let mut ways: Vec<(&DataSet, Vec<(String, String)>)> = references.collect();
        for child in map.children_of(data) {
            let on: Vec<_> = child.parent.iter().flat_map(|p| &p.on).map(|(h, t)| (h.value.clone(), t.value.clone())).collect();
            // A foreign key over more columns says nothing of a row in which one of them is empty.
            let same = |pairs: &[(String, String)]| pairs.len() == on.len() && on.iter().all(|pair| pairs.contains(pair));
            let found = ways.iter().any(|(c, pairs)| c.id == child.id && same(pairs));
            if !found && self.full.tied(data, child, &on) {
                ways.push((child, on));
            }
        }
        let mut all = Vec::new();
        for (child, on) in ways {
            if map.root_of(child).id != child.id || stack.contains(&child.id.as_str()) {
                continue;
            }
            let going = self.named().going(child, ROW, stack, Some(Beside { data_set: &data.id, alias: ABOVE, on: &on }));
            if going.is_false() {
                continue;
            }
            let deeper: Vec<&str> = stack.iter().copied().chain([child.id.as_str()]).collect();
            let companions = [self.gone_with(child), self.going_children(child, &deeper)].concat();
            all.push(Companion {
                data_set: Some(child.id.value.clone()),
                files: self.pointers(child, &|_| true),
                table: self.table_name(child),
                key: self.resolved.key_columns(child),
                by_primary_key: self.by_primary_key(child),
                by: Vec::new(),
                on,
                reach: going.clone(),
                reads: self.reads(child, ActionKind::Delete, &[]),
                condition: going,
                operation: Operation::Delete,
                rank: self.resolved.schema.rank(&self.table_name(child)),
                itself: self.itself(&self.table_name(child)),
                companions,
                people: self.full.people(child, ActionKind::Delete, None),
                archiving: Writer { data: child, ..*self }.archiving(ActionKind::Delete, &|_, _, _| true),
            });
        }
        all
    }
}
