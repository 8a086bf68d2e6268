//! A header and rows.

use chrono::NaiveDate;

use super::*;

fn column(name: &str, kind: &str, category: Option<&str>) -> Column {
    Column { name: name.to_owned(), kind: kind.to_owned(), category: category.map(str::to_owned), files: None }
}

pub(in crate::archive) fn header() -> Header {
    let table = |data_set: &str, columns| Table {
        data_set: data_set.to_owned(),
        schema: Some("public".to_owned()),
        table: data_set.to_owned(),
        parent: None,
        on: Vec::new(),
        key: vec!["id".to_owned()],
        columns,
    };
    let person = table("person", vec![column("id", "bigint", None), column("name", "text", Some("identity"))]);
    let note = Table {
        parent: Some("person".to_owned()),
        on: vec![("person_id".to_owned(), "id".to_owned())],
        schema: None,
        ..table(
            "note",
            vec![column("id", "bigint", None), column("person_id", "bigint", None), column("scan", "bytea", Some("file"))],
        )
    };
    Header {
        format: FORMAT.to_owned(),
        version: VERSION,
        archive: "litigation".to_owned(),
        source: "crm".to_owned(),
        engine: Engine::Postgres,
        data_set: "person".to_owned(),
        purpose: "claims".to_owned(),
        until: Some(NaiveDate::from_ymd_opt(2031, 12, 31).unwrap()),
        batch: "00ff".to_owned(),
        run: "a1b2".to_owned(),
        tables: vec![person, note],
    }
}

pub(in crate::archive) fn rows() -> Vec<Row> {
    vec![
        Row { table: 0, record: 0, cells: vec![Cell::Integer(7), Cell::Text("Durand\t\"𝄞\"\u{0}\n".to_owned())] },
        Row { table: 1, record: 0, cells: vec![Cell::Real(-0.0), Cell::Integer(7), Cell::Bytes(vec![0, 1, 255])] },
        Row { table: 0, record: 1, cells: vec![Cell::Integer(i64::MIN), Cell::Null] },
    ]
}
