//! What differs between what the model says and what an engine has, in words.

use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};
use retentiond::enforce::{Documents, Expecting, Prepared, RunOutcome, take_census, take_due_census};
use retentiond::plan::compile::{Moment, compile};
use retentiond::policy::map::DataMap;
use retentiond::reference::{Reference, TableId, Value, World, masking};

use crate::enforcement::{Fixture, Rules};

/// A value of a random case, which is invented.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Integer(n) => n.to_string(),
        Value::Text(t) | Value::Json(t) | Value::Decimal(t) => format!("{t:?}"),
        Value::Date(d) => d.to_string(),
        other => format!("{other:?}"),
    }
}

/// What every run counts by its indexes must agree with what the full census counts row by row.
pub async fn censuses_differ(fixture: &Fixture<'_>, prepared: &Prepared) -> String {
    let mut session = fixture.source.session().await.unwrap();
    let full = take_census(&mut session, &prepared.plan).await.unwrap();
    session.done().await.unwrap();
    let due = take_due_census(&fixture.source, &prepared.plan, prepared.moment.orders, Expecting::Anything).await.unwrap();
    let mut report = String::new();
    for ((data_set, all), (_, now)) in full.iter().zip(&due) {
        let ends_otherwise = |id: &str| id.ends_with(".delete") || id.ends_with(".empty");
        for (counted, (id, n)) in all.actions.iter().zip(&now.actions) {
            // The full census tells the end of the run of what only waits for rows that go in it.
            if counted != &(id.clone(), *n) && !ends_otherwise(id) {
                let _ = writeln!(report, "census {counted:?}, due census {n}");
            }
        }
        let same = all.actions == now.actions;
        for ((id, all), (_, now)) in all.purposes.iter().zip(&now.purposes) {
            let due = same && (all.due, all.oldest_due_start) != (now.due, now.oldest_due_start);
            let more = now.held > all.held || now.kept_while > all.kept_while || now.undated.is_some_and(|n| n > all.undated);
            if due || more {
                let _ = writeln!(report, "{data_set} {id}: census {all:?}, due census {now:?}");
            }
        }
    }
    report
}

/// A statement that grows with every way in which data sets depend on each other ends as one that takes a server's memory.
const LONGEST: usize = 800_000;

pub fn too_long(prepared: &Prepared) -> String {
    let plan = &prepared.plan;
    let mut report = String::new();
    let censuses = plan.censuses.iter().map(|c| (format!("{}.census", c.data_set), c.sql.len()));
    for (what, length) in censuses.chain(plan.actions.iter().map(|a| (a.id.clone(), a.predicate.render().len()))) {
        if length > LONGEST {
            let _ = writeln!(report, "{what} takes {length} bytes to ask");
        }
    }
    report
}

/// What became of a row that only one of the worlds has.
fn fate(map: &DataMap, stored: &World, table: &TableId, key: &[Value]) -> &'static str {
    let TableId::DataSet(id) = table else { return "is there or gone" };
    match (stored.data_set(id).is_some_and(|t| t.rows.contains_key(key)), masked(map, stored, id, key)) {
        (false, _) => "is gone",
        (true, true) => "is left, masked",
        (true, false) => "is left, not masked",
    }
}

fn masked(map: &DataMap, world: &World, id: &str, key: &[Value]) -> bool {
    let personal = map.data_set(id).into_iter().flat_map(|d| &d.categories).flat_map(|c| &c.columns);
    personal.into_iter().all(|c| world.value(id, key, &c.name).is_some_and(|v| masking::is_done(v, &c.mask)))
}

/// Nothing is left but what waits for its copy.
pub fn left_over(outcome: &RunOutcome) -> String {
    let left = outcome.actions.iter().filter(|a| a.failed + a.busy + a.too_large > 0 || a.due_after > a.no_copy);
    left.map(|a| format!("left over: {a:?}\n")).collect()
}

/// What is stored must be what the model leaves of what was there before.
pub fn worlds_differ(reference: &Reference<'_>, before: &World, expected: &World, stored: &World) -> String {
    let mut report = String::new();
    for (table, key, column) in expected.differences(stored) {
        let names: Vec<String> = key.iter().map(shown).collect();
        let what = column.as_deref().unwrap_or_else(|| fate(reference.map, stored, &table, &key));
        let _ = writeln!(report, "{table:?} {names:?} {what}");
        if let (TableId::DataSet(id), true) = (&table, std::env::var("RETENTIOND_CASES").is_ok_and(|cases| cases == "1")) {
            let column = column.unwrap_or_default();
            let texts = |world: &World| world.value(id, &key, &column).map(shown);
            if let Some(decision) = reference.decide(before, id, &key) {
                let states: Vec<String> = decision.states.iter().map(|s| format!("{} {:?}", s.purpose.id, s.state)).collect();
                let fates: Vec<String> =
                    decision.fields.iter().map(|f| format!("{}.{} {:?}", f.data_set, f.column, f.fate)).collect();
                let _ = writeln!(report, "  {:?}\n  {states:?}\n  {fates:?}", decision.outcome);
            }
            let _ = writeln!(report, "  was {:?}, expected {:?}, is {:?}", texts(before), texts(expected), texts(stored));
        }
    }
    report
}

/// A plan's hash is the same at every second of its day, whether an order stands, and whoever asks.
pub fn hash_differs(prepared: &Prepared, rules: &Rules) -> String {
    let day = |at: DateTime<Utc>| rules.policies.iter().map(|p| at.with_timezone(&p.time_zone).date_naive()).collect::<Vec<_>>();
    let now = prepared.moment.now;
    let others = [now - TimeDelta::seconds(1), now + TimeDelta::seconds(1)].into_iter().filter(|at| day(*at) == day(now));
    let mut report = String::new();
    for at in others {
        let orders = !prepared.moment.orders;
        let moment = Moment { now: at, orders, asker: "0123456789abcdef".repeat(2), ..prepared.moment.clone() };
        let Documents { policy, map } = &rules.documents;
        if compile(&rules.map, &rules.policies, &prepared.schema, &moment, &[policy, map]).hash != prepared.plan.hash {
            let _ = writeln!(report, "another hash at {at}");
        }
    }
    report
}
