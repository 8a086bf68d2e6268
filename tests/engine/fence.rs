//! One enforcer for each source.

use std::sync::Arc;

use retentiond::enforce::fence::{self, Adopt, Fence};
use retentiond::enforce::{EnforceError, Point, Silent};
use retentiond::journal::{Adoption, Event, Journal, Name, random_origin};
use retentiond::plan::schema::Engine;
use retentiond::source::Source;
use retentiond::state::State;

use crate::enforcement::{Fixture, TestClock, unlimited};
use crate::scene::{
    ENGINES, Once, batches_of, consistent, entries, fill, now, number, organisation, own, run_clean, scene_rules,
};

/// Another enforcer: a state directory and a journal of its own.
struct Rival {
    state: State,
    journal: Journal,
    _folder: tempfile::TempDir,
}

impl Rival {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = State::create(&folder.path().join("state")).await.unwrap();
        let clock = Arc::new(TestClock(std::sync::Mutex::new(now())));
        let journal = Journal::create(&state, clock, random_origin().unwrap()).await.unwrap();
        Self { state, journal, _folder: folder }
    }

    async fn take(&self, source: &Source, adopt: bool) -> Result<Fence, EnforceError> {
        let server = source.introspect().await.unwrap().server.id;
        let adopt = adopt.then(|| Adopt { reason: Adoption::Takeover, actor: Name::parse("ops").unwrap() });
        fence::take(source, &self.state, &self.journal, "crm", &server, adopt.as_ref()).await
    }
}

async fn take(fixture: &Fixture<'_>, adopt: Option<Adoption>) -> Result<Fence, EnforceError> {
    let server = fixture.source.introspect().await.unwrap().server.id;
    let adopt = adopt.map(|reason| Adopt { reason, actor: Name::parse("ops").unwrap() });
    fence::take(&fixture.source, &fixture.state, &fixture.journal, "crm", &server, adopt.as_ref()).await
}

#[tokio::test]
async fn a_second_enforcer_is_refused_until_it_adopts_and_then_the_first_is() {
    for engine in ENGINES {
        let Some(db) = organisation(engine, 5).await else { continue };
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let rules = scene_rules(&[]);
        run_clean(&fixture, &rules).await;
        let rival = Rival::new().await;
        assert!(matches!(rival.take(&fixture.source, false).await, Err(EnforceError::ForeignFence)));
        let taken = rival.take(&fixture.source, true).await.unwrap();
        // What the ledger says of the first one's journal is no business of the second one, now and later.
        let again = rival.take(&fixture.source, false).await.unwrap();
        assert!(again.epoch > taken.epoch, "{}", engine.name());
        assert!(matches!(take(&fixture, None).await, Err(EnforceError::ForeignFence)));
    }
}

#[tokio::test]
async fn a_source_that_went_to_another_enforcer_and_came_back_is_enforced_again() {
    for engine in ENGINES {
        let Some(db) = organisation(engine, 5).await else { continue };
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let rules = scene_rules(&[]);
        run_clean(&fixture, &rules).await;
        let other = Fixture::beside(&fixture, now()).await;
        db.run_sql("INSERT INTO log VALUES (50, 'x', '2020-01-01')").await;
        take(&other, Some(Adoption::Takeover)).await.unwrap();
        run_clean(&other, &rules).await;
        db.run_sql("INSERT INTO log VALUES (51, 'x', '2020-01-01')").await;
        take(&fixture, Some(Adoption::Takeover)).await.unwrap();
        for _ in 0..2 {
            run_clean(&fixture, &rules).await;
        }
        assert_eq!(number(&fixture, "FROM log").await, 0, "{}", engine.name());
    }
}

#[tokio::test]
async fn a_run_whose_source_is_taken_over_stops_before_its_next_change() {
    for engine in ENGINES {
        let Some(db) = organisation(engine, 40).await else { continue };
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let rival = Rival::new().await;
        let (source, rival_ref) = (fixture.source.clone(), &rival);
        let watch = Once::new(
            Point::Intended,
            "log.delete",
            1,
            Box::new(move || {
                let source = source.clone();
                Box::pin(async move {
                    rival_ref.take(&source, true).await.unwrap();
                })
            }),
        );
        let result = fixture.run_with(&scene_rules(&[]), batches_of(10), &watch).await;
        assert!(matches!(result, Err(EnforceError::FencedOff)), "{}: {result:?}", engine.name());
        let of_log = entries(&fixture).await.into_iter().filter_map(|e| match e.event {
            Event::Intent { data_set, batch, .. } if data_set.as_str() == "log" => Some((batch, None)),
            Event::Applied { batch, rows, .. } => Some((batch, Some(rows))),
            _ => None,
        });
        let mut batches: Vec<(_, u64)> = Vec::new();
        for (batch, rows) in of_log {
            match (rows, batches.iter_mut().find(|(b, _)| *b == batch)) {
                (None, _) => batches.push((batch, 0)),
                (Some(rows), Some(intended)) => intended.1 = rows,
                (Some(_), None) => {}
            }
        }
        let rows: Vec<u64> = batches.iter().map(|(_, rows)| *rows).collect();
        assert!(rows.len() == 2 && rows[0] > 0 && rows[1] == 0, "one batch before, none after: {rows:?}");
        assert_eq!(number(&fixture, "FROM log").await, 40 - rows[0], "{}", engine.name());
        consistent(&fixture).await;
    }
}

#[tokio::test]
async fn a_takeover_that_crashed_twice_leaves_a_fence_that_its_state_still_owns() {
    for engine in ENGINES {
        let Some(db) = organisation(engine, 1).await else { continue };
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        take(&fixture, None).await.unwrap();
        // The first crash: the token is in the database, and not confirmed.
        let server = fixture.source.introspect().await.unwrap().server.id;
        let pending = "00112233445566778899aabbccddeeff";
        fixture.state.announce_token("crm", &server, pending).await.unwrap();
        let fence_table = own(engine, "fence");
        db.run_sql(&format!("UPDATE {fence_table} SET token = '{pending}'")).await;
        // The second one: the next takeover has announced its token and does not get to write it.
        db.run_sql(&match engine {
            Engine::Postgres => format!(
                "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$; CREATE TRIGGER no BEFORE UPDATE ON {fence_table} FOR EACH ROW EXECUTE FUNCTION no()"
            ),
            Engine::Sqlite => format!("CREATE TRIGGER no BEFORE UPDATE ON {fence_table} BEGIN SELECT RAISE(ABORT, 'no'); END"),
            _ => format!("CREATE TRIGGER no BEFORE UPDATE ON {fence_table} FOR EACH ROW SIGNAL SQLSTATE '45000'"),
        })
        .await;
        assert!(matches!(take(&fixture, None).await, Err(EnforceError::Source(_))));
        db.run_sql(&if engine == Engine::Postgres {
            format!("DROP TRIGGER no ON {fence_table}")
        } else {
            "DROP TRIGGER no".to_owned()
        })
        .await;
        take(&fixture, None).await.unwrap();
    }
}

/// Copies a state directory as a backup would.
fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target)
        } else {
            std::fs::copy(entry.path(), &target).map(drop).unwrap()
        }
    }
    std::fs::set_permissions(to, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
}

#[tokio::test]
async fn a_state_from_an_old_backup_signs_nothing_not_even_after_an_adoption() {
    for engine in ENGINES {
        let Some(db) = organisation(engine, 5).await else { continue };
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let rules = scene_rules(&[]);
        run_clean(&fixture, &rules).await;
        let folder = tempfile::tempdir().unwrap();
        let backup = folder.path().join("state");
        copy(fixture.state.dir(), &backup);
        db.run_sql(&fill(5).lines().next().unwrap().replace(';', "")).await;
        run_clean(&fixture, &rules).await;
        let old = fixture.with_state(&backup, now()).await;
        for adopt in [None, Some(Adoption::Takeover), Some(Adoption::Restored)] {
            let result = take(&old, adopt).await;
            assert!(matches!(result, Err(EnforceError::JournalBehind { .. })), "{} {adopt:?}: {result:?}", engine.name());
        }
        let before = entries(&old).await.len();
        let result = old.run_with(&rules, unlimited(), &Silent).await;
        assert!(matches!(result, Err(EnforceError::JournalBehind { .. })));
        assert_eq!(entries(&old).await.len(), before);
        // By hand it goes on, and stays so.
        let (ledger_size, actor) = (fence::ledger_size(&old.source, "crm").await.unwrap(), Name::parse("ops").unwrap());
        let event = retentiond::journal::Event::JournalRecovered { source: Name::parse("crm").unwrap(), ledger_size, actor };
        old.journal.append(event).await.unwrap();
        take(&old, Some(Adoption::Takeover)).await.unwrap();
        db.run_sql("INSERT INTO log VALUES (77, 'x', '2020-01-01')").await;
        for _ in 0..2 {
            run_clean(&old, &rules).await;
        }
        assert_eq!(number(&old, "FROM log").await, 0, "{}", engine.name());
    }
}

#[tokio::test]
async fn a_copy_of_the_database_under_another_identity_is_refused_until_adopted() {
    for engine in ENGINES {
        let Some(db) = organisation(engine, 5).await else { continue };
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        take(&fixture, None).await.unwrap();
        let other = fence::take(&fixture.source, &fixture.state, &fixture.journal, "crm", &"ab".repeat(32), None).await;
        assert!(matches!(other, Err(EnforceError::OtherServer)), "{}", engine.name());
        let prepared = fixture.prepare(&scene_rules(&[])).await;
        drop(prepared);
        assert_eq!(number(&fixture, "FROM log").await, 5);
        let adopt = Adopt { reason: Adoption::Cloned, actor: Name::parse("ops").unwrap() };
        let id = "ab".repeat(32);
        fence::take(&fixture.source, &fixture.state, &fixture.journal, "crm", &id, Some(&adopt)).await.unwrap();
        assert!(matches!(take(&fixture, None).await, Err(EnforceError::OtherServer)));
    }
}

/// A worker of a slot that the setup did not create cannot begin.
#[tokio::test]
async fn a_slot_that_does_not_exist_does_nothing() {
    for engine in ENGINES {
        let Some(db) = organisation(engine, 5).await else { continue };
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let prepared = fixture.prepare(&scene_rules(&[])).await;
        let mut fence = take(&fixture, None).await.unwrap();
        fence.slots = vec![7];
        let result = fixture.run_fenced(&prepared, fence, unlimited(), &Silent).await;
        assert!(matches!(result, Err(EnforceError::NotSetUp)), "{result:?}");
        assert_eq!(number(&fixture, "FROM log").await, 5);
    }
}
