//! What SQLite tells only in the text of its `CREATE` statements: checks, collations, deferred foreign keys, a partial index's
//! predicate, and when a trigger fires. The text was accepted by SQLite, so it is read token by token, without a grammar.

use crate::plan::schema::Check;

/// What the text of a `CREATE TABLE` adds to the pragmas.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct TableText {
    /// CHECK constraints in order; one without a name is called `check_<n>`.
    pub checks: Vec<Check>,
    /// Collations by column name.
    pub collations: Vec<(String, String)>,
    /// For each `REFERENCES` in order, whether it is `INITIALLY DEFERRED`.
    pub deferred: Vec<bool>,
}

/// A token: where it stands, and its word (unquoted) where it is one.
struct Token<'a> {
    start: usize,
    end: usize,
    text: &'a str,
    /// Quoted identifiers and strings are never keywords.
    bare: bool,
}

impl Token<'_> {
    fn is(&self, keyword: &str) -> bool {
        self.bare && self.text.eq_ignore_ascii_case(keyword)
    }

    fn name(&self) -> String {
        let quote = self.text.chars().next().filter(|c| matches!(c, '"' | '`' | '\'' | '['));
        match quote {
            Some('[') => self.text.trim_start_matches('[').trim_end_matches(']').to_owned(),
            Some(q) => {
                let inner = self.text.strip_prefix(q).and_then(|t| t.strip_suffix(q)).unwrap_or(self.text);
                inner.replace(&format!("{q}{q}"), &q.to_string())
            }
            None => self.text.to_owned(),
        }
    }
}

fn tokens(sql: &str) -> Vec<Token<'_>> {
    let bytes = sql.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let next = bytes.get(at + 1).copied();
        match bytes[at] {
            c if c.is_ascii_whitespace() => at += 1,
            b'-' if next == Some(b'-') => at = sql[at..].find('\n').map_or(bytes.len(), |n| at + n),
            b'/' if next == Some(b'*') => at = sql[at + 2..].find("*/").map_or(bytes.len(), |n| at + n + 4),
            q @ (b'"' | b'`' | b'\'' | b'[') => {
                let close = if q == b'[' { b']' } else { q };
                at += 1;
                while at < bytes.len() {
                    if bytes[at] != close {
                        at += 1;
                    } else if close != b']' && bytes.get(at + 1) == Some(&close) {
                        at += 2;
                    } else {
                        break;
                    }
                }
                at = (at + 1).min(bytes.len());
                found.push(Token { start, end: at, text: &sql[start..at], bare: false });
            }
            c if is_word(c) => {
                while at < bytes.len() && is_word(bytes[at]) {
                    at += 1;
                }
                found.push(Token { start, end: at, text: &sql[start..at], bare: true });
            }
            _ => {
                at += 1;
                found.push(Token { start, end: at, text: &sql[start..at], bare: true });
            }
        }
    }
    found
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

/// The index behind the parenthesis that closes the one at `open`.
fn behind(tokens: &[Token<'_>], open: usize) -> usize {
    let mut depth = 0_usize;
    for (i, token) in tokens.iter().enumerate().skip(open) {
        if token.is("(") {
            depth += 1;
        } else if token.is(")") {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return i + 1;
            }
        }
    }
    tokens.len()
}

/// Reads the text of a `CREATE TABLE`.
pub(super) fn table(sql: &str) -> TableText {
    let tokens = tokens(sql);
    let mut text = TableText::default();
    let Some(open) = tokens.iter().position(|t| t.is("(")) else { return text };
    let close = behind(&tokens, open).saturating_sub(1);
    let mut at = open + 1;
    while at < close {
        // One column or table constraint, up to the comma at this depth.
        let from = at;
        while at < close && !tokens[at].is(",") {
            at = if tokens[at].is("(") { behind(&tokens, at) } else { at + 1 };
        }
        member(sql, &tokens[from..at], &mut text);
        at += 1;
    }
    text
}

fn member(sql: &str, tokens: &[Token<'_>], text: &mut TableText) {
    let Some(first) = tokens.first() else { return };
    let is_constraint = ["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"].iter().any(|k| first.is(k));
    let mut name = None;
    let mut at = usize::from(!is_constraint);
    while at < tokens.len() {
        let token = &tokens[at];
        let next = tokens.get(at + 1);
        if token.is("CONSTRAINT") {
            name = next.map(Token::name);
            at += 2;
        } else if token.is("CHECK") && next.is_some_and(|t| t.is("(")) {
            let end = behind(tokens, at + 1);
            let inside = &tokens[at + 2..end.saturating_sub(1)];
            let expression = inside.first().zip(inside.last()).map_or("", |(a, z)| &sql[a.start..z.end]).to_owned();
            let name = name.take().unwrap_or_else(|| format!("check_{}", text.checks.len() + 1));
            text.checks.push(Check { name, expression });
            at = end;
        } else if token.is("COLLATE") && !is_constraint {
            if let Some(collation) = next {
                text.collations.push((first.name(), collation.name()));
            }
            at += 2;
        } else if token.is("REFERENCES") {
            text.deferred.push(false);
            at += 2;
        } else if token.is("INITIALLY") {
            if let Some(last) = text.deferred.last_mut() {
                *last = next.is_some_and(|t| t.is("DEFERRED"));
            }
            at += 2;
        } else if token.is("(") {
            at = behind(tokens, at);
        } else {
            at += 1;
        }
    }
}

/// The predicate of a `CREATE INDEX`, if it is a partial one.
pub(super) fn predicate(sql: &str) -> Option<String> {
    let tokens = tokens(sql);
    let open = tokens.iter().position(|t| t.is("("))?;
    let at = behind(&tokens, open);
    let first = tokens.get(at + 1).filter(|_| tokens.get(at).is_some_and(|t| t.is("WHERE")))?;
    tokens.last().map(|last| sql[first.start..last.end].trim_end_matches(';').trim_end().to_owned())
}

/// When a trigger fires.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TriggerText {
    pub before: bool,
    pub on_update: bool,
    pub on_delete: bool,
    /// Everything behind the name of its own table.
    pub body: String,
}

/// Reads the text of a `CREATE TRIGGER`.
pub(super) fn trigger(sql: &str) -> TriggerText {
    let tokens = tokens(sql);
    // `CREATE [TEMP] TRIGGER [IF NOT EXISTS] [schema.]name`: the name is not to be taken for a keyword.
    let mut at = tokens.iter().position(|t| t.is("TRIGGER")).map_or(0, |i| i + 1);
    if tokens.get(at).is_some_and(|t| t.is("IF")) && tokens.get(at + 1).is_some_and(|t| t.is("NOT")) {
        at += 3;
    }
    at += if tokens.get(at + 1).is_some_and(|t| t.is(".")) { 3 } else { 1 };
    let on = tokens.iter().skip(at).position(|t| t.is("ON")).map_or(tokens.len(), |i| at + i);
    let header = tokens.get(at..on).unwrap_or_default();
    // `UPDATE OF column, …` may name a column `before`: only the first words count.
    let timing = header.first();
    let event = header.iter().find(|t| t.is("UPDATE") || t.is("DELETE") || t.is("INSERT"));
    TriggerText {
        before: !timing.is_some_and(|t| t.is("AFTER")),
        on_update: event.is_some_and(|t| t.is("UPDATE")),
        on_delete: event.is_some_and(|t| t.is("DELETE")),
        body: tokens.get(on + 2).map_or("", |t| &sql[t.start..]).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_collations_and_deferred_keys_are_read_from_the_text() {
        let sql = "CREATE TABLE \"we)ird\" ( -- CHECK (nothing)\n \
             \"check\" TEXT COLLATE NOCASE CHECK (length(\"check\") < 10 AND ')' <> \"check\"), \
             b INT CONSTRAINT [b ok] CHECK(b IN (1, (2))) REFERENCES p(id) DEFERRABLE INITIALLY DEFERRED, \
             c INT REFERENCES p, /* , */ d decimal(10, 2) DEFAULT (1 + 2), \
             CONSTRAINT \"a \"\"b\" CHECK (b > 0), FOREIGN KEY (c) REFERENCES p(id) INITIALLY IMMEDIATE)";
        let text = table(sql);
        let checks: Vec<_> = text.checks.iter().map(|c| (c.name.as_str(), c.expression.as_str())).collect();
        let first = ("check_1", "length(\"check\") < 10 AND ')' <> \"check\"");
        assert_eq!(checks, [first, ("b ok", "b IN (1, (2))"), ("a \"b", "b > 0")]);
        assert_eq!(text.collations, [("check".to_owned(), "NOCASE".to_owned())]);
        assert_eq!(text.deferred, [true, false, false]);
    }

    #[test]
    fn a_predicate_is_read_only_from_a_partial_index() {
        assert_eq!(predicate("CREATE INDEX i ON t (a, \"where\")"), None);
        assert_eq!(
            predicate("CREATE INDEX i ON t (lower(a)) where a <> ')' AND b IS NULL;").as_deref(),
            Some("a <> ')' AND b IS NULL")
        );
    }

    #[test]
    fn a_trigger_without_a_timing_fires_before() {
        let t = trigger("CREATE TRIGGER \"after\" UPDATE OF before ON t BEGIN DELETE FROM u; END");
        assert_eq!((t.before, t.on_update, t.on_delete, t.body.contains("FROM u")), (true, true, false, true));
        let t = trigger("CREATE TRIGGER IF NOT EXISTS main.before AFTER DELETE ON [t u] WHEN 1 BEGIN SELECT 1; END");
        assert_eq!((t.before, t.on_update, t.on_delete), (false, false, true));
        assert!(t.body.starts_with("WHEN 1"), "{}", t.body);
    }
}
