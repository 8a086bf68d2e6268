//! The customers' databases: how they are reached, spoken to and read, one file per engine where the engines differ.
//!
//! A [`Target`] says where a database is and how much of its answer must be proven (TLS). [`Source::connect`] opens a
//! pool of connections that all speak one way: UTC, UTF-8, strict, nothing guessed. Work happens in a [`Session`], one dedicated
//! connection, over which complete statements go out and rows of text come back. A session that saw an error, or was merely dropped,
//! takes its connection with it; only [`Session::done`] gives one back. What went wrong is a [`SourceError`] whose [`Class`] says
//! what to do next and whose text never repeats a value.
//!
//! [`Source::introspect`] reads the live schema into [`crate::plan::schema::Schema`], and [`Source::surroundings`] the facts
//! around it: durability, replication, the connected role and its privileges.

mod error;
mod fault;
mod grants;
mod introspect;
mod names;
mod pool;
mod session;
pub mod setup;
mod surroundings;
mod surroundings_mysql;
mod target;

pub use error::{Class, ConfigFault, DatabaseFault, SourceError};
pub(crate) use fault::sqlite_class;
pub use pool::Source;
pub use session::{Answer, Row, Session};
pub use surroundings::{Extent, Privileges, Surroundings};
pub use target::{SecretUrl, Target, TlsMode};
