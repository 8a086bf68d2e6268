//! Taking the censuses of a plan.

use super::error::EnforceError;
use crate::plan::action::Action;
use crate::plan::census::Counts;
use crate::plan::compile::Plan;
use crate::plan::due::{AsideKind, DueCounts, Of};
use crate::source::Session;

/// The figures of every root data set of the plan, in its order. Reads only, and whole tables.
///
/// # Errors
/// [`EnforceError::Source`].
pub async fn take(session: &mut Session, plan: &Plan) -> Result<Vec<(String, Counts)>, EnforceError> {
    let mut all = Vec::new();
    for census in &plan.censuses {
        let rows = session.rows(&census.sql).await?;
        all.push((census.data_set.clone(), census.read(&rows)));
    }
    Ok(all)
}

/// What is due, in every root data set of the plan, in its order. Reads only, by the indexes that find what is due.
///
/// # Errors
/// [`EnforceError::Source`].
pub async fn due(session: &mut Session, plan: &Plan, orders: bool) -> Result<Vec<(String, DueCounts)>, EnforceError> {
    let mut all = Vec::new();
    for census in &plan.due {
        let mut counts = census.nothing();
        let actions: Vec<&Action> = plan.actions.iter().filter(|a| a.data_set == census.data_set).collect();
        // Without an order, nothing is held.
        for of in [Some(Of::Due), orders.then_some(Of::Held)].into_iter().flatten() {
            for (n, action) in actions.iter().enumerate().filter(|(_, a)| of == Of::Due || !a.held.is_false()) {
                let rows = session.rows(&census.count(plan.dialect, action, of, orders, &actions[..n])).await?;
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
