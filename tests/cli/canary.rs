//! A value of its own in every personal column, keys and broken dates included, and rows that make the database fail with messages that quote
//! them: none is ever found outside the database, as it is, in hexadecimal or in base64.

use base64::Engine as _;
use retentiond::plan::schema::Engine;

use crate::site::{Answer, Site, run_in};

/// Every personal value. Lower-case letters, so that it is the same in messages that change case.
const CANARIES: [&str; 12] = [
    "cnrkeyaq7x1",
    "cnrkeybq7x2",
    "cnrkeycq7x3",
    "cnrkeydq7x4",
    "cnrnameq8y1",
    "cnrgroupq8y2",
    "cnrmailq8y3",
    "cnrdateq8y4",
    "cnrnoteq9z1",
    "cnrtelq9z2",
    "cnrcardq9z3",
    "cnripq9z4",
];

const MAP: &str = r#"
[data.patient]
title = { fr = "Patients", en = "Patients" }
table = "patient"
key = ["code"]
disposition = "anonymise"
plain = ["seen_on"]
triggers = ["refuse_patient"]
[data.patient.categories]
identity = { columns = ["name", "grp", "born"], mask = "null", masks = { email = { fixed = "ANONYME" } } }
notes = { columns = ["note"], mask = { first = 3 } }
contact = { columns = ["tel"], mask = { token = { prefix = "x-", digits = 12 } } }
network = { columns = ["ip"], mask = "null" }
card = { columns = ["card"], never_stored = true, mask = "null" }
[data.patient.events.seen]
title = { fr = "vu", en = "seen" }
column = "seen_on"
format = "iso_date"
[data.patient.conditions.mailed]
title = { fr = "courriel", en = "mailed" }
sql = "code <> 'nobody'"
"#;

const POLICY: &str = r#"
[[purpose]]
id = "care"
title = { fr = "Soins", en = "Care" }
legal_basis = "consent"
data = "crm.patient"
when = "mailed"
needs = { all_but = ["card"] }
starts = "seen"
keeps = "1 year"
"#;

fn schema(engine: Engine) -> String {
    // A UNIQUE over two columns, a CHECK and a trigger, each broken by the masks of some row; each engine quotes values in one of its messages.
    let table = "CREATE TABLE patient (code VARCHAR(60) NOT NULL PRIMARY KEY, name VARCHAR(60), grp VARCHAR(60), email VARCHAR(60), born VARCHAR(60), \
                 note VARCHAR(60), tel VARCHAR(60), ip VARCHAR(60), card VARCHAR(60), seen_on VARCHAR(60), side VARCHAR(60), \
                 CONSTRAINT told_apart UNIQUE (email, side), CONSTRAINT never_both CHECK (NOT (email = 'ANONYME' AND side = 'check')))";
    let trigger = match engine {
        Engine::Postgres => {
            "CREATE FUNCTION refuse_patient() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF OLD.side = 'trigger' THEN \
             RAISE EXCEPTION 'refused %', OLD.name USING DETAIL = OLD.email, HINT = OLD.code; END IF; RETURN NEW; END $$; \
             CREATE TRIGGER refuse_patient BEFORE UPDATE ON patient FOR EACH ROW EXECUTE FUNCTION refuse_patient()"
        }
        Engine::MariaDb | Engine::MySql => {
            "CREATE TRIGGER refuse_patient BEFORE UPDATE ON patient FOR EACH ROW IF OLD.side = 'trigger' THEN BEGIN \
             DECLARE told VARCHAR(120) DEFAULT CONCAT('refused ', OLD.name, OLD.code); SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = told; END; END IF"
        }
        Engine::Sqlite => {
            "CREATE TRIGGER refuse_patient BEFORE UPDATE ON patient WHEN OLD.side = 'trigger' BEGIN SELECT RAISE(ABORT, 'refused cnrnameq8y1'); END"
        }
    };
    let row = |key: &str, side: &str, seen: &str| {
        let c = CANARIES;
        format!(
            "INSERT INTO patient VALUES ('{key}', '{}', '{}', '{}{key}', '{}', '{}', '{}', '{}', '{}', '{seen}', '{side}')",
            c[4], c[5], c[6], c[7], c[8], c[9], c[11], c[10]
        )
    };
    let rows = [
        row(CANARIES[0], "check", "2001-01-01"),
        row(CANARIES[1], "trigger", "2001-01-01"),
        row(CANARIES[2], "same", "2001-01-01"),
        row(CANARIES[3], "same", "2001-01-01"),
        row("cnrkeyeq7x5", "undated", CANARIES[7]),
        row("cnrkeyfq7x6", "fine", "2001-01-01"),
        row("cnrkeygq7x7", "young", "2099-01-01"),
    ];
    [&[table.to_owned(), trigger.to_owned()][..], &rows].concat().join(";\n")
}

/// What a text is searched for: each canary as it is, in hexadecimal, and in base64 wherever in it it begins.
fn forms() -> Vec<(String, Vec<u8>)> {
    let mut forms = Vec::new();
    for canary in CANARIES.into_iter().chain(["cnrkeyeq7x5", "cnrkeyfq7x6", "cnrkeygq7x7"]) {
        forms.push((canary.to_owned(), canary.as_bytes().to_vec()));
        forms.push((format!("{canary} in hexadecimal"), hex::encode(canary).into_bytes()));
        for shift in 0..3 {
            let encoded = base64::prelude::BASE64_STANDARD_NO_PAD.encode([&b"\0\0"[..shift], canary.as_bytes()].concat());
            // The digits that share bits with what stands before and after are left out.
            let from = [0, 2, 3][shift];
            forms.push((format!("{canary} in base64"), encoded.as_bytes()[from..encoded.len() - 1].to_ascii_lowercase()));
        }
        let wide: Vec<u8> = canary.encode_utf16().flat_map(u16::to_le_bytes).collect();
        forms.push((format!("{canary} in UTF-16"), wide));
    }
    forms
}

/// The canaries in some bytes.
fn found(bytes: &[u8], forms: &[(String, Vec<u8>)]) -> Vec<String> {
    let lower = bytes.to_ascii_lowercase();
    let has = |form: &[u8]| lower.windows(form.len()).any(|w| w == form);
    forms.iter().filter(|(_, form)| has(form)).map(|(name, _)| name.clone()).collect()
}

/// Runs a command with everything logged, whatever its exit code.
fn run(site: &Site, args: &[&str], forms: &[(String, Vec<u8>)]) -> Answer {
    let all = [&["--config", "retentiond.toml"], args].concat();
    let answer = run_in(site.dir(), &all, &[("RETENTIOND_LOG", "trace"), ("RUST_LOG", "trace"), ("RUST_BACKTRACE", "full")]);
    // `locate` exists to tell a key to whoever asks for it, and a story begins with the key that was asked for: only that, and only there.
    let asked = args.iter().skip_while(|a| **a != "--key").nth(1).filter(|_| args[0] == "explain");
    let said = match (args[0], asked) {
        ("locate", _) => String::new(),
        (_, Some(key)) => answer.out.replace(*key, ""),
        (_, None) => answer.out.clone(),
    };
    assert_eq!(found(said.as_bytes(), forms), Vec::<String>::new(), "{args:?} says a personal value on standard output");
    assert_eq!(
        found(answer.err.as_bytes(), forms),
        Vec::<String>::new(),
        "{args:?} says a personal value on standard error or in its log"
    );
    assert!(!answer.err.contains("panicked"), "{answer:?}");
    answer
}

fn nothing_leaves(engine: Engine) {
    let Some(site) = Site::new(engine) else { return };
    let forms = forms();
    // The instrument first: it sees what it is for, in every form.
    for canary in CANARIES {
        let hexadecimal = hex::encode(format!("ab{canary}"));
        let base64 = (0..3).map(|n| base64::prelude::BASE64_STANDARD.encode(format!("{}{canary}x", &"abc"[..n])));
        for text in base64.chain([format!("x{canary}x"), canary.to_uppercase(), hexadecimal]) {
            assert!(!found(text.as_bytes(), &forms).is_empty(), "{text} is not seen");
        }
    }
    site.sql(&schema(engine));
    for (file, more) in [("map.toml", MAP), ("policy.toml", POLICY)] {
        let text = std::fs::read_to_string(site.path(file)).expect("a file");
        site.write(file, &format!("{text}{more}"));
    }
    site.run(&["init"]).expect(0);
    let script = site.run(&["setup", "--source", "crm", "--role", &site.role_name()]).expect(0).out;
    site.sql(&script);
    site.log_in();

    let run = |args: &[&str]| run(&site, args, &forms);
    run(&["map", "--source", "crm", "--format", "json"]).expect(0);
    run(&["map", "--source", "crm"]).expect(0);
    run(&["check"]);
    run(&["check", "--format", "json"]);
    run(&["plan"]).expect(0);
    run(&["plan", "--lang", "fr"]).expect(0);
    run(&["plan", "--at", "2090-01-01", "--format", "json"]).expect(0);
    let key = |n: usize| ["--data", "crm.patient", "--key", CANARIES[n]];
    for lang in ["fr", "en"] {
        for n in 0..4 {
            run(&[&["explain", "--lang", lang][..], &key(n)].concat());
        }
        run(&["explain", "--lang", lang, "--data", "crm.patient", "--key", "cnrkeyeq7x5"]);
    }
    run(&["explain", "--data", "crm.patient", "--key", "cnrkeyeq7x5", "--format", "json"]);
    let why = ["--actor", "dpo", "--reason", "litigation", "--reference", "CASE/1"];
    run(&[&["order", "hold"][..], &key(3), &why].concat()).expect(0);
    run(&["order", "list"]).expect(0);
    let plan = run(&["plan", "--format", "json"]).expect(0).json();
    let hash = plan[0]["plan"].as_str().expect("a hash").to_owned();
    let outcome = run(&["enforce", "--source", "crm", "--plan", &hash]);
    assert!([0, 1].contains(&outcome.code), "{outcome:?}");
    let hash = run(&["plan", "--format", "json"]).expect(0).json()[0]["plan"].as_str().expect("a hash").to_owned();
    run(&["enforce", "--source", "crm", "--plan", &hash, "--format", "json"]);
    run(&["journal", "show"]).expect(0);
    run(&[&["journal", "prove"][..], &key(0)].concat());
    let shown = run(&["journal", "show", "--format", "json"]).expect(0).out;
    let failed =
        shown.lines().filter(|l| l.contains("\"kind\":\"record_failed\"") && l.contains("\"data_set\":\"patient\"")).count();
    assert!(failed >= 2, "the database refused only {failed} records:\n{shown}");
    run(&["journal", "export", "--out", "journal.export"]).expect(0);
    let proof = run(&[&["journal", "prove", "--format", "json"][..], &key(0)].concat());
    let mac = proof.json()["macs"][0]["mac"].as_str().expect("a MAC").to_owned();
    let located = run(&["locate", &mac, "--data", "crm.patient"]).expect(0).out;
    assert_eq!(located, format!("{}\n", CANARIES[0]));
    run(&["setup", "--source", "crm", "--role", &site.role_name()]).expect(0);

    let mut places = vec![site.path("state"), site.path("journal.export")];
    let mut files = 0;
    while let Some(path) = places.pop() {
        if path.is_dir() {
            places.extend(std::fs::read_dir(&path).expect("a directory").map(|e| e.expect("an entry").path()));
            continue;
        }
        assert_eq!(found(&std::fs::read(&path).expect("a file"), &forms), Vec::<String>::new(), "{}", path.display());
        files += 1;
    }
    assert!(files >= 4, "only {files} files");
}

#[test]
fn no_canary_leaves_sqlite() {
    nothing_leaves(Engine::Sqlite);
}

#[test]
fn no_canary_leaves_postgres() {
    nothing_leaves(Engine::Postgres);
}

#[test]
fn no_canary_leaves_mariadb() {
    nothing_leaves(Engine::MariaDb);
}
