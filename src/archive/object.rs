//! What a sealed object holds: a header that describes it, rows, and a trailer that counts them.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::Cell;
use crate::journal::Hash;

/// What the header's `format` says.
pub const FORMAT: &str = "retentiond-archive";

/// The version of the format of objects without files.
pub const VERSION: u32 = 1;

/// The version of the format of objects whose rows have columns that point to files.
pub const WITH_FILES: u32 = 2;

/// The longest line, in bytes without its end: longer ones are neither written nor read.
pub const MAX_LINE: usize = 64 * 1024 * 1024;

/// The kind of database that the rows come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// PostgreSQL.
    Postgres,
    /// MariaDB.
    Mariadb,
    /// MySQL.
    Mysql,
    /// SQLite.
    Sqlite,
}

impl From<crate::plan::schema::Engine> for Engine {
    fn from(engine: crate::plan::schema::Engine) -> Self {
        use crate::plan::schema::Engine as Of;
        match engine {
            Of::Postgres => Self::Postgres,
            Of::MariaDb => Self::Mariadb,
            Of::MySql => Self::Mysql,
            Of::Sqlite => Self::Sqlite,
        }
    }
}

/// The first line of a sealed object: where its rows come from and how to read them. Holds no personal data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Always [`FORMAT`].
    pub format: String,
    /// [`VERSION`] or [`WITH_FILES`].
    pub version: u32,
    /// The archive's name in the settings.
    pub archive: String,
    /// The source's id.
    pub source: String,
    /// The source's kind of database.
    pub engine: Engine,
    /// The data set whose records are here.
    pub data_set: String,
    /// The purpose that keeps them.
    pub purpose: String,
    /// The last day on which the object is kept; `null` when that was not known yet, and the journal says it later.
    pub until: Option<NaiveDate>,
    /// The batch that wrote it: lower-case hex digits.
    pub batch: String,
    /// The run of that batch: lower-case hex digits.
    pub run: String,
    /// The tables; the first one is that of the data set, the others hold rows that follow its rows.
    pub tables: Vec<Table>,
}

/// One table of a sealed object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// The name of its data set.
    pub data_set: String,
    /// The schema or database that it is in, where it is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// The table's name.
    pub table: String,
    /// The data set that its rows follow; the first table alone has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Pairs of a column of this table and the column of the parent's table that it names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<(String, String)>,
    /// The names of its key's columns, which are among `columns`.
    pub key: Vec<String>,
    /// Its columns, in the order of a row's cells.
    pub columns: Vec<Column>,
}

/// One column of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// The column's name.
    pub name: String,
    /// The database's own name of its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The category of personal data that it belongs to; none for a column that is not personal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// The store of the files that its values are paths of; none for a column that points to no file. Only with [`WITH_FILES`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<String>,
}

/// Why a header describes no object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderFault {
    /// The line is not a header's JSON.
    Shape,
    /// `format` is not [`FORMAT`].
    Format,
    /// The version is not one that this program knows.
    Version(u32),
    /// `batch` or `run` is not a text of lower-case hex digits.
    Hex(&'static str),
    /// There is no table.
    NoTable,
    /// The table of this index has no column.
    NoColumn(usize),
    /// The table of this index has two columns of one name.
    ColumnTwice(usize),
    /// The table of this index has a key column that is not among its columns.
    KeyColumn(usize),
    /// The first table has a parent, or the table of this index has none that is here.
    Parent(usize),
    /// The table of this index has a column that points to files, in a version that knows none.
    Files(usize),
    /// It is longer than [`MAX_LINE`].
    TooLong,
}

impl std::fmt::Display for HeaderFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Shape => f.write_str("the first line is not a header"),
            Self::Format => f.write_str("the header is of another format"),
            Self::Version(version) => {
                write!(f, "the header has version {version}, this program knows {VERSION} and {WITH_FILES}")
            }
            Self::Hex(field) => write!(f, "the header's {field} is not in lower-case hex digits"),
            Self::NoTable => f.write_str("the header names no table"),
            Self::NoColumn(table) => write!(f, "table {table} of the header has no column"),
            Self::ColumnTwice(table) => write!(f, "table {table} of the header names a column twice"),
            Self::KeyColumn(table) => write!(f, "table {table} of the header lacks a column of its key"),
            Self::Parent(0) => f.write_str("the header's first table has a parent"),
            Self::Parent(table) => write!(f, "table {table} of the header follows no table that is there"),
            Self::Files(table) => write!(f, "table {table} of the header points to files, which its version does not know"),
            Self::TooLong => write!(f, "the header is longer than {MAX_LINE} bytes"),
        }
    }
}

impl std::error::Error for HeaderFault {}

impl Header {
    /// Whether rows can be read by this header.
    ///
    /// # Errors
    /// The first [`HeaderFault`] found.
    pub fn check(&self) -> Result<(), HeaderFault> {
        if self.format != FORMAT {
            return Err(HeaderFault::Format);
        }
        if !matches!(self.version, VERSION | WITH_FILES) {
            return Err(HeaderFault::Version(self.version));
        }
        let hex = |text: &str| !text.is_empty() && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        for (field, text) in [("batch", &self.batch), ("run", &self.run)] {
            if !hex(text) {
                return Err(HeaderFault::Hex(field));
            }
        }
        if self.tables.is_empty() {
            return Err(HeaderFault::NoTable);
        }
        self.tables.iter().enumerate().try_for_each(|(index, table)| self.check_table(index, table))
    }

    fn check_table(&self, index: usize, table: &Table) -> Result<(), HeaderFault> {
        let mut names: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
        if names.is_empty() {
            return Err(HeaderFault::NoColumn(index));
        }
        if self.version == VERSION && table.columns.iter().any(|c| c.files.is_some()) {
            return Err(HeaderFault::Files(index));
        }
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(HeaderFault::ColumnTwice(index));
        }
        if table.key.iter().any(|key| names.binary_search(&key.as_str()).is_err()) {
            return Err(HeaderFault::KeyColumn(index));
        }
        let others = || self.tables.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, other)| &other.data_set);
        let fits = match &table.parent {
            None => index == 0 && table.on.is_empty(),
            Some(parent) => index > 0 && others().any(|other| other == parent),
        };
        if fits { Ok(()) } else { Err(HeaderFault::Parent(index)) }
    }

    /// How many cells a row of the table of this index has; `None` when there is no such table.
    pub(super) fn width(&self, table: u32) -> Option<usize> {
        self.tables.get(usize::try_from(table).ok()?).map(|t| t.columns.len())
    }

    /// Reads the first line of an object, its version before anything that another version might write otherwise.
    pub(super) fn read(line: &[u8]) -> Result<Self, HeaderFault> {
        #[derive(Deserialize)]
        struct Kind {
            format: String,
            version: u32,
        }
        let kind: Kind = serde_json::from_slice(line).map_err(|_| HeaderFault::Shape)?;
        if kind.format != FORMAT {
            return Err(HeaderFault::Format);
        }
        if !matches!(kind.version, VERSION | WITH_FILES) {
            return Err(HeaderFault::Version(kind.version));
        }
        let header: Self = serde_json::from_slice(line).map_err(|_| HeaderFault::Shape)?;
        header.check()?;
        Ok(header)
    }
}

/// One row. `Debug` shows no value of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The index of its table in the header.
    #[serde(rename = "t")]
    pub table: u32,
    /// The number of the record within the object that it belongs to: a row of the data set and the rows that follow it share one.
    #[serde(rename = "r")]
    pub record: u64,
    /// Its values, in the order of the table's columns.
    #[serde(rename = "v")]
    pub cells: Vec<Cell>,
}

/// A file that was sealed beside the object. `Debug` shows neither its path nor its hash.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileLine {
    /// Its number among the object's files, from 0, which is in its name.
    #[serde(rename = "f")]
    pub file: u64,
    /// The store that it was in.
    pub store: String,
    /// Its path there: the value of a column that points to it.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its bytes.
    pub sha256: Hash,
}

impl std::fmt::Debug for FileLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileLine").field("file", &self.file).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

/// The last line.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Trailer {
    /// How many rows the object has.
    pub(super) rows: u64,
    /// How many files it names; only with [`WITH_FILES`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) files: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::super::tests::sample;
    use super::*;

    #[test]
    fn a_header_that_describes_no_object_is_refused() {
        let with = |change: &dyn Fn(&mut Header)| {
            let mut header = sample::header();
            change(&mut header);
            header.check()
        };
        assert_eq!(with(&|_| {}), Ok(()));
        assert_eq!(with(&|h| h.format.clear()), Err(HeaderFault::Format));
        assert_eq!(with(&|h| h.version = 3), Err(HeaderFault::Version(3)));
        assert_eq!(with(&|h| h.version = WITH_FILES), Ok(()));
        assert_eq!(with(&|h| h.tables[1].columns[2].files = Some("scans".to_owned())), Err(HeaderFault::Files(1)));
        assert_eq!(with(&|h| h.batch = "FF".to_owned()), Err(HeaderFault::Hex("batch")));
        assert_eq!(with(&|h| h.run.clear()), Err(HeaderFault::Hex("run")));
        assert_eq!(with(&|h| h.tables.clear()), Err(HeaderFault::NoTable));
        assert_eq!(with(&|h| h.tables[1].columns.clear()), Err(HeaderFault::NoColumn(1)));
        assert_eq!(with(&|h| h.tables[0].columns[1].name = "id".to_owned()), Err(HeaderFault::ColumnTwice(0)));
        assert_eq!(with(&|h| h.tables[1].key = vec!["no".to_owned()]), Err(HeaderFault::KeyColumn(1)));
        assert_eq!(with(&|h| h.tables[0].parent = Some("note".to_owned())), Err(HeaderFault::Parent(0)));
        assert_eq!(with(&|h| h.tables[1].parent = None), Err(HeaderFault::Parent(1)));
        assert_eq!(with(&|h| h.tables[1].parent = Some("note".to_owned())), Err(HeaderFault::Parent(1)));
    }

    #[test]
    fn a_later_version_is_told_as_such_whatever_else_it_holds() {
        let later = br#"{"format":"retentiond-archive","version":3,"novelty":{}}"#;
        assert_eq!(Header::read(later), Err(HeaderFault::Version(3)));
        let mut value = serde_json::to_value(sample::header()).unwrap();
        assert!(Header::read(value.to_string().as_bytes()).is_ok());
        value["novelty"] = serde_json::Value::Null;
        assert_eq!(Header::read(value.to_string().as_bytes()), Err(HeaderFault::Shape));
    }

    #[test]
    fn a_row_shows_no_value() {
        assert_eq!(format!("{:?}", sample::rows()[0]), "Row { table: 0, record: 0, cells: [Integer, Text(15 bytes)] }");
    }
}
