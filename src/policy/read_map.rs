//! Reading a data map file into [`DataMap`]: every fault of form, located.

use toml::de::DeValue;

use super::located::{Faults, Located, Span};
use super::map::{Category, CopyElsewhere, DataMap, DataSet, Disposition, FileColumn, Parent, PersonalColumn, SubjectColumn};
use super::read_facts::{Dated, condition, dated, period_column};
use super::read_form::{name, pairs, table_ref, tables, title, word, zone};
use super::read_mask;
use super::read_policy::data_name;
use super::reader::{self, Reader, shown, text_of, texts_of};

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
