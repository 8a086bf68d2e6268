//! From files and a live database to a plan.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::error::EnforceError;
use crate::journal::Id128;
use crate::plan::check::Inspection;
use crate::plan::compile::{Moment, Plan, compile};
use crate::plan::resolve::Resolved;
use crate::plan::schema::{Column, Schema};
use crate::plan::terms::PeriodsInUse;
use crate::policy::located::Faults;
use crate::policy::map::DataMap;
use crate::policy::purpose::{OrderKind, Policy, Purpose};
use crate::source::{Session, Source};

/// The texts that a run rests on, exactly as they were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Documents {
    /// All policies of the source, in the order of their ids, each after a line that names it.
    pub policy: String,
    /// The data map.
    pub map: String,
}

/// Joins policy files into one document, in the order of their ids.
#[must_use]
pub fn run_documents(map: &str, policies: &mut [(&str, &str)]) -> Documents {
    policies.sort_unstable();
    let policy = policies.iter().map(|(id, text)| format!("# policy {id}\n{text}")).collect::<Vec<_>>().join("\n");
    Documents { policy, map: map.to_owned() }
}

/// When an archive purpose ends.
#[derive(Debug, Clone)]
pub struct ArchiveTerms {
    /// The zone in which its policy counts days.
    pub zone: Tz,
    /// The orders that end it, beside an instruction, which ends everything.
    pub ended_by: Vec<OrderKind>,
}

/// A plan with everything that it was made from.
#[derive(Debug)]
pub struct Prepared {
    /// The live schema.
    pub schema: Schema,
    /// The plan.
    pub plan: Plan,
    /// The texts.
    pub documents: Documents,
    /// The instant and the facts about the source that the plan was made with.
    pub moment: Moment,
    /// The archive purposes of the source.
    pub archive_purposes: BTreeMap<String, ArchiveTerms>,
    /// The key columns of each root data set.
    pub keys: BTreeMap<String, Vec<Column>>,
}

impl Prepared {
    /// Reads the schema, checks map and policies against it, reads the per-record periods in use, compiles the plan, and refuses what no run may
    /// begin with (undeclared cascades and triggers, races, tables that cannot roll back). Writes nothing.
    ///
    /// Faults are left in `faults`; the plan is `None` when any of them is an error.
    ///
    /// # Errors
    /// [`EnforceError::Source`].
    pub async fn read(
        source: &Source,
        session: &mut Session,
        map: &DataMap,
        policies: &[Policy],
        documents: Documents,
        now: DateTime<Utc>,
        faults: &mut Faults,
    ) -> Result<Option<Self>, EnforceError> {
        let schema = source.introspect().await?;
        let resolved = Resolved::new(map, &schema);
        resolved.check(faults);
        if faults.any_error() {
            return Ok(None);
        }
        // Its last statement is the first about our own tables: without them the source was never set up.
        let moment = moment(session, &resolved, now).await.map_err(|e| match e {
            EnforceError::Source(e) if matches!(e.code(), Some("42P01" | "3F000" | "1146" | "1")) => EnforceError::NotSetUp,
            other => other,
        })?;
        let plan = compile(map, policies, &schema, &moment, &[&documents.policy, &documents.map]);
        // A trigger that the role cannot see is not called missing here; `check` knows what it sees.
        Inspection { resolved, policies, plan: &plan, sees_triggers: false }.hazards(faults);
        if faults.any_error() {
            return Ok(None);
        }
        let archived = policies.iter().flat_map(|policy| policy.purposes.iter().map(move |purpose| (purpose, policy.time_zone)));
        let archived = archived.filter(|(p, _)| p.archive().is_some() && p.data.source == map.source.value);
        let terms = |(p, zone): (&Purpose, Tz)| (p.id.value.clone(), ArchiveTerms { zone, ended_by: p.ended_by.clone() });
        let archive_purposes = archived.map(terms).collect();
        let roots = map.data_sets.iter().filter(|d| map.root_of(d).id == d.id);
        let keys = roots.map(|d| (d.id.value.clone(), resolved.key_columns(d))).collect();
        Ok(Some(Self { schema, plan, documents, moment, archive_purposes, keys }))
    }
}

/// What enters the plan from the database: the per-record periods in use, and whether any order stands.
pub(super) async fn moment(session: &mut Session, resolved: &Resolved<'_>, now: DateTime<Utc>) -> Result<Moment, EnforceError> {
    let d = resolved.dialect;
    let mut periods = PeriodsInUse::new();
    for data in &resolved.map.data_sets {
        for period in &data.periods {
            let Some(table) = resolved.table(data) else { continue };
            let rows = session.rows(&d.distinct_numbers(&table.name, &period.column, 1_000)).await?;
            let values = rows.iter().filter_map(|r| r.first()?.as_deref()?.parse().ok()).collect();
            periods.insert((data.id.value.clone(), period.name.value.clone()), values);
        }
    }
    let orders = session.rows(&d.count_orders(&resolved.map.source)).await?;
    let orders = orders.first().and_then(|r| r.first()?.as_deref()) != Some("0");
    if d.engine.is_mysql_family() {
        // What was read opened a transaction, and the server ends those that stand still while a large plan is made.
        session.rows("COMMIT").await?;
    }
    Ok(Moment { now, periods, orders, asker: Id128::random()?.to_string() })
}
