//! Invented data for the shipped examples: what the demonstration and the tests fill the five organisations' databases with.
//!
//! Pure and deterministic: the same organisation, number, seed and day give the same rows, and a record does not depend on how many others
//! there are. Nobody in it exists: e-mail addresses end in `example.invalid`, telephone numbers lie in the ranges that ARCEP keeps free for
//! fiction, IBANs and social-security numbers cannot be valid. Dates cluster where a retention engine goes wrong: on each side of every boundary,
//! missing, sentinel, future, on leap days and in the nights when the clocks change.

mod bsoft;
mod capassurances;
mod dates;
mod generic;
mod insert;
mod names;
mod random;
mod secufor;
mod seveane;
mod sofraco;

use chrono::NaiveDate;

pub use insert::{Insert, SeedValue};

use dates::Dates;
use random::Random;

/// The organisations whose examples are shipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Organisation {
    /// Groupe Sofraco, insurance broker.
    Sofraco,
    /// Secufor, software and payment-account publisher.
    Secufor,
    /// bsoft.fr, insurance software.
    Bsoft,
    /// Séveane, third-party-payment network.
    Seveane,
    /// CAP Assurances, expatriate insurance.
    Capassurances,
    /// Any organisation with contracts.
    Generic,
}

impl Organisation {
    /// The five organisations of the demonstration.
    pub const FIVE: [Self; 5] = [Self::Sofraco, Self::Secufor, Self::Bsoft, Self::Seveane, Self::Capassurances];

    /// All of them.
    pub const ALL: [Self; 6] = [Self::Sofraco, Self::Secufor, Self::Bsoft, Self::Seveane, Self::Capassurances, Self::Generic];

    /// Its id: the source of its data map, the id of its policy, and its folder under `config/examples`.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Sofraco => "sofraco",
            Self::Secufor => "secufor",
            Self::Bsoft => "bsoft",
            Self::Seveane => "seveane",
            Self::Capassurances => "capassurances",
            Self::Generic => "generic",
        }
    }

    /// How people write its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sofraco => "Groupe Sofraco",
            Self::Secufor => "Secufor",
            Self::Bsoft => "bsoft.fr",
            Self::Seveane => "Séveane",
            Self::Capassurances => "CAP Assurances",
            Self::Generic => "Generic",
        }
    }

    /// Its share of a demonstration of so many records over [`Self::FIVE`]; the shares add up to the whole but for rounding.
    #[must_use]
    pub fn share(self, records: usize) -> usize {
        let percent = match self {
            Self::Sofraco => 25,
            Self::Secufor => 25,
            Self::Bsoft => 30,
            Self::Seveane => 12,
            Self::Capassurances => 8,
            Self::Generic => 0,
        };
        records * percent / 100
    }
}

/// Makes the rows of one record from its dice, the dates and its number.
type Record = fn(&mut Random, &Dates, i64) -> Vec<Insert>;

/// The rows of so many records (a record being a row with purposes of its own and what follows it), parents before the rows that
/// reference them.
///
/// `today` is the day on which the retention run will take place: dates cluster around its boundaries. `seed` varies everything else.
pub fn rows(org: Organisation, records: usize, seed: u64, today: NaiveDate) -> impl Iterator<Item = Insert> {
    let (first, record): (Vec<Insert>, Record) = match org {
        Organisation::Sofraco => (sofraco::reference_rows(), sofraco::record),
        Organisation::Secufor => (secufor::reference_rows(), secufor::record),
        Organisation::Bsoft => (Vec::new(), bsoft::record),
        Organisation::Seveane => (Vec::new(), seveane::record),
        Organisation::Capassurances => (Vec::new(), capassurances::record),
        Organisation::Generic => (Vec::new(), generic::record),
    };
    let dates = Dates::new(today);
    // Record numbers start at 1; the organisation's index keeps two of them from sharing their dice.
    let stream = seed ^ (org as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    first.into_iter().chain((1..=records).flat_map(move |n| {
        let n = i64::try_from(n).unwrap_or(i64::MAX);
        record(&mut Random::new(stream, n.unsigned_abs()), &dates, n)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn day() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 5, 15).unwrap()
    }

    #[test]
    fn the_same_seed_gives_the_same_rows_and_another_seed_others() {
        for org in Organisation::ALL {
            let first: Vec<Insert> = rows(org, 200, 7, day()).collect();
            assert_eq!(first, rows(org, 200, 7, day()).collect::<Vec<_>>());
            assert_ne!(first, rows(org, 200, 8, day()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_record_does_not_depend_on_how_many_there_are() {
        for org in Organisation::ALL {
            let few: Vec<Insert> = rows(org, 50, 7, day()).collect();
            assert_eq!(few[..], rows(org, 60, 7, day()).take(few.len()).collect::<Vec<_>>()[..]);
        }
    }

    #[test]
    fn shares_add_up_to_the_whole() {
        assert_eq!(Organisation::FIVE.iter().map(|o| o.share(100_000)).sum::<usize>(), 100_000);
    }

    /// Each date column that may be empty sometimes is, and boundary days occur on both sides.
    #[test]
    fn awkward_dates_occur_in_every_organisation() {
        for org in Organisation::ALL {
            let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
            for row in rows(org, 3_000, 7, day()) {
                for value in &row.values {
                    let date = match value {
                        SeedValue::Null => {
                            *seen.entry("null").or_default() += 1;
                            continue;
                        }
                        SeedValue::Date(d) => *d,
                        SeedValue::Instant(i) => i.date_naive(),
                        SeedValue::DateTime(t) => t.date(),
                        _ => continue,
                    };
                    let kind = if dates::SENTINELS.contains(&date) {
                        "sentinel"
                    } else if date > day() {
                        "future"
                    } else if date.format("%m-%d").to_string() == "02-29" {
                        "leap day"
                    } else {
                        continue;
                    };
                    *seen.entry(kind).or_default() += 1;
                }
            }
            assert_eq!(seen.keys().copied().collect::<Vec<_>>(), ["future", "leap day", "null", "sentinel"], "{org:?}");
        }
    }
}
