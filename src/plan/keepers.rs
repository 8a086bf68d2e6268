//! Who keeps a row from being deleted: rows that stay and refer to it, and records whose purposes read it for a start. Each with the way to it.

use super::along::{Goes, joins_parent, not_same_row, same_row};
use super::boolean::B;
use super::record::{Records, follows, start_events};
use super::resolve::Resolved;
use super::schema::{OnDelete, Table};
use super::terms::{exists, inner_alias};
use super::waiting::Beside;
use crate::policy::map::{DataSet, Disposition, Event};
use crate::policy::purpose::Purpose;

/// Rows that keep another.
#[derive(Debug, Clone)]
pub struct Keeper<'a> {
    /// Why they keep it.
    pub why: Why<'a>,
    /// The way from the row that is kept to those that keep it, which are the last.
    pub way: Vec<Step<'a>>,
}

/// Why rows keep another.
#[derive(Debug, Clone, Copy)]
pub enum Why<'a> {
    /// A foreign key of this table refers to it, or to what follows and goes with it.
    Refers(&'a Table),
    /// A purpose of this data set starts from it, or from what follows and goes with it.
    Reads(&'a DataSet),
}

/// From one row to others that are joined to it.
#[derive(Debug, Clone)]
pub struct Step<'a> {
    /// What must hold of the row before.
    pub from: B,
    /// The table of the others.
    pub table: &'a Table,
    /// Their alias.
    pub alias: String,
    /// The columns that join them: (of them, of the row before).
    pub on: Vec<(String, String)>,
    /// What must hold of them.
    pub condition: B,
}

/// What is asked about those who keep a row.
#[derive(Clone, Copy)]
pub struct Asking<'q> {
    /// Data sets about whose rows that question is being asked already: theirs are taken to stay.
    pub stack: &'q [&'q str],
    /// The row that it goes with: that this one reads it does not keep it.
    pub beside: Option<Beside<'q>>,
    /// What must hold of keeping records of other data sets besides.
    pub which: &'q dyn Fn(&DataSet, &str) -> B,
}

impl<'q> Asking<'q> {
    /// Everybody, while rows of these data sets are taken to stay.
    #[must_use]
    pub fn all(stack: &'q [&'q str]) -> Self {
        Self { stack, beside: None, which: &|_, _| B::True }
    }

    /// The same about what follows the row and goes with it.
    fn of_followers(self) -> Self {
        Self { beside: self.beside.map(Beside::of_followers), ..self }
    }
}

impl Keeper<'_> {
    /// Whether there is one.
    #[must_use]
    pub fn exists(&self, resolved: &Resolved<'_>, outer: &str) -> B {
        fn from(resolved: &Resolved<'_>, outer: &str, way: &[Step<'_>]) -> B {
            let Some((step, rest)) = way.split_first() else { return B::True };
            let inner = from(resolved, &step.alias, rest);
            let condition = B::and([step.condition.clone(), inner]);
            B::and([step.from.clone(), exists(resolved, step.table, [&step.alias, outer], &step.on, &condition)])
        }
        from(resolved, outer, &self.way)
    }

    /// Whether none can ever be.
    fn never(&self) -> bool {
        self.way.iter().any(|s| s.from.is_false() || s.condition.is_false())
    }
}

impl<'a> Records<'a> {
    /// Whether any of these is there.
    #[must_use]
    pub fn any_of(&self, keepers: &[Keeper<'a>], alias: &str) -> B {
        B::or(keepers.iter().map(|k| k.exists(self.resolved(), alias)))
    }

    /// Everybody who keeps a row, with what follows and goes with it.
    #[must_use]
    pub fn keepers(&self, data: &DataSet, alias: &str, asking: Asking<'_>) -> Vec<Keeper<'a>> {
        let mut all = self.references(data, alias, asking);
        all.extend(self.reading(data, alias, asking));
        all
    }

    /// Surviving rows that refer to a row, or to what follows and goes with it.
    #[must_use]
    pub fn references(&self, data: &DataSet, alias: &str, asking: Asking<'_>) -> Vec<Keeper<'a>> {
        self.references_of(Goes { data, alias }, data, alias, asking)
    }

    fn references_of(&self, goes: Goes<'_>, data: &DataSet, alias: &str, asking: Asking<'_>) -> Vec<Keeper<'a>> {
        let mut all = self.references_to_row(goes, data, alias, asking);
        all.extend(self.through_followers(data, alias, &|f, name| self.references_of(goes, f, name, asking)));
        all
    }

    /// Surviving records of which a purpose reads a row, or what follows and goes with it.
    #[must_use]
    pub fn reading(&self, data: &DataSet, alias: &str, asking: Asking<'_>) -> Vec<Keeper<'a>> {
        self.reading_of(Goes { data, alias }, data, alias, asking)
    }

    fn reading_of(&self, goes: Goes<'_>, data: &DataSet, alias: &str, asking: Asking<'_>) -> Vec<Keeper<'a>> {
        let mut all = self.reading_row(goes, data, alias, asking);
        all.extend(self.through_followers(data, alias, &|f, name| self.reading_of(goes, f, name, asking.of_followers())));
        all
    }

    /// What `of` lists about the rows that follow and go with one, directly or behind one that stays, as asked of the row that they follow.
    fn through_followers(&self, data: &DataSet, alias: &str, of: &dyn Fn(&DataSet, &str) -> Vec<Keeper<'a>>) -> Vec<Keeper<'a>> {
        let mut all = Vec::new();
        for follower in self.map().followers_of(data) {
            let (Some(table), Some(parent)) = (self.resolved().table(follower), &follower.parent) else { continue };
            let name = inner_alias(alias);
            let on: Vec<_> = parent.on.iter().map(|(here, there)| (here.value.clone(), there.value.clone())).collect();
            let found = match follower.disposition {
                Disposition::Delete => of(follower, &name),
                Disposition::Anonymise => self.through_followers(follower, &name, of),
            };
            for mut keeper in found {
                let step = Step { from: B::True, table, alias: name.clone(), on: on.clone(), condition: B::True };
                keeper.way.insert(0, step);
                all.push(keeper);
            }
        }
        all
    }

    fn references_to_row(&self, goes: Goes<'_>, data: &DataSet, alias: &str, asking: Asking<'_>) -> Vec<Keeper<'a>> {
        let resolved = self.resolved();
        let Some(table) = resolved.table(data) else { return Vec::new() };
        let declared = |t: &Table| data.cascades.iter().any(|c| resolved.find_table(c).is_some_and(|d| d.name == t.name));
        let mut all = Vec::new();
        for (child, key) in resolved.schema.children_of(&table.name) {
            if declared(child) && key.on_delete == OnDelete::Cascade {
                continue;
            }
            let name = inner_alias(alias);
            let on: Vec<(String, String)> = key.columns.iter().cloned().zip(key.parent_columns.iter().cloned()).collect();
            let survives = match resolved.data_set_of(child) {
                // What follows the row goes with it, however it refers to it.
                Some(other) if other.disposition == Disposition::Delete && joins_parent(other, data, &on) => continue,
                Some(other) if other.id == goes.data.id => self.goes_along(goes, other, &name).negate(),
                Some(other) if follows(self.map(), other, goes.data) => match other.disposition {
                    Disposition::Delete => self.goes_along(goes, other, &name).negate(),
                    Disposition::Anonymise => B::True,
                },
                Some(other) if asking.stack.contains(&other.id.as_str()) => B::True,
                Some(other) => {
                    let beside = Beside { data_set: &data.id, alias, on: &on };
                    B::and([self.going(other, &name, asking.stack, Some(beside)).negate(), (asking.which)(other, &name)])
                }
                None => self.cascades_along(goes, child, key, &name).negate(),
            };
            let step = Step { from: B::True, table: child, alias: name, on, condition: survives };
            all.push(Keeper { why: Why::Refers(child), way: vec![step] });
        }
        all.retain(|k| !k.never());
        all
    }

    fn reading_row(&self, goes: Goes<'_>, data: &DataSet, alias: &str, asking: Asking<'_>) -> Vec<Keeper<'a>> {
        let resolved = self.resolved();
        let Asking { stack, beside, which } = asking;
        let mut all = Vec::new();
        for t in self.declared() {
            let Some(reader) = self.map().data_set(&t.purpose.data.data_set) else { continue };
            let Some(table) = resolved.table(reader) else { continue };
            let own = self.map().root_of(data).id == reader.id;
            for (event, pairs) in self.relations_to(data, t.purpose, reader) {
                if beside.is_some_and(|b| b.is(resolved, reader, &pairs)) {
                    continue;
                }
                let name = inner_alias(alias);
                let on: Vec<(String, String)> = pairs.iter().map(|(there, here)| (here.clone(), there.clone())).collect();
                // What follows a record is read by the record itself, and goes with it.
                if own && joins_parent(data, reader, &pairs) {
                    continue;
                }
                let filter = event.of.as_ref().and_then(|of| of.filter.as_ref());
                let filter = filter.map(|f| B::sql(format!("(({}) IS NOT FALSE)", resolved.dialect.expression(alias, f))));
                let stays = if self.tied(data, reader, &on) && !stack.contains(&reader.id.as_str()) {
                    self.going(reader, &name, stack, Some(Beside { data_set: &data.id, alias, on: &on })).negate()
                } else {
                    B::True
                };
                let mut another = match beside.filter(|b| b.may_be(reader)) {
                    Some(beside) => not_same_row(resolved, reader, &name, beside.alias),
                    None => B::True,
                };
                if own {
                    let same = match goes.data.id == reader.id {
                        true => same_row(resolved, reader, &name, goes.alias),
                        false => self.is_above(data, alias, reader, &name),
                    };
                    another = B::and([another, same.negate()]);
                }
                let condition = B::and([
                    self.terms.covers(t.purpose, reader, &name),
                    self.not_done(reader, &name),
                    another,
                    stays,
                    which(reader, &name),
                ]);
                let step = Step { from: filter.unwrap_or(B::True), table, alias: name, on, condition };
                all.push(Keeper { why: Why::Reads(reader), way: vec![step] });
            }
        }
        all.retain(|k| !k.never());
        all
    }

    /// The events by which a purpose starts from rows of this data set, with the joining columns (there, of the reader).
    pub(super) fn relations_to<'p>(
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

    /// Tables whose rows may read a row of this data set for a start: (column there, column here).
    #[must_use]
    pub fn readers(&self, data: &DataSet) -> Vec<(&'a Table, Vec<(String, String)>)> {
        let resolved = self.resolved();
        let mut all = Vec::new();
        for t in self.declared() {
            let Some(reader) = self.map().data_set(&t.purpose.data.data_set) else { continue };
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
}
