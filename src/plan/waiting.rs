//! Which due rows are deleted in this run, and which wait: rows that stay refer to them, or purposes of other records read them for a start.

use super::boolean::B;
use super::record::{Records, follows, start_events};
use super::resolve::Resolved;
use super::schema::{Index, OnDelete, Table};
use super::terms::{exists, inner_alias, join};
use crate::policy::map::{DataSet, Disposition, Event};
use crate::policy::purpose::Purpose;

/// The row that another goes with, if it goes.
#[derive(Debug, Clone, Copy)]
pub struct Beside<'s> {
    /// Its data set.
    pub data_set: &'s str,
    /// Its alias.
    pub alias: &'s str,
    /// The columns that join the two: (of the row that is asked about, of the one that it goes with).
    pub on: &'s [(String, String)],
}

impl Beside<'_> {
    /// Whether a purpose of this data set that reads by these columns (there, here) reads for this very row and no other: it joins as the two are
    /// joined, by columns that are unique among the readers.
    fn is(&self, resolved: &Resolved<'_>, reader: &DataSet, pairs: &[(String, String)]) -> bool {
        let joining = |column: &String| pairs.iter().any(|(_, here)| here == column);
        let tells_one = |i: &Index| i.unique && i.usable && i.predicate.is_none() && i.columns.iter().all(joining);
        self.may_be(reader)
            && pairs.iter().all(|pair| self.on.contains(pair))
            && resolved.table(reader).is_some_and(|t| t.indexes.iter().any(tells_one))
    }

    /// The same row, as seen from rows that follow the one that goes with it.
    fn of_followers(self) -> Self {
        Self { on: &[], ..self }
    }

    fn may_be(&self, reader: &DataSet) -> bool {
        self.data_set == reader.id.value
    }
}

/// How many rows that go one after the other are foreseen.
const AHEAD: u32 = 2;
/// Longest text of what is foreseen, in bytes. MariaDB was seen to take more than 20 GB of memory for a statement of 700,000.
const LONGEST: usize = 20_000;

/// Lists conditions about a row of a data set, by what they are about; in the same order whatever the row's alias.
type Listing<'l, T> = dyn Fn(&DataSet, &str) -> Vec<(T, B)> + 'l;

impl<'a> Records<'a> {
    /// Whether a row of a root data set is deleted in this run; that the row which it goes `beside` reads it does not keep it.
    #[must_use]
    pub fn going(&self, data: &DataSet, alias: &str, stack: &[&str], beside: Option<Beside<'_>>) -> B {
        if self.map().root_of(data).id != data.id {
            return B::False;
        }
        let deeper: Vec<&str> = stack.iter().copied().chain([data.id.as_str()]).collect();
        B::and([
            self.row_due(data, alias, &deeper),
            self.delete_says(data, alias),
            self.frozen(data, alias).negate(),
            self.referenced(data, alias, &deeper).negate(),
            self.read(data, alias, &deeper, beside).negate(),
        ])
    }

    /// Whether a due row of a root data set is gone by the end of this run, although rows keep it at its beginning: as far as that is foreseen. Where data
    /// sets depend on each other in many ways, less far: a question that no server can be asked helps nobody.
    #[must_use]
    pub fn foreseen_gone(&self, data: &DataSet, alias: &str) -> B {
        let mut foreseen = B::False;
        for ahead in 0..=AHEAD {
            let further = self.gone_in_the_end(data, alias, ahead);
            if further.render().len() > LONGEST {
                break;
            }
            foreseen = further;
        }
        foreseen
    }

    /// The same: those that refer to it or read it are deleted or become final in the same run, at most `ahead` of them one after the other.
    fn gone_in_the_end(&self, data: &DataSet, alias: &str, ahead: u32) -> B {
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
        let reads = self.reading(data, alias, &[&data.id], None, &|reader, name| leaves(reader, name).negate());
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
                Some(other) => {
                    let beside = Beside { data_set: &data.id, alias, on: &pairs };
                    B::and([self.going(other, &name, stack, Some(beside)).negate(), which(other, &name)])
                }
                None => B::True,
            };
            all.push((child, exists(resolved, child, &name, &B::and([joined, survives]))));
        }
        all.extend(self.references_to_followers(data, alias, stack, which));
        all
    }

    /// The same of rows that follow and go with the record, directly or behind one that stays: who refers to them from outside the record keeps it.
    fn references_to_followers(
        &self,
        data: &DataSet,
        alias: &str,
        stack: &[&str],
        which: &dyn Fn(&DataSet, &str) -> B,
    ) -> Vec<(&'a Table, B)> {
        self.through_followers(data, alias, &|f, inner| match f.disposition {
            Disposition::Delete => self.references_that(f, inner, stack, which),
            Disposition::Anonymise => self.references_to_followers(f, inner, stack, which),
        })
    }

    /// What `inner` lists about each data set that follows, as asked of the record that they follow.
    fn through_followers<T: Copy>(&self, data: &DataSet, alias: &str, inner: &Listing<'_, T>) -> Vec<(T, B)> {
        let mut all = Vec::new();
        for f in self.map().followers_of(data) {
            for (i, (of, _)) in inner(f, "").into_iter().enumerate() {
                let here = |name: &str| inner(f, name).into_iter().nth(i).map_or(B::False, |(_, exists)| exists);
                all.push((of, self.over_followers(f, alias, &here)));
            }
        }
        all
    }

    /// Whether the purpose of a surviving record of another data set reads this row for its start.
    #[must_use]
    pub fn read(&self, data: &DataSet, alias: &str, stack: &[&str], beside: Option<Beside<'_>>) -> B {
        B::or(self.reading(data, alias, stack, beside, &|_, _| B::True).into_iter().map(|(_, exists)| exists))
    }

    /// By reading data set: whether such a record, of which `which` holds too, exists. Who reads a row that follows and goes with the record keeps both.
    #[must_use]
    pub fn reading(
        &self,
        data: &DataSet,
        alias: &str,
        stack: &[&str],
        beside: Option<Beside<'_>>,
        which: &dyn Fn(&DataSet, &str) -> B,
    ) -> Vec<(&'a DataSet, B)> {
        let mut all = self.reading_row(data, alias, stack, beside, which);
        all.extend(self.reading_followers(data, alias, stack, beside.map(Beside::of_followers), which));
        all
    }

    /// The same of rows that follow and go with the record, directly or behind one that stays.
    fn reading_followers(
        &self,
        data: &DataSet,
        alias: &str,
        stack: &[&str],
        beside: Option<Beside<'_>>,
        which: &dyn Fn(&DataSet, &str) -> B,
    ) -> Vec<(&'a DataSet, B)> {
        self.through_followers(data, alias, &|f, inner| match f.disposition {
            Disposition::Delete => self.reading(f, inner, stack, beside, which),
            Disposition::Anonymise => self.reading_followers(f, inner, stack, beside, which),
        })
    }

    /// The same of one row alone.
    fn reading_row(
        &self,
        data: &DataSet,
        alias: &str,
        stack: &[&str],
        beside: Option<Beside<'_>>,
        which: &dyn Fn(&DataSet, &str) -> B,
    ) -> Vec<(&'a DataSet, B)> {
        let resolved = self.resolved();
        let readers = self.purposes.iter().filter_map(|t| {
            let reader = self.map().data_set(&t.purpose.data.data_set)?;
            let table = resolved.table(reader)?;
            let mut relations = self.relations_to(data, t.purpose, reader);
            relations.retain(|(_, pairs)| beside.is_none_or(|b| !b.is(resolved, reader, pairs)));
            // What follows a record is read by the record itself, and goes with it.
            let own = self.map().root_of(data).id == reader.id;
            if own && data.id != reader.id || relations.is_empty() {
                return None;
            }
            let name = inner_alias(alias);
            let exists = B::or(relations.into_iter().map(|(event, pairs)| {
                let filter = event.of.as_ref().and_then(|of| of.filter.as_ref());
                let filter = filter.map(|f| format!("(({}) IS NOT FALSE)", resolved.dialect.expression(alias, f)));
                let turned: Vec<(String, String)> = pairs.into_iter().map(|(there, here)| (here, there)).collect();
                let stays = if self.tied(data, reader, &turned) && !stack.contains(&reader.id.as_str()) {
                    self.going(reader, &name, stack, Some(Beside { data_set: &data.id, alias, on: &turned })).negate()
                } else {
                    B::True
                };
                let mut another = match beside.filter(|b| b.may_be(reader)) {
                    Some(beside) => not_same_row(resolved, reader, &name, beside.alias),
                    None => B::True,
                };
                if own {
                    another = B::and([another, not_same_row(resolved, reader, &name, alias)]);
                }
                let reading = exists(
                    resolved,
                    table,
                    &name,
                    &B::and([
                        join(resolved, &name, alias, &turned),
                        self.terms.covers(t.purpose, reader, &name),
                        self.not_done(reader, &name),
                        another,
                        stays,
                        which(reader, &name),
                    ]),
                );
                B::and([filter.map_or(B::True, B::sql), reading])
            }));
            Some((reader, exists))
        });
        readers.collect()
    }

    /// The events by which a purpose starts from rows of this data set, with the joining columns (there, of the reader).
    fn relations_to<'p>(
        &self,
        data: &DataSet,
        purpose: &'p Purpose,
        reader: &'a DataSet,
    ) -> Vec<(&'a Event, Vec<(String, String)>)>
    where
        'a: 'p,
    {
        let resolved = self.resolved();
        let events = start_events(purpose).filter_map(|n| reader.event(n));
        let related = events.filter_map(|e| Some((e, resolved.related(reader, &e.of.as_ref()?.to)?)));
        let own = resolved.table(data).map(|t| &t.name);
        related.filter(|(_, (table, _))| own == Some(&table.name)).map(|(e, (_, pairs))| (e, pairs)).collect()
    }

    /// Whether records of a data set and of another that belongs to it by these columns (of the child, of the parent) keep each other: the child
    /// reads its parent for a start, and the parent's purposes the child. When nothing else keeps them, they go together.
    #[must_use]
    pub fn tied(&self, parent: &DataSet, child: &DataSet, on: &[(String, String)]) -> bool {
        let belongs = child.parent.as_ref().is_some_and(|p| {
            let pair = |(here, there): &(String, String)| p.on.iter().any(|(h, t)| h.value == *here && t.value == *there);
            !p.follows && p.data == parent.id && p.on.len() == on.len() && on.iter().all(pair)
        });
        let reads = |reader: &DataSet, read: &DataSet, same: &dyn Fn(&(String, String)) -> bool| {
            self.purposes.iter().filter(|t| t.purpose.data.data_set == reader.id.value).any(|t| {
                let reader = self.map().data_set(&t.purpose.data.data_set);
                reader.is_some_and(|r| self.relations_to(read, t.purpose, r).iter().any(|(_, pairs)| pairs.iter().all(same)))
            })
        };
        belongs
            && reads(child, parent, &|(there, here)| on.iter().any(|(c, p)| c == here && p == there))
            && reads(parent, child, &|pair| on.contains(pair))
    }

    /// Tables whose rows may read a row of this data set for a start: (column there, column here).
    #[must_use]
    pub fn readers(&self, data: &DataSet) -> Vec<(&'a Table, Vec<(String, String)>)> {
        let resolved = self.resolved();
        let mut all = Vec::new();
        for t in &self.purposes {
            let Some(reader) = self.map().data_set(&t.purpose.data.data_set) else { continue };
            if self.map().root_of(data).id == reader.id && data.id != reader.id {
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
