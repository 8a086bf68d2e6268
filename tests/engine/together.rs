//! Which rows go together where joins are not one to one, reach through what follows, or are said twice.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use retentiond::enforce::{Point, Silent};
use retentiond::plan::schema::Engine;
use retentiond::policy::purpose::OrderKind;

use crate::enforcement::{Fixture, Rules, rules, unlimited};
use crate::restore::{place, record};
use crate::rows::foreign;
use crate::scene::{DUE, ENGINES, Once, clean, consistent, now, read};
use crate::support::database;

const HEAD: &str = r#"
[source]
id = "crm"
time_zone = "Europe/Paris"
"#;

const POLICY_HEAD: &str = r#"
[policy]
id = "crm"
author = "dpo"
title = { fr = "Politique", en = "Policy" }
"#;

/// A data set that is deleted, with the lines that say to what it belongs, and its events: (name, relation, column).
pub fn data(id: &str, key: &str, belongs: &str, events: &[(&str, &str, &str)]) -> String {
    let mut text = format!(
        "[data.{id}]\ntitle = {{ fr = \"{id}\", en = \"{id}\" }}\ntable = \"{id}\"\nkey = [{key}]\n{belongs}\ndisposition = \"delete\"\n\
         [data.{id}.categories]\ntext = {{ columns = [\"body\"], mask = {{ fixed = \"\" }} }}\n"
    );
    for (name, of, column) in events {
        text.push_str(&format!(
            "[data.{id}.events.{name}]\ntitle = {{ fr = \"{name}\", en = \"{name}\" }}\n{of}\ncolumn = \"{column}\"\nformat = \"iso_date\"\n"
        ));
    }
    text
}

/// A data set that follows another and goes with it.
pub fn follower(id: &str, above: &str) -> String {
    format!(
        "[data.{id}]\ntitle = {{ fr = \"{id}\", en = \"{id}\" }}\ntable = \"{id}\"\nkey = [\"id\"]\nfollows = \"{above}\"\non = {{ {above}_id = \"id\" }}\n\
         disposition = \"delete\"\n[data.{id}.categories]\ntext = {{ columns = [\"body\"], mask = {{ fixed = \"\" }} }}\n"
    )
}

pub fn purpose(data: &str, starts: &str, more: &str) -> String {
    format!(
        "[[purpose]]\nid = \"{data}s\"\ntitle = {{ fr = \"{data}\", en = \"{data}\" }}\nlegal_basis = \"contract\"\ndata = \"crm.{data}\"\n\
         needs = \"all\"\nstarts = {starts}\nkeeps = \"3 years\"\n{more}\n"
    )
}

pub fn of(data: &[String], purposes: &[String]) -> Rules {
    rules(&format!("{HEAD}{}", data.concat()), &[&format!("{POLICY_HEAD}{}", purposes.concat())])
}

pub fn dates(engine: Engine, sql: &str) -> String {
    sql.replace("DATE", if engine == Engine::Sqlite { "TEXT" } else { "date" }).replace("{DUE}", DUE)
}

pub async fn left(fixture: &Fixture<'_>, tables: &[&str]) -> Vec<String> {
    let mut all = Vec::new();
    for table in tables {
        let id = match fixture.engine {
            Engine::Postgres => "id::text",
            Engine::Sqlite => "CAST(id AS TEXT)",
            _ => "CAST(id AS CHAR)",
        };
        let rows = read(fixture, &format!("SELECT {id} FROM {table} ORDER BY id")).await;
        all.extend(rows.into_iter().map(|r| format!("{table} {r}")));
    }
    all
}

pub async fn check(rules: &Rules, sql: &str, holds: &[(&str, u64)], tables: &[&str], expected: &[&str]) {
    for engine in ENGINES {
        let Some(db) = database(engine).await else { continue };
        db.run_sql(&dates(engine, sql)).await;
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        for (data, id) in holds {
            place(&fixture, rules, OrderKind::Hold, data, record(*id)).await;
        }
        let outcome = fixture.run_with(rules, unlimited(), &Silent).await.unwrap();
        let rows = left(&fixture, tables).await;
        assert_eq!(rows, expected, "{} {:?}", engine.name(), outcome.actions);
        clean(&outcome);
        consistent(&fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_another_parent_reads_by_part_of_the_key_stays() {
    let rules = of(
        &[
            data(
                "contract",
                "\"id\"",
                "accepts_race = true",
                &[("claimed", "of = { table = \"claim\", on = { tenant = \"tenant\" } }", "closed")],
            ),
            data(
                "claim",
                "\"id\"",
                "accepts_race = true\nbelongs_to = \"contract\"\non = { contract_id = \"id\", tenant = \"tenant\" }",
                &[("closed", "", "closed")],
            ),
        ],
        &[purpose("contract", "{ latest_of = [\"claimed\"] }", ""), purpose("claim", "\"closed\"", "")],
    );
    check(
        &rules,
        "CREATE TABLE contract (id integer PRIMARY KEY, tenant integer NOT NULL, body varchar(50) NOT NULL, UNIQUE (id, tenant));
         CREATE TABLE claim (id integer PRIMARY KEY, contract_id integer NOT NULL, tenant integer NOT NULL, closed DATE, body varchar(50) NOT NULL,
             FOREIGN KEY (contract_id, tenant) REFERENCES contract (id, tenant));
         INSERT INTO contract VALUES (1, 7, 'A'), (2, 7, 'B'), (3, 8, 'C');
         INSERT INTO claim VALUES (11, 1, 7, '{DUE}', 'a'), (21, 2, 7, '{DUE}', 'b'), (31, 3, 8, '{DUE}', 'b');",
        &[("contract", 2)],
        &["contract", "claim"],
        &["contract 1", "contract 2", "claim 11", "claim 21"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_of_two_parents_stays_with_the_one_that_stays() {
    let rules = of(
        &[
            data("contract", "\"id\"", "accepts_race = true", &[("claimed", "of = \"claim\"", "closed")]),
            data(
                "claim",
                "\"id\"",
                "accepts_race = true\nbelongs_to = \"contract\"\non = { customer = \"customer\" }",
                &[("ended", "of = \"contract\"", "ended")],
            ),
        ],
        &[purpose("contract", "{ latest_of = [\"claimed\"] }", ""), purpose("claim", "{ latest_of = [\"ended\"] }", "")],
    );
    check(
        &rules,
        "CREATE TABLE contract (id integer PRIMARY KEY, customer integer NOT NULL, ended DATE, body varchar(50) NOT NULL);
         CREATE TABLE claim (id integer PRIMARY KEY, customer integer NOT NULL, closed DATE, body varchar(50) NOT NULL);
         INSERT INTO contract VALUES (1, 7, '{DUE}', 'A'), (2, 7, '{DUE}', 'B'), (3, 8, '{DUE}', 'C');
         INSERT INTO claim VALUES (11, 7, '{DUE}', 'a'), (31, 8, '{DUE}', 'b');",
        &[("contract", 2)],
        &["contract", "claim"],
        &["contract 1", "contract 2", "claim 11"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_that_reads_what_follows_its_child_goes_with_both() {
    let rules = of(
        &[
            data(
                "contract",
                "\"id\"",
                "accepts_race = true",
                &[("signed", "of = { table = \"doc\", on = { contract_id = \"id\" } }", "signed")],
            ),
            data(
                "claim",
                "\"id\"",
                "accepts_race = true\nbelongs_to = \"contract\"\non = { contract_id = \"id\" }",
                &[("closed", "", "closed")],
            ),
            data("doc", "\"id\"", "follows = \"claim\"\non = { claim_id = \"id\" }", &[]),
        ],
        &[purpose("contract", "{ latest_of = [\"signed\"] }", ""), purpose("claim", "\"closed\"", "")],
    );
    check(
        &rules,
        "CREATE TABLE contract (id integer PRIMARY KEY, body varchar(50) NOT NULL);
         CREATE TABLE claim (id integer PRIMARY KEY, contract_id integer NOT NULL, closed DATE, body varchar(50) NOT NULL,
             FOREIGN KEY (contract_id) REFERENCES contract (id));
         CREATE TABLE doc (id integer PRIMARY KEY, claim_id integer NOT NULL, contract_id integer NOT NULL, signed DATE, body varchar(50) NOT NULL,
             FOREIGN KEY (claim_id) REFERENCES claim (id));
         INSERT INTO contract VALUES (1, 'A'), (2, 'B');
         INSERT INTO claim VALUES (11, 1, '{DUE}', 'a'), (21, 2, '{DUE}', 'b');
         INSERT INTO doc VALUES (111, 11, 1, '{DUE}', 'a'), (211, 21, 2, '{DUE}', 'b');",
        &[("contract", 2)],
        &["contract", "claim", "doc"],
        &["contract 2", "claim 21", "doc 211"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_whose_foreign_key_is_half_empty_goes_by_its_join() {
    let rules = of(
        &[
            data("contract", "\"id\"", "accepts_race = true", &[("claimed", "of = \"claim\"", "closed")]),
            data(
                "claim",
                "\"id\"",
                "accepts_race = true\nbelongs_to = \"contract\"\non = { contract_id = \"id\" }",
                &[("ended", "of = \"contract\"", "ended")],
            ),
        ],
        &[purpose("contract", "{ latest_of = [\"claimed\"] }", ""), purpose("claim", "{ latest_of = [\"ended\"] }", "")],
    );
    check(
        &rules,
        "CREATE TABLE contract (id integer PRIMARY KEY, tenant integer NOT NULL, ended DATE, body varchar(50) NOT NULL, UNIQUE (id, tenant));
         CREATE TABLE claim (id integer PRIMARY KEY, contract_id integer NOT NULL, tenant integer, closed DATE, body varchar(50) NOT NULL,
             FOREIGN KEY (contract_id, tenant) REFERENCES contract (id, tenant));
         INSERT INTO contract VALUES (1, 7, '{DUE}', 'A'), (3, 8, '{DUE}', 'C');
         INSERT INTO claim VALUES (11, 1, NULL, '{DUE}', 'a'), (12, 1, 7, '{DUE}', 'a'), (31, 3, NULL, '{DUE}', 'b');",
        &[],
        &["contract", "claim"],
        &[],
    )
    .await;
}

/// The note is due because there is a claim, which goes with the same contract.
#[tokio::test(flavor = "multi_thread")]
async fn a_sibling_does_not_change_what_was_due() {
    let condition = "[data.note.conditions.claimed]\ntitle = { fr = \"x\", en = \"x\" }\nsome = { table = \"claim\", on = { contract_id = \"contract_id\" } }\n";
    for other in ["aclaim", "zclaim"] {
        let rules = of(
            &[
                data(
                    "contract",
                    "\"id\"",
                    "accepts_race = true",
                    &[("claimed", &format!("of = \"{other}\""), "closed"), ("noted", "of = \"note\"", "closed")],
                ),
                data(
                    other,
                    "\"id\"",
                    "accepts_race = true\nbelongs_to = \"contract\"\non = { contract_id = \"id\" }",
                    &[("ended", "of = \"contract\"", "ended")],
                ),
                data(
                    "note",
                    "\"id\"",
                    "accepts_race = true\nbelongs_to = \"contract\"\non = { contract_id = \"id\" }",
                    &[("ended", "of = \"contract\"", "ended")],
                ),
                condition.replace("\"claim\"", &format!("\"{other}\"")),
            ],
            &[
                purpose("contract", "{ latest_of = [\"claimed\", \"noted\"] }", ""),
                purpose(other, "\"ended\"", ""),
                purpose("note", "\"ended\"", "when = \"claimed\""),
            ],
        );
        check(
            &rules,
            &"CREATE TABLE contract (id integer PRIMARY KEY, ended DATE, body varchar(50) NOT NULL);
             CREATE TABLE claim (id integer PRIMARY KEY, contract_id integer NOT NULL, closed DATE, body varchar(50) NOT NULL);
             CREATE TABLE note (id integer PRIMARY KEY, contract_id integer NOT NULL, closed DATE, body varchar(50) NOT NULL);
             INSERT INTO contract VALUES (1, '{DUE}', 'A');
             INSERT INTO claim VALUES (11, 1, '{DUE}', 'a');
             INSERT INTO note VALUES (111, 1, '{DUE}', 'a');"
                .replace("TABLE claim", &format!("TABLE {other}"))
                .replace("INTO claim", &format!("INTO {other}")),
            &[],
            &["contract", other, "note"],
            &[],
        )
        .await;
    }
}

fn three_levels() -> Rules {
    of(
        &[
            data("contract", "\"id\"", "accepts_race = true", &[("claimed", "of = \"claim\"", "closed")]),
            data(
                "claim",
                "\"id\"",
                "accepts_race = true\nbelongs_to = \"contract\"\non = { contract_id = \"id\" }",
                &[("ended", "of = \"contract\"", "ended"), ("paid", "of = \"payment\"", "closed")],
            ),
            data(
                "payment",
                "\"id\"",
                "accepts_race = true\nbelongs_to = \"claim\"\non = { claim_id = \"id\" }",
                &[("settled", "of = \"claim\"", "closed")],
            ),
        ],
        &[
            purpose("contract", "{ latest_of = [\"claimed\"] }", ""),
            purpose("claim", "{ latest_of = [\"ended\", \"paid\"] }", ""),
            purpose("payment", "{ latest_of = [\"settled\"] }", ""),
        ],
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn three_that_read_each_other_in_a_row_go_together() {
    for keys in [true, false] {
        let (a, b) = if keys {
            (", FOREIGN KEY (contract_id) REFERENCES contract (id)", ", FOREIGN KEY (claim_id) REFERENCES claim (id)")
        } else {
            ("", "")
        };
        check(
            &three_levels(),
            &format!(
                "CREATE TABLE contract (id integer PRIMARY KEY, ended DATE, body varchar(50) NOT NULL);
             CREATE TABLE claim (id integer PRIMARY KEY, contract_id integer NOT NULL, closed DATE, body varchar(50) NOT NULL{a});
             CREATE TABLE payment (id integer PRIMARY KEY, claim_id integer NOT NULL, closed DATE, body varchar(50) NOT NULL{b});
             INSERT INTO contract VALUES (1, '{{DUE}}', 'A'), (2, '{{DUE}}', 'B');
             INSERT INTO claim VALUES (11, 1, '{{DUE}}', 'a'), (12, 1, '{{DUE}}', 'a'), (21, 2, '{{DUE}}', 'b');
             INSERT INTO payment VALUES (111, 11, '{{DUE}}', 'a'), (121, 12, '{{DUE}}', 'a'), (211, 21, '{{DUE}}', 'b');"
            ),
            &[("payment", 211)],
            &["contract", "claim", "payment"],
            &["contract 2", "claim 21", "payment 211"],
        )
        .await;
    }
}

/// Claim 11 waits for its contract, and is kept by a lawsuit that opens while the contract's batch is at work.
#[tokio::test(flavor = "multi_thread")]
async fn a_parent_does_not_go_without_a_child_that_something_revives_meanwhile() {
    let condition = "[data.claim.conditions.sued]\ntitle = { fr = \"x\", en = \"x\" }\nsome = { table = \"lawsuit\", on = { claim_id = \"id\" } }\nwhere = \"state = 'open'\"\n";
    let rules = of(
        &[
            data("contract", "\"id\"", "accepts_race = true", &[("claimed", "of = \"claim\"", "closed")]),
            data(
                "claim",
                "\"id\"",
                "accepts_race = true\nbelongs_to = \"contract\"\non = { contract_id = \"id\" }",
                &[("ended", "of = \"contract\"", "ended")],
            ),
            condition.to_owned(),
        ],
        &[purpose("contract", "{ latest_of = [\"claimed\"] }", ""), purpose("claim", "\"ended\"", "kept_while = \"sued\"")],
    );
    for engine in crate::scene::LOCKING {
        for point in [Point::Fenced, Point::Taken, Point::Locked] {
            let Some(db) = database(engine).await else { continue };
            db.run_sql(&dates(
                engine,
                "CREATE TABLE contract (id integer PRIMARY KEY, ended DATE, body varchar(50) NOT NULL);
             CREATE TABLE claim (id integer PRIMARY KEY, contract_id integer NOT NULL, closed DATE, body varchar(50) NOT NULL);
             CREATE TABLE lawsuit (id integer PRIMARY KEY, claim_id integer NOT NULL, state varchar(9) NOT NULL);
             INSERT INTO contract VALUES (1, '{DUE}', 'A'), (2, '{DUE}', 'B');
             INSERT INTO claim VALUES (11, 1, '{DUE}', 'a'), (21, 2, '{DUE}', 'b');
             INSERT INTO lawsuit VALUES (111, 11, 'over')",
            ))
            .await;
            let fixture = Fixture::new(engine, &db, "crm", now()).await;
            let url = db.url.clone();
            let in_time = Arc::new(Mutex::new(false));
            let early = in_time.clone();
            let watch = Once::new(
                point,
                "contract.delete",
                0,
                Box::new(move || {
                    let (url, early) = (url.clone(), early.clone());
                    Box::pin(async move {
                        let mut running = tokio::spawn(async move {
                            foreign(engine, &url, "UPDATE lawsuit SET state = 'open' WHERE id = 111").await
                        });
                        if let Ok(done) = tokio::time::timeout(Duration::from_millis(1_000), &mut running).await {
                            *early.lock().unwrap() = done.unwrap().is_ok();
                        }
                    })
                }),
            );
            let outcome = fixture.run_with(&rules, unlimited(), &watch).await.unwrap();
            assert!(watch.happened());
            let early = *in_time.lock().unwrap();
            let rows = left(&fixture, &["contract", "claim"]).await;
            let expected: &[&str] = if early { &["contract 1", "claim 11"] } else { &[] };
            assert_eq!(rows, expected, "{} {point:?} {:?}", engine.name(), outcome.actions);
            consistent(&fixture).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_refers_to_what_follows_another_goes_before_it_whatever_their_names() {
    let rules = of(
        &[
            data("contract", "\"id\"", "", &[("ended", "", "ended")]),
            data("doc", "\"id\"", "follows = \"contract\"\non = { contract_id = \"id\" }", &[]),
            data("zeta", "\"id\"", "", &[("closed", "", "closed")]),
        ],
        &[purpose("contract", "\"ended\"", ""), purpose("zeta", "\"closed\"", "")],
    );
    check(
        &rules,
        "CREATE TABLE contract (id integer PRIMARY KEY, ended DATE, body varchar(50) NOT NULL);
         CREATE TABLE doc (id integer PRIMARY KEY, contract_id integer NOT NULL, body varchar(50) NOT NULL,
             FOREIGN KEY (contract_id) REFERENCES contract (id));
         CREATE TABLE zeta (id integer PRIMARY KEY, doc_id integer NOT NULL, closed DATE, body varchar(50) NOT NULL,
             FOREIGN KEY (doc_id) REFERENCES doc (id));
         INSERT INTO contract VALUES (1, '{DUE}', 'A'), (2, '{DUE}', 'B');
         INSERT INTO doc VALUES (11, 1, 'a'), (21, 2, 'b');
         INSERT INTO zeta VALUES (111, 11, '{DUE}', 'a'), (211, 21, '{DUE}', 'b');",
        &[("zeta", 211)],
        &["contract", "doc", "zeta"],
        &["contract 2", "doc 21", "zeta 211"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_another_of_its_own_data_set_reads_waits_for_it() {
    let rules = of(
        &[data(
            "contract",
            "\"id\"",
            "accepts_race = true",
            &[
                ("ended", "", "ended"),
                ("first", "of = { table = \"contract\", on = { id = \"renews\" } }\nmissing = \"ignore\"", "ended"),
            ],
        )],
        &[purpose("contract", "{ latest_of = [\"ended\", \"first\"] }", "")],
    );
    check(
        &rules,
        "CREATE TABLE contract (id integer PRIMARY KEY, renews integer, ended DATE, body varchar(50) NOT NULL);
         INSERT INTO contract VALUES (1, NULL, '{DUE}', 'A'), (2, 1, '{DUE}', 'B'), (3, NULL, '{DUE}', 'C'), (4, 3, '{DUE}', 'D'),
             (5, 5, '{DUE}', 'E');",
        &[("contract", 4)],
        &["contract"],
        // Whoever reads 3 is held. 5 reads itself; 2 goes, and 1 after it.
        &["contract 3", "contract 4"],
    )
    .await;
}
