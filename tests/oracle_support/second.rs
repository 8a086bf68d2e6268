//! The second source of a case: the one that is asked whom its purposes need, and whether it has a copy.

use retentiond::enforce::{AskedOf, CopyBase, Questions};
use retentiond::plan::schema::Engine;
use retentiond::source::{Source, Target};

use crate::enforcement::{Fixture, Rules};
use crate::support::{TestDatabase, database};
use crate::support_random::Case;

/// Its database, where the case has one.
pub struct There {
    copies: bool,
    database: TestDatabase,
    engine: Engine,
}

impl There {
    /// Fills a second source, which the fixture asks from then on. `None` where the case has none. It is of the same engine for some of those that hold copies.
    pub async fn new(fixture: &mut Fixture<'_>, case: &Case, rules: &Rules) -> Option<Self> {
        let (second, ([_, map], policies)) = (case.second.as_ref()?, case.read_both()?);
        let same = !second.copies.is_empty() && case.seed / 2 % 2 == 1;
        let engine = if same { fixture.engine } else { Engine::Sqlite };
        let there = Self { copies: !second.copies.is_empty(), database: database(engine).await.unwrap(), engine };
        there.database.run_sql(&second.load(engine)).await;
        let of = Rules { map, policies: policies.to_vec(), documents: rules.documents.clone() };
        let asked = AskedOf::all(&rules.map, &rules.policies);
        if !asked.is_empty() {
            let inside = Fixture::new(engine, &there.database, "other", case.now).await;
            let prepared = inside.prepare_at(&of, case.now).await;
            for asked in asked.into_values() {
                fixture.elsewhere.add(&inside.source, Questions::new(&prepared, &of.map, &of.policies, &asked).unwrap());
            }
        }
        for copy in rules.map.data_sets.iter().flat_map(|data| &data.copies) {
            let source = Source::connect(&Target::new(there.database.url.clone())).await.unwrap();
            let base = CopyBase::open(source, &of.map, &copy.of.data_set).await.unwrap().unwrap();
            assert!(base.unfit(copy).is_empty());
            fixture.copies.add(copy.of.value.clone(), Ok(base));
        }
        Some(there)
    }

    /// Whether it holds copies.
    pub fn has_copies(&self) -> bool {
        self.copies
    }

    /// Puts the copies of another case in the place of those that are there.
    pub async fn refill(&self, case: &Case) {
        for copied in case.second.iter().flat_map(|second| &second.copies) {
            self.database.run_sql(&copied.refill(self.engine)).await;
        }
    }
}
