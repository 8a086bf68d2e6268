//! SQLite's catalogue: its schema table, its pragmas, and the text of its statements.

use std::collections::HashMap;
use std::path::Path;

use super::mentions::Fold;
use super::{Fields, Tables, hashed, on_delete, resolve_mentions, sqlite_ddl};
use crate::plan::schema::{
    Column, Engine, ForeignKey, Index, Schema, ServerIdentity, Table, TableKind, TableName, Trigger, TypeClass,
};
use crate::source::error::SourceError;
use crate::source::session::Session;

/// Tables that are listed, with their kind: ordinary and virtual tables and views of the main file.
const LISTED: &str = "SELECT l.name, l.type FROM pragma_table_list l WHERE l.schema = 'main' AND l.type IN ('table', 'view', 'virtual') \
     AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND l.name NOT LIKE 'retentiond\\_%' ESCAPE '\\'";

/// Reads the main file's schema in one read transaction.
pub(super) async fn read(session: &mut Session) -> Result<Schema, SourceError> {
    session.rows("BEGIN").await?;
    let rows = session.rows("SELECT sqlite_version(), file FROM pragma_database_list WHERE name = 'main'").await?;
    let row = Fields(rows.first().ok_or(SourceError::Catalogue("database_list"))?, "database_list");
    let file = row.text(1)?;
    let file = std::fs::canonicalize(Path::new(file)).map_or_else(|_| file.to_owned(), |p| p.to_string_lossy().into_owned());
    let server = ServerIdentity { engine: Engine::Sqlite, version: row.owned(0)?, id: hashed(&["sqlite", &file]) };

    let mut tables = tables(session).await?;
    columns(session, &mut tables).await?;
    indexes(session, &mut tables).await?;
    foreign_keys(session, &mut tables).await?;
    from_text(session, &mut tables).await?;
    let bodies = triggers(session, &mut tables).await?;
    session.rows("COMMIT").await?;
    let mut tables = tables.finish();
    resolve_mentions(&mut tables, &bodies, Fold::Ignore);
    Ok(Schema { server, tables, search_path: vec!["main".to_owned()] })
}

fn main(name: &str) -> TableName {
    TableName { schema: "main".to_owned(), name: name.to_owned() }
}

async fn tables(session: &mut Session) -> Result<Tables<String>, SourceError> {
    let mut tables = HashMap::new();
    for row in session.rows(LISTED).await? {
        let row = Fields(&row, "table_list");
        let (kind, storage) = match row.text(1)? {
            "view" => (TableKind::View, "view"),
            "virtual" => (TableKind::Foreign, "virtual"),
            _ => (TableKind::Table, "table"),
        };
        let table = Table {
            name: main(row.text(0)?),
            kind,
            durable: kind != TableKind::Foreign,
            storage: storage.to_owned(),
            columns: Vec::new(),
            primary_key: Vec::new(),
            indexes: Vec::new(),
            foreign_keys: Vec::new(),
            checks: Vec::new(),
            triggers: Vec::new(),
            row_security: false,
            replica_identity_full: false,
            estimated_rows: None,
        };
        tables.insert(row.owned(0)?, table);
    }
    if !session.rows("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat1'").await?.is_empty() {
        let sql = "SELECT tbl, max(CAST(stat AS INTEGER)) FROM sqlite_stat1 GROUP BY tbl";
        for row in session.rows(sql).await? {
            let row = Fields(&row, "sqlite_stat1");
            if let Some(table) = row.maybe(0).and_then(|name| tables.get_mut(name)) {
                table.estimated_rows = row.number(1);
            }
        }
    }
    Ok(Tables(tables))
}

async fn columns(session: &mut Session, tables: &mut Tables<String>) -> Result<(), SourceError> {
    let sql = format!(
        "SELECT t.name, c.name, c.type, c.\"notnull\", c.dflt_value, c.pk, c.hidden FROM ({LISTED}) t, pragma_table_xinfo(t.name) c \
         WHERE c.hidden <> 1 ORDER BY t.name, c.cid"
    );
    let mut keys: HashMap<String, Vec<(u32, String)>> = HashMap::new();
    for row in session.rows(&sql).await? {
        let row = Fields(&row, "table_xinfo");
        let Some(table) = tables.get(row.text(0)?) else { continue };
        let sql_type = row.maybe(2).unwrap_or("").to_owned();
        if let Some(position) = row.number(5).filter(|p| *p > 0) {
            keys.entry(row.owned(0)?).or_default().push((position, row.owned(1)?));
        }
        table.columns.push(Column {
            name: row.owned(1)?,
            class: class(&sql_type),
            sql_type,
            max_length: None,
            nullable: !row.yes(3),
            generated: matches!(row.maybe(6), Some("2" | "3")),
            default: row.maybe(4).map(str::to_owned),
            on_update_now: false,
            collation: None,
        });
    }
    for (name, mut key) in keys {
        key.sort();
        if let Some(table) = tables.get(&name) {
            table.primary_key = key.into_iter().map(|(_, column)| column).collect();
        }
    }
    Ok(())
}

/// The class of a declared type. SQLite enforces none of them, except in STRICT tables.
fn class(declared: &str) -> TypeClass {
    let upper = declared.to_ascii_uppercase();
    let bare = upper.split('(').next().unwrap_or("").trim();
    match bare {
        "DATE" => TypeClass::Date,
        "DATETIME" | "TIMESTAMP" => TypeClass::DateTime,
        "TIMESTAMPTZ" | "TIMESTAMP WITH TIME ZONE" => TypeClass::Instant,
        "BOOL" | "BOOLEAN" => TypeClass::Boolean,
        "UUID" => TypeClass::Uuid,
        "JSON" | "JSONB" => TypeClass::Json,
        "DECIMAL" | "NUMERIC" => TypeClass::Decimal,
        _ if bare.contains("INT") => TypeClass::Integer,
        _ if ["CHAR", "CLOB", "TEXT"].iter().any(|t| bare.contains(t)) => TypeClass::Text,
        _ if ["BLOB", "BINARY", "BYTEA"].iter().any(|t| bare.contains(t)) => TypeClass::Binary,
        _ if ["REAL", "FLOA", "DOUB"].iter().any(|t| bare.contains(t)) => TypeClass::Float,
        _ => TypeClass::Other,
    }
}

async fn indexes(session: &mut Session, tables: &mut Tables<String>) -> Result<(), SourceError> {
    let sql = format!(
        "SELECT t.name, i.name, i.\"unique\", i.partial, x.cid >= 0, x.name, s.sql \
         FROM ({LISTED}) t, pragma_index_list(t.name) i, pragma_index_xinfo(i.name) x \
         LEFT JOIN sqlite_schema s ON s.type = 'index' AND s.name = i.name WHERE x.key = 1 ORDER BY t.name, i.name, x.seqno"
    );
    for row in session.rows(&sql).await? {
        let row = Fields(&row, "index_list");
        let Some(table) = tables.get(row.text(0)?) else { continue };
        let name = row.text(1)?;
        // Neither the rowid nor an expression has a column's name.
        let column = row.maybe(5).filter(|_| row.yes(4)).unwrap_or("").to_owned();
        match table.indexes.last_mut().filter(|i| i.name == name) {
            Some(index) => index.columns.push(column),
            None => {
                let predicate = row.maybe(6).filter(|_| row.yes(3)).and_then(sqlite_ddl::predicate);
                let (name, columns) = (name.to_owned(), vec![column]);
                table.indexes.push(Index { name, columns, unique: row.yes(2), predicate, usable: true });
            }
        }
    }
    // `INTEGER PRIMARY KEY` is the table itself: no index of its own, and never null.
    let sql = format!(
        "SELECT t.name FROM ({LISTED}) t WHERE NOT EXISTS (SELECT 1 FROM pragma_index_list(t.name) i WHERE i.origin = 'pk')"
    );
    for row in session.rows(&sql).await? {
        let Some(table) = tables.get(Fields(&row, "index_list").text(0)?) else { continue };
        if let [key] = &table.primary_key[..] {
            for column in table.columns.iter_mut().filter(|c| c.name == *key) {
                column.nullable = false;
            }
            let columns = table.primary_key.clone();
            table.indexes.push(Index { name: "PRIMARY KEY".to_owned(), columns, unique: true, predicate: None, usable: true });
        }
    }
    Ok(())
}

async fn foreign_keys(session: &mut Session, tables: &mut Tables<String>) -> Result<(), SourceError> {
    let sql = format!(
        "SELECT t.name, f.id, f.\"table\", f.on_delete, f.on_update, f.\"from\", f.\"to\" FROM ({LISTED}) t, pragma_foreign_key_list(t.name) f \
         ORDER BY t.name, f.id, f.seq"
    );
    let known: HashMap<String, (String, Vec<String>)> =
        tables.0.iter().map(|(name, t)| (name.to_lowercase(), (name.clone(), t.primary_key.clone()))).collect();
    for row in session.rows(&sql).await? {
        let row = Fields(&row, "foreign_key_list");
        let Some(table) = tables.get(row.text(0)?) else { continue };
        let name = format!("fk_{}", row.text(1)?);
        // The parent is written as the child's author wrote it, and its columns may be left out.
        let (parent, key) = known.get(&row.text(2)?.to_lowercase()).cloned().unwrap_or((row.owned(2)?, Vec::new()));
        if table.foreign_keys.last().is_none_or(|k| k.name != name) {
            table.foreign_keys.push(ForeignKey {
                name,
                columns: Vec::new(),
                parent: main(&parent),
                parent_columns: Vec::new(),
                on_delete: on_delete(row.text(3)?),
                on_update_changes: !matches!(row.text(4)?, "RESTRICT" | "NO ACTION"),
                deferred: false,
            });
        }
        if let Some(fk) = table.foreign_keys.last_mut() {
            let implied = key.get(fk.columns.len()).cloned().unwrap_or_default();
            fk.columns.push(row.owned(5)?);
            fk.parent_columns.push(row.maybe(6).map_or(implied, str::to_owned));
        }
    }
    Ok(())
}

async fn from_text(session: &mut Session, tables: &mut Tables<String>) -> Result<(), SourceError> {
    for row in session.rows("SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND sql IS NOT NULL").await? {
        let row = Fields(&row, "sqlite_schema");
        let Some(table) = tables.get(row.text(0)?).filter(|t| t.kind == TableKind::Table) else { continue };
        let text = sqlite_ddl::table(row.text(1)?);
        table.checks = text.checks;
        for (name, collation) in text.collations {
            if let Some(column) = table.columns.iter_mut().find(|c| c.name.eq_ignore_ascii_case(&name)) {
                column.collation = Some(collation);
            }
        }
        // The pragma numbers keys from the last one declared.
        for (key, deferred) in table.foreign_keys.iter_mut().zip(text.deferred.iter().rev()) {
            key.deferred = *deferred;
        }
    }
    Ok(())
}

async fn triggers(session: &mut Session, tables: &mut Tables<String>) -> Result<Vec<(TableName, String, String)>, SourceError> {
    let mut bodies = Vec::new();
    for row in session.rows("SELECT tbl_name, name, sql FROM sqlite_schema WHERE type = 'trigger'").await? {
        let row = Fields(&row, "sqlite_schema");
        let name = row.text(0)?.to_lowercase();
        let Some(table) = tables.0.values_mut().find(|t| t.name.name.to_lowercase() == name) else { continue };
        let sql = row.text(2)?;
        let text = sqlite_ddl::trigger(sql);
        table.triggers.push(Trigger {
            name: row.owned(1)?,
            before: text.before,
            on_update: text.on_update,
            on_delete: text.on_delete,
            body_hash: hashed(&[sql]),
            mentions: Vec::new(),
        });
        bodies.push((table.name.clone(), row.owned(1)?, text.body));
    }
    Ok(bodies)
}
