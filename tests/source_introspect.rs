//! What introspection reads from real servers.

mod support;

use retentiond::plan::schema::{Engine, ForeignKey, OnDelete, Schema, Table, TableKind, TypeClass};
use retentiond::source::{Source, Target};
use support::{ENGINES, TestDatabase, database};

async fn schema(db: &TestDatabase) -> Schema {
    let source = Source::connect(&Target::new(&db.url)).await.expect("a connection");
    let schema = source.introspect().await.expect("a schema");
    source.close().await;
    schema
}

fn table<'a>(schema: &'a Schema, name: &str) -> &'a Table {
    schema.tables.iter().find(|t| t.name.name == name).unwrap_or_else(|| panic!("no table {name:?}"))
}

/// Quotes an identifier as the engine's manual says, independently of the program.
fn quoted(engine: Engine, name: &str) -> String {
    let quote = if engine.is_mysql_family() { '`' } else { '"' };
    format!("{quote}{}{quote}", name.replace(quote, &format!("{quote}{quote}")))
}

fn hostile(engine: Engine) -> Vec<String> {
    let mut names: Vec<String> = [
        "select",
        "MiXed",
        "with space",
        "a'b",
        "a\"b",
        "a`b",
        "back\\slash",
        "semi;--",
        "ünï",
        "\u{202e}abc\u{200f}",
        "[x]",
        "a%s_b",
    ]
    .map(str::to_owned)
    .to_vec();
    if !engine.is_mysql_family() {
        // MariaDB and MySQL take no characters beyond the basic plane.
        names.push("👩🏽‍🚀".to_owned());
        names.push("a.b/c".to_owned());
    }
    names.push("n".repeat(if engine.is_mysql_family() { 64 } else { 63 }));
    names
}

#[tokio::test]
async fn hostile_names_come_back_exactly() {
    for engine in ENGINES {
        let Some(db) = database(engine).await else { continue };
        for name in hostile(engine) {
            // Trailing and file-system characters of a table name matter on MariaDB, so tables and columns both get it.
            let q = quoted(engine, &name);
            db.run_sql(&format!("CREATE TABLE {q} ({q} varchar(80) NOT NULL PRIMARY KEY)")).await;
        }
        let schema = schema(&db).await;
        assert_eq!(schema.tables.len(), hostile(engine).len(), "{engine:?}");
        for name in hostile(engine) {
            let t = table(&schema, &name);
            assert_eq!(t.columns[0].name, name, "{engine:?}");
            assert_eq!(t.primary_key, std::slice::from_ref(&name), "{engine:?}");
            assert_eq!(t.indexes[0].columns, [name], "{engine:?}");
        }
    }
}

#[tokio::test]
async fn our_own_tables_are_left_out() {
    for engine in ENGINES {
        let Some(db) = database(engine).await else { continue };
        let own = if engine == Engine::Postgres {
            "CREATE SCHEMA retentiond; CREATE TABLE retentiond.ledger (a int)"
        } else {
            "CREATE TABLE retentiond_ledger (a int)"
        };
        db.run_sql(own).await;
        db.run_sql("CREATE TABLE retentiondx (a int)").await;
        let names: Vec<_> = schema(&db).await.tables.into_iter().map(|t| t.name.name).collect();
        assert_eq!(names, ["retentiondx"], "{engine:?}");
    }
}

#[tokio::test]
async fn keys_cascades_checks_and_triggers_are_read_on_every_engine() {
    for engine in ENGINES {
        let Some(db) = database(engine).await else { continue };
        db.run_sql(
            "CREATE TABLE person (a int NOT NULL, b varchar(10) NOT NULL, email varchar(40), n int DEFAULT 5, \
             g int GENERATED ALWAYS AS (a + 1) STORED, CONSTRAINT n_positive CHECK (n > 0), PRIMARY KEY (b, a)); \
             CREATE UNIQUE INDEX person_email ON person (email); \
             CREATE TABLE audit (t varchar(10)); \
             CREATE TABLE child (id int NOT NULL PRIMARY KEY, pb varchar(10), pa int, p2b varchar(10), p2a int, \
             CONSTRAINT child_person FOREIGN KEY (pb, pa) REFERENCES person (b, a) ON DELETE CASCADE ON UPDATE CASCADE, \
             CONSTRAINT child_person2 FOREIGN KEY (p2b, p2a) REFERENCES person (b, a) ON DELETE SET NULL)",
        )
        .await;
        let trigger = match engine {
            Engine::Postgres => {
                "CREATE FUNCTION log() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO audit VALUES (OLD.b); RETURN OLD; END $$; \
                 CREATE TRIGGER person_log BEFORE DELETE ON person FOR EACH ROW EXECUTE FUNCTION log()"
            }
            Engine::Sqlite => "CREATE TRIGGER person_log BEFORE DELETE ON person BEGIN INSERT INTO audit VALUES (OLD.b); END",
            _ => "CREATE TRIGGER person_log BEFORE DELETE ON person FOR EACH ROW INSERT INTO audit VALUES (OLD.b)",
        };
        db.run_sql(trigger).await;
        let schema = schema(&db).await;
        let person = table(&schema, "person");
        assert_eq!(person.primary_key, ["b", "a"], "{engine:?}");
        assert!(person.durable && person.kind == TableKind::Table && !person.row_security);
        let column = |name: &str| person.column(name).unwrap();
        assert!(column("email").nullable && !column("a").nullable, "{engine:?}");
        assert!(column("g").generated && !column("n").generated, "{engine:?}");
        assert_eq!(column("n").default.as_deref(), Some("5"), "{engine:?}");
        assert_eq!((column("email").class, column("a").class), (TypeClass::Text, TypeClass::Integer));
        assert_eq!(column("email").max_length, if engine == Engine::Sqlite { None } else { Some(40) });
        let unique = person.indexes.iter().find(|i| i.name == "person_email").unwrap();
        assert!(unique.unique && unique.usable && unique.columns == ["email"], "{engine:?}");
        assert!(person.indexes.iter().any(|i| i.columns == ["b", "a"] && i.unique), "{engine:?}");
        let check = person.checks.iter().find(|c| c.name == "n_positive").expect("the check");
        assert!(check.expression.contains("> 0"), "{engine:?} {}", check.expression);
        let trigger = &person.triggers[0];
        assert!(trigger.before && trigger.on_delete && !trigger.on_update, "{engine:?}");
        assert_eq!((trigger.name.as_str(), &trigger.mentions[..]), ("person_log", &["audit".to_owned()][..]), "{engine:?}");

        let children: Vec<(&Table, &ForeignKey)> = schema.children_of(&person.name).collect();
        assert_eq!(children.len(), 2, "{engine:?}");
        let cascade = children.iter().find(|(_, k)| k.columns == ["pb", "pa"]).expect("the cascade").1;
        assert_eq!((cascade.on_delete, cascade.on_update_changes), (OnDelete::Cascade, true), "{engine:?}");
        assert_eq!(cascade.parent_columns, ["b", "a"], "{engine:?}");
        let nulls = children.iter().find(|(_, k)| k.columns == ["p2b", "p2a"]).expect("the other").1;
        assert_eq!((nulls.on_delete, nulls.on_update_changes, nulls.deferred), (OnDelete::SetNull, false, false), "{engine:?}");
    }
}

#[tokio::test]
async fn the_fingerprint_moves_with_a_triggers_body_and_nothing_else() {
    for engine in ENGINES {
        let Some(db) = database(engine).await else { continue };
        db.run_sql("CREATE TABLE t (a int NOT NULL PRIMARY KEY); CREATE TABLE u (a int)").await;
        let create = |value: i32| match engine {
            Engine::Postgres => format!(
                "CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO u VALUES ({value}); RETURN NULL; END $$; \
                 DROP TRIGGER IF EXISTS g ON t; CREATE TRIGGER g AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()"
            ),
            Engine::Sqlite => {
                format!("DROP TRIGGER IF EXISTS g; CREATE TRIGGER g AFTER UPDATE ON t BEGIN INSERT INTO u VALUES ({value}); END")
            }
            _ => format!(
                "DROP TRIGGER IF EXISTS g; CREATE TRIGGER g AFTER UPDATE ON t FOR EACH ROW INSERT INTO u VALUES ({value})"
            ),
        };
        db.run_sql(&create(1)).await;
        let before = schema(&db).await;
        db.run_sql("INSERT INTO t VALUES (1), (2)").await;
        let print = |s: &Schema| s.fingerprint([&table(s, "t").name]);
        let rows = schema(&db).await;
        assert_eq!(print(&before), print(&rows), "{engine:?}");
        assert_eq!(before.server.id, rows.server.id, "{engine:?}");
        db.run_sql(&create(2)).await;
        assert_ne!(print(&before), print(&schema(&db).await), "{engine:?}");
    }
}

#[tokio::test]
async fn types_and_lengths_of_postgresql() {
    let Some(db) = database(Engine::Postgres).await else { return };
    db.run_sql(
        "CREATE DOMAIN mail AS varchar(60) NOT NULL CHECK (VALUE LIKE '%@%'); CREATE DOMAIN work_mail AS mail; \
         CREATE TYPE mood AS ENUM ('a', 'b'); \
         CREATE TABLE t (i2 smallint, n numeric(8,2), r real, b boolean, c char(5), v varchar(7), x text, y bytea, z bit(8), d date, \
         ts timestamp, tz timestamptz, u uuid, j jsonb, ip inet, e mood, m work_mail, arr int[], idn bigint GENERATED ALWAYS AS IDENTITY, \
         nd text COLLATE \"C\")",
    )
    .await;
    let schema = schema(&db).await;
    let t = table(&schema, "t");
    let classes: Vec<TypeClass> = t.columns.iter().map(|c| c.class).collect();
    use TypeClass::*;
    assert_eq!(
        classes,
        [
            Integer, Decimal, Float, Boolean, Text, Text, Text, Binary, Bit, Date, DateTime, Instant, Uuid, Json, Inet, Enum,
            Text, Other, Integer, Text
        ]
    );
    let length = |name: &str| t.column(name).unwrap().max_length;
    assert_eq!(
        [length("c"), length("v"), length("x"), length("m"), length("n"), length("z")],
        [Some(5), Some(7), None, Some(60), None, None]
    );
    assert!(!t.column("m").unwrap().nullable && t.column("idn").unwrap().generated);
    assert_eq!(t.column("nd").unwrap().collation.as_deref(), Some("C"));
    assert!(t.checks.iter().any(|c| c.name == "mail_check"), "{:?}", t.checks);
    assert_eq!(schema.search_path, ["public"]);
}

#[tokio::test]
async fn partitions_views_rules_unlogged_foreign_and_secured_tables_of_postgresql() {
    let Some(db) = database(Engine::Postgres).await else { return };
    let role = format!("r{}", db.url.rsplit('/').next().unwrap());
    db.run_sql(
        "CREATE TABLE log (id int, at date NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at); \
         CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM ('2020-01-01') TO ('2021-01-01'); \
         CREATE TABLE bare (id int) PARTITION BY LIST (id); \
         CREATE TABLE refers (id int, at date, CONSTRAINT r FOREIGN KEY (id, at) REFERENCES log DEFERRABLE INITIALLY DEFERRED); \
         CREATE VIEW v AS SELECT * FROM log; CREATE UNLOGGED TABLE u (a int); \
         CREATE EXTENSION postgres_fdw; CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw; CREATE FOREIGN TABLE f (a int) SERVER s; \
         CREATE TABLE full_id (a int); ALTER TABLE full_id REPLICA IDENTITY FULL; \
         CREATE RULE keep AS ON DELETE TO full_id DO INSTEAD UPDATE u SET a = 0; \
         CREATE TABLE ix (a int, b text); CREATE INDEX part ON ix (a) INCLUDE (b) WHERE b IS NULL; CREATE INDEX expr ON ix (lower(b)); \
         CREATE INDEX hashed ON ix USING hash (a); CREATE TEMP TABLE gone (a int); \
         CREATE TABLE secured (a int); ALTER TABLE secured ENABLE ROW LEVEL SECURITY;",
    )
    .await;
    db.run_sql(&format!("CREATE ROLE {role} LOGIN PASSWORD 'pw'; GRANT SELECT ON secured TO {role}")).await;
    let admin = schema(&db).await;
    let reader = as_user(&db.url, &role);
    let source = Source::connect(&Target::new(reader)).await.unwrap();
    let schema = source.introspect().await.unwrap();
    source.close().await;
    db.run_sql(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;

    assert_eq!(admin.server.id, schema.server.id, "whoever asks");
    let names: Vec<_> = schema.tables.iter().map(|t| t.name.name.as_str()).collect();
    assert_eq!(names, ["bare", "f", "full_id", "ix", "log", "refers", "secured", "u", "v"]);
    assert!(table(&schema, "secured").row_security && !table(&admin, "secured").row_security);
    assert_eq!(table(&schema, "log").kind, TableKind::Partitioned);
    assert!(table(&schema, "log").durable && table(&schema, "log").primary_key == ["id", "at"]);
    assert!(!table(&schema, "u").durable && !table(&schema, "f").durable);
    assert_eq!((table(&schema, "f").kind, table(&schema, "v").kind), (TableKind::Foreign, TableKind::View));
    assert!(table(&schema, "full_id").replica_identity_full && !table(&schema, "ix").replica_identity_full);
    let rule = &table(&schema, "full_id").triggers[0];
    assert_eq!((rule.before, rule.on_delete, &rule.mentions[..]), (true, true, &["u".to_owned()][..]));
    let keys = &table(&schema, "refers").foreign_keys;
    assert!(
        keys.len() == 1 && keys[0].deferred && keys[0].parent.name == "log" && keys[0].parent_columns == ["id", "at"],
        "{keys:?}"
    );
    let index = |name: &str| table(&schema, "ix").indexes.iter().find(|i| i.name == name).unwrap();
    assert_eq!((index("part").predicate.as_deref(), &index("part").columns[..]), (Some("(b IS NULL)"), &["a".to_owned()][..]));
    assert_eq!((&index("expr").columns[..], index("expr").usable, index("hashed").usable), (&[String::new()][..], true, false));
}

/// The same database under another role.
fn as_user(url: &str, user: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (_, host) = rest.split_once('@').unwrap();
    format!("{scheme}://{user}:pw@{host}")
}

#[tokio::test]
async fn types_engines_and_indexes_of_mariadb_and_mysql() {
    for engine in [Engine::MariaDb, Engine::MySql] {
        let Some(db) = database(engine).await else { continue };
        db.run_sql(
            "CREATE TABLE t (i bigint unsigned, n decimal(8,2), r double, f tinyint(1), c char(5), v varchar(7), y varbinary(9), z bit(8), \
             d date, dt datetime(6), ts timestamp NULL DEFAULT NULL ON UPDATE CURRENT_TIMESTAMP, j json, e enum('a','b'), ti time, \
             vg int AS (1 + 1) VIRTUAL, v2 varchar(7) COLLATE utf8mb4_bin, KEY k (i), KEY pre (v(3)), FULLTEXT KEY ft (v)); \
             CREATE TABLE my (a int) ENGINE=MyISAM; CREATE VIEW w AS SELECT * FROM t; \
             CREATE TABLE p (a int PRIMARY KEY) PARTITION BY HASH (a) PARTITIONS 2",
        )
        .await;
        let hide = if engine == Engine::MariaDb { "IGNORED" } else { "INVISIBLE" };
        db.run_sql(&format!("ALTER TABLE t ALTER INDEX k {hide}")).await;
        let schema = schema(&db).await;
        let t = table(&schema, "t");
        let classes: Vec<TypeClass> = t.columns.iter().map(|c| c.class).collect();
        use TypeClass::*;
        assert_eq!(
            classes,
            [
                Integer, Decimal, Float, Integer, Text, Text, Binary, Bit, Date, DateTime, Instant, Json, Enum, Other, Integer,
                Text
            ],
            "{engine:?}"
        );
        assert!(t.column("i").unwrap().sql_type.contains("unsigned"));
        assert_eq!([t.column("v").unwrap().max_length, t.column("y").unwrap().max_length], [Some(7), Some(9)]);
        assert!(t.column("ts").unwrap().on_update_now && !t.column("dt").unwrap().on_update_now);
        assert!(t.column("vg").unwrap().generated && !t.column("ts").unwrap().generated, "{engine:?}");
        assert_eq!(t.column("v2").unwrap().collation.as_deref(), Some("utf8mb4_bin"));
        let usable: Vec<_> = t.indexes.iter().map(|i| (i.name.as_str(), i.usable)).collect();
        assert_eq!(usable, [("ft", false), ("k", false), ("pre", true)], "{engine:?}");
        assert!(t.durable && !table(&schema, "my").durable && table(&schema, "my").storage == "MyISAM");
        assert_eq!((table(&schema, "w").kind, table(&schema, "p").kind), (TableKind::View, TableKind::Partitioned), "{engine:?}");
        assert_eq!(schema.search_path, [db.url.rsplit('/').next().unwrap()]);
    }
}

#[tokio::test]
async fn a_cascade_from_another_database_of_mariadb_is_seen() {
    let (Some(db), Some(other)) = (database(Engine::MariaDb).await, database(Engine::MariaDb).await) else { return };
    let here = db.url.rsplit('/').next().unwrap();
    db.run_sql("CREATE TABLE parent (id int PRIMARY KEY)").await;
    let sql = format!(
        "CREATE TABLE child (id int PRIMARY KEY, CONSTRAINT c FOREIGN KEY (id) REFERENCES {here}.parent (id) ON DELETE CASCADE); CREATE TABLE unrelated (a int)"
    );
    other.run_sql(&sql).await;
    let schema = schema(&db).await;
    let parent = table(&schema, "parent").name.clone();
    let children: Vec<_> = schema.children_of(&parent).map(|(t, k)| (t.name.schema.clone(), k.on_delete)).collect();
    assert_eq!(children, [(other.url.rsplit('/').next().unwrap().to_owned(), OnDelete::Cascade)]);
    assert_eq!(schema.tables.len(), 2);
    other.run_sql("DROP TABLE child").await;
}

#[tokio::test]
async fn rowids_collations_partial_indexes_and_virtual_tables_of_sqlite() {
    let Some(db) = database(Engine::Sqlite).await else { return };
    db.run_sql(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE CHECK (length(name) > 0), born DATE, at DATETIME, ok BOOLEAN, \
         raw BLOB, price DECIMAL(8,2), other); \
         CREATE INDEX part ON t (born, lower(name)) WHERE name <> 'x'; \
         CREATE TABLE k (code TEXT PRIMARY KEY, parent REFERENCES K(code) DEFERRABLE INITIALLY DEFERRED, tid INT REFERENCES T); \
         CREATE VIEW v AS SELECT * FROM t; CREATE VIRTUAL TABLE search USING fts5(body); INSERT INTO t (id) VALUES (1), (2); ANALYZE",
    )
    .await;
    let schema = schema(&db).await;
    let names: Vec<_> = schema.tables.iter().map(|t| t.name.name.as_str()).collect();
    assert_eq!(names, ["k", "search", "t", "v"]);
    let t = table(&schema, "t");
    let classes: Vec<TypeClass> = t.columns.iter().map(|c| c.class).collect();
    use TypeClass::*;
    assert_eq!(classes, [Integer, Text, Date, DateTime, Boolean, Binary, Decimal, Other]);
    assert!(!t.column("id").unwrap().nullable && table(&schema, "k").column("code").unwrap().nullable, "as SQLite has it");
    assert_eq!(t.column("name").unwrap().collation.as_deref(), Some("NOCASE"));
    assert_eq!((t.checks[0].expression.as_str(), t.estimated_rows), ("length(name) > 0", Some(2)));
    let indexes: Vec<_> = t.indexes.iter().map(|i| (i.name.as_str(), i.columns.join(","), i.predicate.as_deref())).collect();
    assert_eq!(indexes, [("PRIMARY KEY", "id".to_owned(), None), ("part", "born,".to_owned(), Some("name <> 'x'"))]);
    let keys: Vec<_> = table(&schema, "k")
        .foreign_keys
        .iter()
        .map(|k| (k.parent.name.as_str(), k.parent_columns.join(","), k.deferred))
        .collect();
    assert_eq!(keys, [("t", "id".to_owned(), false), ("k", "code".to_owned(), true)]);
    assert_eq!((table(&schema, "search").kind, table(&schema, "v").kind), (TableKind::Foreign, TableKind::View));
}
