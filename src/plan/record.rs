//! What becomes of a record, as predicates: SEMANTICS' `decide`, for whole tables at once.
//!
//! A *record* is a row of a root data set with every row that follows it. Its fields fall into groups by the purposes that need them;
//! a group is cleared when none of its purposes keeps. The row goes when no field and no purpose keeps it.

use std::collections::BTreeSet;

use super::boolean::B;
use super::dialect::masks::MaskSql;
use super::resolve::Resolved;
use super::schema::{OnDelete, Table};
use super::terms::{Terms, exists, inner_alias, join};
use crate::policy::bound::RunTime;
use crate::policy::link::needs_category;
use crate::policy::map::{DataMap, DataSet, Disposition};
use crate::policy::purpose::{Cap, Needs, Purpose};

/// A purpose with the time at which its policy's days are counted.
#[derive(Debug, Clone, Copy)]
pub struct Timed<'a> {
    /// The purpose.
    pub purpose: &'a Purpose,
    /// The run's instant in the policy's zone.
    pub run: RunTime,
}

/// Writes the predicates about records of one source.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    /// How states of purposes are written.
    pub terms: Terms<'a>,
    /// All purposes of the source.
    pub purposes: Vec<Timed<'a>>,
}

/// Fields that the same purposes need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Categories in it, each with the data set of the record that holds the columns.
    pub categories: BTreeSet<(String, String)>,
    /// Indexes of the record's own purposes that need them.
    pub own: Vec<usize>,
    /// Indexes of purposes of child records that need them.
    pub of_children: Vec<usize>,
}

/// Which fields are meant: by data set, category, and whether the category must never be stored.
pub type Wanted<'w> = &'w dyn Fn(&str, &str, bool) -> bool;

impl Group {
    /// Whether the columns of this category in this data set belong to the group.
    #[must_use]
    pub fn contains(&self, data_set: &str, category: &str) -> bool {
        self.categories.iter().any(|(d, c)| d == data_set && c == category)
    }
}

impl<'a> Records<'a> {
    fn resolved(&self) -> &Resolved<'a> {
        &self.terms.resolved
    }

    fn map(&self) -> &'a DataMap {
        self.terms.resolved.map
    }

    /// The purposes of a root data set, by index.
    #[must_use]
    pub fn own_purposes(&self, data: &DataSet) -> Vec<usize> {
        (0..self.purposes.len()).filter(|i| self.purposes[*i].purpose.data.data_set == data.id.value).collect()
    }

    /// Purposes of child records that need a category of this data set, by index.
    #[must_use]
    pub fn child_purposes(&self, data: &DataSet) -> Vec<usize> {
        let prefix = format!("{}.", data.id);
        (0..self.purposes.len())
            .filter(|i| {
                let p = self.purposes[*i].purpose;
                let of_child = self.map().children_of(data).any(|c| c.id.value == p.data.data_set);
                of_child && matches!(&p.needs.value, Needs::These(list) if list.iter().any(|n| n.starts_with(&prefix)))
            })
            .collect()
    }

    /// The groups of a record's fields, never-stored categories left out.
    #[must_use]
    pub fn groups(&self, data: &DataSet) -> Vec<Group> {
        let (own, children) = (self.own_purposes(data), self.child_purposes(data));
        let mut groups: Vec<Group> = Vec::new();
        for member in self.map().record_of(data) {
            for category in member.categories.iter().filter(|c| !c.never_stored) {
                let full = format!("{}.{}", data.id, category.name);
                let by_own: Vec<usize> =
                    own.iter().copied().filter(|i| needs_category(self.purposes[*i].purpose, &category.name)).collect();
                let by_children: Vec<usize> = children
                    .iter()
                    .copied()
                    .filter(|i| member.id == data.id && matches!(&self.purposes[*i].purpose.needs.value, Needs::These(l) if l.iter().any(|n| n.value == full)))
                    .collect();
                let place = (member.id.value.clone(), category.name.value.clone());
                let same = groups.iter_mut().find(|g| g.own == by_own && g.of_children == by_children);
                match same {
                    Some(group) => {
                        group.categories.insert(place);
                    }
                    None => groups.push(Group { categories: BTreeSet::from([place]), own: by_own, of_children: by_children }),
                }
            }
        }
        groups
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
    fn over_followers(&self, follower: &DataSet, alias: &str, inner: &dyn Fn(&str) -> B) -> B {
        let (Some(table), Some(parent)) = (self.resolved().table(follower), &follower.parent) else { return B::False };
        let name = inner_alias(alias);
        let pairs: Vec<(String, String)> =
            parent.on.iter().map(|(here, there)| (here.value.clone(), there.value.clone())).collect();
        let condition = inner(&name);
        if condition.is_false() {
            return B::False;
        }
        exists(self.resolved(), table, &name, &B::and([join(self.resolved(), &name, alias, &pairs), condition]))
    }

    /// Whether rows that follow, directly or not, are left to be deleted with an anonymised record.
    fn follower_to_delete(&self, data: &DataSet, alias: &str) -> B {
        B::or(self.map().followers_of(data).map(|f| {
            self.over_followers(f, alias, &|inner| match f.disposition {
                Disposition::Delete => B::True,
                Disposition::Anonymise => self.follower_to_delete(f, inner),
            })
        }))
    }

    /// Every field, the never stored included.
    fn every_field(_: &str, _: &str, _: bool) -> bool {
        true
    }

    /// Whether a row that follows can be deleted with its anonymised record: nothing that stays refers to it or to what follows it.
    #[must_use]
    pub fn follower_goes(&self, follower: &DataSet, alias: &str) -> B {
        self.referenced(follower, alias, &[&self.map().root_of(follower).id]).negate()
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

    fn ended(&self, i: usize, data: &DataSet, alias: &str) -> B {
        let t = self.purposes[i];
        self.terms.ended(t.purpose, t.run, data, alias)
    }

    /// Not covering or ended.
    fn free(&self, i: usize, data: &DataSet, alias: &str) -> B {
        B::or([self.terms.not_covering(self.purposes[i].purpose, data, alias), self.ended(i, data, alias)])
    }

    /// The child data set of a child purpose, its table and the join to the parent.
    fn over_children(&self, i: usize, alias: &str, inner: &dyn Fn(&DataSet, &str) -> B) -> B {
        let Some(child) = self.map().data_set(&self.purposes[i].purpose.data.data_set) else { return B::False };
        self.over_followers(child, alias, &|name| inner(child, name))
    }

    fn child_keeps(&self, i: usize, alias: &str) -> B {
        let t = self.purposes[i];
        self.over_children(i, alias, &|child, name| self.terms.keeps(t.purpose, t.run, child, name))
    }

    /// A surviving child is covered by the purpose, which has ended for it.
    fn child_ended(&self, i: usize, alias: &str, stack: &[&str]) -> B {
        self.over_children(i, alias, &|child, name| {
            B::and([self.ended(i, child, name), self.going(child, name, stack, None).negate()])
        })
    }

    /// Something covers the fields of the group, or the map says that the uncovered goes. Only meaningful where nothing keeps them.
    fn clearable(&self, group: &Group, data: &DataSet, alias: &str, stack: &[&str]) -> B {
        if data.clear_uncovered {
            return B::True;
        }
        let own = group.own.iter().map(|i| self.ended(*i, data, alias));
        let children = group.of_children.iter().map(|i| self.child_ended(*i, alias, stack));
        let erased = self.terms.orders.erasure(data, alias, self.resolved());
        let whole = if data.dispose_uncovered { self.uncovered(data, alias, stack) } else { B::False };
        B::or(own.chain(children).chain([erased, whole]))
    }

    /// No purpose covers the record.
    #[must_use]
    pub fn uncovered(&self, data: &DataSet, alias: &str, stack: &[&str]) -> B {
        let own = self.own_purposes(data).into_iter().map(|i| self.terms.not_covering(self.purposes[i].purpose, data, alias));
        let children = self.child_purposes(data).into_iter().map(|i| {
            let purpose = self.purposes[i].purpose;
            self.over_children(i, alias, &|child, name| {
                B::and([self.terms.covers(purpose, child, name), self.going(child, name, stack, None).negate()])
            })
            .negate()
        });
        B::and(own.chain(children))
    }

    /// Whether the fields of a group go.
    #[must_use]
    pub fn group_clear(&self, group: &Group, data: &DataSet, alias: &str) -> B {
        let own = group.own.iter().map(|i| self.free(*i, data, alias));
        let children = group.of_children.iter().map(|i| self.child_keeps(*i, alias).negate());
        B::and(own.chain(children).chain([self.clearable(group, data, alias, &[&data.id])]))
    }

    /// Whether fields of a group are left that no purpose covers, and that the map does not let go.
    #[must_use]
    pub fn group_uncovered(&self, group: &Group, data: &DataSet, alias: &str) -> B {
        if data.clear_uncovered {
            return B::False;
        }
        let wanted = |data_set: &str, category: &str, never: bool| !never && group.contains(data_set, category);
        let own = group.own.iter().map(|i| self.terms.not_covering(self.purposes[*i].purpose, data, alias));
        let children = group.of_children.iter().map(|i| {
            let purpose = self.purposes[*i].purpose;
            self.over_children(*i, alias, &|child, name| self.terms.covers(purpose, child, name)).negate()
        });
        B::and(own.chain(children).chain([self.todo(data, alias, &wanted)]))
    }

    /// Whether the row reaches its disposition: nothing keeps it, and it is covered, or the uncovered goes.
    #[must_use]
    pub fn row_due(&self, data: &DataSet, alias: &str, stack: &[&str]) -> B {
        let (own, children) = (self.own_purposes(data), self.child_purposes(data));
        let free = own.iter().map(|i| self.free(*i, data, alias));
        let children_free = children.iter().map(|i| self.child_keeps(*i, alias).negate());
        let covered = own
            .iter()
            .map(|i| self.ended(*i, data, alias))
            .chain(children.iter().map(|i| self.child_ended(*i, alias, stack)))
            .chain([
                self.terms.orders.erasure(data, alias, self.resolved()),
                if data.dispose_uncovered { B::True } else { B::False },
            ]);
        let covered = B::or(covered);
        let groups = self.groups(data);
        let no_field_kept = groups.iter().map(|g| {
            let wanted = |data_set: &str, category: &str, never: bool| !never && g.contains(data_set, category);
            B::or([self.clearable(g, data, alias, stack), self.todo(data, alias, &wanted).negate()])
        });
        B::and(free.chain(children_free).chain([covered]).chain(no_field_kept))
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

    /// Whether a row of a root data set is deleted in this run. `besides` is a data set whose reading does not count, because its row goes too.
    #[must_use]
    pub fn going(&self, data: &DataSet, alias: &str, stack: &[&str], besides: Option<&str>) -> B {
        if self.map().root_of(data).id != data.id {
            return B::False;
        }
        let deeper: Vec<&str> = stack.iter().copied().chain([data.id.as_str()]).collect();
        B::and([
            self.row_due(data, alias, &deeper),
            self.delete_says(data, alias),
            self.frozen(data, alias).negate(),
            self.referenced(data, alias, &deeper).negate(),
            self.read(data, alias, besides).negate(),
        ])
    }

    /// Whether a due row of a root data set is gone by the end of this run, although rows keep it at its beginning: those that refer to it or
    /// read it are deleted or become final in the same run, at most `ahead` of them one after the other.
    #[must_use]
    pub fn gone_in_the_end(&self, data: &DataSet, alias: &str, ahead: u32) -> B {
        let later = |other: &DataSet, name: &str| match ahead.checked_sub(1) {
            Some(ahead) if self.map().root_of(other).id == other.id => self.gone_in_the_end(other, name, ahead),
            _ => B::False,
        };
        let leaves = |reader: &DataSet, name: &str| {
            let done = match reader.disposition {
                Disposition::Delete => B::False,
                Disposition::Anonymise => B::and([
                    self.row_due(reader, name, &[&reader.id]),
                    self.delete_says(reader, name).negate(),
                    self.frozen(reader, name).negate(),
                ]),
            };
            B::or([self.going(reader, name, &[], None), done, later(reader, name)])
        };
        let refers = self.references_that(data, alias, &[&data.id], &|other, name| later(other, name).negate());
        let reads = self.reading(data, alias, None, &|reader, name| leaves(reader, name).negate());
        B::and([
            self.row_due(data, alias, &[&data.id]),
            self.delete_says(data, alias),
            self.frozen(data, alias).negate(),
            B::or(refers.into_iter().map(|(_, exists)| exists)).negate(),
            B::or(reads.into_iter().map(|(_, exists)| exists)).negate(),
        ])
    }

    /// Whether a surviving row references a row of the record.
    #[must_use]
    pub fn referenced(&self, data: &DataSet, alias: &str, stack: &[&str]) -> B {
        B::or(self.references(data, alias, stack).into_iter().map(|(_, exists)| exists))
    }

    /// By table: whether a surviving row of it references a row of the record.
    #[must_use]
    pub fn references(&self, data: &DataSet, alias: &str, stack: &[&str]) -> Vec<(&'a Table, B)> {
        self.references_that(data, alias, stack, &|_, _| B::True)
    }

    /// The same, of the rows of other data sets only those of which `which` holds too.
    fn references_that(
        &self,
        data: &DataSet,
        alias: &str,
        stack: &[&str],
        which: &dyn Fn(&DataSet, &str) -> B,
    ) -> Vec<(&'a Table, B)> {
        let resolved = self.resolved();
        let Some(table) = resolved.table(data) else { return Vec::new() };
        let declared = |t: &Table| data.cascades.iter().any(|c| resolved.find_table(c).is_some_and(|d| d.name == t.name));
        let mut all: Vec<(&'a Table, B)> = Vec::new();
        for (child, key) in resolved.schema.children_of(&table.name) {
            if declared(child) && key.on_delete == OnDelete::Cascade {
                continue;
            }
            let name = inner_alias(alias);
            let pairs: Vec<(String, String)> = key.columns.iter().cloned().zip(key.parent_columns.iter().cloned()).collect();
            let joined = join(resolved, &name, alias, &pairs);
            let survives = match resolved.data_set_of(child) {
                Some(other) if other.id == data.id => not_same_row(resolved, data, &name, alias),
                Some(other) if follows(self.map(), other, data) => match other.disposition {
                    Disposition::Delete => continue,
                    Disposition::Anonymise => B::True,
                },
                Some(other) if stack.contains(&other.id.as_str()) => B::True,
                Some(other) => B::and([self.going(other, &name, stack, Some(&data.id)).negate(), which(other, &name)]),
                None => B::True,
            };
            all.push((child, exists(resolved, child, &name, &B::and([joined, survives]))));
        }
        // A row that follows may be referenced from outside the record, and then keeps the root with it.
        for f in self.map().followers_of(data).filter(|f| f.disposition == Disposition::Delete) {
            let tables: Vec<&'a Table> = self.references_that(f, "", stack, which).into_iter().map(|(t, _)| t).collect();
            all.extend(tables.into_iter().enumerate().map(|(i, table)| {
                let through = self.over_followers(f, alias, &|inner| {
                    self.references_that(f, inner, stack, which).into_iter().nth(i).map_or(B::False, |(_, exists)| exists)
                });
                (table, through)
            }));
        }
        all
    }

    /// Whether the purpose of a surviving record of another data set reads this row for its start.
    #[must_use]
    pub fn read(&self, data: &DataSet, alias: &str, besides: Option<&str>) -> B {
        B::or(self.reading(data, alias, besides, &|_, _| B::True).into_iter().map(|(_, exists)| exists))
    }

    /// By reading data set: whether such a record, of which `which` holds too, exists.
    #[must_use]
    pub fn reading(
        &self,
        data: &DataSet,
        alias: &str,
        besides: Option<&str>,
        which: &dyn Fn(&DataSet, &str) -> B,
    ) -> Vec<(&'a DataSet, B)> {
        let resolved = self.resolved();
        let readers = self.purposes.iter().filter_map(|t| {
            let reader = self.map().data_set(&t.purpose.data.data_set)?;
            if self.map().root_of(data).id == reader.id || besides == Some(reader.id.as_str()) {
                return None;
            }
            let mut relations = Vec::new();
            for event in start_events(t.purpose).filter_map(|n| reader.event(n)) {
                let Some(of) = &event.of else { continue };
                let Some((table, pairs)) = resolved.related(reader, &of.to) else { continue };
                if resolved.table(data).is_some_and(|own| own.name == table.name) {
                    relations.push((of, pairs));
                }
            }
            let table = resolved.table(reader)?;
            let name = inner_alias(alias);
            let exists = B::or(relations.into_iter().map(|(of, pairs)| {
                let turned: Vec<(String, String)> = pairs.into_iter().map(|(there, here)| (here, there)).collect();
                let filter = of.filter.as_ref().map(|f| format!("(({}) IS NOT FALSE)", resolved.dialect.expression(alias, f)));
                let reading = exists(
                    resolved,
                    table,
                    &name,
                    &B::and([
                        join(resolved, &name, alias, &turned),
                        self.terms.covers(t.purpose, reader, &name),
                        self.not_done(reader, &name),
                        which(reader, &name),
                    ]),
                );
                B::and([filter.map_or(B::True, B::sql), reading])
            }));
            Some((reader, exists))
        });
        readers.collect()
    }

    /// Tables whose rows may read a row of this data set for a start: (column there, column here).
    #[must_use]
    pub fn readers(&self, data: &DataSet) -> Vec<(&'a Table, Vec<(String, String)>)> {
        let resolved = self.resolved();
        let mut all = Vec::new();
        for t in &self.purposes {
            let Some(reader) = self.map().data_set(&t.purpose.data.data_set) else { continue };
            if self.map().root_of(data).id == reader.id {
                continue;
            }
            for of in start_events(t.purpose).filter_map(|n| reader.event(n)).filter_map(|e| e.of.as_ref()) {
                let (Some((read, pairs)), Some(table)) = (resolved.related(reader, &of.to), resolved.table(reader)) else {
                    continue;
                };
                if resolved.table(data).is_some_and(|own| own.name == read.name) {
                    all.push((table, pairs.into_iter().map(|(there, here)| (here, there)).collect()));
                }
            }
        }
        all
    }

    /// Whether a record is not yet finally anonymised.
    #[must_use]
    pub fn not_done(&self, data: &DataSet, alias: &str) -> B {
        match data.disposition {
            Disposition::Delete => B::True,
            Disposition::Anonymise => {
                let left = [self.todo(data, alias, &Self::every_field), self.follower_to_delete(data, alias)];
                B::or([self.delete_says(data, alias)].into_iter().chain(left))
            }
        }
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

fn not_same_row(resolved: &Resolved<'_>, data: &DataSet, inner: &str, outer: &str) -> B {
    let d = resolved.dialect;
    let equal = resolved
        .key_columns(data)
        .iter()
        .map(|c| B::sql(format!("{} = {}", d.column(inner, &c.name), d.column(outer, &c.name))))
        .collect::<Vec<_>>();
    B::and(equal).negate()
}

/// The names of the events that a purpose reads for its start or caps.
pub fn start_events(purpose: &Purpose) -> impl Iterator<Item = &str> {
    let caps = purpose.at_most.iter().flat_map(|cap| match cap {
        Cap::Start(start, _) => start.events.iter().collect::<Vec<_>>(),
        Cap::Named(name) => vec![name],
    });
    purpose.starts.iter().flat_map(|s| &s.events).chain(caps).map(|n| n.value.as_str())
}
