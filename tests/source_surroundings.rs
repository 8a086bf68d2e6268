//! Who we are, what we may do, and what surrounds a database, as real servers tell it to an ordinary role.

mod support;

use retentiond::plan::schema::{Engine, TableName};
use retentiond::source::{Class, Extent, Source, Target};
use support::database;

fn columns(names: &[&str]) -> Extent {
    Extent::Columns(names.iter().map(|n| (*n).to_owned()).collect())
}

#[tokio::test]
async fn an_ordinary_role_of_postgresql_sees_exactly_its_grants() {
    let Some(db) = database(Engine::Postgres).await else { return };
    let role = format!("r{}", db.name);
    db.run_sql(&format!(
        "CREATE TABLE a (id int, x text, y text); CREATE TABLE b (id int); CREATE TABLE c (id int); CREATE SCHEMA shut; CREATE TABLE shut.d (id int); \
         CREATE ROLE {role} LOGIN PASSWORD 'pw'; CREATE ROLE g{role}; GRANT g{role} TO {role}; REVOKE CREATE ON SCHEMA public FROM PUBLIC; \
         GRANT SELECT, DELETE, TRUNCATE ON a TO {role}; GRANT UPDATE (x) ON a TO {role}; GRANT UPDATE ON b TO g{role}; \
         GRANT SELECT ON shut.d TO {role}"
    ))
    .await;
    let source = Source::connect(&Target::new(db.as_user(&role))).await.unwrap();
    let around = source.surroundings().await.unwrap();
    source.introspect().await.unwrap();
    let mut session = source.session().await.unwrap();
    let refused = session.execute("DELETE FROM c").await.unwrap_err();
    drop(session);
    source.close().await;
    db.run_sql(&format!("DROP OWNED BY {role}, g{role}; DROP ROLE {role}, g{role}")).await;

    assert_eq!(refused.class(), Class::Privilege, "{refused}");
    assert_eq!((around.role.as_str(), around.superuser, around.bypasses_row_security), (role.as_str(), false, false));
    assert!(!around.read_only && !around.pooler && around.local && around.sees_triggers);
    let of = |schema: &str, name: &str| around.privileges[&TableName { schema: schema.into(), name: name.into() }].clone();
    let a = of("public", "a");
    assert_eq!((&a.select, &a.insert, &a.update, a.delete), (&Extent::Table, &Extent::Nothing, &columns(&["x"]), true));
    assert!(a.update.reaches("x") && !a.update.reaches("y") && a.update.reaches_any());
    assert_eq!(a.more, ["TRUNCATE"]);
    assert_eq!((of("public", "b").update, of("public", "c").select), (Extent::Table, Extent::Nothing), "through a group");
    assert_eq!(of("shut", "d").select, Extent::Nothing, "no USAGE on the schema");
    assert_eq!(around.wide, [format!("MEMBER OF g{role}")]);
    assert!(around.settings.contains_key("synchronous_commit") && around.settings["logical_slots"] == "0");
}

#[tokio::test]
async fn an_ordinary_user_of_mariadb_and_mysql_sees_exactly_its_grants() {
    for engine in [Engine::MariaDb, Engine::MySql] {
        let Some(db) = database(engine).await else { continue };
        let (name, role) = (db.name.clone(), format!("r{}", db.name));
        db.run_sql(&format!(
            "CREATE TABLE a (id int PRIMARY KEY, x varchar(9), y varchar(9)); CREATE TABLE b (id int); \
             CREATE USER {role}@'%' IDENTIFIED BY 'pw'; CREATE USER {role}@localhost IDENTIFIED BY 'pw'; \
             GRANT SELECT, DELETE, DROP ON {name}.a TO {role}@'%'; GRANT UPDATE (x) ON {name}.a TO {role}@'%'; \
             GRANT SELECT, DELETE, DROP ON {name}.a TO {role}@localhost; GRANT UPDATE (x) ON {name}.a TO {role}@localhost; \
             GRANT TRIGGER ON {name}.* TO {role}@localhost; GRANT TRIGGER ON {name}.* TO {role}@'%'; \
             CREATE TRIGGER tr AFTER DELETE ON a FOR EACH ROW DELETE FROM b"
        ))
        .await;
        let source = Source::connect(&Target::new(db.as_user(&role))).await.unwrap();
        let around = source.surroundings().await.unwrap();
        let schema = source.introspect().await.unwrap();
        let mut session = source.session().await.unwrap();
        let refused = session.execute("UPDATE a SET y = 'z'").await.unwrap_err();
        drop(session);
        source.close().await;
        db.run_sql(&format!("DROP USER {role}@'%', {role}@localhost")).await;

        assert_eq!(refused.class(), Class::Privilege, "{engine:?} {refused}");
        assert!(around.role.starts_with(&format!("{role}@")) && !around.superuser, "{engine:?} {around:?}");
        assert!(around.sees_triggers && around.local && !around.read_only, "{engine:?}");
        let of = |table: &str| around.privileges[&TableName { schema: name.clone(), name: table.into() }].clone();
        let a = of("a");
        assert_eq!(
            (&a.select, &a.insert, &a.update, a.delete),
            (&Extent::Table, &Extent::Nothing, &columns(&["x"]), true),
            "{engine:?}"
        );
        assert_eq!(a.more, ["DROP", "TRIGGER"], "{engine:?}");
        assert_eq!(around.wide, [format!("TRIGGER ON {name}.*")], "{engine:?}");
        assert!(
            schema.tables.iter().any(|t| t.name.name == "a" && t.triggers.len() == 1 && t.triggers[0].on_delete),
            "{engine:?}"
        );
        assert_eq!(around.settings["innodb_flush_log_at_trx_commit"], "1", "{engine:?}");
    }
}

#[tokio::test]
async fn roles_of_mariadb_count_when_they_are_active() {
    let Some(db) = database(Engine::MariaDb).await else { return };
    let (name, user) = (db.name.clone(), format!("u{}", db.name));
    db.run_sql(&format!(
        "CREATE TABLE a (id int PRIMARY KEY); CREATE USER {user}@'%' IDENTIFIED BY 'pw'; CREATE USER {user}@localhost IDENTIFIED BY 'pw'; \
         CREATE ROLE g{user}; GRANT SELECT ON {name}.* TO g{user}; GRANT UPDATE ON {name}.a TO g{user}; \
         GRANT g{user} TO {user}@'%'; GRANT g{user} TO {user}@localhost; \
         SET DEFAULT ROLE g{user} FOR {user}@'%'; SET DEFAULT ROLE g{user} FOR {user}@localhost"
    ))
    .await;
    let source = Source::connect(&Target::new(db.as_user(&user))).await.unwrap();
    let around = source.surroundings().await.unwrap();
    source.close().await;
    db.run_sql(&format!("DROP USER {user}@'%', {user}@localhost; DROP ROLE g{user}")).await;
    let a = &around.privileges[&TableName { schema: name.clone(), name: "a".into() }];
    assert_eq!((&a.select, &a.update, a.delete), (&Extent::Table, &Extent::Table, false), "{around:?}");
    assert!(!around.sees_triggers);
}

#[tokio::test]
async fn an_sqlite_file_tells_its_journal_mode_and_whether_it_can_be_written() {
    let Some(db) = database(Engine::Sqlite).await else { return };
    db.run_sql("PRAGMA journal_mode = WAL; CREATE TABLE t (a int)").await;
    for (suffix, read_only) in [("", false), ("?mode=ro", true)] {
        let source = Source::connect(&Target::new(format!("{}{suffix}", db.url))).await.unwrap();
        let around = source.surroundings().await.unwrap();
        assert_eq!((around.read_only, around.settings["journal_mode"].as_str()), (read_only, "wal"));
        assert!(around.local && around.privileges.len() == 1);
    }
}
