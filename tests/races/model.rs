//! What should become of each record of a scene, decided in plain Rust from the rows alone.

use std::collections::BTreeMap;

use crate::scene::{MASKED, Shape};

/// The committed rows of a scene at one moment: (table, id) → further columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    rows: BTreeMap<(String, i64), [Option<String>; 3]>,
    /// Orders that stand: (data set, target).
    holds: Vec<(String, String)>,
}

/// What a record is due for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// Something keeps it.
    Kept,
    /// Nothing is left to be done, or it is not there.
    Done,
    /// It is masked, and stays for good.
    Mask,
    /// It is masked, and waits.
    Empty,
    /// It goes.
    Delete,
}

impl Fate {
    pub fn is_due(self) -> bool {
        self >= Self::Mask
    }
}

fn over(date: Option<&String>) -> bool {
    date.is_some_and(|d| d.as_str() < "2023-01-01")
}

impl Snapshot {
    /// From the rows that [`Shape::snapshot`] reads.
    pub fn new(rows: Vec<Vec<Option<String>>>) -> Self {
        let mut all = Self::default();
        for row in rows {
            let [table, id, a, b, c]: [Option<String>; 5] = row.try_into().unwrap();
            let (table, id) = (table.unwrap(), id.unwrap());
            if table == "hold" {
                all.holds.push((a.unwrap(), b.unwrap()));
            } else {
                all.rows.insert((table, id.parse().unwrap()), [a, b, c]);
            }
        }
        all
    }

    /// The columns of a row after its id.
    pub fn row(&self, table: &str, id: i64) -> Option<&[Option<String>; 3]> {
        self.rows.get(&(table.to_owned(), id))
    }

    /// Every row's table and id.
    pub fn ids(&self) -> impl Iterator<Item = (&str, i64)> {
        self.rows.keys().map(|(table, id)| (table.as_str(), *id))
    }

    fn held(&self, data_set: &str, id: i64) -> bool {
        // A key of one column: the number of its bytes, then itself.
        let text = id.to_string();
        let target = format!("{}:{text}", text.len());
        self.holds.iter().any(|(d, t)| d == data_set && *t == target)
    }

    fn children(&self, shape: Shape, id: i64) -> Vec<(i64, Option<&String>)> {
        let Some(child) = shape.child() else { return Vec::new() };
        let id = id.to_string();
        self.rows
            .iter()
            .filter(|((table, _), row)| table == child && row[0].as_ref() == Some(&id))
            .map(|((_, child), row)| (*child, row[1].as_ref()))
            .collect()
    }

    /// What should become of a record if nothing happened any more.
    pub fn fate(&self, shape: Shape, table: &str, id: i64) -> Fate {
        let Some([first, second, third]) = self.row(table, id) else { return Fate::Done };
        if shape.child() == Some(table) {
            return self.fate_of_child(shape, table, id, first.as_deref(), second.as_ref());
        }
        let masked = first.as_deref() == Some(MASKED);
        let own = over(second.as_ref()) && !self.held(table, id);
        let children = self.children(shape, id);
        let all_over = children.iter().all(|(_, date)| over(*date));
        let open = third.as_deref() != Some("0");
        match shape {
            Shape::OwnDelete if own && !open => Fate::Delete,
            Shape::OwnMask if masked => Fate::Done,
            Shape::OwnMask if own && !open => Fate::Mask,
            Shape::LatestOf | Shape::Unguarded | Shape::Condition if masked => Fate::Done,
            Shape::LatestOf | Shape::Unguarded if own && all_over => Fate::Mask,
            Shape::Condition if own && children.iter().all(|(_, open)| open.is_some_and(|o| o == "0")) => Fate::Mask,
            Shape::Followers if own => Fate::Delete,
            // A hold on a child keeps what its purpose needs of the root, too.
            Shape::Needed
                if !all_over || children.iter().any(|(child, _)| self.held(shape.child().unwrap_or_default(), *child)) =>
            {
                Fate::Kept
            }
            Shape::Referenced | Shape::Needed if own => {
                let goes = |(child, _): &(i64, Option<&String>)| {
                    self.fate(shape, shape.child().unwrap_or_default(), *child) == Fate::Delete
                };
                match (children.iter().all(goes), masked) {
                    (true, _) => Fate::Delete,
                    (false, true) => Fate::Done,
                    (false, false) => Fate::Empty,
                }
            }
            _ => Fate::Kept,
        }
    }

    fn fate_of_child(&self, shape: Shape, table: &str, id: i64, parent: Option<&str>, value: Option<&String>) -> Fate {
        match shape {
            // It follows: with its parent, or not at all.
            Shape::Followers => match parent.map(|p| self.fate(shape, shape.root(), p.parse().unwrap())) {
                Some(Fate::Delete) => Fate::Delete,
                _ => Fate::Kept,
            },
            Shape::Referenced | Shape::Needed if over(value) && !self.held(table, id) => Fate::Delete,
            _ => Fate::Kept,
        }
    }

    /// Every record that is due.
    pub fn due(&self, shape: Shape) -> Vec<(String, i64, Fate)> {
        let fates = self.ids().map(|(table, id)| (table.to_owned(), id, self.fate(shape, table, id)));
        fates.filter(|(_, _, fate)| fate.is_due()).collect()
    }
}
