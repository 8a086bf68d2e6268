//! Reading a policy file into [`Policy`]: every fault of form, located.

use toml::de::DeValue;

use super::located::{Faults, Located, Span};
use super::period::{Period, UNITS};
use super::purpose::{Cap, DataName, LegalBasis, Needs, OrderKind, Place, Policy, Purpose, When, Window};
use super::read_form::{name, title, word, zone};
use super::reader::{self, Reader, Value, shown, text_of, texts_of};
use super::recovery;
use super::start::{Combine, Rounding, Start};

/// Spoiled when a purpose could not be read: what it would have covered is then unknown.
pub(crate) const PURPOSES: &str = "[[purpose]]";

/// Reads a policy. `None` only when nothing usable was found; faults say why.
pub fn read(text: &str, file: usize, faults: &mut Faults) -> Option<Policy> {
    let Some(parsed) = reader::parse(text, file, faults) else {
        faults.spoil(PURPOSES);
        return None;
    };
    let root = Reader::new(parsed.get_ref(), Span { file, range: 0..0 });
    let head = root.require("policy", "a table that names the policy", faults).and_then(|v| Reader::of(v, file, faults));
    let (mut id, mut author, mut head_title, mut time_zone) = (None, None, None, None);
    if let Some(head) = head {
        id = head.required_text("id", "the policy's id", faults).and_then(|t| name(t, "a policy id", faults));
        author = head.required_text("author", "the actor who wrote it", faults).and_then(|t| name(t, "an actor id", faults));
        head_title = title(&head, faults);
        time_zone = zone(&head, "time_zone", faults);
        head.finish(faults);
    }
    let mut purposes: Vec<Purpose> = Vec::new();
    if let Some(list) = root.require("purpose", "one [[purpose]] for each row of the retention table", faults) {
        match list.get_ref() {
            DeValue::Array(items) => {
                for item in items {
                    let Some(r) = Reader::of(item, file, faults) else { continue };
                    let read = purpose(&r, faults);
                    if read.is_none() {
                        faults.spoil(PURPOSES);
                    }
                    if let Some(purpose) = read {
                        if purposes.iter().any(|p| p.id == purpose.id) {
                            faults
                                .error(&purpose.id.at, format!("purpose `{}` is declared twice", purpose.id))
                                .expected("an id of its own for each purpose");
                        }
                        purposes.push(purpose);
                    }
                    r.finish(faults);
                }
                if items.is_empty() {
                    faults
                        .error(&root.place(list), "no purpose is declared")
                        .expected("[[purpose]]: an empty policy never means \"nothing is needed\"");
                }
            }
            _ => {
                faults.error(&root.place(list), "`purpose` is not a list of tables").expected("[[purpose]]");
            }
        }
    }
    let windows = recovery::read(&root, faults);
    recovery::apply(&windows, &mut purposes);
    root.finish(faults);
    if id.is_none() || author.is_none() || head_title.is_none() || purposes.is_empty() {
        faults.spoil(PURPOSES);
    }
    Some(Policy {
        id: id?,
        author: author?,
        title: head_title?,
        time_zone: time_zone.unwrap_or(chrono_tz::Europe::Paris),
        purposes,
        windows,
    })
}

fn purpose(r: &Reader<'_, '_>, faults: &mut Faults) -> Option<Purpose> {
    let file = r.at.file;
    let id = r.required_text("id", "the purpose's id", faults).and_then(|t| name(t, "a purpose id", faults));
    if let Some(id) = &id {
        recovery::check_id(id, faults);
    }
    let title = title(r, faults);
    let legal_basis = r
        .required_text("legal_basis", "a legal basis of Art. 6(1) GDPR", faults)
        .and_then(|t| word(&t, &LegalBasis::WORDS, "a legal basis", faults));
    let reference = r.text("reference", faults).and_then(|t| {
        let right = t.chars().count() <= 200 && !t.chars().any(reader::hostile);
        if !right {
            faults.error(&t.at, "not a reference").expected("one line of at most 200 visible characters");
        }
        right.then_some(t.value)
    });
    let data = r.required_text("data", "the data set, as \"source.data_set\"", faults).and_then(|t| data_name(&t, faults));
    let when = condition(r, "when", faults);
    let needs = r
        .require("needs", "which fields it needs: [\"category\"], \"all\" or { all_but = [\"category\"] }", faults)
        .and_then(|v| needs(v, file, faults));
    let starts = r.get("starts").and_then(|v| start(v, file, faults));
    if let (None, Some(_), Some(id)) = (&starts, r.get("starts"), &id) {
        faults.spoil(id);
    }
    let keeps = period(r, "keeps", faults);
    if let (None, Some(_), Some(id)) = (&keeps, r.get("keeps"), &id) {
        faults.spoil(id);
    }
    let at_most = r.get("at_most").map(|v| caps(v, file, faults)).unwrap_or_default();
    let kept_while = condition(r, "kept_while", faults);
    let ends_when = condition(r, "ends_when", faults);
    let done_within = period(r, "done_within", faults);
    let ended_by = r.get("ended_by").map(|v| {
        texts_of(v, file, faults)
            .iter()
            .filter_map(|t| word(t, &OrderKind::WORDS[2..], "an order that ends a purpose", faults))
            .collect()
    });
    let then_delete = r.text("then", faults).and_then(|t| word(&t, &[("delete", ())], "a final disposition", faults)).is_some();
    let kept_in = r.text("kept_in", faults).and_then(|t| kept_in(t, faults)).unwrap_or(Place::ActiveBase);
    if let (Some(k), None) = (&keeps, r.get("starts")) {
        faults.error(&k.at, "`keeps` without `starts`").expected("starts = \"event\": what the period counts from");
    }
    if let (None, Some(s), None) = (&keeps, r.get("starts"), r.get("keeps")) {
        faults
            .error(&r.place(s), "`starts` without `keeps`")
            .expected("keeps = \"3 years\", or neither for a purpose that ends by a condition, an order or a cap");
    }
    // What a copy keeps ends where the copy is.
    let by_copy = matches!(kept_in, Place::Copy(_));
    let endless = !by_copy && r.get("keeps").is_none() && r.get("ends_when").is_none() && r.get("at_most").is_none();
    if let (true, Some(id)) = (endless, &id)
        && legal_basis.is_some_and(|b| ended_by.as_ref().map_or(b.ended_by().is_empty(), Vec::is_empty))
    {
        faults
            .error(&id.at, format!("purpose `{id}` never ends"))
            .expected("`keeps`, `ends_when`, `at_most` or an order in `ended_by`");
    }
    Some(Purpose {
        id: id?,
        title: title?,
        legal_basis: legal_basis?,
        reference,
        data: data?,
        when,
        needs: needs?,
        starts,
        keeps,
        at_most,
        kept_while,
        ends_when,
        done_within,
        ended_by: ended_by.unwrap_or_else(|| legal_basis.map(LegalBasis::ended_by).unwrap_or_default()),
        then_delete,
        kept_in,
        window: Window::None,
    })
}

/// The place that a `kept_in` names.
pub(super) fn kept_in(text: Located<String>, faults: &mut Faults) -> Option<Place> {
    let named = |rest: &str| Located::new(rest.to_owned(), text.at.clone());
    match text.value.split_once(':') {
        None if text.value == "active_base" => Some(Place::ActiveBase),
        Some(("archive", rest)) => name(named(rest), "the name of an archive", faults).map(Place::Archive),
        Some(("copy", rest)) => name(named(rest), "the name of a copy", faults).map(Place::Copy),
        _ => {
            faults.error(&text.at, format!("`{}` is no place to keep anything in", shown(&text))).expected(
                "kept_in = \"active_base\", or \"archive:\" and the name of an archive, or \"copy:\" and the name of a copy",
            );
            None
        }
    }
}

pub(super) fn data_name(text: &Located<String>, faults: &mut Faults) -> Option<Located<DataName>> {
    match text.split_once('.') {
        Some((source, data_set)) if !source.is_empty() && !data_set.is_empty() && !data_set.contains('.') => {
            Some(Located::new(DataName { source: source.to_owned(), data_set: data_set.to_owned() }, text.at.clone()))
        }
        _ => {
            faults.error(&text.at, format!("`{}` does not name a data set", shown(text))).expected("\"source.data_set\"");
            None
        }
    }
}

fn needs(value: &Value<'_>, file: usize, faults: &mut Faults) -> Option<Located<Needs>> {
    let at = Span { file, range: value.span() };
    let expected = "[\"category\"], \"all\" or { all_but = [\"category\"] }";
    let needs = match value.get_ref() {
        DeValue::String(s) if s == "all" => Needs::All,
        DeValue::Array(items) => {
            let list = texts_of(value, file, faults);
            if items.is_empty() {
                faults
                    .error(&at, "the list of needs is empty")
                    .expected("the categories that the purpose needs: a purpose that needs nothing keeps nothing");
                return None;
            }
            Needs::These(list)
        }
        DeValue::Table(_) => {
            let r = Reader::of(value, file, faults)?;
            let list = r.require("all_but", "categories that it does not need", faults).map(|v| texts_of(v, file, faults));
            r.finish(faults);
            Needs::AllBut(list?)
        }
        _ => {
            faults.error(&at, "not a list of needs").expected(expected);
            return None;
        }
    };
    Some(Located::new(needs, at))
}

fn period(r: &Reader<'_, '_>, key: &'static str, faults: &mut Faults) -> Option<Located<Period>> {
    period_of(r.get(key)?, r.at.file, faults)
}

fn period_of(value: &Value<'_>, file: usize, faults: &mut Faults) -> Option<Located<Period>> {
    let at = Span { file, range: value.span() };
    let expected = "a period such as \"3 years\", \"21 years 3 months\", \"0 days\" or \"72 hours\"";
    let text = match value.get_ref() {
        DeValue::String(_) => text_of(value, file, faults)?,
        other => {
            faults.error(&at, format!("{} where a period belongs", reader::describe(other))).expected(expected);
            return None;
        }
    };
    match Period::parse(&text) {
        Ok(period) => Some(Located::new(period, at)),
        Err(why) => {
            let fault = faults.error(&at, shown(&why.to_string())).expected(expected);
            if let super::period::PeriodFault::Unit(unit) = &why {
                let french = [("an", "year"), ("ans", "years"), ("mois", "months"), ("semaine", "week"), ("semaines", "weeks")];
                let french = french.iter().chain(&[("jour", "day"), ("jours", "days"), ("heure", "hour"), ("heures", "hours")]);
                match french.into_iter().find(|(f, _)| f == unit) {
                    Some((_, english)) => fault.help(format!("did you mean `{english}`?")),
                    None => fault.nearest(unit, UNITS.iter().flat_map(|(one, many)| [*one, *many])),
                };
            }
            None
        }
    }
}

/// What a start looks like.
const START: &str = "\"event\", { latest_of = [\"…\"] } or { earliest_of = [\"…\"] }; { event = \"…\", end_of = \"calendar_year\" } counts from the end of its cycle";

fn start(value: &Value<'_>, file: usize, faults: &mut Faults) -> Option<Start> {
    if let DeValue::String(_) = value.get_ref() {
        let event = text_of(value, file, faults)?;
        return Some(Start { combine: Combine::Latest, events: vec![event], end_of: None });
    }
    if !matches!(value.get_ref(), DeValue::Table(_)) {
        faults
            .error(&Span { file, range: value.span() }, format!("{} where a start belongs", reader::describe(value.get_ref())))
            .expected(START);
        return None;
    }
    let r = Reader::of(value, file, faults)?;
    let start = start_table(&r, faults);
    r.finish(faults);
    start
}

fn start_table(r: &Reader<'_, '_>, faults: &mut Faults) -> Option<Start> {
    let event = r.text("event", faults);
    let (latest, earliest) = (r.get("latest_of"), r.get("earliest_of"));
    let end_of = r.get("end_of").and_then(|v| rounding(v, r.at.file, faults));
    let (combine, events) = match (event, latest, earliest) {
        (Some(event), None, None) => (Combine::Latest, vec![event]),
        (None, Some(list), None) => (Combine::Latest, texts_of(list, r.at.file, faults)),
        (None, None, Some(list)) => (Combine::Earliest, texts_of(list, r.at.file, faults)),
        _ => {
            faults.error(&r.at, "a start names one event, or the latest or earliest of several").expected(START);
            return None;
        }
    };
    if events.is_empty() {
        faults.error(&r.at, "the start names no event").expected("at least one event of the data map");
        return None;
    }
    Some(Start { combine, events, end_of })
}

fn rounding(value: &Value<'_>, file: usize, faults: &mut Faults) -> Option<Rounding> {
    let expected = "\"month\", \"calendar_year\" or { financial_year = \"06-30\" }";
    if let DeValue::String(_) = value.get_ref() {
        let text = text_of(value, file, faults)?;
        return match text.as_str() {
            "month" => Some(Rounding::Month),
            "calendar_year" => Some(Rounding::CalendarYear),
            _ => {
                faults
                    .error(&text.at, format!("`{}` is not a rounding", shown(&text)))
                    .expected(expected)
                    .nearest(&text, ["month", "calendar_year", "financial_year"]);
                None
            }
        };
    }
    let r = Reader::of(value, file, faults)?;
    let text = r.required_text("financial_year", "the month and day on which it ends", faults);
    r.finish(faults);
    let text = text?;
    let parts = text.split_once('-').filter(|(m, d)| m.len() == 2 && d.len() == 2);
    let numbers = parts.and_then(|(m, d)| Some((m.parse::<u32>().ok()?, d.parse::<u32>().ok()?)));
    match numbers {
        Some((2, 28)) => {
            faults
                .error(&text.at, "a financial year that ends on 28 February is ambiguous in leap years")
                .expected("\"02-29\" for the last day of February");
            None
        }
        // 2024 is a leap year: every month and day that can exist exists in it.
        Some((month, day)) if chrono::NaiveDate::from_ymd_opt(2024, month, day).is_some() => {
            Some(Rounding::FinancialYear { month, day })
        }
        _ => {
            faults.error(&text.at, format!("`{}` is not a day of the year", shown(&text))).expected(expected);
            None
        }
    }
}

fn caps(value: &Value<'_>, file: usize, faults: &mut Faults) -> Vec<Cap> {
    let DeValue::Array(items) = value.get_ref() else {
        faults
            .error(&Span { file, range: value.span() }, "`at_most` is not a list")
            .expected("[\"period or date of the map\", { starts = \"event\", keeps = \"5 years\" }]");
        return Vec::new();
    };
    let mut caps = Vec::new();
    for item in items {
        if let DeValue::String(_) = item.get_ref() {
            caps.extend(text_of(item, file, faults).map(Cap::Named));
            continue;
        }
        if !matches!(item.get_ref(), DeValue::Table(_)) {
            faults
                .error(&Span { file, range: item.span() }, format!("{} where a cap belongs", reader::describe(item.get_ref())))
                .expected("\"period or date of the map\" or { starts = \"event\", keeps = \"5 years\" }");
            continue;
        }
        let Some(r) = Reader::of(item, file, faults) else { continue };
        let starts = r.require("starts", "what the cap counts from", faults).and_then(|v| start(v, file, faults));
        let keeps = r.require("keeps", "its period", faults).and_then(|v| period_of(v, file, faults));
        r.finish(faults);
        if let (Some(starts), Some(keeps)) = (starts, keeps) {
            caps.push(Cap::Start(starts, keeps));
        }
    }
    caps
}

fn condition(r: &Reader<'_, '_>, key: &'static str, faults: &mut Faults) -> Option<Located<When>> {
    let value = r.get(key)?;
    let at = r.place(value);
    when(value, r.at.file, faults).map(|w| Located::new(w, at))
}

fn when(value: &Value<'_>, file: usize, faults: &mut Faults) -> Option<When> {
    if let DeValue::String(_) = value.get_ref() {
        return text_of(value, file, faults).map(When::Condition);
    }
    if !matches!(value.get_ref(), DeValue::Table(_)) {
        faults
            .error(
                &Span { file, range: value.span() },
                format!("{} where a condition belongs", reader::describe(value.get_ref())),
            )
            .expected("\"condition\", { not = … }, { all = […] } or { any = […] }");
        return None;
    }
    let before = faults.count();
    let r = Reader::of(value, file, faults)?;
    let (not, all, any) = (r.get("not"), r.get("all"), r.get("any"));
    r.finish(faults);
    let list = |value: &Value<'_>, faults: &mut Faults| -> Option<Vec<When>> {
        match value.get_ref() {
            DeValue::Array(items) if !items.is_empty() => items.iter().map(|v| when(v, file, faults)).collect(),
            _ => {
                faults.error(&Span { file, range: value.span() }, "not a list of conditions").expected("[\"condition\", …]");
                None
            }
        }
    };
    match (not, all, any) {
        (Some(v), None, None) => when(v, file, faults).map(|w| When::Not(Box::new(w))),
        (None, Some(v), None) => list(v, faults).map(When::All),
        (None, None, Some(v)) => list(v, faults).map(When::Any),
        (None, None, None) if faults.count() > before => None,
        _ => {
            faults
                .error(&Span { file, range: value.span() }, "a condition is one of four forms")
                .expected("\"condition\", { not = … }, { all = […] } or { any = […] }");
            None
        }
    }
}
