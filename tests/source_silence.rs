//! Whatever is logged while a source works, at any level, no statement and no value is in it.

mod support;

use std::io::Write;
use std::sync::{Arc, Mutex};

use retentiond::plan::schema::Engine;
use retentiond::source::{Source, Target};
use support::{ENGINES, database};

const SECRET: &str = "jean.dupont@example.org";

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().map_err(|_| std::io::ErrorKind::Other)?.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_statement_and_no_value_is_ever_logged() {
    let log = Buffer::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .try_init()
        .expect("the only subscriber of this test binary");
    for engine in ENGINES {
        let Some(db) = database(engine).await else { continue };
        let source = Source::connect(&Target::new(&db.url)).await.unwrap();
        let mut session = source.session().await.unwrap();
        let sleep = match engine {
            Engine::Postgres => "pg_sleep(1.1)",
            Engine::Sqlite => "1",
            _ => "SLEEP(1.1)",
        };
        session.rows(&format!("SELECT '{SECRET}', {sleep}")).await.unwrap();
        assert!(session.rows(&format!("SELECT '{SECRET}' FROM nowhere")).await.is_err());
        session.discard().await;
        if engine == Engine::Postgres {
            let mut session = source.session().await.unwrap();
            session.rows(&format!("DO $$ BEGIN RAISE WARNING '{SECRET}'; RAISE NOTICE '{SECRET}'; END $$")).await.unwrap();
            session.done().await.unwrap();
        }
        source.introspect().await.unwrap();
        source.surroundings().await.unwrap();
        source.close().await;
        tracing::info!("the log works");
        let said = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
        assert!(said.contains("the log works"));
        let password = db.url.rsplit_once('@').and_then(|(head, _)| head.rsplit_once(':')).map(|(_, password)| password);
        for word in [SECRET, "information_schema", "pg_class", "sqlite_schema"].into_iter().chain(password) {
            let line = said.lines().find(|line| line.contains(word));
            assert_eq!(line, None, "{engine:?}");
        }
    }
}
