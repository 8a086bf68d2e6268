//! Sessions on real servers: what goes out, what comes back, and what a connection is after that.

mod support;

use std::ops::ControlFlow;

use retentiond::plan::schema::Engine;
use retentiond::source::{Class, Source, SourceError, Target};
use support::{ENGINES, TestDatabase, database};

async fn source(engine: Engine) -> Option<(TestDatabase, Source)> {
    let db = database(engine).await?;
    let source = Source::connect(&Target::new(&db.url)).await.expect("a connection");
    assert_eq!(source.engine(), engine);
    Some((db, source))
}

const VALUES: [&str; 9] =
    ["", " ", "NULL", "it''s", "a\nb\r\n\tc", "é ñ ß Ω", "👩🏽‍🚀 🇫🇷", "\u{202e}rtl\u{200f}", "%s {} ; -- /* \" ` $1 ?"];

#[tokio::test]
async fn text_comes_back_exactly_and_null_is_not_the_empty_text() {
    for engine in ENGINES {
        let Some((_db, source)) = source(engine).await else { continue };
        let mut session = source.session().await.unwrap();
        for value in VALUES {
            let rows = session.rows(&format!("SELECT '{value}', NULL, 42, 'x'")).await.unwrap();
            let expected = value.replace("''", "'");
            assert_eq!(rows, vec![vec![Some(expected), None, Some("42".into()), Some("x".into())]], "{engine:?}");
        }
        let long = "x".repeat(3_000_000);
        let rows = session.rows(&format!("SELECT '{long}'")).await.unwrap();
        assert!(rows[0][0].as_deref() == Some(&long), "{engine:?}");
        assert_eq!(session.statements(), VALUES.len() as u64 + 1);
        session.done().await.unwrap();
    }
}

#[tokio::test]
async fn bytes_that_are_not_text_are_refused_and_spend_the_session() {
    for engine in ENGINES {
        let bytes = if engine == Engine::Postgres { continue } else { "SELECT 1, X'ff00fe'" };
        let Some((_db, source)) = source(engine).await else { continue };
        let mut session = source.session().await.unwrap();
        assert_eq!(session.rows(bytes).await, Err(SourceError::NotText(1)), "{engine:?}");
        assert_eq!(session.rows("SELECT 1").await, Err(SourceError::Spent), "{engine:?}");
    }
}

#[tokio::test]
async fn several_statements_go_out_in_one_round_trip() {
    for engine in ENGINES {
        let Some((db, source)) = source(engine).await else { continue };
        db.run_sql("CREATE TABLE t (a int PRIMARY KEY, b int); INSERT INTO t VALUES (1, 0), (2, 0), (3, 0)").await;
        let mut session = source.session().await.unwrap();
        let begin = if engine == Engine::Sqlite { "BEGIN IMMEDIATE" } else { "BEGIN" };
        let answers = session
            .script(&[
                begin,
                "SELECT a FROM t ORDER BY a",
                "UPDATE t SET b = 1 WHERE a < 3",
                "SELECT a FROM t WHERE b = 9",
                "COMMIT",
            ])
            .await
            .unwrap();
        assert_eq!(session.statements(), 1);
        assert_eq!(answers.len(), 5, "{engine:?}");
        assert_eq!(answers[1].rows.len(), 3);
        assert_eq!(answers[2].count, 2);
        assert_eq!((answers[3].rows.len(), answers[3].count), (0, 0), "{engine:?}");
        let sql = format!("{begin}; SELECT a FROM t WHERE a = 2; UPDATE t SET b = 2 WHERE a = 2");
        let (rows, count) = session.rows_and_count(&sql).await.unwrap();
        assert_eq!((rows, count), (vec![vec![Some("2".into())]], 1), "{engine:?}");
        assert_eq!(session.execute("COMMIT").await, Ok(0), "{engine:?}");
        session.done().await.unwrap();
    }
}

#[tokio::test]
async fn matched_rows_count_on_mariadb_even_when_nothing_changes() {
    for engine in [Engine::MariaDb, Engine::MySql] {
        let Some((db, source)) = source(engine).await else { continue };
        db.run_sql("CREATE TABLE t (a int PRIMARY KEY, b int); INSERT INTO t VALUES (1, 7), (2, 7)").await;
        let mut session = source.session().await.unwrap();
        assert_eq!(session.execute("UPDATE t SET b = 7").await, Ok(2));
        session.done().await.unwrap();
    }
}

#[tokio::test]
async fn whatever_is_not_committed_is_gone_when_a_session_is_dropped_or_done() {
    for engine in ENGINES {
        let Some((db, source)) = source(engine).await else { continue };
        db.run_sql("CREATE TABLE t (a int)").await;
        let begin = if engine == Engine::Sqlite { "BEGIN IMMEDIATE" } else { "BEGIN" };
        // SQLite runs in this process: nobody could stop its statement.
        let ways = &["drop", "done", "discard", "error", "cancel"][..if engine == Engine::Sqlite { 4 } else { 5 }];
        for &way in ways {
            let mut session = source.session().await.unwrap();
            session.rows(&format!("{begin}; INSERT INTO t VALUES (1)")).await.unwrap();
            match way {
                "drop" => drop(session),
                "done" => session.done().await.unwrap(),
                "discard" => session.discard().await,
                "error" => {
                    assert!(session.rows("SELECT * FROM no_such_table").await.is_err());
                    assert_eq!(session.execute("COMMIT").await, Err(SourceError::Spent), "{engine:?}");
                    session.done().await.unwrap();
                }
                _ => {
                    let endless = if engine == Engine::Postgres { "SELECT pg_sleep(2)" } else { "SELECT SLEEP(2)" };
                    let cut = tokio::time::timeout(std::time::Duration::from_millis(50), session.rows(endless)).await;
                    assert!(cut.is_err(), "{engine:?}");
                    assert_eq!(session.execute("COMMIT").await, Err(SourceError::Spent), "{engine:?}");
                    drop(session);
                }
            }
            let mut other = source.session().await.unwrap();
            let rows = other.rows("SELECT count(*) FROM t").await.unwrap();
            assert_eq!(rows[0][0].as_deref(), Some("0"), "{engine:?} {way}");
            other.done().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_stream_may_be_left_early_and_the_session_goes_on() {
    for engine in ENGINES {
        let Some((_db, source)) = source(engine).await else { continue };
        let mut session = source.session().await.unwrap();
        let many = "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 900) SELECT i FROM r";
        let mut seen = 0;
        session
            .stream(many, |_| {
                seen += 1;
                if seen == 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .await
            .unwrap();
        assert_eq!(seen, 5);
        assert_eq!(session.rows("SELECT 7").await.unwrap()[0][0].as_deref(), Some("7"), "{engine:?}");
        session
            .stream(many, |_| {
                seen += 1;
                ControlFlow::Continue(())
            })
            .await
            .unwrap();
        assert_eq!(seen, 905);
        session.done().await.unwrap();
    }
}

#[tokio::test]
async fn a_pooled_connection_comes_back_only_after_done() {
    for (engine, pid) in [(Engine::Postgres, "SELECT pg_backend_pid()"), (Engine::MariaDb, "SELECT CONNECTION_ID()")] {
        let Some((_db, source)) = source(engine).await else { continue };
        let mut ids = Vec::new();
        for done in [true, false, true] {
            let mut session = source.session().await.unwrap();
            ids.push(session.rows(pid).await.unwrap());
            if done {
                session.done().await.unwrap();
            } else {
                drop(session);
            }
        }
        assert_eq!(ids[0], ids[1], "{engine:?}: done gives it back");
        assert_ne!(ids[1], ids[2], "{engine:?}: dropped closes it");
    }
}

#[tokio::test]
async fn every_session_speaks_one_way_whatever_the_role_or_server_prefers() {
    if let Some(db) = database(Engine::Postgres).await {
        let name = &db.name;
        let settings = [
            "standard_conforming_strings = off",
            "extra_float_digits = -3",
            "IntervalStyle = sql_standard",
            "DateStyle = 'SQL, DMY'",
        ];
        for setting in settings.iter().chain(&["TimeZone = 'Asia/Tokyo'", "bytea_output = escape", "transform_null_equals = on"])
        {
            db.run_sql(&format!("ALTER DATABASE {name} SET {setting}")).await;
        }
        let source = Source::connect(&Target::new(&db.url)).await.unwrap();
        let mut session = source.session().await.unwrap();
        let sql = r"SELECT 'a\b', 0.1::float8, '1 day'::interval, '2024-02-29 12:00+00'::timestamptz, '\xff'::bytea, (NULL = NULL) IS NULL, '2024-02-29'::date";
        let rows = session.rows(sql).await.unwrap();
        let rows: Vec<_> = rows[0].iter().map(|v| v.as_deref().unwrap_or("NULL")).collect();
        assert_eq!(rows, [r"a\b", "0.1", "1 day", "2024-02-29 12:00:00+00", r"\xff", "t", "2024-02-29"]);
        session.done().await.unwrap();
    }
    for engine in [Engine::MariaDb, Engine::MySql] {
        let Some((db, source)) = source(engine).await else { continue };
        db.run_sql("SET sql_mode = ''; CREATE TABLE z (d date, n int NOT NULL); INSERT INTO z VALUES ('0000-00-00', 1)").await;
        let mut session = source.session().await.unwrap();
        let rows =
            session.rows("SELECT d, @@autocommit, @@time_zone, @@character_set_connection, 'a' || 'b' FROM z").await.unwrap();
        let rows: Vec<_> = rows[0].iter().map(|v| v.as_deref().unwrap_or("NULL")).collect();
        assert_eq!(rows, ["0000-00-00", "0", "+00:00", "utf8mb4", "ab"], "{engine:?}");
        assert_eq!(session.execute("UPDATE z SET d = d, n = 2 WHERE d < '0001-01-01'").await, Ok(1), "{engine:?}");
        let strict = session.execute("UPDATE z SET n = 'x'").await.unwrap_err();
        assert_eq!(strict.class(), Class::Row, "{engine:?} {strict}");
    }
}

#[tokio::test]
async fn an_sqlite_file_is_never_created_and_keeps_its_journal_mode_and_foreign_keys_hold() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.db");
    let refused = Source::connect(&Target::new(format!("sqlite:{}", path.display()))).await.unwrap_err();
    assert_eq!(refused.class(), Class::Config);
    assert!(!path.exists());

    let (db, source) = source(Engine::Sqlite).await.unwrap();
    db.run_sql("PRAGMA journal_mode = WAL").await;
    let mut session = source.session().await.unwrap();
    for (pragma, value) in [("journal_mode", "wal"), ("foreign_keys", "1"), ("busy_timeout", "1000"), ("secure_delete", "1")] {
        let rows = session.rows(&format!("PRAGMA {pragma}")).await.unwrap();
        assert_eq!(rows[0][0].as_deref(), Some(value), "{pragma}");
    }
    session.done().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_work_side_by_side_on_tasks_of_their_own() {
    for engine in ENGINES {
        let Some((_db, source)) = source(engine).await else { continue };
        let tasks: Vec<_> = (0..8)
            .map(|n| {
                let source = source.clone();
                tokio::spawn(async move {
                    let mut session = source.session().await?;
                    let rows = session.rows(&format!("SELECT {n}")).await?;
                    let mut seen = 0;
                    session
                        .stream("SELECT 1", |_| {
                            seen += 1;
                            ControlFlow::Continue(())
                        })
                        .await?;
                    session.done().await?;
                    Ok::<_, SourceError>((rows, seen))
                })
            })
            .collect();
        for (n, task) in tasks.into_iter().enumerate() {
            let (rows, seen) = task.await.unwrap().unwrap();
            assert_eq!((rows[0][0].clone(), seen), (Some(n.to_string()), 1), "{engine:?}");
        }
    }
}

/// What it read keeps a table from being altered until the transaction ends, which a network may swallow.
#[tokio::test]
async fn a_session_that_falls_silent_keeps_a_table_for_a_minute_at_most() {
    for (engine, limit) in [(Engine::MariaDb, "idle_transaction_timeout"), (Engine::MySql, "wait_timeout")] {
        let Some((_db, source)) = source(engine).await else { continue };
        let mut session = source.session().await.unwrap();
        let rows = session.rows(&format!("SELECT CAST(@@SESSION.{limit} AS CHAR)")).await.unwrap();
        assert_eq!(rows, vec![vec![Some("60".to_owned())]], "{engine:?}");
        session.done().await.unwrap();
    }
}
