//! The actions of one root data set: which rows, which columns, what goes with them.

use std::collections::BTreeSet;

use super::action::{ABOVE, Action, ActionKind, Companion, Operation, ROW};
use super::boolean::B;
use super::dialect::masks::MaskSql;
use super::keepers::Asking;
use super::record::{Records, Wanted};
use super::resolve::Resolved;
use super::schema::{Column, OnDelete, TableName};
use super::to_do;
use super::waiting::Beside;
use crate::policy::map::{DataSet, Disposition};

/// Writes the actions of one root data set.
pub(super) struct Writer<'a, 'r> {
    pub(super) resolved: Resolved<'a>,
    pub(super) data: &'a DataSet,
    pub(super) full: &'r Records<'a>,
    pub(super) locking: &'r Records<'a>,
    pub(super) candidates: &'r Records<'a>,
    pub(super) unfrozen: &'r Records<'a>,
}

impl Writer<'_, '_> {
    /// All of them, those that can never act left out.
    pub(super) fn all(&self) -> Vec<Action> {
        let data = self.data;
        let mut actions = Vec::new();
        let every = |_: &str, _: &str, _: bool| true;
        let stack: [&str; 1] = [&data.id];
        let members = self.resolved.map.record_of(data);
        let never_stored = members.iter().flat_map(|m| &m.categories).filter(|c| c.never_stored).map(|c| c.name.value.as_str());
        for name in never_stored.collect::<BTreeSet<_>>() {
            let wanted = |_: &str, category: &str, never: bool| never && category == name;
            actions.push(self.action(ActionKind::NeverStored, name, &wanted, &|r| {
                B::and([r.frozen(data, ROW).negate(), r.todo(data, ROW, &wanted)])
            }));
        }
        actions.push(self.action(ActionKind::Delete, "", &every, &|r| r.going(data, ROW, &[], None)));
        actions.push(self.action(ActionKind::Empty, "", &every, &|r| {
            let waits = r.any_of(&r.keepers(data, ROW, Asking::all(&stack)), ROW);
            B::and([
                r.row_due(data, ROW, &stack),
                r.delete_says(data, ROW),
                r.frozen(data, ROW).negate(),
                waits,
                r.todo(data, ROW, &every),
            ])
        }));
        let stays = if self.resolved.map.keeps_pseudonyms(data) { ActionKind::Pseudonymise } else { ActionKind::Anonymise };
        actions.push(self.action(stays, "", &every, &|r| {
            B::and([
                r.row_due(data, ROW, &stack),
                r.delete_says(data, ROW).negate(),
                r.frozen(data, ROW).negate(),
                r.anonymise_todo(data, ROW),
            ])
        }));
        let groups = self.full.groups(data);
        let own = self.full.own_purposes(data);
        for group in &groups {
            let whole_record = groups.len() == 1 && group.own == own && (!data.clear_uncovered || data.dispose_uncovered);
            if whole_record {
                continue;
            }
            let wanted = |data_set: &str, category: &str, never: bool| !never && group.contains(data_set, category);
            let names: BTreeSet<&str> = group.categories.iter().map(|(_, category)| category.as_str()).collect();
            let mut name = names.into_iter().collect::<Vec<_>>().join(".");
            // One category may fall apart: a child's purpose needs it of the root, not of what follows.
            if actions.iter().any(|a| a.id == format!("{}.clear.{name}", data.id)) {
                name = group.categories.iter().map(|(d, c)| format!("{d}:{c}")).collect::<Vec<_>>().join(".");
            }
            actions.push(self.action(ActionKind::Clear, &name, &wanted, &|r| {
                B::and([
                    r.group_clear(group, data, ROW),
                    r.row_due(data, ROW, &stack).negate(),
                    r.frozen(data, ROW).negate(),
                    r.todo(data, ROW, &wanted),
                ])
            }));
        }
        actions.retain(|a| !a.predicate.is_false());
        actions
    }

    fn action(&self, kind: ActionKind, name: &str, wanted: Wanted<'_>, predicate: &dyn Fn(&Records<'_>) -> B) -> Action {
        let data = self.data;
        let categories = self
            .resolved
            .map
            .record_of(data)
            .iter()
            .flat_map(|d| d.categories.iter().map(move |c| (d, c)))
            .filter(|(d, c)| wanted(&d.id, &c.name, c.never_stored))
            .map(|(_, c)| c.name.value.clone())
            .collect::<BTreeSet<_>>();
        let (set, own_todo) = match kind {
            ActionKind::Delete => (Vec::new(), B::True),
            _ => {
                let masks = self.full.masks(data, ROW, wanted);
                let todo = B::or(masks.iter().map(|(_, m)| m.todo.clone()));
                (self.set(data, masks), todo)
            }
        };
        let purposes = self.full.own_purposes(data).into_iter().map(|i| self.full.purposes[i].purpose);
        let id =
            if name.is_empty() { format!("{}.{}", data.id, kind.word()) } else { format!("{}.{}.{name}", data.id, kind.word()) };
        // A deletion takes rows of which nothing is left to mask, too.
        let found = if kind == ActionKind::Delete { B::True } else { to_do::left(&self.resolved, data, ROW) };
        let companions = match kind {
            ActionKind::Delete => [self.gone_with(data), self.going_children(data, &[&data.id])].concat(),
            _ => self.followers(data, kind, wanted),
        };
        // A mask of a row that reads nothing else does not care about other tables; everything else locks what its predicate reads.
        let reads = match kind {
            ActionKind::NeverStored if companions.is_empty() => Vec::new(),
            _ => self.reads(data, kind),
        };
        let circular = kind == ActionKind::Delete && self.circular(data, &companions);
        Action {
            circular,
            id,
            data_set: data.id.value.clone(),
            kind,
            table: self.table_name(data),
            key: self.resolved.key_columns(data),
            predicate: predicate(self.full),
            locking: predicate(self.locking),
            candidates: B::and([found.clone(), predicate(self.candidates)]),
            held: B::and([found, predicate(self.unfrozen), self.full.frozen(data, ROW)]),
            set,
            own_todo,
            categories: categories.into_iter().collect(),
            purposes: purposes.map(|p| p.id.value.clone()).collect(),
            companions,
            reads,
            by_primary_key: self.resolved.table(data).is_some_and(|t| data.key.iter().map(|k| &k.value).eq(&t.primary_key)),
            to_do_indexes: if kind == ActionKind::Delete { Vec::new() } else { to_do::indexes(&self.resolved, data) },
        }
    }

    /// The columns that masking writes. A date that the database would move to the time of any update is written to itself, which
    /// stops that: a masked row must not start anew.
    fn set(&self, data: &DataSet, masks: Vec<(String, MaskSql)>) -> Vec<(String, String)> {
        let mut set: Vec<(String, String)> = masks.into_iter().map(|(column, mask)| (column, mask.value)).collect();
        if let Some(table) = self.resolved.table(data).filter(|_| !set.is_empty()) {
            let dates = self.resolved.event_columns(table);
            for column in table.columns.iter().filter(|c| c.on_update_now && dates.contains(&c.name)) {
                if !set.iter().any(|(name, _)| *name == column.name) {
                    set.push((column.name.clone(), self.resolved.dialect.column(ROW, &column.name)));
                }
            }
        }
        set
    }

    pub(super) fn table_name(&self, data: &DataSet) -> TableName {
        self.resolved
            .table(data)
            .map(|t| t.name.clone())
            .unwrap_or_else(|| TableName { schema: String::new(), name: String::new() })
    }

    /// Whether foreign keys lead from the table of a data set, or from what is deleted before its rows, to what is deleted before that.
    fn circular(&self, data: &DataSet, companions: &[Companion]) -> bool {
        let schema = self.resolved.schema;
        let mut tables = Vec::new();
        companions.iter().for_each(|c| c.deleted_tables(&mut tables));
        tables.sort_by_key(|t| schema.rank(t));
        let own = self.table_name(data);
        tables.push(&own);
        let refers = |from: &TableName, to: &TableName| {
            from != to && schema.tables.iter().any(|t| t.name == *from && t.foreign_keys.iter().any(|k| k.parent == *to))
        };
        tables.iter().enumerate().any(|(n, later)| tables[..n].iter().any(|earlier| refers(later, earlier)))
    }

    /// The foreign keys of a table to its own rows.
    pub(super) fn itself(&self, table: &TableName) -> Vec<Vec<(String, String)>> {
        let keys = self.resolved.schema.children_of(table).filter(|(child, _)| child.name == *table);
        keys.map(|(_, key)| key.columns.iter().cloned().zip(key.parent_columns.iter().cloned()).collect()).collect()
    }

    /// Tables that the predicate reads: for starts and conditions, for children's purposes, for references and readers.
    pub(super) fn reads(&self, data: &DataSet, kind: ActionKind) -> Vec<(TableName, Vec<(String, String)>)> {
        let mut all: Vec<(TableName, Vec<(String, String)>)> =
            self.full.related_tables(data).into_iter().map(|(t, pairs)| (t.name.clone(), pairs)).collect();
        if matches!(kind, ActionKind::Delete | ActionKind::Empty) {
            all.extend(self.kept_by(data));
        }
        let mut seen = BTreeSet::new();
        all.retain(|entry| seen.insert(entry.clone()));
        all
    }

    /// Tables whose rows may keep a row from being deleted: those that read it or refer to it.
    fn kept_by(&self, data: &DataSet) -> Vec<(TableName, Vec<(String, String)>)> {
        let Some(table) = self.resolved.table(data) else { return Vec::new() };
        let mut all: Vec<_> = self.full.readers(data).into_iter().map(|(t, pairs)| (t.name.clone(), pairs)).collect();
        for (child, key) in self.resolved.schema.children_of(&table.name) {
            all.push((child.name.clone(), key.columns.iter().cloned().zip(key.parent_columns.iter().cloned()).collect()));
        }
        all
    }

    /// What goes with a deleted row: rows that follow it, and those that the map declares to.
    pub(super) fn gone_with(&self, data: &DataSet) -> Vec<Companion> {
        [self.followers(data, ActionKind::Delete, &|_, _, _| true), self.cascades(data)].concat()
    }

    /// Rows that follow, with what happens to them.
    fn followers(&self, data: &DataSet, kind: ActionKind, wanted: Wanted<'_>) -> Vec<Companion> {
        let mut all = Vec::new();
        for follower in self.resolved.map.followers_of(data) {
            let goes = match (follower.disposition, kind) {
                (Disposition::Delete, ActionKind::Delete) => B::True,
                // Beside a root that stays, each goes as soon as nothing else refers to it.
                (Disposition::Delete, ActionKind::Anonymise | ActionKind::Pseudonymise) => self.full.follower_goes(follower, ROW),
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
        Some(Companion {
            data_set: Some(follower.id.value.clone()),
            table: self.table_name(follower),
            key: self.resolved.key_columns(follower),
            on: parent.on.iter().map(|(here, there)| (here.value.clone(), there.value.clone())).collect(),
            condition,
            reach,
            reads: if operation == Operation::Delete { self.kept_by(follower) } else { Vec::new() },
            operation,
            rank: self.resolved.schema.rank(&self.table_name(follower)),
            itself: self.itself(&self.table_name(follower)),
            companions,
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
                table: child.name.clone(),
                key: columns,
                on: key.columns.iter().cloned().zip(key.parent_columns.iter().cloned()).collect(),
                condition: B::True,
                reach: B::True,
                reads: Vec::new(),
                operation: Operation::Delete,
                rank: self.resolved.schema.rank(&child.name),
                itself: self.itself(&child.name),
                companions: Vec::new(),
            });
        }
        all
    }

    /// Child records with purposes of their own that are due and only waited for this row: those that refer to it, and those that it and they read
    /// each other.
    fn going_children(&self, data: &DataSet, stack: &[&str]) -> Vec<Companion> {
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
            let going = self.full.going(child, ROW, stack, Some(Beside { data_set: &data.id, alias: ABOVE, on: &on }));
            if going.is_false() {
                continue;
            }
            let deeper: Vec<&str> = stack.iter().copied().chain([child.id.as_str()]).collect();
            let companions = [self.gone_with(child), self.going_children(child, &deeper)].concat();
            all.push(Companion {
                data_set: Some(child.id.value.clone()),
                table: self.table_name(child),
                key: self.resolved.key_columns(child),
                on,
                reach: going.clone(),
                reads: self.reads(child, ActionKind::Delete),
                condition: going,
                operation: Operation::Delete,
                rank: self.resolved.schema.rank(&self.table_name(child)),
                itself: self.itself(&self.table_name(child)),
                companions,
            });
        }
        all
    }
}
