//! Conditions: an expression over one row, in three-valued logic. `None` is unknown.

use std::cmp::Ordering;

use chrono::{Days, NaiveDate};
use chrono_tz::Tz;

use super::dates;
use super::moment;
use super::value::Value;
use crate::policy::expression::{Comparison, Expr};
use crate::policy::period::Period;

/// Whether the expression holds for the row whose columns `column` gives. `zone` is that of local times beside instants.
pub fn truth<'r>(expr: &Expr, column: &dyn Fn(&str) -> Option<&'r Value>, zone: Tz) -> Option<bool> {
    match expr {
        Expr::And(all) => and(all.iter().map(|e| truth(e, column, zone))),
        Expr::Or(all) => or(all.iter().map(|e| truth(e, column, zone))),
        Expr::Not(inner) => truth(inner, column, zone).map(|t| !t),
        Expr::IsNull(inner) => Some(match as_truth(inner) {
            true => truth(inner, column, zone).is_none(),
            false => value(inner, column, zone).is_null(),
        }),
        Expr::Is(inner, wanted) => Some(truth(inner, column, zone) == Some(*wanted)),
        Expr::Compare(comparison, left, right) => {
            compare(*comparison, &value(left, column, zone), &value(right, column, zone), zone)
        }
        Expr::In(inner, list) => {
            let inner = value(inner, column, zone);
            or(list.iter().map(|item| compare(Comparison::Equal, &inner, &value(item, column, zone), zone)))
        }
        Expr::Between(inner, low, high) => {
            let inner = value(inner, column, zone);
            and([
                compare(Comparison::GreaterOrEqual, &inner, &value(low, column, zone), zone),
                compare(Comparison::LessOrEqual, &inner, &value(high, column, zone), zone),
            ])
        }
        Expr::Like(inner, pattern) => match value(inner, column, zone) {
            Value::Text(text) => Some(like(&text.chars().collect::<Vec<_>>(), &pattern.chars().collect::<Vec<_>>())),
            _ => None,
        },
        Expr::Bool(b) => Some(*b),
        Expr::Null => None,
        _ => match value(expr, column, zone) {
            Value::Bool(b) => Some(b),
            Value::Integer(n) => Some(n != 0),
            _ => None,
        },
    }
}

/// Whether the expression is a condition by its form.
fn as_truth(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::And(_)
            | Expr::Or(_)
            | Expr::Not(_)
            | Expr::IsNull(_)
            | Expr::Is(..)
            | Expr::Compare(..)
            | Expr::In(..)
            | Expr::Between(..)
            | Expr::Like(..)
    )
}

fn value<'r>(expr: &Expr, column: &dyn Fn(&str) -> Option<&'r Value>, zone: Tz) -> Value {
    match expr {
        Expr::Column(name) => column(name).cloned().unwrap_or(Value::Null),
        Expr::Text(text) => Value::Text(text.clone()),
        Expr::Number(digits) => match digits.parse() {
            Ok(n) => Value::Integer(n),
            Err(_) => Value::decimal(digits).unwrap_or(Value::Null),
        },
        Expr::Bool(b) => Value::Bool(*b),
        Expr::Null => Value::Null,
        Expr::Date(day) => Value::Date(*day),
        Expr::Coalesce(all) => all.iter().map(|e| value(e, column, zone)).find(|v| !v.is_null()).unwrap_or(Value::Null),
        Expr::Case(arms, otherwise) => match arms.iter().find(|(when, _)| truth(when, column, zone) == Some(true)) {
            Some((_, then)) => value(then, column, zone),
            None => otherwise.as_ref().map_or(Value::Null, |e| value(e, column, zone)),
        },
        Expr::Shift(inner, period, back) => shift(value(inner, column, zone), *period, *back, zone),
        condition => truth(condition, column, zone).map_or(Value::Null, Value::Bool),
    }
}

fn compare(comparison: Comparison, left: &Value, right: &Value, zone: Tz) -> Option<bool> {
    let order = match (left, right) {
        (Value::Null, _) | (_, Value::Null) => return None,
        (Value::Bytes(_) | Value::Json(_), _) | (_, Value::Bytes(_) | Value::Json(_)) if left != right => Ordering::Less,
        _ => left.compare(right, zone)?,
    };
    Some(match comparison {
        Comparison::Equal => order == Ordering::Equal,
        Comparison::NotEqual => order != Ordering::Equal,
        Comparison::Less => order == Ordering::Less,
        Comparison::LessOrEqual => order != Ordering::Greater,
        Comparison::Greater => order == Ordering::Greater,
        Comparison::GreaterOrEqual => order != Ordering::Less,
    })
}

/// A date plus (or minus) a period: months and years first, in one step, then weeks and days.
fn shift(value: Value, period: Period, back: bool, zone: Tz) -> Value {
    let Period::Calendar { months, days } = period else { return Value::Null };
    let moved = |day: NaiveDate| {
        let months = i64::from(months) * if back { -1 } else { 1 };
        let day = dates::plus_months(day, months, false)?;
        let days = Days::new(u64::from(days));
        if back { day.checked_sub_days(days) } else { day.checked_add_days(days) }
    };
    match value {
        Value::Date(day) => moved(day).map_or(Value::Null, Value::Date),
        Value::DateTime(time) => moved(time.date()).map_or(Value::Null, |d| Value::DateTime(d.and_time(time.time()))),
        Value::Instant(instant) => {
            let local = instant.with_timezone(&zone).naive_local();
            moved(local.date()).map_or(Value::Null, |d| Value::Instant(dates::instant_of(d.and_time(local.time()), zone)))
        }
        Value::Text(text) => match moment::iso_text(&text) {
            Some(time) if text.len() == 10 => moved(time.date()).map_or(Value::Null, Value::Date),
            Some(time) => moved(time.date()).map_or(Value::Null, |d| Value::DateTime(d.and_time(time.time()))),
            None => Value::Null,
        },
        Value::Infinity(positive) => Value::Infinity(positive),
        _ => Value::Null,
    }
}

/// `LIKE`, to the letter: `%` any characters, `_` one, nothing escaped.
fn like(text: &[char], pattern: &[char]) -> bool {
    // reached[i]: the pattern read so far matches the first i characters.
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for p in pattern {
        let mut next = vec![false; text.len() + 1];
        for i in 0..=text.len() {
            next[i] = match p {
                '%' => reached[i] || (i > 0 && next[i - 1]),
                '_' => i > 0 && reached[i - 1],
                c => i > 0 && reached[i - 1] && text[i - 1] == *c,
            };
        }
        reached = next;
    }
    reached[text.len()]
}

/// All of them: false if one is false, otherwise unknown if one is unknown.
pub fn and(all: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    let mut answer = Some(true);
    for one in all {
        match one {
            Some(false) => return Some(false),
            None => answer = None,
            Some(true) => {}
        }
    }
    answer
}

/// Any of them: true if one is true, otherwise unknown if one is unknown.
pub fn or(all: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    and(all.into_iter().map(|t| t.map(|t| !t))).map(|t| !t)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::expression::parse;

    fn holds(text: &str, row: &[(&str, Value)]) -> Option<bool> {
        truth(&parse(text).unwrap(), &|name| row.iter().find(|(n, _)| *n == name).map(|(_, v)| v), Tz::UTC)
    }

    #[test]
    fn null_is_unknown_unless_something_else_decides() {
        let row = [("a", Value::Null), ("b", Value::Integer(1)), ("c", Value::text("x"))];
        for (text, truth) in [
            ("a = 1", None),
            ("a = 1 AND b = 2", Some(false)),
            ("a = 1 OR b = 1", Some(true)),
            ("NOT a = 1", None),
            ("a IS NULL", Some(true)),
            ("(a = 1) IS NULL", Some(true)),
            ("(a = 1) IS TRUE", Some(false)),
            ("(a = 1) IS NOT TRUE", Some(true)),
            ("b IN (2, a)", None),
            ("b IN (1, a)", Some(true)),
            ("b NOT IN (2, a)", None),
            ("b BETWEEN 2 AND a", Some(false)),
            ("b BETWEEN 0 AND a", None),
            ("a LIKE 'x%'", None),
            ("c LIKE '_'", Some(true)),
            ("COALESCE(a, b) = 1", Some(true)),
            ("CASE WHEN a = 1 THEN 'p' WHEN b = 1 THEN 'q' END = 'q'", Some(true)),
            ("CASE WHEN a = 1 THEN TRUE END", None),
            ("b", Some(true)),
            ("missing = 1", None),
        ] {
            assert_eq!(holds(text, &row), truth, "{text}");
        }
    }

    #[test]
    fn dates_compare_with_dates_and_with_dates_plus_a_period() {
        let d = |t: &str| Value::Date(t.parse().unwrap());
        let row = [("facts", d("2018-02-28")), ("ended", d("2024-02-28")), ("leap", d("2024-02-29"))];
        for (text, truth) in [
            ("ended > facts + INTERVAL '6 years'", Some(false)),
            ("ended >= facts + INTERVAL '6 years'", Some(true)),
            ("leap > facts + INTERVAL '6 years'", Some(true)),
            ("leap - INTERVAL '12 months' = DATE '2023-02-28'", Some(true)),
            ("leap + INTERVAL '1 month 2 days' = DATE '2024-03-31'", Some(true)),
            ("leap = '2024-02-29'", Some(true)),
            ("ended < none + INTERVAL '1 day'", None),
        ] {
            assert_eq!(holds(text, &row), truth, "{text}");
        }
    }

    #[test]
    fn like_knows_two_wildcards_and_no_escape() {
        let like = |t: &str, p: &str| super::like(&t.chars().collect::<Vec<_>>(), &p.chars().collect::<Vec<_>>());
        assert!(like("abc", "a%c") && like("abc", "%") && like("", "%") && like("a\\b", "a\\_") && like("éa", "_a"));
        assert!(!like("abc", "a_") && !like("ABC", "abc") && !like("abc", "%d"));
    }
}
