//! Time as a value. The only place where the system clock is read; clippy forbids it elsewhere.

use chrono::{DateTime, SubsecRound as _, Utc};

/// Where "now" comes from. A run asks once and carries the instant along.
pub trait Clock: Send + Sync {
    /// The current instant, cut to whole seconds: every cut-off is computed from it, and databases differ in sub-second precision.
    fn now(&self) -> DateTime<Utc>;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that may read the clock")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now().trunc_subsecs(0)
    }
}

/// A clock that stands still, for demonstrations, tests and `plan --at`.
#[derive(Debug, Clone, Copy)]
pub struct FixedClock(pub DateTime<Utc>);

impl Clock for FixedClock {
    fn now(&self) -> DateTime<Utc> {
        self.0
    }
}
