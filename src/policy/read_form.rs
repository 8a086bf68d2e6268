//! Forms that maps and policies share: names, words of closed lists, titles, time zones, tables.

use chrono_tz::Tz;
use toml::de::DeValue;

use super::located::{Faults, Located, Span};
use super::map::{TableRef, Title};
use super::reader::{self, Reader, Value, shown, text_of};

pub(super) fn pairs(value: &Value<'_>, file: usize, faults: &mut Faults) -> Vec<(Located<String>, Located<String>)> {
    let Some(table) = Reader::of(value, file, faults) else { return Vec::new() };
    table.entries().filter_map(|(k, v)| Some((k, text_of(v, file, faults)?))).collect()
}

/// A list of tables under `key`; empty if absent.
pub(super) fn tables(r: &Reader<'_, '_>, key: &'static str, faults: &mut Faults) -> Vec<Located<TableRef>> {
    let Some(value) = r.get(key) else { return Vec::new() };
    let DeValue::Array(items) = value.get_ref() else {
        faults
            .error(&r.place(value), format!("{} where a list belongs", reader::describe(value.get_ref())))
            .expected("a list of tables: [\"schema.table\", \"table\", { schema = \"…\", name = \"…\" }]");
        return Vec::new();
    };
    items.iter().filter_map(|v| table_ref(v, r.at.file, faults)).collect()
}

pub(super) fn table_ref(value: &Value<'_>, file: usize, faults: &mut Faults) -> Option<Located<TableRef>> {
    let at = Span { file, range: value.span() };
    if let DeValue::Table(_) = value.get_ref() {
        let r = Reader::of(value, file, faults)?;
        let schema = r.text("schema", faults).map(|t| t.value);
        let name = r.required_text("name", "the table's stored name", faults);
        r.finish(faults);
        let name = name?;
        return Some(Located::new(TableRef { schema, name: name.value }, at));
    }
    let text = text_of(value, file, faults)?;
    if text.is_empty() {
        faults.error(&at, "the table name is empty");
        return None;
    }
    Some(Located::new(split_table(&text), at))
}

fn split_table(text: &str) -> TableRef {
    match text.split_once('.') {
        Some((schema, name)) if !schema.is_empty() && !name.is_empty() => {
            TableRef { schema: Some(schema.to_owned()), name: name.to_owned() }
        }
        _ => TableRef { schema: None, name: text.to_owned() },
    }
}

/// A title in both languages, required.
pub(super) fn title(r: &Reader<'_, '_>, faults: &mut Faults) -> Option<Title> {
    let expected = "title = { fr = \"…\", en = \"…\" }";
    let Some(value) = r.get("title") else {
        faults.error(&r.at, "`title` is missing").expected(expected);
        return None;
    };
    let t = Reader::of(value, r.at.file, faults)?;
    let (fr, en) = (t.required_text("fr", "the French title", faults), t.required_text("en", "the English title", faults));
    t.finish(faults);
    let (fr, en) = (fr?, en?);
    for text in [&fr, &en] {
        if text.trim().is_empty() || text.chars().count() > 200 || text.chars().any(reader::hostile) {
            faults.error(&text.at, "not a title").expected("one line of 1 to 200 visible characters");
            return None;
        }
    }
    Some(Title { fr: fr.value, en: en.value })
}

/// A time zone under `key`.
pub(super) fn zone(r: &Reader<'_, '_>, key: &'static str, faults: &mut Faults) -> Option<Tz> {
    let text = r.text(key, faults)?;
    match text.parse::<Tz>() {
        Ok(zone) => Some(zone),
        Err(_) => {
            faults
                .error(&text.at, format!("unknown time zone `{}`", shown(&text)))
                .expected("an IANA name such as \"Europe/Paris\"")
                .nearest_of_many(&text, chrono_tz::TZ_VARIANTS.iter().map(|z| z.name()));
            None
        }
    }
}

/// A name of the author's choice: lower-case letters, digits, `_` and `-`, starting with a letter, at most 64.
pub(crate) fn name(text: Located<String>, what: &str, faults: &mut Faults) -> Option<Located<String>> {
    let right = (1..=64).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-');
    if !right {
        faults
            .error(&text.at, format!("`{}` cannot be {what}", shown(&text)))
            .expected("1 to 64 lower-case letters, digits, `_` or `-`, starting with a letter");
        return None;
    }
    Some(text)
}

/// One of a closed list of words.
pub(crate) fn word<T: Copy>(text: &Located<String>, words: &[(&str, T)], what: &str, faults: &mut Faults) -> Option<T> {
    let found = words.iter().find(|(w, _)| *w == text.value).map(|(_, v)| *v);
    if found.is_none() {
        faults
            .error(&text.at, format!("`{}` is not {what}", shown(text)))
            .expected(words.iter().map(|(w, _)| format!("\"{w}\"")).collect::<Vec<_>>().join(", "))
            .nearest(text, words.iter().map(|(w, _)| *w));
    }
    found
}
