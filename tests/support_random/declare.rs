//! Random data maps and policies over the shape, as the texts that an organisation would write.

use std::fmt::Write as _;

use super::chance::Chance;
use super::shape::{DATED, Hangs, Shape, root_of};

/// What the generator may use. All on by default.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// JSON masks.
    pub json: bool,
    /// Dates compared with dates plus a period.
    pub shifts: bool,
    /// Related rows.
    pub related: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { json: true, shifts: true, related: true }
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

const PERIODS: [(&str, u32, u64); 14] = [
    ("0 days", 0, 0),
    ("1 day", 0, 1),
    ("30 days", 0, 30),
    ("2 weeks", 0, 14),
    ("1 month", 1, 0),
    ("3 months", 3, 0),
    ("13 months", 13, 0),
    ("1 month 3 days", 1, 3),
    ("1 year", 12, 0),
    ("2 years", 24, 0),
    ("3 years", 36, 0),
    ("4 years", 48, 0),
    ("5 years 6 months", 66, 0),
    ("1 year 1 week 1 day", 12, 8),
];

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

fn title(text: &str) -> String {
    format!("title = {{ fr = \"{text}\", en = \"{text}\" }}")
}

/// Events, conditions and periods of one data set, by name.
#[derive(Default)]
struct Names {
    /// Each with whether it has a time of day.
    events: Vec<(String, bool)>,
    conditions: Vec<String>,
    period: bool,
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
        let mut names = Names::default();
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
        let covered = !shape.is_root() || purposes(c, &mut policy, &mut boundaries, &names, shapes, at);
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
        writeln!(map, "{word} = \"{}\"\non = {{ {} }}", shapes[above].name, pairs(&shapes[above])).unwrap();
    }
    if shape.tenant {
        map.push_str("tenant = \"tenant\"\n");
    }
    if let Some(log) = shapes.iter().find(|s| s.cascade && s.parent == Some((at, Hangs::Outside))) {
        writeln!(map, "cascades = [\"{}\"]", log.name).unwrap();
    }
}

/// The joining columns of a table that hangs on `parent`.
fn pairs(parent: &Shape) -> String {
    parent.key().iter().map(|k| format!("parent_{k} = \"{k}\"")).collect::<Vec<_>>().join(", ")
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
    for (to, n) in related(shapes, at).into_iter().zip(0..) {
        if options.related && c.percent(60) {
            let (column, format) = *c.pick(&DATED);
            let format = if format == "TEXT" { shapes[at].text_format } else { format };
            let filter = if c.percent(50) { format!("where = \"{}\"\n", c.pick(&SQL)) } else { String::new() };
            let missing = missing(c, &own);
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
                false => format!("{{ table = \"{}\", on = {{ {} }} }}", shape.name, pairs(&shapes[at])),
            });
        }
    }
    all
}

fn conditions(c: &mut Chance, out: &mut String, names: &mut Names, shapes: &[Shape], at: usize, options: Options) {
    for n in 0..c.between(1, 4) {
        let to = related(shapes, at);
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

fn when(c: &mut Chance, names: &Names) -> String {
    let mut one = || format!("\"{}\"", c.pick(&names.conditions));
    let (a, b) = (one(), one());
    match c.between(1, 6) {
        1 => format!("{{ not = {a} }}"),
        2 => format!("{{ all = [{a}, {b}] }}"),
        3 => format!("{{ any = [{a}, {{ not = {b} }}] }}"),
        _ => a,
    }
}

fn start(c: &mut Chance, names: &Names, boundaries: &mut Vec<Boundary>) -> (String, String) {
    let chosen: Vec<(String, bool)> = c.some(&names.events, 35).into_iter().take(3).collect();
    let timed = chosen.iter().all(|e| e.1);
    let list = chosen.iter().map(|e| format!("\"{}\"", e.0)).collect::<Vec<_>>().join(", ");
    let rounding = match c.between(1, 8) {
        1 => ", end_of = \"month\"",
        2 => ", end_of = \"calendar_year\"",
        3 => *c.pick(&[", end_of = { financial_year = \"06-30\" }", ", end_of = { financial_year = \"02-29\" }"]),
        _ => "",
    };
    let combine = c.pick(&["latest_of", "earliest_of"]);
    let starts = format!("{{ {combine} = [{list}]{rounding} }}");
    if timed && rounding.is_empty() && c.percent(30) {
        let hours = c.between(0, 72);
        boundaries.push(Boundary { months: 0, days: u64::try_from(hours / 24).unwrap() });
        return (starts, format!("{hours} hours"));
    }
    let (text, months, days) = *c.pick(&PERIODS);
    boundaries.push(Boundary { months, days });
    (starts, text.into())
}

/// Purposes of a root data set. Says whether every category of its record is needed by one.
fn purposes(
    c: &mut Chance,
    out: &mut String,
    boundaries: &mut Vec<Boundary>,
    names: &Names,
    shapes: &[Shape],
    at: usize,
) -> bool {
    let mut needed: Vec<&str> = Vec::new();
    let categories = ["identity", "contact", "profile"];
    for n in 0..c.between(1, 3) {
        let id = format!("{}-{n}", shapes[at].name);
        let basis = *c.pick(&["consent", "contract", "legal_obligation", "legitimate_interest"]);
        write!(out, "[[purpose]]\nid = \"{id}\"\n{}\nlegal_basis = \"{basis}\"\n", title(&id)).unwrap();
        writeln!(out, "data = \"db.{}\"", shapes[at].name).unwrap();
        match c.between(1, 4) {
            1 => {
                needed.extend(categories);
                out.push_str("needs = \"all\"\n");
            }
            2 => {
                let without = *c.pick(&categories);
                needed.extend(categories.iter().filter(|x| **x != without));
                writeln!(out, "needs = {{ all_but = [\"{without}\"] }}").unwrap();
            }
            _ => {
                let mut list: Vec<String> = c.some(&categories, 50).iter().map(|x| (*x).to_owned()).collect();
                needed.extend(categories.iter().filter(|x| list.iter().any(|l| l == *x)));
                if let Some((above, Hangs::Belongs)) = shapes[at].parent
                    && root_of(shapes, above) == above
                    && c.percent(60)
                {
                    list.push(format!("{}.{}", shapes[above].name, c.pick(&categories)));
                }
                writeln!(out, "needs = [{}]", list.iter().map(|l| format!("\"{l}\"")).collect::<Vec<_>>().join(", ")).unwrap();
            }
        }
        for (key, percent) in [("when", 50), ("kept_while", 20), ("ends_when", 15)] {
            if c.percent(percent) {
                writeln!(out, "{key} = {}", when(c, names)).unwrap();
            }
        }
        let timed = c.percent(90);
        if timed {
            let (starts, keeps) = start(c, names, boundaries);
            writeln!(out, "starts = {starts}\nkeeps = \"{keeps}\"").unwrap();
        }
        if !timed || c.percent(30) {
            writeln!(out, "at_most = [{}]", cap(c, names, timed, boundaries)).unwrap();
        }
        if c.percent(20) {
            writeln!(out, "ended_by = [{}]", c.pick(&["", "\"objection\"", "\"erasure\"", "\"objection\", \"erasure\""]))
                .unwrap();
        }
        if c.percent(15) {
            out.push_str("then = \"delete\"\n");
        }
    }
    categories.iter().all(|x| needed.contains(x))
}

fn cap(c: &mut Chance, names: &Names, timed: bool, boundaries: &mut Vec<Boundary>) -> String {
    match c.between(1, 3) {
        1 if names.period && timed => "\"on_form\"".into(),
        2 => {
            boundaries.push(Boundary { months: 0, days: 0 });
            format!("\"{}\"", c.pick(&names.events).0)
        }
        _ => {
            let (starts, keeps) = start(c, names, boundaries);
            format!("{{ starts = {starts}, keeps = \"{keeps}\" }}")
        }
    }
}
