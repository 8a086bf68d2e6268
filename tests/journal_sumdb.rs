//! An independent implementation accepts our notes, tree and proofs: Go's `golang.org/x/mod/sumdb`, as Debian packages it
//! (golang-go, golang-golang-x-mod-dev). Without it the test is skipped loudly, except in CI, where it fails.

#![expect(clippy::unwrap_used, reason = "a fixture that fails must stop its test")]

#[path = "journal/fixture.rs"]
#[expect(dead_code, reason = "the other journal tests use the rest of the fixture")]
mod fixture;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use fixture::Fixture;
use retentiond::journal::Hash;

const PACKAGES: &str = "/usr/share/gocode";

/// Builds the verifier; `None` when this machine has no Go.
fn build(out: &Path) -> Option<std::path::PathBuf> {
    let has_go = Command::new("go").arg("version").output().is_ok_and(|o| o.status.success());
    if !has_go || !Path::new(PACKAGES).join("src/golang.org/x/mod/sumdb/tlog").exists() {
        let missing = "Go or golang-golang-x-mod-dev is not installed";
        assert!(std::env::var_os("CI").is_none(), "{missing}, and CI must not skip this test");
        eprintln!("SKIPPED: {missing}; no independent implementation has checked the journal's formats");
        return None;
    }
    let binary = out.join("sumdb");
    let built = Command::new("go")
        .args(["build", "-o"])
        .arg(&binary)
        .arg("main.go")
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sumdb"))
        .env("GO111MODULE", "off")
        .env("GOPATH", PACKAGES)
        .env("GOCACHE", out.join("cache"))
        .status()
        .unwrap();
    assert!(built.success(), "the Go verifier does not build");
    Some(binary)
}

fn run(binary: &Path, input: &serde_json::Value) -> (bool, String) {
    let mut child = Command::new(binary).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

fn base64(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(|hash| base64::prelude::BASE64_STANDARD.encode(hash.0)).collect()
}

#[tokio::test]
async fn go_accepts_our_notes_tree_and_proofs_and_refuses_changed_ones() {
    let dir = tempfile::tempdir().unwrap();
    let Some(binary) = build(dir.path()) else { return };
    let fixture = Fixture::new().await;
    fixture.run(1, 9).await;
    let rotated = fixture.journal.rotate_signing_key().await.unwrap();
    fixture.run(2, 14).await;
    let reader = fixture.journal.reader();
    let size = reader.size().await.unwrap();
    let leaves: Vec<String> =
        reader.entries(0, 1000).await.unwrap().iter().map(|entry| String::from_utf8(entry.to_bytes()).unwrap()).collect();
    let (mut inclusion, mut consistency) = (Vec::new(), Vec::new());
    for n in 0..size {
        inclusion.push(base64(&reader.inclusion_proof(size, n).await.unwrap()));
        consistency.push(base64(&reader.consistency_proof(size, n + 1).await.unwrap()));
    }
    let checkpoints: Vec<String> = reader.checkpoints().await.unwrap().into_iter().map(|c| c.note).collect();
    assert_eq!(checkpoints.len(), 4, "creation, two runs and a rotation");
    let input = serde_json::json!({
        "keys": [fixture.key.as_str(), rotated.as_str()],
        "checkpoints": checkpoints,
        "leaves": leaves,
        "inclusion": inclusion,
        "consistency": consistency,
    });
    let (accepted, said) = run(&binary, &input);
    assert!(accepted, "{said}");
    assert_eq!(said.trim(), format!("accepted 4 notes, {size} inclusion proofs, {size} consistency proofs"));

    let mut edited = input.clone();
    edited["leaves"][5] = leaves[5].replace("\"seq\":5", "\"seq\":6").into();
    assert!(!run(&binary, &edited).0, "an edited leaf must not be accepted");
    let mut foreign = input.clone();
    foreign["keys"] = serde_json::json!([Fixture::new().await.key.as_str()]);
    assert!(!run(&binary, &foreign).0, "a foreign key must not be accepted");
    let mut moved = input;
    moved["inclusion"][3] = moved["inclusion"][4].clone();
    assert!(!run(&binary, &moved).0, "the proof of another entry must not be accepted");
}
