//! `retentiond archive erase`, as the holder of an identity uses it.

use retentiond::plan::schema::Engine;

use crate::archives::{files, site};

const WHY: [&str; 8] = ["--identity", "identity", "--actor", "dpo", "--reason", "legal_duty", "--reference", "SAR/1"];

fn lived(engine: Engine) {
    let Some(site) = site(engine) else { return };
    site.enforce().expect(0);
    let object = files(&site.path("vault"));
    let erase = |more: &[&str]| site.run(&[&["archive", "erase", "--source", "crm"][..], more].concat());
    let none = "Source crm: nothing to be erased among what is to be kept.\nNothing was opened or changed. To erase: the same command with --identity, --actor, --reason and --reference.\n";
    assert_eq!(erase(&[]).expect(0).out, none);
    let order = ["order", "erase", "--data", "crm.person", "--key", "1", "--actor", "dpo", "--reason", "data_subject_request"];
    site.run(&[&order[..], &["--reference", "SAR/1"]].concat()).expect(0);
    let told = site.run(&["archive", "destroy", "--source", "crm"]).expect(0).out;
    assert!(
        told.contains("1 record that is to go stays among others that are to be kept: an order has ended it, or its day has passed (`archive erase`)"),
        "{told}"
    );

    let found = "Source crm:\n  Archive evidence, evidence (person): 1 record to be erased in 1 object\n";
    assert!(erase(&[]).expect(0).out.starts_with(found), "{}", erase(&[]).out);
    let found = "Source crm\u{a0}:\n  Archive evidence, evidence (person)\u{a0}: 1 enregistrement à effacer dans 1 objet\n";
    assert!(erase(&["--lang", "fr"]).expect(0).out.starts_with(found), "{}", erase(&["--lang", "fr"]).out);
    assert_eq!(erase(&["--format", "json"]).expect(0).json()[0]["among_others"][0]["records"], 1);
    assert_eq!(files(&site.path("vault")), object);

    // Who may not, who does not say why, and who does not know the archive.
    erase(&["--identity", "identity"]).refused(64, "--actor");
    erase(&[&WHY[..2], &["--actor", "nobody"], &WHY[4..]].concat()).refused(77, "nobody");
    erase(&["--archive", "attic"]).refused(64, "attic");

    let done = erase(&WHY).expect(0).out;
    assert_eq!(done, "Source crm: 1 record is erased from 1 object, which was sealed anew.\n");
    let done = erase(&[&WHY[..], &["--lang", "fr"]].concat()).expect(0).out;
    assert_eq!(done, "Source crm\u{a0}: rien n'a été effacé.\n");
    assert_eq!(files(&site.path("vault")).len(), 1);
    let of = |id: &'static str| site.run(&["archive", "find", "--data", "crm.person", "--key", id]);
    of("1").refused(1, "no archive keeps anything");
    of("4").expect(0);
    site.run(&["archive", "verify", "--identity", "identity"]).expect(0);

    // What the person was told can be proved: the entry names the record, and what it came to.
    let proof = site.json(&["journal", "prove", "--data", "crm.person", "--key", "1"]);
    let kinds = ["archive_erasure_intended", "archive_resealed", "archive_erased"];
    for kind in kinds {
        assert!(proof.to_string().contains(kind), "{kind} in {proof}");
    }
    let shown = site.run(&["journal", "show"]).expect(0).out;
    let resealed = shown.lines().find(|line| line.contains("archive resealed: ")).expect("the entry");
    assert!(
        resealed.contains("/0, entry ") && resealed.contains("sealed 3 rows into evidence for evidence until "),
        "{resealed}"
    );
    assert!(!shown.contains(['{', '"']), "{shown}");
    site.run(&["journal", "export", "--out", "journal.export"]).expect(0);
    let key = site.run(&["journal", "key"]).expect(0).out;
    site.run(&["journal", "verify", "journal.export", "--key", key.trim()]).expect(0);
}

#[test]
fn who_asked_to_be_forgotten_leaves_the_archive_on_sqlite() {
    lived(Engine::Sqlite);
}

#[test]
fn who_asked_to_be_forgotten_leaves_the_archive_on_postgres() {
    lived(Engine::Postgres);
}

#[test]
fn who_asked_to_be_forgotten_leaves_the_archive_on_mariadb() {
    lived(Engine::MariaDb);
}
