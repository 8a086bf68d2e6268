//! `retentiond undo` as operations and the DPO use it, and killed wherever it writes.

use std::path::Path;
use std::process::Command;

use chrono::{Days, Months};
use retentiond::clock::{Clock as _, SystemClock};
use retentiond::plan::schema::Engine;

use crate::archives::{IDENTITY, RECIPIENT};
use crate::kills::{copy, program};
use crate::site::{Site, run_in};

const WINDOW: &str = "\n[[recovery]]\ndata = \"crm.person\"\ndays = 28\nkept_in = \"archive:recovery\"\n";

const WHY: [&str; 6] = ["--actor", "dpo", "--reason", "error_correction", "--reference", "CASE/9"];

/// Two customers and a prospect whose periods end within their window.
fn site(engine: Engine) -> Option<Site> {
    let site = Site::new(engine)?;
    let policy = std::fs::read_to_string(site.path("policy.toml")).expect("the policy");
    site.write("policy.toml", &format!("{policy}{WINDOW}"));
    site.settings(&format!("[archives.recovery]\ndirectory = \"vault\"\nrecipients = [\"{RECIPIENT}\"]"));
    site.write("identity", IDENTITY);
    site.sql(&leaving());
    site.run(&["init"]).expect(0);
    let script = site.run(&["setup", "--source", "crm", "--role", &site.role_name()]).expect(0).out;
    site.sql(&script);
    Some(site)
}

/// Each of the persons 1, 2 and 4 is two weeks before the end of the period.
fn leaving() -> String {
    let since = |years: u32| {
        let day = SystemClock.now().date_naive().checked_sub_months(Months::new(12 * years));
        day.and_then(|day| day.checked_add_days(Days::new(14))).expect("a day")
    };
    format!(
        "UPDATE person SET created_on = '{}' WHERE kind = 'C' AND id IN (1, 4); UPDATE person SET created_on = '{}' WHERE id = 2",
        since(3),
        since(1)
    )
}

fn run_of(answer: &serde_json::Value) -> String {
    answer[0]["outcome"]["run"].as_str().expect("a run").to_owned()
}

fn lived(engine: Engine) {
    let Some(site) = site(engine) else { return };
    let before = site.records();
    site.log_in();
    site.run(&["check"]).expect(0);
    let run = run_of(&site.enforce().expect(0).json());
    assert_ne!(site.records(), before);
    let of = ["undo", "--source", "crm", "--run", &run];
    let account = site.json(&of);
    let back: u64 = account["groups"].as_array().expect("groups").iter().map(|g| g["back"].as_u64().expect("a number")).sum();
    assert_eq!((back, &account["archives"][0]), (3, &"recovery".into()), "{account}");
    let plan = account["plan"].as_str().expect("a hash").to_owned();
    for (lang, words) in [("en", ["come back", "Plan hash: "]), ("fr", ["à remettre", "Empreinte\u{a0}: "])] {
        let said = site.run(&[&of[..], &["--lang", lang]].concat()).expect(0).out;
        assert!(words.iter().all(|w| said.contains(w)) && said.contains(&plan), "{said}");
    }
    let other = "0".repeat(64);
    let whole = |plan: &str, more: &[&str]| -> Vec<String> {
        let all = [&of[..], &["--plan", plan, "--identity", "identity"], &WHY, more].concat();
        all.into_iter().map(str::to_owned).collect()
    };
    let go = |args: Vec<String>| site.run(&args.iter().map(String::as_str).collect::<Vec<_>>());
    site.run(&[&of[..], &["--plan", &plan]].concat()).refused(64, "--identity");
    site.run(&["undo", "--source", "crm", "--run", &other[..32]]).refused(1, "no such run");
    site.run(&[&of[..], &["--archive", "nowhere"]].concat()).refused(64, "no archive `nowhere`");
    let stranger = whole(&plan, &[]).iter().map(|a| if a == "dpo" { "nobody".to_owned() } else { a.clone() }).collect();
    go(stranger).refused(77, "nobody");
    site.write("admin", &site.database.url);
    go(whole(&other, &["--url-file", "admin"])).refused(77, "look at the preview again");
    if engine != Engine::Sqlite {
        // The enforcer's role may not insert.
        go(whole(&plan, &[])).refused(69, "`--url-file` connects as somebody who may insert rows");
        assert_ne!(site.records(), before);
    }
    let done = go(whole(&plan, &["--url-file", "admin", "--format", "json"])).expect(0).json();
    assert_eq!((&done["done"]["records"], &done["done"]["refused"]), (&3.into(), &0.into()), "{done}");
    assert_eq!(site.records(), before);
    site.enforce().expect(0);
    assert_eq!(site.records(), before, "all of it stands under holds");
    let said = go(whole(&plan, &["--url-file", "admin"])).expect(0).out;
    assert!(said.starts_with("0 records are back"), "{said}");

    let lift = ["order", "lift", "--source", "crm", "--placed-under"];
    let by = ["--actor", "dpo", "--reason", "reason_ended", "--reference", "CASE/10"];
    site.run(&[&lift[..], &["CASE/8"], &by].concat()).refused(1, "no order of this source stands");
    assert_eq!(site.json(&[&lift[..], &["CASE/9"], &by].concat())["lifted"], 3);
    site.enforce().expect(0);
    assert_ne!(site.records(), before, "without the holds it goes again");

    let shown = site.run(&["journal", "show"]).expect(0).out;
    assert!(shown.contains("undo intended: ") && shown.contains("undone: "), "{shown}");
    let proof = site.json(&["journal", "prove", "--data", "crm.person", "--key", "2"]).to_string();
    for kind in ["applied", "undo_intended", "undone", "order_placed"] {
        assert!(proof.contains(&format!("\\\"kind\\\":\\\"{kind}\\\"")), "{kind} in {proof}");
    }
    let key = site.run(&["journal", "key"]).expect(0).out;
    site.run(&["journal", "export", "--out", "journal.export"]).expect(0);
    site.run(&["journal", "verify", "journal.export", "--key", key.trim()]).expect(0);
}

#[test]
fn a_run_is_undone_on_sqlite() {
    lived(Engine::Sqlite);
}

#[test]
fn a_run_is_undone_on_postgres() {
    lived(Engine::Postgres);
}

#[test]
fn a_run_is_undone_on_mariadb() {
    lived(Engine::MariaDb);
}

const CALLS: [&str; 4] = ["write", "pwrite64", "fsync", "fdatasync"];

fn traced(dir: &Path, args: &[String], options: &[String]) -> std::process::ExitStatus {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-e", "signal=none", "-o"]).arg(dir.join("trace")).args(options).arg(program()).args(args);
    strace.current_dir(dir).env_clear().output().expect("strace ran").status
}

/// A copy of the site in which the run has been: how it is undone. A SQLite database is known by where it lies.
fn enforced(site: &Site, dir: &Path, hash: &str) -> Vec<String> {
    copy(site.dir(), dir);
    let run = |args: &[&str]| run_in(dir, &[&["--config", "retentiond.toml", "--format", "json"], args].concat(), &[]).expect(0);
    let run_id = run_of(&run(&["enforce", "--source", "crm", "--plan", hash]).json());
    let of = ["undo", "--source", "crm", "--run", &run_id];
    let plan = run(&of).json()["plan"].as_str().expect("a hash").to_owned();
    let all = [&["--config", "retentiond.toml"][..], &of, &["--plan", &plan, "--identity", "identity"], &WHY].concat();
    all.into_iter().map(str::to_owned).collect()
}

#[test]
fn an_undoing_killed_at_any_write_or_sync_is_ended_by_the_same_command() {
    if !Command::new("strace").args(["-f", "-qq", "-o", "/dev/null", "true"]).status().is_ok_and(|s| s.success()) {
        assert!(std::env::var_os("CI").is_none(), "strace must be there and allowed to trace in CI");
        eprintln!("SKIPPED: strace is missing or may not trace");
        return;
    }
    let Some(site) = site(Engine::Sqlite) else { return };
    let before = site.records();
    // The database lies beside the settings, so that all of it can be copied.
    site.sql(&format!("VACUUM INTO '{}'", site.path("crm.db").display()));
    site.write("url", "sqlite:crm.db");
    let hash = site.hash();
    let scratch = tempfile::tempdir().expect("a folder");
    let whole = scratch.path().join("whole");
    let args = enforced(&site, &whole, &hash);
    assert!(traced(&whole, &args, &["-e".to_owned(), format!("trace={}", CALLS.join(","))]).success());
    let trace = std::fs::read_to_string(whole.join("trace")).expect("the trace");
    let mut all = Vec::new();
    for call in CALLS {
        let mut threads = std::collections::BTreeMap::<&str, usize>::new();
        for line in trace.lines() {
            let Some((thread, rest)) = line.split_once(' ') else { continue };
            if rest.trim_start().starts_with(&format!("{call}(")) {
                *threads.entry(thread).or_default() += 1;
            }
        }
        let most = threads.values().max().copied().unwrap_or(0);
        all.extend((1..=most).map(|nth| (call, nth)));
    }
    let asked = std::env::var("RETENTIOND_STRACE").unwrap_or_default();
    let n = if asked == "all" { all.len() } else { asked.parse().unwrap_or(8).min(all.len()) };
    let mut killed = 0;
    for (call, nth) in (0..n).map(|i| all[i * all.len() / n + all.len() / n / 2]) {
        let dir = scratch.path().join(format!("{call}-{nth}"));
        let args = enforced(&site, &dir, &hash);
        let inject = format!("inject={call}:signal=KILL:when={nth}");
        let status = traced(&dir, &args, &["-e".to_owned(), format!("trace={call}"), "-e".to_owned(), inject]);
        killed += usize::from(!status.success());
        let run = |args: &[&str]| run_in(&dir, args, &[]);
        let config = ["--config", "retentiond.toml"];
        if nth % 2 == 0 {
            // A night between, which takes nothing of what came back.
            let plan = run(&[&config[..], &["--format", "json", "plan"]].concat()).expect(0).json();
            let hash = plan[0]["plan"].as_str().expect("a hash").to_owned();
            run(&[&config[..], &["enforce", "--source", "crm", "--plan", &hash]].concat()).expect(0);
        }
        run(&args.iter().map(String::as_str).collect::<Vec<_>>()).expect(0);
        let plan = run(&[&config[..], &["--format", "json", "plan"]].concat()).expect(0).json();
        let sets = plan[0]["data_sets"].as_array().expect("data sets");
        let there: Vec<_> = sets
            .iter()
            .map(|s| (s["data_set"].as_str().expect("an id").to_owned(), s["records"].as_u64().expect("a count")))
            .collect();
        assert_eq!(there, before, "killed at {call} {nth}");
        let orders = run(&[&config[..], &["--format", "json", "order", "list"]].concat()).expect(0).json();
        let standing = orders.as_array().expect("orders").iter().filter(|o| o["order"]["lifted_on"].is_null()).count();
        assert_eq!(standing, 3, "killed at {call} {nth}");
        let key = run(&[&config[..], &["journal", "key"]].concat()).expect(0).out;
        run(&[&config[..], &["journal", "export", "--out", "journal.export"]].concat()).expect(0);
        run(&[&config[..], &["journal", "verify", "journal.export", "--key", key.trim()]].concat()).expect(0);
    }
    eprintln!("{killed} of {n} runs were killed, of {} calls", all.len());
    assert!(killed > 0);
}
