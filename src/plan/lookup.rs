//! Statements that find one record: by its key as somebody typed it, by the key of a row that follows it, one after the other.

use super::action::key_columns;
use super::boolean::B;
use super::dialect::Dialect;
use super::dialect::keys::KeyOrder;
use super::key::RecordKey;
use super::resolve::Resolved;
use super::schema::{Column, TableName};
use crate::policy::map::DataSet;

/// Reads the key of a row of `data` as the database stores it. `None` when the data set has no table.
#[must_use]
pub fn stored_key(resolved: &Resolved<'_>, data: &DataSet, key: &RecordKey) -> Option<String> {
    let (d, columns) = (resolved.dialect, resolved.key_columns(data));
    let table = d.table(&resolved.table(data)?.name);
    Some(format!(
        "SELECT {} FROM {table} AS r WHERE {}",
        key_columns(d, &columns, "r"),
        d.key_in("r", &columns, std::slice::from_ref(key))
    ))
}

/// Reads the keys of the root rows that a row of `data` follows. `None` when a table on the way is missing.
#[must_use]
pub fn root_keys(resolved: &Resolved<'_>, data: &DataSet, key: &RecordKey) -> Option<String> {
    let (d, columns) = (resolved.dialect, resolved.key_columns(data));
    let mut from = format!("{} AS f0", d.table(&resolved.table(data)?.name));
    let (mut at, mut depth) = (data, 0);
    while let Some(parent) = at.parent.as_ref().filter(|p| p.follows) {
        let above = resolved.map.data_set(&parent.data)?;
        let on: Vec<String> = parent
            .on
            .iter()
            .map(|(here, there)| {
                format!("{} = {}", d.column(&format!("f{depth}"), here), d.column(&format!("f{}", depth + 1), there))
            })
            .collect();
        from.push_str(&format!(" JOIN {} AS f{} ON {}", d.table(&resolved.table(above)?.name), depth + 1, on.join(" AND ")));
        (at, depth) = (above, depth + 1);
    }
    let root = key_columns(d, &resolved.key_columns(at), &format!("f{depth}"));
    Some(format!("SELECT {root} FROM {from} WHERE {}", d.key_in("f0", &columns, std::slice::from_ref(key))))
}

/// All keys of a table in key order after a key, at most so many.
#[must_use]
pub fn keys_after(d: Dialect, table: &TableName, key: &[Column], after: Option<&RecordKey>, limit: u64) -> String {
    let after = after.map_or(B::True, |k| B::sql(d.key_compare("r", key, KeyOrder::After, k)));
    let which = B::and([after, d.named("r", key)]);
    let which = if which == B::True { String::new() } else { format!(" WHERE {}", which.render()) };
    let order = d.key_order("r", key);
    format!("SELECT {} FROM {} AS r{which} ORDER BY {order} LIMIT {limit}", key_columns(d, key, "r"), d.table(table))
}

/// All values of a tenant column, as text.
#[must_use]
pub fn tenants(d: Dialect, table: &TableName, column: &str) -> String {
    let value = d.as_text(&d.column("r", column));
    format!("SELECT DISTINCT {value} FROM {} AS r WHERE {} IS NOT NULL", d.table(table), d.column("r", column))
}

/// Counts the rows of a data set that follow a record of which there is no row any more. `None` for a root, or when a table is missing.
#[must_use]
pub fn count_orphans(resolved: &Resolved<'_>, data: &DataSet) -> Option<String> {
    let d = resolved.dialect;
    let parent = data.parent.as_ref().filter(|p| p.follows)?;
    let above = resolved.map.data_set(&parent.data)?;
    let on: Vec<String> =
        parent.on.iter().map(|(here, there)| format!("{} = {}", d.column("r", here), d.column("p", there))).collect();
    Some(format!(
        "SELECT {} FROM {} AS r WHERE NOT EXISTS (SELECT 1 FROM {} AS p WHERE {})",
        d.as_text("COUNT(*)"),
        d.table(&resolved.table(data)?.name),
        d.table(&resolved.table(above)?.name),
        on.join(" AND ")
    ))
}

/// The answer of an operator's query, whatever else it has, as texts: tenant, URL, and these dates.
#[must_use]
pub fn tenants_by(d: Dialect, query: &str, dates: &[String]) -> String {
    let column = |name: &str| d.as_text(&d.column("t", name));
    // The lines' ends keep a comment at the query's end from taking the rest along.
    let columns: Vec<String> = ["tenant", "url"].into_iter().chain(dates.iter().map(String::as_str)).map(column).collect();
    format!("SELECT {} FROM (\n{query}\n) AS t", columns.join(", "))
}
