//! The closed word lists of entries.

use serde::{Deserialize, Serialize};

/// An enum of words, written in snake case, with each word's text.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            /// All words, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word as entries carry it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = super::value::InvalidValue;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|word| word.as_str() == text)
                    .ok_or(super::value::InvalidValue(stringify!($name)))
            }
        }
    };
}

words!(
    /// What is done to a record.
    Action {
        /// The row is deleted.
        Delete = "delete",
        /// The row is anonymised: its last personal fields are masked.
        Anonymise = "anonymise",
        /// The row's last personal fields are masked, one of them at least by a pseudonym: it is personal data still.
        Pseudonymise = "pseudonymise",
        /// Some fields are masked while a purpose keeps others.
        Clear = "clear",
        /// Masked now, deleted when the last row that refers to it goes.
        Empty = "empty",
        /// A never-stored value is cleared.
        ClearIncident = "clear_incident",
        /// Objects of an archive whose end has passed are destroyed.
        Destroy = "destroy",
    }
);
words!(
    /// What happened to related rows in the same transaction.
    RelatedAction {
        /// Deleted.
        Deleted = "deleted",
        /// Masked.
        Masked = "masked",
    }
);
words!(
    /// Why objects of an archive are destroyed.
    DestructionCause {
        /// The last day on which they were to be kept has passed.
        Ended = "ended",
        /// An order has ended the purpose for all records in them.
        Ordered = "ordered",
    }
);
words!(
    /// What was done with what an archive holds.
    Access {
        /// It was written out, for the person concerned or whoever has a right to it.
        Export = "export",
        /// It was put back where it came from.
        Restore = "restore",
        /// A run was undone: what it took was put back where it came from.
        Undo = "undo",
        /// Records that orders have ended were taken out, and the rest was sealed anew.
        Erase = "erase",
    }
);
words!(
    /// Why somebody opened an archive.
    AccessReason {
        /// A person asks for their data (Art. 15).
        DataSubjectAccess = "data_subject_access",
        /// A claim is made, or has to be defended against.
        LegalClaim = "legal_claim",
        /// An authority demands it.
        AuthorityRequest = "authority_request",
        /// An audit, or a test that the archive can be read.
        Audit = "audit",
        /// A legal duty has to be met with it.
        LegalDuty = "legal_duty",
        /// It should not have left.
        ErrorCorrection = "error_correction",
    }
);
words!(
    /// Why a database became known under a source's name.
    Adoption {
        /// First contact.
        Initial = "initial",
        /// A copy of a known database.
        Cloned = "cloned",
        /// The same database on another server.
        Moved = "moved",
        /// Another enforcer's source.
        Takeover = "takeover",
        /// The same database from an earlier backup.
        Restored = "restored",
    }
);
words!(
    /// What started a run.
    Trigger {
        /// A person.
        Command = "command",
        /// The schedule.
        Schedule = "schedule",
    }
);
words!(
    /// When a census was taken.
    Phase {
        /// Before anything was touched.
        Before = "before",
        /// After the last batch.
        After = "after",
    }
);
words!(
    /// Which ceiling stopped a purpose.
    Ceiling {
        /// A number of rows.
        Rows = "rows",
        /// A share of the table; limit and found are in thousandths.
        Share = "share",
        /// The time window; limit and found are in seconds.
        Time = "time",
        /// A multiple of the usual; limit and found are in thousandths.
        Multiple = "multiple",
    }
);
words!(
    /// What a run found that nobody may act on.
    FindingKind {
        /// A record that no purpose covers.
        UncoveredRecord = "uncovered_record",
        /// A field that no purpose covers.
        UncoveredField = "uncovered_field",
        /// A record or field that archive purposes alone cover.
        ArchiveOnly = "archive_only",
        /// A field that is due in the active base, while nobody knows until when its archive would keep it.
        WaitsForDate = "waits_for_date",
        /// A record without a start date.
        Undated = "undated",
        /// A value that violates its declared date format.
        InvalidDate = "invalid_date",
        /// A period per record that is zero or negative.
        InvalidPeriod = "invalid_period",
        /// A record whose conditions cannot be decided.
        Undecided = "undecided",
        /// A table that is neither mapped nor declared free of personal data.
        UnmappedTable = "unmapped_table",
        /// A column that is not in the map.
        UnmappedColumn = "unmapped_column",
        /// The schema differs from the one the plan was made for.
        SchemaChanged = "schema_changed",
        /// A root with more followers than a batch may touch.
        FollowerLimit = "follower_limit",
        /// Records whose key names nobody: NULL, or a text with a character NUL. Nothing can be done with them.
        Nameless = "nameless",
        /// Rows that somebody kept locked.
        Busy = "busy",
        /// Records that are due while no copy of them was seen where the policy wants one.
        WaitsForCopy = "waits_for_copy",
        /// People whom a purpose of another source may need, which could not be asked: what it may need of them stays.
        NotAsked = "not_asked",
        /// Files that rows pointed to and that were not there when these went.
        FilesMissing = "files_missing",
        /// A purpose whose deadline (`done_within`) has passed.
        DeadlinePassed = "deadline_passed",
        /// An order whose record was not found.
        OrderUnmatched = "order_unmatched",
    }
);
words!(
    /// How a run ended.
    Outcome {
        /// All that was due is done or explained.
        Complete = "complete",
        /// A ceiling, a guard or a person stopped it.
        Stopped = "stopped",
        /// An error ended it.
        Failed = "failed",
        /// It did not end itself: a later run closed it.
        Interrupted = "interrupted",
    }
);
words!(
    /// What an order demands.
    OrderKind {
        /// Keep: a legal hold.
        Hold = "hold",
        /// Keep and do not use (Art. 18).
        Restriction = "restriction",
        /// Ends purposes that rest on legitimate interest (Art. 21).
        Objection = "objection",
        /// Ends purposes that erasure ends (Art. 17).
        Erasure = "erasure",
        /// A tenant's instruction: ends every purpose of that tenant.
        Instruction = "instruction",
    }
);
words!(
    /// What an order is about.
    OrderScope {
        /// One record and what follows it.
        Record = "record",
        /// Everything of one tenant.
        Tenant = "tenant",
        /// Everything of one person.
        Subject = "subject",
    }
);
words!(
    /// Why an order was placed or lifted.
    OrderReason {
        /// A lawsuit, or the claim of one.
        Litigation = "litigation",
        /// An audit.
        Audit = "audit",
        /// An authority asked for it.
        RegulatorRequest = "regulator_request",
        /// The person asked for it.
        DataSubjectRequest = "data_subject_request",
        /// Consent was withdrawn.
        ConsentWithdrawn = "consent_withdrawn",
        /// The person contests the accuracy of the data.
        AccuracyContested = "accuracy_contested",
        /// A contract with a tenant or client ended.
        EndOfService = "end_of_service",
        /// The person died.
        Death = "death",
        /// The earlier order was a mistake.
        ErrorCorrection = "error_correction",
        /// Its reason no longer holds.
        ReasonEnded = "reason_ended",
        /// Its date has passed.
        Expired = "expired",
        /// Another duty of law.
        OtherLegalDuty = "other_legal_duty",
    }
);
