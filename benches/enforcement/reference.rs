//! The statements that a careful administrator would write for the same work, one for each. They set what the product sets, to the same masks.

use retentiond::plan::schema::Engine;

/// The first instant that is not yet due: three years before 2026-01-01.
pub const THREE_YEARS: &str = "2023-01-01 00:00:00";
/// The same for four years.
pub const FOUR_YEARS: &str = "2022-01-01 00:00:00";

/// An instant as a literal.
pub fn instant(engine: Engine, text: &str) -> String {
    if engine == Engine::Postgres { format!("TIMESTAMPTZ '{text}+00'") } else { format!("'{text}'") }
}

/// The masks of a customer, as assignments.
pub fn masks(engine: Engine) -> String {
    let token = match engine {
        Engine::Postgres => "'anon-' || replace(gen_random_uuid()::text, '-', '') || '@invalid.example'",
        Engine::Sqlite => "'anon-' || lower(hex(randomblob(16))) || '@invalid.example'",
        _ => "CONCAT('anon-', LEFT(SHA2(CONCAT(UUID(), RAND(), RAND(), CONNECTION_ID()), 256), 32), '@invalid.example')",
    };
    format!("first_name = 'ANON', last_name = 'ANON', email = {token}, phone = NULL, address = NULL, iban = NULL")
}

/// What a row that is not yet masked looks like.
pub const TO_DO: &str =
    "(first_name <> 'ANON' OR last_name <> 'ANON' OR phone IS NOT NULL OR address IS NOT NULL OR iban IS NOT NULL)";

/// Masks what is due by its own column.
pub fn anonymise(engine: Engine) -> String {
    format!("UPDATE customers SET {} WHERE last_contact_at < {}", masks(engine), instant(engine, THREE_YEARS))
}

/// The same for a range of keys: one batch by hand.
pub fn anonymise_range(engine: Engine, after: u64, up_to: u64) -> String {
    format!("{} AND id > {after} AND id <= {up_to} AND {TO_DO}", anonymise(engine))
}

/// Masks whose latest interaction is due.
pub fn anonymise_children(engine: Engine) -> String {
    let cut = instant(engine, THREE_YEARS);
    format!(
        "UPDATE customers SET {} WHERE EXISTS (SELECT 1 FROM interactions AS x WHERE x.customer_id = customers.id) \
         AND NOT EXISTS (SELECT 1 FROM interactions AS x WHERE x.customer_id = customers.id AND x.occurred_at >= {cut})",
        masks(engine)
    )
}

/// Deletes old interactions.
pub fn delete(engine: Engine) -> String {
    format!("DELETE FROM interactions WHERE occurred_at < {}", instant(engine, FOUR_YEARS))
}

/// Copies old interactions into a file of the server's.
pub fn copy(engine: Engine, file: &std::path::Path) -> String {
    let which = format!("SELECT * FROM interactions WHERE occurred_at < {}", instant(engine, FOUR_YEARS));
    format!("COPY ({which}) TO '{}'", file.display())
}

/// Deletes due customers; the foreign keys take their children.
pub fn cascade(engine: Engine) -> String {
    format!("DELETE FROM customers WHERE last_contact_at < {}", instant(engine, THREE_YEARS))
}

/// What the database looks like afterwards, in a few numbers: equal for two ways of doing the same.
pub fn fingerprint(engine: Engine, tables: &[&str]) -> Vec<String> {
    let text = |x: &str| match engine {
        Engine::Postgres => format!("({x})::text"),
        Engine::Sqlite => format!("CAST({x} AS TEXT)"),
        _ => format!("CAST({x} AS CHAR)"),
    };
    tables
        .iter()
        .map(|table| {
            let parts: &[&str] = match *table {
                "customers" => &[
                    "COUNT(*)",
                    "COALESCE(SUM(id), 0)",
                    "COUNT(phone)",
                    "COUNT(address)",
                    "COUNT(iban)",
                    "COALESCE(SUM(LENGTH(first_name)), 0)",
                    "COALESCE(SUM(LENGTH(last_name)), 0)",
                    "COALESCE(SUM(LENGTH(email)), 0)",
                    "COALESCE(SUM(LENGTH(notes)), 0)",
                ],
                _ => &["COUNT(*)", "COALESCE(SUM(id), 0)"],
            };
            let parts: Vec<String> = parts.iter().map(|p| text(p)).collect();
            let joined = if engine.is_mysql_family() {
                format!("CONCAT_WS(' ', {})", parts.join(", "))
            } else {
                parts.join(" || ' ' || ")
            };
            format!("SELECT {joined} FROM {table}")
        })
        .collect()
}
