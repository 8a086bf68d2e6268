//! Triggers that fire when rows are masked or deleted.

use std::collections::BTreeMap;

use super::{Inspection, touch};
use crate::plan::schema::{Table, TableName, Trigger};
use crate::plan::touch::Touch;
use crate::policy::located::Faults;
use crate::policy::map::DataSet;
use crate::policy::reader::shown;

pub(super) fn inspect(cx: &Inspection<'_>, touched: &BTreeMap<TableName, Touch>, faults: &mut Faults) {
    for (data, table) in cx.mapped() {
        let cascades = data.cascades.iter().filter_map(|c| cx.resolved.find_table(c));
        let tables: Vec<&Table> = std::iter::once(table).chain(cascades).collect();
        for table in &tables {
            let what = touch(touched, &table.name);
            let fires = |t: &&Trigger| t.on_update && !what.set.is_empty() || t.on_delete && what.delete;
            for trigger in table.triggers.iter().filter(fires) {
                if !data.triggers.iter().any(|listed| listed.value == trigger.name) {
                    undeclared(cx, data, table, trigger, faults);
                }
            }
        }
        if cx.sees_triggers {
            let known: Vec<&str> = tables.iter().flat_map(|t| &t.triggers).map(|t| t.name.as_str()).collect();
            for listed in data.triggers.iter().filter(|l| !known.contains(&l.value.as_str())) {
                faults
                    .error(&listed.at, format!("table `{}` has no trigger `{}`", cx.name(&table.name), shown(listed)))
                    .nearest(listed, known.iter().copied());
            }
        }
    }
}

fn undeclared(cx: &Inspection<'_>, data: &DataSet, table: &Table, trigger: &Trigger, faults: &mut Faults) {
    let events = match (trigger.on_update, trigger.on_delete) {
        (true, true) => "UPDATE and DELETE",
        (true, false) => "UPDATE",
        _ => "DELETE",
    };
    let name = format!("trigger `{}` of table `{}` fires on {events}", shown(&trigger.name), cx.name(&table.name));
    let expected = format!("triggers = [\"{}\"] in the data set, once somebody has read what it does", shown(&trigger.name));
    if !trigger.mentions.is_empty() {
        let reached: Vec<String> = trigger.mentions.iter().map(|m| shown(m)).collect();
        faults.error(&data.table.at, format!("{name} and names {}", super::listed(&reached))).expected(expected);
    } else if trigger.before {
        faults.error(&data.table.at, format!("{name}, before the change: it can veto or alter it")).expected(expected);
    } else {
        faults.warning(&data.table.at, name).expected(expected);
    }
}
