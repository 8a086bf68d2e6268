//! A schema that has everything a map names, so that whatever can be read is also compiled.

use std::collections::BTreeMap;

use retentiond::plan::schema::{
    Column, Engine, ForeignKey, Index, OnDelete, Schema, ServerIdentity, Table, TableKind, TableName, TypeClass,
};
use retentiond::policy::map::{DataMap, DataSet, DateFormat, Related, RelatedTo, TableRef, Test};

/// The tables of this map on an engine. `variant` decides between types where the map leaves it open.
pub fn fitting(map: &DataMap, engine: Engine, variant: usize) -> Schema {
    let mut columns: BTreeMap<TableName, BTreeMap<String, Column>> = BTreeMap::new();
    let name = |table: &TableRef| TableName {
        schema: table.schema.clone().unwrap_or_else(|| "main".to_owned()),
        name: table.name.clone(),
    };
    for free in &map.free_of_personal_data {
        columns.entry(name(free)).or_default();
    }
    for data in &map.data_sets {
        let own = name(&data.table);
        let mut put = |table: &TableName, column: &str, class: TypeClass| {
            let new = Column {
                name: column.to_owned(),
                sql_type: sql_type(class).to_owned(),
                class,
                max_length: (class == TypeClass::Text && variant % 2 == 1).then_some(40),
                nullable: variant % 3 != 2,
                generated: false,
                default: None,
                on_update_now: false,
                collation: None,
            };
            columns.entry(table.clone()).or_default().entry(column.to_owned()).or_insert(new);
        };
        for event in &data.events {
            let table = event.of.as_ref().and_then(|r| related(map, r)).map_or_else(|| own.clone(), &name);
            let class = match event.format.as_ref().map(|f| f.value) {
                Some(DateFormat::EpochSeconds | DateFormat::EpochMilliseconds) => TypeClass::Integer,
                Some(_) => TypeClass::Text,
                None if engine == Engine::Sqlite => TypeClass::Text,
                None => [TypeClass::Date, TypeClass::DateTime, TypeClass::Instant][variant % 3],
            };
            put(&table, &event.column, class);
        }
        for period in &data.periods {
            put(&own, &period.column, TypeClass::Integer);
        }
        for key in &data.key {
            put(&own, key, [TypeClass::Integer, TypeClass::Text, TypeClass::Uuid][variant % 3]);
        }
        let personal = data.categories.iter().flat_map(|c| &c.columns).map(|c| &c.name);
        for column in personal.chain(&data.plain).chain(&data.tenant) {
            put(&own, column, if variant % 5 == 4 { TypeClass::Integer } else { TypeClass::Text });
        }
        for (here, there) in data.parent.iter().flat_map(|p| &p.on) {
            put(&own, here, TypeClass::Integer);
            if let Some(parent) = data.parent.as_ref().and_then(|p| map.data_set(&p.data)) {
                put(&name(&parent.table), there, TypeClass::Integer);
            }
        }
        let tests = data.conditions.iter().map(|c| &c.test);
        for test in tests {
            match test {
                Test::Row(expr) => expr.columns(&mut |c| put(&own, c, TypeClass::Text)),
                Test::Some(r) | Test::No(r) => {
                    let table = related(map, r).map_or_else(|| own.clone(), &name);
                    if let Some(filter) = &r.filter {
                        filter.columns(&mut |c| put(&table, c, TypeClass::Text));
                    }
                    if let RelatedTo::Table(_, on) = &r.to {
                        for (there, here) in on {
                            put(&table, there, TypeClass::Integer);
                            put(&own, here, TypeClass::Integer);
                        }
                    }
                }
            }
        }
    }
    let tables = columns
        .into_iter()
        .map(|(table, columns)| {
            let data = map.data_sets.iter().find(|d| name(&d.table) == table);
            whole(table, columns.into_values().collect(), data, map, &name)
        })
        .collect();
    let server = ServerIdentity { engine, version: "1".to_owned(), id: "0".repeat(64) };
    Schema { server, tables, search_path: vec!["main".to_owned()] }
}

fn whole(
    table: TableName,
    columns: Vec<Column>,
    data: Option<&DataSet>,
    map: &DataMap,
    name: &dyn Fn(&TableRef) -> TableName,
) -> Table {
    let primary_key: Vec<String> = data.map(|d| d.key.iter().map(|k| k.value.clone()).collect()).unwrap_or_default();
    let index = Index { name: "pk".to_owned(), columns: primary_key.clone(), unique: true, predicate: None, usable: true };
    let parent = data.and_then(|d| d.parent.as_ref());
    let foreign_keys = parent
        .and_then(|p| Some((p, map.data_set(&p.data)?)))
        .map(|(p, to)| ForeignKey {
            name: "fk".to_owned(),
            columns: p.on.iter().map(|(here, _)| here.value.clone()).collect(),
            parent: name(&to.table),
            parent_columns: p.on.iter().map(|(_, there)| there.value.clone()).collect(),
            on_delete: OnDelete::Restrict,
            on_update_changes: false,
            deferred: false,
        })
        .into_iter()
        .collect();
    Table {
        name: table,
        kind: TableKind::Table,
        durable: true,
        storage: "x".to_owned(),
        columns,
        indexes: vec![index],
        primary_key,
        foreign_keys,
        checks: Vec::new(),
        triggers: Vec::new(),
        row_security: false,
        replica_identity_full: false,
        estimated_rows: Some(1_000),
    }
}

fn related<'a>(map: &'a DataMap, related: &'a Related) -> Option<&'a TableRef> {
    match &related.to {
        RelatedTo::DataSet(id) => Some(&map.data_set(id)?.table.value),
        RelatedTo::Table(table, _) => Some(&table.value),
    }
}

fn sql_type(class: TypeClass) -> &'static str {
    match class {
        TypeClass::Integer => "bigint",
        TypeClass::Uuid => "uuid",
        TypeClass::Date => "date",
        TypeClass::DateTime => "datetime",
        TypeClass::Instant => "timestamp",
        _ => "text",
    }
}
