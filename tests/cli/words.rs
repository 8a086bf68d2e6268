//! What a DPO reads, word for word, in both languages.

use retentiond::plan::schema::Engine;

use crate::site::Site;

/// Plan and run with what changes from day to day replaced.
fn read(site: &Site, lang: &str) -> String {
    let plan = site.run(&["plan", "--lang", lang]).expect(0).out;
    let hash = site.hash();
    let run = site.run(&["enforce", "--source", "crm", "--plan", &hash, "--lang", lang]).expect(0);
    let again = site.run(&["enforce", "--source", "crm", "--plan", &hash, "--lang", lang]).expect(0);
    let all = format!(
        "{plan}\n{}\n{}\n{}",
        run.out,
        again.out,
        run.err.lines().filter(|l| l.contains("due") || l.contains("échu")).collect::<Vec<_>>().join("\n")
    );
    let id = regex_lite::Regex::new("[0-9a-f]{32,64}").expect("a pattern");
    let day = regex_lite::Regex::new(r"\d{4}-\d\d-\d\d|\d\d/\d\d/\d{4}").expect("a pattern");
    let all = id.replace_all(&all, "HEX");
    day.replace_all(&all, |d: &regex_lite::Captures<'_>| if d[0].contains('/') { "JJ/MM/AAAA" } else { "YYYY-MM-DD" })
        .into_owned()
}

#[test]
fn plan_and_run_read_well_in_both_languages() {
    for lang in ["fr", "en"] {
        let site = Site::ready(Engine::Sqlite).expect("SQLite");
        // Enough for a thousands separator.
        site.sql(
            "WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 2499)
                  INSERT INTO subscriber SELECT 'canary' || i || '@example.org', '2001-01-01', 'CanaryName' FROM n",
        );
        let text = read(&site, lang);
        let path = format!("{}/tests/cli/words.{lang}.txt", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &text).expect("the expected text");
        }
        assert_eq!(text, std::fs::read_to_string(&path).expect("the expected text"));
    }
}

#[test]
fn french_numbers_have_a_narrow_no_break_space_and_signs_a_no_break_space() {
    let site = Site::ready(Engine::Sqlite).expect("SQLite");
    site.sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1234567)
              INSERT INTO subscriber SELECT 'canary' || i, NULL, NULL FROM n",
    );
    let text = site.run(&["plan", "--lang", "fr"]).expect(0).out;
    assert!(text.contains("1\u{202f}234\u{202f}569 enregistrements"), "{text}");
    assert!(!text.contains(" :") && text.contains("\u{a0}:"), "{text}");
}

#[test]
fn one_is_singular() {
    let site = Site::ready(Engine::Sqlite).expect("SQLite");
    site.sql("DELETE FROM booking; DELETE FROM person WHERE id > 1");
    let text = |lang: &str| site.run(&["plan", "--lang", lang]).expect(0).out;
    assert!(text("fr").contains("Personnes (person)\u{a0}: 1 enregistrement\n"), "{}", text("fr"));
    assert!(text("en").contains("Persons (person): 1 record\n"), "{}", text("en"));
}

#[test]
fn what_a_purpose_covers_is_the_sum_of_its_columns() {
    let site = Site::ready(Engine::Sqlite).expect("SQLite");
    let sums = |name: &str| -> [u64; 3] {
        let plan = site.json(&["plan"]);
        let sets = plan[0]["data_sets"].as_array().expect("data sets");
        let all: Vec<_> = sets.iter().flat_map(|s| s["purposes"].as_array().expect("purposes")).collect();
        let figure = |p: &serde_json::Value, key: &str| p[key].as_u64().unwrap_or_else(|| panic!("{key} in {p}"));
        let parts = ["running", "due", "kept_while", "undated", "undecided", "done", "ended"];
        for p in &all {
            assert_eq!(figure(p, "covered"), parts.iter().map(|k| figure(p, k)).sum::<u64>(), "{p}");
        }
        let named = all.iter().find(|p| p["purpose"] == name).expect("a purpose");
        ["covered", "done", "ended"].map(|k| figure(named, k))
    };
    assert_eq!(sums("newsletter"), [2, 0, 0]);
    site.order("hold", &["--data", "crm.person", "--key", "4"]);
    site.enforce().expect(0);
    assert_eq!(sums("newsletter"), [2, 1, 0], "what was masked is done");
    assert_eq!(sums("clients"), [2, 0, 1], "what a hold keeps has ended");
    let text = site.run(&["plan"]).expect(0).out;
    assert!(text.contains("Ended: another purpose or an order keeps the record"), "{text}");
}
