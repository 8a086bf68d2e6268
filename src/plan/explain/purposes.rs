//! One purpose for one record: its state as the database answered it, and the dates behind it, reckoned forward.

use super::columns::{Cells, Members, PurposeColumns, cell};
use super::dates::{Stamp, over};
use super::story::{CapStory, ConditionStory, EventStory, PurposeStory, State};
use crate::plan::elsewhere::Elsewhere;
use crate::plan::record::Timed;
use crate::policy::map::{DataSet, Missing, PeriodUnit, Title};
use crate::policy::period::Period;
use crate::policy::purpose::{Cap, OrderKind, Purpose, When};
use crate::policy::start::{Combine, Start};

/// What a start comes to: the date that decides, and whether anything is still to come or unknown.
struct Started<'a> {
    /// The deciding date and its event's title.
    date: Option<(Stamp, &'a Title)>,
    /// An event that has not happened.
    running: Option<&'a Title>,
    /// An event that nobody can date.
    undated: Option<&'a Title>,
}

/// Reads one purpose of a row.
pub struct PurposeReader<'a> {
    /// The row's data set.
    pub data: &'a DataSet,
    /// What its columns mean.
    pub columns: &'a PurposeColumns,
    /// The row.
    pub row: &'a Cells,
}

impl<'a> PurposeReader<'a> {
    /// The story of the purpose whose state stands in column `at`. `orders` are the kinds that stand on the record.
    pub fn story(&self, timed: Timed<'_>, at: usize, needs: Vec<String>, orders: &[OrderKind]) -> PurposeStory {
        let purpose = timed.purpose;
        let state = State::of(cell(self.row, at).unwrap_or_default());
        let started = purpose.starts.as_ref().map(|s| self.started(s, timed));
        let caps: Vec<CapStory> = purpose.at_most.iter().filter_map(|cap| self.cap(cap, timed)).collect();
        let end = limit(purpose, state, started.as_ref(), &caps);
        let days = purpose.days_before();
        let start_title = started.as_ref().and_then(|s| match state {
            State::StartToCome => s.running,
            State::Undated => s.undated,
            _ => s.date.map(|(_, title)| title).or(s.running).or(s.undated),
        });
        let start_title = start_title.cloned().or_else(|| {
            let first = purpose.starts.as_ref()?.events.first()?;
            self.data.date_title(first).cloned()
        });
        PurposeStory {
            id: purpose.id.value.clone(),
            title: purpose.title.clone(),
            legal_basis: purpose.legal_basis,
            article_6_1: purpose.legal_basis.letter(),
            reference: purpose.reference.clone(),
            archive: purpose.archive().map(|a| a.value.clone()),
            copy: purpose.copy().and_then(|name| {
                let copy = self.data.copies.iter().find(|c| c.name.value == name.value)?;
                Some(copy.of.value.to_string())
            }),
            recovery_days: Some(days).filter(|days| *days > 0),
            is_window: purpose.is_window(),
            source: None,
            through: None,
            state,
            keeps: state.keeps(),
            needs,
            period: purpose.keeps.as_ref().map(|k| k.value),
            rounded: purpose.starts.as_ref().is_some_and(|s| s.end_of.is_some()),
            combine: purpose.starts.as_ref().map(|s| s.combine),
            starts: purpose.starts.iter().flat_map(|s| &s.events).filter_map(|n| self.event(n, purpose, timed)).collect(),
            started: started.and_then(|s| s.date.map(|(date, _)| date)),
            start_title,
            ends_by_cap: end.and_then(|(_, title)| title.cloned()),
            ends: end.map(|(stamp, _)| stamp),
            caps,
            covers: purpose.when.as_ref().map(|w| condition(&w.value, self.data)),
            kept_while: purpose.kept_while.as_ref().map(|w| condition(&w.value, self.data)),
            ends_when: purpose.ends_when.as_ref().map(|w| condition(&w.value, self.data)),
            by_instruction: purpose.ended_by.contains(&OrderKind::Instruction),
            ended_by: match state {
                State::EndedByOrder => {
                    orders.iter().copied().filter(|k| *k == OrderKind::Instruction || purpose.ended_by.contains(k)).collect()
                }
                _ => Vec::new(),
            },
        }
    }

    /// From when on the purpose keeps no longer whose state stands in column `at`, where that is known: what [`Self::story`] says, and nothing else of it.
    pub fn end(&self, timed: Timed<'_>, at: usize) -> Option<Stamp> {
        self.end_in(timed, State::of(cell(self.row, at).unwrap_or_default()))
    }

    /// The same of a purpose of which only the dates were read, as long as nothing else ends it.
    pub fn likely_end(&self, timed: Timed<'_>) -> Option<Stamp> {
        self.end_in(timed, State::NotYet)
    }

    fn end_in(&self, timed: Timed<'_>, state: State) -> Option<Stamp> {
        let purpose = timed.purpose;
        let started = purpose.starts.as_ref().map(|s| self.started(s, timed));
        let caps: Vec<CapStory> = purpose.at_most.iter().filter_map(|cap| self.cap(cap, timed)).collect();
        limit(purpose, state, started.as_ref(), &caps).map(|(stamp, _)| stamp)
    }

    /// Where the period of a purpose ends whose start is known.
    pub fn end_of_period(&self, timed: Timed<'_>) -> Option<Stamp> {
        let (start, keeps) = (timed.purpose.starts.as_ref()?, timed.purpose.keeps.as_ref()?);
        let (date, _) = self.started(start, timed).date?;
        over(date, keeps.value, start.end_of)
    }

    fn event(&self, name: &str, purpose: &Purpose, timed: Timed<'_>) -> Option<EventStory> {
        let title = self.data.date_title(name)?.clone();
        let m = self.columns.members(self.row, name, timed.run.zone);
        let latest = purpose.starts.as_ref().is_none_or(|s| s.combine == Combine::Latest);
        Some(EventStory {
            event: name.to_owned(),
            title,
            date: if latest { m.last } else { m.first },
            dated: m.dated,
            missing: m.missing,
            doubtful: m.doubtful,
        })
    }

    fn started(&self, start: &Start, timed: Timed<'_>) -> Started<'a> {
        let mut all = Started { date: None, running: None, undated: None };
        for name in &start.events {
            self.member(name, start.combine, timed, self.columns.members(self.row, name, timed.run.zone), &mut all);
        }
        all
    }

    fn member(&self, name: &str, combine: Combine, timed: Timed<'_>, members: Members, all: &mut Started<'a>) {
        let (event, given) = (self.data.event(name), self.data.given(name));
        let Some(title) = self.data.date_title(name) else { return };
        for date in [members.first, members.last].into_iter().flatten() {
            let better = match (all.date, combine) {
                (None, _) => true,
                (Some((known, _)), Combine::Latest) => date > known,
                (Some((known, _)), Combine::Earliest) => date < known,
            };
            if better {
                all.date = Some((date, title));
            }
        }
        if members.doubtful > 0 {
            all.undated = all.undated.or(Some(title));
        }
        if members.missing == 0 {
            return;
        }
        let missing = event.map(|e| e.missing).or_else(|| given.map(|g| g.missing)).unwrap_or_default();
        match (missing, event.and_then(|e| e.otherwise.as_ref())) {
            (Missing::Running, _) => all.running = all.running.or(Some(title)),
            (Missing::Ignore, _) => {}
            (Missing::Undated, None) => all.undated = all.undated.or(Some(title)),
            (Missing::Undated, Some(other)) => {
                let instead = self.columns.members(self.row, other, timed.run.zone);
                self.member(other, combine, timed, instead, all);
            }
        }
    }

    /// A cap with the day on which it ends the purpose; `None` for a name that the map does not have.
    fn cap(&self, cap: &Cap, timed: Timed<'_>) -> Option<CapStory> {
        match cap {
            Cap::Start(start, period) => {
                let started = self.started(start, timed);
                let title = started.date.map(|(_, t)| t.clone()).or_else(|| {
                    let first = start.events.first()?;
                    self.data.date_title(first).cloned()
                })?;
                let date = started.date.filter(|_| started.is_complete(start.combine)).map(|(date, _)| date);
                Some(CapStory { title, ends: date.and_then(|date| over(date, period.value, start.end_of)) })
            }
            Cap::Named(name) => {
                if let Some(title) = self.data.date_title(name) {
                    let members = self.columns.members(self.row, name, timed.run.zone);
                    let ends = members.first.and_then(|date| over(date, Period::ZERO, None));
                    return Some(CapStory { title: title.clone(), ends });
                }
                let period = self.data.period(name)?;
                let start = timed.purpose.starts.as_ref()?;
                let started = self.started(start, timed);
                let n = self.columns.period(self.row, name).filter(|n| (1..=Period::LIMIT).contains(n));
                let length = n.map(|n| match period.unit {
                    PeriodUnit::Years => Period::Calendar { months: n * 12, days: 0 },
                    PeriodUnit::Months => Period::Calendar { months: n, days: 0 },
                    PeriodUnit::Weeks => Period::Calendar { months: 0, days: n * 7 },
                    PeriodUnit::Days => Period::Calendar { months: 0, days: n },
                });
                let date = started.date.filter(|_| started.is_complete(start.combine)).map(|(date, _)| date);
                let ends = date.zip(length).and_then(|(date, length)| over(date, length, start.end_of));
                Some(CapStory { title: period.title.clone(), ends })
            }
        }
    }
}

/// From when on a purpose keeps no longer: its period's end, or the first of its caps, which is named then.
fn limit<'c>(
    purpose: &Purpose,
    state: State,
    started: Option<&Started<'_>>,
    caps: &'c [CapStory],
) -> Option<(Stamp, Option<&'c Title>)> {
    let mut first: Option<(Stamp, Option<&Title>)> = None;
    if let (Some(start), Some(keeps), Some(known)) = (&purpose.starts, &purpose.keeps, started)
        // The period may be over as well when a cap has ended the purpose; what ended it first is told.
        && state != State::EndedByCap
        && let Some((date, _)) = known.date
        && (known.is_complete(start.combine) || state == State::EndedByTime)
    {
        first = over(date, keeps.value, start.end_of).map(|end| (end, None));
    }
    for cap in caps {
        if let Some(end) = cap.ends.filter(|end| first.is_none_or(|(known, _)| *end < known)) {
            first = Some((end, Some(&cap.title)));
        }
    }
    // What a recovery window keeps sealed, the active base keeps no longer.
    first.map(|(stamp, title)| (stamp.days_before(purpose.days_before()), title))
}

/// The story of a purpose of another source: what it said is all that is known of it here.
pub(super) fn elsewhere(of: &Elsewhere<'_>, needed: bool) -> PurposeStory {
    let purpose = of.purpose;
    let state = if needed { State::NeededElsewhere } else { State::NotNeededElsewhere };
    PurposeStory {
        id: purpose.id.value.clone(),
        title: purpose.title.clone(),
        legal_basis: purpose.legal_basis,
        article_6_1: purpose.legal_basis.letter(),
        reference: purpose.reference.clone(),
        archive: None,
        copy: None,
        recovery_days: None,
        is_window: false,
        source: Some(purpose.data.source.clone()),
        through: None,
        state,
        keeps: state.keeps(),
        needs: of.categories.iter().map(|c| (*c).to_owned()).collect(),
        period: None,
        rounded: false,
        combine: None,
        starts: Vec::new(),
        started: None,
        start_title: None,
        ends: None,
        ends_by_cap: None,
        caps: Vec::new(),
        covers: None,
        kept_while: None,
        ends_when: None,
        ended_by: Vec::new(),
        by_instruction: false,
    }
}

impl Started<'_> {
    /// Whether its date cannot be moved by what is still missing: the latest of several must know them all, and the earliest must not have an
    /// unknown one before it.
    fn is_complete(&self, combine: Combine) -> bool {
        self.undated.is_none() && (combine == Combine::Earliest || self.running.is_none())
    }
}

fn condition(when: &When, data: &DataSet) -> ConditionStory {
    let opposite_of = match when {
        When::Not(inner) => Some(words(inner, data)),
        _ => None,
    };
    ConditionStory { words: words(when, data), opposite_of }
}

/// A combination of conditions, in the words of the map.
fn words(when: &When, data: &DataSet) -> Title {
    let joined = |all: &[When], fr: &str, en: &str| {
        let parts: Vec<Title> = all.iter().map(|w| words(w, data)).collect();
        Title {
            fr: parts.iter().map(|t| t.fr.as_str()).collect::<Vec<_>>().join(fr),
            en: parts.iter().map(|t| t.en.as_str()).collect::<Vec<_>>().join(en),
        }
    };
    match when {
        When::Condition(name) => match data.condition(name) {
            Some(condition) => {
                Title { fr: format!("«\u{a0}{}\u{a0}»", condition.title.fr), en: format!("“{}”", condition.title.en) }
            }
            None => Title { fr: name.value.clone(), en: name.value.clone() },
        },
        When::Not(inner) => {
            let inner = words(inner, data);
            Title { fr: format!("non {}", inner.fr), en: format!("not {}", inner.en) }
        }
        When::All(all) => joined(all, " et ", " and "),
        When::Any(all) => joined(all, " ou ", " or "),
    }
}
