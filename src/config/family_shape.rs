//! The form of a family in the settings file.

use super::family::{is_glob, is_tenant_name};
use super::shape::numbers;
use crate::policy::located::{Faults, Located};
use crate::policy::reader::{Reader, shown, text_of};

/// Reads `[sources.<id>.family]`; returns the URLs of its list.
pub(super) fn read(id: &Located<String>, r: Reader<'_, '_>, faults: &mut Faults) -> Vec<Located<String>> {
    let mut urls: Vec<Located<String>> = Vec::new();
    if ["list", "glob", "query"].into_iter().filter(|key| r.get(key).is_some()).count() != 1 {
        faults
            .error(&r.at, format!("the family `{}` does not have exactly one of `list`, `glob` and `query`", shown(id)))
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
    control(id, &r, faults);
    numbers(&r, &[("at_once", 1..=64)], faults);
    r.finish(faults);
    urls
}

/// The keys of a family whose tenants a control database names.
fn control(id: &Located<String>, r: &Reader<'_, '_>, faults: &mut Faults) {
    let query = r.text("query", faults);
    if let Some(query) = &query
        && (query.trim().is_empty() || query.contains(';'))
    {
        faults.error(&query.at, "not one query").expected("SELECT … with the columns `tenant` and `url`, without `;`");
    }
    for key in ["control", "user", "password_file"] {
        let value = r.text(key, faults);
        if let (Some(value), None) = (&value, r.get("query")) {
            faults.error(&value.at, format!("`{key}` without `query`")).expected("query = \"SELECT …\" of a control database");
        }
    }
    if r.get("query").is_some() && r.get("control").is_none() {
        faults
            .error(&r.at, format!("the family `{}` does not say which database its query asks", shown(id)))
            .expected("control = \"…\": another source");
    }
    if let (Some(_), None) = (r.get("password_file"), r.get("user")) {
        faults.error(&r.at, format!("the family `{}` has a password for nobody", shown(id))).expected("user = \"…\"");
    }
}
