//! Reading a live schema into plain data, one file per engine.
//!
//! Catalogues are read over an ordinary session, without a superuser's rights. On PostgreSQL every role sees the whole
//! catalogue; on MariaDB and MySQL a role sees only what it has some privilege on, and triggers only with the `TRIGGER` privilege
//! ([`Surroundings`](super::Surroundings) says whether it has that).

mod mentions;
mod mysql;
mod postgres;
mod sqlite;
mod sqlite_ddl;

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};

use super::error::SourceError;
use super::pool::Source;
use super::session::Row;
use crate::plan::schema::{Engine, OnDelete, Schema, Table, TableName};

impl Source {
    /// Reads the whole schema of the connected database. The product's own tables, the engine's system tables, temporary tables and
    /// single partitions are left out; on MariaDB and MySQL tables of other databases that refer to this one are included.
    ///
    /// From then on errors of this source may name the constraints, tables and columns that were found.
    ///
    /// # Errors
    /// Whatever the server reports; [`SourceError::Catalogue`] when its catalogue has an unknown shape.
    pub async fn introspect(&self) -> Result<Schema, SourceError> {
        let mut session = self.session().await?;
        let mut schema = match self.engine() {
            Engine::Postgres => postgres::read(&mut session).await?,
            Engine::MariaDb | Engine::MySql => mysql::read(&mut session).await?,
            Engine::Sqlite => sqlite::read(&mut session).await?,
        };
        session.done().await?;
        for table in &mut schema.tables {
            table.indexes.sort_by(|a, b| a.name.cmp(&b.name));
            table.foreign_keys.sort_by(|a, b| a.name.cmp(&b.name));
            table.checks.sort_by(|a, b| a.name.cmp(&b.name));
            table.triggers.sort_by(|a, b| a.name.cmp(&b.name));
        }
        schema.tables.sort_by(|a, b| a.name.cmp(&b.name));
        self.names.learn(&schema);
        Ok(schema)
    }
}

/// Access to the fields of a catalogue row.
struct Fields<'a>(&'a Row, &'static str);

impl<'a> Fields<'a> {
    fn maybe(&self, i: usize) -> Option<&'a str> {
        self.0.get(i).and_then(Option::as_deref)
    }

    fn text(&self, i: usize) -> Result<&'a str, SourceError> {
        self.maybe(i).ok_or(SourceError::Catalogue(self.1))
    }

    fn owned(&self, i: usize) -> Result<String, SourceError> {
        self.text(i).map(str::to_owned)
    }

    fn number<N: std::str::FromStr>(&self, i: usize) -> Option<N> {
        self.maybe(i).and_then(|v| v.parse().ok())
    }

    /// Whether a field says yes in one of the engines' ways.
    fn yes(&self, i: usize) -> bool {
        matches!(self.maybe(i), Some("t" | "true" | "1" | "YES" | "Y" | "on" | "ON"))
    }
}

/// Tables under construction, found by the catalogue's own identifier of each.
struct Tables<K>(HashMap<K, Table>);

impl<K: std::hash::Hash + Eq> Tables<K> {
    /// The table with that identifier; `None` for tables that are left out.
    fn get<Q: std::hash::Hash + Eq + ?Sized>(&mut self, id: &Q) -> Option<&mut Table>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.0.get_mut(id)
    }

    fn finish(self) -> Vec<Table> {
        self.0.into_values().collect()
    }
}

/// What a foreign key does on deletion, from the words of the standard.
fn on_delete(words: &str) -> OnDelete {
    match words {
        "CASCADE" => OnDelete::Cascade,
        "SET NULL" => OnDelete::SetNull,
        "SET DEFAULT" => OnDelete::SetDefault,
        _ => OnDelete::Restrict,
    }
}

/// SHA-256 over the parts, each with its length in front, in hexadecimal.
fn hashed(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex::encode(hash.finalize())
}

/// Fills in what each trigger's body mentions, once all tables are known.
fn resolve_mentions(tables: &mut [Table], bodies: &[(TableName, String, String)], fold: mentions::Fold) {
    let names: Vec<String> = tables.iter().map(|t| t.name.name.clone()).collect();
    for (owner, trigger, body) in bodies {
        let found = mentions::find(body, &names, &owner.name, fold);
        if let Some(t) = tables.iter_mut().find(|t| t.name == *owner)
            && let Some(t) = t.triggers.iter_mut().find(|t| t.name == *trigger)
        {
            t.mentions = found;
        }
    }
}
