//! The consequences of the meaning, one test each.

use super::*;

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

#[test]
fn hours_count_instants_and_zero_hours_act_at_the_next_run() {
    let hours = |n: i128, made: &str| {
        let mut c = case("delete", "", &[("p", &format!("needs = \"all\"\nstarts = \"document\"\nkeeps = \"{n} hours\""))]);
        c.person(1, "x", "").document(1, 1, "").set("document", 1, "made_on", Value::Instant(made.parse().unwrap()));
        c.state(1, "p")
    };
    let due = State::Ended(End::Time);
    assert_eq!([hours(0, "2026-07-01T09:59:59Z"), hours(0, "2026-07-01T10:00:00Z")], [due, State::NotYet]);
    assert_eq!([hours(72, "2026-06-28T09:59:59.999999Z"), hours(72, "2026-06-28T10:00:00Z")], [due, State::NotYet]);
}

#[test]
fn an_unmapped_row_that_refers_to_a_record_keeps_it_emptied_unless_the_map_declares_that_it_goes() {
    let mut c = case("delete", "", &[("p", ALL)]);
    c.person(1, "x", "2020-01-01");
    let mut log = Table::new(TableId::Other("log".into()), ["person_id"]);
    log.push(vec![Value::Integer(1)]);
    c.world.tables.push(log);
    let mut key = c.world.foreign_keys[0].clone();
    key.child = TableId::Other("log".into());
    c.world.foreign_keys.push(key);
    assert_eq!((c.outcome("person", 1), c.left()), (Outcome::Emptied, "person1-name-email".into()));
    let log = crate::policy::map::TableRef { schema: None, name: "log".into() };
    let person = c.map.data_sets.iter_mut().find(|d| d.id.value == "person").unwrap();
    person.cascades.push(crate::policy::located::Located::new(log, person.table.at.clone()));
    assert_eq!((c.outcome("person", 1), c.left()), (Outcome::Delete, String::new()));
}
