//! What an archive purpose may say: once the record has left, nothing of it can be read any more.

use super::located::{Faults, Located};
use super::period::Period;
use super::purpose::{Cap, Needs, Purpose};

/// Checks a purpose that is kept in an archive: its end must be a day that is known when something moves.
pub(super) fn check(purpose: &Purpose, archive: &Located<String>, faults: &mut Faults) {
    if purpose.starts.is_none() || purpose.keeps.is_none() {
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
