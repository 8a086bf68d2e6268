//! "Was this record erased?" has an answer that can be checked without the journal.

use retentiond::journal::{Append, Event, Mac, ProofFault, Related, RelatedAction, prove, verify_proof};
use retentiond::plan::key::{KeyKind, KeyPart, RecordKey};

use super::fixture::{Fixture, applied, finished, id, intent, name, start};

fn record(n: u32) -> RecordKey {
    RecordKey(vec![KeyPart { kind: KeyKind::Integer, text: n.to_string() }])
}

#[tokio::test]
async fn a_record_is_found_by_its_key_and_each_entry_is_proven() {
    let fixture = Fixture::new().await;
    let key_id = fixture.journal.current_mac_key().await.unwrap();
    let (crm, person, invoice) = (name("crm"), name("crm.person"), name("crm.invoice"));
    let mac = |data_set, n| fixture.journal.mac_keys().mac(key_id, &crm, data_set, &record(n)).unwrap();
    let people: Vec<Mac> = (0..50).map(|n| mac(&person, n)).collect();
    let related = Related {
        data_set: invoice.clone(),
        action: RelatedAction::Deleted,
        rows: 1,
        macs: [mac(&invoice, 7)].into_iter().collect(),
    };
    let Event::Applied { run, batch, rows, key_id, macs, recovered, .. } = applied(id(1), id(2), key_id, &people) else {
        unreachable!("applied() makes this");
    };
    let change = Event::Applied {
        run,
        batch,
        rows,
        related: vec![related],
        key_id,
        macs,
        recovered,
        sealed: Vec::new(),
        files: Vec::new(),
    };
    fixture.journal.append(start(id(1)).event(intent(id(1), id(2))).event(change)).await.unwrap();
    let before = prove(&fixture.journal.reader(), fixture.journal.mac_keys(), &crm, &person, &record(42)).await.unwrap();
    assert_eq!((before.entries.len(), before.not_yet_signed.len()), (0, 2), "not signed, not proven");
    let end = Append::from(Event::Reverted { run: id(1), batch: id(2) }).event(finished(id(1)));
    fixture.journal.append(end).await.unwrap();

    for (data_set, n) in [(&person, 42), (&invoice, 7)] {
        let proof = prove(&fixture.journal.reader(), fixture.journal.mac_keys(), &crm, data_set, &record(n)).await.unwrap();
        let kinds: Vec<bool> = ["intent", "applied", "reverted"]
            .iter()
            .zip(&proof.entries)
            .map(|(kind, entry)| entry.entry.contains(&format!("\"kind\":\"{kind}\"")))
            .collect();
        assert_eq!(kinds, [true; 3]);
        let text = serde_json::to_string(&proof).unwrap();
        assert_eq!(serde_json::from_str::<retentiond::journal::RecordProof>(&text).unwrap(), proof);
        verify_proof(&proof, &fixture.key).unwrap();

        let mut edited = proof.clone();
        edited.entries[1].entry = edited.entries[1].entry.replace("\"recovered\":false", "\"recovered\":true");
        assert_eq!(verify_proof(&edited, &fixture.key), Err(ProofFault::Inclusion(1)));
        let mut moved = proof.clone();
        moved.entries[0].seq += 1;
        assert_eq!(verify_proof(&moved, &fixture.key), Err(ProofFault::Entry(0)));
        assert_eq!(verify_proof(&proof, &Fixture::new().await.key), Err(ProofFault::Signature));
    }
    let other = prove(&fixture.journal.reader(), fixture.journal.mac_keys(), &crm, &invoice, &record(42)).await.unwrap();
    assert_eq!((other.entries.len(), other.macs.len()), (0, 1), "another record is not named");
}

#[tokio::test]
async fn old_checkpoints_are_provably_prefixes_of_new_ones() {
    let fixture = Fixture::new().await;
    fixture.run(1, 9).await;
    let reader = fixture.journal.reader();
    let size = reader.size().await.unwrap();
    let hash = |h: retentiond::journal::Hash| tlog_tiles::Hash(h.0);
    for old in 1..=size {
        let proof: Vec<_> = reader.consistency_proof(size, old).await.unwrap().into_iter().map(hash).collect();
        let (new_root, old_root) = (hash(reader.root(size).await.unwrap()), hash(reader.root(old).await.unwrap()));
        tlog_tiles::check_tree(&proof, size, new_root, old, old_root).unwrap();
    }
    assert!(reader.inclusion_proof(size, size).await.is_err());
    assert!(reader.inclusion_proof(size + 5, size + 1).await.is_err());
}
