//! The values of what ties tangled rows together.

use retentiond::reference::Value;

use super::chance::Chance;
use super::shape::{COLUMNS, Shape};
use super::tangle::{Join, Link};

/// Rows of every table.
type Rows = Vec<Vec<Vec<Value>>>;

/// Fills the columns that only tangled tables have, and empties one of several that refer to a parent in some rows. Many rows get days long past:
/// only what is due can go together.
pub fn fill(t: &mut Chance, shapes: &[Shape], rows: &mut Rows) {
    for at in 0..shapes.len() {
        for row in 0..rows[at].len() {
            if t.percent(45) {
                long_past(&shapes[at], &mut rows[at][row], first_column(shapes, at));
            }
            let parent = parent_of(shapes, rows, at, row);
            let group = match &parent {
                Some((above, row)) if t.percent(60) => value(shapes, rows, *above, *row, "grp"),
                _ if t.percent(12) => Value::Null,
                _ => Value::Integer(t.between(1, 3).into()),
            };
            rows[at][row].push(group);
            if shapes[at].tangle.join != Join::Key {
                let theirs = parent.map_or(Value::Null, |(above, row)| value(shapes, rows, above, row, "grp"));
                let own = match shapes[at].tangle.join {
                    Join::Group if t.percent(30) => Value::Integer(t.between(1, 3).into()),
                    Join::KeyBesideGroup | Join::KeyAndGroup if t.percent(25) => Value::Null,
                    _ => theirs,
                };
                rows[at][row].push(own);
            }
            for n in 0..shapes[at].tangle.links.len() {
                let cells = refer(t, shapes, rows, at, row, &shapes[at].tangle.links[n]);
                rows[at][row].extend(cells);
            }
        }
        half_empty(t, shapes, rows, at);
    }
}

/// The cells of a link: those of a row of its table, all NULL, or one of several NULL.
fn refer(t: &mut Chance, shapes: &[Shape], rows: &Rows, at: usize, row: usize, link: &Link) -> Vec<Value> {
    let nothing = vec![Value::Null; link.pairs.len()];
    let parent = parent_of(shapes, rows, at, row);
    let to = if link.to != at {
        let own = parent.filter(|(above, _)| *above == link.to && t.percent(40));
        let any = (!rows[link.to].is_empty()).then(|| index(t, rows[link.to].len()));
        own.map(|(_, row)| row).or(any)
    } else if t.percent(3) {
        // Not the row itself: InnoDB deletes no row that refers to itself.
        None
    } else {
        // A tree or chain, more often than not among rows of the same parent.
        let beside: Vec<usize> =
            (0..row).filter(|other| parent.is_some() && parent_of(shapes, rows, at, *other) == parent).collect();
        let earlier: Vec<usize> = if !beside.is_empty() && t.percent(70) { beside } else { (0..row).collect() };
        if t.percent(50) { earlier.last().copied() } else { (!earlier.is_empty()).then(|| *t.pick(&earlier)) }
    };
    let Some(to) = to.filter(|_| !t.percent(25)) else { return nothing };
    let mut cells: Vec<Value> = link.pairs.iter().map(|(_, there)| value(shapes, rows, link.to, to, there)).collect();
    if cells.len() > 1 && t.percent(25) {
        let empty = index(t, cells.len());
        cells[empty] = Value::Null;
    }
    cells
}

/// Empties one of two columns that refer to a parent in some rows.
fn half_empty(t: &mut Chance, shapes: &[Shape], rows: &mut Rows, at: usize) {
    let Some((above, _)) = shapes[at].parent.filter(|(above, _)| shapes[*above].composite) else { return };
    let first = shapes[at].key().len();
    for row in &mut rows[at] {
        if t.percent(12) {
            row[first + index(t, shapes[above].key().len())] = Value::Null;
        }
    }
}

fn index(t: &mut Chance, count: usize) -> usize {
    usize::try_from(t.between(0, i64::try_from(count).unwrap() - 1)).unwrap()
}

/// The row that a row's columns `parent_id` and `parent_code` name.
fn parent_of(shapes: &[Shape], rows: &Rows, at: usize, row: usize) -> Option<(usize, usize)> {
    let (above, _) = shapes[at].parent?;
    let (first, width) = (shapes[at].key().len(), shapes[above].key().len());
    let named = &rows[at][row][first..first + width];
    rows[above].iter().position(|r| r[..width] == *named).map(|row| (above, row))
}

/// Where the columns begin that every table has.
fn first_column(shapes: &[Shape], at: usize) -> usize {
    shapes[at].key().len() + shapes[at].parent.map_or(0, |(above, _)| shapes[above].key().len())
}

/// A value of a column to which links refer.
fn value(shapes: &[Shape], rows: &Rows, at: usize, row: usize, column: &str) -> Value {
    let place = match column {
        "id" => 0,
        "code" => 1,
        _ => first_column(shapes, at) + COLUMNS.len(),
    };
    rows[at][row][place].clone()
}

/// Puts every date of a row long before the boundaries of all periods.
fn long_past(shape: &Shape, row: &mut [Value], first: usize) {
    for (cell, column) in row[first..].iter_mut().zip(&COLUMNS) {
        *cell = match column.name {
            "d1" | "d2" => Value::Date("2011-05-17".parse().unwrap()),
            "t1" => Value::DateTime("2011-05-17T12:00:00".parse().unwrap()),
            "i1" => Value::Instant("2011-05-17T12:00:00Z".parse().unwrap()),
            "x1" => Value::text(match shape.text_format {
                "iso_date" => "2011-05-17",
                "iso_instant" => "2011-05-17T10:00:00Z",
                _ => "20110517",
            }),
            "e1" => Value::Integer(1_305_633_600),
            _ => continue,
        };
    }
}
