//! The application beside a run: an open loop that updates random customers by key, on connections of its own.
//!
//! Each connection has a thread, which sleeps until a statement is due by the schedule; latency counts from that moment, so that a client that was
//! held up counts with everything that it could not send meanwhile.

use std::sync::{Arc, Barrier, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::base::Base;
use crate::client::Client;

/// One update.
pub struct Sample {
    /// When it should have been sent.
    pub scheduled: Instant,
    /// How long it took from then, in milliseconds.
    pub latency_ms: f64,
    /// Whether it succeeded.
    pub done: bool,
}

/// The application, running.
pub struct Application {
    /// When its schedule began.
    pub first: Instant,
    last: Arc<OnceLock<Instant>>,
    threads: Vec<JoinHandle<Outcome<Vec<Sample>>>>,
}

impl Application {
    /// Connects, and starts `rate` updates a second over so many connections.
    pub fn start(base: &Arc<Base>, rate: u32, connections: u32) -> Outcome<Self> {
        let (last, began) = (Arc::new(OnceLock::new()), Arc::new(OnceLock::new()));
        let ready = Arc::new(Barrier::new(connections as usize + 1));
        let threads = (0..connections)
            .map(|i| {
                let (base, last, began, ready) = (Arc::clone(base), Arc::clone(&last), Arc::clone(&began), Arc::clone(&ready));
                std::thread::spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                    let client = runtime.block_on(base.client());
                    ready.wait();
                    let first: Instant = *began.wait();
                    let interval = Duration::from_secs(1) * connections / rate;
                    let client = client?;
                    one(&runtime, client, base.rows, &last, first + interval * i / connections, interval, u64::from(i) + 1)
                })
            })
            .collect();
        ready.wait();
        let first = *began.get_or_init(|| Instant::now() + Duration::from_millis(50));
        Ok(Self { first, last, threads })
    }

    /// Ends it after the updates that are scheduled until now, however late they are, and returns what it saw.
    pub fn end(self) -> Outcome<Vec<Sample>> {
        self.last.get_or_init(Instant::now);
        let mut all = Vec::new();
        for thread in self.threads {
            all.extend(thread.join().map_err(|_| "the application panicked")??);
        }
        Ok(all)
    }
}

fn one(
    runtime: &tokio::runtime::Runtime,
    mut client: Client,
    customers: u64,
    last: &OnceLock<Instant>,
    first: Instant,
    interval: Duration,
    seed: u64,
) -> Outcome<Vec<Sample>> {
    let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut samples = Vec::new();
    let mut scheduled = first;
    while last.get().is_none_or(|last| scheduled <= *last) {
        if let Some(wait) = scheduled.checked_duration_since(Instant::now()) {
            std::thread::sleep(wait);
        }
        // A xorshift: the same customers in every run.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let id = i64::try_from(random % customers)? + 1;
        let done = runtime.block_on(client.touch(id, &format!("note {}", samples.len()))).is_ok_and(|there| there);
        samples.push(Sample { scheduled, latency_ms: scheduled.elapsed().as_secs_f64() * 1e3, done });
        scheduled += interval;
    }
    runtime.block_on(client.close())?;
    Ok(samples)
}
