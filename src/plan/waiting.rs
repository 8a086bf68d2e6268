//! Which due rows are deleted in this run, and which wait: rows that stay refer to them, or purposes of other records read them for a start.

use super::along::belongs_by;
use super::boolean::B;
use super::keepers::Asking;
use super::record::Records;
use super::resolve::Resolved;
use crate::policy::map::{DataSet, Disposition};

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
    pub(super) fn is(&self, resolved: &Resolved<'_>, reader: &DataSet, pairs: &[(String, String)]) -> bool {
        self.may_be(reader)
            && pairs.iter().all(|pair| self.on.contains(pair))
            && resolved.table(reader).is_some_and(|t| t.tells_one(|column| pairs.iter().any(|(_, here)| here == column)))
    }

    /// The same row, as seen from rows that follow the one that goes with it.
    pub(super) fn of_followers(self) -> Self {
        Self { on: &[], ..self }
    }

    pub(super) fn may_be(&self, reader: &DataSet) -> bool {
        self.data_set == reader.id.value
    }
}

/// How many rows that go one after the other are foreseen.
const AHEAD: u32 = 2;
/// Longest text of what is foreseen, in bytes. MariaDB was seen to take more than 20 GB of memory for a statement of 700,000.
const LONGEST: usize = 20_000;

impl Records<'_> {
    /// Whether a row of a root data set is deleted in this run; that the row which it goes `beside` reads it does not keep it.
    #[must_use]
    pub fn going(&self, data: &DataSet, alias: &str, stack: &[&str], beside: Option<Beside<'_>>) -> B {
        match beside {
            None => self.memo.of_record("going", data, alias, stack, || self.write_going(data, alias, stack, None)),
            beside => self.write_going(data, alias, stack, beside),
        }
    }

    fn write_going(&self, data: &DataSet, alias: &str, stack: &[&str], beside: Option<Beside<'_>>) -> B {
        if self.map().root_of(data).id != data.id {
            return B::False;
        }
        let deeper: Vec<&str> = stack.iter().copied().chain([data.id.as_str()]).collect();
        let asking = Asking { beside, ..Asking::all(&deeper) };
        B::and([
            self.row_due(data, alias, &deeper),
            self.delete_says(data, alias),
            self.frozen(data, alias).negate(),
            self.any_of(&self.references(data, alias, asking), alias).negate(),
            self.any_of(&self.reading(data, alias, asking), alias).negate(),
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
        let stack: [&str; 1] = [&data.id];
        let all = Asking::all(&stack);
        let refers = self.references(data, alias, Asking { which: &|other, name| later(other, name).negate(), ..all });
        let reads = self.reading(data, alias, Asking { which: &|reader, name| leaves(reader, name).negate(), ..all });
        B::and([
            self.row_due(data, alias, &[&data.id]),
            self.delete_says(data, alias),
            self.frozen(data, alias).negate(),
            self.any_of(&refers, alias).negate(),
            self.any_of(&reads, alias).negate(),
        ])
    }

    /// Whether records of a data set and of another that belongs to it by these columns (of the child, of the parent) keep each other: the child
    /// reads its parent for a start, and the parent's purposes the child. When nothing else keeps them, they go together.
    #[must_use]
    pub fn tied(&self, parent: &DataSet, child: &DataSet, on: &[(String, String)]) -> bool {
        let reads = |reader: &DataSet, read: &DataSet, same: &dyn Fn(&(String, String)) -> bool| {
            self.declared().filter(|t| t.purpose.data.data_set == reader.id.value).any(|t| {
                let reader = self.map().data_set(&t.purpose.data.data_set);
                reader.is_some_and(|r| self.relations_to(read, t.purpose, r).iter().any(|(_, pairs)| pairs.iter().all(same)))
            })
        };
        belongs_by(child, parent, on)
            && reads(child, parent, &|(there, here)| on.iter().any(|(c, p)| c == here && p == there))
            && reads(parent, child, &|pair| on.contains(pair))
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
