//! A process that dies leaves no copy of its memory.

use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Starts the program so that it waits for its settings, which come through a pipe, kills it there, and says what was seen.
fn killed_by(signal: &str) -> (String, bool, Vec<String>) {
    let dir = tempfile::tempdir().expect("a folder");
    let settings = dir.path().join("retentiond.toml");
    assert!(Command::new("mkfifo").arg(&settings).status().expect("mkfifo").success());
    let mut child = Command::new("sh")
        .args([
            "-c",
            // Whoever runs the tests in the background may ignore SIGQUIT, and so would every child.
            "ulimit -S -c $(ulimit -H -c); exec env --default-signal \"$0\" --config retentiond.toml check",
            env!("CARGO_BIN_EXE_retentiond"),
        ])
        .current_dir(dir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program");
    // Opening succeeds when the program reads, which it does after it forbade core dumps.
    let mut pipe = std::fs::OpenOptions::new().write(true).open(&settings).expect("the pipe");
    pipe.write_all(b"# a personal value on its way\n").expect("written");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).expect("its limits");
    let core = limits.lines().find(|l| l.starts_with("Max core file size")).expect("a limit of core files").to_owned();
    std::thread::sleep(Duration::from_millis(20));
    let pid = child.id().to_string();
    // A stack overflow is told apart by the runtime, which lets the first SIGSEGV pass.
    let mut status = None;
    for _ in 0..500 {
        let _ = Command::new("kill").args([signal, &pid]).status().expect("kill");
        std::thread::sleep(Duration::from_millis(10));
        status = child.try_wait().expect("its state");
        if status.is_some() {
            break;
        }
    }
    let status = status.expect("its end");
    drop(pipe);
    assert!(status.signal().is_some(), "{status:?}");
    let files = std::fs::read_dir(dir.path()).expect("the folder").map(|f| f.expect("a file").file_name().display().to_string());
    (core, status.core_dumped(), files.filter(|name| name != "retentiond.toml").collect())
}

#[test]
fn a_process_that_is_killed_leaves_no_core() {
    for signal in ["-ABRT", "-SEGV", "-QUIT", "-ILL"] {
        let (limit, dumped, files) = killed_by(signal);
        let words: Vec<&str> = limit.split_whitespace().skip(4).collect();
        assert_eq!(words, ["0", "0", "bytes"], "{limit}");
        assert!(!dumped && files.is_empty(), "{signal}: dumped {dumped}, {files:?}");
    }
}
