//! What to read of a table so that its values' shapes can be seen: a few rows, cut short, in the order the engine likes best.

use crate::plan::dialect::Dialect;
use crate::plan::schema::{Column, Engine, Table, TableKind, TypeClass};

/// Rows that are read of each table.
pub const ROWS: u32 = 200;

/// Characters that are read of each value.
const CHARACTERS: u32 = 200;

/// A statement and the columns that its rows have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The columns, in the order in which the rows hold them.
    pub columns: Vec<String>,
    /// The statements that open a read-only transaction with a time limit, before the one that reads.
    pub before: &'static str,
    /// The statement that reads.
    pub sql: String,
}

/// How to sample a table; `None` for one that has nothing to look at, or that reading would reach beyond this database.
///
/// Without ORDER BY: sorting a large table for a draft is not worth its price, so old rows are likelier than recent ones.
#[must_use]
pub fn sample(dialect: Dialect, table: &Table) -> Option<Sample> {
    if !matches!(table.kind, TableKind::Table | TableKind::Partitioned) {
        return None;
    }
    let columns: Vec<&Column> = table.columns.iter().filter(|c| readable(c)).collect();
    if columns.is_empty() {
        return None;
    }
    let values: Vec<String> = columns.iter().map(|c| value(dialect, c)).collect();
    let limit = if dialect.engine == Engine::MariaDb { "SET STATEMENT max_statement_time = 10 FOR " } else { "" };
    let hint = if dialect.engine == Engine::MySql { " /*+ MAX_EXECUTION_TIME(10000) */" } else { "" };
    let sql = format!("{limit}SELECT{hint} {} FROM {} LIMIT {ROWS}", values.join(", "), dialect.table(&table.name));
    let before = match dialect.engine {
        Engine::Postgres => "BEGIN READ ONLY; SET LOCAL statement_timeout = '10s'; SET LOCAL lock_timeout = '1s'",
        Engine::MariaDb | Engine::MySql => "START TRANSACTION READ ONLY",
        Engine::Sqlite => "BEGIN",
    };
    Some(Sample { columns: columns.iter().map(|c| c.name.clone()).collect(), before, sql })
}

/// Types whose text form can have a shape that is looked for.
fn readable(column: &Column) -> bool {
    use TypeClass as T;
    matches!(column.class, T::Text | T::Enum | T::Inet | T::Integer | T::Decimal | T::Date | T::DateTime | T::Instant)
}

fn value(dialect: Dialect, column: &Column) -> String {
    let c = dialect.ident(&column.name);
    match dialect.engine {
        Engine::Postgres => format!("left(({c})::text, {CHARACTERS})"),
        Engine::MariaDb | Engine::MySql => format!("LEFT(CONVERT({c} USING utf8mb4), {CHARACTERS})"),
        // Any type may stand in any column; what is stored as bytes is left out.
        Engine::Sqlite => format!("CASE WHEN typeof({c}) <> 'blob' THEN substr(CAST({c} AS TEXT), 1, {CHARACTERS}) END"),
    }
}
