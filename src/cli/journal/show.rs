//! `retentiond journal show`, and entries in words.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use crate::cli::context::Cx;
use crate::cli::exit::{Exit, Failure};
use crate::cli::{Format, output};
use crate::journal::{Entry, Event, Reader};

/// Prints entries: a line of words for each, or its canonical JSON.
pub(super) async fn run(cx: &Cx, from: u64, limit: u32, kind: Option<&str>) -> Result<Exit, Failure> {
    let workspace = cx.workspace()?;
    let reader = Reader::new(&cx.state_to_read(&workspace).await?);
    let entries = match kind.and_then(|kind| Event::KINDS.into_iter().find(|known| *known == kind)) {
        Some(kind) => reader.entries_of(kind, from, limit).await?,
        None => reader.entries(from, limit).await?,
    };
    for entry in entries {
        match cx.format {
            Format::Json => output::line(String::from_utf8_lossy(&entry.to_bytes()))?,
            Format::Text => output::line(words(&entry))?,
        }
    }
    Ok(Exit::Ok)
}

/// An entry on one line: position, time, kind, then each field by its name. MACs are counted, hashes cut: JSON has them whole.
#[must_use]
pub(super) fn words(entry: &Entry) -> String {
    let Ok(Fields(fields)) = serde_json::from_slice(&entry.to_bytes()) else { return format!("{:>6}", entry.seq) };
    let said = fields.iter().filter(|(name, _)| !["seq", "time", "kind"].contains(&name.as_str()));
    let said: Vec<String> = said.filter_map(|(name, value)| field(name, value)).collect();
    format!("{:>6}  {}  {}: {}", entry.seq, entry.time, spaced(entry.event.kind()), said.join(", "))
}

/// A field in words; `None` where there is nothing to say.
fn field(name: &str, value: &Value) -> Option<String> {
    let text = match (name, value) {
        ("macs", Value::String(macs)) => return named(macs),
        (_, Value::Bool(true)) => "yes".to_owned(),
        (_, Value::Bool(false)) => "no".to_owned(),
        (_, Value::String(text)) if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) => {
            format!("{}…", &text[..12])
        }
        ("action" | "reason" | "finding", Value::String(word)) => spaced(word),
        (_, Value::String(text)) => text.clone(),
        (_, Value::Array(all)) if all.is_empty() => return None,
        (_, Value::Array(all)) => all.iter().map(|v| thing(name, v)).collect::<Vec<_>>().join(" and "),
        (_, Value::Object(_)) => thing(name, value),
        (_, other) => other.to_string(),
    };
    Some(format!("{} {text}", spaced(name)))
}

/// A field that has fields itself.
fn thing(name: &str, v: &Value) -> String {
    let part = |of: &str| v[of].as_str().map_or_else(|| v[of].to_string(), str::to_owned);
    match name {
        "sealed" => {
            let (rows, archive) = (part("rows"), part("archive"));
            format!("{rows} rows into {archive} for {} until {}", part("purpose"), part("until"))
        }
        "files" => {
            let counts = ["removed", "missing", "shared", "sealed", "changed"].into_iter();
            let told = counts.filter(|of| v[*of].as_u64().is_some_and(|n| n > 0)).map(|of| format!("{} {of}", v[of]));
            format!("{} of {}", told.collect::<Vec<_>>().join(" and "), part("store"))
        }
        "object" | "objects" => format!("{}/{}", part("batch"), part("part")),
        _ => format!("{} {} of {}", part("rows"), part("action"), part("data_set")),
    }
}

/// How many records a list of MACs names: 16 bytes each, in base64.
fn named(macs: &str) -> Option<String> {
    let bytes = macs.len() / 4 * 3 - macs.bytes().filter(|b| *b == b'=').count();
    match bytes / 16 {
        0 => None,
        1 => Some("1 record named".to_owned()),
        n => Some(format!("{n} records named")),
    }
}

fn spaced(word: &str) -> String {
    word.replace('_', " ")
}

/// The fields of a JSON object in the order in which they stand.
struct Fields(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an entry")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut all = Vec::new();
                while let Some(field) = map.next_entry()? {
                    all.push(field);
                }
                Ok(Fields(all))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(fields: &str) -> String {
        let text = format!(r#"{{"seq":5,"time":"2026-11-22T02:00:00Z","kind":{fields}}}"#);
        words(&Entry::from_bytes(text.as_bytes()).expect("an entry"))
    }

    #[test]
    fn an_entry_is_one_line_of_words_in_the_order_of_its_fields() {
        let id = "0123456789abcdef0123456789abcdef";
        assert_eq!(
            said(&format!(
                r#""applied","run":"{id}","batch":"{id}","rows":1,"related":[{{"data_set":"note","action":"masked","rows":2,"macs":""}}],"key_id":"2026-11","macs":"AAAAAAAAAAAAAAAAAAAAAA==","recovered":false"#
            )),
            format!(
                "     5  2026-11-22T02:00:00Z  applied: run {id}, batch {id}, rows 1, related 2 masked of note, key id 2026-11, 1 record named, recovered no"
            )
        );
        assert_eq!(
            said(&format!(r#""source_adopted","source":"crm","server_id":"{id}{id}","reason":"initial","actor":"dpo""#)),
            "     5  2026-11-22T02:00:00Z  source adopted: source crm, server id 0123456789ab…, reason initial, actor dpo"
        );
        assert_eq!(
            said(&format!(
                r#""backlog","run":"{id}","source":"crm","data_set":"d","action":"clear_incident","due_before":3,"changed":1,"failed":1,"busy":1,"due_after":2"#
            )),
            format!(
                "     5  2026-11-22T02:00:00Z  backlog: run {id}, source crm, data set d, action clear incident, due before 3, changed 1, failed 1, busy 1, due after 2"
            )
        );
        let sealed = format!(
            r#""sealed":[{{"source":"crm","data_set":"d","archive":"a","purpose":"p","until":"2036-12-31","part":0,"sha256":"{id}{id}","bytes":9,"rows":3,"macs":"AAAAAAAAAAAAAAAAAAAAAA==","tenants":""}}]"#
        );
        let applied = format!(
            r#""applied","run":"{id}","batch":"{id}","rows":1,"related":[],"key_id":"2026-11","macs":"AAAAAAAAAAAAAAAAAAAAAA==","recovered":true,{sealed}"#
        );
        assert!(said(&applied).ends_with("recovered yes, sealed 3 rows into a for p until 2036-12-31"), "{}", said(&applied));
        let files = format!(
            r#""files_removed","run":"{id}","batch":"{id}","files":[{{"store":"calls","removed":2,"missing":0,"shared":0,"changed":1}}]"#
        );
        assert!(said(&files).ends_with("files 2 removed and 1 changed of calls"), "{}", said(&files));
        let destroyed = format!(
            r#""destroyed","run":"{id}","destruction":"{id}","objects":[{{"batch":"{id}","part":1}}],"records":4,"recovered":false"#
        );
        assert!(said(&destroyed).ends_with(&format!("objects {id}/1, records 4, recovered no")), "{}", said(&destroyed));
        assert_eq!(named("").as_deref(), None);
        assert_eq!(named("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").as_deref(), Some("2 records named"));
    }
}
