//! A certificate that nothing of a customer is left: refused while anything is, and checked with the public key alone.

use retentiond::plan::schema::Engine;

use crate::site::{Answer, Site, run_in};

/// Whoever was given the file and the key, and nothing else.
fn verified(site: &Site, file: &str, key: &str, lang: &str) -> Answer {
    run_in(site.dir(), &["--lang", lang, "journal", "verify", "--certificate", file, "--key", key], &[])
}

fn certified(engine: Engine) {
    let Some(site) = Site::ready(engine) else { return };
    let certificate = |file: &str| site.run(&["certificate", "--source", "crm", "--out", file]);
    certificate("early").refused(1, "no certificate, there is left person 6 rows, subscriber 2 rows");
    site.enforce().expect(0);
    certificate("early").refused(1, "person ");
    for agency in ["CanaryAgencyA", "CanaryAgencyB", "CanaryAgencyC"] {
        site.order("instruct", &["--data", "crm.person", "--tenant", agency]);
    }
    site.order("instruct", &["--data", "crm.subscriber", "--key", "canary.new@example.org"]);
    certificate("early").refused(1, "there is left");
    assert!(!site.path("early").exists(), "nothing was certified");
    site.enforce().expect(0);

    let said = site.run(&["certificate", "--source", "crm", "--out", "crm.certificate", "--pdf", "crm.pdf"]).expect(0).out;
    assert!(said.contains("no personal data was left in the tables of crm that the map knows"), "{said}");
    assert!(said.contains("subscriber: 2 rows stay, anonymised altogether"), "{said}");
    assert!(said.contains("person, delete: 6 rows") && said.contains("booking, deleted: 4 rows, with them"), "{said}");
    assert_eq!(said.matches("order ").count(), 4, "{said}");
    let text = std::fs::read_to_string(site.path("crm.certificate")).expect("the certificate");
    assert!(!text.to_lowercase().contains("canary"), "a personal value");
    certificate("crm.certificate").refused(64, "exists");

    let key = site.json(&["journal", "key"])["public_key"].as_str().expect("a key").to_owned();
    let en = verified(&site, "crm.certificate", &key, "en").expect(0).out;
    assert!(en.starts_with(&said) && en.contains("The certificate holds"), "{en}");
    let fr = verified(&site, "crm.certificate", &key, "fr").expect(0).out;
    assert!(fr.contains("aucune donnée personnelle ne restait") && fr.contains("Le certificat tient"), "{fr}");
    // The PDF alone says the same, and holds as little once it was touched.
    let same = verified(&site, "crm.pdf", &key, "en").expect(0).out;
    assert_eq!(same, en);
    let pdf = std::fs::read(site.path("crm.pdf")).expect("the PDF");
    let at = |what: &[u8]| pdf.windows(what.len()).position(|bytes| bytes == what);
    for part in ["%PDF-1.", "/Lang", "/StructTreeRoot", "/AFRelationship", "certificate.json"] {
        assert!(at(part.as_bytes()).is_some(), "{part}");
    }
    let mut touched = pdf.clone();
    touched[at(b"\"rows\":6").expect("a count") + 7] = b'5';
    std::fs::write(site.path("touched.pdf"), touched).expect("a file");
    assert!(verified(&site, "touched.pdf", &key, "fr").expect(1).out.contains("ne tient PAS"));
    site.write("forged", &text.replacen("\"rows\":6", "\"rows\":5", 1));
    let forged = verified(&site, "forged", &key, "fr").expect(1).out;
    assert!(forged.contains("ne tient PAS"), "{forged}");
    assert!(verified(&site, "retentiond.toml", &key, "en").expect(1).out.contains("does NOT hold"));

    site.sql("INSERT INTO person VALUES (50, 'C', 'CanaryAgencyA', NULL, 'CanaryF', 'CanaryL', NULL, NULL)");
    certificate("again").refused(1, "there is left person 1 row");
    site.sql("DELETE FROM person WHERE id = 50");
    let french = ["--lang", "fr", "certificate", "--source", "crm", "--out", "again", "--pdf"];
    assert!(site.run(&[&french[..], &["crm.pdf"]].concat()).refused(64, "exists").out.is_empty() && !site.path("again").exists());
    site.run(&[&french[..], &["fr.pdf"]].concat()).expect(0);
    assert!(verified(&site, "fr.pdf", &key, "fr").expect(0).out.contains("Le certificat tient"));
    site.sql("CREATE TABLE stray (id INTEGER PRIMARY KEY, name VARCHAR(10))");
    // On MariaDB the role does not see what it has no rights on.
    site.write("admin.url", &site.database.url);
    site.run(&["certificate", "--source", "crm", "--out", "stray", "--url-file", "admin.url"])
        .refused(1, "1 table or column that the map does not know");
}

#[test]
fn a_source_is_certified_once_nothing_is_left_on_sqlite() {
    certified(Engine::Sqlite);
}

#[test]
fn a_source_is_certified_once_nothing_is_left_on_postgres() {
    certified(Engine::Postgres);
}

#[test]
fn a_source_is_certified_once_nothing_is_left_on_mariadb() {
    certified(Engine::MariaDb);
}
