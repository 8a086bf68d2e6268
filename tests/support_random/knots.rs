//! Tells a difference that the engine is known to leave from any other: records due that only keep each other, or of which one row keeps another.

use retentiond::policy::map::DataMap;
use retentiond::policy::purpose::{OrderKind, Policy};
use retentiond::reference::{ForeignKey, Order, Reference, RowId, TableId, Target, Value, View, World, masking};

use crate::support_random::Case;

/// What became of a row that only one of the worlds has.
pub fn fate(map: &DataMap, stored: &World, table: &TableId, key: &[Value]) -> &'static str {
    let TableId::DataSet(id) = table else { return "is there or gone" };
    match (stored.data_set(id).is_some_and(|t| t.rows.contains_key(key)), masked(map, stored, id, key)) {
        (false, _) => "is gone",
        (true, true) => "is left, masked",
        (true, false) => "is left, not masked",
    }
}

fn masked(map: &DataMap, world: &World, id: &str, key: &[Value]) -> bool {
    let personal = map.data_set(id).into_iter().flat_map(|d| &d.categories).flat_map(|c| &c.columns);
    personal.into_iter().all(|c| world.value(id, key, &c.name).is_some_and(|v| masking::is_done(v, &c.mask)))
}

/// Whether a stored world holds nothing else than expected but masked rows of which none would go while the others stay, and rows of records that
/// refer to themselves.
pub fn only_knots(case: &Case, map: &DataMap, policy: &Policy, expected: &World, stored: &World) -> bool {
    let reference = case.reference(map, policy);
    let view = View::new(&reference, stored);
    let mut left = Vec::new();
    for (table, key, column) in expected.differences(stored) {
        let there = stored.table(&table).is_some_and(|t| t.rows.contains_key(&key));
        if column.is_some() || !there {
            return false;
        }
        let TableId::DataSet(id) = table else { continue };
        let root = view.row(&id, &key).and_then(|row| view.root(row));
        let Some(root) = root.filter(|_| masked(map, stored, &id, &key)) else { return false };
        left.push((id, key, root));
    }
    left.iter().all(|(id, key, root)| {
        if refers_to_itself(map, stored, &view, *root) {
            return true;
        }
        let others = left.iter().filter(|l| l.2 != *root).filter_map(|l| Some((view.data_set(l.2)?, view.key(l.2))));
        let holds = others.map(|(data, key)| Order {
            kind: OrderKind::Hold,
            target: Target::Record { data_set: data.id.value.clone(), key: key.clone() },
            until: None,
            lifted: false,
        });
        let orders: Vec<Order> = case.orders.iter().cloned().chain(holds).collect();
        let alone = Reference { orders: &orders, ..reference.clone() };
        alone.run(stored).data_set(id).is_some_and(|t| t.rows.contains_key(key))
    })
}

/// Whether a row of a record refers to another one of it that it does not follow, or a row that goes with one does.
fn refers_to_itself(map: &DataMap, world: &World, view: &View<'_>, root: RowId) -> bool {
    let record = view.record(root);
    let of = |id: &TableId| -> Vec<RowId> {
        record.iter().filter(|(_, d)| *id == TableId::DataSet(d.id.value.clone())).map(|(row, _)| *row).collect()
    };
    let joins = |key: &ForeignKey, child: RowId, parent: RowId| {
        let mut pairs = key.columns.iter().zip(&key.parent_columns);
        pairs.all(|(c, p)| view.value(child, c).is_some_and(|v| *v != Value::Null && Some(v) == view.value(parent, p)))
    };
    world.foreign_keys.iter().any(|key| match &key.child {
        TableId::DataSet(child) => {
            let mut above = map.data_set(child);
            let follows = std::iter::from_fn(|| {
                let parent = above?.parent.as_ref().filter(|p| p.follows)?;
                above = map.data_set(&parent.data);
                Some(TableId::DataSet(parent.data.value.clone()))
            });
            let children = of(&key.child);
            let within = || of(&key.parent).into_iter().any(|p| children.iter().any(|c| *c != p && joins(key, *c, p)));
            !follows.collect::<Vec<_>>().contains(&key.parent) && within()
        }
        TableId::Other(table) => {
            let goes_with = |id: &TableId| {
                let cascades =
                    record.iter().filter(|(_, d)| *id == TableId::DataSet(d.id.value.clone())).flat_map(|(_, d)| &d.cascades);
                cascades.into_iter().any(|c| c.name == *table)
            };
            record.iter().any(|(_, d)| goes_with(&TableId::DataSet(d.id.value.clone()))) && !goes_with(&key.parent)
        }
    })
}
