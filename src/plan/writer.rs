//! The actions of one root data set: which rows, which columns, what goes with them.

use std::collections::BTreeSet;

use super::action::{Action, ActionKind, ROW};
use super::boolean::B;
use super::companion::{Companion, Operation};
use super::dialect::masks::MaskSql;
use super::keepers::Asking;
use super::record::{Records, Wanted};
use super::resolve::Resolved;
use super::schema::{Engine, TableName};
use super::{sweep, to_do};
use crate::policy::map::DataSet;

/// Writes the actions of one root data set.
pub(super) struct Writer<'a, 'r> {
    pub(super) resolved: Resolved<'a>,
    pub(super) data: &'a DataSet,
    pub(super) full: &'r Records<'a>,
    pub(super) of_keys: &'r Records<'a>,
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
        let own = self.full.active_purposes(data);
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
            let clear = self.action(ActionKind::Clear, &name, &wanted, &|r| {
                B::and([
                    r.group_clear(group, data, ROW),
                    r.row_due(data, ROW, &stack).negate(),
                    r.frozen(data, ROW).negate(),
                    r.todo(data, ROW, &wanted),
                ])
            });
            actions.push(Action { people: self.full.people(data, ActionKind::Clear, Some(group)), ..clear });
        }
        actions.retain(|a| !a.predicate.is_false());
        actions
    }

    /// Whether the key of a data set is its table's primary key.
    pub(super) fn by_primary_key(&self, data: &DataSet) -> bool {
        self.resolved.table(data).is_some_and(|t| data.key.iter().map(|k| &k.value).eq(&t.primary_key))
    }

    /// How it is asked about rows that go with others, which are named by their keys: without locks, as those are taken otherwise.
    pub(super) fn named(&self) -> &Records<'_> {
        if self.resolved.dialect.engine == Engine::Postgres { self.of_keys } else { self.full }
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
        let mut companions = match kind {
            ActionKind::Delete => [self.gone_with(data), self.going_children(data, &[&data.id])].concat(),
            _ => self.followers(data, kind, wanted),
        };
        // A mask of a row that reads nothing else does not care about other tables; everything else locks what its predicate reads.
        let reads = match kind {
            ActionKind::NeverStored if companions.is_empty() => Vec::new(),
            _ => self.reads(data, kind, &companions),
        };
        let key = self.resolved.key_columns(data);
        let archiving = self.archiving(kind, wanted);
        // What goes into an archive is found before it goes.
        if archiving.is_none() {
            sweep::mark(&self.resolved, &self.table_name(data), &key, &mut companions);
        }
        let circular = kind == ActionKind::Delete && self.circular(data, &companions);
        let cleared = |column: &str| kind == ActionKind::Delete || set.iter().any(|(name, _)| name == column);
        let files = self.pointers(data, &cleared);
        Action {
            people: self.full.people(data, kind, None),
            archiving,
            files,
            circular,
            id,
            data_set: data.id.value.clone(),
            kind,
            table: self.table_name(data),
            key,
            predicate: predicate(self.full),
            of_keys: predicate(self.of_keys),
            candidates: B::and([found.clone(), predicate(self.candidates)]),
            held: B::and([found, predicate(self.unfrozen), self.full.frozen(data, ROW)]),
            set,
            own_todo,
            categories: categories.into_iter().collect(),
            purposes: purposes.map(|p| p.id.value.clone()).collect(),
            companions,
            reads,
            by_primary_key: self.by_primary_key(data),
            to_do_indexes: if kind == ActionKind::Delete { Vec::new() } else { to_do::indexes(&self.resolved, data) },
        }
    }

    /// The columns that masking writes. A date that the database would move to the time of any update is written to itself, which
    /// stops that: a masked row must not start anew.
    pub(super) fn set(&self, data: &DataSet, masks: Vec<(String, MaskSql)>) -> Vec<(String, String)> {
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

    /// Tables that the predicate reads: for starts and conditions, for children's purposes, for references and readers; those left out whose rows go
    /// along whatever they say.
    pub(super) fn reads(&self, data: &DataSet, kind: ActionKind, along: &[Companion]) -> Vec<(TableName, Vec<(String, String)>)> {
        let mut all: Vec<(TableName, Vec<(String, String)>)> =
            self.full.related_tables(data).into_iter().map(|(t, pairs)| (t.name.clone(), pairs)).collect();
        if matches!(kind, ActionKind::Delete | ActionKind::Empty) {
            let goes = |c: &Companion| c.unconditional() && c.operation == Operation::Delete;
            let mut kept_by = self.kept_by(data);
            kept_by.retain(|(table, on)| !along.iter().any(|c| goes(c) && c.table == *table && c.on == *on));
            all.extend(kept_by);
        }
        let mut seen = BTreeSet::new();
        all.retain(|entry| seen.insert(entry.clone()));
        all
    }

    /// Tables whose rows may keep a row from being deleted: those that read it or refer to it.
    pub(super) fn kept_by(&self, data: &DataSet) -> Vec<(TableName, Vec<(String, String)>)> {
        let Some(table) = self.resolved.table(data) else { return Vec::new() };
        let mut all: Vec<_> = self.full.readers(data).into_iter().map(|(t, pairs)| (t.name.clone(), pairs)).collect();
        for (child, key) in self.resolved.schema.children_of(&table.name) {
            all.push((child.name.clone(), key.columns.iter().cloned().zip(key.parent_columns.iter().cloned()).collect()));
        }
        all
    }
}
