//! Statements that put rows back which an archive kept.

use super::action::ROW;
use super::boolean::B;
use super::cell::Cell;
use super::companion::{Operation, statement};
use super::dialect::Dialect;
use super::key::RecordKey;
use super::record::Records;
use super::schema::{Column, Engine, Table};
use crate::policy::map::DataSet;
use crate::policy::mask::Mask;

/// One row to be put back: its columns with their values, the key's among them.
#[derive(Debug)]
pub struct Back<'b> {
    /// Its data set.
    pub data: &'b DataSet,
    /// Its table.
    pub table: &'b Table,
    /// Its columns and values.
    pub cells: Vec<(&'b Column, &'b Cell)>,
}

impl Back<'_> {
    /// The row's key; `None` when a part of it is missing.
    #[must_use]
    pub fn key(&self, d: Dialect) -> Option<RecordKey> {
        let part = |name: &str| {
            let (column, cell) = self.cells.iter().find(|(c, _)| c.name == name)?;
            d.key_of_cell(column, cell)
        };
        Some(RecordKey(self.data.key.iter().map(|k| part(k)).collect::<Option<_>>()?))
    }

    fn key_columns(&self) -> Vec<Column> {
        self.data.key.iter().filter_map(|k| self.table.column(k)).cloned().collect()
    }

    /// Answers with a row if the row is there, and locks it.
    #[must_use]
    pub fn is_there(&self, d: Dialect, key: &RecordKey) -> String {
        let which = d.key_in(ROW, &self.key_columns(), std::slice::from_ref(key));
        format!("SELECT '1' FROM {} AS {ROW} WHERE {which}{}", d.table(&self.table.name), d.lock_with_others_held(ROW))
    }

    /// Inserts it.
    #[must_use]
    pub fn insert(&self, d: Dialect) -> String {
        let names: Vec<String> = self.cells.iter().map(|(c, _)| d.ident(&c.name)).collect();
        let values: Vec<String> = self.cells.iter().map(|(c, cell)| d.cell_literal(c, cell)).collect();
        // A key that the database would count itself gets the value that it had.
        let overriding = if d.engine == Engine::Postgres { " OVERRIDING SYSTEM VALUE" } else { "" };
        format!("INSERT INTO {} ({}){overriding} VALUES ({})", d.table(&self.table.name), names.join(", "), values.join(", "))
    }

    /// How the row, which is there, gets its values back: each column that has a mask and a value.
    #[must_use]
    pub fn unmask(&self, d: Dialect, records: &Records<'_>, key: &RecordKey) -> Vec<Unmask<'_>> {
        let which = d.key_in(ROW, &self.key_columns(), std::slice::from_ref(key));
        let masks = records.masks(self.data, ROW, &|_, _, never| !never);
        let declared = || self.data.categories.iter().flat_map(|category| &category.columns);
        let table = format!("{} AS {ROW}", d.table(&self.table.name));
        let write = |column: &Column, value: &str, condition: &B| {
            statement(d, &table, &Operation::Mask(vec![(column.name.clone(), value.to_owned())]), condition)
        };
        let personal = self.cells.iter().filter(|(_, cell)| **cell != Cell::Null).filter_map(|(column, cell)| {
            let (_, sql) = masks.iter().find(|(name, _)| *name == column.name)?;
            let mask = &declared().find(|c| c.name.value == column.name)?.mask.value;
            let row = B::sql(which.clone());
            // What these leave is told by its form alone: who would write such a token by hand?
            let by_form = matches!(mask, Mask::Null | Mask::Fixed(_) | Mask::Token { .. });
            let read = d.cell_text(ROW, column);
            Some(Unmask {
                column,
                cell,
                set: write(column, &d.cell_literal(column, cell), &B::and([row.clone(), sql.todo.clone().negate()])),
                read: format!("SELECT {read} FROM {table} WHERE {which}"),
                again: (!by_form).then(|| write(column, &sql.value, &row)),
                which: which.clone(),
                table: table.clone(),
            })
        });
        personal.collect()
    }
}

/// One column of a row that is there.
#[derive(Debug)]
pub struct Unmask<'b> {
    column: &'b Column,
    cell: &'b Cell,
    /// Sets its value where it is at its mask, and nowhere else.
    pub set: String,
    /// Reads it; [`Unmask::value`] says what was read.
    pub read: String,
    /// Masks it once more, for masks that leave something of the value: only what the mask makes of this value was put there by it.
    pub again: Option<String>,
    which: String,
    table: String,
}

impl Unmask<'_> {
    /// The value that was read; `None` when it cannot be read back exactly.
    #[must_use]
    pub fn value(&self, d: Dialect, read: Option<&str>) -> Option<Cell> {
        d.cell(self.column, read)
    }

    /// Whether it is the value that is to be put back.
    #[must_use]
    pub fn is_back(&self, value: &Cell) -> bool {
        value == self.cell
    }

    /// Sets a value, whatever is there.
    #[must_use]
    pub fn force(&self, d: Dialect, value: &Cell) -> String {
        let set = Operation::Mask(vec![(self.column.name.clone(), d.cell_literal(self.column, value))]);
        statement(d, &self.table, &set, &B::sql(self.which.clone()))
    }

    /// Sets the value that is to be put back, whatever is there.
    #[must_use]
    pub fn back(&self, d: Dialect) -> String {
        self.force(d, self.cell)
    }
}

impl Dialect {
    /// The part of a key that a value is; `None` for one that cannot be.
    #[must_use]
    pub fn key_of_cell(self, column: &Column, cell: &Cell) -> Option<super::key::KeyPart> {
        match (self.engine, cell) {
            (_, Cell::Null | Cell::Real(_)) => None,
            (Engine::Sqlite, Cell::Integer(n)) => self.key_part(column, &n.to_string()),
            (Engine::Sqlite, Cell::Text(text)) => self.key_part(column, &format!("'{}'", text.replace('\'', "''"))),
            (Engine::Sqlite, Cell::Bytes(bytes)) => self.key_part(column, &format!("X'{}'", hex::encode(bytes))),
            (_, Cell::Bytes(bytes)) => self.key_part(column, &hex::encode(bytes)),
            (_, Cell::Text(text)) => self.key_part(column, text),
            (_, Cell::Integer(_)) => None,
        }
    }

    /// Asks for the canonical text of a key that was typed, without looking for a row.
    #[must_use]
    pub fn spelled(self, columns: &[Column], key: &RecordKey) -> String {
        let texts: Vec<String> = columns.iter().map(|c| self.key_text(ROW, c)).collect();
        format!("SELECT {} FROM {}", texts.join(", "), self.as_row(columns, key))
    }

    /// A table of one row that has the columns of this key.
    #[must_use]
    pub fn as_row(self, columns: &[Column], key: &RecordKey) -> String {
        let values: Vec<String> = columns
            .iter()
            .zip(&key.0)
            .map(|(c, part)| format!("{} AS {}", self.key_literal(c, part), self.ident(&c.name)))
            .collect();
        format!("(SELECT {}) AS {ROW}", values.join(", "))
    }
}
