//! A case as SQL for each engine, and an engine's answers as values.

use std::fmt::Write as _;

use retentiond::plan::schema::Engine;
use retentiond::reference::{Value, World};

use super::Case;
use super::shape::Kind;
use super::tangle::unique_with_group;

impl Case {
    /// Statements that create the tables and insert the rows, parents first. Each ends with `;` and a line break.
    pub fn load(&self, engine: Engine) -> String {
        format!("{}{}", self.schema(engine), self.inserts(engine))
    }

    /// The `CREATE TABLE` statements.
    pub fn schema(&self, engine: Engine) -> String {
        let mut out = String::new();
        for (at, shape) in self.shapes.iter().enumerate() {
            let mut parts: Vec<String> = Vec::new();
            for (name, kind, nullable) in self.columns(at) {
                let null = if nullable { "NULL" } else { "NOT NULL" };
                parts.push(format!("{} {} {null}", quote(name, engine), sql_type(kind, engine)));
            }
            parts.push(format!("PRIMARY KEY ({})", list(&shape.key(), engine)));
            if unique_with_group(&self.shapes, at) {
                parts.push(format!("UNIQUE ({})", list(&[shape.key().as_slice(), &["grp"]].concat(), engine)));
            }
            for key in shape.foreign_keys(&self.shapes) {
                let (own, there): (Vec<&str>, Vec<&str>) = key.pairs.iter().copied().unzip();
                let action = if key.cascade { " ON DELETE CASCADE" } else { "" };
                let (own, there) = (list(&own, engine), list(&there, engine));
                let parent = quote(self.shapes[key.to].name, engine);
                parts.push(format!("FOREIGN KEY ({own}) REFERENCES {parent} ({there}){action}"));
            }
            let tail = if engine.is_mysql_family() { " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4" } else { "" };
            writeln!(out, "CREATE TABLE {} ({}){tail};", quote(shape.name, engine), parts.join(", ")).unwrap();
        }
        out
    }

    /// The `INSERT` statements, one a table.
    pub fn inserts(&self, engine: Engine) -> String {
        let mut out = String::new();
        for (at, shape) in self.shapes.iter().enumerate().filter(|(at, _)| !self.rows[*at].is_empty()) {
            let columns = self.columns(at);
            let names: Vec<&str> = columns.iter().map(|c| c.0).collect();
            let rows: Vec<String> = self.rows[at]
                .iter()
                .map(|row| {
                    let cells: Vec<String> = row.iter().zip(&columns).map(|(v, c)| literal(v, c.1, engine)).collect();
                    format!("({})", cells.join(", "))
                })
                .collect();
            let table = quote(shape.name, engine);
            writeln!(out, "INSERT INTO {table} ({}) VALUES {};", list(&names, engine), rows.join(", ")).unwrap();
        }
        out
    }

    /// A statement that answers every row of a table, each cell as text.
    pub fn select(&self, table: usize, engine: Engine) -> String {
        let cells: Vec<String> = self.columns(table).iter().map(|(name, kind, _)| as_text(name, *kind, engine)).collect();
        format!("SELECT {} FROM {}", cells.join(", "), quote(self.shapes[table].name, engine))
    }

    /// The world that an engine answered, from the rows of [`Case::select`] for each table.
    pub fn stored(&self, answers: &[Vec<Vec<Option<String>>>], engine: Engine) -> World {
        let rows: Vec<Vec<Vec<Value>>> = answers
            .iter()
            .enumerate()
            .map(|(at, rows)| {
                let columns = self.columns(at);
                let cell = |(text, column): (&Option<String>, &(&str, Kind, bool))| {
                    text.as_deref().map_or(Value::Null, |t| parse(t, column.1, engine))
                };
                rows.iter().map(|row| row.iter().zip(&columns).map(cell).collect()).collect()
            })
            .collect();
        self.world_of(&rows)
    }
}

pub(super) fn quote(name: &str, engine: Engine) -> String {
    if engine.is_mysql_family() { format!("`{name}`") } else { format!("\"{name}\"") }
}

fn list(names: &[&str], engine: Engine) -> String {
    names.iter().map(|n| quote(n, engine)).collect::<Vec<_>>().join(", ")
}

pub(super) fn sql_type(kind: Kind, engine: Engine) -> &'static str {
    match (kind, engine) {
        (Kind::Integer, Engine::Sqlite) => "INTEGER",
        (Kind::Integer, _) => "BIGINT",
        (Kind::Text, Engine::Sqlite) => "TEXT",
        (Kind::Text, _) => "VARCHAR(80)",
        (Kind::Bool, Engine::Postgres) => "BOOLEAN",
        (Kind::Bool, Engine::Sqlite) => "INTEGER",
        (Kind::Bool, _) => "TINYINT(1)",
        (Kind::Date, Engine::Sqlite) => "TEXT",
        (Kind::Date, _) => "DATE",
        (Kind::DateTime, Engine::Postgres) => "TIMESTAMP",
        (Kind::DateTime, Engine::Sqlite) => "TEXT",
        (Kind::DateTime, _) => "DATETIME",
        (Kind::Instant, Engine::Postgres) => "TIMESTAMPTZ",
        (Kind::Instant, Engine::Sqlite) => "INTEGER",
        (Kind::Instant, _) => "TIMESTAMP",
        (Kind::Json, Engine::Postgres) => "JSONB",
        (Kind::Json, Engine::Sqlite) => "TEXT",
        (Kind::Json, _) => "JSON",
    }
}

pub(super) fn literal(value: &Value, kind: Kind, engine: Engine) -> String {
    let text = |t: &str| {
        let doubled = t.replace('\'', "''");
        if engine.is_mysql_family() { format!("'{}'", doubled.replace('\\', "\\\\")) } else { format!("'{doubled}'") }
    };
    match value {
        Value::Null => "NULL".into(),
        Value::Bool(b) if engine == Engine::Postgres => b.to_string(),
        Value::Bool(b) => u8::from(*b).to_string(),
        Value::Integer(n) => n.to_string(),
        Value::Text(t) | Value::Json(t) => text(t),
        Value::Date(d) => format!("'{}'", d.format("%Y-%m-%d")),
        Value::DateTime(t) => format!("'{}'", t.format("%Y-%m-%d %H:%M:%S")),
        Value::Instant(t) if engine == Engine::Sqlite => t.timestamp().to_string(),
        Value::Instant(t) if engine == Engine::Postgres => format!("'{}'", t.format("%Y-%m-%d %H:%M:%S+00")),
        // The session must have the time zone +00:00.
        Value::Instant(t) => format!("'{}'", t.format("%Y-%m-%d %H:%M:%S")),
        other => panic!("no case has {other:?} for {kind:?}"),
    }
}

fn as_text(name: &str, kind: Kind, engine: Engine) -> String {
    let name = quote(name, engine);
    match (engine, kind) {
        (Engine::Postgres, Kind::Date) => format!("to_char({name}, 'YYYY-MM-DD')"),
        (Engine::Postgres, Kind::DateTime) => format!("to_char({name}, 'YYYY-MM-DD HH24:MI:SS')"),
        (Engine::Postgres, Kind::Instant) => format!("to_char({name} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')"),
        (Engine::Postgres | Engine::Sqlite, _) => format!("CAST({name} AS TEXT)"),
        _ => format!("CAST({name} AS CHAR)"),
    }
}

pub fn parse(text: &str, kind: Kind, engine: Engine) -> Value {
    let found = match kind {
        Kind::Integer => text.parse().ok().map(Value::Integer),
        Kind::Text => Some(Value::text(text)),
        Kind::Bool => Some(Value::Bool(matches!(text, "1" | "t" | "true"))),
        Kind::Date => text.parse().ok().map(Value::Date),
        Kind::DateTime => text.replace(' ', "T").parse().ok().map(Value::DateTime),
        Kind::Instant if engine == Engine::Sqlite => {
            text.parse().ok().and_then(|s| chrono::DateTime::from_timestamp(s, 0)).map(Value::Instant)
        }
        Kind::Instant => format!("{}Z", text.replace(' ', "T")).parse().ok().map(Value::Instant),
        Kind::Json => Value::json(text),
    };
    found.unwrap_or_else(|| panic!("{kind:?} expected"))
}
