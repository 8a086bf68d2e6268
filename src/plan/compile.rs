//! From policies, a data map, a schema and an instant to a [`Plan`]: pure, deterministic, without counts.

use chrono::{DateTime, NaiveDate, Utc};
use sha2::{Digest as _, Sha256};

use super::action::{Action, ActionKind, Companion, Operation, ROW};
use super::boolean::B;
use super::census::Census;
use super::check::{unmapped_columns, unmapped_tables};
use super::dialect::Dialect;
use super::dialect::masks::MaskSql;
use super::due::DueCensus;
use super::orders::Orders;
use super::record::{Records, Timed, Wanted};
use super::resolve::Resolved;
use super::schema::{Column, OnDelete, Schema, TableName};
use super::terms::{PeriodsInUse, Terms};
use super::to_do;
use crate::policy::bound::{RunTime, first_instant};
use crate::policy::map::{DataMap, DataSet, Disposition};
use crate::policy::period::Period;
use crate::policy::purpose::Policy;
use crate::policy::start::Rounding;

/// What enters a plan besides policy, map and schema.
#[derive(Debug, Clone)]
pub struct Moment {
    /// The instant of the run, whole seconds.
    pub now: DateTime<Utc>,
    /// The per-record periods in use.
    pub periods: PeriodsInUse,
    /// Whether any order stands in the source.
    pub orders: bool,
}

/// Everything that one run would do to one source.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The source's id.
    pub source: String,
    /// How its SQL is written.
    pub dialect: Dialect,
    /// The instant of the run.
    pub now: DateTime<Utc>,
    /// The local date of the run in the zone of the first policy, for people and for the plan's validity.
    pub today: NaiveDate,
    /// One full census for each root data set.
    pub censuses: Vec<Census>,
    /// What every run counts, for each root data set.
    pub due: Vec<DueCensus>,
    /// Actions in the order in which they run.
    pub actions: Vec<Action>,
    /// Root data sets with a tenant column: data set, table, column.
    pub tenants: Vec<(String, TableName, String)>,
    /// Purposes that must be done within a time after their end.
    pub deadlines: Vec<Deadline>,
    /// Columns of mapped tables that the map does not mention, by data set.
    pub unmapped_columns: Vec<(String, String)>,
    /// Tables that the map does not mention.
    pub unmapped_tables: Vec<String>,
    /// Names of the tables that the plan rests on.
    pub tables: Vec<TableName>,
    /// SHA-256 over everything that decides what is done (policy, map, schema, statements, date), not over counts.
    pub hash: String,
}

/// How long after its end a purpose may still wait for its disposition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deadline {
    /// The data set.
    pub data_set: String,
    /// The purpose.
    pub purpose: String,
    /// Its rounding.
    pub end_of: Option<Rounding>,
    /// Its period.
    pub keeps: Period,
    /// The time after its end.
    pub done_within: Period,
}

impl Deadline {
    /// Whether a record that started on `start` should have been done before `today`.
    #[must_use]
    pub fn passed(&self, start: NaiveDate, today: NaiveDate) -> bool {
        let rounded = match self.end_of {
            None => Some(start),
            Some(rounding) => rounding.round(start),
        };
        let end = rounded.and_then(|r| self.keeps.last_kept_day(r, self.end_of.is_some()));
        end.and_then(|end| self.done_within.last_kept_day(end, false)).is_some_and(|last| last < today)
    }
}

/// Compiles the plan of one source. Map, policies and schema must have passed their checks.
#[must_use]
pub fn compile(map: &DataMap, policies: &[Policy], schema: &Schema, moment: &Moment, documents: &[&str]) -> Plan {
    let zone = policies.first().map_or(chrono_tz::Europe::Paris, |p| p.time_zone);
    let today = RunTime { now: moment.now, zone }.today();
    let compiler = Compiler { resolved: Resolved::new(map, schema), policies, moment };
    let actions = compiler.actions(moment.now);
    // The hash must hold for the whole local day, so periods in hours are hashed as of its first instant.
    let mut hash = Sha256::new();
    for document in documents {
        hash.update(document.as_bytes());
        hash.update(b"\n");
    }
    let tables: Vec<TableName> =
        map.data_sets.iter().filter_map(|d| compiler.resolved.table(d)).map(|t| t.name.clone()).collect();
    hash.update(schema.fingerprint(&tables));
    hash.update(today.to_string());
    for action in compiler.actions(first_instant(today, zone)) {
        hash.update(format!("{}\n{}\n{:?}\n{:?}\n", action.id, action.predicate.render(), action.set, action.companions));
    }
    Plan {
        source: map.source.value.clone(),
        dialect: compiler.resolved.dialect,
        now: moment.now,
        today,
        censuses: compiler.censuses(&actions),
        due: compiler.due(),
        tenants: compiler
            .roots()
            .into_iter()
            .filter_map(|d| {
                Some((d.id.value.clone(), compiler.resolved.table(d)?.name.clone(), d.tenant.as_ref()?.value.clone()))
            })
            .collect(),
        deadlines: compiler.deadlines(),
        unmapped_columns: map
            .data_sets
            .iter()
            .filter_map(|d| Some((d, compiler.resolved.table(d)?)))
            .flat_map(|(d, t)| unmapped_columns(&compiler.resolved, d, t).map(|c| (d.id.value.clone(), c)))
            .collect(),
        unmapped_tables: unmapped_tables(&compiler.resolved).into_iter().map(|t| t.name.name.clone()).collect(),
        actions,
        tables,
        hash: hex::encode(hash.finalize()),
    }
}

/// Writes predicates about the records of one source, as a plan made of the same parts has them; orders are looked for.
#[must_use]
pub fn records<'a>(map: &'a DataMap, policies: &'a [Policy], schema: &'a Schema, moment: &'a Moment) -> Records<'a> {
    Compiler { resolved: Resolved::new(map, schema), policies, moment }.records(moment.now, Reading::FULL)
}

struct Compiler<'a> {
    resolved: Resolved<'a>,
    policies: &'a [Policy],
    moment: &'a Moment,
}

impl<'a> Compiler<'a> {
    fn records(&self, now: DateTime<Utc>, reading: Reading) -> Records<'a> {
        let source = &self.resolved.map.source.value;
        let purposes: Vec<Timed<'a>> = self
            .policies
            .iter()
            .flat_map(|policy| {
                let run = RunTime { now, zone: policy.time_zone };
                policy.purposes.iter().filter(|p| p.data.source == *source).map(move |purpose| Timed { purpose, run })
            })
            .collect();
        let zone = self.policies.first().map_or(chrono_tz::Europe::Paris, |p| p.time_zone);
        let orders = Orders { source, today: RunTime { now, zone }.today(), look: reading.look, freeze: reading.freeze };
        let resolved = Resolved { lock_reads: reading.lock, ..self.resolved };
        Records { terms: Terms { resolved, orders, periods: &self.moment.periods }, purposes }
    }

    /// Root data sets, children before the parents that they belong to.
    fn roots(&self) -> Vec<&'a DataSet> {
        let map = self.resolved.map;
        let depth = |data: &DataSet| {
            let (mut at, mut n) = (data, 0);
            while let Some(parent) = at.parent.as_ref().and_then(|p| map.data_set(&p.data)) {
                at = parent;
                n += 1;
                if n > map.data_sets.len() {
                    break;
                }
            }
            n
        };
        let mut roots: Vec<&DataSet> = map.data_sets.iter().filter(|d| map.root_of(d).id == d.id).collect();
        roots.sort_by_key(|d| (std::cmp::Reverse(depth(d)), d.id.value.clone()));
        roots
    }

    fn actions(&self, now: DateTime<Utc>) -> Vec<Action> {
        let full = self.records(now, Reading::FULL);
        let locking = self.records(now, Reading { lock: true, ..Reading::FULL });
        let candidates = self.records(now, Reading { look: self.moment.orders, ..Reading::FULL });
        let unfrozen = self.records(now, Reading { freeze: false, ..Reading::FULL });
        let mut all: Vec<Action> = Vec::new();
        for data in self.roots() {
            let writer = Writer {
                resolved: self.resolved,
                data,
                full: &full,
                locking: &locking,
                candidates: &candidates,
                unfrozen: &unfrozen,
            };
            all.extend(writer.all());
        }
        // Never stored first; deletions before what they make final; what waits is emptied last.
        all.sort_by_key(|a| a.kind);
        all
    }

    fn deadlines(&self) -> Vec<Deadline> {
        let source = &self.resolved.map.source.value;
        let purposes = self.policies.iter().flat_map(|p| &p.purposes).filter(|p| p.data.source == *source);
        purposes
            .filter_map(|p| {
                Some(Deadline {
                    data_set: p.data.data_set.clone(),
                    purpose: p.id.value.clone(),
                    end_of: p.starts.as_ref()?.end_of,
                    keeps: p.keeps.as_ref()?.value,
                    done_within: p.done_within.as_ref()?.value,
                })
            })
            .collect()
    }

    fn censuses(&self, actions: &[Action]) -> Vec<Census> {
        let records = self.records(self.moment.now, Reading::FULL);
        self.roots().into_iter().filter_map(|data| Census::new(&records, data, actions)).collect()
    }

    fn due(&self) -> Vec<DueCensus> {
        let full = self.records(self.moment.now, Reading::FULL);
        let light = self.records(self.moment.now, Reading { look: false, ..Reading::FULL });
        let now = if self.moment.orders { &full } else { &light };
        self.roots().into_iter().map(|data| DueCensus::new(&light, &full, now, data)).collect()
    }
}

/// How predicates are written.
#[derive(Clone, Copy)]
struct Reading {
    /// Orders are looked for.
    look: bool,
    /// Holds and restrictions count.
    freeze: bool,
    /// What is read is locked.
    lock: bool,
}

impl Reading {
    const FULL: Self = Self { look: true, freeze: true, lock: false };
}

/// Writes the actions of one root data set.
struct Writer<'a, 'r> {
    resolved: Resolved<'a>,
    data: &'a DataSet,
    full: &'r Records<'a>,
    locking: &'r Records<'a>,
    candidates: &'r Records<'a>,
    unfrozen: &'r Records<'a>,
}

impl Writer<'_, '_> {
    fn all(&self) -> Vec<Action> {
        let data = self.data;
        let mut actions = Vec::new();
        let every = |_: &str, _: &str, _: bool| true;
        let stack: [&str; 1] = [&data.id];
        let members = self.resolved.map.record_of(data);
        let never_stored = members.iter().flat_map(|m| &m.categories).filter(|c| c.never_stored).map(|c| c.name.value.as_str());
        for name in never_stored.collect::<std::collections::BTreeSet<_>>() {
            let wanted = |_: &str, category: &str, never: bool| never && category == name;
            actions.push(self.action(ActionKind::NeverStored, name, &wanted, &|r| {
                B::and([r.frozen(data, ROW).negate(), r.todo(data, ROW, &wanted)])
            }));
        }
        actions.push(self.action(ActionKind::Delete, "", &every, &|r| r.going(data, ROW, &[], None)));
        actions.push(self.action(ActionKind::Empty, "", &every, &|r| {
            let waits = B::or([r.referenced(data, ROW, &stack), r.read(data, ROW, None)]);
            B::and([
                r.row_due(data, ROW, &stack),
                r.delete_says(data, ROW),
                r.frozen(data, ROW).negate(),
                waits,
                r.todo(data, ROW, &every),
            ])
        }));
        actions.push(self.action(ActionKind::Anonymise, "", &every, &|r| {
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
            let names: std::collections::BTreeSet<&str> =
                group.categories.iter().map(|(_, category)| category.as_str()).collect();
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

    fn action(
        &self,
        kind: ActionKind,
        name: &str,
        wanted: Wanted<'_>,
        predicate: &dyn Fn(&super::record::Records<'_>) -> B,
    ) -> Action {
        let data = self.data;
        let categories = self
            .resolved
            .map
            .record_of(data)
            .iter()
            .flat_map(|d| d.categories.iter().map(move |c| (d, c)))
            .filter(|(d, c)| wanted(&d.id, &c.name, c.never_stored))
            .map(|(_, c)| c.name.value.clone())
            .collect::<std::collections::BTreeSet<_>>();
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
        let mut companions = self.followers(data, kind, wanted);
        if kind == ActionKind::Delete {
            companions.extend(self.cascades(data));
            companions.extend(self.going_children(data, &[&data.id]));
        }
        // A mask of a row that reads nothing else does not care about other tables; everything else locks what its predicate reads.
        let reads = match kind {
            ActionKind::NeverStored if companions.is_empty() => Vec::new(),
            _ => self.reads(kind),
        };
        Action {
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

    fn table_name(&self, data: &DataSet) -> TableName {
        self.resolved
            .table(data)
            .map(|t| t.name.clone())
            .unwrap_or_else(|| TableName { schema: String::new(), name: String::new() })
    }

    /// Tables that the predicate reads: for starts and conditions, for children's purposes, for references and readers.
    fn reads(&self, kind: ActionKind) -> Vec<(TableName, Vec<(String, String)>)> {
        let mut all: Vec<(TableName, Vec<(String, String)>)> =
            self.full.related_tables(self.data).into_iter().map(|(t, pairs)| (t.name.clone(), pairs)).collect();
        if matches!(kind, ActionKind::Delete | ActionKind::Empty)
            && let Some(table) = self.resolved.table(self.data)
        {
            all.extend(self.full.readers(self.data).into_iter().map(|(t, pairs)| (t.name.clone(), pairs)));
            for (child, key) in self.resolved.schema.children_of(&table.name) {
                all.push((child.name.clone(), key.columns.iter().cloned().zip(key.parent_columns.iter().cloned()).collect()));
            }
        }
        let mut seen = std::collections::BTreeSet::new();
        all.retain(|entry| seen.insert(entry.clone()));
        all
    }

    /// Rows that follow, with what happens to them.
    fn followers(&self, data: &DataSet, kind: ActionKind, wanted: Wanted<'_>) -> Vec<Companion> {
        let mut all = Vec::new();
        for follower in self.resolved.map.followers_of(data) {
            let goes = match (follower.disposition, kind) {
                (Disposition::Delete, ActionKind::Delete) => B::True,
                // Beside a root that stays, each goes as soon as nothing else refers to it.
                (Disposition::Delete, ActionKind::Anonymise) => self.full.follower_goes(follower, ROW),
                _ => B::False,
            };
            if !goes.is_false() {
                let mut companions = self.followers(follower, ActionKind::Delete, wanted);
                companions.extend(self.cascades(follower));
                all.extend(self.companion(follower, goes.clone(), goes.clone(), Operation::Delete, companions));
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
            operation,
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
                operation: Operation::Delete,
                companions: Vec::new(),
            });
        }
        all
    }

    /// Child records with purposes of their own that are due and only waited for this row.
    fn going_children(&self, data: &DataSet, stack: &[&str]) -> Vec<Companion> {
        let map = self.resolved.map;
        let Some(table) = self.resolved.table(data) else { return Vec::new() };
        let mut all = Vec::new();
        for (child_table, key) in self.resolved.schema.children_of(&table.name) {
            let Some(child) = self.resolved.data_set_of(child_table) else { continue };
            if map.root_of(child).id != child.id || stack.contains(&child.id.as_str()) {
                continue;
            }
            let going = self.full.going(child, ROW, stack, Some(&data.id));
            if going.is_false() {
                continue;
            }
            let deeper: Vec<&str> = stack.iter().copied().chain([child.id.as_str()]).collect();
            let mut companions = self.followers(child, ActionKind::Delete, &|_, _, _| true);
            companions.extend(self.cascades(child));
            companions.extend(self.going_children(child, &deeper));
            all.push(Companion {
                data_set: Some(child.id.value.clone()),
                table: child_table.name.clone(),
                key: self.resolved.key_columns(child),
                on: key.columns.iter().cloned().zip(key.parent_columns.iter().cloned()).collect(),
                reach: going.clone(),
                condition: going,
                operation: Operation::Delete,
                companions,
            });
        }
        all
    }
}
