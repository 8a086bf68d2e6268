//! Which data sets of a source may keep each other's records in circles, and what is asked about them.

use std::collections::BTreeSet;

use super::action::{ActionKind, ROW};
use super::along::belongs_by;
use super::boolean::B;
use super::keepers::{Asking, Keeper, Why};
use super::knot::{Knot, Member, Way};
use super::record::Records;
use super::writer::Writer;
use crate::policy::map::{DataSet, Disposition};

/// How rows keep others in circles, by root data set.
struct Edges {
    /// (Of whose rows, who keeps them), as places in the list of roots.
    all: BTreeSet<(usize, usize)>,
    /// The same of parents and children of which the parent's deletion takes the child along.
    along: BTreeSet<(usize, usize)>,
}

impl Edges {
    /// Whether rows of `from` may be kept, through others, by rows of `to`.
    fn lead(&self, from: usize, to: usize, count: usize) -> bool {
        let mut reached = vec![false; count];
        let mut open: Vec<usize> = vec![from];
        while let Some(at) = open.pop() {
            for (_, next) in self.all.iter().chain(&self.along).filter(|(f, _)| *f == at) {
                if !std::mem::replace(&mut reached[*next], true) {
                    open.push(*next);
                }
            }
        }
        reached[to]
    }
}

/// Finds and writes the knots of a source.
pub(super) struct Knots<'a, 'r> {
    pub(super) records: [&'r Records<'a>; 2],
    /// Root data sets in the order of the plan.
    pub(super) roots: &'r [&'a DataSet],
    pub(super) writer: &'r dyn Fn(&'a DataSet) -> Writer<'a, 'r>,
}

impl<'a, 'r> Knots<'a, 'r> {
    /// All of them.
    pub(super) fn all(&self) -> Vec<Knot> {
        let count = self.roots.len();
        let edges = self.edges();
        let mut taken = vec![false; count];
        let mut all = Vec::new();
        for i in 0..count {
            let together: Vec<usize> =
                (i..count).filter(|j| *j == i || edges.lead(i, *j, count) && edges.lead(*j, i, count)).collect();
            if taken[i] || !edges.all.iter().any(|(from, to)| together.contains(from) && together.contains(to)) {
                continue;
            }
            together.iter().for_each(|j| taken[*j] = true);
            all.push(self.knot(&together.iter().map(|j| self.roots[*j]).collect::<Vec<_>>()));
        }
        all
    }

    fn full(&self) -> &'r Records<'a> {
        self.records[0]
    }

    fn place(&self, data: &DataSet) -> Option<usize> {
        let root = self.full().map().root_of(data);
        self.roots.iter().position(|r| r.id == root.id)
    }

    /// Everybody who keeps a row, each taken to stay.
    fn keepers(&self, records: &Records<'a>, data: &DataSet) -> Vec<Keeper<'a>> {
        let ids: Vec<&str> = records.map().data_sets.iter().map(|d| d.id.as_str()).collect();
        records.keepers(data, ROW, Asking::all(&ids))
    }

    fn data_set(&self, keeper: &Keeper<'a>) -> Option<&'a DataSet> {
        match keeper.why {
            Why::Reads(data) => Some(data),
            Why::Refers(table) => self.full().resolved().data_set_of(table),
        }
    }

    /// Whether rows of a data set are ever deleted.
    fn goes(&self, data: &DataSet) -> bool {
        match self.full().map().root_of(data).id == data.id {
            true => !self.full().delete_says(data, ROW).is_false(),
            false => data.disposition == Disposition::Delete,
        }
    }

    /// Data sets of which rows go for reasons of their own: roots, and what follows a root that stays.
    fn alone(&self) -> impl Iterator<Item = (usize, &'a DataSet)> {
        self.roots.iter().enumerate().flat_map(|(i, root)| {
            let members = self.full().map().record_of(root).into_iter();
            let goes = |m: &&'a DataSet| root.disposition == Disposition::Anonymise && m.disposition == Disposition::Delete;
            std::iter::once(*root).chain(members.filter(|m| m.id != root.id).filter(goes)).map(move |data| (i, data))
        })
    }

    fn edges(&self) -> Edges {
        let (mut all, mut along) = (BTreeSet::new(), BTreeSet::new());
        for (i, data) in self.alone() {
            for keeper in self.keepers(self.full(), data) {
                let Some(by) = self.data_set(&keeper).filter(|by| self.goes(by)) else { continue };
                let Some(j) = self.place(by) else { continue };
                let edges = if self.takes_along(data, by, &keeper) { &mut along } else { &mut all };
                edges.insert((i, j));
            }
        }
        Edges { all, along }
    }

    /// Whether a row and who keeps it are a parent and its child that keep each other: the parent's deletion takes the child along.
    fn takes_along(&self, data: &DataSet, by: &DataSet, keeper: &Keeper<'a>) -> bool {
        let [step] = keeper.way.as_slice() else { return false };
        let turned: Vec<(String, String)> = step.on.iter().map(|(there, here)| (here.clone(), there.clone())).collect();
        let (parent, child, on) = match (belongs_by(by, data, &step.on), belongs_by(data, by, &turned)) {
            (true, _) => (data, by, &step.on),
            (_, true) => (by, data, &turned),
            _ => return false,
        };
        let own = self.full().resolved().table(parent);
        let unique = own.is_some_and(|t| t.tells_one(|column| on.iter().any(|(_, there)| there == column)));
        let back = self.keepers(self.full(), child).iter().any(|k| {
            let [step] = k.way.as_slice() else { return false };
            let turned: Vec<(String, String)> = step.on.iter().map(|(there, here)| (here.clone(), there.clone())).collect();
            self.data_set(k).is_some_and(|d| d.id == parent.id) && belongs_by(child, parent, &turned)
        });
        unique && back
    }

    fn knot(&self, roots: &[&'a DataSet]) -> Knot {
        let map = self.full().map();
        let mut sets: Vec<&'a DataSet> = roots.to_vec();
        for root in roots {
            sets.extend(map.record_of(root).into_iter().filter(|m| m.id != root.id && m.disposition == Disposition::Delete));
        }
        Knot { members: sets.iter().map(|data| self.member(data, &sets)).collect() }
    }

    fn member(&self, data: &'a DataSet, sets: &[&'a DataSet]) -> Member {
        let resolved = self.full().resolved();
        let writer = (self.writer)(data);
        let at = |data: &DataSet| sets.iter().position(|s| s.id == data.id);
        let inside = |k: &Keeper<'a>| self.data_set(k).filter(|by| self.goes(by)).and_then(at);
        let root = self.full().map().root_of(data);
        let (from, root_alias) = self.from(data);
        let due = |r: &Records<'a>, set: &DataSet, alias: &str, deleted: bool| {
            let says = r.delete_says(set, alias);
            let says = if deleted { says } else { says.negate() };
            B::and([r.row_due(set, alias, &[&set.id]), says, r.frozen(set, alias).negate()])
        };
        let kept = |r: &Records<'a>| {
            let outside: Vec<Keeper<'a>> = self.keepers(r, data).into_iter().filter(|k| inside(k).is_none()).collect();
            r.any_of(&outside, ROW)
        };
        let is_root = root.id == data.id;
        let (mut hopeless, mut ways, mut waits) = (Vec::new(), Vec::new(), Vec::new());
        for (mut keeper, locking) in self.keepers(self.full(), data).into_iter().zip(self.keepers(self.records[1], data)) {
            let Some(to) = inside(&keeper) else { continue };
            ways.push(self.way([&keeper, &locking], to));
            waits.push(keeper.exists(resolved, ROW));
            if let (true, Some(last)) = (self.full().map().root_of(sets[to]).id == sets[to].id, keeper.way.last_mut()) {
                let stays = due(self.full(), sets[to], &last.alias, true).negate();
                last.condition = B::and([last.condition.clone(), stays]);
                hopeless.push(keeper.exists(resolved, ROW));
            }
        }
        Member {
            data_set: data.id.value.clone(),
            root: at(root).unwrap_or_default(),
            table: writer.table_name(data),
            key: resolved.key_columns(data),
            companions: writer.gone_with(data),
            people: if is_root { writer.full.people(data, ActionKind::Delete, None) } else { None },
            archiving: if is_root { writer.archiving(ActionKind::Delete, &Records::every_field) } else { None },
            files: writer.pointers(data, &|_| true),
            rank: resolved.schema.rank(&writer.table_name(data)),
            itself: writer.itself(&writer.table_name(data)),
            ways,
            root_key: if is_root { Vec::new() } else { resolved.key_columns(root) },
            from,
            record_due: self.records.map(|r| due(r, root, &root_alias, true)),
            alone_due: self.records.map(|r| due(r, root, &root_alias, is_root)),
            kept: self.records.map(kept),
            hopeless: B::or(hopeless),
            foreseen: if is_root { self.full().foreseen_gone(data, ROW) } else { B::False },
            to_do: match is_root {
                true => self.full().todo(data, ROW, &Records::every_field),
                false => self.full().anonymise_todo(root, &root_alias),
            },
            waits: if is_root { B::True } else { B::or(waits) },
            reads: writer.reads(data, ActionKind::Delete, &[]),
            root_reads: if is_root { Vec::new() } else { (self.writer)(root).reads(root, ActionKind::Anonymise, &[]) },
            root_alias: if is_root { ROW.to_owned() } else { root_alias },
        }
    }

    /// `FROM` from a row to its root, and the root's alias.
    fn from(&self, data: &'a DataSet) -> (String, String) {
        let (resolved, map) = (self.full().resolved(), self.full().map());
        let d = resolved.dialect;
        let table = |data: &DataSet| resolved.table(data).map(|t| d.table(&t.name)).unwrap_or_default();
        let (mut from, mut alias, mut at) = (format!("{} AS {ROW}", table(data)), ROW.to_owned(), data);
        while let Some((parent, above)) = at.parent.as_ref().filter(|p| p.follows).and_then(|p| Some((p, map.data_set(&p.data)?)))
        {
            // Not an alias that predicates nest.
            let next = format!("{alias}a");
            let on: Vec<String> = parent
                .on
                .iter()
                .map(|(here, there)| format!("{} = {}", d.column(&next, there), d.column(&alias, here)))
                .collect();
            from.push_str(&format!(" JOIN {} AS {next} ON {}", table(above), on.join(" AND ")));
            (alias, at) = (next, above);
        }
        (from, alias)
    }

    /// A way to those who keep a row: as it is asked without locks, and under them.
    fn way(&self, [keeper, locking]: [&Keeper<'a>; 2], to: usize) -> Way {
        let d = self.full().resolved().dialect;
        let (mut joins, mut alias) = (String::new(), ROW.to_owned());
        for step in &keeper.way {
            let on: Vec<String> = step
                .on
                .iter()
                .map(|(there, here)| format!("{} = {}", d.column(&step.alias, there), d.column(&alias, here)))
                .collect();
            joins.push_str(&format!(" JOIN {} AS {} ON {}", d.table(&step.table.name), step.alias, on.join(" AND ")));
            alias.clone_from(&step.alias);
        }
        let condition =
            [keeper, locking].map(|k| B::and(k.way.iter().flat_map(|step| [step.from.clone(), step.condition.clone()])));
        Way { to, refers: matches!(keeper.why, Why::Refers(_)), joins, alias, condition }
    }
}
