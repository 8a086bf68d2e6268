//! Dates in columns: when a value is missing, when it breaks its format, when it lies before a bound.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use chrono_tz::Tz;

use super::Dialect;
use crate::plan::boolean::B;
use crate::plan::schema::{Engine, TypeClass};
use crate::policy::bound::{Bound, first_instant};
use crate::policy::map::DateFormat;

/// How a column holds a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateForm {
    /// A calendar date.
    Date,
    /// A date-time without a zone, to be read in this zone.
    Local(Tz),
    /// An instant.
    Instant,
    /// Text `YYYY-MM-DD`.
    TextDate,
    /// Text `YYYYMMDD`.
    TextCompact,
    /// Text date-time without a zone, to be read in this zone.
    TextLocal(Tz),
    /// Text `YYYY-MM-DDTHH:MM:SS[.fff]Z`, an instant in UTC.
    TextInstant,
    /// Seconds or milliseconds since the epoch, this many to the second.
    Epoch(i64),
}

/// Why a column cannot date an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateFormFault {
    /// A date-time without a zone, and no zone declared.
    NoZone,
    /// A text or number, and no format declared.
    NoFormat,
    /// A declared format that this type cannot hold.
    WrongFormat,
    /// A type that holds no date.
    NoDate,
}

impl DateForm {
    /// The form of a column. `zone` is the declared one for date-times without a zone; `format` only counts for texts and numbers.
    ///
    /// # Errors
    /// See [`DateFormFault`].
    pub fn of(
        engine: Engine,
        class: TypeClass,
        sql_type: &str,
        format: Option<DateFormat>,
        zone: Option<Tz>,
    ) -> Result<Self, DateFormFault> {
        let zone = || zone.ok_or(DateFormFault::NoZone);
        if engine != Engine::Sqlite {
            match class {
                TypeClass::Date => return Ok(Self::Date),
                TypeClass::DateTime => return zone().map(Self::Local),
                TypeClass::Instant => return Ok(Self::Instant),
                _ => {}
            }
        }
        // SQLite has no date type: a column declared DATE holds ISO text unless the map says otherwise.
        let declared = sql_type.to_ascii_lowercase();
        let default = match engine {
            Engine::Sqlite if declared == "date" => Some(DateFormat::IsoDate),
            Engine::Sqlite if declared.starts_with("datetime") || declared.starts_with("timestamp") => {
                Some(DateFormat::IsoDateTime)
            }
            _ => None,
        };
        let numeric = matches!(class, TypeClass::Integer);
        match format.or(default) {
            None if matches!(
                class,
                TypeClass::Text
                    | TypeClass::Integer
                    | TypeClass::Decimal
                    | TypeClass::Other
                    | TypeClass::Date
                    | TypeClass::DateTime
            ) =>
            {
                Err(DateFormFault::NoFormat)
            }
            None => Err(DateFormFault::NoDate),
            Some(DateFormat::IsoDate | DateFormat::CompactDate | DateFormat::IsoDateTime | DateFormat::IsoInstant) if numeric => {
                Err(DateFormFault::WrongFormat)
            }
            Some(DateFormat::EpochSeconds | DateFormat::EpochMilliseconds) if !numeric => Err(DateFormFault::WrongFormat),
            Some(DateFormat::IsoDate) => Ok(Self::TextDate),
            Some(DateFormat::CompactDate) => Ok(Self::TextCompact),
            Some(DateFormat::IsoDateTime) => zone().map(Self::TextLocal),
            Some(DateFormat::IsoInstant) => Ok(Self::TextInstant),
            Some(DateFormat::EpochSeconds) => Ok(Self::Epoch(1)),
            Some(DateFormat::EpochMilliseconds) => Ok(Self::Epoch(1000)),
        }
    }

    /// Whether the form has a time of day, so that a period in hours can count from it.
    #[must_use]
    pub fn has_time(self) -> bool {
        !matches!(self, Self::Date | Self::TextDate | Self::TextCompact)
    }
}

/// The literal of an instant as texts in UTC begin with it.
fn text_instant(at: DateTime<Utc>) -> String {
    format!("'{}'", at.format("%Y-%m-%dT%H:%M:%S"))
}

/// Calendar days that databases hold in place of "no date".
const SENTINELS: [(i32, u32, u32); 2] = [(1900, 1, 1), (1970, 1, 1)];

fn day(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).unwrap_or(NaiveDate::MIN)
}

impl Dialect {
    /// The literal of a bound for a column of this form; `None` for a bound in hours over a form without a time.
    fn bound_literal(self, form: DateForm, bound: Bound, policy_zone: Tz) -> Option<String> {
        Some(match form {
            DateForm::Date => self.date(bound.for_dates()?),
            DateForm::TextDate => format!("'{}'", bound.for_dates()?.format("%Y-%m-%d")),
            DateForm::TextCompact => format!("'{}'", bound.for_dates()?.format("%Y%m%d")),
            DateForm::Local(zone) => self.date_time(bound.for_local_times(policy_zone, zone)),
            DateForm::Instant => self.instant(bound.for_instants(policy_zone)),
            DateForm::Epoch(scale) => (bound.for_instants(policy_zone).timestamp() * scale).to_string(),
            // Every value has its seconds and a `Z`: it sorts behind the bound at which it lies.
            DateForm::TextInstant => text_instant(bound.for_instants(policy_zone)),
            DateForm::TextLocal(zone) => {
                let local = bound.for_local_times(policy_zone, zone);
                if local.time() == NaiveTime::MIN {
                    format!("'{}'", local.format("%Y-%m-%d"))
                } else if local.and_utc().timestamp() % 60 == 0 {
                    format!("'{}'", local.format("%Y-%m-%d %H:%M"))
                } else {
                    format!("'{}'", local.format("%Y-%m-%d %H:%M:%S"))
                }
            }
        })
    }

    /// Whether the value (not missing, not invalid) lies before the bound.
    #[must_use]
    pub fn before(self, expr: &str, form: DateForm, bound: Option<Bound>, policy_zone: Tz) -> B {
        let Some(literal) = bound.and_then(|b| self.bound_literal(form, b, policy_zone)) else { return B::False };
        // `T` sorts after the blank: within the bound's own day the texts must be of one form. A bound at midnight is that day's shortest text.
        let within_a_day = matches!(form, DateForm::TextLocal(_)) && literal.len() > "'0000-00-00'".len();
        let value = if within_a_day { format!("REPLACE({expr}, 'T', ' ')") } else { expr.to_owned() };
        // No index knows what is replaced: one finds the days up to the bound's by the first letter after `T`. Other engines compare texts in the
        // order of some language.
        let day = literal.get(..11).filter(|_| within_a_day && self.engine == Engine::Sqlite);
        let no_sentinel = self.sentinel_parts(expr, form, policy_zone).into_iter().map(|s| s.exclusion);
        B::and(
            std::iter::once(B::sql(format!("{value} < {literal}")))
                .chain(day.map(|day| B::sql(format!("{expr} < {day}U'"))))
                .chain(no_sentinel.map(B::sql))
                .chain(self.valid(expr, form).map(B::sql)),
        )
    }

    /// Whether there is no date: NULL, a sentinel, a zero date, an infinity.
    #[must_use]
    pub fn missing(self, expr: &str, form: DateForm, policy_zone: Tz) -> B {
        let sentinel = self.sentinel_parts(expr, form, policy_zone).into_iter().map(|s| B::sql(s.inclusion));
        let sentinel = B::or(sentinel.chain(std::iter::once(B::sql(self.far_future(expr, form, policy_zone)))));
        // A sentinel must be well-formed to be one; a text column's other values are invalid, not missing.
        let sentinel = match self.valid(expr, form) {
            Some(valid) => B::and([B::sql(valid), sentinel]),
            None => sentinel,
        };
        B::or([B::sql(format!("{expr} IS NULL")), sentinel, self.zero_text(expr, form)])
    }

    /// Whether a text is of its format but for a month or day that is zero, as MySQL writes "no date".
    fn zero_text(self, expr: &str, form: DateForm) -> B {
        match form {
            DateForm::TextDate | DateForm::TextCompact | DateForm::TextLocal(_) | DateForm::TextInstant => {
                self.well_formed(expr, form, Days::Zero).map_or(B::False, B::sql)
            }
            _ => B::False,
        }
    }

    /// Stretches of an index that hold every missing date; other values may lie in them too. Only MariaDB's and MySQL's dates without a month or day
    /// lie scattered among the others, where no index finds them.
    #[must_use]
    pub fn missing_ranges(self, expr: &str, nullable: bool, form: DateForm, policy_zone: Tz) -> Vec<B> {
        let none = nullable.then(|| format!("{expr} IS NULL"));
        let sentinels = self.sentinel_parts(expr, form, policy_zone).into_iter().filter(|s| s.in_order).map(|s| s.inclusion);
        none.into_iter().chain(sentinels).chain([self.far_future(expr, form, policy_zone)]).map(B::sql).collect()
    }

    /// Whether the value breaks its declared format; never for real date types.
    #[must_use]
    pub fn invalid(self, expr: &str, form: DateForm) -> B {
        match self.valid(expr, form) {
            Some(valid) => {
                B::and([B::sql(format!("{expr} IS NOT NULL")), B::sql(valid).negate(), self.zero_text(expr, form).negate()])
            }
            None => B::False,
        }
    }

    /// A condition that holds for well-formed values, where the type does not ensure it.
    fn valid(self, expr: &str, form: DateForm) -> Option<String> {
        self.well_formed(expr, form, Days::Calendar)
    }

    fn well_formed(self, expr: &str, form: DateForm, days: Days) -> Option<String> {
        const TIME: &str = "([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]+)?)?";
        let pattern = match (self.engine, form) {
            (Engine::Sqlite, DateForm::TextDate) => {
                let day = days.sqlite(expr);
                return Some(format!("(typeof({expr}) = 'text' AND length({expr}) = 10 AND {day})"));
            }
            (Engine::Sqlite, DateForm::TextCompact) => {
                let day =
                    days.sqlite(&format!("substr({expr}, 1, 4) || '-' || substr({expr}, 5, 2) || '-' || substr({expr}, 7)"));
                return Some(format!("(typeof({expr}) = 'text' AND length({expr}) = 8 AND {day})"));
            }
            (Engine::Sqlite, DateForm::TextLocal(_)) => {
                let (day, rest) = (days.sqlite(&format!("substr({expr}, 1, 10)")), format!("substr({expr}, 17)"));
                // Most are written as SQLite writes them, which one look tells.
                let usual = if days == Days::Calendar { format!("{expr} IS datetime({expr}) OR ") } else { String::new() };
                return Some(format!(
                    "(typeof({expr}) = 'text' AND ({usual}({expr} GLOB '????-??-??[ T][0-2][0-9]:[0-5][0-9]*' AND {day} AND substr({expr}, 12, 2) < '24' AND ({rest} = '' OR {rest} GLOB ':[0-5][0-9]' OR ({rest} GLOB ':[0-5][0-9].[0-9]*' AND NOT substr({expr}, 21) GLOB '*[^0-9]*')))))"
                ));
            }
            (Engine::Sqlite, DateForm::TextInstant) => {
                let (day, rest) = (days.sqlite(&format!("substr({expr}, 1, 10)")), format!("substr({expr}, 20)"));
                return Some(format!(
                    "(typeof({expr}) = 'text' AND {expr} GLOB '????-??-??T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]*Z' AND {day} AND substr({expr}, 12, 2) < '24' AND ({rest} = 'Z' OR ({rest} GLOB '.[0-9]*Z' AND NOT substr({rest}, 2, length({rest}) - 2) GLOB '*[^0-9]*')))"
                ));
            }
            (Engine::Sqlite, DateForm::Epoch(_)) => return Some(format!("typeof({expr}) = 'integer'")),
            (_, DateForm::TextDate) => format!("^{}$", days.pattern("-")),
            (_, DateForm::TextCompact) => format!("^{}$", days.pattern("")),
            (_, DateForm::TextLocal(_)) => format!("^{}[ T]{TIME}$", days.pattern("-")),
            (_, DateForm::TextInstant) => {
                format!("^{}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]+)?Z$", days.pattern("-"))
            }
            // Zero months and days pass MariaDB's and MySQL's date type.
            (Engine::MariaDb | Engine::MySql, DateForm::Date | DateForm::Local(_)) => {
                return None;
            }
            _ => return None,
        };
        Some(match self.engine {
            // A line end before the end of the text would satisfy `$`: exclude it. Letters count as they are written, whatever the collation says.
            Engine::MariaDb | Engine::MySql => {
                format!("(CONVERT({expr} USING utf8mb4) REGEXP '(?-i){pattern}' AND INSTR({expr}, CHAR(10)) = 0)")
            }
            _ => format!("{expr} ~ '{pattern}'"),
        })
    }

    fn far_future(self, expr: &str, form: DateForm, zone: Tz) -> String {
        let end = day(9999, 12, 31);
        format!("{expr} >= {}", self.day_literals(form, end, zone).0)
    }

    /// The literals between which a value's calendar date is `day`: from (inclusive), to (exclusive).
    fn day_literals(self, form: DateForm, day: NaiveDate, zone: Tz) -> (String, String) {
        let next = day.succ_opt().unwrap_or(day);
        let midnight = |d: NaiveDate| d.and_time(NaiveTime::MIN);
        let instants = |d: NaiveDate| -> (DateTime<Utc>, DateTime<Utc>) {
            let (local, utc) = (first_instant(d, zone), midnight(d).and_utc());
            (local.min(utc), local.max(utc))
        };
        match form {
            DateForm::Date => (self.date(day), self.date(next)),
            DateForm::TextDate | DateForm::TextLocal(_) => {
                (format!("'{}'", day.format("%Y-%m-%d")), format!("'{}'", next.format("%Y-%m-%d")))
            }
            DateForm::TextCompact => (format!("'{}'", day.format("%Y%m%d")), format!("'{}'", next.format("%Y%m%d"))),
            DateForm::Local(_) => (self.date_time(midnight(day)), self.date_time(midnight(next))),
            DateForm::Instant => (self.instant(instants(day).0), self.instant(instants(next).1)),
            DateForm::TextInstant => (text_instant(instants(day).0), text_instant(instants(next).1)),
            DateForm::Epoch(scale) => {
                ((instants(day).0.timestamp() * scale).to_string(), (instants(next).1.timestamp() * scale).to_string())
            }
        }
    }

    /// Sentinels below any bound: each as a condition that includes it and one that excludes it.
    fn sentinel_parts(self, expr: &str, form: DateForm, zone: Tz) -> Vec<Sentinel> {
        let mut parts = Vec::new();
        let (_, after_first) = self.day_literals(form, day(1, 1, 1), zone);
        parts.push(Sentinel {
            inclusion: format!("{expr} < {after_first}"),
            exclusion: format!("{expr} >= {after_first}"),
            in_order: true,
        });
        if self.engine.is_mysql_family() && matches!(form, DateForm::Date | DateForm::Local(_)) {
            parts.push(Sentinel {
                inclusion: format!("MONTH({expr}) = 0 OR DAYOFMONTH({expr}) = 0"),
                exclusion: format!("MONTH({expr}) <> 0 AND DAYOFMONTH({expr}) <> 0"),
                in_order: false,
            });
        }
        for (y, m, d) in SENTINELS {
            let (from, to) = self.day_literals(form, day(y, m, d), zone);
            parts.push(match form {
                DateForm::Date | DateForm::TextDate | DateForm::TextCompact => {
                    Sentinel { inclusion: format!("{expr} = {from}"), exclusion: format!("{expr} <> {from}"), in_order: true }
                }
                _ => Sentinel {
                    inclusion: format!("({expr} >= {from} AND {expr} < {to})"),
                    exclusion: format!("({expr} < {from} OR {expr} >= {to})"),
                    in_order: true,
                },
            });
        }
        parts
    }
}

/// Which days a text may name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Days {
    /// Those of the calendar.
    Calendar,
    /// Those of no calendar, whose month or day is zero.
    Zero,
}

impl Days {
    /// A regular expression for year, month and day with this between them.
    fn pattern(self, dash: &str) -> String {
        match self {
            Self::Calendar => format!(
                "(([0-9]{{4}}{dash}((0[13578]|1[02]){dash}(0[1-9]|[12][0-9]|3[01])|(0[469]|11){dash}(0[1-9]|[12][0-9]|30)|02{dash}(0[1-9]|1[0-9]|2[0-8])))|(([0-9]{{2}}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00){dash}02{dash}29))"
            ),
            Self::Zero => format!("([0-9]{{4}}{dash}(00{dash}([0-2][0-9]|3[01])|(0[0-9]|1[0-2]){dash}00))"),
        }
    }

    /// The same of an expression for `YYYY-MM-DD`, in SQLite.
    fn sqlite(self, iso: &str) -> String {
        match self {
            Self::Calendar => format!("date({iso}) = {iso}"),
            Self::Zero => {
                let (month, day) = (format!("substr({iso}, 6, 2)"), format!("substr({iso}, 9)"));
                format!(
                    "{iso} GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]' AND {month} <= '12' AND {day} <= '31' AND ({month} = '00' OR {day} = '00')"
                )
            }
        }
    }
}

struct Sentinel {
    inclusion: String,
    exclusion: String,
    /// Whether an index on the date has them in one piece.
    in_order: bool,
}
