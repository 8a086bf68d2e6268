//! Whether a source can be enforced as map and policies say, before anything runs.

use chrono::{DateTime, Utc};

use super::error::EnforceError;
use super::prepare::moment;
use super::{grants, probe, pseudonym, surroundings};
use crate::plan::check::Inspection;
use crate::plan::compile::{Moment, Plan, compile};
use crate::plan::probe::probes;
use crate::plan::resolve::Resolved;
use crate::plan::schema::Schema;
use crate::plan::terms::PeriodsInUse;
use crate::policy::located::Faults;
use crate::policy::map::DataMap;
use crate::policy::purpose::Policy;
use crate::source::setup::TableGrant;
use crate::source::{Class, Source, Surroundings};

/// What a check found out on its way.
#[derive(Debug)]
pub struct Checked {
    /// The live schema.
    pub schema: Schema,
    /// Server, role and privileges.
    pub surroundings: Surroundings,
    /// The plan; `None` when map and schema do not fit. It is for looking at: its hash covers no documents.
    pub plan: Option<Plan>,
    /// What the enforcer's role needs on the customer's tables.
    pub grants: Vec<TableGrant>,
}

/// Compares map and policies with the live database and notes whatever would fail or surprise: names and types first, and, where they fit, the
/// surroundings, the role's privileges, cascades, triggers, races, indexes and what nobody declared. With `trial` the masks are then tried on a few
/// rows of each table, in a transaction that is rolled back; not when an error is known already, because a trigger that nobody reviewed could do anything.
///
/// # Errors
/// [`EnforceError::Source`] when the database cannot be read.
pub async fn check(
    source: &Source,
    map: &DataMap,
    policies: &[Policy],
    now: DateTime<Utc>,
    trial: bool,
    faults: &mut Faults,
) -> Result<Checked, EnforceError> {
    let schema = source.introspect().await?;
    let resolved = Resolved::new(map, &schema);
    resolved.check(faults);
    let fits = !faults.any_error();
    let found = source.surroundings().await?;
    surroundings::judge(source.engine(), &found, &map.source.at, faults);
    if !fits {
        return Ok(Checked { schema, surroundings: found, plan: None, grants: Vec::new() });
    }
    let moment = read_moment(source, &resolved, now).await?;
    let plan = compile(map, policies, &schema, &moment, &[]);
    let needed = grants::grants(&plan, &resolved);
    grants::judge(&needed, &resolved, &found, faults);
    pseudonym::check(source, &plan, &resolved, faults).await?;
    Inspection { resolved, policies, plan: &plan, sees_triggers: found.sees_triggers }.inspect(faults);
    if trial && !faults.any_error() {
        probe::probe(source, &probes(&plan, &resolved), faults).await?;
    }
    Ok(Checked { surroundings: found, plan: Some(plan), grants: needed, schema })
}

/// What the plan needs of the data. Where it may not be read, or our tables are not there yet, the plan stands without it: the privileges say why.
async fn read_moment(source: &Source, resolved: &Resolved<'_>, now: DateTime<Utc>) -> Result<Moment, EnforceError> {
    let mut session = source.session().await?;
    match moment(&mut session, resolved, now).await {
        Ok(moment) => {
            session.done().await?;
            Ok(moment)
        }
        Err(EnforceError::Source(e)) if matches!(e.class(), Class::Privilege | Class::Fatal) => {
            session.discard().await;
            Ok(Moment { now, periods: PeriodsInUse::new(), orders: true, asker: "check".to_owned() })
        }
        Err(e) => Err(e),
    }
}
