//! The server is restarted in the middle of a batch, beside a foreign transaction that was committed in time or was still open.

use std::future::Future;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use retentiond::enforce::{Point, Silent, Watch};
use retentiond::journal::Event;
use retentiond::plan::schema::Engine;

use crate::changes::hold_table;
use crate::enforcement::{Fixture, unlimited};
use crate::model::{Fate, Snapshot};
use crate::scene::{Shape, TARGET, fixture_now};
use crate::session::Wire;
use crate::support::{TestDatabase, database_at};

/// Servers of this test's own, stopped with this value.
struct Servers {
    folder: PathBuf,
    script: PathBuf,
    /// Those that were started again, by this process.
    again: Mutex<Vec<Child>>,
}

impl Servers {
    fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/servers.sh");
        let folder = Command::new("mktemp").args(["-d", "/tmp/retentiond-races.XXXXXX"]).output().unwrap();
        let folder = PathBuf::from(String::from_utf8(folder.stdout).unwrap().trim());
        let opened = Command::new("chmod").arg("755").arg(&folder).status().unwrap();
        let servers = Self { folder, script, again: Mutex::new(Vec::new()) };
        // The servers' own accounts need not be able to write to the place for temporary files of this one.
        let mut start = Command::new(&servers.script);
        let started = start.arg("start").arg(&servers.folder).env_remove("TMPDIR").status().unwrap();
        assert!(opened.success() && started.success());
        servers
    }

    fn admin(&self, engine: Engine) -> String {
        let env = std::fs::read_to_string(self.folder.join("env")).unwrap();
        let variable = if engine == Engine::Postgres { "RETENTIOND_TEST_POSTGRES=" } else { "RETENTIOND_TEST_MARIADB=" };
        let line = env.lines().find_map(|l| l.strip_prefix("export ")?.strip_prefix(variable)).unwrap();
        line.trim_matches('\'').to_owned()
    }

    /// Ends a server as its administrator does, not waiting for its clients, and starts it again as it was.
    fn restart(&self, engine: Engine) {
        let (file, signal) =
            if engine == Engine::Postgres { ("postgres/data/postmaster.pid", "-INT") } else { ("mariadb/pid", "-TERM") };
        let pid = std::fs::read_to_string(self.folder.join(file)).unwrap().lines().next().unwrap().trim().to_owned();
        let process = PathBuf::from("/proc").join(&pid);
        let command = String::from_utf8(std::fs::read(process.join("cmdline")).unwrap()).unwrap();
        let words: Vec<&str> = command.split('\0').filter(|w| !w.is_empty()).collect();
        let owner = std::fs::metadata(&process).unwrap();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        let since = Instant::now();
        let mut again = self.again.lock().unwrap();
        while process.join("cmdline").exists() && !std::fs::read(process.join("cmdline")).unwrap_or_default().is_empty() {
            assert!(since.elapsed() < Duration::from_secs(300), "the server does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
        again.iter_mut().for_each(|c| drop(c.try_wait()));
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).env_remove("TMPDIR").process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if owner.uid() != std::fs::metadata("/proc/self").unwrap().uid() {
            command.uid(owner.uid()).gid(owner.gid());
        }
        again.push(command.spawn().unwrap());
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        let Ok(mut stop) = Command::new(&self.script).arg("stop").arg(&self.folder).spawn() else { return };
        // A child that has ended still has its number until somebody asks how.
        while matches!(stop.try_wait(), Ok(None)) {
            self.again.get_mut().unwrap().iter_mut().for_each(|c| drop(c.try_wait()));
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

async fn connected(engine: Engine, url: &str) -> Wire {
    let since = Instant::now();
    loop {
        match Wire::connect(engine, url).await {
            Ok(wire) => return wire,
            Err(e) => assert!(since.elapsed() < Duration::from_secs(300), "the server does not come back: {e}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Restarts the server at one point, once; before that a foreign transaction changes the target.
struct Restarting<'a> {
    servers: &'a Servers,
    engine: Engine,
    url: &'a str,
    point: Point,
    action: &'a str,
    change: &'a str,
    committed: bool,
    left: Mutex<[bool; 2]>,
    open: Mutex<Option<Wire>>,
}

impl Restarting<'_> {
    fn first(&self, which: usize) -> bool {
        std::mem::take(&mut self.left.lock().unwrap()[which])
    }
}

impl Watch for Restarting<'_> {
    fn at<'b>(&'b self, point: Point, action: &'b str) -> Pin<Box<dyn Future<Output = ()> + Send + 'b>> {
        Box::pin(async move {
            if action != self.action {
                return;
            }
            if point == Point::Found && self.first(0) {
                let mut wire = Wire::connect(self.engine, self.url).await.unwrap();
                let end = if self.committed { "; COMMIT" } else { "" };
                wire.execute(&format!("BEGIN; {}{end}", self.change)).await.unwrap();
                *self.open.lock().unwrap() = Some(wire);
            }
            if point == self.point && self.first(1) {
                self.servers.restart(self.engine);
                connected(self.engine, self.url).await;
            }
        })
    }
}

async fn scene(engine: Engine, url: &str, shape: Shape) -> Snapshot {
    let mut wire = connected(engine, url).await;
    Snapshot::new(wire.rows(&shape.snapshot(engine, hold_table(engine))).await.unwrap())
}

async fn restarted(servers: &Servers, engine: Engine, db: &TestDatabase, shape: Shape, point: Point, committed: bool) {
    let place =
        format!("{} {shape:?} at {point:?}, the application {}", engine.name(), if committed { "in time" } else { "open" });
    db.run_sql(&shape.schema(engine)).await;
    let fixture = Fixture::new(engine, db, "crm", fixture_now()).await;
    db.run_sql(&shape.fill(hold_table(engine))).await;
    let rules = shape.rules(false);
    let action = shape.actions().pop().unwrap();
    let change = format!("UPDATE {} SET seen = '2026-01-01' WHERE id = {TARGET}", shape.root());
    let watch = Restarting {
        servers,
        engine,
        url: &db.url,
        point,
        action: &action,
        change: &change,
        committed,
        left: Mutex::new([true; 2]),
        open: Mutex::new(None),
    };
    // It goes on over new connections, or ends with an error; either way the next run finishes.
    let first = fixture.run_with(&rules, unlimited(), &watch).await;
    let first = first.map_or_else(|e| e.to_string(), |o| format!("{} changed", o.changed()));
    assert_eq!(*watch.left.lock().unwrap(), [false; 2], "{place}: {first}");
    drop(watch.open.lock().unwrap().take());
    let quiet = fixture.run_with(&rules, unlimited(), &Silent).await.unwrap_or_else(|e| panic!("{place}: {first}, then {e}"));
    assert_eq!(quiet.failed() + quiet.busy(), 0, "{place}");
    let after = scene(engine, &db.url, shape).await;
    assert_eq!(after.due(shape), Vec::new(), "{place}: {first}");
    let fate = after.fate(shape, shape.root(), TARGET);
    assert_eq!(fate, if committed { Fate::Kept } else { Fate::Done }, "{place}: {first}");
    let entries = fixture.journal.reader().entries(0, 5_000).await.unwrap();
    let mut applied: Vec<String> = entries
        .into_iter()
        .filter_map(|e| if let Event::Applied { batch, .. } = e.event { Some(batch.to_string()) } else { None })
        .collect();
    let table = hold_table(engine).replace("hold", "ledger");
    let rows = connected(engine, &db.url).await.rows(&format!("SELECT batch FROM {table}")).await.unwrap();
    let mut ledger: Vec<String> = rows.into_iter().map(|r| r[0].clone().unwrap()).collect();
    applied.sort();
    ledger.sort();
    assert_eq!(applied, ledger, "{place}: {first}");
    eprintln!("{place}: {first}");
}

#[test]
fn a_restart_of_the_server_loses_no_change_and_leaves_nothing_due() {
    let all = std::env::var("RETENTIOND_SCHEDULES").is_ok();
    let servers = Servers::start();
    std::thread::scope(|scope| {
        for engine in [Engine::Postgres, Engine::MariaDb] {
            let servers = &servers;
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let (points, shapes): (&[Point], &[Shape]) = if all {
                        let shapes = &[Shape::OwnDelete, Shape::LatestOf, Shape::Followers, Shape::Needed];
                        (&[Point::Found, Point::Intended, Point::Fenced, Point::Locked, Point::Acted, Point::Committed], shapes)
                    } else {
                        (&[Point::Locked, Point::Acted], &[Shape::Followers])
                    };
                    for shape in shapes {
                        for point in points {
                            for committed in [true, false] {
                                let db = database_at(engine, &servers.admin(engine)).await;
                                restarted(servers, engine, &db, *shape, *point, committed).await;
                            }
                        }
                    }
                });
            });
        }
    });
}
