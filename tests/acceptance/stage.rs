//! A database of one organisation: created from its shipped schema, filled, looked at. Beside it the store of files that its rows point into.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use retentiond::demo::SeedValue;
use retentiond::plan::schema::Engine;
use retentiond::policy::located::Faults;
use retentiond::policy::map::{DataMap, DataSet};
use retentiond::policy::read_map;
use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection, PgConnection, Row as _, SqliteConnection};

use crate::case::Row;
use crate::support::{self, TestDatabase};

/// Rows of a table by the texts of their key, each with the text of every column.
pub type Stored = BTreeMap<Vec<String>, BTreeMap<String, Option<String>>>;

/// An organisation's database on one engine.
pub struct Stage {
    pub engine: Engine,
    pub organisation: String,
    pub database: TestDatabase,
    pub map: DataMap,
    /// The root of the store `recordings`.
    pub recordings: tempfile::TempDir,
}

/// The store of files that the data map of an organisation names.
pub fn store(organisation: &str) -> String {
    format!("{organisation}-recordings")
}
/// A file of the store to which no row points.
pub const NOBODYS: &str = "nobody/0.wav";

impl Stage {
    /// Creates it from the shipped schema. `None` where the engine is not there.
    pub async fn new(organisation: &str, engine: Engine) -> Option<Self> {
        let database = support::database(engine).await?;
        let schema = match engine {
            Engine::Postgres => "schema.postgres.sql",
            Engine::MariaDb | Engine::MySql => "schema.mariadb.sql",
            Engine::Sqlite => "schema.sqlite.sql",
        };
        database.run_sql(&shipped(organisation, schema)).await;
        let mut faults = Faults::default();
        let map = read_map::read(&shipped(organisation, "map.toml"), 0, &mut faults);
        assert!(!faults.any_error(), "{organisation}: {:?}", faults.sorted());
        let recordings = tempfile::tempdir().unwrap();
        let stage = Self { engine, organisation: organisation.to_owned(), database, map: map.unwrap(), recordings };
        stage.write(NOBODYS);
        Some(stage)
    }

    /// The columns by which rows of a table point to files, each with the file of this row.
    pub fn files_of<'r>(&self, row: &'r Row) -> BTreeMap<&str, &'r str> {
        let columns = self.data_set(&row.table).into_iter().flat_map(|d| &d.files);
        let file = |column: &str| match row.columns.get(column) {
            Some(SeedValue::Text(path)) if !path.is_empty() => Some(path.as_str()),
            _ => None,
        };
        let held = columns.filter_map(|f| {
            assert_eq!(f.store.value, store(&self.organisation));
            Some((f.column.value.as_str(), file(&f.column.value)?))
        });
        held.collect()
    }

    fn write(&self, file: &str) {
        let path = self.recordings.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, file).unwrap();
    }

    /// The paths of all files of the store.
    pub fn files(&self) -> BTreeSet<String> {
        let (mut found, mut folders) = (BTreeSet::new(), vec![self.recordings.path().to_owned()]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let below = path.strip_prefix(self.recordings.path()).unwrap();
                    found.insert(below.to_str().unwrap().to_owned());
                }
            }
        }
        found
    }

    /// The data set of a table; `None` for a table without personal data.
    pub fn data_set(&self, table: &str) -> Option<&DataSet> {
        self.map.data_sets.iter().find(|d| d.table.name == table)
    }

    /// The texts of a row's key, in the order of the data map.
    pub fn key_of(&self, row: &Row) -> Vec<String> {
        let data = self.data_set(&row.table).unwrap();
        data.key.iter().map(|k| row.columns[&k.value].text().unwrap()).collect()
    }

    /// Inserts rows, and writes the files that they point to.
    pub async fn insert(&self, rows: impl Iterator<Item = &Row>) {
        let statements: Vec<String> = rows
            .map(|row| {
                self.files_of(row).values().for_each(|file| self.write(file));
                let columns: Vec<&str> = row.columns.keys().map(String::as_str).collect();
                let values: Vec<String> = row.columns.values().map(|v| self.literal(v)).collect();
                format!("INSERT INTO {} ({}) VALUES ({});", row.table, columns.join(", "), values.join(", "))
            })
            .collect();
        if !statements.is_empty() {
            self.database.run_sql(&statements.join("\n")).await;
        }
    }

    /// Deletes a row.
    pub async fn delete(&self, row: &Row) {
        self.database.run_sql(&format!("DELETE FROM {} WHERE {}", row.table, self.named(row))).await;
    }

    /// Sets columns of a row.
    pub async fn update(&self, row: &Row, values: &[(&str, SeedValue)]) {
        let set: Vec<String> = values.iter().map(|(c, v)| format!("{c} = {}", self.literal(v))).collect();
        self.database.run_sql(&format!("UPDATE {} SET {} WHERE {}", row.table, set.join(", "), self.named(row))).await;
    }

    fn named(&self, row: &Row) -> String {
        let key = &self.data_set(&row.table).unwrap().key;
        let equal: Vec<String> = key.iter().map(|k| format!("{k} = {}", self.literal(&row.columns[&k.value]))).collect();
        equal.join(" AND ")
    }

    /// All rows of those tables that hold personal data.
    pub async fn look(&self, tables: &[String]) -> BTreeMap<String, Stored> {
        let mut all = BTreeMap::new();
        for table in tables {
            let Some(data) = self.data_set(table) else { continue };
            let columns: Vec<String> = data
                .key
                .iter()
                .chain(&data.plain)
                .chain(data.categories.iter().flat_map(|c| c.columns.iter().map(|c| &c.name)))
                .map(|c| c.value.clone())
                .collect();
            let text = match self.engine {
                Engine::MariaDb | Engine::MySql => "char",
                Engine::Postgres | Engine::Sqlite => "text",
            };
            let cast: Vec<String> = columns.iter().map(|c| format!("CAST({c} AS {text})")).collect();
            let rows = self.texts(&format!("SELECT {} FROM {table}", cast.join(", ")), columns.len()).await;
            let stored = rows.into_iter().map(|row| {
                let key = row[..data.key.len()].iter().map(|k| k.clone().unwrap()).collect();
                (key, columns.iter().cloned().zip(row).collect())
            });
            all.insert(table.clone(), stored.collect());
        }
        all
    }

    async fn texts(&self, sql: &str, columns: usize) -> Vec<Vec<Option<String>>> {
        let (sql, url) = (AssertSqlSafe(sql.to_owned()), &self.database.url);
        macro_rules! fetch {
            ($connection:ty) => {
                sqlx::query(sql)
                    .fetch_all(&mut <$connection>::connect(url).await.unwrap())
                    .await
                    .unwrap()
                    .iter()
                    .map(|row| (0..columns).map(|c| row.get::<Option<String>, _>(c)).collect())
                    .collect()
            };
        }
        match self.engine {
            Engine::Postgres => fetch!(PgConnection),
            Engine::MariaDb | Engine::MySql => fetch!(MySqlConnection),
            Engine::Sqlite => fetch!(SqliteConnection),
        }
    }

    /// A value as SQL. Texts stand in quotes and take the column's type.
    pub fn literal(&self, value: &SeedValue) -> String {
        let Some(text) = value.text() else { return "NULL".to_owned() };
        match (value, self.engine) {
            (SeedValue::Integer(_) | SeedValue::Decimal(_), _) => text,
            (SeedValue::Bool(b), Engine::Postgres) => b.to_string(),
            (SeedValue::Bool(_), _) => text,
            (SeedValue::Instant(_), Engine::Postgres) => format!("'{text}+00'"),
            (_, Engine::MariaDb | Engine::MySql) => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''")),
            _ => format!("'{}'", text.replace('\'', "''")),
        }
    }
}

pub fn shipped(organisation: &str, file: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("config/examples").join(organisation).join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
