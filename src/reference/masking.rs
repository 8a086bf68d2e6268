//! Masks: whether a value is done already, and what it becomes otherwise.

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveTime, Utc};

use super::dates;
use super::moment;
use super::value::{Number, Value, sorted};
use crate::policy::mask::{DateFloor, Mask};
use chrono_tz::Tz;

/// Whether nothing is left to do: the value is NULL or what the mask would make of it.
#[must_use]
pub fn is_done(value: &Value, mask: &Mask) -> bool {
    value.is_null() || masked(value, mask) == *value
}

/// What the mask makes of a value. A token's random digits cannot be foretold: it becomes [`Value::Token`]. Nor can a pseudonym's
/// without the key: it becomes [`Value::Pseudonym`].
#[must_use]
pub fn masked(value: &Value, mask: &Mask) -> Value {
    match (mask, value) {
        (_, Value::Null) | (Mask::Null, _) => Value::Null,
        (Mask::Fixed(text), value) => fixed(text, value),
        (Mask::Token { prefix, suffix, digits }, value) => token(prefix, suffix, *digits, value),
        (Mask::Pseudonym { prefix, suffix, digits }, Value::Text(text)) => {
            let (prefix, suffix, digits, of) = (prefix.clone(), suffix.clone(), *digits, text.clone());
            let pseudonym = Value::Pseudonym { prefix, suffix, digits, of };
            if pseudonym.is_stored_as(value) { value.clone() } else { pseudonym }
        }
        (Mask::Pseudonym { .. }, other) => other.clone(),
        (Mask::DateFloor(floor), value) => floored(value, *floor),
        (Mask::Band(step), value) => band(value, i128::from(*step)),
        (Mask::First(n), Value::Text(text)) => Value::Text(text.chars().take(*n as usize).collect()),
        (Mask::First(_), other) => other.clone(),
        (Mask::IpPrefix { v4, v6 }, value) => ip_prefix(value, *v4, *v6),
        (Mask::JsonRemove(paths), value) => json_remove(value, paths),
    }
}

/// The text as a value of the same type.
fn fixed(text: &str, like: &Value) -> Value {
    let as_text = || Value::Text(text.to_owned());
    let local = || moment::iso_text(text);
    match like {
        Value::Bool(_) => text.parse().map_or_else(|_| as_text(), Value::Bool),
        Value::Integer(_) => match text {
            "true" => Value::Integer(1),
            "false" => Value::Integer(0),
            _ => text.parse().map_or_else(|_| as_text(), Value::Integer),
        },
        Value::Decimal(_) => Value::decimal(text).unwrap_or_else(as_text),
        Value::Json(_) => Value::json(text).unwrap_or_else(as_text),
        Value::Date(_) => local().map_or_else(as_text, |t| Value::Date(t.date())),
        Value::DateTime(_) => local().map_or_else(as_text, Value::DateTime),
        Value::Instant(_) => match text.parse::<DateTime<Utc>>() {
            Ok(instant) => Value::Instant(instant),
            Err(_) => local().map_or_else(as_text, |t| Value::Instant(t.and_utc())),
        },
        _ => as_text(),
    }
}

fn token(prefix: &str, suffix: &str, digits: u8, value: &Value) -> Value {
    let token = Value::Token { prefix: prefix.to_owned(), suffix: suffix.to_owned(), digits };
    if token.is_stored_as(value) { value.clone() } else { token }
}

fn floored(value: &Value, floor: DateFloor) -> Value {
    let first = |day: NaiveDate| {
        let (year, month) = match floor {
            DateFloor::Month => (day.year(), day.month()),
            DateFloor::Year => (day.year(), 1),
            DateFloor::Decade => (day.year() - day.year().rem_euclid(10), 1),
        };
        NaiveDate::from_ymd_opt(year, month, 1).unwrap_or(day)
    };
    match value {
        Value::Date(day) => Value::Date(first(*day)),
        Value::DateTime(time) => Value::DateTime(first(time.date()).and_time(NaiveTime::MIN)),
        Value::Instant(instant) => {
            Value::Instant(dates::instant_of(first(instant.date_naive()).and_time(NaiveTime::MIN), Tz::UTC))
        }
        Value::Text(text) => Value::Text(floored_text(text, floor).unwrap_or_else(|| NO_DATE.to_owned())),
        Value::Integer(_) | Value::Decimal(_) | Value::Bool(_) | Value::Bytes(_) => Value::Text(NO_DATE.to_owned()),
        // A date without month or day has a year all the same; what stands for no date stays.
        Value::ZeroDate(text) if !text.starts_with("0000") => {
            let day = NaiveDate::from_ymd_opt(1900, 1, 1).unwrap_or_default();
            if text.len() > 10 { Value::DateTime(day.and_time(NaiveTime::MIN)) } else { Value::Date(day) }
        }
        other => other.clone(),
    }
}

/// What takes the place of what is no date.
const NO_DATE: &str = "1900-01-01";

/// The floor of a text that begins with a date, whatever follows.
fn floored_text(text: &str, floor: DateFloor) -> Option<String> {
    let number = |from: usize, to: usize| {
        let digits = text.get(from..to)?;
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u32>().ok())?
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    if text.as_bytes()[4] != b'-' || text.as_bytes()[7] != b'-' || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (year, month) = match floor {
        DateFloor::Month => (year, month),
        DateFloor::Year => (year, 1),
        DateFloor::Decade => (year - year % 10, 1),
    };
    let time = if text.chars().count() > 10 { " 00:00:00" } else { "" };
    Some(format!("{year:04}-{month:02}-01{time}"))
}

fn band(value: &Value, step: i128) -> Value {
    let down = |n: i128| n.div_euclid(step) * step;
    match value {
        Value::Integer(n) => Value::Integer(down(*n)),
        Value::Decimal(text) => match Number::parse(text) {
            Some(n) => Value::Decimal(down(n.whole()).to_string()),
            None => Value::Decimal("0".to_owned()),
        },
        Value::Null => Value::Null,
        _ => Value::Integer(0),
    }
}

fn ip_prefix(value: &Value, v4: u8, v6: u8) -> Value {
    let Value::Text(text) = value else { return value.clone() };
    match text.parse() {
        Ok(std::net::IpAddr::V4(ip)) => {
            let kept = u32::MAX.checked_shl(32 - u32::from(v4)).unwrap_or(0);
            Value::Text(std::net::Ipv4Addr::from_bits(ip.to_bits() & kept).to_string())
        }
        Ok(std::net::IpAddr::V6(ip)) => {
            let kept = u128::MAX.checked_shl(128 - u32::from(v6)).unwrap_or(0);
            Value::Text(std::net::Ipv6Addr::from_bits(ip.to_bits() & kept).to_string())
        }
        Err(_) => Value::Text("0.0.0.0".to_owned()),
    }
}

fn json_remove(value: &Value, paths: &[Vec<String>]) -> Value {
    let (Value::Json(text) | Value::Text(text)) = value else { return value.clone() };
    if text.is_empty() {
        return value.clone();
    }
    let Ok(mut document) = serde_json::from_str::<serde_json::Value>(text) else { return Value::Text("{}".to_owned()) };
    let mut removed = false;
    for path in paths {
        let Some((last, steps)) = path.split_last() else { continue };
        let mut at = Some(&mut document);
        for step in steps {
            at = at.and_then(|d| d.as_object_mut()).and_then(|o| o.get_mut(step));
        }
        removed |= at.and_then(|d| d.as_object_mut()).is_some_and(|o| o.remove(last).is_some());
    }
    match (removed, value) {
        (false, _) => value.clone(),
        (true, Value::Json(_)) => Value::Json(sorted(document).to_string()),
        (true, _) => Value::Text(sorted(document).to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::pseudonym::PseudonymKey;
    use super::*;

    #[test]
    fn every_mask_is_a_fixpoint() {
        let date = |t: &str| Value::Date(t.parse().unwrap());
        let json = |t: &str| Value::json(t).unwrap();
        let token = Mask::Token { prefix: "anon-".into(), suffix: String::new(), digits: 8 };
        let marker = Value::Token { prefix: "anon-".into(), suffix: String::new(), digits: 8 };
        let (prefix, suffix, digits) = ("pseu-".to_owned(), String::new(), 16);
        let pseudonym = Mask::Pseudonym { prefix: prefix.clone(), suffix: suffix.clone(), digits };
        let of = |t: &str| Value::Pseudonym { prefix: prefix.clone(), suffix: suffix.clone(), digits, of: t.into() };
        let key = PseudonymKey { inner: vec![1; 64], outer: vec![2; 64] };
        for (mask, before, after) in [
            (Mask::Null, Value::text("Anne"), Value::Null),
            (Mask::Fixed("ANONYME".into()), Value::text("Anonyme  "), Value::text("ANONYME")),
            (Mask::Fixed("0.00".into()), Value::Decimal("3.5".into()), Value::Decimal("0".into())),
            (Mask::Fixed("1900-01-01".into()), date("1980-05-05"), date("1900-01-01")),
            (token.clone(), Value::text("anon-xyz"), marker.clone()),
            (token.clone(), Value::text("anon-0123456g"), marker),
            (token, Value::text("anon-01234567"), Value::text("anon-01234567")),
            (pseudonym.clone(), Value::text("Zoé"), of("Zoé")),
            (pseudonym.clone(), Value::text(""), of("")),
            (pseudonym.clone(), Value::text("pseu-0123456789ABCDEF"), of("pseu-0123456789ABCDEF")),
            (pseudonym, Value::text("pseu-0123456789abcdef"), Value::text("pseu-0123456789abcdef")),
            (Mask::DateFloor(DateFloor::Month), date("1984-02-29"), date("1984-02-01")),
            (Mask::DateFloor(DateFloor::Year), date("1984-02-29"), date("1984-01-01")),
            (Mask::DateFloor(DateFloor::Decade), date("1989-12-31"), date("1980-01-01")),
            (Mask::Band(10), Value::Integer(-1), Value::Integer(-10)),
            (Mask::Band(100), Value::Decimal("1299.99".into()), Value::Decimal("1200".into())),
            (Mask::Band(5), Value::Decimal("-0.01".into()), Value::Decimal("-5".into())),
            (Mask::First(2), Value::text("éàü"), Value::text("éà")),
            (Mask::First(0), Value::text("x"), Value::text("")),
            (Mask::IpPrefix { v4: 24, v6: 48 }, Value::text("192.0.2.77"), Value::text("192.0.2.0")),
            (Mask::IpPrefix { v4: 24, v6: 48 }, Value::text("2001:db8:1:2::3"), Value::text("2001:db8:1::")),
            (Mask::JsonRemove(vec![vec!["a".into(), "b".into()]]), json("{\"a\":{\"b\":1,\"c\":2}}"), json("{\"a\":{\"c\":2}}")),
        ] {
            let once = masked(&before, &mask);
            assert!(once == after, "{mask:?}");
            let once = key.stored(&once);
            assert!(masked(&once, &mask) == once || matches!(once, Value::Token { .. }), "{mask:?} twice");
            assert!(is_done(&once, &mask), "{mask:?} is done");
            assert!(is_done(&Value::Null, &mask), "{mask:?} leaves NULL");
        }
    }
}
