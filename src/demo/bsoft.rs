//! The publisher of insurance software: mostly connection data.

use super::dates::Dates;
use super::insert::{Insert, amount, row};
use super::names::{self, Person};
use super::random::Random;

/// One record of one of its data sets; customers come with their requests and recordings, prospects with their quotes.
pub(super) fn record(random: &mut Random, dates: &Dates, n: i64) -> Vec<Insert> {
    match random.below(100) {
        0..=9 => vec![subscription(random, dates, n)],
        10..=19 => customer(random, dates, n),
        20..=34 => prospect(random, dates, n),
        _ => vec![connection(random, dates, n)],
    }
}

fn subscription(random: &mut Random, dates: &Dates, n: i64) -> Insert {
    let who = Person::new(random, "newsletter", n);
    row!("newsletter_subscription";
        id = n,
        email = who.email,
        first_name = random.sometimes(70, who.first),
        subscribed_at = dates.instant_within(random, 1_500),
        unsubscribed_at = if random.percent(25) { dates.instant(random, 2) } else { None },
    )
}

fn customer(random: &mut Random, dates: &Dates, n: i64) -> Vec<Insert> {
    let who = Person::new(random, "customer", n);
    let mut rows = vec![row!("customer";
        id = n,
        company = format!("Courtage {n}"),
        contact_name = who.full(),
        contact_email = random.sometimes(90, who.email),
        contact_phone = random.sometimes(80, who.phone),
        contract_ended_on = dates.end(random, 60, 50),
    )];
    for k in 0..random.below(4) {
        let author = Person::new(random, "author", n);
        rows.push(row!("contact_request";
            id = n * 10 + k,
            customer_id = n,
            asked_at = dates.instant_within(random, 3_000).naive_utc(),
            author_name = random.sometimes(95, author.full()),
            author_email = author.email,
            question = names::note(random),
        ));
    }
    for k in 0..random.below(3) {
        rows.push(row!("call_recording";
            id = n * 10 + k,
            customer_id = n,
            recorded_at = dates.instant_within(random, 3_000).naive_utc(),
            caller_name = random.percent(90).then(|| Person::new(random, "caller", n).full()),
            caller_phone = names::phone(random),
            transcript = random.percent(60).then(|| names::note(random)),
            audio_file = random.percent(90).then(|| format!("{:02}/{}.wav", n % 100, n * 10 + k)),
        ));
    }
    rows
}

fn prospect(random: &mut Random, dates: &Dates, n: i64) -> Vec<Insert> {
    let who = Person::new(random, "prospect", n);
    let mut rows = vec![row!("prospect";
        id = n,
        company = random.percent(80).then(|| format!("Cabinet {n}")),
        contact_name = who.full(),
        email = random.sometimes(90, who.email.clone()),
        phone = random.sometimes(70, who.phone.clone()),
        last_contact_on = dates.start(random, 36),
        objected_on = random.percent(5).then(|| dates.within(random, 900)),
    )];
    for k in 0..random.below(3) {
        rows.push(row!("quote";
            id = n * 10 + k,
            prospect_id = n,
            number = format!("DV-{:08}", n * 10 + k),
            sent_on = dates.within(random, 1_500),
            amount = amount(30_000 + random.below(900_000)),
            addressee = random.sometimes(90, who.full()),
        ));
    }
    rows
}

fn connection(random: &mut Random, dates: &Dates, n: i64) -> Insert {
    row!("connection_log";
        id = n,
        collected_at = dates.instant(random, 13),
        ip_address = random.percent(98).then(|| names::ip(random)),
        user_agent = names::user_agent(random),
        cookie_id = random.percent(80).then(|| names::hex(random, 16)),
        path = random.pick(&["/login", "/contrats", "/sinistres", "/export"]),
    )
}
