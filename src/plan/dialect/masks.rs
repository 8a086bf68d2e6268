//! Masks as SQL: the value that replaces, and the condition that says there is something left to replace.
//!
//! A mask that leaves something of a value leaves it only of values whose form it knows. Whatever else stands in the column (texts hold anything, and so
//! does every column of SQLite) becomes a neutral value: nothing may count as done because it was not understood.

use super::Dialect;
use super::reserved::Form;
use crate::plan::boolean::B;
use crate::plan::schema::{Column, Engine, TypeClass};
use crate::policy::mask::{DateFloor, Mask};

/// A mask of one column as SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaskSql {
    /// The value to set, over the column itself; NULL stays NULL, what is masked already stays as it is.
    pub value: String,
    /// Whether the value still has to be masked.
    pub todo: B,
}

impl Dialect {
    /// The mask of `column` in the row of `alias`. `None` when this engine or type cannot have it.
    #[must_use]
    pub fn mask(self, alias: &str, column: &Column, mask: &Mask) -> Option<MaskSql> {
        let c = self.column(alias, &column.name);
        if column.generated || (*mask == Mask::Null && !column.nullable) {
            return None;
        }
        if *mask == Mask::Null {
            return Some(MaskSql { value: "NULL".to_owned(), todo: B::sql(format!("{c} IS NOT NULL")) });
        }
        let (value, differs) = match mask {
            Mask::Null => return None,
            Mask::Fixed(text) => {
                let literal = self.fixed_literal(column, text)?;
                let differs = self.differs(&c, column, &literal);
                (literal, differs)
            }
            Mask::Token { prefix, suffix, digits } => self.token(&c, column, Form { prefix, suffix, digits: *digits })?,
            Mask::Pseudonym { prefix, suffix, digits } => self.pseudonym(&c, column, Form { prefix, suffix, digits: *digits })?,
            Mask::DateFloor(floor) => {
                let value = self.date_floor(&c, column, *floor)?;
                let differs = if self.engine == Engine::Sqlite || column.class == TypeClass::Text {
                    self.differs(&c, column, &value)
                } else {
                    format!("{c} <> {value}")
                };
                (value, differs)
            }
            Mask::Band(step) => {
                if !(column.class == TypeClass::Integer || column.class == TypeClass::Decimal && self.engine != Engine::Sqlite) {
                    return None;
                }
                let rest = format!("((({c} % {step}) + {step}) % {step})");
                match (self.engine, column.class) {
                    (Engine::Sqlite, _) => {
                        // What is below has no band that fits; whole numbers beyond 2^53 are not exact as floating points.
                        let known = format!(
                            "typeof({c}) = 'integer' AND {c} >= {} OR typeof({c}) = 'real' AND abs({c}) <= 9000000000000000",
                            i64::MIN.saturating_add(i64::from(*step))
                        );
                        let value = format!("(CASE WHEN {known} THEN CAST({c} AS INTEGER) - {rest} ELSE 0 END)");
                        let differs = self.differs(&c, column, &value);
                        (value, differs)
                    }
                    (Engine::Postgres, TypeClass::Decimal) => {
                        let unknown = format!("{c}::text IN ('NaN', 'Infinity', '-Infinity')");
                        (
                            format!("(CASE WHEN {unknown} THEN 0 ELSE {c} - {rest} END)"),
                            format!("CASE WHEN {unknown} THEN true ELSE {rest} <> 0 END"),
                        )
                    }
                    _ => (format!("({c} - {rest})"), format!("{rest} <> 0")),
                }
            }
            Mask::First(n) => {
                if column.class != TypeClass::Text {
                    return None;
                }
                match self.engine {
                    Engine::Sqlite => {
                        // Not by its length, which ends at a character NUL. Of bytes, which are no text, nothing is left.
                        let value = format!("(CASE WHEN typeof({c}) = 'blob' THEN '' ELSE substr({c}, 1, {n}) END)");
                        let differs = self.differs(&c, column, &value);
                        (value, differs)
                    }
                    _ => (format!("LEFT({c}, {n})"), format!("CHAR_LENGTH({c}) > {n}")),
                }
            }
            Mask::IpPrefix { v4, v6 } => self.ip_prefix(&c, column, *v4, *v6)?,
            Mask::JsonRemove(paths) => self.json_remove(&c, column, paths)?,
        };
        // SQLite drops a needless IS NOT NULL from a query but not from a partial index, which it then does not recognise.
        let needless = self.engine == Engine::Sqlite && !column.nullable;
        let present = if needless { B::True } else { B::sql(format!("{c} IS NOT NULL")) };
        let todo = B::and([present, B::sql(format!("({differs})"))]);
        // A statement may set columns that are done already beside others that are not: those keep their value.
        let value = match mask {
            Mask::Fixed(_) if !column.nullable => value,
            _ => format!("CASE WHEN {} THEN {value} ELSE {c} END", todo.render()),
        };
        Some(MaskSql { value, todo })
    }

    /// Whether two texts differ, byte for byte, whatever the column's collation says.
    fn differs(self, c: &str, column: &Column, value: &str) -> String {
        match (self.engine, column.class) {
            (Engine::Postgres, TypeClass::Text) => format!("({c})::text COLLATE \"C\" <> {value}"),
            (Engine::Postgres, TypeClass::Enum) => format!("{c}::text <> {value}"),
            (Engine::Postgres, TypeClass::Json) => format!("{c}::text <> ({value}::{})::text", json_type(column)),
            (Engine::MariaDb | Engine::MySql, TypeClass::Text | TypeClass::Enum | TypeClass::Json) => {
                format!("CAST(CONVERT({c} USING utf8mb4) AS BINARY) <> CAST({value} AS BINARY)")
            }
            (Engine::Sqlite, _) => format!("{c} COLLATE BINARY IS NOT {value}"),
            _ => format!("{c} <> {value}"),
        }
    }

    fn fixed_literal(self, column: &Column, text: &str) -> Option<String> {
        match column.class {
            TypeClass::Integer | TypeClass::Decimal if !super::is_number(text) => None,
            TypeClass::Float | TypeClass::Binary | TypeClass::Bit | TypeClass::Other => None,
            TypeClass::Boolean if text != "true" && text != "false" => None,
            TypeClass::Integer if text.contains('.') => None,
            _ => Some(self.literal_for(column, text)),
        }
    }

    fn date_floor(self, c: &str, column: &Column, floor: DateFloor) -> Option<String> {
        let text = column.class == TypeClass::Text || self.engine == Engine::Sqlite;
        if text {
            if !matches!(
                column.class,
                TypeClass::Text | TypeClass::Date | TypeClass::DateTime | TypeClass::Instant | TypeClass::Other
            ) {
                return None;
            }
            let cut = if self.engine == Engine::Sqlite { "substr" } else { "SUBSTRING" };
            let piece = |from: u8, n: u8| format!("{cut}({c}, {from}, {n})");
            let parts = match floor {
                DateFloor::Month => vec![piece(1, 7), "'-01'".to_owned()],
                DateFloor::Year => vec![piece(1, 4), "'-01-01'".to_owned()],
                DateFloor::Decade => vec![piece(1, 3), "'0-01-01'".to_owned()],
            };
            let length = if self.engine.is_mysql_family() { "CHAR_LENGTH" } else { "length" };
            let tail = format!("CASE WHEN {length}({c}) > 10 THEN ' 00:00:00' ELSE '' END");
            let floored = if self.engine.is_mysql_family() {
                format!("CONCAT({}, {tail})", parts.join(", "))
            } else {
                format!("{} || {tail}", parts.join(" || "))
            };
            const DATE: &str = "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])";
            let known = match self.engine {
                Engine::Postgres => format!("{c} ~ '{DATE}'"),
                Engine::MariaDb | Engine::MySql => format!("{c} REGEXP '{DATE}'"),
                Engine::Sqlite => format!(
                    "{c} GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]*' AND {} BETWEEN '01' AND '12' AND {} BETWEEN '01' AND '31'",
                    piece(6, 2),
                    piece(9, 2)
                ),
            };
            return Some(format!("(CASE WHEN {known} THEN {floored} ELSE '{NO_DATE}' END)"));
        }
        let unit = match floor {
            DateFloor::Month => "month",
            DateFloor::Year => "year",
            DateFloor::Decade => "decade",
        };
        Some(match (self.engine, column.class) {
            (Engine::Postgres, TypeClass::Date) => format!("date_trunc('{unit}', {c}::timestamp)::date"),
            (Engine::Postgres, TypeClass::DateTime) => format!("date_trunc('{unit}', {c})"),
            // UTC by name: the session's zone must not decide.
            (Engine::Postgres, TypeClass::Instant) => format!("date_trunc('{unit}', {c}, 'UTC')"),
            (Engine::MariaDb | Engine::MySql, TypeClass::Date | TypeClass::DateTime | TypeClass::Instant) => {
                let start = match floor {
                    DateFloor::Month => format!("CONCAT(LPAD(YEAR({c}), 4, '0'), '-', LPAD(MONTH({c}), 2, '0'), '-01')"),
                    DateFloor::Year => format!("CONCAT(LPAD(YEAR({c}), 4, '0'), '-01-01')"),
                    DateFloor::Decade => format!("CONCAT(LPAD(YEAR({c}) - YEAR({c}) % 10, 4, '0'), '-01-01')"),
                };
                let class = if column.class == TypeClass::Date { "DATE" } else { "DATETIME" };
                // What stands for no date stays; a date without month or day has a year all the same, and counts as missing before and after.
                format!(
                    "(CASE WHEN YEAR({c}) = 0 THEN {c} WHEN MONTH({c}) = 0 OR DAYOFMONTH({c}) = 0 THEN CAST('{NO_DATE}' AS {class}) ELSE CAST({start} AS {class}) END)"
                )
            }
            _ => return None,
        })
    }

    fn ip_prefix(self, c: &str, column: &Column, v4: u8, v6: u8) -> Option<(String, String)> {
        if self.engine == Engine::Postgres && column.class == TypeClass::Inet {
            let cut = |bits: u8| format!("host(network(set_masklen({c}::inet, {bits})))::inet");
            let value = format!("(CASE WHEN family({c}) = 4 THEN {} ELSE {} END)", cut(v4), cut(v6));
            return Some((value.clone(), format!("{c}::inet <> {value}")));
        }
        if column.class != TypeClass::Text {
            return None;
        }
        let value = ip_text(self, c, v4, v6);
        let differs = self.differs(c, column, &value);
        Some((value, differs))
    }

    fn json_remove(self, c: &str, column: &Column, paths: &[Vec<String>]) -> Option<(String, String)> {
        let dotted = |path: &[String]| format!("'${}'", path.iter().map(|s| format!(".\"{s}\"")).collect::<String>());
        match self.engine {
            Engine::Postgres if column.class == TypeClass::Json => {
                let array = |path: &[String]| format!("'{{{}}}'", path.join(","));
                let removed =
                    paths.iter().fold(format!("{c}::jsonb"), |json, path| format!("({json} #- {array})", array = array(path)));
                let exists: Vec<String> = paths.iter().map(|p| format!("{c}::jsonb #> {} IS NOT NULL", array(p))).collect();
                let (kind, exists) = (json_type(column), exists.join(" OR "));
                if kind == "jsonb" {
                    return Some((format!("{removed}::{kind}"), exists));
                }
                // A column of type json holds characters and numbers that jsonb does not, and one such value would end every statement.
                let unknown = format!(r"{c}::text ~ '\\u0000|[0-9][eE][+-]?[0-9]{{4}}'");
                Some((
                    format!("CASE WHEN {unknown} THEN '{NO_MEMBERS}'::{kind} ELSE {removed}::{kind} END"),
                    format!("CASE WHEN {unknown} THEN true ELSE {exists} END"),
                ))
            }
            Engine::MariaDb | Engine::MySql if matches!(column.class, TypeClass::Json | TypeClass::Text) => {
                let all: Vec<String> = paths.iter().map(|p| dotted(p)).collect();
                let all = all.join(", ");
                // A member that is said twice is there still.
                let removed = format!("JSON_REMOVE({c}, {all})");
                let again = format!("JSON_CONTAINS_PATH({removed}, 'one', {all})");
                Some((
                    format!(
                        "CASE WHEN NOT JSON_VALID({c}) THEN '{NO_MEMBERS}' WHEN {again} THEN '{NO_MEMBERS}' ELSE {removed} END"
                    ),
                    format!("CASE WHEN JSON_VALID({c}) THEN JSON_CONTAINS_PATH({c}, 'one', {all}) ELSE {c} <> '' END"),
                ))
            }
            Engine::Sqlite if matches!(column.class, TypeClass::Json | TypeClass::Text) => {
                let all: Vec<String> = paths.iter().map(|p| dotted(p)).collect();
                let exists: Vec<String> = all.iter().map(|p| format!("json_type({c}, {p}) IS NOT NULL")).collect();
                // CASE: SQLite may evaluate AND in any order, and json_type fails on what is no JSON. Behind a character NUL it reads nothing.
                let (known, removed) =
                    (format!("json_valid({c}) AND instr({c}, char(0)) = 0"), format!("json_remove({c}, {})", all.join(", ")));
                // A member that is said twice is there still.
                let again: Vec<String> = all.iter().map(|p| format!("json_type({removed}, {p}) IS NOT NULL")).collect();
                Some((
                    format!(
                        "CASE WHEN {known} THEN CASE WHEN {} THEN '{NO_MEMBERS}' ELSE {removed} END ELSE '{NO_MEMBERS}' END",
                        again.join(" OR ")
                    ),
                    format!("CASE WHEN {known} THEN {} ELSE length(CAST({c} AS BLOB)) > 0 END", exists.join(" OR ")),
                ))
            }
            _ => None,
        }
    }
}

/// What a date becomes that has no form of one; it counts as missing.
const NO_DATE: &str = "1900-01-01";

/// What a document becomes that is none; an empty text stays as it is.
const NO_MEMBERS: &str = "{}";

fn json_type(column: &Column) -> &'static str {
    if column.sql_type.eq_ignore_ascii_case("json") { "json" } else { "jsonb" }
}

/// A textual IP address cut to a prefix: dotted quads keep their first groups and zeros follow; addresses with a colon keep their first groups,
/// at most up to their own `::`, and end in `::`; anything else, an address with a port among it, becomes `0.0.0.0`.
fn ip_text(dialect: Dialect, c: &str, v4: u8, v6: u8) -> String {
    let (quads, groups) = (usize::from(v4 / 8), usize::from(v6 / 16));
    let zeros = vec!["0"; 4 - quads].join(".");
    match dialect.engine {
        Engine::Sqlite => sqlite_ip_text(c, quads, groups),
        engine => {
            let is_v4 =
                format!("{c} {} '^[0-9]{{1,3}}([.][0-9]{{1,3}}){{3}}$'", if engine == Engine::Postgres { "~" } else { "REGEXP" });
            let is_v6 = format!(
                "{c} {} '^[0-9a-fA-F.]*:[0-9a-fA-F.]*:[0-9a-fA-F:.]*$'",
                if engine == Engine::Postgres { "~" } else { "REGEXP" }
            );
            let head = |pattern: String| match engine {
                Engine::Postgres => format!("COALESCE(substring({c} from '{pattern}'), '')"),
                _ => format!("REGEXP_SUBSTR({c}, '{pattern}')"),
            };
            let joined = |a: String, b: String| {
                if engine == Engine::Postgres { format!("{a} || {b}") } else { format!("CONCAT({a}, {b})") }
            };
            let v4_value = match quads {
                0 => "'0.0.0.0'".to_owned(),
                4 => c.to_owned(),
                n => joined(head(format!("^(?:[0-9]+[.]){{{n}}}")), format!("'{zeros}'")),
            };
            let v6_value = match groups {
                0 => "'::'".to_owned(),
                8 => c.to_owned(),
                n => joined(head(format!("^(?:[0-9a-fA-F]{{1,4}}(?::[0-9a-fA-F]{{1,4}}){{0,{}}})?", n - 1)), "'::'".to_owned()),
            };
            format!("(CASE WHEN {is_v4} THEN {v4_value} WHEN {is_v6} THEN {v6_value} ELSE '0.0.0.0' END)")
        }
    }
}

/// SQLite has no regular expressions: groups are cut off one by one.
fn sqlite_ip_text(c: &str, quads: usize, groups: usize) -> String {
    // Patterns and lengths end at a character NUL, other functions do not.
    let whole = format!("instr({c}, char(0)) = 0");
    let is_v4 = format!(
        "({whole} AND {c} GLOB '[0-9]*.[0-9]*.[0-9]*.[0-9]*' AND {c} NOT GLOB '*[^0-9.]*' AND {c} NOT GLOB '*..*' AND {c} NOT GLOB '*[0-9][0-9][0-9][0-9]*' AND length({c}) - length(replace({c}, '.', '')) = 3 AND {c} GLOB '*[0-9]')"
    );
    let mut head = c.to_owned();
    for dropped in 0..(4 - quads) {
        head = if dropped == 0 {
            format!("rtrim({head}, '0123456789')")
        } else {
            format!("rtrim(rtrim({head}, '.'), '0123456789')")
        };
    }
    let v4_value = match quads {
        0 => "'0.0.0.0'".to_owned(),
        4 => c.to_owned(),
        _ => format!("{head} || '{}'", vec!["0"; 4 - quads].join(".")),
    };
    let five = "[0-9a-fA-F]".repeat(5);
    // Two colons at least, groups of four digits, and a dotted quad only as the last group, behind what was left out.
    let is_v6 = format!(
        "({whole} AND {c} GLOB '*:*:*' AND {c} NOT GLOB '*[^0-9a-fA-F:.]*' AND {c} NOT GLOB '*{five}*' AND {c} NOT GLOB '*.*:*' AND ({c} NOT GLOB '*.*' OR {c} GLOB '*::*'))"
    );
    // Up to the address's own `::` first, then at most `groups` groups of what is left: after that many groups the rest goes.
    let base = format!("CASE WHEN instr({c}, '::') > 0 THEN substr({c}, 1, instr({c}, '::') - 1) ELSE {c} END");
    let v6_value = match groups {
        0 => "'::'".to_owned(),
        8 => c.to_owned(),
        n => {
            // The position of the n-th colon in `base || ':'`, found by walking: each step looks behind the previous colon.
            let padded = format!("(({base}) || ':::::::::')");
            let mut position = format!("instr({padded}, ':')");
            for _ in 1..n {
                position = format!("({position} + instr(substr({padded}, {position} + 1), ':'))");
            }
            format!("rtrim(substr({padded}, 1, {position}), ':') || '::'")
        }
    };
    format!("(CASE WHEN {is_v4} THEN {v4_value} WHEN {is_v6} THEN {v6_value} ELSE '0.0.0.0' END)")
}
