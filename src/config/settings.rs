//! What `retentiond.toml` can say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::archives::ArchiveSettings;
use super::family::{FamilySettings, family_of};
use super::files::FileSettings;
use crate::enforce::{Ceilings, Settings as RunSettings};
use crate::journal::Ceiling;
use crate::source::{Target, TlsMode};

/// A language of the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lang {
    /// French.
    Fr,
    /// English.
    #[default]
    En,
}

/// The settings file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The directory of state, keys and journal.
    pub state: PathBuf,
    /// Policy files.
    pub policies: Vec<PathBuf>,
    /// Ids of the people who may place orders and adopt sources.
    #[serde(default)]
    pub actors: BTreeSet<String>,
    /// The language of what is printed for people, unless a command says otherwise.
    #[serde(default)]
    pub language: Lang,
    /// Limits of each run.
    #[serde(default)]
    pub ceilings: CeilingSettings,
    /// After how many days a run ends with a full census again, which reads whole tables; 0 is every run.
    #[serde(default = "a_week")]
    pub full_census_days: u16,
    /// Archives by name: what a policy's `kept_in = "archive:<name>"` means.
    #[serde(default)]
    pub archives: BTreeMap<String, ArchiveSettings>,
    /// Stores of files by name: what the `store` of a data map's file column means.
    #[serde(default)]
    pub files: BTreeMap<String, FileSettings>,
    /// Sources by id.
    pub sources: BTreeMap<String, SourceSettings>,
}

fn a_week() -> u16 {
    7
}

/// Limits of a run; see [`Ceilings`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CeilingSettings {
    /// Most rows that one action may change.
    pub rows: Option<u64>,
    /// Largest share of a table, in percent; 100 lifts the limit.
    pub share_percent: Option<u8>,
    /// Longest time that a run may work, in minutes.
    pub minutes: Option<u64>,
}

/// One source.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceSettings {
    /// Its data map.
    pub map: PathBuf,
    /// Its URL. A URL with a password belongs into `url_file` or `credential`.
    pub url: Option<String>,
    /// A file that holds the URL, readable by its owner alone.
    pub url_file: Option<PathBuf>,
    /// The name of a systemd credential that holds the URL.
    pub credential: Option<String>,
    /// In place of one database: one for each tenant.
    pub family: Option<FamilySettings>,
    /// Demands on TLS: `default`, `verify-full`, `verify-ca`, `off`.
    #[serde(default)]
    pub tls: Tls,
    /// A PEM file of the roots to trust.
    pub ca_file: Option<PathBuf>,
    /// The role that `retentiond setup` creates.
    pub role: Option<String>,
    /// How hard its runs work: `gentle` (the default) beside the application, `full` in a maintenance window.
    #[serde(default)]
    pub pace: PaceWord,
    /// Connections that act at once at full pace.
    pub workers: Option<u8>,
    /// Limits that differ from the general ones.
    #[serde(default)]
    pub ceilings: CeilingSettings,
}

/// Words for [`Pace`](crate::enforce::Pace).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum PaceWord {
    /// Short transactions, a rest after each.
    #[default]
    Gentle,
    /// Long transactions, no rest, all workers.
    Full,
}

/// Words for [`TlsMode`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tls {
    /// Verified, except over a unix socket or loopback.
    #[default]
    Default,
    /// Certificate and host name verified.
    VerifyFull,
    /// Certificate verified.
    VerifyCa,
    /// Not encrypted.
    Off,
}

impl Settings {
    /// The limits of a source's runs.
    #[must_use]
    pub fn ceilings(&self, source: &str) -> Ceilings {
        let own = self.sources.get(source).map(|s| s.ceilings).unwrap_or_default();
        let general = self.ceilings;
        let defaults = Ceilings::default();
        let share = own.share_percent.or(general.share_percent).map_or(defaults.share, |p| (p < 100).then(|| u64::from(p) * 10));
        Ceilings {
            rows: own.rows.or(general.rows),
            share,
            time: own.minutes.or(general.minutes).map(|m| Duration::from_secs(m * 60)),
            ..defaults
        }
    }

    /// The key that sets a ceiling of a source's runs, level by level with dots: its own where it has one, otherwise the general one. `None` for a
    /// ceiling that no setting has.
    #[must_use]
    pub fn ceiling_key(&self, source: &str, ceiling: Ceiling) -> Option<String> {
        let own = self.sources.get(source).map(|s| s.ceilings).unwrap_or_default();
        let (key, is_own) = match ceiling {
            Ceiling::Rows => ("rows", own.rows.is_some()),
            Ceiling::Share => ("share_percent", own.share_percent.is_some()),
            Ceiling::Time => ("minutes", own.minutes.is_some()),
            Ceiling::Multiple => return None,
        };
        let source = family_of(source).unwrap_or(source);
        Some(if is_own { format!("sources.{source}.ceilings.{key}") } else { format!("ceilings.{key}") })
    }

    /// How a source's runs work. What is given goes before what the file says.
    #[must_use]
    pub fn run(&self, source: &str, pace: Option<PaceWord>, workers: Option<u8>) -> RunSettings {
        let ceilings = self.ceilings(source);
        let own = self.sources.get(source);
        match pace.or(own.map(|s| s.pace)).unwrap_or_default() {
            PaceWord::Gentle => RunSettings { ceilings, ..RunSettings::default() },
            PaceWord::Full => {
                let workers = workers.or(own.and_then(|s| s.workers)).unwrap_or(1);
                RunSettings::at_full_pace(ceilings, usize::from(workers))
            }
        }
    }
}

/// Why a source's URL cannot be had.
#[derive(Debug)]
pub enum UrlError {
    /// Not exactly one of `url`, `url_file`, `credential`.
    NotOne,
    /// The credential's directory is not in the environment.
    NoCredentials,
    /// The file cannot be read, or others may read it.
    File(PathBuf, crate::state::StateError),
}

impl std::fmt::Display for UrlError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotOne => f.write_str("a source has exactly one of `url`, `url_file` and `credential`"),
            Self::NoCredentials => {
                f.write_str("CREDENTIALS_DIRECTORY is not set: `credential` needs a service manager that passes credentials")
            }
            Self::File(path, e) => write!(f, "the URL in {} cannot be read: {e}", path.display()),
        }
    }
}

impl SourceSettings {
    /// The same source, reached with the URL in another file: as an administrator, for example.
    #[must_use]
    pub fn at(&self, url_file: PathBuf) -> Self {
        Self { url: None, url_file: Some(url_file), credential: None, ..self.clone() }
    }

    /// Where the source is. `base` is the directory of the settings file.
    ///
    /// # Errors
    /// [`UrlError`].
    pub fn target(&self, base: &Path) -> Result<Target, UrlError> {
        let file = match (&self.url, &self.url_file, &self.credential) {
            (Some(url), None, None) => return Ok(self.with(url, base)),
            (None, Some(file), None) => base.join(file),
            (None, None, Some(name)) => {
                PathBuf::from(std::env::var_os("CREDENTIALS_DIRECTORY").ok_or(UrlError::NoCredentials)?).join(name)
            }
            _ => return Err(UrlError::NotOne),
        };
        let bytes = crate::state::read_private(&file).map_err(|e| UrlError::File(file, e))?;
        Ok(self.with(String::from_utf8_lossy(&bytes).trim(), base))
    }

    fn with(&self, url: &str, base: &Path) -> Target {
        // A relative SQLite path is relative to the settings file, like every other path in it, wherever the URL is kept.
        let target = match url.strip_prefix("sqlite:") {
            Some(path) if !path.starts_with('/') => Target::new(format!("sqlite:{}", base.join(path).display())),
            _ => Target::new(url),
        };
        let tls = match self.tls {
            Tls::Default => TlsMode::Default,
            Tls::VerifyFull => TlsMode::VerifyFull,
            Tls::VerifyCa => TlsMode::VerifyCa,
            Tls::Off => TlsMode::Off,
        };
        Target { tls, ca_file: self.ca_file.as_ref().map(|file| base.join(file)), ..target }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_a_source_start_at_the_settings_file() {
        let source = |ca_file: &str| -> SourceSettings {
            toml::from_str(&format!("map = \"m\"\nurl = \"sqlite:crm.db\"\nca_file = \"{ca_file}\"")).unwrap()
        };
        let target = |ca_file: &str| source(ca_file).target(Path::new("/etc/r")).unwrap();
        assert_eq!(target("ca.pem").ca_file.unwrap(), Path::new("/etc/r/ca.pem"));
        assert_eq!(target("/ca.pem").ca_file.unwrap(), Path::new("/ca.pem"));
        assert_eq!(target("ca.pem").url, crate::source::SecretUrl::new("sqlite:/etc/r/crm.db"));
    }
}
