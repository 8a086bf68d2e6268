//! Databases that an earlier version has set up: `check` says what they lack, before a run does.

use retentiond::plan::schema::Engine;

use crate::site::Site;

fn lacking(engine: Engine) {
    let Some(site) = Site::ready(engine) else { return };
    site.run(&["check"]).expect(0);
    let (ledger, leaving) = match engine {
        Engine::Postgres => ("retentiond.ledger", "retentiond.leaving"),
        _ => ("retentiond_ledger", "retentiond_leaving"),
    };
    for column in ["sealed", "files"] {
        site.sql(&format!("ALTER TABLE {ledger} DROP COLUMN {column}"));
        let said = site.run(&["check"]).refused(78, &format!("the ledger lacks the column `{column}`")).err;
        match engine {
            Engine::Sqlite => {
                let statement = said.lines().find_map(|l| l.split_once("help: ")).expect("the statement").1;
                site.sql(statement);
            }
            _ => set_up_again(&site),
        }
        site.run(&["check"]).expect(0);
    }
    site.sql(&format!("DROP TABLE {leaving}"));
    site.run(&["check"]).refused(78, "`retentiond setup` prints");
    set_up_again(&site);
    site.run(&["check"]).expect(0);
    site.enforce().expect(0);
}

fn set_up_again(site: &Site) {
    let script = site.run(&["setup", "--source", "crm", "--role", &site.role_name()]).expect(0).out;
    site.sql(&script);
}

#[test]
fn what_an_earlier_version_did_not_have_is_told_and_set_up_on_sqlite() {
    lacking(Engine::Sqlite);
}

#[test]
fn what_an_earlier_version_did_not_have_is_told_and_set_up_on_postgres() {
    lacking(Engine::Postgres);
}

#[test]
fn what_an_earlier_version_did_not_have_is_told_and_set_up_on_mariadb() {
    lacking(Engine::MariaDb);
}
