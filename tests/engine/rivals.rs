//! Other enforcers of the same database, and the same one after a restart.

use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use retentiond::archive::Archives;
use retentiond::journal::{Journal, random_origin};
use retentiond::plan::schema::Engine;
use retentiond::source::{Source, Target};
use retentiond::state::State;

use crate::enforcement::{Fixture, TestClock};
use crate::support::TestDatabase;

impl<'d> Fixture<'d> {
    /// The same database for an enforcer with a state and a journal of its own.
    pub async fn beside(other: &Self, now: DateTime<Utc>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = State::create(&folder.path().join("state")).await.unwrap();
        let clock = Arc::new(TestClock(Mutex::new(now)));
        let journal = Journal::create(&state, clock.clone(), random_origin().unwrap()).await.unwrap();
        let source = Source::connect(&Target::new(other.database.url.clone())).await.unwrap();
        Self {
            database: other.database,
            source,
            state,
            journal,
            clock,
            engine: other.engine,
            archives: Archives::default(),
            copies: retentiond::enforce::Copies::default(),
            elsewhere: retentiond::enforce::Elsewhere::default(),
            files: Default::default(),
            _folder: folder,
        }
    }

    /// The same database with the state of an existing directory.
    pub async fn with_state(&self, dir: &std::path::Path, now: DateTime<Utc>) -> Self {
        let state = State::open(dir).await.unwrap();
        let clock = Arc::new(TestClock(Mutex::new(now)));
        let journal = Journal::open(&state, clock.clone()).await.unwrap();
        let source = Source::connect(&Target::new(self.database.url.clone())).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        Self {
            database: self.database,
            source,
            state,
            journal,
            clock,
            engine: self.engine,
            archives: Archives::default(),
            copies: retentiond::enforce::Copies::default(),
            elsewhere: retentiond::enforce::Elsewhere::default(),
            files: Default::default(),
            _folder: folder,
        }
    }

    /// Closes everything; the folder keeps the state in `state`.
    pub async fn into_folder(self) -> tempfile::TempDir {
        let Self { state, journal, source, _folder, .. } = self;
        drop(journal);
        state.close().await;
        source.close().await;
        _folder
    }

    /// What a new process finds in a folder that [`Self::into_folder`] left.
    pub async fn open(engine: Engine, database: &'d TestDatabase, folder: tempfile::TempDir, now: DateTime<Utc>) -> Self {
        let state = State::open(&folder.path().join("state")).await.unwrap();
        let clock = Arc::new(TestClock(Mutex::new(now)));
        let journal = Journal::open(&state, clock.clone()).await.unwrap();
        let source = Source::connect(&Target::new(database.url.clone())).await.unwrap();
        Self {
            database,
            source,
            state,
            journal,
            clock,
            engine,
            archives: Archives::default(),
            copies: retentiond::enforce::Copies::default(),
            elsewhere: retentiond::enforce::Elsewhere::default(),
            files: Default::default(),
            _folder: folder,
        }
    }
}
