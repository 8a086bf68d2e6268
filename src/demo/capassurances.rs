//! The insurer of expatriates: its contract base, the accounts of its portal and the requests made there.

use super::dates::Dates;
use super::insert::{Insert, row};
use super::names::{self, Person};
use super::random::Random;

/// One insured person with contracts and, mostly, a portal account.
pub(super) fn record(random: &mut Random, dates: &Dates, n: i64) -> Vec<Insert> {
    let who = Person::new(random, "insured", n);
    let mut rows = vec![row!("insured_person";
        id = n,
        last_name = who.last,
        first_name = random.sometimes(97, who.first),
        birth_date = dates.within(random, 27_000),
        email = random.sometimes(92, who.email.clone()),
        phone = random.sometimes(75, who.phone),
        country_of_stay = random.pick(&["TH", "CA", "MA", "AE", "SG"]),
    )];
    // Nobody is in the base without a contract, but for one in fifty whose contract was lost: a record to report.
    let contracts = if random.percent(2) { 0 } else { 1 + random.below(2) };
    for k in 0..contracts {
        rows.push(row!("contract";
            id = n * 10 + k,
            insured_person_id = n,
            number = format!("EX-{:08}", n * 10 + k),
            started_on = dates.within(random, 8_000),
            ended_on = dates.end(random, 120, 30),
            iban = random.percent(80).then(|| names::iban(random)),
        ));
        for request in 0..random.below(4) {
            rows.push(row!("portal_request";
                id = (n * 10 + k) * 10 + request,
                contract_id = n * 10 + k,
                subject = random.pick(&["Remboursement", "Changement d'adresse", "Carte de tiers payant", "Attestation"]),
                body = random.sometimes(80, "Bonjour, merci de me répondre."),
                sent_on = dates.within(random, 900),
                closed_on = dates.end(random, 24, 12),
            ));
        }
    }
    if random.percent(70) {
        rows.push(row!("portal_account";
            id = n,
            insured_person_id = n,
            login = who.email,
            last_login_at = dates.instant(random, 24),
            preferences = random.sometimes(50, "{\"language\": \"fr\"}"),
        ));
    }
    rows
}
