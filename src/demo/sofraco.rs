//! The broker: clients with their claims and premiums, prospects, prospects who became clients, life-insurance subscribers, suppliers.

use super::dates::Dates;
use super::insert::{Insert, amount, row};
use super::names::{self, Person};
use super::random::Random;

const INSURERS: [&str; 4] = ["Assurance Alpha", "Mutuelle Bêta", "Prévoyance Gamma", "Compagnie Delta"];

/// The insurance companies that contracts name.
pub(super) fn reference_rows() -> Vec<Insert> {
    (1..).zip(INSURERS).map(|(id, name)| row!("insurer"; id = id, name = name)).collect()
}

/// One person's file, or one supplier in forty.
pub(super) fn record(random: &mut Random, dates: &Dates, n: i64) -> Vec<Insert> {
    if random.percent(2) {
        return vec![supplier(random, dates, n)];
    }
    let client = random.percent(50);
    let life = client && random.percent(20);
    let who = Person::new(random, "person", n);
    let (payer, mut contracts) = (who.full(), 0);
    let mut rows = vec![row!("person";
        id = n,
        civility = random.pick(&[Some("Mme"), Some("M."), None]),
        last_name = who.last,
        first_name = random.sometimes(95, who.first),
        birth_date = dates.within(random, 29_000),
        email = random.sometimes(90, who.email),
        phone = random.sometimes(80, who.phone),
        address = random.sometimes(70, who.street),
        postal_code = who.postal_code,
        city = who.town,
        social_security_number = random.percent(if client { 60 } else { 3 }).then(|| names::social_security(random, n)),
        source = random.pick(&["web", "téléphone", "salon"]),
        collected_on = dates.start(random, 36),
        form_period_months = if random.percent(12) { Some(random.pick(&[6_i64, 12, 24, 48, 0, -1])) } else { None },
        prospecting_objection_on = random.percent(4).then(|| dates.within(random, 900)),
        deceased_on = if random.percent(if life { 30 } else { 2 }) { dates.start(random, 120) } else { None },
    )];
    if client {
        contracts = 1 + random.below(3);
        for k in 0..contracts {
            rows.push(contract(random, dates, n, n * 10 + k, life && k == 0));
        }
        if random.percent(25) {
            rows.push(row!("health_questionnaire";
                id = n,
                person_id = n,
                filled_on = dates.within(random, 3_000),
                answers = format!("{{\"smoker\": {}, \"height_cm\": {}}}", random.percent(25), 150 + random.below(50)),
                treating_physician = random.sometimes(60, "Dr Exemple"),
            ));
        }
    }
    if client && random.percent(25) {
        for k in 0..1 + random.below(2) {
            rows.push(claim(random, dates, n, n * 10 + k));
        }
    }
    for k in 0..contracts {
        rows.extend(receipts(random, dates, n * 10 + k, &payer));
    }
    // Prospects have a history; a third of the clients keep theirs from when they were prospects.
    if !client || random.percent(33) {
        for k in 0..random.below(4) {
            rows.push(row!("interaction";
                id = n * 10 + k,
                person_id = n,
                direction = if random.percent(1) { None } else { Some(random.pick(&["in", "out", "out"])) },
                channel = random.pick(&["e-mail", "téléphone", "courrier"]),
                happened_at = dates.instant(random, 36),
                content = names::note(random),
            ));
        }
    }
    rows
}

fn contract(random: &mut Random, dates: &Dates, person: i64, id: i64, life: bool) -> Insert {
    let running = if random.percent(40) { 100 } else { 0 };
    row!("contract";
        id = id,
        person_id = person,
        insurer_id = 1 + random.below(4),
        number = format!("CT-{id:08}"),
        branch = if life { "life" } else { random.pick(&["health", "motor", "home"]) },
        started_on = dates.within(random, 7_000),
        ended_on = dates.end(random, 24, running),
        annual_premium = amount(9_000 + random.below(200_000)),
        iban = random.percent(80).then(|| names::iban(random)),
        beneficiary_clause = life.then_some("Mon conjoint, à défaut mes enfants nés ou à naître."),
    )
}

fn claim(random: &mut Random, dates: &Dates, person: i64, id: i64) -> Insert {
    row!("claim";
        id = id,
        person_id = person,
        number = format!("SI-{id:08}"),
        happened_on = dates.within(random, 5_000),
        closed_on = dates.end(random, 120, 15),
        circumstances = names::note(random),
        settlement_iban = random.percent(50).then(|| names::iban(random)),
    )
}

/// Up to two receipts of premiums of a contract.
fn receipts(random: &mut Random, dates: &Dates, contract: i64, payer: &str) -> Vec<Insert> {
    let receipt = |random: &mut Random, k: i64| {
        row!("premium_receipt";
            id = contract * 10 + k,
            contract_id = contract,
            number = format!("Q-{:09}", contract * 10 + k),
            paid_on = dates.start(random, 72),
            amount = amount(2_000 + random.below(90_000)),
            payer = payer,
            iban = random.percent(70).then(|| names::iban(random)),
        )
    };
    (0..random.below(3)).map(|k| receipt(random, k)).collect()
}

fn supplier(random: &mut Random, dates: &Dates, n: i64) -> Insert {
    let who = Person::new(random, "supplier", n);
    row!("supplier";
        id = n,
        company = format!("Fournisseur {n}"),
        contact_name = who.full(),
        contact_email = random.sometimes(90, who.email),
        iban = names::iban(random),
        contract_ended_on = dates.end(random, 24, 50),
    )
}
