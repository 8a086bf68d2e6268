//! The fields of a record in groups, by the purposes that need them: which go, which wait, which nothing covers.

use std::collections::BTreeSet;

use super::boolean::B;
use super::record::Records;
use crate::policy::link::needs_category;
use crate::policy::map::DataSet;
use crate::policy::purpose::{Needs, Purpose};
use crate::policy::start::Combine;

/// Fields that the same purposes need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Categories in it, each with the data set of the record that holds the columns.
    pub categories: BTreeSet<(String, String)>,
    /// Indexes of the record's own purposes of the active base that need them.
    pub own: Vec<usize>,
    /// Indexes of its archive purposes that need them.
    pub archives: Vec<usize>,
    /// Indexes of purposes of child records that need them.
    pub of_children: Vec<usize>,
    /// Indexes of purposes of other sources that need them.
    pub elsewhere: Vec<usize>,
}

impl Group {
    /// Whether the columns of this category in this data set belong to the group.
    #[must_use]
    pub fn contains(&self, data_set: &str, category: &str) -> bool {
        self.categories.iter().any(|(d, c)| d == data_set && c == category)
    }
}

impl Records<'_> {
    /// The groups of a record's fields, never-stored categories left out.
    #[must_use]
    pub fn groups(&self, data: &DataSet) -> Vec<Group> {
        let (own, archives) = (self.active_purposes(data), self.archive_purposes(data));
        let children = self.child_purposes(data);
        let mut groups: Vec<Group> = Vec::new();
        for member in self.map().record_of(data) {
            for category in member.categories.iter().filter(|c| !c.never_stored) {
                let full = format!("{}.{}", data.id, category.name);
                let needing = |of: &[usize]| -> Vec<usize> {
                    of.iter().copied().filter(|i| needs_category(self.purposes[*i].purpose, &category.name)).collect()
                };
                let (by_own, by_archives) = (needing(&own), needing(&archives));
                let by_children: Vec<usize> = children
                    .iter()
                    .copied()
                    .filter(|i| member.id == data.id && matches!(&self.purposes[*i].purpose.needs.value, Needs::These(l) if l.iter().any(|n| n.value == full)))
                    .collect();
                let elsewhere: Vec<usize> = match member.id == data.id {
                    true => self
                        .elsewhere_of(data)
                        .into_iter()
                        .filter(|i| self.elsewhere[*i].categories.contains(category.name.as_str()))
                        .collect(),
                    false => Vec::new(),
                };
                let place = (member.id.value.clone(), category.name.value.clone());
                let same = groups.iter_mut().find(|g| {
                    g.own == by_own && g.archives == by_archives && g.of_children == by_children && g.elsewhere == elsewhere
                });
                match same {
                    Some(group) => {
                        group.categories.insert(place);
                    }
                    None => groups.push(Group {
                        categories: BTreeSet::from([place]),
                        own: by_own,
                        archives: by_archives,
                        of_children: by_children,
                        elsewhere,
                    }),
                }
            }
        }
        groups
    }

    /// Something covers the fields of the group, or the map says that the uncovered goes. Only meaningful where nothing keeps them.
    pub(super) fn clearable(&self, group: &Group, data: &DataSet, alias: &str, stack: &[&str]) -> B {
        // What archives alone cover is covered, and yet nobody may move it.
        let not_archived = B::and(self.kept_elsewhere(&group.archives).map(|i| self.not_covering(i, data, alias)));
        if data.clear_uncovered && not_archived == B::True {
            return B::True;
        }
        let own = group.own.iter().map(|i| self.ended(*i, data, alias));
        let children = group.of_children.iter().map(|i| self.child_ended(*i, alias, stack));
        let erased = self.terms.orders.erasure(data, alias, self.resolved());
        let whole = if data.dispose_uncovered { self.uncovered(data, alias, stack) } else { B::False };
        let nothing_covers = if data.clear_uncovered { B::True } else { B::or([erased, whole]) };
        B::or(own.chain(children).chain([B::and([not_archived, nothing_covers])]))
    }

    /// Whether no archive purpose of the group waits for a date: each has ended, or its end is known, or can be read later. Whether there is a copy is
    /// asked elsewhere.
    pub(super) fn can_move(&self, group: &Group, data: &DataSet, alias: &str) -> B {
        let moves = |i: usize| B::or([self.free(i, data, alias), self.end_known(i, data, alias), self.end_open(i, data, alias)]);
        let waits = |p: &Purpose| p.copy().is_none() && !(p.is_window() && ends_with_its_purpose(p));
        let archives = group.archives.iter().filter(|i| waits(self.purposes[**i].purpose));
        B::and(archives.map(|i| moves(*i)))
    }

    /// Whether fields of a group are left that archive purposes alone cover.
    #[must_use]
    pub fn archive_only(&self, group: &Group, data: &DataSet, alias: &str) -> B {
        let archives = self.kept_elsewhere(&group.archives);
        let archived = B::or(archives.map(|i| self.terms.covers(self.purposes[i].purpose, data, alias)));
        if archived.is_false() {
            return B::False;
        }
        let wanted = |data_set: &str, category: &str, never: bool| !never && group.contains(data_set, category);
        let own = group.own.iter().map(|i| self.not_covering(*i, data, alias));
        let children = group.of_children.iter().map(|i| {
            let purpose = self.purposes[*i].purpose;
            self.over_children(*i, alias, &|child, name| self.terms.covers(purpose, child, name)).negate()
        });
        B::and(own.chain(children).chain([archived, self.todo(data, alias, &wanted)]))
    }

    /// Whether fields of a group are due in the active base and wait for the end of an archive purpose to be known.
    #[must_use]
    pub fn waits_for_date(&self, group: &Group, data: &DataSet, alias: &str) -> B {
        let wanted = |data_set: &str, category: &str, never: bool| !never && group.contains(data_set, category);
        let waits = self.can_move(group, data, alias).negate();
        if waits.is_false() {
            return B::False;
        }
        let own = group.own.iter().map(|i| self.free(*i, data, alias));
        let covered = B::or(group.own.iter().map(|i| self.ended(*i, data, alias)));
        let elsewhere = group.elsewhere.iter().map(|i| self.free_elsewhere(*i, data, alias));
        B::and(own.chain([covered, waits, self.todo(data, alias, &wanted)]).chain(elsewhere))
    }

    /// Whether the fields of a group go.
    #[must_use]
    pub fn group_clear(&self, group: &Group, data: &DataSet, alias: &str) -> B {
        let own = group.own.iter().map(|i| self.free(*i, data, alias));
        let children = group.of_children.iter().map(|i| self.child_keeps(*i, alias).negate());
        let elsewhere = group.elsewhere.iter().map(|i| self.free_elsewhere(*i, data, alias));
        let goes = [self.clearable(group, data, alias, &[&data.id]), self.can_move(group, data, alias)];
        B::and(own.chain(children).chain(goes).chain(elsewhere))
    }

    /// Whether fields of a group are left that no purpose covers, and that the map does not let go.
    #[must_use]
    pub fn group_uncovered(&self, group: &Group, data: &DataSet, alias: &str) -> B {
        if data.clear_uncovered {
            return B::False;
        }
        let wanted = |data_set: &str, category: &str, never: bool| !never && group.contains(data_set, category);
        let own =
            group.own.iter().copied().chain(self.kept_elsewhere(&group.archives)).map(|i| self.not_covering(i, data, alias));
        let children = group.of_children.iter().map(|i| {
            let purpose = self.purposes[*i].purpose;
            self.over_children(*i, alias, &|child, name| self.terms.covers(purpose, child, name)).negate()
        });
        B::and(own.chain(children).chain([self.todo(data, alias, &wanted)]))
    }
}

/// Whether all dates of a recovery window are there once its purpose has ended in the active base, which was asked before.
fn ends_with_its_purpose(purpose: &Purpose) -> bool {
    purpose.starts.as_ref().is_some_and(|s| s.combine == Combine::Latest) && purpose.at_most.is_empty()
}
