//! Settings, data maps and policies, read together so that all faults of all files appear in one go.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::control::Controlled;
use super::family::{self, Family};
use super::load::{LoadError, load_located};
use super::rules::{Rules, SourceRules};
use super::settings::Settings;
use crate::enforce::run_documents;
use crate::policy::located::{Fault, Faults, Span};
use crate::policy::purpose::Policy;
use crate::policy::reader::{LARGEST_FILE, shown};
use crate::policy::{elsewhere, link, read_map, read_policy};

/// A file that was read.
#[derive(Debug, Clone)]
pub struct File {
    /// Its path as the operator knows it.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// All files, read and linked.
#[derive(Debug)]
pub struct Workspace {
    /// The directory of the settings file: relative paths start there.
    pub base: PathBuf,
    /// The settings.
    pub settings: Settings,
    /// All files, by the number that spans use.
    pub files: Vec<File>,
    /// What applies to each source. Complete only when there was no fault.
    pub sources: Rules,
    /// The families, whose tenants are among the sources in their place.
    pub families: BTreeMap<String, Family>,
    /// Those among them whose tenants a control database has still to name.
    pub controlled: Vec<Controlled>,
}

impl Workspace {
    /// Reads the settings file and every map and policy that it names.
    ///
    /// # Errors
    /// [`LoadError`] when the settings themselves cannot be used; the files read until then are in `files` for showing faults.
    pub fn read(path: &Path, files: &mut Vec<File>, faults: &mut Faults) -> Result<Self, LoadError> {
        if std::fs::metadata(path).is_ok_and(|m| m.len() > LARGEST_FILE as u64) {
            read_file(path, None, files, faults);
            return Err(LoadError::Faults);
        }
        let text = read_bounded(path).map_err(LoadError::Unreadable)?;
        files.push(File { path: path.to_owned(), text });
        let (mut settings, shape) = load_located(&files[0].text, 0, path, faults)?;
        let base = path.parent().unwrap_or(Path::new(".")).to_owned();
        let mut maps = Vec::new();
        let mut map_texts = BTreeMap::new();
        for (id, source) in &settings.sources {
            let Some(number) = read_file(&base.join(&source.map), shape.map(id), files, faults) else { continue };
            let Some(map) = read_map::read(&files[number].text, number, faults) else { continue };
            if map.source.value != *id {
                faults
                    .error(&map.source.at, format!("this map is of source `{}`, the settings name it for `{id}`", map.source))
                    .expected(format!("id = \"{id}\""));
                continue;
            }
            map_texts.insert(map.source.value.clone(), number);
            maps.push(map);
        }
        let mut policies: Vec<(Policy, usize)> = Vec::new();
        for (n, policy) in settings.policies.iter().enumerate() {
            let at = shape.policies.get(n).map(|p| &p.at);
            let Some(number) = read_file(&base.join(policy), at, files, faults) else {
                faults.spoil(read_policy::PURPOSES);
                continue;
            };
            policies.extend(read_policy::read(&files[number].text, number, faults).map(|p| (p, number)));
        }
        let only: Vec<Policy> = policies.iter().map(|(p, _)| p.clone()).collect();
        if maps.len() == settings.sources.len() {
            link::link(&maps, &only, faults);
        }
        let purposes = only.iter().flat_map(|p| &p.purposes).filter(|p| !p.is_window()).filter_map(|p| p.archive());
        for archive in purposes.chain(only.iter().flat_map(|p| &p.windows).map(|w| &w.archive)) {
            if !shape.archives.iter().any(|known| known.value == archive.value) {
                faults
                    .error(&archive.at, format!("the settings have no archive `{archive}`"))
                    .expected(format!("[archives.{archive}] in the settings"))
                    .nearest(archive, shape.archives.iter().map(|a| a.as_str()));
            }
        }
        let mut users: BTreeMap<&str, &str> = BTreeMap::new();
        let columns = maps.iter().flat_map(|m| m.data_sets.iter().flat_map(move |d| d.files.iter().map(move |f| (m, f))));
        for (map, file) in columns {
            if !shape.files.iter().any(|known| known.value == file.store.value) {
                faults
                    .error(&file.store.at, format!("the settings have no store of files `{}`", shown(&file.store)))
                    .expected(format!("[files.{}] in the settings", shown(&file.store)))
                    .nearest(&file.store, shape.files.iter().map(|s| s.as_str()));
            }
            let user = users.entry(&file.store.value).or_insert(&map.source.value);
            if *user != map.source.value {
                faults
                    .error(&file.store.at, format!("source `{}` points into store `{}`, too", *user, shown(&file.store)))
                    .expected("a store of its own for each source: who else points to a file is asked of one database");
            }
        }
        family::check(&settings, &maps, &only, faults);
        let mut sources = Rules::default();
        for map in maps {
            let id = map.source.value.clone();
            let mine: Vec<&(Policy, usize)> = policies.iter().filter(|(p, _)| elsewhere::concerns(p, &id)).collect();
            let mut texts: Vec<(&str, &str)> = mine.iter().map(|(p, n)| (p.id.as_str(), files[*n].text.as_str())).collect();
            let map_text = map_texts.get(&id).map_or("", |n| files[*n].text.as_str());
            let documents = run_documents(map_text, &mut texts);
            let mut policies: Vec<Policy> = mine.iter().map(|(p, _)| p.clone()).collect();
            // The first one's zone is that of the source: those that only keep something of it come last.
            let foreign = |p: &Policy| p.purposes.iter().all(|purpose| purpose.data.source != id);
            policies.sort_by_cached_key(|p| (foreign(p), p.id.value.clone()));
            sources.insert(id, Arc::new(SourceRules { map, policies, documents }), Vec::new());
        }
        let (families, controlled) = family::expand(&mut settings, &mut sources, &base);
        Ok(Self { base, settings, files: files.clone(), sources, families, controlled })
    }

    /// How many purposes are declared, each once for a whole family.
    #[must_use]
    pub fn purposes(&self) -> usize {
        let of = |rules: &SourceRules| {
            let own = rules
                .policies
                .iter()
                .flat_map(|p| &p.purposes)
                .filter(|p| p.data.source == rules.map.source.value && !p.is_window());
            own.map(|p| p.full_name()).collect::<Vec<_>>()
        };
        self.sources.as_read().flat_map(|(_, rules)| of(rules)).collect::<BTreeSet<String>>().len()
    }
}

fn read_file(path: &Path, at: Option<&Span>, files: &mut Vec<File>, faults: &mut Faults) -> Option<usize> {
    let size = std::fs::metadata(path).map(|m| m.len());
    let name = path.display().to_string();
    let name = match name.char_indices().nth(300) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name,
    };
    let text = match size {
        Ok(n) if n > LARGEST_FILE as u64 => {
            noted(faults, at, format!("{name} is {n} bytes long")).expected(format!("at most {LARGEST_FILE} bytes"));
            return None;
        }
        Ok(_) => read_bounded(path),
        Err(e) => Err(e),
    };
    match text {
        Ok(text) => {
            files.push(File { path: path.to_owned(), text });
            Some(files.len() - 1)
        }
        Err(e) => {
            noted(faults, at, format!("{name} cannot be read: {e}"));
            None
        }
    }
}

/// The text of a file whose size is not known before it is read: a device or a pipe can go on for ever.
fn read_bounded(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(LARGEST_FILE as u64 + 1).read_to_string(&mut text)?;
    if text.len() > LARGEST_FILE { Err(std::io::ErrorKind::FileTooLarge.into()) } else { Ok(text) }
}

fn noted<'f>(faults: &'f mut Faults, at: Option<&Span>, message: String) -> &'f mut Fault {
    match at {
        Some(at) => faults.error(at, message),
        None => faults.unplaced(message),
    }
}
