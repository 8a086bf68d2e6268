//! Policies, maps, expressions and settings.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use retentiond::cli::faults;
use retentiond::config::{self, File};
use retentiond::plan::action::Action;
use retentiond::plan::check::Inspection;
use retentiond::plan::companion::{Companion, Operation};
use retentiond::plan::compile::{Moment, Plan, compile};
use retentiond::plan::resolve::Resolved;
use retentiond::plan::schema::Engine;
use retentiond::policy::located::Faults;
use retentiond::policy::map::DataMap;
use retentiond::policy::reader::{LARGEST_FILE, hostile};
use retentiond::policy::{link, read_map, read_policy};
use sqlparser::tokenizer::{Token, Whitespace};

use super::quoting::{ENGINES, tokens};
use super::schema::fitting;

/// Between the map and the policy of one input. Without it, the input is tried as the one and as the other, beside a right counterpart.
const SEPARATOR: &str = "\n=== policy\n";

const MAP: &str = include_str!("../../tests/faults/base/map.toml");
const POLICY: &str = include_str!("../../tests/faults/base/policy.toml");

/// Reads, links, resolves, compiles and inspects a map with a policy.
pub fn policy_and_map(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some((map, policy)) = text.split_once(SEPARATOR) {
        whole(map, policy, data.len());
    } else {
        whole(text, POLICY, data.len());
        whole(MAP, text, data.len());
    }
}

/// Reads an expression, by itself and as a condition of a map that is compiled.
pub fn expression(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match retentiond::policy::expression::parse(text) {
        Err(fault) => assert!(!fault.message.is_empty() && !fault.expected.is_empty()),
        Ok(_) => {
            let quoted = serde_json::to_string(text).expect("JSON of a text");
            // TOML has no `\/` and JSON escapes U+007F not at all: both are written out here.
            let quoted = quoted.replace('\u{7f}', "\\u007f");
            let map = MAP.replacen("sql = \"kind = 'C'\"", &format!("sql = {quoted}"), 1);
            whole(&map, POLICY, data.len());
            let map = MAP.replacen("where = \"state = 'paid'\"", &format!("where = {quoted}"), 1);
            whole(&map, POLICY, data.len());
        }
    }
}

/// Reads a settings file.
pub fn settings(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut found = Faults::default();
    let path = Path::new("retentiond.toml");
    let loaded = config::load(text, 0, path, &mut found);
    assert_eq!(loaded.is_err(), found.any_error(), "settings that cannot be used have a fault");
    said(&found, &[File { path: path.to_owned(), text: text.to_owned() }]);
}

fn whole(map_text: &str, policy_text: &str, variant: usize) {
    let mut found = Faults::default();
    let map = read_map::read(map_text, 0, &mut found);
    let policy = read_policy::read(policy_text, 1, &mut found);
    let files = [("map.toml", map_text), ("policy.toml", policy_text)]
        .map(|(path, text)| File { path: PathBuf::from(path), text: text.to_owned() });
    if let (Some(map), Some(policy)) = (map, policy) {
        let policies = [policy];
        link::link(std::slice::from_ref(&map), &policies, &mut found);
        // One purpose may be missing for a category without any harm to compiling.
        if !found.any_error() {
            for engine in ENGINES {
                compiled(&map, &policies, engine, variant, &mut found);
            }
        }
    }
    said(&found, &files);
}

fn compiled(map: &DataMap, policies: &[retentiond::policy::purpose::Policy], engine: Engine, variant: usize, found: &mut Faults) {
    let schema = fitting(map, engine, variant);
    let resolved = Resolved::new(map, &schema);
    let mut own = Faults::default();
    resolved.check(&mut own);
    if own.any_error() {
        resolved.check(found);
        return;
    }
    let now = DateTime::<Utc>::from_timestamp(1_795_334_400, 0).expect("an instant");
    let mut periods = retentiond::plan::terms::PeriodsInUse::new();
    for data in &map.data_sets {
        for period in &data.periods {
            periods.insert((data.id.value.clone(), period.name.value.clone()), [0, 6, 1_200, u32::MAX].into());
        }
    }
    let moment = Moment { now, periods, orders: variant.is_multiple_of(2), asker: "fuzz".to_owned() };
    let plan = compile(map, policies, &schema, &moment, &["policy", "map"]);
    assert_eq!(plan.hash.len(), 64);
    statements(&plan, engine);
    Inspection { resolved, policies, plan: &plan, sees_triggers: true }.inspect(found);
}

fn statements(plan: &Plan, engine: Engine) {
    for census in &plan.censuses {
        one_statement(&census.sql, engine);
    }
    for action in &plan.actions {
        let Action { predicate, of_keys, candidates, own_todo, set, companions, .. } = action;
        for part in [predicate, of_keys, candidates, own_todo] {
            one_statement(&part.render(), engine);
        }
        for (_, expression) in set {
            one_statement(expression, engine);
        }
        companions.iter().for_each(|c| companion(c, engine));
    }
}

fn companion(companion: &Companion, engine: Engine) {
    for part in [&companion.condition, &companion.reach] {
        one_statement(&part.render(), engine);
    }
    if let Operation::Mask(set) = &companion.operation {
        set.iter().for_each(|(_, expression)| one_statement(expression, engine));
    }
    companion.companions.iter().for_each(|c| self::companion(c, engine));
}

/// No end of a statement, no comment, and as many brackets opened as closed, as somebody else's tokenizer sees it.
fn one_statement(sql: &str, engine: Engine) {
    let tokens = tokens(engine, sql).expect("generated SQL has tokens");
    let mut depth = 0_i32;
    for token in &tokens {
        match token {
            Token::SemiColon => panic!("a second statement on {}", engine.name()),
            Token::Whitespace(Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_)) => {
                panic!("a comment on {}", engine.name())
            }
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            _ => {}
        }
        assert!(depth >= 0, "a bracket that closes nothing on {}", engine.name());
    }
    assert_eq!(depth, 0, "brackets on {}", engine.name());
}

/// Every fault points into its file; what people read is inert and bounded.
fn said(found: &Faults, files: &[File]) {
    for fault in found.sorted() {
        assert!(!fault.message.is_empty());
        if let Some(at) = &fault.at {
            let text = &files[at.file].text;
            assert!(at.range.start <= at.range.end, "{:?}", at.range);
            assert!(at.range.start <= text.len() || text.len() > LARGEST_FILE, "{:?}", at.range);
        }
    }
    let text = faults::text(found, files);
    assert!(!text.chars().any(|c| c != '\n' && hostile(c)), "hostile characters are printed");
    assert!(text.len() < 4_000 * (Faults::MOST + 1), "{} bytes are printed", text.len());
    let json = faults::list(found, files);
    assert_eq!(json.len(), found.sorted().len());
}
