//! Files under kills and in memory: the program itself, killed at its writes, syncs, renames and removals while files are sealed and removed, and
//! watched while it seals a long one.
//!
//! | variable | meaning | otherwise |
//! |---|---|---|
//! | `RETENTIOND_STRACE` | `all`, or at how many system calls it is killed | 8 |
//! | `RETENTIOND_FILE_BYTES` | how long the file is that it seals | 268435456 |

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use retentiond::plan::schema::Engine;

use crate::archives::{EVIDENCE, IDENTITY, RECIPIENT, files};
use crate::site::{Answer, Site, run_in};

const CALLS: [&str; 6] = ["write", "pwrite64", "fsync", "fdatasync", "renameat2", "unlinkat"];

/// Customer 1 leaves for the archive with a file, prospect 2 goes for good with another; a file of customer 4 stays with customer 5. The database lies
/// beside the settings, so that all of it can be copied.
fn site() -> Option<(Site, String)> {
    let site = Site::new(Engine::Sqlite)?;
    let (policy, map) = (std::fs::read_to_string(site.path("policy.toml")), std::fs::read_to_string(site.path("map.toml")));
    site.write("policy.toml", &format!("{}{EVIDENCE}", policy.expect("the policy")));
    let file = "\n[data.booking.files.wish]\ncolumn = \"wishes\"\nstore = \"wishes\"\n";
    site.write("map.toml", &format!("{}{file}", map.expect("the map")));
    let archive = format!("[archives.evidence]\ndirectory = \"vault\"\nrecipients = [\"{RECIPIENT}\"]");
    site.settings(&format!("{archive}\n[files.wishes]\ndirectory = \"wishes\""));
    site.write("identity", IDENTITY);
    site.sql("UPDATE booking SET wishes = 'a/CanaryWish1' WHERE person_id = 1");
    site.sql("INSERT INTO booking VALUES (2, 1, 'CanaryWish2')");
    std::fs::create_dir_all(site.path("wishes/a")).expect("a store");
    for (file, text) in [("CanaryWish", "shared"), ("a/CanaryWish1", "sealed"), ("CanaryWish2", "erased")] {
        std::fs::write(site.path("wishes").join(file), text).expect("a file");
    }
    let script = site.run(&["setup", "--source", "crm", "--role", "nobody"]).expect(0).out;
    site.sql(&script);
    site.sql(&format!("VACUUM INTO '{}'", site.path("crm.db").display()));
    site.write("url", "sqlite:crm.db");
    site.run(&["init"]).expect(0);
    let hash = site.hash();
    Some((site, hash))
}

pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    std::fs::set_permissions(to, std::fs::metadata(from).expect("a folder").permissions()).expect("its mode");
    for entry in std::fs::read_dir(from).expect("a folder").map(|e| e.expect("an entry").path()) {
        let target = to.join(entry.file_name().expect("a name"));
        if entry.is_dir() {
            copy(&entry, &target);
        } else {
            std::fs::copy(&entry, &target).expect("a copy");
        }
    }
}

pub fn program() -> PathBuf {
    assert_cmd::cargo::cargo_bin("retentiond")
}

fn enforce(hash: &str) -> [&str; 5] {
    ["enforce", "--source", "crm", "--plan", hash]
}

/// Takes out of the archive what orders have ended.
const ERASE: [&str; 11] = [
    "archive",
    "erase",
    "--source",
    "crm",
    "--identity",
    "identity",
    "--actor=dpo",
    "--reason",
    "legal_duty",
    "--reference",
    "CASE/9",
];

/// Runs it under strace; how it ended.
fn traced(dir: &Path, command: &[&str], options: &[String]) -> std::process::Output {
    let log = dir.join("trace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-e", "signal=none", "-o"]).arg(log).args(options).arg(program());
    strace.args(["--config", "retentiond.toml"]).args(command);
    strace.current_dir(dir).env_clear().output().expect("strace ran")
}

/// The calls of a run: each with the most that one thread makes of it.
fn points(dir: &Path, command: &[&str]) -> Vec<(String, usize)> {
    let output = traced(dir, command, &["-e".to_owned(), format!("trace={}", CALLS.join(","))]);
    assert!(output.status.success(), "{output:?}");
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    for line in std::fs::read_to_string(dir.join("trace")).expect("the trace").lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Some((call, _)) = rest.trim_start().split_once('(') else { continue };
        *counts.entry((call.to_owned(), thread.to_owned())).or_default() += 1;
    }
    let mut most: BTreeMap<String, usize> = BTreeMap::new();
    for ((call, _), n) in counts {
        let most = most.entry(call).or_default();
        *most = n.max(*most);
    }
    let known = most.into_iter().filter(|(call, _)| CALLS.contains(&call.as_str()));
    known.flat_map(|(call, most)| (1..=most).map(move |nth| (call.clone(), nth))).collect()
}

/// Kills a command at its calls, each time in a copy of the site that was made ready for it, and has somebody look at what it left.
fn kill(site: &Path, ready: impl Fn(&Path), command: &[&str], left: impl Fn(&Path, &str)) {
    if !Command::new("strace").args(["-f", "-qq", "-o", "/dev/null", "true"]).status().is_ok_and(|s| s.success()) {
        assert!(std::env::var_os("CI").is_none(), "strace must be there and allowed to trace in CI");
        eprintln!("SKIPPED: strace is missing or may not trace");
        return;
    }
    let scratch = tempfile::tempdir().expect("a folder");
    let whole = scratch.path().join("whole");
    copy(site, &whole);
    ready(&whole);
    let all = points(&whole, command);
    let asked = std::env::var("RETENTIOND_STRACE").unwrap_or_default();
    let n = if asked == "all" { all.len() } else { asked.parse().unwrap_or(8).min(all.len()) };
    let mut killed = 0;
    for (call, nth) in (0..n).map(|i| &all[i * all.len() / n + all.len() / n / 2]) {
        let dir = scratch.path().join(format!("{call}-{nth}"));
        copy(site, &dir);
        ready(&dir);
        let inject = format!("inject={call}:signal=KILL:when={nth}");
        let output = traced(&dir, command, &["-e".to_owned(), format!("trace={call}"), "-e".to_owned(), inject]);
        killed += usize::from(!output.status.success());
        left(&dir, &format!("killed at {call} {nth}"));
    }
    eprintln!("{killed} of {n} runs were killed, of {} calls", all.len());
    assert!(killed > 0);
}

/// Runs a command there.
fn run(dir: &Path, args: &[&str]) -> Answer {
    run_in(dir, &[&["--config", "retentiond.toml"][..], args].concat(), &[])
}

#[test]
fn a_process_killed_at_any_write_or_sync_leaves_every_file_in_its_store_or_in_the_archive() {
    let Some((site, hash)) = site() else { return };
    kill(
        site.dir(),
        |_| (),
        &enforce(&hash),
        |dir, at| {
            let there = |file: &str| dir.join("wishes").join(file).exists();
            assert!(there("a/CanaryWish1") || files(&dir.join("vault")).len() == 3, "{at}");
            run(dir, &enforce(&hash)).expect(0);
            let left = ["a/CanaryWish1", "CanaryWish2", "CanaryWish"].map(there);
            assert_eq!((left, files(&dir.join("vault")).len()), ([false, false, true], 3), "{at}");
            run(dir, &["archive", "verify", "--identity", "identity"]).expect(0);
        },
    );
}

#[test]
fn an_erasure_from_an_archive_killed_at_any_write_or_sync_loses_nobody_else_and_the_next_ends_it() {
    let Some((site, hash)) = site() else { return };
    let order = ["order", "erase", "--data", "crm.person", "--key", "1", "--actor=dpo", "--reason", "data_subject_request"];
    let ready = |dir: &Path| {
        run(dir, &enforce(&hash)).expect(0);
        run(dir, &[&order[..], &["--reference", "SAR/1"]].concat()).expect(0);
    };
    let of = |id: &'static str| ["archive", "find", "--data", "crm.person", "--key", id];
    kill(site.dir(), ready, &ERASE, |dir, at| {
        // Who is kept can be found and opened at once, whatever was under way, and once a run has come by, nothing is there that nobody knows.
        run(dir, &of("4")).expect(0);
        run(
            dir,
            &[
                "--format",
                "json",
                "archive",
                "export",
                "--data",
                "crm.person",
                "--key",
                "4",
                "--identity",
                "identity",
                "--output",
                "export",
                "--actor=dpo",
                "--reason",
                "audit",
                "--reference",
                "A",
            ],
        )
        .expect(0);
        let plan = run(dir, &["--format", "json", "plan"]).json();
        run(dir, &enforce(plan[0]["plan"].as_str().expect("a hash"))).expect(0);
        run(dir, &["archive", "verify", "--identity", "identity"]).expect(0);
        run(dir, &ERASE).expect(0);
        run(dir, &of("1")).expect(1);
        run(dir, &of("4")).expect(0);
        let vault = files(&dir.join("vault"));
        assert_eq!(vault.len(), 2, "{at}: the rest and its file: {vault:?}");
        let verdict = run(dir, &["--format", "json", "archive", "verify", "--identity", "identity"]).expect(0).json();
        assert_eq!((&verdict["objects"], &verdict["records"], &verdict["files"]), (&1.into(), &1.into(), &1.into()), "{at}");
        run(dir, &["journal", "export", "--out", "journal.export"]).expect(0);
        let key = run(dir, &["journal", "key"]).expect(0).out;
        run(dir, &["journal", "verify", "journal.export", "--key", key.trim()]).expect(0);
    });
}

#[test]
fn a_long_file_does_not_raise_memory() {
    let Some((site, hash)) = site() else { return };
    let bytes = std::env::var("RETENTIOND_FILE_BYTES").map_or(1 << 28, |n| n.parse().expect("a number"));
    let long = site.path("wishes/a/CanaryWish1");
    std::fs::File::create(&long).and_then(|f| f.set_len(bytes)).expect("a long file");
    let mut child = Command::new(program())
        .args(["--config", "retentiond.toml"])
        .args(enforce(&hash))
        .current_dir(site.dir())
        .env_clear()
        .spawn()
        .expect("it ran");
    let mut peak = 0_u64;
    let status = loop {
        let text = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let told: Option<u64> = text.lines().find_map(|l| l.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        peak = peak.max(told.unwrap_or_default() * 1024);
        match child.try_wait().expect("a child") {
            Some(status) => break status,
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    eprintln!("a file of {} MiB was sealed with {} MiB of memory", bytes >> 20, peak >> 20);
    assert!(status.success() && !long.exists() && peak > 0);
    assert!(peak < 160 << 20, "{peak}");
}
