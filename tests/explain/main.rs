//! The story of one record, on the real engines: its sentences, and that it comes true.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod agreement;
#[expect(dead_code, reason = "other tests use the rest of the fixture")]
#[path = "../support/enforcement.rs"]
mod enforcement;
mod organisation;
mod sentences;
#[path = "../support/mod.rs"]
mod support;
mod tenants;

use chrono::{DateTime, NaiveDate, TimeZone as _, Utc};
use enforcement::{Fixture, Rules};
use retentiond::enforce::orders::{NewOrder, Target, place};
use retentiond::enforce::{EnforceError, Prepared, explain};
use retentiond::journal::{Name, OrderReason, Reference};
use retentiond::plan::explain::Explanation;
use retentiond::plan::key::{KeyKind, KeyPart, RecordKey};
use retentiond::plan::resolve::Resolved;
use retentiond::policy::purpose::OrderKind;

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 22, 8, 0, 0).unwrap()
}

fn today() -> NaiveDate {
    now().date_naive()
}

async fn order(fixture: &Fixture<'_>, rules: &Rules, data: &str, id: i64, kind: OrderKind, until: Option<NaiveDate>) {
    let prepared = fixture.prepare(rules).await;
    let resolved = Resolved::new(&rules.map, &prepared.schema);
    let key = RecordKey(vec![KeyPart { kind: KeyKind::Integer, text: id.to_string() }]);
    let order = NewOrder {
        kind,
        target: Target::Record(key),
        actor: Name::parse("dpo").unwrap(),
        reason: OrderReason::ErrorCorrection,
        reference: Reference::parse("T-1").unwrap(),
        until,
        once: false,
    };
    let data = rules.map.data_set(data).unwrap();
    place(&fixture.source, &fixture.journal, &prepared, &resolved, data, order, today()).await.unwrap();
}

async fn told(fixture: &Fixture<'_>, rules: &Rules, prepared: &Prepared, data: &str, key: &[&str]) -> Explanation {
    let key: Vec<String> = key.iter().map(|k| (*k).to_owned()).collect();
    explain(&fixture.source, prepared, &rules.map, &rules.policies, data, &key).await.unwrap()
}

#[tokio::test]
async fn what_is_not_there_is_not_explained() {
    let rules = enforcement::rules(organisation::MAP, &[organisation::POLICY]);
    for engine in support::ENGINES {
        let Some(db) = support::database(engine).await else { continue };
        db.run_sql(&organisation::schema(engine)).await;
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        let prepared = fixture.prepare(&rules).await;
        for (data, key) in [("person", vec!["7"]), ("person", vec!["1 OR 1=1"]), ("person", vec!["1", "2"]), ("visit", vec!["1"])]
        {
            let key: Vec<String> = key.into_iter().map(str::to_owned).collect();
            let answer = explain(&fixture.source, &prepared, &rules.map, &rules.policies, data, &key).await;
            assert!(matches!(answer, Err(EnforceError::NoSuchRecord)), "{data} {key:?}");
        }
        let answer = explain(&fixture.source, &prepared, &rules.map, &rules.policies, "crm.nothing", &["1".to_owned()]).await;
        assert!(matches!(answer, Err(EnforceError::Unknown(_))));
    }
}
