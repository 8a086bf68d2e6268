//! Needs that name categories of other sources: they are there, and the person whom the records of both are about is known on both sides for as long as
//! the purpose runs.

use super::elsewhere::{There, person, there};
use super::link::needs_category;
use super::located::{Faults, Located};
use super::map::{DataMap, DataSet};
use super::purpose::{Needs, Policy, Purpose};

/// Checks one need of a purpose of `data` that names a category of another source.
pub(super) fn check(purpose: &Purpose, need: &Located<String>, data: &DataSet, maps: &[DataMap], faults: &mut Faults) {
    let Some(There { source, data_set, category }) = there(need) else { return };
    if !purpose.is_active() || matches!(purpose.needs.value, Needs::AllBut(_)) {
        faults
            .error(&need.at, format!("purpose `{}` cannot say `{need}`, which lies in another source", purpose.id))
            .expected("such a need in a list, of a purpose of the active base");
        return;
    }
    if source == purpose.data.source {
        faults
            .error(&need.at, format!("`{need}` lies in the purpose's own source"))
            .expected("\"category\" or \"parent.category\" of the direct parent");
        return;
    }
    let Some(map) = maps.iter().find(|m| m.source.value == source) else {
        faults.error(&need.at, format!("unknown source `{source}`")).nearest(source, maps.iter().map(|m| m.source.as_str()));
        return;
    };
    let Some(other) = map.data_set(data_set) else {
        if !faults.is_spoiled(data_set) {
            let known = map.data_sets.iter().map(|d| d.id.as_str());
            faults.error(&need.at, format!("unknown data set `{data_set}` of `{source}`")).nearest(data_set, known);
        }
        return;
    };
    let Some(found) = other.category(category) else {
        if !faults.is_spoiled(category) {
            faults
                .error(&need.at, format!("unknown category `{category}` of `{source}.{data_set}`"))
                .nearest(category, other.categories.iter().map(|c| c.name.as_str()));
        }
        return;
    };
    if found.never_stored {
        faults.error(&need.at, format!("category `{category}` must never be stored, so no purpose can need it"));
    }
    if map.root_of(other).id != other.id {
        faults
            .error(&need.at, format!("data set `{data_set}` of `{source}` follows another"))
            .expected("a data set that follows none: a person is named there");
        return;
    }
    check_person(purpose, need, [data, other], source, faults);
}

/// Whether one person, and no more than one, is named in both, in columns that stay for as long as the purpose runs.
fn check_person(purpose: &Purpose, need: &Located<String>, [data, other]: [&DataSet; 2], source: &str, faults: &mut Faults) {
    let Some(there) = person(other) else {
        faults.error(&need.at, format!("data set `{}` of `{source}` does not name exactly one person", other.id)).expected(
            format!("subjects = {{ person = \"column\" }} in [data.{}] there: of whom is `{}` to be asked?", other.id, data.id),
        );
        return;
    };
    let Some(here) = data.subjects.iter().find(|s| s.subject == there.subject) else {
        faults
            .error(
                &need.at,
                format!("data set `{}` does not name the person `{}` of `{source}.{}`", data.id, there.subject, other.id),
            )
            .expected(format!("subjects = {{ {} = \"column\" }} in [data.{}]", there.subject, data.id));
        return;
    };
    let masked = |d: &DataSet, column: &str| {
        let of = d.categories.iter().find(|c| c.columns.iter().any(|c| c.name.value == column));
        of.map(|c| c.name.value.clone())
    };
    let needs_there = |category: &str| {
        purpose.needs_elsewhere().any(|n| n.source == source && n.data_set == other.id.value && n.category == category)
    };
    for (side, lost) in [
        (other, masked(other, &there.column).filter(|c| !needs_there(c))),
        (data, masked(data, &here.column).filter(|c| !needs_category(purpose, c))),
    ] {
        if let Some(category) = lost {
            let name = if side.id == other.id { format!("{source}.{}.{category}", other.id) } else { category.clone() };
            faults
                .error(
                    &need.at,
                    format!(
                        "category `{category}` of `{}` has the column by which the person is known, and may go while `{}` runs",
                        side.id, purpose.id
                    ),
                )
                .expected(format!("\"{name}\" among its `needs`, or a column that is not masked"));
        }
    }
}

/// Refuses a recovery window on a data set of which another source keeps something: it would count the days from an end that is not the last.
pub(super) fn check_windows(policies: &[Policy], faults: &mut Faults) {
    for window in policies.iter().flat_map(|p| &p.windows) {
        let name = &window.data;
        for needing in super::elsewhere::needing(policies, &name.source, &name.data_set) {
            faults
                .error(
                    &name.at,
                    format!(
                        "data set `{}` has a recovery window, and purpose `{}` of another source keeps fields of it",
                        name.data_set, needing.purpose.id
                    ),
                )
                .expected("one of both: the window counts from the end of the purposes of its own source");
        }
    }
}
