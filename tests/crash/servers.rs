//! The database server killed with all its processes in the middle of a run, and started again.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use retentiond::enforce::EnforceError;
use retentiond::plan::schema::Engine;
use retentiond::source::Class;

use crate::chance::Chance;
use crate::cuts::through;
use crate::oracle::{Mark, Tally, judge};
use crate::proxy::Proxy;
use crate::stage::Stage;
use crate::support::database_on;
use crate::wanted::{asked, engines};

/// Servers of this test alone; stopped with this value.
struct Servers(tempfile::TempDir);

impl Servers {
    /// Starts them, or says why not.
    fn new() -> Option<Self> {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::Builder::new().prefix("retentiond-crash.").tempdir_in("/tmp").unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let servers = Self(dir);
        if servers.start() {
            return Some(servers);
        }
        assert!(std::env::var_os("CI").is_none(), "servers must start in CI (tests/support/servers.sh)");
        eprintln!("SKIPPED: servers cannot be started, none was killed");
        None
    }

    fn start(&self) -> bool {
        self.script("start")
    }

    fn script(&self, word: &str) -> bool {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/support/servers.sh");
        Command::new(script).arg(word).arg(self.0.path()).status().is_ok_and(|status| status.success())
    }

    /// The URL of an administrator, new with every start.
    fn url(&self, engine: Engine) -> String {
        let name = if engine == Engine::Postgres { "RETENTIOND_TEST_POSTGRES=" } else { "RETENTIOND_TEST_MARIADB=" };
        let env = std::fs::read_to_string(self.0.path().join("env")).unwrap();
        let line = env.lines().find_map(|line| line.strip_prefix("export ")?.strip_prefix(name)).unwrap();
        line.trim_matches('\'').to_owned()
    }

    /// Kills the server and every process of its own, as a power cut does.
    fn kill(&self, engine: Engine) {
        let file = if engine == Engine::Postgres { "postgres/data/postmaster.pid" } else { "mariadb/pid" };
        let text = std::fs::read_to_string(self.0.path().join(file)).unwrap();
        let pid = text.lines().next().unwrap().trim().to_owned();
        let mut all = vec![pid.clone()];
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            // After the name, which may contain anything: state, parent.
            let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1));
            if parent == Some(pid.as_str()) {
                all.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        assert!(Command::new("kill").arg("-KILL").args(&all).status().is_ok());
        while all.iter().any(|pid| running(pid)) {
            std::thread::sleep(Duration::from_millis(5));
        }
        // PostgreSQL takes a dead process that nobody has waited for yet (in a container, perhaps never) for a living one.
        let _ = std::fs::remove_file(self.0.path().join(file));
    }
}

/// Whether a process lives; one that only waits to be noticed does not.
fn running(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z') && !rest.starts_with('X'))
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.script("stop");
    }
}

#[tokio::test]
async fn a_run_whose_server_is_killed_goes_on_or_says_so_and_nothing_is_lost_or_done_twice() {
    let engines: Vec<Engine> = engines().into_iter().filter(|e| matches!(e, Engine::Postgres | Engine::MariaDb)).collect();
    if engines.is_empty() {
        return;
    }
    let Some(servers) = Servers::new() else { return };
    for engine in engines {
        let proxy = Proxy::new(&servers.url(engine));
        let db = database_on(engine, proxy.url(&servers.url(engine)), "killed".to_owned()).await;
        let stage = Stage::over(db, engine, 24).await;
        proxy.arm(None);
        through(&proxy, stage.url(), &stage).await.unwrap();
        let messages = i64::try_from(proxy.seen().0).unwrap();
        let mut chance = Chance::new(asked("RETENTIOND_SEED", 1));
        let (mut tally, mut complete, kills) = (Tally::new(), 0, asked("RETENTIOND_SERVER_KILLS", 2));
        for _ in 0..kills {
            stage.reset().await;
            proxy.arm(None);
            // Behind the start, which is half of so short a run.
            let nth = usize::try_from(chance.between(messages / 2, messages)).unwrap();
            let over = AtomicBool::new(false);
            let ended = std::thread::scope(|scope| {
                let killer = scope.spawn(|| {
                    while proxy.seen().0 < nth && !over.load(Ordering::SeqCst) {
                        std::thread::sleep(Duration::from_micros(200));
                    }
                    servers.kill(engine);
                    assert!(servers.start(), "the server starts again");
                    proxy.lead_to(&servers.url(engine));
                });
                let run = || {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                    runtime.block_on(through(&proxy, stage.url(), &stage))
                };
                let ended = scope.spawn(run).join().unwrap();
                over.store(true, Ordering::SeqCst);
                killer.join().unwrap();
                ended
            });
            match ended {
                Ok(()) => complete += 1,
                Err(EnforceError::Source(e)) if e.class() == Class::Lost => {}
                Err(e) => panic!("{e}"),
            }
            *tally.entry(judge(&stage, Mark::default()).await).or_default() += 1;
        }
        println!("{}: server killed {kills} times: {complete} runs went on to their end; {tally:?}", engine.name());
    }
}
