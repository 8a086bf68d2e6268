//! A small world of persons, their contracts (children) and their documents (followers), on which the tests try the meaning.

mod consequences;

use super::*;
use crate::policy::located::Faults;
use crate::policy::{link, read_map, read_policy};

const MAP: &str = r#"
[source]
id = "crm"
time_zone = "Europe/Paris"

[data.person]
title = { fr = "Personnes", en = "Persons" }
table = "person"
key = ["id"]
disposition = "DISPOSITION"
UNCOVERED
[data.person.categories.identity]
columns = ["name"]
mask = { fixed = "ANONYME" }
[data.person.categories.contact]
columns = ["email"]
mask = "null"
[data.person.categories.card]
columns = ["cvc"]
mask = "null"
never_stored = true
[data.person.events.collected]
title = { fr = "Collecte", en = "Collection" }
column = "collected_on"
[data.person.events.death]
title = { fr = "Décès", en = "Death" }
column = "died_on"
missing = "running"
[data.person.events.contract_end]
title = { fr = "Fin du contrat", en = "End of the contract" }
of = "contract"
column = "ended_on"
missing = "running"
[data.person.events.document]
title = { fr = "Document", en = "Document" }
column = "made_on"
of = "document"
[data.person.events.recent]
title = { fr = "Contrat récent", en = "Recent contract" }
of = "contract"
column = "ended_on"
where = "kind = 'a'"
else = "collected"
[data.person.conditions.is_client]
title = { fr = "Client", en = "Client" }
sql = "kind = 'client'"
[data.person.conditions.is_prospect]
title = { fr = "Prospect", en = "Prospect" }
sql = "kind = 'prospect'"
[data.person.conditions.dispute]
title = { fr = "Litige", en = "Dispute" }
sql = "disputed"
[data.person.periods.on_form]
title = { fr = "Durée du formulaire", en = "Period on the form" }
column = "form_months"
unit = "months"

[data.contract]
title = { fr = "Contrats", en = "Contracts" }
table = "contract"
key = ["id"]
belongs_to = "person"
on = { person_id = "id" }
disposition = "delete"
[data.contract.categories.terms]
columns = ["terms"]
mask = "null"
[data.contract.events.end]
title = { fr = "Fin", en = "End" }
column = "ended_on"
missing = "running"

[data.document]
title = { fr = "Documents", en = "Documents" }
table = "document"
key = ["id"]
follows = "person"
on = { person_id = "id" }
disposition = "delete"
[data.document.categories.content]
columns = ["content"]
mask = "null"
"#;

const POLICY: &str = r#"
[policy]
id = "p"
author = "dpo"
title = { fr = "Durées", en = "Periods" }
time_zone = "Europe/Paris"
"#;

const CONTRACTS: &str = r#"
[[purpose]]
id = "contracts"
title = { fr = "Contrats", en = "Contracts" }
legal_basis = "contract"
data = "crm.contract"
needs = ["terms"]
starts = "end"
keeps = "2 years"
"#;

struct Case {
    map: DataMap,
    policy: Policy,
    world: World,
    orders: Vec<Order>,
    now: DateTime<Utc>,
}

fn date(text: &str) -> Value {
    text.parse().map_or(Value::Null, Value::Date)
}

fn text(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { Value::text(text) }
}

/// A case on 1 July 2026 with the given disposition of persons and purposes (`id: rest of the purpose`) of theirs.
fn case(disposition: &str, uncovered: &str, purposes: &[(&str, &str)]) -> Case {
    let map_text = MAP.replace("DISPOSITION", disposition).replace("UNCOVERED", uncovered);
    let mut policy_text = POLICY.to_owned();
    for (id, rest) in purposes {
        let basis = if rest.contains("legal_basis") { "" } else { "legal_basis = \"contract\"\n" };
        let data = if rest.contains("data = ") { "" } else { "data = \"crm.person\"\n" };
        let title = format!("title = {{ fr = \"{id}\", en = \"{id}\" }}");
        policy_text += &format!("[[purpose]]\nid = \"{id}\"\n{title}\n{basis}{data}{rest}\n");
    }
    if !policy_text.contains("data = \"crm.contract\"") {
        policy_text += CONTRACTS;
    }
    let mut faults = Faults::default();
    let map = read_map::read(&map_text, 0, &mut faults).unwrap();
    let policy = read_policy::read(&policy_text, 1, &mut faults).unwrap();
    link::link(std::slice::from_ref(&map), std::slice::from_ref(&policy), &mut faults);
    assert!(!faults.any_error(), "{:?}", faults.sorted());
    let table = |id: &str, columns: &[&str]| Table::new(TableId::DataSet(id.into()), columns.iter().copied());
    let key = |child: &str| ForeignKey {
        child: TableId::DataSet(child.into()),
        columns: vec!["person_id".into()],
        parent: TableId::DataSet("person".into()),
        parent_columns: vec!["id".into()],
    };
    let person = ["id", "name", "email", "cvc", "kind", "collected_on", "died_on", "disputed", "form_months"];
    let world = World {
        tables: vec![
            table("person", &person),
            table("contract", &["id", "person_id", "terms", "ended_on", "kind"]),
            table("document", &["id", "person_id", "content", "made_on"]),
        ],
        foreign_keys: vec![key("contract"), key("document")],
    };
    Case { map, policy, world, orders: Vec::new(), now: "2026-07-01T10:00:00Z".parse().unwrap() }
}

impl Case {
    fn person(&mut self, id: i128, kind: &str, collected: &str) -> &mut Self {
        let row = vec![Value::Integer(id), text("Anne"), text("a@example.invalid"), Value::Null, text(kind), date(collected)];
        self.insert("person", [row, vec![Value::Null, Value::Bool(false), Value::Null]].concat())
    }

    fn contract(&mut self, id: i128, person: i128, ended: &str) -> &mut Self {
        self.insert("contract", vec![Value::Integer(id), Value::Integer(person), text("terms"), date(ended), text("a")])
    }

    fn document(&mut self, id: i128, person: i128, made: &str) -> &mut Self {
        self.insert("document", vec![Value::Integer(id), Value::Integer(person), text("content"), date(made)])
    }

    fn insert(&mut self, data_set: &str, values: Vec<Value>) -> &mut Self {
        let data = self.map.data_set(data_set).unwrap();
        self.world.table_mut(&TableId::DataSet(data_set.into())).unwrap().insert(data, values);
        self
    }

    fn set(&mut self, data_set: &str, id: i128, column: &str, value: Value) -> &mut Self {
        let table = self.world.table_mut(&TableId::DataSet(data_set.into())).unwrap();
        let at = table.position(column).unwrap();
        table.rows.get_mut(&vec![Value::Integer(id)]).unwrap()[at] = value;
        self
    }

    fn order(&mut self, kind: OrderKind, data_set: &str, id: i128) -> &mut Self {
        let target = Target::Record { data_set: data_set.into(), key: vec![Value::Integer(id)] };
        self.orders.push(Order { kind, target, until: None, lifted: false });
        self
    }

    fn reference(&self) -> Reference<'_> {
        Reference { map: &self.map, policies: vec![&self.policy], now: self.now, orders: &self.orders, needed: &[], others: &[] }
    }

    fn state(&self, id: i128, purpose: &str) -> State {
        let states = self.reference().states(&self.world, "person", &[Value::Integer(id)]);
        states.into_iter().find(|(p, _)| p == purpose).unwrap().1
    }

    fn outcome(&self, data_set: &str, id: i128) -> Outcome {
        self.reference().decide(&self.world, data_set, &[Value::Integer(id)]).unwrap().outcome
    }

    /// The world after a run, as words: for each row its table and id, with `*` after it where nothing is masked.
    fn left(&self) -> String {
        let world = self.reference().run(&self.world);
        let changed = world.differences(&self.world);
        let mut words = Vec::new();
        for table in &world.tables {
            let TableId::DataSet(name) = &table.id else { continue };
            for key in table.rows.keys() {
                let Value::Integer(id) = key[0] else { continue };
                let touched: Vec<&str> = changed
                    .iter()
                    .filter(|(t, k, c)| *t == table.id && k == key && c.is_some())
                    .filter_map(|(_, _, c)| c.as_deref())
                    .collect();
                let touched = if touched.is_empty() { String::new() } else { format!("-{}", touched.join("-")) };
                words.push(format!("{name}{id}{touched}"));
            }
        }
        words.join(" ")
    }
}
