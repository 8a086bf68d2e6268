//! What an organisation declares: the data map (what is where) and the policy (what is kept how long, and why), read and
//! validated as values. Pure: no database, clock or file system.

pub mod bound;
pub mod elsewhere;
pub mod expression;
pub mod given;
pub mod link;
mod link_archive;
mod link_elsewhere;
mod link_files;
mod link_purpose;
mod link_recovery;
pub mod located;
pub mod map;
pub mod mask;
pub mod open_end;
pub mod period;
pub mod purpose;
mod read_facts;
pub(crate) mod read_form;
pub mod read_map;
mod read_mask;
pub mod read_policy;
pub mod reader;
pub mod recovery;
pub mod start;
