//! The generated column that says whether anything in a row is still to be masked.
//!
//! MariaDB and MySQL have no partial indexes: an index on a start date holds every row that was masked in earlier years, and a night with nothing to
//! do reads them all. A virtual column with this expression, indexed before the date, finds the rest by one look. Only what *finds* rows
//! trusts it; what acts repeats the whole predicate, and the full census counts without it. Its name carries a hash of its
//! expression, so a column that was made for other masks is never mistaken for it.

use sha2::{Digest as _, Sha256};

use super::boolean::B;
use super::resolve::Resolved;
use super::schema::{Index, Table, TypeClass};
use crate::policy::map::DataSet;
use crate::policy::mask::Mask;

/// The column as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToDo {
    /// Its name.
    pub name: String,
    /// Whether anything in the row is left to mask, over the bare column names.
    pub expression: String,
}

/// What the column of a data set must be. `None` where it cannot say everything: rows that follow may be left to do where the row itself is done,
/// and engines with partial indexes do without. `None`, too, where a `TIMESTAMP` is compared: what it says depends on the time zone of whoever writes the row,
/// and an index over the column would not be what the next session reads of it.
#[must_use]
pub fn expected(resolved: &Resolved<'_>, data: &DataSet) -> Option<ToDo> {
    let d = resolved.dialect;
    if !d.engine.is_mysql_family() || resolved.map.followers_of(data).next().is_some() {
        return None;
    }
    let table = resolved.table(data)?;
    let mut parts = Vec::new();
    for personal in data.categories.iter().flat_map(|c| &c.columns) {
        let column = table.column(&personal.name)?;
        if column.class == TypeClass::Instant && *personal.mask != Mask::Null {
            return None;
        }
        parts.push(d.mask("", column, &personal.mask)?.todo);
    }
    let todo = B::or(parts);
    if matches!(todo, B::True | B::False) {
        return None;
    }
    let expression = format!("CASE WHEN {} THEN 1 ELSE 0 END", todo.render());
    let hash = hex::encode(Sha256::digest(&expression));
    Some(ToDo { name: format!("retentiond_todo_{}", &hash[..8]), expression })
}

/// Whether a row (alias `alias`) is one of those that the column of its data set singles out; always where it has none that can be trusted.
#[must_use]
pub fn left(resolved: &Resolved<'_>, data: &DataSet, alias: &str) -> B {
    // An equality would do, but MariaDB then walks the index along it and nothing else, however much of the table that is, where a range would be weighed
    // against reading the table once. The column holds 0 or 1.
    column(resolved, data).map_or(B::True, |(_, name)| B::sql(format!("{} IN (1, 2)", resolved.dialect.column(alias, name))))
}

/// The names of the indexes that begin with the column.
#[must_use]
pub fn indexes(resolved: &Resolved<'_>, data: &DataSet) -> Vec<String> {
    let begins =
        |i: &&Index| i.usable && column(resolved, data).is_some_and(|(_, name)| i.columns.first().is_some_and(|c| c == name));
    let all = column(resolved, data).into_iter().flat_map(|(table, _)| &table.indexes);
    all.filter(begins).map(|i| i.name.clone()).collect()
}

/// The column that the map names, where it is what it must be.
fn column<'a>(resolved: &Resolved<'a>, data: &'a DataSet) -> Option<(&'a Table, &'a str)> {
    let named = data.to_do.as_ref().filter(|name| expected(resolved, data).is_some_and(|e| e.name == name.value));
    let there = resolved.table(data).zip(named).filter(|(t, name)| t.column(name).is_some_and(|c| c.generated));
    there.map(|(table, name)| (table, name.value.as_str()))
}
