//! The rooms of the house: each imports only rooms before it, and `policy`, `plan` and `digest` are pure.
//!
//! Reads the source text: comments and string contents are taken out, then every path that names a room, be it in a `use`
//! or in the middle of an expression, is an edge.

#![expect(clippy::unwrap_used, reason = "a test's own failure is a panic")]

mod text;

use std::{fs, path::Path};

use text::{Named, code_of, paths};

/// From the ground up.
const ROOMS: [&str; 16] = [
    "clock",
    "policy",
    "reference",
    "plan",
    "source",
    "state",
    "journal",
    "archive",
    "files",
    "enforce",
    "digest",
    "mail",
    "config",
    "daemon",
    "demo",
    "cli",
];

/// Rooms that compute from values alone, and what would make them impure.
const PURE: [&str; 4] = ["policy", "reference", "plan", "digest"];
const IMPURE: [&str; 12] = [
    "sqlx",
    "tokio",
    "clock",
    "std::fs",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::env",
    "std::process",
    "Utc::now",
    "Local::now",
    "SystemTime::now",
];

/// What `digest` may read of the house.
const DIGEST_READS: [&str; 2] = ["digest", "journal"];

/// A file's place: the names of its module path, `["plan", "dialect", "mysql"]` for `plan/dialect/mysql.rs`.
fn module_of(path: &str) -> Vec<String> {
    let path = path.trim_end_matches(".rs");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    path.split('/').map(str::to_owned).collect()
}

/// The same path from the crate's root, when it leads into the crate.
fn resolve(module: &[String], path: &[String]) -> Option<Vec<String>> {
    let supers = path.iter().take_while(|s| *s == "super").count();
    let first = path.first()?.as_str();
    if first == "crate" || (first == "retentiond" && path.len() > 1) {
        Some(path[1..].to_vec())
    } else if supers > 0 || first == "self" {
        let path = &path[usize::from(first == "self")..];
        let supers = path.iter().take_while(|s| *s == "super").count();
        let up = module.len().saturating_sub(supers);
        Some(module[..up].iter().chain(&path[supers..]).cloned().collect())
    } else {
        None
    }
}

/// What is wrong with one file, in words.
fn faults(file: &str, text: &str) -> Vec<String> {
    let module = module_of(file);
    let room = module[0].as_str();
    if ["main", "lib"].contains(&room) {
        return Vec::new();
    }
    let Some(level) = ROOMS.iter().position(|r| *r == room) else {
        return vec![format!("{file}: no room of the house is called {room}")];
    };
    let mut faults = Vec::new();
    for Named { inside, path } in paths(&code_of(text)) {
        let here: Vec<String> = module.iter().cloned().chain(inside).collect();
        let inside = resolve(&here, &path);
        let written = path.join("::");
        if let Some(target) = &inside {
            match target.first().map(String::as_str) {
                None | Some("*" | "self") => faults.push(format!("{file}: {written} imports the whole house")),
                Some(other) => match ROOMS.iter().position(|r| *r == other) {
                    None => faults.push(format!("{file}: {other} is no room, import from where it lives ({written})")),
                    Some(at) if at > level => faults.push(format!("{file}: {room} must not know {other} ({written})")),
                    Some(_) if room == "digest" && !DIGEST_READS.contains(&other) => {
                        faults.push(format!("{file}: digest reads only the journal, not {other} ({written})"));
                    }
                    Some(_) => {}
                },
            }
        }
        if PURE.contains(&room) {
            let full = inside.unwrap_or(path).join("::");
            let names = |impure: &str| {
                let (full, impure) = (format!("::{full}::"), format!("::{impure}::"));
                // Crates and rooms count at the head of a path, `Utc::now` anywhere in it.
                if impure.contains("now") { full.contains(&impure) } else { full.starts_with(&impure) }
            };
            faults.extend(
                IMPURE.iter().filter(|i| names(i)).map(|i| format!("{file}: {room} is pure, it must not use {i} ({written})")),
            );
        }
    }
    faults
}

fn walk(root: &Path, directory: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(root, &path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let name = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
            found.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn each_room_imports_only_rooms_before_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &root, &mut files);
    assert!(files.iter().any(|(name, _)| name == "plan/mod.rs"), "the walk finds the house");
    let faults: Vec<String> = files.iter().flat_map(|(name, text)| faults(name, text)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_forbidden_edge_is_found_however_it_is_written() {
    for planted in [
        "use crate::enforce::Run;",
        "use crate::enforce;",
        "use crate::{clock::Clock, enforce::{self, Run}};",
        "use crate::{\n    plan::{key, schema::{Engine, Table}},\n    enforce as e,\n};",
        "pub use super::super::enforce::Run;",
        "use super::{super::enforce, connect};",
        "use self::super::super::enforce;",
        "fn f() { let x = crate::enforce::run(); }",
        "type A = Vec<crate::enforce::Run>;",
        "mod tests { fn f() { if x { } } use super::super::super::enforce; }",
        "mod tests { use super::*; } use super::super::enforce;",
        "const B: &[u8] = br\"\\\"; use crate::enforce;",
        "use crate :: enforce :: Run;",
        "use ::retentiond::enforce;",
        "const Q: char = '\"'; use crate::enforce; const R: char = '\"';",
        "fn f<'a>(x: &'a str) { crate::enforce::run(x, '\\'', b'\"') }",
        "const S: &str = r#\" \" \"#; use crate::enforce;",
        "/* a /* nested */ comment */ use crate::enforce;",
    ] {
        let found = faults("source/connect.rs", planted);
        assert!(found.iter().any(|f| f.contains("source must not know enforce")), "{planted}: {found:?}");
    }
    assert!(!faults("source/mod.rs", "use super::enforce;").is_empty(), "a room's own file sees the house as super");
    assert!(!faults("source.rs", "use super::enforce;").is_empty());
    assert!(!faults("enforce/batch.rs", "use crate::cli;").is_empty(), "nothing imports cli");
    for whole in
        ["use crate::*;", "use crate as house;", "use crate::{self as house};", "use super::*;", "use crate::Reexported;"]
    {
        assert!(!faults("source/mod.rs", whole).is_empty(), "{whole}");
    }
    assert!(!faults("cellar/mod.rs", "").is_empty(), "an unknown room");
}

#[test]
fn an_impure_name_is_found_in_the_pure_rooms() {
    for planted in [
        "use sqlx::Row;",
        "use {serde::Serialize, tokio::fs};",
        "use std::fs;",
        "use std::{collections::BTreeMap, fs::File};",
        "fn f() { std::fs::read(\"x\"); }",
        "fn f() { let now = chrono::Utc::now(); }",
        "use chrono::Utc; fn f() { let now = Utc::now(); }",
        "use crate::clock::Clock;",
        "use super::super::clock;",
        "fn f() { ::sqlx::query(\"\"); }",
    ] {
        assert!(!faults("plan/compile.rs", planted).is_empty(), "{planted}");
        assert!(!faults("policy/period.rs", planted).is_empty(), "{planted}");
    }
    assert!(faults("digest/text.rs", "use crate::plan::key;").iter().any(|f| f.contains("only the journal")));
}

#[test]
fn what_the_house_allows_is_not_reported() {
    for (file, text) in [
        ("source/connect.rs", "use crate::{clock::Clock, plan::schema::Schema}; use super::error; use sqlx::PgPool;"),
        ("plan/dialect/mysql.rs", "use super::super::{quote, schema::Engine}; use super::Dialect; use crate::policy;"),
        ("plan/compile.rs", "// use crate::enforce;\n/// crate::cli\nconst S: &str = \"use sqlx; crate::enforce\";"),
        ("plan/compile.rs", "/* crate::enforce */ const S: &str = r#\"crate::enforce\"#; let c = '\\u{1f}';"),
        ("plan/compile.rs", "let sqlx_like = my::sqlx; use chrono::Utc; let run = now(); struct Source { enforce: bool }"),
        ("enforce/run.rs", "use crate::{archive, journal, state, source::{self, setup::*}};"),
        ("digest/mod.rs", "use crate::journal::entry::Entry;"),
        ("clock.rs", "pub(crate) struct A { pub(super) b: u8 } mod tests { use super::*; } fn f(self) { self.b }"),
        ("plan/compile.rs", "pub(crate) fn f() { let retentiond = 1; retentiond } pub(in crate::plan) struct B;"),
        ("main.rs", "use retentiond::cli;"),
        ("lib.rs", "pub mod cli; pub mod clock;"),
    ] {
        assert_eq!(faults(file, text), Vec::<String>::new(), "{file}: {text}");
    }
}
