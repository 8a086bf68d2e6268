//! The catalogue of MariaDB and MySQL: `information_schema`, as far as the connected role may see it.

use std::collections::HashMap;

use super::mentions::Fold;
use super::{Fields, Tables, hashed, on_delete, resolve_mentions};
use crate::plan::quote;
use crate::plan::schema::{
    Check, Column, Engine, ForeignKey, Index, Schema, ServerIdentity, Table, TableKind, TableName, Trigger, TypeClass,
};
use crate::source::error::SourceError;
use crate::source::session::{Row, Session};

/// Reads the connected database, and tables elsewhere that refer to it.
pub(super) async fn read(session: &mut Session) -> Result<Schema, SourceError> {
    let mariadb = session.engine() == Engine::MariaDb;
    let who = if mariadb { "CONCAT(@@server_id, '/', @@hostname)" } else { "@@server_uuid" };
    let rows = session.rows(&format!("SELECT VERSION(), DATABASE(), {who}")).await?;
    let row = Fields(rows.first().ok_or(SourceError::Catalogue("server"))?, "server");
    let database = row.owned(1)?;
    let id = hashed(&["mysql", row.text(2)?, &database]);
    let server = ServerIdentity { engine: session.engine(), version: row.owned(0)?, id };

    let sql = "SELECT DISTINCT TABLE_SCHEMA, TABLE_NAME FROM information_schema.KEY_COLUMN_USAGE \
         WHERE REFERENCED_TABLE_SCHEMA = DATABASE() AND TABLE_SCHEMA <> DATABASE()";
    let abroad: Vec<Row> = session.rows(sql).await?;
    let mut tables = tables(session, "TABLE_SCHEMA = DATABASE()").await?;
    let mut all = vec!["= DATABASE()".to_owned()];
    for row in &abroad {
        let row = Fields(row, "foreign keys");
        let (schema, name) = (literal(row.text(0)?), literal(row.text(1)?));
        tables.0.extend(self::tables(session, &format!("TABLE_SCHEMA = {schema} AND TABLE_NAME = {name}")).await?.0);
        let condition = format!("= {schema}");
        if !all.contains(&condition) {
            all.push(condition);
        }
    }
    let mut bodies = Vec::new();
    for schema in &all {
        columns(session, schema, &mut tables).await?;
        indexes(session, schema, &mut tables).await?;
        foreign_keys(session, schema, &mut tables).await?;
        checks(session, schema, mariadb, &mut tables).await?;
        bodies.extend(triggers(session, schema, &mut tables).await?);
    }
    let mut tables = tables.finish();
    resolve_mentions(&mut tables, &bodies, Fold::Ignore);
    Ok(Schema { server, tables, search_path: vec![database] })
}

/// A name as a string literal that no sql_mode can break out of.
fn literal(name: &str) -> String {
    format!("CONVERT(X'{}' USING utf8mb4)", hex::encode(name))
}

type ByName = Tables<(String, String)>;

fn table<'a>(tables: &'a mut ByName, row: &Fields<'_>) -> Result<Option<&'a mut Table>, SourceError> {
    let name = (row.owned(0)?, row.owned(1)?);
    Ok(tables.get(&name))
}

async fn tables(session: &mut Session, condition: &str) -> Result<ByName, SourceError> {
    let sql = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, COALESCE(ENGINE, ''), TABLE_ROWS, COALESCE(CREATE_OPTIONS, '') \
         FROM information_schema.TABLES WHERE {condition} AND TABLE_TYPE IN ('BASE TABLE', 'VIEW', 'SYSTEM VERSIONED') \
         AND LEFT(TABLE_NAME, 11) <> 'retentiond_'"
    );
    let mut tables = HashMap::new();
    for row in session.rows(&sql).await? {
        let row = Fields(&row, "tables");
        let engine = row.text(3)?;
        let kind = match (row.text(2)?, engine.to_ascii_uppercase().as_str()) {
            ("VIEW", _) => TableKind::View,
            (_, "FEDERATED" | "CONNECT" | "SPIDER" | "S3") => TableKind::Foreign,
            _ if row.text(5)?.contains("partitioned") => TableKind::Partitioned,
            _ => TableKind::Table,
        };
        let storage = match row.text(2)? {
            "VIEW" => "view".to_owned(),
            // Old versions of each row stay readable in such a table.
            "SYSTEM VERSIONED" => format!("{engine} WITH SYSTEM VERSIONING"),
            _ => engine.to_owned(),
        };
        let name = TableName { schema: row.owned(0)?, name: row.owned(1)? };
        let table = Table {
            name: name.clone(),
            kind,
            durable: kind == TableKind::View || ["INNODB", "ROCKSDB"].iter().any(|e| engine.eq_ignore_ascii_case(e)),
            storage,
            columns: Vec::new(),
            primary_key: Vec::new(),
            indexes: Vec::new(),
            foreign_keys: Vec::new(),
            checks: Vec::new(),
            triggers: Vec::new(),
            row_security: false,
            replica_identity_full: false,
            estimated_rows: if kind == TableKind::View { None } else { row.number(4) },
        };
        tables.insert((name.schema, name.name), table);
    }
    Ok(Tables(tables))
}

async fn columns(session: &mut Session, schema: &str, tables: &mut ByName) -> Result<(), SourceError> {
    let sql = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH, IS_NULLABLE, EXTRA, \
         COLUMN_DEFAULT, COLLATION_NAME, COALESCE(GENERATION_EXPRESSION, '') <> '' \
         FROM information_schema.COLUMNS WHERE TABLE_SCHEMA {schema} ORDER BY TABLE_NAME, ORDINAL_POSITION"
    );
    for row in session.rows(&sql).await? {
        let row = Fields(&row, "columns");
        let Some(table) = table(tables, &row)? else { continue };
        let class = class(row.text(4)?);
        table.columns.push(Column {
            name: row.owned(2)?,
            sql_type: row.owned(3)?,
            class,
            max_length: row.number(5).filter(|_| matches!(class, TypeClass::Text | TypeClass::Binary)),
            nullable: row.yes(6),
            generated: row.yes(10),
            default: row.maybe(8).map(str::to_owned),
            on_update_now: row.text(7)?.to_ascii_lowercase().contains("on update current_timestamp"),
            collation: row.maybe(9).map(str::to_owned),
        });
    }
    Ok(())
}

fn class(data_type: &str) -> TypeClass {
    match data_type.to_ascii_lowercase().as_str() {
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "year" => TypeClass::Integer,
        "decimal" => TypeClass::Decimal,
        "float" | "double" => TypeClass::Float,
        "bit" => TypeClass::Bit,
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" => TypeClass::Text,
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => TypeClass::Binary,
        "date" => TypeClass::Date,
        "datetime" => TypeClass::DateTime,
        "timestamp" => TypeClass::Instant,
        "json" => TypeClass::Json,
        "uuid" => TypeClass::Uuid,
        "inet4" | "inet6" => TypeClass::Inet,
        "enum" | "set" => TypeClass::Enum,
        _ => TypeClass::Other,
    }
}

async fn indexes(session: &mut Session, schema: &str, tables: &mut ByName) -> Result<(), SourceError> {
    let usable = if session.engine() == Engine::MariaDb { "IGNORED = 'NO'" } else { "IS_VISIBLE = 'YES'" };
    let sql = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, NON_UNIQUE = 0, {usable} AND INDEX_TYPE = 'BTREE', COLUMN_NAME \
         FROM information_schema.STATISTICS WHERE TABLE_SCHEMA {schema} ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX"
    );
    for row in session.rows(&sql).await? {
        let row = Fields(&row, "statistics");
        let Some(table) = table(tables, &row)? else { continue };
        let (name, column) = (row.text(2)?, row.maybe(5).unwrap_or("").to_owned());
        if name == "PRIMARY" {
            table.primary_key.push(column.clone());
        }
        match table.indexes.last_mut().filter(|i| i.name == name) {
            Some(index) => index.columns.push(column),
            None => {
                let (name, columns) = (name.to_owned(), vec![column]);
                table.indexes.push(Index { name, columns, unique: row.yes(3), predicate: None, usable: row.yes(4) });
            }
        }
    }
    Ok(())
}

async fn foreign_keys(session: &mut Session, schema: &str, tables: &mut ByName) -> Result<(), SourceError> {
    let sql = format!(
        "SELECT k.TABLE_SCHEMA, k.TABLE_NAME, k.CONSTRAINT_NAME, k.REFERENCED_TABLE_SCHEMA, k.REFERENCED_TABLE_NAME, \
         r.DELETE_RULE, r.UPDATE_RULE, k.COLUMN_NAME, k.REFERENCED_COLUMN_NAME FROM information_schema.KEY_COLUMN_USAGE k \
         LEFT JOIN information_schema.REFERENTIAL_CONSTRAINTS r ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA \
         AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME AND r.TABLE_NAME = k.TABLE_NAME \
         WHERE k.TABLE_SCHEMA {schema} AND k.REFERENCED_TABLE_NAME IS NOT NULL \
         ORDER BY k.TABLE_NAME, k.CONSTRAINT_NAME, k.ORDINAL_POSITION"
    );
    let rows = session.rows(&sql).await?;
    let mut statements: HashMap<(String, String), String> = HashMap::new();
    for row in &rows {
        let row = Fields(row, "foreign keys");
        let place = (row.owned(0)?, row.owned(1)?);
        if row.maybe(5).is_none() && tables.get(&place).is_some() && !statements.contains_key(&place) {
            // MariaDB hides the rules from a role with grants on single tables: the table's own statement has them.
            let name = quote::table(session.engine(), &TableName { schema: place.0.clone(), name: place.1.clone() });
            let shown = session.rows(&format!("SHOW CREATE TABLE {name}")).await?;
            statements.insert(place, shown.first().map(|r| Fields(r, "create table").owned(1)).transpose()?.unwrap_or_default());
        }
    }
    for row in &rows {
        let row = Fields(row, "foreign keys");
        let statement = statements.get(&(row.owned(0)?, row.owned(1)?)).map_or("", String::as_str);
        let Some(table) = table(tables, &row)? else { continue };
        let name = row.text(2)?;
        let (delete, update) = match (row.maybe(5), row.maybe(6)) {
            (Some(delete), Some(update)) => (delete.to_owned(), update.to_owned()),
            _ => rules_of(statement, name).ok_or(SourceError::Catalogue("foreign keys"))?,
        };
        if table.foreign_keys.last().is_none_or(|k| k.name != name) {
            table.foreign_keys.push(ForeignKey {
                name: name.to_owned(),
                columns: Vec::new(),
                parent: TableName { schema: row.owned(3)?, name: row.owned(4)? },
                parent_columns: Vec::new(),
                on_delete: on_delete(&delete),
                on_update_changes: !matches!(update.as_str(), "RESTRICT" | "NO ACTION"),
                deferred: false,
            });
        }
        if let Some(key) = table.foreign_keys.last_mut() {
            key.columns.push(row.owned(7)?);
            key.parent_columns.push(row.owned(8)?);
        }
    }
    Ok(())
}

/// The rules of a foreign key on deletion and update, from the statement that `SHOW CREATE TABLE` prints: one line for each constraint, in which
/// what is not written is the default.
fn rules_of(statement: &str, name: &str) -> Option<(String, String)> {
    let start = format!("  CONSTRAINT {} FOREIGN KEY (", quote::identifier(Engine::MariaDb, name));
    let line = statement.lines().find(|l| l.starts_with(&start))?;
    let (_, tail) = line.rsplit_once("`)")?;
    let rule = |on: &str| {
        let after = tail.split_once(on).map_or("", |(_, after)| after);
        let known = ["CASCADE", "SET NULL", "SET DEFAULT", "NO ACTION"].into_iter().find(|k| after.starts_with(k));
        known.unwrap_or("RESTRICT").to_owned()
    };
    Some((rule(" ON DELETE "), rule(" ON UPDATE ")))
}

async fn checks(session: &mut Session, schema: &str, mariadb: bool, tables: &mut ByName) -> Result<(), SourceError> {
    let sql = if mariadb {
        format!(
            "SELECT CONSTRAINT_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS \
             WHERE CONSTRAINT_SCHEMA {schema}"
        )
    } else {
        format!(
            "SELECT t.TABLE_SCHEMA, t.TABLE_NAME, t.CONSTRAINT_NAME, c.CHECK_CLAUSE FROM information_schema.TABLE_CONSTRAINTS t \
             JOIN information_schema.CHECK_CONSTRAINTS c ON c.CONSTRAINT_SCHEMA = t.CONSTRAINT_SCHEMA \
             AND c.CONSTRAINT_NAME = t.CONSTRAINT_NAME \
             WHERE t.TABLE_SCHEMA {schema} AND t.CONSTRAINT_TYPE = 'CHECK' AND t.ENFORCED = 'YES'"
        )
    };
    for row in session.rows(&sql).await? {
        let row = Fields(&row, "checks");
        let Some(table) = table(tables, &row)? else { continue };
        let (name, expression) = (row.owned(2)?, row.owned(3)?);
        // MariaDB's JSON is a long text with this check.
        if let Some(column) =
            table.columns.iter_mut().find(|c| expression == format!("json_valid(`{}`)", c.name.replace('`', "``")))
        {
            column.class = TypeClass::Json;
        }
        table.checks.push(Check { name, expression });
    }
    Ok(())
}

async fn triggers(
    session: &mut Session,
    schema: &str,
    tables: &mut ByName,
) -> Result<Vec<(TableName, String, String)>, SourceError> {
    let sql = format!(
        "SELECT EVENT_OBJECT_SCHEMA, EVENT_OBJECT_TABLE, TRIGGER_NAME, ACTION_TIMING = 'BEFORE', EVENT_MANIPULATION, ACTION_STATEMENT \
         FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA {schema}"
    );
    let mut bodies = Vec::new();
    for row in session.rows(&sql).await? {
        let row = Fields(&row, "triggers");
        let Some(table) = table(tables, &row)? else { continue };
        let (event, body) = (row.text(4)?, row.maybe(5).unwrap_or(""));
        table.triggers.push(Trigger {
            name: row.owned(2)?,
            before: row.yes(3),
            on_update: event == "UPDATE",
            on_delete: event == "DELETE",
            body_hash: hashed(&[event, body]),
            mentions: Vec::new(),
        });
        bodies.push((table.name.clone(), row.owned(2)?, body.to_owned()));
    }
    Ok(bodies)
}

#[cfg(test)]
mod tests {
    use super::rules_of;

    #[test]
    fn the_rules_of_a_foreign_key_are_read_from_its_own_line() {
        let statement = "CREATE TABLE `c` (\n  `id` int(11) NOT NULL COMMENT '  CONSTRAINT `a` FOREIGN KEY (`x`) REFERENCES `p` (`id`)',\n  \
             CONSTRAINT `a` FOREIGN KEY (`x`) REFERENCES `ON DELETE CASCADE` (`ON UPDATE SET NULL`),\n  \
             CONSTRAINT `b``b` FOREIGN KEY (`x`, `y`) REFERENCES `p` (`id`, `id2`) ON DELETE CASCADE ON UPDATE SET NULL\n) ENGINE=InnoDB";
        let rules = |name: &str| rules_of(statement, name).map(|(d, u)| format!("{d}, {u}"));
        assert_eq!(rules("a").as_deref(), Some("RESTRICT, RESTRICT"));
        assert_eq!(rules("b`b").as_deref(), Some("CASCADE, SET NULL"));
        assert_eq!(rules("b"), None);
    }
}
