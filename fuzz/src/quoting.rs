//! Names and texts in SQL, read back by readers of our own and by `sqlparser`'s tokenizers.

use retentiond::plan::quote::{identifier, table, text_literal};
use retentiond::plan::schema::{Engine, TableName};
use sqlparser::dialect::{Dialect, MySqlDialect, PostgreSqlDialect, SQLiteDialect};
use sqlparser::tokenizer::{Token, Tokenizer};

pub const ENGINES: [Engine; 4] = [Engine::Postgres, Engine::MariaDb, Engine::MySql, Engine::Sqlite];

/// Quotes the input as a name, as both halves of a table's name, and as a text, on every engine.
pub fn quote(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for engine in ENGINES {
        let mark = if engine == Engine::Postgres { '"' } else { '`' };
        let name = text.replace('\0', "\u{fffd}");
        let sql = identifier(engine, text);
        let (read, rest) = read_quoted(&sql, mark).expect("a quoted name has an end");
        assert_eq!((read.as_str(), rest), (name.as_str(), ""), "a name on {}", engine.name());
        assert!(!sql.contains('\0'));

        let (schema, own) = text.split_at(text.floor_char_boundary(text.len() / 2));
        let sql = table(engine, &TableName { schema: schema.to_owned(), name: own.to_owned() });
        let (first, rest) = read_quoted(&sql, mark).expect("a quoted schema has an end");
        let (second, rest) = rest.strip_prefix('.').and_then(|r| read_quoted(r, mark)).expect("a dot and a quoted name");
        assert_eq!(format!("{first}{second}"), name, "a table on {}", engine.name());
        assert!(rest.is_empty());

        match text_literal(engine, text) {
            Err(_) => assert!(engine == Engine::Postgres && text.contains('\0')),
            Ok(sql) => assert_eq!(read_literal(engine, &sql).as_deref(), Some(text), "a text on {}", engine.name()),
        }
        in_a_statement(engine, text, mark);
    }
}

/// The names and the text inside a statement, as somebody else's tokenizer sees it.
fn in_a_statement(engine: Engine, text: &str, mark: char) {
    let (Ok(literal), name) = (text_literal(engine, text), identifier(engine, text)) else { return };
    let sql = format!("SELECT {name} FROM x WHERE y={literal}AND 1=1");
    let tokens: Vec<Token> = tokens(engine, &sql)
        .expect("a statement has tokens")
        .into_iter()
        .filter(|t| !matches!(t, Token::Whitespace(_)))
        .collect();
    assert!(matches!(&tokens[1], Token::Word(w) if w.quote_style == Some(mark)), "{:?} on {}", tokens.get(1), engine.name());
    let after: Vec<String> = tokens.iter().skip(2).take(5).map(ToString::to_string).collect();
    assert_eq!(after[..4], ["FROM", "x", "WHERE", "y"], "on {}", engine.name());
    let end: Vec<String> = tokens.iter().rev().take(4).rev().map(ToString::to_string).collect();
    assert_eq!(end, ["AND", "1", "=", "1"], "on {}", engine.name());
    // The literal is one token, two with a character set before it, six in a CAST.
    assert!([12, 13, 17].contains(&tokens.len()), "{} tokens on {}", tokens.len(), engine.name());
}

/// The tokens of a statement, or nothing when it is none.
pub fn tokens(engine: Engine, sql: &str) -> Option<Vec<Token>> {
    let dialect: &dyn Dialect = match engine {
        Engine::Postgres => &PostgreSqlDialect {},
        Engine::MariaDb | Engine::MySql => &MySqlDialect {},
        Engine::Sqlite => &SQLiteDialect {},
    };
    Tokenizer::new(dialect, sql).with_unescape(false).tokenize().ok()
}

/// Reads a quoted token from the start of `sql`; gives its content and what follows.
fn read_quoted(sql: &str, mark: char) -> Option<(String, &str)> {
    let mut content = String::new();
    let mut chars = sql.char_indices().peekable();
    chars.next().filter(|(_, c)| *c == mark)?;
    while let Some((at, c)) = chars.next() {
        if c != mark {
            content.push(c);
        } else if chars.next_if(|(_, next)| *next == mark).is_some() {
            content.push(mark);
        } else {
            return Some((content, &sql[at + c.len_utf8()..]));
        }
    }
    None
}

/// Reads a literal as the engine does, whatever the session's settings are; `None` where they would matter.
fn read_literal(engine: Engine, sql: &str) -> Option<String> {
    let unhex = |hex: &str| String::from_utf8(hex::decode(hex).ok()?).ok();
    let whole = |sql: &str| read_quoted(sql, '\'').filter(|(_, rest)| rest.is_empty()).map(|(text, _)| text);
    match engine {
        Engine::MariaDb | Engine::MySql if !sql.is_ascii() || sql.contains('\\') => None,
        Engine::MariaDb | Engine::MySql => match sql.strip_prefix("_utf8mb4 x'") {
            Some(rest) => unhex(rest.strip_suffix('\'')?),
            None => whole(sql),
        },
        Engine::Sqlite => match sql.strip_prefix("CAST(x'") {
            Some(rest) => unhex(rest.strip_suffix("' AS TEXT)")?),
            None => whole(sql).filter(|text| !text.contains('\0')),
        },
        Engine::Postgres => match sql.strip_prefix('E') {
            Some(rest) => {
                let escaped = whole(rest)?;
                let mut out = String::new();
                let mut chars = escaped.chars();
                while let Some(c) = chars.next() {
                    out.push(if c == '\\' { chars.next().filter(|c| *c == '\\')? } else { c });
                }
                Some(out)
            }
            None if sql.contains('\\') => None,
            None => whole(sql),
        },
    }
}
