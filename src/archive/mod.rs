//! The archive: sealed objects of an intermediate archive, and the places where they lie.
//!
//! A sealed object holds rows that left their database, in a form that needs nothing of this program to be read: JSON Lines,
//! compressed with zstd, encrypted with `age`. [`Sealer`] writes one to [`Recipients`], [`open`] reads it with [`Identities`]; this program
//! holds only the recipients' public keys. A [`Store`] keeps objects in a directory or in an S3 bucket, creates them once and never
//! overwrites one. `docs/archive-format.md` has the format. Nothing here knows a database.

mod archives;
mod bucket;
mod cell;
mod directory;
mod error;
mod file;
mod identity;
pub(crate) mod lock;
mod name;
mod object;
mod open;
pub mod pipe;
mod place;
mod recipient;
mod seal;
pub(crate) mod service;
mod store;
#[cfg(test)]
mod tests;
mod versions;

pub use archives::{Archive, Archives, file_name, object_name, objects_of, part_of};
pub use bucket::{Bucket, BucketSettings, LockMode, Secret};
pub use cell::Cell;
pub use directory::Directory;
pub use error::StoreError;
pub use file::{Plain, open_file, seal_file};
pub use identity::{Identities, IdentityError};
pub use name::{InvalidName, ObjectName};
pub use object::{Column, Engine, FORMAT, FileLine, Header, HeaderFault, MAX_LINE, Row, Table, VERSION, WITH_FILES};
pub use open::{OpenError, Rows, open};
pub use recipient::{RecipientError, RecipientFault, Recipients};
pub use seal::{SealError, Sealer};
pub use store::{Listed, Store, Stored};
