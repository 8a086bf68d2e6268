//! Exit codes and failures: what a script and a service manager can rely on.

use crate::enforce::EnforceError;
use crate::journal::JournalError;
use crate::source::{Class, SourceError};
use crate::state::StateError;

/// Exit codes, where they exist those of `sysexits.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// Something is not as it should be: faults, failed records, an unsound journal.
    Failed = 1,
    /// The command line cannot be understood.
    Usage = 64,
    /// A database, the state or the journal cannot be used.
    Unavailable = 69,
    /// A ceiling or a person stopped the run.
    Stopped = 75,
    /// Not allowed: another enforcer owns the source, the plan is not approved, the actor is unknown.
    Denied = 77,
    /// Settings, map or policy are wrong.
    Config = 78,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A command that could not do its work, in words.
#[derive(Debug)]
pub struct Failure {
    /// What to exit with.
    pub exit: Exit,
    /// What to say; empty when everything was said.
    pub message: String,
}

impl Failure {
    /// A failure with words.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    /// A failure after everything was said.
    #[must_use]
    pub fn said(exit: Exit) -> Self {
        Self { exit, message: String::new() }
    }
}

impl From<EnforceError> for Failure {
    fn from(e: EnforceError) -> Self {
        let exit = match &e {
            EnforceError::ForeignFence
            | EnforceError::OtherServer
            | EnforceError::FencedOff
            | EnforceError::PlanChanged { .. } => Exit::Denied,
            EnforceError::JournalBehind { .. } | EnforceError::OrderUnmatched => Exit::Denied,
            EnforceError::NotSetUp | EnforceError::NoPseudonymKey => Exit::Config,
            EnforceError::Source(s) if matches!(s.class(), Class::Config) => Exit::Config,
            EnforceError::NoSuchRecord | EnforceError::NoSuchOrder | EnforceError::Unknown(_) => Exit::Failed,
            _ => Exit::Unavailable,
        };
        Self::new(exit, e.to_string())
    }
}

impl From<SourceError> for Failure {
    fn from(e: SourceError) -> Self {
        EnforceError::Source(e).into()
    }
}

impl From<JournalError> for Failure {
    fn from(e: JournalError) -> Self {
        EnforceError::Journal(e).into()
    }
}

impl From<StateError> for Failure {
    fn from(e: StateError) -> Self {
        EnforceError::State(e).into()
    }
}

impl From<crate::journal::InvalidValue> for Failure {
    fn from(e: crate::journal::InvalidValue) -> Self {
        Self::new(Exit::Usage, e.to_string())
    }
}
