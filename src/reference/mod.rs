//! The reference model: what a policy means, evaluated by brute force over rows in memory.
//!
//! Written from the pseudo-code of the meaning alone, one function for each of its functions, in its words. It shares the parsed
//! policy and map with the rest of the product and no decision or arithmetic: dates go forward (start, period, last day kept, compared
//! with today), joins are hash maps, nothing is compiled. The demo and the tests compare every record that statements left behind
//! with what this model leaves.
//!
//! [`World`] is a database as rows; [`Reference`] the map, the policies, the instant and the orders; [`View`] one look at a world, in
//! which `state` and `decide` answer; [`Reference::run`] a complete run.

mod archive;
mod closure;
pub mod condition;
mod copy;
pub mod dates;
mod decide;
pub mod masking;
pub mod moment;
mod pseudonym;
mod run;
mod state;
#[cfg(test)]
mod tests;
mod value;
mod view;
mod world;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

use crate::policy::map::DataMap;
use crate::policy::purpose::{OrderKind, Policy};

pub use decide::{Decision, Fate, Field, Outcome, PurposeState};
pub use pseudonym::PseudonymKey;
pub use run::{Archived, Census};
pub use state::{End, State};
pub use value::Value;
pub use view::{RowId, View};
pub use world::{ForeignKey, Key, Table, TableId, World, table_id};

/// What an order is placed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// One record of a data set, by the key of its root row or of a row that follows it.
    Record {
        /// Id of the data set.
        data_set: String,
        /// Key of the row.
        key: Key,
    },
    /// Every record whose data set has a tenant column with this value.
    Tenant(Value),
    /// Every record that is about this person: what the identifier is called, and its value.
    Subject(String, Value),
}

/// An order that somebody placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its kind.
    pub kind: OrderKind,
    /// What it is placed on.
    pub target: Target,
    /// The last day on which it holds; `None` until it is lifted.
    pub until: Option<NaiveDate>,
    /// Whether it was lifted.
    pub lifted: bool,
}

/// Somebody whom a purpose of another source still needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needed {
    /// The purpose, `source.purpose`.
    pub purpose: String,
    /// The person's identifier.
    pub person: Value,
}

/// What decides: the map, the policies, the instant of the run and the orders.
#[derive(Debug, Clone)]
pub struct Reference<'a> {
    /// The data map of the source.
    pub map: &'a DataMap,
    /// All policies; purposes of other sources are passed over.
    pub policies: Vec<&'a Policy>,
    /// Fixed at the start of the run.
    pub now: DateTime<Utc>,
    /// All orders, lifted ones too.
    pub orders: &'a [Order],
    /// Whom purposes of other sources still need.
    pub needed: &'a [Needed],
    /// Other sources by their ids, with the rows among which copies of records may lie. Who is none of them holds no copy.
    pub others: &'a [(String, World)],
}

impl Reference<'_> {
    /// The local date of the run.
    #[must_use]
    pub fn today(&self, zone: Tz) -> NaiveDate {
        self.now.with_timezone(&zone).date_naive()
    }

    /// Whether an order holds on the day of the run.
    #[must_use]
    pub fn is_active(&self, order: &Order, zone: Tz) -> bool {
        !order.lifted && order.until.is_none_or(|until| until >= self.today(zone))
    }
}
