//! Customers' databases.

pub mod setup;
