//! What lies in the archives of a case, as values of its tables.

use std::path::Path;

use retentiond::archive::{Archives, Cell, Identities, open};
use retentiond::plan::schema::Engine;
use retentiond::policy::map::DataMap;
use retentiond::reference::{Archived, Value, masking};

use crate::support_random::{Case, sql};

impl Case {
    /// Every personal value in the archives that is not at its mask, and what is wrong with the objects by themselves. `folder` is one to write the
    /// identity into.
    pub async fn archived(
        &self,
        map: &DataMap,
        archives: &Archives,
        engine: Engine,
        identity: &Path,
    ) -> (Vec<Archived>, Vec<String>) {
        let identities = Identities::read(identity).unwrap();
        let (mut all, mut faults) = (Vec::new(), Vec::new());
        for (name, archive) in &archives.0 {
            for listed in archive.store.list(None).await.unwrap() {
                let (header, rows) = open(archive.store.reader(&listed.name).await.unwrap(), &identities).unwrap();
                if header.archive != *name {
                    faults.push(format!("an object of {} lies in {name}", header.archive));
                }
                for row in rows {
                    let row = row.unwrap();
                    let table = &header.tables[row.table as usize];
                    let at = self.shapes.iter().position(|s| s.name == table.data_set).unwrap();
                    let value = |column: &str| {
                        let cell = &row.cells[table.columns.iter().position(|c| c.name == column).unwrap()];
                        self.value_of(at, column, cell, engine)
                    };
                    let key: Vec<Value> = table.key.iter().map(|k| value(k)).collect();
                    let data = map.data_set(&table.data_set).unwrap();
                    for column in &table.columns {
                        let Some(category) = &column.category else { continue };
                        let personal = data.categories.iter().find(|c| c.name.value == *category).unwrap();
                        let mask = &personal.columns.iter().find(|c| c.name.value == column.name).unwrap().mask;
                        let value = value(&column.name);
                        if masking::is_done(&value, mask) {
                            continue;
                        }
                        all.push(Archived {
                            purpose: header.purpose.clone(),
                            until: header.until,
                            data_set: table.data_set.clone(),
                            key: key.clone(),
                            column: column.name.clone(),
                            value,
                        });
                    }
                }
            }
        }
        (all, faults)
    }

    fn value_of(&self, table: usize, column: &str, cell: &Cell, engine: Engine) -> Value {
        let kind = self.columns(table).into_iter().find(|(name, ..)| *name == column).unwrap().1;
        let text = match cell {
            Cell::Null => return Value::Null,
            Cell::Text(text) => text.clone(),
            Cell::Integer(n) => n.to_string(),
            Cell::Real(n) => n.to_string(),
            Cell::Bytes(_) => panic!("no case has bytes"),
        };
        // PostgreSQL writes the zone behind an instant; the session's is UTC.
        sql::parse(text.strip_suffix("+00").unwrap_or(&text), kind, engine)
    }
}
