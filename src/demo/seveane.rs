//! The third-party-payment network: professionals with and without a signed agreement, fraud files with and without proceedings.

use super::dates::Dates;
use super::insert::{Insert, row};
use super::names::{self, Person};
use super::random::Random;

/// One record of one of its data sets; a professional comes with agreements and, rarely, a fraud file.
pub(super) fn record(random: &mut Random, dates: &Dates, n: i64) -> Vec<Insert> {
    match random.below(100) {
        0..=54 => professional(random, dates, n),
        55..=59 => fraud_file(random, dates, n, None),
        60..=69 => vec![listed(random, dates, n)],
        70..=74 => vec![call_recording(random, dates, n)],
        _ => vec![quality(random, dates, n)],
    }
}

fn professional(random: &mut Random, dates: &Dates, n: i64) -> Vec<Insert> {
    let who = Person::new(random, "pro", n);
    let mut rows = vec![row!("health_professional";
        id = n,
        rpps_number = random.percent(95).then(|| format!("99{n:09}")),
        last_name = who.last,
        first_name = who.first,
        speciality = random.pick(&["opticien", "dentiste", "audioprothésiste", "pharmacien"]),
        email = random.sometimes(90, who.email),
        phone = who.phone,
        iban = random.percent(70).then(|| names::iban(random)),
        collected_on = dates.start(random, 60),
    )];
    for k in 0..random.below(3) {
        let signed = random.percent(80);
        rows.push(row!("agreement";
            id = n * 10 + k,
            professional_id = n,
            number = format!("CV-{:08}", n * 10 + k),
            signed_on = signed.then(|| dates.within(random, 6_000)),
            ended_on = dates.end(random, 120, 40),
            signatory = random.sometimes(90, who.last),
        ));
    }
    if random.percent(4) {
        rows.extend(fraud_file(random, dates, n, Some(n)));
    }
    rows
}

fn fraud_file(random: &mut Random, dates: &Dates, n: i64, professional: Option<i64>) -> Vec<Insert> {
    let who = Person::new(random, "suspect", n);
    let proceedings = random.percent(35);
    let mut rows = vec![row!("fraud_file";
        id = n,
        professional_id = professional,
        reference = format!("FR-{n:07}"),
        suspect_name = who.full(),
        suspect_address = random.sometimes(80, who.street),
        findings = names::note(random),
        facts_on = dates.start(random, 72),
        closed_on = dates.end(random, 60, 25),
        proceedings_opened_on = proceedings.then(|| dates.within(random, 2_500)),
        proceedings_ended_on = (proceedings && random.percent(60)).then(|| dates.within(random, 1_500)),
    )];
    for k in 0..random.below(3) {
        rows.push(row!("fraud_document";
            id = n * 10 + k,
            fraud_file_id = n,
            title = random.sometimes(90, "Facture rectifiée"),
            content = names::note(random),
        ));
    }
    rows
}

fn listed(random: &mut Random, dates: &Dates, n: i64) -> Insert {
    row!("presumed_fraudster";
        id = n,
        full_name = Person::new(random, "listed", n).full(),
        birth_date = random.percent(70).then(|| dates.within(random, 25_000)),
        reason = random.sometimes(90, "Facturation d'actes non réalisés"),
        entered_on = dates.start(random, 60),
    )
}

fn call_recording(random: &mut Random, dates: &Dates, n: i64) -> Insert {
    row!("call_recording";
        id = n,
        collected_at = dates.local(random, 6),
        caller_name = random.percent(90).then(|| Person::new(random, "caller", n).full()),
        caller_phone = names::phone(random),
        audio_file = random.percent(90).then(|| format!("{:02}/{n}.wav", n % 100)),
    )
}

fn quality(random: &mut Random, dates: &Dates, n: i64) -> Insert {
    row!("quality_record";
        site_code = random.pick(&["PARIS", "LILLE", "NANTES"]),
        call_number = n,
        collected_at = dates.local(random, 18),
        wait_seconds = random.below(900),
        satisfaction = random.percent(60).then(|| 1 + random.below(5)),
        caller_name = random.percent(80).then(|| Person::new(random, "caller", n).full()),
        caller_phone = names::phone(random),
        agent_comment = random.percent(40).then(|| names::note(random)),
    )
}
