//! Tables that cannot be enforced on, or from which values leave by another way.

use super::Inspection;
use crate::plan::schema::{Table, TableKind};
use crate::policy::located::{Faults, Span};
use crate::policy::map::{DataSet, Event, Related, Test};
use crate::policy::mask::Mask;
use crate::policy::reader::shown;

pub(super) fn inspect(cx: &Inspection<'_>, faults: &mut Faults) {
    for (data, table) in cx.mapped() {
        changeable(cx, table, &data.table.at, faults);
        for cascade in &data.cascades {
            if let Some(table) = cx.resolved.find_table(cascade) {
                changeable(cx, table, &cascade.at, faults);
            }
        }
        for related in relations(data) {
            if let Some((table, _)) = cx.resolved.related(data, &related.to) {
                row_security(cx, table, &data.table.at, faults);
            }
        }
        unique_masks(data, table, faults);
    }
}

/// All relations that a data set declares, in events and in conditions.
pub(super) fn relations(data: &DataSet) -> impl Iterator<Item = &Related> {
    let of_events = data.events.iter().filter_map(|e: &Event| e.of.as_ref());
    let of_conditions = data.conditions.iter().filter_map(|c| match &c.test {
        Test::Some(related) | Test::No(related) => Some(related),
        Test::Row(_) => None,
    });
    of_events.chain(of_conditions)
}

fn changeable(cx: &Inspection<'_>, table: &Table, at: &Span, faults: &mut Faults) {
    let name = cx.name(&table.name);
    if matches!(table.kind, TableKind::View | TableKind::Foreign) {
        // A data set of that kind was refused with the names; this is a declared cascade.
        return;
    }
    if !table.durable {
        faults
            .error(
                at,
                format!("changes to table `{name}` ({}) are not transactional, or are lost in a crash", shown(&table.storage)),
            )
            .expected("a transactional, logged table: what cannot be rolled back cannot be proven");
    }
    if table.storage.contains("SYSTEM VERSIONING") {
        faults
            .warning(at, format!("table `{name}` keeps every old version of a row: what is erased stays readable in its history"))
            .help("purge the history as well: DELETE HISTORY FROM …");
    }
    if table.replica_identity_full {
        faults
            .warning(
                at,
                format!(
                    "table `{name}` has REPLICA IDENTITY FULL: erased values leave by replication and live on where they arrive"
                ),
            )
            .help("a replica identity by primary key sends only the key");
    }
    row_security(cx, table, at, faults);
}

fn row_security(cx: &Inspection<'_>, table: &Table, at: &Span, faults: &mut Faults) {
    if table.row_security {
        faults
            .error(at, format!("row-level security of table `{}` applies to the connected role", cx.name(&table.name)))
            .expected("a role with BYPASSRLS: rows that it cannot see would never be disposed of");
    }
}

/// A fixed value in a UNIQUE over several columns: the second masked row of a kind fails. That of a single column is refused with the names.
fn unique_masks(data: &DataSet, table: &Table, faults: &mut Faults) {
    for column in data.categories.iter().flat_map(|c| &c.columns).filter(|c| matches!(c.mask.value, Mask::Fixed(_))) {
        let composite = table.indexes.iter().find(|i| {
            i.unique
                && i.columns.len() > 1
                && i.columns.contains(&column.name.value)
                && !table.primary_key.iter().all(|k| i.columns.contains(k))
        });
        if let Some(index) = composite {
            let others: Vec<String> = index.columns.iter().filter(|c| **c != column.name.value).map(|c| shown(c)).collect();
            faults
                .warning(
                    &column.mask.at,
                    format!(
                        "column `{}` is part of the UNIQUE `{}`: two masked rows with the same {} would collide",
                        shown(&column.name),
                        shown(&index.name),
                        super::listed(&others)
                    ),
                )
                .help("\"token\" or \"null\" never collides");
        }
    }
}
