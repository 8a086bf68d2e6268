//! The settings file read key by key: every fault of form with its place, before any layer is put over another.

use std::ops::RangeInclusive;

use crate::policy::located::{Faults, Located, Span};
use crate::policy::read_form::word;
use crate::policy::reader::{self, Reader, integer_of, shown};

/// The place of one source's settings.
#[derive(Debug, Clone)]
pub(super) struct SourcePlace {
    /// Its id, where it is written.
    pub id: Located<String>,
    /// Its data map.
    pub map: Option<Located<String>>,
    /// Its URLs, where they are written: its own, or those of its tenants.
    pub urls: Vec<Located<String>>,
}

impl Shape {
    /// Where the data map of a source is named.
    pub fn map(&self, source: &str) -> Option<&Span> {
        self.sources.iter().find(|s| s.id.value == source)?.map.as_ref().map(|m| &m.at)
    }
}

/// What the file says, with places.
#[derive(Debug, Clone, Default)]
pub(super) struct Shape {
    /// Its actors.
    pub actors: Vec<Located<String>>,
    /// Its policies.
    pub policies: Vec<Located<String>>,
    /// Its archives.
    pub archives: Vec<Located<String>>,
    /// Its stores of files.
    pub files: Vec<Located<String>>,
    /// Its sources.
    pub sources: Vec<SourcePlace>,
}

/// Reads the form of the settings whose text is `text`, file number `file`. `set` says whether the environment sets a key, level by level.
pub(super) fn read(text: &str, file: usize, set: &dyn Fn(&[&str]) -> bool, faults: &mut Faults) -> Shape {
    let mut shape = Shape::default();
    let Some(parsed) = reader::parse(text, file, faults) else { return shape };
    let root = Reader::new(parsed.get_ref(), Span { file, range: 0..0 });
    let missing = |key: &'static str| root.get(key).is_none() && !set(&[key]);
    if missing("state") {
        root.require("state", "\"/var/lib/retentiond\", the directory of state, keys and journal", faults);
    }
    root.text("state", faults);
    root.require("policies", "[\"policy.toml\"], the files of the policies", faults);
    shape.policies = root.texts("policies", faults);
    shape.actors = root.texts("actors", faults);
    if let Some(language) = root.text("language", faults) {
        word(&language, &[("fr", ()), ("en", ())], "a language of the product", faults);
    }
    ceilings(&root, faults);
    numbers(&root, &[("full_census_days", 0..=366)], faults);
    shape.archives = super::archives::shape(&root, faults);
    shape.files = super::files::shape(&root, faults);
    if missing("sources") {
        root.require("sources", "[sources.<id>], one table for each database", faults);
    }
    if let Some(sources) = root.table("sources", faults) {
        for (id, value) in sources.entries() {
            let Some(source) = Reader::of(value, file, faults) else { continue };
            let (map, urls) = source_keys(&id, &source, set, faults);
            source.finish(faults);
            shape.sources.push(SourcePlace { id, map, urls });
        }
    }
    root.finish(faults);
    shape
}

fn source_keys(
    id: &Located<String>,
    r: &Reader<'_, '_>,
    set: &dyn Fn(&[&str]) -> bool,
    faults: &mut Faults,
) -> (Option<Located<String>>, Vec<Located<String>>) {
    if r.get("map").is_none() && !set(&["sources", id, "map"]) {
        r.require("map", "\"map.toml\", the file of its data map", faults);
    }
    let map = r.text("map", faults);
    let mut urls: Vec<Located<String>> = r.text("url", faults).into_iter().collect();
    for key in ["url_file", "credential", "ca_file", "role"] {
        r.text(key, faults);
    }
    if let Some(tls) = r.text("tls", faults) {
        let modes = [("default", ()), ("verify-full", ()), ("verify-ca", ()), ("off", ())];
        word(&tls, &modes, "a demand on TLS", faults);
    }
    if let Some(pace) = r.text("pace", faults) {
        word(&pace, &[("gentle", ()), ("full", ())], "a pace", faults);
    }
    numbers(r, &[("workers", 1..=64)], faults);
    ceilings(r, faults);
    if let Some(family) = r.table("family", faults) {
        urls.extend(super::family_shape::read(id, family, faults));
    }
    let ways = ["url", "url_file", "credential", "family"].into_iter().filter(|k| r.get(k).is_some() || set(&["sources", id, k]));
    if ways.count() != 1 {
        faults
            .error(
                &id.at,
                format!("source `{}` does not have exactly one of `url`, `url_file`, `credential` and `family`", shown(id)),
            )
            .expected("url_file = \"…\": a file with the URL that only its owner may read");
    }
    (map, urls)
}

fn ceilings(r: &Reader<'_, '_>, faults: &mut Faults) {
    let Some(c) = r.table("ceilings", faults) else { return };
    numbers(&c, &[("rows", 0..=i64::MAX), ("share_percent", 0..=100), ("minutes", 1..=525_600)], faults);
    c.finish(faults);
}

pub(super) fn numbers(r: &Reader<'_, '_>, keys: &[(&'static str, RangeInclusive<i64>)], faults: &mut Faults) {
    for (key, range) in keys {
        if let Some(value) = r.get(key) {
            integer_of(value, r.at.file, range.clone(), faults);
        }
    }
}

/// Faults of the environment variables that would lie over the file.
pub(super) fn environment(names: impl Iterator<Item = String>, faults: &mut Faults) {
    for name in names {
        let path = name.to_lowercase();
        let levels: Vec<&str> = path.split("__").skip(1).collect();
        let known: &[&str] = match levels.as_slice() {
            [_] | [] => &["state", "language", "full_census_days"],
            ["sources", _, _] => &["map", "url", "url_file", "credential", "tls", "ca_file", "role", "pace", "workers"],
            ["ceilings", _] | ["sources", _, "ceilings", _] => &["rows", "share_percent", "minutes"],
            _ => &[],
        };
        let last = levels.last().copied().unwrap_or_default();
        if known.contains(&last) {
            continue;
        }
        let fault = faults.unplaced(format!("the environment variable `{}` sets nothing", shown(&name)));
        match last {
            "policies" | "actors" if levels.len() == 1 => {
                fault.expected("the settings file: a list does not come from the environment");
            }
            _ => {
                fault.expected(
                    "RETENTIOND__STATE, RETENTIOND__LANGUAGE, RETENTIOND__CEILINGS__ROWS, RETENTIOND__SOURCES__<ID>__URL_FILE, …",
                );
                if !known.is_empty() {
                    fault.nearest(last, known.iter().copied());
                }
            }
        }
    }
}

/// Whether a URL holds a password: `scheme://user:password@…`.
pub(super) fn has_password(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let user = rest.rsplit_once('@').map_or("", |(user, _)| user);
    let inside = authority.rsplit_once('@').map_or(user, |(user, _)| user);
    inside.contains(':') || rest.split_once('?').is_some_and(|(_, query)| query.split('&').any(|p| p.starts_with("password=")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_with_a_password_is_recognised() {
        for url in [
            "postgres://app:secret@db/crm",
            "mysql://app:@db",
            "postgres://a:p/w@db/crm",
            "postgres://db/crm?sslmode=require&password=x",
        ] {
            assert!(has_password(url), "{url}");
        }
        for url in ["postgres://app@db:5432/crm", "postgres://db:5432/crm", "sqlite:/var/lib/a:b@c.db", "mysql://db"] {
            assert!(!has_password(url), "{url}");
        }
    }
}
