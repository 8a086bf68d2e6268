//! Rows that keep each other from being deleted, and which of them go together: the largest set in which nobody is kept by anybody outside it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::plan::key::RecordKey;

/// A row: the place of its data set among the members of the knot, and its key.
pub type Row = (usize, RecordKey);

/// Who keeps a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The row that does.
    pub by: Row,
    /// Whether it refers to it by a foreign key, and must be deleted before it.
    pub refers: bool,
}

/// What is known of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It stays, whatever becomes of others.
    Stays,
    /// It goes with its root, if that goes.
    With(Row),
    /// It goes if all of these do.
    Unless(Vec<Kept>),
}

/// Rows, and who keeps them.
#[derive(Debug, Default)]
pub struct Graph {
    rows: HashMap<Row, Standing>,
    /// Records that stay, by the rows that follow them and go by themselves.
    beside: HashMap<Row, Row>,
}

/// Rows that go together, with what follows them, or not at all: in the order in which foreign keys let them be deleted, as far as there is one. Those
/// of one step may be deleted at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The steps.
    pub steps: Vec<Vec<Row>>,
    /// The records that stay, by those of the rows that follow them.
    pub beside: BTreeMap<Row, Row>,
}

impl Group {
    /// Its rows.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.steps.iter().flatten()
    }

    /// The keys of the rows of one member.
    pub fn keys(&self, member: usize) -> impl Iterator<Item = &RecordKey> {
        of(member, self.rows())
    }

    /// The keys of the records of one member that stay, of which rows go.
    pub fn keys_beside(&self, member: usize) -> BTreeSet<&RecordKey> {
        of(member, self.beside.values()).collect()
    }
}

fn of<'g>(member: usize, rows: impl Iterator<Item = &'g Row>) -> impl Iterator<Item = &'g RecordKey> {
    rows.filter(move |r| r.0 == member).map(|r| &r.1)
}

/// What is deleted first of all groups, what next, and so on.
pub fn steps(groups: &[Group]) -> impl Iterator<Item = impl Iterator<Item = &Row>> {
    let most = groups.iter().map(|g| g.steps.len()).max().unwrap_or(0);
    (0..most).map(move |n| groups.iter().filter_map(move |g| g.steps.get(n)).flatten())
}

impl Graph {
    /// Says what is known of a row.
    pub fn insert(&mut self, row: Row, standing: Standing) {
        self.rows.insert(row, standing);
    }

    /// Says which record, that stays, a row follows.
    pub fn follows(&mut self, row: Row, root: Row) {
        self.beside.insert(row, root);
    }

    /// Whether anything is known of a row.
    #[must_use]
    pub fn knows(&self, row: &Row) -> bool {
        self.rows.contains_key(row)
    }

    /// Adds who keeps a row that may go.
    pub fn keep(&mut self, row: &Row, kept: Kept) {
        if let Some(Standing::Unless(all)) = self.rows.get_mut(row) {
            all.push(kept);
        }
    }

    /// How many rows it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// The row whose going decides about this one.
    fn decides<'g>(&'g self, row: &'g Row) -> Option<&'g Row> {
        match self.rows.get(row)? {
            Standing::Stays => None,
            Standing::With(root) => matches!(self.rows.get(root)?, Standing::Unless(_)).then_some(root),
            Standing::Unless(_) => Some(row),
        }
    }

    /// The rows that go, in groups.
    #[must_use]
    pub fn groups(&self) -> Vec<Group> {
        let going = self.going();
        let mut near: HashMap<&Row, Vec<&Row>> = HashMap::new();
        for row in &going {
            for by in self.kept_by(row).filter_map(|k| self.decides(&k.by)) {
                near.entry(row).or_default().push(by);
                near.entry(by).or_default().push(row);
            }
        }
        let mut order: Vec<&Row> = going.iter().copied().collect();
        order.sort_unstable();
        let (mut placed, mut all) = (HashSet::new(), Vec::new());
        for first in order {
            let (mut group, mut open) = (Vec::new(), vec![first]);
            while let Some(row) = open.pop() {
                if placed.insert(row) {
                    group.push(row);
                    open.extend(near.get(row).into_iter().flatten());
                }
            }
            if !group.is_empty() {
                all.push(self.in_steps(group));
            }
        }
        all
    }

    fn kept_by(&self, row: &Row) -> impl Iterator<Item = &Kept> {
        match self.rows.get(row) {
            Some(Standing::Unless(all)) => all.iter(),
            _ => [].iter(),
        }
    }

    fn going(&self) -> HashSet<&Row> {
        let may = |standing: &Standing| matches!(standing, Standing::Unless(_));
        let mut going: HashSet<&Row> = self.rows.iter().filter(|(_, s)| may(s)).map(|(row, _)| row).collect();
        let mut keeps: HashMap<&Row, Vec<&Row>> = HashMap::new();
        let mut stay: Vec<&Row> = Vec::new();
        for row in &going {
            for kept in self.kept_by(row) {
                match self.decides(&kept.by) {
                    Some(by) => keeps.entry(by).or_default().push(row),
                    None => stay.push(row),
                }
            }
        }
        while let Some(row) = stay.pop() {
            if going.remove(row) {
                stay.extend(keeps.get(row).into_iter().flatten());
            }
        }
        going
    }

    /// Who refers to others before them; those that refer to each other in a circle at once, and last.
    fn in_steps(&self, mut group: Vec<&Row>) -> Group {
        group.sort_unstable();
        let beside = group.iter().filter_map(|row| Some(((*row).clone(), self.beside.get(row)?.clone()))).collect();
        let mut waits: BTreeMap<&Row, HashSet<&Row>> = group.iter().map(|row| (*row, HashSet::new())).collect();
        for row in &group {
            let by = self.kept_by(row).filter(|k| k.refers).filter_map(|k| self.decides(&k.by)).filter(|by| by != row);
            if let Some(all) = waits.get_mut(row) {
                all.extend(by);
            }
        }
        let mut steps = Vec::new();
        while !waits.is_empty() {
            let free: Vec<&Row> =
                waits.iter().filter(|(_, by)| !by.iter().any(|b| waits.contains_key(b))).map(|(row, _)| *row).collect();
            let step = if free.is_empty() { waits.keys().copied().collect() } else { free };
            step.iter().for_each(|row| {
                waits.remove(row);
            });
            steps.push(step.into_iter().cloned().collect());
        }
        Group { steps, beside }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::key::{KeyKind, KeyPart};

    fn row(n: usize) -> Row {
        (0, RecordKey(vec![KeyPart { kind: KeyKind::Integer, text: n.to_string() }]))
    }

    /// Rows of which each is kept by some, those below zero by reading.
    fn graph(rows: &[(usize, &[i32])]) -> Graph {
        let mut graph = Graph::default();
        for (n, by) in rows {
            let kept = |by: &i32| Kept { by: row(by.unsigned_abs() as usize), refers: *by > 0 };
            graph.insert(row(*n), Standing::Unless(by.iter().map(kept).collect()));
        }
        graph
    }

    fn numbers(groups: &[Group]) -> Vec<Vec<Vec<usize>>> {
        let number = |row: &Row| row.1.number().and_then(|n| usize::try_from(n).ok()).unwrap_or_default();
        groups.iter().map(|g| g.steps.iter().map(|s| s.iter().map(number).collect()).collect()).collect()
    }

    #[test]
    fn a_circle_goes_together_and_who_refers_goes_first() {
        let graph = graph(&[(1, &[2]), (2, &[3]), (3, &[-1]), (4, &[])]);
        assert_eq!(numbers(&graph.groups()), [vec![vec![3], vec![2], vec![1]], vec![vec![4]]]);
    }

    #[test]
    fn nobody_goes_of_a_circle_that_somebody_outside_keeps() {
        let mut graph = graph(&[(1, &[2]), (2, &[-1, 7]), (3, &[2]), (4, &[4])]);
        graph.insert(row(7), Standing::Stays);
        assert_eq!(numbers(&graph.groups()), [vec![vec![4]]], "3 is kept by who stays; 4 only by itself");
    }

    #[test]
    fn a_row_of_which_nothing_is_known_stays() {
        assert!(graph(&[(1, &[2]), (2, &[-9])]).groups().is_empty());
    }

    #[test]
    fn who_follows_a_root_goes_as_that_does() {
        let mut graph = graph(&[(1, &[5]), (2, &[-1])]);
        graph.insert(row(5), Standing::With(row(2)));
        assert_eq!(numbers(&graph.groups()), [vec![vec![2], vec![1]]]);
        graph.insert(row(2), Standing::Stays);
        assert!(graph.groups().is_empty());
    }

    #[test]
    fn those_that_refer_to_each_other_are_deleted_at_once() {
        let graph = graph(&[(1, &[2]), (2, &[1]), (3, &[2]), (2, &[1])]);
        assert_eq!(numbers(&graph.groups()), [vec![vec![1, 2, 3]]]);
    }
}
