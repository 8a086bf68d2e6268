//! What a recovery window asks of its data set: that each period that ends there is long enough, ends on a day that is known before, and may end earlier
//! in the active base.

use super::located::{Faults, Located};
use super::map::{DataMap, DataSet};
use super::period::Period;
use super::purpose::{Cap, LegalBasis, Policy, Purpose, RecoveryWindow};
use super::recovery::{LONGEST_ID, fewest_days, needs_of_parent};
use super::start::Combine;

/// The shortest month: what lies in an object for longer cannot be erased within the time that Article 12(3) GDPR gives.
const ERASED_WITHIN: u32 = 28;

/// Checks all windows.
pub(super) fn check(maps: &[DataMap], policies: &[Policy], faults: &mut Faults) {
    let all = || policies.iter().flat_map(|p| p.windows.iter().map(move |w| (p, w)));
    for (n, (policy, window)) in all().enumerate() {
        let name = &window.data;
        if all().take(n).any(|(_, other)| other.data.value == name.value) {
            faults
                .error(&name.at, format!("data set `{}` has two recovery windows", name.value))
                .expected("one [[recovery]] for a data set");
            continue;
        }
        let elsewhere = policies.iter().filter(|p| p.id.at != policy.id.at).flat_map(|p| &p.purposes);
        if let Some(other) = elsewhere.filter(|p| p.data.value == name.value).find(|p| !p.is_window()) {
            faults
                .error(&name.at, format!("purpose `{}` of another policy keeps data set `{}`, too", other.id, name.value))
                .expected("all purposes of a data set with a recovery window in the policy that declares it");
        }
        let declared = policy.purposes.iter().filter(|p| p.data.value == name.value && !p.is_window());
        let active: Vec<&Purpose> = declared.filter(|p| p.is_active()).collect();
        if active.is_empty() && !faults.is_spoiled(super::read_policy::PURPOSES) {
            faults
                .error(&name.at, format!("no purpose of this policy keeps data set `{}` in the active base", name.value))
                .expected("a data set that the policy acts on: one that purposes name as their `data`");
        }
        for purpose in active {
            check_purpose(purpose, window, faults);
        }
        if let Some((map, data)) =
            maps.iter().find(|m| m.source.value == name.source).and_then(|m| Some((m, m.data_set(&name.data_set)?)))
        {
            check_data_set(map, data, policies, faults);
        }
        if window.days.value > ERASED_WITHIN {
            faults
                .warning(
                    &window.days.at,
                    format!("a recovery window of {} days is longer than a request for erasure may take", window.days.value),
                )
                .help("of an object that others share, only `archive erase` takes a record out: 28 days are within the month of Art. 12(3) GDPR");
        }
    }
}

fn check_data_set(map: &DataMap, data: &DataSet, policies: &[Policy], faults: &mut Faults) {
    let children = map.children_of(data).map(|c| c.id.value.clone()).collect::<Vec<_>>();
    let prefix = format!("{}.", data.id);
    for purpose in policies.iter().flat_map(|p| &p.purposes).filter(|p| p.data.source == map.source.value && !p.is_window()) {
        if !children.contains(&purpose.data.data_set) {
            continue;
        }
        for need in needs_of_parent(purpose).filter(|n| n.starts_with(&prefix)) {
            faults
                .error(&need.at, format!("purpose `{}` keeps `{need}` of a data set that has a recovery window", purpose.id))
                .expected(format!(
                    "a purpose of `{}` for it: what other records keep leaves when they end, without a recovery copy",
                    data.id
                ));
        }
    }
}

fn check_purpose(purpose: &Purpose, window: &RecoveryWindow, faults: &mut Faults) {
    let (id, days) = (&purpose.id, window.days.value);
    if purpose.legal_basis == LegalBasis::LegalObligation {
        faults
            .error(&id.at, format!("purpose `{id}` rests on a legal obligation, and its data set has a recovery window"))
            .expected(format!(
                "no [[recovery]] for `{}`: the window would end what the law demands {days} days early in the active base",
                window.data.value
            ));
    }
    if id.len() > LONGEST_ID {
        faults
            .error(&id.at, format!("the id of purpose `{id}` is too long for one with a recovery window"))
            .expected(format!("at most {LONGEST_ID} characters"));
    }
    if let Some(need) = needs_of_parent(purpose).next() {
        faults
            .error(&need.at, format!("purpose `{id}` has a recovery window and needs `{need}`, which is another record's"))
            .expected("categories of its own record and of what follows it: they are sealed together");
    }
    match (&purpose.keeps, purpose.at_most.is_empty()) {
        (Some(keeps), _) => fits(purpose, keeps, days, faults),
        (None, false) => {
            faults
                .error(&id.at, format!("purpose `{id}` has a recovery window and no period of its own"))
                .expected("`starts` and `keeps` beside `at_most`");
        }
        (None, true) => {}
    }
    for cap in &purpose.at_most {
        match cap {
            Cap::Named(name) => {
                faults
                    .error(&name.at, format!("nobody knows whether {days} days of a recovery window fit into `{name}`"))
                    .expected("caps with a start and a period of their own in a data set with a recovery window");
            }
            Cap::Start(start, _) if start.combine == Combine::Earliest => {
                let at = start.events.first().map_or(&id.at, |e| &e.at);
                faults
                    .error(
                        at,
                        format!("a cap of purpose `{id}` counts from the earliest of several dates, of which one may be missing"),
                    )
                    .expected("one date, or `latest_of`: what is sealed for a recovery window must not outlive the cap");
            }
            Cap::Start(_, period) => fits(purpose, period, days, faults),
        }
    }
    if let Some(ends) = &purpose.ends_when {
        faults
            .warning(&ends.at, format!("what `ends_when` of purpose `{id}` ends goes at once: no recovery window keeps it"))
            .help("its period is over with the condition; only what ends by its period can be undone");
    }
}

fn fits(purpose: &Purpose, period: &Located<Period>, days: u32, faults: &mut Faults) {
    match fewest_days(period.value) {
        None => {
            faults
                .error(&period.at, format!("purpose `{}` counts hours, and its data set has a recovery window", purpose.id))
                .expected("days, weeks, months or years: a window is part of the period, and counts days");
        }
        Some(fewest) if fewest <= days => {
            faults
                .error(&period.at, format!("{days} days of a recovery window do not fit into {}", period.value))
                .expected(format!("a period of more than {days} days, or a shorter window"));
        }
        Some(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::located::{Faults, Severity};
    use crate::policy::{link, read_map, read_policy};

    const MAP: &str = r#"
source = { id = "crm" }
[data.person]
title = { fr = "Personne", en = "Person" }
table = "person"
key = ["id"]
disposition = "delete"
categories = { identity = { columns = ["name"], mask = "null" } }
conditions = { gone = { title = { fr = "g", en = "g" }, sql = "closed = 1" } }
periods = { form = { title = { fr = "f", en = "f" }, column = "form", unit = "months" } }
events = { met = { title = { fr = "m", en = "m" }, column = "met" }, seen = { title = { fr = "s", en = "s" }, column = "seen" } }
[data.visit]
title = { fr = "Visite", en = "Visit" }
table = "visit"
key = ["id"]
belongs_to = "person"
on = { person_id = "id" }
accepts_race = true
disposition = "delete"
categories = { text = { columns = ["body"], mask = "null" } }
events = { made = { title = { fr = "m", en = "m" }, column = "made" } }
"#;

    const POLICY: &str = r#"
policy = { id = "p", author = "dpo", title = { fr = "P", en = "P" } }
[[purpose]]
id = "people"
title = { fr = "P", en = "P" }
legal_basis = "contract"
data = "crm.person"
needs = "all"
starts = "met"
keeps = "3 months"
[[purpose]]
id = "visits"
title = { fr = "V", en = "V" }
legal_basis = "legal_obligation"
data = "crm.visit"
needs = ["text"]
starts = "made"
keeps = "1 year"
[[recovery]]
data = "crm.person"
days = 28
kept_in = "archive:undo"
"#;

    fn found(map: &str, policy: &str) -> Vec<(Severity, String)> {
        let mut faults = Faults::default();
        let map = read_map::read(map, 0, &mut faults).unwrap();
        let policy = read_policy::read(policy, 1, &mut faults).unwrap();
        link::link(&[map], &[policy], &mut faults);
        faults.sorted().iter().map(|f| (f.severity, f.message.clone())).collect()
    }

    #[test]
    fn a_window_that_fits_is_taken_without_a_word() {
        assert_eq!(found(MAP, POLICY), []);
    }

    #[test]
    fn what_no_window_can_stand_beside_is_refused() {
        let of_visits = "data = \"crm.visit\"\nneeds = [\"text\"";
        for (from, to, severity, words) in [
            ("days = 28", "days = 84", Severity::Error, "84 days of a recovery window do not fit into 3 months"),
            ("days = 28", "days = 29", Severity::Warning, "longer than a request for erasure may take"),
            ("days = 28", "days = 0", Severity::Error, "not the days of a recovery window"),
            ("\"archive:undo\"", "\"active_base\"", Severity::Error, "a recovery window is kept in an archive"),
            (
                "data = \"crm.person\"\ndays",
                "data = \"crm.nobody\"\ndays",
                Severity::Error,
                "no purpose of this policy keeps data set `crm.nobody`",
            ),
            (
                "data = \"crm.person\"\ndays",
                "data = \"crm.visit\"\ndays",
                Severity::Error,
                "purpose `visits` rests on a legal obligation",
            ),
            ("keeps = \"3 months\"", "keeps = \"2000 hours\"", Severity::Error, "purpose `people` counts hours"),
            (
                "keeps = \"3 months\"",
                "keeps = \"3 months\"\nat_most = [\"form\"]",
                Severity::Error,
                "nobody knows whether 28 days of a recovery window fit into `form`",
            ),
            (
                "keeps = \"3 months\"",
                "keeps = \"3 months\"\nat_most = [{ starts = { earliest_of = [\"met\", \"seen\"] }, keeps = \"1 year\" }]",
                Severity::Error,
                "counts from the earliest of several dates",
            ),
            (
                "keeps = \"3 months\"",
                "keeps = \"3 months\"\nat_most = [{ starts = \"seen\", keeps = \"28 days\" }]",
                Severity::Error,
                "28 days of a recovery window do not fit into 28 days",
            ),
            (
                "starts = \"met\"\nkeeps = \"3 months\"",
                "at_most = [{ starts = \"seen\", keeps = \"1 year\" }]",
                Severity::Error,
                "purpose `people` has a recovery window and no period of its own",
            ),
            ("keeps = \"3 months\"", "keeps = \"3 months\"\nends_when = \"gone\"", Severity::Warning, "goes at once"),
            (
                of_visits,
                "data = \"crm.visit\"\nneeds = [\"text\", \"person.identity\"",
                Severity::Error,
                "keeps `person.identity` of a data set that has a recovery window",
            ),
            ("id = \"people\"", "id = \"recovery-people\"", Severity::Error, "would be the recovery window of a purpose"),
            (
                "[[recovery]]",
                "[[recovery]]\ndata = \"crm.person\"\ndays = 7\nkept_in = \"archive:undo\"\n[[recovery]]",
                Severity::Error,
                "has two recovery windows",
            ),
        ] {
            let policy = POLICY.replacen(from, to, 1);
            assert_ne!(policy, POLICY, "{from}");
            let all = found(MAP, &policy);
            assert!(all.iter().any(|(s, m)| *s == severity && m.contains(words)), "{to}: {all:#?}");
        }
    }

    #[test]
    fn a_window_of_a_child_keeps_nothing_of_its_parent() {
        let policy = POLICY
            .replace("\"legal_obligation\"", "\"contract\"")
            .replace("needs = [\"text\"]", "needs = [\"text\", \"person.identity\"]")
            .replace("data = \"crm.person\"\ndays", "data = \"crm.visit\"\ndays");
        let all = found(MAP, &policy);
        assert!(all.iter().any(|(_, m)| m.contains("needs `person.identity`, which is another record's")), "{all:#?}");
    }
}
