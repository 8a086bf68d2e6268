//! "Nothing of this customer is left" has an answer that whoever has the public key can check.

use chrono::Duration;
use retentiond::journal::{
    Append, Certificate, CertificateError, CertificateFault, Event, Found, FoundIn, Hash, Instant, Mac, OrderKind, OrderReason,
    OrderScope, Phase, ProofFault, Reference, issue, verify_certificate,
};

use super::fixture::{Fixture, applied, finished, id, intent, name, start};

fn found() -> Found {
    Found {
        looked_at: Instant::parse("2026-11-22T03:00:00Z").unwrap(),
        map_hash: Hash::of(b"a map"),
        data_sets: vec![FoundIn { data_set: name("crm.person"), anonymised: 2 }],
    }
}

fn census(due: u64) -> Event {
    Event::Census {
        run: id(1),
        source: name("crm"),
        phase: Phase::After,
        data_set: name("crm.person"),
        purpose: name("clients"),
        covered: None,
        running: None,
        due,
        held: 0,
        kept_while: 0,
        undated: None,
        undecided: None,
        oldest_overdue: None,
    }
}

/// An instruction, and a run that masks two records by it and finds nothing due afterwards; another batch of it was undone.
async fn done(fixture: &Fixture) -> Append {
    let key_id = fixture.journal.current_mac_key().await.unwrap();
    fixture
        .journal
        .append(Event::OrderPlaced {
            order: id(77),
            source: name("crm"),
            order_kind: OrderKind::Instruction,
            scope: OrderScope::Tenant,
            data_set: name("crm.person"),
            key_id,
            mac: Mac([7; 16]),
            actor: name("dpo"),
            reason: OrderReason::EndOfService,
            reference: Reference::parse("C-12").unwrap(),
            until: None,
            undo: None,
        })
        .await
        .unwrap();
    fixture.journal.append(start(id(1)).event(intent(id(1), id(2)))).await.unwrap();
    fixture.clock.advance(Duration::seconds(1));
    let two = applied(id(1), id(2), key_id, &[Mac([1; 16]), Mac([2; 16])]);
    let undone = applied(id(1), id(3), key_id, &[Mac([3; 16])]);
    let undo = Event::Reverted { run: id(1), batch: id(3) };
    fixture.journal.append(Append::from(two).event(intent(id(1), id(3))).event(undone).event(undo)).await.unwrap();
    Append::from(census(0)).event(finished(id(1)))
}

async fn certified() -> (Fixture, Certificate) {
    let fixture = Fixture::new().await;
    let end = done(&fixture).await;
    fixture.journal.append(end).await.unwrap();
    let certificate = issue(&fixture.journal, &name("crm"), found()).await.unwrap();
    (fixture, certificate)
}

#[tokio::test]
async fn a_certificate_says_what_was_done_and_holds_with_the_key_alone() {
    let (fixture, certificate) = certified().await;
    assert_eq!(verify_certificate(&certificate.to_bytes(), &fixture.key).as_ref(), Ok(&certificate));
    let account = &certificate.claims.account;
    let [done] = account.done.as_slice() else { panic!("{account:?}") };
    assert_eq!((done.rows, done.first.to_string()), (2, "2026-11-22T02:00:01Z".to_owned()));
    assert_eq!((account.runs.len(), account.purposes.len(), account.unattributed), (1, 1, 0));
    assert_eq!(account.orders[0].reference.as_str(), "C-12");
    // The export has it as well, and is sound.
    let report = fixture.verify().await;
    assert!(report.is_sound() && report.signed == report.entries, "{report:?}");
    // What follows in the log does not undo it.
    fixture.run(5, 2).await;
    assert!(verify_certificate(&certificate.to_bytes(), &fixture.key).is_ok());
    let other = Fixture::named("retentiond/other").await;
    let signature = CertificateFault::Proof(ProofFault::Signature);
    assert_eq!(verify_certificate(&certificate.to_bytes(), &other.key), Err(signature));
}

#[tokio::test]
async fn no_byte_of_a_certificate_can_be_altered_left_out_or_doubled() {
    let (fixture, certificate) = certified().await;
    let bytes = certificate.to_bytes();
    let mut altered = bytes.clone();
    for at in 0..bytes.len() {
        for bits in [0x01, 0x20] {
            altered[at] ^= bits;
            assert!(verify_certificate(&altered, &fixture.key).is_err(), "byte {at} ^ {bits}");
            altered[at] ^= bits;
        }
        let without = [&bytes[..at], &bytes[at + 1..]].concat();
        assert!(verify_certificate(&without, &fixture.key).is_err(), "without byte {at}");
        let doubled = [&bytes[..=at], &bytes[at..]].concat();
        assert!(verify_certificate(&doubled, &fixture.key).is_err(), "byte {at} twice");
    }
}

#[tokio::test]
async fn claims_and_entries_that_do_not_belong_together_are_told_apart() {
    let (fixture, certificate) = certified().await;
    let verdict = |certificate: &Certificate| verify_certificate(&certificate.to_bytes(), &fixture.key).map(|_| ());
    let mut fewer = certificate.clone();
    fewer.claims.found[0].anonymised = 0;
    assert_eq!(verdict(&fewer), Err(CertificateFault::Claims));
    for left_out in 0..certificate.entries.len() - 1 {
        let mut without = certificate.clone();
        without.entries.remove(left_out);
        assert_eq!(verdict(&without), Err(CertificateFault::Account), "entry {left_out}");
    }
    let mut headless = certificate.clone();
    headless.entries.pop();
    assert_eq!(verdict(&headless), Err(CertificateFault::Claims));
    let mut twice = certificate.clone();
    twice.entries.insert(1, certificate.entries[0].clone());
    assert_eq!(verdict(&twice), Err(CertificateFault::Proof(ProofFault::Entry(1))));
    // A later certificate's announcement does not stand in for this one's.
    let later = issue(&fixture.journal, &name("crm"), Found { map_hash: Hash::of(b"another"), ..found() }).await.unwrap();
    assert_eq!(verdict(&later), Ok(()));
    let mixed = Certificate { claims: certificate.claims.clone(), ..later };
    assert_eq!(verdict(&mixed), Err(CertificateFault::Claims));
}

#[tokio::test]
async fn nothing_is_certified_while_anything_is_open_due_or_archived() {
    let fixture = Fixture::new().await;
    let refused = async |fixture: &Fixture| issue(&fixture.journal, &name("crm"), found()).await.unwrap_err();
    assert!(matches!(refused(&fixture).await, CertificateError::NoRun));
    let end = done(&fixture).await;
    assert!(matches!(refused(&fixture).await, CertificateError::Running));
    fixture.journal.append(intent(id(1), id(4))).await.unwrap();
    assert!(matches!(refused(&fixture).await, CertificateError::Open(1)));
    fixture.journal.append(super::fixture::aborted(id(1), id(4))).await.unwrap();
    fixture.journal.append(end).await.unwrap();
    let size = fixture.journal.reader().size().await.unwrap();
    issue(&fixture.journal, &name("crm"), found()).await.unwrap();
    assert_eq!(fixture.journal.reader().size().await.unwrap(), size + 1, "one entry, and none for what was refused");
    assert!(matches!(issue(&fixture.journal, &name("other"), found()).await, Err(CertificateError::NoRun)));

    let fixture = Fixture::new().await;
    drop(done(&fixture).await);
    fixture.journal.append(Append::from(census(1)).event(finished(id(1)))).await.unwrap();
    assert!(matches!(refused(&fixture).await, CertificateError::NoRun), "something is due");
}
