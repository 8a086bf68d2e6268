//! Taking the censuses of a plan.

use super::circles;
use super::error::EnforceError;
use crate::plan::action::{Action, ActionKind, Path};
use crate::plan::census::Counts;
use crate::plan::compile::Plan;
use crate::plan::due::{AsideKind, DueCounts, Of};
use crate::plan::schema::Engine;
use crate::source::{Class, Session, Source};

/// What is due, by data set.
pub type DueCensuses = Vec<(String, DueCounts)>;

/// The figures of every root data set of the plan, in its order. Reads only, and whole tables.
///
/// # Errors
/// [`EnforceError::Source`].
pub async fn take(session: &mut Session, plan: &Plan) -> Result<Vec<(String, Counts)>, EnforceError> {
    let mut all = Vec::new();
    if session.engine() == Engine::Postgres {
        // As many as a stock server lends to one query: everything is read. For this transaction alone: a pooler may lend the connection to others.
        session.rows("BEGIN READ ONLY; SET LOCAL max_parallel_workers_per_gather = 2").await?;
    }
    for census in &plan.censuses {
        let rows = session.rows(&census.sql).await?;
        all.push((census.data_set.clone(), census.read(&rows)));
    }
    for counted in circles::count(session, plan).await? {
        let Some((_, counts)) = all.iter_mut().find(|(id, _)| *id == counted.data_set) else { continue };
        for ((id, n), found_due) in counts.actions.iter_mut().zip(&mut counts.found_due) {
            let more = match plan.actions.iter().find(|a| a.id == *id).map(|a| a.kind) {
                Some(ActionKind::Delete) => counted.rows,
                Some(ActionKind::Anonymise | ActionKind::Pseudonymise) => counted.beside,
                Some(ActionKind::Empty) => {
                    *n = n.saturating_sub(counted.to_mask);
                    0
                }
                _ => 0,
            };
            (*n, *found_due) = (*n + more, *found_due + more);
        }
    }
    if session.engine() == Engine::Postgres {
        session.rows("COMMIT").await?;
    }
    Ok(all)
}

/// What a due census expects to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expecting {
    /// Anything.
    Anything,
    /// Next to nothing, since so many rows were just done. The servers' statistics do not know that yet: left to them they read whole tables.
    Little {
        /// How many.
        done: u64,
    },
}

/// From how many rows on PostgreSQL looks at what was just done page by page. An index leads to every row version that is dead since, in the index's
/// order; looked up by page they cost two thirds of that.
const BY_PAGE: u64 = 20_000;

/// What is due, in every root data set of the plan, in its order. Reads only, by the indexes that find what is due. Asked once more over a new
/// connection when the old one turns out to be gone.
///
/// # Errors
/// [`EnforceError::Source`].
pub async fn due(source: &Source, plan: &Plan, orders: bool, expecting: Expecting) -> Result<DueCensuses, EnforceError> {
    match due_once(source, plan, orders, expecting).await {
        Err(EnforceError::Source(e)) if e.class() == Class::Lost => due_once(source, plan, orders, expecting).await,
        answer => answer,
    }
}

async fn due_once(source: &Source, plan: &Plan, orders: bool, expecting: Expecting) -> Result<DueCensuses, EnforceError> {
    let mut session = source.session().await?;
    let by_index = session.engine() == Engine::Postgres && matches!(expecting, Expecting::Little { .. });
    if by_index {
        // For this transaction alone: a pooler may lend the connection to others.
        session.rows("BEGIN READ ONLY; SET LOCAL enable_seqscan = off").await?;
    }
    let all = count(&mut session, plan, orders, expecting).await?;
    if by_index {
        session.rows("COMMIT").await?;
    }
    session.done().await?;
    Ok(all)
}

async fn count(session: &mut Session, plan: &Plan, orders: bool, expecting: Expecting) -> Result<DueCensuses, EnforceError> {
    let (path, done) = match expecting {
        Expecting::Little { done } => (Path::ToDo, done),
        Expecting::Anything => (Path::Planned, 0),
    };
    let after = session.engine() == Engine::Postgres && matches!(expecting, Expecting::Little { .. });
    let mut all = Vec::new();
    for census in &plan.due {
        let mut counts = census.nothing();
        let actions: Vec<&Action> = plan.actions.iter().filter(|a| a.data_set == census.data_set).collect();
        // Without an order, nothing is held.
        for of in [Some(Of::Due), orders.then_some(Of::Held)].into_iter().flatten() {
            for (n, action) in actions.iter().enumerate().filter(|(_, a)| of == Of::Due || !a.held.is_false()) {
                let sql = census.count(plan.dialect, path, action, of, orders, &actions[..n]);
                let [before, behind] = match action.reads.is_empty() {
                    _ if !after => ["", ""],
                    // Who is due by what other tables say is found by joining them, which is cheaper whole than row by row.
                    false => ["SET LOCAL enable_seqscan = on", "SET LOCAL enable_seqscan = off"],
                    true if done >= BY_PAGE => ["SET LOCAL enable_indexscan = off", "SET LOCAL enable_indexscan = on"],
                    true => ["", ""],
                };
                let rows = if before.is_empty() {
                    session.rows(&sql).await?
                } else {
                    session.script(&[before, &sql, behind]).await?.swap_remove(1).rows
                };
                census.add(&mut counts, action, of, &rows);
            }
        }
        for aside in &census.asides {
            let n = match &aside.sql {
                Some(sql) => session.rows(sql).await?.first().and_then(|r| r.first()?.as_deref()?.parse().ok()).unwrap_or(0),
                None => 0,
            };
            let figures = &mut counts.purposes[aside.purpose].1;
            match aside.kind {
                AsideKind::KeptWhile => figures.kept_while = n,
                AsideKind::Undated => figures.undated = Some(n),
            }
        }
        all.push((census.data_set.clone(), counts));
    }
    Ok(all)
}
