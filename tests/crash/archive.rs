//! What lies in the archive: every record that has left, once, as it was; and nothing that the journal does not know.

use std::collections::{BTreeMap, BTreeSet};

use retentiond::archive::{Cell, Identities, Listed, open};
use retentiond::journal::Id128;
use retentiond::state::SealedQuery;

use crate::enforcement::IDENTITY;
use crate::scene::{IN_ARCHIVES, Record, TABLES};
use crate::stage::{Inside, Stage};

async fn objects(inside: &Inside) -> Vec<Listed> {
    inside.archives.get("evidence").unwrap().store.list(None).await.unwrap()
}

fn batch_of(object: &Listed) -> String {
    object.name.as_str().split('/').nth(1).unwrap().to_owned()
}

/// Of what these batches sealed, exactly these records are there, each once and with the values that it had.
pub async fn archived(stage: &Stage, inside: &Inside, gone: &BTreeSet<Record>, batches: &BTreeSet<String>) {
    let identity = stage.scratch("identity");
    if !identity.exists() {
        retentiond::state::write_private(&identity, IDENTITY.as_bytes()).unwrap();
    }
    let identities = Identities::read(&identity).unwrap();
    let store = &inside.archives.get("evidence").unwrap().store;
    let mut found: BTreeMap<Record, Vec<String>> = BTreeMap::new();
    for object in objects(inside).await.iter().filter(|o| batches.contains(&batch_of(o))) {
        let (header, rows) = open(store.reader(&object.name).await.unwrap(), &identities).unwrap();
        for row in rows.map(|row| row.expect("an object that a batch committed with is whole")) {
            let table = &header.tables[row.table as usize];
            let text = |name: &str| match &row.cells[table.columns.iter().position(|c| c.name == name).unwrap()] {
                Cell::Null => "NULL".to_owned(),
                Cell::Text(text) => text.clone(),
                Cell::Integer(n) => n.to_string(),
                other => panic!("{other:?}"),
            };
            let (_, columns) = TABLES.into_iter().find(|(name, _)| *name == table.data_set).unwrap();
            let id = text("id").parse().unwrap();
            let known = columns.iter().skip(1).filter(|c| table.columns.iter().any(|t| t.name == **c));
            let values: Vec<String> = known.map(|c| text(c)).collect();
            assert!(found.insert((table.data_set.clone(), id), values).is_none(), "{} {id} is archived twice", table.data_set);
        }
    }
    let expected: BTreeMap<Record, Vec<String>> = gone
        .iter()
        .filter(|(table, _)| IN_ARCHIVES.contains(&table.as_str()))
        .map(|(table, id)| ((table.clone(), *id), declared(table, &stage.scene.before[table][id])))
        .collect();
    assert_eq!(found, expected, "the archive has what has left");
}

/// The values that the map speaks of: it knows nothing of whom a reply answers.
fn declared(table: &str, row: &[String]) -> Vec<String> {
    match table {
        "reply" => row[1..].to_vec(),
        _ => row.to_vec(),
    }
}

/// Nothing lies there that no entry names, and nothing is missing.
pub async fn only_known(inside: &Inside) {
    let reader = inside.journal.reader();
    let rows = reader.sealed(SealedQuery::default(), u32::MAX).await.unwrap();
    let known: BTreeSet<(String, u32)> = rows.iter().map(|row| (Id128(row.batch).to_string(), row.part)).collect();
    let part = |o: &Listed| o.name.as_str().split('.').next().unwrap().rsplit('-').next().unwrap().parse().unwrap();
    let there: BTreeSet<(String, u32)> = objects(inside).await.iter().map(|o| (batch_of(o), part(o))).collect();
    assert_eq!(known, there, "the catalogue has what lies there");
}
