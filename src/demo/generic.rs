//! Contracts of any organisation.

use super::dates::Dates;
use super::insert::{Insert, row};
use super::names::{self, Person};
use super::random::Random;

/// One contract.
pub(super) fn record(random: &mut Random, dates: &Dates, n: i64) -> Vec<Insert> {
    let who = Person::new(random, "holder", n);
    vec![row!("contract";
        id = n,
        number = format!("K-{n:08}"),
        product = random.pick(&["internet", "mobile", "téléphone fixe"]),
        started_on = dates.within(random, 7_000),
        ended_on = dates.end(random, 120, 30),
        holder_name = who.full(),
        holder_email = who.email.clone(),
        holder_phone = random.sometimes(80, who.phone.clone()),
        holder_birth_date = random.percent(80).then(|| dates.within(random, 29_000)),
        holder_postal_code = who.postal_code,
        holder_income = random.percent(60).then(|| 9_000 + random.below(90_000)),
        last_ip = random.percent(70).then(|| names::ip(random)),
        details = random.percent(70).then(|| {
            format!("{{\"contact\": {{\"email\": \"{}\", \"phone\": \"{}\", \"hours\": \"9-12\"}}, \"plan\": \"M\"}}", who.email, who.phone)
        }),
    )]
}
