//! The shapes of action that races are played on: for each a small organisation of a root table and at most one child table, five records
//! of which four are due, and the rules that make them so.

use std::fmt::Write as _;

use retentiond::plan::schema::Engine;

use crate::enforcement::{Rules, rules};

/// A day that is due, and one that is not.
pub const DUE: &str = "2020-01-01";
pub const KEPT: &str = "2026-01-01";
/// What a masked name becomes.
pub const MASKED: &str = "ANONYME";
/// The record that the application changes; its neighbours are left alone, but that a child may be moved to 8 or from there.
pub const TARGET: i64 = 7;

/// What the predicate of an action reads, and what goes with the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Shape {
    /// Deleted by its own columns.
    OwnDelete,
    /// Anonymised by its own columns.
    OwnMask,
    /// Anonymised when its own date and those of all children are over.
    LatestOf,
    /// The same, without a foreign key.
    Unguarded,
    /// Anonymised unless a child satisfies a condition.
    Condition,
    /// Deleted with what follows it.
    Followers,
    /// Deleted, or emptied while a child of another purpose stays.
    Referenced,
    /// Kept while a child's purpose needs it; deleted with its last child.
    Needed,
}

pub const SHAPES: [Shape; 8] = [
    Shape::OwnDelete,
    Shape::OwnMask,
    Shape::LatestOf,
    Shape::Unguarded,
    Shape::Condition,
    Shape::Followers,
    Shape::Referenced,
    Shape::Needed,
];

impl Shape {
    /// Its root table, which is its data set too.
    pub fn root(self) -> &'static str {
        match self {
            Self::OwnDelete => "log",
            Self::OwnMask => "enquiry",
            Self::LatestOf => "account",
            Self::Unguarded => "reader",
            Self::Condition => "contract",
            Self::Followers => "client",
            Self::Referenced => "person",
            Self::Needed => "member",
        }
    }

    /// Its child table, which refers to the root by `<root>_id`.
    pub fn child(self) -> Option<&'static str> {
        match self {
            Self::OwnDelete | Self::OwnMask => None,
            Self::LatestOf => Some("visit"),
            Self::Unguarded => Some("opening"),
            Self::Condition => Some("dispute"),
            Self::Followers => Some("note"),
            Self::Referenced => Some("invoice"),
            Self::Needed => Some("payment"),
        }
    }

    /// The child's column that decides, or that the follower keeps its text in.
    pub fn child_column(self) -> &'static str {
        match self {
            Self::Condition => "open",
            Self::Followers => "body",
            _ => "seen",
        }
    }

    /// The actions whose steps foreign steps are put between.
    pub fn actions(self) -> Vec<String> {
        let (root, child) = (self.root(), self.child().unwrap_or_default());
        match self {
            Self::OwnDelete | Self::Followers => vec![format!("{root}.delete")],
            Self::OwnMask | Self::LatestOf | Self::Unguarded | Self::Condition => vec![format!("{root}.anonymise")],
            Self::Referenced => vec![format!("{child}.delete"), format!("{root}.delete"), format!("{root}.empty")],
            Self::Needed => vec![format!("{child}.delete"), format!("{root}.delete")],
        }
    }

    /// Whether foreign sessions can race with it without being stopped on that engine, which `check` says and the map must accept.
    pub fn accepted_race(self, engine: Engine) -> bool {
        self == Self::Unguarded && engine == Engine::Postgres
    }

    fn has_open(self) -> bool {
        matches!(self, Self::OwnDelete | Self::OwnMask)
    }

    /// Whether the child is a record of its own, with a purpose of its own.
    pub fn child_is_record(self) -> bool {
        matches!(self, Self::Referenced | Self::Needed)
    }

    pub fn schema(self, engine: Engine) -> String {
        let date = if engine == Engine::Sqlite { "TEXT" } else { "date" };
        let open = if self.has_open() { ", open integer NOT NULL" } else { "" };
        let root = self.root();
        let mut sql = format!("CREATE TABLE {root} (id integer PRIMARY KEY, name varchar(50), seen {date}{open});\n");
        if let Some(child) = self.child() {
            let key = if self == Self::Unguarded { String::new() } else { format!(" REFERENCES {root} (id)") };
            let column = match self {
                Self::Condition => "open integer NOT NULL".to_owned(),
                Self::Followers => "body varchar(50) NOT NULL".to_owned(),
                _ => format!("seen {date} NOT NULL"),
            };
            let _ = write!(
                sql,
                "CREATE TABLE {child} (id integer PRIMARY KEY, {root}_id integer NOT NULL{key}, {column});\n\
                 CREATE INDEX {child}_root ON {child} ({root}_id);\n"
            );
        }
        sql
    }

    /// Empties the tables and puts five records in: 5, 6, 7 and 9 are due and 8 is not. Each has one child with ten times its number: that of 5
    /// stays where children have purposes of their own, that of 8 would keep whatever it is moved to, the others keep nothing.
    pub fn fill(self, hold: &str) -> String {
        let (root, mut sql) = (self.root(), String::new());
        if let Some(child) = self.child() {
            let _ = writeln!(sql, "DELETE FROM {child};");
        }
        let _ = writeln!(sql, "DELETE FROM {root};\nDELETE FROM {hold};");
        for id in 5..=9 {
            let seen = if id == 8 { KEPT } else { DUE };
            let open = if self.has_open() { ", 0" } else { "" };
            let _ = writeln!(sql, "INSERT INTO {root} VALUES ({id}, 'N{id}', '{seen}'{open});");
            if let Some(child) = self.child() {
                let keeps = id == 8 || id == 5 && self == Self::Referenced;
                let value = self.child_value(keeps);
                let _ = writeln!(sql, "INSERT INTO {child} VALUES ({id}0, {id}, {value});");
            }
        }
        sql
    }

    /// So many more records that nothing is due of, each with a child, and the server's statistics renewed.
    pub fn crowd(self, engine: Engine, n: i64) -> String {
        let (root, mut sql) = (self.root(), String::new());
        let open = if self.has_open() { ", 0" } else { "" };
        let rows = |row: &dyn Fn(i64) -> String| (1_000..1_000 + n).map(row).collect::<Vec<_>>().join(", ");
        let _ = writeln!(sql, "INSERT INTO {root} VALUES {};", rows(&|id| format!("({id}, 'N', '{KEPT}'{open})")));
        let renew = if engine == Engine::MariaDb { "ANALYZE TABLE" } else { "ANALYZE" };
        if let Some(child) = self.child() {
            let value = self.child_value(true);
            let _ =
                writeln!(sql, "INSERT INTO {child} VALUES {};\n{renew} {child};", rows(&|id| format!("({id}0, {id}, {value})")));
        }
        sql + &format!("{renew} {root};")
    }

    /// What a child's deciding column holds when it keeps its parent, and when not.
    pub fn child_value(self, keeps: bool) -> String {
        match (self, keeps) {
            (Self::Condition, _) => u8::from(keeps).to_string(),
            (Self::Followers, _) => "'text'".to_owned(),
            (_, true) => format!("'{KEPT}'"),
            (_, false) => format!("'{DUE}'"),
        }
    }

    /// One statement, hence one snapshot: every row of the scene as table, id, and up to three columns; orders that stand come as table `hold`.
    pub fn snapshot(self, engine: Engine, hold: &str) -> String {
        let text = |column: &str| match engine {
            Engine::Postgres => format!("({column})::text"),
            Engine::Sqlite => format!("CAST({column} AS TEXT)"),
            _ => format!("CAST({column} AS CHAR)"),
        };
        let row = |table: &str, columns: [&str; 4]| {
            let [a, b, c, d] = columns.map(text);
            format!("SELECT '{table}', {a}, {b}, {c}, {d} FROM {table}")
        };
        let mut all = vec![row(self.root(), ["id", "name", "seen", if self.has_open() { "open" } else { "NULL" }])];
        if let Some(child) = self.child() {
            all.push(row(child, ["id", &format!("{}_id", self.root()), self.child_column(), "NULL"]));
        }
        let orders = row(hold, ["order_id", "data_set", "target", "NULL"]).replace(&format!("'{hold}'"), "'hold'");
        all.push(format!("{orders} WHERE lifted_on IS NULL"));
        all.join(" UNION ALL ")
    }

    /// Map and policy of this shape alone; with an archive for everything that goes, if asked for.
    pub fn rules(self, archived: bool) -> Rules {
        let mut policy = self.policy();
        let of_child = self.child().filter(|_| archived && self.child_is_record());
        for data in archived.then(|| self.root()).into_iter().chain(of_child) {
            policy += &format!(
                "[[purpose]]\nid = \"{data}z\"\ntitle = {{ fr = \"A\", en = \"A\" }}\nlegal_basis = \"legal_obligation\"\n\
                 data = \"crm.{data}\"\nneeds = \"all\"\nkept_in = \"archive:evidence\"\nstarts = \"seen\"\nkeeps = \"30 years\"\n"
            );
        }
        rules(&self.map(), &[&policy])
    }

    fn map(self) -> String {
        let root = self.root();
        let anonymise = matches!(self, Self::OwnMask | Self::LatestOf | Self::Unguarded | Self::Condition);
        let disposition = if anonymise { "anonymise" } else { "delete" };
        let race = if self == Self::Unguarded { "accepts_race = true\n" } else { "" };
        let mut map = format!(
            "[source]\nid = \"crm\"\ntime_zone = \"Europe/Paris\"\n\n\
             [data.{root}]\ntitle = {{ fr = \"R\", en = \"R\" }}\ntable = \"{root}\"\nkey = [\"id\"]\ndisposition = \"{disposition}\"\n{race}\
             [data.{root}.categories]\nidentity = {{ columns = [\"name\"], mask = {{ fixed = \"{MASKED}\" }} }}\n\
             [data.{root}.events.seen]\ntitle = {{ fr = \"D\", en = \"D\" }}\ncolumn = \"seen\"\nformat = \"iso_date\"\n"
        );
        if self.has_open() {
            let _ =
                write!(map, "[data.{root}.conditions.open]\ntitle = {{ fr = \"ouvert\", en = \"open\" }}\nsql = \"open = 1\"\n");
        }
        let Some(child) = self.child() else { return map };
        let of = format!("{{ table = \"{child}\", on = {{ {root}_id = \"id\" }} }}");
        let _ = match self {
            Self::LatestOf | Self::Unguarded => write!(
                map,
                "[data.{root}.events.visited]\ntitle = {{ fr = \"V\", en = \"V\" }}\nof = {of}\ncolumn = \"seen\"\nformat = \"iso_date\"\n"
            ),
            Self::Condition => write!(
                map,
                "[data.{root}.conditions.open]\ntitle = {{ fr = \"ouvert\", en = \"open\" }}\nsome = {of}\nwhere = \"open = 1\"\n"
            ),
            _ => {
                let tie = if self == Self::Followers { "follows" } else { "belongs_to" };
                let (category, mask) = if self == Self::Followers { ("body", "{ fixed = \"\" }") } else { ("seen", "\"year\"") };
                write!(
                    map,
                    "[data.{child}]\ntitle = {{ fr = \"E\", en = \"E\" }}\ntable = \"{child}\"\nkey = [\"id\"]\n{tie} = \"{root}\"\n\
                     on = {{ {root}_id = \"id\" }}\ndisposition = \"delete\"\n\
                     [data.{child}.categories]\ndetail = {{ columns = [\"{category}\"], mask = {mask} }}\n{}",
                    if self == Self::Followers {
                        String::new()
                    } else {
                        format!(
                            "[data.{child}.events.seen]\ntitle = {{ fr = \"D\", en = \"D\" }}\ncolumn = \"seen\"\nformat = \"iso_date\"\n"
                        )
                    }
                )
            }
        };
        map
    }

    fn policy(self) -> String {
        let purpose = |data: &str, needs: &str, more: &str| {
            format!(
                "[[purpose]]\nid = \"{data}\"\ntitle = {{ fr = \"P\", en = \"P\" }}\nlegal_basis = \"legal_obligation\"\n\
                 data = \"crm.{data}\"\nneeds = {needs}\nkeeps = \"3 years\"\n{more}\n"
            )
        };
        let own = "starts = \"seen\"";
        let more = match self {
            Self::LatestOf | Self::Unguarded => "starts = { latest_of = [\"seen\", \"visited\"] }".to_owned(),
            Self::OwnDelete | Self::OwnMask | Self::Condition => format!("{own}\nkept_while = \"open\""),
            _ => own.to_owned(),
        };
        let mut policy = "[policy]\nid = \"crm\"\nauthor = \"dpo\"\ntitle = { fr = \"P\", en = \"P\" }\n\n".to_owned();
        policy += &purpose(self.root(), "\"all\"", &more);
        match (self, self.child()) {
            (Self::Referenced, Some(child)) => policy += &purpose(child, "\"all\"", own),
            (Self::Needed, Some(child)) => policy += &purpose(child, "[\"detail\", \"member.identity\"]", own),
            _ => {}
        }
        policy
    }
}

/// When the runs are.
pub fn fixture_now() -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::from_timestamp(1_795_334_400, 0).unwrap()
}
