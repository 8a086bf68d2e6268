//! The commands. Only here do errors become words and exit codes.

mod adopt;
mod archive;
mod ceiling;
mod certificate;
mod certificate_page;
mod check;
mod context;
mod core_dump;
mod demo;
mod enforce;
mod exit;
mod explain;
pub mod faults;
mod init;
mod journal;
mod key;
mod locate;
mod map;
mod order;
mod output;
mod plan;
mod progress;
mod schema;
mod setup;
mod subject;
mod table;
mod tenants;
mod undo;
mod words;

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub use exit::{Exit, Failure};

use crate::policy::reader::{hostile, inert};

/// Keeps databases true to their published retention periods, provably.
#[derive(Debug, Parser)]
#[command(name = "retentiond", version, about, disable_help_subcommand = true)]
pub struct Cli {
    /// The settings file.
    #[arg(long, short, global = true, env = "RETENTIOND_CONFIG", default_value = "/etc/retentiond/retentiond.toml")]
    config: PathBuf,
    /// How results are written.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The language of texts for people; the settings decide without it.
    #[arg(long, global = true, value_enum)]
    lang: Option<LangArg>,
    #[command(subcommand)]
    command: Command,
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Languages on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum LangArg {
    /// Français
    Fr,
    /// English
    En,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create the state directory, its keys and the journal.
    Init(init::Args),
    /// Compare settings, maps and policies with each other and with the live databases.
    Check(check::Args),
    /// Draft a data map from a live schema, for a person to complete.
    Map(map::Args),
    /// Print the SQL that creates our tables and the least-privileged role, for review.
    Setup(setup::Args),
    /// Show what a run would do, without writing anything.
    Plan(plan::Args),
    /// Tell the story of one record: what keeps it, since when, until when, what is due.
    Explain(explain::Args),
    /// Do one run of the plan that was shown: the same rules on the same day, on the records that are due when it runs.
    Enforce(enforce::Args),
    /// Place, lift and list orders: holds, restrictions, objections, erasures, instructions.
    Order(order::Args),
    /// Accept a database that was cloned, moved or restored, or belonged to another enforcer.
    Adopt(adopt::Args),
    /// Certify that nothing personal of a source is left: what was done, when and under which orders, signed by the journal's key.
    Certificate(certificate::Args),
    /// What lies in intermediate archives: list, find, export, restore, verify.
    Archive(archive::Args),
    /// Put back what a run took, as far as it was sealed: shown first, then done as it was shown.
    Undo(undo::Args),
    /// Read, export, verify and prove the journal.
    Journal(journal::Args),
    /// Find the record that a report names by its MAC.
    Locate(locate::Args),
    /// Build five organisations in SQLite files and take them from nothing to a verified journal.
    Demo(demo::Args),
    /// Print the JSON Schema of a file kind, for editors.
    Schema(schema::Args),
}

/// Parses the command line and runs it.
pub fn main() -> Exit {
    if let Err(e) = core_dump::forbid() {
        eprintln!("retentiond: a crash might leave a copy of the memory behind, which this system does not let us forbid: {e}");
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            say_usage(&e);
            return if e.use_stderr() { Exit::Usage } else { Exit::Ok };
        }
    };
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_env("RETENTIOND_LOG").unwrap_or_else(|_| "warn".into()))
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            eprintln!("retentiond: the runtime could not be started: {e}");
            return Exit::Failed;
        }
    };
    match runtime.block_on(run(cli)) {
        Ok(exit) => exit,
        Err(failure) => {
            if !failure.message.is_empty() {
                eprintln!("retentiond: {}", inert(&failure.message));
            }
            failure.exit
        }
    }
}

/// Prints what clap has to say; it repeats the arguments as they were typed, so that hostile ones are escaped first.
fn say_usage(e: &clap::Error) {
    let text = e.render().to_string();
    if text.chars().any(|c| hostile(c) && c != '\n') {
        let lines: Vec<String> = text.lines().map(inert).collect();
        eprintln!("{}", lines.join("\n"));
    } else {
        let _ = e.print();
    }
}

async fn run(cli: Cli) -> Result<Exit, Failure> {
    let cx = context::Cx::new(&cli);
    carry_out(&cx, cli.command).await.map_err(|failure| cx.named(failure))
}

async fn carry_out(cx: &context::Cx, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Init(args) => init::run(cx, args).await,
        Command::Check(args) => check::run(cx, args).await,
        Command::Map(args) => map::run(cx, args).await,
        Command::Setup(args) => setup::run(cx, args).await,
        Command::Plan(args) => plan::run(cx, args).await,
        Command::Explain(args) => explain::run(cx, args).await,
        Command::Enforce(args) => enforce::run(cx, args).await,
        Command::Order(args) => order::run(cx, args).await,
        Command::Adopt(args) => adopt::run(cx, args).await,
        Command::Certificate(args) => certificate::run(cx, args).await,
        Command::Archive(args) => archive::run(cx, args).await,
        Command::Undo(args) => undo::run(cx, args).await,
        Command::Journal(args) => journal::run(cx, args).await,
        Command::Locate(args) => locate::run(cx, args).await,
        Command::Demo(args) => demo::run(cx, args).await,
        Command::Schema(args) => schema::run(args),
    }
}
