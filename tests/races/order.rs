//! Numbers in our own tables are ordered as numbers.

use retentiond::enforce::fence;
use retentiond::plan::dialect::Dialect;
use retentiond::plan::own_statements::LedgerRow;
use retentiond::plan::schema::Engine;

use crate::enforcement::Fixture;
use crate::scene::fixture_now;
use crate::support::database;

#[tokio::test]
async fn the_tenth_ledger_row_is_newer_than_the_ninth_and_slots_are_locked_in_the_order_of_their_numbers() {
    for engine in [Engine::Postgres, Engine::MariaDb, Engine::Sqlite] {
        let Some(db) = database(engine).await else { continue };
        let fixture = Fixture::new(engine, &db, "crm", fixture_now()).await;
        let d = Dialect { engine };
        let fence_table = if engine == Engine::Postgres { "retentiond.fence" } else { "retentiond_fence" };
        let slots = (4..12).rev().map(|slot| format!("('crm', {slot}, 0, '', '')")).collect::<Vec<_>>().join(", ");
        db.run_sql(&format!("INSERT INTO {fence_table} (source, slot, epoch, token, server_id) VALUES {slots}")).await;
        for seq in 1..=12 {
            let text = format!("{seq:032x}");
            let row = LedgerRow {
                batch: text.clone(),
                source: "crm".to_owned(),
                run: text.clone(),
                epoch: 1,
                slot: 0,
                seq,
                data_set: "log".to_owned(),
                action: "log.delete".to_owned(),
                n: 0,
                related: "[]".to_owned(),
                sealed: "[]".to_owned(),
                files: "[]".to_owned(),
                key_id: text[24..].to_owned(),
                macs: Vec::new(),
                log_size: seq * 10,
                log_root: text.repeat(2),
                applied_at: "2026-11-22T08:00:00Z".to_owned(),
            };
            db.run_sql(&d.insert_ledger(&row)).await;
        }
        assert_eq!(fence::ledger_size(&fixture.source, "crm").await.unwrap(), 120, "{}", engine.name());
        let mut session = fixture.source.session().await.unwrap();
        let mut begin = d.begin();
        let lock = d.lock_all_slots("crm");
        begin.push(&lock);
        let rows = session.script(&begin).await.unwrap().pop().unwrap().rows;
        let order: Vec<u32> = rows.iter().map(|r| r[0].as_deref().unwrap().parse().unwrap()).collect();
        assert_eq!(order, (0..12).collect::<Vec<_>>(), "{}", engine.name());
        session.done().await.unwrap();
    }
}
