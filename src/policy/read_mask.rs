//! Reading masks: a word, or a table with one key.

use std::ops::RangeInclusive;

use toml::de::DeValue;

use super::located::{Faults, Located, Span};
use super::mask::{DateFloor, Mask};
use super::reader::{Reader, Value, describe, integer_of, shown, texts_of};

const EXPECTED: &str = "\"null\", \"token\", \"pseudonym\", \"month\", \"year\", \"decade\", { fixed = \"…\" }, { token = { prefix = \"…\" } }, { pseudonym = { prefix = \"…\" } }, { band = 10 }, { first = 2 }, { ip_prefix = { v4 = 24, v6 = 48 } } or { json_remove = [\"a.b\"] }";

/// Reads a mask.
pub(super) fn read(value: &Value<'_>, file: usize, faults: &mut Faults) -> Option<Located<Mask>> {
    let at = Span { file, range: value.span() };
    if let DeValue::String(word) = value.get_ref() {
        let mask = match word.as_ref() {
            "null" => Mask::Null,
            "token" => Mask::Token { prefix: "anon-".into(), suffix: String::new(), digits: 32 },
            "pseudonym" => Mask::Pseudonym { prefix: "pseu-".into(), suffix: String::new(), digits: 32 },
            "month" => Mask::DateFloor(DateFloor::Month),
            "year" => Mask::DateFloor(DateFloor::Year),
            "decade" => Mask::DateFloor(DateFloor::Decade),
            other => {
                faults
                    .error(&at, format!("`{}` is not a mask", shown(other)))
                    .expected(EXPECTED)
                    .nearest(other, ["null", "token", "pseudonym", "month", "year", "decade"]);
                return None;
            }
        };
        return Some(Located::new(mask, at));
    }
    let before = faults.count();
    if !matches!(value.get_ref(), DeValue::Table(_)) {
        faults.error(&at, format!("{} where a mask belongs", describe(value.get_ref()))).expected(EXPECTED);
        return None;
    }
    let r = Reader::of(value, file, faults)?;
    let mut found = Vec::new();
    if let Some(v) = r.get("fixed") {
        found.push(fixed(v, file, faults));
    }
    if let Some(v) = r.get("token") {
        let form = reserved_form(v, file, &TOKEN, faults);
        found.push(form.map(|(prefix, suffix, digits)| Mask::Token { prefix, suffix, digits }));
    }
    if let Some(v) = r.get("pseudonym") {
        let form = reserved_form(v, file, &PSEUDONYM, faults);
        found.push(form.map(|(prefix, suffix, digits)| Mask::Pseudonym { prefix, suffix, digits }));
    }
    if let Some(v) = r.get("band") {
        found.push(integer_of(v, file, 2..=1_000_000_000, faults).and_then(|n| u32::try_from(n).ok()).map(Mask::Band));
    }
    if let Some(v) = r.get("first") {
        found.push(integer_of(v, file, 0..=1_000, faults).and_then(|n| u32::try_from(n).ok()).map(Mask::First));
    }
    if let Some(v) = r.get("ip_prefix") {
        found.push(ip_prefix(v, file, faults));
    }
    if let Some(v) = r.get("json_remove") {
        found.push(json_remove(v, file, faults));
    }
    let more = found.len();
    r.finish(faults);
    match (found.into_iter().next(), more) {
        (Some(mask), 1) => mask.map(|m| Located::new(m, at)),
        (None, _) if faults.count() > before => None,
        _ => {
            faults.error(&at, "a mask says one thing").expected(EXPECTED);
            None
        }
    }
}

fn fixed(value: &Value<'_>, file: usize, faults: &mut Faults) -> Option<Mask> {
    let at = Span { file, range: value.span() };
    let text = match value.get_ref() {
        DeValue::String(s) => s.to_string(),
        DeValue::Integer(n) if n.radix() == 10 => n.as_str().replace('_', ""),
        DeValue::Boolean(b) => b.to_string(),
        DeValue::Datetime(d) => d.to_string(),
        _ => {
            faults.error(&at, "not a value that a column can hold").expected("a text, whole number, date, `true` or `false`");
            return None;
        }
    };
    if text.contains('\0') || text.len() > 1_000 {
        faults.error(&at, "the fixed value cannot be stored").expected("at most 1000 bytes without NUL");
        return None;
    }
    Some(Mask::Fixed(text))
}

/// What tokens and pseudonyms may look like, and how they are called.
struct Reserved {
    word: &'static str,
    prefix: &'static str,
    digits: RangeInclusive<i64>,
}

const TOKEN: Reserved = Reserved { word: "token", prefix: "prefix = \"anon-\"", digits: 8..=32 };
/// Fewer than 16 digits would give different values the same pseudonym; SHA-256 has 64.
const PSEUDONYM: Reserved = Reserved { word: "pseudonym", prefix: "prefix = \"pseu-\"", digits: 16..=64 };

/// Prefix, suffix and number of digits.
fn reserved_form(value: &Value<'_>, file: usize, of: &Reserved, faults: &mut Faults) -> Option<(String, String, u8)> {
    let r = Reader::of(value, file, faults)?;
    let prefix = r.text("prefix", faults);
    let suffix = r.text("suffix", faults);
    let digits = r.get("digits").map_or(Some(32), |v| integer_of(v, file, of.digits.clone(), faults));
    r.finish(faults);
    for part in [&prefix, &suffix].into_iter().flatten() {
        if !part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.@+".contains(&b)) || part.len() > 64 {
            faults
                .error(&part.at, format!("not a part of a {}", of.word))
                .expected("at most 64 ASCII letters, digits, `-`, `_`, `.`, `@`, `+`");
            return None;
        }
    }
    let Some(prefix) = prefix.filter(|p| p.len() >= 2) else {
        faults
            .error(&Span { file, range: value.span() }, format!("a {} needs a prefix that no real value has", of.word))
            .expected(of.prefix);
        return None;
    };
    Some((prefix.value, suffix.map(|s| s.value).unwrap_or_default(), u8::try_from(digits?).ok()?))
}

fn ip_prefix(value: &Value<'_>, file: usize, faults: &mut Faults) -> Option<Mask> {
    let r = Reader::of(value, file, faults)?;
    let v4 = r.require("v4", "bits of an IPv4 address", faults).and_then(|v| integer_of(v, file, 0..=32, faults));
    let v6 = r.require("v6", "bits of an IPv6 address", faults).and_then(|v| integer_of(v, file, 0..=128, faults));
    r.finish(faults);
    let mask = Mask::IpPrefix { v4: u8::try_from(v4?).ok()?, v6: u8::try_from(v6?).ok()? };
    if let Mask::IpPrefix { v4, v6 } = mask
        && (!v4.is_multiple_of(8) || !v6.is_multiple_of(16))
    {
        faults
            .error(&Span { file, range: value.span() }, "a prefix that ends inside a group")
            .expected("v4 a multiple of 8, v6 a multiple of 16");
        return None;
    }
    Some(mask)
}

fn json_remove(value: &Value<'_>, file: usize, faults: &mut Faults) -> Option<Mask> {
    let at = Span { file, range: value.span() };
    let mut paths = Vec::new();
    for text in texts_of(value, file, faults) {
        let steps: Vec<String> = text.strip_prefix("$.").unwrap_or(&text).split('.').map(str::to_owned).collect();
        if steps.iter().any(|s| s.is_empty() || s.bytes().any(|b| !(b.is_ascii_alphanumeric() || b == b'_' || b == b'-'))) {
            faults.error(&text.at, format!("`{}` is not a path of object members", shown(&text))).expected(
                "names joined by dots, as in \"contact.email\"; array positions move when one is removed and are refused",
            );
            return None;
        }
        paths.push(steps);
    }
    if matches!(value.get_ref(), DeValue::Array(items) if items.is_empty()) {
        faults.error(&at, "no path is named").expected("json_remove = [\"contact.email\"]");
        return None;
    }
    (!paths.is_empty()).then_some(Mask::JsonRemove(paths))
}
