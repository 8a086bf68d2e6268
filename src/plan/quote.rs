//! Names and texts as SQL: every name and every text value that enters a statement passes through here.
//!
//! What is written does not depend on a session's settings: neither on PostgreSQL's `standard_conforming_strings`
//! nor on any `sql_mode` of MariaDB and MySQL. A name always stays a name: SQLite reads an unknown `"name"` as a
//! string, so that a dropped column would silently become a constant; between backticks it is an error.

use super::schema::{Engine, TableName};

/// A text that the engine cannot hold: PostgreSQL has no character U+0000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NulInText;

impl std::fmt::Display for NulInText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PostgreSQL has no text with the character U+0000")
    }
}

impl std::error::Error for NulInText {}

/// A name of a table, column, role or index, quoted.
///
/// No engine allows U+0000 in a name; it becomes U+FFFD, so that the statement finds nothing instead of something else.
#[must_use]
pub fn identifier(engine: Engine, name: &str) -> String {
    let quote = match engine {
        Engine::Postgres => '"',
        Engine::MariaDb | Engine::MySql | Engine::Sqlite => '`',
    };
    let mut out = String::with_capacity(name.len() + 2);
    out.push(quote);
    for c in name.chars() {
        match c {
            '\0' => out.push(char::REPLACEMENT_CHARACTER),
            c if c == quote => out.extend([quote, quote]),
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

/// A table's name with its schema or database, both quoted.
#[must_use]
pub fn table(engine: Engine, name: &TableName) -> String {
    format!("{}.{}", identifier(engine, &name.schema), identifier(engine, &name.name))
}

/// A text value as a literal.
///
/// On MariaDB and MySQL a text of printable ASCII without quote and backslash stays readable; any other is written
/// in hexadecimal, since what a backslash or a byte above 127 means there depends on the session.
///
/// # Errors
/// [`NulInText`] on PostgreSQL, when the text contains U+0000.
pub fn text_literal(engine: Engine, text: &str) -> Result<String, NulInText> {
    match engine {
        Engine::Postgres if text.contains('\0') => Err(NulInText),
        Engine::Postgres if text.contains('\\') => Ok(format!("E'{}'", text.replace('\\', r"\\").replace('\'', "''"))),
        Engine::Postgres => Ok(format!("'{}'", text.replace('\'', "''"))),
        Engine::MariaDb | Engine::MySql if is_plain(text) => Ok(format!("'{text}'")),
        Engine::MariaDb | Engine::MySql => Ok(format!("_utf8mb4 x'{}'", hex::encode(text))),
        Engine::Sqlite if text.contains('\0') => Ok(format!("CAST(x'{}' AS TEXT)", hex::encode(text))),
        Engine::Sqlite => Ok(format!("'{}'", text.replace('\'', "''"))),
    }
}

/// Printable ASCII without quote and backslash: means the same in every session.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'\'' && b != b'\\')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ENGINES: [Engine; 4] = [Engine::Postgres, Engine::MariaDb, Engine::MySql, Engine::Sqlite];

    /// Reads a quoted token as a lexer does and gives its content back; `None` when text is left behind its end.
    fn read_quoted(sql: &str, quote: char) -> Option<String> {
        let mut chars = sql.strip_prefix(quote)?.chars();
        let mut content = String::new();
        loop {
            match chars.next()? {
                c if c == quote => match chars.next() {
                    None => return Some(content),
                    Some(c) if c == quote => content.push(c),
                    Some(_) => return None,
                },
                c => content.push(c),
            }
        }
    }

    fn read_literal(engine: Engine, sql: &str) -> Option<String> {
        let unhex = |hex: &str| String::from_utf8(hex::decode(hex).ok()?).ok();
        if let Some(rest) = sql.strip_prefix("_utf8mb4 x'") {
            return unhex(rest.strip_suffix('\'')?);
        }
        if let Some(rest) = sql.strip_prefix("CAST(x'") {
            return unhex(rest.strip_suffix("' AS TEXT)")?);
        }
        if let Some(rest) = sql.strip_prefix('E') {
            return Some(read_quoted(rest, '\'')?.replace(r"\\", r"\"));
        }
        if engine != Engine::Sqlite && sql.contains('\\') {
            return None;
        }
        read_quoted(sql, '\'')
    }

    fn hostile() -> impl Strategy<Value = String> {
        prop_oneof![
            "[ -~]{0,40}",
            "[\"'`\\\\;\\-/*\\[\\]$ a\\n]{0,24}",
            any::<String>(),
            "(['\"`\\\\]|\u{202e}|\u{1f600}|\u{5b57}|\u{e9}){0,12}",
        ]
    }

    proptest! {
        #[test]
        fn a_quoted_name_reads_back_as_itself_and_ends_with_its_quote(name in hostile()) {
            for engine in ENGINES {
                let quote = if engine == Engine::Postgres { '"' } else { '`' };
                let read = read_quoted(&identifier(engine, &name), quote);
                prop_assert_eq!(read, Some(name.replace('\0', "\u{fffd}")));
            }
        }

        #[test]
        fn a_text_literal_reads_back_as_itself_under_every_setting(text in hostile()) {
            for engine in ENGINES {
                match text_literal(engine, &text) {
                    Ok(sql) => prop_assert_eq!(read_literal(engine, &sql), Some(text.clone())),
                    Err(NulInText) => prop_assert!(engine == Engine::Postgres && text.contains('\0')),
                }
            }
        }

        #[test]
        fn no_byte_above_127_and_no_backslash_reaches_mysql(text in hostile()) {
            let sql = text_literal(Engine::MySql, &text).unwrap();
            prop_assert!(sql.is_ascii() && !sql.contains('\\'));
        }
    }

    #[test]
    fn a_plain_word_stays_readable() {
        for engine in ENGINES {
            assert_eq!(text_literal(engine, "ANONYME 1%").unwrap(), "'ANONYME 1%'");
        }
    }

    #[test]
    fn literals_are_written_as_each_engine_needs_them() {
        assert_eq!(text_literal(Engine::Postgres, r"l'été\").unwrap(), r"E'l''été\\'");
        assert_eq!(text_literal(Engine::MariaDb, "é'").unwrap(), "_utf8mb4 x'c3a927'");
        assert_eq!(text_literal(Engine::Sqlite, r"l'\").unwrap(), r"'l''\'");
        assert_eq!(text_literal(Engine::Sqlite, "a\0").unwrap(), "CAST(x'6100' AS TEXT)");
        assert_eq!(text_literal(Engine::Postgres, "a\0"), Err(NulInText));
    }

    #[test]
    fn a_table_name_keeps_its_dot_inside_the_quotes() {
        let name = TableName { schema: "a.b".into(), name: "c`\"d".into() };
        assert_eq!(table(Engine::Postgres, &name), "\"a.b\".\"c`\"\"d\"");
        assert_eq!(table(Engine::MariaDb, &name), "`a.b`.`c``\"d`");
    }
}
