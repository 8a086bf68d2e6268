//! Watching a child's system calls with strace, and stepping in at one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;

use retentiond::enforce::Pace;

use crate::chance::Chance;
use crate::child::{FAILED, command};
use crate::stage::Stage;

/// What happens at a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The process dies before the call is carried out.
    Kill,
    /// This call and all after it answer that the disk is full.
    NoSpace,
    /// This call alone answers that the disk failed.
    Failed,
}

/// A system call of a run: the nth of a thread, on one file or on any socket.
#[derive(Debug, Clone)]
pub struct Point {
    pub call: String,
    pub path: Option<String>,
    pub nth: usize,
}

impl Point {
    /// Whether the call was made on an object when it was listed; when it is met it may be on another file, as threads share the work otherwise.
    pub fn is_of_an_object(&self) -> bool {
        self.path.as_deref() == Some(AN_OBJECT)
    }
}

/// Stands for any object of the archive: their names differ from run to run. Such a point is the nth call of a thread on whatever file.
const AN_OBJECT: &str = "an object";

/// How a traced child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Killed,
    /// With an error that it reported.
    Error,
    /// As if nothing had happened.
    Complete,
}

/// Whether processes can be traced here; loudly, if not.
pub fn available() -> bool {
    let works = std::process::Command::new("strace").args(["-f", "-qq", "-o", "/dev/null", "true"]).status();
    if works.is_ok_and(|status| status.success()) {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "strace must be there and allowed to trace in CI (tests/support/install.sh)");
    eprintln!("SKIPPED: strace is missing or may not trace; nothing was tested at system calls");
    false
}

/// Runs a child to its end and lists these calls on files of the stage and on sockets, and how many there were. Where several threads make
/// the same call on the same file there are fewer points than calls: strace counts each thread for itself, and the first one that gets there is met.
pub fn points(stage: &Stage, calls: &str) -> (Vec<Point>, usize) {
    let log = stage.scratch("trace");
    let mut before = strace(&log, calls);
    before.push("-y".to_owned());
    let output = command(stage, Pace::Full, &before).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let folders = [stage.state_dir(), stage.file().parent().map(Path::to_path_buf).unwrap_or_default()];
    let mut counts: BTreeMap<(String, Option<String>, String), usize> = BTreeMap::new();
    let archive = stage.scratch("archive-evidence").display().to_string();
    let (mut calls_of, mut objects) = (BTreeMap::<(String, String), usize>::new(), BTreeSet::new());
    for line in std::fs::read_to_string(&log).unwrap().lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Some((call, args)) = rest.trim_start().split_once('(') else { continue };
        if call.starts_with('<') {
            continue;
        }
        let path = match args.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next(),
            None => args.split_once('<').and_then(|(_, rest)| rest.split('>').next()),
        };
        let Some(path) = path else { continue };
        let ours = path.starts_with('/') && folders.iter().any(|f| f.is_absolute() && Path::new(path).starts_with(f));
        let of_thread = calls_of.entry((call.to_owned(), thread.to_owned())).or_default();
        *of_thread += 1;
        if path.starts_with(&archive) {
            objects.insert((call.to_owned(), *of_thread));
            continue;
        }
        let path = match (ours, path.starts_with("socket:") || path.starts_with("TCP")) {
            (true, _) => Some(path.to_owned()),
            (_, true) => None,
            _ => continue,
        };
        *counts.entry((call.to_owned(), path, thread.to_owned())).or_default() += 1;
    }
    let total = counts.values().sum::<usize>() + objects.len();
    let mut most: BTreeMap<(String, Option<String>), usize> = BTreeMap::new();
    for ((call, path, _), n) in counts {
        let most = most.entry((call, path)).or_default();
        *most = n.max(*most);
    }
    let all = most
        .into_iter()
        .flat_map(|((call, path), most)| (1..=most).map(move |nth| Point { call: call.clone(), path: path.clone(), nth }));
    let objects = objects.into_iter().map(|(call, nth)| Point { call, path: Some(AN_OBJECT.to_owned()), nth });
    (all.chain(objects).collect(), total)
}

/// Runs a child with something happening at one of its calls.
pub fn strike(stage: &Stage, point: &Point, effect: Effect) -> End {
    let mut before = strace(&stage.scratch("trace"), &point.call);
    let (what, more) = match effect {
        Effect::Kill => ("signal=KILL", ""),
        Effect::NoSpace => ("error=ENOSPC", "+"),
        Effect::Failed => ("error=EIO", ""),
    };
    before.push("-e".to_owned());
    before.push(format!("inject={}:{what}:when={}{more}", point.call, point.nth));
    if let Some(path) = point.path.as_ref().filter(|_| !point.is_of_an_object()) {
        before.extend(["-P".to_owned(), path.clone()]);
    }
    let output = command(stage, Pace::Full, &before).output().unwrap();
    match (output.status.signal(), output.status.code()) {
        (Some(9), _) | (_, Some(137)) => End::Killed,
        (_, Some(0)) => End::Complete,
        (_, Some(FAILED)) => End::Error,
        _ => panic!("{point:?} {effect:?}: {} {}", output.status, String::from_utf8_lossy(&output.stdout)),
    }
}

fn strace(log: &Path, calls: &str) -> Vec<String> {
    let words = ["strace", "-f", "-qq", "-e", "signal=none", "-e", &format!("trace={calls}"), "-o", &log.display().to_string()];
    words.iter().map(|w| (*w).to_owned()).collect()
}

/// Those that are asked for by `RETENTIOND_STRACE`: all, or so many.
pub fn chosen(all: &[Point], otherwise: usize, seed: u64) -> Vec<Point> {
    let asked = std::env::var("RETENTIOND_STRACE").unwrap_or_default();
    let n = if asked == "all" { all.len() } else { asked.parse().unwrap_or(otherwise).min(all.len()) };
    // One of each nth part, so that few cover the whole.
    let mut chance = Chance::new(seed);
    let pick = |i: usize| {
        let (from, to) = (i * all.len() / n, (i + 1) * all.len() / n);
        from + usize::try_from(chance.next() % u64::try_from(to - from).unwrap()).unwrap()
    };
    (0..n).map(pick).map(|i| all[i].clone()).collect()
}
