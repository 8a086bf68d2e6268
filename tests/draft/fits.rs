//! A draft reads as a data map and fits the schema that it came from, on every engine.

use retentiond::enforce::draft;
use retentiond::plan::dialect::Dialect;
use retentiond::plan::draft::sample::sample;
use retentiond::plan::resolve::Resolved;
use retentiond::plan::schema::{Engine, Schema};
use retentiond::policy::located::Faults;
use retentiond::policy::map::{DataMap, DateFormat, Disposition};
use retentiond::policy::mask::Mask;
use retentiond::policy::{link, read_map};
use retentiond::source::{Source, SourceError, Target};

use super::support::{ENGINES, TestDatabase, database};

/// Reads a draft and checks it against the schema: not one fault is admitted but that no policy covers it yet.
fn read(text: &str, schema: &Schema) -> DataMap {
    let mut faults = Faults::default();
    let map = read_map::read(text, 0, &mut faults);
    assert!(faults.sorted().is_empty(), "{:#?}\n{text}", faults.sorted());
    let map = map.unwrap();
    Resolved::new(&map, schema).check(&mut faults);
    link::link(std::slice::from_ref(&map), &[], &mut faults);
    let left: Vec<_> = faults.sorted().into_iter().filter(|f| !f.message.starts_with("no purpose covers")).collect();
    assert!(left.is_empty(), "{left:#?}\n{text}");
    map
}

async fn drafted(db: &TestDatabase, with_values: bool) -> (String, Schema, DataMap) {
    let source = Source::connect(&Target::new(&db.url)).await.unwrap();
    let text = draft(&source, "shop", with_values).await.unwrap();
    let schema = source.introspect().await.unwrap();
    source.close().await;
    let map = read(&text, &schema);
    (text, schema, map)
}

/// A shop with what makes drafting hard: NOT NULL, UNIQUE, a circle of foreign keys, a table without a key, opaque names.
fn shop(engine: Engine) -> String {
    let at = if engine == Engine::Postgres { "timestamp" } else { "datetime" };
    let circle = "CONSTRAINT manager FOREIGN KEY (manager_id) REFERENCES employees (id)";
    let (inline, later) = if engine == Engine::Sqlite {
        (format!(", {circle}"), String::new())
    } else {
        (String::new(), format!("ALTER TABLE departments ADD {circle};"))
    };
    format!(
        "CREATE TABLE customers (id integer NOT NULL PRIMARY KEY, first_name varchar(40) NOT NULL, nom varchar(40),
           email varchar(120) NOT NULL UNIQUE, telephone varchar(20), date_naissance date NOT NULL, last_ip varchar(45) NOT NULL,
           created_at {at} NOT NULL, updated_at {at}, date_fin date, password varchar(255) NOT NULL, c17 varchar(40), cvv varchar(4) NOT NULL,
           nir varchar(21) UNIQUE, login varchar(12) NOT NULL UNIQUE, tarif varchar(10), sexe varchar(1) NOT NULL);
         CREATE TABLE addresses (id integer NOT NULL PRIMARY KEY, customer_id integer NOT NULL, street varchar(80) NOT NULL,
           cp varchar(5) NOT NULL, ville varchar(40), FOREIGN KEY (customer_id) REFERENCES customers (id));
         CREATE TABLE orders (id integer NOT NULL PRIMARY KEY, customer_id integer, address_id integer NOT NULL, total integer,
           comments text, ordered_at {at}, FOREIGN KEY (customer_id) REFERENCES customers (id),
           FOREIGN KEY (address_id) REFERENCES addresses (id));
         CREATE TABLE loyalty (id integer NOT NULL PRIMARY KEY, customer_id integer NOT NULL, points integer,
           FOREIGN KEY (customer_id) REFERENCES customers (id));
         CREATE TABLE departments (id integer NOT NULL PRIMARY KEY, contact_email varchar(80), manager_id integer{inline});
         CREATE TABLE employees (id integer NOT NULL PRIMARY KEY, department_id integer NOT NULL, lastname varchar(40) NOT NULL,
           boss_id integer, FOREIGN KEY (department_id) REFERENCES departments (id), FOREIGN KEY (boss_id) REFERENCES employees (id));
         {later}
         CREATE TABLE countries (id integer NOT NULL PRIMARY KEY, name varchar(40));
         CREATE TABLE visits (email varchar(80), seen_at {at});"
    )
}

const VALUES: [&str; 5] = ["Aurore", "Quenneville", "quenneville", "FR1420041010050500013M02606", "192.0.2"];

fn rows() -> String {
    (1..=12)
        .map(|i| {
            format!(
                "INSERT INTO customers VALUES ({i}, 'Aurore', 'Quenneville', 'quenneville{i}@exemple.fr', '06 12 34 56 {i:02}', \
                 '19{}-03-04', '192.0.2.{i}', '2020-01-01 10:00:00', NULL, NULL, 'x', 'FR1420041010050500013M02606', '12{i}', NULL, \
                 'aq{i}', 'A', 'F');",
                50 + i
            )
        })
        .collect()
}

/// The masks of every personal column, table by table, as they would be set.
fn masks(map: &DataMap, schema: &Schema) -> Vec<(String, String, String)> {
    let resolved = Resolved::new(map, schema);
    let d: Dialect = resolved.dialect;
    let mut all = Vec::new();
    for data in &map.data_sets {
        let table = resolved.table(data).unwrap();
        for column in data.categories.iter().flat_map(|c| &c.columns) {
            let mask = d.mask("", table.column(&column.name).unwrap(), &column.mask).unwrap();
            all.push((d.table(&table.name), format!("{} = {}", d.ident(&column.name), mask.value), mask.todo.render()));
        }
    }
    all
}

#[tokio::test]
async fn few_names_are_names_milliseconds_are_none_and_dates_in_texts_become_events() {
    for engine in ENGINES {
        let Some(db) = database(engine).await else { continue };
        let text = if engine.is_mysql_family() { "varchar(40)" } else { "text" };
        db.run_sql(&format!(
            "CREATE TABLE person (id integer NOT NULL PRIMARY KEY, first_name {text} NOT NULL, email {text}, vip {text}, created_on {text} NOT NULL,
               ended_at {text}, at_ms bigint NOT NULL, last_contact_on {text});
             CREATE TABLE ticket (id integer NOT NULL PRIMARY KEY, holder_name {text} NOT NULL, companion_name {text});
             CREATE TABLE depot (id integer NOT NULL PRIMARY KEY, phone {text})"
        ))
        .await;
        let person = |i: u64| {
            format!(
                "({i}, '{}', 'p{i}@exemple.fr', 'N', '2024-02-{:02}', '2024-03-01 10:{:02}:00', {}, '{:02}/02/2024')",
                ["Ida", "Ugo", "Ewa"][i as usize % 3],
                i % 28 + 1,
                i % 60,
                1_700_512_345_678_u64 + i * 98_765,
                i % 28 + 1
            )
        };
        let all = |row: &dyn Fn(u64) -> String| (1..=60).map(row).collect::<Vec<_>>().join(", ");
        db.run_sql(&format!("INSERT INTO person VALUES {}", all(&person))).await;
        db.run_sql(&format!("INSERT INTO ticket VALUES {}", all(&|i| format!("({i}, 'Zx{i} Qv{i}', NULL)")))).await;
        db.run_sql(&format!("INSERT INTO depot VALUES {}", all(&|i| format!("({i}, '{}')", ["Y", "N"][i as usize % 2])))).await;
        let (text, _, map) = drafted(&db, true).await;
        let columns = |id: &str| -> Vec<String> {
            let data = map.data_set(id).unwrap_or_else(|| panic!("{engine:?}: {id}\n{text}"));
            let mut all: Vec<String> = data.categories.iter().flat_map(|c| &c.columns).map(|c| c.name.value.clone()).collect();
            all.sort();
            all
        };
        let personal = columns("person");
        assert_eq!(personal, ["email", "first_name"], "{text}");
        assert_eq!(columns("ticket"), ["companion_name", "holder_name"], "{text}");
        let event = |name: &str| map.data_set("person").unwrap().event(name).map(|e| e.format.as_ref().map(|f| f.value));
        assert_eq!(event("created_on"), Some(Some(DateFormat::IsoDate)), "{text}");
        assert_eq!(event("ended_at"), Some(Some(DateFormat::IsoDateTime)), "{text}");
        assert_eq!(event("last_contact_on"), None, "not a format that can be declared\n{text}");
        // What the values speak against is said where the column is set aside.
        assert!(text.contains("# Called personal by its name alone, its sampled values are a handful of short marks: `phone` of `depot` (telephone)"), "{text}");
    }
}

#[tokio::test]
async fn a_draft_reads_without_a_fault_and_fits_its_schema() {
    for engine in ENGINES {
        let Some(db) = database(engine).await else { continue };
        db.run_sql(&shop(engine)).await;
        db.run_sql(&rows()).await;
        let (by_names, ..) = drafted(&db, false).await;
        let (text, _, map) = drafted(&db, true).await;
        let ids: Vec<&str> = map.data_sets.iter().map(|d| d.id.as_str()).collect();
        assert_eq!(ids, ["addresses", "customers", "departments", "employees", "orders"], "{engine:?}\n{text}");
        let customers = map.data_set("customers").unwrap();
        let mask = |column: &str| {
            customers.categories.iter().flat_map(|c| &c.columns).find(|c| c.name.value == column).map(|c| c.mask.value.clone())
        };
        assert!(matches!(mask("email"), Some(Mask::Token { suffix, .. }) if suffix == "@invalid.invalid"), "{text}");
        assert!(matches!(mask("login"), Some(Mask::Token { digits: 8..=10, .. })), "{text}");
        assert!(matches!(mask("nir"), Some(Mask::Token { .. })), "{text}");
        assert!(matches!(mask("first_name"), Some(Mask::Fixed(_))) && mask("nom") == Some(Mask::Null), "{text}");
        assert!(matches!(mask("date_naissance"), Some(Mask::DateFloor(_))), "{text}");
        assert!(matches!(mask("last_ip"), Some(Mask::IpPrefix { .. })), "{text}");
        assert!(customers.category("card_code").unwrap().never_stored);
        assert_eq!(mask("tarif"), None);
        // The IBANs stand under a name that says nothing: only their shape betrays them.
        assert!(customers.category("bank").is_some_and(|c| c.columns[0].name.value == "c17"), "{text}");
        assert!(!by_names.contains("categories.bank"), "{by_names}");
        // Another table's rows stay behind a deleted customer.
        assert_eq!(customers.disposition, Disposition::Anonymise);
        assert!(customers.event("created_at").is_some() && customers.event("date_fin").is_some());
        assert!(customers.event("updated_at").is_none() && customers.event("date_naissance").is_none());
        let parent = |id: &str| map.data_set(id).unwrap().parent.as_ref().map(|p| (p.data.value.clone(), p.follows));
        assert_eq!(parent("addresses"), Some(("customers".into(), true)), "its only link, never NULL");
        assert_eq!(parent("orders"), Some(("addresses".into(), false)), "two links");
        assert_eq!(parent("departments"), None, "the circle is opened where a link may be NULL");
        assert_eq!(parent("employees"), Some(("departments".into(), true)));
        assert!(text.contains("#     \"countries\",") && text.contains("`visits` has no primary key"), "{text}");
        // No table is declared free by the program itself.
        assert!(map.free_of_personal_data.is_empty());
        for value in VALUES {
            assert!(!text.contains(value), "{engine:?}: a value was written into the draft:\n{text}");
        }
    }
}

#[tokio::test]
async fn every_suggested_mask_can_be_set_and_is_a_fixpoint() {
    for engine in ENGINES {
        let Some(db) = database(engine).await else { continue };
        db.run_sql(&shop(engine)).await;
        db.run_sql(&rows()).await;
        db.run_sql("INSERT INTO addresses VALUES (1, 1, '3 rue X', '59000', 'Lille'), (2, 1, '4 rue Y', '59000', NULL)").await;
        let (_, schema, map) = drafted(&db, true).await;
        let source = Source::connect(&Target::new(&db.url)).await.unwrap();
        let all = masks(&map, &schema);
        assert!(all.len() > 15);
        for (table, set, todo) in all {
            let mut session = source.session().await.unwrap();
            let sql = format!("UPDATE {table} SET {set} WHERE {todo}");
            session.rows(if engine == Engine::Sqlite { "BEGIN IMMEDIATE" } else { "BEGIN" }).await.unwrap();
            session.execute(&sql).await.unwrap_or_else(|e| panic!("{engine:?}: {e}: {sql}"));
            assert_eq!(session.execute(&sql).await.unwrap(), 0, "{engine:?}: masked twice: {sql}");
            session.done().await.unwrap();
        }
        source.close().await;
    }
}

#[tokio::test]
async fn sampling_survives_what_it_cannot_read() {
    for engine in ENGINES {
        let Some(db) = database(engine).await else { continue };
        db.run_sql("CREATE TABLE contacts (id integer NOT NULL PRIMARY KEY, mail varchar(80), x varchar(80))").await;
        if engine == Engine::Sqlite {
            db.run_sql("INSERT INTO contacts VALUES (1, CAST(x'ff' AS TEXT), x'ff')").await;
        }
        let (text, ..) = drafted(&db, true).await;
        assert!(text.contains("mail = \"null\""), "{engine:?}: {text}");
    }
}

#[tokio::test]
async fn a_sample_is_read_in_a_transaction_that_cannot_write() {
    for engine in [Engine::Postgres, Engine::MariaDb, Engine::MySql] {
        let Some(db) = database(engine).await else { continue };
        db.run_sql("CREATE TABLE contacts (id integer NOT NULL PRIMARY KEY, mail varchar(80))").await;
        let source = Source::connect(&Target::new(&db.url)).await.unwrap();
        let schema = source.introspect().await.unwrap();
        let sample = sample(Dialect { engine }, &schema.tables[0]).unwrap();
        let mut session = source.session().await.unwrap();
        session.rows(sample.before).await.unwrap();
        session.rows(&sample.sql).await.unwrap();
        let written = session.execute("INSERT INTO contacts VALUES (1, NULL)").await;
        assert!(matches!(written, Err(SourceError::Database(_))), "{engine:?}");
        session.discard().await;
        source.close().await;
    }
}

#[tokio::test]
async fn a_name_that_two_schemas_have_is_written_with_its_schema() {
    let Some(db) = database(Engine::Postgres).await else { return };
    let columns = "(id integer NOT NULL PRIMARY KEY, mail varchar(80))";
    db.run_sql(&format!("CREATE SCHEMA b; CREATE TABLE contacts {columns}; CREATE TABLE b.contacts {columns}")).await;
    let (text, _, map) = drafted(&db, true).await;
    let schemas: Vec<_> = map.data_sets.iter().map(|d| d.table.schema.as_deref()).collect();
    assert_eq!(schemas, [Some("b"), Some("public")], "{text}");
}

#[tokio::test]
async fn without_a_personal_column_the_draft_says_so_and_is_no_map_yet() {
    let Some(db) = database(Engine::Sqlite).await else { return };
    db.run_sql("CREATE TABLE colours (id integer NOT NULL PRIMARY KEY, label varchar(80))").await;
    let source = Source::connect(&Target::new(&db.url)).await.unwrap();
    let text = draft(&source, "shop", true).await.unwrap();
    let mut faults = Faults::default();
    read_map::read(&text, 0, &mut faults);
    let messages: Vec<&str> = faults.sorted().into_iter().map(|f| f.message.as_str()).collect();
    assert_eq!(messages, ["no data set is declared"], "{text}");
    assert!(text.contains("#     \"colours\","));
}

#[tokio::test]
async fn hostile_names_stay_names() {
    for engine in ENGINES {
        let Some(db) = database(engine).await else { continue };
        let d = Dialect { engine };
        let names = ["e-mail\"x", "tel\\n", "gsm \u{202e}abc", "prenom]\n[x] #", "ip'; --", "téléphone"];
        let mut columns: Vec<String> = names.iter().map(|n| format!("{} varchar(90)", d.ident(n))).collect();
        columns.extend((0..40).map(|i| format!("a_column_of_no_interest_{i} integer")));
        let table = d.ident("Users\"]\n[data.x] #");
        db.run_sql(&format!("CREATE TABLE {table} (id integer NOT NULL PRIMARY KEY, {})", columns.join(", "))).await;
        let (text, _, map) = drafted(&db, true).await;
        let found: Vec<&str> = map.data_sets[0].categories.iter().flat_map(|c| &c.columns).map(|c| c.name.as_str()).collect();
        for name in names {
            assert!(found.contains(&name), "{engine:?}: {name:?} in {text}");
        }
        assert_eq!((map.source.as_str(), map.data_sets.len()), ("shop", 1));
        assert!(!text.contains('\u{202e}'), "{engine:?}: a direction mark was printed");
    }
}
