//! Families whose tenants a control database names: one URL for each. The answer is taken as data from outside: what cannot be a tenant is told.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::family::{self, FamilySettings, is_tenant_name};
use super::rules::{Given, SourceRules};
use super::settings::SourceSettings;
use super::shape::has_password;
use super::workspace::Workspace;
use crate::policy::given;
use crate::policy::reader::shown;

/// A family whose tenants are not known yet.
#[derive(Debug)]
pub struct Controlled {
    /// Its id.
    pub family: String,
    pub(super) from: FamilySettings,
    pub(super) own: SourceSettings,
    pub(super) rules: Arc<SourceRules>,
}

impl Controlled {
    /// The columns of the answer that give dates to the tenants, beside `tenant` and `url`.
    #[must_use]
    pub fn dates(&self) -> Vec<String> {
        self.rules.map.given_columns()
    }

    /// The source whose database is asked, and the query.
    #[must_use]
    pub fn question(&self) -> (&str, &str) {
        (self.from.control.as_deref().unwrap_or_default(), self.from.query.as_deref().unwrap_or_default())
    }
}

/// A row of the answer.
#[derive(Debug, Clone, Default)]
pub struct Named {
    /// The tenant's name.
    pub tenant: Option<String>,
    /// Where its database is.
    pub url: Option<String>,
    /// Its dates, in the order of [`Controlled::dates`].
    pub dates: Vec<Option<String>>,
}

impl Workspace {
    /// Makes the tenants that a control database named sources of the family, or says why it could not be asked: it has none then.
    pub fn tenants_are(&mut self, of: &Controlled, answer: Result<Vec<Named>, String>) {
        let Some(mut family) = self.families.remove(&of.family) else { return };
        let tenants = answer.and_then(|rows| {
            let login = Login::read(&of.from, &self.base)?;
            Ok(tenants(rows, &of.dates(), &login, &mut family.unusable))
        });
        match tenants {
            Ok(tenants) => {
                let own = (&of.own, &of.rules);
                family::insert(&mut family, &of.family, tenants, own, &mut self.settings, &mut self.sources);
            }
            Err(why) => family.unusable.push(why),
        }
        self.families.insert(of.family.clone(), family);
    }
}

/// Who logs in where a URL names nobody.
struct Login {
    user: Option<String>,
    password: Option<String>,
}

impl Login {
    fn read(from: &FamilySettings, base: &Path) -> Result<Self, String> {
        let read = |file: &std::path::PathBuf| {
            let bytes = crate::state::read_private(&base.join(file)).map_err(|e| format!("the password cannot be read: {e}"))?;
            String::from_utf8(bytes).map(|t| t.trim().to_owned()).map_err(|_| "the password is no UTF-8".to_owned())
        };
        Ok(Self { user: from.user.clone(), password: from.password_file.as_ref().map(read).transpose()? })
    }

    /// The URL with the login in it, where it names a server and nobody.
    fn applied(&self, url: &str) -> String {
        match (url.split_once("://"), &self.user) {
            (Some((scheme, rest)), Some(user)) if !authority(rest).contains('@') => {
                let password = self.password.as_ref().map(|p| format!(":{}", encoded(p))).unwrap_or_default();
                format!("{scheme}://{}{password}@{rest}", encoded(user))
            }
            _ => url.to_owned(),
        }
    }
}

fn authority(rest: &str) -> &str {
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// What stands in a URL for any text.
fn encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// The tenants with their URLs. Two with one name, or one database, are none of them a tenant: nobody knows which is right.
fn tenants(rows: Vec<Named>, columns: &[String], login: &Login, unusable: &mut Vec<String>) -> BTreeMap<String, (String, Given)> {
    let names: Vec<Arc<str>> = columns.iter().map(|column| Arc::from(column.as_str())).collect();
    let mut found: BTreeMap<String, Vec<(String, Option<Given>)>> = BTreeMap::new();
    for Named { tenant, url, dates } in rows {
        match (tenant, url) {
            (Some(tenant), _) if !is_tenant_name(&tenant) => {
                unusable.push(format!("`{}` cannot be the name of a tenant", shown(&tenant)));
            }
            // A NULL says where a tenant is not: told, since it may be one that is due.
            (Some(tenant), Some(url)) if !url.is_empty() => {
                // A date that nobody can read is no missing one: the tenant is not worked on.
                let dates = names
                    .iter()
                    .cloned()
                    .enumerate()
                    .map(|(n, name)| given::read(dates.get(n).and_then(Option::as_deref)).map(|day| (name, day)));
                found.entry(tenant).or_default().push((url, dates.collect::<Result<_, _>>().ok()));
            }
            (Some(tenant), _) => unusable.push(format!("the control database has no URL for tenant `{tenant}`")),
            (None, _) => unusable.push("the control database has a tenant without a name".to_owned()),
        }
    }
    let mut users: BTreeMap<String, usize> = BTreeMap::new();
    found.values().flatten().for_each(|(url, _)| *users.entry(url.clone()).or_default() += 1);
    let mut all = BTreeMap::new();
    for (tenant, urls) in found {
        match urls.as_slice() {
            [(_, None)] => {
                unusable.push(format!("the control database has something else than a date (YYYY-MM-DD) for tenant `{tenant}`"))
            }
            [(url, _)] if users.get(url) != Some(&1) => {
                unusable.push(format!("the database of tenant `{tenant}` is another tenant's as well"));
            }
            [(url, _)] if has_password(url) => {
                unusable
                    .push(format!("the control database has a password for tenant `{tenant}`: it belongs into `password_file`"));
            }
            [(url, Some(given))] => {
                all.insert(tenant, (login.applied(url), given.clone()));
            }
            _ => unusable.push(format!("the control database names tenant `{tenant}` several times")),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(rows: &[(&str, &str)]) -> (BTreeMap<String, String>, Vec<String>) {
        let text = |t: &str| (!t.is_empty()).then(|| t.to_owned());
        let login = Login { user: Some("r@x".to_owned()), password: Some("p:/".to_owned()) };
        let mut unusable = Vec::new();
        let rows = rows.iter().map(|(t, u)| Named { tenant: text(t), url: text(u), dates: Vec::new() });
        let found = tenants(rows.collect(), &[], &login, &mut unusable);
        (found.into_iter().map(|(tenant, (url, _))| (tenant, url)).collect(), unusable)
    }

    #[test]
    fn a_url_that_names_nobody_gets_the_login_of_the_settings() {
        for (url, expected) in [
            ("postgres://db:5432/n", "postgres://r%40x:p%3A%2F@db:5432/n"),
            ("mysql://other@db/n", "mysql://other@db/n"),
            ("postgres:///n?host=/run/a@b", "postgres://r%40x:p%3A%2F@/n?host=/run/a@b"),
            ("sqlite:n.db", "sqlite:n.db"),
        ] {
            assert_eq!(named(&[("n", url)]), (BTreeMap::from([("n".to_owned(), expected.to_owned())]), Vec::new()));
        }
    }

    #[test]
    fn what_cannot_be_a_tenant_is_told_and_not_worked_on() {
        for rows in [
            [("North", "sqlite:n")].as_slice(),
            &[("", "sqlite:n")],
            &[("n", "")],
            &[("n", "postgres://u:secret@db/n")],
            &[("n", "sqlite:a"), ("n", "sqlite:b")],
            &[("n", "sqlite:a"), ("m", "sqlite:a")],
        ] {
            let (found, unusable) = named(rows);
            assert!(found.is_empty() && !unusable.is_empty(), "{rows:?}: {found:?} {unusable:?}");
            assert!(!unusable.join(" ").contains("secret"), "{unusable:?}");
        }
    }

    #[test]
    fn a_tenant_whose_date_cannot_be_read_is_not_worked_on() {
        let row = |tenant: &str, day: Option<&str>| Named {
            tenant: Some(tenant.to_owned()),
            url: Some(format!("sqlite:{tenant}")),
            dates: vec![day.map(str::to_owned)],
        };
        let rows = vec![row("a", Some("2024-05-31")), row("b", None), row("c", Some("31/05/2024")), row("d", Some("9999-12-31"))];
        let (login, mut unusable) = (Login { user: None, password: None }, Vec::new());
        let found = tenants(rows, &["ended_on".to_owned()], &login, &mut unusable);
        let day = chrono::NaiveDate::from_ymd_opt(2024, 5, 31);
        let dates: Vec<_> = found.iter().map(|(tenant, (_, given))| (tenant.as_str(), given[0].1)).collect();
        assert_eq!(dates, [("a", day), ("b", None), ("d", None)]);
        assert!(matches!(unusable.as_slice(), [told] if told.contains("tenant `c`") && !told.contains("31/05")), "{unusable:?}");
    }
}
