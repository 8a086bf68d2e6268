//! Tenants that are worked on at the same time, and the process killed at random moments: they share one journal, and afterwards each is whole, the
//! journal knows every change of each once, and the next run does the rest.
//!
//! `RETENTIOND_TENANT_KILLS` says how often each engine's process is killed (3 unless it is set).

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use retentiond::plan::schema::Engine;
use serde_json::Value;

use crate::site::Site;
use crate::support::{TestDatabase, database};
use crate::tenants::{by_source, enforce, plans, settings, site, sound};

const TENANTS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
/// Prospects who are due in each tenant's database before each kill; each tenth record is a customer's, whose wishes are archived.
const DUE: u64 = 60;

/// The records that are due before a round.
fn rows(round: u64) -> String {
    let row = |n: u64| {
        let kind = if n.is_multiple_of(10) { 'C' } else { 'P' };
        format!("({}, '{kind}', 'CanaryAgencyA', '2001-01-01', 'CanaryF', 'CanaryL', NULL, NULL)", 1_000 * round + n)
    };
    format!("INSERT INTO person VALUES {}", (0..DUE).map(row).collect::<Vec<_>>().join(", "))
}

/// The rows that the journal's entries say were changed, by tenant: applied batches by the sources of their intents. No batch is there twice.
fn applied(site: &Site) -> BTreeMap<String, u64> {
    let text = site.run(&["journal", "show", "--limit", "100000", "--format", "json"]).expect(0).out;
    let (mut sources, mut sums) = (BTreeMap::new(), BTreeMap::new());
    for entry in text.lines().map(|line| serde_json::from_str::<Value>(line).expect("an entry")) {
        let batch = entry["batch"].as_str().unwrap_or_default().to_owned();
        match entry["kind"].as_str() {
            Some("intent") => {
                sources.insert(batch, entry["source"].as_str().expect("a source").to_owned());
            }
            Some("applied") => {
                let source = sources.remove(&batch).expect("an open batch");
                *sums.entry(source).or_default() += entry["rows"].as_u64().expect("a count");
            }
            Some("aborted") => drop(sources.remove(&batch).expect("an open batch")),
            Some("reverted") => panic!("nothing was set back: {entry}"),
            _ => {}
        }
    }
    assert!(sources.is_empty(), "open after a run: {sources:?}");
    sums
}

/// A number below `below`, different each time.
fn random(below: u64) -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("random bytes");
    u64::from_be_bytes(bytes) % below
}

fn killed(engine: Engine) {
    let Some(site) = site(engine) else { return };
    let databases: Vec<TestDatabase> =
        TENANTS.iter().map(|_| site.runtime.block_on(database(engine)).expect("a server")).collect();
    let all = || TENANTS.iter().zip(&databases);
    databases.iter().for_each(|database| site.fill(database));
    let list = |url: &dyn Fn(&TestDatabase) -> String| {
        let lines: String = all().map(|(name, d)| format!("{name} = \"{}\"\n", url(d))).collect();
        settings(&site, &format!("at_once = 4\n\n[sources.crm.family.list]\n{lines}"));
    };
    list(&|d| d.url.clone());
    site.run(&["init"]).expect(0);
    for (name, database) in all() {
        let script = site.run(&["setup", "--source", &format!("crm:{name}"), "--role", &site.role_name()]).expect(0).out;
        site.runtime.block_on(database.run_sql(&script));
    }
    site.log_in();
    list(&|d| if engine == Engine::Sqlite { d.url.clone() } else { d.as_user(&site.role_name()) });
    let plans = plans(&site, 0);
    let more = |round| databases.iter().for_each(|d| site.runtime.block_on(d.run_sql(&rows(round))));
    more(1);
    let began = Instant::now();
    enforce(&site, &plans).expect(0);
    let whole = began.elapsed();
    let first = applied(&site);
    assert!(first.len() == TENANTS.len() && first.values().all(|n| *n == DUE + 4), "{first:?}");

    let kills = std::env::var("RETENTIOND_TENANT_KILLS").map_or(3, |n| n.parse().expect("a number"));
    let mut interrupted = 0;
    for round in 2..2 + kills {
        more(round);
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("retentiond"));
        command
            .args(["--config", "retentiond.toml", "enforce", "--source", "crm"])
            .args(plans.iter().map(|p| format!("--plan={p}")));
        command.current_dir(site.dir()).env_clear().stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("it started");
        std::thread::sleep(Duration::from_micros(random(u64::try_from(whole.as_micros()).expect("a time"))));
        child.kill().expect("a child");
        interrupted += u64::from(!child.wait().expect("its end").success());
        // Another kill while the next run mends what the last one left.
        if round % 3 == 0 {
            let mut child = command.spawn().expect("it started");
            std::thread::sleep(Duration::from_micros(random(u64::try_from(whole.as_micros()).expect("a time") / 2)));
            child.kill().expect("a child");
            child.wait().expect("its end");
        }
        let of = by_source(&enforce(&site, &plans).expect(0));
        assert_eq!(of.len(), TENANTS.len(), "{of:#?}");
        for (id, answer) in &of {
            let actions = answer["outcome"]["actions"].as_array().expect("actions");
            assert!(actions.iter().all(|a| a["due_after"] == 0 && a["failed"] == 0), "round {round}, {id}: {answer:#?}");
            assert_eq!(answer["outcome"]["reverted"], 0, "round {round}, {id}");
        }
        let sums = applied(&site);
        assert!(sums.values().all(|n| *n == round * DUE + 4), "round {round}: {sums:?}");
        sound(&site);
    }
    eprintln!("{interrupted} of {kills} runs were interrupted on {}", engine.name());
}

#[test]
fn tenants_whose_process_is_killed_are_whole_and_the_next_run_does_the_rest_on_sqlite() {
    killed(Engine::Sqlite);
}

#[test]
fn tenants_whose_process_is_killed_are_whole_and_the_next_run_does_the_rest_on_postgres() {
    killed(Engine::Postgres);
}

#[test]
fn tenants_whose_process_is_killed_are_whole_and_the_next_run_does_the_rest_on_mariadb() {
    killed(Engine::MariaDb);
}
