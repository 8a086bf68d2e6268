//! One dedicated connection: complete statements out, rows of text back.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, Connection as _, Either, Executor as _, MySql, Postgres, Row as _, Sqlite, ValueRef as _};

use super::error::SourceError;
use super::fault;
use super::names::Names;
use crate::plan::schema::Engine;

/// One row of a result: each column as text, `None` for NULL.
pub type Row = Vec<Option<String>>;

/// How long a connection may take to say goodbye.
pub(super) const FAREWELL: Duration = Duration::from_secs(2);

/// What one statement answered.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The rows it returned.
    pub rows: Vec<Row>,
    /// The number of rows that it changed: on MariaDB and MySQL that it matched, whether they changed or not.
    /// PostgreSQL also counts the rows of a `SELECT`.
    pub count: u64,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answer({} rows, count {})", self.rows.len(), self.count)
    }
}

pub(super) enum Wire {
    Postgres(PoolConnection<Postgres>),
    MySql(PoolConnection<MySql>),
    Sqlite(PoolConnection<Sqlite>),
}

/// One dedicated connection.
///
/// Any error spends it: every later call answers [`SourceError::Spent`], so that no `COMMIT` can follow an error. Dropped without
/// [`Session::done`], for whatever reason, its physical connection is closed and the server rolls back; a cancelled call counts
/// as an error.
pub struct Session {
    wire: Option<Wire>,
    engine: Engine,
    names: Names,
    spent: bool,
    round_trips: u64,
    patience: Duration,
}

enum Event {
    Row(Row),
    Done(u64),
}

impl Session {
    /// `patience` is the longest silence of a server before it is given up; a file is never silent.
    pub(super) fn new(wire: Wire, engine: Engine, names: Names, patience: Duration) -> Self {
        Self { wire: Some(wire), engine, names, spent: false, round_trips: 0, patience }
    }

    /// The engine at the other end.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Round trips so far (SQLite: calls of the library).
    #[must_use]
    pub fn statements(&self) -> u64 {
        self.round_trips
    }

    /// Runs `sql` in one round trip and returns all rows of all its statements.
    ///
    /// # Errors
    /// Any [`SourceError`]; the session is spent then.
    pub async fn rows(&mut self, sql: &str) -> Result<Vec<Row>, SourceError> {
        Ok(self.rows_and_count(sql).await?.0)
    }

    /// Runs `sql`, one statement or several separated by `;`, in one round trip. Returns the rows of all of them, and the count (see
    /// [`Answer::count`]) of the last one.
    ///
    /// All three engines take several statements at once. They stop at the first error: PostgreSQL undoes the
    /// whole string unless it opens its own transaction, MariaDB and MySQL keep what went before in the open transaction
    /// (autocommit is off), SQLite has already committed what went before unless a `BEGIN` preceded.
    ///
    /// # Errors
    /// Any [`SourceError`]; the session is spent then.
    pub async fn rows_and_count(&mut self, sql: &str) -> Result<(Vec<Row>, u64), SourceError> {
        let (mut rows, mut count) = (Vec::new(), 0);
        self.run(sql, |event| {
            match event {
                Event::Row(row) => rows.push(row),
                Event::Done(n) => count = n,
            }
            ControlFlow::Continue(())
        })
        .await?;
        Ok((rows, count))
    }

    /// Runs the statements one after the other, in one round trip, and returns the answer of each. None may itself contain a `;`
    /// that separates statements.
    ///
    /// # Errors
    /// Any [`SourceError`]; the session is spent then.
    pub async fn script(&mut self, statements: &[&str]) -> Result<Vec<Answer>, SourceError> {
        let mut answers = Vec::with_capacity(statements.len());
        let mut rows = Vec::new();
        self.run(&statements.join(";\n"), |event| {
            match event {
                Event::Row(row) => rows.push(row),
                Event::Done(count) => answers.push(Answer { rows: std::mem::take(&mut rows), count }),
            }
            ControlFlow::Continue(())
        })
        .await?;
        if self.engine == Engine::Sqlite {
            // The library repeats the last change's count after statements that change nothing.
            for (answer, sql) in answers.iter_mut().zip(statements) {
                answer.count = if changes_rows(sql) { answer.count } else { 0 };
            }
        }
        Ok(answers)
    }

    /// Runs one statement that changes rows and returns how many it changed (MariaDB, MySQL: matched).
    ///
    /// # Errors
    /// Any [`SourceError`]; the session is spent then.
    pub async fn execute(&mut self, sql: &str) -> Result<u64, SourceError> {
        let (_, count) = self.rows_and_count(sql).await?;
        Ok(if self.engine == Engine::Sqlite && !changes_rows(sql) { 0 } else { count })
    }

    /// Hands each row of `sql` to `each` as it arrives, in flat memory, until it says to break; what is left is then read and
    /// thrown away before the next statement.
    ///
    /// # Errors
    /// Any [`SourceError`]; the session is spent then.
    pub async fn stream(&mut self, sql: &str, mut each: impl FnMut(Row) -> ControlFlow<()>) -> Result<(), SourceError> {
        self.run(sql, |event| match event {
            Event::Row(row) => each(row),
            Event::Done(_) => ControlFlow::Continue(()),
        })
        .await
    }

    async fn run(&mut self, sql: &str, mut each: impl FnMut(Event) -> ControlFlow<()>) -> Result<(), SourceError> {
        if std::mem::replace(&mut self.spent, true) {
            return Err(SourceError::Spent);
        }
        self.round_trips += 1;
        let (engine, names, patience) = (self.engine, &self.names, self.patience);
        macro_rules! drive {
            ($connection:expr, $text:path, $next:path) => {{
                let mut stream = (&mut **$connection).fetch_many(sqlx::raw_sql(AssertSqlSafe(sql)));
                while let Some(item) = $next(patience, stream.next()).await? {
                    let event = match item.map_err(|e| fault::reduce(&e, engine, names))? {
                        Either::Left(done) => Event::Done(done.rows_affected()),
                        Either::Right(row) => {
                            let mut values = Vec::with_capacity(row.len());
                            for column in 0..row.len() {
                                let value = row.try_get_raw(column).map_err(|e| fault::reduce(&e, engine, names))?;
                                values.push(if value.is_null() {
                                    None
                                } else {
                                    Some($text(value).ok_or(SourceError::NotText(column))?)
                                });
                            }
                            Event::Row(values)
                        }
                    };
                    if each(event).is_break() {
                        break;
                    }
                }
            }};
        }
        match &mut self.wire {
            Some(Wire::Postgres(c)) => drive!(c, postgres_text, in_time),
            Some(Wire::MySql(c)) => drive!(c, mysql_text, in_time),
            Some(Wire::Sqlite(c)) => drive!(c, sqlite_text, in_any_time),
            None => return Err(SourceError::Spent),
        }
        self.spent = false;
        Ok(())
    }

    /// Gives the connection back, after a `ROLLBACK` of whatever is still open. A spent session is discarded instead.
    ///
    /// # Errors
    /// Any [`SourceError`] of that `ROLLBACK`; the connection is closed then. What was committed stays committed.
    pub async fn done(mut self) -> Result<(), SourceError> {
        if self.spent {
            self.discard().await;
            return Ok(());
        }
        match self.engine {
            // A lone ROLLBACK outside a transaction puts a warning into the server's log.
            Engine::Postgres => self.rows("BEGIN; ROLLBACK").await.map(drop)?,
            Engine::MariaDb | Engine::MySql => self.rows("ROLLBACK").await.map(drop)?,
            // Fails when nothing is open, which is the usual case. What was read into memory is no use to whoever waits for the next turn.
            Engine::Sqlite => {
                drop(self.rows("ROLLBACK").await);
                self.spent = false;
                self.rows("PRAGMA shrink_memory").await.map(drop)?;
            }
        }
        // At once, so that the very next session finds it; the pool asks the server for a sign of life first, and whoever gives none is left.
        let back: Pin<Box<dyn Future<Output = ()> + Send>> = match self.wire.take() {
            Some(Wire::Postgres(mut c)) => Box::pin(async move { c.return_to_pool().await }),
            Some(Wire::MySql(mut c)) => Box::pin(async move { c.return_to_pool().await }),
            Some(Wire::Sqlite(mut c)) => Box::pin(async move { c.return_to_pool().await }),
            None => Box::pin(std::future::ready(())),
        };
        let _ = tokio::time::timeout(FAREWELL, back).await;
        Ok(())
    }

    /// Rolls back and closes the connection, waiting (at most a few seconds) until its locks are gone.
    pub async fn discard(mut self) {
        let Some(wire) = self.wire.take() else { return };
        macro_rules! leave {
            ($connection:expr) => {{
                let mut connection = $connection.detach();
                // Whether this succeeds does not matter: the server rolls back when the connection ends.
                let goodbye = async {
                    let _ = connection.execute(sqlx::raw_sql("ROLLBACK")).await;
                    let _ = connection.close().await;
                };
                let _ = tokio::time::timeout(FAREWELL, goodbye).await;
            }};
        }
        match wire {
            Wire::Postgres(c) => leave!(c),
            Wire::MySql(c) => leave!(c),
            Wire::Sqlite(c) => leave!(c),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        match self.wire.take() {
            Some(Wire::Postgres(c)) => drop(c.detach()),
            Some(Wire::MySql(c)) => drop(c.detach()),
            Some(Wire::Sqlite(c)) => drop(c.detach()),
            None => {}
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session({}, {} round trips, spent: {})", self.engine.name(), self.round_trips, self.spent)
    }
}

/// Waits for a server's next word as long as it may be silent.
pub(super) async fn in_time<T>(patience: Duration, next: impl Future<Output = T>) -> Result<T, SourceError> {
    tokio::time::timeout(patience, next).await.map_err(|_| SourceError::Lost("no answer within the answer time-out"))
}

/// The library answers or fails: nothing can swallow its word on the way.
async fn in_any_time<T>(_: Duration, next: impl Future<Output = T>) -> Result<T, SourceError> {
    Ok(next.await)
}

/// Whether a statement is of a kind that changes rows, by its first word.
fn changes_rows(sql: &str) -> bool {
    let word: String = sql.trim_start().chars().take_while(char::is_ascii_alphabetic).collect();
    ["insert", "update", "delete", "replace", "with"].iter().any(|w| word.eq_ignore_ascii_case(w))
}

fn postgres_text(value: sqlx::postgres::PgValueRef<'_>) -> Option<String> {
    value.as_str().ok().map(str::to_owned)
}

fn mysql_text(value: sqlx::mysql::MySqlValueRef<'_>) -> Option<String> {
    <&[u8] as sqlx::Decode<MySql>>::decode(value).ok().and_then(|bytes| std::str::from_utf8(bytes).ok()).map(str::to_owned)
}

fn sqlite_text(value: sqlx::sqlite::SqliteValueRef<'_>) -> Option<String> {
    <&str as sqlx::Decode<Sqlite>>::decode(value).ok().map(str::to_owned)
}
