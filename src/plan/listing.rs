//! Every statement of a plan, for people: to be read, reviewed, and put behind an EXPLAIN.

use super::action::{Action, ActionKind, Path, Shape};
use super::archiving::Archiving;
use super::companion::{Companion, Operation};
use super::compile::Plan;
use super::dialect::Dialect;
use super::due::Of;
use super::key::RecordKey;
use super::knot::{Knot, Under};
use super::pointers::Pointers;
use super::schema::{Column, TypeClass};

/// One statement of a plan.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Listed {
    /// The action that it belongs to.
    pub action: String,
    /// What it is for.
    pub step: Step,
    /// Its text. Where it names records, it names two that stand for those of a batch.
    pub sql: String,
}

/// What a statement is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Counts what is due, before and after a run.
    Count,
    /// Finds candidates.
    Find,
    /// Locks the rows of a batch.
    Lock,
    /// Locks what the predicate reads.
    LockRead,
    /// Asks under all locks which rows of a batch are due.
    Confirm,
    /// Reads what goes into archives.
    Archive,
    /// Read which files go, and which other rows point to.
    Files,
    /// Finds rows that go with those of a batch.
    FindCompanions,
    /// Changes rows that go with those of a batch.
    ActOnCompanions,
    /// Finds who keeps rows that may go together with them.
    FindKeepers,
    /// Changes the rows of a batch.
    Act,
}

impl Step {
    /// Its name.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Find => "find",
            Self::Lock => "lock",
            Self::LockRead => "lock what is read",
            Self::Confirm => "ask again under all locks",
            Self::Archive => "read what goes into an archive",
            Self::Files => "read which files go",
            Self::FindCompanions => "find companions",
            Self::ActOnCompanions => "act on companions",
            Self::FindKeepers => "find who keeps them",
            Self::Act => "act",
        }
    }
}

/// The statements of a plan, in the order in which a run sends them. Fence, ledger and what opens and ends transactions are not among them.
#[must_use]
pub fn listing(plan: &Plan) -> Vec<Listed> {
    let mut all = Vec::new();
    for action in &plan.actions {
        let mut list = |step, sql| all.push(Listed { action: action.id.clone(), step, sql });
        let d = plan.dialect;
        if let Some(census) = plan.due.iter().find(|c| c.data_set == action.data_set) {
            list(Step::Count, census.count(d, Path::Planned, action, Of::Due, false, &[]));
        }
        list(Step::Find, action.find(d, Path::Planned, None, 1_000));
        batch(d, action, &mut list);
    }
    for knot in &plan.knots {
        for n in 0..knot.members.len() {
            circles(plan.dialect, knot, n, &mut all);
        }
    }
    all
}

/// What is asked about the rows of one data set of a knot, and done to those that go together.
fn circles(d: Dialect, knot: &Knot, n: usize, all: &mut Vec<Listed>) {
    let member = &knot.members[n];
    let (Some(one), Some(two)) = (sample(d, &member.key, 0), sample(d, &member.key, 1)) else { return };
    let keys = [one, two];
    let action = format!("{}.{}", knot.members[member.root].data_set, ActionKind::Delete.word());
    let mut list = |step, sql| all.push(Listed { action: action.clone(), step, sql });
    if member.is_searched() {
        list(Step::Find, member.find(d, None, 500, false));
    }
    list(Step::FindKeepers, member.may_go(d, &keys, Under::Nothing));
    for way in &member.ways {
        list(Step::FindKeepers, member.who_keeps(d, way, &knot.members[way.to], &keys, Under::Nothing));
    }
    let mut locks = knot.lock(d, n, &keys).into_iter();
    locks.next().into_iter().for_each(|sql| list(Step::Lock, sql));
    locks.for_each(|sql| list(Step::LockRead, sql));
    archived(d, member.archiving.as_ref(), &keys, &mut list);
    pointed(d, member.files.as_ref(), &keys, &mut list);
    companions(d, &member.companions, (&member.table, &member.key), &keys, &mut list);
    list(Step::Act, member.delete(d, &keys));
}

fn batch(d: Dialect, action: &Action, list: &mut dyn FnMut(Step, String)) {
    let (Some(one), Some(two)) = (sample(d, &action.key, 0), sample(d, &action.key, 1)) else { return };
    let keys = [one, two];
    match action.shape(d) {
        Shape::Window => return list(Step::Act, action.act_window(d, &keys[0], &keys[1])),
        Shape::Keys => return list(Step::Act, action.act_keys(d, &keys, false)),
        Shape::LockFirst => {}
    }
    action.lock(d, &keys).into_iter().for_each(|sql| list(Step::Lock, sql));
    action.lock_read_rows(d, &keys).into_iter().for_each(|sql| list(Step::LockRead, sql));
    if action.confirms(d) {
        list(Step::Confirm, action.confirm(d, &keys));
    }
    archived(d, action.archiving.as_ref(), &keys, list);
    pointed(d, action.files.as_ref(), &keys, list);
    companions(d, &action.companions, (&action.table, &action.key), &keys, list);
    // An action on what follows its rows leaves the rows themselves as they are.
    if action.kind == ActionKind::Delete || !action.set.is_empty() {
        list(Step::Act, action.act_keys(d, &keys, action.repeats_predicate(d)));
    }
}

fn archived(d: Dialect, archiving: Option<&Archiving>, keys: &[RecordKey], list: &mut dyn FnMut(Step, String)) {
    let Some(archiving) = archiving else { return };
    list(Step::Archive, archiving.ask(d, keys));
    (1..archiving.parts.len()).for_each(|part| list(Step::Archive, archiving.rows(d, part, keys)));
}

fn pointed(d: Dialect, files: Option<&Pointers>, keys: &[RecordKey], list: &mut dyn FnMut(Step, String)) {
    let Some(files) = files else { return };
    list(Step::Files, files.read(d, keys));
    for pointer in &files.columns {
        pointer.still(d, &["a", "b"]).into_iter().for_each(|sql| list(Step::Files, sql));
    }
}

fn companions(
    d: Dialect,
    all: &[Companion],
    above: (&super::schema::TableName, &[Column]),
    keys: &[RecordKey],
    list: &mut dyn FnMut(Step, String),
) {
    for companion in all {
        if !companion.by.is_empty() {
            list(Step::FindCompanions, companion.count(d, keys, 1_000));
            list(Step::ActOnCompanions, companion.sweep(d, keys));
            continue;
        }
        list(Step::FindCompanions, companion.find(d, above.0, above.1, keys, 1_000));
        let (Some(one), Some(two)) = (sample(d, &companion.key, 0), sample(d, &companion.key, 1)) else { continue };
        let keys = [one, two];
        archived(d, companion.archiving.as_ref(), &keys, list);
        pointed(d, companion.files.as_ref(), &keys, list);
        companions(d, &companion.companions, (&companion.table, &companion.key), &keys, list);
        // Rows that only lead to others are not changed themselves.
        if !matches!(&companion.operation, Operation::Mask(set) if set.is_empty()) {
            list(Step::ActOnCompanions, companion.act(d, &keys));
        }
    }
}

/// A key that stands for one of a batch.
fn sample(d: Dialect, columns: &[Column], n: usize) -> Option<RecordKey> {
    let parts = columns.iter().map(|c| {
        let text = match c.class {
            TypeClass::Integer | TypeClass::Decimal | TypeClass::Bit => ["1", "2"][n],
            TypeClass::Boolean => ["false", "true"][n],
            TypeClass::Uuid => ["00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"][n],
            TypeClass::Binary => ["00000000000000000000000000000001", "00000000000000000000000000000002"][n],
            TypeClass::Date => ["2001-01-01", "2001-01-02"][n],
            TypeClass::DateTime | TypeClass::Instant => ["2001-01-01 00:00:00", "2001-01-02 00:00:00"][n],
            _ => ["a", "b"][n],
        };
        d.typed_part(c, text)
    });
    parts.collect::<Option<Vec<_>>>().map(RecordKey)
}
