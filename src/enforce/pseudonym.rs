//! The key of pseudonyms: it is drawn and stays in the source's database, so that what can be known here is only whether it is there.

use super::error::EnforceError;
use crate::plan::compile::Plan;
use crate::plan::dialect::Dialect;
use crate::plan::resolve::Resolved;
use crate::policy::located::Faults;
use crate::policy::map::DataSet;
use crate::source::{Class, Session, Source};

/// Notes at each pseudonym that there is no key. Where the table cannot be read, the privileges say so.
///
/// # Errors
/// [`EnforceError::Source`] when the connection is lost.
pub(super) async fn check(
    source: &Source,
    plan: &Plan,
    resolved: &Resolved<'_>,
    faults: &mut Faults,
) -> Result<(), EnforceError> {
    if plan.pseudonyms.is_empty() {
        return Ok(());
    }
    let written = |data: &str, column: &str| plan.pseudonyms.iter().any(|(d, c)| d == data && c == column);
    let masks = |data: &'_ DataSet| {
        data.pseudonyms().filter(|c| written(&data.id, &c.name)).map(|c| c.mask.at.clone()).collect::<Vec<_>>()
    };
    let mut session = source.session().await?;
    match is_there(&mut session, resolved.dialect).await {
        Ok(there) => {
            session.done().await?;
            for at in resolved.map.data_sets.iter().flat_map(masks).filter(|_| !there) {
                faults
                    .error(&at, "the source's database has no key for pseudonyms")
                    .expected("the key that the script of `retentiond setup` draws, or that of a backup: a new one gives equal values other pseudonyms");
            }
            Ok(())
        }
        Err(EnforceError::Source(e)) if matches!(e.class(), Class::Privilege | Class::Fatal) => {
            session.discard().await;
            Ok(())
        }
        Err(e) => Err(e),
    }
}

/// Refuses a run that would need a key that is not there: its statements would fail, one batch after the other.
///
/// # Errors
/// [`EnforceError::NoPseudonymKey`]; [`EnforceError::Source`], also when the table may not be read.
pub(super) async fn require(source: &Source, plan: &Plan) -> Result<(), EnforceError> {
    if plan.pseudonyms.is_empty() {
        return Ok(());
    }
    let mut session = source.session().await?;
    match is_there(&mut session, plan.dialect).await {
        Ok(true) => Ok(session.done().await?),
        Ok(false) => Err(EnforceError::NoPseudonymKey),
        // No such table: the script was printed for a map without pseudonyms.
        Err(EnforceError::Source(e)) if matches!(e.code(), Some("42P01" | "1146")) => Err(EnforceError::NoPseudonymKey),
        Err(e) => Err(e),
    }
}

async fn is_there(session: &mut Session, d: Dialect) -> Result<bool, EnforceError> {
    let rows = session.rows(&d.count_pseudonym_keys()).await?;
    Ok(rows.first().and_then(|r| r.first()?.as_deref()) == Some("1"))
}
