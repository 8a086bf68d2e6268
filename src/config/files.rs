//! The stores of files that columns point to: where each has its root.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::files::{FileError, Files, Root};
use crate::policy::located::{Faults, Located};
use crate::policy::read_form::name;
use crate::policy::reader::Reader;

/// One store of files.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSettings {
    /// Its root: the directory in which the values of columns are paths.
    pub directory: PathBuf,
}

/// Why a store of files cannot be used.
#[derive(Debug)]
pub enum FilesError {
    /// Its root.
    Root(FileError),
    /// Its root lies in that of another store, or holds it: one file would have two names.
    Overlap(String),
}

impl std::fmt::Display for FilesError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Root(e) => write!(f, "{e}"),
            Self::Overlap(other) => write!(f, "its directory and that of `{other}` lie in each other"),
        }
    }
}

/// Opens all stores of the settings. `base` is the directory of the settings file.
///
/// # Errors
/// [`FilesError`] with the store's name.
pub fn open(settings: &BTreeMap<String, FileSettings>, base: &Path) -> Result<Files, (String, FilesError)> {
    let mut all = Files::default();
    let mut known: Vec<(&String, PathBuf)> = Vec::new();
    for (name, store) in settings {
        let path = base.join(&store.directory);
        let failed = |e| (name.clone(), FilesError::Root(e));
        let root = Root::new(&path).map_err(failed)?;
        let real = std::fs::canonicalize(&path).map_err(|source| failed(FileError::Root { path, source }))?;
        if let Some((other, _)) = known.iter().find(|(_, at)| at.starts_with(&real) || real.starts_with(at)) {
            return Err((name.clone(), FilesError::Overlap((*other).clone())));
        }
        known.push((name, real));
        all.insert(name.clone(), root);
    }
    Ok(all)
}

/// Reads the form of `[files.<name>]`; the names, where they are written.
pub(super) fn shape(root: &Reader<'_, '_>, faults: &mut Faults) -> Vec<Located<String>> {
    let Some(files) = root.table("files", faults) else { return Vec::new() };
    let mut names = Vec::new();
    for (id, value) in files.entries() {
        let Some(store) = Reader::of(value, root.at.file, faults) else { continue };
        let Some(id) = name(id, "the name of a store of files", faults) else { continue };
        store.required_text("directory", "\"/srv/recordings\", the root below which the files lie", faults);
        store.finish(faults);
        names.push(id);
    }
    names
}
