//! `retentiond archive` as operations, the DPO and auditors use it, with the rights that the setup script gives and no more.

use retentiond::plan::schema::Engine;

use crate::site::Site;

/// A key of nobody, made up for tests.
pub const IDENTITY: &str = "AGE-SECRET-KEY-1TQVDDMJAT0830WKJMH95PM6DU4ZKVVP2S7MDCJR6U8P53HP8K6RQMTJ27T\n";
pub const RECIPIENT: &str = "age1dnagl60sm4x9wecc2e9gegvkcnj4hkzr980tk8l8u9e7xrd2r4ksh00hj8";

/// Customers' identity and wishes are kept as evidence; prospects have no archive.
pub const EVIDENCE: &str = r#"
[[purpose]]
id = "evidence"
title = { fr = "Preuve", en = "Evidence" }
legal_basis = "legitimate_interest"
data = "crm.person"
when = "is_client"
needs = ["identity", "wishes"]
kept_in = "archive:evidence"
starts = "created"
keeps = "30 years"
"#;

pub const WHY: [&str; 6] = ["--actor", "dpo", "--reason", "data_subject_access", "--reference", "SAR/1"];

pub fn site(engine: Engine) -> Option<Site> {
    let site = Site::new(engine)?;
    let policy = std::fs::read_to_string(site.path("policy.toml")).expect("the policy");
    site.write("policy.toml", &format!("{policy}{EVIDENCE}"));
    site.settings(&format!("[archives.evidence]\ndirectory = \"vault\"\nrecipients = [\"{RECIPIENT}\"]"));
    site.write("identity", IDENTITY);
    site.run(&["init"]).expect(0);
    let script = site.run(&["setup", "--source", "crm", "--role", &site.role_name()]).expect(0).out;
    site.sql(&script);
    site.log_in();
    Some(site)
}

/// Every file below a folder.
pub fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let (mut all, mut left) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(path) = left.pop() {
        match path.is_dir() {
            true => left.extend(std::fs::read_dir(&path).expect("a folder").map(|e| e.expect("an entry").path())),
            false => all.push(path),
        }
    }
    all
}

fn lived(engine: Engine) {
    let Some(site) = site(engine) else { return };
    site.run(&["check"]).expect(0);
    let plan = site.run(&["plan"]).expect(0).out;
    assert!(plan.contains("first sealed, as far as it needs it, into the archive evidence: evidence"), "{plan}");
    assert_eq!(site.enforce().expect(0).json()[0]["outcome"]["actions"][0]["archived"], 5, "two customers, three bookings");
    assert_eq!(files(&site.path("vault")).len(), 1, "both left the active base on one day and leave the archive on one day");
    for file in files(&site.path("vault")).into_iter().chain(files(&site.path("state"))) {
        let text = String::from_utf8_lossy(&std::fs::read(&file).expect("a file")).to_lowercase();
        assert!(!text.contains("canary"), "{}", file.display());
    }
    let list = site.json(&["archive", "list"]);
    assert_eq!((&list[0]["records"], &list[0]["due"], &list[0]["data_set"]), (&2.into(), &0.into(), &"crm.person".into()));

    let of = |id: &'static str| ["--data", "crm.person", "--key", id];
    assert_eq!(site.json(&[&["archive", "find"][..], &of("1")].concat())["objects"].as_array().map(Vec::len), Some(1));
    let french = |args: &[&str]| site.run(&[args, &["--lang", "fr"]].concat()).expect(0).out;
    let (list, found) = (french(&["archive", "list"]), french(&[&["archive", "find"][..], &of("1")].concat()));
    assert!(list.contains("plus ancienne fin dépassée") && found.contains("jusqu'au"), "{list}{found}");
    let day = regex_lite::Regex::new(r" \d\d/\d\d/\d{4} ").expect("a pattern");
    assert!(day.is_match(&list) && day.is_match(&found), "{list}{found}");
    // A prospect has gone without a trace, somebody else is still there.
    for id in ["2", "3"] {
        site.run(&[&["archive", "find"][..], &of(id)].concat()).refused(1, "no archive keeps anything of this record");
    }
    let said = site.run(&[&["explain"][..], &of("1")].concat()).refused(1, "retentiond archive find");
    assert!(said.out.is_empty());

    let open = |what: &'static str, id: &'static str, why: &[&'static str]| {
        [&["archive", what][..], &of(id), why, &["--identity", "identity"]].concat()
    };
    site.run(&open("export", "1", &["--actor", "nobody", "--reason", "audit", "--reference", "A"])).refused(77, "nobody");
    site.run(&open("export", "1", &["--actor", "dpo", "--reason", "curiosity", "--reference", "A"]))
        .refused(64, "data_subject_access");
    let out = site.run(&[&open("export", "1", &WHY)[..], &["--output", "export.json"]].concat()).expect(0).out;
    assert_eq!(out, "");
    let text = std::fs::read_to_string(site.path("export.json")).expect("the export");
    for told in ["CanaryFirst1", "CanaryLast1", "CanaryWish", "\"kind\": \"C\""] {
        assert!(text.contains(told), "{told} in {text}");
    }
    for kept_back in ["@example.org", "canary-06", "CanaryFirst4"] {
        assert!(!text.contains(kept_back), "{kept_back} in {text}");
    }
    let shown = site.run(&["journal", "show"]).expect(0).out;
    assert!(shown.contains("archive opened") && shown.contains("sealed 5 rows into evidence for evidence until"), "{shown}");
    // Who read it is proven to the person whom it is about, too, and to nobody else.
    let proof = |key: &str| site.run(&["journal", "prove", "--data", "crm.person", "--key", key]).expect(0).out;
    let (own, other) = (proof("1"), proof("2"));
    assert!(own.contains("Not signed yet, and not proved:") && !other.contains("Not signed yet"), "{own}\n{other}");
    site.run(&["archive", "verify", "--identity", "identity"]).expect(0);
    // Sealed to others, it is compared and not opened; whoever gives an identity that opens nothing hears of it.
    site.write("stranger", "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX\n");
    let said = site.run(&["archive", "verify", "--identity", "stranger"]).expect(1).out;
    assert!(said.contains("1 object sealed to others than this identity: compared with the journal, not opened\n"), "{said}");
    assert!(said.contains(": as the journal says"), "{said}");
    site.run(&["archive", "verify", "--archive", "nowhere"]).refused(64, "no archive `nowhere`");
    site.run(&["archive", "verify", "--archive", "evidence", "--identity", "identity"]).expect(0);

    // The enforcer's role may not insert: an administrator's URL puts the record back, under a hold.
    if engine != Engine::Sqlite {
        site.run(&open("restore", "1", &WHY)).refused(69, "nothing was put back");
        let hold = site.json(&["order", "list"])[0]["order"]["order"].as_str().expect("a hold").to_owned();
        let lift = ["--actor", "dpo", "--reason", "error_correction", "--reference", "A"];
        site.run(&[&["order", "lift", "--source", "crm", "--order", &hold][..], &lift].concat()).expect(0);
    }
    site.write("admin", &site.database.url);
    let back = site.json(&[&open("restore", "1", &WHY)[..], &["--url-file", "admin"]].concat());
    assert_eq!((&back["done"]["inserted"], &back["done"]["lost"]), (&2.into(), &0.into()), "{back}");
    assert_eq!(site.records()[0], ("person".to_owned(), 4));
    site.enforce().expect(0);
    assert_eq!(site.records()[0], ("person".to_owned(), 4), "it stands under a hold");

    // Whoever tampers is found out, whoever hides something too.
    let object = files(&site.path("vault")).pop().expect("an object");
    let whole = std::fs::read(&object).expect("the object");
    std::fs::write(&object, &whole[..whole.len() - 1]).expect("a shorter object");
    let said = site.run(&["archive", "verify"]).expect(1).out;
    assert!(said.contains("is not as it was sealed"), "{said}");
    site.run(&open("export", "1", &WHY)).refused(69, "is not what was written");
    std::fs::write(object.with_file_name("2030-01-01-9.jsonl.zst.age"), &whole).expect("a stranger");
    std::fs::remove_file(&object).expect("gone");
    let said = site.run(&["archive", "verify"]).expect(1).out;
    assert!(said.contains("is missing") && said.contains("is in no journal"), "{said}");
    site.run(&["archive", "destroy"]).expect(0);
}

fn files_lived(engine: Engine) {
    let Some(site) = site(engine) else { return };
    let map = std::fs::read_to_string(site.path("map.toml")).expect("the map");
    site.write("map.toml", &format!("{map}\n[data.booking.files.wish]\ncolumn = \"wishes\"\nstore = \"wishes\"\n"));
    let archive = format!("[archives.evidence]\ndirectory = \"vault\"\nrecipients = [\"{RECIPIENT}\"]");
    site.settings(&format!("{archive}\n[files.wishes]\ndirectory = \"wishes\""));
    site.sql("UPDATE booking SET wishes = 'a/CanaryWish1' WHERE person_id = 1");
    std::fs::create_dir_all(site.path("wishes/a")).expect("a store");
    let (shared, own) = (site.path("wishes/CanaryWish"), site.path("wishes/a/CanaryWish1"));
    std::fs::write(&shared, "canary shared").expect("a file");
    std::fs::write(&own, "canary own").expect("a file");
    site.run(&["check"]).expect(0);
    let outcome = site.enforce().expect(0).json();
    assert_eq!(outcome[0]["outcome"]["left"]["removed"], 1, "{outcome}");
    assert!(shared.exists() && !own.exists(), "somebody who stays points to the other");
    assert_eq!(files(&site.path("vault")).len(), 3, "the object of the rows and two files");
    for file in files(&site.path("vault")).into_iter().chain(files(&site.path("state"))) {
        let text = String::from_utf8_lossy(&std::fs::read(&file).expect("a file")).to_lowercase();
        assert!(!text.contains("canary"), "{}", file.display());
    }
    let verdict = site.json(&["archive", "verify", "--identity", "identity"]);
    assert_eq!((&verdict["objects"], &verdict["files"]), (&1.into(), &2.into()), "{verdict}");

    let open = |what: &'static str, more: &[&'static str]| {
        [&["archive", what, "--data", "crm.person", "--key", "1", "--identity", "identity"][..], &WHY, more].concat()
    };
    site.run(&open("export", &[])).refused(64, "--output");
    site.run(&open("export", &["--output", "export.json"])).expect(0);
    let export: serde_json::Value = serde_json::from_slice(&std::fs::read(site.path("export.json")).expect("it")).expect("JSON");
    let told = &export["objects"][0]["files"];
    assert_eq!((told.as_array().map(Vec::len), &told[0]["path"]), (Some(1), &"a/CanaryWish1".into()), "{export}");
    let beside = site.path("export.json.files");
    let written = std::fs::read(beside.join(told[0]["file"].as_str().expect("a place"))).expect("the file");
    assert_eq!(written, b"canary own");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&beside).expect("a folder").permissions());
    assert_eq!(mode & 0o777, 0o700);

    // Over nothing that is there: neither row nor file comes back then.
    site.write("admin", &site.database.url);
    std::fs::write(&own, "another").expect("a file");
    site.run(&open("restore", &["--url-file", "admin"])).refused(69, "nothing was put back");
    assert_eq!((site.records()[0].1, std::fs::read(&own).expect("it")), (3, b"another".to_vec()));
    std::fs::remove_file(&own).expect("gone");
    let back = site.json(&open("restore", &["--url-file", "admin"]));
    assert_eq!((&back["done"]["inserted"], &back["files"]["written"]), (&2.into(), &1.into()), "{back}");
    assert_eq!(std::fs::read(&own).expect("the file"), b"canary own");
    site.enforce().expect(0);
    assert!(own.exists(), "it stands under a hold");

    // Whoever takes away or changes a file is found out, with and without an identity.
    let file = files(&site.path("vault")).into_iter().find(|f| f.to_string_lossy().contains(".file-0.")).expect("a file");
    let mut bytes = std::fs::read(&file).expect("it");
    *bytes.last_mut().expect("a byte") ^= 1;
    std::fs::write(&file, &bytes).expect("another");
    let said = site.run(&["archive", "verify"]).expect(1).out;
    assert!(said.contains(".file-0.zst.age is not as it was sealed"), "{said}");
    std::fs::remove_file(&file).expect("gone");
    let said = site.run(&["archive", "verify", "--identity", "identity"]).expect(1).out;
    assert!(said.contains(".file-0.zst.age is missing") && !said.contains("in no journal"), "{said}");
}

#[test]
fn files_live_in_an_archive_on_sqlite() {
    files_lived(Engine::Sqlite);
}

#[test]
fn files_live_in_an_archive_on_postgres() {
    files_lived(Engine::Postgres);
}

#[test]
fn files_live_in_an_archive_on_mariadb() {
    files_lived(Engine::MariaDb);
}

#[test]
fn an_archive_lives_on_sqlite() {
    lived(Engine::Sqlite);
}

#[test]
fn an_archive_lives_on_postgres() {
    lived(Engine::Postgres);
}

#[test]
fn an_archive_lives_on_mariadb() {
    lived(Engine::MariaDb);
}

#[test]
fn a_policy_that_names_an_unknown_archive_is_refused_before_anything_runs() {
    let Some(site) = site(Engine::Sqlite) else { return };
    site.settings("");
    site.run(&["check", "--offline"]).refused(78, "the settings have no archive `evidence`");
    site.run(&["plan"]).refused(78, "[archives.evidence]");
}
