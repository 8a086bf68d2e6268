//! Recognising personal columns by the shapes of sampled values. What comes out are counts and kinds, never a value.

use super::kind::Kind;
use super::values;
use crate::policy::map::DateFormat;

/// What the sampled values of one column look like. It holds no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seen {
    /// How many values were neither NULL nor empty.
    pub values: u32,
    /// The shape that enough of them have, and how many of a hundred.
    pub shape: Option<(Kind, u8)>,
    /// Whether they are a handful of short marks (`Y`, `0`), whatever the column's name promises.
    pub marks: bool,
    /// Whether they are calendar days spread over generations, as births are and a record's own dates are not.
    pub generations: bool,
    /// The format in which all of them are dates that exist.
    pub dates: Option<DateFormat>,
}

/// One shape: the test, the share that must pass it (per cent), how many values it takes.
struct Shape {
    kind: Kind,
    fits: fn(&str) -> bool,
    share: u32,
    least: u32,
}

/// The most telling first: a checksum decides before a pattern.
const SHAPES: [Shape; 9] = [
    Shape { kind: Kind::Iban, fits: values::is_iban, share: 60, least: 3 },
    Shape { kind: Kind::Nir, fits: values::is_keyed_nir, share: 60, least: 3 },
    Shape { kind: Kind::Nir, fits: values::is_nir, share: 90, least: 8 },
    Shape { kind: Kind::CardNumber, fits: values::is_card, share: 60, least: 3 },
    Shape { kind: Kind::Email, fits: values::is_email, share: 60, least: 3 },
    Shape { kind: Kind::Ip, fits: values::is_ip, share: 80, least: 8 },
    Shape { kind: Kind::Phone, fits: values::is_phone, share: 70, least: 8 },
    Shape { kind: Kind::Street, fits: values::is_street, share: 50, least: 8 },
    Shape { kind: Kind::Name, fits: values::is_name, share: 40, least: 8 },
];

/// Looks at the values of one column.
pub fn look<'a>(values: impl IntoIterator<Item = &'a str>) -> Seen {
    let all: Vec<&str> = values.into_iter().map(str::trim).filter(|v| !v.is_empty()).take(1_000).collect();
    let count = u32::try_from(all.len()).unwrap_or(u32::MAX);
    let of = |fits: fn(&str) -> bool| u32::try_from(all.iter().filter(|v| fits(v)).count()).unwrap_or(u32::MAX);
    // Instants of some days have the same first digits, which may be those of a man born in some month: a register of people has women, too.
    let instants = of(values::is_epoch_milliseconds) * 100 >= 95 * count;
    let shape = SHAPES.iter().filter(|s| !instants || s.kind != Kind::Nir).find_map(|s| {
        let fitting = of(s.fits);
        (count >= s.least && fitting * 100 >= s.share * count)
            .then(|| (s.kind, u8::try_from(fitting * 100 / count.max(1)).unwrap_or(100)))
    });
    let distinct: std::collections::BTreeSet<&str> = all.iter().copied().collect();
    let marks = count >= 20 && distinct.len() <= 3 && distinct.iter().all(|v| v.chars().count() <= 3);
    let mut years: Vec<u16> = all.iter().filter_map(|v| values::year(v)).filter(|y| (1901..=2025).contains(y)).collect();
    years.sort_unstable();
    let dated = count >= 10 && years.len() * 10 >= all.len() * 9;
    // The middle half of births spans decades; that of a record's own dates a few years.
    let generations = dated && years[years.len() * 3 / 4] - years[years.len() / 4] >= 15 && years[0] < 1990;
    let all_are = |fits: fn(&str) -> bool| count >= 3 && of(fits) == count;
    let dates = if all_are(values::is_iso_date) {
        Some(DateFormat::IsoDate)
    } else if all_are(values::is_iso_instant) {
        Some(DateFormat::IsoInstant)
    } else {
        all_are(values::is_iso_datetime).then_some(DateFormat::IsoDateTime)
    };
    Seen { values: count, shape, marks, generations, dates }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(n: usize, value: impl Fn(usize) -> String) -> Seen {
        let all: Vec<String> = (0..n).map(value).collect();
        look(all.iter().map(String::as_str))
    }

    #[test]
    fn a_shape_counts_when_enough_values_have_it() {
        let mixed = |bad: usize| seen(20, move |i| if i < bad { format!("n/a {i}") } else { format!("p{i}@exemple.fr") });
        assert_eq!(mixed(8).shape, Some((Kind::Email, 60)));
        assert_eq!(mixed(9).shape, None);
        assert_eq!(seen(2, |i| format!("p{i}@exemple.fr")).shape, None, "two values tell nothing");
        assert_eq!(look(["", "  "]), Seen::default(), "empty values are no values");
    }

    #[test]
    fn births_spread_over_generations_and_a_records_own_dates_do_not() {
        assert!(seen(30, |i| format!("{}-05-06", 1940 + i * 2)).generations);
        assert!(!seen(30, |i| format!("{}-05-06", 2015 + i % 9)).generations);
        assert!(!seen(30, |i| if i < 20 { "1900-01-01".into() } else { format!("{}-05-06", 1940 + i) }).generations);
    }

    #[test]
    fn milliseconds_are_no_social_security_numbers_and_numbers_without_a_key_must_be_nearly_all() {
        // Spread over years, and of one afternoon of a month whose digits are those of a birth month.
        assert_eq!(seen(200, |i| (1_500_000_000_000_u64 + i as u64 * 1_234_567_891).to_string()).shape, None);
        assert_eq!(seen(200, |i| (1_700_512_345_678_u64 + i as u64 * 7_919).to_string()).shape, None);
        let people = |bad: usize| {
            seen(40, move |i| {
                if i < bad {
                    format!("9{i:012}")
                } else {
                    format!("{}{:02}{:02}75{:03}{:03}", i % 2 + 1, 40 + i, i % 12 + 1, i + 1, i + 7)
                }
            })
        };
        assert_eq!(people(0).shape, Some((Kind::Nir, 100)));
        assert_eq!(people(10).shape, None);
    }

    #[test]
    fn dates_are_a_format_only_when_all_of_them_are() {
        assert_eq!(seen(30, |i| format!("2024-01-{:02}", i % 28 + 1)).dates, Some(DateFormat::IsoDate));
        assert_eq!(seen(30, |i| format!("2024-01-{:02}T10:00:00", i % 28 + 1)).dates, Some(DateFormat::IsoDateTime));
        assert_eq!(seen(30, |i| format!("2024-01-{:02}T10:00:00.000Z", i % 28 + 1)).dates, Some(DateFormat::IsoInstant));
        assert_eq!(seen(30, |i| format!("2024-01-{:02}", i + 3)).dates, None, "the 32nd is no day");
        assert_eq!(seen(2, |_| "2024-01-02".into()).dates, None, "two values tell nothing");
    }

    #[test]
    fn a_handful_of_short_values_are_marks() {
        assert!(seen(30, |i| ["Y", "N"][i % 2].into()).marks);
        assert!(!seen(30, |i| format!("{i:02}")).marks && !seen(5, |_| "Y".into()).marks);
    }
}
