//! Invented customers, interactions and contracts: the same rows on every engine and at every time, made by the database itself.
//!
//! A fifth of the customers had their last contact more than three years before 2026-01-01, scattered over all pages; the oldest fifth of the
//! interactions lies together and belongs to every fifth customer, who has no later one; each customer has three interactions and a contract.

use retentiond::plan::schema::Engine;

/// Which tables a work needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Customers alone.
    Customers,
    /// Customers, a fifth of them masked in earlier years, without an index on the start.
    Masked,
    /// Customers, interactions, contracts.
    Full,
}

impl Shape {
    /// Its name in the names of databases.
    pub fn name(self) -> &'static str {
        match self {
            Self::Customers => "customers",
            Self::Masked => "masked",
            Self::Full => "full",
        }
    }

    /// Its tables, parents first.
    pub fn tables(self) -> &'static [&'static str] {
        match self {
            Self::Customers | Self::Masked => &["customers"],
            Self::Full => &["customers", "interactions", "contracts"],
        }
    }
}

/// Rows inserted by one statement.
const SLICE: u64 = 500_000;

/// How one engine writes what the generator needs.
#[derive(Clone, Copy)]
struct Words(Engine);

impl Words {
    fn numbers(self, from: u64, to: u64) -> String {
        match self.0 {
            Engine::Postgres => format!("generate_series({from}::bigint, {to}::bigint) AS g(i)"),
            Engine::Sqlite => {
                format!(
                    "(WITH RECURSIVE n(i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM n WHERE i < {to}) SELECT i FROM n) AS g"
                )
            }
            _ => format!("(SELECT CAST(seq AS SIGNED) AS i FROM seq_{from}_to_{to}) AS g"),
        }
    }

    fn whole(self, a: &str, b: u64) -> String {
        if self.0.is_mysql_family() { format!("(({a}) DIV {b})") } else { format!("(({a}) / {b})") }
    }

    fn digits(self, x: &str, width: u32) -> String {
        match self.0 {
            Engine::Postgres => format!("lpad(({x})::text, {width}, '0')"),
            Engine::Sqlite => format!("printf('%0{width}d', {x})"),
            _ => format!("lpad({x}, {width}, '0')"),
        }
    }

    /// Sixteen hexadecimal digits, so many times.
    fn filler(self, x: &str, times: u32) -> String {
        match self.0 {
            Engine::Postgres => format!("repeat(lpad(to_hex({x}), 16, '0'), {times})"),
            Engine::Sqlite => format!("replace(printf('%.{times}c', 'x'), 'x', printf('%016x', {x}))"),
            _ => format!("repeat(lpad(lower(hex({x})), 16, '0'), {times})"),
        }
    }

    fn instant(self, seconds: &str) -> String {
        match self.0 {
            Engine::Postgres => format!("to_timestamp({seconds})"),
            Engine::Sqlite => format!("datetime({seconds}, 'unixepoch')"),
            _ => format!("(TIMESTAMP'1970-01-01 00:00:00' + INTERVAL ({seconds}) SECOND)"),
        }
    }

    fn day(self, from: &str, days: &str) -> String {
        match self.0 {
            Engine::Postgres => format!("(date '{from}' + ({days})::int)"),
            Engine::Sqlite => format!("date('{from}', ({days}) || ' days')"),
            _ => format!("(DATE'{from}' + INTERVAL ({days}) DAY)"),
        }
    }

    /// The type of an instant, a day, a number key and of texts of a length.
    fn types(self, text: &str) -> String {
        let (key, instant, day, amount) = match self.0 {
            Engine::Postgres => ("bigint", "timestamptz", "date", "numeric(12,2)"),
            Engine::Sqlite => ("INTEGER", "TEXT", "TEXT", "REAL"),
            _ => ("bigint", "datetime", "date", "decimal(12,2)"),
        };
        let text = text.replace("{key}", key).replace("{instant}", instant).replace("{day}", day).replace("{amount}", amount);
        match self.0 {
            Engine::Postgres => text.replace("{text}", "text").replace("{long}", "text"),
            Engine::Sqlite => text.replace("{text}", "TEXT").replace("{long}", "TEXT"),
            _ => text.replace("{text}", "varchar(200)").replace("{long}", "text"),
        }
    }
}

/// What creates the tables, without secondary indexes.
pub fn schema(engine: Engine, shape: Shape) -> Vec<String> {
    let w = Words(engine);
    let customers = "CREATE TABLE customers (id {key} NOT NULL PRIMARY KEY, first_name {text} NOT NULL, last_name {text} NOT NULL, \
         email {text} NOT NULL, phone {text}, address {text}, city {text}, postcode {text}, birth_date {day}, iban {text}, notes {long}, \
         status {text} NOT NULL, created_at {instant} NOT NULL, last_contact_at {instant} NOT NULL, contract_end_at {instant} NULL)";
    let child = "customer_id {key} NOT NULL REFERENCES customers (id) ON DELETE CASCADE";
    let interactions = format!(
        "CREATE TABLE interactions (id {{key}} NOT NULL PRIMARY KEY, {child}, occurred_at {{instant}} NOT NULL, \
         channel {{text}} NOT NULL, subject {{text}} NOT NULL, body {{long}} NOT NULL)"
    );
    let contracts = format!(
        "CREATE TABLE contracts (id {{key}} NOT NULL PRIMARY KEY, {child}, reference {{text}} NOT NULL, started_on {{day}} NOT NULL, \
         ended_on {{day}} NULL, amount {{amount}}, terms {{long}})"
    );
    let all = [customers, interactions.as_str(), contracts.as_str()];
    all.iter().take(shape.tables().len()).map(|t| w.types(t)).collect()
}

/// Secondary indexes, created after the rows.
pub fn indexes(shape: Shape) -> Vec<&'static str> {
    let mut all = vec!["CREATE INDEX customers_email ON customers (email)"];
    if shape != Shape::Masked {
        all.push("CREATE INDEX customers_last_contact_at ON customers (last_contact_at)");
    }
    if shape == Shape::Full {
        all.push("CREATE INDEX interactions_customer ON interactions (customer_id)");
        all.push("CREATE INDEX interactions_occurred_at ON interactions (occurred_at)");
        all.push("CREATE INDEX contracts_customer ON contracts (customer_id)");
        all.push("CREATE INDEX contracts_ended_on ON contracts (ended_on)");
    }
    all
}

/// What fills the tables.
pub fn rows(engine: Engine, shape: Shape, n: u64) -> Vec<String> {
    let mut all = Vec::new();
    for table in shape.tables() {
        let count = if *table == "interactions" { 3 * n } else { n };
        for from in (1..=count).step_by(SLICE as usize) {
            let numbers = Words(engine).numbers(from, count.min(from + SLICE - 1));
            let select = match *table {
                "customers" => customers(Words(engine), &numbers),
                "interactions" => interactions(Words(engine), n, &numbers),
                _ => contracts(Words(engine), n, &numbers),
            };
            all.push(format!("INSERT INTO {table} {select}"));
        }
    }
    all
}

/// A number below 1,000,003 for each i, without a pattern that pages could see; quadratic, so that no two neighbours move alike.
const CHANCE: &str = "((((i * i) % 1000003) * 7919 + i * 104729) % 1000003)";

fn customers(w: Words, numbers: &str) -> String {
    let due = w.instant(&format!("1577836800 + {}", w.whole("u * 94176000", 200_000)));
    let kept = w.instant(&format!("1672876800 + {}", w.whole("(u - 200000) * 93312000", 800_003)));
    format!(
        "SELECT i, 'First' || (i * 7919 % 5003), 'Lastname' || (i * 104729 % 20011), \
         'user' || i || '.' || (i * 31 % 977) || '@mail' || (i % 97) || '.example.com', '+49 30 ' || {phone}, \
         (i % 300) || ' Some Longer Street Name ' || (i * 17 % 5000) || ', Apt ' || (i % 50), 'City' || (i % 2000), {postcode}, {birth}, \
         'DE' || {check} || {account}, {notes}, CASE WHEN i % 10 = 0 THEN 'lead' ELSE 'active' END, {created}, \
         CASE WHEN u < 200000 THEN {due} ELSE {kept} END, CASE WHEN i % 3 = 0 THEN {ends} END \
         FROM (SELECT i, {CHANCE} AS u FROM {numbers}) AS s",
        phone = w.digits("i * 48271 % 99999999", 8),
        postcode = w.digits("i % 99999", 5),
        birth = w.day("1940-01-01", "i * 37 % 24000"),
        check = w.digits("i * 7 % 99", 2),
        account = w.digits("i * 1000003 % 1000000000000000", 18),
        notes = w.filler("i * 2654435761 % 1000000000039", 6),
        created = w.instant("1388534400 + i % 4000 * 86400"),
        ends = w.instant("1704067200 + i % 900 * 86400"),
    )
}

fn interactions(w: Words, n: u64, numbers: &str) -> String {
    let fifth = n / 5;
    let old = 3 * fifth;
    let dormant = format!("5 * (1 + i * 7919 % {fifth})");
    let k = format!("((i - {old}) * 7919 % {})", 4 * fifth);
    let active = format!("{} * 5 + {k} % 4 + 1", w.whole(&k, 4));
    let occurred = w.instant(&format!("1609459200 + {} + i * 48271 % 864000", w.whole("i * 157680000", 3 * n)));
    format!(
        "SELECT i, CASE WHEN i <= {old} THEN {dormant} ELSE {active} END, {occurred}, \
         CASE i % 4 WHEN 0 THEN 'mail' WHEN 1 THEN 'phone' WHEN 2 THEN 'chat' ELSE 'shop' END, 'Subject ' || (i % 1000), {body} FROM {numbers}",
        body = w.filler("i * 2654435761 % 1000000000039", 8),
    )
}

fn contracts(w: Words, n: u64, numbers: &str) -> String {
    format!(
        "SELECT i, 1 + i * 104729 % {n}, 'CT-' || i, {started}, CASE WHEN u < 200000 THEN {old} ELSE {kept} END, i % 100000 / 7.0, {terms} \
         FROM (SELECT i, {CHANCE} AS u FROM {numbers}) AS s",
        started = w.day("2000-01-01", "i % 3000"),
        old = w.day("2012-01-01", &w.whole("u * 1400", 200_000)),
        kept = w.day("2016-06-01", &w.whole("u * 3000", 1_000_003)),
        terms = w.filler("i * 2654435761 % 1000000000039", 8),
    )
}
