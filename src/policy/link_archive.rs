//! What an archive purpose may say: once the record has left, nothing of it can be read any more. And what a purpose may say that is kept by a copy.

use super::located::{Faults, Located};
use super::map::{DataMap, DataSet};
use super::period::Period;
use super::purpose::{Cap, Needs, Purpose};

/// Checks a purpose that is kept in an archive: its end must be a day that is known when something moves.
pub(super) fn check(purpose: &Purpose, archive: &Located<String>, faults: &mut Faults) {
    // One that is there and cannot be read was told already.
    if (purpose.starts.is_none() || purpose.keeps.is_none()) && !faults.is_spoiled(&purpose.id) {
        faults
            .error(&archive.at, format!("archive purpose `{}` does not say until when it keeps", purpose.id))
            .expected("`starts` and `keeps`: what moves into an archive is destroyed on a day that is known then");
    }
    for (key, condition) in [("kept_while", &purpose.kept_while), ("ends_when", &purpose.ends_when)] {
        if let Some(condition) = condition {
            faults
                .error(&condition.at, format!("archive purpose `{}` has `{key}`: nobody can ask an archived record", purpose.id))
                .expected(
                    "the condition in a purpose of the active base, which keeps the record there; a later dispute is a hold",
                );
        }
    }
    let caps = purpose.at_most.iter().filter_map(|cap| match cap {
        Cap::Start(_, period) => Some(period),
        Cap::Named(_) => None,
    });
    for period in purpose.keeps.iter().chain(caps).filter(|p| matches!(p.value, Period::Hours(_))) {
        faults
            .error(&period.at, format!("archive purpose `{}` counts hours", purpose.id))
            .expected("days, weeks, months or years: an archive is destroyed day by day");
    }
    if let Some(within) = &purpose.done_within {
        faults
            .error(&within.at, format!("archive purpose `{}` has `done_within`", purpose.id))
            .expected("no deadline: an archive is destroyed by the first run after its end, or that run says why not");
    }
    if purpose.then_delete {
        faults
            .error(&archive.at, format!("archive purpose `{}` has `then`", purpose.id))
            .expected("`then` in a purpose of the active base: what an archive keeps is destroyed in the end");
    }
    if let Needs::These(list) = &purpose.needs.value {
        for need in list.iter().filter(|n| n.contains('.')) {
            faults
                .error(&need.at, format!("archive purpose `{}` needs `{need}`, which is another record's", purpose.id))
                .expected("categories of its own record and of what follows it: they move together");
        }
    }
}

/// Refuses an archive purpose whose end a date of the whole tenant would say: once the record has left, nobody reads that date for it.
pub(super) fn check_given(purpose: &Purpose, data: &DataSet, faults: &mut Faults) {
    let starts = purpose.starts.iter().chain(purpose.at_most.iter().filter_map(|cap| match cap {
        Cap::Start(start, _) => Some(start),
        Cap::Named(_) => None,
    }));
    let named = purpose.at_most.iter().filter_map(|cap| match cap {
        Cap::Named(name) => Some(name),
        Cap::Start(..) => None,
    });
    for name in starts.flat_map(|start| &start.events).chain(named).filter(|name| data.given(name).is_some()) {
        faults
            .error(
                &name.at,
                format!("`{name}` is a date of the whole tenant, and purpose `{}` is kept in an archive", purpose.id),
            )
            .expected("an event of the record's own rows, or the active base");
    }
}

/// Checks a purpose that is kept by a copy elsewhere: it says which records need one, and nothing of how long that is kept.
pub(super) fn check_copy(purpose: &Purpose, copy: &Located<String>, data: &DataSet, faults: &mut Faults) {
    if !data.copies.iter().any(|c| c.name.value == copy.value) && !faults.is_spoiled(copy) {
        let known = data.copies.iter().map(|c| c.name.as_str());
        faults
            .error(&copy.at, format!("data set `{}` has no copy `{copy}`", data.id))
            .expected(format!("[data.{}.copies.{copy}] in the data map", data.id))
            .nearest(copy, known);
    }
    if purpose.needs.value != Needs::All {
        faults
            .error(&purpose.needs.at, format!("purpose `{}` is kept by a copy, and does not need everything", purpose.id))
            .expected("needs = \"all\": a record waits for its copy as a whole");
    }
    let caps = purpose.at_most.iter().map(|cap| match cap {
        Cap::Start(_, period) => &period.at,
        Cap::Named(name) => &name.at,
    });
    let said = [
        ("keeps", purpose.keeps.as_ref().map(|x| &x.at)),
        ("at_most", caps.into_iter().next()),
        ("kept_while", purpose.kept_while.as_ref().map(|x| &x.at)),
        ("ends_when", purpose.ends_when.as_ref().map(|x| &x.at)),
        ("done_within", purpose.done_within.as_ref().map(|x| &x.at)),
        ("then", purpose.then_delete.then_some(&copy.at)),
    ];
    for (key, at) in said.into_iter().filter_map(|(key, at)| Some((key, at?))) {
        faults
            .error(at, format!("purpose `{}` is kept by a copy, and has `{key}`", purpose.id))
            .expected("nothing of it: the purposes of the data set that holds the copy say how long");
    }
}

/// Checks that each copy lies in a data set of the maps, and not in its own.
pub(super) fn check_copies(maps: &[DataMap], faults: &mut Faults) {
    for (map, data) in maps.iter().flat_map(|map| map.data_sets.iter().map(move |data| (map, data))) {
        for copy in &data.copies {
            let of = &copy.of;
            let there = maps.iter().find(|m| m.source.value == of.source).and_then(|m| m.data_set(&of.data_set));
            if there.is_none() {
                let all = maps.iter().flat_map(|m| m.data_sets.iter().map(move |d| format!("{}.{}", m.source, d.id)));
                let all: Vec<String> = all.collect();
                faults
                    .error(&of.at, format!("copy `{}` lies in `{}`, which is no data set", copy.name, of.value))
                    .nearest(&of.value.to_string(), all.iter().map(String::as_str));
            } else if map.source.value == of.source && data.id.value == of.data_set {
                faults.error(&of.at, format!("data set `{}` is its own copy", data.id)).expected("another data set");
            }
        }
    }
}
