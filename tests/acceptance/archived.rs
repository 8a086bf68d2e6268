//! What lies in the archives against what a case says: exactly these rows with exactly these columns and values, until that day; what the journal
//! says of it; and that runs at the end destroy it, and nothing earlier.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use retentiond::archive::{Cell, Identities, object_name, open};
use retentiond::demo::SeedValue;
use retentiond::journal::{Day, Event, Mac};
use retentiond::policy::map::DataSet;
use retentiond::policy::mask::Mask;
use retentiond::reference::{Value, masking};

use crate::case::Row;
use crate::enforcement::{Fixture, IDENTITY, Rules};
use crate::later::Ended;
use crate::play::Scene;
use crate::takes::Takes;

/// A row in an archive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Lying {
    archive: String,
    /// The purpose and the last day that it keeps.
    of: Ended,
    table: String,
    key: Vec<String>,
    /// Its personal columns that are neither NULL nor at their mask.
    values: BTreeMap<String, String>,
}

/// Archive, purpose and last day, table, key.
type Place = (String, Ended, String, Vec<String>);

/// What the case says lies there after its run.
fn expected(scene: &Scene<'_>, takes: &BTreeMap<String, Takes>) -> BTreeSet<Lying> {
    let mut all = BTreeSet::new();
    for row in scene.records().flat_map(|r| &r.rows) {
        for (purpose, kept) in &row.archived {
            let key = scene.stage.key_of(row);
            let before = &scene.before[&row.table][&key];
            let columns = kept.columns.iter();
            all.insert(Lying {
                archive: takes[purpose].archive.clone(),
                of: (purpose.clone(), kept.until),
                table: row.table.clone(),
                values: columns.filter_map(|c| Some((c.clone(), before[c].clone()?))).collect(),
                key,
            });
        }
    }
    all
}

/// Everything that lies in the archives; rows of a record that several objects hold count as one.
async fn lies(scene: &Scene<'_>, fixture: &Fixture<'_>) -> BTreeSet<Lying> {
    let identity = fixture._folder.path().join("identity");
    if !identity.exists() {
        retentiond::state::write_private(&identity, IDENTITY.as_bytes()).unwrap();
    }
    let identities = Identities::read(&identity).unwrap();
    let dated = dated(fixture).await;
    let mut all: BTreeMap<Place, BTreeMap<String, String>> = BTreeMap::new();
    for (name, archive) in &fixture.archives.0 {
        for listed in archive.store.list(None).await.unwrap() {
            let (header, rows) = open(archive.store.reader(&listed.name).await.unwrap(), &identities).unwrap();
            assert_eq!(header.archive, *name);
            for row in rows.map(Result::unwrap) {
                let table = &header.tables[row.table as usize];
                let text = |column: &str| {
                    let at = table.columns.iter().position(|c| c.name == column)?;
                    text_of(&row.cells[at])
                };
                let key = table.key.iter().map(|k| text(k).unwrap()).collect();
                let data = scene.stage.map.data_set(&table.data_set).unwrap();
                let personal = table.columns.iter().filter(|c| c.category.is_some());
                let values = personal.filter_map(|c| Some((c.name.clone(), text(&c.name)?)));
                let of = (header.purpose.clone(), header.until.or_else(|| dated.get(listed.name.as_str()).copied()));
                let values = values.filter(|(c, v)| !at_mask(data, c, v));
                all.entry((name.clone(), of, table.table.clone(), key)).or_default().extend(values);
            }
        }
    }
    all.into_iter().map(|((archive, of, table, key), values)| Lying { archive, of, table, key, values }).collect()
}

/// The last days that the journal said later, by the names of the objects.
async fn dated(fixture: &Fixture<'_>) -> BTreeMap<String, NaiveDate> {
    let mut all = BTreeMap::new();
    for entry in fixture.journal.reader().entries(0, 1_000_000).await.unwrap() {
        let Event::ArchiveDated { source, until, objects, .. } = entry.event else { continue };
        for object in objects {
            let name = object_name(source.as_str(), &object.batch.to_string(), None, object.part).unwrap();
            assert!(all.insert(name.to_string(), until.date()).is_none(), "an end is said once");
        }
    }
    all
}

fn text_of(cell: &Cell) -> Option<String> {
    match cell {
        Cell::Null => None,
        Cell::Text(text) => Some(text.clone()),
        Cell::Integer(n) => Some(n.to_string()),
        other => panic!("no case has {other:?} in a key or a personal column"),
    }
}

fn at_mask(data: &DataSet, column: &str, value: &str) -> bool {
    let personal = data.categories.iter().flat_map(|c| &c.columns).find(|c| c.name.value == column).unwrap();
    let typed = match (value.parse(), value.parse()) {
        (Ok(n), _) if !matches!(personal.mask.value, Mask::First(_)) => Value::Integer(n),
        (_, Ok(day)) => Value::Date(day),
        _ => Value::text(value),
    };
    masking::is_done(&typed, &personal.mask)
}

/// What differs after the run: in the archives, and in what the journal says went there.
pub async fn differences(
    scene: &Scene<'_>,
    takes: &BTreeMap<String, Takes>,
    fixture: &Fixture<'_>,
    mac: &dyn Fn(&Row) -> Option<Mac>,
) -> Vec<String> {
    let (expected, found) = (expected(scene, takes), lies(scene, fixture).await);
    let mut wrong: Vec<String> = expected.difference(&found).map(|row| format!("not in an archive: {row:?}")).collect();
    wrong.extend(found.difference(&expected).map(|row| format!("in an archive: {row:?}")));

    let mut journalled = BTreeSet::new();
    for entry in fixture.journal.reader().entries(0, 1_000_000).await.unwrap() {
        let Event::Applied { sealed, .. } = entry.event else { continue };
        for object in sealed {
            let of = (object.archive.to_string(), object.purpose.to_string(), object.until.map(Day::date));
            let macs = object.macs.as_bytes().chunks(16).map(|c| Mac(c.try_into().unwrap()));
            journalled.extend(macs.map(|mac| (of.clone(), mac)));
        }
    }
    let mut moved = BTreeSet::new();
    for row in scene.records().flat_map(|r| &r.rows) {
        // An object names its records by their root rows.
        if scene.stage.data_set(&row.table).is_none_or(|data| scene.stage.map.root_of(data).id != data.id) {
            continue;
        }
        for (purpose, kept) in &row.archived {
            moved.insert(((takes[purpose].archive.clone(), purpose.clone(), kept.until), mac(row).unwrap()));
        }
    }
    if journalled != moved {
        wrong.push(format!("the journal says that {} records moved, {} did", journalled.len(), moved.len()));
    }
    wrong
}

/// What differs in the runs that come after the first one: each destroys what the case says, and nothing else that lay there.
pub async fn ends(scene: &Scene<'_>, takes: &BTreeMap<String, Takes>, fixture: &Fixture<'_>, rules: &Rules) -> Vec<String> {
    let (mut left, mut wrong) = (expected(scene, takes), Vec::new());
    let mut first = left.clone();
    for later in &scene.run.later {
        *fixture.clock.0.lock().unwrap() = later.now;
        for happening in &later.happens {
            let mut rows = scene.records().flat_map(|r| &r.rows);
            let of = |row: &&Row| row.table == happening.table && scene.stage.key_of(row) == [happening.key.as_str()];
            let row = rows.find(of).unwrap();
            let set: Vec<(&str, SeedValue)> =
                happening.set.iter().map(|(column, value)| (column.as_str(), value.clone())).collect();
            scene.stage.update(row, &set).await;
        }
        // What is dated is no less what it was.
        let of_record = |number: usize| -> BTreeSet<(String, Vec<String>)> {
            let rows = scene.run.records[number - 1].rows.iter();
            rows.map(|row| (row.table.clone(), scene.stage.key_of(row))).collect()
        };
        for (number, purpose, day) in &later.dated {
            let rows = of_record(*number);
            let date = |mut all: BTreeSet<Lying>| -> BTreeSet<Lying> {
                let of: Vec<Lying> = all
                    .iter()
                    .filter(|l| l.of == (purpose.clone(), None) && rows.contains(&(l.table.clone(), l.key.clone())))
                    .cloned()
                    .collect();
                for mut lying in of {
                    all.remove(&lying);
                    lying.of.1 = Some(*day);
                    all.insert(lying);
                }
                all
            };
            left = date(left);
            first = date(first);
        }
        let from = fixture.journal.reader().entries(0, 1_000_000).await.unwrap().len();
        fixture.run(rules).await;
        for of in &later.destroyed {
            if !left.iter().any(|row| row.of == *of) {
                wrong.push(format!("at {}: nothing of {of:?} was left to destroy", later.now));
            }
        }
        left.retain(|row| !later.destroyed.contains(&row.of));
        // Others may have followed into the archives meanwhile.
        let found: BTreeSet<Lying> = lies(scene, fixture).await.into_iter().filter(|row| first.contains(row)).collect();
        wrong.extend(left.difference(&found).map(|row| format!("at {}: destroyed too early: {row:?}", later.now)));
        wrong.extend(found.difference(&left).map(|row| format!("at {}: not destroyed: {row:?}", later.now)));
        let (mut journalled, mut said) = (BTreeSet::new(), BTreeSet::new());
        for entry in fixture.journal.reader().entries(0, 1_000_000).await.unwrap().into_iter().skip(from) {
            match entry.event {
                Event::DestructionIntended { purpose, until, .. } => {
                    journalled.insert((purpose.to_string(), until.map(|until| until.date())));
                }
                Event::ArchiveDated { purpose, until, .. } => {
                    said.insert((purpose.to_string(), until.date()));
                }
                _ => {}
            }
        }
        if journalled != later.destroyed {
            wrong.push(format!("at {}: the journal says that {journalled:?} was destroyed", later.now));
        }
        let dated: BTreeSet<(String, NaiveDate)> = later.dated.iter().map(|(_, purpose, day)| (purpose.clone(), *day)).collect();
        if said != dated {
            wrong.push(format!("at {}: the journal says that {said:?} is known now", later.now));
        }
    }
    wrong
}
