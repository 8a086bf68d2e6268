//! Reading the settings: the file is read key by key for its faults, then the `config` crate layers file and environment.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use config::{Config, Environment, FileFormat};

use super::settings::Settings;
use super::shape::{self, Shape, has_password};
use crate::policy::located::{Faults, Span};
use crate::policy::reader::shown;

/// Why there are no settings.
#[derive(Debug)]
pub enum LoadError {
    /// The file cannot be read.
    Unreadable(std::io::Error),
    /// It has faults; they are in the list.
    Faults,
}

/// Reads the settings file at `path` whose text is `text` (file number `file`), overridden by variables `RETENTIOND__…` with `__` between the
/// levels.
///
/// # Errors
/// [`LoadError::Faults`] with at least one fault noted.
pub fn load(text: &str, file: usize, path: &Path, faults: &mut Faults) -> Result<Settings, LoadError> {
    load_located(text, file, path, faults).map(|(settings, _)| settings)
}

/// Reads the settings with the places of what they name; see [`load`].
pub(super) fn load_located(text: &str, file: usize, path: &Path, faults: &mut Faults) -> Result<(Settings, Shape), LoadError> {
    let variables: Vec<String> = std::env::vars_os()
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|n| n.to_uppercase().starts_with("RETENTIOND__"))
        .collect();
    let set = |path: &[&str]| {
        let start = path.iter().fold("RETENTIOND".to_owned(), |name, level| format!("{name}__{}", level.to_uppercase()));
        variables
            .iter()
            .map(|v| v.to_uppercase())
            .any(|v| v.strip_prefix(&start).is_some_and(|r| r.is_empty() || r.starts_with("__")))
    };
    let shape = shape::read(text, file, &set, faults);
    shape::environment(variables.iter().cloned(), faults);
    check(&shape, file, path, &set, faults);
    if faults.any_error() {
        return Err(LoadError::Faults);
    }
    let layered = Config::builder()
        .add_source(config::File::from_str(text, FileFormat::Toml))
        .add_source(Environment::with_prefix("RETENTIOND").prefix_separator("__").separator("__").try_parsing(true))
        .build()
        .and_then(Config::try_deserialize::<Settings>);
    layered.map(|settings| (settings, shape)).map_err(|_| {
        // The file is right by itself. The error itself quotes values and is not shown.
        faults
            .unplaced(format!("an environment variable has a value that cannot stand there: {}", shown(&variables.join(", "))))
            .expected("a value as the settings file has it");
        LoadError::Faults
    })
}

fn check(shape: &Shape, file: usize, path: &Path, set: &dyn Fn(&[&str]) -> bool, faults: &mut Faults) {
    let whole = Span { file, range: 0..0 };
    if faults.any_error() {
        return;
    }
    if shape.sources.is_empty() && !set(&["sources"]) {
        faults.error(&whole, "no source is configured").expected("[sources.<id>]");
    }
    if shape.policies.is_empty() {
        faults.error(&whole, "no policy is configured").expected("policies = [\"…\"]");
    }
    for (n, policy) in shape.policies.iter().enumerate() {
        if shape.policies[..n].contains(policy) {
            faults.error(&policy.at, format!("the policy file `{}` is named twice", shown(policy)));
        }
    }
    for actor in &shape.actors {
        if crate::journal::Name::parse(actor).is_err() {
            faults
                .error(&actor.at, format!("`{}` cannot stand in the journal as an actor", shown(actor)))
                .expected("an id, no person's name: lower-case letters, digits, `_`, `.`, `:`, `-`");
        }
    }
    let mode = std::fs::metadata(path).map_or(0, |m| m.permissions().mode());
    for url in shape.sources.iter().flat_map(|s| &s.urls) {
        if has_password(url) && mode & 0o077 != 0 {
            faults
                .error(&url.at, format!("a password in settings that others may read (mode {:04o})", mode & 0o7777))
                .expected("url_file = \"…\": a file of mode 0600 that holds the URL, or settings of mode 0600");
        }
    }
}
