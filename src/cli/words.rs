//! Numbers, days and plurals as French and English write them.

use chrono::NaiveDate;

use crate::config::Lang;

/// What a text says in one of the two languages.
#[must_use]
pub fn pick<'t>(lang: Lang, fr: &'t str, en: &'t str) -> &'t str {
    match lang {
        Lang::Fr => fr,
        Lang::En => en,
    }
}

/// A number with the language's thousands separator: a narrow no-break space in French, a comma in English.
#[must_use]
pub fn number(n: u64, lang: Lang) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push_str(pick(lang, "\u{202f}", ","));
        }
        out.push(c);
    }
    out
}

/// A number and its noun. French has the singular for 0 and 1, English for 1.
#[must_use]
pub fn count(n: u64, lang: Lang, fr: (&str, &str), en: (&str, &str)) -> String {
    let noun = match lang {
        Lang::Fr if n < 2 => fr.0,
        Lang::Fr => fr.1,
        Lang::En if n == 1 => en.0,
        Lang::En => en.1,
    };
    format!("{} {noun}", number(n, lang))
}

/// A day: 31/01/2026 in French, 2026-01-31 in English.
#[must_use]
pub fn day(day: NaiveDate, lang: Lang) -> String {
    match lang {
        Lang::Fr => day.format("%d/%m/%Y").to_string(),
        Lang::En => day.to_string(),
    }
}

/// A day that is written `YYYY-MM-DD`, as [`day`] writes it; any other text as it is.
#[must_use]
pub fn written_day(text: &str, lang: Lang) -> String {
    text.parse().map_or_else(|_| text.to_owned(), |date| day(date, lang))
}

/// A share in thousandths as a percentage.
#[must_use]
pub fn percent(thousandths: u64, lang: Lang) -> String {
    let (whole, tenth) = (thousandths / 10, thousandths % 10);
    match lang {
        Lang::Fr => format!("{},{tenth}\u{202f}%", number(whole, lang)),
        Lang::En => format!("{}.{tenth} %", number(whole, lang)),
    }
}

/// The colon of the language: French puts a no-break space before it.
#[must_use]
pub fn colon(lang: Lang) -> &'static str {
    pick(lang, "\u{a0}:", ":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_nouns_follow_the_language() {
        let records = |n, lang| count(n, lang, ("enregistrement", "enregistrements"), ("record", "records"));
        assert_eq!(records(0, Lang::Fr), "0 enregistrement");
        assert_eq!(records(1, Lang::Fr), "1 enregistrement");
        assert_eq!(records(1_234_567, Lang::Fr), "1\u{202f}234\u{202f}567 enregistrements");
        assert_eq!(records(0, Lang::En), "0 records");
        assert_eq!(records(1, Lang::En), "1 record");
        assert_eq!(records(1_234_567, Lang::En), "1,234,567 records");
        assert_eq!((percent(405, Lang::Fr), percent(1_000, Lang::En)), ("40,5\u{202f}%".into(), "100.0 %".into()));
    }
}
