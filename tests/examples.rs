//! The shipped examples: every data map and policy under `config/examples` reads and links without a fault, and fits its schemas.

#![expect(clippy::unwrap_used, reason = "in a test a failed unwrap is a failed test")]

#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::path::PathBuf;

use retentiond::demo::{Organisation, SeedValue};
use retentiond::plan::schema::Engine;
use retentiond::policy::located::Faults;
use retentiond::policy::map::DataMap;
use retentiond::policy::purpose::Policy;
use retentiond::policy::{link, read_map, read_policy};
use sqlx::{Connection as _, Row as _, SqliteConnection};

const ORGANISATIONS: [&str; 7] = ["bsoft", "bsoft-customers", "capassurances", "generic", "secufor", "seveane", "sofraco"];

fn file(organisation: &str, name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("config/examples").join(organisation).join(name);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn read(organisation: &str) -> (DataMap, Policy) {
    read_with(organisation, "policy.toml")
}

fn read_with(organisation: &str, policy: &str) -> (DataMap, Policy) {
    let mut faults = Faults::default();
    let map = read_map::read(&file(organisation, "map.toml"), 0, &mut faults);
    let policy = read_policy::read(&file(organisation, policy), 1, &mut faults);
    if let (Some(map), Some(policy)) = (&map, &policy) {
        link::link(std::slice::from_ref(map), std::slice::from_ref(policy), &mut faults);
    }
    let found: Vec<_> = faults.sorted().into_iter().cloned().collect();
    assert!(found.is_empty(), "{organisation}: {found:#?}");
    (map.unwrap(), policy.unwrap())
}

#[test]
fn every_example_is_listed_here() {
    let mut found: Vec<String> = fs::read_dir(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("config/examples"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert_eq!(found, ORGANISATIONS);
}

#[test]
fn every_example_reads_and_links_without_a_fault() {
    for organisation in ORGANISATIONS {
        let (map, policy) = read(organisation);
        assert_eq!(map.source.value, organisation);
        assert_eq!(policy.id.value, organisation);
        assert!(policy.purposes.iter().all(|p| p.reference.is_some()), "{organisation}: a purpose without a reference");
    }
}

#[test]
fn the_archive_form_of_the_generic_policy_links_with_the_same_map() {
    let (_, policy) = read_with("generic", "policy.archive.toml");
    assert!(policy.purposes.iter().any(|p| !p.is_active()));
}

#[test]
fn all_examples_link_together() {
    let (maps, policies): (Vec<_>, Vec<_>) = ORGANISATIONS.iter().map(|o| read(o)).unzip();
    let mut faults = Faults::default();
    link::link(&maps, &policies, &mut faults);
    assert_eq!(faults.sorted(), Vec::<&retentiond::policy::located::Fault>::new());
}

/// Each table of the SQLite schema is mapped or declared free, and each column of a mapped table stands in the map exactly once.
#[tokio::test]
async fn every_table_and_column_is_accounted_for() {
    for organisation in ORGANISATIONS {
        let (map, _) = read(organisation);
        let mut db = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(file(organisation, "schema.sqlite.sql"))).execute(&mut db).await.unwrap();
        let tables = sqlx::query("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetch_all(&mut db).await;
        for table in tables.unwrap() {
            let table: String = table.get(0);
            if map.free_of_personal_data.iter().any(|t| t.name == table) {
                continue;
            }
            let data = map.data_sets.iter().find(|d| d.table.name == table);
            let data = data.unwrap_or_else(|| panic!("{organisation}: table {table} is not in the map"));
            let mut declared: Vec<String> = data.key.iter().chain(&data.plain).map(|c| c.value.clone()).collect();
            declared.extend(data.categories.iter().flat_map(|c| c.columns.iter().map(|c| c.name.value.clone())));
            declared.sort();
            let columns =
                sqlx::query("SELECT name FROM pragma_table_info(?) ORDER BY name").bind(&table).fetch_all(&mut db).await;
            let columns: Vec<String> = columns.unwrap().iter().map(|r| r.get(0)).collect();
            assert_eq!(declared, columns, "{organisation}.{table}");
        }
        for data in &map.data_sets {
            let there =
                sqlx::query("SELECT 1 FROM sqlite_master WHERE name = ?").bind(&data.table.name).fetch_optional(&mut db).await;
            assert!(there.unwrap().is_some(), "{organisation}: no table {}", data.table.name);
        }
    }
}

/// The three schemas of an organisation declare the same tables with the same columns in the same order.
#[test]
fn the_three_schemas_of_an_organisation_agree() {
    for organisation in ORGANISATIONS {
        let [postgres, mariadb, sqlite] =
            ["schema.postgres.sql", "schema.mariadb.sql", "schema.sqlite.sql"].map(|f| columns_of(&file(organisation, f)));
        assert!(!sqlite.is_empty(), "{organisation}");
        assert_eq!(postgres, sqlite, "{organisation}");
        assert_eq!(mariadb, sqlite, "{organisation}");
    }
}

fn columns_of(sql: &str) -> Vec<(String, String, bool)> {
    let (mut table, mut found) = (String::new(), Vec::new());
    for line in sql.lines() {
        if let Some(rest) = line.strip_prefix("CREATE TABLE ") {
            table = rest.trim_end_matches(" (").to_owned();
        } else if let Some(rest) = line.strip_prefix("    ")
            && rest.starts_with(|c: char| c.is_ascii_lowercase())
        {
            let name = rest.split(' ').next().unwrap_or_default().to_owned();
            let required = rest.contains(" NOT NULL") || rest.contains(" PRIMARY KEY");
            found.push((table.clone(), name, required));
        }
    }
    found
}

/// The invented data fits the schemas: every row can be stored, with foreign keys, uniqueness and checks on.
#[tokio::test]
async fn the_demonstrations_data_fits_the_schemas() {
    let today = chrono::NaiveDate::from_ymd_opt(2026, 5, 15).unwrap();
    for organisation in Organisation::ALL {
        for engine in support::ENGINES {
            let Some(database) = support::database(engine).await else { continue };
            let schema = match engine {
                Engine::Postgres => "schema.postgres.sql",
                Engine::Sqlite => "schema.sqlite.sql",
                _ => "schema.mariadb.sql",
            };
            database.run_sql(&file(organisation.id(), schema)).await;
            let mut statements = vec!["BEGIN;".to_owned()];
            for row in retentiond::demo::rows(organisation, 1_500, 7, today) {
                let values: Vec<String> = row.values.iter().map(|v| literal(v, engine)).collect();
                statements.push(format!(
                    "INSERT INTO {} ({}) VALUES ({});",
                    row.table,
                    row.columns.join(", "),
                    values.join(", ")
                ));
            }
            statements.push("COMMIT;".to_owned());
            assert!(statements.len() > 1_500, "{organisation:?}");
            database.run_sql(&statements.join("\n")).await;
        }
    }
}

fn literal(value: &SeedValue, engine: Engine) -> String {
    let Some(text) = value.text() else { return "NULL".to_owned() };
    match (value, engine) {
        (SeedValue::Integer(_) | SeedValue::Decimal(_), _) => text,
        (SeedValue::Bool(b), Engine::Postgres) => b.to_string(),
        (SeedValue::Bool(_), _) => text,
        (SeedValue::Instant(_), Engine::Postgres) => format!("'{text}+00'"),
        _ => format!("'{}'", text.replace('\'', "''")),
    }
}
