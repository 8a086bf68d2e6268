//! The same sentences on every engine, one situation after the other, kept as files for people to read.

use retentiond::plan::explain::{Language, Outcome, text};
use retentiond::policy::purpose::OrderKind;

use super::enforcement::{Fixture, rules};
use super::support::{ENGINES, database};
use super::{now, order, organisation, told};

const ROWS: &str = "
INSERT INTO person (id, kind, subscribed, dispute, form_months, name, email, phone, cvv, last_contact) VALUES
 (1, 'p', 0, 0, NULL, 'A', 'a@x', '1', NULL, '2024-02-29'), (2, 'p', 0, 0, NULL, 'B', 'b@x', '1', NULL, '2023-11-21'),
 (3, 'p', 1, 0, NULL, 'C', 'c@x', '1', NULL, '2023-11-21'), (4, 'p', 0, 0, NULL, 'D', 'd@x', '1', NULL, '2020-01-01'),
 (5, 'p', 0, 0, NULL, 'E', 'e@x', '1', '123', '2020-01-01'), (6, 'p', 0, 0, NULL, 'F', 'f@x', '1', NULL, '2026-01-01'),
 (7, 'p', 0, 0, NULL, 'G', 'g@x', '1', NULL, NULL), (8, 'p', 0, 0, NULL, 'H', 'h@x', '1', NULL, '9999-12-31'),
 (9, 'p', 0, 1, NULL, 'I', 'i@x', '1', NULL, '2020-01-01'), (10, 'p', 0, 0, 6, 'J', 'j@x', '1', NULL, '2026-03-31'),
 (11, 't', 0, 0, NULL, 'K', 'k@x', '1', NULL, '2025-10-15'), (12, 'p', 0, 0, NULL, 'ANONYME', NULL, NULL, NULL, '2020-01-01'),
 (13, 'p', 0, 0, NULL, 'M', 'm@x', '1', '123', '2026-11-22'), (14, 'c', 0, 0, NULL, 'N', 'n@x', '1', NULL, '2026-11-22'),
 (15, NULL, 0, 0, NULL, 'O', 'o@x', '1', NULL, '2020-11-22'), (16, 't', 0, 0, NULL, 'ANONYME', NULL, NULL, NULL, '2024-01-01'),
 (17, 'p', 0, 0, NULL, 'Q', 'q@x', '1', NULL, '2020-01-01'), (18, 'p', 0, 0, 12, 'R', 'r@x', '1', NULL, '2026-03-31');
INSERT INTO note VALUES (100, 2, 'X', 'n'), (101, 2, NULL, 'n');
INSERT INTO contract VALUES (201, 11, 't', '2026-06-30'), (202, 16, 't', NULL), (203, 17, 't', '2020-06-30'), (204, 17, 't', '2022-06-30'), (205, 1, 't', '2020-01-01');
INSERT INTO phone_call VALUES (301, 203, 'v', '2026-11-21 10:00:00'), (302, 202, 'v', '2026-05-26 10:00:00'), (303, 202, 'v', '2026-05-26 09:59:59');
INSERT INTO visit VALUES (205, 'a', 'p', '2021-05-31'), (203, 'b', 'p', '2026-01-01'), (202, 'c', 'p', NULL);
";

/// What is asked, what becomes of it, and why it is here.
const SITUATIONS: [(&str, &[&str], Outcome, &str); 25] = [
    ("crm.person", &["1"], Outcome::Kept, "kept"),
    ("crm.person", &["2"], Outcome::Anonymise, "due by time"),
    ("crm.note", &["100"], Outcome::Anonymise, "asked by a row that follows"),
    ("crm.person", &["3"], Outcome::Clear, "another purpose keeps a part"),
    ("crm.person", &["4"], Outcome::Held, "legal hold"),
    ("crm.person", &["5"], Outcome::Held, "restriction until a day, over a value that must never be stored"),
    ("crm.person", &["6"], Outcome::Anonymise, "objection"),
    ("crm.person", &["7"], Outcome::Kept, "no date"),
    ("crm.person", &["8"], Outcome::Kept, "a date that stands for none"),
    ("crm.person", &["9"], Outcome::Kept, "a dispute keeps it"),
    ("crm.person", &["10"], Outcome::Anonymise, "the period of the form ended it"),
    ("crm.person", &["18"], Outcome::Kept, "the period of the form will end it"),
    ("crm.person", &["11"], Outcome::Clear, "a contract keeps the identity"),
    ("crm.person", &["12"], Outcome::Done, "anonymised already"),
    ("crm.person", &["13"], Outcome::Kept, "never to be stored"),
    ("crm.person", &["14"], Outcome::Uncovered, "nothing covers it"),
    ("crm.person", &["15"], Outcome::Kept, "nobody knows whether it is covered"),
    ("crm.person", &["16"], Outcome::KeptInPart, "only the identity is needed still"),
    ("crm.person", &["17"], Outcome::Clear, "several contracts, one of them over"),
    ("crm.contract", &["202"], Outcome::Kept, "its start is to come"),
    ("crm.contract", &["203"], Outcome::Empty, "due, but a call and a visit stand on it"),
    ("crm.contract", &["205"], Outcome::Delete, "a visit reads it that becomes final in the same run"),
    ("crm.call", &["302"], Outcome::Kept, "hours"),
    ("crm.call", &["303"], Outcome::Delete, "hours are over"),
    ("crm.visit", &["203", "b"], Outcome::Kept, "the latest of two dates"),
];

#[tokio::test]
async fn every_situation_has_its_sentences_in_both_languages() {
    let rules = rules(organisation::MAP, &[organisation::POLICY]);
    for engine in ENGINES {
        let Some(db) = database(engine).await else { continue };
        db.run_sql(&organisation::schema(engine)).await;
        db.run_sql(ROWS).await;
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        order(&fixture, &rules, "person", 4, OrderKind::Hold, None).await;
        order(&fixture, &rules, "person", 5, OrderKind::Restriction, chrono::NaiveDate::from_ymd_opt(2027, 1, 1)).await;
        order(&fixture, &rules, "person", 6, OrderKind::Objection, None).await;
        let prepared = fixture.prepare(&rules).await;
        let (mut french, mut english) = (String::new(), String::new());
        for (data, key, outcome, why) in SITUATIONS {
            let e = told(&fixture, &rules, &prepared, data, key).await;
            assert_eq!(e.outcome, outcome, "{} on {}: {e:#?}", why, engine.name());
            for (into, language) in [(&mut french, Language::French), (&mut english, Language::English)] {
                into.push_str(&format!("=== {why}\n{}\n", text(&e, language)));
            }
        }
        for private in ["@x", "ANONYME", "123"] {
            assert!(!french.contains(private) && !english.contains(private), "{private} is a value of the record");
        }
        // Non-breaking spaces as people see them.
        insta::assert_snapshot!("french", french.replace('\u{a0}', " "));
        insta::assert_snapshot!("english", english.replace('\u{a0}', " "));
    }
}
