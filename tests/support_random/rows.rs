//! Random rows: dates around the boundaries of the run day, leap days, month ends, nights of clock changes, sentinels, NULLs.

use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveTime, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use retentiond::policy::purpose::OrderKind;
use retentiond::reference::{Order, Target, Value};

use super::chance::Chance;
use super::declare::Declared;
use super::shape::{COLUMNS, Hangs, Shape};

/// The instant of the run: often just after or before a local midnight, often at the end of a month.
pub fn run_instant(c: &mut Chance, declared: &Declared) -> DateTime<Utc> {
    let zone: Tz = declared.zone.parse().unwrap();
    let days = [
        "2024-02-29",
        "2025-02-28",
        "2025-03-01",
        "2026-03-29",
        "2026-03-30",
        "2026-10-25",
        "2026-05-31",
        "2026-07-01",
        "2027-01-01",
        "2028-02-29",
        "2028-03-01",
        "2026-11-22",
        "2025-12-31",
    ];
    let day: NaiveDate = match c.percent(60) {
        true => c.pick(&days).parse().unwrap(),
        false => NaiveDate::from_ymd_opt(2025, 1, 1).unwrap() + TimeDelta::days(c.between(0, 1_200)),
    };
    let time = match c.between(1, 4) {
        1 => TimeDelta::seconds(c.between(-2, 2)),
        2 => TimeDelta::minutes(c.between(-180, 180)),
        _ => TimeDelta::minutes(c.between(180, 1_300)),
    };
    let local = day.and_time(NaiveTime::MIN);
    let midnight = zone.from_local_datetime(&local).latest().map_or_else(|| Utc.from_utc_datetime(&local), |t| t.to_utc());
    midnight + time
}

/// What the days of a case lie around.
struct Around<'a> {
    today: NaiveDate,
    now: DateTime<Utc>,
    policy: Tz,
    column: Tz,
    declared: &'a Declared,
}

impl Around<'_> {
    fn day(&self, c: &mut Chance) -> NaiveDate {
        let fixed =
            ["2020-02-29", "2024-02-29", "2023-01-31", "2024-12-31", "2025-06-30", "2025-03-30", "2025-10-26", "2024-08-31"];
        match c.between(1, 20) {
            1 | 2 => c.pick(&fixed).parse().unwrap(),
            3 => self.today + TimeDelta::days(c.between(0, 400)),
            4 | 5 => self.today - TimeDelta::days(c.between(0, 2_500)),
            _ => {
                let boundary = c.pick(&self.declared.boundaries);
                let days = TimeDelta::days(i64::try_from(boundary.days).unwrap());
                let day = self.today - Months::new(boundary.months) - days;
                let around = day + TimeDelta::days(c.between(-2, 3));
                // The boundaries of rounded starts lie at the ends of months and years.
                match c.between(1, 10) {
                    1 => around.with_day(1).unwrap() - TimeDelta::days(c.between(0, 1)),
                    2 => NaiveDate::from_ymd_opt(around.year(), 1, 1).unwrap() - TimeDelta::days(c.between(0, 1)),
                    3 => NaiveDate::from_ymd_opt(around.year(), 7, 1).unwrap() - TimeDelta::days(c.between(0, 1)),
                    _ => around,
                }
            }
        }
    }

    fn instant(&self, c: &mut Chance) -> DateTime<Utc> {
        if c.percent(15) {
            return self.now - TimeDelta::hours(c.between(0, 80)) - TimeDelta::seconds(c.between(-1, 1));
        }
        let zone = if c.percent(70) { self.policy } else { self.column };
        let local = self.day(c).and_time(NaiveTime::MIN);
        let midnight = zone.from_local_datetime(&local).earliest().map_or_else(|| Utc.from_utc_datetime(&local), |t| t.to_utc());
        match c.between(1, 3) {
            1 => midnight + TimeDelta::seconds(c.between(-1, 1)),
            2 => midnight + TimeDelta::minutes(c.between(-200, 200)),
            _ => midnight + TimeDelta::minutes(c.between(200, 1_200)),
        }
    }

    fn value(&self, c: &mut Chance, column: &str, row: i64) -> Value {
        let nullable = |c: &mut Chance, percent: i64, value: Value| if c.percent(percent) { Value::Null } else { value };
        let date = |c: &mut Chance, text: &str| -> Option<Value> { c.percent(8).then(|| Value::Date(text.parse().unwrap())) };
        match column {
            "tenant" => {
                let tenant = Value::Integer(c.between(1, 3).into());
                nullable(c, 15, tenant)
            }
            "kind" => {
                let kind = Value::text(*c.pick(&["a", "b", "c", "ab"]));
                nullable(c, 15, kind)
            }
            "flag" => {
                let flag = Value::Bool(c.percent(50));
                nullable(c, 20, flag)
            }
            "amount" => {
                let amount = Value::Integer(c.between(-1, 5).into());
                nullable(c, 15, amount)
            }
            "form" => {
                let number = Value::Integer((*c.pick(&[0, -3, 1, 1, 2, 3, 6, 13, 30, 365, 9_999, 10_000])).into());
                nullable(c, 20, number)
            }
            "c1" | "c2" => {
                let day = Value::Date(self.day(c));
                nullable(c, 15, day)
            }
            "d1" | "d2" => {
                let sentinel = *c.pick(&["9999-12-31", "1900-01-01", "1970-01-01", "0001-01-01", "9999-12-31"]);
                let day = date(c, sentinel).unwrap_or_else(|| Value::Date(self.day(c)));
                nullable(c, 15, day)
            }
            "t1" => {
                let sentinel =
                    *c.pick(&["9999-12-31T00:00:00", "1900-01-01T00:00:00", "1970-01-01T12:00:00", "0001-01-01T00:00:00"]);
                let local = self.instant(c).with_timezone(&self.column).naive_local();
                let time = if c.percent(8) { sentinel.parse().unwrap() } else { local };
                nullable(c, 15, Value::DateTime(time))
            }
            "i1" => {
                let sentinel = "1970-01-01T12:00:00Z".parse().unwrap();
                let instant = if c.percent(8) { sentinel } else { self.instant(c) };
                nullable(c, 15, Value::Instant(instant))
            }
            "e1" => {
                let seconds = if c.percent(8) { 0 } else { self.instant(c).timestamp() };
                nullable(c, 15, Value::Integer(seconds.into()))
            }
            "name" => {
                Value::text(*c.pick(&["anne", "ANONYME", "anonyme", "Anonyme  ", "ANONYME ", "a", "é", "Zoë O'Neil", "b\\c"]))
            }
            "email" => {
                let forms =
                    ["anne@example.invalid", "anon-xyz", "x-@example.invalid", "anon-0123456789abcdef0123456789abcdef", ""];
                let mail = if c.percent(60) { format!("p{row}@example.invalid") } else { (*c.pick(&forms)).to_owned() };
                nullable(c, 15, Value::Text(mail))
            }
            "phone" => {
                let phone = Value::text(*c.pick(&["0199000001", "019", "+33199000002", "", "01", "😀😀😀😀", "%_%"]));
                nullable(c, 25, phone)
            }
            "born" => {
                let first = NaiveDate::from_ymd_opt(1950, 1, 1).unwrap();
                let day =
                    if c.percent(20) { "1980-01-01".parse().unwrap() } else { first + TimeDelta::days(c.between(0, 20_000)) };
                nullable(c, 20, Value::Date(day))
            }
            "score" => {
                let score = Value::Integer(c.between(-25, 130).into());
                nullable(c, 20, score)
            }
            "doc" => {
                let docs = [
                    "{\"mail\":\"x@example.invalid\",\"n\":1}",
                    "{\"n\":1,\"address\":{\"street\":\"rue\",\"town\":\"Lyon\"}}",
                    "{\"address\":{\"town\":\"Lyon\"}}",
                    "{\"mail\":null}",
                    "{\"address\":\"Lyon\"}",
                    "{}",
                    "[1,2]",
                ];
                let doc = Value::json(c.pick::<&str>(&docs));
                nullable(c, 25, doc.unwrap())
            }
            "cvc" => nullable(c, 70, Value::text("123")),
            other => unreachable!("{other}"),
        }
    }
}

/// The text of a dated text column: mostly a day in its format, sometimes a zero date or no date at all.
fn dated_text(c: &mut Chance, around: &Around<'_>, format: &str) -> Value {
    let wrong = [
        "",
        "unknown",
        "31/12/2020",
        "2021-02-29",
        "20210229",
        "2020-1-1",
        "0000-00-00",
        "00000000",
        "2020-00-10",
        "20200010",
        "0000-00-00T00:00:00Z",
    ];
    match c.between(1, 10) {
        1 => Value::Null,
        2 => Value::text(*c.pick(&wrong)),
        3 => {
            let sentinels = match format {
                "iso_date" => ["9999-12-31", "1970-01-01"],
                "iso_instant" => ["9999-12-31T00:00:00Z", "1969-12-31T23:30:00.000Z"],
                _ => ["99991231", "19700101"],
            };
            Value::text(*c.pick(&sentinels))
        }
        _ => {
            let pattern = if format == "compact_date" { "%Y%m%d" } else { "%Y-%m-%d" };
            let day = around.day(c).format(pattern).to_string();
            if format != "iso_instant" {
                return Value::Text(day);
            }
            // Around the midnights of the zones, and what only looks like an instant.
            let times = [
                "T00:00:00Z",
                "T21:59:59.999Z",
                "T22:00:00Z",
                "T22:30:00.5Z",
                "T23:00:00.000Z",
                "T12:34:56Z",
                "T10:00Z",
                "T10:00:00+00:00",
                " 10:00:00Z",
                "T10:00:00.Z",
                "T24:00:00Z",
                "T10:00:00z",
            ];
            Value::Text(format!("{day}{}", c.pick(&times)))
        }
    }
}

/// Rows of every table.
pub fn rows(c: &mut Chance, shapes: &[Shape], declared: &Declared, now: DateTime<Utc>) -> Vec<Vec<Vec<Value>>> {
    let policy: Tz = declared.zone.parse().unwrap();
    let column: Tz = declared.column_zone.parse().unwrap();
    let around =
        Around { today: now.with_timezone(&policy).date_naive(), now: now.with_nanosecond(0).unwrap(), policy, column, declared };
    let mut all: Vec<Vec<Vec<Value>>> = Vec::new();
    for shape in shapes {
        let count = match shape.parent {
            None => c.between(4, 10),
            Some((_, Hangs::Outside)) => c.between(1, 5),
            Some(_) => c.between(2, 10),
        };
        let mut rows = Vec::new();
        for id in 1..=count {
            let mut row = vec![Value::Integer(id.into())];
            if shape.composite {
                row.push(Value::text(*c.pick(&["k", "l"])));
            }
            if shape.tangle.paired {
                row = vec![Value::Integer(((id + 1) / 2).into()), Value::text(if id % 2 == 0 { "l" } else { "k" })];
            }
            if let Some((above, _)) = shape.parent {
                let width = shapes[above].key().len();
                let parents = &all[above];
                match c.percent(8) || parents.is_empty() {
                    true => row.extend(vec![Value::Null; width]),
                    false => row.extend_from_slice(&c.pick(parents)[..width]),
                }
            }
            for column in &COLUMNS {
                row.push(match column.name {
                    "x1" => dated_text(c, &around, shape.text_format),
                    name => around.value(c, name, id),
                });
            }
            rows.push(row);
        }
        all.push(rows);
    }
    all
}

/// Up to three orders on root records, tenants or persons.
pub fn orders(c: &mut Chance, shapes: &[Shape], rows: &[Vec<Vec<Value>>], now: DateTime<Utc>) -> Vec<Order> {
    let roots: Vec<usize> = (0..shapes.len()).filter(|at| shapes[*at].is_root() && !rows[*at].is_empty()).collect();
    let count = if c.percent(50) { 0 } else { c.between(1, 3) };
    let mut all = Vec::new();
    for _ in 0..count {
        let kind = c.pick(&OrderKind::WORDS).1;
        let at = *c.pick(&roots);
        let target = if c.percent(25) {
            // Orders on persons freeze; those that end purposes stand on records.
            match (Value::Integer(c.between(1, 3).into()), kind) {
                (value @ Value::Integer(2..), OrderKind::Hold | OrderKind::Restriction) => {
                    Target::Subject("person".into(), value)
                }
                (value, _) => Target::Tenant(value),
            }
        } else {
            let key = c.pick(&rows[at])[..shapes[at].key().len()].to_vec();
            Target::Record { data_set: shapes[at].name.into(), key }
        };
        let until = match c.between(1, 4) {
            1 => Some(now.date_naive() + TimeDelta::days(c.between(-3, 3))),
            _ => None,
        };
        all.push(Order { kind, target, until, lifted: c.percent(10) });
    }
    all
}
