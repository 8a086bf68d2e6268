//! Doing what a plan says, provably.
//!
//! [`Prepared::read`] connects policy, map and live schema into a plan. [`run`](run::run) takes the fence of the source ([`fence`]), closes what an
//! interrupted run left open ([`recover`]), and works through the plan's actions: [`work`] cuts what is due into batches, [`batch`]
//! carries out one of them (intent in the journal, act and ledger row in one transaction of the customer's database, `applied` in the journal).
//! [`check()`] says beforehand what would fail or surprise, and [`grants()`] what the enforcer's role must be able to do.
//! [`undo`] puts back what a run took, as far as it was sealed.
//! A census before and after tells what was due and what is left; it does not trust the executor's own counts.

mod alive;
mod along;
mod archive;
pub mod batch;
pub mod catalogue;
mod census;
mod check;
mod circles;
mod copies;
mod crew;
mod dating;
mod destruction;
mod draft;
mod elsewhere;
mod entries;
pub mod erasure;
mod error;
mod explain;
pub mod fence;
mod files;
mod grants;
mod graph;
mod guard;
mod kept;
pub mod keys;
mod leaving;
mod leftover;
pub mod lift;
mod look;
mod object;
mod ordered;
pub mod orders;
mod outcome;
mod prepare;
mod probe;
mod pseudonym;
pub mod put_back;
mod reckon;
pub mod recover;
mod release;
mod restore;
pub mod run;
mod sealing;
mod settings;
mod standing;
mod stretch;
pub mod subjects;
mod surroundings;
mod tail;
mod take;
mod together;
pub mod undo;
pub mod unseal;
pub mod unseal_files;
mod watch;
pub mod work;

pub use census::{DueCensuses, Expecting, due as take_due_census, take as take_census};
pub use check::{Checked, check};
pub use copies::{Copies, CopyBase};
pub use draft::draft;
pub use elsewhere::{AskedOf, Elsewhere, Questions};
pub use error::EnforceError;
pub use explain::{explain, explain_asking};
pub use grants::grants;
pub use guard::would_stop;
pub use leftover::{Leftover, leftover};
pub use outcome::{ActionOutcome, ArchiveOutcome, FileOutcome, RunOutcome, Stopped, UnaskedPurpose};
pub use prepare::{Documents, Prepared, run_documents};
pub use run::{RunRequest, Scope, run};
pub use settings::{Ceilings, Pace, Settings};
pub use watch::{Point, Silent, Watch};
