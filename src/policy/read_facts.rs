//! What a data map says about its records that purposes ask for: dates, conditions, periods of each record.

use toml::de::DeValue;

use super::expression::{self, Expr};
use super::given::GivenDate;
use super::located::{Faults, Located, Span};
use super::map::{Condition, DateFormat, Event, Missing, PeriodColumn, PeriodUnit, Related, RelatedTo, Test};
use super::read_form::{pairs, table_ref, title, word, zone};
use super::reader::{Reader, Value, shown, text_of};

/// A date that purposes may start from: of rows, or of the whole tenant.
pub(super) enum Dated {
    Event(Box<Event>),
    Given(GivenDate),
}

pub(super) fn dated(name: Located<String>, r: &Reader<'_, '_>, faults: &mut Faults) -> Option<Dated> {
    let Some(column) = r.text("given", faults) else { return Some(Dated::Event(Box::new(event(name, r, faults)?))) };
    let title = title(r, faults);
    let missing = r.text("missing", faults).and_then(|t| word(&t, &MISSING, "a meaning of a missing date", faults));
    if let Some(own) = r.text("column", faults) {
        faults
            .error(&own.at, "`column` beside `given`")
            .expected("one of them: a column of rows, or one of the control database");
    }
    Some(Dated::Given(GivenDate { name, title: title?, column, missing: missing.unwrap_or_default(), value: None }))
}

const MISSING: [(&str, Missing); 3] = [("running", Missing::Running), ("undated", Missing::Undated), ("ignore", Missing::Ignore)];

fn event(name: Located<String>, r: &Reader<'_, '_>, faults: &mut Faults) -> Option<Event> {
    let title = title(r, faults);
    let column = r.required_text("column", "the column that holds the date", faults);
    let filter = filter(r, faults);
    let of = r.get("of").and_then(|v| related_to(v, r.at.file, faults)).map(|to| Related { to, filter: filter.clone() });
    if let (None, Some(f)) = (r.get("of"), &filter) {
        faults.error(&f.at, "`where` without `of`").expected("of = \"data_set\": a filter is over related rows");
    }
    let missing = r.text("missing", faults).and_then(|t| word(&t, &MISSING, "a meaning of a missing date", faults));
    let otherwise = r.text("else", faults);
    if let (Some(o), Some(Missing::Running | Missing::Ignore)) = (&otherwise, missing) {
        faults.error(&o.at, "`else` beside a `missing` other than \"undated\"").expected("`else` dates what would be undated");
    }
    let format = r.text("format", faults).and_then(|t| {
        let formats = DateFormat::ALL.map(|f| (f.word(), f));
        word(&t, &formats, "a date format", faults).map(|f| Located::new(f, t.at.clone()))
    });
    Some(Event {
        name,
        title: title?,
        column: column?,
        of,
        missing: missing.unwrap_or_default(),
        otherwise,
        zone: zone(r, "time_zone", faults),
        format,
    })
}

pub(super) fn condition(name: Located<String>, r: &Reader<'_, '_>, faults: &mut Faults) -> Option<Condition> {
    let title = title(r, faults);
    let row = r.text("sql", faults).map(|t| (t.at.clone(), parse_expression(t, faults)));
    let filter = filter(r, faults);
    let some = r.get("some").map(|v| (r.place(v), related_to(v, r.at.file, faults)));
    let no = r.get("no").map(|v| (r.place(v), related_to(v, r.at.file, faults)));
    let given = [row.as_ref().map(|x| x.0.clone()), some.as_ref().map(|x| x.0.clone()), no.as_ref().map(|x| x.0.clone())];
    let mut given = given.into_iter().flatten();
    match (given.next(), given.next()) {
        (None, _) if r.get("sql").is_some() => return None,
        (None, _) => {
            faults
                .error(&name.at, format!("condition `{name}` says nothing"))
                .expected("sql = \"…\", or some = \"data_set\", or no = \"data_set\"");
            return None;
        }
        (Some(_), Some(second)) => {
            faults.error(&second, "a condition says one thing").expected("one of `sql`, `some`, `no`");
            return None;
        }
        _ => {}
    }
    if let (Some(_), Some(f)) = (&row, &filter) {
        faults.error(&f.at, "`where` beside `sql`").expected("`where` filters the related rows of `some` or `no`");
    }
    let test = if let Some((_, expr)) = row {
        Test::Row(expr?)
    } else if let Some((_, to)) = some {
        Test::Some(Related { to: to?, filter })
    } else {
        Test::No(Related { to: no?.1?, filter })
    };
    Some(Condition { name, title: title?, test })
}

pub(super) fn period_column(name: Located<String>, r: &Reader<'_, '_>, faults: &mut Faults) -> Option<PeriodColumn> {
    let title = title(r, faults);
    let column = r.required_text("column", "the column that holds the number", faults);
    let units =
        [("years", PeriodUnit::Years), ("months", PeriodUnit::Months), ("weeks", PeriodUnit::Weeks), ("days", PeriodUnit::Days)];
    let unit = r
        .required_text("unit", "\"years\", \"months\", \"weeks\" or \"days\"", faults)
        .and_then(|t| word(&t, &units, "a unit", faults));
    Some(PeriodColumn { name, title: title?, column: column?, unit: unit? })
}

fn filter(r: &Reader<'_, '_>, faults: &mut Faults) -> Option<Located<Expr>> {
    r.text("where", faults).and_then(|t| parse_expression(t, faults))
}

fn parse_expression(text: Located<String>, faults: &mut Faults) -> Option<Located<Expr>> {
    match expression::parse(&text) {
        Ok(expr) => Some(Located::new(expr, text.at)),
        Err(why) => {
            faults.error(&text.at, shown(&why.message)).expected(why.expected);
            None
        }
    }
}

fn related_to(value: &Value<'_>, file: usize, faults: &mut Faults) -> Option<RelatedTo> {
    if let DeValue::String(_) = value.get_ref() {
        return text_of(value, file, faults).map(RelatedTo::DataSet);
    }
    let r = Reader::of(value, file, faults)?;
    let table = r.require("table", "the related table", faults).and_then(|v| table_ref(v, file, faults));
    let on = r.require("on", "{ its_column = \"column of this data set\" }", faults).map(|v| pairs(v, file, faults));
    r.finish(faults);
    let on = on?;
    if on.is_empty() {
        faults
            .error(&Span { file, range: value.span() }, "the joining columns are missing")
            .expected("on = { its_column = \"column of this data set\" }");
        return None;
    }
    Some(RelatedTo::Table(table?, on))
}
