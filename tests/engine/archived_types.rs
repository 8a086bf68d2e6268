//! Every type of column that introspection knows goes through an archive and comes back as it was.

use retentiond::archive::Identities;
use retentiond::enforce::catalogue;
use retentiond::enforce::put_back::put_back;
use retentiond::enforce::unseal::{Why, unseal};
use retentiond::journal::{Access, AccessReason, Name, Reference};
use retentiond::plan::compile;
use retentiond::plan::key::{KeyKind, KeyPart, RecordKey};
use retentiond::plan::schema::Engine;

use crate::enforcement::{Fixture, IDENTITY, Rules, rules};
use crate::scene::{ENGINES, consistent, now, read, run_clean};
use crate::support::database;

/// Columns by name and type, and rows of their values, as SQL.
fn columns(engine: Engine) -> (Vec<(&'static str, &'static str)>, Vec<Vec<&'static str>>) {
    match engine {
        Engine::Postgres => (
            vec![
                ("i2", "smallint"),
                ("i8", "bigint"),
                ("n", "numeric(30,10)"),
                ("r", "real"),
                ("f", "double precision"),
                ("b", "boolean"),
                ("c", "char(5)"),
                ("v", "varchar(40)"),
                ("x", "text"),
                ("y", "bytea"),
                ("z", "bit(8)"),
                ("zv", "varbit"),
                ("d", "date"),
                ("t", "time"),
                ("ts", "timestamp"),
                ("tz", "timestamptz"),
                ("iv", "interval"),
                ("u", "uuid"),
                ("j", "json"),
                ("jb", "jsonb"),
                ("ip", "inet"),
                ("cd", "cidr"),
                ("mac", "macaddr"),
                ("e", "mood"),
                ("a", "int[]"),
                ("ta", "text[]"),
                ("rg", "daterange"),
                ("p", "point"),
                ("m", "money"),
                ("xm", "xml"),
                ("dm", "mail"),
            ],
            vec![
                vec![
                    "-32768",
                    "9223372036854775807",
                    "12345678901234567890.0123456789",
                    "0.1",
                    "1e-300",
                    "true",
                    "'ab'",
                    "E'quote '' \\\\ back'",
                    "E'tab\\t line\\n😀 \\u202e'",
                    "'\\x00ff27'",
                    "B'10101010'",
                    "B'101'",
                    "'0044-03-15 BC'",
                    "'23:59:59.999999'",
                    "'1999-12-31 23:59:59.123456'",
                    "'2024-03-31 00:59:59.5+00'",
                    "'1 year 2 mons -3 days 04:05:06.7'",
                    "'00000000-0000-0000-0000-0000000000ff'",
                    "'{\"b\":1,  \"a\":2}'",
                    "'{\"b\":1,\"a\":\"é\"}'",
                    "'10.0.0.1/24'",
                    "'10.0.0.0/8'",
                    "'08:00:2b:01:02:03'",
                    "'b'",
                    "'{1,NULL,3}'",
                    "'{\"a,b\",\"\",\"NULL\",NULL,\"c\\\"d\"}'",
                    "'[2020-01-01,)'",
                    "'(1.5,-2)'",
                    "'12.34'",
                    "'<a>x</a>'",
                    "'a@x'",
                ],
                vec![
                    "0",
                    "-1",
                    "'NaN'",
                    "'-Infinity'",
                    "'NaN'",
                    "false",
                    "''",
                    "''",
                    "''",
                    "''",
                    "B'00000000'",
                    "B''",
                    "'infinity'",
                    "'00:00'",
                    "'-infinity'",
                    "'infinity'",
                    "'0'",
                    "NULL",
                    "'null'",
                    "'null'",
                    "'::1'",
                    "'::/0'",
                    "NULL",
                    "'a'",
                    "'{}'",
                    "'{}'",
                    "'empty'",
                    "NULL",
                    "'0'",
                    "NULL",
                    "'@'",
                ],
            ],
        ),
        Engine::MariaDb | Engine::MySql => (
            vec![
                ("i1", "tinyint"),
                ("i8", "bigint unsigned"),
                ("n", "decimal(30,10)"),
                ("r", "float"),
                ("f", "double"),
                ("b", "tinyint(1)"),
                ("c", "char(5)"),
                ("v", "varchar(40) CHARACTER SET utf8mb4"),
                ("l", "varchar(40) CHARACTER SET latin1"),
                ("x", "mediumtext"),
                ("y", "varbinary(9)"),
                ("bl", "blob"),
                ("z", "bit(8)"),
                ("z64", "bit(64)"),
                ("d", "date"),
                ("t", "time(6)"),
                ("dt", "datetime(6)"),
                ("ts", "timestamp(6) NULL DEFAULT NULL"),
                ("yr", "year"),
                ("j", "json"),
                ("e", "enum('a','b''c')"),
                ("s", "set('x','y')"),
                ("p", "point"),
            ],
            vec![
                vec![
                    "-128",
                    "18446744073709551615",
                    "12345678901234567890.0123456789",
                    "0.1",
                    "1.7976931348623157e308",
                    "1",
                    "'ab'",
                    "'quote '' \\\\ back 😀'",
                    "'é'",
                    "'tab\\t line\\n'",
                    "x'00ff27'",
                    "x'00'",
                    "b'10101010'",
                    "b'1'",
                    "'0999-12-31'",
                    "'-838:59:59'",
                    "'1999-12-31 23:59:59.123456'",
                    "'2024-03-31 01:59:59.5'",
                    "'1901'",
                    "'{\"b\":1,  \"a\":\"é\"}'",
                    "'b''c'",
                    "'x,y'",
                    "ST_GeomFromText('POINT(1.5 -2)')",
                ],
                vec![
                    "0",
                    "0",
                    "-0.0000000001",
                    "16777216",
                    "-1e-300",
                    "0",
                    "''",
                    "''",
                    "''",
                    "''",
                    "x''",
                    "x''",
                    "b'0'",
                    "b'0'",
                    "NULL",
                    "'00:00'",
                    "NULL",
                    "NULL",
                    "NULL",
                    "NULL",
                    "NULL",
                    "''",
                    "NULL",
                ],
            ],
        ),
        // Any column holds anything.
        Engine::Sqlite => (
            vec![
                ("i", "INTEGER"),
                ("r", "REAL"),
                ("n", "NUMERIC"),
                ("x", "TEXT"),
                ("y", "BLOB"),
                ("w", ""),
                ("d", "DATE"),
                ("b", "BOOLEAN"),
            ],
            vec![
                vec![
                    "-9223372036854775808",
                    "0.1",
                    "12.30",
                    "'quote '' \\ 😀' || char(9) || char(10)",
                    "x'00ff27'",
                    "x''",
                    "'2024-02-29'",
                    "1",
                ],
                vec!["9223372036854775807", "-9e999", "'12abc'", "''", "'text in a blob'", "1.0", "0.5", "'yes'"],
                vec!["'seven'", "1e22", "9007199254740993", "'a' || char(0) || 'b'", "42", "-0.0", "20240229", "NULL"],
            ],
        ),
    }
}

fn type_rules(columns: &[(&str, &str)]) -> Rules {
    let plain: Vec<String> = columns.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    let map = format!(
        "[source]\nid = \"crm\"\ntime_zone = \"UTC\"\n\
         [data.thing]\ntitle = {{ fr = \"t\", en = \"t\" }}\ntable = \"thing\"\nkey = [\"id\"]\ndisposition = \"delete\"\nplain = [{}]\n\
         [data.thing.categories]\nname = {{ columns = [\"name\"], mask = \"null\" }}\n\
         [data.thing.events.made]\ntitle = {{ fr = \"m\", en = \"m\" }}\ncolumn = \"made\"\nformat = \"iso_date\"\n",
        plain.join(", ")
    );
    let purpose = |id: &str, keeps: &str, more: &str| {
        format!(
            "[[purpose]]\nid = \"{id}\"\ntitle = {{ fr = \"p\", en = \"p\" }}\nlegal_basis = \"contract\"\ndata = \"crm.thing\"\nneeds = \"all\"\nstarts = \"made\"\nkeeps = \"{keeps}\"\n{more}\n"
        )
    };
    let head = "[policy]\nid = \"crm\"\nauthor = \"dpo\"\ntitle = { fr = \"p\", en = \"p\" }\n";
    let policy =
        format!("{head}{}{}", purpose("short", "1 year", ""), purpose("long", "20 years", "kept_in = \"archive:legal\""));
    rules(&map, &[&policy])
}

#[tokio::test(flavor = "multi_thread")]
async fn every_value_comes_back_as_it_was() {
    for engine in ENGINES {
        let Some(db) = database(engine).await else { continue };
        let (columns, values) = columns(engine);
        if engine == Engine::Postgres {
            db.run_sql("CREATE TYPE mood AS ENUM ('a', 'b'); CREATE DOMAIN mail AS varchar(60) CHECK (VALUE LIKE '%@%')").await;
        }
        let identity =
            if engine == Engine::Postgres { "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY" } else { "bigint PRIMARY KEY" };
        let identity = if engine == Engine::Sqlite { "INTEGER PRIMARY KEY" } else { identity };
        let date = if engine == Engine::Sqlite { "TEXT" } else { "date" };
        let types: Vec<String> = columns.iter().map(|(name, kind)| format!("{name} {kind}")).collect();
        db.run_sql(&format!("CREATE TABLE thing (id {identity}, name varchar(20), made {date} NOT NULL, {})", types.join(", ")))
            .await;
        let mut values = values;
        if engine == Engine::Sqlite {
            // Doubles of many sizes: their text must be read as the same number by two programs.
            let mut bits: u64 = 0x3ff0_0000_0000_0001;
            for _ in 0..60 {
                bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                // SQLite's own conversions between text and number are off by one in the last place for very large and very small ones.
                let number = f64::from_bits(bits & 0x800f_ffff_ffff_ffff | (1_023 - 64 + (bits >> 52) % 128) << 52);
                let literal: &'static str = Box::leak(format!("{number:?}").into_boxed_str());
                values.push(vec!["1", literal, literal, "NULL", literal, literal, "NULL", "NULL"]);
            }
        }
        let names: Vec<&str> = columns.iter().map(|c| c.0).collect();
        let overriding = if engine == Engine::Postgres { "OVERRIDING SYSTEM VALUE" } else { "" };
        for (n, row) in values.iter().enumerate() {
            assert_eq!(row.len(), columns.len());
            db.run_sql(&format!(
                "INSERT INTO thing (id, name, made, {}) {overriding} VALUES ({}, 'N', '2020-01-01', {})",
                names.join(", "),
                n + 1,
                row.join(", ")
            ))
            .await;
        }
        // As the engine itself tells values apart.
        let told = |name: &&str| match engine {
            Engine::Postgres => format!("{name}::text"),
            Engine::Sqlite => format!("typeof({name}) || ':' || quote({name}) || hex(CAST({name} AS BLOB))"),
            _ => format!("CONCAT(COALESCE(HEX({name}), 'NULL'), ' ', COALESCE(CONVERT(CAST({name} AS CHAR) USING utf8mb4), ''))"),
        };
        let look = format!("SELECT {} FROM thing ORDER BY id", names.iter().map(told).collect::<Vec<_>>().join(", "));
        let look =
            if engine == Engine::MariaDb || engine == Engine::MySql { look.replace("CAST(p AS CHAR)", "HEX(p)") } else { look };
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let rules = type_rules(&columns);
        let before = read(&fixture, &look).await;
        run_clean(&fixture, &rules).await;
        assert_eq!(read(&fixture, &look).await, Vec::<String>::new(), "{}", engine.name());

        let file = fixture._folder.path().join("identity");
        retentiond::state::write_private(&file, IDENTITY.as_bytes()).unwrap();
        let identities = Identities::read(&file).unwrap();
        let prepared = fixture.prepare(&rules).await;
        let records = compile::records(&rules.map, &rules.policies, &prepared.schema, &prepared.moment);
        let resolved = records.terms.resolved;
        let data = rules.map.data_set("thing").unwrap();
        let (source, data_set) = (Name::parse("crm").unwrap(), Name::parse("thing").unwrap());
        for id in 1..=values.len() {
            let key = RecordKey(vec![KeyPart { kind: KeyKind::Integer, text: id.to_string() }]);
            let found = catalogue::find(&fixture.journal, &source, &data_set, &key).await.unwrap();
            assert_eq!(found.len(), 1, "{}", engine.name());
            let why = Why {
                access: Access::Restore,
                actor: Name::parse("dpo").unwrap(),
                reason: AccessReason::ErrorCorrection,
                reference: Reference::parse("R-1").unwrap(),
            };
            let of = (&source, &data_set, &key);
            let archives = (&fixture.journal, &fixture.archives);
            let objects =
                unseal(archives, resolved.dialect, &resolved.key_columns(data), of, &found, &identities, why).await.unwrap();
            let mut session = fixture.source.session().await.unwrap();
            session.script(&resolved.dialect.begin()).await.unwrap();
            let done = put_back(&mut session, &records, &objects).await.unwrap_or_else(|e| panic!("{}: {e}", engine.name()));
            assert_eq!((done.inserted, done.lost), (1, 0));
            session.rows(resolved.dialect.commit()).await.unwrap();
            session.done().await.unwrap();
        }
        let after = read(&fixture, &look).await;
        for (was, is) in before.iter().zip(&after) {
            let pairs = was.split('|').zip(is.split('|')).zip(&names);
            for ((was, is), name) in pairs {
                assert_eq!(was, is, "{name} on {}", engine.name());
            }
        }
        assert_eq!(before, after, "{}", engine.name());
        consistent(&fixture).await;
    }
}
