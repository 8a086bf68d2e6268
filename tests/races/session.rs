//! Foreign sessions: connections of their own, each in a task of its own, so that one that waits for a lock stops nobody else.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use retentiond::plan::schema::Engine;
use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection, PgConnection, Row as _, SqliteConnection};
use tokio::sync::{Notify, mpsc};

/// A connection of the driver, outside the engine's own code.
pub enum Wire {
    Postgres(PgConnection),
    MySql(MySqlConnection),
    Sqlite(SqliteConnection),
}

impl Wire {
    pub async fn connect(engine: Engine, url: &str) -> Result<Self, sqlx::Error> {
        Ok(match engine {
            Engine::Postgres => Self::Postgres(PgConnection::connect(url).await?),
            Engine::Sqlite => {
                let mut c = SqliteConnection::connect(url).await?;
                c.execute("PRAGMA busy_timeout = 20000").await?;
                Self::Sqlite(c)
            }
            _ => Self::MySql(MySqlConnection::connect(url).await?),
        })
    }

    /// Runs statements; the error's code (SQLSTATE, error number) or its text.
    pub async fn execute(&mut self, sql: &str) -> Result<u64, String> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql));
        match self {
            Self::Postgres(c) => c.execute(sql).await.map(|d| d.rows_affected()),
            Self::MySql(c) => c.execute(sql).await.map(|d| d.rows_affected()),
            Self::Sqlite(c) => c.execute(sql).await.map(|d| d.rows_affected()),
        }
        .map_err(|e| code(&e))
    }

    /// The rows of a query whose columns are all texts.
    pub async fn rows(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>, String> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql));
        macro_rules! read {
            ($c:expr) => {
                $c.fetch_all(sql)
                    .await
                    .map(|rows| rows.iter().map(|r| (0..r.len()).map(|i| r.get_unchecked(i)).collect()).collect())
            };
        }
        match self {
            Self::Postgres(c) => read!(c),
            Self::MySql(c) => read!(c),
            Self::Sqlite(c) => read!(c),
        }
        .map_err(|e| code(&e))
    }

    /// The number by which the server knows the connection.
    pub async fn number(&mut self) -> String {
        let sql = match self {
            Self::Postgres(_) => "SELECT pg_backend_pid()::text",
            Self::MySql(_) => "SELECT CAST(CONNECTION_ID() AS CHAR)",
            Self::Sqlite(_) => "SELECT '0'",
        };
        self.rows(sql).await.unwrap().remove(0).remove(0).unwrap()
    }

    /// Whom the last deadlock was between, by their numbers, where the server keeps a report of it.
    pub async fn deadlocked(&mut self) -> BTreeSet<String> {
        let Self::MySql(_) = self else { return BTreeSet::new() };
        let report = self.rows("SHOW ENGINE INNODB STATUS").await.unwrap().remove(0).pop().flatten().unwrap_or_default();
        let Some((_, deadlock)) = report.split_once("LATEST DETECTED DEADLOCK") else { return BTreeSet::new() };
        let deadlock = deadlock.split("\nTRANSACTIONS\n").next().unwrap_or_default();
        let numbers = deadlock.split("thread id ").skip(1).filter_map(|rest| rest.split([',', ' ']).next());
        numbers.map(str::to_owned).collect()
    }
}

fn code(e: &sqlx::Error) -> String {
    let Some(e) = e.as_database_error() else { return e.to_string() };
    let number = e.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>().map(|e| e.number().to_string());
    number.or_else(|| e.code().map(|c| c.into_owned())).unwrap_or_default()
}

/// Codes by which a server says that it ended a transaction to break a deadlock.
const DEADLOCKS: [&str; 2] = ["40P01", "1213"];

/// What became of a foreign session's transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Steps answered, in this transaction.
    pub answered: usize,
    /// The first error's code; the transaction was rolled back then.
    pub error: Option<String>,
    /// Whom a deadlock was between whose victim it was, by their numbers, if the server says so.
    pub met: BTreeSet<String>,
    /// Steps that had to wait for a lock.
    pub waited: usize,
}

impl Report {
    /// Whether the server ended its transaction to break a deadlock.
    pub fn victim(&self) -> bool {
        self.error.as_deref().is_some_and(|e| DEADLOCKS.contains(&e))
    }
}

/// One foreign session.
pub struct Session {
    engine: Engine,
    /// By which the server knows it.
    pub number: String,
    orders: mpsc::UnboundedSender<String>,
    report: Arc<Mutex<Report>>,
    news: Arc<Notify>,
    asked: usize,
}

impl Session {
    pub async fn open(engine: Engine, url: &str) -> Self {
        let mut wire = Wire::connect(engine, url).await.unwrap();
        let number = wire.number().await;
        let (orders, mut inbox) = mpsc::unbounded_channel::<String>();
        let (report, news) = (Arc::new(Mutex::new(Report::default())), Arc::new(Notify::new()));
        let (written, bell) = (report.clone(), news.clone());
        tokio::spawn(async move {
            while let Some(sql) = inbox.recv().await {
                let failed = written.lock().unwrap().error.is_some();
                let result = if failed { Ok(0) } else { wire.execute(&sql).await };
                let mut met = BTreeSet::new();
                if let Err(code) = &result {
                    // At once: the server keeps a report of the last deadlock alone.
                    if DEADLOCKS.contains(&code.as_str()) {
                        met = wire.deadlocked().await;
                    }
                    let _ = wire.execute("ROLLBACK").await;
                }
                let mut report = written.lock().unwrap();
                report.answered += 1;
                report.met.append(&mut met);
                if let (Err(code), None) = (result, &report.error) {
                    report.error = Some(code);
                }
                bell.notify_one();
            }
        });
        Self { engine, number, orders, report, news, asked: 0 }
    }

    /// Forgets the transaction before.
    pub fn begin(&mut self) {
        assert!(self.idle(), "a step of the transaction before is still under way");
        *self.report.lock().unwrap() = Report::default();
        self.asked = 0;
    }

    /// Whether every step was answered.
    pub fn idle(&self) -> bool {
        self.report.lock().unwrap().answered == self.asked
    }

    pub fn report(&self) -> Report {
        self.report.lock().unwrap().clone()
    }

    /// Asks for the next step and waits until it is done, or until it is certain that it waits for a lock.
    pub async fn step(&mut self, sql: String, control: &mut Wire) {
        self.asked += 1;
        self.orders.send(sql).unwrap();
        let since = Instant::now();
        // What is not done by then is looked at more closely.
        let first_look = Duration::from_millis(if self.engine == Engine::Postgres { 4 } else { 25 });
        loop {
            let _ = tokio::time::timeout(first_look, self.news.notified()).await;
            if self.idle() {
                return;
            }
            if since.elapsed() >= first_look && self.blocked(control).await {
                self.report.lock().unwrap().waited += 1;
                return;
            }
            assert!(since.elapsed() < Duration::from_secs(300), "a step neither ended nor waits for a lock");
        }
    }

    /// Waits for the answer to the last step.
    pub async fn settle(&self) {
        let since = Instant::now();
        while !self.idle() {
            let _ = tokio::time::timeout(Duration::from_millis(50), self.news.notified()).await;
            assert!(since.elapsed() < Duration::from_secs(300), "a foreign session waits for a lock that nobody holds any more");
        }
    }

    async fn blocked(&self, control: &mut Wire) -> bool {
        let question = match self.engine {
            Engine::Postgres => format!("SELECT (cardinality(pg_blocking_pids({})) > 0)::text", self.number),
            // The server's own list of waits is renewed ten times a second at most; the number of all waits is always right.
            Engine::MariaDb | Engine::MySql => {
                "SELECT IF(VARIABLE_VALUE > 0, 'true', 'false') FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'INNODB_ROW_LOCK_CURRENT_WAITS'".to_owned()
            }
            // There is one lock, and who has not got it within the time waits for it.
            Engine::Sqlite => return true,
        };
        let question = if self.engine == Engine::MySql {
            "SELECT IF(VARIABLE_VALUE > 0, 'true', 'false') FROM performance_schema.global_status WHERE VARIABLE_NAME = 'Innodb_row_lock_current_waits'".to_owned()
        } else {
            question
        };
        control.rows(&question).await.unwrap()[0][0].as_deref() == Some("true")
    }
}
