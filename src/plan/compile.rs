//! From policies, a data map, a schema and an instant to a [`Plan`]: pure, deterministic, without counts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use sha2::{Digest as _, Sha256};

use super::action::{Action, ActionKind, ROW};
use super::archiving::Archiving;
use super::boolean::B;
use super::census::Census;
use super::check::{unmapped_columns, unmapped_tables};
use super::companion::Companion;
use super::dialect::Dialect;
use super::due::DueCensus;
use super::elsewhere::{Answered, Asking, Elsewhere, all_elsewhere};
use super::knot::Knot;
use super::knots::Knots;
use super::memo::Memo;
use super::open_end::OpenEnd;
use super::orders::Orders;
use super::pointers::{Pointing, pointing};
use super::record::{Records, Timed};
use super::resolve::Resolved;
use super::schema::{Schema, TableName};
use super::starts::Starts;
use super::subject::{SubjectAt, subjects_at};
use super::terms::{PeriodsInUse, Terms};
use super::touch;
use super::writer::Writer;
use crate::policy::bound::{RunTime, first_instant};
use crate::policy::map::{DataMap, DataSet};
use crate::policy::period::Period;
use crate::policy::purpose::{Cap, Policy, Purpose};
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
    /// Under which name the answers of other sources are noted.
    pub asker: String,
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
    /// Data sets whose records may keep each other from being deleted in circles.
    pub knots: Vec<Knot>,
    /// Root data sets with a tenant column: data set, table, column.
    pub tenants: Vec<(String, TableName, String)>,
    /// Columns that identify persons.
    pub subjects: Vec<SubjectAt>,
    /// How the ends of archive purposes are read once the records have left, where that is possible.
    pub open_ends: Vec<OpenEnd>,
    /// Under which name their answers are noted.
    pub asker: String,
    /// Of whom other sources are asked before anything goes.
    pub asking: Vec<Asking>,
    /// Purposes that must be done within a time after their end.
    pub deadlines: Vec<Deadline>,
    /// Columns of mapped tables that the map does not mention, by data set.
    pub unmapped_columns: Vec<(String, String)>,
    /// Tables that the map does not mention.
    pub unmapped_tables: Vec<String>,
    /// Columns that the plan masks by a pseudonym, by data set: for them the source's database needs a key.
    pub pseudonyms: Vec<(String, String)>,
    /// The columns that point to files, by store.
    pub pointing: BTreeMap<String, Pointing>,
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
    let compiler = Compiler::new(map, policies, schema, moment);
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
    let first = first_instant(today, zone);
    let as_of_first = if compiler.alike(moment.now, first) { actions.clone() } else { compiler.actions(first) };
    for action in as_of_first {
        let (predicate, archiving) = (action.predicate.render(), action.archiving.as_ref().map(Archiving::rule));
        let companions: Vec<String> = action.companions.iter().map(Companion::rule).collect();
        let rule = format!("{}\n{predicate}\n{:?}\n{companions:?}\n{archiving:?}\n{:?}\n", action.id, action.set, action.files);
        // Who asks decides nothing.
        hash.update(if compiler.elsewhere.is_empty() { rule } else { rule.replace(&moment.asker, "asker") });
    }
    let mut plan = Plan {
        source: map.source.value.clone(),
        dialect: compiler.resolved.dialect,
        now: moment.now,
        today,
        censuses: compiler.censuses(&actions),
        due: compiler.due(),
        knots: compiler.knots(),
        pointing: pointing(&compiler.resolved),
        tenants: compiler
            .roots()
            .into_iter()
            .filter_map(|d| {
                Some((d.id.value.clone(), compiler.resolved.table(d)?.name.clone(), d.tenant.as_ref()?.value.clone()))
            })
            .collect(),
        subjects: compiler.roots().into_iter().flat_map(|d| subjects_at(&compiler.resolved, d)).collect(),
        open_ends: compiler.open_ends(),
        asking: compiler.asking(),
        asker: moment.asker.clone(),
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
        pseudonyms: Vec::new(),
    };
    plan.pseudonyms = touch::pseudonyms(&plan, &compiler.resolved);
    plan
}

/// Writes predicates about the records of one source, as a plan made of the same parts has them; orders are looked for.
#[must_use]
pub fn records<'a>(map: &'a DataMap, policies: &'a [Policy], schema: &'a Schema, moment: &'a Moment) -> Records<'a> {
    Compiler::new(map, policies, schema, moment).records(moment.now, Reading::FULL)
}

struct Compiler<'a> {
    resolved: Resolved<'a>,
    policies: &'a [Policy],
    moment: &'a Moment,
    elsewhere: Vec<Elsewhere<'a>>,
    starts: Arc<Starts>,
}

impl<'a> Compiler<'a> {
    fn new(map: &'a DataMap, policies: &'a [Policy], schema: &'a Schema, moment: &'a Moment) -> Self {
        let resolved = Resolved::new(map, schema);
        let elsewhere = all_elsewhere(&resolved, policies);
        Self { resolved, policies, moment, elsewhere, starts: Arc::default() }
    }

    fn records(&self, now: DateTime<Utc>, reading: Reading) -> Records<'a> {
        let source = &self.resolved.map.source.value;
        let purposes: Vec<Timed<'a>> = self
            .policies
            .iter()
            .flat_map(|policy| {
                let run = RunTime { now, zone: policy.time_zone };
                let timed = move |purpose: &'a Purpose| Timed { purpose, run: purpose.decided_at(run) };
                policy.purposes.iter().filter(|p| p.data.source == *source).map(timed)
            })
            .collect();
        let zone = self.policies.first().map_or(chrono_tz::Europe::Paris, |p| p.time_zone);
        let orders = Orders { source, today: RunTime { now, zone }.today(), look: reading.look, freeze: reading.freeze };
        let resolved = Resolved { of_keys: reading.of_keys, ..self.resolved };
        Records {
            terms: Terms { resolved, orders, periods: &self.moment.periods, starts: self.starts.clone() },
            purposes,
            elsewhere: self.elsewhere.clone(),
            answered: if reading.nobody_needs { Answered::NobodyNeeds } else { Answered::To(&self.moment.asker) },
            memo: Memo::default(),
        }
    }

    /// Whether the plans of two instants are the same: no period in hours, and the same day for every policy.
    fn alike(&self, one: DateTime<Utc>, other: DateTime<Utc>) -> bool {
        let day = |now, zone| RunTime { now, zone }.today();
        let hours = |p: &Purpose| {
            let capped = |cap: &Cap| matches!(cap, Cap::Start(_, keeps) if matches!(keeps.value, Period::Hours(_)));
            p.keeps.as_ref().is_some_and(|keeps| matches!(keeps.value, Period::Hours(_))) || p.at_most.iter().any(capped)
        };
        let same = |p: &Policy| day(one, p.time_zone) == day(other, p.time_zone) && !p.purposes.iter().any(hours);
        self.policies.iter().all(same)
    }

    /// Root data sets, each after those that belong to it and, where that leaves a choice, those that refer to it or to what follows it.
    fn roots(&self) -> Vec<&'a DataSet> {
        let map = self.resolved.map;
        let root = |data: &'a DataSet| map.root_of(data);
        let belongs = map.data_sets.iter().filter_map(|d| Some((root(d), root(map.data_set(&d.parent.as_ref()?.data)?))));
        let belongs: BTreeSet<(&str, &str)> = belongs.map(|(child, parent)| (child.id.as_str(), parent.id.as_str())).collect();
        let mut refers = BTreeSet::new();
        for parent in &map.data_sets {
            let Some(table) = self.resolved.table(parent) else { continue };
            let children = self.resolved.schema.children_of(&table.name).filter_map(|(c, _)| self.resolved.data_set_of(c));
            refers.extend(children.map(|child| (root(child).id.as_str(), root(parent).id.as_str())));
        }
        let mut left: Vec<&DataSet> = map.data_sets.iter().filter(|d| root(d).id == d.id).collect();
        left.sort_by(|a, b| a.id.value.cmp(&b.id.value));
        let mut placed = Vec::new();
        while let Some(first) = left.first().copied() {
            let waits = |for_whom: &BTreeSet<(&str, &str)>, parent: &DataSet| {
                left.iter().any(|child| child.id != parent.id && for_whom.contains(&(child.id.as_str(), parent.id.as_str())))
            };
            let free = left.iter().copied().filter(|d| !waits(&belongs, d));
            // Tables may refer to each other in a circle; maps cannot.
            let next = free.clone().find(|d| !waits(&refers, d)).or(free.clone().next()).unwrap_or(first);
            left.retain(|d| d.id != next.id);
            placed.push(next);
        }
        placed
    }

    fn writer<'r>(&self, data: &'a DataSet, [full, of_keys, candidates, unfrozen]: [&'r Records<'a>; 4]) -> Writer<'a, 'r> {
        Writer { resolved: self.resolved, data, full, of_keys, candidates, unfrozen }
    }

    /// Data sets whose records may keep each other in circles.
    fn knots(&self) -> Vec<Knot> {
        let full = self.records(self.moment.now, Reading::FULL);
        let of_keys = self.records(self.moment.now, Reading { of_keys: true, ..Reading::FULL });
        let writer = |data: &'a DataSet| self.writer(data, [&full, &of_keys, &full, &full]);
        Knots { records: [&full, &of_keys], roots: &self.roots(), writer: &writer }.all()
    }

    fn actions(&self, now: DateTime<Utc>) -> Vec<Action> {
        let full = self.records(now, Reading::FULL);
        let of_keys = self.records(now, Reading { of_keys: true, ..Reading::FULL });
        let candidates = self.records(now, Reading { look: self.moment.orders, ..Reading::FULL });
        let unfrozen = self.records(now, Reading { freeze: false, ..Reading::FULL });
        let (mut all, roots): (Vec<Action>, _) = (Vec::new(), self.roots());
        let reading = [&full, &of_keys, &candidates, &unfrozen];
        for data in roots.iter().copied() {
            all.extend(self.writer(data, reading).all());
        }
        // Never stored first. Then children before the parents that they belong to: what is done to a parent must not change what was due of a child.
        let place = |a: &Action| roots.iter().position(|d| d.id.value == a.data_set);
        all.sort_by_key(|a| (a.kind != ActionKind::NeverStored, place(a), a.kind));
        all
    }

    /// Of whom other sources are asked: of the people of every record that would go if nobody there needed anything, and if nothing froze it.
    fn asking(&self) -> Vec<Asking> {
        if self.elsewhere.is_empty() {
            return Vec::new();
        }
        let reading = Reading { freeze: false, nobody_needs: true, ..Reading::FULL };
        let records = self.records(self.moment.now, reading);
        let of_keys = self.records(self.moment.now, Reading { of_keys: true, ..reading });
        let mut all = Vec::new();
        for data in self.roots().into_iter().filter(|d| self.elsewhere.iter().any(|e| e.data_set == d.id.value)) {
            let mut actions = self.writer(data, [&records, &of_keys, &records, &records]).all();
            // Rows that are due for deletion, whoever else keeps them and whatever is left to mask: some keep nobody but each other.
            let whole = |action: &Action| matches!(action.kind, ActionKind::Delete | ActionKind::Empty);
            let due = B::and([records.row_due(data, ROW, &[&data.id]), records.delete_says(data, ROW)]);
            let first = actions.iter().position(whole);
            actions.iter_mut().filter(|a| whole(a)).for_each(|action| action.candidates = due.clone());
            let asked = actions.into_iter().enumerate().filter(|(n, action)| !whole(action) || Some(*n) == first);
            all.extend(asked.filter_map(|(_, action)| Some(Asking { people: action.people.clone()?, action })));
        }
        all
    }

    fn open_ends(&self) -> Vec<OpenEnd> {
        let records = self.records(self.moment.now, Reading::FULL);
        let of = |data: &&'a DataSet| {
            records.archive_purposes(data).into_iter().filter_map(|i| OpenEnd::new(&records, i, data)).collect::<Vec<_>>()
        };
        self.roots().iter().flat_map(of).collect()
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
    /// The predicates are asked of a few rows, which are changed then.
    of_keys: bool,
    /// No other source is taken to need anything.
    nobody_needs: bool,
}

impl Reading {
    const FULL: Self = Self { look: true, freeze: true, of_keys: false, nobody_needs: false };
}
