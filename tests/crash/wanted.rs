//! What the environment asks for, and the settings of runs that are to be broken.

use retentiond::enforce::{Pace, Settings};
use retentiond::plan::schema::Engine;

use crate::enforcement::unlimited;

/// The engines that were asked for.
pub fn engines() -> Vec<Engine> {
    let all = [Engine::Postgres, Engine::MariaDb, Engine::MySql, Engine::Sqlite];
    let asked = std::env::var("RETENTIOND_CRASH_ENGINES").unwrap_or_else(|_| "postgres,mariadb,sqlite".to_owned());
    let names = ["postgres", "mariadb", "mysql", "sqlite"];
    let chosen = all.into_iter().zip(names).filter(|(_, name)| asked.split(',').any(|a| a == *name));
    chosen.map(|(engine, _)| engine).collect()
}

/// How many workers the runs have that are broken: one and three, or what `RETENTIOND_WORKERS` names. SQLite has one writer.
pub fn crews(engine: Engine) -> Vec<usize> {
    let asked = std::env::var("RETENTIOND_WORKERS").unwrap_or_else(|_| "1,3".to_owned());
    let all = asked.split(',').map(|n| n.parse().unwrap_or_else(|_| panic!("RETENTIOND_WORKERS: {n}")));
    all.filter(|n| *n == 1 || engine != Engine::Sqlite).collect()
}

/// A number from the environment.
pub fn asked(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

/// Batches of so many records at first, and of so many rows at most, however long they take; keys are looked up in more than one go, or not at all.
pub fn batches(first: usize, largest: usize) -> Settings {
    let target_time = std::time::Duration::from_secs(5);
    Settings { first_batch: first, largest_batch: largest, chunk: first as u64, target_time, ..unlimited() }
}

/// A run that is to be broken: several workers have so little in hand at once that each finds something.
pub fn work(workers: usize, pace: Pace) -> Settings {
    let (first, largest) = if workers > 1 { (2, 6) } else { (4, 16) };
    Settings { workers, pace, ..batches(first, largest) }
}
