//! The whole life of a source, on each engine: from `init` to a journal that an auditor verifies.

use retentiond::plan::schema::Engine;

use crate::site::{Site, run_in};

fn life(engine: Engine) {
    let Some(site) = Site::new(engine) else { return };
    // Nothing is there yet.
    let created = site.json(&["init"]);
    assert!(created["public_key"].as_str().is_some_and(|k| k.contains('+')));
    site.run(&["init"]).refused(69, "state already holds");
    site.run(&["check"]).refused(78, "retentiond setup");
    site.run(&["enforce", "--source", "crm", "--plan", "0"]).refused(78, "retentiond setup");
    let setup = site.json(&["setup", "--source", "crm", "--role", "r_unused"]);
    assert!(setup["script"].as_str().is_some_and(|s| s.contains("retentiond")));
    drop(site);

    let Some(site) = Site::ready(engine) else { return };
    let checked = site.run(&["check"]).expect(0);
    assert!(checked.out.contains("1 source, 3 purposes: no error."), "{checked:?}");

    assert!(site.json(&["check"])["faults"].as_array().is_some_and(|f| f.iter().all(|f| f["severity"] == "warning")));
    let draft = site.json(&["map", "--source", "crm"]);
    assert!(draft["map"].as_str().is_some_and(|m| m.contains("[data.person]")), "{draft}");

    // The plan shows what is due today and on another day, and changes nothing.
    let plan = site.json(&["plan"]);
    let actions = |plan: &serde_json::Value| -> Vec<(String, u64)> {
        let sets = plan[0]["data_sets"].as_array().expect("data sets").clone();
        let all = sets.iter().flat_map(|s| s["actions"].as_array().expect("actions").clone());
        all.map(|a| (a[0].as_str().expect("an id").to_owned(), a[1].as_u64().expect("a count"))).filter(|(_, n)| *n > 0).collect()
    };
    assert_eq!(actions(&plan), [("person.delete".to_owned(), 3), ("subscriber.anonymise".to_owned(), 1)]);
    let later = site.json(&["plan", "--at", "2099-01-01"]);
    assert_eq!(actions(&later), [("person.delete".to_owned(), 5), ("subscriber.anonymise".to_owned(), 2)]);
    assert_eq!(later[0]["today"], "2099-01-01");
    assert_ne!(plan[0]["plan"], later[0]["plan"]);

    // A plan that nobody saw is not carried out.
    site.run(&["enforce", "--source", "crm"]).refused(77, "without a terminal");
    site.run(&["enforce", "--source", "crm", "--plan", &"0".repeat(64)]).refused(77, "the plan is now");
    assert_eq!(actions(&site.json(&["plan"])), actions(&plan));

    // A hold keeps its record; the rest goes; a second run finds nothing.
    let hold = site.order("hold", &["--data", "crm.person", "--key", "4"]);
    let run = site.enforce().expect(0).json();
    let done = run[0]["outcome"]["actions"].as_array().expect("actions");
    let changed: u64 = done.iter().map(|a| a["changed"].as_u64().expect("a count")).sum();
    assert_eq!(changed, 3, "{run}");
    let again = site.enforce().expect(0).json();
    let changed: u64 =
        again[0]["outcome"]["actions"].as_array().expect("actions").iter().map(|a| a["changed"].as_u64().expect("a count")).sum();
    assert_eq!(changed, 0, "{again}");
    // The first run ever ends with a full census, the next one of the same week only when asked to; what the hold keeps is counted by each.
    assert!(run[0]["outcome"]["census"].is_array() && again[0]["outcome"]["census"].is_null(), "{again}");
    let held = |run: &serde_json::Value| -> u64 {
        let sets = run[0]["outcome"]["after"].as_array().expect("data sets").clone();
        let purposes = sets.iter().flat_map(|s| s[1]["purposes"].as_array().expect("purposes").clone());
        purposes.map(|p| p[1]["held"].as_u64().expect("a count")).sum()
    };
    assert_eq!((held(&run), held(&again)), (1, 1), "{again}");
    let plan = site.json(&["plan"])[0]["plan"].as_str().expect("a hash").to_owned();
    let asked = site.json(&["enforce", "--source", "crm", "--plan", &plan, "--full-census", "--pace", "full", "--workers", "2"]);
    assert!(asked[0]["outcome"]["census"].is_array(), "{asked}");
    assert_eq!(site.records(), [("person".to_owned(), 4), ("subscriber".to_owned(), 2)]);

    journal(&site, &hold);
}

fn journal(site: &Site, hold: &str) {
    // Every line of `show` is an entry: for programs its bytes, for people its words.
    let shown = site.run(&["journal", "show", "--format", "json"]).expect(0).out;
    let entries: Vec<serde_json::Value> = shown.lines().map(|l| serde_json::from_str(l).expect("an entry")).collect();
    assert!(entries.len() > 5 && shown.contains(hold));
    assert_eq!(site.run(&["journal", "show", "--from", "2", "--limit", "3"]).expect(0).out.lines().count(), 3);

    let words = site.run(&["journal", "show"]).expect(0).out;
    assert_eq!(words.lines().count(), entries.len());
    let line = words.lines().find(|l| l.contains(hold)).expect("the order in words");
    assert!(
        line.contains("Z  order placed: order ") && line.contains(", order kind hold, scope record, data set person, "),
        "{line}"
    );
    assert!(!words.contains(['{', '"']), "{words}");

    // The key of before verifies what was written before and after a rotation, which the old key announced.
    let key = site.json(&["journal", "key"])["public_key"].as_str().expect("a key").to_owned();
    assert_eq!(site.run(&["journal", "key"]).expect(0).out.trim(), key);
    let rotated = site.json(&["journal", "rotate"])["public_key"].as_str().expect("a key").to_owned();
    assert_ne!(rotated, key);
    assert_eq!(site.run(&["journal", "key"]).expect(0).out.trim(), rotated);
    let exported = site.json(&["journal", "export", "--out", "journal.export"]);
    assert_eq!(exported["entries"].as_u64(), Some(entries.len() as u64 + 1));
    site.run(&["journal", "export", "--out", "journal.export"]).refused(69, "exists");
    let verify = |key: &str, file: &str| run_in(site.dir(), &["journal", "verify", file, "--key", key, "--format", "json"], &[]);
    assert_eq!(verify(&key, "journal.export").expect(0).json()["sound"], true);
    std::fs::write(site.path("key.pub"), format!("{key}\n")).expect("a key file");
    let text = run_in(site.dir(), &["journal", "verify", "journal.export", "--key", "key.pub"], &[]).expect(0).out;
    assert!(text.starts_with("The journal is sound: "), "{text}");

    // An edited entry is named.
    let whole = std::fs::read_to_string(site.path("journal.export")).expect("the export");
    assert!(!whole.to_lowercase().contains("canary"));
    std::fs::write(site.path("edited.export"), whole.replacen("CASE/1", "CASE/2", 1)).expect("a forgery");
    let place = entries.iter().position(|e| e.to_string().contains(hold)).expect("the order's entry");
    let answer = run_in(site.dir(), &["journal", "verify", "edited.export", "--key", &key], &[]).expect(1);
    assert!(
        answer.out.starts_with("The journal is NOT sound:\n") && answer.out.contains(&format!("entry {place}")),
        "{answer:?}"
    );
    assert_eq!(verify(&key, "edited.export").expect(1).json()["sound"], false);
    verify("not-a-key", "journal.export").refused(64, "`not-a-key` is no file that exists, and not a valid verifier key: ");
    verify("missing.pub", "journal.export").refused(64, "`missing.pub` is no file that exists");
    verify("journal.export", "journal.export").refused(64, "the file journal.export holds not a valid verifier key");
    verify(&key, "missing.export").expect(69);

    // What the journal says of one record, and which record a report means.
    let proof = site.json(&["journal", "prove", "--data", "crm.person", "--key", "1"]);
    assert!(proof["entries"].as_array().is_some_and(|e| !e.is_empty()));
    let unnamed = site.run(&["journal", "prove", "--data", "crm.person", "--key", "5"]).expect(1).out;
    assert_eq!(unnamed, "No signed entry of the journal names this record of crm.person under a key that exists.\n");
    let told = site.run(&["journal", "prove", "--data", "crm.person", "--key", "1"]).expect(0).out;
    assert!(told.starts_with("These entries name this record of crm.person") && told.contains("Z  applied: run "), "{told}");
    // Whoever has the proof and the public key of now checks it offline.
    std::fs::write(site.path("proof.json"), proof.to_string()).expect("the proof");
    let checked = verify(&rotated, "proof.json").expect(0).json();
    assert_eq!(
        (checked["holds"].as_bool(), checked["entries"].as_u64()),
        (Some(true), proof["entries"].as_array().map(|e| e.len() as u64))
    );
    let told = run_in(site.dir(), &["journal", "verify", "proof.json", "--key", &rotated], &[]).expect(0).out;
    assert!(told.starts_with("The proof holds.") && told.contains("Z  applied: run "), "{told}");
    let changed = proof.to_string().replacen("\\\"rows\\\":", "\\\"rows\\\":1", 1);
    assert_ne!(changed, proof.to_string());
    std::fs::write(site.path("changed.json"), changed).expect("a forgery");
    let told = run_in(site.dir(), &["journal", "verify", "changed.json", "--key", &rotated], &[]).expect(1).out;
    assert!(told.starts_with("The proof does NOT hold: entry number "), "{told}");
    let stranger = Site::new(Engine::Sqlite).expect("SQLite").json(&["init"])["public_key"].as_str().expect("a key").to_owned();
    assert_eq!(verify(&stranger, "proof.json").expect(1).json()["holds"], false);
    std::fs::write(site.path("other.json"), "{}").expect("another file");
    verify(&rotated, "other.json").refused(1, "is no proof");
    let held = site.json(&["journal", "prove", "--data", "crm.person", "--key", "4"]);
    let mac = held["macs"][0]["mac"].as_str().expect("a MAC").to_owned();
    assert_eq!(site.run(&["locate", &mac, "--data", "crm.person"]).expect(0).out, "4\n");
    assert_eq!(site.json(&["locate", &mac, "--data", "crm.person"])["key"][0], "4");
    site.run(&["locate", &"0".repeat(32), "--data", "crm.person"]).refused(1, "no record");
    site.run(&["locate", "0", "--data", "crm.person"]).expect(64);

    // Nothing personal in the state: store, keys, write-ahead log.
    let mut files = vec![site.path("state")];
    let mut read = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(&path).expect("a directory").map(|e| e.expect("an entry").path()));
            continue;
        }
        let bytes = std::fs::read(&path).expect("a file of the state").to_ascii_lowercase();
        assert!(!bytes.windows(6).any(|w| w == b"canary"), "{} holds a personal value", path.display());
        read += 1;
    }
    assert!(read >= 3, "only {read} files");
}

#[test]
fn a_source_lives_from_init_to_a_verified_journal_on_sqlite() {
    life(Engine::Sqlite);
}

#[test]
fn a_source_lives_from_init_to_a_verified_journal_on_postgres() {
    life(Engine::Postgres);
}

#[test]
fn a_source_lives_from_init_to_a_verified_journal_on_mariadb() {
    life(Engine::MariaDb);
}

#[test]
fn a_source_lives_from_init_to_a_verified_journal_on_mysql() {
    life(Engine::MySql);
}

#[test]
fn a_copied_database_is_refused_until_it_is_adopted() {
    let site = Site::ready(Engine::Sqlite).expect("SQLite");
    site.enforce().expect(0);
    let original = site.database.url.strip_prefix("sqlite:").expect("a path").to_owned();
    std::fs::copy(&original, site.path("copy.db")).expect("a copy");
    site.write("url", &format!("sqlite:{}", site.path("copy.db").display()));
    let hash = site.hash();
    site.run(&["enforce", "--source", "crm", "--plan", &hash]).refused(77, "retentiond adopt");
    site.run(&["adopt", "--source", "crm", "--reason", "cloned", "--actor", "nobody"]).refused(77, "`nobody`");
    site.run(&["adopt", "--source", "crn", "--reason", "cloned", "--actor", "dpo"]).refused(64, "crn");
    site.run(&["adopt", "--source", "crm", "--reason", "stolen", "--actor", "dpo"]).expect(64);
    let adopted = site.json(&["adopt", "--source", "crm", "--reason", "cloned", "--actor", "dpo"]);
    assert!(adopted["epoch"].as_u64().is_some_and(|e| e > 1), "{adopted}");
    site.enforce().expect(0);
}

#[test]
fn an_old_state_is_refused_until_somebody_answers_for_it() {
    let site = Site::ready(Engine::Sqlite).expect("SQLite");
    site.order("hold", &["--data", "crm.person", "--key", "4"]);
    let copy = |from: &str, to: &str| {
        let _ = std::fs::remove_dir_all(site.path(to));
        let done = std::process::Command::new("cp").args(["-a", from, to]).current_dir(site.dir()).status().expect("cp");
        assert!(done.success());
    };
    site.enforce().expect(0);
    copy("state", "old");
    site.sql("INSERT INTO person VALUES (7, 'C', 'x', '2001-01-01', NULL, NULL, NULL, NULL)");
    site.enforce().expect(0);
    copy("old", "state");
    let hash = site.hash();
    site.run(&["enforce", "--source", "crm", "--plan", &hash]).refused(77, "retentiond journal recover");
    site.run(&["journal", "recover", "--source", "crm", "--actor", "nobody"]).refused(77, "`nobody`");
    let recovered = site.json(&["journal", "recover", "--source", "crm", "--actor", "ops"]);
    assert!(recovered["ledger_size"].as_u64().is_some_and(|n| n > 0), "{recovered}");
    site.enforce().expect(0);
    assert!(site.run(&["journal", "show"]).expect(0).out.contains("journal recovered: source crm"));
    site.enforce().expect(0);
    // What was lost stays lost, and the journal that goes on is sound and says so.
    let key = site.run(&["journal", "key"]).expect(0).out;
    site.run(&["journal", "export", "--out", "journal.export"]).expect(0);
    run_in(site.dir(), &["journal", "verify", "journal.export", "--key", key.trim()], &[]).expect(0);
}

/// Answers the question of `enforce` on a terminal.
fn answered(site: &Site, answer: &str, lang: &str) -> (Option<i32>, String) {
    let program = assert_cmd::cargo::cargo_bin("retentiond");
    let command = format!("'{}' --config retentiond.toml --lang {lang} enforce", program.display());
    let output = assert_cmd::Command::new("script")
        .current_dir(site.dir())
        .args(["-qec", &command, "/dev/null"])
        .write_stdin(format!("{answer}\n"))
        .timeout(std::time::Duration::from_secs(60))
        .output()
        .expect("script of util-linux");
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn on_a_terminal_the_plan_is_shown_and_asked_about() {
    let site = Site::ready(Engine::Sqlite).expect("SQLite");
    let (code, said) = answered(&site, "y", "en");
    assert!(code == Some(77) && said.contains("→ 3 to delete") && said.contains("nothing was done"), "{code:?} {said}");
    assert_eq!(site.records()[0].1, 6);
    let (code, said) = answered(&site, "oui", "fr");
    assert!(code == Some(0) && said.contains("Exécuter ce plan\u{202f}? Tapez «\u{a0}oui\u{a0}»"), "{code:?} {said}");
    assert_eq!(site.records()[0].1, 3);
}

#[test]
fn a_plan_hash_stands_for_rules_and_day_and_neither_for_counts_nor_orders_nor_ceilings() {
    let site = Site::ready(Engine::Sqlite).expect("SQLite");
    let shown = site.hash();
    site.order("hold", &["--data", "crm.person", "--key", "4"]);
    site.sql("INSERT INTO person VALUES (7, 'C', 'x', '2001-01-01', NULL, NULL, NULL, NULL)");
    let settings = std::fs::read_to_string(site.path("retentiond.toml")).expect("the settings");
    site.write("retentiond.toml", &settings.replace("share_percent = 100", "share_percent = 100\nrows = 1000"));
    assert_eq!(site.hash(), shown);
    assert_ne!(site.json(&["plan", "--at", "2099-01-01"])[0]["plan"], shown.as_str());
    let policy = std::fs::read_to_string(site.path("policy.toml")).expect("the policy");
    site.write("policy.toml", &format!("{policy}\n# read again\n"));
    assert_ne!(site.hash(), shown);
    // The help of the command says the same.
    let help = site.run(&["enforce", "--help"]).expect(0).out;
    assert!(help.contains("does not stand for the counts"), "{help}");
}
