//! The form of a family in the settings file.

use super::family::{is_glob, is_tenant_name};
use super::shape::numbers;
use crate::policy::located::{Faults, Located};
use crate::policy::reader::{Reader, shown, text_of};

/// Reads `[sources.<id>.family]`; returns the URLs of its list.
pub(super) fn read(id: &Located<String>, r: Reader<'_, '_>, faults: &mut Faults) -> Vec<Located<String>> {
    let mut urls: Vec<Located<String>> = Vec::new();
    if r.get("list").is_some() == r.get("glob").is_some() {
        faults
            .error(&r.at, format!("the family `{}` does not have exactly one of `list` and `glob`", shown(id)))
            .expected("glob = \"/srv/tenants/*.db\", or [sources.<id>.family.list] with a URL for each tenant");
    }
    if let Some(glob) = r.text("glob", faults)
        && !is_glob(&glob)
    {
        faults
            .error(&glob.at, format!("`{}` does not say which part of a file's name is the tenant", shown(&glob)))
            .expected("one `*`, in the last part of the path");
    }
    if let Some(list) = r.table("list", faults) {
        for (tenant, value) in list.entries() {
            if !is_tenant_name(&tenant) {
                faults
                    .error(&tenant.at, format!("`{}` cannot be the name of a tenant", shown(&tenant)))
                    .expected("1 to 63 lower-case letters, digits, `_`, `-`; a letter or digit first");
            }
            let Some(url) = text_of(value, r.at.file, faults) else { continue };
            if urls.iter().any(|known| known.value == url.value) {
                faults.error(&url.at, format!("the database of tenant `{}` is another tenant's as well", shown(&tenant)));
            }
            urls.push(url);
        }
        if urls.is_empty() {
            faults.error(&r.at, format!("the family `{}` has no tenant", shown(id)));
        }
    }
    numbers(&r, &[("at_once", 1..=64)], faults);
    r.finish(faults);
    urls
}
