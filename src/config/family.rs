//! Families of sources: one database per tenant, with the same map and the same policies.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::control::Controlled;
use super::rules::{Given, Rules, SourceRules};
use super::settings::{Settings, SourceSettings};
use crate::policy::elsewhere::needing;
use crate::policy::located::Faults;
use crate::policy::map::DataMap;
use crate::policy::purpose::Policy;
use crate::policy::reader::shown;

/// What stands between the id of a family and the name of a tenant in the id of the tenant's source; no id of a source has it.
pub const BETWEEN: char = ':';

/// How many tenants are worked on at a time where the settings do not say it.
const AT_ONCE: u8 = 1;

/// What SQLite keeps beside a database, under its name.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Where the tenants of a family are: exactly one of `list`, `glob` and `query`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FamilySettings {
    /// URLs by the names of the tenants.
    pub list: Option<BTreeMap<String, String>>,
    /// SQLite files: a path with one `*` in its last part, which stands for the name of the tenant.
    pub glob: Option<String>,
    /// The source whose database is asked which tenants there are.
    pub control: Option<String>,
    /// What it is asked: a query with the columns `tenant` and `url`.
    pub query: Option<String>,
    /// Who logs in where a URL of the answer names nobody.
    pub user: Option<String>,
    /// A file of mode 0600 with the password.
    pub password_file: Option<PathBuf>,
    /// How many tenants are worked on at a time.
    pub at_once: Option<u8>,
}

/// A family whose tenants are known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Family {
    /// The ids of the tenants' sources, `family:tenant`.
    pub tenants: Vec<String>,
    /// What should be a tenant and cannot be one, in words.
    pub unusable: Vec<String>,
    /// The subjects that its map names.
    pub subjects: BTreeSet<String>,
    /// How many tenants are worked on at a time.
    pub at_once: usize,
}

/// Whether this can be the name of a tenant: it becomes part of a source's id, in the journal for good.
#[must_use]
pub fn is_tenant_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    let bytes = name.as_bytes();
    (1..=63).contains(&bytes.len()) && bytes.iter().all(|b| allowed(*b)) && bytes[0].is_ascii_alphanumeric()
}

/// The family of a source's id, if it is a tenant's.
#[must_use]
pub fn family_of(source: &str) -> Option<&str> {
    source.split_once(BETWEEN).map(|(family, _)| family)
}

/// The id of the source of a family's tenant.
#[must_use]
pub fn source_of(family: &str, tenant: &str) -> String {
    format!("{family}{BETWEEN}{tenant}")
}

/// The tenant of a source's id, if it is one's.
#[must_use]
pub fn tenant_of(source: &str) -> Option<&str> {
    source.split_once(BETWEEN).map(|(_, tenant)| tenant)
}

/// Whether a path can be a glob: one `*`, in its last part.
pub(super) fn is_glob(pattern: &str) -> bool {
    let (dir, file) = pattern.rsplit_once('/').unwrap_or(("", pattern));
    !dir.contains('*') && file.matches('*').count() == 1
}

/// What maps say that no tenant can have: files in a store that tenants share; copies, and needs, between a family and a single source, since nobody says
/// which tenant's they are.
pub(super) fn check(settings: &Settings, maps: &[DataMap], policies: &[Policy], faults: &mut Faults) {
    let is_family = |id: &str| settings.sources.get(id).is_some_and(|s| s.family.is_some());
    for (id, source) in &settings.sources {
        let Some(control) = source.family.as_ref().and_then(|f| f.control.as_deref()) else { continue };
        if is_family(control) || !settings.sources.contains_key(control) {
            faults
                .unplaced(format!("the control database of the family `{id}` is `{}`, which is no single source", shown(control)))
                .expected(format!("[sources.{}] with a URL of its own", shown(control)));
        }
    }
    let asks = |id: &str| settings.sources.get(id).and_then(|s| s.family.as_ref()).is_some_and(|f| f.query.is_some());
    for (map, data) in maps.iter().flat_map(|m| m.data_sets.iter().map(move |d| (m, d))) {
        for given in data.given.iter().filter(|_| !asks(&map.source)) {
            faults
                .error(&given.column.at, format!("`{}` has no control database that could give a date", map.source))
                .expected("a family with `control` and `query`, or `column`");
        }
        let own = is_family(&map.source);
        for need in needing(policies, &map.source, &data.id) {
            if own != is_family(&need.purpose.data.source) {
                faults
                    .error(
                        &need.purpose.needs.at,
                        format!(
                            "purpose `{}` needs something in `{}`: of it and `{}`, one is a family and one is not",
                            need.purpose.id, map.source, need.purpose.data.source
                        ),
                    )
                    .expected("two families, tenant by tenant, or two single sources: otherwise it is not known in which tenant's the person is");
            }
        }
        for file in &data.files {
            super::tenant_roots::check(settings, file, &map.source, own, faults);
        }
        for copy in data.copies.iter().filter(|c| own != is_family(&c.of.source)) {
            faults
                .error(
                    &copy.of.at,
                    format!(
                        "copies of `{}` in `{}`: of the two sources, one is a family and one is not",
                        map.source, copy.of.value
                    ),
                )
                .expected(
                    "two families, tenant by tenant, or two single sources: otherwise it is not known of which tenant a copy is",
                );
        }
    }
}

/// Puts in the place of each family its tenants, in the settings and among the rules, and returns the families; and those whose tenants a control
/// database has still to name.
pub(super) fn expand(settings: &mut Settings, sources: &mut Rules, base: &Path) -> (BTreeMap<String, Family>, Vec<Controlled>) {
    let ids: Vec<String> = settings.sources.iter().filter(|(_, s)| s.family.is_some()).map(|(id, _)| id.clone()).collect();
    let (mut families, mut controlled) = (BTreeMap::new(), Vec::new());
    sources.families = ids.iter().cloned().collect();
    for id in ids {
        let Some(mut own) = settings.sources.remove(&id) else { continue };
        let (Some(rules), Some(from)) = (sources.remove(&id), own.family.take()) else { continue };
        let subjects = rules.map.data_sets.iter().flat_map(|d| &d.subjects).map(|s| s.subject.value.clone()).collect();
        let at_once = usize::from(from.at_once.unwrap_or(AT_ONCE).clamp(1, 64));
        let mut family = Family { at_once, subjects, ..Family::default() };
        if from.query.is_some() {
            families.insert(id.clone(), family);
            controlled.push(Controlled { family: id, from, own, rules });
            continue;
        }
        let tenants = tenants(&from, base, &mut family.unusable);
        let tenants = tenants.into_iter().map(|(tenant, url)| (tenant, (url, Vec::new()))).collect();
        insert(&mut family, &id, tenants, (&own, &rules), settings, sources);
        families.insert(id, family);
    }
    (families, controlled)
}

/// Makes each tenant a source.
pub(super) fn insert(
    family: &mut Family,
    id: &str,
    tenants: BTreeMap<String, (String, Given)>,
    (own, rules): (&SourceSettings, &Arc<SourceRules>),
    settings: &mut Settings,
    sources: &mut Rules,
) {
    for (tenant, (url, given)) in tenants {
        let source = source_of(id, &tenant);
        settings.sources.insert(source.clone(), SourceSettings { url: Some(url), ..own.clone() });
        sources.insert(source.clone(), Arc::clone(rules), given);
        family.tenants.push(source);
    }
}

/// The tenants with their URLs, in the order of their names.
fn tenants(from: &FamilySettings, base: &Path, unusable: &mut Vec<String>) -> BTreeMap<String, String> {
    // The file was looked at for this; a variable of the environment was not.
    let glob = match (&from.list, &from.glob) {
        (Some(list), None) => {
            let (right, wrong): (BTreeMap<_, _>, BTreeMap<_, _>) =
                list.clone().into_iter().partition(|(name, _)| is_tenant_name(name));
            unusable.extend(wrong.keys().map(|name| format!("`{}` cannot be the name of a tenant", shown(name))));
            return right;
        }
        (None, Some(glob)) if is_glob(glob) => glob,
        _ => {
            unusable.push(
                "it does not have exactly one of `list`, `glob` and `query`, or no `*` in the last part of `glob`".to_owned(),
            );
            return BTreeMap::new();
        }
    };
    let path = base.join(glob);
    // The settings may be a bare name: what lies beside them lies here.
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
    let pattern = path.file_name().map(|f| f.to_string_lossy().into_owned()).unwrap_or_default();
    let (before, after) = pattern.split_once('*').unwrap_or((&pattern, ""));
    let mut names: Vec<String> = Vec::new();
    match std::fs::read_dir(&dir) {
        Ok(entries) => {
            for entry in entries {
                match entry {
                    Ok(entry) => names.push(entry.file_name().to_string_lossy().into_owned()),
                    Err(e) => unusable.push(format!("{} cannot be read to its end: {e}", shown(&dir.display().to_string()))),
                }
            }
        }
        Err(e) => unusable.push(format!("{} cannot be read: {e}", shown(&dir.display().to_string()))),
    }
    names.sort();
    let (mut found, mut files) = (BTreeMap::new(), BTreeSet::<PathBuf>::new());
    for file in names.iter().filter(|f| !COMPANIONS.iter().any(|c| f.ends_with(c))) {
        let Some(tenant) = file.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)) else { continue };
        if !is_tenant_name(tenant) {
            unusable.push(format!("the file `{}` names no tenant (lower-case letters, digits, `_`, `-`)", shown(file)));
            continue;
        }
        // A broken link is a tenant that cannot be reached, and is told as one.
        let real = std::fs::canonicalize(dir.join(file)).unwrap_or_else(|_| dir.join(file));
        if files.insert(real) {
            found.insert(tenant.to_owned(), format!("sqlite:{}", dir.join(file).display()));
        } else {
            unusable.push(format!("the file `{}` is the database of another tenant as well", shown(file)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_tenant_is_safe_everywhere() {
        for name in ["a", "north", "0042", "a-b_c", &"x".repeat(63)] {
            assert!(is_tenant_name(name), "{name}");
        }
        for name in ["", "North", "a.b", "a:b", "a b", "é", "-a", "../a", &"x".repeat(64)] {
            assert!(!is_tenant_name(name), "{name}");
        }
    }

    #[test]
    fn a_glob_has_one_star_in_its_last_part() {
        for glob in ["*.db", "/srv/tenants/*.db", "t/crm-*.sqlite"] {
            assert!(is_glob(glob), "{glob}");
        }
        for glob in ["a.db", "*/a.db", "t/*-*.db", "*/*.db", ""] {
            assert!(!is_glob(glob), "{glob}");
        }
    }

    #[test]
    fn files_are_tenants_by_what_the_star_stands_for_and_each_database_once() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["crm-north.db", "crm-north.db-wal", "crm-South.db", "other.db", "crm-.db"] {
            std::fs::write(dir.path().join(file), "").unwrap();
        }
        std::os::unix::fs::symlink("crm-north.db", dir.path().join("crm-twin.db")).unwrap();
        std::os::unix::fs::symlink("gone", dir.path().join("crm-lost.db")).unwrap();
        let from = FamilySettings { glob: Some("crm-*.db".to_owned()), ..FamilySettings::default() };
        let mut unusable = Vec::new();
        let found = tenants(&from, dir.path(), &mut unusable);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["lost", "north"]);
        assert_eq!(unusable.len(), 3, "{unusable:?}");
        let nowhere = FamilySettings { glob: Some("nowhere/*.db".to_owned()), ..from.clone() };
        unusable.clear();
        let both = FamilySettings { list: Some(BTreeMap::from([("North".to_owned(), "sqlite:n".to_owned())])), ..from.clone() };
        assert!(tenants(&both, dir.path(), &mut unusable).is_empty() && unusable.len() == 1);
        let named = FamilySettings { glob: None, ..both };
        assert!(tenants(&named, dir.path(), &mut unusable).is_empty() && unusable.len() == 2);
        unusable.clear();
        assert!(tenants(&nowhere, dir.path(), &mut unusable).is_empty() && unusable.len() == 1);
        // Beside settings that are a bare name.
        unusable.clear();
        assert!(tenants(&from, Path::new(""), &mut unusable).is_empty() && unusable.is_empty(), "{unusable:?}");
    }
}
