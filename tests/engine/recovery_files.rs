//! Files in recovery windows: sealed with their rows, back with what is undone, gone with the window.

use retentiond::enforce::FileOutcome;
use retentiond::enforce::undo::Back;
use retentiond::plan::schema::Engine;

use crate::archived_files::{MAP, content, contracts, day, expected, fixture, left, put, sealed, set, to_leave};
use crate::enforcement::{Fixture, Rules, rules};
use crate::scene::{ENGINES, consistent, read, run_clean};
use crate::support::TestDatabase;
use crate::undo::{Scene, lift_all};

const POLICY: &str = r#"
[policy]
id = "crm"
author = "dpo"
title = { fr = "Politique", en = "Policy" }

[[purpose]]
id = "service"
title = { fr = "Service", en = "Service" }
legal_basis = "contract"
data = "crm.contract"
needs = "all"
starts = "ended"
keeps = "1 year"

[[recovery]]
data = "crm.contract"
days = 30
kept_in = "archive:recovery"
"#;

/// Of contract 2, whose period ends on 31 December 2026; contract 3 keeps the recording that it shares with it, and contract 1 has no period left.
const IN_WINDOW: [(&str, &str); 3] = [("scans", "scan/2.pdf"), ("recordings", "a/21.wav"), ("recordings", "both.wav")];

async fn window(engine: Engine, db: &TestDatabase) -> Fixture<'_> {
    db.run_sql("UPDATE contract SET ended = '2025-12-31' WHERE id = 2").await;
    let fixture = fixture(engine, db).await;
    set(&fixture, day(2026, 12, 10));
    fixture
}

fn masked() -> Rules {
    rules(&MAP.replacen("disposition = \"delete\"", "disposition = \"anonymise\"", 1), &[POLICY])
}

const CONTRACTS: &str = "SELECT id, name, scan FROM contract ORDER BY id";
const CALLS: &str = "SELECT id, path FROM recording ORDER BY id";

#[tokio::test(flavor = "multi_thread")]
async fn files_lie_in_the_window_come_back_with_what_is_undone_and_end_with_it() {
    for rules in [rules(MAP, &[POLICY]), masked()] {
        for engine in ENGINES {
            let Some(db) = contracts(engine).await else { continue };
            let fixture = window(engine, &db).await;
            let calls = read(&fixture, "SELECT path FROM recording WHERE contract_id > 1 ORDER BY id").await;
            let outcome = run_clean(&fixture, &rules).await;
            assert_eq!(outcome.left, FileOutcome { removed: 2, ..FileOutcome::default() }, "{}", engine.name());
            assert_eq!(left(&fixture), ["scan/3.pdf", "both.wav"], "{}", engine.name());
            assert_eq!(sealed(&fixture, "recovery").await, expected(&IN_WINDOW), "{}", engine.name());
            assert_eq!(to_leave(&fixture).await, "0");

            let scene = Scene::of(&fixture, &rules, outcome.run);
            assert_eq!(scene.preview().await.groups[0].files, 3, "{}", engine.name());
            let back = scene.undo_all().await;
            assert_eq!((back.records, back.files), (1, 2), "{}: {back:?}", engine.name());
            assert_eq!(left(&fixture), ["scan/2.pdf", "scan/3.pdf", "a/21.wav", "both.wav"], "{}", engine.name());
            let folder = fixture._folder.path();
            for (store, file) in IN_WINDOW {
                assert!(std::fs::read(folder.join(store).join(file)).unwrap() == content(file), "{file}");
            }
            assert_eq!(read(&fixture, "SELECT path FROM recording ORDER BY id").await, calls);
            assert_eq!(read(&fixture, "SELECT scan FROM contract WHERE id = 2").await, ["scan/2.pdf"]);
            consistent(&fixture).await;
            // It stands under its hold, and goes again without.
            run_clean(&fixture, &rules).await;
            assert!(left(&fixture).contains(&"scan/2.pdf"), "{}", engine.name());
            assert_eq!(lift_all(&fixture).await, 1);
            run_clean(&fixture, &rules).await;
            assert_eq!(left(&fixture), ["scan/3.pdf", "both.wav"], "{}", engine.name());

            set(&fixture, day(2027, 1, 1));
            let outcome = run_clean(&fixture, &rules).await;
            assert_eq!(outcome.archives[0].destroyed, 2, "{}", engine.name());
            assert!(fixture.archives.get("recovery").unwrap().store.list(None).await.unwrap().is_empty(), "files, too");
            consistent(&fixture).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_to_which_nothing_that_comes_back_points_stays_away() {
    for engine in ENGINES {
        let Some(db) = contracts(engine).await else { continue };
        let fixture = window(engine, &db).await;
        let rules = masked();
        let outcome = run_clean(&fixture, &rules).await;
        // Somebody has written to the masked field since: it keeps what they wrote, and the old file has no row any more.
        db.run_sql("UPDATE contract SET scan = 'scan/new.pdf' WHERE id = 2").await;
        put(&fixture._folder.path().join("scans"), "scan/new.pdf", b"new");
        let back = Scene::of(&fixture, &rules, outcome.run).undo_all().await;
        assert_eq!((back.records, back.newer, back.files), (1, 1, 1), "{}: {back:?}", engine.name());
        assert_eq!(left(&fixture), ["scan/3.pdf", "a/21.wav", "both.wav"], "{}", engine.name());
        consistent(&fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_other_content_keeps_its_record_from_coming_back() {
    for engine in ENGINES {
        let Some(db) = contracts(engine).await else { continue };
        let fixture = window(engine, &db).await;
        let rules = rules(MAP, &[POLICY]);
        let run = run_clean(&fixture, &rules).await.run;
        let (contracts, calls) = (read(&fixture, CONTRACTS).await, read(&fixture, CALLS).await);
        put(&fixture._folder.path().join("scans"), "scan/2.pdf", b"another");
        let back = Scene::of(&fixture, &rules, run).undo_all().await;
        assert_eq!((back.records, back.refused, back.files), (0, 1, 0), "{}: {back:?}", engine.name());
        assert_eq!((read(&fixture, CONTRACTS).await, read(&fixture, CALLS).await), (contracts, calls));
        assert_eq!(std::fs::read(fixture._folder.path().join("scans/scan/2.pdf")).unwrap(), b"another");
        assert!(!left(&fixture).contains(&"a/21.wav"), "what was put back beside it is taken back");
        std::fs::remove_file(fixture._folder.path().join("scans/scan/2.pdf")).unwrap();
        let back = Scene::of(&fixture, &rules, run).undo_all().await;
        assert_eq!((back.records, back.files), (1, 2), "{}: {back:?}", engine.name());
        consistent(&fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_what_goes_for_another_reason_than_its_period_lie_in_no_window() {
    for engine in ENGINES {
        let Some(db) = contracts(engine).await else { continue };
        let fixture = window(engine, &db).await;
        let rules = rules(MAP, &[&POLICY.replace("keeps = \"1 year\"", "keeps = \"1 year\"\nended_by = [\"erasure\"]")]);
        crate::restore::place(
            &fixture,
            &rules,
            retentiond::policy::purpose::OrderKind::Erasure,
            "contract",
            crate::restore::record(2),
        )
        .await;
        let outcome = run_clean(&fixture, &rules).await;
        assert!(sealed(&fixture, "recovery").await.is_empty(), "{}", engine.name());
        assert_eq!(left(&fixture), ["scan/3.pdf", "both.wav"]);
        let back = Scene::of(&fixture, &rules, outcome.run).undo_all().await;
        assert_eq!(back, Back::default());
        consistent(&fixture).await;
    }
}
