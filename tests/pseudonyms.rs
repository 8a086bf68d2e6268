//! Pseudonyms on the real engines: each compared with the hash that this test computes from the key that it alone reads.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

#[expect(dead_code, reason = "this binary uses a part of the fixture")]
#[path = "support/enforcement.rs"]
mod enforcement;
#[path = "pseudonyms/place.rs"]
mod place;
#[expect(dead_code, reason = "the script is run with the grants that `check` derives")]
#[path = "support/pseudonym_key.rs"]
mod pseudonym_key;
#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeSet;

use place::{Log, ODD, Place, Thief, contains, pseudonym};
use retentiond::enforce::EnforceError;
use retentiond::plan::schema::Engine;
use support::database;

const ENGINES: [Engine; 3] = [Engine::Postgres, Engine::MariaDb, Engine::MySql];
const ZOE: &str = "zoé@example.invalid";

#[tokio::test]
async fn each_value_becomes_its_keyed_hash_and_equal_values_one_pseudonym_in_every_table() {
    for engine in ENGINES {
        let Some(db) = database(engine).await else { continue };
        let place = Place::new(engine, &db).await;
        let key = place.key().await;
        let outcome = place.run().await.unwrap();
        assert!(outcome.actions.iter().all(|a| a.due_after == 0 && a.failed == 0), "{outcome:?}");
        let email = |text: &str| pseudonym(&key, "pseu-", 32, "", text);
        let nick = |text: &str| pseudonym(&key, "n.", 64, "@x", text);
        let own = |text: &str| Some(text.to_owned());
        let expected = [
            [email(ZOE), nick("Zoé 🌍")],
            [email(ZOE), None],
            [email(ODD), nick("")],
            [None, own(&format!("n.{}@x", "0".repeat(64)))],
            [own("kept@example.invalid"), own("kept")],
        ];
        assert_eq!(place.people().await, expected.map(Vec::from), "{}", engine.name());
        let addresses = place.rows("SELECT address FROM contact ORDER BY id").await;
        assert_eq!(addresses, [vec![email(ZOE)], vec![own(ZOE)]], "{}", engine.name());
    }
}

#[tokio::test]
async fn a_second_run_touches_nothing_and_a_value_that_comes_back_gets_its_pseudonym_again() {
    for engine in ENGINES {
        let Some(db) = database(engine).await else { continue };
        let place = Place::new(engine, &db).await;
        place.run().await.unwrap();
        let once = place.people().await;
        assert_eq!(place.run().await.unwrap().changed(), 0, "{}", engine.name());
        db.run_sql("UPDATE person SET email = 'zoé@example.invalid' WHERE id = 1").await;
        assert_eq!(place.run().await.unwrap().changed(), 1, "{}", engine.name());
        assert_eq!(place.people().await, once);
    }
}

#[tokio::test]
async fn without_a_key_nothing_is_written_and_the_reason_is_said() {
    for engine in ENGINES {
        let Some(db) = database(engine).await else { continue };
        let place = Place::new(engine, &db).await;
        let before = place.people().await;
        let sql = place.acting_statement().await;
        place.attempt(&sql).await.unwrap();
        db.run_sql(&format!("DELETE FROM {}", place.key_table())).await;
        let error = place.attempt(&sql).await.unwrap_err();
        assert!(matches!(error.code(), Some("21000" | "1242")), "{}: {error}", engine.name());
        let error = place.run().await.unwrap_err();
        assert!(matches!(error, EnforceError::NoPseudonymKey), "{}: {error}", engine.name());
        assert_eq!(place.people().await, before, "{}", engine.name());
        let said = place.check().await;
        assert!(said.iter().any(|m| m.contains("has no key for pseudonyms")), "{said:?}");
        // Set up again, the source works again.
        place.set_up().await;
        assert!(place.run().await.unwrap().changed() > 0);
        db.run_sql(&format!("DROP TABLE {}", place.key_table())).await;
        let error = place.run().await.unwrap_err();
        assert!(matches!(error, EnforceError::NoPseudonymKey), "{}: {error}", engine.name());
        let said = place.check().await;
        assert!(said.iter().any(|m| m.contains("lacks SELECT on table") && m.contains("pseudonym_key")), "{said:?}");
    }
}

#[tokio::test]
async fn a_key_that_goes_during_a_run_stops_it_before_anything_is_written() {
    for engine in ENGINES {
        let Some(db) = database(engine).await else { continue };
        let place = Place::new(engine, &db).await;
        let before = place.people().await;
        let thief = Thief { sql: format!("DELETE FROM {}", place.key_table()), url: db.url.clone(), engine };
        let error = place.run_watched(&thief).await.unwrap_err();
        let code = matches!(&error, EnforceError::Source(e) if matches!(e.code(), Some("21000" | "1242")));
        assert!(code, "{}: {error}", engine.name());
        assert_eq!(place.people().await, before, "{}", engine.name());
    }
}

#[tokio::test]
async fn the_script_draws_a_key_once_and_never_changes_it() {
    for engine in ENGINES {
        let (Some(db), Some(other)) = (database(engine).await, database(engine).await) else { continue };
        let (place, other) = (Place::new(engine, &db).await, Place::new(engine, &other).await);
        let key = place.key().await;
        assert!(key.inner.len() == 64 && key.outer.len() == 64 && key.inner != key.outer, "{}", engine.name());
        let bytes: BTreeSet<u8> = key.inner.iter().chain(&key.outer).copied().collect();
        // 128 random bytes have about 101 different values; fewer than 70 never happen.
        assert!(bytes.len() > 70, "{}: {} different bytes", engine.name(), bytes.len());
        place.set_up().await;
        assert!(place.key().await == key && other.key().await != key, "{}", engine.name());
    }
}

#[tokio::test]
async fn the_key_is_in_no_statement_no_state_and_no_outcome() {
    for engine in [Engine::Postgres, Engine::MariaDb] {
        let (Some(db), Some(log)) = (database(engine).await, Log::of(engine)) else { continue };
        let place = Place::new(engine, &db).await;
        place.check().await;
        let outcome = place.run().await.unwrap();
        let logged = log.read();
        assert!(contains(&logged, b"inner_key FROM retentiond"), "{}: the server logs statements", engine.name());
        let key = place.key().await;
        let mut places = vec![("log".to_owned(), logged), ("outcome".to_owned(), format!("{outcome:?}").into_bytes())];
        places.extend(place.state_files());
        assert!(places.len() > 3);
        for half in [&key.inner, &key.outer] {
            let hex = hex::encode(&half[..16]);
            for form in [half[..16].to_vec(), hex.to_uppercase().into_bytes(), hex.clone().into_bytes()] {
                let found: Vec<&str> = places.iter().filter(|(_, b)| contains(b, &form)).map(|(n, _)| n.as_str()).collect();
                assert!(found.is_empty(), "{}: the key is in {found:?}", engine.name());
            }
            // The instrument sees a key that a statement names.
            db.run_sql(&format!("SELECT '{hex}'")).await;
            assert!(contains(&log.read(), hex.as_bytes()), "{}", engine.name());
        }
    }
}

#[tokio::test]
async fn the_key_is_read_once_a_statement() {
    for engine in [Engine::Postgres, Engine::MariaDb] {
        let Some(db) = database(engine).await else { continue };
        let place = Place::new(engine, &db).await;
        let sql = place.acting_statement().await;
        let rows = place.attempt(&format!("EXPLAIN {sql}")).await.unwrap();
        let lines: Vec<String> = rows.into_iter().map(|r| r.into_iter().flatten().collect::<Vec<_>>().join(" ")).collect();
        let plan = lines.join("\n");
        let once = match engine {
            // What is evaluated for each row comes last: it must not be the key.
            Engine::Postgres => plan.contains("InitPlan") && !plan.split("SubPlan").skip(1).any(|p| p.contains("pseudonym_key")),
            _ => lines.iter().filter(|l| l.contains("pseudonym_key")).all(|l| l.contains(" SUBQUERY ")),
        };
        assert!(once && plan.contains("pseudonym_key"), "{plan}");
    }
}

#[tokio::test]
async fn what_keeps_a_pseudonym_is_nowhere_called_anonymous() {
    for engine in ENGINES {
        let Some(db) = database(engine).await else { continue };
        let place = Place::new(engine, &db).await;
        let prepared = place.prepare().await;
        let ids: Vec<&str> = prepared.plan.actions.iter().map(|a| a.id.as_str()).collect();
        assert_eq!(ids, ["contact.pseudonymise", "person.pseudonymise"]);
        let said = place.check().await;
        let warned = "when purpose `prospects` ends, column `email` keeps a pseudonym: still personal data";
        assert!(said.iter().any(|m| m.contains(warned)), "{said:?}");
        let mut told = place.story("1").await;
        place.run().await.unwrap();
        told.extend(place.story("1").await);
        if engine == Engine::Postgres {
            // French and English, before and after the run.
            insta::assert_snapshot!([0, 1, 3, 4].map(|i| told[i].as_str()).join("\n"));
        }
        for text in &told {
            assert!(text.contains("pseudonymis") && !text.to_lowercase().contains("anonymis"), "{text}");
        }
        let ledger = if engine == Engine::Postgres { "retentiond.ledger" } else { "retentiond_ledger" };
        let actions = place.rows(&format!("SELECT action FROM {ledger} ORDER BY 1")).await;
        assert_eq!(actions.into_iter().flatten().flatten().collect::<Vec<_>>(), ids);
        let state: Vec<u8> = place.state_files().into_iter().flat_map(|(_, bytes)| bytes).collect();
        assert!(contains(&state, b"\"action\":\"pseudonymise\"") && !contains(&state, b"anonymise\""), "{}", engine.name());
    }
}
