//! Reading one line of `SHOW GRANTS` of MariaDB and MySQL.

/// One grant on a place: the server, a database (perhaps a pattern), or a table.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Grant {
    /// Each privilege in capitals, with the columns it is limited to (none: no limit).
    pub privileges: Vec<(String, Vec<String>)>,
    /// The database, as written; `None` for all.
    pub database: Option<String>,
    /// The table; `None` for all.
    pub table: Option<String>,
}

impl Grant {
    /// Whether the grant's place is in that database, or around it.
    pub(super) fn reaches(&self, database: &str) -> bool {
        match (&self.database, &self.table) {
            (None, _) => true,
            (Some(name), Some(_)) => name == database,
            // Only a whole database may be named by a pattern.
            (Some(pattern), None) => matches(pattern, database),
        }
    }
}

/// `LIKE` with `_`, `%` and `\`.
fn matches(pattern: &str, name: &str) -> bool {
    let mut rest = pattern.chars();
    let Some(first) = rest.next() else { return name.is_empty() };
    let mut chars = name.chars();
    match first {
        '%' => name.char_indices().map(|(i, _)| i).chain([name.len()]).any(|i| matches(rest.as_str(), &name[i..])),
        '_' => chars.next().is_some() && matches(rest.as_str(), chars.as_str()),
        _ => {
            let wanted = if first == '\\' { rest.next() } else { Some(first) };
            wanted == chars.next() && wanted.is_some() && matches(rest.as_str(), chars.as_str())
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Name(String),
    Word(String),
    Mark(char),
}

fn tokens(line: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        if c == '`' {
            let mut name = String::new();
            while let Some(next) = rest.next() {
                if next != '`' || rest.next_if_eq(&'`').is_some() {
                    name.push(next);
                } else {
                    break;
                }
            }
            found.push(Token::Name(name));
        } else if c.is_alphanumeric() || c == '_' || c == '$' {
            let mut word = c.to_string();
            while let Some(next) = rest.next_if(|c| c.is_alphanumeric() || *c == '_' || *c == '$') {
                word.push(next);
            }
            found.push(Token::Word(word));
        } else if !c.is_whitespace() {
            found.push(Token::Mark(c));
        }
    }
    found
}

/// A name, or `*` for all.
fn place(token: Option<Token>) -> Option<Option<String>> {
    match token? {
        Token::Name(name) | Token::Word(name) => Some(Some(name)),
        Token::Mark('*') => Some(None),
        Token::Mark(_) => None,
    }
}

/// Reads a line; `None` for lines that grant nothing on a database or table (roles, proxies, routines).
pub(super) fn read(line: &str) -> Option<Grant> {
    let mut tokens = tokens(line).into_iter().peekable();
    tokens.next_if_eq(&Token::Word("GRANT".to_owned()))?;
    let mut privileges = Vec::new();
    let (mut word, mut columns) = (String::new(), Vec::new());
    loop {
        match tokens.next()? {
            Token::Word(w) if w == "ON" && !word.is_empty() => break,
            Token::Word(w) => {
                if !word.is_empty() {
                    word.push(' ');
                }
                word.push_str(&w.to_ascii_uppercase());
            }
            Token::Mark(',') => privileges.push((std::mem::take(&mut word), std::mem::take(&mut columns))),
            Token::Mark('(') => loop {
                match tokens.next()? {
                    Token::Mark(')') => break,
                    Token::Name(n) | Token::Word(n) => columns.push(n),
                    Token::Mark(_) => {}
                }
            },
            // A role's name stands where a privilege would.
            Token::Name(_) | Token::Mark(_) => return None,
        }
    }
    privileges.push((word, columns));
    privileges.retain(|(word, _)| word != "USAGE");
    let database = place(tokens.next())?;
    if tokens.next()? != Token::Mark('.') {
        return None;
    }
    let table = place(tokens.next())?;
    Some(Grant { privileges, database, table })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_names_privileges_columns_and_place_however_they_are_called() {
        let grant =
            read("GRANT SELECT, UPDATE (`a, b`, `ON`), CREATE VIEW ON `d``b`.`t.x` TO `u`@`%` WITH GRANT OPTION").unwrap();
        let update = ("UPDATE".to_owned(), vec!["a, b".to_owned(), "ON".to_owned()]);
        assert_eq!(grant.privileges, [("SELECT".to_owned(), vec![]), update, ("CREATE VIEW".to_owned(), vec![])]);
        assert_eq!((grant.database.as_deref(), grant.table.as_deref()), (Some("d`b"), Some("t.x")));
        let all = read("GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost`").unwrap();
        assert_eq!((all.privileges.len(), all.database, all.table), (1, None, None));
        assert!(read("GRANT USAGE ON *.* TO `u`@`%`").unwrap().privileges.is_empty());
        for nothing in
            ["GRANT `role` TO `u`@`%`", "GRANT PROXY ON ''@'%' TO 'root'@'localhost'", "REVOKE SELECT ON `a`.* FROM `u`@`%`", ""]
        {
            assert_eq!(read(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn only_a_whole_databases_name_is_a_pattern() {
        let on = |place: &str| read(&format!("GRANT SELECT ON {place} TO `u`@`%`")).unwrap();
        assert!(on("`t_x`.*").reaches("t_x") && on("`t_x`.*").reaches("tax") && !on("`t_x`.`a`").reaches("tax"));
        assert!(on("`t\\_x`.*").reaches("t_x") && !on("`t\\_x`.*").reaches("tax"));
        assert!(on("`test%`.*").reaches("test") && on("`%`.*").reaches("é") && !on("`test%`.*").reaches("tes"));
    }
}
