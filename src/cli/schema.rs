//! `retentiond schema`.

use super::exit::{Exit, Failure};
use super::output;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which kind of file.
    #[arg(value_enum)]
    kind: Kind,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Kind {
    /// A policy.
    Policy,
    /// A data map.
    Map,
    /// The settings file.
    Settings,
}

/// Prints the published JSON Schema.
pub fn run(args: Args) -> Result<Exit, Failure> {
    let text = match args.kind {
        Kind::Policy => include_str!("../../config/schema/policy.schema.json"),
        Kind::Map => include_str!("../../config/schema/map.schema.json"),
        Kind::Settings => include_str!("../../config/schema/settings.schema.json"),
    };
    output::say(text)?;
    Ok(Exit::Ok)
}
