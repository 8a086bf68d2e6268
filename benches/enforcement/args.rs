//! What is asked.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use retentiond::enforce::{Ceilings, Settings};
use retentiond::plan::schema::Engine;

use super::Outcome;

/// Measures one work on one engine.
#[derive(Debug, Clone, Parser)]
#[command(name = "bench/run")]
pub struct Args {
    /// The database engine.
    #[arg(long, value_enum, default_value = "postgres")]
    engine: EngineArg,
    /// What is measured.
    #[arg(long, value_enum)]
    pub work: Work,
    /// Customers (N); a multiple of 5. Interactions are three times as many, contracts as many. 1,000,000 unless given; the journal's records
    /// 500,000, the cold start's 100,000.
    #[arg(long = "rows")]
    asked: Option<u64>,
    /// The same, settled.
    #[arg(skip)]
    pub rows: u64,
    /// Rounds; the figures are their medians.
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
    /// Connections that work at once in a run.
    #[arg(long, default_value_t = 1)]
    pub workers: u16,
    /// Where servers, data and results are.
    #[arg(long)]
    pub dir: PathBuf,
    /// The larger size of nightly, memory and census, as a multiple of N.
    #[arg(long, default_value_t = 5)]
    pub factor: u64,
    /// The application's updates a second (SQLite: 50 unless given, on one connection).
    #[arg(long)]
    rate: Option<u32>,
    /// The application's connections.
    #[arg(long)]
    connections: Option<u32>,
    /// Seconds that the application runs alone before each run.
    #[arg(long, default_value_t = 5)]
    pub idle: u64,
    /// SQLite: the page cache of the reference's connection.
    #[arg(long, default_value_t = 512)]
    pub sqlite_cache_mb: u32,
    /// The engine's batch settings, instead of those of the mode that the work asks for.
    #[arg(long)]
    first_batch: Option<usize>,
    /// See `--first-batch`.
    #[arg(long)]
    largest_batch: Option<usize>,
    /// See `--first-batch`.
    #[arg(long)]
    target_ms: Option<u64>,
    /// See `--first-batch`.
    #[arg(long)]
    chunk: Option<u64>,
    /// Cargo adds it.
    #[arg(long, hide = true)]
    bench: bool,
}

/// The engines.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum EngineArg {
    Postgres,
    Mariadb,
    Sqlite,
}

/// The works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Work {
    /// Six columns of a fifth of the customers, scattered over all pages.
    Anonymise,
    /// The oldest fifth of the interactions, physically together.
    Delete,
    /// As anonymise, where the start is the latest interaction.
    AnonymiseChildren,
    /// Due customers with their interactions and contracts.
    Cascade,
    /// Delete, beside pt-archiver's best setting (MariaDB).
    Ptarchiver,
    /// Delete, with everything sealed into an archive first, beside a plain copy into a file (PostgreSQL), or pt-archiver's (MariaDB).
    Archive,
    /// The application's latency beside a run.
    Latency,
    /// A run when nothing, and when 0.1 %, is due.
    Nightly,
    /// Peak memory of the program.
    Memory,
    /// The same, where everything is sealed into an archive.
    MemoryArchive,
    /// Plan and census beside one count.
    Census,
    /// Appends to the journal.
    Journal,
    /// The program from start to end on a SQLite file.
    ColdStart,
}

impl Work {
    /// Its name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map(|v| v.get_name().to_owned()).unwrap_or_default()
    }
}

impl Args {
    /// Sizes that the generator can make, and journal and cold start on the engine that they are about.
    pub fn normalised(mut self) -> Self {
        let usual = match self.work {
            Work::ColdStart => 100_000,
            Work::Journal => 500_000,
            _ => 1_000_000,
        };
        self.rows = self.asked.unwrap_or(usual).div_ceil(5).max(1) * 5;
        self.rounds = self.rounds.max(1);
        match self.work {
            Work::Ptarchiver => self.engine = EngineArg::Mariadb,
            Work::ColdStart | Work::Journal => self.engine = EngineArg::Sqlite,
            _ => {}
        }
        self
    }

    /// The engine.
    pub fn engine(&self) -> Engine {
        match self.engine {
            EngineArg::Postgres => Engine::Postgres,
            EngineArg::Mariadb => Engine::MariaDb,
            EngineArg::Sqlite => Engine::Sqlite,
        }
    }

    /// The application's updates a second. SQLite has one writer: fewer, from one connection.
    pub fn rate(&self) -> u32 {
        self.rate.unwrap_or(if self.engine() == Engine::Sqlite { 50 } else { 400 }).max(1)
    }

    /// The application's connections.
    pub fn connections(&self) -> u32 {
        self.connections.unwrap_or(if self.engine() == Engine::Sqlite { 1 } else { 4 }).max(1)
    }

    /// The settings that a run has unless somebody says otherwise, without a ceiling.
    pub fn paced(&self) -> Outcome<Settings> {
        self.adjusted(Settings::default())
    }

    /// The settings of a maintenance window.
    pub fn maintenance(&self) -> Outcome<Settings> {
        self.adjusted(Settings::at_full_pace(Ceilings::default(), usize::from(self.workers)))
    }

    fn adjusted(&self, mut settings: Settings) -> Outcome<Settings> {
        settings.ceilings = Ceilings { share: None, ..settings.ceilings };
        settings.first_batch = self.first_batch.unwrap_or(settings.first_batch);
        settings.largest_batch = self.largest_batch.unwrap_or(settings.largest_batch);
        settings.target_time = self.target_ms.map_or(settings.target_time, Duration::from_millis);
        settings.chunk = self.chunk.unwrap_or(settings.chunk);
        Ok(settings)
    }
}
