//! What the setup tests of all engines share.

use std::sync::atomic::{AtomicU32, Ordering};

use retentiond::{
    plan::own_tables::OwnTable,
    plan::schema::{Engine, TableName},
    source::setup::{SetupRequest, TableGrant},
};

/// Names as unpleasant as the engines allow.
pub const HOSTILE: &str = "o'Brien \"x\" `y` \\ -- ; $retentiond$ {{role}}";

/// The administrator's URL, or `None` (said loudly) where no server is at hand; on CI that is a failure (MySQL excepted, which is optional).
pub fn admin_url(variable: &str) -> Option<String> {
    let url = std::env::var(variable).ok();
    if url.is_none() {
        assert!(variable == "RETENTIOND_TEST_MYSQL" || std::env::var_os("CI").is_none(), "{variable} is not set");
        eprintln!("SKIPPED: {variable} is not set, run ./test");
    }
    url
}

/// A name that no other test of this server uses.
pub fn unique(stem: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{stem}_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The same request for a map that has pseudonyms.
pub fn with_key(engine: Engine, mut request: SetupRequest) -> SetupRequest {
    let table = OwnTable::PseudonymKey.name(engine, &request.database);
    request.tables.push(TableGrant { table, select: true, update_columns: vec![], delete: false, lock: None });
    request
}

/// One data set to mask and delete in (`person`), one to read and lock in (`visit`); `secret` and `person.note` are not granted.
pub fn request(database: &str, schema: &str, role: &str) -> SetupRequest {
    let table = |name: &str| TableName { schema: schema.into(), name: name.into() };
    SetupRequest {
        source: "crm".into(),
        role: role.into(),
        host: None,
        slots: 2,
        database: database.into(),
        tables: vec![
            TableGrant {
                table: table("person"),
                select: true,
                update_columns: vec!["name".into(), "email".into()],
                delete: true,
                lock: Some("id".into()),
            },
            TableGrant { table: table("visit"), select: true, update_columns: vec![], delete: false, lock: Some("id".into()) },
        ],
    }
}
