//! Tells a difference that the engine is known to leave from any other: records due that only keep each other.

use retentiond::policy::map::DataMap;
use retentiond::policy::purpose::{OrderKind, Policy};
use retentiond::reference::{Order, Reference, TableId, Target, View, World, masking};

use crate::support_random::Case;

/// Whether a stored world holds nothing else than expected but masked rows of which none would go while the others stay.
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
        let (Some(row), Some(data)) = (view.row(&id, &key), map.data_set(&id)) else { return false };
        let mut personal = data.categories.iter().flat_map(|c| &c.columns);
        let masked = personal.all(|c| view.value(row, &c.name).is_some_and(|v| masking::is_done(v, &c.mask)));
        let Some(root) = view.root(row).filter(|_| masked) else { return false };
        left.push((id, key, root));
    }
    left.iter().all(|(id, key, root)| {
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
