//! The surroundings of a MariaDB or MySQL database: settings, and privileges summed up from all levels at which they are granted.

use super::error::SourceError;
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
    // The user's own grants and those of the roles that are active in this session.
    let at = "SUBSTRING_INDEX(CURRENT_USER(), '@', -1)";
    let user = format!("SUBSTRING(CURRENT_USER(), 1, CHAR_LENGTH(CURRENT_USER()) - CHAR_LENGTH({at}) - 1)");
    let mine = format!("GRANTEE = CONCAT('''', {user}, '''@''', {at}, '''')");
    let roles = if session.engine() == Engine::MariaDb {
        "GRANTEE IN (SELECT ROLE_NAME FROM information_schema.ENABLED_ROLES) \
         OR GRANTEE IN (SELECT CONCAT('''', ROLE_NAME, '''@''''') FROM information_schema.ENABLED_ROLES)"
    } else {
        "GRANTEE IN (SELECT CONCAT('''', ROLE_NAME, '''@''', ROLE_HOST, '''') FROM information_schema.ENABLED_ROLES)"
    };
    let whose = format!("({mine} OR {roles})");
    found.sees_triggers = false;

    let sql =
        format!("SELECT PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES WHERE {whose} AND PRIVILEGE_TYPE <> 'USAGE'");
    for row in &session.rows(&sql).await? {
        let word = field(row, 0);
        found.superuser |= word == "SUPER";
        found.wide.push(format!("{word} ON *.*"));
        everywhere(found, word);
    }
    // A grant's database may be a pattern.
    let sql =
        format!("SELECT PRIVILEGE_TYPE FROM information_schema.SCHEMA_PRIVILEGES WHERE {whose} AND DATABASE() LIKE TABLE_SCHEMA");
    for row in &session.rows(&sql).await? {
        found.wide.push(format!("{} ON {database}.*", field(row, 0)));
        everywhere(found, field(row, 0));
    }
    found.wide.sort();
    found.wide.dedup();
    let sql = format!(
        "SELECT TABLE_NAME, PRIVILEGE_TYPE FROM information_schema.TABLE_PRIVILEGES WHERE {whose} AND TABLE_SCHEMA = DATABASE()"
    );
    for row in &session.rows(&sql).await? {
        let name = TableName { schema: database.to_owned(), name: field(row, 0).to_owned() };
        if let Some(privileges) = found.privileges.get_mut(&name) {
            add(privileges, field(row, 1));
        }
    }
    let sql = format!(
        "SELECT TABLE_NAME, COLUMN_NAME, PRIVILEGE_TYPE FROM information_schema.COLUMN_PRIVILEGES WHERE {whose} AND TABLE_SCHEMA = DATABASE()"
    );
    for row in &session.rows(&sql).await? {
        let name = TableName { schema: database.to_owned(), name: field(row, 0).to_owned() };
        let Some(privileges) = found.privileges.get_mut(&name) else { continue };
        match field(row, 2) {
            "SELECT" => privileges.select.add_column(field(row, 1)),
            "INSERT" => privileges.insert.add_column(field(row, 1)),
            "UPDATE" => privileges.update.add_column(field(row, 1)),
            _ => {}
        }
    }
    for privileges in found.privileges.values_mut() {
        privileges.more.sort();
        privileges.more.dedup();
    }
    Ok(())
}

/// A privilege on the whole database or server is one on each table.
fn everywhere(found: &mut Surroundings, word: &str) {
    found.sees_triggers |= word == "TRIGGER";
    for privileges in found.privileges.values_mut() {
        add(privileges, word);
    }
}

fn add(privileges: &mut Privileges, word: &str) {
    match word {
        "SELECT" => privileges.select = Extent::Table,
        "INSERT" => privileges.insert = Extent::Table,
        "UPDATE" => privileges.update = Extent::Table,
        "DELETE" => privileges.delete = true,
        // Privileges that exist for tables; those of the server stay in `wide`.
        "ALTER" | "CREATE" | "CREATE VIEW" | "DELETE HISTORY" | "DROP" | "INDEX" | "REFERENCES" | "SHOW VIEW" | "TRIGGER" => {
            privileges.more.push(word.to_owned());
        }
        _ => {}
    }
}
