//! The surroundings of a MariaDB or MySQL database: settings, and privileges summed up from all levels at which they are granted.

use super::error::SourceError;
use super::grants;
use super::session::Session;
use super::surroundings::{Extent, Privileges, Surroundings, field};
use crate::plan::schema::{Engine, TableName};

/// Reads them as the connected user.
pub(super) async fn read(session: &mut Session) -> Result<Surroundings, SourceError> {
    let mut found = Surroundings::empty();
    let sql = "SELECT CURRENT_USER(), DATABASE()";
    let rows = session.rows(sql).await?;
    let row = rows.first().ok_or(SourceError::Catalogue("current user"))?;
    found.role = field(row, 0).to_owned();
    let database = field(row, 1).to_owned();

    let sql = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('innodb_flush_log_at_trx_commit', 'sync_binlog', 'log_bin', 'binlog_format', \
         'binlog_row_image', 'transaction_isolation', 'tx_isolation', 'general_log', 'wsrep_on', 'innodb_snapshot_isolation', \
         'read_only', 'super_read_only', 'innodb_read_only')";
    for row in &session.rows(sql).await? {
        let (name, value) = (field(row, 0).to_ascii_lowercase(), field(row, 1));
        match name.as_str() {
            "read_only" | "super_read_only" | "innodb_read_only" => found.read_only |= !matches!(value, "OFF" | "0"),
            "tx_isolation" => drop(found.settings.insert("transaction_isolation".to_owned(), value.to_owned())),
            _ => drop(found.settings.insert(name, value.to_owned())),
        }
    }
    for row in &session.rows("SHOW SESSION STATUS WHERE Variable_name IN ('Ssl_cipher', 'wsrep_cluster_size')").await? {
        match field(row, 0).to_ascii_lowercase().as_str() {
            "ssl_cipher" => found.encrypted = !field(row, 1).is_empty(),
            _ => found.galera_nodes = field(row, 1).parse().ok().filter(|nodes| *nodes > 0),
        }
    }
    privileges(session, &database, &mut found).await?;
    Ok(found)
}

async fn privileges(session: &mut Session, database: &str, found: &mut Surroundings) -> Result<(), SourceError> {
    let sql = "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()";
    for row in &session.rows(sql).await? {
        let name = TableName { schema: field(row, 0).to_owned(), name: field(row, 1).to_owned() };
        found.privileges.insert(name, Privileges::default());
    }
    // SHOW GRANTS knows what information_schema hides: MariaDB lists the active role's grants only there.
    let mut show = "SHOW GRANTS".to_owned();
    if session.engine() == Engine::MySql {
        let roles = session.rows("SELECT CURRENT_ROLE()").await?;
        if let Some(roles) = roles.first().map(|row| field(row, 0)).filter(|roles| !roles.is_empty() && *roles != "NONE") {
            show = format!("SHOW GRANTS FOR CURRENT_USER() USING {roles}");
        }
    }
    found.sees_triggers = false;
    for row in &session.rows(&show).await? {
        let Some(grant) = grants::read(field(row, 0)) else { continue };
        let whole = grant.table.is_none();
        if !grant.reaches(database) {
            continue;
        }
        for (word, columns) in &grant.privileges {
            if whole {
                let place = if grant.database.is_none() { "*.*".to_owned() } else { format!("{database}.*") };
                found.superuser |= grant.database.is_none() && matches!(word.as_str(), "SUPER" | "ALL PRIVILEGES");
                found.sees_triggers |= matches!(word.as_str(), "TRIGGER" | "ALL PRIVILEGES");
                found.wide.push(format!("{word} ON {place}"));
            }
            for (name, privileges) in &mut found.privileges {
                if grant.table.as_ref().is_none_or(|t| *t == name.name) {
                    add(privileges, word, columns);
                }
            }
        }
    }
    found.wide.sort();
    found.wide.dedup();
    for privileges in found.privileges.values_mut() {
        privileges.more.sort();
        privileges.more.dedup();
    }
    Ok(())
}

fn add(privileges: &mut Privileges, word: &str, columns: &[String]) {
    let extend = |extent: &mut Extent| match columns {
        [] => *extent = Extent::Table,
        some => some.iter().for_each(|c| extent.add_column(c)),
    };
    match word {
        "SELECT" => extend(&mut privileges.select),
        "INSERT" => extend(&mut privileges.insert),
        "UPDATE" => extend(&mut privileges.update),
        "DELETE" => privileges.delete = true,
        "ALL PRIVILEGES" => {
            for each in ["SELECT", "INSERT", "UPDATE", "DELETE"].iter().chain(&FURTHER) {
                add(privileges, each, &[]);
            }
        }
        _ if FURTHER.contains(&word) => privileges.more.push(word.to_owned()),
        _ => {}
    }
}

/// Further privileges that exist for tables; those of the server stay in `wide`.
const FURTHER: [&str; 8] = ["ALTER", "CREATE", "CREATE VIEW", "DROP", "INDEX", "REFERENCES", "SHOW VIEW", "TRIGGER"];
