//! A run as people watch it: a line that moves on a terminal, plain lines elsewhere; Ctrl-C ends it after the batch.

use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::words::{self, count, number, pick};
use crate::config::Lang;
use crate::enforce::Watch;

/// Shows progress on standard error.
#[derive(Debug)]
pub struct Progress {
    stop: Arc<AtomicBool>,
    terminal: bool,
    quiet: bool,
    lang: Lang,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    due: u64,
    changed: u64,
    since: Instant,
    shown: Instant,
}

impl Progress {
    /// Progress that also listens for Ctrl-C, once for "finish the batch".
    #[must_use]
    pub fn listening(quiet: bool, lang: Lang) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let flag = stop.clone();
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                flag.store(true, Ordering::SeqCst);
                eprintln!("\n{}", pick(lang, "le lot en cours se termine…", "finishing the current batch…"));
            }
        });
        let now = Instant::now();
        Self {
            stop,
            terminal: std::io::stderr().is_terminal(),
            quiet,
            lang,
            current: Mutex::new(Current { due: 0, changed: 0, since: now, shown: now }),
        }
    }
}

impl Progress {
    /// Ends the run as Ctrl-C does.
    pub fn end(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

impl Watch for Progress {
    fn begins(&self, action: &str, due: u64) {
        let now = Instant::now();
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Current { due, changed: 0, since: now, shown: now };
        if !self.quiet && !self.terminal {
            let (colon, lang) = (words::colon(self.lang), self.lang);
            let due = count(due, lang, ("enregistrement échu", "enregistrements échus"), ("record due", "records due"));
            eprintln!("{action}{colon} {due}");
        }
    }

    fn changed(&self, action: &str, rows: u64) {
        let mut c = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        c.changed += rows;
        let every = if self.terminal { Duration::from_millis(200) } else { Duration::from_secs(10) };
        if self.quiet || c.shown.elapsed() < every {
            return;
        }
        c.shown = Instant::now();
        let seconds = c.since.elapsed().as_secs_f64().max(0.001);
        let rate = c.changed as f64 / seconds;
        let left = (c.due.saturating_sub(c.changed)) as f64 / rate.max(0.001);
        let n = |x: f64| number(x.round() as u64, self.lang);
        let (changed, due, rate, left) = (n(c.changed as f64), n(c.due as f64), n(rate), n(left));
        let line = match self.lang {
            Lang::Fr => format!("{action}\u{a0}: {changed} lignes sur {due}, {rate} lignes/s, encore {left} s"),
            Lang::En => format!("{action}: {changed} of {due} rows, {rate} rows/s, {left} s left"),
        };
        if self.terminal {
            eprint!("\r\x1b[K{line}");
            if c.changed >= c.due {
                eprint!("\r\x1b[K");
            }
            let _ = std::io::stderr().flush();
        } else {
            eprintln!("{line}");
        }
    }

    fn stop(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}
