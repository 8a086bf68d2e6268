use proptest::prelude::*;

use super::*;

const ENGINES: [Engine; 4] = [Engine::Postgres, Engine::MariaDb, Engine::MySql, Engine::Sqlite];

fn request() -> SetupRequest {
    SetupRequest {
        source: "crm".into(),
        role: "retentiond_crm".into(),
        host: None,
        slots: 2,
        database: "crm".into(),
        tables: vec![TableGrant {
            table: TableName { schema: "sales".into(), name: "person".into() },
            select: true,
            update_columns: vec!["name".into(), "email".into(), "name".into()],
            delete: true,
            lock: Some("id".into()),
        }],
    }
}

#[test]
fn no_placeholder_is_left_and_none_is_unknown() {
    for engine in ENGINES {
        let script = script(engine, &request()).unwrap();
        assert!(!script.contains("{{") && !script.contains("}}"), "{script}");
        assert!(!template(engine).contains("{{source}}"));
    }
}

#[test]
fn grants_name_the_columns_once_and_nothing_more() {
    let postgres = script(Engine::Postgres, &request()).unwrap();
    assert!(
        postgres.contains(r#"GRANT SELECT, UPDATE ("email", "name"), DELETE ON "sales"."person" TO "retentiond_crm";"#),
        "{postgres}"
    );
    let mariadb = script(Engine::MariaDb, &request()).unwrap();
    assert!(
        mariadb.contains("GRANT SELECT, UPDATE (`email`, `name`), DELETE ON `sales`.`person` TO `retentiond_crm`@`%`;"),
        "{mariadb}"
    );
}

#[test]
fn the_key_of_pseudonyms_is_made_only_where_the_role_reads_it_and_never_written_out() {
    for (engine, table, draws) in [
        (Engine::Postgres, "retentiond.pseudonym_key", "gen_random_uuid()"),
        (Engine::MariaDb, "`crm`.retentiond_pseudonym_key", "RANDOM_BYTES(64)"),
        (Engine::MySql, "`crm`.retentiond_pseudonym_key", "RANDOM_BYTES(64)"),
    ] {
        assert!(!script(engine, &request()).unwrap().contains("pseudonym"));
        let mut with_key = request();
        let key = OwnTable::PseudonymKey.name(engine, "crm");
        with_key.tables.push(TableGrant { table: key, select: true, update_columns: vec![], delete: false, lock: None });
        let script = script(engine, &with_key).unwrap();
        assert!(script.contains(&format!("CREATE TABLE IF NOT EXISTS {table}")) && script.contains(draws), "{script}");
        let granted: Vec<&str> = script.lines().filter(|l| l.starts_with("GRANT") && l.contains("pseudonym_key")).collect();
        // MariaDB and MySQL revoke only what was granted before.
        assert!(!granted.is_empty() && granted.iter().all(|g| g.starts_with("GRANT SELECT ON")), "{granted:?}");
        assert!(!script.contains("{{"), "{script}");
    }
}

#[test]
fn the_lock_column_is_granted_only_where_nothing_else_lets_rows_be_locked() {
    let grant = |update: &[&str], delete| TableGrant {
        update_columns: update.iter().map(|&c| c.to_owned()).collect(),
        delete,
        ..request().tables.remove(0)
    };
    let list = |engine, update: &[&str], delete| privileges(engine, &grant(update, delete)).join(", ");
    assert_eq!(list(Engine::Postgres, &[], false), r#"SELECT, UPDATE ("id")"#);
    assert_eq!(list(Engine::Postgres, &[], true), r#"SELECT, UPDATE ("id"), DELETE"#);
    assert_eq!(list(Engine::Postgres, &["name"], true), r#"SELECT, UPDATE ("name"), DELETE"#);
    assert_eq!(list(Engine::MySql, &[], false), "SELECT, UPDATE (`id`)");
    assert_eq!(list(Engine::MySql, &[], true), "SELECT, DELETE");
    assert_eq!(list(Engine::MariaDb, &[], false), "SELECT");
}

#[test]
fn a_grant_that_only_lets_rows_be_locked_says_so_and_no_other_does() {
    let mut locking = request();
    locking.tables.push(TableGrant {
        table: TableName { schema: "sales".into(), name: "invoice".into() },
        select: true,
        update_columns: Vec::new(),
        delete: false,
        lock: Some("id".into()),
    });
    for engine in [Engine::Postgres, Engine::MySql] {
        let said = |request: &SetupRequest| {
            let script = script(engine, request).unwrap();
            let lines: Vec<String> = script.lines().map(str::to_owned).collect();
            let at: Vec<usize> = (0..lines.len()).filter(|&i| lines[i].starts_with("-- Nothing writes ")).collect();
            at.into_iter().map(|i| lines[i + 1].clone()).collect::<Vec<_>>()
        };
        assert_eq!(said(&request()), Vec::<String>::new());
        let granted = said(&locking);
        assert!(
            matches!(&granted[..], [one] if one.starts_with("GRANT SELECT, UPDATE (") && one.contains("invoice")),
            "{granted:?}"
        );
        assert!(template(engine).contains("or what locking rows takes"), "the heading promises less than is granted");
    }
    assert!(!script(Engine::MariaDb, &locking).unwrap().contains("-- Nothing writes "), "MariaDB locks what may be read");
}

#[test]
fn a_source_without_slots_and_names_with_nul_are_refused() {
    for engine in ENGINES {
        assert_eq!(script(engine, &SetupRequest { slots: 0, ..request() }), Err(SetupError::NoSlots));
        assert_eq!(script(engine, &SetupRequest { role: "a\0".into(), ..request() }), Err(SetupError::NulInName));
        let mut hostile = request();
        hostile.tables[0].lock = Some("\0".into());
        assert_eq!(script(engine, &hostile), Err(SetupError::NulInName));
    }
}

/// What a database reads: code characters and quoted contents, comments left out.
#[derive(Debug, Clone, PartialEq)]
enum Token {
    Code(char),
    Quoted(char, String),
}

/// Reads a script as its engine does. PostgreSQL's dollar quotes are opened, their content read as code.
fn lex(sql: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = sql;
    while let Some(c) = rest.chars().next() {
        if rest.starts_with("--") {
            rest = rest.split_once('\n').map_or("", |(_, tail)| tail);
        } else if c == '$' {
            let end = 1 + rest[1..].find('$').expect("a dollar quote's tag");
            let (tag, body) = rest.split_at(end + 1);
            let (body, tail) = body.split_once(tag).expect("a dollar quote's end");
            tokens.extend(lex(body));
            rest = tail;
        } else if "'\"`".contains(c) {
            let escapes = c == '\'' && tokens.last() == Some(&Token::Code('E'));
            let mut content = String::new();
            let mut chars = rest[1..].char_indices().peekable();
            loop {
                let (at, d) = chars.next().expect("a closing quote");
                if d == c && chars.next_if(|&(_, next)| next == c).is_none() {
                    rest = &rest[1 + at + 1..];
                    break;
                }
                if escapes && d == '\\' {
                    chars.next();
                }
                content.push(d);
            }
            match tokens.last() {
                Some(Token::Code('E')) => {
                    tokens.pop();
                }
                Some(Token::Code('x')) => {
                    tokens.truncate(tokens.len() - "_utf8mb4x".len());
                    content = String::from_utf8(hex::decode(content).unwrap()).unwrap();
                }
                _ => {}
            }
            tokens.push(Token::Quoted(c, content));
        } else {
            if !c.is_whitespace() {
                tokens.push(Token::Code(c));
            }
            rest = &rest[c.len_utf8()..];
        }
    }
    tokens
}

proptest! {
    #[test]
    fn a_hostile_name_never_leaves_its_comment_its_quotes_or_its_place(
        name in "[a'\"`$\\\\;{}\n\r\u{202e}-]{0,12}(\\$retentiond\\$|\\{\\{role\\}\\}|\n--|\\*/)?"
    ) {
        let named = |name: &str| SetupRequest {
            source: name.into(),
            role: name.into(),
            host: Some(name.into()),
            database: name.into(),
            ..request()
        };
        for engine in ENGINES {
            let mut expected = lex(&script(engine, &named("N")).unwrap());
            for token in &mut expected {
                if let Token::Quoted(_, content) = token && content == "N" {
                    content.clone_from(&name);
                }
            }
            prop_assert_eq!(lex(&script(engine, &named(&name)).unwrap()), expected);
        }
    }
}
