//! Reading the settings: the `config` crate layers file and environment; a second pass over the file alone finds the place of a fault.

use std::path::Path;

use config::{Config, Environment, FileFormat};

use super::settings::Settings;
use crate::policy::located::{Faults, Span};

/// Why there are no settings.
#[derive(Debug)]
pub enum LoadError {
    /// The file cannot be read.
    Unreadable(std::io::Error),
    /// It has faults; they are in the list.
    Faults,
}

/// Reads the settings file whose text is `text` (file number `file`), overridden by variables `RETENTIOND__…` with `__` between the levels.
///
/// # Errors
/// [`LoadError::Faults`] with at least one fault noted.
pub fn load(text: &str, file: usize, path: &Path, faults: &mut Faults) -> Result<Settings, LoadError> {
    let layered = Config::builder()
        .add_source(config::File::from_str(text, FileFormat::Toml))
        .add_source(Environment::with_prefix("RETENTIOND").prefix_separator("__").separator("__").try_parsing(true))
        .build()
        .and_then(Config::try_deserialize::<Settings>);
    match layered {
        Ok(settings) => {
            check(&settings, file, faults);
            if faults.any_error() { Err(LoadError::Faults) } else { Ok(settings) }
        }
        Err(error) => {
            match toml::from_str::<Settings>(text) {
                Err(located) => {
                    let range = located.span().unwrap_or(0..0);
                    faults.error(
                        &Span { file, range },
                        located.message().lines().next().unwrap_or("not a settings file").to_owned(),
                    );
                }
                // The file is right by itself: an environment variable is not.
                Ok(_) => {
                    let text: String = error.to_string().chars().filter(|c| !c.is_control()).take(200).collect();
                    faults.unplaced(format!("an environment variable RETENTIOND__… does not fit {}: {text}", path.display()));
                }
            }
            Err(LoadError::Faults)
        }
    }
}

fn check(settings: &Settings, file: usize, faults: &mut Faults) {
    let whole = Span { file, range: 0..0 };
    if settings.sources.is_empty() {
        faults.error(&whole, "no source is configured").expected("[sources.<id>]");
    }
    if settings.policies.is_empty() {
        faults.error(&whole, "no policy is configured").expected("policies = [\"…\"]");
    }
    for actor in &settings.actors {
        if crate::journal::Name::parse(actor).is_err() {
            faults
                .error(&whole, "an actor id that cannot stand in the journal")
                .expected("lower-case letters, digits, `_`, `.`, `:`, `-`");
        }
    }
    for source in settings.sources.values() {
        if [source.url.is_some(), source.url_file.is_some(), source.credential.is_some()].iter().filter(|b| **b).count() != 1 {
            faults.error(&whole, "a source without exactly one of `url`, `url_file` and `credential`");
        }
    }
}
