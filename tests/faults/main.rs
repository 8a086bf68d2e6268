//! Every fault of a policy, a data map or the settings, as a person reads it: place, excerpt, what is expected, the nearest name.
//!
//! The messages stand in `cases/*.txt`. `UPDATE=1 cargo test --test faults` writes them anew; read the difference before it is committed.

mod case;
mod hostile;

use std::path::Path;
use std::process::{Command, Output};

use case::{Case, parse, render};

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults");
const FILES: [&str; 4] = ["retentiond.toml", "map.toml", "policy.toml", "billing.toml"];

/// A folder with the base files.
fn workspace() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for file in FILES {
        std::fs::copy(format!("{HERE}/base/{file}"), dir.path().join(file)).expect("a base file");
    }
    dir
}

fn check(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_retentiond"))
        .current_dir(dir)
        .env_clear()
        .args(["--config", "retentiond.toml", "check"])
        .args(args)
        .output()
        .expect("the program")
}

/// The database that the base files describe.
fn database(dir: &Path) {
    let sql = std::fs::read_to_string(format!("{HERE}/base/schema.sql")).expect("the schema");
    let path = dir.join("crm.db");
    std::fs::File::create(&path).expect("an empty file");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        use sqlx::{Connection as _, Executor as _};
        let mut c = sqlx::SqliteConnection::connect(&format!("sqlite:{}", path.display())).await.expect("SQLite");
        c.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql))).await.expect("the schema");
        c.close().await.expect("closed");
    });
}

fn played(case: &Case) -> String {
    let dir = workspace();
    case.apply(dir.path());
    let live = case.live();
    if live {
        database(dir.path());
    }
    let output = check(dir.path(), if live { &[] } else { &["--offline"] });
    let text = String::from_utf8(output.stderr).expect("UTF-8");
    let code = output.status.code();
    let warned = code == Some(0) && text.contains("warning: ");
    if code != Some(78) && !warned {
        return format!("NO FAULT: exit {code:?}");
    }
    text.lines().map(|l| format!("{}\n", l.trim_end())).collect::<String>().trim_end().to_owned()
}

#[test]
fn the_base_files_are_right() {
    let dir = workspace();
    database(dir.path());
    let output = check(dir.path(), &["--offline"]);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
}

#[test]
fn every_fault_says_what_is_wrong_where_and_what_is_expected() {
    let update = std::env::var_os("UPDATE").is_some();
    let (mut wrong, mut all, mut names) = (Vec::new(), 0, std::collections::BTreeSet::new());
    let mut paths: Vec<_> = std::fs::read_dir(format!("{HERE}/cases")).expect("cases").flatten().map(|e| e.path()).collect();
    paths.sort();
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("a case file");
        let (head, mut cases) = parse(&text);
        let half = cases.len().div_ceil(2);
        let new: Vec<String> = std::thread::scope(|s| {
            let threads: Vec<_> =
                cases.chunks(half.max(1)).map(|c| s.spawn(|| c.iter().map(played).collect::<Vec<_>>())).collect();
            threads.into_iter().flat_map(|t| t.join().expect("the cases of a file")).collect()
        });
        for (case, new) in cases.iter_mut().zip(new) {
            all += 1;
            assert!(names.insert(case.name.clone()), "two cases are called {:?}", case.name);
            if case.output != new && !update {
                wrong.push(format!("{}: {}\nread:\n{new}\nexpected:\n{}\n", path.display(), case.name, case.output));
            }
            if new.starts_with("NO FAULT") {
                wrong.push(format!("{}: {new}", case.name));
            }
            case.output = new;
        }
        if update {
            std::fs::write(&path, render(&head, &cases)).expect("the case file");
        }
    }
    assert!(wrong.is_empty(), "{} of {all} differ\n\n{}", wrong.len(), wrong.join("\n"));
    assert!(all >= 400, "only {all} cases were found");
}
