//! What kinds of entries are called.

use super::event::Event;

impl Event {
    /// All kinds of entries.
    pub const KINDS: [&'static str; 36] = [
        "log_created",
        "signing_key_rotated",
        "mac_key_created",
        "mac_key_destroyed",
        "clock_set_back",
        "source_adopted",
        "run_started",
        "intent",
        "applied",
        "aborted",
        "files_removed",
        "destruction_intended",
        "destroyed",
        "archive_census",
        "archive_dated",
        "archive_opened",
        "archive_erasure_intended",
        "archive_resealed",
        "archive_erased",
        "archive_erasure_aborted",
        "undo_intended",
        "undone",
        "undo_aborted",
        "reverted",
        "batch_found",
        "record_failed",
        "census",
        "backlog",
        "purpose_stopped",
        "incident",
        "finding",
        "run_finished",
        "order_placed",
        "order_lifted",
        "journal_recovered",
        "certificate_issued",
    ];

    /// The entry's kind.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::LogCreated { .. } => "log_created",
            Self::SigningKeyRotated { .. } => "signing_key_rotated",
            Self::MacKeyCreated { .. } => "mac_key_created",
            Self::MacKeyDestroyed { .. } => "mac_key_destroyed",
            Self::ClockSetBack { .. } => "clock_set_back",
            Self::SourceAdopted { .. } => "source_adopted",
            Self::RunStarted { .. } => "run_started",
            Self::Intent { .. } => "intent",
            Self::Applied { .. } => "applied",
            Self::Aborted { .. } => "aborted",
            Self::FilesRemoved { .. } => "files_removed",
            Self::DestructionIntended { .. } => "destruction_intended",
            Self::Destroyed { .. } => "destroyed",
            Self::ArchiveCensus { .. } => "archive_census",
            Self::ArchiveDated { .. } => "archive_dated",
            Self::ArchiveOpened { .. } => "archive_opened",
            Self::ArchiveErasureIntended { .. } => "archive_erasure_intended",
            Self::ArchiveResealed { .. } => "archive_resealed",
            Self::ArchiveErased { .. } => "archive_erased",
            Self::ArchiveErasureAborted { .. } => "archive_erasure_aborted",
            Self::UndoIntended { .. } => "undo_intended",
            Self::Undone { .. } => "undone",
            Self::UndoAborted { .. } => "undo_aborted",
            Self::Reverted { .. } => "reverted",
            Self::BatchFound { .. } => "batch_found",
            Self::RecordFailed { .. } => "record_failed",
            Self::Census { .. } => "census",
            Self::Backlog { .. } => "backlog",
            Self::PurposeStopped { .. } => "purpose_stopped",
            Self::Incident { .. } => "incident",
            Self::Finding { .. } => "finding",
            Self::RunFinished { .. } => "run_finished",
            Self::OrderPlaced { .. } => "order_placed",
            Self::OrderLifted { .. } => "order_lifted",
            Self::JournalRecovered { .. } => "journal_recovered",
            Self::CertificateIssued { .. } => "certificate_issued",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Event;
    use crate::journal::entry::Entry;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    /// One example of each kind with every optional field: `H` stands for a hash, `I` for an id or a MAC.
    const EXAMPLES: [&str; 41] = [
        r#"log_created","origin":"retentiond/x","key":"V","version":"0.1.0""#,
        r#"signing_key_rotated","key":"V""#,
        r#"mac_key_created","key_id":"2026-11""#,
        r#"mac_key_destroyed","key_id":"2026-11""#,
        r#"clock_set_back","from":"2026-11-22T02:00:00Z","actor":"a""#,
        r#"source_adopted","source":"s","server_id":"H","reason":"initial","actor":"a""#,
        r#"run_started","run":"I","source":"s","trigger":"command","now":"2026-11-22T02:00:00Z","plan_hash":"H","policy_hash":"H","map_hash":"H","schema_hash":"H","version":"0.1.0""#,
        r#"intent","run":"I","batch":"I","source":"s","data_set":"d","action":"delete","rule":"d.delete","plan_hash":"H","slot":0,"epoch":1"#,
        r#"applied","run":"I","batch":"I","rows":1,"related":[{"data_set":"e","action":"masked","rows":2,"macs":""}],"key_id":"2026-11","macs":"AAAAAAAAAAAAAAAAAAAAAA==","recovered":false"#,
        r#"applied","run":"I","batch":"I","rows":1,"related":[],"key_id":"2026-11","macs":"AAAAAAAAAAAAAAAAAAAAAA==","recovered":true,"sealed":[{"source":"s","data_set":"d","archive":"a","purpose":"p","until":"2036-12-31","part":0,"sha256":"H","bytes":912,"rows":3,"macs":"AAAAAAAAAAAAAAAAAAAAAA==","tenants":""}]"#,
        r#"applied","run":"I","batch":"I","rows":1,"related":[],"key_id":"2026-11","macs":"AAAAAAAAAAAAAAAAAAAAAA==","recovered":false,"sealed":[{"source":"s","data_set":"d","archive":"a","purpose":"p","until":"2036-12-31","part":0,"sha256":"H","bytes":912,"rows":3,"macs":"AAAAAAAAAAAAAAAAAAAAAA==","tenants":"","files":[{"sha256":"H","bytes":7}]}],"files":[{"store":"f","removed":1,"missing":0,"shared":0,"sealed":1}]"#,
        r#"files_removed","run":"I","batch":"I","files":[{"store":"f","removed":1,"missing":0,"shared":0,"changed":1}]"#,
        r#"aborted","run":"I","batch":"I","code":"40P01""#,
        r#"destruction_intended","run":"I","destruction":"I","source":"s","data_set":"d","archive":"a","purpose":"p","until":"2036-12-31","cause":"ended","objects":[{"batch":"I","part":0}]"#,
        r#"destroyed","run":"I","destruction":"I","objects":[{"batch":"I","part":0}],"records":1,"recovered":false"#,
        r#"archive_census","run":"I","source":"s","phase":"after","archive":"a","data_set":"d","purpose":"p","objects":2,"records":9,"due":3,"next_end":"2027-01-31","oldest_overdue":"2026-01-31""#,
        r#"archive_dated","run":"I","source":"s","data_set":"d","archive":"a","purpose":"p","until":"2036-12-31","objects":[{"batch":"I","part":0}],"records":3"#,
        r#"archive_opened","source":"s","data_set":"d","access":"export","key_id":"2026-11","mac":"I","objects":[{"batch":"I","part":0}],"actor":"a","reason":"data_subject_access","reference":"A/1""#,
        r#"archive_opened","source":"s","data_set":"d","access":"undo","objects":[{"batch":"I","part":0}],"actor":"a","reason":"error_correction","reference":"A/1""#,
        r#"archive_opened","source":"s","data_set":"d","access":"erase","objects":[{"batch":"I","part":0}],"actor":"a","reason":"legal_duty","reference":"A/1""#,
        r#"archive_erasure_intended","erasure":"I","source":"s","data_set":"d","archive":"a","purpose":"p","object":{"batch":"I","part":0},"part":1000000,"key_id":"2026-11","macs":"AAAAAAAAAAAAAAAAAAAAAA==","actor":"a","reason":"legal_duty","reference":"A/1""#,
        r#"archive_resealed","erasure":"I","object":{"batch":"I","part":0},"entry":3,"records":1,"key_id":"2026-11","sealed":{"source":"s","data_set":"d","archive":"a","purpose":"p","until":"2036-12-31","part":1000000,"sha256":"H","bytes":912,"rows":3,"macs":"AAAAAAAAAAAAAAAAAAAAAA==","tenants":""}"#,
        r#"archive_erased","erasure":"I","records":1,"recovered":false"#,
        r#"archive_erasure_aborted","erasure":"I","code":"interrupted""#,
        r#"undo_intended","undo":"I","source":"s","run":"I","batch":"I","data_set":"d","plan_hash":"H","records":1,"objects":[{"batch":"I","part":0}],"actor":"a","reason":"error_correction","reference":"A/1""#,
        r#"undone","undo":"I","records":1,"inserted":1,"unmasked":0,"newer":0,"key_id":"2026-11","macs":"AAAAAAAAAAAAAAAAAAAAAA==","recovered":false"#,
        r#"undo_aborted","undo":"I","code":"23505""#,
        r#"reverted","run":"I","batch":"I""#,
        r#"batch_found","source":"s","batch":"I","rows":0,"key_id":"2026-11","macs":"","sealed":[{"source":"s","data_set":"d","archive":"a","purpose":"p","until":"2036-12-31","part":0,"sha256":"H","bytes":912,"rows":3,"macs":"AAAAAAAAAAAAAAAAAAAAAA==","tenants":""}]"#,
        r#"record_failed","run":"I","source":"s","data_set":"d","action":"clear","key_id":"2026-11","mac":"I","code":"23503","constraint":"fk_1""#,
        r#"census","run":"I","source":"s","phase":"after","data_set":"d","purpose":"p","covered":9,"running":8,"due":1,"held":0,"kept_while":0,"undated":0,"undecided":0,"oldest_overdue":"2020-02-29""#,
        r#"backlog","run":"I","source":"s","data_set":"d","action":"empty","due_before":3,"changed":1,"failed":1,"busy":1,"due_after":2"#,
        r#"purpose_stopped","run":"I","source":"s","data_set":"d","action":"anonymise","ceiling":"share","limit":100,"found":250"#,
        r#"incident","run":"I","source":"s","data_set":"d","category":"card","count":1,"cleared":true"#,
        r#"finding","run":"I","source":"s","data_set":"d","finding":"undated","subject":"p","count":4"#,
        r#"run_finished","run":"I","outcome":"complete","changed":1,"failed":0,"busy":0"#,
        r#"order_placed","order":"I","source":"s","order_kind":"hold","scope":"record","data_set":"d","key_id":"2026-11","mac":"I","actor":"a","reason":"litigation","reference":"A/1","until":"2027-01-01""#,
        r#"order_placed","order":"I","source":"s","order_kind":"hold","scope":"record","data_set":"d","key_id":"2026-11","mac":"I","actor":"a","reason":"error_correction","reference":"A/1","undo":"I""#,
        r#"order_lifted","order":"I","actor":"a","reason":"reason_ended","reference":"A/2","person_informed":true"#,
        r#"journal_recovered","source":"s","ledger_size":12,"actor":"a""#,
        r#"certificate_issued","source":"s","certificate":"H""#,
    ];

    #[test]
    fn every_kind_is_read_and_written_in_the_documented_field_order() {
        let key = signed_note::new_ed25519_verifier_key(
            "retentiond/x",
            &ed25519_dalek::SigningKey::from_bytes(&[7; 32]).verifying_key(),
        );
        let format = include_str!("../../docs/journal-format.md");
        for example in EXAMPLES {
            let body = example
                .replace("\"V\"", &format!("\"{key}\""))
                .replace("\"I\"", &format!("\"{ID}\""))
                .replace("\"H\"", &format!("\"{ID}{ID}\""));
            let text = format!(r#"{{"seq":5,"time":"2026-11-22T02:00:00Z","kind":"{body}}}"#);
            let entry = Entry::from_bytes(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"));
            let kind = entry.event.kind();
            assert!(example.starts_with(&format!("{kind}\"")), "{kind} is called otherwise in {text}");
            assert!(format.contains(&format!("| `{kind}` |")), "the format's description lacks {kind}");
            assert!(Event::KINDS.contains(&kind), "{kind}");
        }
        let shown = |kind: &&str| EXAMPLES.iter().any(|example| example.starts_with(&format!("{kind}\"")));
        assert!(Event::KINDS.iter().all(shown));
    }
}
