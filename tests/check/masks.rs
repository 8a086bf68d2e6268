//! Masks that the database does not take, found by trying them.

use retentiond::plan::schema::Engine;

use crate::fixture::case;
use crate::support::ENGINES;

#[tokio::test]
async fn trying_the_masks_leaves_every_row_as_it_was() {
    for engine in ENGINES {
        let Some(place) = case().start(engine).await else { continue };
        let before = place.texts("SELECT name FROM person ORDER BY id").await;
        place.check(true).await.clean();
        assert_eq!(place.texts("SELECT name FROM person ORDER BY id").await, before);
        assert_eq!(before, ["A", "B", "C", "D"]);
        assert_eq!(place.texts("SELECT body FROM note ORDER BY id").await, ["n1", "n2", "n3", "n4"]);
    }
}

#[tokio::test]
async fn a_mask_that_a_check_constraint_refuses_is_found_and_named() {
    let check = "last_contact {date}, CONSTRAINT short_names CHECK (length(name) < 5));";
    let strict = case().sql("last_contact {date});", check);
    for engine in ENGINES {
        let Some(place) = strict.start(engine).await else { continue };
        let found = place.check(true).await;
        found.error(&["refuses the mask of column `name` (identity)", "short_names"]);
        found.silent(&["`email`"]);
        place.check(false).await.clean();
    }
}

#[tokio::test]
async fn two_rows_that_a_unique_refuses_are_found_however_far_apart() {
    let unique = case().and("CREATE UNIQUE INDEX names ON person (kind, name); INSERT INTO person VALUES (100, 'X', NULL, 'R', NULL), (101, 'Y', NULL, 'S', NULL), (102, 'Z', NULL, 'T', NULL);");
    for engine in ENGINES {
        let Some(found) = unique.findings(engine).await else { continue };
        found.error(&["refuses the mask of column `name`", "unique violation"]);
    }
}

/// A BEFORE UPDATE trigger that rewrites the row.
fn rewriting(engine: Engine, set: &str) -> String {
    match engine {
        Engine::Postgres => format!(
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {set}; RETURN NEW; END $$; CREATE TRIGGER looks BEFORE UPDATE ON person FOR EACH ROW EXECUTE FUNCTION f();"
        ),
        Engine::Sqlite => {
            let set = set.replace("NEW.", "").replace(":=", "=");
            format!(
                "CREATE TRIGGER looks AFTER UPDATE ON person FOR EACH ROW BEGIN UPDATE person SET {set} WHERE id = NEW.id; END;"
            )
        }
        _ => format!("CREATE TRIGGER looks BEFORE UPDATE ON person FOR EACH ROW SET {};", set.replace(":=", "=")),
    }
}

#[tokio::test]
async fn a_trigger_that_undoes_a_mask_or_moves_a_start_is_found() {
    let reviewed = case().map("plain = [\"kind\"]", "plain = [\"kind\"]\ntriggers = [\"looks\"]");
    for engine in ENGINES {
        let undoing = reviewed.clone().and(&rewriting(engine, "NEW.name := 'changed'"));
        let Some(found) = undoing.findings(engine).await else { continue };
        found.error(&["masking column `name` (identity) leaves it to be masked again"]);
        let moving = reviewed.clone().and(&rewriting(engine, "NEW.last_contact := '2026-11-22'"));
        moving.findings(engine).await.unwrap().error(&["masking `person` moves its start `last_contact`"]);
    }
}

#[tokio::test]
async fn a_veto_is_found_and_no_message_repeats_what_the_trigger_said() {
    let reviewed = case().map("plain = [\"kind\"]", "plain = [\"kind\"]\ntriggers = [\"looks\"]");
    for engine in ENGINES {
        let veto = match engine {
            Engine::Postgres => {
                "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'never touch %', OLD.name; END $$; CREATE TRIGGER looks BEFORE UPDATE ON person FOR EACH ROW EXECUTE FUNCTION f();"
            }
            Engine::Sqlite => "CREATE TRIGGER looks BEFORE UPDATE ON person BEGIN SELECT RAISE(ABORT, 'never touch'); END;",
            _ => {
                "CREATE TRIGGER looks BEFORE UPDATE ON person FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'never touch';"
            }
        };
        let Some(found) = reviewed.clone().and(veto).findings(engine).await else { continue };
        found.error(&["refuses the mask of column `name`", "raised by a trigger"]);
        found.silent(&["never touch"]);
    }
}

#[tokio::test]
async fn a_date_that_the_database_moves_by_itself_stays_when_rows_are_masked() {
    let touched = case()
        .sql("last_contact {date}", "last_contact timestamp NULL ON UPDATE CURRENT_TIMESTAMP")
        .map("format = \"iso_date\"\n\n[data.note]", "\n[data.note]");
    for engine in [Engine::MariaDb, Engine::MySql] {
        let Some(place) = touched.start(engine).await else { continue };
        let found = place.check(true).await;
        found.no_error();
        let plan = found.checked.plan.unwrap();
        let action = plan.actions.iter().find(|a| a.id == "person.anonymise").unwrap();
        let own = action.set.iter().find(|(column, _)| column == "last_contact").unwrap();
        assert_eq!(own.1, "r.`last_contact`");
        let before = place.texts("SELECT CAST(last_contact AS CHAR) FROM person ORDER BY id").await;
        let mut session = place.source.session().await.unwrap();
        let rows = session.rows(&action.find(plan.dialect, retentiond::plan::action::Path::Planned, None, 10)).await.unwrap();
        let keys = retentiond::enforce::keys::Keys::answered(plan.dialect, &action.key, rows).unwrap().all();
        assert!(!keys.is_empty());
        let set = retentiond::plan::touch::touches(&plan);
        assert!(set[&action.table].set.contains_key("last_contact"));
        let assignments: Vec<String> = action.set.iter().map(|(c, v)| format!("r.`{c}` = {v}")).collect();
        let sql = format!("UPDATE person AS r SET {}; COMMIT", assignments.join(", "));
        session.rows(&sql).await.unwrap();
        session.done().await.unwrap();
        assert_eq!(place.texts("SELECT CAST(last_contact AS CHAR) FROM person ORDER BY id").await, before);
        assert_eq!(place.texts("SELECT name FROM person ORDER BY id").await[0], "ANONYME");
    }
}

#[tokio::test]
async fn rows_that_the_application_holds_are_left_alone() {
    for engine in [Engine::Postgres, Engine::MariaDb, Engine::MySql] {
        let Some(place) = case().start(engine).await else { continue };
        let mut session = place.source.session().await.unwrap();
        session.rows(if engine == Engine::Postgres { "BEGIN" } else { "SELECT 1" }).await.unwrap();
        session.rows("UPDATE person SET kind = 'X'").await.unwrap();
        let found = place.check(true).await;
        found.no_error();
        found.warning(&["masks of `person` could not be tried", "application holds"]);
        session.discard().await;
    }
}

#[tokio::test]
async fn a_token_or_pseudonym_fits_a_column_in_another_character_set() {
    for engine in [Engine::MariaDb, Engine::MySql] {
        for mask in ["token", "pseudonym"] {
            let other = case()
                .map(
                    "disposition = \"anonymise\"",
                    if mask == "token" { "disposition = \"anonymise\"" } else { "disposition = \"pseudonymise\"" },
                )
                .map("mask = \"null\" }\n\n[data.person.events", &format!("mask = \"{mask}\" }}\n\n[data.person.events"))
                .sql("email varchar(80)", "email varchar(80) CHARACTER SET latin1 COLLATE latin1_german2_ci");
            let Some(place) = other.start(engine).await else { continue };
            let request = place.request("other", place.check(false).await.checked.grants);
            place.database.run_sql(&retentiond::source::setup::script(engine, &request).unwrap()).await;
            place.check(true).await.no_error();
        }
    }
}

#[tokio::test]
async fn a_pseudonym_in_a_unique_column_needs_digits_enough_and_a_value_that_comes_back_is_warned_of() {
    let unique = case()
        .map("disposition = \"anonymise\"", "disposition = \"pseudonymise\"")
        .map(
            "columns = [\"email\"], mask = \"null\"",
            "columns = [\"email\"], mask = { pseudonym = { prefix = \"p-\", digits = 31 } }",
        )
        .and("CREATE UNIQUE INDEX emails ON person (email);");
    let enough = unique.clone().map("digits = 31", "digits = 32");
    let long = unique.clone().map("digits = 31", "digits = 64").sql("email varchar(80)", "email varchar(65)");
    for engine in [Engine::Postgres, Engine::MariaDb, Engine::MySql] {
        let Some(found) = unique.findings(engine).await else { continue };
        found.error(&["column `email` is UNIQUE", "the same pseudonym"]);
        let found = enough.findings(engine).await.unwrap();
        found.silent(&["is UNIQUE"]);
        found.warning(&["in the UNIQUE `emails`", "comes back"]);
        found.warning(&["when purposes `prospects`, `newsletter` end, column `email` keeps a pseudonym: still personal data"]);
        found.error(&["lacks SELECT on table", "pseudonym_key"]);
        long.findings(engine).await.unwrap().error(&["the pseudonym is longer than column `email`"]);
    }
}
