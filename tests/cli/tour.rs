//! The README's tour of ten minutes, done with exactly its texts.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The fenced blocks of the README's section, each with its language.
fn blocks() -> Vec<(String, String)> {
    let readme = include_str!("../../README.md");
    let from = readme.find("## Ten minutes").expect("the tour");
    let section = &readme[from..];
    let section = &section[..section[3..].find("\n## ").expect("the next section") + 3];
    let mut all = Vec::new();
    for block in section.split("\n```").skip(1).step_by(2) {
        let (language, text) = block.split_once('\n').expect("a fenced block");
        all.push((language.to_owned(), text.to_owned() + "\n"));
    }
    all
}

fn program() -> PathBuf {
    assert_cmd::cargo::cargo_bin("retentiond")
}

/// Runs a line as a shell does, with this program on the path.
fn shell(dir: &Path, line: &str) -> String {
    let bin = program().parent().expect("a directory").display().to_string();
    let path = format!("{bin}:{}", std::env::var("PATH").expect("a PATH"));
    let output = Command::new("sh").args(["-ec", line]).current_dir(dir).env("PATH", path).output().expect("sh");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{line}\n{out}\n{err}");
    out.into_owned()
}

#[test]
fn the_tour_of_the_readme_works_as_written() {
    if Command::new("sqlite3").arg("--version").output().is_err() {
        println!("SKIPPED: sqlite3 is not installed, the tour was not tried");
        assert!(std::env::var_os("CI").is_none(), "sqlite3 is not installed");
        return;
    }
    let folder = tempfile::tempdir().expect("a directory");
    let dir = folder.path();
    let mut tried = 0;
    for (language, text) in blocks() {
        if language != "sh" {
            // The first line is the file's name behind the comment's sign.
            let name = text.lines().next().expect("a name").trim_start_matches(['#', '-', ' ']);
            let path = dir.join(name);
            std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
            std::fs::write(path, &text).expect("a file");
            continue;
        }
        let mut exported = String::new();
        for line in text.lines() {
            if line.starts_with("export ") {
                exported = format!("{}\n", line);
            }
            let answer = |command: &str| shell(dir, &format!("{exported}{command}"));
            let mut line = line.to_owned();
            if line.contains("<hash>") {
                let plan: serde_json::Value = serde_json::from_str(&answer("retentiond plan --format json")).expect("a plan");
                line = line.replace("<hash>", plan[0]["plan"].as_str().expect("a hash"));
            }
            if line.contains("<public key>") {
                line = line.replace("<public key>", answer("retentiond journal key").trim());
            }
            let said = answer(&line);
            tried += 1;
            // Prospects of more than 36 months and clients of more than 60 are due: 51 and 8; then one of them is held.
            let expected = if line.contains("retentiond plan") {
                "→ 59 to anonymise"
            } else if line.contains("retentiond enforce") {
                "person.anonymise   58       58"
            } else if line.contains("journal verify") {
                "The journal is sound"
            } else {
                ""
            };
            assert!(said.contains(expected), "{line}\n{said}");
        }
    }
    assert_eq!(tried, 13);
    let draft = shell(dir, "retentiond map --source crm --url sqlite:crm.db");
    assert!(draft.contains("last_name = "), "{draft}");
}
