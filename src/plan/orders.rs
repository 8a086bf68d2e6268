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
        let d = resolved.dialect;
        let words: Vec<String> = kinds.iter().map(|k| d.word(k.word())).collect();
        let (hold, kinds, active) = (d.own(OwnTable::Hold), words.join(", "), self.active(data, resolved));
        // Each scope is a question of its own: with an OR between them no engine goes by the index, and reads all orders for each row.
        B::or(self.targets(data, alias, resolved).into_iter().map(|target| {
            B::sql(format!("EXISTS (SELECT 1 FROM {hold} AS h WHERE h.kind IN ({kinds}) AND {active} AND {target})"))
        }))
    }

    /// The condition on an order (alias `h`) that it is active and stands on the record, on all records of its tenant, or on a person
    /// whom it is about. `None` without a key.
    #[must_use]
    pub fn standing(&self, data: &DataSet, alias: &str, resolved: &Resolved<'_>) -> Option<String> {
        let targets = self.targets(data, alias, resolved);
        (!targets.is_empty()).then(|| format!("{} AND ({})", self.active(data, resolved), targets.join(" OR ")))
    }

    /// The condition on an order that it is one of this data set and active.
    fn active(&self, data: &DataSet, resolved: &Resolved<'_>) -> String {
        let d = resolved.dialect;
        format!(
            "h.source = {source} AND h.data_set = {data_set} AND h.lifted_on IS NULL AND (h.until IS NULL OR h.until >= '{today}')",
            source = d.word(self.source),
            data_set = d.word(&data.id),
            today = self.today.format("%Y-%m-%d"),
        )
    }

    /// The conditions on an order that it stands on the record, on a person whom it is about, on all records of its tenant: those of them that there
    /// can be. None without a key.
    fn targets(&self, data: &DataSet, alias: &str, resolved: &Resolved<'_>) -> Vec<String> {
        let d = resolved.dialect;
        let columns = resolved.key_columns(data);
        if columns.is_empty() {
            return Vec::new();
        }
        let mut all = vec![format!("h.scope = 'record' AND {}", d.names_record(alias, &columns))];
        for (subject, column) in resolved.subjects(data) {
            all.push(format!("h.scope = 'subject' AND {}", d.names_person(alias, subject, column)));
        }
        if let Some(tenant) = &data.tenant {
            all.push(format!("h.scope = 'tenant' AND {}", d.names_tenant(alias, tenant)));
        }
        all
    }
}
