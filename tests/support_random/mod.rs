//! Random policies over random rows, small and clustered around the boundaries of the run day, the same on every engine.
//!
//! A seed gives a [`Case`]: the texts of a data map and a policy, tables with typed rows, orders and the instant of the run. The case
//! renders itself as SQL for each engine, and reads what an engine answers back into a [`World`].

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod chance;
mod copies;
mod declare;
mod elsewhere;
mod purposes;
mod rows;
mod shape;
pub mod sql;
mod tangle;
mod tangle_rows;
mod windows;

use chrono::{DateTime, Utc};
use retentiond::policy::located::Faults;
use retentiond::policy::map::DataMap;
use retentiond::policy::purpose::Policy;
use retentiond::policy::{link, read_map, read_policy};
use retentiond::reference::{ForeignKey, Order, Reference, Table, TableId, Value, World, masking};

pub use chance::Chance;
pub use declare::Options;
pub use shape::{COLUMNS, Kind, Shape};

/// One random case.
pub struct Case {
    pub seed: u64,
    /// The data map, as TOML.
    pub map: String,
    /// The policy, as TOML.
    pub policy: String,
    /// The tables' shapes.
    pub shapes: Vec<Shape>,
    /// For each table its rows, values in the order of [`Case::columns`].
    pub rows: Vec<Vec<Vec<Value>>>,
    pub orders: Vec<Order>,
    /// A source whose purposes keep something of this one.
    pub second: Option<elsewhere::Second>,
    /// The instant of the run, whole seconds.
    pub now: DateTime<Utc>,
}

impl Case {
    /// The case of a seed.
    pub fn new(seed: u64) -> Self {
        Self::with(seed, Options::default())
    }

    pub fn with(seed: u64, options: Options) -> Self {
        Self::made(seed, options, None)
    }

    /// The case of a seed with tables that hang together in more ways than child and parent. What is added comes from a chance of its own and
    /// changes no case of [`Case::new`].
    pub fn tangled(seed: u64) -> Self {
        Self::made(seed, Options::default(), Some(Chance::new(!seed)))
    }

    /// The case of a seed with purposes that keep in archives, tangled for odd seeds.
    pub fn archiving(seed: u64) -> Self {
        let options = Options { archives: Some(seed), ..Options::default() };
        Self::made(seed, options, (seed % 2 == 1).then(|| Chance::new(!seed)))
    }

    fn made(seed: u64, options: Options, mut tangles: Option<Chance>) -> Self {
        let mut c = Chance::new(seed);
        let mut shapes = shape::shapes(&mut c);
        if let Some(t) = &mut tangles {
            tangle::tangle(t, &mut shapes);
        }
        let declared = declare::declare(&mut c, &shapes, options);
        let now = rows::run_instant(&mut c, &declared);
        let mut rows = rows::rows(&mut c, &shapes, &declared, now);
        if let Some(t) = &mut tangles {
            tangle_rows::fill(t, &shapes, &mut rows);
        }
        let orders = rows::orders(&mut c, &shapes, &rows, now);
        let mut case = Self { seed, map: declared.map, policy: declared.policy, shapes, rows, orders, second: None, now };
        case.mask_some(&mut c);
        case
    }

    /// The same case with a pseudonym wherever it has a token. What an earlier run left of the usual form stays masked; the short form is new.
    pub fn with_pseudonyms(mut self) -> Self {
        let sections = self.map.split_inclusive('\n').fold(Vec::<String>::new(), |mut all, line| {
            let begins = line.strip_prefix("[data.").is_some_and(|rest| !rest.contains('.'));
            match all.last_mut() {
                Some(last) if !begins => last.push_str(line),
                _ => all.push(line.to_owned()),
            }
            all
        });
        let changed = sections.into_iter().map(|section| {
            let with = section.replace("\"token\"", "{ pseudonym = { prefix = \"anon-\" } }").replace(
                "token = { prefix = \"x-\", suffix = \"@example.invalid\", digits = 12 }",
                "pseudonym = { prefix = \"x-\", suffix = \"@example.invalid\", digits = 16 }",
            );
            let whole = with.replace("disposition = \"anonymise\"", "disposition = \"pseudonymise\"");
            if with == section { section } else { whole }
        });
        self.map = changed.collect();
        self
    }

    /// Masks some rows, as an earlier run left them; of every other such row one field was filled again.
    fn mask_some(&mut self, c: &mut Chance) {
        let (map, _) = self.read();
        for (at, shape) in self.shapes.iter().enumerate() {
            let Some(data) = map.data_set(shape.name) else { continue };
            let names: Vec<&str> = self.columns(at).iter().map(|n| n.0).collect();
            let personal: Vec<_> = data.categories.iter().flat_map(|x| &x.columns).collect();
            for row in &mut self.rows[at] {
                if !c.percent(20) {
                    continue;
                }
                let spared = c.percent(30).then(|| c.pick(&personal).name.value.clone());
                for column in personal.iter().filter(|p| Some(&p.name.value) != spared.as_ref()) {
                    let cell = &mut row[names.iter().position(|n| *n == column.name.value).unwrap()];
                    *cell = match masking::masked(cell, &column.mask) {
                        Value::Token { prefix, suffix, digits } => {
                            let digits: String = (0..digits).map(|_| *c.pick(&['0', '7', 'a', 'f'])).collect();
                            Value::Text(format!("{prefix}{digits}{suffix}"))
                        }
                        other => other,
                    };
                }
            }
        }
    }

    /// Map and policy as read and linked. Panics with the faults if there are any.
    pub fn read(&self) -> (DataMap, Policy) {
        if let Some(([map, _], [policy, _])) = self.read_both() {
            return (map, policy);
        }
        let mut faults = Faults::default();
        let map = read_map::read(&self.map, 0, &mut faults);
        let policy = read_policy::read(&self.policy, 1, &mut faults);
        if let (Some(map), Some(policy)) = (&map, &policy) {
            link::link(std::slice::from_ref(map), std::slice::from_ref(policy), &mut faults);
        }
        assert!(!faults.any_error(), "seed {}: {:#?}\n{}\n{}", self.seed, faults.sorted(), self.map, self.policy);
        (map.unwrap(), policy.unwrap())
    }

    /// The columns of a table, in order, with whether each may be NULL.
    pub fn columns(&self, table: usize) -> Vec<(&'static str, Kind, bool)> {
        let shape = &self.shapes[table];
        let mut all = vec![("id", Kind::Integer, false)];
        if shape.composite {
            all.push(("code", Kind::Text, false));
        }
        if let Some((above, _)) = shape.parent {
            all.push(("parent_id", Kind::Integer, true));
            if self.shapes[above].composite {
                all.push(("parent_code", Kind::Text, true));
            }
        }
        all.extend(COLUMNS.iter().map(|c| (c.name, c.kind, true)));
        all.extend(shape.tangled_columns());
        all
    }

    pub fn table_id(&self, table: usize) -> TableId {
        let shape = &self.shapes[table];
        match shape.is_data_set() {
            true => TableId::DataSet(shape.name.to_owned()),
            false => TableId::Other(shape.name.to_owned()),
        }
    }

    /// The world before the run.
    pub fn world(&self) -> World {
        self.world_of(&self.rows)
    }

    /// A world with these rows for each table. Rows of the table outside the map are keyed by their `id` too.
    pub fn world_of(&self, rows: &[Vec<Vec<Value>>]) -> World {
        let mut world = World::default();
        for (at, shape) in self.shapes.iter().enumerate() {
            let mut table = Table::new(self.table_id(at), self.columns(at).iter().map(|c| c.0));
            for row in &rows[at] {
                table.rows.insert(row[..shape.key().len()].to_vec(), row.clone());
            }
            world.tables.push(table);
            for key in shape.foreign_keys(&self.shapes) {
                let (own, there): (Vec<String>, Vec<String>) = key.pairs.iter().map(|(a, b)| ((*a).into(), (*b).into())).unzip();
                let parent = self.table_id(key.to);
                world.foreign_keys.push(ForeignKey { child: self.table_id(at), columns: own, parent, parent_columns: there });
            }
        }
        world
    }

    /// The reference model of this case, by all policies that say something of it.
    pub fn reference<'a>(&'a self, map: &'a DataMap, policies: &'a [Policy]) -> Reference<'a> {
        let needed = self.second.as_ref().map_or(&[][..], |second| &second.needed);
        let others = self.second.as_ref().map_or(&[][..], |second| &second.rows);
        Reference { map, policies: policies.iter().collect(), now: self.now, orders: &self.orders, needed, others }
    }
}
