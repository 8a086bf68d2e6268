//! What one append carries, and the rules that an entry must meet before it is written.

use super::error::JournalError;
use super::event::Event;
use super::sealed::{RESTS_FROM, Sealed};
use super::value::Hash;
use super::words::Access;
use crate::state::{Class, NewDocument};

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentKind {
    /// The policies of a run.
    Policy,
    /// The data map of a source.
    Map,
    /// The schema of a source.
    Schema,
}

impl DocumentKind {
    /// Its name in stores and exports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Map => "map",
            Self::Schema => "schema",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Policy, Self::Map, Self::Schema].into_iter().find(|kind| kind.name() == name)
    }
}

/// Entries and documents that become durable together, in one transaction with one sync.
#[derive(Debug, Default)]
pub struct Append {
    pub(super) events: Vec<Event>,
    pub(super) documents: Vec<NewDocument>,
    pub(super) sign: bool,
}

impl Append {
    /// An append of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an entry. A `run_finished` asks for a checkpoint by itself.
    #[must_use]
    pub fn event(mut self, event: Event) -> Self {
        self.sign |= matches!(event, Event::RunFinished { .. });
        self.events.push(event);
        self
    }

    /// Adds several entries.
    #[must_use]
    pub fn events(self, events: impl IntoIterator<Item = Event>) -> Self {
        events.into_iter().fold(self, Self::event)
    }

    /// Adds a document; its name is the SHA-256 of its bytes. Keeping the same document again changes nothing.
    #[must_use]
    pub fn document(mut self, kind: DocumentKind, body: Vec<u8>) -> Self {
        self.documents.push(NewDocument { hash: Hash::of(&body).0, kind: kind.name(), body });
        self
    }

    /// Asks for a signed checkpoint over everything up to and including this append.
    #[must_use]
    pub fn sign(mut self) -> Self {
        self.sign = true;
        self
    }
}

impl From<Event> for Append {
    fn from(event: Event) -> Self {
        Self::new().event(event)
    }
}

/// Whether an entry opens or closes something.
pub(super) enum Effect {
    Opens(Class, [u8; 16]),
    Closes(Class, [u8; 16]),
    /// From the first class to the second.
    Becomes(Class, Class, [u8; 16]),
    None,
}

pub(super) fn effect(event: &Event) -> Effect {
    match event {
        Event::RunStarted { run, .. } => Effect::Opens(Class::Run, run.0),
        Event::RunFinished { run, .. } => Effect::Closes(Class::Run, run.0),
        Event::Intent { batch, .. } => Effect::Opens(Class::Batch, batch.0),
        Event::Applied { batch, .. } | Event::Aborted { batch, .. } => Effect::Closes(Class::Batch, batch.0),
        Event::DestructionIntended { destruction, .. } => Effect::Opens(Class::Destruction, destruction.0),
        Event::Destroyed { destruction, .. } => Effect::Closes(Class::Destruction, destruction.0),
        Event::UndoIntended { undo, .. } => Effect::Opens(Class::Undo, undo.0),
        Event::Undone { undo, .. } | Event::UndoAborted { undo, .. } => Effect::Closes(Class::Undo, undo.0),
        Event::ArchiveErasureIntended { erasure, .. } => Effect::Opens(Class::Erasure, erasure.0),
        Event::ArchiveErasureAborted { erasure, .. } => Effect::Closes(Class::Erasure, erasure.0),
        Event::ArchiveResealed { erasure, .. } => Effect::Becomes(Class::Erasure, Class::Resealed, erasure.0),
        Event::ArchiveErased { erasure, .. } => Effect::Closes(Class::Resealed, erasure.0),
        Event::OrderPlaced { order, .. } => Effect::Opens(Class::Order, order.0),
        Event::OrderLifted { order, .. } => Effect::Closes(Class::Order, order.0),
        _ => Effect::None,
    }
}

/// The rules that one entry must meet by itself.
///
/// # Errors
/// The rule that it breaks.
pub(super) fn check(event: &Event) -> Result<(), &'static str> {
    match event {
        Event::Applied { rows, related, macs, sealed, .. } => {
            if macs.len() != *rows {
                return Err("an applied batch names each of its rows by one MAC");
            }
            if related.iter().any(|r| !r.macs.is_empty() && r.macs.len() != r.rows) {
                return Err("related rows are named one by one or not at all");
            }
            numbered(sealed)
        }
        Event::ArchiveOpened { access, key_id, mac, .. } => {
            let all = matches!(access, Access::Undo | Access::Erase);
            let fits = (key_id.is_none(), mac.is_none()) == (all, all);
            if fits {
                Ok(())
            } else {
                Err("who opens an archive names the record, but for a run that is undone and for an erasure")
            }
        }
        Event::ArchiveErasureIntended { part, macs, .. } if *part < RESTS_FROM || macs.is_empty() => {
            Err("an erasure names its records, and the number of a rest")
        }
        Event::ArchiveResealed { sealed, .. } if sealed.macs.is_empty() || sealed.macs.len() > sealed.rows => {
            Err("the rest of an object holds records")
        }
        Event::Undone { records, macs, .. } if macs.len() != *records || macs.is_empty() => {
            Err("what is undone names each of its records by one MAC")
        }
        Event::BatchFound { rows, macs, .. } if macs.len() != *rows => Err("a found batch names each of its rows by one MAC"),
        Event::BatchFound { sealed, .. } => numbered(sealed),
        _ => Ok(()),
    }
}

fn numbered(sealed: &[Sealed]) -> Result<(), &'static str> {
    let wrong = |(n, s): (usize, &Sealed)| s.part as usize != n || s.macs.is_empty() || s.macs.len() > s.rows;
    if sealed.iter().enumerate().any(wrong) { Err("sealed objects are numbered and hold records") } else { Ok(()) }
}

/// Kinds that only the journal itself may write.
pub(super) fn check_caller_may_write(event: &Event) -> Result<(), JournalError> {
    match event {
        Event::LogCreated { .. }
        | Event::SigningKeyRotated { .. }
        | Event::MacKeyCreated { .. }
        | Event::MacKeyDestroyed { .. }
        | Event::ClockSetBack { .. } => Err(JournalError::Refused("only the journal itself writes entries of this kind")),
        _ => check(event).map_err(JournalError::Refused),
    }
}
