//! Trying the masks on the newest few rows of each table, triggers on, and rolling back.
//!
//! Nothing stays: the transaction is rolled back whatever happens, so it takes no slot of the fence and writes neither ledger nor journal. It holds the
//! locks of at most three rows (five, where a UNIQUE is tried) for a few statements, waits for no lock longer than a batch would, and gives up when the
//! application holds one. What a trigger does outside the transaction (a sequence, a message to another system, a table that cannot roll back) does
//! happen: whoever minds leaves the probe out.

use super::error::EnforceError;
use super::fence;
use super::keys::keys_of;
use crate::plan::dialect::Dialect;
use crate::plan::key::RecordKey;
use crate::plan::probe::{Probe, ProbeMask};
use crate::policy::located::Faults;
use crate::policy::reader::shown;
use crate::source::{Class, Row, Session, Source, SourceError};

/// How many rows are tried at once.
const ROWS: u32 = 3;

/// Tries all masks; what fails is noted at the mask.
///
/// # Errors
/// [`EnforceError::Source`] when the connection is lost or a row cannot be named.
pub(super) async fn probe(source: &Source, probes: &[Probe], faults: &mut Faults) -> Result<(), EnforceError> {
    for probe in probes {
        one(source, probe, faults).await?;
    }
    Ok(())
}

async fn one(source: &Source, probe: &Probe, faults: &mut Faults) -> Result<(), EnforceError> {
    let d = Dialect { engine: source.engine() };
    let keys = match pick(source, d, probe).await {
        Ok(keys) => keys,
        Err(EnforceError::Source(e)) => return refused(e, probe, faults),
        Err(e) => return Err(e),
    };
    if keys.is_empty() {
        faults
            .warning(&probe.at, format!("the masks of `{}` could not be tried: its table is empty", probe.data_set))
            .help("run `retentiond check` again once there are rows");
        return Ok(());
    }
    match attempt(source, d, probe, &keys, None, faults).await {
        Ok(()) => Ok(()),
        Err(e) if matches!(e.class(), Class::Row) => blame(source, d, probe, &keys, e, faults).await,
        Err(e) => refused(e, probe, faults),
    }
}

/// Errors that do not speak about a mask.
fn refused(error: SourceError, probe: &Probe, faults: &mut Faults) -> Result<(), EnforceError> {
    match error.class() {
        Class::Retry => {
            faults
                .warning(
                    &probe.at,
                    format!("the masks of `{}` could not be tried: the application holds their rows ({error})", probe.data_set),
                )
                .help("run `retentiond check` again");
            Ok(())
        }
        Class::Privilege | Class::Fatal | Class::Row if error.code().is_some() => {
            faults.error(&probe.at, format!("the masks of `{}` cannot be applied: {error}", probe.data_set));
            Ok(())
        }
        _ => Err(error.into()),
    }
}

/// The rows to try: the newest with something to mask, or simply the newest; and pairs that a UNIQUE would refuse.
async fn pick(source: &Source, d: Dialect, probe: &Probe) -> Result<Vec<RecordKey>, EnforceError> {
    let mut session = source.session().await?;
    let mut rows = session.rows(&probe.find(d, false, ROWS)).await?;
    if rows.is_empty() {
        rows = session.rows(&probe.find(d, true, ROWS)).await?;
    }
    for pair in probe.find_colliding(d) {
        for row in session.rows(&pair).await? {
            let (one, two) = row.split_at(probe.key.len());
            rows.extend([one.to_vec(), two.to_vec()]);
        }
    }
    session.done().await?;
    let mut keys = keys_of(d, &probe.key, &rows)?;
    keys.sort();
    keys.dedup();
    Ok(keys)
}

/// One transaction: apply twice, look whether anything is left to do or any date moved, roll back.
async fn attempt(
    source: &Source,
    d: Dialect,
    probe: &Probe,
    keys: &[RecordKey],
    only: Option<&ProbeMask>,
    faults: &mut Faults,
) -> Result<(), SourceError> {
    let mut session = source.session().await?;
    let ended = match fence::ready(&mut session).await {
        Ok(()) => trial(&mut session, d, probe, keys, only).await,
        Err(EnforceError::Source(e)) => Err(e),
        Err(_) => Err(SourceError::Spent),
    };
    // The connection goes with the transaction: nothing can commit it by accident.
    session.discard().await;
    let found = ended?;
    if only.is_none() {
        for (mask, left) in probe.masks.iter().zip(&found.left) {
            if *left {
                faults
                    .error(
                        &mask.at,
                        format!("masking column `{}` ({}) leaves it to be masked again", shown(&mask.column), mask.category),
                    )
                    .expected("a mask whose value the column keeps: a trigger, a type or a collation changes it");
            }
        }
        for column in &found.moved {
            faults
                .error(
                    &probe.at,
                    format!(
                        "masking `{}` moves its start `{}`: every masked row would start anew",
                        probe.data_set,
                        shown(column)
                    ),
                )
                .expected("a start that no trigger touches, a fact about the person or contract");
        }
    }
    Ok(())
}

/// What a trial showed.
#[derive(Default)]
struct Found {
    left: Vec<bool>,
    moved: Vec<String>,
}

async fn trial(
    session: &mut Session,
    d: Dialect,
    probe: &Probe,
    keys: &[RecordKey],
    only: Option<&ProbeMask>,
) -> Result<Found, SourceError> {
    session.script(&d.begin()).await?;
    let apply = only.map_or_else(|| probe.apply(d, keys), |mask| probe.apply_one(d, keys, mask));
    let dates = probe.read_dates(d, keys);
    let before = read(session, dates.as_deref()).await?;
    let mut found = Found { left: vec![false; probe.masks.len()], moved: Vec::new() };
    for _ in 0..2 {
        session.execute(&apply).await?;
        if let Some(now) = d.constraints_now() {
            session.rows(now).await?;
        }
        for row in session.rows(&probe.left(d, keys)).await? {
            for (left, figure) in found.left.iter_mut().zip(row) {
                *left |= figure.as_deref() != Some("0");
            }
        }
    }
    let after = read(session, dates.as_deref()).await?;
    for (i, column) in probe.dates.iter().enumerate() {
        let values = |rows: &[Row]| rows.iter().map(|r| r.get(i).cloned().flatten()).collect::<Vec<_>>();
        if values(&before) != values(&after) {
            found.moved.push(column.clone());
        }
    }
    session.rows("ROLLBACK").await?;
    Ok(found)
}

async fn read(session: &mut Session, sql: Option<&str>) -> Result<Vec<Row>, SourceError> {
    match sql {
        Some(sql) => session.rows(sql).await,
        None => Ok(Vec::new()),
    }
}

/// Tries each mask alone, to say which of them the database refuses.
async fn blame(
    source: &Source,
    d: Dialect,
    probe: &Probe,
    keys: &[RecordKey],
    error: SourceError,
    faults: &mut Faults,
) -> Result<(), EnforceError> {
    let mut any = false;
    for mask in &probe.masks {
        match attempt(source, d, probe, keys, Some(mask), faults).await {
            Err(e) if e.class() == Class::Row => {
                any = true;
                faults
                    .error(
                        &mask.at,
                        format!(
                            "the database refuses the mask of column `{}` ({}) in `{}`: {e}",
                            shown(&mask.column),
                            mask.category,
                            probe.data_set
                        ),
                    )
                    .expected("a mask that every constraint and trigger of the table accepts");
            }
            Ok(()) => {}
            Err(e) => refused(e, probe, faults)?,
        }
    }
    if !any {
        faults
            .error(&probe.at, format!("the database refuses the masks of `{}` together: {error}", probe.data_set))
            .expected("masks that every constraint and trigger of the table accepts");
    }
    Ok(())
}
