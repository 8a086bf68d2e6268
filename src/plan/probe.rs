//! The statements that try a data set's masks on a few rows, in a transaction that is rolled back.

use super::action::ROW;
use super::boolean::B;
use super::companion::{Operation, rows_by, statement};
use super::compile::Plan;
use super::dialect::Dialect;
use super::key::RecordKey;
use super::resolve::Resolved;
use super::schema::{Column, TableName};
use super::touch::touches;
use crate::policy::located::Span;
use crate::policy::map::DataSet;
use crate::policy::mask::Mask;

/// One mask of a data set.
#[derive(Debug, Clone)]
pub struct ProbeMask {
    /// The column.
    pub column: String,
    /// Its category.
    pub category: String,
    /// Where the map says what its mask is.
    pub at: Span,
    /// Whether a row still has to be masked, over alias `r`.
    todo: B,
    /// The same over alias `s`.
    other_todo: B,
    fixed: bool,
}

/// What is tried on one table: exactly the columns that the plan writes, with the expressions that it writes.
#[derive(Debug, Clone)]
pub struct Probe {
    /// The data set.
    pub data_set: String,
    /// Where the map names its table.
    pub at: Span,
    /// Its table.
    pub table: TableName,
    /// Its key.
    pub key: Vec<Column>,
    /// The masks.
    pub masks: Vec<ProbeMask>,
    /// Columns that date events of any data set and are not masked themselves: they must not move.
    pub dates: Vec<String>,
    /// Every column that is written, with its expression; columns that are written to themselves included.
    set: Vec<(String, String)>,
    /// For each UNIQUE over several columns with a fixed mask: its other columns and its fixed ones.
    uniques: Vec<(Vec<String>, Vec<String>)>,
}

/// A probe for each data set of which the plan writes columns.
#[must_use]
pub fn probes(plan: &Plan, resolved: &Resolved<'_>) -> Vec<Probe> {
    let touched = touches(plan);
    resolved
        .map
        .data_sets
        .iter()
        .filter_map(|data| probe(data, resolved, touched.get(&resolved.table(data)?.name)?.set.clone()))
        .collect()
}

fn probe(data: &DataSet, resolved: &Resolved<'_>, set: std::collections::BTreeMap<String, String>) -> Option<Probe> {
    let table = resolved.table(data)?;
    let d = resolved.dialect;
    let mut masks = Vec::new();
    for category in &data.categories {
        for personal in category.columns.iter().filter(|c| set.contains_key(&c.name.value)) {
            let column = table.column(&personal.name)?;
            masks.push(ProbeMask {
                column: column.name.clone(),
                category: category.name.value.clone(),
                at: personal.mask.at.clone(),
                todo: d.mask(ROW, column, &personal.mask)?.todo,
                other_todo: d.mask("s", column, &personal.mask)?.todo,
                fixed: matches!(personal.mask.value, Mask::Fixed(_)),
            });
        }
    }
    let masked = |name: &str| masks.iter().any(|m| m.column == name);
    let fixed = |name: &str| masks.iter().any(|m| m.fixed && m.column == name);
    let uniques = table.indexes.iter().filter(|i| i.unique && i.columns.len() > 1).filter_map(|i| {
        let (fixed, others): (Vec<String>, Vec<String>) = i.columns.iter().cloned().partition(|c| fixed(c));
        let plain = !fixed.is_empty() && !others.is_empty() && others.iter().all(|c| !c.is_empty() && !masked(c));
        plain.then_some((others, fixed))
    });
    let uniques = uniques.collect();
    let dates = resolved.event_columns(table).into_iter().filter(|c| !masked(c)).collect();
    if masks.is_empty() {
        return None;
    }
    Some(Probe {
        data_set: data.id.value.clone(),
        at: data.table.at.clone(),
        table: table.name.clone(),
        key: resolved.key_columns(data),
        masks,
        dates,
        set: set.into_iter().collect(),
        uniques,
    })
}

impl Probe {
    fn keys_of(&self, d: Dialect, alias: &str) -> String {
        self.key.iter().map(|c| d.key_text(alias, c)).collect::<Vec<_>>().join(", ")
    }

    fn where_keys(&self, d: Dialect, keys: &[RecordKey]) -> B {
        B::sql(d.key_in(ROW, &self.key, keys))
    }

    /// The newest rows by key of which something is still to be masked, or, with `any`, the newest rows whatever they hold.
    #[must_use]
    pub fn find(&self, d: Dialect, any: bool, limit: u32) -> String {
        let todo = if any { B::True } else { B::or(self.masks.iter().map(|m| m.todo.clone())) };
        let todo = B::and([todo, d.named(ROW, &self.key)]);
        let order: Vec<String> = self.key.iter().map(|c| format!("{} DESC", d.column(ROW, &c.name))).collect();
        format!(
            "SELECT {} FROM {} AS {ROW} WHERE {} ORDER BY {} LIMIT {limit}",
            self.keys_of(d, ROW),
            d.table(&self.table),
            todo.render(),
            order.join(", ")
        )
    }

    /// For each UNIQUE that a fixed mask could break: the keys, side by side, of two rows that would collide.
    #[must_use]
    pub fn find_colliding(&self, d: Dialect) -> Vec<String> {
        let pair = |(others, fixed): &(Vec<String>, Vec<String>)| {
            let equal = |c: &String| B::sql(format!("{} = {}", d.column(ROW, c), d.column("s", c)));
            let same_row = B::and(self.key.iter().map(|c| equal(&c.name)));
            let both =
                self.masks.iter().filter(|m| fixed.contains(&m.column)).flat_map(|m| [m.todo.clone(), m.other_todo.clone()]);
            let named = [d.named(ROW, &self.key), d.named("s", &self.key)];
            let condition = B::and(others.iter().map(equal).chain([same_row.negate()]).chain(both).chain(named));
            format!(
                "SELECT {}, {} FROM {table} AS {ROW} JOIN {table} AS s ON {} LIMIT 1",
                self.keys_of(d, ROW),
                self.keys_of(d, "s"),
                condition.render(),
                table = d.table(&self.table)
            )
        };
        self.uniques.iter().map(pair).collect()
    }

    /// Sets every column that the plan writes.
    #[must_use]
    pub fn apply(&self, d: Dialect, keys: &[RecordKey]) -> String {
        statement(d, &rows_by(d, &self.table, &[]), &Operation::Mask(self.set.clone()), &self.where_keys(d, keys))
    }

    /// Sets the column of one mask, and those that are written to themselves.
    #[must_use]
    pub fn apply_one(&self, d: Dialect, keys: &[RecordKey], mask: &ProbeMask) -> String {
        let masked = |column: &str| self.masks.iter().any(|m| m.column == column);
        let set: Vec<_> = self.set.iter().filter(|(c, _)| *c == mask.column || !masked(c)).cloned().collect();
        statement(d, &rows_by(d, &self.table, &[]), &Operation::Mask(set), &self.where_keys(d, keys))
    }

    /// How many of these rows still have to be masked, one figure for each mask.
    #[must_use]
    pub fn left(&self, d: Dialect, keys: &[RecordKey]) -> String {
        let figures: Vec<String> = self.masks.iter().map(|m| d.count_if(&m.todo.render())).collect();
        format!(
            "SELECT {} FROM {} AS {ROW} WHERE {}",
            figures.join(", "),
            d.table(&self.table),
            self.where_keys(d, keys).render()
        )
    }

    /// The dates of these rows in the order of their keys; `None` when the table dates nothing.
    #[must_use]
    pub fn read_dates(&self, d: Dialect, keys: &[RecordKey]) -> Option<String> {
        let columns: Vec<String> = self.dates.iter().map(|c| d.as_text(&d.column(ROW, c))).collect();
        (!columns.is_empty()).then(|| {
            format!(
                "SELECT {} FROM {} AS {ROW} WHERE {} ORDER BY {}",
                columns.join(", "),
                d.table(&self.table),
                self.where_keys(d, keys).render(),
                d.key_order(ROW, &self.key)
            )
        })
    }
}
