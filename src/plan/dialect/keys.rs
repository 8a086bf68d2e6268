//! Primary keys: read as canonical text, written back as literals that select exactly the same row.

use super::{Dialect, is_number};
use crate::plan::boolean::B;
use crate::plan::key::{KeyKind, KeyPart, RecordKey};
use crate::plan::schema::{Column, Engine, TypeClass};

/// The kind of key that a column of this class makes; `None` for classes that cannot identify a row exactly.
#[must_use]
pub fn kind_of(class: TypeClass) -> Option<KeyKind> {
    Some(match class {
        TypeClass::Integer | TypeClass::Bit => KeyKind::Integer,
        TypeClass::Decimal => KeyKind::Decimal,
        TypeClass::Boolean => KeyKind::Boolean,
        TypeClass::Text | TypeClass::Enum | TypeClass::Inet => KeyKind::Text,
        TypeClass::Binary => KeyKind::Binary,
        TypeClass::Date => KeyKind::Date,
        TypeClass::DateTime => KeyKind::DateTime,
        TypeClass::Instant => KeyKind::Instant,
        TypeClass::Uuid => KeyKind::Uuid,
        TypeClass::Float | TypeClass::Json | TypeClass::Other => return None,
    })
}

/// Whether SQLite takes a column of this type, alone in a primary key, for the rowid.
fn is_integer(column: &Column) -> bool {
    column.sql_type.eq_ignore_ascii_case("integer")
}

impl Dialect {
    /// An expression that yields a key column's canonical text, see [`Dialect::key_part`].
    #[must_use]
    pub fn key_text(self, alias: &str, column: &Column) -> String {
        let c = self.column(alias, &column.name);
        match (self.engine, column.class) {
            (Engine::Postgres, TypeClass::Binary) => format!("encode({c}, 'hex')"),
            (Engine::Postgres, _) => format!("{c}::text"),
            (Engine::MariaDb | Engine::MySql, TypeClass::Binary) => format!("LOWER(HEX({c}))"),
            (Engine::MariaDb | Engine::MySql, TypeClass::Bit) => format!("CAST(CAST({c} AS UNSIGNED) AS CHAR)"),
            (Engine::MariaDb | Engine::MySql, TypeClass::Text | TypeClass::Enum) => format!("CONVERT({c} USING utf8mb4)"),
            (Engine::MariaDb | Engine::MySql, _) => format!("CAST({c} AS CHAR)"),
            // The value's own type decides, not the column's: quote() writes it as a literal.
            (Engine::Sqlite, _) if is_integer(column) => format!("quote({c})"),
            // But for a text with a character NUL, where it ends: `'a'` would be another row. Nothing names that one.
            (Engine::Sqlite, _) => {
                format!("CASE WHEN typeof({c}) = 'text' AND instr({c}, char(0)) > 0 THEN NULL ELSE quote({c}) END")
            }
        }
    }

    /// Whether a row has a key that names it. SQLite allows NULL in a primary key, and in columns of any type floating points and texts with a character
    /// NUL, none of which can be written back exactly.
    #[must_use]
    pub fn named(self, alias: &str, key: &[Column]) -> B {
        // The rowid by another name: always a whole number.
        if self.engine != Engine::Sqlite || matches!(key, [column] if is_integer(column)) {
            return B::True;
        }
        B::and(key.iter().map(|column| {
            let c = self.column(alias, &column.name);
            B::sql(format!("(typeof({c}) IN ('integer', 'blob') OR typeof({c}) = 'text' AND instr({c}, char(0)) = 0)"))
        }))
    }

    /// The key part that [`Dialect::key_text`] read. `None` for what cannot be a key (NULL, a floating-point value).
    #[must_use]
    pub fn key_part(self, column: &Column, text: &str) -> Option<KeyPart> {
        if self.engine == Engine::Sqlite {
            return sqlite_part(text);
        }
        let kind = kind_of(column.class)?;
        let text = match (self.engine, kind) {
            // The session's zone is UTC and prints it.
            (Engine::Postgres, KeyKind::Instant) => text.strip_suffix("+00").unwrap_or(text).to_owned(),
            (Engine::Postgres, KeyKind::Integer) if column.class == TypeClass::Bit => {
                return Some(KeyPart { kind: KeyKind::Text, text: text.to_owned() });
            }
            (Engine::MariaDb | Engine::MySql, KeyKind::Boolean) => if text == "0" { "false" } else { "true" }.to_owned(),
            _ => text.to_owned(),
        };
        Some(KeyPart { kind, text })
    }

    /// A key part that a person typed for this column, in canonical form; `None` when it cannot be one.
    #[must_use]
    pub fn typed_part(self, column: &Column, typed: &str) -> Option<KeyPart> {
        let integer = |t: &str| {
            let digits = t.strip_prefix('-').unwrap_or(t);
            (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then(|| t.to_owned())
        };
        let (kind, text) = match kind_of(column.class)? {
            KeyKind::Integer if column.class == TypeClass::Bit && self.engine == Engine::Postgres => {
                (KeyKind::Text, typed.to_owned())
            }
            KeyKind::Integer => (KeyKind::Integer, integer(typed)?),
            KeyKind::Decimal => (KeyKind::Decimal, is_number(typed).then(|| typed.to_owned())?),
            KeyKind::Binary => {
                let hex = typed.to_ascii_lowercase();
                (KeyKind::Binary, (hex.len().is_multiple_of(2) && hex.bytes().all(|b| b.is_ascii_hexdigit())).then_some(hex)?)
            }
            // SQLite stores whatever text it is given.
            KeyKind::Uuid if self.engine == Engine::Sqlite => (KeyKind::Uuid, typed.to_ascii_lowercase()),
            KeyKind::Uuid => (KeyKind::Uuid, uuid(typed)?),
            kind => (kind, typed.to_owned()),
        };
        Some(KeyPart { kind, text })
    }

    /// The literal that selects exactly this part of a key.
    #[must_use]
    pub fn key_literal(self, column: &Column, part: &KeyPart) -> String {
        let text = &part.text;
        match (self.engine, part.kind) {
            (_, KeyKind::Integer | KeyKind::Decimal) if is_number(text) => text.clone(),
            (Engine::Postgres, KeyKind::Binary) => format!("'\\x{text}'::bytea"),
            (_, KeyKind::Binary) => format!("x'{text}'"),
            (Engine::Postgres, KeyKind::Instant) => format!("TIMESTAMPTZ {}", self.text(&format!("{text}+00"))),
            (Engine::Postgres, KeyKind::Text) => self.text(text),
            (Engine::Postgres, _) => format!("{}::{}", self.text(text), cast_type(column)),
            (_, KeyKind::Boolean) => if text == "true" { "1" } else { "0" }.to_owned(),
            (Engine::MariaDb | Engine::MySql, KeyKind::Date) => format!("DATE {}", self.text(text)),
            (Engine::MariaDb | Engine::MySql, KeyKind::DateTime | KeyKind::Instant) => format!("TIMESTAMP {}", self.text(text)),
            _ => self.text(text),
        }
    }

    /// `alias.key IN (keys)`, exact for composite keys too. No key selects nothing.
    #[must_use]
    pub fn key_in(self, alias: &str, columns: &[Column], keys: &[RecordKey]) -> String {
        if keys.is_empty() {
            return "(1 = 0)".to_owned();
        }
        let names: Vec<String> = columns.iter().map(|c| self.column(alias, &c.name)).collect();
        let tuple =
            |key: &RecordKey| columns.iter().zip(&key.0).map(|(c, p)| self.key_literal(c, p)).collect::<Vec<_>>().join(", ");
        if columns.len() == 1 {
            let list: Vec<String> = keys.iter().map(tuple).collect();
            return format!("{} IN ({})", names[0], list.join(", "));
        }
        let list: Vec<String> = keys.iter().map(|k| format!("({})", tuple(k))).collect();
        match self.engine {
            Engine::Sqlite => format!("({}) IN (VALUES {})", names.join(", "), list.join(", ")),
            _ => format!("({}) IN ({})", names.join(", "), list.join(", ")),
        }
    }

    /// Asks for the canonical texts of these columns, each row of texts once and told apart byte by byte: a collation could take two of them for one.
    /// `from` is what follows `FROM`.
    #[must_use]
    pub fn texts_once(self, alias: &str, columns: &[Column], from: &str) -> String {
        let texts: Vec<String> = columns.iter().map(|c| self.key_text(alias, c)).collect();
        let list = |each: &dyn Fn(&String) -> String| texts.iter().map(each).collect::<Vec<_>>().join(", ");
        match self.engine {
            // All texts of a group are the same.
            Engine::MariaDb | Engine::MySql => {
                format!("SELECT {} FROM {from} GROUP BY {}", list(&|t| format!("MIN({t})")), list(&|t| self.exact(t)))
            }
            Engine::Postgres => format!("SELECT DISTINCT {} FROM {from}", list(&|t| format!("({t}) COLLATE \"C\""))),
            Engine::Sqlite => format!("SELECT DISTINCT {} FROM {from}", list(&|t| format!("({t}) COLLATE BINARY"))),
        }
    }

    /// `alias.key` after (or, with `or_equal`, from) a key, in key order.
    #[must_use]
    pub fn key_compare(self, alias: &str, columns: &[Column], operator: KeyOrder, key: &RecordKey) -> String {
        let pairs: Vec<(String, String)> =
            columns.iter().zip(&key.0).map(|(c, p)| (self.column(alias, &c.name), self.key_literal(c, p))).collect();
        let (strict, last) = match operator {
            KeyOrder::After => (">", ">"),
            KeyOrder::From => (">", ">="),
            KeyOrder::UpTo => ("<", "<="),
        };
        if let [(name, value)] = pairs.as_slice() {
            return format!("{name} {last} {value}");
        }
        if !self.engine.is_mysql_family() {
            let (names, values): (Vec<String>, Vec<String>) = pairs.into_iter().unzip();
            return format!("({}) {last} ({})", names.join(", "), values.join(", "));
        }
        // MariaDB and MySQL do not use an index for a row comparison: spell it out.
        let alternatives: Vec<String> = (0..pairs.len())
            .map(|i| {
                let equal = pairs[..i].iter().map(|(n, v)| format!("{n} = {v}"));
                let operator = if i + 1 == pairs.len() { last } else { strict };
                let step = std::iter::once(format!("{} {operator} {}", pairs[i].0, pairs[i].1));
                format!("({})", equal.chain(step).collect::<Vec<_>>().join(" AND "))
            })
            .collect();
        format!("({})", alternatives.join(" OR "))
    }

    /// Key columns for ORDER BY.
    #[must_use]
    pub fn key_order(self, alias: &str, columns: &[Column]) -> String {
        columns.iter().map(|c| self.column(alias, &c.name)).collect::<Vec<_>>().join(", ")
    }

    /// An expression that yields the order target of a row: for each key part the length of its canonical text, `:`, the text. Injective.
    #[must_use]
    pub fn target_text(self, alias: &str, columns: &[Column]) -> String {
        self.exact(&self.target_characters(alias, columns))
    }

    /// The same text, compared as the engine compares texts.
    fn target_characters(self, alias: &str, columns: &[Column]) -> String {
        let parts: Vec<String> = columns
            .iter()
            .map(|c| {
                let text = self.key_text(alias, c);
                match self.engine {
                    Engine::Postgres => format!("length({text})::text || ':' || {text}"),
                    Engine::MariaDb | Engine::MySql => format!("CONCAT(CHAR_LENGTH({text}), ':', {text})"),
                    Engine::Sqlite => format!("length({text}) || ':' || {text}"),
                }
            })
            .collect();
        match (self.engine, parts.as_slice()) {
            (Engine::MariaDb | Engine::MySql, [only]) => only.clone(),
            (Engine::MariaDb | Engine::MySql, all) => format!("CONCAT({})", all.join(", ")),
            (_, all) => format!("({})", all.join(" || ")),
        }
    }

    /// A text as it is compared byte by byte.
    pub(in crate::plan) fn exact(self, text: &str) -> String {
        if self.engine.is_mysql_family() { format!("CAST({text} AS BINARY)") } else { text.to_owned() }
    }

    /// The condition on an order (alias `h`) that it names exactly this text. On MariaDB and MySQL the collation of its column takes blanks at the end for nothing,
    /// and yet only that comparison goes by the index: it finds, and the exact one decides.
    fn names(self, text: &str) -> String {
        if self.engine.is_mysql_family() {
            format!("h.target = {text} COLLATE utf8mb4_bin AND CAST(h.target AS BINARY) = {}", self.exact(text))
        } else {
            format!("h.target = {text}")
        }
    }

    /// The condition on an order (alias `h`) that it names the record of this key.
    #[must_use]
    pub fn names_record(self, alias: &str, key: &[Column]) -> String {
        self.names(&self.target_characters(alias, key))
    }

    /// The condition on an order (alias `h`) that it names the person whom a column identifies.
    #[must_use]
    pub fn names_person(self, alias: &str, subject: &str, column: &Column) -> String {
        self.names(&self.subject_characters(alias, subject, column))
    }

    /// The condition on an order (alias `h`) that it names the tenant whom a column says.
    #[must_use]
    pub fn names_tenant(self, alias: &str, column: &str) -> String {
        let value = self.as_text(&self.column(alias, column));
        self.names(&if self.engine.is_mysql_family() { format!("CONVERT({value} USING utf8mb4)") } else { value })
    }

    /// The text by which orders name a person, from a column that identifies one.
    #[must_use]
    pub fn subject_text(self, alias: &str, subject: &str, column: &Column) -> String {
        self.exact(&self.subject_characters(alias, subject, column))
    }

    fn subject_characters(self, alias: &str, subject: &str, column: &Column) -> String {
        let value = self.target_characters(alias, std::slice::from_ref(column));
        let subject = self.word(&format!("{subject}="));
        match self.engine {
            Engine::MariaDb | Engine::MySql => format!("CONCAT({subject}, {value})"),
            _ => format!("({subject} || {value})"),
        }
    }

    /// The key that [`Self::target_text`] wrote; `None` for a text that is none.
    #[must_use]
    pub fn key_of_target(self, columns: &[Column], target: &str) -> Option<RecordKey> {
        let (mut rest, mut parts) = (target, Vec::new());
        for column in columns {
            let (length, after) = rest.split_once(':')?;
            let characters: usize = length.parse().ok()?;
            let end = after.char_indices().nth(characters).map_or(after.len(), |(at, _)| at);
            let (text, left) = after.split_at(end);
            if text.chars().count() != characters {
                return None;
            }
            parts.push(self.key_part(column, text)?);
            rest = left;
        }
        rest.is_empty().then_some(RecordKey(parts))
    }
}

/// Which side of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOrder {
    /// Strictly after it.
    After,
    /// It and what follows.
    From,
    /// It and what precedes.
    UpTo,
}

/// PostgreSQL's type to cast a key literal to; a type modifier would round or cut the value.
fn cast_type(column: &Column) -> &'static str {
    match column.class {
        TypeClass::Boolean => "boolean",
        TypeClass::Date => "date",
        TypeClass::DateTime => "timestamp",
        TypeClass::Uuid => "uuid",
        TypeClass::Decimal => "numeric",
        TypeClass::Inet => "inet",
        _ => "text",
    }
}

/// The canonical text of a UUID, which may be typed without hyphens, in braces, in capitals.
fn uuid(typed: &str) -> Option<String> {
    let inner = typed.strip_prefix('{').and_then(|t| t.strip_suffix('}')).unwrap_or(typed);
    let digits: String = inner.chars().filter(|c| *c != '-').map(|c| c.to_ascii_lowercase()).collect();
    let whole = digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    whole.then(|| [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-"))
}

fn sqlite_part(quoted: &str) -> Option<KeyPart> {
    if let Some(hex) = quoted.strip_prefix("X'").and_then(|q| q.strip_suffix('\'')) {
        return Some(KeyPart { kind: KeyKind::Binary, text: hex.to_ascii_lowercase() });
    }
    if let Some(text) = quoted.strip_prefix('\'').and_then(|q| q.strip_suffix('\'')) {
        return Some(KeyPart { kind: KeyKind::Text, text: text.replace("''", "'") });
    }
    let digits = quoted.strip_prefix('-').unwrap_or(quoted);
    let whole = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    whole.then(|| KeyPart { kind: KeyKind::Integer, text: quoted.to_owned() })
}
