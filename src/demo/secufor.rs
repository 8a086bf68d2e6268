//! The publisher of software and payment accounts: one kind of record for each row of its retention table.

use super::dates::Dates;
use super::insert::{Insert, SeedValue, amount, row};
use super::names::{self, Person};
use super::random::Random;

const PRODUCTS: [&str; 4] = ["COFFRE", "ALARME", "COMPTE", "PARE-FEU"];

/// Customers of the hosted service.
const TENANTS: [&str; 3] = ["courtage-armor", "mutuelle-du-nord", "cabinet-lise"];

/// The orders that card payments name.
pub(super) fn reference_rows() -> Vec<Insert> {
    (1..=50)
        .map(|id| {
            let product = PRODUCTS[usize::try_from(id % 4).unwrap_or(0)];
            row!("sales_order"; id = id, number = format!("CMD-{id:05}"), product_code = product, amount = amount(4_900 + id * 1_000))
        })
        .collect()
}

/// One record of one of its data sets; accounts come with their operations and vigilance file, customers with all their papers.
pub(super) fn record(random: &mut Random, dates: &Dates, n: i64) -> Vec<Insert> {
    match random.below(100) {
        0..=19 => account(random, dates, n),
        20..=27 => vec![card_payment(random, dates, n)],
        28..=42 => vec![member(random, dates, n)],
        43..=54 => vec![subscriber(random, dates, n)],
        55..=62 => vec![information_request(random, dates, n)],
        63..=72 => vec![page_view(random, dates, n)],
        73..=82 => customer(random, dates, n),
        83..=85 => vec![call_recording(random, dates, n)],
        86..=88 => vec![call_analysis(random, dates, n)],
        89..=95 => vec![review(random, dates, n)],
        96 => hosted(random, dates, n),
        _ => vec![rights_request(random, dates, n)],
    }
}

fn account(random: &mut Random, dates: &Dates, n: i64) -> Vec<Insert> {
    let who = Person::new(random, "account", n);
    let id = format!(
        "{:08x}-{}-4{}-8{}-{n:012x}",
        random.below(1 << 32),
        names::hex(random, 4),
        names::hex(random, 3),
        names::hex(random, 3)
    );
    let mut rows = vec![row!("account";
        id = id.clone(),
        holder_name = who.full(),
        email = who.email,
        phone = random.sometimes(80, who.phone),
        postal_address = format!("{}, {} {}", who.street, who.postal_code, who.town),
        opened_on = dates.within(random, 5_000),
        relationship_ended_on = dates.end(random, 60, 45),
    )];
    if random.percent(40) {
        rows.push(row!("aml_file";
            id = n,
            account_id = id.clone(),
            identity_document = format!("CNI-{:09}", random.below(1_000_000_000)),
            beneficial_owner = random.sometimes(40, who.last),
            risk_notes = random.percent(30).then(|| names::note(random)),
            reviewed_on = dates.within(random, 1_000),
        ));
    }
    for k in 0..random.below(5) {
        rows.push(row!("account_transaction";
            id = n * 10 + k,
            account_id = id.clone(),
            operated_at = dates.instant(random, 60),
            amount = amount(100 + random.below(500_000)),
            currency = "EUR",
            counterparty_name = Person::new(random, "counterparty", n).full(),
            label = random.percent(90).then(|| names::note(random)),
            counterparty_iban = random.percent(90).then(|| names::iban(random)),
        ));
    }
    rows
}

fn customer(random: &mut Random, dates: &Dates, n: i64) -> Vec<Insert> {
    let who = Person::new(random, "customer", n);
    let address = format!("{}, {} {}", who.street, who.postal_code, who.town);
    let mut rows = vec![row!("customer";
        id = n,
        name = who.full(),
        email = who.email.clone(),
        billing_address = random.sometimes(90, address.clone()),
        iban = random.percent(80).then(|| names::iban(random)),
        relationship_ended_on = dates.end(random, 60, 40),
    )];
    for k in 0..random.below(4) {
        rows.push(row!("customer_order";
            id = n * 10 + k,
            customer_id = n,
            number = format!("CC-{:09}", n * 10 + k),
            ordered_on = dates.within(random, 2_500),
            delivered_to = random.sometimes(70, address.clone()),
            refund_iban = random.percent(10).then(|| names::iban(random)),
        ));
    }
    if random.percent(40) {
        rows.push(row!("service_contract";
            id = n,
            customer_id = n,
            number = format!("CS-{n:08}"),
            signed_on = dates.within(random, 2_500),
            signatory = who.full(),
            debit_iban = random.percent(70).then(|| names::iban(random)),
        ));
    }
    for k in 0..random.below(4) {
        rows.push(row!("invoice";
            id = n * 10 + k,
            customer_id = n,
            number = format!("F-{:09}", n * 10 + k),
            issued_on = dates.start(random, 120),
            amount = amount(1_000 + random.below(200_000)),
            billed_to = format!("{}, {address}", who.full()),
            paid_from_iban = random.percent(60).then(|| names::iban(random)),
        ));
    }
    if random.percent(15) {
        rows.push(row!("recovery_file";
            id = n,
            customer_id = n,
            collected_on = dates.start(random, 60),
            // Somebody forgot to say whether there is a dispute: the file is kept.
            dispute = if random.percent(3) { None } else { Some(random.pick(&["none", "none", "closed", "open"])) },
            debtor = who.full(),
            account_of_facts = names::note(random),
        ));
    }
    rows
}

fn card_payment(random: &mut Random, dates: &Dates, n: i64) -> Insert {
    let number = format!("0000{:012}", random.below(1_000_000_000_000));
    row!("card_payment";
        id = n,
        order_id = 1 + random.below(50),
        instalments = random.pick(&[1_i64, 3, 10]),
        card_holder = Person::new(random, "card", n).full(),
        card_number = number,
        card_expires = format!("{:02}/20{}", 1 + random.below(12), 26 + random.below(5)),
        // Someone typed it into the wrong field: an incident each time.
        verification_code = random.percent(2).then(|| format!("{:03}", random.below(1_000))),
        paid_in_full_on = dates.end(random, 6, 40),
        terminated_on = if random.percent(15) { dates.start(random, 6) } else { None },
    )
}

fn member(random: &mut Random, dates: &Dates, n: i64) -> Insert {
    let who = Person::new(random, "member", n);
    let client = random.percent(45);
    row!("member";
        id = n,
        full_name = who.full(),
        email = who.email,
        phone = random.sometimes(70, who.phone),
        birth_date = random.percent(50).then(|| dates.within(random, 29_000)),
        postal_code = who.postal_code,
        became_client_on = client.then(|| dates.within(random, 3_000)),
        relationship_ended_on = if client { dates.end(random, 24, 60) } else { None },
        // A prospect who became a client keeps an old last contact, which no longer counts.
        last_contact_on = dates.start(random, 36),
    )
}

fn subscriber(random: &mut Random, dates: &Dates, n: i64) -> Insert {
    let who = Person::new(random, "newsletter", n);
    row!("newsletter_subscriber";
        id = n,
        email = who.email,
        first_name = random.sometimes(60, who.first),
        last_contact_on = dates.start(random, 36),
        consent_withdrawn_at = random.percent(6).then(|| dates.instant_within(random, 400)),
        objected = random.percent(3),
    )
}

fn information_request(random: &mut Random, dates: &Dates, n: i64) -> Insert {
    let who = Person::new(random, "request", n);
    row!("information_request";
        id = n,
        requester_name = random.sometimes(90, who.full()),
        requester_email = who.email,
        question = names::note(random),
        received_at = dates.instant_within(random, 200),
        processed_at = if random.percent(60) { dates.instant(random, 1) } else { None },
    )
}

fn page_view(random: &mut Random, dates: &Dates, n: i64) -> Insert {
    row!("page_view";
        id = n,
        collected_at = dates.instant(random, 6),
        path = random.pick(&["/", "/tarifs", "/contact", "/blog"]),
        visitor_id = random.percent(95).then(|| names::hex(random, 16)),
        ip_address = names::ip(random),
        user_agent = names::user_agent(random),
    )
}

fn call_recording(random: &mut Random, dates: &Dates, n: i64) -> Insert {
    row!("call_recording";
        id = n,
        collected_on = dates.start(random, 6),
        caller_name = random.percent(90).then(|| Person::new(random, "caller", n).full()),
        caller_phone = names::phone(random),
        audio_file = random.percent(90).then(|| format!("{:02}/{n}.wav", n % 100)),
    )
}

fn call_analysis(random: &mut Random, dates: &Dates, n: i64) -> Insert {
    row!("call_analysis";
        id = n,
        collected_on = dates.start(random, 12),
        advisor_name = Person::new(random, "advisor", n).full(),
        caller_name = Person::new(random, "caller", n).full(),
        summary = names::note(random),
        scores = format!("{{\"politeness\": {}}}", random.below(6)),
    )
}

/// What a customer keeps in the hosted service: a contact with its messages, and a sign-in of the customer's staff.
fn hosted(random: &mut Random, dates: &Dates, n: i64) -> Vec<Insert> {
    let (contact, user) = (Person::new(random, "hosted", n), Person::new(random, "staff", n));
    let tenant = random.pick(&TENANTS);
    let mut rows = vec![row!("hosted_contact";
        id = n,
        tenant_code = tenant,
        full_name = contact.full(),
        email = random.sometimes(90, contact.email),
        imported_on = dates.within(random, 2_500),
    )];
    for k in 0..random.below(3) {
        rows.push(row!("hosted_message";
            id = n * 10 + k,
            contact_id = n,
            sent_at = dates.instant_within(random, 2_000),
            body = names::note(random),
        ));
    }
    rows.push(row!("hosted_login";
        id = n,
        tenant_code = tenant,
        user_name = user.full(),
        ip_address = names::ip(random),
        logged_at = dates.instant_within(random, 900),
    ));
    rows
}

fn review(random: &mut Random, dates: &Dates, n: i64) -> Insert {
    let who = Person::new(random, "review", n);
    row!("review";
        id = n,
        product_code = random.pick(&PRODUCTS),
        posted_at = dates.local(random, 36),
        rating = 1 + random.below(5),
        body = random.pick(&["Très bien.", "Correct, sans plus.", "L'installation fut longue."]),
        author_name = who.full(),
        author_email = random.sometimes(90, who.email),
        author_city = random.sometimes(50, who.town),
    )
}

fn rights_request(random: &mut Random, dates: &Dates, n: i64) -> Insert {
    let who = Person::new(random, "rights", n);
    let received: SeedValue = dates.start(random, 66).into();
    row!("data_subject_request";
        id = n,
        requester_name = who.full(),
        requester_email = random.sometimes(80, who.email),
        article = random.pick(&[15_i64, 16, 17, 18, 20, 21]),
        received_on = received,
        answered_on = random.percent(85).then(|| dates.within(random, 1_500)),
        answer = random.sometimes(85, "Réponse envoyée dans le délai d'un mois."),
    )
}
