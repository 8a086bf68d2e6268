//! An export that was written once stays sound for every later version. The fuzz targets know it as the only log that may be sound.
//!
//! `UPDATE=1` writes it anew, after a change of the format that cannot be avoided.

use retentiond::journal::{Event, OrderReason, Reference, VerifierKey, notes_in};

use super::fixture::{Fixture, check, id, name};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/sound_export.txt");

async fn written() -> String {
    let fixture = Fixture::named("retentiond/kept").await;
    fixture.run(1, 3).await;
    fixture.journal.rotate_signing_key().await.unwrap();
    let (order, key_id) = (id(7), fixture.journal.current_mac_key().await.unwrap());
    let placed = format!(
        r#"{{"kind":"order_placed","order":"{order}","source":"crm","order_kind":"hold","scope":"record","data_set":"crm.person","key_id":"{key_id}","mac":"{order}","actor":"dpo","reason":"litigation","reference":"CASE/7","until":"2030-01-01"}}"#
    );
    fixture.journal.append(serde_json::from_str::<Event>(&placed).unwrap()).await.unwrap();
    let reference = Reference::parse("CASE/7").unwrap();
    let lifted =
        Event::OrderLifted { order, actor: name("dpo"), reason: OrderReason::ReasonEnded, reference, person_informed: None };
    fixture.journal.append(lifted).await.unwrap();
    fixture.run(2, 2).await;
    format!("{}\n{}", fixture.key, String::from_utf8(fixture.export().await).unwrap())
}

#[tokio::test]
async fn a_committed_export_is_sound() {
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(FILE, written().await).unwrap();
    }
    let text = std::fs::read_to_string(FILE).unwrap();
    let (key, export) = text.split_once('\n').unwrap();
    let mailed = notes_in(&mut export.as_bytes()).unwrap();
    let report = check(export.as_bytes(), &VerifierKey::parse(key).unwrap(), &mailed);
    assert!(report.is_sound(), "{:?}", report.faults);
    assert_eq!((report.entries, report.signed, report.witnessed, report.keys.len()), (19, 19, 19, 2));
}
