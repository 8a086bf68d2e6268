//! Reading a data map file into [`DataMap`]: every fault of form, located.

use chrono_tz::Tz;
use toml::de::DeValue;

use super::expression::{self, Expr};
use super::given::GivenDate;
use super::located::{Faults, Located, Span};
use super::map::{
    Category, Condition, CopyElsewhere, DataMap, DataSet, DateFormat, Disposition, Event, FileColumn, Missing, Parent,
    PeriodColumn, PeriodUnit, PersonalColumn, Related, RelatedTo, SubjectColumn, TableRef, Test, Title,
};
use super::read_mask;
use super::read_policy::data_name;
use super::reader::{self, Reader, Value, shown, text_of, texts_of};

/// Reads a data map. `None` only when nothing usable was found; faults say why.
pub fn read(text: &str, file: usize, faults: &mut Faults) -> Option<DataMap> {
    let parsed = reader::parse(text, file, faults)?;
    let root = Reader::new(parsed.get_ref(), Span { file, range: 0..0 });
    let source = root.require("source", "a table that names the source", faults).and_then(|v| Reader::of(v, file, faults));
    let (mut id, mut time_zone, mut free) = (None, None, Vec::new());
    if let Some(source) = source {
        id = source.required_text("id", "the source's id", faults).and_then(|t| name(t, "a source id", faults));
        time_zone = zone(&source, "time_zone", faults);
        free = tables(&source, "free_of_personal_data", faults);
        source.finish(faults);
    }
    let mut data_sets = Vec::new();
    if let Some(data) =
        root.require("data", "a table with one table for each data set", faults).and_then(|v| Reader::of(v, file, faults))
    {
        for (key, value) in data.entries() {
            let Some(key) = name(key, "a data set id", faults) else { continue };
            let (id, before) = (key.value.clone(), faults.count());
            if let Some(reader) = Reader::of(value, file, faults) {
                let read = data_set(key, &reader, faults);
                if read.as_ref().is_none_or(|d| d.parent.is_none() && faults.count() > before) {
                    faults.spoil(&id);
                }
                data_sets.extend(read);
                reader.finish(faults);
            }
        }
        if data_sets.is_empty() && !faults.any_error() {
            faults.error(&data.at, "no data set is declared").expected("[data.<id>]");
        }
    }
    root.finish(faults);
    Some(DataMap { source: id?, time_zone, data_sets, free_of_personal_data: free })
}

fn data_set(id: Located<String>, r: &Reader<'_, '_>, faults: &mut Faults) -> Option<DataSet> {
    let file = r.at.file;
    let title = title(r, faults);
    let table = r.require("table", "the table's name", faults).and_then(|v| table_ref(v, file, faults));
    let mut key = Vec::new();
    if let Some(value) = r.require("key", "the columns of the primary key", faults) {
        key = texts_of(value, file, faults);
        if matches!(value.get_ref(), DeValue::Array(items) if items.is_empty()) {
            faults.error(&r.place(value), "the key names no column").expected("key = [\"id\"]");
        }
    }
    let disposition = r.required_text("disposition", "\"delete\", \"anonymise\" or \"pseudonymise\"", faults);
    let (mut dispose_uncovered, mut clear_uncovered) = (false, false);
    if let Some(value) = r.get("uncovered") {
        let words = match value.get_ref() {
            DeValue::Array(_) => texts_of(value, file, faults),
            _ => text_of(value, file, faults).into_iter().collect(),
        };
        for w in words {
            match word(&w, &[("dispose", true), ("clear", false)], "a way to treat what no purpose covers", faults) {
                Some(true) => dispose_uncovered = true,
                Some(false) => clear_uncovered = true,
                None => {}
            }
        }
    }
    let parent = parent(r, faults);
    let categories = named(r, "categories", faults, category);
    let disposition = disposition.and_then(|said| disposition_of(&said, &id, &categories, faults));
    let (mut events, mut given) = (Vec::new(), Vec::new());
    for dated in named(r, "events", faults, dated) {
        match dated {
            Dated::Event(event) => events.push(*event),
            Dated::Given(date) => given.push(date),
        }
    }
    let conditions = named(r, "conditions", faults, condition);
    let periods = named(r, "periods", faults, period_column);
    let copies = named(r, "copies", faults, copy);
    let subjects = subjects(r, faults);
    let files = named(r, "files", faults, file_column);
    let cascades = tables(r, "cascades", faults);
    Some(DataSet {
        plain: r.texts("plain", faults),
        tenant: r.text("tenant", faults),
        subjects,
        to_do: r.text("to_do", faults),
        triggers: r.texts("triggers", faults),
        accepts_race: r.flag("accepts_race", faults),
        id,
        title: title?,
        table: table?,
        key,
        categories,
        parent,
        disposition: disposition?,
        dispose_uncovered,
        clear_uncovered,
        events,
        given,
        conditions,
        periods,
        copies,
        files,
        cascades,
    })
}

/// The disposition that a word means. It must not promise more than the masks keep: a record of which a pseudonym stays is not anonymised.
fn disposition_of(
    said: &Located<String>,
    id: &Located<String>,
    categories: &[Category],
    faults: &mut Faults,
) -> Option<Disposition> {
    const WORDS: [(&str, (Disposition, bool)); 3] = [
        ("delete", (Disposition::Delete, false)),
        ("anonymise", (Disposition::Anonymise, false)),
        ("pseudonymise", (Disposition::Anonymise, true)),
    ];
    let (disposition, pseudonymises) = word(said, &WORDS, "a disposition", faults)?;
    let pseudonym = categories.iter().flat_map(|c| &c.columns).find(|c| c.mask.is_pseudonym());
    match (disposition, pseudonymises, pseudonym) {
        (Disposition::Anonymise, false, Some(column)) => {
            faults
                .error(
                    &said.at,
                    format!("records of `{id}` keep a pseudonym in `{}`: they are not anonymised", shown(&column.name)),
                )
                .expected("disposition = \"pseudonymise\"");
        }
        (Disposition::Anonymise, true, None) => {
            faults.error(&said.at, format!("no column of `{id}` has a pseudonym")).expected("disposition = \"anonymise\"");
        }
        _ => {}
    }
    Some(disposition)
}

/// Reads a table of named tables: `[data.x.events.<name>]`.
fn named<T>(
    r: &Reader<'_, '_>,
    key: &'static str,
    faults: &mut Faults,
    read: fn(Located<String>, &Reader<'_, '_>, &mut Faults) -> Option<T>,
) -> Vec<T> {
    let Some(table) = r.table(key, faults) else { return Vec::new() };
    let mut all = Vec::new();
    for (name_, value) in table.entries() {
        let (Some(name), Some(inner)) = (name(name_, "a name", faults), Reader::of(value, r.at.file, faults)) else { continue };
        let text = name.value.clone();
        let read = read(name, &inner, faults);
        if read.is_none() {
            faults.spoil(&text);
        }
        all.extend(read);
        inner.finish(faults);
    }
    all
}

fn parent(r: &Reader<'_, '_>, faults: &mut Faults) -> Option<Parent> {
    let (belongs, follows) = (r.text("belongs_to", faults), r.text("follows", faults));
    let on = r.get("on").map(|v| pairs(v, r.at.file, faults));
    let (data, follows) = match (belongs, follows) {
        (None, None) => {
            if on.is_some() {
                faults.error(&r.at, "`on` without `belongs_to` or `follows`").expected("follows = \"…\" or belongs_to = \"…\"");
            }
            return None;
        }
        (Some(_), Some(f)) => {
            faults
                .error(&f.at, "both `belongs_to` and `follows`")
                .expected("one of them: what follows a parent has no purposes of its own");
            return None;
        }
        (Some(b), None) => (b, false),
        (None, Some(f)) => (f, true),
    };
    let on = on.unwrap_or_default();
    if on.is_empty() {
        faults.error(&data.at, "the joining columns are missing").expected("on = { this_column = \"parent_column\" }");
        return None;
    }
    Some(Parent { data, on, follows })
}

fn pairs(value: &Value<'_>, file: usize, faults: &mut Faults) -> Vec<(Located<String>, Located<String>)> {
    let Some(table) = Reader::of(value, file, faults) else { return Vec::new() };
    table.entries().filter_map(|(k, v)| Some((k, text_of(v, file, faults)?))).collect()
}

fn category(name: Located<String>, r: &Reader<'_, '_>, faults: &mut Faults) -> Option<Category> {
    let (file, before) = (r.at.file, faults.count());
    let columns = r.texts("columns", faults);
    let default = r.get("mask").and_then(|v| read_mask::read(v, file, faults));
    let mut all: Vec<PersonalColumn> = Vec::new();
    if let Some(masks) = r.table("masks", faults) {
        for (column, value) in masks.entries() {
            if let Some(mask) = read_mask::read(value, file, faults) {
                all.push(PersonalColumn { name: column, mask });
            }
        }
    }
    for column in columns {
        if all.iter().any(|c| c.name.value == column.value) {
            faults
                .error(&column.at, format!("column `{}` is listed twice", shown(&column)))
                .expected("each column once, under `columns` or under `masks`");
        } else if let Some(mask) = &default {
            all.push(PersonalColumn { name: column, mask: mask.clone() });
        } else if r.get("mask").is_none() {
            faults
                .error(&column.at, format!("no mask for column `{}`", shown(&column)))
                .expected("mask = \"null\" (or another mask) for the category");
        }
    }
    let never_stored = r.flag("never_stored", faults);
    if let Some(column) = all.iter().find(|c| never_stored && c.mask.is_pseudonym()) {
        faults
            .error(&column.mask.at, "a pseudonym stores what must never be stored, only under another name")
            .expected("mask = \"null\" or a fixed value");
    }
    if all.is_empty() {
        if faults.count() == before {
            faults.error(&name.at, format!("category `{name}` has no column")).expected("columns = [\"…\"], mask = …");
        }
        return None;
    }
    Some(Category { name, columns: all, never_stored })
}

/// A date that purposes may start from: of rows, or of the whole tenant.
enum Dated {
    Event(Box<Event>),
    Given(GivenDate),
}

fn dated(name: Located<String>, r: &Reader<'_, '_>, faults: &mut Faults) -> Option<Dated> {
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

fn condition(name: Located<String>, r: &Reader<'_, '_>, faults: &mut Faults) -> Option<Condition> {
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

fn period_column(name: Located<String>, r: &Reader<'_, '_>, faults: &mut Faults) -> Option<PeriodColumn> {
    let title = title(r, faults);
    let column = r.required_text("column", "the column that holds the number", faults);
    let units =
        [("years", PeriodUnit::Years), ("months", PeriodUnit::Months), ("weeks", PeriodUnit::Weeks), ("days", PeriodUnit::Days)];
    let unit = r
        .required_text("unit", "\"years\", \"months\", \"weeks\" or \"days\"", faults)
        .and_then(|t| word(&t, &units, "a unit", faults));
    Some(PeriodColumn { name, title: title?, column: column?, unit: unit? })
}

fn copy(name: Located<String>, r: &Reader<'_, '_>, faults: &mut Faults) -> Option<CopyElsewhere> {
    let of = r.required_text("in", "the data set that holds the copies, as \"source.data_set\"", faults);
    let of = of.and_then(|t| data_name(&t, faults));
    let expected = "which column there equals which one here: { their_column = \"own_column\" }";
    let matched_by = r.require("matched_by", expected, faults).map(|v| (r.place(v), pairs(v, r.at.file, faults)));
    if let Some((at, pairs)) = &matched_by
        && pairs.is_empty()
    {
        faults.error(at, "the columns by which a copy is found are missing").expected(expected);
        return None;
    }
    Some(CopyElsewhere { name, of: of?, matched_by: matched_by?.1 })
}

fn subjects(r: &Reader<'_, '_>, faults: &mut Faults) -> Vec<SubjectColumn> {
    let Some(value) = r.get("subjects") else { return Vec::new() };
    let mut all = Vec::new();
    for (subject, column) in pairs(value, r.at.file, faults) {
        if let Some(subject) = name(subject, "the name of a subject", faults) {
            all.push(SubjectColumn { subject, column });
        }
    }
    all
}

fn file_column(name: Located<String>, r: &Reader<'_, '_>, faults: &mut Faults) -> Option<FileColumn> {
    let column = r.required_text("column", "the column that holds the file's path", faults);
    let store = r.required_text("store", "the name of [files.<name>] in the settings", faults);
    Some(FileColumn { name, column: column?, store: store? })
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

/// A list of tables under `key`; empty if absent.
fn tables(r: &Reader<'_, '_>, key: &'static str, faults: &mut Faults) -> Vec<Located<TableRef>> {
    let Some(value) = r.get(key) else { return Vec::new() };
    let DeValue::Array(items) = value.get_ref() else {
        faults
            .error(&r.place(value), format!("{} where a list belongs", reader::describe(value.get_ref())))
            .expected("a list of tables: [\"schema.table\", \"table\", { schema = \"…\", name = \"…\" }]");
        return Vec::new();
    };
    items.iter().filter_map(|v| table_ref(v, r.at.file, faults)).collect()
}

fn table_ref(value: &Value<'_>, file: usize, faults: &mut Faults) -> Option<Located<TableRef>> {
    let at = Span { file, range: value.span() };
    if let DeValue::Table(_) = value.get_ref() {
        let r = Reader::of(value, file, faults)?;
        let schema = r.text("schema", faults).map(|t| t.value);
        let name = r.required_text("name", "the table's stored name", faults);
        r.finish(faults);
        let name = name?;
        return Some(Located::new(TableRef { schema, name: name.value }, at));
    }
    let text = text_of(value, file, faults)?;
    if text.is_empty() {
        faults.error(&at, "the table name is empty");
        return None;
    }
    Some(Located::new(split_table(&text), at))
}

fn split_table(text: &str) -> TableRef {
    match text.split_once('.') {
        Some((schema, name)) if !schema.is_empty() && !name.is_empty() => {
            TableRef { schema: Some(schema.to_owned()), name: name.to_owned() }
        }
        _ => TableRef { schema: None, name: text.to_owned() },
    }
}

/// A title in both languages, required.
pub(super) fn title(r: &Reader<'_, '_>, faults: &mut Faults) -> Option<Title> {
    let expected = "title = { fr = \"…\", en = \"…\" }";
    let Some(value) = r.get("title") else {
        faults.error(&r.at, "`title` is missing").expected(expected);
        return None;
    };
    let t = Reader::of(value, r.at.file, faults)?;
    let (fr, en) = (t.required_text("fr", "the French title", faults), t.required_text("en", "the English title", faults));
    t.finish(faults);
    let (fr, en) = (fr?, en?);
    for text in [&fr, &en] {
        if text.trim().is_empty() || text.chars().count() > 200 || text.chars().any(reader::hostile) {
            faults.error(&text.at, "not a title").expected("one line of 1 to 200 visible characters");
            return None;
        }
    }
    Some(Title { fr: fr.value, en: en.value })
}

/// A time zone under `key`.
pub(super) fn zone(r: &Reader<'_, '_>, key: &'static str, faults: &mut Faults) -> Option<Tz> {
    let text = r.text(key, faults)?;
    match text.parse::<Tz>() {
        Ok(zone) => Some(zone),
        Err(_) => {
            faults
                .error(&text.at, format!("unknown time zone `{}`", shown(&text)))
                .expected("an IANA name such as \"Europe/Paris\"")
                .nearest_of_many(&text, chrono_tz::TZ_VARIANTS.iter().map(|z| z.name()));
            None
        }
    }
}

/// A name of the author's choice: lower-case letters, digits, `_` and `-`, starting with a letter, at most 64.
pub(crate) fn name(text: Located<String>, what: &str, faults: &mut Faults) -> Option<Located<String>> {
    let right = (1..=64).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-');
    if !right {
        faults
            .error(&text.at, format!("`{}` cannot be {what}", shown(&text)))
            .expected("1 to 64 lower-case letters, digits, `_` or `-`, starting with a letter");
        return None;
    }
    Some(text)
}

/// One of a closed list of words.
pub(crate) fn word<T: Copy>(text: &Located<String>, words: &[(&str, T)], what: &str, faults: &mut Faults) -> Option<T> {
    let found = words.iter().find(|(w, _)| *w == text.value).map(|(_, v)| *v);
    if found.is_none() {
        faults
            .error(&text.at, format!("`{}` is not {what}", shown(text)))
            .expected(words.iter().map(|(w, _)| format!("\"{w}\"")).collect::<Vec<_>>().join(", "))
            .nearest(text, words.iter().map(|(w, _)| *w));
    }
    found
}
