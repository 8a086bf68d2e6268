//! Precision and recall, printed and held above a floor.

use retentiond::plan::draft::names::{Named, recognise};

use super::facts::{DEVELOPED_WITH, Fact, HELD_OUT, read};

/// What was found against what is there.
#[derive(Debug, Default)]
struct Score {
    hits: u32,
    false_alarms: Vec<String>,
    misses: Vec<String>,
    wrong_category: Vec<String>,
}

impl Score {
    fn precision(&self) -> f64 {
        f64::from(self.hits) / (f64::from(self.hits) + self.false_alarms.len() as f64)
    }

    fn recall(&self) -> f64 {
        f64::from(self.hits) / (f64::from(self.hits) + self.misses.len() as f64)
    }

    fn add(&mut self, fact: &Fact, found: Option<&str>) {
        let name = format!("{}.{}", fact.table, fact.column);
        match (&fact.category, found) {
            (Some(category), Some(found)) => {
                self.hits += 1;
                if category != found {
                    self.wrong_category.push(format!("{name}: {found} instead of {category}"));
                }
            }
            (Some(_), None) => self.misses.push(name),
            (None, Some(found)) => self.false_alarms.push(format!("{name} ({found})")),
            (None, None) => {}
        }
    }

    fn print(&self, what: &str) {
        println!(
            "{what}: precision {:.1} %, recall {:.1} %; {} found, {} missed, {} false alarms, {} in another category",
            100.0 * self.precision(),
            100.0 * self.recall(),
            self.hits,
            self.misses.len(),
            self.false_alarms.len(),
            self.wrong_category.len()
        );
        println!("  missed: {}", self.misses.join(", "));
        println!("  false alarms: {}", self.false_alarms.join(", "));
        println!("  another category: {}", self.wrong_category.join(", "));
    }
}

fn by_name(list: &str) -> Score {
    let mut score = Score::default();
    for (table, facts) in read(list) {
        let named: Vec<Named<'_>> = facts
            .iter()
            .map(|f| Named { name: &f.column, class: f.class, max_length: f.max_length, refers: false })
            .collect();
        for (fact, found) in facts.iter().zip(recognise(&table, &named)) {
            score.add(fact, found.map(|f| f.kind.group().name()));
        }
    }
    score
}

#[test]
fn by_name_alone() {
    let score = by_name(DEVELOPED_WITH);
    score.print("by name, developed with");
    if std::env::var_os("HELD").is_some() { by_name(HELD_OUT).print("by name, held out"); }
}
