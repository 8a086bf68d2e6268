//! What becomes of a record, as predicates: SEMANTICS' `decide`, for whole tables at once.
//!
//! A *record* is a row of a root data set with every row that follows it. Its fields fall into groups by the purposes that need them;
//! a group is cleared when none of its purposes keeps. The row goes when no field and no purpose keeps it.

use std::collections::BTreeSet;

use super::boolean::B;
use super::dialect::keys::kind_of;
use super::dialect::masks::MaskSql;
use super::elsewhere::{Answered, Elsewhere};
use super::keepers::Asking;
use super::memo::Memo;
use super::resolve::Resolved;
use super::schema::{Column, Table};
use super::terms::{Terms, exists, inner_alias};
use crate::policy::bound::RunTime;
use crate::policy::elsewhere::there;
use crate::policy::located::Located;
use crate::policy::map::{CopyElsewhere, DataMap, DataSet, Disposition};
use crate::policy::open_end;
use crate::policy::purpose::{Cap, Needs, Purpose};

/// A purpose with the time at which its policy's days are counted.
#[derive(Debug, Clone, Copy)]
pub struct Timed<'a> {
    /// The purpose.
    pub purpose: &'a Purpose,
    /// The run's instant in the policy's zone, or a day as much later as the purpose ends earlier in the active base: see [`Purpose::decided_at`].
    pub run: RunTime,
}

/// Writes the predicates about records of one source.
#[derive(Debug)]
pub struct Records<'a> {
    /// How states of purposes are written.
    pub terms: Terms<'a>,
    /// All purposes of the source.
    pub purposes: Vec<Timed<'a>>,
    /// All purposes of other sources that need fields of this one.
    pub elsewhere: Vec<Elsewhere<'a>>,
    /// What these have said.
    pub answered: Answered<'a>,
    pub(super) memo: Memo,
}

/// Which fields are meant: by data set, category, and whether the category must never be stored.
pub type Wanted<'w> = &'w dyn Fn(&str, &str, bool) -> bool;

impl<'a> Records<'a> {
    pub(super) fn resolved(&self) -> &Resolved<'a> {
        &self.terms.resolved
    }

    pub(super) fn map(&self) -> &'a DataMap {
        self.terms.resolved.map
    }

    /// The purposes of a root data set, recovery windows among them, by index.
    #[must_use]
    pub fn all_purposes(&self, data: &DataSet) -> Vec<usize> {
        (0..self.purposes.len()).filter(|i| self.purposes[*i].purpose.data.data_set == data.id.value).collect()
    }

    /// Those of them that somebody declared. A recovery window covers what its purpose covers, and reads what that reads.
    #[must_use]
    pub fn own_purposes(&self, data: &DataSet) -> Vec<usize> {
        self.all_purposes(data).into_iter().filter(|i| !self.purposes[*i].purpose.is_window()).collect()
    }

    /// The purposes that somebody declared, of all data sets.
    pub(super) fn declared(&self) -> impl Iterator<Item = &Timed<'a>> {
        self.purposes.iter().filter(|t| !t.purpose.is_window())
    }

    /// Those of them that keep in the active base.
    #[must_use]
    pub fn active_purposes(&self, data: &DataSet) -> Vec<usize> {
        self.own_purposes(data).into_iter().filter(|i| self.purposes[*i].purpose.is_active()).collect()
    }

    /// Those that keep in an archive, recovery windows among them.
    #[must_use]
    pub fn archive_purposes(&self, data: &DataSet) -> Vec<usize> {
        self.all_purposes(data).into_iter().filter(|i| !self.purposes[*i].purpose.is_active()).collect()
    }

    /// Purposes of child records that need a category of this data set, by index.
    #[must_use]
    pub fn child_purposes(&self, data: &DataSet) -> Vec<usize> {
        let prefix = format!("{}.", data.id);
        (0..self.purposes.len())
            .filter(|i| {
                let p = self.purposes[*i].purpose;
                let of_child = self.map().children_of(data).any(|c| c.id.value == p.data.data_set);
                of_child && matches!(&p.needs.value, Needs::These(list) if list.iter().any(|n| n.starts_with(&prefix) && there(n).is_none()))
            })
            .collect()
    }

    /// The masks of one table's columns in the given categories.
    #[must_use]
    pub fn masks(&self, data: &DataSet, alias: &str, wanted: Wanted<'_>) -> Vec<(String, MaskSql)> {
        let Some(table) = self.resolved().table(data) else { return Vec::new() };
        let columns = data.categories.iter().filter(|c| wanted(&data.id, &c.name, c.never_stored)).flat_map(|c| &c.columns);
        columns
            .filter_map(|c| Some((c.name.value.clone(), self.resolved().dialect.mask(alias, table.column(&c.name)?, &c.mask)?)))
            .collect()
    }

    /// Whether any of these fields, in the root row or in rows that follow it, is still to be masked.
    #[must_use]
    pub fn todo(&self, data: &DataSet, alias: &str, wanted: Wanted<'_>) -> B {
        let own = B::or(self.masks(data, alias, wanted).into_iter().map(|(_, m)| m.todo));
        let followers =
            self.map().followers_of(data).map(|f| self.over_followers(f, alias, &|inner| self.todo(f, inner, wanted)));
        B::or(std::iter::once(own).chain(followers))
    }

    /// Whether a row that follows exists with this property.
    pub(super) fn over_followers(&self, follower: &DataSet, alias: &str, inner: &dyn Fn(&str) -> B) -> B {
        let (Some(table), Some(parent)) = (self.resolved().table(follower), &follower.parent) else { return B::False };
        let name = inner_alias(alias);
        let pairs: Vec<(String, String)> =
            parent.on.iter().map(|(here, there)| (here.value.clone(), there.value.clone())).collect();
        let condition = inner(&name);
        if condition.is_false() {
            return B::False;
        }
        exists(self.resolved(), table, [&name, alias], &pairs, &condition)
    }

    /// Whether rows that follow, directly or not, are left to be deleted with an anonymised record.
    pub(super) fn follower_to_delete(&self, data: &DataSet, alias: &str) -> B {
        B::or(self.map().followers_of(data).map(|f| {
            self.over_followers(f, alias, &|inner| match f.disposition {
                Disposition::Delete => B::True,
                Disposition::Anonymise => self.follower_to_delete(f, inner),
            })
        }))
    }

    /// Every field, the never stored included.
    pub(super) fn every_field(_: &str, _: &str, _: bool) -> bool {
        true
    }

    /// Whether a row that follows can be deleted with its anonymised record: nothing that stays refers to it or to what follows it, or reads them.
    #[must_use]
    pub fn follower_goes(&self, follower: &DataSet, alias: &str) -> B {
        let stack: [&str; 1] = [&self.map().root_of(follower).id];
        self.any_of(&self.keepers(follower, alias, Asking::all(&stack)), alias).negate()
    }

    /// Whether rows that follow can be deleted with an anonymised record now.
    fn follower_going(&self, data: &DataSet, alias: &str) -> B {
        B::or(self.map().followers_of(data).map(|f| {
            self.over_followers(f, alias, &|inner| match f.disposition {
                // One that has to wait may still have followers of its own that need not.
                Disposition::Delete => B::or([self.follower_goes(f, inner), self.follower_going(f, inner)]),
                Disposition::Anonymise => self.follower_going(f, inner),
            })
        }))
    }

    /// Whether anything can be done for a record that is to be anonymised.
    #[must_use]
    pub fn anonymise_todo(&self, data: &DataSet, alias: &str) -> B {
        B::or([self.todo(data, alias, &Self::every_field), self.follower_going(data, alias)])
    }

    /// Whether a hold or restriction freezes the record.
    #[must_use]
    pub fn frozen(&self, data: &DataSet, alias: &str) -> B {
        self.terms.orders.frozen(data, alias, self.resolved())
    }

    /// Whether the purpose of this index covers the record and has ended.
    #[must_use]
    pub fn ended(&self, i: usize, data: &DataSet, alias: &str) -> B {
        let t = self.purposes[i];
        self.memo.of(("ended", i, alias), || self.terms.ended(t.purpose, t.run, data, alias))
    }

    /// Not covering or ended.
    pub(super) fn free(&self, i: usize, data: &DataSet, alias: &str) -> B {
        B::or([self.terms.not_covering(self.purposes[i].purpose, data, alias), self.ended(i, data, alias)])
    }

    /// The child data set of a child purpose, its table and the join to the parent.
    pub(super) fn over_children(&self, i: usize, alias: &str, inner: &dyn Fn(&DataSet, &str) -> B) -> B {
        let Some(child) = self.map().data_set(&self.purposes[i].purpose.data.data_set) else { return B::False };
        self.over_followers(child, alias, &|name| inner(child, name))
    }

    pub(super) fn child_keeps(&self, i: usize, alias: &str) -> B {
        let t = self.purposes[i];
        self.over_children(i, alias, &|child, name| {
            self.memo.of(("keeps", i, name), || {
                // What a hold keeps is evidence with what its purposes need of the parent, also when they have ended.
                let held = B::and([self.terms.covers(t.purpose, child, name), self.frozen(child, name)]);
                B::or([self.terms.keeps(t.purpose, t.run, child, name), held])
            })
        })
    }

    /// A surviving child is covered by the purpose, which has ended for it.
    pub(super) fn child_ended(&self, i: usize, alias: &str, stack: &[&str]) -> B {
        self.over_children(i, alias, &|child, name| {
            B::and([self.ended(i, child, name), self.going(child, name, stack, None).negate()])
        })
    }

    /// No purpose covers the record.
    #[must_use]
    pub fn uncovered(&self, data: &DataSet, alias: &str, stack: &[&str]) -> B {
        let own = self.own_purposes(data).into_iter().map(|i| self.not_covering(i, data, alias));
        let children = self.child_purposes(data).into_iter().map(|i| {
            let purpose = self.purposes[i].purpose;
            self.over_children(i, alias, &|child, name| {
                B::and([self.terms.covers(purpose, child, name), self.going(child, name, stack, None).negate()])
            })
            .negate()
        });
        B::and(own.chain(children))
    }

    pub(super) fn not_covering(&self, i: usize, data: &DataSet, alias: &str) -> B {
        self.terms.not_covering(self.purposes[i].purpose, data, alias)
    }

    /// Whether the archive purpose of this index covers the record and keeps until a day that is known.
    #[must_use]
    pub fn end_known(&self, i: usize, data: &DataSet, alias: &str) -> B {
        let t = self.purposes[i];
        self.memo.of(("end known", i, alias), || self.terms.end_known(t.purpose, t.run, data, alias))
    }

    /// Whether the archive purpose of this index covers the record and keeps until a day that is not known yet, and that can be read once the record
    /// has left.
    #[must_use]
    pub fn end_open(&self, i: usize, data: &DataSet, alias: &str) -> B {
        if self.link(i, data).is_none() {
            return B::False;
        }
        let t = self.purposes[i];
        self.memo.of(("end open", i, alias), || self.terms.end_open(t.purpose, t.run, data, alias))
    }

    /// The columns of a record by which the end of an archive purpose can be read once the record has left; `None` where it cannot.
    #[must_use]
    pub fn link(&self, i: usize, data: &DataSet) -> Option<Vec<Column>> {
        let table = self.resolved().table(data)?;
        let names = open_end::link_columns(self.map(), data, self.purposes[i].purpose)?;
        let column = |name: &String| table.column(name).filter(|c| kind_of(c.class).is_some()).cloned();
        names.iter().map(column).collect()
    }

    /// The columns of a record by which its copy is found; `None` where one of them cannot be compared exactly.
    #[must_use]
    pub fn columns_of(&self, copy: &CopyElsewhere, data: &DataSet) -> Option<Vec<Column>> {
        let table = self.resolved().table(data)?;
        let column = |(_, own): &(_, Located<String>)| table.column(own).filter(|c| kind_of(c.class).is_some()).cloned();
        copy.matched_by.iter().map(column).collect()
    }

    /// Those of these archive purposes that are no recovery windows, which cover exactly what a purpose of the active base covers.
    pub(super) fn kept_elsewhere(&self, archives: &[usize]) -> impl Iterator<Item = usize> {
        archives.iter().copied().filter(|i| !self.purposes[*i].purpose.is_window())
    }

    /// Whether the row reaches its disposition: nothing keeps it, and it is covered, or the uncovered goes.
    #[must_use]
    pub fn row_due(&self, data: &DataSet, alias: &str, stack: &[&str]) -> B {
        self.memo.of_record("row due", data, alias, stack, || self.write_row_due(data, alias, stack))
    }

    fn write_row_due(&self, data: &DataSet, alias: &str, stack: &[&str]) -> B {
        let (own, children) = (self.active_purposes(data), self.child_purposes(data));
        let archives = self.archive_purposes(data);
        let not_archived = B::and(self.kept_elsewhere(&archives).map(|i| self.not_covering(i, data, alias)));
        let uncovered_goes = B::or([
            self.terms.orders.erasure(data, alias, self.resolved()),
            if data.dispose_uncovered { B::True } else { B::False },
        ]);
        let free = own.iter().map(|i| self.free(*i, data, alias));
        let children_free = children.iter().map(|i| self.child_keeps(*i, alias).negate());
        let covered = own
            .iter()
            .map(|i| self.ended(*i, data, alias))
            .chain(children.iter().map(|i| self.child_ended(*i, alias, stack)))
            .chain([B::and([not_archived, uncovered_goes])]);
        let covered = B::or(covered);
        let groups = self.groups(data);
        let no_field_kept = groups.iter().map(|g| {
            let wanted = |data_set: &str, category: &str, never: bool| !never && g.contains(data_set, category);
            let goes = B::and([self.clearable(g, data, alias, stack), self.can_move(g, data, alias)]);
            B::or([goes, self.todo(data, alias, &wanted).negate()])
        });
        B::and(free.chain(children_free).chain([covered]).chain(no_field_kept).chain([self.all_free_elsewhere(data, alias)]))
    }

    /// Whether a due row is deleted rather than anonymised: its disposition, or a covering purpose that says so.
    #[must_use]
    pub fn delete_says(&self, data: &DataSet, alias: &str) -> B {
        if data.disposition == Disposition::Delete {
            return B::True;
        }
        let says = self.own_purposes(data).into_iter().map(|i| self.purposes[i].purpose).filter(|p| p.then_delete);
        B::or(says.map(|p| self.terms.covers(p, data, alias)))
    }

    /// Whether any predicate about the record reads another table than its own.
    #[must_use]
    pub fn related_tables(&self, data: &DataSet) -> Vec<(&'a Table, Vec<(String, String)>)> {
        let mut all: Vec<(&'a Table, Vec<(String, String)>)> = Vec::new();
        for i in self.own_purposes(data) {
            all.extend(self.terms.related_tables(self.purposes[i].purpose, data));
        }
        for i in self.child_purposes(data) {
            if let Some(child) = self.map().data_set(&self.purposes[i].purpose.data.data_set) {
                all.extend(self.parent_join(child));
            }
        }
        for member in self.map().record_of(data).into_iter().filter(|m| m.id != data.id) {
            if member.parent.as_ref().is_some_and(|p| p.data == data.id) {
                all.extend(self.parent_join(member));
            }
        }
        let mut seen = BTreeSet::new();
        all.retain(|(table, pairs)| seen.insert((table.name.clone(), pairs.clone())));
        all
    }

    fn parent_join(&self, child: &DataSet) -> Option<(&'a Table, Vec<(String, String)>)> {
        let pairs = child.parent.as_ref()?.on.iter().map(|(here, there)| (here.value.clone(), there.value.clone())).collect();
        Some((self.resolved().table(child)?, pairs))
    }
}

/// Whether `follower` follows `root`, directly or through others.
#[must_use]
pub fn follows(map: &DataMap, follower: &DataSet, root: &DataSet) -> bool {
    follower.id != root.id && map.record_of(root).iter().any(|m| m.id == follower.id)
}

/// The names of the events that a purpose reads for its start or caps.
pub fn start_events(purpose: &Purpose) -> impl Iterator<Item = &str> {
    let caps = purpose.at_most.iter().flat_map(|cap| match cap {
        Cap::Start(start, _) => start.events.iter().collect::<Vec<_>>(),
        Cap::Named(name) => vec![name],
    });
    purpose.starts.iter().flat_map(|s| &s.events).chain(caps).map(|n| n.value.as_str())
}
