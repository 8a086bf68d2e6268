//! The cases carried out by the real enforcement: every row becomes what the case says, the journal names exactly the rows that changed, a second run
//! finds nothing to do.

use std::collections::BTreeSet;
use std::sync::Arc;

use retentiond::demo::SeedValue;
use retentiond::enforce::Silent;
use retentiond::files::{Files, Root};
use retentiond::journal::{Event, Mac, Name};
use retentiond::plan::key::RecordKey;
use retentiond::plan::resolve::Resolved;
use retentiond::plan::schema::Engine;
use retentiond::reference::{Order, Target, Value};

use crate::archived;
use crate::case::{Case, Row};
use crate::copied;
use crate::enforcement::{Fixture, rules, unlimited};
use crate::play::{Outcome, Scene};
use crate::stage::{shipped, store};

fn value(seed: &SeedValue) -> Value {
    match seed {
        SeedValue::Integer(n) => Value::Integer((*n).into()),
        other => Value::text(other.text().unwrap()),
    }
}

/// The MACs of all rows that the journal says were changed, how many incidents it reports, and how many files were removed.
async fn journalled(fixture: &Fixture<'_>) -> (BTreeSet<Mac>, u64, u64) {
    let reader = fixture.journal.reader();
    let (mut macs, mut incidents, mut removed) = (BTreeSet::new(), 0, 0);
    for entry in reader.entries(0, 1_000_000).await.unwrap() {
        match entry.event {
            Event::Applied { macs: own, related, files, .. } => {
                removed += files.iter().map(|f| f.removed).sum::<u64>();
                let all = std::iter::once(own).chain(related.into_iter().map(|r| r.macs));
                macs.extend(all.flat_map(|m| m.as_bytes().chunks(16).map(|c| Mac(c.try_into().unwrap())).collect::<Vec<_>>()));
            }
            Event::Incident { count, .. } => incidents += count,
            _ => {}
        }
    }
    (macs, incidents, removed)
}

async fn play(case: &Case, scene: &Scene<'_>, name: &str) -> Vec<String> {
    let stage = &scene.stage;
    let rules = match &scene.there {
        None => rules(&shipped(&stage.organisation, "map.toml"), &[&shipped(&stage.organisation, &case.policy)]),
        Some(there) => copied::rules(stage, &case.policy, there),
    };
    let source = rules.map.source.value.clone();
    let mut fixture = Fixture::new(stage.engine, &stage.database, &source, scene.run.now).await;
    let mut files = Files::default();
    files.insert(store(&stage.organisation), Root::new(stage.recordings.path()).unwrap());
    fixture.files = Arc::new(files);
    if let Some(there) = &scene.there {
        copied::ask(&mut fixture, &rules, there).await;
    }
    let written = stage.files().len();
    let prepared = fixture.prepare(&rules).await;
    for placed in scene.orders() {
        let target = Target::Record { data_set: placed.data_set.clone(), key: placed.key.iter().map(value).collect() };
        let order = Order { kind: placed.kind, target, until: placed.until, lifted: placed.lifted };
        match placed.tenant {
            Some(tenant) => fixture.place_on_tenant(&rules, &prepared, &placed.data_set, tenant.text().unwrap(), &order).await,
            None => fixture.place(&rules, &prepared, &order).await,
        }
    }
    let prepared = fixture.prepare(&rules).await;
    let outcome = fixture.run_prepared(&prepared, unlimited(), &Silent).await.unwrap();
    let mut wrong = scene.differences().await;
    let (left, stay) = (stage.files(), scene.files_left());
    wrong.extend(stay.difference(&left).map(|file| format!("the file {file} is gone")));
    wrong.extend(left.difference(&stay).map(|file| format!("the file {file} is still there")));
    wrong.extend(outcome.actions.iter().filter(|a| a.due_after > a.no_copy).map(|a| format!("left over: {a:?}")));
    let waiting = outcome.actions.iter().map(|a| a.no_copy).sum::<u64>();
    if waiting != scene.run.waiting {
        wrong.push(format!("{waiting} records wait for their copies instead of {}", scene.run.waiting));
    }

    let resolved = Resolved::new(&rules.map, &prepared.schema);
    let key_id = fixture.journal.current_mac_key().await.unwrap();
    let mac = |row: &Row| {
        let data = stage.data_set(&row.table)?;
        let columns = resolved.key_columns(data);
        let parts = columns.iter().map(|c| resolved.dialect.typed_part(c, &row.columns[&c.name].text().unwrap()).unwrap());
        let (source, data_set) = (Name::parse(&source).unwrap(), Name::parse(&data.id).unwrap());
        fixture.journal.mac_keys().mac(key_id, &source, &data_set, &RecordKey(parts.collect()))
    };
    let changed: BTreeSet<Mac> =
        scene.records().flat_map(|r| &r.rows).filter(|r| r.becomes != Outcome::Untouched).filter_map(mac).collect();
    let (journalled, incidents, removed) = journalled(&fixture).await;
    if removed != (written - left.len()) as u64 {
        wrong.push(format!("the journal says that {removed} files were removed, {} were", written - left.len()));
    }
    if journalled != changed {
        wrong.push(format!("the journal names {} changed rows, {} changed", journalled.len(), changed.len()));
    }
    wrong.extend(archived::differences(scene, &case.archived, &fixture, &mac).await);
    if (incidents > 0) != (scene.run.incidents > 0) {
        wrong.push(format!("{incidents} incidents in the journal, {} in the data", scene.run.incidents));
    }
    let again = fixture.run(&rules).await;
    if again.changed() > 0 {
        wrong.push(format!("a second run changed {} rows", again.changed()));
    }
    wrong.extend(archived::ends(scene, &case.archived, &fixture, &rules).await);
    wrong.into_iter().map(|w| format!("{name}: {w}")).collect()
}

async fn all(engine: Engine) {
    let mut wrong = Vec::new();
    for case in Case::all() {
        for run in &case.runs {
            let Some(scene) = Scene::set(&case, run, engine).await else { return };
            let name = format!("{} at {} on {}", case.statement, run.now, engine.name());
            wrong.extend(play(&case, &scene, &name).await);
        }
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn every_statement_is_enforced_on_sqlite() {
    all(Engine::Sqlite).await;
}

#[tokio::test]
async fn every_statement_is_enforced_on_postgresql() {
    all(Engine::Postgres).await;
}

#[tokio::test]
async fn every_statement_is_enforced_on_mariadb() {
    all(Engine::MariaDb).await;
}

#[tokio::test]
async fn every_statement_is_enforced_on_mysql() {
    all(Engine::MySql).await;
}
