//! Exit codes: 0, 1, 64, 69, 75, 77 and 78, each by what it stands for.

use retentiond::plan::schema::Engine;

use crate::site::{Site, run_in};

#[test]
fn a_command_line_that_cannot_be_understood_exits_64() {
    let here = std::env::temp_dir();
    for args in [
        &[][..],
        &["enforc"],
        &["plan", "--at", "tomorrow"],
        &["plan", "--at", "2026-02-30"],
        &["plan", "--format", "xml"],
        &["plan", "--lang", "de"],
        &["order"],
        &["order", "hold", "--data", "a.b"],
        &["journal", "verify"],
        &["schema", "journal"],
        &["setup"],
        &["demo", "--records", "many"],
        &["init", "--force"],
    ] {
        let answer = run_in(&here, args, &[]).expect(64);
        assert!(!answer.err.is_empty() && answer.out.is_empty(), "{args:?}: {answer:?}");
    }
    for args in [
        &["\u{1b}[2J\u{202e}"][..],
        &["plan", "--at", "\u{9b}2J"],
        &["plan", "--\u{1b}[2J"],
        &["order", "hold", "--until", "\u{202e}"],
    ] {
        let answer = run_in(&here, args, &[]).expect(64);
        assert!(!answer.err.chars().any(|c| c != '\n' && retentiond::policy::reader::hostile(c)), "{answer:?}");
    }
    for args in [&["--help"][..], &["--version"], &["order", "hold", "--help"], &["journal", "--help"]] {
        let answer = run_in(&here, args, &[]).expect(0);
        assert!(answer.err.is_empty() && !answer.out.is_empty(), "{args:?}: {answer:?}");
    }
}

#[test]
fn the_published_schemas_are_json() {
    for kind in ["policy", "map"] {
        let schema = run_in(&std::env::temp_dir(), &["schema", kind], &[]).expect(0).json();
        assert!(schema["$schema"].is_string(), "{kind}");
    }
}

#[test]
fn a_database_or_a_state_that_is_not_there_exits_69() {
    let site = Site::new(Engine::Sqlite).expect("SQLite");
    site.run(&["journal", "show"]).expect(69);
    site.run(&["enforce"]).expect(69);
    site.run(&["init"]).expect(0);
    for (url, words) in [("postgres://nobody@127.0.0.1:1/x", "source crm: "), ("mysql://nobody@127.0.0.1:1/x", "source crm: ")] {
        site.write("url", url);
        for command in [&["plan"][..], &["check"], &["setup", "--source", "crm"]] {
            site.run(command).refused(69, words);
        }
    }
}

/// What a database refuses is the database's: 69, and 78 is for what the files say.
fn refuses(engine: Engine) {
    let Some(site) = Site::ready(engine) else { return };
    let (login, place) = site.database.url.rsplit_once('@').expect("a login");
    let (user, _) = login.rsplit_once(':').expect("a password");
    for (url, words) in
        [(format!("{user}:canary@{place}"), "login refused"), (format!("{}_not", site.database.url), "no such database")]
    {
        site.write("url", &url);
        let answer = site.run(&["plan"]).refused(69, words);
        assert!(answer.err.contains("source crm: "), "{answer:?}");
    }
}

#[test]
fn a_login_or_a_database_that_is_refused_exits_69_on_postgres() {
    refuses(Engine::Postgres);
}

#[test]
fn a_login_or_a_database_that_is_refused_exits_69_on_mariadb() {
    refuses(Engine::MariaDb);
}

#[test]
fn a_file_that_is_missing_or_no_database_or_read_only_exits_69_and_is_named() {
    let site = Site::ready(Engine::Sqlite).expect("SQLite");
    site.write("no.db", &"no database ".repeat(100));
    for (url, words) in [
        ("sqlite:/nonexistent/x.db".to_owned(), "source crm: the SQLite file cannot be opened"),
        (format!("sqlite:{}", site.path("no.db").display()), "source crm: 26 not a database"),
    ] {
        site.write("url", &url);
        site.run(&["plan"]).refused(69, words);
    }
    site.write("url", &format!("{}?mode=ro", site.database.url));
    let hash = site.hash();
    site.run(&["enforce", "--source", "crm", "--plan", &hash]).refused(69, "source crm: 8 read-only database");
    let checked = site.run(&["check"]).expect(78);
    assert!(checked.err.contains("may write") && !checked.err.contains("replica"), "{checked:?}");
    // The state's own database.
    site.write("url", &site.database.url);
    for file in ["state.sqlite-wal", "state.sqlite-shm"] {
        let _ = std::fs::remove_file(site.path("state").join(file));
    }
    site.write("state/state.sqlite", &"no database ".repeat(1_000));
    for command in [&["journal", "show"][..], &["enforce", "--source", "crm", "--plan", &hash]] {
        let answer = site.run(command).refused(69, "state/state.sqlite: ");
        assert!(answer.err.contains("26, not a database"), "{answer:?}");
    }
}

#[test]
fn a_key_directory_that_is_gone_is_told_and_not_made() {
    let site = Site::ready(Engine::Sqlite).expect("SQLite");
    let hash = site.hash();
    std::fs::rename(site.path("state/keys"), site.path("elsewhere")).expect("moved");
    for command in [
        &["enforce", "--source", "crm", "--plan", &hash][..],
        &["journal", "rotate"],
        &["journal", "show"],
        &["journal", "prove", "--data", "crm.person", "--key", "1"],
    ] {
        let answer = site.run(command);
        assert!(!site.path("state/keys").exists(), "{command:?} made it: {answer:?}");
        if command[1] != "show" {
            assert!(answer.code == 69 && answer.err.contains("state/keys"), "{answer:?}");
        }
    }
    site.run(&["journal", "rotate"]).refused(69, "state/keys/signing.key is missing");
}

#[test]
fn a_url_that_cannot_be_one_exits_78_and_is_not_said() {
    let site = Site::ready(Engine::Sqlite).expect("SQLite");
    for url in ["sqlite::memory:", "oracle://canary@x/y", "canary", "postgres://x:canary@[::1/y", "mysql://x:canary@h:port/y"] {
        site.write("url", url);
        site.run(&["plan"]).refused(78, "source crm: ");
    }
}

#[test]
fn a_ceiling_stops_the_run_with_75_and_says_which() {
    let site = Site::ready(Engine::Sqlite).expect("SQLite");
    site.sql(
        "WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
              INSERT INTO person SELECT i, 'P', 'x', CASE WHEN i % 2 = 0 THEN '2001-01-01' END, NULL, NULL, NULL, NULL FROM n",
    );
    let limited = |ceilings: &str| {
        let text = std::fs::read_to_string(site.path("retentiond.toml")).expect("the settings");
        site.write("retentiond.toml", &text.replace("share_percent = 100", ceilings));
        let plan = site.run(&["plan"]).expect(0).out;
        let french = site.run(&["plan", "--lang", "fr"]).expect(0).out;
        let json = site.json(&["plan"]);
        let answer = site.run(&["enforce", "--source", "crm", "--plan", &site.hash()]);
        site.settings("");
        (plan, french, json, answer)
    };
    let (plan, _, _, answer) = limited("share_percent = 100\nrows = 2");
    let why = "stopped by the ceiling: 504 rows (limit 2, setting ceilings.rows)";
    assert!(answer.expect(75).out.contains(why) && plan.contains(&format!("→ 504 to delete\n    ! would be {why}\n")), "{plan}");
    let (plan, french, json, answer) = limited("share_percent = 40");
    let why = "stopped by the ceiling: 50.0 % of the table (limit 40.0 %, setting ceilings.share_percent)";
    assert!(answer.expect(75).out.contains(why) && plan.contains(&format!("would be {why}")), "{plan}");
    let why = "serait arrêté par le plafond\u{a0}: 50,0\u{202f}% de la table (limite\u{a0}: 40,0\u{202f}%, réglage ceilings.share_percent)";
    assert!(french.contains(why), "{french}");
    let stops = &json[0]["data_sets"][0]["would_be_stopped"];
    let expected = serde_json::json!([{
        "action": "person.delete", "ceiling": "share", "limit": 400, "found": 500, "setting": "ceilings.share_percent",
    }]);
    assert_eq!(stops, &expected);
    // The source's own ceiling is named where it decides, and an action below it is not warned of.
    let own = [("RETENTIOND__SOURCES__CRM__CEILINGS__SHARE_PERCENT", "49")];
    let plan = site.run_with(&["plan"], &own).expect(0).out;
    assert!(plan.contains("(limit 49.0 %, setting sources.crm.ceilings.share_percent)"), "{plan}");
    assert!(!site.run(&["plan"]).expect(0).out.contains("ceiling"));
    assert_eq!(site.records()[0].1, 1_007, "a stopped purpose changed something");
    site.enforce().expect(0);
}

#[test]
fn a_record_that_the_database_refuses_exits_1_and_the_rest_goes_on() {
    let site = Site::ready(Engine::Sqlite).expect("SQLite");
    site.sql("CREATE TRIGGER veto BEFORE DELETE ON person WHEN old.id = 1 BEGIN SELECT RAISE(ABORT, 'CanaryVeto'); END");
    let map = std::fs::read_to_string(site.path("map.toml")).expect("the map");
    site.write("map.toml", &map.replace("tenant = \"agency\"", "tenant = \"agency\"\ntriggers = [\"veto\"]"));
    let answer = site.enforce().expect(1);
    let done = &answer.json()[0]["outcome"]["actions"][0];
    assert_eq!((done["failed"].as_u64(), done["changed"].as_u64()), (Some(1), Some(2)), "{answer:?}");
}

#[test]
fn output_that_nobody_reads_is_no_failure_and_a_full_disk_is() {
    let site = Site::ready(Engine::Sqlite).expect("SQLite");
    let program = assert_cmd::cargo::cargo_bin("retentiond");
    let shell = |script: &str| {
        let output = std::process::Command::new("bash")
            .current_dir(site.dir())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("RT", &program)
            .args(["-c", script])
            .output()
            .expect("bash");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for command in ["schema map", "plan", "--format json plan", "journal show", "setup --source crm", "--help"] {
        let (code, err) = shell(&format!("set -o pipefail; \"$RT\" --config retentiond.toml {command} | true"));
        assert!(code == Some(0) && err.is_empty(), "{command}: {code:?} {err}");
        if command != "--help" {
            let (code, err) = shell(&format!("\"$RT\" --config retentiond.toml {command} > /dev/full"));
            assert!(code == Some(69) && err.contains("standard output"), "{command}: {code:?} {err}");
        }
    }
}

#[test]
fn ctrl_c_finishes_the_batch_and_exits_75_and_the_next_run_goes_on() {
    use std::io::{BufRead as _, Read as _};
    let site = Site::ready(Engine::Sqlite).expect("SQLite");
    site.sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)
              INSERT INTO subscriber SELECT 'canary' || i, '2001-01-01', 'CanaryName' FROM n",
    );
    let hash = site.hash();
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("retentiond"))
        .current_dir(site.dir())
        .env_clear()
        .args(["--config", "retentiond.toml", "enforce", "--source", "crm", "--plan", &hash])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the program");
    let mut said = std::io::BufReader::new(child.stderr.take().expect("standard error"));
    let mut line = String::new();
    while !line.starts_with("subscriber.anonymise") {
        line.clear();
        assert_ne!(said.read_line(&mut line).expect("a line"), 0, "it ended before it began");
    }
    // Its first batches are committed by then, its last are far.
    std::thread::sleep(std::time::Duration::from_millis(500));
    let status = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(status.success());
    let status = child.wait().expect("it ended");
    let (mut rest, mut out) = (String::new(), String::new());
    said.read_to_string(&mut rest).expect("UTF-8");
    child.stdout.take().expect("standard output").read_to_string(&mut out).expect("UTF-8");
    assert!(status.code() == Some(75) && rest.contains("finishing the current batch…"), "{status:?} {rest} {out}");
    let left = site.json(&["plan"])[0]["data_sets"][1]["actions"][0][1].as_u64().expect("a count");
    assert!(left > 0 && left < 300_001, "{left} of 300,001 were left");
    let run = site.enforce().expect(0).json();
    assert_eq!(run[0]["outcome"]["recovered"], 0, "a batch was left open");
}
