//! Transactions that stand still while something else takes long: the server ends one of which it hears nothing for some seconds, and what it holds is
//! anybody's then.

use std::time::Duration;

use crate::source::{Session, SourceError};

/// After how long a server is told that its transaction is still alive.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(1);

/// Waits for something that may take long, and tells the server meanwhile that its transaction is alive; with what comes of it, whether the transaction
/// was lost. It is waited for in any case: what was begun in an archive ends before anybody looks what is there.
pub(super) async fn alive<T>(session: &mut Session, work: impl Future<Output = T>) -> (T, Option<SourceError>) {
    tokio::pin!(work);
    let mut lost = None;
    loop {
        tokio::select! {
            done = &mut work => return (done, lost),
            () = tokio::time::sleep(HEARTBEAT), if lost.is_none() => {
                lost = session.rows("SELECT 1").await.err();
            }
        }
    }
}
