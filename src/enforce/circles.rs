//! Records that keep each other from being deleted in a circle: found and counted.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::error::EnforceError;
use super::graph::{Graph, Group, Kept, Row, Standing};
use super::keys::keys_of;
use crate::plan::compile::Plan;
use crate::plan::dialect::Dialect;
use crate::plan::key::RecordKey;
use crate::plan::knot::{Knot, Under};
use crate::source::{Row as Answer, Session};

/// Keys in one statement.
const PAGE: usize = 500;
/// Most rows that are looked at for one page of records, or for one record.
pub(super) const MOST: usize = 10_000;
/// How many records that hang together with more end a search: each costs as much, and what goes in this run leaves fewer to the next.
const TOO_LARGE: usize = 8;

/// Records of a data set that go, or lose rows that follow them, although rows keep these.
pub(super) struct Counted {
    /// The data set.
    pub data_set: String,
    /// How many are deleted.
    pub rows: u64,
    /// Of these, how many have something left to mask.
    pub to_mask: u64,
    /// How many stay, and have nothing left to do but this.
    pub beside: u64,
}

/// Reads who keeps these rows, and who keeps those, until nobody new is found; `None` when more than `most` rows hang together.
///
/// # Errors
/// Of the database.
pub(super) async fn read(
    session: &mut Session,
    d: Dialect,
    knot: &Knot,
    rows: impl IntoIterator<Item = Row>,
    under: Under,
    most: usize,
) -> Result<Option<Graph>, EnforceError> {
    let mut graph = Graph::default();
    let mut open: BTreeMap<usize, Vec<RecordKey>> = BTreeMap::new();
    let meet = |graph: &mut Graph, open: &mut BTreeMap<usize, Vec<RecordKey>>, row: Row| {
        if !graph.knows(&row) {
            graph.insert(row.clone(), Standing::Stays);
            open.entry(row.0).or_default().push(row.1);
        }
    };
    rows.into_iter().for_each(|row| meet(&mut graph, &mut open, row));
    while let Some((place, keys)) = open.pop_first() {
        let member = &knot.members[place];
        for keys in keys.chunks(PAGE) {
            let found = session.rows(&member.may_go(d, keys, under)).await?;
            let (own, rest): (Vec<Answer>, Vec<Answer>) = found.into_iter().map(|row| halves(row, member.key.len())).unzip();
            let mut alone = Vec::new();
            let roots = rest.into_iter().map(|row| halves(row, member.root_key().len()));
            for (key, (root, with)) in keys_of(d, &member.key, &own)?.into_iter().zip(roots) {
                let with = with.first().is_some_and(|bit| bit.as_deref() == Some("1"));
                let root = if member.is_root() { None } else { keys_of(d, member.root_key(), &[root])?.pop() };
                let root = root.map(|key| (member.root, key));
                if let Some(root) = root.clone().filter(|_| with) {
                    meet(&mut graph, &mut open, root.clone());
                    graph.insert((place, key), Standing::With(root));
                    continue;
                }
                graph.insert((place, key.clone()), Standing::Unless(Vec::new()));
                if let Some(root) = root {
                    graph.follows((place, key.clone()), root);
                }
                alone.push(key);
            }
            for way in member.ways.iter().filter(|_| !alone.is_empty()) {
                let keeper = &knot.members[way.to];
                let found = session.rows(&member.who_keeps(d, way, keeper, &alone, under)).await?;
                let (kept, by): (Vec<Answer>, Vec<Answer>) = found.into_iter().map(|row| halves(row, member.key.len())).unzip();
                for (kept, by) in keys_of(d, &member.key, &kept)?.into_iter().zip(keys_of(d, &keeper.key, &by)?) {
                    let by = (way.to, by);
                    meet(&mut graph, &mut open, by.clone());
                    graph.keep(&(place, kept), Kept { by, refers: way.refers });
                }
            }
            if graph.len() > most {
                return Ok(None);
            }
        }
    }
    Ok(Some(graph))
}

/// The first columns of a row, and the others.
pub(super) fn halves(mut row: Answer, at: usize) -> (Answer, Answer) {
    let rest = row.split_off(at.min(row.len()));
    (row, rest)
}

/// What goes together.
#[derive(Default)]
pub(super) struct Found {
    /// In groups.
    pub groups: Vec<Group>,
    /// Records that hang together with too many.
    pub too_large: Vec<Row>,
}

/// Groups of these rows and of whatever they hang together with.
async fn groups(session: &mut Session, d: Dialect, knot: &Knot, rows: Vec<Row>) -> Result<Found, EnforceError> {
    let mut found = Found::default();
    let mut pieces = vec![rows];
    let mut placed: HashSet<Row> = HashSet::new();
    while let Some(piece) = pieces.pop().filter(|_| found.too_large.len() < TOO_LARGE) {
        match read(session, d, knot, piece.clone(), Under::Nothing, MOST).await? {
            Some(graph) => {
                // One alone goes by itself.
                for group in graph.groups().into_iter().filter(|g| g.rows().nth(1).is_some()) {
                    if group.rows().all(|row| placed.insert(row.clone())) {
                        found.groups.push(group);
                    }
                }
            }
            None if piece.len() > 1 => {
                let (first, second) = piece.split_at(piece.len() / 2);
                pieces.extend([second.to_vec(), first.to_vec()]);
            }
            None => found.too_large.extend(piece),
        }
    }
    Ok(found)
}

/// Goes through the rows that only others of the same knot keep, page by page: first records, then what follows those that stay.
struct Search<'s> {
    knot: &'s Knot,
    d: Dialect,
    /// Only those of which it is not foreseen that they go by other means.
    waiting: bool,
    member: usize,
    after: Option<RecordKey>,
}

impl Search<'_> {
    /// The next page: rows, and for each what [`Member::find`](crate::plan::knot::Member::find) says of what is left to do. `None` at the end.
    async fn next(&mut self, session: &mut Session) -> Result<Option<Vec<(Row, bool)>>, EnforceError> {
        while let Some(member) = self.knot.members.get(self.member) {
            if !member.is_searched() {
                self.member += 1;
                continue;
            }
            let answer = session.rows(&member.find(self.d, self.after.as_ref(), PAGE as u64, self.waiting)).await?;
            if answer.is_empty() {
                self.member += 1;
                self.after = None;
                continue;
            }
            let (keys, bits): (Vec<Answer>, Vec<Answer>) = answer.into_iter().map(|row| halves(row, member.key.len())).unzip();
            let keys = keys_of(self.d, &member.key, &keys)?;
            self.after = keys.last().cloned();
            let left = bits.into_iter().map(|bit| bit.first().is_some_and(|b| b.as_deref() == Some("1")));
            return Ok(Some(keys.into_iter().map(|key| (self.member, key)).zip(left).collect()));
        }
        Ok(None)
    }
}

/// Counts the records that go although rows keep them, because those go with them: as far as no other means is foreseen. Reads only.
///
/// # Errors
/// Of the database.
pub(super) async fn count(session: &mut Session, plan: &Plan) -> Result<Vec<Counted>, EnforceError> {
    let mut all = Vec::new();
    for knot in &plan.knots {
        let mut counts: Vec<Counted> =
            knot.members.iter().map(|m| Counted { data_set: m.data_set.clone(), rows: 0, to_mask: 0, beside: 0 }).collect();
        let (mut beside, mut beside_of) = (HashSet::new(), HashMap::new());
        let mut search = Search { knot, d: plan.dialect, waiting: true, member: 0, after: None };
        let mut going: HashSet<Row> = HashSet::new();
        while let Some(page) = search.next(session).await? {
            // Nobody is looked at again: a long thread would be, for each page of it.
            let new = page.iter().map(|(row, _)| row).filter(|row| !going.contains(row)).cloned().collect();
            let found = groups(session, plan.dialect, knot, new).await?;
            going.extend(found.groups.iter().flat_map(Group::rows).cloned());
            beside_of.extend(found.groups.into_iter().flat_map(|g| g.beside));
            for (row, left) in page.iter().filter(|(row, _)| going.contains(row)) {
                match beside_of.get(row) {
                    None => {
                        counts[row.0].rows += 1;
                        counts[row.0].to_mask += u64::from(*left);
                    }
                    Some(root) if !left && beside.insert(root.clone()) => counts[root.0].beside += 1,
                    Some(_) => {}
                }
            }
        }
        all.extend(counts);
    }
    Ok(all)
}

/// What becomes of one record that others keep, with these.
#[derive(Default)]
pub(super) struct Fate {
    /// It goes.
    pub goes: bool,
    /// Rows that follow it and go although it stays, by data set.
    pub beside: BTreeMap<String, Vec<RecordKey>>,
}

/// What becomes of a record with others that it keeps and that keep it.
///
/// # Errors
/// Of the database.
pub(super) async fn fate(session: &mut Session, plan: &Plan, data_set: &str, key: &RecordKey) -> Result<Fate, EnforceError> {
    let mut fate = Fate::default();
    let d = plan.dialect;
    for knot in &plan.knots {
        let Some(place) = knot.members.iter().position(|m| m.is_root() && m.data_set == data_set) else { continue };
        let mut rows: Vec<Row> = vec![(place, key.clone())];
        for (n, member) in knot.members.iter().enumerate().filter(|(_, m)| m.root == place && !m.is_root()) {
            let answer = session.rows(&member.of_root(d, key)).await?;
            rows.extend(keys_of(d, &member.key, &answer)?.into_iter().map(|key| (n, key)));
        }
        let asked: HashSet<Row> = rows.iter().cloned().collect();
        for group in groups(session, d, knot, rows).await?.groups {
            fate.goes |= group.rows().any(|row| row.0 == place && row.1 == *key);
            for (member, key) in group.beside.into_keys().filter(|row| asked.contains(row)) {
                fate.beside.entry(knot.members[member].data_set.clone()).or_default().push(key);
            }
        }
    }
    end_of_reading(session, d).await?;
    Ok(fate)
}

/// Everything that goes together now.
///
/// # Errors
/// Of the database.
pub(super) async fn find(session: &mut Session, d: Dialect, knot: &Knot) -> Result<Found, EnforceError> {
    let mut all = Found::default();
    let mut seen: HashSet<Row> = HashSet::new();
    let mut search = Search { knot, d, waiting: false, member: 0, after: None };
    while let Some(page) = search.next(session).await?.filter(|_| all.too_large.len() < TOO_LARGE) {
        let new: Vec<Row> = page.into_iter().map(|(row, _)| row).filter(|row| !seen.contains(row)).collect();
        let found = groups(session, d, knot, new).await?;
        for group in found.groups {
            // Who hangs together with a group of an earlier page goes in the next round, when that is gone.
            if !group.rows().any(|row| seen.contains(row)) {
                seen.extend(group.rows().cloned());
                all.groups.push(group);
            }
        }
        all.too_large.extend(found.too_large);
    }
    end_of_reading(session, d).await?;
    Ok(all)
}

/// What was read opened a transaction on MariaDB and MySQL, whose isolation cannot be chosen any more.
async fn end_of_reading(session: &mut Session, d: Dialect) -> Result<(), EnforceError> {
    if d.engine.is_mysql_family() {
        session.rows("COMMIT").await?;
    }
    Ok(())
}
