//! Object Lock: what is asked of a bucket, and what it says of an object.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

/// The mode of a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockMode {
    /// Nobody can remove the object or shorten its lock, not even the account's owner.
    Compliance,
    /// Who has a special permission can. This program never uses it.
    Governance,
}

const MODE: HeaderName = HeaderName::from_static("x-amz-object-lock-mode");
const UNTIL: HeaderName = HeaderName::from_static("x-amz-object-lock-retain-until-date");
const SUM: HeaderName = HeaderName::from_static("x-amz-sdk-checksum-algorithm");
const HOLD: HeaderName = HeaderName::from_static("x-amz-object-lock-legal-hold");

impl LockMode {
    fn name(self) -> &'static str {
        match self {
            Self::Compliance => "COMPLIANCE",
            Self::Governance => "GOVERNANCE",
        }
    }
}

/// The end of a day, UTC: the first moment of the next one.
pub(super) fn end_of(day: NaiveDate) -> Option<DateTime<Utc>> {
    Some(day.checked_add_days(Days::new(1))?.and_time(NaiveTime::MIN).and_utc())
}

/// The headers that lock a new object to the end of a day. Some services take a lock only with the name of the request's sum.
pub(super) fn headers(mode: LockMode, keep_until: NaiveDate) -> Option<HeaderMap> {
    let until = end_of(keep_until)?.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let until = HeaderValue::from_str(&until).ok()?;
    Some(HeaderMap::from_iter([
        (MODE, HeaderValue::from_static(mode.name())),
        (UNTIL, until),
        (SUM, HeaderValue::from_static("SHA256")),
    ]))
}

/// The request that locks an object to the end of a day.
pub(super) fn retention(mode: LockMode, keep_until: NaiveDate) -> Option<String> {
    let until = end_of(keep_until)?.format("%Y-%m-%dT%H:%M:%SZ");
    Some(format!(
        "<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Mode>{}</Mode><RetainUntilDate>{until}</RetainUntilDate></Retention>",
        mode.name()
    ))
}

/// What a bucket says of an object's lock.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Lock {
    compliance: bool,
    /// When it ends.
    pub(super) until: Option<DateTime<Utc>>,
    hold: bool,
    /// The bucket's own time.
    now: Option<DateTime<Utc>>,
}

impl Lock {
    /// Reads the headers of an answer about an object.
    pub(crate) fn read(headers: &HeaderMap) -> Self {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        Self {
            compliance: text(MODE) == Some(LockMode::Compliance.name()),
            until: text(UNTIL).and_then(|t| DateTime::parse_from_rfc3339(t).ok()).map(|t| t.to_utc()),
            hold: text(HOLD) == Some("ON"),
            now: text(reqwest::header::DATE).and_then(|t| DateTime::parse_from_rfc2822(t).ok()).map(|t| t.to_utc()),
        }
    }

    /// Whether it is at least as strict and as long as asked.
    pub(super) fn suffices(&self, mode: LockMode, keep_until: NaiveDate) -> bool {
        let long = matches!((self.until, end_of(keep_until)), (Some(until), Some(asked)) if until >= asked);
        long && (self.compliance || mode == LockMode::Governance)
    }

    /// Whether it holds the object now, by the bucket's own clock.
    pub(crate) fn holds(&self) -> bool {
        self.hold || self.until.is_some_and(|until| self.now.is_none_or(|now| now < until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_lock_lasts_to_the_end_of_its_day_and_is_read_back() {
        let mut headers = headers(LockMode::Compliance, day("2031-12-31")).unwrap();
        assert_eq!(headers[UNTIL], "2032-01-01T00:00:00Z");
        headers.insert(reqwest::header::DATE, HeaderValue::from_static("Wed, 31 Dec 2031 23:59:59 GMT"));
        let lock = Lock::read(&headers);
        assert!(lock.holds() && lock.suffices(LockMode::Compliance, day("2031-12-31")));
        assert!(lock.suffices(LockMode::Governance, day("2031-01-01")));
        assert!(!lock.suffices(LockMode::Compliance, day("2032-01-01")));
        headers.insert(reqwest::header::DATE, HeaderValue::from_static("Thu, 01 Jan 2032 00:00:00 GMT"));
        assert!(!Lock::read(&headers).holds());
        headers.insert(HOLD, HeaderValue::from_static("ON"));
        assert!(Lock::read(&headers).holds());
    }

    #[test]
    fn what_a_bucket_does_not_say_is_no_lock_and_a_bucket_without_a_clock_keeps() {
        assert!(!Lock::read(&HeaderMap::new()).holds());
        assert!(!Lock::read(&HeaderMap::new()).suffices(LockMode::Governance, day("2020-01-01")));
        let weaker = headers(LockMode::Governance, day("2031-12-31")).unwrap();
        assert!(Lock::read(&weaker).holds());
        assert!(!Lock::read(&weaker).suffices(LockMode::Compliance, day("2031-12-31")));
    }
}
