//! Cascades, triggers, tables, races, indexes, and what nobody declared.

use retentiond::plan::action::ActionKind;
use retentiond::plan::quote::identifier;
use retentiond::plan::schema::Engine;

use crate::fixture::case;
use crate::support::ENGINES;

const PET: &str = "CREATE TABLE pet (id integer PRIMARY KEY, log_id integer NOT NULL, log_part varchar(8) NOT NULL,
  CONSTRAINT pet_of_log FOREIGN KEY (log_id, log_part) REFERENCES log (id, part) ON DELETE CASCADE);
  CREATE INDEX pet_log ON pet (log_id, log_part);";

#[tokio::test]
async fn what_is_in_order_is_not_complained_about() {
    for engine in ENGINES {
        let Some(found) = case().findings(engine).await else { continue };
        found.clean();
        assert!(found.checked.plan.is_some_and(|p| p.actions.len() >= 3));
    }
}

#[tokio::test]
async fn a_foreign_key_that_deletes_undeclared_rows_is_refused() {
    for engine in ENGINES {
        let Some(found) = case().and(PET).findings(engine).await else { continue };
        let name = if engine == Engine::Sqlite { "fk_0" } else { "pet_of_log" };
        found.error(&["`log`", "deletes rows of `pet`", name]);
        found.warning(&["unmapped table", "`pet`"]);

        let declared = case().and(PET).map("key = [\"id\", \"part\"]", "key = [\"id\", \"part\"]\ncascades = [\"pet\"]");
        declared.findings(engine).await.unwrap().clean();

        let nulling = case().and(&PET.replace("NOT NULL", "").replace("CASCADE", "SET NULL"));
        nulling.findings(engine).await.unwrap().error(&["empties columns of `pet`", name]);
        // Whoever is only anonymised is never deleted: nothing cascades.
        let of_person = "CREATE TABLE pet (id integer PRIMARY KEY, person_id integer REFERENCES person (id) ON DELETE CASCADE);";
        case().and(of_person).findings(engine).await.unwrap().no_error();
    }
}

#[tokio::test]
async fn columns_that_a_join_compares_otherwise_than_a_foreign_key_are_refused() {
    // SQLite: the foreign key goes by the collation and the affinity of the column referred to.
    for (of_child, why) in
        [("varchar(8) COLLATE NOCASE", "collation NOCASE beside BINARY"), ("integer", "INTEGER beside varchar(8)")]
    {
        let pet = PET.replace("log_part varchar(8)", &format!("log_part {of_child}"));
        let declared = case().and(&pet).map("key = [\"id\", \"part\"]", "key = [\"id\", \"part\"]\ncascades = [\"pet\"]");
        declared.findings(Engine::Sqlite).await.unwrap().error(&["`pet.log_part` and `log.part` are not compared", why]);
    }
    let note = case().sql(
        "CREATE TABLE note (id integer PRIMARY KEY, person_id integer NOT NULL REFERENCES person (id)",
        "CREATE TABLE note (id integer PRIMARY KEY, person_id varchar(20) NOT NULL",
    );
    note.clone().findings(Engine::Sqlite).await.unwrap().no_error();
    // PostgreSQL pads one of them, or tells other texts apart.
    for (of_child, why) in
        [("char(8)", "character(8) beside character varying(8)"), ("varchar(8) COLLATE \"C\"", "collation C beside")]
    {
        let pet = PET.replace("log_part varchar(8)", &format!("log_part {of_child}"));
        let declared = case().and(&pet).map("key = [\"id\", \"part\"]", "key = [\"id\", \"part\"]\ncascades = [\"pet\"]");
        let Some(found) = declared.findings(Engine::Postgres).await else { continue };
        found.error(&["`pet.log_part` and `log.part` are not compared", why]);
    }
    // These two compare a text with a number as floating points.
    for engine in [Engine::MariaDb, Engine::MySql] {
        let Some(found) = note.clone().findings(engine).await else { continue };
        found.error(&["`note.person_id` and `person.id` are not compared", "varchar(20) beside int"]);
    }
}

#[tokio::test]
async fn foreign_keys_in_a_circle_are_named_where_rows_are_looked_at_one_by_one() {
    let pet = PET.replace(" ON DELETE CASCADE", "");
    for engine in [Engine::MariaDb, Engine::MySql, Engine::Postgres] {
        let Some(found) = case().and(&pet).findings(engine).await else { continue };
        found.silent(&["in a circle"]);
        let back = format!("{pet} ALTER TABLE log ADD COLUMN pet_id integer, ADD FOREIGN KEY (pet_id) REFERENCES pet (id);");
        let found = case().and(&back).findings(engine).await.unwrap();
        match engine.is_mysql_family() {
            true => {
                found.warning(&["foreign keys lead from `log` in a circle back to it"]);
            }
            false => found.silent(&["in a circle"]),
        }
    }
}

#[tokio::test]
async fn a_declared_cascade_must_exist_and_have_a_key() {
    let declared = case().map("key = [\"id\", \"part\"]", "key = [\"id\", \"part\"]\ncascades = [\"pet\"]");
    for engine in ENGINES {
        let keyless = declared.clone().and(&PET.replace(" PRIMARY KEY", ""));
        let Some(found) = keyless.findings(engine).await else { continue };
        found.error(&["`pet`", "no primary key"]);
        let restricting = declared.clone().and(&PET.replace("ON DELETE CASCADE", ""));
        restricting.findings(engine).await.unwrap().error(&["`pet` has no foreign key with ON DELETE CASCADE to `log`"]);
        declared.findings(engine).await.unwrap().error(&["no table `pet`"]);
        let deeper = declared
            .clone()
            .and(PET)
            .and("CREATE TABLE toy (id integer PRIMARY KEY, pet_id integer REFERENCES pet (id) ON DELETE CASCADE);");
        deeper.findings(engine).await.unwrap().error(&["deleting a row of `pet` deletes rows of `toy`"]);
    }
}

/// A trigger on `person` in an engine's own words.
fn trigger(engine: Engine, when: &str, body: &str) -> String {
    match engine {
        Engine::Postgres => {
            format!(
                "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN NEW; END $$; CREATE TRIGGER looks {when} ON person FOR EACH ROW EXECUTE FUNCTION f();"
            )
        }
        Engine::Sqlite => format!("CREATE TRIGGER looks {when} ON person FOR EACH ROW BEGIN {body}; END;"),
        _ => format!("CREATE TRIGGER looks {when} ON person FOR EACH ROW {body};"),
    }
}

#[tokio::test]
async fn a_trigger_that_reaches_or_precedes_must_be_listed() {
    let audit = "CREATE TABLE audit (id integer);";
    let free = case()
        .map("time_zone = \"Europe/Paris\"", "time_zone = \"Europe/Paris\"\nfree_of_personal_data = [\"audit\"]")
        .and(audit);
    for engine in ENGINES {
        let write = "INSERT INTO audit VALUES (1)";
        let reaching = free.clone().and(&trigger(engine, "AFTER UPDATE", write));
        let Some(found) = reaching.findings(engine).await else { continue };
        found.error(&["`looks`", "UPDATE", "`audit`"]);
        let listed = reaching.map("plain = [\"kind\"]", "plain = [\"kind\"]\ntriggers = [\"looks\"]");
        listed.findings(engine).await.unwrap().clean();

        let harmless = match engine {
            Engine::Postgres => "PERFORM 1",
            Engine::Sqlite => "SELECT 1",
            _ => "SET @x = 1",
        };
        let found = free.clone().and(&trigger(engine, "BEFORE UPDATE", harmless)).findings(engine).await.unwrap();
        found.error(&["`looks`", "before the change"]);
        let found = free.clone().and(&trigger(engine, "AFTER UPDATE", harmless)).findings(engine).await.unwrap();
        found.no_error();
        found.warning(&["`looks`", "fires on UPDATE"]);
        // People are never deleted by this plan, and nobody is inserted.
        free.clone().and(&trigger(engine, "AFTER DELETE", write)).findings(engine).await.unwrap().clean();
        free.clone().and(&trigger(engine, "AFTER INSERT", write)).findings(engine).await.unwrap().clean();

        let gone = free.clone().map("plain = [\"kind\"]", "plain = [\"kind\"]\ntriggers = [\"looked\"]");
        let gone = gone.and(&trigger(engine, "AFTER UPDATE", harmless)).findings(engine).await.unwrap();
        let fault = gone.error(&["no trigger `looked`"]);
        assert_eq!(fault.help.as_deref(), Some("did you mean `looks`?"));
    }
}

#[tokio::test]
async fn tables_that_can_lose_a_commit_or_hold_no_rows_are_refused() {
    let unlogged = case().sql("CREATE TABLE log ", "CREATE UNLOGGED TABLE log ");
    if let Some(found) = unlogged.findings(Engine::Postgres).await {
        found.error(&["`log`", "not transactional, or are lost in a crash"]);
    }
    let memory = case().sql("PRIMARY KEY (id, part));", "PRIMARY KEY (id, part)) ENGINE = MyISAM;");
    for engine in [Engine::MariaDb, Engine::MySql] {
        let Some(found) = memory.findings(engine).await else { continue };
        found.error(&["`log` (MyISAM)", "not transactional"]);
    }
    let view = case().and("CREATE VIEW seen_log AS SELECT * FROM log;").map("table = \"log\"", "table = \"seen_log\"");
    for engine in ENGINES {
        let Some(found) = view.findings(engine).await else { continue };
        found.error(&["`seen_log` is a view"]);
        assert!(found.checked.plan.is_none());
    }
    let partitioned = case().sql(
        "PRIMARY KEY (id, part));",
        "PRIMARY KEY (id, part)) PARTITION BY RANGE (id); CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM (0) TO (1000);",
    );
    if let Some(found) = partitioned.findings(Engine::Postgres).await {
        found.clean();
    }
}

#[tokio::test]
async fn old_values_that_leave_by_another_way_are_named() {
    if let Some(found) = case().and("ALTER TABLE person REPLICA IDENTITY FULL;").findings(Engine::Postgres).await {
        found.warning(&["`person` has REPLICA IDENTITY FULL"]);
        found.no_error();
    }
    if let Some(found) = case().and("ALTER TABLE person ADD SYSTEM VERSIONING;").findings(Engine::MariaDb).await {
        found.warning(&["`person` keeps every old version"]);
    }
}

#[tokio::test]
async fn a_predicate_over_rows_without_a_foreign_key_is_a_race_on_postgresql_alone() {
    let loose = case().sql(" REFERENCES person (id)", "");
    for engine in ENGINES {
        let Some(found) = loose.findings(engine).await else { continue };
        if engine != Engine::Postgres {
            found.clean();
            continue;
        }
        found.error(&["`person` is decided by rows of `note`", "`person_id`"]);
        let accepted = loose.clone().map("plain = [\"kind\"]", "plain = [\"kind\"]\naccepts_race = true");
        let found = accepted.findings(engine).await.unwrap();
        found.no_error();
        found.warning(&["no foreign key ties `note` to `person`", "the map accepts that"]);
        let later = loose.clone().and("ALTER TABLE note ADD FOREIGN KEY (person_id) REFERENCES person (id) NOT VALID;");
        later.findings(engine).await.unwrap().clean();
    }
}

#[tokio::test]
async fn a_missing_index_is_advised_by_a_statement_that_ends_the_warning() {
    let bare = case()
        .sql("CREATE INDEX person_start ON person (last_contact);", "")
        .sql("CREATE INDEX note_person ON note (person_id);", "")
        .sql(" REFERENCES person (id)", "")
        .sql("CREATE INDEX log_start ON log (seen);", "")
        .map("plain = [\"kind\"]", "plain = [\"kind\"]\naccepts_race = true");
    let marks = ["begins with the start `last_contact`", "begins with the start `seen`", "begins with `person_id`"];
    for engine in ENGINES {
        let Some(place) = bare.start(engine).await else { continue };
        let found = place.check(true).await;
        found.no_error();
        for mark in marks {
            let statement = found.warning(&[mark]).help.clone().unwrap();
            place.database.run_sql(&statement).await;
        }
        let found = place.check(true).await;
        for mark in marks {
            found.silent(&[mark]);
        }
        found.silent(&["no index"]);
    }
}

#[tokio::test]
async fn a_partial_index_is_advised_where_it_is_used() {
    // Nothing follows, one action on the whole record: what is to do stands in the row alone.
    let single = case().alone().sql("CREATE INDEX person_start ON person (last_contact);", "");
    for engine in ENGINES {
        let Some(place) = single.start(engine).await else { continue };
        let found = place.check(true).await;
        let statement = found.warning(&["begins with the start `last_contact`"]).help.clone().unwrap();
        assert_eq!(statement.contains(" WHERE "), !engine.is_mysql_family(), "{statement}");
        place.database.run_sql(&statement).await;
        let after = place.check(true).await;
        after.silent(&["no index"]);
        if engine.is_mysql_family() {
            // What it stands for there is shown by `tests/to_do.rs`.
            after.warning(&["does not name its to-do column"]);
            continue;
        }
        let plan = found.checked.plan.unwrap();
        let action = plan.actions.iter().find(|a| a.kind == ActionKind::Anonymise).unwrap();
        let find = action.find_all(plan.dialect);
        let explain = match engine {
            Engine::Postgres => format!("SET enable_seqscan = off; EXPLAIN {find}"),
            Engine::Sqlite => format!("EXPLAIN QUERY PLAN {find}"),
            _ => format!("EXPLAIN {find}"),
        };
        let mut session = place.source.session().await.unwrap();
        let rows = session.rows(&explain).await.unwrap();
        let text = rows.into_iter().flatten().flatten().collect::<Vec<_>>().join(" ");
        assert!(text.contains("retentiond_person_last_contact"), "{}: {text}\n{statement}\n{explain}", engine.name());
    }
}

#[tokio::test]
async fn what_nobody_declared_is_listed() {
    let loose = case().map("plain = [\"kind\"]", "").and("CREATE TABLE basket (id integer PRIMARY KEY);");
    for engine in ENGINES {
        let Some(found) = loose.findings(engine).await else { continue };
        found.no_error();
        found.warning(&["unmapped column of table `person`: `kind`"]);
        found.warning(&["unmapped table: `basket`"]);
        // What a condition reads is declared.
        let read = loose.clone().map(
            "[data.note]",
            "[data.person.conditions.is_p]\ntitle = { fr = \"P\", en = \"P\" }\nsql = \"kind = 'P'\"\n[data.note]",
        );
        read.findings(engine).await.unwrap().silent(&["unmapped column"]);
    }
}

#[tokio::test]
async fn a_purpose_whose_only_date_may_never_come_is_named() {
    let running = case().map("column = \"last_contact\"", "column = \"last_contact\"\nmissing = \"running\"");
    let Some(found) = running.findings(Engine::Sqlite).await else { return };
    found.no_error();
    found.warning(&["purpose `prospects` never ends for records without a date of `last_contact`"]);
    found.silent(&["`connection`"]);
}

#[tokio::test]
async fn a_fixed_mask_in_a_unique_over_several_columns_is_named() {
    let unique = case().and("DELETE FROM note; DELETE FROM person; CREATE UNIQUE INDEX names ON person (kind, name);");
    for engine in ENGINES {
        let Some(found) = unique.findings(engine).await else { continue };
        found.warning(&["`name` is part of the UNIQUE `names`", "`kind`"]);
        found.warning(&["masks of `person` could not be tried: its table is empty"]);
        found.no_error();
    }
}

#[tokio::test]
async fn hostile_names_are_quoted_in_every_statement_and_escaped_in_every_message() {
    let (table, name, start) = ("o'brien \"x\" `y` \u{202e}é", "nom `\"' ;--", "début\\ \"x\"");
    let toml = |text: &str| serde_json::to_string(text).unwrap();
    let hostile = case()
        .alone()
        .map("table = \"person\"", &format!("table = {}", toml(table)))
        .map("columns = [\"name\"]", &format!("columns = [{}]", toml(name)))
        .map("column = \"last_contact\"", &format!("column = {}", toml(start)));
    for engine in ENGINES {
        let q = |n: &str| identifier(engine, n);
        let named = hostile
            .clone()
            .sql("CREATE INDEX person_start ON person (last_contact);", "")
            .sql(" person ", &format!(" {} ", q(table)))
            .sql(" name varchar", &format!(" {} varchar", q(name)))
            .sql("last_contact", &q(start));
        let Some(place) = named.start(engine).await else { continue };
        let found = place.check(true).await;
        found.no_error();
        assert!(found.all.iter().all(|f| !f.message.contains('\u{202e}')));
        let statement = found.warning(&["no index of table `o'brien", "\\u{202e}é`"]).help.clone().unwrap();
        place.database.run_sql(&statement).await;
        place.check(true).await.silent(&["no index"]);
    }
}

#[tokio::test]
async fn a_column_that_points_to_files_needs_an_index() {
    for engine in ENGINES {
        let file = "[data.note.files.scan]\ncolumn = \"body\"\nstore = \"scans\"\n\n[data.log]\ntitle";
        let with = case().map("[data.log]\ntitle", file);
        let Some(place) = with.start(engine).await else { continue };
        let found = place.check(true).await;
        found.no_error();
        let statement = found.warning(&["no index of table `note` begins with `body`", "files of `scans`"]).help.clone().unwrap();
        place.database.run_sql(&statement).await;
        let again = place.check(true).await;
        assert!(again.all.iter().all(|f| !f.message.contains("points to files")), "{}", engine.name());
    }
}
