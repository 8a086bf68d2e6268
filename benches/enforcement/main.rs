//! What enforcement costs, beside the bare statement that does the same work: `bench/run` starts the servers and calls this.
//!
//! Each work is measured in rounds; each round runs every variant once, from the same restored state, so that a neighbour's noise hits all alike. The
//! figures are printed, never judged: one JSON line and one line for people. `docs/performance.md` says what each work does.

mod args;
mod base;
mod binary;
mod client;
mod data;
mod product;
mod reference;
mod report;
mod rules;
mod works;

use clap::Parser as _;

use args::{Args, Work};

/// What goes wrong ends the benchmark; the text is for whoever called it.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> std::process::ExitCode {
    let args = Args::parse().normalised();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            eprintln!("bench: {e}");
            return std::process::ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(&args)) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("bench: {e}");
            std::process::ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Outcome<()> {
    match args.work {
        Work::Anonymise | Work::Delete | Work::AnonymiseChildren | Work::Cascade | Work::Ptarchiver | Work::Archive => {
            works::throughput::measure(args).await
        }
        Work::Latency => works::latency::measure(args).await,
        Work::Nightly => works::nightly::measure(args).await,
        Work::Memory | Work::MemoryArchive => works::memory::measure(args).await,
        Work::Census => works::census::measure(args).await,
        Work::Journal => works::journal::measure(args).await,
        Work::ColdStart => works::cold_start::measure(args).await,
    }
}
