//! Orders placed on records, as predicates over the hold table in the customer's own database.

use chrono::NaiveDate;

use super::boolean::B;
use super::own_tables::OwnTable;
use super::resolve::Resolved;
use crate::policy::map::DataSet;
use crate::policy::purpose::{OrderKind, Purpose};

/// How orders are read: of which source, on which day.
#[derive(Debug, Clone, Copy)]
pub struct Orders<'a> {
    /// The source's id.
    pub source: &'a str,
    /// The day of the run; an order with an end counts up to and including that day.
    pub today: NaiveDate,
    /// Whether any order is to be looked for. Without one, a predicate that only *finds* candidates stays index-friendly; the statements that
    /// act always look.
    pub look: bool,
    /// Whether holds and restrictions count. Without, a predicate says what would be due if nothing were frozen.
    pub freeze: bool,
}

impl Orders<'_> {
    /// Whether a hold or a restriction freezes the record.
    #[must_use]
    pub fn frozen(&self, data: &DataSet, alias: &str, resolved: &Resolved<'_>) -> B {
        if self.freeze { self.any(&[OrderKind::Hold, OrderKind::Restriction], data, alias, resolved) } else { B::False }
    }

    /// Whether an erasure order stands.
    #[must_use]
    pub fn erasure(&self, data: &DataSet, alias: &str, resolved: &Resolved<'_>) -> B {
        self.any(&[OrderKind::Erasure], data, alias, resolved)
    }

    /// Whether an order ends the purpose: one that the purpose names, or an instruction.
    #[must_use]
    pub fn end(&self, purpose: &Purpose, data: &DataSet, alias: &str, resolved: &Resolved<'_>) -> B {
        let mut kinds = purpose.ended_by.clone();
        if !kinds.contains(&OrderKind::Instruction) {
            kinds.push(OrderKind::Instruction);
        }
        self.any(&kinds, data, alias, resolved)
    }

    /// Whether an active order of one of these kinds stands on the record, on all records of its tenant, or on a person whom it is about.
    fn any(&self, kinds: &[OrderKind], data: &DataSet, alias: &str, resolved: &Resolved<'_>) -> B {
        if !self.look {
            return B::False;
        }
        let Some(standing) = self.standing(data, alias, resolved) else { return B::False };
        let d = resolved.dialect;
        let words: Vec<String> = kinds.iter().map(|k| d.word(k.word())).collect();
        let hold = d.own(OwnTable::Hold);
        B::sql(format!("EXISTS (SELECT 1 FROM {hold} AS h WHERE h.kind IN ({}) AND {standing})", words.join(", ")))
    }

    /// The condition on an order (alias `h`) that it is active and stands on the record, on all records of its tenant, or on a person
    /// whom it is about. `None` without a key.
    #[must_use]
    pub fn standing(&self, data: &DataSet, alias: &str, resolved: &Resolved<'_>) -> Option<String> {
        let d = resolved.dialect;
        let columns = resolved.key_columns(data);
        if columns.is_empty() {
            return None;
        }
        let binary =
            |column: &str| if d.engine.is_mysql_family() { format!("CAST({column} AS BINARY)") } else { column.to_owned() };
        let mut target = format!("h.scope = 'record' AND {} = {}", binary("h.target"), d.target_text(alias, &columns));
        for (subject, column) in resolved.subjects(data) {
            let value = d.subject_text(alias, subject, column);
            target = format!("({target} OR h.scope = 'subject' AND {} = {value})", binary("h.target"));
        }
        if let Some(tenant) = &data.tenant {
            let value = d.as_text(&d.column(alias, tenant));
            let value =
                if d.engine.is_mysql_family() { format!("CAST(CONVERT({value} USING utf8mb4) AS BINARY)") } else { value };
            target = format!("({target} OR h.scope = 'tenant' AND {} = {value})", binary("h.target"));
        }
        let today = self.today.format("%Y-%m-%d");
        Some(format!(
            "h.source = {source} AND h.data_set = {data_set} AND h.lifted_on IS NULL AND (h.until IS NULL OR h.until >= '{today}') AND {target}",
            source = d.word(self.source),
            data_set = d.word(&data.id),
        ))
    }
}
