//! Cross-references: every name that a map or a policy uses is declared, and what they say together makes sense.
//! Needs no database.

use std::collections::{BTreeMap, BTreeSet};

use super::located::Faults;
use super::map::{DataMap, DataSet, DateFormat, Event, RelatedTo, Test};
use super::mask::Mask;
use super::purpose::{Needs, Policy, Purpose};
use super::read_policy::PURPOSES;
use super::{link_archive, link_elsewhere, link_purpose, link_recovery};

/// Checks the maps by themselves, then the policies against them.
pub fn link(maps: &[DataMap], policies: &[Policy], faults: &mut Faults) {
    let mut sources = BTreeSet::new();
    for map in maps {
        if !sources.insert(map.source.value.as_str()) {
            faults
                .error(&map.source.at, format!("source `{}` is declared twice", map.source))
                .expected("an id of its own for each source");
        }
        check_map(map, faults);
    }
    link_archive::check_copies(maps, faults);
    let mut ids: BTreeSet<(&str, &str)> = BTreeSet::new();
    for policy in policies {
        if !ids.insert(("policy", &policy.id)) {
            faults
                .error(&policy.id.at, format!("policy `{}` is declared twice", policy.id))
                .expected("an id of its own for each policy");
        }
        for purpose in policy.purposes.iter().filter(|p| !p.is_window()) {
            let again = !ids.insert((&purpose.data.source, &purpose.id));
            let first_here = policy.purposes.iter().find(|p| p.id == purpose.id).is_some_and(|p| p.id.at == purpose.id.at);
            if again && first_here {
                faults
                    .error(&purpose.id.at, format!("purpose `{}` is declared in two files for one source", purpose.id))
                    .expected("an id of its own for each purpose");
            }
            link_purpose::check(purpose, maps, faults);
        }
    }
    link_recovery::check(maps, policies, faults);
    link_elsewhere::check_windows(policies, faults);
    if !faults.is_spoiled(PURPOSES) {
        for map in maps {
            check_coverage(map, policies, faults);
        }
    }
}

fn check_map(map: &DataMap, faults: &mut Faults) {
    for data in &map.data_sets {
        super::link_files::check(data, faults);
        check_subjects(data, faults);
        if !has_parent(map, data, faults) {
            faults.spoil(&data.id);
        }
    }
    let mut tables: BTreeMap<(Option<&str>, &str), &str> = BTreeMap::new();
    for data in &map.data_sets {
        if let Some(other) = tables.insert((data.table.schema.as_deref(), &data.table.name), &data.id) {
            faults
                .error(&data.table.at, format!("data sets `{other}` and `{}` have the same table", data.id))
                .expected("one data set for each table: two would decide differently about one row");
        }
        check_columns(data, faults);
        check_events(map, data, faults);
        for condition in &data.conditions {
            if let Test::Some(related) | Test::No(related) = &condition.test {
                check_related(map, data, &related.to, faults);
            }
        }
    }
    for free in &map.free_of_personal_data {
        if let Some(data) = map.data_sets.iter().find(|d| d.table.value == free.value) {
            faults.error(&free.at, format!("the table of data set `{}` is also declared free of personal data", data.id));
        }
    }
}

/// Whether the parent that a data set names, if it names one, is there and leads to a root.
fn has_parent(map: &DataMap, data: &DataSet, faults: &mut Faults) -> bool {
    let Some(parent) = &data.parent else { return true };
    if map.data_set(&parent.data).is_none() {
        if faults.is_spoiled(&parent.data) {
            return false;
        }
        faults
            .error(&parent.data.at, format!("unknown data set `{}`", parent.data))
            .nearest(&parent.data, map.data_sets.iter().map(|d| d.id.as_str()));
        return false;
    }
    let mut seen = BTreeSet::from([data.id.as_str()]);
    let mut at = parent.data.value.as_str();
    while let Some(next) = map.data_set(at) {
        if !seen.insert(at) {
            faults
                .error(&parent.data.at, format!("data set `{}` belongs to itself in the end", data.id))
                .expected("a chain of parents that ends");
            return false;
        }
        match &next.parent {
            Some(p) => at = &p.data,
            None => break,
        }
    }
    true
}

/// Orders on a person are orders on records, which rows that follow one share.
fn check_subjects(data: &DataSet, faults: &mut Faults) {
    let follows = data.parent.as_ref().is_some_and(|p| p.follows);
    for subject in data.subjects.iter().filter(|_| follows) {
        faults
            .error(&subject.subject.at, format!("data set `{}` follows another and names a subject", data.id))
            .expected("the subject in the data set that it follows");
    }
}

/// Columns whose masking would move a record, break a join or a decision.
fn check_columns(data: &DataSet, faults: &mut Faults) {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    let fixed_roles: Vec<(&str, &str)> = data
        .key
        .iter()
        .map(|k| (k.as_str(), "the key"))
        .chain(data.parent.iter().flat_map(|p| p.on.iter().map(|(c, _)| (c.as_str(), "the join with its parent"))))
        .chain(data.tenant.iter().map(|t| (t.as_str(), "the tenant")))
        .chain(data.periods.iter().map(|p| (p.column.as_str(), "a per-record period")))
        .collect();
    for category in &data.categories {
        for column in &category.columns {
            if let Some(other) = seen.insert(&column.name, &category.name) {
                faults
                    .error(
                        &column.name.at,
                        format!("column `{}` is in categories `{other}` and `{}`", column.name, category.name),
                    )
                    .expected("one category for each column");
            }
            if let Some((_, role)) = fixed_roles.iter().find(|(c, _)| *c == column.name.value) {
                faults
                    .error(&column.name.at, format!("column `{}` is {role} and cannot be masked", column.name))
                    .expected("another column, or `plain`");
            }
            if data.plain.iter().any(|p| p.value == column.name.value) {
                faults.error(&column.name.at, format!("column `{}` is personal and also declared `plain`", column.name));
            }
            let in_condition = data.conditions.iter().any(|c| match &c.test {
                Test::Row(e) => reads(e, &column.name),
                _ => false,
            });
            if in_condition {
                faults
                    .error(&column.mask.at, format!("column `{}` is masked and read by a condition", column.name))
                    .expected("a condition over columns that stay: masking would change its answer");
            }
            let event = data.events.iter().find(|e| e.of.is_none() && e.column.value == column.name.value);
            if let (Some(event), false) = (event, matches!(column.mask.value, Mask::DateFloor(_))) {
                faults
                    .error(
                        &column.mask.at,
                        format!(
                            "column `{}` dates event `{}`: this mask would make done records undated",
                            column.name, event.name
                        ),
                    )
                    .expected("\"month\", \"year\" or \"decade\": a floor moves no start forward");
            } else if let Some((event, format)) = event.and_then(|e| Some((e, e.format.as_ref()?)))
                && matches!(format.value, DateFormat::CompactDate | DateFormat::IsoInstant)
            {
                faults
                    .error(
                        &column.mask.at,
                        format!(
                            "a floor leaves a text like `2020-01-01`, which is no date of the format \"{}\" of event `{}`",
                            format.value.word(),
                            event.name
                        ),
                    )
                    .expected("a column whose dates are written as `iso_date` or `iso_datetime`, or another one for the start");
            } else if let Some(event) = event {
                let message =
                    format!("floors of dates in 1970 and 1900 become sentinels: event `{}` is undated then", event.name);
                faults.warning(&column.mask.at, message);
            }
        }
    }
    let mut keys = BTreeSet::new();
    for key in &data.key {
        if !keys.insert(key.as_str()) {
            faults.error(&key.at, format!("column `{key}` stands in the key twice"));
        }
    }
}

fn reads(expr: &super::expression::Expr, column: &str) -> bool {
    let mut found = false;
    expr.columns(&mut |c| found |= c == column);
    found
}

fn check_events(map: &DataMap, data: &DataSet, faults: &mut Faults) {
    for given in data.given.iter().filter(|given| data.period(&given.name).is_some()) {
        faults.error(&given.name.at, format!("`{}` is an event and a per-record period", given.name)).expected("two names");
    }
    for event in &data.events {
        if data.period(&event.name).is_some() {
            faults.error(&event.name.at, format!("`{}` is an event and a per-record period", event.name)).expected("two names");
        }
        if let Some(of) = &event.of {
            check_related(map, data, &of.to, faults);
            if let RelatedTo::DataSet(id) = &of.to {
                check_masked_elsewhere(map, data, id, event, faults);
            }
        }
        let mut seen = BTreeSet::from([event.name.as_str()]);
        let mut at = event;
        while let Some(name) = &at.otherwise {
            let Some(next) = data.event(name) else {
                if faults.is_spoiled(name) {
                    break;
                }
                faults
                    .error(&name.at, format!("unknown event `{name}`"))
                    .nearest(name, data.events.iter().map(|e| e.name.as_str()));
                break;
            };
            if next.of.is_some() {
                faults
                    .error(&name.at, format!("`else` names `{name}`, which is an event of related rows"))
                    .expected("an event of the record's own columns");
                break;
            }
            if !seen.insert(&next.name) {
                faults.error(&name.at, "this chain of `else` never ends");
                break;
            }
            at = next;
        }
    }
}

/// A column that another data set's purposes start from must not be masked at all while they still run.
fn check_masked_elsewhere(map: &DataMap, data: &DataSet, related: &str, event: &Event, faults: &mut Faults) {
    let Some(other) = map.data_set(related) else { return };
    let same_record = map.root_of(other).id == map.root_of(data).id;
    for category in &other.categories {
        for column in &category.columns {
            let floor = matches!(column.mask.value, Mask::DateFloor(_));
            if column.name.value == event.column.value && !(same_record && floor) {
                faults
                    .error(
                        &column.mask.at,
                        format!(
                            "column `{}` dates event `{}` of data set `{}`: masking it would move that start",
                            column.name, event.name, data.id
                        ),
                    )
                    .expected("a column that stays");
            }
        }
    }
}

fn check_related(map: &DataMap, data: &DataSet, to: &RelatedTo, faults: &mut Faults) {
    let RelatedTo::DataSet(id) = to else { return };
    let Some(other) = map.data_set(id) else {
        if faults.is_spoiled(id) {
            return;
        }
        faults.error(&id.at, format!("unknown data set `{id}`")).nearest(id, map.data_sets.iter().map(|d| d.id.as_str()));
        return;
    };
    let child = other.parent.as_ref().is_some_and(|p| p.data == data.id);
    let parent = data.parent.as_ref().is_some_and(|p| p.data == other.id);
    if !child && !parent && !faults.is_spoiled(id) && !faults.is_spoiled(&data.id) {
        faults
            .error(&id.at, format!("data sets `{}` and `{id}` are not related", data.id))
            .expected("a direct parent or child, or { table = \"…\", on = { its_column = \"column of this data set\" } }");
    }
}

/// Every root data set has a purpose, and every category is needed by one, or the map says what happens to it.
fn check_coverage(map: &DataMap, policies: &[Policy], faults: &mut Faults) {
    let purposes: Vec<&Purpose> =
        policies.iter().flat_map(|p| &p.purposes).filter(|p| p.data.source == map.source.value).collect();
    for data in map.data_sets.iter().filter(|d| map.root_of(d).id == d.id) {
        let own: Vec<&&Purpose> = purposes.iter().filter(|p| p.data.data_set == data.id.value).collect();
        if own.is_empty() {
            if faults.is_spoiled(&data.id) {
                continue;
            }
            faults
                .error(&data.id.at, format!("no purpose covers data set `{}`", data.id))
                .expected("a [[purpose]] with this `data`, or `follows` a parent that has one");
            continue;
        }
        for member in map.record_of(data) {
            for category in member.categories.iter().filter(|c| !c.never_stored) {
                let needing = || own.iter().filter(|p| needs_category(p, &category.name));
                let by_own = needing().any(|p| p.is_active());
                let full = format!("{}.{}", data.id, category.name);
                let by_child = member.id == data.id
                    && purposes.iter().any(|p| {
                        matches!(&p.needs.value, Needs::These(list) if list.iter().any(|n| n.value == full))
                            && map.children_of(data).any(|c| c.id.value == p.data.data_set)
                    });
                if let (Some(archive), false, false) = (needing().find(|p| !p.is_active()), by_own, by_child) {
                    faults
                        .error(
                            &archive.needs.at,
                            format!(
                                "archive purposes alone need category `{}` of data set `{}`: it would never move",
                                category.name, member.id
                            ),
                        )
                        .expected("a purpose of the active base that needs it, too: its end is what moves the field");
                    continue;
                }
                if by_child && !by_own && !data.clear_uncovered {
                    faults
                        .warning(&category.name.at, format!("category `{}` is needed by child records only", category.name))
                        .help(
                            "once the last child is gone nothing covers it: `uncovered = \"clear\"` says that it then goes too",
                        );
                }
                if !by_own && !by_child && !data.clear_uncovered {
                    faults
                        .error(
                            &category.name.at,
                            format!("no purpose needs category `{}` of data set `{}`", category.name, member.id),
                        )
                        .expected("a purpose that needs it, or `uncovered = \"clear\"`, or `never_stored = true`");
                }
            }
        }
    }
}

/// Whether a purpose needs a category of its own record.
#[must_use]
pub fn needs_category(purpose: &Purpose, category: &str) -> bool {
    match &purpose.needs.value {
        Needs::All => true,
        Needs::AllBut(list) => !list.iter().any(|n| n.value == category),
        Needs::These(list) => list.iter().any(|n| n.value == category),
    }
}
