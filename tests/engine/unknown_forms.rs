//! Masks that leave something of a value meet values whose form they do not know: nothing of those stays, and nothing counts as done that is not.

use retentiond::enforce::RunOutcome;
use retentiond::plan::schema::Engine;

use crate::enforcement::{Fixture, Rules, rules};
use crate::scene::{ENGINES, now, read, run_clean};
use crate::support::database;

/// Each personal column: its type by engine (PostgreSQL, MariaDB and MySQL, SQLite), its mask, and values with what must become of them; not on
/// engines that have no type.
type Case = (&'static str, [Option<&'static str>; 3], &'static str, &'static [(&'static str, &'static str)]);

const TEXT: [Option<&str>; 3] = [Some("varchar(80)"), Some("varchar(80)"), Some("TEXT")];

const CASES: [Case; 14] = [
    (
        "ip",
        TEXT,
        "{ ip_prefix = { v4 = 24, v6 = 48 } }",
        &[
            ("'203.0.113.77'", "203.0.113.0"),
            ("'203.0.113.77:51234'", "0.0.0.0"),
            ("'[2001:db8:1::5]:80'", "0.0.0.0"),
            ("'2001:db8:1:2:3:4:5:6'", "2001:db8:1::"),
            ("'::ffff:203.0.113.77'", "::"),
            ("'10:30'", "0.0.0.0"),
            ("'Jean Dupont'", "0.0.0.0"),
            ("''", "0.0.0.0"),
            ("'1.2.3.4.5'", "0.0.0.0"),
        ],
    ),
    (
        "birth",
        TEXT,
        "\"year\"",
        &[
            ("'1980-04-01'", "1980-01-01"),
            ("'1980-04-01T10:00:00Z'", "1980-01-01 00:00:00"),
            ("'01/04/1980'", "1900-01-01"),
            ("'04-12-1961'", "1900-01-01"),
            ("'12 mai 1961'", "1900-01-01"),
            ("'1980-13-01'", "1900-01-01"),
            ("'1980'", "1900-01-01"),
            ("'-284000000'", "1900-01-01"),
        ],
    ),
    (
        "born",
        [None, None, Some("DATE")],
        "\"decade\"",
        &[
            ("'1987-04-01'", "1980-01-01"),
            ("-284000000", "1900-01-01"),
            ("2437000.5", "1900-01-01"),
            ("x'4a65616e'", "1900-01-01"),
        ],
    ),
    ("first_seen", TEXT, "\"month\"", &[("'2020-05-17 08:00:00'", "2020-05-01 00:00:00"), ("'17.05.2020'", "1900-01-01")]),
    (
        "income",
        [None, None, Some("INTEGER")],
        "{ band = 10000 }",
        &[
            ("45321", "40000"),
            ("45321.9", "40000"),
            ("-1", "-10000"),
            ("'45321'", "40000"),
            ("'Jean Dupont'", "0"),
            ("'10000 boulevard Z'", "0"),
            ("x'4a65616e'", "0"),
            ("1e300", "0"),
            ("-9223372036854775808", "0"),
            ("9223372036854775807", "9223372036854770000"),
        ],
    ),
    ("rent", [Some("numeric"), None, None], "{ band = 100 }", &[("451.50", "400.00"), ("'NaN'", "0")]),
    (
        "profile",
        [None, Some("text"), Some("TEXT")],
        "{ json_remove = [\"a.email\"] }",
        &[
            ("'{\"a\":{\"email\":\"z@x\"}}'", "{\"a\": {}}"),
            ("'{\"a\":{\"email\":\"z@x\"}'", "{}"),
            ("'z@example.org'", "{}"),
            ("'{\"a\":{\"email\":1,\"email\":\"z@x\"}}'", "{}"),
            ("''", ""),
        ],
    ),
    (
        "nul",
        [None, None, Some("TEXT")],
        "{ json_remove = [\"a\"] }",
        &[("'{\"b\":1}'||char(0)||'{\"a\":\"Jean\"}'", "{}"), ("'{\"b\":1}'", "{\"b\":1}"), ("'  '", "{}")],
    ),
    (
        "ip_nul",
        [None, None, Some("TEXT")],
        "{ ip_prefix = { v4 = 24, v6 = 128 } }",
        &[("'1.2.3.4'||char(0)||'secret'", "0.0.0.0"), ("'::1'||char(0)||'secret'", "0.0.0.0"), ("'::1'", "::1")],
    ),
    (
        "nick",
        [None, None, Some("TEXT")],
        "{ token = { prefix = \"anon-\", digits = 8 } }",
        &[("'anon-01234567'", "anon-01234567"), ("'anon-01234567'||char(0)||'Jean'", "anon-????????")],
    ),
    (
        "since",
        [None, Some("date"), None],
        "\"year\"",
        &[("'1984-05-00'", "1900-01-01"), ("'1984-05-06'", "1984-01-01"), ("'0000-00-00'", "0000-00-00")],
    ),
    (
        "raw",
        [Some("json"), None, None],
        "{ json_remove = [\"a.email\"] }",
        &[
            ("'{\"a\":{\"email\":\"z@x\"}}'", "{\"a\":{}}"),
            ("'{\"b\":\"\\u0000\"}'", "{}"),
            ("'{\"b\":1e400000}'", "{}"),
            ("'{\"b\":1e40}'", "{\"b\":1e40}"),
        ],
    ),
    ("label", TEXT, "{ first = 2 }", &[("'Durand'", "Du"), ("'é'", "é")]),
    (
        "tail",
        [None, None, Some("TEXT")],
        "{ first = 2 }",
        &[("'é'||char(0)||'secret'", "é"), ("x'4a65616e'", ""), ("x''", ""), ("'ok'", "ok")],
    ),
];

fn of(engine: Engine, types: &[Option<&'static str>; 3]) -> Option<&'static str> {
    match engine {
        Engine::Postgres => types[0],
        Engine::MariaDb | Engine::MySql => types[1],
        Engine::Sqlite => types[2],
    }
}

/// A table of people, all due, with one column of a case.
fn organisation(case: &Case, kind: &str) -> (String, Rules) {
    let (column, _, mask, values) = case;
    let rows: Vec<String> = values.iter().enumerate().map(|(n, (value, _))| format!("({n}, {value}, '2010-01-01')")).collect();
    let sql = format!(
        "CREATE TABLE person (id integer NOT NULL PRIMARY KEY, {column} {kind} NOT NULL, seen varchar(10) NOT NULL); INSERT INTO person VALUES {}",
        rows.join(", ")
    );
    let map = format!(
        "[source]\nid = \"crm\"\ntime_zone = \"Europe/Paris\"\n[data.person]\ntitle = {{ fr = \"Personne\", en = \"Person\" }}\ntable = \"person\"\nkey = [\"id\"]\ndisposition = \"anonymise\"\n\
         categories = {{ identity = {{ columns = [\"{column}\"], mask = {mask} }} }}\nevents = {{ seen = {{ title = {{ fr = \"Vu\", en = \"Seen\" }}, column = \"seen\", format = \"iso_date\" }} }}\n"
    );
    let policy = "[policy]\nid = \"crm\"\nauthor = \"dpo\"\ntitle = { fr = \"P\", en = \"P\" }\n[[purpose]]\nid = \"people\"\ntitle = { fr = \"G\", en = \"P\" }\n\
                  legal_basis = \"contract\"\ndata = \"crm.person\"\nneeds = \"all\"\nstarts = \"seen\"\nkeeps = \"1 year\"\n";
    (sql, rules(&map, &[policy]))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_mask_does_not_understand_goes_as_a_whole_and_what_is_masked_stays_so() {
    for engine in ENGINES {
        for case in &CASES {
            let (column, types, _, values) = case;
            let Some(kind) = of(engine, types) else { continue };
            let Some(db) = database(engine).await else { continue };
            let (sql, rules) = organisation(case, kind);
            db.run_sql(&sql).await;
            let fixture = Fixture::new(engine, &db, "crm", now()).await;
            let outcome: RunOutcome = run_clean(&fixture, &rules).await;
            assert!(outcome.changed() > 0, "{} {column}", engine.name());
            let printed = match engine {
                Engine::Sqlite => format!("CAST({column} AS TEXT)"),
                Engine::Postgres => format!("{column}::text"),
                _ => column.to_string(),
            };
            let found = read(&fixture, &format!("SELECT {printed} FROM person ORDER BY id")).await;
            let found: Vec<String> = found.iter().map(|f| f.replace(": ", ":")).collect();
            let expected: Vec<String> = values.iter().map(|(_, masked)| masked.replace(": ", ":")).collect();
            // `?` is any character.
            let alike = |f: &String, e: &String| {
                f.chars().count() == e.chars().count() && f.chars().zip(e.chars()).all(|(f, e)| e == '?' || f == e)
            };
            let all_alike = found.len() == expected.len() && found.iter().zip(&expected).all(|(f, e)| alike(f, e));
            assert!(all_alike, "{} {column}: {found:?} {expected:?}", engine.name());
            let again = run_clean(&fixture, &rules).await;
            assert_eq!(again.changed(), 0, "{} {column}", engine.name());
        }
    }
}
