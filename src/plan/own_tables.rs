//! Names of the few tables that live in a customer's database: the fence, the ledger, the orders, what waits in archives for its end, files that leave
//! their stores, what other sources were asked, and the key of pseudonyms.

use super::schema::{Engine, TableName};

/// One of our tables in a customer's database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OwnTable {
    /// One row for each worker slot of a source: who may act, in which epoch, with which token.
    Fence,
    /// One row for each committed batch, written in the batch's own transaction.
    Ledger,
    /// One row for each order: holds, restrictions, objections, erasures, instructions.
    Hold,
    /// One row for each archived object whose end is not known yet: the way to the rows that will tell.
    Pending,
    /// One row for each file that was sealed into an archive and leaves its store once its row has left: nobody else could say which these are.
    Leaving,
    /// One row for each person whom a purpose of another source does not need any more, as it said when it was asked, until that is acted upon.
    Elsewhere,
    /// The key of pseudonyms, in one row; only where a map has that mask.
    PseudonymKey,
}

/// The PostgreSQL schema that holds our tables.
pub const POSTGRES_SCHEMA: &str = "retentiond";

/// What our tables' names begin with on MariaDB, MySQL and SQLite, where they stand among the customer's.
pub const PREFIX: &str = "retentiond_";

impl OwnTable {
    /// The name as catalogues report it, in a database (MariaDB, MySQL, SQLite: its name) or in our schema (PostgreSQL).
    #[must_use]
    pub fn name(self, engine: Engine, database: &str) -> TableName {
        match self.sql(engine).split_once('.') {
            Some((schema, name)) => TableName { schema: schema.to_owned(), name: name.to_owned() },
            None => TableName { schema: database.to_owned(), name: self.sql(engine).to_owned() },
        }
    }

    /// Those that every source has, in the order in which they are created.
    pub const ALL: [Self; 6] = [Self::Fence, Self::Ledger, Self::Hold, Self::Pending, Self::Leaving, Self::Elsewhere];

    /// Columns of the ledger that it has not had from the beginning.
    pub const LATER: [&'static str; 2] = ["sealed", "files"];

    /// The name as SQL of that engine: needs no quoting; qualified by its schema on PostgreSQL, looked up in the
    /// connection's database elsewhere.
    #[must_use]
    pub const fn sql(self, engine: Engine) -> &'static str {
        match (engine, self) {
            (Engine::Postgres, Self::Fence) => "retentiond.fence",
            (Engine::Postgres, Self::Ledger) => "retentiond.ledger",
            (Engine::Postgres, Self::Hold) => "retentiond.hold",
            (Engine::Postgres, Self::Pending) => "retentiond.pending",
            (Engine::Postgres, Self::Leaving) => "retentiond.leaving",
            (Engine::Postgres, Self::Elsewhere) => "retentiond.elsewhere",
            (Engine::Postgres, Self::PseudonymKey) => "retentiond.pseudonym_key",
            (_, Self::Fence) => "retentiond_fence",
            (_, Self::Ledger) => "retentiond_ledger",
            (_, Self::Hold) => "retentiond_hold",
            (_, Self::Pending) => "retentiond_pending",
            (_, Self::Leaving) => "retentiond_leaving",
            (_, Self::Elsewhere) => "retentiond_elsewhere",
            (_, Self::PseudonymKey) => "retentiond_pseudonym_key",
        }
    }
}

/// Whether a table of a customer's database is one of ours, and so neither mapped nor reported as unmapped.
#[must_use]
pub fn is_own(engine: Engine, table: &TableName) -> bool {
    match engine {
        Engine::Postgres => table.schema == POSTGRES_SCHEMA,
        Engine::MariaDb | Engine::MySql | Engine::Sqlite => {
            OwnTable::ALL.iter().chain([&OwnTable::PseudonymKey]).any(|own| own.sql(engine) == table.name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(schema: &str, name: &str) -> TableName {
        TableName { schema: schema.into(), name: name.into() }
    }

    #[test]
    fn every_own_table_is_recognised_as_its_engine_reports_it() {
        for own in OwnTable::ALL.into_iter().chain([OwnTable::PseudonymKey]) {
            let (schema, table) = own.sql(Engine::Postgres).split_once('.').unwrap();
            assert!(is_own(Engine::Postgres, &name(schema, table)));
            for engine in [Engine::MariaDb, Engine::MySql, Engine::Sqlite] {
                assert!(own.sql(engine).starts_with(PREFIX));
                assert!(is_own(engine, &name("shop", own.sql(engine))));
            }
        }
    }

    #[test]
    fn a_customers_table_of_a_similar_name_is_not_ours() {
        assert!(!is_own(Engine::Postgres, &name("public", "retentiond_hold")));
        assert!(!is_own(Engine::Postgres, &name("public", "hold")));
        assert!(!is_own(Engine::MariaDb, &name("retentiond", "hold")));
        assert!(!is_own(Engine::Sqlite, &name("main", "retentiond_holdings")));
    }
}
