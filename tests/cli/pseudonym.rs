//! Pseudonyms from the map to the journal, as the printed role: what is said of them, and that the key is said nowhere.

use base64::Engine as _;
use retentiond::plan::schema::Engine;

use crate::pseudonym_key;
use crate::site::{Answer, Site};

/// Every form in which the beginning of a half of the key could stand somewhere.
fn forms(half: &[u8]) -> Vec<Vec<u8>> {
    let part = &half[..15];
    let hexadecimal = hex::encode(part);
    let mut all = vec![part.to_vec(), hexadecimal.to_uppercase().into_bytes(), hexadecimal.into_bytes()];
    for shift in 0..3 {
        let text = base64::prelude::BASE64_STANDARD_NO_PAD.encode(&half[shift..shift + 15]);
        all.push(text.into_bytes());
    }
    all
}

/// Every file below the state, and the answers.
fn everything(site: &Site, answers: &[Answer]) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<_> = answers.iter().map(|a| (a.out.clone(), [a.out.as_bytes(), a.err.as_bytes()].concat())).collect();
    let mut places = vec![site.path("state"), site.path("journal.export")];
    while let Some(path) = places.pop() {
        match path.is_dir() {
            true => places.extend(std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().path())),
            false => all.push((path.display().to_string(), std::fs::read(&path).unwrap())),
        }
    }
    all
}

fn told_and_never_shown(engine: Engine) {
    let Some(site) = Site::new(engine) else { return };
    let map = std::fs::read_to_string(site.path("map.toml")).unwrap();
    let with = map
        .replace("disposition = \"anonymise\"", "disposition = \"pseudonymise\"")
        .replace("columns = [\"name\"]\nmask = \"null\"", "columns = [\"name\"]\nmask = \"pseudonym\"");
    assert_ne!(map, with);
    site.write("map.toml", &with);
    site.run(&["init"]).expect(0);
    let setup = ["setup", "--source", "crm", "--role", &site.role_name()];
    let script = site.run(&setup).expect(0).out;
    site.sql(&script);
    let drawn = site.runtime.block_on(pseudonym_key::read(engine, &site.database));
    site.log_in();

    let mut answers = vec![site.run(&["check"]).expect(0)];
    let said = format!("{}{}", answers[0].out, answers[0].err);
    assert!(said.contains("column `name` keeps a pseudonym: still personal data (GDPR Art. 4(5))"), "{said}");
    answers.push(site.run(&["plan", "--lang", "fr"]).expect(0));
    assert!(answers[1].out.contains("1 à pseudonymiser") && !answers[1].out.contains("anonymiser"), "{}", answers[1].out);
    answers.push(site.run(&["plan", "--sql"]).expect(0));
    answers.push(site.enforce().expect(0));
    answers.push(site.run(&["plan", "--format", "json"]).expect(0));
    answers.push(site.run(&["journal", "show"]).expect(0));
    let acted = |word: &str| answers[5].out.contains(&format!("action {word}"));
    assert!(acted("pseudonymise") && !acted("anonymise"), "{}", answers[5].out);
    answers.push(site.run(&["journal", "export", "--out", "journal.export"]).expect(0));
    answers.push(site.run(&setup).expect(0));

    // The key that was drawn is the key that was used; run again, the script leaves it alone.
    site.sql(&answers[7].out);
    assert!(site.runtime.block_on(pseudonym_key::read(engine, &site.database)) == drawn);
    let places = everything(&site, &answers);
    assert!(places.len() > answers.len() + 2);
    for form in [&drawn.inner, &drawn.outer].into_iter().flat_map(|half| forms(half)) {
        let shown: Vec<&str> =
            places.iter().filter(|(_, b)| b.windows(form.len()).any(|w| w == form)).map(|(n, _)| n.as_str()).collect();
        assert!(shown.is_empty(), "the key is in {shown:?}");
    }

    // Without its key the source is not enforced, and `check` says what to do.
    let table = if engine == Engine::Postgres { "retentiond.pseudonym_key" } else { "retentiond_pseudonym_key" };
    site.sql(&format!("DELETE FROM {table}"));
    site.run(&["check"]).refused(78, "has no key for pseudonyms");
    site.enforce().refused(78, "has no key for pseudonyms");
}

#[test]
fn a_pseudonym_is_told_and_its_key_never_shown_on_postgres() {
    told_and_never_shown(Engine::Postgres);
}

#[test]
fn a_pseudonym_is_told_and_its_key_never_shown_on_mariadb() {
    told_and_never_shown(Engine::MariaDb);
}
