//! Roots of stores of files in families: each tenant has one of its own, where `{tenant}` stands in the root of the store. So who else points to a file is a
//! question to one database, as it is for a single source.

use std::path::{Path, PathBuf};

use super::settings::Settings;
use crate::policy::located::{Faults, Located};
use crate::policy::map::FileColumn;
use crate::policy::reader::shown;

/// What stands for the name of the tenant in the root of a store.
const TENANT: &str = "{tenant}";

/// Whether a root is one for each tenant.
pub(super) fn is_for_tenants(root: &str) -> bool {
    root.contains(TENANT)
}

/// Reads the form of a root.
pub(super) fn shape(root: &Located<String>, faults: &mut Faults) {
    let parts: Vec<&str> = root.split('/').collect();
    let plain = parts.iter().skip_while(|part| **part != TENANT).all(|part| !matches!(*part, "." | ".."));
    let once = root.matches(TENANT).count() == 1 && parts.contains(&TENANT);
    if is_for_tenants(root) && !(once && plain) {
        faults
            .error(&root.at, format!("`{}` does not say which part of the root is the tenant", shown(root)))
            .expected("`{tenant}` once, between slashes, and no `..` behind it: \"/srv/recordings/{tenant}\"");
    }
}

/// Whether the store of a column has the roots that its source needs: one for each tenant of a family, one for a single source.
pub(super) fn check(settings: &Settings, file: &FileColumn, source: &str, is_family: bool, faults: &mut Faults) {
    let Some(store) = settings.files.get(&file.store.value) else { return };
    let name = shown(&file.store);
    match (is_family, store.is_for_tenants()) {
        (true, false) => {
            faults
                .error(&file.store.at, format!("the tenants of the family `{source}` would share the store of files `{name}`"))
                .expected(format!(
                    "a root for each tenant, `{TENANT}` in `directory` or `prefix` of [files.{name}]: who else points to a file is asked of one database"
                ));
        }
        (false, true) => {
            faults
                .error(
                    &file.store.at,
                    format!("the store of files `{name}` has a root for each tenant, and `{source}` is no family"),
                )
                .expected(format!("a store without `{TENANT}`"));
        }
        (true, true) | (false, false) => {}
    }
}

/// The root of one tenant.
pub(super) fn of(root: &str, tenant: &str) -> String {
    root.replace(TENANT, tenant)
}

/// The root of one tenant as the directory that all tenants have in common, and the names below it.
pub(super) fn parted(root: &str, tenant: &str) -> (PathBuf, Vec<String>) {
    let (from, below) = root.split_once(TENANT).unwrap_or((root, ""));
    let below = below.split('/').filter(|name| !name.is_empty()).map(str::to_owned);
    (PathBuf::from(from), std::iter::once(tenant.to_owned()).chain(below).collect())
}

/// Where a root is, with no link in it as far as it is there; `{tenant}` stays.
pub(super) fn real(base: &Path, root: &str) -> PathBuf {
    let (from, below) = match is_for_tenants(root) {
        true => parted(root, TENANT),
        false => (PathBuf::from(root), Vec::new()),
    };
    let from = base.join(from);
    let real = std::fs::canonicalize(&from).or_else(|_| std::path::absolute(&from)).unwrap_or(from);
    below.into_iter().fold(real, |path, name| path.join(name))
}

/// Whether one of two roots can lie in the other, by their parts: `{tenant}` may be any name.
pub(super) fn meet<T: AsRef<str>>(a: &[T], b: &[T]) -> bool {
    a.iter().zip(b).all(|(a, b)| a.as_ref() == b.as_ref() || [a, b].iter().any(|part| part.as_ref() == TENANT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::located::Span;

    #[test]
    fn a_root_for_each_tenant_names_the_tenant_once_as_a_whole_part() {
        let wrong = |root: &str| {
            let mut faults = Faults::default();
            shape(&Located::new(root.to_owned(), Span { file: 0, range: 0..0 }), &mut faults);
            faults.any_error()
        };
        for root in ["/srv/{tenant}", "{tenant}", "../{tenant}/scans/", "calls/{tenant}", "/srv/all", "a.b"] {
            assert!(!wrong(root), "{root}");
        }
        for root in
            ["/srv/{tenant}/{tenant}", "/srv/x-{tenant}", "{tenant}s", "{tenant}/..", "/srv/{tenant}/../all", "{tenant}/./a"]
        {
            assert!(wrong(root), "{root}");
        }
    }

    #[test]
    fn the_root_of_a_tenant_is_below_what_all_have_in_common() {
        let (from, own) = parted("/srv/{tenant}/scans/", "north");
        assert_eq!((from.as_path(), own.as_slice()), (Path::new("/srv/"), &["north".to_owned(), "scans".to_owned()][..]));
        assert_eq!(of("w/{tenant}", "north"), "w/north");
    }

    #[test]
    fn roots_meet_where_a_tenant_could_have_the_name() {
        let meet = |a: &str, b: &str| {
            let parts = |root: &str| root.split('/').map(str::to_owned).collect::<Vec<_>>();
            let both = (meet(&parts(a), &parts(b)), meet(&parts(b), &parts(a)));
            assert_eq!(both.0, both.1, "{a} {b}");
            both.0
        };
        for (a, b) in
            [("s/{tenant}", "s/x"), ("s/{tenant}", "s"), ("s/{tenant}", "s/x/y"), ("s/{tenant}/a", "s/{tenant}"), ("s", "s")]
        {
            assert!(meet(a, b), "{a} {b}");
        }
        for (a, b) in [("s/{tenant}", "t/x"), ("s/{tenant}/a", "s/{tenant}/b"), ("s/{tenant}/a", "s/x/b"), ("s", "sx")] {
            assert!(!meet(a, b), "{a} {b}");
        }
    }
}
