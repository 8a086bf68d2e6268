//! `decide`: what becomes of each personal field of a record, and of its rows.

use std::rc::Rc;

use chrono::NaiveDate;

use super::masking;
use super::state::State;
use super::value::Value;
use super::view::{RowId, View};
use super::world::Key;
use crate::policy::elsewhere::There;
use crate::policy::map::{DataSet, Disposition};
use crate::policy::purpose::{Needs, OrderKind, Purpose};

/// What becomes of a record's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A hold or restriction: nothing is touched.
    Held,
    /// Everything was masked already and its data set keeps anonymised rows.
    Done,
    /// A purpose or a kept field keeps it.
    Stays,
    /// No purpose covers it and the map does not dispose of such records: a finding.
    Uncovered,
    /// It is masked and stays; rows that follow it meet their own dispositions.
    Anonymise,
    /// It is due for deletion, and surviving rows refer to it or read it: masked now, deleted later.
    Emptied,
    /// It is deleted, with the rows that follow it.
    Delete,
}

/// What becomes of one unmasked personal field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate<'w> {
    /// Held or restricted.
    Held,
    /// These purposes keep it.
    Keep(Vec<&'w str>),
    /// It is due in the active base, and these archive purposes keep it whose end nobody knows yet: it waits for a date.
    Waits(Vec<&'w str>),
    /// Archive purposes alone cover it: kept, a finding.
    KeepArchiveOnly(Vec<&'w str>),
    /// It leaves the active base, and goes into the archive of each of these purposes: until the end of that day, or until a day that can be read
    /// once the record has left.
    Archive(Vec<(&'w str, Option<NaiveDate>)>),
    /// No purpose covers it: kept, a finding.
    KeepUncovered,
    /// The purposes that needed it have ended.
    Clear(Vec<&'w str>),
    /// No purpose covers it, and the map or an erasure order says that it goes.
    ClearUncovered,
    /// It must never be stored: an incident.
    NeverStored,
}

/// One unmasked personal field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field<'w> {
    /// Its row, in the view that decided.
    pub row: RowId,
    /// The data set of its row.
    pub data_set: &'w str,
    /// The key of its row.
    pub key: &'w Key,
    /// Its category.
    pub category: &'w str,
    /// Its column.
    pub column: &'w str,
    /// What becomes of it.
    pub fate: Fate<'w>,
}

/// How one purpose stands to a record.
#[derive(Debug, Clone, Copy)]
pub struct PurposeState<'w> {
    /// The purpose.
    pub purpose: &'w Purpose,
    /// Its state.
    pub state: State,
    /// Until when it keeps in its archive what moves there now: of archive purposes whose end is known.
    pub until: Option<NaiveDate>,
    /// Whether its end is not known and can be read once the record has left.
    pub open: bool,
    /// Whether the copy by which it keeps is there; `None` for a purpose that does not keep by a copy.
    pub copied: Option<bool>,
    /// The child row through which it reaches this record, and the row of this record that the child belongs to.
    pub through: Option<(RowId, RowId)>,
}

/// What is decided about one record.
#[derive(Debug, Clone)]
pub struct Decision<'w> {
    /// What becomes of its rows. [`Outcome::Emptied`] or [`Outcome::Delete`] depends on other records.
    pub outcome: Outcome,
    /// Every purpose of its data set, then those of surviving children that need a category of it.
    pub states: Vec<PurposeState<'w>>,
    /// Its unmasked personal fields.
    pub fields: Vec<Field<'w>>,
}

impl Fate<'_> {
    /// Whether the field is cleared in the active base.
    #[must_use]
    pub fn clears(&self) -> bool {
        matches!(self, Self::Clear(_) | Self::ClearUncovered | Self::NeverStored | Self::Archive(_))
    }
}

/// Whether a purpose needs a category of its own record.
fn needs(purpose: &Purpose, category: &str) -> bool {
    match &purpose.needs.value {
        Needs::All => true,
        Needs::AllBut(left_out) => left_out.iter().all(|n| n.value != category),
        Needs::These(needed) => needed.iter().any(|n| n.value == category),
    }
}

/// Whether a purpose of a child needs a category of the parent that it belongs to.
pub(super) fn needs_of_parent(purpose: &Purpose, parent: &str, category: &str) -> bool {
    let Needs::These(needed) = &purpose.needs.value else { return false };
    needed.iter().any(|n| n.value.split_once('.') == Some((parent, category)))
}

/// Whether the root row stays in the end, every personal field is masked but those never stored, and no follower is left to delete.
fn nothing_left(record: &[(RowId, &DataSet)], unmasked: &[(Field<'_>, bool)]) -> bool {
    let stays = record.first().is_some_and(|(_, root)| root.disposition == Disposition::Anonymise);
    let follower_to_delete = record.iter().skip(1).any(|(_, d)| d.disposition == Disposition::Delete);
    stays && !follower_to_delete && unmasked.iter().all(|(_, never_stored)| *never_stored)
}

impl<'w> View<'w> {
    /// Decides about the record of a root row, before it is known whether other records keep a row that is due for deletion: such a
    /// row's outcome is [`Outcome::Delete`].
    #[must_use]
    pub fn decide(&self, root: RowId) -> Rc<Decision<'w>> {
        if let Some(known) = self.decisions.borrow().get(&root) {
            return Rc::clone(known);
        }
        let decision = Rc::new(self.decide_anew(root));
        self.decisions.borrow_mut().insert(root, Rc::clone(&decision));
        decision
    }

    /// The states of the purposes of a record's own data set.
    #[must_use]
    pub fn states(&self, root: RowId) -> Vec<PurposeState<'w>> {
        let Some(data) = self.data_set(root) else { return Vec::new() };
        let state = |(policy, purpose): (_, &'w Purpose)| PurposeState {
            purpose,
            state: self.state(policy, purpose, root, data),
            until: if purpose.is_active() { None } else { self.known_end(policy, purpose, root, data) },
            open: !purpose.is_active() && self.end_is_open(policy, purpose, root, data),
            copied: purpose.copy().map(|name| self.has_copy(root, data, name)),
            through: None,
        };
        self.purposes(data).map(state).collect()
    }

    /// The states of purposes of surviving children that need a category of a row of this record.
    fn states_of_children(&self, record: &[(RowId, &'w DataSet)]) -> Vec<PurposeState<'w>> {
        let mut all = Vec::new();
        for (row, data) in record {
            for child in self.reference.map.children_of(data) {
                let reaching: Vec<_> = self.reaching_purposes(child, data).collect();
                if reaching.is_empty() {
                    continue;
                }
                for below in self.below(*row, child) {
                    if !self.children_are_gone && self.goes_before(below) {
                        continue;
                    }
                    let held = self.is_held(below);
                    all.extend(reaching.iter().map(|(policy, purpose)| {
                        let state = self.state(policy, purpose, below, child);
                        let state = if held && state.covers() && !state.keeps() { State::Held } else { state };
                        PurposeState { purpose, state, until: None, open: false, copied: None, through: Some((below, *row)) }
                    }));
                }
            }
        }
        all
    }

    /// Whether an active order of that kind is placed on the record, in the zone of any policy.
    fn ordered(&self, root: RowId, kinds: &[OrderKind]) -> bool {
        let active = |order| self.reference.policies.iter().any(|p| self.reference.is_active(order, p.time_zone));
        self.orders(root).into_iter().any(|order| kinds.contains(&order.kind) && active(order))
    }

    /// Whether a hold or restriction covers the record.
    #[must_use]
    pub fn is_held(&self, root: RowId) -> bool {
        self.ordered(root, &[OrderKind::Hold, OrderKind::Restriction])
    }

    fn decide_anew(&self, root: RowId) -> Decision<'w> {
        let record = self.record(root);
        let Some((_, data)) = record.first().copied() else {
            return Decision { outcome: Outcome::Stays, states: Vec::new(), fields: Vec::new() };
        };
        let own = self.states(root);
        let then_delete = own.iter().any(|s| s.state.covers() && s.purpose.then_delete);
        let mut states = own;
        states.extend(self.states_of_children(&record));
        let unmasked = self.unmasked(&record);

        if self.is_held(root) {
            let fields = unmasked.into_iter().map(|(field, _)| Field { fate: Fate::Held, ..field }).collect();
            return Decision { outcome: Outcome::Held, states, fields };
        }
        let done = !then_delete && nothing_left(&record, &unmasked);
        let erasure = self.ordered(root, &[OrderKind::Erasure]);
        let (clear, dispose) = (data.clear_uncovered || erasure, data.dispose_uncovered || erasure);
        let covered = states.iter().any(|s| s.state.covers());
        let covered_here = states.iter().any(|s| s.purpose.is_active() && s.state.covers());

        let fate = |field: &Field<'w>, never_stored: bool| {
            if never_stored {
                return Fate::NeverStored;
            }
            let needing: Vec<_> = states.iter().filter(|s| s.state.covers() && self.needs_field(s, field)).collect();
            if needing.is_empty() {
                return if clear || (!covered && dispose) { Fate::ClearUncovered } else { Fate::KeepUncovered };
            }
            let ids = |of: &dyn Fn(&PurposeState<'w>) -> bool| -> Vec<&'w str> {
                needing.iter().filter(|s| of(s)).map(|s| s.purpose.id.as_str()).collect()
            };
            if ids(&|s| s.purpose.is_active()).is_empty() {
                return Fate::KeepArchiveOnly(ids(&|_| true));
            }
            let keeping = ids(&|s| s.purpose.is_active() && s.state.keeps());
            let known = |s: &PurposeState<'w>| s.copied.unwrap_or(s.until.is_some() || s.open);
            let waiting = ids(&|s| !s.purpose.is_active() && s.state.keeps() && !known(s));
            let moves = needing.iter().filter(|s| s.until.is_some() || s.open);
            let archived: Vec<_> = moves.map(|s| (s.purpose.id.as_str(), s.until)).collect();
            match (keeping.is_empty(), waiting.is_empty(), archived.is_empty()) {
                (false, _, _) => Fate::Keep(keeping),
                (_, false, _) => Fate::Waits(waiting),
                (_, _, false) => Fate::Archive(archived),
                _ => Fate::Clear(ids(&|_| true)),
            }
        };
        // What other sources need stays, as it is; they cover nothing.
        let elsewhere = self.needing_elsewhere(root, data);
        let stays = |field: &Field<'w>, fate: Fate<'w>| {
            let needs = |p: &&&'w Purpose| p.needs_elsewhere().any(|n| self.is_there(n, data) && n.category == field.category);
            let keeping: Vec<&str> = elsewhere.iter().filter(needs).map(|p| p.id.as_str()).collect();
            if fate.clears() && fate != Fate::NeverStored && field.row == root && !keeping.is_empty() {
                Fate::Keep(keeping)
            } else {
                fate
            }
        };
        let decided = |(f, never_stored): (Field<'w>, bool)| Field { fate: stays(&f, fate(&f, never_stored)), ..f };
        let fields: Vec<Field<'w>> = unmasked.into_iter().map(decided).collect();

        let active_keeps = states.iter().any(|s| s.purpose.is_active() && s.state.keeps());
        // What archives alone cover is a finding: it never moves, and its row stays with it.
        let archives_alone = covered && !covered_here;
        // Also one without a field left waits for its copy.
        let waits = states.iter().any(|s| s.copied == Some(false) && s.state.keeps());
        let kept = archives_alone || active_keeps || waits || !elsewhere.is_empty() || fields.iter().any(|f| !f.fate.clears());
        let disposition = match data.disposition {
            Disposition::Anonymise if !then_delete => Outcome::Anonymise,
            _ => Outcome::Delete,
        };
        let outcome = if done {
            Outcome::Done
        } else if !covered && !dispose {
            Outcome::Uncovered
        } else if kept {
            Outcome::Stays
        } else {
            disposition
        };
        Decision { outcome, states, fields }
    }

    /// Whether a need names a category of this data set.
    fn is_there(&self, need: There<'_>, data: &DataSet) -> bool {
        need.source == self.reference.map.source.value && need.data_set == data.id.value
    }

    /// The purposes of other sources that need something of the person whom a record is about.
    fn needing_elsewhere(&self, root: RowId, data: &'w DataSet) -> Vec<&'w Purpose> {
        let person = data.subjects.first().and_then(|s| self.value(root, &s.column)?.join_form());
        let needed = |purpose: &&Purpose| {
            let name = format!("{}.{}", purpose.data.source, purpose.id);
            let same = |n: &super::Needed| n.purpose == name && n.person.join_form() == person;
            person.is_some()
                && purpose.needs_elsewhere().any(|n| self.is_there(n, data))
                && self.reference.needed.iter().any(same)
        };
        self.reference.policies.iter().flat_map(|p| &p.purposes).filter(needed).collect()
    }

    /// Whether everything of the record was masked already and its row stays in the end.
    pub(super) fn is_done(&self, root: RowId) -> bool {
        let record = self.record(root);
        let then_delete = || self.states(root).iter().any(|s| s.state.covers() && s.purpose.then_delete);
        !self.is_held(root) && nothing_left(&record, &self.unmasked(&record)) && !then_delete()
    }

    fn needs_field(&self, state: &PurposeState<'w>, field: &Field<'w>) -> bool {
        match state.through {
            None => needs(state.purpose, field.category),
            Some((_, row)) => {
                row == field.row && self.data_set(row).is_some_and(|d| needs_of_parent(state.purpose, &d.id, field.category))
            }
        }
    }

    /// The personal fields of a record that are not at their masks, each with whether it must never be stored.
    fn unmasked(&self, record: &[(RowId, &'w DataSet)]) -> Vec<(Field<'w>, bool)> {
        let mut all = Vec::new();
        for (row, data) in record {
            for category in &data.categories {
                for column in &category.columns {
                    let value = self.value(*row, &column.name).unwrap_or(&Value::Null);
                    if !masking::is_done(value, &column.mask) {
                        let field = Field {
                            row: *row,
                            data_set: &data.id,
                            key: self.key(*row),
                            category: &category.name,
                            column: &column.name,
                            fate: Fate::KeepUncovered,
                        };
                        all.push((field, category.never_stored));
                    }
                }
            }
        }
        all
    }
}
