//! The explanation in English, in sentences that fit into a letter.

use chrono::{Datelike as _, NaiveDate};

use super::dates::Stamp;
use super::story::{
    CategoryStory, ConditionStory, Decision, Explanation, Keeper, Operation, OrderScope, OrderStory, Outcome, PurposeStory,
    State, Why,
};
use crate::policy::period::Period;
use crate::policy::purpose::{LegalBasis, OrderKind};
use crate::policy::start::Combine;

const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];

/// The whole explanation, a paragraph a line.
pub fn text(e: &Explanation) -> String {
    let mut lines = vec![heading(e), String::new(), outcome(e)];
    lines.extend(e.orders.iter().map(order));
    if !e.purposes.is_empty() {
        lines.extend([String::new(), "Purposes:".to_owned()]);
        lines.extend(e.purposes.iter().map(|p| format!("- {}", purpose(p))));
    }
    if !e.categories.is_empty() {
        lines.extend([String::new(), "Data:".to_owned()]);
        lines.extend(e.categories.iter().map(|c| format!("- {}", category(c))));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn quoted(text: &str) -> String {
    format!("“{text}”")
}

fn day(day: NaiveDate) -> String {
    format!("{}\u{a0}{} {}", day.day(), MONTHS[day.month0() as usize], day.year())
}

fn stamp(stamp: Stamp) -> String {
    match stamp {
        Stamp::Day(d) => day(d),
        Stamp::At(at) => format!("{} at {}", day(at.date_naive()), at.format("%H:%M")),
    }
}

/// Until when something is kept whose end is known.
fn until(end: Stamp) -> String {
    match end {
        Stamp::Day(_) => format!("until {} inclusive", day(end.day_before())),
        Stamp::At(_) => format!("until {}", stamp(end)),
    }
}

/// Since when something is over.
fn since(end: Stamp) -> String {
    format!("since {}", stamp(end))
}

fn joined(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [all @ .., end] => format!("{} and {end}", all.join(", ")),
    }
}

fn counted(n: u32, one: &str) -> String {
    format!("{n}\u{a0}{one}{}", if n == 1 { "" } else { "s" })
}

fn period(period: Period) -> String {
    match period {
        Period::Hours(h) => counted(h, "hour"),
        Period::Calendar { months: 0, days } => counted(days, "day"),
        Period::Calendar { months, days } => {
            let (years, rest) = if months.is_multiple_of(12) || months > 24 { (months / 12, months % 12) } else { (0, months) };
            let units = [(years, "year"), (rest, "month"), (days, "day")];
            joined(&units.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| counted(*n, unit)).collect::<Vec<_>>())
        }
    }
}

fn basis(basis: LegalBasis) -> String {
    let words = match basis {
        LegalBasis::Consent => "consent",
        LegalBasis::Contract => "performance of a contract",
        LegalBasis::LegalObligation => "legal obligation",
        LegalBasis::VitalInterests => "vital interests",
        LegalBasis::PublicTask => "task in the public interest",
        LegalBasis::LegitimateInterest => "legitimate interest",
    };
    format!("{words} (Article\u{a0}6(1)({}) GDPR)", basis.letter())
}

fn heading(e: &Explanation) -> String {
    let key = e.key.join(", ");
    match &e.follower {
        None => format!("Record {} no.\u{a0}{key}, as of {}", quoted(&e.title.en), day(e.today)),
        Some(follower) => format!(
            "{} no.\u{a0}{key}, as of {}. These data share the fate of the record {} that they belong to; it is explained here.",
            quoted(&follower.en),
            day(e.today),
            quoted(&e.title.en)
        ),
    }
}

fn outcome(e: &Explanation) -> String {
    match e.outcome {
        Outcome::Kept => "The data of this record are kept in the active base.".to_owned(),
        Outcome::KeptInPart => {
            "Part of the data of this record is kept in the active base; the rest is not, or no longer, stored.".to_owned()
        }
        Outcome::Clear if replaces(e) => {
            "Part of the data of this record is no longer to be kept and will be erased or replaced by a pseudonym in the next run; the rest is kept. A pseudonym is still personal data."
                .to_owned()
        }
        Outcome::Clear => {
            "Part of the data of this record is no longer to be kept and will be erased in the next run; the rest is kept.".to_owned()
        }
        Outcome::Anonymise => {
            "No purpose justifies keeping this record any more: all its personal data will be anonymised in the next run.".to_owned()
        }
        Outcome::Pseudonymise => {
            "No purpose justifies keeping this record any more: its personal data will be erased or replaced by pseudonyms in the next run. The record will then be pseudonymised: its data remain personal data (Article\u{a0}4(5) GDPR)."
                .to_owned()
        }
        Outcome::Delete => {
            "No purpose justifies keeping this record any more: it will be deleted in the next run, with everything attached to it."
                .to_owned()
        }
        Outcome::Empty if !e.pseudonyms.is_empty() => format!(
            "No purpose justifies keeping this record any more: its personal data will be erased or replaced by pseudonyms in the next run. The row stays in place {} with its pseudonyms (still personal data), and is then deleted.",
            waits(e)
        ),
        Outcome::Empty => format!(
            "No purpose justifies keeping this record any more: its personal data will be erased in the next run. The empty row stays in place {}, and is then deleted.",
            waits(e)
        ),
        Outcome::WaitsEmptied if !e.pseudonyms.is_empty() => format!(
            "The personal data of this record are erased or replaced by pseudonyms already. The row stays in place {} with its pseudonyms (still personal data), and is then deleted.",
            waits(e)
        ),
        Outcome::WaitsEmptied => format!(
            "The personal data of this record are erased already. The empty row stays in place {}, and is then deleted.",
            waits(e)
        ),
        Outcome::Done => "The personal data of this record are anonymised already; nothing is left to do.".to_owned(),
        Outcome::DonePseudonymised => {
            "This record is pseudonymised already; nothing is left to do. Its data remain personal data (Article\u{a0}4(5) GDPR).".to_owned()
        }
        Outcome::Held => {
            "This record is frozen: as long as the measure named below lasts, nothing is changed or erased.".to_owned()
        }
        Outcome::Uncovered => {
            "No current purpose justifies keeping this record, and nothing says that it is to be erased: it is kept until somebody decides, and reported as a finding."
                .to_owned()
        }
    }
}

/// Whether the next run replaces anything by a pseudonym.
fn replaces(e: &Explanation) -> bool {
    e.changes.iter().any(|c| c.operation == Operation::Pseudonymise)
}

fn waits(e: &Explanation) -> String {
    let all: Vec<String> = e
        .waits_for
        .iter()
        .map(|w| match w.reads {
            true => format!("as long as an item of {} takes a date from it", quoted(&w.title.en)),
            false => format!("as long as an item of {} refers to it", quoted(&w.title.en)),
        })
        .collect();
    joined(&all)
}

fn order_name(kind: OrderKind) -> &'static str {
    match kind {
        OrderKind::Hold => "a legal hold",
        OrderKind::Restriction => "a restriction of processing (Article\u{a0}18 GDPR)",
        OrderKind::Objection => "an objection (Article\u{a0}21 GDPR)",
        OrderKind::Erasure => "a request for erasure (Article\u{a0}17 GDPR)",
        OrderKind::Instruction => "an instruction of the controller (Article\u{a0}28 GDPR)",
    }
}

fn order(o: &OrderStory) -> String {
    let what = match o.scope {
        OrderScope::Record => "this record",
        OrderScope::Tenant => "everything of the customer that the record belongs to",
        OrderScope::Subject => "everything about the person whom the record is about",
    };
    let mut text = format!("For {what}, {} is in force", order_name(o.kind));
    if let Some(placed) = o.placed_on {
        text.push_str(&format!(" since {}", day(placed)));
    }
    if let Some(last) = o.until {
        text.push_str(&format!(", until {} inclusive", day(last)));
    }
    text + "."
}

fn purpose(p: &PurposeStory) -> String {
    let mut head = format!("{}, legal basis: {}", quoted(&p.title.en), basis(p.legal_basis));
    if let Some(reference) = &p.reference {
        head.push_str(&format!(", reference: {reference}"));
    }
    if let Some(t) = &p.through {
        head.push_str(&match t.rows {
            0 => format!(", through the attached items of {}", quoted(&t.title.en)),
            n => format!(", through {n}\u{a0}item{} of {}", if n == 1 { "" } else { "s" }, quoted(&t.title.en)),
        });
    }
    let place = match (&p.archive, &p.copy) {
        (Some(archive), _) if p.is_window => format!(
            " This is the recovery window of another purpose: what that one kept stays sealed in the archive {} until its period ends, outside the active base, and can be put back.",
            quoted(archive)
        ),
        (Some(archive), _) => {
            format!(" This purpose keeps in an intermediate archive ({}), outside the active base.", quoted(archive))
        }
        (_, Some(copy)) => format!(" This purpose is served by a copy in {}, outside this base.", quoted(copy)),
        _ => match p.recovery_days {
            None => p
                .source
                .as_ref()
                .map(|s| {
                    format!(
                        " This purpose is one of the source {}, and concerns the person whom this record is about.",
                        quoted(s)
                    )
                })
                .unwrap_or_default(),
            Some(days) => format!(
                " The last {} of its period {} a recovery window: the active base keeps for it no longer, and what leaves stays sealed until the period ends.",
                if days == 1 { "day".to_owned() } else { format!("{days}\u{a0}days") },
                if days == 1 { "is" } else { "are" }
            ),
        },
    };
    format!("{head}.{place} {}", state(p))
}

/// Period and start, as far as they are known.
fn span(p: &PurposeStory) -> String {
    let mut text = match p.period {
        Some(length) => format!("The retention period is {}", period(length)),
        None => return String::new(),
    };
    if let (Some(title), Some(started)) = (&p.start_title, p.started) {
        let several = p.starts.len() > 1 || p.starts.iter().any(|s| s.dated > 1);
        let which = match (several, p.combine) {
            (true, Some(Combine::Latest)) => ", the latest of the dates that count",
            (true, Some(Combine::Earliest)) => ", the earliest of the dates that count",
            _ => "",
        };
        text.push_str(&format!(" from the start event {}, {}{which}", quoted(&title.en), stamp(started)));
        if p.rounded {
            text.push_str(", moved to the end of its cycle");
        }
    }
    text
}

fn cap_note(p: &PurposeStory) -> String {
    p.ends_by_cap.as_ref().map(|c| format!(", because of the limit {}", quoted(&c.en))).unwrap_or_default()
}

/// That a condition is met, or is not.
fn is_met(when: &ConditionStory, is: bool) -> String {
    let (title, met) = when.told();
    format!("the condition {} {}", title.en, if met == is { "is met" } else { "is not met" })
}

fn state(p: &PurposeStory) -> String {
    let start = p.start_title.as_ref().map(|t| quoted(&t.en)).unwrap_or_default();
    let length = p.period.map(|l| format!(" of {}", period(l))).unwrap_or_default();
    match p.state {
        State::NotCovering => match &p.covers {
            Some(when) => format!("This purpose does not concern this record, because {}.", is_met(when, false)),
            None => "This purpose does not concern this record.".to_owned(),
        },
        State::Undecided => format!(
            "Whether this purpose concerns the record cannot be said, because the condition {} cannot be verified; in doubt it keeps the data.",
            p.covers.as_ref().map(|w| w.told().0.en.as_str()).unwrap_or_default()
        ),
        State::KeptWhile => {
            let mut text = format!(
                "The data are kept as long as {}, or the contrary is not certain.",
                p.kept_while.as_ref().map(|w| is_met(w, true)).unwrap_or_default()
            );
            match p.ends {
                Some(end) => text.push_str(&format!(" The retention period itself goes {}{}.", until(end), cap_note(p))),
                None if p.period.is_some() => text.push_str(&format!(" {}.", span(p))),
                None => {}
            }
            text
        }
        State::EndedByCondition => format!(
            "This purpose has ended, because {}.",
            p.ends_when.as_ref().map(|w| is_met(w, true)).unwrap_or_default()
        ),
        State::EndedByOrder => {
            let orders: Vec<String> = p.ended_by.iter().map(|k| order_name(*k).to_owned()).collect();
            match orders.is_empty() {
                true => "This purpose has ended upon request.".to_owned(),
                false => format!("This purpose has ended following {}.", joined(&orders)),
            }
        }
        State::EndedByCap => match (p.ends, &p.ends_by_cap) {
            (Some(end), Some(cap)) => {
                format!("This purpose has ended by the limit {}: it has kept nothing {}.", quoted(&cap.en), since(end))
            }
            _ => "This purpose has ended, because a limit is reached.".to_owned(),
        },
        State::EndedByTime => match p.ends {
            Some(end) => format!("{}; it has been over {}.", span(p), since(end)),
            None => format!("{}; it is over.", span(p)),
        },
        State::Running => {
            let mut text = match &p.ends_when {
                Some(when) => {
                    let (title, met) = when.told();
                    format!("The data are kept until the condition {} is {}", title.en, if met { "met" } else { "met no longer" })
                }
                None if p.by_instruction => {
                    format!("No period is set: the data are kept until {}", order_name(OrderKind::Instruction))
                }
                None => "No period is set: the data are kept as long as the purpose exists".to_owned(),
            };
            if let Some(end) = p.ends {
                text.push_str(&format!(", and at the latest {}{}", until(end), cap_note(p)));
            }
            text + "."
        }
        State::StartToCome => {
            let mut text = format!(
                "The start event {start} has not happened yet: the retention period{length} does not run yet, and the data are kept"
            );
            if let Some(end) = p.ends {
                text.push_str(&format!(", at the latest {}{}", until(end), cap_note(p)));
            }
            text + "."
        }
        State::NotYet => match p.ends {
            Some(end) => format!("{}: the data are kept {}{}.", span(p), until(end), cap_note(p)),
            None => format!("{}: the data are kept; the end is not known yet, because a start event is not dated.", span(p)),
        },
        State::Undated => {
            let mut text = format!(
                "The start event {start} has no date, or one that cannot be read: the retention period{length} cannot be reckoned. In doubt the data are kept, and the finding is reported"
            );
            if let Some(end) = p.ends {
                text.push_str(&format!("; they are kept at the latest {}{}", until(end), cap_note(p)));
            }
            text + "."
        }
        State::NeededElsewhere => "It still needs the person there: what it needs of this record is kept.".to_owned(),
        State::NotNeededElsewhere => "It does not need the person there, or not any more: it keeps nothing of this record.".to_owned(),
        State::UnaskedElsewhere => "It could not be asked now. In doubt, what it may need of this record is kept.".to_owned(),
        State::Held => "This purpose has ended, but something that it concerns is frozen by a hold or a restriction: as long as that lasts, the data that the purpose needs are kept with it.".to_owned(),
    }
}

fn keeper(k: &Keeper) -> String {
    match k.ends {
        Some(end) => format!("{} ({})", quoted(&k.title.en), until(end)),
        None => format!("{} (no known end)", quoted(&k.title.en)),
    }
}

/// The archives that data go into, or wait for.
fn archives(c: &CategoryStory) -> String {
    let in_archive = |k: &Keeper| Some(format!("{} for the purpose {}", quoted(k.archive.as_deref()?), keeper(k)));
    let all: Vec<String> = c.archived.iter().filter_map(in_archive).collect();
    let copies = copies(c).map(|copies| format!("the copy in {copies}"));
    let archives =
        (!all.is_empty()).then(|| format!("the {} {}", if all.len() < 2 { "archive" } else { "archives" }, joined(&all)));
    joined(&archives.into_iter().chain(copies).collect::<Vec<_>>())
}

/// The data sets whose copy must have been seen.
fn copies(c: &CategoryStory) -> Option<String> {
    let copy = |k: &Keeper| Some(format!("{} for the purpose {}", quoted(k.copy.as_deref()?), keeper(k)));
    let all: Vec<String> = c.archived.iter().filter_map(copy).collect();
    (!all.is_empty()).then(|| joined(&all))
}

fn category(c: &CategoryStory) -> String {
    let mut text = what_becomes_of(c);
    if c.decision == Decision::Goes && c.archived.iter().any(|k| k.archive.is_some()) {
        let sealed =
            CategoryStory { archived: c.archived.iter().filter(|k| k.archive.is_some()).cloned().collect(), ..c.clone() };
        text.push_str(&format!(" Before that, it is sealed into {}.", archives(&sealed)));
    }
    if let (Decision::Goes, Some(copies)) = (c.decision, copies(c)) {
        text.push_str(&format!(" It goes only once its copy was seen in {copies}."));
    }
    if c.coarsened {
        text.push_str(" A generalised value of it (such as the year or a prefix) may stay.");
    }
    text
}

fn what_becomes_of(c: &CategoryStory) -> String {
    let only: Vec<String> = c.only_in.iter().map(|t| quoted(&t.en)).collect();
    let name = match only.is_empty() {
        true => quoted(&c.category),
        false => format!("{} in {}", quoted(&c.category), joined(&only)),
    };
    let erased = match c.pseudonymised {
        true => "erased in the next run, or replaced by a pseudonym (still personal data)",
        false => "erased in the next run",
    };
    match (c.decision, c.why) {
        (Decision::Kept, _) => {
            let keepers: Vec<String> = c.kept_by.iter().map(keeper).collect();
            let purposes = if keepers.len() < 2 { "purpose" } else { "purposes" };
            format!("Category {name}: kept for the {purposes} {}.", joined(&keepers))
        }
        (Decision::Goes, Some(Why::NeverStored)) => format!(
            "Category {name}: these data should never have been stored; they will be erased in the next run, and the incident is reported."
        ),
        (Decision::Goes, Some(Why::Uncovered) | None) => {
            format!("Category {name}: {erased}, because no purpose needs it.")
        }
        (Decision::Goes, Some(Why::PurposesOver)) => match &c.last_purpose {
            Some(last) => {
                format!("Category {name}: {erased}, because the last purpose that needed it, {}, has ended.", quoted(&last.en))
            }
            None => format!("Category {name}: {erased}, because the purposes that needed it have ended."),
        },
        (Decision::Nothing, _) if c.pseudonymised => {
            format!("Category {name}: nothing is stored any more, except perhaps a pseudonym, which is still personal data.")
        }
        (Decision::Nothing, _) => format!("Category {name}: nothing is stored, or everything is erased already."),
        (Decision::Held, _) if c.never_stored => format!(
            "Category {name}: these data should never have been stored; they stay frozen with the record, and the incident is reported."
        ),
        (Decision::Held, _) => format!("Category {name}: frozen with the record."),
        (Decision::WaitsForDate, _) => format!(
            "Category {name}: no purpose keeps it in the active base any more, but it cannot be sealed into {} yet; it stays in the active base until that end is known, and the wait is reported.",
            archives(c)
        ),
        (Decision::ArchiveOnly, _) => format!(
            "Category {name}: only the intermediate archive covers it ({}); it is kept in the active base until somebody decides, and reported as a finding.",
            archives(c)
        ),
        (Decision::Uncovered, _) => {
            format!("Category {name}: no purpose covers it; it is kept until somebody decides, and reported as a finding.")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn english_counts_and_dates_are_written_as_people_write_them() {
        let date = |y, m, d| NaiveDate::from_ymd_opt(y, m, d).unwrap();
        assert_eq!(day(date(2027, 1, 1)), "1\u{a0}January 2027");
        assert_eq!(until(Stamp::Day(date(2027, 1, 1))), "until 31\u{a0}December 2026 inclusive");
        assert_eq!(period(Period::Calendar { months: 13, days: 2 }), "13\u{a0}months and 2\u{a0}days");
        assert_eq!(period(Period::Calendar { months: 12, days: 0 }), "1\u{a0}year");
        assert_eq!(basis(LegalBasis::Contract), "performance of a contract (Article\u{a0}6(1)(b) GDPR)");
    }
}
