//! The process that enforces and dies: this test binary again, which runs one test that is none.

use std::io::BufRead as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use retentiond::enforce::Pace;
use retentiond::source::Target;

use crate::asks::both_rules;
use crate::scene::scene_rules;
use crate::stage::{Inside, Stage};
use crate::wanted::work;

const CHILD: &str = "RETENTIOND_TEST_CRASH_CHILD";

/// What a child says when it begins, and when plan and fence are ready.
pub const STARTING: &str = "starting";
pub const WORKING: &str = "working";

/// The exit code of a run that ended with an error, as opposed to a panic.
pub const FAILED: i32 = 70;

/// Runs only as a child of the other tests.
#[test]
fn child_that_enforces_until_something_happens() {
    let Ok(args) = std::env::var(CHILD) else { return };
    let mut args = args.lines();
    let (url, state) = (args.next().unwrap(), args.next().unwrap());
    let workers = args.next().unwrap().parse().unwrap();
    let pace = if args.next() == Some("gentle") { Pace::Gentle } else { Pace::Full };
    let there = args.next().filter(|url| !url.is_empty());
    let rules = if there.is_some() { both_rules().0 } else { scene_rules() };
    println!("{STARTING}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let result = runtime.block_on(async {
        let inside = Inside::open(Path::new(state), &Target::new(url), there).await?;
        // One connection is left to the engine, and with it one thread that writes the state: strace counts each thread's calls for itself.
        let mut others = Vec::new();
        while args.next() == Some("alone") && others.len() < 3 {
            others.push(inside.state.pool().acquire().await.unwrap());
        }
        let result = match inside.prepare(&rules).await {
            Ok((prepared, fence)) => {
                println!("{WORKING}");
                inside.work(&prepared, fence, work(workers, pace)).await
            }
            Err(e) => Err(e),
        };
        drop(others);
        inside.leave().await;
        result
    });
    match result {
        Ok(_) => println!("ended"),
        Err(e) => {
            println!("error: {e}");
            std::process::exit(FAILED);
        }
    }
}

/// A child that will enforce this stage; `before` goes in front of its command line.
pub fn command(stage: &Stage, pace: Pace, before: &[String]) -> Command {
    let own = std::env::current_exe().unwrap();
    let mut command = match before.split_first() {
        Some((program, args)) => {
            let mut command = Command::new(program);
            command.args(args).arg(own);
            command
        }
        None => Command::new(own),
    };
    command
        .args(["--exact", "child::child_that_enforces_until_something_happens", "--nocapture", "--test-threads=1"])
        .env(
            CHILD,
            format!(
                "{}\n{}\n{}\n{}\n{}{}",
                stage.url(),
                stage.state_dir().display(),
                stage.workers,
                if pace == Pace::Gentle { "gentle" } else { "full" },
                stage.url_there().unwrap_or_default(),
                if before.is_empty() { "" } else { "\nalone\nalone\nalone" }
            ),
        )
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

/// Starts a child and waits until it says that word.
pub fn start(stage: &Stage, pace: Pace, until: &str) -> Child {
    let mut child = command(stage, pace, &[]).spawn().unwrap();
    let mut lines = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains(until) {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "the child says that it is {until}");
    }
    // What else it says is not waited for, but must not find a closed pipe.
    child.stdout = Some(lines.into_inner());
    child
}
