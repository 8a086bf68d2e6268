//! What ties tables together beside their parents: further foreign keys, references to their own rows, joins by part of a key or by a group, and
//! relations that read along any of these, also in circles.

use super::chance::Chance;
use super::shape::{Hangs, Kind, Shape};

/// Columns of a table, each with the one of another table that it equals.
pub type Pairs = Vec<(&'static str, &'static str)>;

/// A reference to rows of another table, or of the same.
#[derive(Debug, Clone)]
pub struct Link {
    /// The table referred to.
    pub to: usize,
    pub pairs: Pairs,
    pub foreign_key: bool,
    /// Whether its rows go with those that they refer to.
    pub cascade: bool,
}

/// How the map joins a table with its parent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Join {
    /// By the parent's key, and so does the foreign key.
    #[default]
    Key,
    /// By a column that several parents may share; the foreign key, if any, is over the key.
    Group,
    /// By the parent's key, while the foreign key is over the group too.
    KeyBesideGroup,
    /// By the parent's key and the group, and so does the foreign key.
    KeyAndGroup,
}

/// What a tangled table has beside the others; nothing by default.
#[derive(Debug, Clone, Default)]
pub struct Tangle {
    /// It has a column `grp`, which many rows share.
    pub grouped: bool,
    /// The first column of its key stands in two rows each.
    pub paired: bool,
    pub join: Join,
    pub links: Vec<Link>,
    /// What its events and conditions may read: a table, with the columns that join it: (there, here).
    pub reads: Vec<(usize, Pairs)>,
}

/// The columns of up to three links, over `id`, `code` and `grp`.
const LINKS: [[&str; 3]; 3] = [["a_id", "a_code", "a_grp"], ["b_id", "b_code", "b_grp"], ["up_id", "up_code", "up_grp"]];
const PARENT: [&str; 3] = ["parent_id", "parent_code", "parent_grp"];
/// The place in [`LINKS`] of a table's link to itself.
const UP: usize = 2;

fn named(names: [&'static str; 3], there: &str) -> &'static str {
    match there {
        "id" => names[0],
        "code" => names[1],
        _ => names[2],
    }
}

fn pairs(names: [&'static str; 3], there: &[&'static str]) -> Pairs {
    there.iter().map(|t| (named(names, t), *t)).collect()
}

impl Shape {
    /// The columns by which the map joins it with its parent.
    pub fn join(&self, shapes: &[Shape]) -> Pairs {
        let Some((above, _)) = self.parent else { return Vec::new() };
        let key = shapes[above].key();
        match self.tangle.join {
            Join::Key | Join::KeyBesideGroup => pairs(PARENT, &key),
            Join::Group => pairs(PARENT, &["grp"]),
            Join::KeyAndGroup => pairs(PARENT, &[key.as_slice(), &["grp"]].concat()),
        }
    }

    /// All its foreign keys.
    pub fn foreign_keys(&self, shapes: &[Shape]) -> Vec<Link> {
        let parent = self.parent.filter(|_| self.foreign_key).map(|(above, _)| {
            let mut key = shapes[above].key();
            if matches!(self.tangle.join, Join::KeyBesideGroup | Join::KeyAndGroup) {
                key.push("grp");
            }
            Link { to: above, pairs: pairs(PARENT, &key), foreign_key: true, cascade: self.cascade }
        });
        parent.into_iter().chain(self.tangle.links.iter().filter(|l| l.foreign_key).cloned()).collect()
    }

    /// The columns that only tangled tables have, after all others.
    pub fn tangled_columns(&self) -> Vec<(&'static str, Kind, bool)> {
        let group = self.tangle.grouped.then_some("grp");
        let parents = (self.tangle.join != Join::Key).then_some("parent_grp");
        let links = self.tangle.links.iter().flat_map(|l| l.pairs.iter().map(|p| p.0));
        let kind = |name: &str| if name.ends_with("code") { Kind::Text } else { Kind::Integer };
        group.into_iter().chain(parents).chain(links).map(|name| (name, kind(name), true)).collect()
    }
}

/// Whether a foreign key refers to the key and the group of this table, which must then be unique together.
pub fn unique_with_group(shapes: &[Shape], at: usize) -> bool {
    let over_group = |l: &Link| l.to == at && l.pairs.iter().any(|p| p.1 == "grp");
    shapes.iter().any(|s| s.foreign_keys(shapes).iter().any(over_group))
}

/// Tangles the tables.
pub fn tangle(t: &mut Chance, shapes: &mut [Shape]) {
    for at in 0..shapes.len() {
        let paired = shapes[at].composite && t.percent(50);
        let join = match shapes[at].parent {
            Some((_, Hangs::Belongs)) => *t.pick(&[Join::Key, Join::Key, Join::Group, Join::KeyBesideGroup, Join::KeyAndGroup]),
            Some((_, Hangs::Follows)) => *t.pick(&[Join::Key, Join::Key, Join::Key, Join::KeyBesideGroup, Join::KeyAndGroup]),
            _ => Join::Key,
        };
        let links = links(t, shapes, at);
        shapes[at].tangle = Tangle { grouped: true, paired, join, links, reads: Vec::new() };
        // More that is deleted: only what goes can go together.
        if shapes[at].anonymise && t.percent(50) {
            shapes[at].anonymise = false;
        }
    }
    for _ in 0..t.between(1, 4) {
        relate(t, shapes);
    }
}

fn links(t: &mut Chance, shapes: &[Shape], at: usize) -> Vec<Link> {
    let mut all = Vec::new();
    let log = !shapes[at].is_data_set();
    let parent = shapes[at].parent.map(|p| p.0);
    let others: Vec<usize> = (0..at).filter(|other| !(log && parent == Some(*other))).collect();
    let count = if log { i64::from(t.percent(25)) } else { *t.pick(&[0, 0, 1, 1, 1, 2]) };
    for n in 0..usize::try_from(count).unwrap() {
        if !others.is_empty() {
            let to = *t.pick(&others);
            all.push(link(t, shapes, to, n));
        }
    }
    if !log && t.percent(35) {
        all.push(link(t, shapes, at, UP));
    }
    all
}

fn link(t: &mut Chance, shapes: &[Shape], to: usize, n: usize) -> Link {
    let mut key = shapes[to].key();
    if t.percent(25) {
        key.push("grp");
    }
    let foreign_key = t.percent(70);
    if !foreign_key && t.percent(25) {
        key.truncate(1);
    }
    Link { to, pairs: pairs(LINKS[n], &key), foreign_key, cascade: false }
}

/// Adds a relation between two tables, or of one with itself, that is read from one side or from both.
fn relate(t: &mut Chance, shapes: &mut [Shape]) {
    let data_sets: Vec<usize> = (0..shapes.len()).filter(|at| shapes[*at].is_data_set()).collect();
    let mut ways: Vec<(usize, usize, Pairs)> = Vec::new();
    for (at, shape) in shapes.iter().enumerate() {
        let links = shape.tangle.links.iter().map(|l| (at, l.to, l.pairs.clone()));
        ways.extend(links.clone());
        ways.extend(links);
        if let (Some((above, _)), true) = (shape.parent, shape.is_data_set()) {
            ways.push((at, above, shape.join(shapes)));
            let siblings = data_sets.iter().filter(|s| **s != at && shapes[**s].parent.map(|p| p.0) == Some(above));
            ways.extend(siblings.map(|s| (at, *s, vec![("parent_id", "parent_id")])));
        }
    }
    for _ in 0..2 {
        let (a, b) = (*t.pick(&data_sets), *t.pick(&data_sets));
        ways.push((a, b, vec![("grp", "grp")]));
    }
    let (a, b, on) = t.pick(&ways).clone();
    let turned: Pairs = on.iter().map(|(x, y)| (*y, *x)).collect();
    let (one, other) = *t.pick(&[(true, true), (true, true), (true, false), (false, true)]);
    if one {
        read(t, shapes, a, b, turned);
    }
    if other {
        read(t, shapes, b, a, on);
    }
}

/// Lets a data set with purposes of its own read another; now and then by part of the columns that join the two.
fn read(t: &mut Chance, shapes: &mut [Shape], reader: usize, of: usize, mut on: Pairs) {
    if on.len() > 1 && t.percent(35) {
        on = vec![*t.pick(&on)];
    }
    let reads = shapes[reader].tangle.reads.len();
    if shapes[reader].is_root() && reads < 3 && !shapes[reader].tangle.reads.contains(&(of, on.clone())) {
        shapes[reader].tangle.reads.push((of, on));
    }
}
