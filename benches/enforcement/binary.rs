//! The release binary as an operator calls it: a settings file, `init`, the setup script, `plan`, `enforce`.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::NaiveDate;
use retentiond::clock::{Clock as _, SystemClock};

use super::Outcome;
use super::base::Base;
use super::product::{RECIPIENT, setup};
use super::rules::{Task, rules};

/// How often a process is asked for its peak.
const ASKED_EVERY: Duration = Duration::from_millis(2);

/// An installation of its own, ready to run.
pub struct Installation {
    folder: tempfile::TempDir,
}

/// One call.
pub struct Called {
    /// From its start to its end.
    pub seconds: f64,
    /// The most memory that it held at any time, in MiB.
    pub peak_mib: f64,
    /// What it printed.
    pub output: String,
}

impl Installation {
    /// Writes the files, creates state and keys, runs the setup script. Periods count from today, so that the same rows are due on every day.
    pub async fn new(base: &Base, task: Task, slots: u16) -> Outcome<Self> {
        // Archives are filled in maintenance windows, whose batches are the largest.
        let pace = if task == Task::Archive { "full" } else { "gentle" };
        let folder = tempfile::Builder::new().prefix("installed-").tempdir_in(base.dir())?;
        let cut = NaiveDate::from_ymd_opt(2023, 1, 1).ok_or("a day")?;
        let days = (SystemClock.now().date_naive() - cut).num_days();
        let rules = rules(task, Some(&format!("{days} days")))?;
        let settings = format!(
            "state = \"state\"\nactors = [\"dpo\"]\nlanguage = \"en\"\npolicies = [\"policy.toml\"]\n\n[ceilings]\nshare_percent = 100\n\n\
             [archives.evidence]\ndirectory = \"archive\"\nrecipients = [\"{RECIPIENT}\"]\n\n\
             [sources.bench]\nmap = \"map.toml\"\nurl = \"{}\"\npace = \"{pace}\"\n",
            base.url()
        );
        for (name, text) in [("map.toml", &rules.map_text), ("policy.toml", &rules.policy_text), ("retentiond.toml", &settings)] {
            std::fs::write(folder.path().join(name), text)?;
        }
        let mut client = base.client().await?;
        client.run(&setup(base, slots)?).await?;
        client.close().await?;
        let installation = Self { folder };
        installation.call(&["init"])?;
        Ok(installation)
    }

    /// How many objects lie in its archive.
    pub fn objects(&self) -> Outcome<usize> {
        let out = Command::new("find").arg(self.folder.path().join("archive")).args(["-name", "*.age"]).output()?;
        Ok(String::from_utf8(out.stdout)?.lines().count())
    }

    /// Calls the program and watches its memory; any exit code but 0 is an error.
    pub fn call(&self, arguments: &[&str]) -> Outcome<Called> {
        let output = self.folder.path().join("output");
        let begun = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_retentiond"))
            .arg("--config")
            .arg(self.folder.path().join("retentiond.toml"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(&output)?)
            .spawn()?;
        let (ended, peak) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let status = PathBuf::from(format!("/proc/{}/status", child.id()));
        let watcher = {
            let (ended, peak) = (Arc::clone(&ended), Arc::clone(&peak));
            std::thread::spawn(move || {
                while !ended.load(Ordering::Relaxed) {
                    if let Some(kib) = std::fs::read_to_string(&status).ok().and_then(|text| peak_kib(&text)) {
                        peak.fetch_max(kib, Ordering::Relaxed);
                    }
                    std::thread::sleep(ASKED_EVERY);
                }
            })
        };
        let status = child.wait();
        let seconds = begun.elapsed().as_secs_f64();
        ended.store(true, Ordering::Relaxed);
        watcher.join().map_err(|_| "the watcher panicked")?;
        let output = std::fs::read_to_string(&output)?;
        if !status?.success() {
            return Err(format!("retentiond {}: {output}", arguments.join(" ")).into());
        }
        Ok(Called { seconds, peak_mib: peak.load(Ordering::Relaxed) as f64 / 1024.0, output })
    }

    /// Shows the plan and carries it out: both calls, and how many records changed.
    pub fn plan_and_enforce(&self) -> Outcome<(Called, Called, u64)> {
        let plan = self.call(&["plan", "--source", "bench", "--format", "json"])?;
        let said: serde_json::Value = serde_json::from_str(&plan.output)?;
        let hash = said[0]["plan"].as_str().ok_or("the plan has no hash")?.to_owned();
        let run = self.call(&["enforce", "--source", "bench", "--plan", &hash, "--format", "json"])?;
        let did: serde_json::Value = serde_json::from_str(&run.output)?;
        let actions = did[0]["outcome"]["actions"].as_array().cloned().unwrap_or_default();
        let changed = actions.iter().filter_map(|a| a["changed"].as_u64()).sum();
        Ok((plan, run, changed))
    }
}

/// `VmHWM` of `/proc/<pid>/status`: the peak of what was resident.
fn peak_kib(status: &str) -> Option<u64> {
    status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?.split_whitespace().next()?.parse().ok()
}
