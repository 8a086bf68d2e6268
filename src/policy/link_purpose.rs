//! What purposes say of their data sets: names are declared there, and what they say together makes sense.

use std::collections::BTreeSet;

use super::elsewhere::there;
use super::link::needs_category;
use super::located::{Faults, Located};
use super::map::{DataMap, DataSet, Event, Missing, PersonalColumn};
use super::mask::Mask;
use super::period::Period;
use super::purpose::{Cap, Needs, Place, Purpose, When};
use super::read_policy::PURPOSES;
use super::start::Start;
use super::{link_archive, link_elsewhere};

/// Checks one purpose against the map of its source.
pub(super) fn check(purpose: &Purpose, maps: &[DataMap], faults: &mut Faults) {
    let name = &purpose.data;
    let Some(map) = maps.iter().find(|m| m.source.value == name.source) else {
        faults.spoil(PURPOSES);
        faults
            .error(&name.at, format!("unknown source `{}`", name.source))
            .nearest(&name.source, maps.iter().map(|m| m.source.as_str()));
        return;
    };
    let Some(data) = map.data_set(&name.data_set) else {
        faults.spoil(PURPOSES);
        if faults.is_spoiled(&name.data_set) {
            return;
        }
        faults
            .error(&name.at, format!("unknown data set `{}`", name.data_set))
            .nearest(&name.data_set, map.data_sets.iter().map(|d| d.id.as_str()));
        return;
    };
    if map.root_of(data).id != data.id {
        faults.spoil(PURPOSES);
        if faults.is_spoiled(&data.id) {
            return;
        }
        faults
            .error(&name.at, format!("data set `{}` follows `{}` and has no purposes of its own", data.id, map.root_of(data).id))
            .expected(format!("data = \"{}.{}\"", name.source, map.root_of(data).id));
        return;
    }
    for when in [&purpose.when, &purpose.kept_while, &purpose.ends_when].into_iter().flatten() {
        check_when(when, data, faults);
    }
    if let Some(start) = &purpose.starts {
        check_start(start, purpose.keeps.as_ref(), false, data, faults);
    }
    for cap in &purpose.at_most {
        match cap {
            Cap::Start(start, keeps) => check_start(start, Some(keeps), true, data, faults),
            Cap::Named(n) => {
                if data.period(n).is_some() {
                    if purpose.starts.is_none() && !faults.is_spoiled(&purpose.id) {
                        faults
                            .error(&n.at, format!("per-record period `{n}` has nothing to count from"))
                            .expected("`starts` in this purpose");
                    }
                } else if data.date_title(n).is_none() && !faults.is_spoiled(n) {
                    let known = data.periods.iter().map(|p| p.name.as_str()).chain(data.date_names());
                    faults.error(&n.at, format!("unknown period or date `{n}`")).nearest(n, known);
                }
            }
        }
    }
    check_needs(purpose, map, data, maps, faults);
    match &purpose.kept_in {
        Place::ActiveBase => {}
        Place::Archive(archive) => {
            link_archive::check(purpose, archive, faults);
            link_archive::check_given(purpose, data, faults);
        }
        Place::Copy(copy) => link_archive::check_copy(purpose, copy, data, faults),
    }
    check_floors(purpose, data, faults);
}

/// A floor moves a start backward: allowed once this purpose has ended, so it must be among those that need the column.
fn check_floors(purpose: &Purpose, data: &DataSet, faults: &mut Faults) {
    let starts = purpose.starts.iter().chain(purpose.at_most.iter().filter_map(|cap| match cap {
        Cap::Start(start, _) => Some(start),
        Cap::Named(_) => None,
    }));
    let named = purpose.at_most.iter().filter_map(|cap| match cap {
        Cap::Named(name) => Some(name),
        Cap::Start(..) => None,
    });
    let mut events: Vec<&Event> = starts.flat_map(|s| &s.events).chain(named).filter_map(|name| data.event(name)).collect();
    // What dates a record in the place of an event that does not is a start as well.
    let mut at = 0;
    while let Some(event) = events.get(at) {
        let other = event.otherwise.as_deref().and_then(|name| data.event(name));
        events.extend(other.filter(|other| !events.iter().any(|known| known.name.value == other.name.value)));
        at += 1;
    }
    for event in events.into_iter().filter(|e| e.of.is_none()) {
        for category in &data.categories {
            let floored = |c: &&PersonalColumn| c.name.value == event.column.value && matches!(c.mask.value, Mask::DateFloor(_));
            for column in category.columns.iter().filter(floored) {
                if !needs_category(purpose, &category.name) {
                    faults
                        .error(
                            &purpose.id.at,
                            format!("purpose `{}` starts from column `{}` without needing it", purpose.id, column.name),
                        )
                        .expected(format!(
                            "`{}` among its `needs`: masking the column would move the start while the purpose still keeps",
                            category.name
                        ));
                }
            }
        }
    }
}

fn check_when(when: &When, data: &DataSet, faults: &mut Faults) {
    match when {
        When::Condition(name) if data.condition(name).is_none() && !faults.is_spoiled(name) => {
            faults
                .error(&name.at, format!("unknown condition `{name}`"))
                .nearest(name, data.conditions.iter().map(|c| c.name.as_str()));
        }
        When::Condition(_) => {}
        When::Not(inner) => check_when(inner, data, faults),
        When::All(all) | When::Any(all) => all.iter().for_each(|w| check_when(w, data, faults)),
    }
}

/// `cap` says that it is the start of a cap: without a date that is none.
fn check_start(start: &Start, keeps: Option<&Located<Period>>, cap: bool, data: &DataSet, faults: &mut Faults) {
    let mut seen = BTreeSet::new();
    for name in &start.events {
        if !seen.insert(name.as_str()) {
            faults.error(&name.at, format!("event `{name}` is listed twice"));
        }
        match data.event(name) {
            None if faults.is_spoiled(name) || data.given(name).is_some() => {}
            None => {
                faults.error(&name.at, format!("unknown event `{name}`")).nearest(name, data.date_names());
            }
            Some(event) if !cap && start.events.len() == 1 && event.missing == Missing::Ignore && event.of.is_none() => {
                faults.warning(
                    &name.at,
                    format!("`{name}` is the only start and ignores a missing date: such records are undated"),
                );
            }
            Some(_) => {}
        }
    }
    if let (Some(Period::Hours(_)), Some(_), Some(k)) = (keeps.map(|k| k.value), start.end_of, keeps) {
        faults.error(&k.at, "hours after a rounded day").expected("days, weeks, months or years with `end_of`");
    }
}

fn check_needs(purpose: &Purpose, map: &DataMap, data: &DataSet, maps: &[DataMap], faults: &mut Faults) {
    let (Needs::These(list) | Needs::AllBut(list)) = &purpose.needs.value else { return };
    let own: BTreeSet<&str> = map.record_of(data).iter().flat_map(|d| d.categories.iter()).map(|c| c.name.as_str()).collect();
    let mut seen = BTreeSet::new();
    for need in list {
        if !seen.insert(need.as_str()) {
            faults.error(&need.at, format!("category `{need}` is listed twice"));
        }
        if there(need).is_some() {
            link_elsewhere::check(purpose, need, data, maps, faults);
        } else if let Some((parent, category)) = need.split_once('.') {
            let target = data.parent.as_ref().filter(|p| p.data.value == parent).and_then(|p| map.data_set(&p.data));
            match target {
                None => {
                    faults
                        .error(&need.at, format!("`{parent}` is not the parent of `{}`", data.id))
                        .expected("\"category\" or \"parent.category\" of the direct parent");
                }
                Some(t) if t.category(category).is_none() && !faults.is_spoiled(category) => {
                    faults
                        .error(&need.at, format!("unknown category `{category}` of `{parent}`"))
                        .nearest(category, t.categories.iter().map(|c| c.name.as_str()));
                }
                Some(_) => {}
            }
        } else if !own.contains(need.as_str()) {
            if faults.is_spoiled(need) {
                continue;
            }
            faults.error(&need.at, format!("unknown category `{need}`")).nearest(need, own.iter().copied());
        } else if map.record_of(data).iter().filter_map(|d| d.category(need)).any(|c| c.never_stored)
            && matches!(purpose.needs.value, Needs::These(_))
        {
            faults.error(&need.at, format!("category `{need}` must never be stored, so no purpose can need it"));
        }
    }
}
