//! From the answers of the statements to what is told: outcome, purposes, categories, changes.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use super::columns::{Cells, cell, is_set, number};
use super::dates::Stamp;
use super::fields::{ChangeColumn, FieldColumn};
use super::purposes::{PurposeReader, elsewhere};
use super::question::{ChildQuestion, Question};
use super::story::{
    CategoryStory, Change, Decision, Explanation, Keeper, Operation, OrderScope, OrderStory, Outcome, PurposeStory, State,
    Through, Waiting, Why,
};
use crate::plan::action::ActionKind;
use crate::plan::record::Records;
use crate::policy::link::needs_category;
use crate::policy::map::DataSet;
use crate::policy::purpose::{Needs, OrderKind};

/// What the statements of [`Question::statements`] answered.
#[derive(Clone)]
pub struct Answers {
    /// The record's row.
    pub row: Vec<Option<String>>,
    /// Its orders.
    pub orders: Vec<Vec<Option<String>>>,
    /// By child purpose: its rows.
    pub children: Vec<Vec<Vec<Option<String>>>>,
}

impl std::fmt::Debug for Answers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answers({} columns, {} orders)", self.row.len(), self.orders.len())
    }
}

/// Tells the story of the record that was read. `key` is the key as it was asked for.
#[must_use]
pub fn tell(question: &Question, records: &Records<'_>, data: &DataSet, key: &[String], answers: &Answers) -> Explanation {
    let row = answers.row.as_slice();
    let orders: Vec<OrderStory> = answers.orders.iter().filter_map(|r| order(r)).collect();
    let kinds: Vec<OrderKind> = orders.iter().map(|o| o.kind).collect();
    let reader = PurposeReader { data, columns: &question.purposes, row };
    let mut purposes: Vec<PurposeStory> = Vec::new();
    for (i, at) in &question.purposes.states {
        let timed = records.purposes[*i];
        let needs = categories(records, data).into_iter().filter(|c| needs_category(timed.purpose, c)).collect();
        purposes.push(reader.story(timed, *at, needs, &kinds));
    }
    for (child, rows) in question.children.iter().zip(&answers.children) {
        purposes.extend(of_children(child, records, data, rows));
    }
    purposes.extend(question.elsewhere.iter().map(|(i, at)| elsewhere(&records.elsewhere[*i], !is_set(row, *at))));
    let teller = Teller { question, records, data, row, purposes: &purposes };
    let outcome = teller.outcome();
    Explanation {
        data_set: format!("{}.{}", records.terms.resolved.map.source, data.id),
        title: data.title.clone(),
        key: key.to_vec(),
        follower: None,
        today: records.terms.orders.today,
        outcome,
        categories: teller.categories(outcome),
        waits_for: match outcome {
            Outcome::Empty | Outcome::WaitsEmptied => teller.waits(),
            _ => Vec::new(),
        },
        changes: teller.changes(outcome),
        pseudonyms: pseudonyms(question),
        orders,
        purposes,
    }
}

fn pseudonyms(question: &Question) -> Vec<String> {
    let columns = question.fields.iter().filter(|f| f.pseudonym).map(|f| format!("{}.{}", f.data_set, f.column));
    columns.collect::<BTreeSet<_>>().into_iter().collect()
}

fn order(row: &Cells) -> Option<OrderStory> {
    let word = cell(row, 1)?;
    let (_, kind) = OrderKind::WORDS.into_iter().find(|(w, _)| *w == word)?;
    let day = |at: usize| cell(row, at).and_then(|t| NaiveDate::parse_from_str(t.get(..10)?, "%Y-%m-%d").ok());
    Some(OrderStory {
        id: cell(row, 0).unwrap_or_default().to_owned(),
        kind,
        scope: match cell(row, 2) {
            Some("tenant") => OrderScope::Tenant,
            Some("subject") => OrderScope::Subject,
            _ => OrderScope::Record,
        },
        placed_on: day(3),
        until: day(4),
    })
}

/// The categories of a record that purposes may need, each once.
fn categories(records: &Records<'_>, data: &DataSet) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for category in records.terms.resolved.map.record_of(data).iter().flat_map(|d| &d.categories) {
        if !category.never_stored && !all.contains(&category.name.value) {
            all.push(category.name.value.clone());
        }
    }
    all
}

/// The story of a purpose of child records: that of the row which keeps longest, or of the one that ended last.
fn of_children(
    question: &ChildQuestion,
    records: &Records<'_>,
    data: &DataSet,
    rows: &[Vec<Option<String>>],
) -> Option<PurposeStory> {
    let (i, at) = *question.purposes.states.first()?;
    let timed = records.purposes[i];
    let child = records.terms.resolved.map.data_set(&question.data_set)?;
    let prefix = format!("{}.", data.id);
    let needs: Vec<String> = match &timed.purpose.needs.value {
        Needs::These(list) => list.iter().filter_map(|n| n.value.strip_prefix(&prefix)).map(str::to_owned).collect(),
        Needs::All | Needs::AllBut(_) => Vec::new(),
    };
    // A child that is deleted in this very run covers nothing any more.
    let stories: Vec<PurposeStory> = rows
        .iter()
        .filter(|row| !is_set(row, question.going))
        .map(|row| {
            let story = PurposeReader { data: child, columns: &question.purposes, row }.story(timed, at, needs.clone(), &[]);
            if is_set(row, question.held) && story.state.ended() { held(story) } else { story }
        })
        .collect();
    let keeping = stories.iter().filter(|s| s.keeps).count() as u64;
    let covered = stories.iter().filter(|s| s.keeps || s.state.ended()).count() as u64;
    let through = Through { data_set: child.id.value.clone(), title: child.title.clone(), rows: covered, keeping };
    // An end that nobody knows is the latest of all.
    let rank = |s: &PurposeStory| (s.keeps, s.state.ended(), s.ends.is_none(), s.ends);
    let mut told = stories.into_iter().max_by_key(rank)?;
    told.through = Some(through);
    Some(told)
}

/// A purpose that has ended, of a child on which a hold or restriction lies.
fn held(story: PurposeStory) -> PurposeStory {
    PurposeStory { state: State::Held, keeps: true, ends: None, ends_by_cap: None, ..story }
}

struct Teller<'a> {
    question: &'a Question,
    records: &'a Records<'a>,
    data: &'a DataSet,
    row: &'a Cells,
    purposes: &'a [PurposeStory],
}

impl Teller<'_> {
    fn acts(&self, kind: ActionKind) -> bool {
        self.question.actions.iter().any(|a| a.kind == kind && is_set(self.row, a.at))
    }

    fn outcome(&self) -> Outcome {
        let (q, row) = (self.question, self.row);
        if is_set(row, q.frozen) {
            return Outcome::Held;
        }
        if self.acts(ActionKind::Delete) || is_set(row, q.gone) {
            return Outcome::Delete;
        }
        for (kind, outcome) in [
            (ActionKind::Anonymise, Outcome::Anonymise),
            (ActionKind::Pseudonymise, Outcome::Pseudonymise),
            (ActionKind::Empty, Outcome::Empty),
            (ActionKind::Clear, Outcome::Clear),
        ] {
            if self.acts(kind) {
                return outcome;
            }
        }
        if is_set(row, q.done) {
            let kept = self.records.terms.resolved.map.keeps_pseudonyms(self.data);
            return if kept { Outcome::DonePseudonymised } else { Outcome::Done };
        }
        if is_set(row, q.due) {
            return Outcome::WaitsEmptied;
        }
        if !self.purposes.iter().any(|p| p.keeps) {
            return Outcome::Uncovered;
        }
        let gone = |f: &FieldColumn| !f.never_stored && self.keepers(f).is_empty();
        let gone = q.fields.iter().filter(|f| gone(f)).collect::<Vec<_>>();
        let any = !gone.is_empty() && gone.iter().all(|f| number(row, f.at) == 0);
        if any { Outcome::KeptInPart } else { Outcome::Kept }
    }

    /// The purposes that keep a field: the record's own by its category, those of children only in the root itself.
    fn keepers(&self, field: &FieldColumn) -> Vec<Keeper> {
        self.needing(field).filter(|p| p.keeps && is_active(p)).map(keeper).collect()
    }

    /// The archive purposes that need a field and have not ended.
    fn archives(&self, field: &FieldColumn) -> Vec<Keeper> {
        self.needing(field).filter(|p| p.keeps && !is_active(p)).map(keeper).collect()
    }

    fn needing<'s>(&'s self, field: &'s FieldColumn) -> impl Iterator<Item = &'s PurposeStory> {
        let in_root = field.data_set == self.data.id.value;
        let needed =
            move |p: &&PurposeStory| (p.through.is_none() && p.source.is_none() || in_root) && p.needs.contains(&field.category);
        self.purposes.iter().filter(needed)
    }

    /// Whether the next run clears the field, or deletes the row that holds it.
    fn goes(&self, field: &FieldColumn, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Delete | Outcome::Anonymise | Outcome::Pseudonymise | Outcome::Empty => return true,
            Outcome::Held => return false,
            _ => {}
        }
        let acting = self
            .question
            .actions
            .iter()
            .filter(|a| matches!(a.kind, ActionKind::NeverStored | ActionKind::Clear) && is_set(self.row, a.at));
        acting.flat_map(|a| &a.masks).any(|(data_set, column)| *data_set == field.data_set && *column == field.column)
    }

    fn categories(&self, outcome: Outcome) -> Vec<CategoryStory> {
        let mut all: Vec<CategoryStory> = Vec::new();
        for field in &self.question.fields {
            let story = self.field(field, outcome);
            let same = all.iter_mut().find(|c| {
                let fate = |c: &CategoryStory| (c.decision, c.why, c.kept_by.clone(), c.archived.clone());
                c.category == story.category && c.never_stored == story.never_stored && fate(c) == fate(&story)
            });
            match same {
                None => all.push(story),
                Some(known) => {
                    known.pseudonymised |= story.pseudonymised;
                    known.coarsened |= story.coarsened;
                    known.stored.extend(story.stored);
                    let new = story.data_sets.into_iter().filter(|d| !known.data_sets.contains(d)).collect::<Vec<_>>();
                    known.data_sets.extend(new);
                }
            }
        }
        // What is empty in one table says nothing where the category is stored in another.
        let stored: Vec<String> = all.iter().filter(|c| c.decision != Decision::Nothing).map(|c| c.category.clone()).collect();
        all.retain(|c| c.decision != Decision::Nothing || !stored.contains(&c.category));
        let names: Vec<String> = all.iter().map(|c| c.category.clone()).collect();
        for story in &mut all {
            if names.iter().filter(|n| **n == story.category).count() > 1 {
                let map = self.records.terms.resolved.map;
                story.only_in = story.data_sets.iter().filter_map(|d| Some(map.data_set(d)?.title.clone())).collect();
            }
        }
        all
    }

    /// A category as far as one column shows it.
    fn field(&self, field: &FieldColumn, outcome: Outcome) -> CategoryStory {
        let rows = number(self.row, field.at);
        let (kept_by, archives) = (self.keepers(field), self.archives(field));
        let decision = match outcome {
            _ if rows == 0 => Decision::Nothing,
            Outcome::Held => Decision::Held,
            _ if self.goes(field, outcome) => Decision::Goes,
            _ if !kept_by.is_empty() => Decision::Kept,
            _ if archives.is_empty() => Decision::Uncovered,
            _ if self.needing(field).any(|p| is_active(p) && p.state.ended()) => Decision::WaitsForDate,
            _ => Decision::ArchiveOnly,
        };
        let archived = match decision {
            Decision::Goes | Decision::WaitsForDate | Decision::ArchiveOnly if !field.never_stored => archives,
            _ => Vec::new(),
        };
        let last = self.needing(field).filter(|p| p.state.ended()).max_by_key(|p| p.ends).map(|p| p.title.clone());
        let why = (decision == Decision::Goes).then_some(match &last {
            _ if field.never_stored => Why::NeverStored,
            Some(_) => Why::PurposesOver,
            None => Why::Uncovered,
        });
        let stays = match decision {
            Decision::Goes => outcome != Outcome::Delete,
            other => other == Decision::Nothing,
        };
        CategoryStory {
            category: field.category.clone(),
            data_sets: vec![field.data_set.clone()],
            only_in: Vec::new(),
            decision,
            never_stored: field.never_stored,
            last_purpose: last.filter(|_| why == Some(Why::PurposesOver)),
            kept_by: if decision == Decision::Kept { kept_by } else { Vec::new() },
            archived,
            why,
            pseudonymised: field.pseudonym && stays,
            coarsened: field.coarsened && stays,
            stored: if rows > 0 { vec![(format!("{}.{}", field.data_set, field.column), rows)] } else { Vec::new() },
        }
    }

    fn waits(&self) -> Vec<Waiting> {
        let standing = self.question.waits.iter().filter(|(_, _, at)| is_set(self.row, *at));
        standing.map(|(title, reads, _)| Waiting { title: title.clone(), reads: *reads }).collect()
    }

    fn changes(&self, outcome: Outcome) -> Vec<Change> {
        let change = |c: &ChangeColumn| Change {
            data_set: c.data_set.clone(),
            operation: c.operation,
            column: c.column.clone(),
            rows: number(self.row, c.at),
        };
        let all: Vec<Change> = match outcome {
            Outcome::Delete => self.question.deleting.iter().map(change).collect(),
            Outcome::Anonymise | Outcome::Pseudonymise => self.question.anonymising.iter().map(change).collect(),
            _ => {
                let going = self.question.fields.iter().filter(|f| self.goes(f, outcome));
                let mask = |f: &FieldColumn| Change {
                    data_set: f.data_set.clone(),
                    operation: if f.pseudonym { Operation::Pseudonymise } else { Operation::Mask },
                    column: Some(f.column.clone()),
                    rows: number(self.row, f.at),
                };
                going.map(mask).collect()
            }
        };
        // Rows of one data set that go for two reasons, or by two ways, are one change.
        let mut merged: Vec<Change> = Vec::new();
        for change in all.into_iter().filter(|c| c.rows > 0) {
            let same =
                |c: &&mut Change| (&c.data_set, c.operation, &c.column) == (&change.data_set, change.operation, &change.column);
            match merged.iter_mut().find(same) {
                Some(known) => known.rows += change.rows,
                None => merged.push(change),
            }
        }
        merged
    }
}

/// Whether a purpose keeps in the active base.
fn is_active(p: &PurposeStory) -> bool {
    p.archive.is_none() && p.copy.is_none()
}

fn keeper(p: &PurposeStory) -> Keeper {
    let (archive, copy) = (p.archive.clone(), p.copy.clone());
    Keeper { purpose: p.id.clone(), title: p.title.clone(), archive, copy, ends: known_end(p) }
}

/// When a purpose that keeps will keep no longer; unknown while a condition keeps it.
fn known_end(purpose: &PurposeStory) -> Option<Stamp> {
    match purpose.state {
        State::Undecided | State::KeptWhile | State::Held => None,
        _ => purpose.ends,
    }
}
