//! Plain tables: columns as wide as their widest cell, numbers to the right.

use crate::policy::reader::inert;

/// A table that grows row by row.
#[derive(Debug)]
pub struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these column heads.
    #[must_use]
    pub fn new(head: &[&str]) -> Self {
        Self { head: head.iter().map(|h| (*h).to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds a row; control and direction characters are escaped.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells.iter().map(|c| inert(c)).collect());
    }

    /// Whether it has no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The text, each line indented by two blanks.
    #[must_use]
    pub fn render(&self) -> String {
        let width = |i: usize| {
            self.rows.iter().filter_map(|r| r.get(i)).chain(self.head.get(i)).map(|c| c.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.head.len()).map(width).collect();
        let is_number = |c: &str| !c.is_empty() && c.chars().all(|ch| ch.is_ascii_digit() || ch == '\u{202f}' || ch == ',');
        let line = |cells: &[String], head: bool| {
            let mut out = String::from(" ");
            for (i, cell) in cells.iter().enumerate() {
                let pad = " ".repeat(widths[i].saturating_sub(cell.chars().count()));
                let right = !head && is_number(cell)
                    || head && self.rows.iter().all(|r| r.get(i).is_none_or(|c| is_number(c) || c == "-"));
                out.push(' ');
                out.push_str(&if right { format!("{pad}{cell} ") } else { format!("{cell}{pad} ") });
            }
            format!("{}\n", out.trim_end())
        };
        let mut out = line(&self.head, true);
        for row in &self.rows {
            out.push_str(&line(row, false));
        }
        out
    }
}
