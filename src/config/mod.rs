//! The operator's settings: one TOML file, overridden by environment variables, with secrets kept in files of their own.
//!
//! `retentiond.toml` says where the state is, which sources exist with their maps and connections, which policies apply and who may act. Data maps and
//! policies are documents of their own, because their hashes enter the journal; no secret may stand in them.

mod archives;
mod buckets;
mod control;
mod family;
mod family_shape;
mod files;
mod load;
mod rules;
mod settings;
mod shape;
mod tenant_roots;
mod workspace;

pub use archives::{ArchiveError, ArchiveSettings, open as open_archives};
pub use buckets::{BucketError, BucketTable, LockWord};
pub use control::{Controlled, Named};
pub use family::{Family, FamilySettings, family_of, tenant_of};
pub use files::{FileSettings, FilesError, open as open_files, open_for_tenant as open_tenants_files};
pub use load::{LoadError, load};
pub use rules::{Rules, SourceRules};
pub use settings::{CeilingSettings, Lang, PaceWord, Settings, SourceSettings, UrlError};
pub use workspace::{File, Workspace};
