//! The privileges of the enforcer's role: exactly those of the printed script, and not one of them to spare.

use retentiond::plan::quote::{identifier, table};
use retentiond::plan::schema::Engine;
use retentiond::source::setup::{TableGrant, script};
use retentiond::source::{Source, Target};

use crate::enforcement::{Fixture, rules};
use crate::fixture::{Case, Place, case, now};
use crate::support::TestDatabase;

const ROLE: &str = "least";

/// Every kind of table: masked, deleted, following, cascading, and one that merely refers to what is deleted; and the key of pseudonyms.
fn everything() -> Case {
    let pseudonym = case()
        .map("disposition = \"anonymise\"", "disposition = \"pseudonymise\"")
        .map("columns = [\"email\"], mask = \"null\"", "columns = [\"email\"], mask = \"pseudonym\"");
    pseudonym.map("key = [\"id\", \"part\"]", "key = [\"id\", \"part\"]\ncascades = [\"pet\"]").and(
        "CREATE TABLE pet (id integer PRIMARY KEY, log_id integer NOT NULL, log_part varchar(8) NOT NULL,
           CONSTRAINT pet_of_log FOREIGN KEY (log_id, log_part) REFERENCES log (id, part) ON DELETE CASCADE);
         CREATE TABLE bill (id integer PRIMARY KEY, log_id integer, log_part varchar(8),
           CONSTRAINT bill_of_log FOREIGN KEY (log_id, log_part) REFERENCES log (id, part));
         INSERT INTO pet VALUES (1, 1, 'a'), (2, 1, 'b'); INSERT INTO bill VALUES (1, 2, 'a');",
    )
}

/// The role of the script as SQL.
fn role(engine: Engine, database: &TestDatabase) -> String {
    let name = identifier(engine, &format!("{ROLE}_{}", database.name));
    if engine == Engine::Postgres { name } else { format!("{name}@`%`") }
}

fn password(engine: Engine, database: &TestDatabase) -> String {
    let role = role(engine, database);
    match engine {
        Engine::Postgres => format!("ALTER ROLE {role} PASSWORD 'pw'"),
        _ => format!("ALTER USER {role} IDENTIFIED BY 'pw' ACCOUNT UNLOCK"),
    }
}

async fn as_role(database: &TestDatabase) -> Source {
    Source::connect(&Target::new(database.as_user(&format!("{ROLE}_{}", database.name)))).await.unwrap()
}

/// A place whose source is the least-privileged role, with the grants that an administrator's check derived.
async fn least(engine: Engine, case: &Case) -> Option<(Place, Vec<TableGrant>)> {
    let mut place = case.start(engine).await?;
    let grants = place.check(false).await.checked.grants;
    place.database.run_sql(&script(engine, &place.request(ROLE, grants.clone())).unwrap()).await;
    place.database.run_sql(&password(engine, &place.database)).await;
    place.source = as_role(&place.database).await;
    Some((place, grants))
}

/// Each single privilege of the script: what it is, and on which table.
fn single(engine: Engine, place: &Place, grants: &[TableGrant]) -> Vec<(String, String)> {
    let q = |n: &str| identifier(engine, n);
    let mut all = Vec::new();
    for grant in grants {
        let on = table(engine, &grant.table);
        all.push(("SELECT".to_owned(), on.clone()));
        all.extend(grant.update_columns.iter().map(|c| (format!("UPDATE ({})", q(c)), on.clone())));
        if grant.delete {
            all.push(("DELETE".to_owned(), on.clone()));
        }
        if let (Engine::Postgres, Some(lock)) = (engine, &grant.lock) {
            all.push((format!("UPDATE ({})", q(lock)), on.clone()));
        }
    }
    let own = |name: &str| {
        if engine == Engine::Postgres {
            format!("retentiond.{name}")
        } else {
            format!("{}.retentiond_{name}", q(&place.database.name))
        }
    };
    for (name, words) in [
        ("fence", &["SELECT", "UPDATE"][..]),
        ("ledger", &["SELECT", "INSERT", "DELETE"]),
        ("hold", &["SELECT", "INSERT", "UPDATE"]),
    ] {
        all.extend(words.iter().map(|w| ((*w).to_owned(), own(name))));
    }
    all
}

#[tokio::test]
async fn the_printed_grants_suffice_and_none_can_be_taken_away() {
    for engine in [Engine::Postgres, Engine::MariaDb, Engine::MySql] {
        let Some((place, grants)) = least(engine, &everything()).await else { continue };
        let found = place.check(true).await;
        found.no_error();
        found.silent(&["does not need"]);
        found.silent(&["superuser"]);
        let role = role(engine, &place.database);
        let all = single(engine, &place, &grants);
        assert!(all.len() > 15 && all.iter().any(|(p, on)| p == "SELECT" && on.contains("pseudonym_key")), "{all:?}");
        for (privilege, on) in all {
            // The one table that no file names: whoever may not read it does not know on MariaDB and MySQL that it exists.
            if engine.is_mysql_family() && on.ends_with("`bill`") {
                found.warning(&["tables without a grant stay hidden"]);
                continue;
            }
            place.database.run_sql(&format!("REVOKE {privilege} ON {on} FROM {role}")).await;
            let source = as_role(&place.database).await;
            let without = place.check_as(&source, false).await;
            assert!(
                without.all.iter().any(|f| f.severity == retentiond::policy::located::Severity::Error),
                "{}: {privilege} on {on} was not missed",
                engine.name()
            );
            place.database.run_sql(&format!("GRANT {privilege} ON {on} TO {role}")).await;
        }
        place.check(true).await.no_error();
        // A table of ours that the role does not see at all is missed as well.
        let hold = if engine == Engine::Postgres {
            "retentiond.hold".to_owned()
        } else {
            format!("{}.retentiond_hold", place.database.name)
        };
        place.database.run_sql(&format!("REVOKE ALL PRIVILEGES ON {hold} FROM {role}")).await;
        let source = as_role(&place.database).await;
        place.check_as(&source, false).await.error(&["lacks SELECT, UPDATE, INSERT on table", "hold"]);
    }
}

#[tokio::test]
async fn a_run_needs_nothing_beyond_the_printed_grants() {
    for engine in [Engine::Postgres, Engine::MariaDb, Engine::MySql] {
        let case = everything();
        let Some((place, _)) = least(engine, &case).await else { continue };
        let rules = rules(&case.map, &[&case.policy]);
        let source = place.source.clone();
        let mut fixture = Fixture::new(engine, &place.database, "crm", now()).await;
        fixture.source = source;
        let outcome = fixture.run(&rules).await;
        assert!(outcome.changed() > 0);
        for action in &outcome.actions {
            assert_eq!(action.due_after, 0, "{}: {action:?}", engine.name());
        }
        let mut session = fixture.source.session().await.unwrap();
        let person = session.rows("SELECT name, email FROM person WHERE id = 1").await.unwrap();
        assert_eq!(person[0][0].as_deref(), Some("ANONYME"));
        assert!(person[0][1].as_deref().is_some_and(|e| e.len() == 37 && e.starts_with("pseu-")));
        let pets = session.rows("SELECT id FROM pet").await.unwrap();
        assert_eq!(pets.len(), 1);
    }
}

/// A table of no data set keeps what follows a record, and reading it takes a privilege.
#[tokio::test]
async fn a_table_that_refers_to_what_follows_a_record_is_granted() {
    for engine in [Engine::Postgres, Engine::MariaDb, Engine::MySql] {
        let case = everything()
            .map("time_zone = \"Europe/Paris\"", "time_zone = \"Europe/Paris\"\nfree_of_personal_data = [\"tag\"]")
            .and("CREATE TABLE tag (id integer PRIMARY KEY, note_id integer, CONSTRAINT tag_of_note FOREIGN KEY (note_id) REFERENCES note (id));");
        let Some((place, grants)) = least(engine, &case).await else { continue };
        assert!(grants.iter().any(|g| g.table.name == "tag"), "{}: {grants:?}", engine.name());
        let rules = rules(&case.map, &[&case.policy]);
        let source = place.source.clone();
        let mut fixture = Fixture::new(engine, &place.database, "crm", now()).await;
        fixture.source = source;
        assert!(fixture.run(&rules).await.changed() > 0);
    }
}

/// MariaDB and MySQL hide what a role has no right on, and it needs none on what has no personal data.
#[tokio::test]
async fn a_table_without_personal_data_that_the_role_cannot_see_stops_nothing() {
    for engine in [Engine::Postgres, Engine::MariaDb, Engine::MySql] {
        let case = everything()
            .map("time_zone = \"Europe/Paris\"", "time_zone = \"Europe/Paris\"\nfree_of_personal_data = [\"country\"]")
            .and("CREATE TABLE country (id integer PRIMARY KEY, name varchar(20));");
        let Some((place, grants)) = least(engine, &case).await else { continue };
        assert!(!grants.iter().any(|g| g.table.name == "country"), "{}: {grants:?}", engine.name());
        let source = as_role(&place.database).await;
        let found = place.check_as(&source, false).await;
        found.no_error();
        if engine.is_mysql_family() {
            found.warning(&["the database shows no table `country`"]);
        }
        let mut fixture = Fixture::new(engine, &place.database, "crm", now()).await;
        fixture.source = source;
        assert!(fixture.run(&rules(&case.map, &[&case.policy])).await.changed() > 0);
    }
}

#[tokio::test]
async fn privileges_that_are_not_needed_are_named() {
    for engine in [Engine::Postgres, Engine::MariaDb, Engine::MySql] {
        let Some((place, _)) = least(engine, &everything()).await else { continue };
        let role = role(engine, &place.database);
        let q = |n: &str| if engine == Engine::Postgres { n.to_owned() } else { format!("{}.{n}", place.database.name) };
        let key = if engine == Engine::Postgres { "retentiond.pseudonym_key".to_owned() } else { q("retentiond_pseudonym_key") };
        let sql = format!(
            "GRANT UPDATE, DELETE ON {key} TO {role}; CREATE TABLE spare (id integer); GRANT DELETE, UPDATE (kind) ON {} TO {role}; GRANT SELECT ON {} TO {role}",
            q("person"),
            q("spare")
        );
        place.database.run_sql(&sql).await;
        let source = as_role(&place.database).await;
        let found = place.check_as(&source, false).await;
        found.no_error();
        let fault = found.warning(&["does not need", "person"]);
        assert!(fault.message.contains("DELETE") && fault.message.contains("UPDATE (kind)"), "{}", fault.message);
        found.warning(&["does not need DELETE, UPDATE on every column", "pseudonym_key"]);
        found.warning(&["privileges on tables that it does not need", "spare"]);
    }
}

#[tokio::test]
async fn a_database_without_our_tables_and_an_administrator_are_named() {
    for engine in [Engine::Postgres, Engine::MariaDb, Engine::MySql] {
        let Some(place) = case().start_bare(engine).await else { continue };
        let found = place.check(true).await;
        found.error(&["none of this program's own tables"]);
        found.warning(&["superuser"]);
    }
}

#[tokio::test]
async fn rows_that_the_role_may_not_see_stop_everything() {
    let Some((place, _)) = least(Engine::Postgres, &case()).await else { return };
    place.database.run_sql("ALTER TABLE person ENABLE ROW LEVEL SECURITY").await;
    place.check(true).await.error(&["row-level security of table `person`"]);
}

#[tokio::test]
async fn triggers_that_the_role_cannot_see_are_admitted() {
    for engine in [Engine::MariaDb, Engine::MySql] {
        let Some((place, _)) = least(engine, &case()).await else { continue };
        let found = place.check(true).await;
        found.no_error();
        found.warning(&["triggers could not be seen"]);
    }
}
