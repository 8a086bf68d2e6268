//! Reading TOML tables key by key, with every fault located: unknown keys, missing keys, wrong types, all in one go.

use std::borrow::Cow;
use std::cell::RefCell;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::located::{Faults, Located, Span};

/// The largest file that is read, in bytes.
pub const LARGEST_FILE: usize = 4 * 1024 * 1024;

/// The deepest nesting of tables and arrays that is followed.
const DEEPEST: usize = 32;

/// The most entries of a list or table: more than any table has columns or any organisation has tables, and few enough to compare each with each.
const MOST_ITEMS: usize = 10_000;

/// A parsed value with its place.
pub type Value<'t> = Spanned<DeValue<'t>>;

/// Parses a file; syntax errors and duplicate keys become faults, and what could be read is still returned.
pub fn parse<'t>(text: &'t str, file: usize, faults: &mut Faults) -> Option<Spanned<DeTable<'t>>> {
    if text.len() > LARGEST_FILE {
        faults
            .error(&Span { file, range: 0..0 }, format!("the file is {} bytes long", text.len()))
            .expected(format!("at most {LARGEST_FILE} bytes"));
        return None;
    }
    if let Some(at) = nested_too_deep(text) {
        faults
            .error(&Span { file, range: at..at + 1 }, "tables and arrays are nested too deep")
            .expected(format!("at most {DEEPEST} levels"));
        return None;
    }
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut last = None;
    for error in errors.iter().take(Faults::MOST + 1) {
        let range = error.span().unwrap_or(0..0);
        if last.replace((range.clone(), error.message())) == Some((range.clone(), error.message())) {
            continue;
        }
        faults.error(&Span { file, range }, one_line(error.message()));
    }
    if let Some((range, found)) = table.get_ref().iter().find_map(|(_, value)| long_list(value)) {
        too_many(&Span { file, range }, found, faults);
        return None;
    }
    Some(table)
}

/// The first list with more entries than anybody writes, and how many it has. What reads lists compares their entries with each other.
fn long_list(value: &Value<'_>) -> Option<(std::ops::Range<usize>, usize)> {
    match value.get_ref() {
        DeValue::Array(items) if items.len() > MOST_ITEMS => Some((value.span(), items.len())),
        DeValue::Array(items) => items.iter().find_map(long_list),
        DeValue::Table(table) => table.iter().find_map(|(_, value)| long_list(value)),
        _ => None,
    }
}

/// Brackets outside strings and comments, counted before the parser recurses over them.
fn nested_too_deep(text: &str) -> Option<usize> {
    let (mut depth, mut quote, mut comment, mut escaped) = (0usize, None::<u8>, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match (comment, quote, byte) {
            (_, _, b'\n') => {
                comment = false;
                // A basic string ends with its line; multi-line strings only make this count more brackets than there are.
                quote = None;
                escaped = false;
            }
            (true, ..) => {}
            (false, Some(q), b) => {
                if escaped {
                    escaped = false;
                } else if b == b'\\' && q == b'"' {
                    escaped = true;
                } else if b == q {
                    quote = None;
                }
            }
            (false, None, b'#') => comment = true,
            (false, None, b'"' | b'\'') => quote = Some(byte),
            (false, None, b'[' | b'{') => {
                depth += 1;
                if depth > DEEPEST {
                    return Some(at);
                }
            }
            (false, None, b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

fn one_line(message: &str) -> String {
    message.lines().collect::<Vec<_>>().join(" ")
}

/// One table being read. Every key that is asked for is known; [`Reader::finish`] reports the others.
pub struct Reader<'a, 't> {
    table: &'a DeTable<'t>,
    /// Where the table stands.
    pub at: Span,
    known: RefCell<Vec<&'static str>>,
}

impl<'a, 't> Reader<'a, 't> {
    /// Reads `table`, which stands at `at`.
    #[must_use]
    pub fn new(table: &'a DeTable<'t>, at: Span) -> Self {
        Self { table, at, known: RefCell::default() }
    }

    /// Reads a value that must be a table.
    pub fn of(value: &'a Value<'t>, file: usize, faults: &mut Faults) -> Option<Self> {
        let at = Span { file, range: value.span() };
        match value.get_ref() {
            DeValue::Table(table) if table.len() > MOST_ITEMS => {
                too_many(&at, table.len(), faults);
                None
            }
            DeValue::Table(table) => Some(Self::new(table, at)),
            other => {
                faults.error(&at, format!("{} where a table belongs", describe(other))).expected("a table: `{ key = value }`");
                None
            }
        }
    }

    /// The value under `key`, if there.
    pub fn get(&self, key: &'static str) -> Option<&'a Value<'t>> {
        let mut known = self.known.borrow_mut();
        if !known.contains(&key) {
            known.push(key);
        }
        self.table.iter().find(|(k, _)| k.get_ref() == key).map(|(_, v)| v)
    }

    /// The value under `key`; its absence is a fault.
    pub fn require(&self, key: &'static str, what: &str, faults: &mut Faults) -> Option<&'a Value<'t>> {
        let found = self.get(key);
        if found.is_none() {
            faults.error(&self.at, format!("`{key}` is missing")).expected(format!("`{key} = …`: {what}"));
        }
        found
    }

    /// A string under `key`, if there.
    pub fn text(&self, key: &'static str, faults: &mut Faults) -> Option<Located<String>> {
        text_of(self.get(key)?, self.at.file, faults)
    }

    /// A string under `key` that must be there.
    pub fn required_text(&self, key: &'static str, what: &str, faults: &mut Faults) -> Option<Located<String>> {
        text_of(self.require(key, what, faults)?, self.at.file, faults)
    }

    /// A list of strings under `key`; empty if absent.
    pub fn texts(&self, key: &'static str, faults: &mut Faults) -> Vec<Located<String>> {
        self.get(key).map(|v| texts_of(v, self.at.file, faults)).unwrap_or_default()
    }

    /// `true` or `false` under `key`; absent means false.
    pub fn flag(&self, key: &'static str, faults: &mut Faults) -> bool {
        match self.get(key) {
            None => false,
            Some(value) => match value.get_ref() {
                DeValue::Boolean(b) => *b,
                other => {
                    let at = Span { file: self.at.file, range: value.span() };
                    faults.error(&at, format!("{} where `true` or `false` belongs", describe(other)));
                    false
                }
            },
        }
    }

    /// The table under `key`, if there.
    pub fn table(&self, key: &'static str, faults: &mut Faults) -> Option<Reader<'a, 't>> {
        Reader::of(self.get(key)?, self.at.file, faults)
    }

    /// Every entry of a table whose keys are names chosen by the author.
    pub fn entries(&self) -> impl Iterator<Item = (Located<String>, &'a Value<'t>)> {
        let file = self.at.file;
        self.table.iter().map(move |(k, v)| (Located::new(k.get_ref().to_string(), Span { file, range: k.span() }), v))
    }

    /// The place of a value of this table.
    #[must_use]
    pub fn place(&self, value: &Value<'_>) -> Span {
        Span { file: self.at.file, range: value.span() }
    }

    /// Reports every key that was never asked for.
    pub fn finish(self, faults: &mut Faults) {
        let known = self.known.into_inner();
        for (key, _) in self.table {
            let name: &Cow<'_, str> = key.get_ref();
            if !known.iter().any(|k| k == name) {
                let at = Span { file: self.at.file, range: key.span() };
                faults.error(&at, format!("unknown key `{}`", shown(name))).nearest_key(name, &known);
            }
        }
    }
}

/// A string value.
pub fn text_of(value: &Value<'_>, file: usize, faults: &mut Faults) -> Option<Located<String>> {
    let at = Span { file, range: value.span() };
    match value.get_ref() {
        DeValue::String(text) => Some(Located::new(text.to_string(), at)),
        other => {
            faults.error(&at, format!("{} where a text belongs", describe(other))).expected("a text: \"…\"");
            None
        }
    }
}

fn too_many(at: &Span, found: usize, faults: &mut Faults) {
    faults.error(at, format!("{found} entries")).expected(format!("at most {MOST_ITEMS}"));
}

/// A list of strings.
pub fn texts_of(value: &Value<'_>, file: usize, faults: &mut Faults) -> Vec<Located<String>> {
    match value.get_ref() {
        DeValue::Array(items) => items.iter().filter_map(|item| text_of(item, file, faults)).collect(),
        other => {
            let at = Span { file, range: value.span() };
            faults.error(&at, format!("{} where a list belongs", describe(other))).expected("a list of texts: [\"…\", \"…\"]");
            Vec::new()
        }
    }
}

/// A whole number within a range.
pub fn integer_of(value: &Value<'_>, file: usize, range: std::ops::RangeInclusive<i64>, faults: &mut Faults) -> Option<i64> {
    let at = Span { file, range: value.span() };
    let number = match value.get_ref() {
        DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix()).ok(),
        _ => None,
    };
    match number.filter(|n| range.contains(n)) {
        Some(n) => Some(n),
        None => {
            faults.error(&at, "not a number that can stand here").expected(format!(
                "a whole number from {} to {}",
                range.start(),
                range.end()
            ));
            None
        }
    }
}

/// What a value is, for messages; never its content.
#[must_use]
pub fn describe(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a decimal number",
        DeValue::Boolean(_) => "`true` or `false`",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Whether a character must not reach a terminal or a page as it is: it controls, hides or reorders what stands beside it.
#[must_use]
pub fn hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// A text with its control and direction characters escaped.
#[must_use]
pub fn inert(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if hostile(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
}

/// A name as it may be shown: cut, and with control and direction characters escaped.
#[must_use]
pub fn shown(name: &str) -> String {
    match name.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", inert(&name[..end])),
        None => inert(name),
    }
}
