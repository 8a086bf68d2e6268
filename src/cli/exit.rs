//! Exit codes and failures: what a script and a service manager can rely on.

use crate::enforce::EnforceError;
use crate::journal::JournalError;
use crate::source::SourceError;
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
    /// What is written in settings, map or policy is wrong, or the database does not fit it.
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
    /// What it is about, where the message does not name it.
    pub about: About,
}

/// What a failure is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// What its message names.
    Named,
    /// The source that is connected.
    Source,
    /// The database of the state.
    State,
}

impl Failure {
    /// A failure with words.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), about: About::Named }
    }

    /// A failure after everything was said.
    #[must_use]
    pub fn said(exit: Exit) -> Self {
        Self::new(exit, String::new())
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
            EnforceError::Source(SourceError::Config(fault)) if fault.is_of_the_url() => Exit::Config,
            EnforceError::NotAKey => Exit::Usage,
            EnforceError::NoSuchRecord
            | EnforceError::NoSuchOrder
            | EnforceError::NoSuchRun
            | EnforceError::RunOpen
            | EnforceError::Unknown(_) => Exit::Failed,
            _ => Exit::Unavailable,
        };
        let about = match &e {
            EnforceError::State(StateError::Database { .. })
            | EnforceError::Journal(JournalError::State(StateError::Database { .. })) => About::State,
            EnforceError::State(_) | EnforceError::Journal(_) => About::Named,
            EnforceError::NoSuchRecord | EnforceError::NoSuchOrder | EnforceError::Unknown(_) | EnforceError::NotAKey => {
                About::Named
            }
            _ => About::Source,
        };
        Self { about, ..Self::new(exit, e.to_string()) }
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
