//! Random data maps over the shape, as the texts that an organisation would write.

use std::fmt::Write as _;

use super::chance::Chance;
use super::purposes::purposes;
use super::shape::{DATED, Hangs, Shape, root_of};

/// What the generator may use.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// JSON masks.
    pub json: bool,
    /// Dates compared with dates plus a period.
    pub shifts: bool,
    /// Related rows.
    pub related: bool,
    /// Purposes that keep in archives, by the seed of their own chance. None by default.
    pub archives: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self { json: true, shifts: true, related: true, archives: None }
    }
}

/// A period that some purpose uses, so that rows can be put around its boundary.
#[derive(Debug, Clone, Copy)]
pub struct Boundary {
    pub months: u32,
    pub days: u64,
}

/// What was declared.
pub struct Declared {
    pub map: String,
    pub policy: String,
    pub boundaries: Vec<Boundary>,
    pub zone: &'static str,
    pub column_zone: &'static str,
}

const SQL: [&str; 20] = [
    "kind = 'a'",
    "kind <> 'b'",
    "kind IN ('a', 'b')",
    "kind NOT IN ('a', 'c')",
    "kind IS NULL OR kind = 'b'",
    "kind LIKE 'a%'",
    "COALESCE(kind, 'z') <> 'a'",
    "flag",
    "NOT flag",
    "flag IS NOT TRUE",
    "flag AND amount > 1",
    "amount BETWEEN 1 AND 3",
    "amount > 2 OR kind = 'b'",
    "amount NOT BETWEEN 2 AND 4",
    "(amount = 1) IS FALSE",
    "CASE WHEN kind = 'a' THEN amount > 2 ELSE amount = 1 END",
    "CASE kind WHEN 'a' THEN 'x' WHEN 'b' THEN 'y' END = 'x'",
    "c1 > c2",
    "c1 >= DATE '2024-02-29'",
    "c1 BETWEEN DATE '2023-01-31' AND c2",
];

const SHIFTS: [&str; 4] = [
    "c1 > c2 + INTERVAL '6 months'",
    "c1 >= c2 + INTERVAL '1 year 1 month'",
    "c1 - INTERVAL '1 month' < c2",
    "c2 + INTERVAL '1 month 2 days' <= c1",
];

const MASKS: [(&str, &str, &[&str]); 6] = [
    ("identity", "name", &["{ fixed = \"ANONYME\" }", "{ first = 1 }", "{ first = 0 }", "\"null\""]),
    (
        "identity",
        "email",
        &["\"token\"", "{ token = { prefix = \"x-\", suffix = \"@example.invalid\", digits = 12 } }", "\"null\""],
    ),
    ("contact", "phone", &["\"null\"", "{ first = 3 }", "{ fixed = \"\" }"]),
    ("profile", "born", &["\"month\"", "\"year\"", "\"decade\"", "\"null\"", "{ fixed = \"1900-01-01\" }"]),
    ("profile", "score", &["{ band = 10 }", "{ band = 7 }", "{ fixed = 0 }", "\"null\""]),
    ("profile", "doc", &["{ json_remove = [\"mail\", \"address.street\"] }", "\"null\""]),
];

pub fn title(text: &str) -> String {
    format!("title = {{ fr = \"{text}\", en = \"{text}\" }}")
}

/// Events, conditions and periods of one data set, by name.
#[derive(Default)]
pub struct Names {
    /// Each with whether it has a time of day.
    pub events: Vec<(String, bool)>,
    pub conditions: Vec<String>,
    pub period: bool,
    /// Starts are rather related rows' than the record's own.
    pub tangled: bool,
}

/// Declares a random map and policy over the shapes.
pub fn declare(c: &mut Chance, shapes: &[Shape], options: Options) -> Declared {
    let zone = *c.pick(&["Europe/Paris", "Europe/Paris", "America/Sao_Paulo", "Asia/Beirut", "Pacific/Apia", "UTC"]);
    let column_zone = if c.percent(60) { zone } else { *c.pick(&["UTC", "Europe/Paris", "America/Havana"]) };
    let mut boundaries = vec![Boundary { months: 12, days: 0 }];
    let mut policy = format!("[policy]\nid = \"random\"\nauthor = \"dpo\"\n{}\ntime_zone = \"{zone}\"\n", title("random"));
    let mut map = format!("[source]\nid = \"db\"\ntime_zone = \"{column_zone}\"\n");
    if shapes.iter().any(|s| !s.is_data_set()) {
        map += "free_of_personal_data = [\"log\"]\n";
    }
    for (at, shape) in shapes.iter().enumerate().filter(|(_, s)| s.is_data_set()) {
        let mut names = Names { tangled: shape.tangle.grouped, ..Names::default() };
        let mut details = String::new();
        categories(c, &mut details, shape, options);
        if shape.is_root() {
            events(c, &mut details, &mut names, shapes, at, options);
            conditions(c, &mut details, &mut names, shapes, at, options);
            if c.percent(40) {
                let unit = *c.pick(&["years", "months", "weeks", "days"]);
                write!(details, "[data.{}.periods.on_form]\n{}\ncolumn = \"form\"\nunit = \"{unit}\"\n", shape.name, title("p"))
                    .unwrap();
                names.period = true;
            }
        }
        let covered = !shape.is_root() || purposes(c, &mut policy, &mut boundaries, &names, shapes, (at, options.archives));
        head(c, &mut map, shapes, at, covered);
        map += &details;
    }
    Declared { map, policy, boundaries, zone, column_zone }
}

fn head(c: &mut Chance, map: &mut String, shapes: &[Shape], at: usize, covered: bool) {
    let shape = &shapes[at];
    let key = if shape.composite { "[\"id\", \"code\"]" } else { "[\"id\"]" };
    let disposition = if shape.anonymise { "anonymise" } else { "delete" };
    let name = shape.name;
    writeln!(map, "[data.{name}]\n{}\ntable = \"{name}\"\nkey = {key}\ndisposition = \"{disposition}\"", title(name)).unwrap();
    map.push_str("accepts_race = true\n");
    let (clear, dispose) = (!covered || c.percent(25), c.percent(30));
    if shape.is_root() && (clear || dispose) {
        let words: Vec<&str> = [(clear, "\"clear\""), (dispose, "\"dispose\"")].iter().filter(|w| w.0).map(|w| w.1).collect();
        writeln!(map, "uncovered = [{}]", words.join(", ")).unwrap();
    }
    if let Some((above, hangs)) = shape.parent {
        let word = if hangs == Hangs::Follows { "follows" } else { "belongs_to" };
        writeln!(map, "{word} = \"{}\"\non = {{ {} }}", shapes[above].name, pairs(&shape.join(shapes))).unwrap();
    }
    if shape.tenant {
        map.push_str("tenant = \"tenant\"\n");
        if shape.is_root() {
            map.push_str("subjects = { person = \"tenant\" }\n");
        }
    }
    if let Some(log) = shapes.iter().find(|s| s.cascade && s.parent == Some((at, Hangs::Outside))) {
        writeln!(map, "cascades = [\"{}\"]", log.name).unwrap();
    }
}

/// Joining columns as the map writes them.
fn pairs(on: &[(&str, &str)]) -> String {
    on.iter().map(|(a, b)| format!("{a} = \"{b}\"")).collect::<Vec<_>>().join(", ")
}

fn categories(c: &mut Chance, out: &mut String, shape: &Shape, options: Options) {
    for category in ["identity", "contact", "profile"] {
        writeln!(out, "[data.{}.categories.{category}.masks]", shape.name).unwrap();
        for (_, column, masks) in MASKS.iter().filter(|m| m.0 == category) {
            let mask = if *column == "doc" && !options.json { "\"null\"" } else { *c.pick(masks) };
            writeln!(out, "{column} = {mask}").unwrap();
        }
    }
    if shape.never_stored {
        let name = shape.name;
        writeln!(out, "[data.{name}.categories.card]\ncolumns = [\"cvc\"]\nmask = \"null\"\nnever_stored = true").unwrap();
    }
}

fn missing(c: &mut Chance, own: &[String]) -> String {
    match c.between(1, 6) {
        1 | 2 => "missing = \"running\"\n".into(),
        3 => "missing = \"ignore\"\n".into(),
        4 if !own.is_empty() => format!("else = \"{}\"\n", c.pick(own)),
        _ => String::new(),
    }
}

fn events(c: &mut Chance, out: &mut String, names: &mut Names, shapes: &[Shape], at: usize, options: Options) {
    let mut own: Vec<String> = Vec::new();
    for (column, format) in c.some(&DATED, 55) {
        let format = if format == "TEXT" { shapes[at].text_format } else { format };
        let name = format!("on_{column}");
        let missing = missing(c, &own);
        event(out, &shapes[at], &name, &format!("column = \"{column}\"\nformat = \"{format}\"\n{missing}"));
        names.events.push((name.clone(), matches!(column, "t1" | "i1" | "e1")));
        own.push(name);
    }
    let further = further(shapes, at).map(|(_, to)| to);
    for (to, n) in related(shapes, at).into_iter().chain(further).zip(0..) {
        if options.related && c.percent(60) {
            let (column, format) = *c.pick(&DATED);
            let format = if format == "TEXT" { shapes[at].text_format } else { format };
            let filter = if c.percent(50) { format!("where = \"{}\"\n", c.pick(&SQL)) } else { String::new() };
            let ignored = names.tangled && c.percent(50);
            let missing = if ignored { "missing = \"ignore\"\n".into() } else { missing(c, &own) };
            let name = format!("of_{n}_{column}");
            event(
                out,
                &shapes[at],
                &name,
                &format!("of = {to}\ncolumn = \"{column}\"\nformat = \"{format}\"\n{filter}{missing}"),
            );
            names.events.push((name, matches!(column, "t1" | "i1" | "e1")));
        }
    }
}

fn event(out: &mut String, shape: &Shape, name: &str, rest: &str) {
    write!(out, "[data.{}.events.{name}]\n{}\n{rest}", shape.name, title(name)).unwrap();
}

/// How the map names each table related to a data set.
fn related(shapes: &[Shape], at: usize) -> Vec<String> {
    let mut all = Vec::new();
    for (other, shape) in shapes.iter().enumerate() {
        if shape.parent.is_some_and(|(above, _)| above == at) || shapes[at].parent.is_some_and(|(above, _)| above == other) {
            all.push(match shape.is_data_set() {
                true => format!("\"{}\"", shape.name),
                false => format!("{{ table = \"{}\", on = {{ {} }} }}", shape.name, pairs(&shape.join(shapes))),
            });
        }
    }
    all
}

/// The same of tables that a data set reads beside its parent and children, with their places.
fn further(shapes: &[Shape], at: usize) -> impl Iterator<Item = (usize, String)> {
    let reads = shapes[at].tangle.reads.iter();
    reads.map(|(to, on)| (*to, format!("{{ table = \"{}\", on = {{ {} }} }}", shapes[*to].name, pairs(on))))
}

fn conditions(c: &mut Chance, out: &mut String, names: &mut Names, shapes: &[Shape], at: usize, options: Options) {
    for n in 0..c.between(1, 4) {
        let mut to = related(shapes, at);
        // What a run does to records of one data set may change what a condition says of others in the same turn, and nothing orders that.
        to.extend(further(shapes, at).filter(|(read, _)| root_of(shapes, *read) != at).map(|(_, to)| to));
        let test = if options.related && !to.is_empty() && c.percent(30) {
            let filter = if c.percent(60) { format!("where = \"{}\"\n", c.pick(&SQL)) } else { String::new() };
            format!("{} = {}\n{filter}", c.pick(&["some", "no"]), c.pick(&to))
        } else if options.shifts && c.percent(20) {
            format!("sql = \"{}\"\n", c.pick(&SHIFTS))
        } else {
            format!("sql = \"{}\"\n", c.pick(&SQL))
        };
        let name = format!("is_{n}");
        write!(out, "[data.{}.conditions.{name}]\n{}\n{test}", shapes[at].name, title(&name)).unwrap();
        names.conditions.push(name);
    }
}
