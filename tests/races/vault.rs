//! What lies in the archive of a schedule.

use retentiond::archive::{Cell, Identities, Store, open};

use crate::enforcement::{Fixture, IDENTITY};
use crate::scene::MASKED;

/// The archive, and who opens it.
pub struct Vault<'v> {
    store: &'v Store,
    identities: Identities,
}

/// A row's values, those that are there alone: what is archived has a name for each column, a snapshot has three.
pub fn columns(row: &[Option<String>; 3]) -> Vec<String> {
    row.iter().flatten().cloned().collect()
}

/// Whether nothing was left to be archived of a row.
pub fn is_masked(row: Option<&[Option<String>; 3]>) -> bool {
    row.is_none_or(|row| row[0].as_deref().is_none_or(|name| name == MASKED))
}

impl<'v> Vault<'v> {
    pub fn new(fixture: &'v Fixture<'_>) -> Self {
        let file = fixture._folder.path().join("identity");
        retentiond::state::write_private(&file, IDENTITY.as_bytes()).unwrap();
        let store = &fixture.archives.get("evidence").unwrap().store;
        Self { store, identities: Identities::read(&file).unwrap() }
    }

    /// What a batch took: table, id, the other values.
    pub async fn taken(&self, batch: &str) -> Vec<(String, i64, Vec<String>)> {
        let mut all = Vec::new();
        for object in self.store.list(None).await.unwrap() {
            if object.name.as_str().split('/').nth(1) != Some(batch) {
                continue;
            }
            let (header, rows) = open(self.store.reader(&object.name).await.unwrap(), &self.identities).unwrap();
            for row in rows.map(Result::unwrap) {
                let table = &header.tables[row.table as usize];
                let text = |cell: &Cell| match cell {
                    Cell::Text(text) => Some(text.clone()),
                    Cell::Integer(n) => Some(n.to_string()),
                    _ => None,
                };
                let mut values: Vec<Option<String>> = row.cells.iter().map(text).collect();
                let id = values.remove(0).unwrap().parse().unwrap();
                all.push((table.data_set.clone(), id, values.into_iter().flatten().collect()));
            }
        }
        all
    }

    /// The batches of all objects, which are taken away.
    pub async fn empty(&self) -> Vec<String> {
        let mut all = Vec::new();
        for object in self.store.list(None).await.unwrap() {
            all.extend(object.name.as_str().split('/').nth(1).map(str::to_owned));
            self.store.remove(&object.name).await.unwrap();
        }
        all
    }
}
