//! Taking the censuses of a plan.

use super::error::EnforceError;
use crate::plan::census::Counts;
use crate::plan::compile::Plan;
use crate::source::Session;

/// The figures of every root data set of the plan, in its order. Reads only.
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
