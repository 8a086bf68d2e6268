//! Values of any column: read as they are, and written back as literals that store the same.

use super::{Dialect, is_number};
use crate::plan::cell::Cell;
use crate::plan::schema::{Column, Engine, TypeClass};

impl Dialect {
    /// An expression that yields a column's value in a form of its own, see [`Dialect::cell`].
    #[must_use]
    pub fn cell_text(self, alias: &str, column: &Column) -> String {
        let c = self.column(alias, &column.name);
        match (self.engine, column.class) {
            (Engine::Postgres, TypeClass::Binary) => format!("encode({c}, 'hex')"),
            (Engine::Postgres, _) => format!("{c}::text"),
            // What has no text of its own is written back as the bytes that it is stored as.
            (Engine::MariaDb | Engine::MySql, TypeClass::Binary | TypeClass::Other) => format!("LOWER(HEX({c}))"),
            (Engine::MariaDb | Engine::MySql, TypeClass::Bit) => format!("CAST(CAST({c} AS UNSIGNED) AS CHAR)"),
            // A FLOAT is printed with six digits, a DOUBLE with as many as tell it from its neighbours.
            (Engine::MariaDb | Engine::MySql, TypeClass::Float) => format!("CAST(CAST({c} AS DOUBLE) AS CHAR)"),
            (Engine::MariaDb | Engine::MySql, TypeClass::Text | TypeClass::Enum | TypeClass::Json) => {
                format!("CONVERT({c} USING utf8mb4)")
            }
            (Engine::MariaDb | Engine::MySql, _) => format!("CAST({c} AS CHAR)"),
            // The value's own type decides, not the column's.
            (Engine::Sqlite, _) => format!(
                "CASE typeof({c}) WHEN 'null' THEN NULL WHEN 'integer' THEN 'i' || {c} WHEN 'real' THEN 'r' || quote({c}) WHEN 'text' THEN 't' || {c} ELSE 'b' || hex({c}) END"
            ),
        }
    }

    /// The value that [`Dialect::cell_text`] read; `None` when it is in no form that it writes.
    #[must_use]
    pub fn cell(self, column: &Column, read: Option<&str>) -> Option<Cell> {
        let Some(text) = read else { return Some(Cell::Null) };
        if self.engine == Engine::Sqlite {
            let (kind, value) = text.split_at_checked(1)?;
            return match kind {
                "i" => value.parse().ok().map(Cell::Integer),
                "r" => value.parse().ok().map(Cell::Real),
                "t" => Some(Cell::Text(value.to_owned())),
                "b" => hex::decode(value).ok().map(Cell::Bytes),
                _ => None,
            };
        }
        match column.class {
            TypeClass::Binary => hex::decode(text).ok().map(Cell::Bytes),
            TypeClass::Other if self.engine.is_mysql_family() => hex::decode(text).ok().map(Cell::Bytes),
            _ => Some(Cell::Text(text.to_owned())),
        }
    }

    /// The literal that stores this value in a column.
    #[must_use]
    pub fn cell_literal(self, column: &Column, cell: &Cell) -> String {
        match (self.engine, cell) {
            (_, Cell::Null) => "NULL".to_owned(),
            (_, Cell::Integer(n)) => n.to_string(),
            // Beyond the largest number SQLite reads infinity; NaN it stores as NULL.
            (_, Cell::Real(n)) if n.is_infinite() => if *n > 0.0 { "9e999" } else { "-9e999" }.to_owned(),
            (_, Cell::Real(n)) => format!("{n:?}"),
            (Engine::Postgres, Cell::Bytes(bytes)) => format!("'\\x{}'::bytea", hex::encode(bytes)),
            (_, Cell::Bytes(bytes)) => format!("x'{}'", hex::encode(bytes)),
            (Engine::Sqlite, Cell::Text(text)) if text.contains('\0') => {
                format!("CAST(x'{}' AS TEXT)", hex::encode(text.as_bytes()))
            }
            (Engine::MariaDb | Engine::MySql, Cell::Text(text)) if column.class == TypeClass::Bit && is_number(text) => {
                text.clone()
            }
            (_, Cell::Text(text)) => self.text(text),
        }
    }
}
