//! The consequences of the meaning, each on a small world of persons, contracts, invoices and files.

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
        Reference { map: &self.map, policies: vec![&self.policy], now: self.now, orders: &self.orders }
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

const ALL: &str = "needs = \"all\"\nstarts = \"collected\"\nkeeps = \"3 years\"";

#[test]
fn a_record_is_due_on_the_day_after_its_last_day() {
    let mut c = case("delete", "", &[("p", ALL)]);
    c.person(1, "x", "2023-06-30").person(2, "x", "2023-07-01").person(3, "x", "2030-01-01").person(4, "x", "9999-12-31");
    assert_eq!(c.left(), "person2 person3 person4");
    assert_eq!([c.state(3, "p"), c.state(4, "p")], [State::NotYet, State::Undated]);
    // In Paris the next day has begun at 22:00 UTC.
    c.now = "2026-07-01T22:00:00Z".parse().unwrap();
    assert_eq!(c.left(), "person3 person4");
}

#[test]
fn a_field_stays_while_any_purpose_needs_it() {
    let contact = "needs = [\"contact\"]\nstarts = \"collected\"\nkeeps = \"1 year\"";
    let rest = "needs = { all_but = [\"contact\"] }\nstarts = \"collected\"\nkeeps = \"3 years\"";
    let mut c = case("anonymise", "", &[("short", contact), ("long", rest)]);
    c.person(1, "x", "2025-01-01")
        .document(1, 1, "2025-01-01")
        .person(2, "x", "2026-01-01")
        .person(3, "x", "2020-01-01")
        .document(3, 3, "");
    assert_eq!(c.left(), "person1-email person2 person3-name-email document1");
}

#[test]
fn a_wrong_flip_of_a_condition_makes_old_rows_due_at_once() {
    let client = "when = \"is_client\"\nneeds = \"all\"\nstarts = \"contract_end\"\nkeeps = \"5 years\"";
    let prospect = "when = \"is_prospect\"\nneeds = \"all\"\nstarts = \"collected\"\nkeeps = \"3 years\"";
    let mut c = case("delete", "", &[("client", client), ("prospect", prospect)]);
    c.person(1, "client", "2010-01-01").contract(1, 1, "");
    assert_eq!(c.left(), "person1 contract1");
    c.set("person", 1, "kind", text("prospect"));
    assert_eq!(c.left(), "person1-name-email contract1", "the contract still runs and refers to the person");
    c.set("person", 1, "kind", Value::Null);
    assert_eq!([c.state(1, "client"), c.state(1, "prospect")], [State::Undecided; 2]);
    assert_eq!(c.left(), "person1 contract1", "doubt keeps");
}

#[test]
fn deleting_old_children_does_not_move_the_parents_latest_start_backwards() {
    let mut c = case(
        "delete",
        "",
        &[("p", "needs = \"all\"\nstarts = { latest_of = [\"collected\", \"contract_end\"] }\nkeeps = \"5 years\"")],
    );
    c.person(1, "x", "2015-01-01").contract(1, 1, "2022-01-01").contract(2, 1, "2019-01-01");
    assert_eq!(c.outcome("contract", 1), Outcome::Emptied);
    assert_eq!(c.left(), "person1 contract1-terms contract2-terms");
    // Once the person is due, her contracts go with her.
    c.now = "2027-07-01T10:00:00Z".parse().unwrap();
    assert_eq!(c.left(), "");
    // A done record reads no more.
    let mut c = case("anonymise", "", &[("p", "needs = \"all\"\nstarts = \"contract_end\"\nkeeps = \"3 years\"")]);
    c.person(1, "x", "2015-01-01").contract(1, 1, "2022-01-01");
    assert_eq!(c.left(), "person1-name-email");
}

#[test]
fn a_row_that_a_surviving_row_refers_to_is_emptied_and_deleted_when_the_last_one_goes() {
    let mut c = case("delete", "", &[("p", ALL)]);
    c.person(1, "x", "2015-01-01").contract(1, 1, "2024-07-01").document(1, 1, "2010-01-01");
    assert_eq!(c.outcome("person", 1), Outcome::Emptied);
    assert_eq!(c.left(), "person1-name-email contract1 document1-content", "nothing of it is deleted meanwhile");
    c.set("contract", 1, "ended_on", date("2024-06-30"));
    assert_eq!(c.left(), "");
}

#[test]
fn a_hold_keeps_followers_and_blocks_the_deletion_of_ancestors() {
    for kind in [OrderKind::Hold, OrderKind::Restriction] {
        let mut c = case("delete", "", &[("p", ALL)]);
        c.person(1, "x", "2015-01-01").contract(1, 1, "2015-01-01").document(1, 1, "2015-01-01").set(
            "person",
            1,
            "cvc",
            text("123"),
        );
        c.order(kind, "document", 1);
        assert_eq!(c.outcome("document", 1), Outcome::Held, "placed on its root");
        assert_eq!(c.left(), "person1 document1");
        c.orders.clear();
        c.order(kind, "contract", 1);
        assert_eq!(c.left(), "person1-name-email-cvc contract1 document1-content");
        c.orders[0].lifted = true;
        assert_eq!(c.left(), "");
        c.orders[0].lifted = false;
        c.orders[0].until = Some("2026-06-30".parse().unwrap());
        assert_eq!(c.left(), "", "its last day has passed");
        c.orders[0].until = Some("2026-07-01".parse().unwrap());
        assert_ne!(c.left(), "");
    }
}

#[test]
fn an_unknown_death_never_ends_and_the_longest_purpose_wins() {
    let life = "needs = \"all\"\nstarts = \"death\"\nkeeps = \"10 years\"";
    let mut c =
        case("delete", "", &[("contract", "needs = \"all\"\nstarts = \"contract_end\"\nkeeps = \"2 years\""), ("life", life)]);
    c.person(1, "x", "").contract(1, 1, "2000-01-01").person(2, "x", "").contract(2, 2, "2000-01-01");
    c.set("person", 2, "died_on", date("2016-06-30")).person(3, "x", "").set("person", 3, "died_on", date("2016-07-01"));
    assert_eq!([c.state(1, "contract"), c.state(1, "life")], [State::Ended(End::Time), State::Running]);
    assert_eq!(c.state(3, "contract"), State::Undated, "without a contract nobody knows when it ended");
    assert_eq!(c.left(), "person1 person3 contract1-terms");
}

#[test]
fn everything_leaves_out_what_must_never_be_stored() {
    let mut c = case("delete", "", &[("p", ALL)]);
    c.person(1, "x", "2026-06-30").set("person", 1, "cvc", text("123"));
    assert_eq!(c.left(), "person1-cvc");
    let decision = c.reference();
    let decision = decision.decide(&c.world, "person", &[Value::Integer(1)]).unwrap();
    assert!(decision.fields.iter().any(|f| f.column == "cvc" && f.fate == Fate::NeverStored));
}

#[test]
fn a_field_at_its_masked_value_is_done() {
    let mut c = case("anonymise", "", &[("p", ALL)]);
    c.person(1, "x", "").set("person", 1, "name", text("ANONYME")).set("person", 1, "email", Value::Null);
    assert_eq!(c.outcome("person", 1), Outcome::Done, "before undated");
    c.set("person", 1, "name", text("Anonyme"));
    assert_eq!(c.outcome("person", 1), Outcome::Stays);
    c.set("person", 1, "name", text("ANONYME")).document(1, 1, "");
    assert_ne!(c.outcome("person", 1), Outcome::Done, "a follower is left to delete");
    let mut c = case("anonymise", "", &[("p", &format!("{ALL}\nthen = \"delete\""))]);
    c.person(1, "x", "2020-01-01").set("person", 1, "name", text("ANONYME")).set("person", 1, "email", Value::Null);
    assert_eq!(c.left(), "");
}

#[test]
fn objection_and_erasure_end_what_rests_on_consent_or_legitimate_interest_and_nothing_else() {
    let interest = "legal_basis = \"legitimate_interest\"\nneeds = [\"contact\"]\nstarts = \"collected\"\nkeeps = \"3 years\"";
    let contract = "needs = [\"identity\", \"content\"]\nstarts = \"collected\"\nkeeps = \"3 years\"";
    for kind in [OrderKind::Objection, OrderKind::Erasure] {
        let mut c = case("delete", "", &[("a", interest), ("b", contract)]);
        c.person(1, "x", "2026-01-01").order(kind, "person", 1);
        assert_eq!(c.left(), "person1-email");
        let mut c = case(
            "delete",
            "",
            &[
                ("a", &format!("{interest}\nended_by = []")),
                ("b", &format!("{contract}\nended_by = [\"objection\", \"erasure\"]")),
            ],
        );
        c.person(1, "x", "2026-01-01").order(kind, "person", 1);
        assert_eq!(c.left(), "person1-name");
    }
    let mut c = case("delete", "", &[("a", interest), ("b", contract)]);
    c.person(1, "x", "2026-01-01").order(OrderKind::Instruction, "person", 1);
    assert_eq!(c.left(), "");
    let mut c = case("delete", "", &[("a", interest), ("b", &format!("{contract}\nkept_while = \"dispute\""))]);
    c.person(1, "x", "2026-01-01").set("person", 1, "disputed", Value::Null).order(OrderKind::Instruction, "person", 1);
    assert_eq!(c.left(), "person1-email", "no order ends what a dispute keeps");
}

#[test]
fn the_uncovered_is_a_finding_never_prey() {
    let client = format!("when = \"is_client\"\n{ALL}");
    let mut c = case("delete", "", &[("p", &client)]);
    c.person(1, "other", "2000-01-01");
    assert_eq!((c.outcome("person", 1), c.left()), (Outcome::Uncovered, "person1".into()));
    c.order(OrderKind::Erasure, "person", 1);
    assert_eq!(c.left(), "", "an erasure order disposes of it");
    let mut c = case("delete", "uncovered = \"dispose\"", &[("p", &client)]);
    c.person(1, "other", "2026-01-01").person(2, "client", "2026-01-01");
    assert_eq!(c.left(), "person2");
    let part = "when = \"is_client\"\nneeds = [\"identity\"]\nstarts = \"collected\"\nkeeps = \"3 years\"";
    let mut c = case("delete", "uncovered = \"clear\"", &[("p", part)]);
    c.person(1, "other", "2020-01-01").person(2, "client", "2026-01-01").person(3, "client", "2020-01-01");
    assert_eq!(c.left(), "person1-name-email person2-email", "the row of a record that nobody covers stays");
    let mut c = case("anonymise", "uncovered = \"dispose\"", &[("p", &format!("{client}\nthen = \"delete\""))]);
    c.person(1, "other", "2020-01-01").person(2, "client", "2020-01-01");
    assert_eq!(c.left(), "person1-name-email", "only purposes that cover a record delete it");
}

#[test]
fn caps_end_early_and_a_missing_cap_is_none() {
    let mut c = case(
        "delete",
        "",
        &[(
            "p",
            "needs = \"all\"\nstarts = \"collected\"\nkeeps = \"3 years\"\nat_most = [\"on_form\", \"death\", { starts = \"contract_end\", keeps = \"1 year\" }]",
        )],
    );
    for (id, months) in [(1, 5), (2, 6), (3, 0), (4, -1), (5, 99_999)] {
        c.person(id, "x", "2026-01-01").set("person", id, "form_months", Value::Integer(months));
    }
    c.person(6, "x", "2026-01-01").set("person", 6, "died_on", date("2026-06-30"));
    c.person(7, "x", "2026-01-01").set("person", 7, "died_on", date("2026-07-01"));
    c.person(8, "x", "2026-01-01").contract(8, 8, "2025-06-30").person(9, "x", "").contract(9, 9, "2025-06-30");
    c.person(10, "x", "2026-01-01").set("person", 10, "died_on", date("1970-01-01"));
    let ended: Vec<i128> = (1..=10).filter(|id| c.state(*id, "p") == State::Ended(End::Cap)).collect();
    assert_eq!(ended, [1, 6, 8, 9], "also where the start is undated");
}

#[test]
fn a_childs_purpose_keeps_what_it_needs_of_its_parent() {
    let child = "data = \"crm.contract\"\nneeds = [\"terms\", \"person.identity\"]\nstarts = \"end\"\nkeeps = \"2 years\"";
    let mut c = case("delete", "", &[("p", ALL), ("c", child)]);
    c.person(1, "x", "2020-01-01").contract(1, 1, "2024-07-01").contract(2, 1, "2024-06-30");
    assert_eq!(c.left(), "person1-email contract1");
    c.set("contract", 1, "ended_on", date("2024-06-30"));
    assert_eq!(c.left(), "");
    let part = "needs = [\"contact\", \"content\"]\nstarts = \"collected\"\nkeeps = \"3 years\"";
    let mut c = case("delete", "", &[("p", part), ("c", child)]);
    c.person(1, "x", "2020-01-01");
    assert_eq!(c.left(), "person1-email", "nobody covers the identity once the last contract is gone");
}

#[test]
fn related_rows_with_an_unknown_filter_are_undated_members() {
    let mut c = case("delete", "", &[("p", "needs = \"all\"\nstarts = \"recent\"\nkeeps = \"1 year\"")]);
    let rows = [
        (1, "a", "2020-01-01"),
        (2, "b", "2026-01-01"),
        (3, "", "2020-01-01"),
        (4, "a", ""),
        (5, "a", ""),
        (6, "a", "1900-01-01"),
    ];
    for (id, kind, ended) in rows {
        c.person(id, "x", "2020-01-01").contract(id, id, ended).set("contract", id, "kind", text(kind));
    }
    c.set("person", 5, "collected_on", Value::Null);
    let states: Vec<State> = (1..=6).map(|id| c.state(id, "p")).collect();
    let due = State::Ended(End::Time);
    assert_eq!(states, [due, State::Undated, State::Undated, due, State::Undated, due], "`else` dates what is missing only");
}
