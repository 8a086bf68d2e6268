//! Values of a reserved form: prefix, hexadecimal digits, suffix. Random ones are tokens, keyed hashes are pseudonyms; the form says that a value is
//! masked already, so that masking twice is masking once.

use super::Dialect;
use crate::plan::own_tables::OwnTable;
use crate::plan::schema::{Column, Engine, TypeClass};

/// The form of a token or pseudonym.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form<'m> {
    pub prefix: &'m str,
    pub suffix: &'m str,
    pub digits: u8,
}

impl Dialect {
    /// A random token over `c`: the value, and the condition that the column does not hold one yet.
    pub(super) fn token(self, c: &str, column: &Column, form: Form<'_>) -> Option<(String, String)> {
        let digits = form.digits;
        let random = match self.engine {
            Engine::Postgres => format!("left(replace(gen_random_uuid()::text, '-', ''), {digits})"),
            // SHA2 over RAND and UUID: RANDOM_BYTES is missing before MariaDB 10.10. Nothing of the row enters it.
            Engine::MariaDb | Engine::MySql => {
                ascii(&format!("LEFT(SHA2(CONCAT(UUID(), RAND(), RAND(), CONNECTION_ID()), 256), {digits})"))
            }
            Engine::Sqlite => format!("substr(lower(hex(randomblob(16))), 1, {digits})"),
        };
        (column.class == TypeClass::Text).then(|| (self.formed(&random, form), self.unformed(c, form)))
    }

    /// A pseudonym of the text of `c`: `sha256(outer || sha256(inner || text in UTF-8))`, a nested MAC (NMAC) under the two keys of the source's
    /// database, which never leave it: the statement reads them where they are. `None` on SQLite, which has no hash function.
    pub(super) fn pseudonym(self, c: &str, column: &Column, form: Form<'_>) -> Option<(String, String)> {
        let (inner, outer, digits) = (self.key("inner_key"), self.key("outer_key"), form.digits);
        let hash = match self.engine {
            Engine::Postgres => {
                format!("left(encode(sha256({outer} || sha256({inner} || convert_to({c}::text, 'UTF8'))), 'hex'), {digits})")
            }
            Engine::MariaDb | Engine::MySql => {
                let text = format!("CAST(CONVERT({c} USING utf8mb4) AS BINARY)");
                ascii(&format!("LEFT(SHA2(CONCAT({outer}, UNHEX(SHA2(CONCAT({inner}, {text}), 256))), 256), {digits})"))
            }
            Engine::Sqlite => return None,
        };
        (column.class == TypeClass::Text).then(|| (self.formed(&hash, form), self.unformed(c, form)))
    }

    /// One half of the key, as a subquery that is evaluated once a statement. Without a key it has two rows, which is an error on every engine:
    /// NULL would become the value.
    fn key(self, half: &str) -> String {
        let table = self.own(OwnTable::PseudonymKey);
        let two = match self.engine {
            Engine::Postgres => "NULL FROM generate_series(1, 2)",
            _ => "n.n FROM (SELECT 1 AS n UNION ALL SELECT 2) AS n",
        };
        format!("(SELECT {half} FROM {table} UNION ALL SELECT {two} WHERE NOT EXISTS (SELECT 1 FROM {table}))")
    }

    /// The digits between prefix and suffix.
    fn formed(self, digits: &str, form: Form<'_>) -> String {
        let (p, s) = (self.text(form.prefix), self.text(form.suffix));
        match self.engine {
            Engine::MariaDb | Engine::MySql => format!("CONCAT({p}, {digits}, {s})"),
            Engine::Postgres | Engine::Sqlite => format!("({p} || {digits} || {s})"),
        }
    }

    /// Whether a text is not of the form.
    fn unformed(self, c: &str, form: Form<'_>) -> String {
        let Form { prefix, suffix, digits } = form;
        let length = prefix.len() + usize::from(digits) + suffix.len();
        match self.engine {
            Engine::Postgres => {
                // No pattern over the whole: it costs seven times as much for a row that is masked, and the planner tries it on every value that it
                // knows of the column. The digits start behind a prefix of ASCII, so bytes are characters there.
                let (text, digits_from) = (format!("({c})::text"), prefix.len() + 1);
                let mut fits = vec![
                    format!("starts_with({text} COLLATE \"C\", {})", self.text(prefix)),
                    format!("octet_length({text}) = {length}"),
                    format!("substr({text}, {digits_from}, {digits}) COLLATE \"C\" !~ '[^0-9a-f]'"),
                ];
                if !suffix.is_empty() {
                    fits.insert(2, format!("right({text}, {}) COLLATE \"C\" = {}", suffix.len(), self.text(suffix)));
                }
                format!("NOT ({})", fits.join(" AND "))
            }
            Engine::MariaDb | Engine::MySql => {
                let (p, s) = (self.text(prefix), self.text(suffix));
                let binary = format!("CAST(CONVERT({c} USING utf8mb4) AS BINARY)");
                let fits = format!(
                    "LEFT({binary}, {}) = CAST({p} AS BINARY) AND RIGHT({binary}, {}) = CAST({s} AS BINARY) AND LENGTH({binary}) = {} AND MID(CONVERT({c} USING utf8mb4) COLLATE utf8mb4_bin, {}, {digits}) REGEXP '^[0-9a-f]+$'",
                    prefix.len(),
                    suffix.len(),
                    length,
                    prefix.len() + 1
                );
                format!("NOT ({fits})")
            }
            Engine::Sqlite => {
                let glob: String = format!("{prefix}{}{suffix}", "[0-9a-f]".repeat(usize::from(digits)));
                // A pattern ends at a character NUL.
                format!("({c} NOT GLOB '{glob}' OR instr({c}, char(0)) > 0)")
            }
        }
    }
}

/// Hexadecimal digits of MariaDB and MySQL as what they are: in the connection's character set they do not mix with a column in another one.
fn ascii(digits: &str) -> String {
    format!("CONVERT({digits} USING ascii)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::mask::Mask;

    fn value(engine: Engine, mask: &Mask, class: TypeClass) -> Option<String> {
        let column = Column {
            name: "email".into(),
            sql_type: "varchar(80)".into(),
            class,
            max_length: Some(80),
            nullable: false,
            generated: false,
            default: None,
            on_update_now: false,
            collation: None,
        };
        Dialect { engine }.mask("r", &column, mask).map(|m| m.value)
    }

    #[test]
    fn a_pseudonym_hashes_the_text_under_both_keys_where_they_are_and_fails_without_them() {
        let mask = Mask::Pseudonym { prefix: "p.".into(), suffix: "@x".into(), digits: 40 };
        let key = |half: &str, own: &str, two: &str| {
            format!("(SELECT {half} FROM {own} UNION ALL SELECT {two} WHERE NOT EXISTS (SELECT 1 FROM {own}))")
        };
        let of = |half: &str| key(half, "retentiond.pseudonym_key", "NULL FROM generate_series(1, 2)");
        let (inner, outer) = (of("inner_key"), of("outer_key"));
        assert_eq!(
            value(Engine::Postgres, &mask, TypeClass::Text).unwrap(),
            format!(
                "CASE WHEN (r.\"email\" IS NOT NULL AND (NOT (starts_with((r.\"email\")::text COLLATE \"C\", 'p.') AND octet_length((r.\"email\")::text) = 44 AND right((r.\"email\")::text, 2) COLLATE \"C\" = '@x' AND substr((r.\"email\")::text, 3, 40) COLLATE \"C\" !~ '[^0-9a-f]'))) THEN ('p.' || left(encode(sha256({outer} || sha256({inner} || convert_to(r.\"email\"::text, 'UTF8'))), 'hex'), 40) || '@x') ELSE r.\"email\" END"
            )
        );
        let of = |half: &str| key(half, "retentiond_pseudonym_key", "n.n FROM (SELECT 1 AS n UNION ALL SELECT 2) AS n");
        let (inner, outer) = (of("inner_key"), of("outer_key"));
        for engine in [Engine::MariaDb, Engine::MySql] {
            let sql = value(engine, &mask, TypeClass::Text).unwrap();
            let hash = format!(
                "THEN CONCAT('p.', CONVERT(LEFT(SHA2(CONCAT({outer}, UNHEX(SHA2(CONCAT({inner}, CAST(CONVERT(r.`email` USING utf8mb4) AS BINARY)), 256))), 256), 40) USING ascii), '@x') ELSE r.`email` END"
            );
            assert!(sql.ends_with(&hash), "{sql}");
        }
        assert_eq!(value(Engine::Sqlite, &mask, TypeClass::Text), None);
    }

    #[test]
    fn what_is_no_text_has_neither_token_nor_pseudonym() {
        let (prefix, suffix, digits) = ("p-".to_owned(), String::new(), 16);
        let token = Mask::Token { prefix: prefix.clone(), suffix: suffix.clone(), digits };
        let pseudonym = Mask::Pseudonym { prefix, suffix, digits };
        for class in [TypeClass::Uuid, TypeClass::Json, TypeClass::Integer, TypeClass::Enum, TypeClass::Binary] {
            for engine in [Engine::Postgres, Engine::MariaDb, Engine::Sqlite] {
                assert_eq!(value(engine, &token, class).or(value(engine, &pseudonym, class)), None);
            }
        }
    }
}
