//! Purposes of a second source that keep fields of a random one's records, of the person whom both are about.

use retentiond::plan::schema::Engine;
use retentiond::policy::map::DataMap;
use retentiond::policy::purpose::Policy;
use retentiond::policy::{link, located::Faults, read_map, read_policy};
use retentiond::reference::{Needed, Value, World};

use super::Case;
use super::chance::Chance;
use super::copies::Copied;

/// The second source.
pub struct Second {
    /// Its map, as TOML.
    pub map: String,
    /// Its policy, as TOML.
    pub policy: String,
    /// Whom its purposes need.
    pub needed: Vec<Needed>,
    /// Its data sets with copies of records.
    pub copies: Vec<Copied>,
    /// The rows of these, as the reference model takes them.
    pub rows: Vec<(String, World)>,
}

const MAP: &str = r#"
[source]
id = "other"
[data.paper]
title = { fr = "p", en = "p" }
table = "paper"
key = ["id"]
plain = ["person", "purpose"]
subjects = { person = "person" }
disposition = "delete"
[data.paper.categories]
text = { columns = ["body"], mask = { fixed = "" } }
"#;

impl Case {
    /// The case of a seed with purposes of a second source, with archives for even seeds and tangled for odd ones.
    pub fn kept_elsewhere(seed: u64) -> Self {
        let mut case = if seed.is_multiple_of(2) { Self::archiving(seed) } else { Self::tangled(seed) };
        let mut c = Chance::new(seed.wrapping_mul(37).wrapping_add(11));
        let (map, _) = case.read();
        let known = map.data_sets.iter().filter(|d| !d.subjects.is_empty() && map.root_of(d).id == d.id);
        let names = known.flat_map(|d| {
            let categories = d.categories.iter().filter(|x| !x.never_stored);
            categories.map(move |x| format!("\"db.{}.{}\"", d.id, x.name))
        });
        let names: Vec<String> = names.collect();
        if names.is_empty() {
            return case;
        }
        let mut second = Second::bare();
        for purpose in ["p1", "p2"] {
            second.map.push_str(&format!(
                "[data.paper.conditions.is_{purpose}]\ntitle = {{ fr = \"c\", en = \"c\" }}\nsql = \"purpose = '{purpose}'\"\n"
            ));
            let mut needs = vec!["\"text\"".to_owned()];
            needs.extend(c.some(&names, 50));
            second.policy.push_str(&format!(
                "[[purpose]]\nid = \"{purpose}\"\ntitle = {{ fr = \"p\", en = \"p\" }}\nlegal_basis = \"legal_obligation\"\n\
                 data = \"other.paper\"\nwhen = \"is_{purpose}\"\nneeds = [{}]\nended_by = [\"instruction\"]\n",
                needs.join(", ")
            ));
            for person in c.some(&[1_i64, 2, 3], 50) {
                second.needed.push(Needed { purpose: format!("other.{purpose}"), person: Value::Integer(person.into()) });
            }
        }
        case.second = Some(second);
        case
    }

    /// Both maps and policies, read and linked.
    pub fn read_both(&self) -> Option<([DataMap; 2], [Policy; 2])> {
        let second = self.second.as_ref()?;
        let mut faults = Faults::default();
        let maps = [&self.map, &second.map].map(|text| read_map::read(text, 0, &mut faults).unwrap());
        let policies = [&self.policy, &second.policy].map(|text| read_policy::read(text, 1, &mut faults).unwrap());
        link::link(&maps, &policies, &mut faults);
        assert!(!faults.any_error(), "seed {}: {:#?}\n{}", self.seed, faults.sorted(), second.policy);
        Some((maps, policies))
    }
}

impl Second {
    /// One whose purposes need nobody, with no copies.
    pub fn bare() -> Self {
        let policy = "[policy]\nid = \"other\"\nauthor = \"dpo\"\ntitle = { fr = \"o\", en = \"o\" }\n".to_owned();
        Self { map: MAP.to_owned(), policy, needed: Vec::new(), copies: Vec::new(), rows: Vec::new() }
    }

    /// The tables and their rows.
    pub fn load(&self, engine: Engine) -> String {
        let mut sql =
            "CREATE TABLE paper (id INTEGER PRIMARY KEY, person INTEGER, purpose VARCHAR(20), body VARCHAR(20) NOT NULL);\n"
                .to_owned();
        for (id, Needed { purpose, person }) in self.needed.iter().enumerate() {
            let (Some((_, purpose)), Value::Integer(person)) = (purpose.split_once('.'), person) else { continue };
            sql.push_str(&format!("INSERT INTO paper VALUES ({id}, {person}, '{purpose}', 'x');\n"));
        }
        sql.extend(self.copies.iter().map(|copied| copied.load(engine)));
        sql
    }
}
