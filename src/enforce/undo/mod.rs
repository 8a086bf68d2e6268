//! Undoing a run: what its batches sealed before they changed anything is put back where it came from, batch by batch, the newest first.
//!
//! [`preview`] tells from the journal alone what can come back (`account` adds it up, `walk` finds the batches, `share` says of each record of a batch where
//! it lies), and gives it a hash. [`undo`] puts back exactly what was previewed. What a batch sealed is opened as a whole (`open`) and put
//! back in transactions (`attempt`), in smaller pieces where the database refuses some of it: under all slots of the fence, each record under a hold, with a
//! row in the ledger that says after a crash whether it came about (`close`).

mod account;
mod attempt;
pub mod carry_out;
pub(super) mod close;
mod open;
mod share;
mod walk;

pub use account::{Account, First, Group, preview};
pub use carry_out::{Back, UndoRequest, undo};
pub use share::Asked;
