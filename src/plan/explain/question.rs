//! The statements that read one record's story. They write nothing, and repeat the plan's own predicates.

use std::collections::BTreeMap;

use super::columns::{Columns, PurposeColumns};
use super::decision::Answers;
use super::fields::{ChangeColumn, Fate, FieldColumn, Rows};
use crate::plan::action::{Action, ActionKind, ROW};
use crate::plan::boolean::B;
use crate::plan::companion::{Companion, Operation};
use crate::plan::dialect::Dialect;
use crate::plan::keepers::{Asking, Why};
use crate::plan::key::RecordKey;
use crate::plan::own_tables::OwnTable;
use crate::plan::record::Records;
use crate::plan::schema::{Column, Engine};
use crate::plan::terms::{inner_alias, join};
use crate::policy::map::{DataSet, Disposition, Title};

/// Most child rows whose purposes are read; with more, the figures cover these.
const MOST_CHILDREN: u32 = 10_000;

/// What is asked about one record of a root data set.
#[derive(Debug, Clone)]
pub struct Question {
    /// Id of the root data set.
    pub data_set: String,
    dialect: Dialect,
    key: Vec<Column>,
    select: String,
    orders: Option<String>,
    pub(super) purposes: PurposeColumns,
    pub(super) children: Vec<ChildQuestion>,
    pub(super) frozen: usize,
    /// By purpose of another source: the column that says that it does not need the person.
    pub(super) elsewhere: Vec<(usize, usize)>,
    pub(super) actions: Vec<ActionColumn>,
    pub(super) due: usize,
    pub(super) gone: usize,
    pub(super) done: usize,
    pub(super) waits: Vec<(Title, bool, usize)>,
    pub(super) fields: Vec<FieldColumn>,
    pub(super) deleting: Vec<ChangeColumn>,
    pub(super) anonymising: Vec<ChangeColumn>,
}

/// An action of the plan, and the column that says whether the record is due for it.
#[derive(Debug, Clone)]
pub(super) struct ActionColumn {
    pub kind: ActionKind,
    /// The columns that it masks, by data set.
    pub masks: Vec<(String, String)>,
    pub at: usize,
}

/// What is asked about the child rows through which one purpose needs data of the record.
#[derive(Debug, Clone)]
pub(super) struct ChildQuestion {
    pub data_set: String,
    pub going: usize,
    pub held: usize,
    pub purposes: PurposeColumns,
    select: String,
}

impl Question {
    /// What to ask about a record of `data`, with the actions of the plan. `going` are rows that follow it and go although rows keep them, by data set.
    /// `None` for a data set without a table.
    #[must_use]
    pub fn new(
        records: &Records<'_>,
        data: &DataSet,
        actions: &[Action],
        going: &BTreeMap<String, Vec<RecordKey>>,
    ) -> Option<Self> {
        let resolved = records.terms.resolved;
        let d = resolved.dialect;
        let table = d.table(&resolved.table(data)?.name);
        let mut columns = Columns::default();
        let purposes = PurposeColumns::new(records, &records.all_purposes(data), data, ROW, &mut columns);
        let frozen = columns.bit(&records.frozen(data, ROW));
        let elsewhere = records.elsewhere_of(data).into_iter();
        let elsewhere = elsewhere.map(|i| (i, columns.bit(&records.free_elsewhere(i, data, ROW)))).collect();
        let actions = actions
            .iter()
            .filter(|a| a.data_set == data.id.value)
            .map(|a| ActionColumn { kind: a.kind, masks: masks(a), at: columns.bit(&a.predicate) })
            .collect();
        let due = columns.bit(&records.row_due(data, ROW, &[&data.id]));
        let gone = columns.bit(&records.foreseen_gone(data, ROW));
        let done = columns.bit(&match data.disposition {
            Disposition::Delete => B::False,
            Disposition::Anonymise => records.not_done(data, ROW).negate(),
        });
        let waits = waits(records, data, &mut columns);
        let rows = Rows::root(records, data, going);
        let fields = rows.fields(&mut columns);
        let deleting = rows.changes(Fate::Deleted, &mut columns);
        let anonymising = rows.changes(Fate::Anonymised, &mut columns);
        let children = records.child_purposes(data).into_iter().filter_map(|i| child(records, data, &table, i)).collect();
        let orders = records.terms.orders.standing(data, ROW, &resolved).map(|standing| {
            format!(
                "SELECT h.order_id, h.kind, h.scope, {}, {} FROM {} AS h, {table} AS {ROW} WHERE {standing}",
                d.as_text("h.placed_on"),
                d.as_text(&d.column("h", "until")),
                d.own(OwnTable::Hold)
            )
        });
        Some(Self {
            data_set: data.id.value.clone(),
            dialect: d,
            key: resolved.key_columns(data),
            select: format!("SELECT {} FROM {table} AS {ROW}", columns.list()),
            orders,
            purposes,
            children,
            frozen,
            elsewhere,
            actions,
            due,
            gone,
            done,
            waits,
            fields,
            deleting,
            anonymising,
        })
    }

    /// The statements for one key, to be sent at once so that all see the same moment: it opens and closes a transaction that reads. Its
    /// answers, the first and the last left out, are what [`tell`](super::tell) takes.
    #[must_use]
    pub fn statements(&self, key: &RecordKey) -> Vec<String> {
        let key = self.dialect.key_in(ROW, &self.key, std::slice::from_ref(key));
        let begin = match self.dialect.engine {
            Engine::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            Engine::MariaDb | Engine::MySql => "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
            Engine::Sqlite => "BEGIN",
        };
        let mut all = vec![begin.to_owned(), format!("{} WHERE {key}", self.select)];
        all.push(match &self.orders {
            Some(orders) => format!("{orders} AND {key} ORDER BY 4, 1"),
            None => "SELECT 1 WHERE 1 = 0".to_owned(),
        });
        all.extend(self.children.iter().map(|c| format!("{} WHERE {key} LIMIT {MOST_CHILDREN}", c.select)));
        all.push("ROLLBACK".to_owned());
        all
    }

    /// Says that the record goes, although rows keep it: with those.
    pub fn say_gone(&self, answers: &mut Answers) {
        say(answers, self.gone);
    }

    /// Says that something is done to what follows the record, which stays: rows go although others keep them, with those.
    pub fn say_acted(&self, answers: &mut Answers) {
        for action in self.actions.iter().filter(|a| matches!(a.kind, ActionKind::Anonymise | ActionKind::Pseudonymise)) {
            say(answers, action.at);
        }
    }
}

fn say(answers: &mut Answers, at: usize) {
    if let Some(cell) = answers.row.get_mut(at) {
        *cell = Some("1".to_owned());
    }
}

/// The columns that an action masks, by data set, in the record itself and in what follows it.
fn masks(action: &Action) -> Vec<(String, String)> {
    fn below(companions: &[Companion], all: &mut Vec<(String, String)>) {
        for companion in companions {
            if let (Some(data_set), Operation::Mask(set)) = (&companion.data_set, &companion.operation) {
                all.extend(set.iter().map(|(column, _)| (data_set.clone(), column.clone())));
            }
            below(&companion.companions, all);
        }
    }
    let mut all: Vec<(String, String)> = action.set.iter().map(|(column, _)| (action.data_set.clone(), column.clone())).collect();
    below(&action.companions, &mut all);
    all
}

/// Who keeps a due row in place: by data set or table, whether it reads or refers, and the column that says so.
fn waits(records: &Records<'_>, data: &DataSet, columns: &mut Columns) -> Vec<(Title, bool, usize)> {
    let resolved = records.terms.resolved;
    let mut all: Vec<(Title, bool, B)> = Vec::new();
    let mut add = |title: Title, reads: bool, exists: B| match all.iter_mut().find(|(t, r, _)| *t == title && *r == reads) {
        Some((_, _, known)) => *known = B::or([known.clone(), exists]),
        None => all.push((title, reads, exists)),
    };
    for keeper in records.keepers(data, ROW, Asking::all(&[&data.id])) {
        let exists = keeper.exists(&resolved, ROW);
        match keeper.why {
            Why::Reads(reader) => add(reader.title.clone(), true, exists),
            Why::Refers(table) => {
                let name = &table.name.name;
                let title = resolved.data_set_of(table).map(|other| other.title.clone());
                add(title.unwrap_or_else(|| Title { fr: name.clone(), en: name.clone() }), false, exists);
            }
        }
    }
    all.into_iter().filter(|(_, _, b)| !b.is_false()).map(|(title, reads, b)| (title, reads, columns.bit(&b))).collect()
}

fn child(records: &Records<'_>, data: &DataSet, table: &str, purpose: usize) -> Option<ChildQuestion> {
    let resolved = records.terms.resolved;
    let d = resolved.dialect;
    let child = resolved.map.data_set(&records.purposes[purpose].purpose.data.data_set)?;
    let parent = child.parent.as_ref()?;
    let alias = inner_alias(ROW);
    let pairs: Vec<(String, String)> = parent.on.iter().map(|(here, there)| (here.value.clone(), there.value.clone())).collect();
    let mut columns = Columns::default();
    let purposes = PurposeColumns::new(records, &[purpose], child, &alias, &mut columns);
    let going = columns.bit(&records.going(child, &alias, &[&data.id], None));
    let held = columns.bit(&records.frozen(child, &alias));
    let select = format!(
        "SELECT {} FROM {table} AS {ROW} JOIN {} AS {alias} ON {}",
        columns.list(),
        d.table(&resolved.table(child)?.name),
        join(&resolved, &alias, ROW, &pairs).render()
    );
    Some(ChildQuestion { data_set: child.id.value.clone(), going, held, purposes, select })
}
