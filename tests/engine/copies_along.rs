//! Records that would go along with another and wait for their copies: so does the other, with all that would go.

use retentiond::enforce::{Copies, CopyBase};
use retentiond::policy::located::Faults;
use retentiond::policy::{link, read_map, read_policy};
use retentiond::source::{Source, Target};

use crate::copies::{POLICY, given_up, run};
use crate::enforcement::{Fixture, Rules};
use crate::scene::{ENGINES, consistent, now};
use crate::support::database;
use crate::together::{data, dates, left};

/// What is added to the policy of requests: clients are kept for some time after the last of theirs.
const ACCOUNT: &str = r#"
[[purpose]]
id = "account"
title = { fr = "Compte", en = "Account" }
legal_basis = "contract"
data = "portal.client"
needs = "all"
starts = { latest_of = ["closed"] }
keeps = "3 years"
"#;

/// Clients whose period begins with their last request, and requests that are kept by copies.
fn portal() -> String {
    let of_requests = "of = \"request\"";
    let head = "[source]\nid = \"portal\"\ntime_zone = \"Europe/Paris\"\n";
    let client = data("client", "\"id\"", "accepts_race = true", &[("closed", of_requests, "closed")]);
    let belongs = "accepts_race = true\nbelongs_to = \"client\"\non = { client_id = \"id\" }";
    let request = data("request", "\"id\"", belongs, &[("closed", "", "closed")]);
    format!("{head}{client}{request}[data.request.copies.paper]\nin = \"base.paper\"\nmatched_by = {{ number = \"id\" }}\n")
}

const BASE_POLICY: &str = r#"
[policy]
id = "base"
author = "dpo"
title = { fr = "Politique", en = "Policy" }

[[purpose]]
id = "file"
title = { fr = "Dossier", en = "File" }
legal_basis = "legal_obligation"
data = "base.paper"
needs = "all"
starts = "closed"
keeps = "10 years"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_record_waits_with_those_that_would_go_along_without_a_copy() {
    let mut faults = Faults::default();
    let text = portal();
    let base = format!("[source]\nid = \"base\"\n{}", data("paper", "\"number\"", "", &[("closed", "", "closed")]));
    let maps = [&text, &base].map(|text| read_map::read(text, 0, &mut faults).unwrap_or_else(|| panic!("{faults:?}")));
    let policy = format!("{POLICY}{ACCOUNT}");
    let policies = [policy.as_str(), BASE_POLICY].map(|text| read_policy::read(text, 0, &mut faults).unwrap());
    link::link(&maps, &policies, &mut faults);
    assert!(!faults.any_error(), "{:#?}", faults.sorted());
    let ([map, base], [portal, _]) = (maps, policies);
    let documents = retentiond::enforce::run_documents(&text, &mut [("portal", &policy)]);
    let rules = Rules { map, policies: vec![portal], documents };
    for engine in ENGINES {
        let (Some(db), Some(base_db)) = (database(engine).await, database(engine).await) else { continue };
        db.run_sql(&dates(
            engine,
            "CREATE TABLE client (id integer PRIMARY KEY, body varchar(50) NOT NULL);
             CREATE TABLE request (id integer PRIMARY KEY, client_id integer NOT NULL, closed DATE, body varchar(50) NOT NULL,
                 FOREIGN KEY (client_id) REFERENCES client (id));
             CREATE INDEX request_client ON request (client_id);
             INSERT INTO client VALUES (1, 'A'), (2, 'B'), (3, 'C');
             INSERT INTO request VALUES (11, 1, '{DUE}', 'a'), (12, 1, '{DUE}', 'b'), (21, 2, '{DUE}', 'c'), (31, 3, '{DUE}', 'd')",
        ))
        .await;
        base_db
            .run_sql(&dates(
                engine,
                "CREATE TABLE paper (number integer PRIMARY KEY, closed DATE, body varchar(50) NOT NULL);
                 INSERT INTO paper VALUES (11, '2026-01-01', 'a'), (21, '2026-01-01', 'c')",
            ))
            .await;
        let mut fixture = Fixture::new(engine, &db, "portal", now()).await;
        let ask = async || {
            let source = Source::connect(&Target::new(base_db.url.clone())).await.unwrap();
            let mut copies = Copies::default();
            let of = rules.map.data_sets.iter().flat_map(|data| &data.copies).next().unwrap().of.value.clone();
            copies.add(of, Ok(CopyBase::open(source, &base, "paper").await.unwrap().unwrap()));
            copies
        };
        fixture.copies = ask().await;
        let tables = ["client", "request"];
        let outcome = run(&fixture, &rules, 0).await;
        let about = format!("{} {:?}", engine.name(), outcome.actions);
        // The request that has its copy is what the client's period is read from: it waits for the client, who waits for the other.
        assert_eq!(left(&fixture, &tables).await, ["client 1", "client 3", "request 11", "request 12", "request 31"], "{about}");
        assert!(outcome.actions.iter().map(|a| a.no_copy).sum::<u64>() >= 2, "{about}");
        assert!(given_up(&fixture).await > 0, "{about}");

        base_db.run_sql("INSERT INTO paper VALUES (12, '2026-01-01', 'b')").await;
        run(&fixture, &rules, 0).await;
        assert_eq!(left(&fixture, &tables).await, ["client 3", "request 31"], "{about}");

        base_db.run_sql("INSERT INTO paper VALUES (31, '2026-01-01', 'd')").await;
        run(&fixture, &rules, 0).await;
        assert!(left(&fixture, &tables).await.is_empty(), "{about}");
        consistent(&fixture).await;
    }
}
