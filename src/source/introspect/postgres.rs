//! PostgreSQL's catalogue.

use std::collections::HashMap;

use super::mentions::Fold;
use super::{Fields, Tables, hashed, resolve_mentions};
use crate::plan::schema::{
    Check, Column, Engine, ForeignKey, Index, OnDelete, Schema, ServerIdentity, Table, TableKind, TableName, Trigger, TypeClass,
};
use crate::source::error::SourceError;
use crate::source::session::Session;

/// The tables that are listed, for the queries below.
const LISTED: &str = "SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition \
     AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'retentiond') AND n.nspname !~ '^pg_(toast|temp)'";

struct Type {
    name: String,
    kind: String,
    base: String,
    modifier: i64,
    not_null: bool,
}

/// Reads everything in one snapshot.
pub(super) async fn read(session: &mut Session) -> Result<Schema, SourceError> {
    let path = "SELECT s FROM unnest(current_schemas(false)) WITH ORDINALITY AS p(s, i) ORDER BY i";
    let path = session.rows(path).await?;
    let search_path = path.iter().map(|row| Fields(row, "search path").owned(0)).collect::<Result<_, _>>()?;
    // With nothing but pg_catalog in the path every printed name is qualified, whatever the role prefers.
    session.rows("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path = pg_catalog").await?;
    let server = server(session).await?;
    let mut tables = tables(session).await?;
    columns(session, &mut tables).await?;
    indexes(session, &mut tables).await?;
    foreign_keys(session, &mut tables).await?;
    checks(session, &mut tables).await?;
    let bodies = triggers(session, &mut tables).await?;
    session.rows("COMMIT").await?;
    let mut tables = tables.finish();
    resolve_mentions(&mut tables, &bodies, Fold::Lower);
    Ok(Schema { server, tables, search_path })
}

async fn server(session: &mut Session) -> Result<ServerIdentity, SourceError> {
    let sql = "SELECT current_setting('server_version'), oid, has_function_privilege('pg_control_system()', 'EXECUTE') \
         FROM pg_database WHERE datname = current_database()";
    let rows = session.rows(sql).await?;
    let row = Fields(rows.first().ok_or(SourceError::Catalogue("database"))?, "database");
    let system = if row.yes(2) { session.rows("SELECT system_identifier FROM pg_control_system()").await? } else { Vec::new() };
    let system = system.first().and_then(|r| r.first()).and_then(Option::as_deref).unwrap_or("");
    let id = hashed(&["postgresql", system, row.text(1)?]);
    Ok(ServerIdentity { engine: Engine::Postgres, version: row.owned(0)?, id })
}

async fn tables(session: &mut Session) -> Result<Tables<String>, SourceError> {
    let sql = format!(
        "SELECT c.oid, n.nspname, c.relname, c.relkind, coalesce(am.amname, ''), row_security_active(c.oid), \
         coalesce(bool_and(l.relpersistence = 'p' AND l.relkind <> 'f'), true), coalesce(bool_or(l.relreplident = 'f'), false), \
         CASE WHEN bool_and(l.reltuples >= 0) THEN sum(l.reltuples)::numeric::bigint END \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_am am ON am.oid = c.relam \
         LEFT JOIN LATERAL (SELECT c.relpersistence, c.relkind, c.relreplident, c.reltuples WHERE c.relkind <> 'p' UNION ALL \
           SELECT p.relpersistence, p.relkind, p.relreplident, p.reltuples FROM pg_partition_tree(c.oid) t \
           JOIN pg_class p ON p.oid = t.relid WHERE c.relkind = 'p' AND t.isleaf) l ON true \
         WHERE c.oid IN ({LISTED}) GROUP BY 1, 2, 3, 4, 5, 6"
    );
    let mut tables = HashMap::new();
    for row in session.rows(&sql).await? {
        let row = Fields(&row, "pg_class");
        let kind = match row.text(3)? {
            "p" => TableKind::Partitioned,
            "v" | "m" => TableKind::View,
            "f" => TableKind::Foreign,
            _ => TableKind::Table,
        };
        let storage = match (kind, row.text(4)?) {
            (TableKind::Partitioned, _) => "partitioned",
            (TableKind::Foreign, _) => "foreign",
            (TableKind::View, "") => "view",
            (TableKind::View, _) => "materialized view",
            (_, method) => method,
        };
        let table = Table {
            name: TableName { schema: row.owned(1)?, name: row.owned(2)? },
            kind,
            durable: row.yes(6),
            storage: storage.to_owned(),
            columns: Vec::new(),
            primary_key: Vec::new(),
            indexes: Vec::new(),
            foreign_keys: Vec::new(),
            checks: Vec::new(),
            triggers: Vec::new(),
            row_security: row.yes(5),
            replica_identity_full: row.yes(7),
            estimated_rows: if kind == TableKind::View { None } else { row.number(8) },
        };
        tables.insert(row.owned(0)?, table);
    }
    Ok(Tables(tables))
}

async fn columns(session: &mut Session, tables: &mut Tables<String>) -> Result<(), SourceError> {
    let sql = "SELECT oid, typname, typtype, typbasetype, typtypmod, typnotnull FROM pg_type WHERE typtype <> 'c' AND typcategory <> 'A'";
    let mut types = HashMap::new();
    for row in session.rows(sql).await? {
        let row = Fields(&row, "pg_type");
        let modifier = row.number(4).unwrap_or(-1);
        let found = Type { name: row.owned(1)?, kind: row.owned(2)?, base: row.owned(3)?, modifier, not_null: row.yes(5) };
        types.insert(row.owned(0)?, found);
    }
    let sql = format!(
        "SELECT a.attrelid, a.attname, format_type(a.atttypid, a.atttypmod), a.atttypid, a.atttypmod, a.attnotnull, \
         a.attgenerated <> '' OR a.attidentity = 'a', pg_get_expr(d.adbin, d.adrelid), l.collname \
         FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
         LEFT JOIN pg_collation l ON l.oid = a.attcollation \
         WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid IN ({LISTED}) ORDER BY a.attrelid, a.attnum"
    );
    for row in session.rows(&sql).await? {
        let row = Fields(&row, "pg_attribute");
        let Some(table) = tables.get(row.text(0)?) else { continue };
        // A domain's length, nullability and class are those of the type beneath it.
        let (mut id, mut modifier) = (row.text(3)?, row.number(4).unwrap_or(-1));
        let mut not_null = row.yes(5);
        while let Some(domain) = types.get(id).filter(|t| t.kind == "d") {
            not_null |= domain.not_null;
            modifier = if modifier < 0 { domain.modifier } else { modifier };
            id = &domain.base;
        }
        let (class, sized) = types.get(id).map_or((TypeClass::Other, false), class);
        table.columns.push(Column {
            name: row.owned(1)?,
            sql_type: row.owned(2)?,
            class,
            max_length: u64::try_from(modifier - 4).ok().filter(|n| sized && *n > 0),
            nullable: !not_null,
            generated: row.yes(6),
            default: row.maybe(7).map(str::to_owned),
            on_update_now: false,
            collation: row.maybe(8).map(str::to_owned),
        });
    }
    Ok(())
}

/// The class of a type that is no domain, and whether its modifier is a length in characters.
fn class(of: &Type) -> (TypeClass, bool) {
    let class = match of.name.as_str() {
        _ if of.kind == "e" => TypeClass::Enum,
        "int2" | "int4" | "int8" | "oid" => TypeClass::Integer,
        "numeric" => TypeClass::Decimal,
        "float4" | "float8" => TypeClass::Float,
        "bool" => TypeClass::Boolean,
        "varchar" | "bpchar" => return (TypeClass::Text, true),
        "text" | "name" | "citext" => TypeClass::Text,
        "bytea" => TypeClass::Binary,
        "bit" | "varbit" => TypeClass::Bit,
        "date" => TypeClass::Date,
        "timestamp" => TypeClass::DateTime,
        "timestamptz" => TypeClass::Instant,
        "uuid" => TypeClass::Uuid,
        "json" | "jsonb" => TypeClass::Json,
        "inet" | "cidr" => TypeClass::Inet,
        _ => TypeClass::Other,
    };
    (class, false)
}

async fn indexes(session: &mut Session, tables: &mut Tables<String>) -> Result<(), SourceError> {
    let sql = format!(
        "SELECT i.indrelid, c.relname, i.indisunique, i.indisprimary, i.indisvalid AND i.indisready AND i.indislive AND m.amname = 'btree', \
         pg_get_expr(i.indpred, i.indrelid), a.attname \
         FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam \
         CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(att, pos) \
         LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.att AND k.att > 0 \
         WHERE k.pos <= i.indnkeyatts AND i.indrelid IN ({LISTED}) ORDER BY i.indrelid, c.relname, k.pos"
    );
    for row in session.rows(&sql).await? {
        let row = Fields(&row, "pg_index");
        let Some(table) = tables.get(row.text(0)?) else { continue };
        let name = row.text(1)?;
        if table.indexes.last().is_none_or(|i| i.name != name) {
            let predicate = row.maybe(5).map(str::to_owned);
            table.indexes.push(Index {
                name: name.to_owned(),
                columns: Vec::new(),
                unique: row.yes(2),
                predicate,
                usable: row.yes(4),
            });
        }
        let column = row.maybe(6).unwrap_or("").to_owned();
        if row.yes(3) {
            table.primary_key.push(column.clone());
        }
        if let Some(index) = table.indexes.last_mut() {
            index.columns.push(column);
        }
    }
    Ok(())
}

async fn foreign_keys(session: &mut Session, tables: &mut Tables<String>) -> Result<(), SourceError> {
    // A key of or to a single partition counts as one of or to the whole table.
    let sql = "SELECT coalesce(pg_partition_root(f.conrelid), f.conrelid)::oid, f.oid, f.conname, n.nspname, p.relname, f.confdeltype, \
         f.confupdtype NOT IN ('a', 'r'), f.condeferred, own.attname, theirs.attname \
         FROM pg_constraint f JOIN pg_class p ON p.oid = coalesce(pg_partition_root(f.confrelid), f.confrelid) \
         JOIN pg_namespace n ON n.oid = p.relnamespace \
         CROSS JOIN LATERAL unnest(f.conkey, f.confkey) WITH ORDINALITY AS k(own, theirs, pos) \
         JOIN pg_attribute own ON own.attrelid = f.conrelid AND own.attnum = k.own \
         JOIN pg_attribute theirs ON theirs.attrelid = f.confrelid AND theirs.attnum = k.theirs \
         WHERE f.contype = 'f' AND f.conparentid = 0 ORDER BY f.conname, f.oid, k.pos";
    let mut last = String::new();
    for row in session.rows(sql).await? {
        let row = Fields(&row, "pg_constraint");
        let Some(table) = tables.get(row.text(0)?) else { continue };
        if last != row.text(1)? {
            last = row.owned(1)?;
            table.foreign_keys.push(ForeignKey {
                name: row.owned(2)?,
                columns: Vec::new(),
                parent: TableName { schema: row.owned(3)?, name: row.owned(4)? },
                parent_columns: Vec::new(),
                on_delete: match row.text(5)? {
                    "c" => OnDelete::Cascade,
                    "n" => OnDelete::SetNull,
                    "d" => OnDelete::SetDefault,
                    _ => OnDelete::Restrict,
                },
                on_update_changes: row.yes(6),
                deferred: row.yes(7),
            });
        }
        if let Some(key) = table.foreign_keys.last_mut() {
            key.columns.push(row.owned(8)?);
            key.parent_columns.push(row.owned(9)?);
        }
    }
    Ok(())
}

/// CHECK constraints, those of a column's domain included, and exclusion constraints as the engine prints them.
async fn checks(session: &mut Session, tables: &mut Tables<String>) -> Result<(), SourceError> {
    let sql = format!(
        "WITH RECURSIVE d(relid, typ) AS (SELECT a.attrelid, a.atttypid FROM pg_attribute a WHERE a.attnum > 0 AND NOT a.attisdropped \
         AND a.attrelid IN ({LISTED}) UNION SELECT d.relid, t.typbasetype FROM d JOIN pg_type t ON t.oid = d.typ WHERE t.typtype = 'd') \
         SELECT conrelid, conname, CASE contype WHEN 'c' THEN pg_get_expr(conbin, conrelid) ELSE pg_get_constraintdef(oid) END \
         FROM pg_constraint WHERE contype IN ('c', 'x') AND conrelid IN ({LISTED}) \
         UNION ALL SELECT d.relid, c.conname, pg_get_constraintdef(c.oid) FROM d JOIN pg_constraint c ON c.contypid = d.typ WHERE c.contype = 'c'"
    );
    for row in session.rows(&sql).await? {
        let row = Fields(&row, "pg_constraint");
        let check = Check { name: row.owned(1)?, expression: row.owned(2)? };
        let Some(table) = tables.get(row.text(0)?) else { continue };
        table.checks.push(check);
    }
    Ok(())
}

/// Triggers that fire for an ordinary session, and rewrite rules, which can turn a change into another one.
async fn triggers(session: &mut Session, tables: &mut Tables<String>) -> Result<Vec<(TableName, String, String)>, SourceError> {
    let sql = "SELECT coalesce(pg_partition_root(t.tgrelid), t.tgrelid)::oid, t.tgname, t.tgtype & 66 <> 0, t.tgtype & 16 <> 0, \
         t.tgtype & 8 <> 0, pg_get_triggerdef(t.oid), pg_get_functiondef(t.tgfoid) \
         FROM pg_trigger t WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND t.tgenabled IN ('O', 'A') \
         UNION ALL SELECT r.ev_class, r.rulename, true, r.ev_type = '2', r.ev_type = '4', pg_get_ruledef(r.oid), '' \
         FROM pg_rewrite r WHERE r.rulename <> '_RETURN' AND r.ev_enabled IN ('O', 'A')";
    let mut bodies = Vec::new();
    for row in session.rows(sql).await? {
        let row = Fields(&row, "pg_trigger");
        let Some(table) = tables.get(row.text(0)?) else { continue };
        let (definition, function) = (row.text(5)?, row.text(6)?);
        table.triggers.push(Trigger {
            name: row.owned(1)?,
            before: row.yes(2),
            on_update: row.yes(3),
            on_delete: row.yes(4),
            body_hash: hashed(&[definition, function]),
            mentions: Vec::new(),
        });
        // A rule's definition has its body; a trigger's names nothing but its own table and its condition.
        let body = if function.is_empty() { definition } else { function };
        bodies.push((table.name.clone(), row.owned(1)?, body.to_owned()));
    }
    Ok(bodies)
}
