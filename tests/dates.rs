//! Cut-offs against independent forward arithmetic: a start is due exactly when its last day kept lies before the day of the run.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;
use retentiond::policy::bound::{Bound, RunTime, bound, first_instant, instant_of_local};
use retentiond::policy::period::Period;
use retentiond::policy::start::Rounding;

const PERIODS: [&str; 26] = [
    "0 days",
    "1 day",
    "3 days",
    "30 days",
    "365 days",
    "1 week",
    "2 weeks 1 day",
    "52 weeks",
    "1 month",
    "2 months",
    "3 months",
    "6 months",
    "11 months",
    "13 months",
    "18 months",
    "1 month 1 day",
    "1 month 30 days",
    "6 months 2 weeks",
    "1 year",
    "1 year 1 day",
    "2 years",
    "3 years",
    "4 years",
    "5 years 6 months",
    "21 years 3 months",
    "10 years 1 month 1 week 1 day",
];

const ZONES: [Tz; 16] = [
    Tz::Europe__Paris,
    Tz::America__Sao_Paulo,
    Tz::Asia__Kathmandu,
    Tz::Pacific__Apia,
    Tz::America__Havana,
    Tz::Africa__Cairo,
    Tz::Asia__Beirut,
    Tz::Australia__Lord_Howe,
    Tz::Pacific__Kwajalein,
    Tz::America__Scoresbysund,
    Tz::America__St_Johns,
    Tz::Asia__Gaza,
    Tz::Africa__Casablanca,
    Tz::Pacific__Kiritimati,
    Tz::America__Asuncion,
    Tz::UTC,
];

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn last_of_month(year: i32, month: u32) -> u32 {
    (28..=31).rev().find(|d| NaiveDate::from_ymd_opt(year, month, *d).is_some()).unwrap()
}

/// Month by month: the calendar page turned so many times, then the day of the month, or the page's last.
fn add_months(start: NaiveDate, months: u32, stay_at_end: bool) -> NaiveDate {
    let (mut year, mut month) = (start.year(), start.month());
    for _ in 0..months {
        (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    }
    let last = last_of_month(year, month);
    let at_end = stay_at_end && start.day() == last_of_month(start.year(), start.month());
    NaiveDate::from_ymd_opt(year, month, if at_end { last } else { start.day().min(last) }).unwrap()
}

/// Day by day: the first end of a cycle that is not before `start`.
fn round(start: NaiveDate, rounding: Rounding) -> NaiveDate {
    let is_end = |d: &NaiveDate| {
        let last = last_of_month(d.year(), d.month());
        match rounding {
            Rounding::Month => d.day() == last,
            Rounding::CalendarYear => (d.month(), d.day()) == (12, 31),
            Rounding::FinancialYear { month, day } => d.month() == month && d.day() == day.min(last),
        }
    };
    start.iter_days().find(is_end).unwrap()
}

fn last_kept(start: NaiveDate, rounding: Option<Rounding>, period: Period) -> NaiveDate {
    last_kept_after(rounding.map_or(start, |r| round(start, r)), rounding.is_some(), period)
}

fn last_kept_after(from: NaiveDate, rounded: bool, period: Period) -> NaiveDate {
    let Period::Calendar { months, days } = period else { panic!("hours") };
    add_months(from, months, rounded) + Days::new(u64::from(days))
}

fn day_bound(period: Period, rounding: Option<Rounding>, today: NaiveDate) -> Option<NaiveDate> {
    let now = Utc.from_utc_datetime(&today.and_hms_opt(12, 0, 0).unwrap());
    bound(period, rounding, RunTime { now, zone: Tz::UTC }).and_then(Bound::for_dates)
}

/// Compares `start < bound` with `last kept < today` for every start of 1995 to 2032 on every run day of `run_days`.
fn compare(rounding: Option<Rounding>, periods: &[&str], run_days: impl Iterator<Item = NaiveDate> + Clone) {
    let starts: Vec<NaiveDate> = day("1995-01-01").iter_days().take_while(|d| d.year() <= 2032).collect();
    let rounded: Vec<NaiveDate> = starts.iter().map(|s| rounding.map_or(*s, |r| round(*s, r))).collect();
    for text in periods {
        let period = Period::parse(text).unwrap();
        // Last days kept never go backward (checked here): the starts due on a day are those before one place in the list.
        let kept: Vec<NaiveDate> = rounded.iter().map(|s| last_kept_after(*s, rounding.is_some(), period)).collect();
        assert!(kept.is_sorted(), "{text} {rounding:?}");
        for today in run_days.clone() {
            let first_kept = kept.partition_point(|last| *last < today);
            let bound = day_bound(period, rounding, today).unwrap();
            let first_not_before = starts.partition_point(|s| *s < bound);
            assert_eq!(
                first_not_before,
                first_kept,
                "{text} {rounding:?} on {today}: bound {bound}, first kept {:?}",
                starts.get(first_kept)
            );
        }
    }
}

#[test]
fn bounds_without_rounding_equal_forward_arithmetic_on_every_start_and_run_day() {
    compare(None, &PERIODS, day("2023-12-25").iter_days().take(3_300));
}

#[test]
fn bounds_of_rounded_starts_equal_forward_arithmetic() {
    let financial = |month, day| Rounding::FinancialYear { month, day };
    let some = [
        "0 days",
        "1 day",
        "45 days",
        "1 month",
        "3 months",
        "13 months",
        "1 month 1 day",
        "1 year",
        "5 years",
        "5 years 6 months",
    ];
    let roundings = [
        Rounding::Month,
        Rounding::CalendarYear,
        financial(6, 30),
        financial(2, 29),
        financial(3, 31),
        financial(9, 15),
        financial(12, 31),
        financial(1, 1),
        financial(4, 5),
        financial(10, 31),
    ];
    for rounding in roundings {
        compare(Some(rounding), &some, day("2023-12-25").iter_days().take(1_600));
    }
}

#[test]
fn bounds_before_the_calendar_make_nothing_due() {
    // No database holds a year before the first, and the first holds sentinels only: no literal of such a bound must ever be written.
    for (period, bound) in [("9999 years 9999 months", None), ("2025 years", None), ("2024 years", Some(day("0002-01-01")))] {
        assert_eq!(day_bound(Period::parse(period).unwrap(), None, day("2026-01-01")), bound, "{period}");
    }
    let all = Period::Calendar { months: u32::MAX, days: u32::MAX };
    assert_eq!(day_bound(all, None, day("2026-01-01")), None);
}

/// Every change of a zone's offset between two instants, found second by second from coarse steps: the instant, and seconds before and after.
fn transitions(zone: Tz, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<(DateTime<Utc>, i64, i64)> {
    let offset = |t: DateTime<Utc>| (t.with_timezone(&zone).naive_local() - t.naive_utc()).num_seconds();
    let mut found = Vec::new();
    let mut at = from;
    while at < to {
        let next = at + TimeDelta::hours(12);
        if offset(at) != offset(next) {
            let (mut old, mut new) = (at, next);
            while new - old > TimeDelta::seconds(1) {
                let middle = old + TimeDelta::seconds((new - old).num_seconds() / 2);
                if offset(middle) == offset(at) { old = middle } else { new = middle }
            }
            found.push((new, offset(at), offset(next)));
        }
        at = next;
    }
    found
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// The first instants of all local dates of a zone, from its offsets alone: on each stretch of one offset, each date whose
/// midnight lies in it begins there, and the stretch's own first moment begins every date that was jumped over.
fn first_instants(zone: Tz, from: DateTime<Utc>, to: DateTime<Utc>) -> BTreeMap<NaiveDate, DateTime<Utc>> {
    let mut first = BTreeMap::new();
    let offset_at_start = (from.with_timezone(&zone).naive_local() - from.naive_utc()).num_seconds();
    let changes = transitions(zone, from, to);
    let mut stretches = vec![(from, offset_at_start)];
    stretches.extend(changes.iter().map(|(t, _, after)| (*t, *after)));
    let mut reached = (from + TimeDelta::seconds(offset_at_start)).date_naive();
    for (i, (begin, offset)) in stretches.iter().enumerate() {
        let end = stretches.get(i + 1).map_or(to, |s| s.0);
        let local_begin = begin.naive_utc() + TimeDelta::seconds(*offset);
        while reached < local_begin.date() {
            reached = reached.succ_opt().unwrap();
            first.insert(reached, *begin);
        }
        loop {
            let next = reached.succ_opt().unwrap();
            let midnight = Utc.from_utc_datetime(&next.and_hms_opt(0, 0, 0).unwrap()) - TimeDelta::seconds(*offset);
            if midnight >= end {
                break;
            }
            reached = next;
            first.insert(next, midnight.max(*begin));
        }
    }
    first
}

#[test]
fn the_first_instant_of_a_local_date_is_right_where_midnights_are_missed_or_repeated_and_days_skipped() {
    for zone in ZONES {
        let first = first_instants(zone, at("1968-01-01T00:00:00Z"), at("2034-01-01T00:00:00Z"));
        let offsets = transitions(zone, at("1968-01-01T00:00:00Z"), at("2034-01-01T00:00:00Z"));
        let near = |d: NaiveDate| offsets.iter().any(|(t, ..)| (t.date_naive() - d).num_days().abs() <= 3);
        for (i, (date, instant)) in first.iter().enumerate().skip(3) {
            if near(*date) || i % 41 == 0 {
                assert_eq!(first_instant(*date, zone), *instant, "{date} in {zone}");
            }
        }
    }
}

#[test]
fn instants_are_due_exactly_when_no_earlier_instant_had_reached_a_day_that_is_kept() {
    let period = Period::parse("1 month").unwrap();
    for zone in ZONES {
        for (change, before, after) in transitions(zone, at("2002-01-01T00:00:00Z"), at("2026-01-01T00:00:00Z")) {
            // Quarter-hours around the change, each with the latest local date that the clocks had shown by then.
            let mut latest = NaiveDate::MIN;
            for quarter in -240..=240 {
                let start = change + TimeDelta::minutes(15 * quarter);
                let shown =
                    |t: DateTime<Utc>| (t.naive_utc() + TimeDelta::seconds(if t < change { before } else { after })).date();
                latest =
                    latest.max(shown(start)).max(if start >= change { shown(change - TimeDelta::seconds(1)) } else { latest });
                if quarter % 4 != 0 || !(-120..=120).contains(&quarter) {
                    continue;
                }
                for extra in [0, 1] {
                    let today = last_kept(latest, None, period) + Days::new(extra);
                    let now = first_instant(today, zone) + TimeDelta::hours(12);
                    let time = RunTime { now, zone };
                    let bound = bound(period, None, time).unwrap().for_instants(zone);
                    let due = last_kept(latest, None, period) < time.today();
                    assert_eq!(start < bound, due, "{start} in {zone}, today {}", time.today());
                }
            }
        }
    }
}

/// A window's days are taken from the end: what is due in the active base so many days early, and when the rest of the period is over.
#[test]
fn a_recovery_window_moves_the_cut_off_by_its_days_on_every_day() {
    let zone = Tz::Europe__Paris;
    let periods = ["1 month", "3 months", "13 months", "1 year", "1 year 1 week 1 day", "5 years 6 months"];
    let roundings = [None, Some(Rounding::Month), Some(Rounding::CalendarYear)];
    for run in 0..800 {
        let today = NaiveDate::from_ymd_opt(2027, 1, 1).unwrap() + Days::new(run);
        let time = RunTime { now: first_instant(today, zone) + TimeDelta::hours(12), zone };
        for (period, rounding) in periods.iter().flat_map(|p| roundings.map(|r| (Period::parse(p).unwrap(), r))) {
            for days in [1, 7, 27] {
                let bound = bound(period, rounding, time.later(days)).and_then(Bound::for_dates).unwrap();
                // Forward: the last day kept in the active base is the last day of the period less the window.
                let due = |start: NaiveDate| last_kept(start, rounding, period) - Days::new(days.into()) < today;
                assert!(due(bound - Days::new(1)) && !due(bound), "{period} {rounding:?} less {days} days on {today}: {bound}");
            }
        }
    }
}

/// All instants that a local time may mean, from the offsets around it.
fn meanings(local: NaiveDateTime, zone: Tz, changes: &[(DateTime<Utc>, i64, i64)]) -> DateTime<Utc> {
    let mut offsets: Vec<i64> = changes.iter().flat_map(|(_, b, a)| [*b, *a]).collect();
    let utc = Utc.from_utc_datetime(&local);
    offsets.push((utc.with_timezone(&zone).naive_local() - utc.naive_utc()).num_seconds());
    let shows = |t: &DateTime<Utc>| t.with_timezone(&zone).naive_local() == local;
    let candidates = offsets.iter().map(|o| utc - TimeDelta::seconds(*o));
    if let Some(latest) = candidates.filter(shows).max() {
        return latest;
    }
    let jumps = |(t, before, after): &&(DateTime<Utc>, i64, i64)| {
        t.naive_utc() + TimeDelta::seconds(*before) <= local && local < t.naive_utc() + TimeDelta::seconds(*after)
    };
    changes.iter().find(jumps).map(|c| c.0).unwrap()
}

#[test]
fn local_times_in_gaps_mean_the_transition_and_in_folds_the_later_instant() {
    for zone in ZONES {
        for change in transitions(zone, at("1990-01-01T00:00:00Z"), at("2030-01-01T00:00:00Z")) {
            let near = change.0.with_timezone(&zone).naive_local();
            for quarter in -110..=110 {
                let local = near + TimeDelta::minutes(15 * quarter) + TimeDelta::seconds(quarter % 2);
                assert_eq!(instant_of_local(local, zone), meanings(local, zone, &[change]), "{local} in {zone}");
            }
        }
    }
}

#[test]
fn naive_local_times_are_due_exactly_when_the_instants_they_mean_are() {
    let period = Period::parse("0 days").unwrap();
    for (policy, column) in [
        (Tz::Europe__Paris, Tz::Europe__Paris),
        (Tz::Europe__Paris, Tz::UTC),
        (Tz::Europe__Paris, Tz::America__Sao_Paulo),
        (Tz::America__Havana, Tz::America__Havana),
        (Tz::Africa__Cairo, Tz::Africa__Cairo),
        (Tz::Pacific__Apia, Tz::Pacific__Apia),
        (Tz::Pacific__Apia, Tz::Australia__Lord_Howe),
        (Tz::America__St_Johns, Tz::America__St_Johns),
        (Tz::Pacific__Kwajalein, Tz::Pacific__Kwajalein),
        (Tz::America__Scoresbysund, Tz::America__Scoresbysund),
    ] {
        let mut changes = transitions(column, at("1990-01-01T00:00:00Z"), at("2026-01-01T00:00:00Z"));
        changes.extend(transitions(policy, at("2009-01-01T00:00:00Z"), at("2014-01-01T00:00:00Z")));
        for change in changes {
            let near = change.0.with_timezone(&column).naive_local();
            let local = |n: i64| near + TimeDelta::minutes(15 * (n / 2)) - TimeDelta::seconds(n % 2);
            let times: Vec<_> = (-240..=240).map(|n| (local(n), instant_of_local(local(n), column))).collect();
            for days in -1..=2 {
                let today = change.0.with_timezone(&policy).date_naive() + TimeDelta::days(days);
                let now = first_instant(today, policy) + TimeDelta::hours(11);
                let bound = bound(period, None, RunTime { now, zone: policy }).unwrap();
                let (local_bound, instant_bound) = (bound.for_local_times(policy, column), bound.for_instants(policy));
                for (local, instant) in &times {
                    let due = *instant < instant_bound;
                    assert_eq!(*local < local_bound, due, "{local} in {column}, {today} in {policy}: bound {local_bound}");
                }
            }
        }
    }
}

#[test]
fn hours_count_instants() {
    let now = at("2026-03-29T10:00:00Z");
    let time = RunTime { now, zone: Tz::Europe__Paris };
    let bound = |text: &str| bound(Period::parse(text).unwrap(), None, time).unwrap().for_instants(Tz::Europe__Paris);
    assert_eq!(bound("0 hours"), now);
    assert_eq!(bound("72 hours"), at("2026-03-26T10:00:00Z"), "the night of 29 March has an hour less on the clocks");
}

fn any_rounding() -> impl Strategy<Value = Option<Rounding>> {
    let financial = (1..=366i64).prop_map(|n| {
        let end = day("2024-01-01") + TimeDelta::days(n - 1);
        let (month, day) = (end.month(), end.day());
        Rounding::FinancialYear { month, day: if (month, day) == (2, 28) { 29 } else { day } }
    });
    prop_oneof![Just(None), Just(Some(Rounding::Month)), Just(Some(Rounding::CalendarYear)), financial.prop_map(Some)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bound_parts_the_starts_that_are_due_from_those_that_are_kept(
        today in 0..20_000i64, months in 0..400u32, days in 0..800u32, rounding in any_rounding(), around in -40..40i64,
    ) {
        let today = day("1995-01-01") + TimeDelta::days(today);
        let period = Period::Calendar { months, days };
        let bound = day_bound(period, rounding, today).unwrap();
        let before = bound.pred_opt().unwrap();
        prop_assert!(last_kept(before, rounding, period) < today, "{before} is due");
        prop_assert!(last_kept(bound, rounding, period) >= today, "{bound} is kept");
        let other = bound + TimeDelta::days(around);
        prop_assert_eq!(last_kept(other, rounding, period) < today, other < bound);
    }

    #[test]
    fn any_forward_step_of_the_product_agrees(start in 0..20_000i64, months in 0..400u32, days in 0..800u32, month_end: bool) {
        let start = day("1995-01-01") + TimeDelta::days(start);
        let expected = add_months(start, months, month_end) + Days::new(u64::from(days));
        prop_assert_eq!(Period::Calendar { months, days }.last_kept_day(start, month_end), Some(expected));
    }
}
