//! Whether a column can hold its mask, as far as names, types and the server's version tell.

use super::resolve::Resolved;
use super::schema::{Column, Engine, ServerIdentity, Table, TypeClass};
use crate::policy::located::Faults;
use crate::policy::map::PersonalColumn;
use crate::policy::mask::Mask;
use crate::policy::reader::shown;

/// How many digits a pseudonym needs in a UNIQUE column, whose values must not collide: 128 bits.
const UNIQUE_DIGITS: u8 = 32;

impl Resolved<'_> {
    pub(super) fn check_mask(&self, table: &Table, column: &Column, personal: &PersonalColumn, faults: &mut Faults) {
        let (mask, at, name) = (&personal.mask.value, &personal.mask.at, shown(&personal.name));
        if self.dialect.mask("r", column, mask).is_none() {
            faults
                .error(at, format!("column `{name}` cannot have the mask `{}`: {}", mask.word(), self.why_not(column, mask)))
                .expected("a mask that the column can hold");
        }
        // A floor writes ten characters, and nineteen where there were more than ten.
        if let (Mask::DateFloor(_), TypeClass::Text, Some(longest @ 0..10)) = (mask, column.class, column.max_length) {
            faults
                .error(at, format!("a floor does not fit into column `{name}` of {longest} characters"))
                .expected("a column of 10 characters, or of 19 where times follow");
        }
        if let (Mask::Fixed(text), Some(longest)) = (mask, column.max_length)
            && text.chars().count() as u64 > longest
        {
            faults
                .error(at, format!("the fixed value is longer than column `{name}`"))
                .expected(format!("at most {longest} characters"));
        }
        if let (Some(length), Some(longest)) = (mask.formed_length(), column.max_length)
            && length > longest
        {
            faults
                .error(at, format!("the {} is longer than column `{name}`", mask.word()))
                .expected(format!("at most {longest} characters: fewer `digits` or a shorter prefix"));
        }
        let unique = table.indexes.iter().any(|i| i.unique && i.columns.len() == 1 && i.columns[0] == personal.name.value);
        if matches!(mask, Mask::Fixed(_)) && unique {
            faults
                .error(at, format!("column `{name}` is UNIQUE: a second masked row would fail"))
                .expected("\"token\" or \"null\"");
        }
        if let Mask::Pseudonym { digits, .. } = mask {
            if unique && *digits < UNIQUE_DIGITS {
                faults
                    .error(at, format!("column `{name}` is UNIQUE: with so few digits two values could get the same pseudonym"))
                    .expected(format!("digits = {UNIQUE_DIGITS} or more, or \"token\""));
            }
            if !draws_keys(&self.schema.server) {
                let version = shown(&self.schema.server.version);
                faults
                    .error(at, format!("this server ({version}) cannot draw the key of a pseudonym"))
                    .expected("MariaDB 10.10 or later, which has RANDOM_BYTES, or another mask");
            }
        }
    }

    fn why_not(&self, column: &Column, mask: &Mask) -> String {
        if column.generated {
            "the database computes it".to_owned()
        } else if *mask == Mask::Null {
            "it is NOT NULL".to_owned()
        } else if mask.is_pseudonym() && self.schema.server.engine == Engine::Sqlite {
            "SQLite has no hash function that could make a pseudonym".to_owned()
        } else {
            format!("its type is {}", column.sql_type)
        }
    }
}

/// Whether the server has a source of randomness that is good enough for a key: MariaDB has had one since 10.10, all others have one.
fn draws_keys(server: &ServerIdentity) -> bool {
    if server.engine != Engine::MariaDb {
        return true;
    }
    let mut numbers = server.version.split(|c: char| !c.is_ascii_digit()).map_while(|n| n.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(10), Some(10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_mariadb_with_random_bytes_draws_keys() {
        let draws = |engine, version: &str| draws_keys(&ServerIdentity { engine, version: version.into(), id: String::new() });
        for version in ["10.10.2-MariaDB", "10.11.14-MariaDB-0+deb12u2", "11.4.1-MariaDB", "12.0.0"] {
            assert!(draws(Engine::MariaDb, version), "{version}");
        }
        for version in ["10.6.20-MariaDB-log", "10.9.8-MariaDB", "5.5.68", "", "MariaDB"] {
            assert!(!draws(Engine::MariaDb, version), "{version}");
        }
        assert!(draws(Engine::Postgres, "13.2") && draws(Engine::MySql, "8.0.1"));
    }
}
