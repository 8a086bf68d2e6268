//! Medians, and two forms of saying them: one JSON line, one line for people.

use std::io::Write as _;

use serde_json::{Map, Value, json};

use super::Outcome;
use super::args::Args;

/// The middle of some figures.
pub fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// The figure below which such a share of them lies.
pub fn quantile(figures: &[f64], share: f64) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (share * sorted.len() as f64) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

/// The times of one variant, round by round.
#[derive(Debug, Default, Clone)]
pub struct Series {
    /// Rows that one round changes.
    pub rows: u64,
    /// Seconds.
    pub seconds: Vec<f64>,
    /// Further figures, round by round.
    pub more: Vec<(&'static str, Vec<f64>)>,
}

impl Series {
    /// Notes a round.
    pub fn push(&mut self, rows: u64, seconds: f64) {
        self.rows = rows;
        self.seconds.push(seconds);
    }

    /// Notes a further figure of a round.
    pub fn note(&mut self, name: &'static str, figure: f64) {
        match self.more.iter_mut().find(|(n, _)| *n == name) {
            Some((_, figures)) => figures.push(figure),
            None => self.more.push((name, vec![figure])),
        }
    }

    /// The rows of a second, by the median time.
    pub fn speed(&self) -> f64 {
        self.rows as f64 / median(&self.seconds).max(1e-9)
    }

    fn json(&self) -> Value {
        let mut all = Map::new();
        all.insert("rows".into(), json!(self.rows));
        all.insert("median_s".into(), json!(rounded(median(&self.seconds))));
        all.insert("seconds".into(), json!(self.seconds.iter().map(|s| rounded(*s)).collect::<Vec<_>>()));
        all.insert("rows_per_s".into(), json!(self.speed().round()));
        for (name, figures) in &self.more {
            all.insert((*name).into(), json!(rounded(median(figures))));
        }
        Value::Object(all)
    }
}

/// How much faster the first is than the second, round by round, so that a neighbour's noise hits both: the median, and all.
pub fn ratio(fast: &Series, slow: &Series) -> (f64, Vec<f64>) {
    let rows = fast.rows as f64 / (slow.rows as f64).max(1.0);
    let all: Vec<f64> = fast.seconds.iter().zip(&slow.seconds).map(|(f, s)| rows * s / f.max(1e-9)).collect();
    (median(&all), all)
}

/// Six digits are more than any of these figures means.
pub fn rounded(x: f64) -> f64 {
    (x * 1e6).round() / 1e6
}

/// Variants of one work, by name.
pub fn series_json(all: &[(&str, &Series)]) -> Value {
    Value::Object(all.iter().map(|(name, s)| ((*name).to_owned(), s.json())).collect())
}

/// Prints the JSON line (also appended to `results.jsonl`) and the line for people.
pub fn emit(args: &Args, figures: Value, people: &str) -> Outcome<()> {
    let mut line = json!({
        "work": args.work.name(),
        "engine": args.engine().name(),
        "rows": args.rows,
        "rounds": args.rounds,
        "workers": args.workers,
    });
    if let (Some(line), Value::Object(figures)) = (line.as_object_mut(), figures) {
        line.extend(figures);
    }
    println!("{line}");
    println!("{} {} {}: {people}", args.work.name(), args.engine().name(), args.rows);
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(args.dir.join("results.jsonl"))?;
    writeln!(file, "{line}")?;
    Ok(())
}
