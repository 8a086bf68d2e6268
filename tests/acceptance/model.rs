//! The cases held against the reference model: what was computed by hand and what the meaning of the policies says are the same.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::NaiveDate;
use retentiond::demo::SeedValue;
use retentiond::plan::schema::Engine;
use retentiond::policy::located::Faults;
use retentiond::policy::map::DataMap;
use retentiond::policy::read_policy;
use retentiond::reference::{Archived, ForeignKey, Order, Reference, Table, TableId, Target, Value, World};

use crate::case::{Case, Row};
use crate::play::{Masked, Outcome, Placed, Scene};
use crate::stage::Stage;

#[tokio::test]
async fn the_reference_model_agrees_with_every_case() {
    let mut compared = 0;
    for case in Case::all() {
        let mut faults = Faults::default();
        let policy = read_policy::read(&shipped(&case.organisation, &case.policy), 0, &mut faults).unwrap();
        for run in &case.runs {
            let Some(scene) = Scene::set(&case, run, Engine::Sqlite).await else { panic!("SQLite is always there") };
            let map = &scene.stage.map;
            let before = world(&scene.stage, &scene.records().flat_map(|r| &r.rows).collect::<Vec<_>>());
            let rows_there: Vec<&Row> = scene.records().flat_map(|r| &r.there).collect();
            let there = |stage: &Stage| (stage.map.source.value.clone(), world(stage, &rows_there));
            let others: Vec<(String, World)> = scene.there.iter().map(there).collect();
            let orders: Vec<Order> = scene.orders().iter().flat_map(|o| on_records(&scene, o)).collect();
            let model = Reference { map, policies: vec![&policy], now: run.now, orders: &orders, needed: &[], others: &others };
            let (after, sealed) = model.run_with_archives(&before);
            assert_eq!(in_model(&sealed), in_case(&scene), "{} at {}: archives", case.statement, run.now);
            for record in scene.records() {
                for row in &record.rows {
                    let Some(data) = scene.stage.data_set(&row.table) else { continue };
                    let key: Vec<Value> = data.key.iter().map(|k| value(&row.columns[&k.value])).collect();
                    let (was, now) = (before.data_set(&data.id).unwrap(), after.data_set(&data.id).unwrap());
                    let found = now.rows.get(&key).map(|now| changes(&was.columns, &was.rows[&key], now));
                    assert_eq!(
                        found,
                        expected(&row.becomes, was, &key),
                        "{} at {}, {}: {}",
                        case.statement,
                        run.now,
                        row.table,
                        record.says
                    );
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 500, "only {compared} rows");
}

/// An order as orders on records: one on a tenant is one on each record of its data set that has exactly this tenant.
fn on_records(scene: &Scene<'_>, placed: &Placed) -> Vec<Order> {
    let on = |key: &[SeedValue]| {
        let target = Target::Record { data_set: placed.data_set.clone(), key: key.iter().map(value).collect() };
        Order { kind: placed.kind, target, until: placed.until, lifted: placed.lifted }
    };
    let Some(tenant) = &placed.tenant else { return vec![on(&placed.key)] };
    let data = scene.stage.map.data_set(&placed.data_set).unwrap();
    let column = &data.tenant.as_ref().unwrap().value;
    let rows = scene.records().flat_map(|r| &r.rows).filter(|r| r.table == data.table.name);
    let of_tenant = rows.filter(|r| r.columns.get(column) == Some(tenant));
    of_tenant.map(|r| on(&data.key.iter().map(|k| r.columns[&k.value].clone()).collect::<Vec<_>>())).collect()
}

/// A value in an archive: purpose, last day, data set, key, column, value.
type InArchive = (String, Option<NaiveDate>, String, Vec<Value>, String, String);

fn in_model(sealed: &[Archived]) -> Vec<InArchive> {
    let one = |a: &Archived| (a.purpose.clone(), a.until, a.data_set.clone(), a.key.clone(), a.column.clone(), shown(&a.value));
    let mut all: Vec<InArchive> = sealed.iter().map(one).collect();
    all.sort();
    all
}

fn in_case(scene: &Scene<'_>) -> Vec<InArchive> {
    let mut all = Vec::new();
    for row in scene.records().flat_map(|r| &r.rows) {
        for (purpose, kept) in &row.archived {
            let data = scene.stage.data_set(&row.table).unwrap();
            let key: Vec<Value> = data.key.iter().map(|k| value(&row.columns[&k.value])).collect();
            for column in &kept.columns {
                let Some(held) = row.columns.get(column).filter(|v| **v != SeedValue::Null) else { continue };
                all.push((purpose.clone(), kept.until, data.id.value.clone(), key.clone(), column.clone(), shown(&value(held))));
            }
        }
    }
    all.sort();
    all
}

/// Changed columns with what they hold now.
fn changes(columns: &[String], was: &[Value], now: &[Value]) -> BTreeMap<String, String> {
    columns
        .iter()
        .zip(was.iter().zip(now))
        .filter(|(_, (was, now))| was != now)
        .map(|(c, (_, now))| (c.clone(), shown(now)))
        .collect()
}

/// What a case expects in the same form; `None` for a row that is gone.
fn expected(becomes: &Outcome, was: &Table, key: &[Value]) -> Option<BTreeMap<String, String>> {
    let masked = match becomes {
        Outcome::Deleted => return None,
        Outcome::Untouched => return Some(BTreeMap::new()),
        Outcome::Masked(columns) => columns,
    };
    let filled = masked.iter().filter(|(c, _)| was.position(c).is_some_and(|i| !was.rows[key][i].is_null()));
    let shown = |mask: &Masked| match mask {
        Masked::Null => "null".to_owned(),
        Masked::Text(text) => text.clone(),
        Masked::Json(text) => shown(&Value::json(text).unwrap()),
        Masked::Token(prefix, digits, suffix) => format!("{prefix} {digits} {suffix}"),
    };
    Some(filled.map(|(c, m)| (c.clone(), shown(m))).collect())
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Text(text) | Value::Json(text) => text.clone(),
        Value::Integer(n) => n.to_string(),
        Value::Date(day) => day.to_string(),
        Value::Token { prefix, suffix, digits } => format!("{prefix} {digits} {suffix}"),
        other => format!("{other:?}"),
    }
}

/// These rows, with the foreign keys that the schema declares on columns.
fn world(stage: &Stage, rows: &[&Row]) -> World {
    let (map, schema) = (&stage.map, shipped(&stage.organisation, "schema.postgres.sql"));
    let mut world = World::default();
    let mut table = "";
    for line in schema.lines() {
        if let Some(name) = line.strip_prefix("CREATE TABLE ") {
            table = name.trim_end_matches(" (");
        }
        if let Some((column, parent)) = line.split_once(" REFERENCES ") {
            let (parent, parent_column) = parent.trim_end_matches([',', ')']).split_once(" (").unwrap();
            world.foreign_keys.push(ForeignKey {
                child: id(map, table),
                columns: vec![column.split_whitespace().next().unwrap().to_owned()],
                parent: id(map, parent),
                parent_columns: vec![parent_column.to_owned()],
            });
        }
    }
    for data in &map.data_sets {
        let personal = data.categories.iter().flat_map(|c| c.columns.iter().map(|c| &c.name));
        let columns: Vec<String> = data.key.iter().chain(&data.plain).chain(personal).map(|c| c.value.clone()).collect();
        let mut stored = Table::new(TableId::DataSet(data.id.value.clone()), columns.clone());
        for row in rows.iter().filter(|r| r.table == data.table.name) {
            stored.insert(data, columns.iter().map(|c| row.columns.get(c).map_or(Value::Null, value)).collect());
        }
        world.tables.push(stored);
    }
    world
}

fn id(map: &DataMap, table: &str) -> TableId {
    let data = map.data_sets.iter().find(|d| d.table.name == table);
    data.map_or_else(|| TableId::Other(table.to_owned()), |d| TableId::DataSet(d.id.value.clone()))
}

fn value(value: &SeedValue) -> Value {
    match value {
        SeedValue::Null => Value::Null,
        SeedValue::Integer(n) => Value::Integer(i128::from(*n)),
        SeedValue::Bool(b) => Value::Bool(*b),
        SeedValue::Date(day) => Value::Date(*day),
        SeedValue::DateTime(time) => Value::DateTime(*time),
        SeedValue::Instant(instant) => Value::Instant(*instant),
        SeedValue::Decimal(digits) => Value::decimal(digits).unwrap(),
        SeedValue::Text(text) if text.starts_with('{') => Value::json(text).unwrap(),
        SeedValue::Text(text) => Value::text(text),
    }
}

fn shipped(organisation: &str, file: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("config/examples");
    std::fs::read_to_string(folder.join(organisation).join(file)).unwrap()
}
