//! The settings: what the environment may change, and which files must be closed to others.

use std::os::unix::fs::PermissionsExt as _;

use retentiond::plan::schema::Engine;

use crate::site::Site;

#[test]
fn an_unknown_environment_variable_is_named() {
    let site = Site::new(Engine::Sqlite).expect("SQLite");
    let check = |name: &str, value: &str| site.run_with(&["check", "--offline"], &[(name, value)]);
    check("RETENTIOND__STAT", "x").refused(78, "the environment variable `RETENTIOND__STAT` sets nothing");
    check("RETENTIOND__STAT", "x").refused(78, "did you mean `state`?");
    check("RETENTIOND__SOURCES__CRM__URI", "Canary").refused(78, "RETENTIOND__SOURCES__CRM__URI");
    check("RETENTIOND__CEILINGS__ROW", "1").refused(78, "did you mean `rows`?");
    check("RETENTIOND__POLICIES", "Canary").refused(78, "a list does not come from the environment");
    check("RETENTIOND__CEILINGS__ROWS", "Canary").refused(78, "RETENTIOND__CEILINGS__ROWS");
    check("RETENTIOND__LANGUAGE", "canary").refused(78, "RETENTIOND__LANGUAGE");
    check("RETENTIOND__A\u{1b}[2J", "1").refused(78, "a\\u{1b}[2j".to_uppercase().replace("\\U{1B}", "\\u{1b}").as_str());
}

#[test]
fn the_environment_lies_over_the_file() {
    let site = Site::ready(Engine::Sqlite).expect("SQLite");
    site.run_with(&["enforce", "--source", "crm", "--plan", &site.hash()], &[("RETENTIOND__CEILINGS__ROWS", "1")]).expect(75);
    let french = site.run_with(&["plan"], &[("RETENTIOND__LANGUAGE", "fr")]).expect(0).out;
    assert!(french.contains("Empreinte du plan"), "{french}");
    let english = site.run_with(&["plan", "--lang", "en"], &[("RETENTIOND__LANGUAGE", "fr")]).expect(0).out;
    assert!(english.contains("Plan hash"), "{english}");
    let missing = site.run_with(&["journal", "show"], &[("RETENTIOND__STATE", "elsewhere")]);
    missing.expect(69);
}

#[test]
fn secrets_that_others_may_read_are_refused() {
    let site = Site::ready(Engine::Sqlite).expect("SQLite");
    let mode = |name: &str, mode: u32| {
        std::fs::set_permissions(site.path(name), std::fs::Permissions::from_mode(mode)).expect("a mode");
    };
    mode("url", 0o640);
    site.run(&["plan"]).refused(78, "source crm: ");
    mode("url", 0o600);
    let text = std::fs::read_to_string(site.path("retentiond.toml")).expect("the settings");
    site.write("retentiond.toml", &text.replace("url_file = \"url\"", "url = \"postgres://app:Canary@127.0.0.1:1/x\""));
    site.run(&["plan"]).refused(69, "source crm: ");
    for open in [0o604, 0o640, 0o644] {
        mode("retentiond.toml", open);
        site.run(&["plan"]).refused(78, "a password in settings that others may read");
    }
    site.write("retentiond.toml", &text.replace("url_file = \"url\"", "credential = \"crm\""));
    site.run(&["plan"]).refused(78, "CREDENTIALS_DIRECTORY is not set");
    site.write("crm", &site.database.url);
    let directory = site.dir().display().to_string();
    site.run_with(&["plan"], &[("CREDENTIALS_DIRECTORY", &directory)]).expect(0);
}

#[test]
fn a_relative_sqlite_path_starts_at_the_settings_file_wherever_the_url_is_kept() {
    let site = Site::ready(Engine::Sqlite).expect("SQLite");
    let original = site.database.url.strip_prefix("sqlite:").expect("a path").to_owned();
    std::fs::copy(original, site.path("beside.db")).expect("a copy");
    site.write("url", "sqlite:beside.db");
    let config = site.path("retentiond.toml").display().to_string();
    let elsewhere = tempfile::tempdir().expect("a directory");
    crate::site::run_in(elsewhere.path(), &["--config", &config, "plan"], &[]).expect(0);
}

#[test]
fn every_kind_of_file_has_a_published_schema() {
    let site = Site::new(Engine::Sqlite).expect("SQLite");
    for kind in ["policy", "map", "settings"] {
        assert_eq!(site.run(&["schema", kind]).expect(0).json()["type"], "object", "{kind}");
    }
}

#[test]
fn the_script_is_made_as_an_administrator_before_the_role_is_there() {
    for engine in [Engine::Postgres, Engine::MariaDb, Engine::MySql] {
        let Some(site) = Site::new(engine) else { continue };
        let role = site.role_name();
        site.write("admin.url", &site.database.url);
        site.write("url", &site.database.as_user(&role));
        let setup = ["setup", "--source", "crm", "--role", &role];
        site.run(&setup).refused(69, "`retentiond setup --url-file <file>` connects with an administrator's URL");
        let script = site.run(&[&setup[..], &["--url-file", "admin.url"]].concat()).expect(0).out;
        site.sql(&script);
        site.run(&["check", "--source", "crm"]).refused(69, "login refused");
        site.log_in();
        site.run(&["check"]).expect(0);
        site.run(&["check", "--source", "crm", "--url-file", "admin.url"]).expect(0);
        site.run(&["check", "--url-file", "admin.url"]).expect(64);
    }
}
