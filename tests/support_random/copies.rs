//! Purposes that keep by a copy in a second source: some records have theirs, some several, and some only what looks like it.

use chrono::{Datelike as _, Days, NaiveDate};
use retentiond::plan::schema::Engine;
use retentiond::reference::{Table, TableId, Value, World};

use super::Case;
use super::chance::Chance;
use super::declare::title;
use super::elsewhere::Second;
use super::shape::Kind;
use super::sql::{literal, quote, sql_type};
use super::windows::blocks;

/// A data set of the second source that holds copies of a random one's records.
pub struct Copied {
    /// Its id and table.
    pub name: String,
    /// The data set whose records they are copies of, by its place.
    of: usize,
    /// By which of its columns copies are found: its name here, what it holds, the column of the record.
    columns: Vec<(&'static str, Kind, &'static str)>,
    /// Rows, values in the order of the columns.
    rows: Vec<Vec<Value>>,
    /// Whether texts are equal there in capitals, too.
    folds: bool,
}

/// Columns of a record by which its copy may be found, with what may hold them there. What is not there is passed over.
const BY: [(&str, &str, &[Kind]); 6] = [
    ("nr", "id", &[Kind::Integer, Kind::Integer, Kind::Text]),
    ("part", "code", &[Kind::Text]),
    ("sort", "kind", &[Kind::Text]),
    ("sum", "amount", &[Kind::Integer, Kind::Text]),
    ("day", "d1", &[Kind::Date]),
    ("dated", "x1", &[Kind::Text, Kind::Integer]),
];

impl Case {
    /// The case of a seed with purposes that keep by a copy in a second source. In some of them purposes there keep fields here, too.
    pub fn copied(seed: u64) -> Self {
        let mut case = match seed % 3 {
            0 => Self::kept_elsewhere(seed),
            1 => Self::archiving(seed),
            _ => Self::tangled(seed),
        };
        let mut c = Chance::new(seed.wrapping_mul(41).wrapping_add(13));
        let mut second = case.second.take().unwrap_or_else(|| {
            let mut second = Second::bare();
            second.policy.push_str(&kept("p0", "other.paper"));
            second
        });
        let covered = |at: &usize| case.policy.contains(&format!("data = \"db.{}\"\n", case.shapes[*at].name));
        let roots: Vec<usize> = (0..case.shapes.len()).filter(covered).collect();
        for at in c.some(&roots, 60) {
            case.need_all(at);
            for n in 0..c.between(1, 2) {
                let copied = case.draw(&mut c, at, n);
                second.map.push_str(&copied.declared());
                second.policy.push_str(&kept(&copied.name, &format!("other.{}", copied.name)));
                case.declare_copy(&mut c, &copied, n);
                second.copies.push(copied);
            }
        }
        let mut world = World::default();
        world.tables.extend(second.copies.iter().map(Copied::table));
        second.rows = vec![("other".to_owned(), world)];
        case.second = Some(second);
        case
    }

    fn draw(&self, c: &mut Chance, of: usize, n: i64) -> Copied {
        let own = self.columns(of);
        let there: Vec<_> = BY.into_iter().filter(|(_, column, _)| own.iter().any(|o| o.0 == *column)).collect();
        let chosen = c.some(&there, 35);
        let columns = chosen.into_iter().map(|(theirs, column, kinds)| (theirs, *c.pick(kinds), column)).collect();
        let name = format!("{}_{n}", self.shapes[of].name);
        let mut copied = Copied { name, of, columns, rows: Vec::new(), folds: c.percent(50) };
        let exact = self.copies_of(&copied);
        for row in &exact {
            let times = *c.pick(&[0, 0, 1, 1, 1, 1, 1, 2]);
            copied.rows.extend(std::iter::repeat_n(row.clone(), times));
            if c.percent(60) {
                let mut like = row.clone();
                let at = usize::try_from(c.between(0, i64::try_from(like.len()).unwrap() - 1)).unwrap();
                like[at] = if c.percent(30) { c.pick(&exact)[at].clone() } else { alike(c, &like[at]) };
                // The database may take it for the copy, and meet it first.
                let last = i64::try_from(copied.rows.len()).unwrap();
                copied.rows.insert(usize::try_from(c.between(0, last)).unwrap(), like);
            }
        }
        copied
    }

    /// The exact copy of each row.
    fn copies_of(&self, copied: &Copied) -> Vec<Vec<Value>> {
        let own: Vec<&str> = self.columns(copied.of).iter().map(|o| o.0).collect();
        let copy = |row: &Vec<Value>| {
            let value = |(_, kind, column): &(_, Kind, &str)| held(*kind, &row[own.iter().position(|o| o == column).unwrap()]);
            copied.columns.iter().map(value).collect()
        };
        self.rows[copied.of].iter().map(copy).collect()
    }

    /// The same case once every record has the copies that it can have.
    pub fn with_every_copy(mut self) -> Self {
        let Some(mut second) = self.second.take() else { return self };
        for copied in &mut second.copies {
            copied.rows.extend(self.copies_of(copied));
        }
        let mut world = World::default();
        world.tables.extend(second.copies.iter().map(Copied::table));
        second.rows = vec![("other".to_owned(), world)];
        self.second = Some(second);
        self
    }

    /// What waits for a copy is everything, and something of the active base must end for it: its first purpose needs everything, too.
    fn need_all(&mut self, at: usize) {
        let of = format!("data = \"db.{}\"", self.shapes[at].name);
        let mut changed = false;
        let block = |block: String| {
            if changed || !block.lines().any(|l| l == of) || block.contains("kept_in") {
                return block;
            }
            changed = true;
            let line = |l: &str| if l.starts_with("needs = ") { "needs = \"all\"\n".to_owned() } else { format!("{l}\n") };
            block.lines().map(line).collect()
        };
        self.policy = blocks(&self.policy).into_iter().map(block).collect();
    }

    fn declare_copy(&mut self, c: &mut Chance, copied: &Copied, n: i64) {
        let (data, name) = (self.shapes[copied.of].name, &copied.name);
        let by: Vec<String> = copied.columns.iter().map(|(theirs, _, own)| format!("{theirs} = \"{own}\"")).collect();
        // Behind everything else that the map says of the data set.
        self.map
            .push_str(&format!("[data.{data}.copies.copy_{n}]\nin = \"other.{name}\"\nmatched_by = {{ {} }}\n", by.join(", ")));
        let id = format!("{data}-copied-{n}");
        let basis = *c.pick(&["contract", "legal_obligation", "legitimate_interest"]);
        self.policy.push_str(&format!(
            "[[purpose]]\nid = \"{id}\"\n{}\nlegal_basis = \"{basis}\"\ndata = \"db.{data}\"\nneeds = \"all\"\nkept_in = \"copy:copy_{n}\"\n",
            title(&id)
        ));
        if c.percent(30) {
            // Each data set has this condition.
            self.policy.push_str(c.pick::<&str>(&["when = \"is_0\"\n", "when = { not = \"is_0\" }\n"]));
        }
        if c.percent(20) {
            self.policy.push_str(c.pick::<&str>(&["ended_by = []\n", "ended_by = [\"erasure\"]\n"]));
        }
    }
}

/// A purpose that keeps all of a data set until somebody says otherwise.
fn kept(id: &str, data: &str) -> String {
    let title = title(id);
    format!(
        "[[purpose]]\nid = \"{id}\"\n{title}\nlegal_basis = \"legal_obligation\"\ndata = \"{data}\"\nneeds = \"all\"\nended_by = [\"instruction\"]\n"
    )
}

/// A value as a column of this kind holds it; NULL where it cannot.
fn held(kind: Kind, value: &Value) -> Value {
    match (kind, value) {
        (Kind::Text, Value::Integer(n)) => Value::Text(n.to_string()),
        (Kind::Integer, Value::Text(text)) => text.parse().map_or(Value::Null, Value::Integer),
        _ => value.clone(),
    }
}

/// What looks like a value, and is another or none.
fn alike(c: &mut Chance, value: &Value) -> Value {
    match (value, c.between(1, 4)) {
        (_, 1) => Value::Null,
        (Value::Integer(n), _) => Value::Integer(n + 1),
        (Value::Date(day), _) => Value::Date(beside(*day)),
        (Value::Text(text), 2) => Value::Text(text.to_uppercase()),
        (Value::Text(text), 3) => Value::Text(format!("{text} ")),
        (Value::Text(text), _) => Value::Text(format!("0{text}")),
        (other, _) => other.clone(),
    }
}

/// The day after, or the day before where databases have none after it.
fn beside(day: NaiveDate) -> NaiveDate {
    let (one, last) = (Days::new(1), day.year() == 9_999);
    if last { day.checked_sub_days(one) } else { day.checked_add_days(one) }.unwrap()
}

impl Copied {
    fn declared(&self) -> String {
        let name = &self.name;
        format!(
            "[data.{name}]\n{}\ntable = \"{name}\"\nkey = [\"n\"]\ndisposition = \"delete\"\n\
             [data.{name}.categories]\ntext = {{ columns = [\"body\"], mask = {{ fixed = \"\" }} }}\n",
            title(name)
        )
    }

    fn table(&self) -> Table {
        let mut table = Table::new(TableId::DataSet(self.name.clone()), self.columns.iter().map(|(theirs, ..)| *theirs));
        self.rows.iter().for_each(|row| table.push(row.clone()));
        table
    }

    /// Its table and rows.
    pub fn load(&self, engine: Engine) -> String {
        let column = |(theirs, kind, _): &(&str, Kind, _)| {
            let folds = self.folds && engine == Engine::Sqlite && *kind == Kind::Text;
            format!(", {} {}{}", quote(theirs, engine), sql_type(*kind, engine), if folds { " COLLATE NOCASE" } else { "" })
        };
        let table = quote(&self.name, engine);
        let columns: String = self.columns.iter().map(column).collect();
        let tail = if engine.is_mysql_family() { " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4" } else { "" };
        let create = format!("CREATE TABLE {table} (n INTEGER PRIMARY KEY, body VARCHAR(5) NOT NULL{columns}){tail};\n");
        create + &self.inserts(engine)
    }

    fn inserts(&self, engine: Engine) -> String {
        let insert = |(n, row): (usize, &Vec<Value>)| {
            let values = row.iter().zip(&self.columns).map(|(v, (_, kind, _))| format!(", {}", literal(v, *kind, engine)));
            format!("INSERT INTO {} VALUES ({n}, 'x'{});\n", quote(&self.name, engine), values.collect::<String>())
        };
        self.rows.iter().enumerate().map(insert).collect()
    }

    /// The same rows in the place of those that are there.
    pub fn refill(&self, engine: Engine) -> String {
        format!("DELETE FROM {};\n{}", quote(&self.name, engine), self.inserts(engine))
    }
}
