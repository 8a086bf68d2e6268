//! Recovery windows in a random policy: of some of its data sets, whose purposes are changed where no window could stand beside them.

use chrono::TimeDelta;

use super::Case;
use super::chance::Chance;

/// Periods of random purposes, with the fewest days that they have.
const LONGER: [(&str, i64); 10] = [
    ("30 days", 30),
    ("1 month", 28),
    ("3 months", 84),
    ("13 months", 393),
    ("1 year", 365),
    ("2 years", 730),
    ("3 years", 1_095),
    ("4 years", 1_460),
    ("5 years 6 months", 1_993),
    ("1 year 1 week 1 day", 373),
];

/// The days that windows have.
const DAYS: [i64; 5] = [1, 2, 7, 28, 60];

impl Case {
    /// The case of a seed with purposes that keep in archives, and recovery windows.
    pub fn windowed(seed: u64) -> Self {
        let mut case = Self::archiving(seed);
        // From a chance of its own, which changes nothing else.
        let mut c = Chance::new(seed.wrapping_mul(31).wrapping_add(17));
        // Those that are mapped, and follow none.
        let covered = |name: &&str| case.policy.contains(&format!("data = \"db.{name}\"\n"));
        let roots: Vec<&str> = case.shapes.iter().map(|s| s.name).filter(covered).collect();
        let mut longest = 0;
        for data in c.some(&roots, 70) {
            let days = *c.pick(&DAYS);
            longest = longest.max(days);
            case.policy = blocks(&case.policy).iter().map(|block| admitting(block, data, days)).collect();
            case.policy.push_str(&format!(
                "[[recovery]]\ndata = \"db.{data}\"\ndays = {days}\nkept_in = \"archive:{}\"\n",
                c.pick(&["evidence", "legal"])
            ));
        }
        // What was about to be due on that day lies in a window some days before it.
        case.now -= TimeDelta::days(c.between(0, longest));
        case
    }
}

/// A policy's head and its purposes, each for itself.
pub(super) fn blocks(policy: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    for line in policy.lines() {
        if line.starts_with("[[") {
            all.push(String::new());
        }
        all.last_mut().unwrap().push_str(&format!("{line}\n"));
    }
    all
}

/// A purpose as it may stand beside a window of this data set.
fn admitting(block: &str, data: &str, days: i64) -> String {
    if !block.starts_with("[[purpose]]") {
        return block.to_owned();
    }
    let of = format!("data = \"db.{data}\"");
    let mine = block.lines().any(|l| l == of) && !block.contains("kept_in");
    let mut out = String::new();
    for line in block.lines() {
        let (key, value) = line.split_once(" = ").unwrap_or((line, ""));
        let line = match key {
            // Neither of another record, nor by one.
            "needs" if value.starts_with('[') => format!("needs = [{}]", own(value, data, mine)),
            "legal_basis" if mine => line.replace("legal_obligation", "contract"),
            "at_most" if mine && !fits(value, days) => continue,
            "keeps" if mine && !long(value, days) => "keeps = \"1 year\"".to_owned(),
            _ => line.to_owned(),
        };
        out.push_str(&line);
        out.push('\n');
    }
    if !mine || out.lines().any(|l| l.starts_with("keeps = ")) {
        return out;
    }
    // A cap alone ends nothing on a day that is known before.
    let left = out.lines().filter(|l| !l.starts_with("at_most") && !l.starts_with("ended_by"));
    left.chain(["ended_by = [\"erasure\"]"]).map(|l| format!("{l}\n")).collect()
}

fn own(list: &str, data: &str, mine: bool) -> String {
    let left = list
        .trim_matches(['[', ']'])
        .split(", ")
        .filter(|n| !(n.contains('.') && (mine || n.starts_with(&format!("\"{data}.")))));
    left.collect::<Vec<_>>().join(", ")
}

fn long(period: &str, days: i64) -> bool {
    let longer = |(text, fewest): &(&str, i64)| period.trim_matches('"') == *text && *fewest > days;
    LONGER.iter().any(longer)
}

/// Whether a cap has one date, or the latest of several, and a period with room for the window.
fn fits(caps: &str, days: i64) -> bool {
    let one = caps.contains("latest_of");
    let period = caps.rsplit_once("keeps = ").map(|(_, rest)| rest.trim_end_matches([']', '}', ' ']));
    one && period.is_some_and(|p| long(p, days))
}
