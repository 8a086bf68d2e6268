//! Joins on SQLite beside its foreign keys.

use retentiond::plan::check::on_sqlite;
use retentiond::plan::schema::{Column, TypeClass};
use sqlx::{Connection as _, Executor as _, Row as _};

fn column(sql_type: &str, collation: Option<&str>) -> Column {
    Column {
        name: "c".into(),
        sql_type: sql_type.into(),
        class: TypeClass::Text,
        max_length: None,
        nullable: true,
        generated: false,
        default: None,
        on_update_now: false,
        collation: collation.map(str::to_owned),
    }
}

/// What SQLite itself says: for values of many kinds, whether a foreign key is satisfied exactly where both ways to write a join find the row.
#[tokio::test]
async fn what_passes_is_what_sqlite_joins_as_its_foreign_keys_do_whichever_side_is_left() {
    const TYPES: [&str; 8] = ["INTEGER", "BIGINT", "REAL", "NUMERIC", "TEXT", "VARCHAR(9)", "BLOB", ""];
    const VALUES: [&str; 10] = ["1", "1.0", "'1'", "'01'", "'1.0'", "'a'", "'A'", "'a '", "x'61'", "x'31'"];
    let mut differing = 0;
    for (there, here) in TYPES.iter().flat_map(|t| TYPES.map(|h| (*t, h))) {
        for (of_parent, of_child) in [("BINARY", "BINARY"), ("NOCASE", "NOCASE"), ("NOCASE", "BINARY"), ("BINARY", "RTRIM")] {
            let mut db = sqlx::SqliteConnection::connect("sqlite::memory:").await.unwrap();
            let create = format!(
                "PRAGMA foreign_keys = ON; CREATE TABLE p (k {there} COLLATE {of_parent} UNIQUE);
                 CREATE TABLE c (k {here} COLLATE {of_child} REFERENCES p (k)); CREATE TABLE v (k {here} COLLATE {of_child})"
            );
            db.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(create))).await.unwrap();
            let mut same = true;
            for (of_p, of_c) in VALUES.iter().flat_map(|p| VALUES.map(|c| (*p, c))) {
                let sql = format!(
                    "DELETE FROM c; DELETE FROM v; DELETE FROM p; INSERT INTO p VALUES ({of_p}); INSERT INTO v VALUES ({of_c})"
                );
                db.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql))).await.unwrap();
                let sql = format!("INSERT INTO c VALUES ({of_c})");
                let kept = db.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql))).await.is_ok();
                let joined = db
                    .fetch_one("SELECT (SELECT count(*) FROM v, p WHERE v.k = p.k), (SELECT count(*) FROM v, p WHERE p.k = v.k)");
                let joined = joined.await.unwrap();
                same &= [0, 1].map(|at| joined.get::<i64, _>(at) == 1) == [kept, kept];
            }
            differing += usize::from(!same);
            let told = on_sqlite(&column(here, Some(of_child)), &column(there, Some(of_parent)));
            assert!(same || told.is_some(), "{here} {of_child} -> {there} {of_parent}");
        }
    }
    assert!(differing > 50, "{differing}");
}

#[test]
fn what_people_write_passes() {
    for (child, parent) in
        [("INTEGER", "INTEGER"), ("INT", "INTEGER"), ("VARCHAR(36)", "TEXT"), ("DATE", "INTEGER"), ("TEXT", "BIGINT")]
    {
        assert_eq!(on_sqlite(&column(child, None), &column(parent, None)), None, "{child} {parent}");
    }
    assert!(on_sqlite(&column("TEXT", Some("nocase")), &column("TEXT", Some("NOCASE"))).is_none());
    assert!(on_sqlite(&column("TEXT", None), &column("TEXT", Some("NOCASE"))).is_some());
    assert!(on_sqlite(&column("INTEGER", None), &column("TEXT", None)).is_some());
}
