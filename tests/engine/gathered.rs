//! Records whose ends lie scattered among each other: those of one end come together before the batches are cut, so that objects are few.

use std::collections::BTreeMap;

use retentiond::enforce::Silent;
use retentiond::plan::schema::Engine;

use crate::archives::{MAP, POLICY, lies};
use crate::enforcement::{Fixture, rules};
use crate::scene::{ENGINES, batches_of, clean, consistent, now};
use crate::support::database;

/// Ends, tenants, and the records of each pair.
const DAYS: usize = 4;
const HOUSES: usize = 2;
const OF_EACH: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn records_of_one_end_and_tenant_go_into_one_object_however_they_lie() {
    for engine in ENGINES {
        let Some(db) = database(engine).await else { continue };
        let date = if engine == Engine::Sqlite { "TEXT" } else { "date" };
        let all = (0..DAYS * HOUSES * OF_EACH).map(|id| {
            let (day, house) = (id % DAYS + 1, ["north", "south"][id / DAYS % HOUSES]);
            format!("({id}, '{house}', 'R-{id}', 'Name {id}', NULL, '2024-03-0{day}')")
        });
        db.run_sql(&format!(
            "CREATE TABLE client (id integer PRIMARY KEY, house varchar(20) NOT NULL, ref varchar(20), name varchar(50) NOT NULL, iban varchar(40), left_on {date});
             CREATE TABLE note (id integer PRIMARY KEY, client_id integer NOT NULL, body varchar(50) NOT NULL, FOREIGN KEY (client_id) REFERENCES client (id));
             INSERT INTO client VALUES {}",
            all.collect::<Vec<_>>().join(", ")
        ))
        .await;
        let fixture = Fixture::new(engine, &db, "crm", now()).await;
        // Two pairs fit into a batch; without their order each batch would have some of all.
        let settings = retentiond::enforce::Settings { largest_batch: 2 * OF_EACH, ..batches_of(2 * OF_EACH) };
        let rules = rules(MAP, &[POLICY]);
        clean(&fixture.run_with(&rules, settings, &Silent).await.unwrap());
        let objects = lies(&fixture).await;
        let records: Vec<usize> = objects.iter().map(|o| o.matches("client: ").count()).collect();
        assert_eq!(records, [OF_EACH; DAYS * HOUSES], "{}", engine.name());
        let mut ends = BTreeMap::<&str, usize>::new();
        for object in &objects {
            *ends.entry(object.split(": ").next().unwrap()).or_default() += 1;
        }
        assert_eq!(ends.into_values().collect::<Vec<_>>(), [HOUSES; DAYS], "{}", engine.name());
        consistent(&fixture).await;
    }
}
