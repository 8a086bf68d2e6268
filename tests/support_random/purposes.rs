//! Random purposes of one data set, in the words of a policy file.

use std::fmt::Write as _;

use super::chance::Chance;
use super::declare::{Boundary, Names, title};
use super::shape::{Hangs, Shape, root_of};

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

fn start(c: &mut Chance, names: &Names, boundaries: &mut Vec<Boundary>, hours: bool) -> (String, String) {
    let chosen: Vec<(String, bool)> = match names.tangled {
        true => tangled_events(c, names),
        false => c.some(&names.events, 35).into_iter().take(3).collect(),
    };
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
    if hours && timed && rounding.is_empty() && c.percent(30) {
        let hours = c.between(0, 72);
        boundaries.push(Boundary { months: 0, days: u64::try_from(hours / 24).unwrap() });
        return (starts, format!("{hours} hours"));
    }
    let (text, months, days) = *c.pick(&PERIODS);
    boundaries.push(Boundary { months, days });
    (starts, text.into())
}

/// One or two events of related rows, if there are any, and now and then one of the record's own.
fn tangled_events(c: &mut Chance, names: &Names) -> Vec<(String, bool)> {
    let (related, own): (Vec<_>, Vec<_>) = names.events.iter().cloned().partition(|e| e.0.starts_with("of_"));
    if related.is_empty() {
        return c.some(&own, 35).into_iter().take(2).collect();
    }
    let mut chosen = c.some(&related, 45);
    chosen.truncate(2);
    if c.percent(30) {
        chosen.push(c.pick(&own).clone());
    }
    chosen
}

/// Purposes of a root data set. Says whether every category of its record is needed by one.
pub fn purposes(
    c: &mut Chance,
    out: &mut String,
    boundaries: &mut Vec<Boundary>,
    names: &Names,
    shapes: &[Shape],
    (at, archives): (usize, Option<u64>),
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
            if c.percent(if names.tangled { percent / 2 } else { percent }) {
                writeln!(out, "{key} = {}", when(c, names)).unwrap();
            }
        }
        let timed = c.percent(90);
        if timed {
            let (starts, keeps) = start(c, names, boundaries, true);
            writeln!(out, "starts = {starts}\nkeeps = \"{keeps}\"").unwrap();
        }
        if !timed || c.percent(30) {
            writeln!(out, "at_most = [{}]", cap(c, names, timed, boundaries, true)).unwrap();
        }
        if c.percent(20) {
            writeln!(out, "ended_by = [{}]", c.pick(&["", "\"objection\"", "\"erasure\"", "\"objection\", \"erasure\""]))
                .unwrap();
        }
        if c.percent(15) {
            out.push_str("then = \"delete\"\n");
        }
    }
    if let Some(seed) = archives {
        // From a chance of its own, which changes no case without archives.
        let mut c = Chance::new(seed.wrapping_add(at as u64 * 7_919));
        let archived: Vec<&str> = categories.iter().copied().filter(|x| needed.contains(x)).collect();
        for n in 0..c.between(0, 2) {
            archive_purpose(&mut c, out, boundaries, names, shapes[at].name, (n, &archived));
        }
    }
    categories.iter().all(|x| needed.contains(x))
}

/// A purpose that keeps in an archive some of what purposes of the active base need.
fn archive_purpose(
    c: &mut Chance,
    out: &mut String,
    boundaries: &mut Vec<Boundary>,
    names: &Names,
    data_set: &str,
    (n, needed): (i64, &[&str]),
) {
    let id = format!("{data_set}-z{n}");
    let archive = *c.pick(&["evidence", "legal"]);
    let basis = *c.pick(&["contract", "legal_obligation", "legitimate_interest"]);
    write!(out, "[[purpose]]\nid = \"{id}\"\n{}\nlegal_basis = \"{basis}\"\n", title(&id)).unwrap();
    writeln!(out, "data = \"db.{data_set}\"\nkept_in = \"archive:{archive}\"").unwrap();
    let list = c.some(needed, 60);
    writeln!(out, "needs = [{}]", list.iter().map(|l| format!("\"{l}\"")).collect::<Vec<_>>().join(", ")).unwrap();
    if c.percent(35) {
        writeln!(out, "when = {}", when(c, names)).unwrap();
    }
    let (starts, _) = start(c, names, boundaries, false);
    // Long enough to outlive most of what it begins with.
    let keeps = *c.pick(&["1 year", "4 years", "6 years 6 months", "10 years", "30 years"]);
    writeln!(out, "starts = {starts}\nkeeps = \"{keeps}\"").unwrap();
    if c.percent(25) {
        writeln!(out, "at_most = [{}]", cap(c, names, true, boundaries, false)).unwrap();
    }
}

fn cap(c: &mut Chance, names: &Names, timed: bool, boundaries: &mut Vec<Boundary>, hours: bool) -> String {
    match c.between(1, 3) {
        1 if names.period && timed => "\"on_form\"".into(),
        2 => {
            boundaries.push(Boundary { months: 0, days: 0 });
            format!("\"{}\"", c.pick(&names.events).0)
        }
        _ => {
            let (starts, keeps) = start(c, names, boundaries, hours);
            format!("{{ starts = {starts}, keeps = \"{keeps}\" }}")
        }
    }
}
