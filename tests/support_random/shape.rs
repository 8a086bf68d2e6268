//! The shape of a random source: which data sets there are, how they hang together, and their columns, the same in every one.

use super::chance::Chance;
use super::tangle::Tangle;

/// What a column holds, on every engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Integer,
    Text,
    Bool,
    /// A date; TEXT `YYYY-MM-DD` on SQLite.
    Date,
    /// A local date-time; TEXT `YYYY-MM-DD HH:MM:SS` on SQLite.
    DateTime,
    /// An instant; whole seconds since 1970 on SQLite.
    Instant,
    Json,
}

/// A column of every table.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    pub name: &'static str,
    pub kind: Kind,
}

const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind }
}

/// Columns of every table, after its key and its reference to a parent.
pub const COLUMNS: [Column; 20] = [
    column("tenant", Kind::Integer),
    column("kind", Kind::Text),
    column("flag", Kind::Bool),
    column("amount", Kind::Integer),
    column("c1", Kind::Date),
    column("c2", Kind::Date),
    column("d1", Kind::Date),
    column("d2", Kind::Date),
    column("t1", Kind::DateTime),
    column("i1", Kind::Instant),
    column("x1", Kind::Text),
    column("e1", Kind::Integer),
    column("form", Kind::Integer),
    column("name", Kind::Text),
    column("email", Kind::Text),
    column("phone", Kind::Text),
    column("born", Kind::Date),
    column("score", Kind::Integer),
    column("doc", Kind::Json),
    column("cvc", Kind::Text),
];

/// Columns that date events, each with the format of its texts and numbers.
pub const DATED: [(&str, &str); 6] = [
    ("d1", "iso_date"),
    ("d2", "iso_date"),
    ("t1", "iso_datetime"),
    ("i1", "epoch_seconds"),
    ("x1", "TEXT"),
    ("e1", "epoch_seconds"),
];

/// How a table hangs on another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hangs {
    Belongs,
    Follows,
    /// It is no data set.
    Outside,
}

/// One table.
#[derive(Debug, Clone)]
pub struct Shape {
    pub name: &'static str,
    pub parent: Option<(usize, Hangs)>,
    pub foreign_key: bool,
    /// The outside table's rows go with its parent's.
    pub cascade: bool,
    pub composite: bool,
    pub anonymise: bool,
    pub never_stored: bool,
    pub tenant: bool,
    /// The format of the texts in `x1`.
    pub text_format: &'static str,
    pub tangle: Tangle,
}

impl Shape {
    pub fn is_root(&self) -> bool {
        !matches!(self.parent, Some((_, Hangs::Follows | Hangs::Outside)))
    }

    pub fn is_data_set(&self) -> bool {
        !matches!(self.parent, Some((_, Hangs::Outside)))
    }

    pub fn key(&self) -> Vec<&'static str> {
        if self.composite { vec!["id", "code"] } else { vec!["id"] }
    }
}

/// Two to five tables: persons, files and claims that belong or follow, and a log outside the map.
pub fn shapes(c: &mut Chance) -> Vec<Shape> {
    let mut all: Vec<Shape> = Vec::new();
    let names = ["person", "file", "claim", "note"];
    let count = usize::try_from(c.between(2, 4)).unwrap();
    let text_format = *c.pick(&["iso_date", "compact_date", "iso_instant"]);
    for (i, name) in names.into_iter().take(count).enumerate() {
        let parent = (i > 0).then(|| {
            let above = usize::try_from(c.between(0, i64::try_from(i).unwrap() - 1)).unwrap();
            (above, if c.percent(50) { Hangs::Belongs } else { Hangs::Follows })
        });
        all.push(Shape {
            name,
            parent,
            foreign_key: c.percent(70),
            cascade: false,
            composite: c.percent(25),
            anonymise: c.percent(40),
            never_stored: c.percent(30),
            tenant: c.percent(40),
            text_format,
            tangle: Tangle::default(),
        });
    }
    if c.percent(50) {
        let above = usize::try_from(c.between(0, i64::try_from(count).unwrap() - 1)).unwrap();
        let foreign_key = c.percent(50);
        all.push(Shape {
            name: "log",
            parent: Some((above, Hangs::Outside)),
            foreign_key,
            cascade: foreign_key && c.percent(30),
            composite: false,
            anonymise: false,
            never_stored: false,
            tenant: false,
            text_format,
            tangle: Tangle::default(),
        });
    }
    all
}

/// The root of a table's record.
pub fn root_of(shapes: &[Shape], mut at: usize) -> usize {
    while let Some((above, Hangs::Follows)) = shapes[at].parent {
        at = above;
    }
    at
}
