//! Every row of a database, and every file that one points to, against what the reference model says a run leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use chrono::{DateTime, Utc};

use super::build::Seeded;
use crate::cli::context::Cx;
use crate::cli::exit::{Exit, Failure};
use crate::config::Workspace;
use crate::demo::{Organisation, SeedValue};
use crate::files::FilePath;
use crate::plan::dialect::Dialect;
use crate::plan::resolve::Resolved;
use crate::plan::schema::{Engine, Schema};
use crate::policy::map::DataMap;
use crate::reference::{Archived, ForeignKey, Reference, Table, TableId, Value, World};

/// What a comparison found.
pub struct Compared {
    /// Rows that existed before or exist now.
    pub rows: u64,
    /// Files that rows pointed to before.
    pub files: u64,
    /// Tables, columns and files that differ, without values.
    pub differences: Vec<String>,
    /// What the model says went into archives.
    pub archived: Vec<Archived>,
}

/// Compares one organisation's database.
pub async fn all(
    cx: &Cx,
    workspace: &Workspace,
    org: Organisation,
    seeded: &Seeded,
    now: DateTime<Utc>,
) -> Result<Compared, Failure> {
    let rules =
        workspace.sources.get(org.id()).ok_or_else(|| Failure::new(Exit::Config, "a source of the demonstration is missing"))?;
    let source = cx.connect(workspace, org.id()).await?;
    let schema = source.introspect().await?;
    let before = world(&rules.map, &schema, seeded);
    let reference =
        Reference { map: &rules.map, policies: rules.policies.iter().collect(), now, orders: &[], needed: &[], others: &[] };
    let (expected, archived) = reference.run_with_archives(&before);
    let mut session = source.session().await?;
    let (mut rows, mut differences) = (0, Vec::new());
    for table in &expected.tables {
        let TableId::DataSet(id) = &table.id else { continue };
        let Some(data) = rules.map.data_set(id) else { continue };
        let d = Dialect { engine: Engine::Sqlite };
        let columns: Vec<String> = table.columns.iter().map(|c| d.as_text(&d.ident(c))).collect();
        let sql = format!("SELECT {} FROM {}", columns.join(", "), d.ident(&data.table.name));
        let key_at: Vec<usize> = data.key.iter().filter_map(|k| table.position(k)).collect();
        let mut left: BTreeMap<Vec<String>, &Vec<Value>> = BTreeMap::new();
        for row in table.rows.values() {
            left.insert(key_at.iter().map(|i| text(&row[*i]).unwrap_or_default()).collect(), row);
        }
        session
            .stream(&sql, |stored| {
                rows += 1;
                let key: Vec<String> = key_at.iter().map(|i| stored.get(*i).cloned().flatten().unwrap_or_default()).collect();
                match left.remove(&key) {
                    None => differences.push(format!("{id}: a row that should be gone is there")),
                    Some(row) => {
                        for (i, value) in row.iter().enumerate() {
                            if !same(value, stored.get(i).and_then(Option::as_deref)) {
                                differences.push(format!("{id}.{}: not what the model says", table.columns[i]));
                            }
                        }
                    }
                }
                ControlFlow::Continue(())
            })
            .await?;
        rows += before.data_set(id).map_or(0, |b| (b.rows.len() - table.rows.len()) as u64);
        differences.extend(left.keys().map(|_| format!("{id}: a row that should be kept is gone")));
    }
    session.done().await?;
    source.close().await;
    let files = files(cx, workspace, &rules.map, &before, &expected, &mut differences).await?;
    Ok(Compared { rows, files, differences, archived })
}

/// Every file that a row pointed to: it is there if a row that stays points to it, and otherwise gone. Returns how many they are.
async fn files(
    cx: &Cx,
    workspace: &Workspace,
    map: &DataMap,
    before: &World,
    after: &World,
    differences: &mut Vec<String>,
) -> Result<u64, Failure> {
    let (stores, mut all) = (cx.files(workspace, map)?, 0);
    for data in &map.data_sets {
        for file in &data.files {
            let root = stores.get(&file.store.value).ok_or_else(|| Failure::new(Exit::Config, "a store of files is missing"))?;
            let stay = pointed(after, &data.id.value, &file.column.value);
            for path in pointed(before, &data.id.value, &file.column.value) {
                all += 1;
                let path = FilePath::new(&path).map_err(|_| Failure::new(Exit::Failed, "a path outside its store"))?;
                let there = root.stamp(&path).await.map_err(|e| Failure::new(Exit::Unavailable, e.to_string()))?.is_some();
                if there != stay.contains(path.as_str()) {
                    let what = if there { "that should be gone is there" } else { "that should be kept is gone" };
                    differences.push(format!("{}.{}: a file {what}", data.id.value, file.name.value));
                }
            }
        }
    }
    Ok(all)
}

/// What a column holds, in all rows.
fn pointed(world: &World, data: &str, column: &str) -> BTreeSet<String> {
    let table = world.data_set(data);
    let at = table.and_then(|t| t.position(column));
    let cell = |row: &Vec<Value>| at.and_then(|at| text(row.get(at)?));
    table.into_iter().flat_map(|t| t.rows.values()).filter_map(cell).collect()
}

/// The rows as they were inserted, with the foreign keys of the live schema.
fn world(map: &DataMap, schema: &Schema, seeded: &Seeded) -> World {
    let resolved = Resolved::new(map, schema);
    let id_of = |name: &str| {
        let data = map.data_sets.iter().find(|d| d.table.name == name);
        data.map_or_else(|| TableId::Other(name.to_owned()), |d| TableId::DataSet(d.id.value.clone()))
    };
    let mut world = World::default();
    for table in &schema.tables {
        for key in &table.foreign_keys {
            world.foreign_keys.push(ForeignKey {
                child: id_of(&table.name.name),
                columns: key.columns.clone(),
                parent: id_of(&key.parent.name),
                parent_columns: key.parent_columns.clone(),
            });
        }
        let data = resolved.data_set_of(table);
        let inserts = seeded.tables.get(table.name.name.as_str());
        let columns: Vec<String> = inserts.and_then(|i| i.first()).map_or_else(
            || table.columns.iter().map(|c| c.name.clone()).collect(),
            |i| i.columns.iter().map(|c| (*c).to_owned()).collect(),
        );
        let mut rows = Table::new(id_of(&table.name.name), columns);
        for insert in inserts.into_iter().flatten() {
            let values = insert.values.iter().map(value).collect();
            match data {
                Some(data) => rows.insert(data, values),
                None => rows.push(values),
            }
        }
        world.tables.push(rows);
    }
    world
}

fn value(seed: &SeedValue) -> Value {
    match seed {
        SeedValue::Null => Value::Null,
        SeedValue::Integer(n) => Value::Integer(i128::from(*n)),
        SeedValue::Bool(b) => Value::Bool(*b),
        SeedValue::Date(day) => Value::Date(*day),
        SeedValue::DateTime(time) => Value::DateTime(*time),
        SeedValue::Instant(instant) => Value::Instant(*instant),
        SeedValue::Decimal(digits) => Value::decimal(digits).unwrap_or_else(|| Value::text(digits)),
        SeedValue::Text(text) if text.starts_with('{') => Value::json(text).unwrap_or_else(|| Value::text(text)),
        SeedValue::Text(text) => Value::text(text),
    }
}

/// A value as SQLite stores and prints it.
pub fn text(value: &Value) -> Option<String> {
    Some(match value {
        Value::Integer(n) => n.to_string(),
        Value::Bool(b) => u8::from(*b).to_string(),
        Value::Text(t) | Value::Json(t) | Value::Decimal(t) => t.clone(),
        Value::Date(day) => day.format("%Y-%m-%d").to_string(),
        Value::DateTime(at) => at.format("%Y-%m-%d %H:%M:%S").to_string(),
        Value::Instant(at) => at.naive_utc().format("%Y-%m-%d %H:%M:%S").to_string(),
        _ => return None,
    })
}

fn same(expected: &Value, stored: Option<&str>) -> bool {
    match (expected, stored) {
        (Value::Null, stored) => stored.is_none(),
        (_, None) => false,
        (Value::Token { prefix, suffix, digits }, Some(stored)) => {
            let middle = stored.strip_prefix(prefix.as_str()).and_then(|t| t.strip_suffix(suffix.as_str()));
            middle.is_some_and(|t| t.len() == usize::from(*digits) && t.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
        }
        (Value::Json(_), Some(stored)) => Value::json(stored).as_ref() == Some(expected),
        (Value::Decimal(_), Some(stored)) => Value::decimal(stored).as_ref() == Some(expected),
        (other, Some(stored)) => text(other).as_deref() == Some(stored),
    }
}
