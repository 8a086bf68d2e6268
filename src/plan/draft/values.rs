//! Tests of single values: does this text have the shape of an e-mail address, an IBAN, a name?

/// An e-mail address.
pub(super) fn is_email(v: &str) -> bool {
    let Some((local, domain)) = v.rsplit_once('@') else { return false };
    let plain = |s: &str, more: &str| s.chars().all(|c| c.is_alphanumeric() || more.contains(c));
    !local.is_empty()
        && local.len() <= 64
        && plain(local, "!#$%&'*+-/=?^_`{|}~.")
        && domain.contains('.')
        && plain(domain, "-.")
        && domain.split('.').all(|l| !l.is_empty())
        && domain.rsplit('.').next().is_some_and(|t| t.len() >= 2 && t.chars().all(char::is_alphabetic))
}

/// A telephone number, French or with a country code.
pub(super) fn is_phone(v: &str) -> bool {
    let compact: String = v.chars().filter(|c| !" .-/()\u{a0}\u{202f}".contains(*c)).collect();
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let international = compact.strip_prefix('+').or_else(|| compact.strip_prefix("00"));
    match international {
        Some(rest) => digits(rest) && (8..=15).contains(&rest.len()),
        None => digits(&compact) && compact.len() == 10 && compact.starts_with('0') && !compact.starts_with("00"),
    }
}

/// An IBAN whose check digits are right.
pub(super) fn is_iban(v: &str) -> bool {
    let iban: Vec<u8> = v.bytes().filter(|b| *b != b' ').map(|b| b.to_ascii_uppercase()).collect();
    if !(15..=34).contains(&iban.len())
        || !iban[..2].iter().all(u8::is_ascii_uppercase)
        || !iban[2..4].iter().all(u8::is_ascii_digit)
        || !iban.iter().all(u8::is_ascii_alphanumeric)
    {
        return false;
    }
    let rest = iban[4..].iter().chain(&iban[..4]).fold(0_u32, |rest, b| match b {
        b'0'..=b'9' => (rest * 10 + u32::from(b - b'0')) % 97,
        _ => (rest * 100 + u32::from(b - b'A') + 10) % 97,
    });
    rest == 1
}

/// A French social-security number of 15 characters with the right key.
pub(super) fn is_keyed_nir(v: &str) -> bool {
    v.chars().filter(char::is_ascii_alphanumeric).count() == 15 && is_nir(v)
}

/// Milliseconds since 1970, of a day from 2001 to 2039: thirteen digits, as a social-security number without its key has.
pub(super) fn is_epoch_milliseconds(v: &str) -> bool {
    v.len() == 13 && v.parse::<u64>().is_ok_and(|n| (1_000_000_000_000..2_208_988_800_000).contains(&n))
}

/// A calendar day as `YYYY-MM-DD`.
pub(super) fn is_iso_date(v: &str) -> bool {
    v.len() == 10 && chrono::NaiveDate::parse_from_str(v, "%Y-%m-%d").is_ok()
}

/// A date-time as `YYYY-MM-DD HH:MM`, with `T` or a blank, with or without seconds and their fractions, without a zone.
pub(super) fn is_iso_datetime(v: &str) -> bool {
    let (Some(day), Some(time)) = (v.get(..10), v.get(11..)) else { return false };
    let (of_day, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let digits = !fraction.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit());
    let form = match of_day.len() {
        5 if !time.contains('.') => "%H:%M",
        8 => "%H:%M:%S",
        _ => return false,
    };
    is_iso_date(day)
        && matches!(v.as_bytes()[10], b'T' | b' ')
        && digits
        && chrono::NaiveTime::parse_from_str(of_day, form).is_ok()
}

/// An instant in UTC as `YYYY-MM-DDTHH:MM:SS[.fff]Z`.
pub(super) fn is_iso_instant(v: &str) -> bool {
    v.strip_suffix('Z').is_some_and(|utc| utc.len() >= 19 && utc.as_bytes()[10] == b'T' && is_iso_datetime(utc))
}

/// A French social-security number of 13 characters, or of 15 with the right key; Corsica's 2A and 2B included. Without a key, nothing but its
/// digits speaks for it: the month must be one of the year's, commune and order must not be zero.
pub(super) fn is_nir(v: &str) -> bool {
    let nir: String = v.chars().filter(|c| !" .-\u{a0}".contains(*c)).collect::<String>().to_ascii_uppercase();
    if !nir.is_ascii() || !matches!(nir.len(), 13 | 15) {
        return false;
    }
    let (body, key) = nir.split_at(13);
    let numeric = match &body[5..7] {
        "2A" => body.replacen("2A", "19", 1),
        "2B" => body.replacen("2B", "18", 1),
        _ => body.to_owned(),
    };
    let Ok(number) = numeric.parse::<u64>() else { return false };
    let month: u32 = numeric[3..5].parse().unwrap_or(0);
    let department: u32 = numeric[5..7].parse().unwrap_or(0);
    let months = matches!(month, 1..=12) || !key.is_empty() && (matches!(month, 20..=42) || month >= 50);
    let place = (1..=99).contains(&department) && (!key.is_empty() || &numeric[7..10] != "000" && &numeric[10..] != "000");
    let plausible = matches!(numeric.as_bytes()[0], b'1'..=b'4' | b'7' | b'8') && months && place;
    plausible && (key.is_empty() || key.parse::<u64>().is_ok_and(|key| key == 97 - number % 97))
}

/// A payment card's number: an issuer's beginning, its length, and Luhn's check digit.
pub(super) fn is_card(v: &str) -> bool {
    let digits: String = v.chars().filter(|c| !" -".contains(*c)).collect();
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return false;
    }
    let begins = |from: u32, to: u32, n: usize| {
        digits.get(..n).and_then(|d| d.parse::<u32>().ok()).is_some_and(|d| (from..=to).contains(&d))
    };
    let issuer = match digits.len() {
        13 | 19 => begins(4, 4, 1),
        15 => begins(34, 34, 2) || begins(37, 37, 2),
        16 => {
            begins(4, 4, 1)
                || begins(51, 55, 2)
                || begins(2221, 2720, 4)
                || begins(6011, 6011, 4)
                || begins(65, 65, 2)
                || begins(50, 50, 2)
        }
        _ => false,
    };
    let sum: u32 = digits.bytes().rev().enumerate().fold(0, |sum, (i, b)| {
        let d = u32::from(b - b'0');
        sum + if i % 2 == 0 { d } else { d / 5 + d * 2 % 10 }
    });
    issuer && sum.is_multiple_of(10)
}

/// An IP address.
pub(super) fn is_ip(v: &str) -> bool {
    let address = v.split('/').next().unwrap_or(v);
    is_ipv4(address) || is_ipv6(address)
}

fn is_ipv4(v: &str) -> bool {
    let octet = |o: &str| (1..=3).contains(&o.len()) && o.bytes().all(|b| b.is_ascii_digit()) && o.parse::<u8>().is_ok();
    v.split('.').count() == 4 && v.split('.').all(octet)
}

fn is_ipv6(v: &str) -> bool {
    let group = |g: &str| (1..=4).contains(&g.len()) && g.bytes().all(|b| b.is_ascii_hexdigit());
    let count = |half: &str| -> Option<usize> {
        if half.is_empty() {
            return Some(0);
        }
        let groups: Vec<&str> = half.split(':').collect();
        let (last, first) = groups.split_last()?;
        let wide = if is_ipv4(last) { 2 } else { usize::from(group(last)) };
        (wide > 0 && first.iter().all(|g| group(g))).then_some(first.len() + wide)
    };
    match v.split_once("::") {
        Some((left, right)) => matches!((count(left), count(right)), (Some(l), Some(r)) if l + r < 8),
        None => count(v) == Some(8),
    }
}

/// A street with a number, or a French postal code with its town, in a text of several words.
pub(super) fn is_street(v: &str) -> bool {
    const STREETS: &str = "rue avenue av ave boulevard bd blvd place pl chemin allee allée impasse route rte quai cours square lotissement \
        residence résidence street st road rd lane ln drive dr way court faubourg fbg villa sentier passage esplanade";
    let words: Vec<String> = v
        .split(|c: char| c.is_whitespace() || c == ',')
        .filter(|w| !w.is_empty())
        .map(|w| w.trim_end_matches('.').to_lowercase())
        .collect();
    if words.len() < 3 || words.len() > 15 {
        return false;
    }
    let number = |w: &String| w.starts_with(|c: char| c.is_ascii_digit()) && w.len() <= 6;
    let street = words.iter().any(|w| STREETS.split_ascii_whitespace().any(|s| s == w));
    let postal = words.windows(2).any(|w| {
        w[0].len() == 5 && w[0].bytes().all(|b| b.is_ascii_digit()) && w[1].chars().all(|c| c.is_alphabetic() || c == '-')
    });
    street && words.iter().take(3).any(number) || postal
}

/// A person's name: one to four words of letters, one of them a name that many people bear.
pub(super) fn is_name(v: &str) -> bool {
    let words: Vec<String> = v.split([' ', '-', '\u{a0}', ',']).filter(|w| !w.is_empty()).map(str::to_lowercase).collect();
    (1..=4).contains(&words.len())
        && words.iter().all(|w| w.chars().all(|c| c.is_alphabetic() || c == '\'' || c == '.'))
        && words.iter().any(|w| COMMON.split_ascii_whitespace().any(|n| n == w))
}

/// The year of a calendar day in ISO form, with or without a time.
pub(super) fn year(v: &str) -> Option<u16> {
    let b = v.as_bytes();
    (b.len() >= 10 && b[4] == b'-' && b[7] == b'-').then(|| v.get(..4)?.parse().ok()).flatten()
}

/// First and family names that many people in France and in English-speaking countries bear.
const COMMON: &str = "jean marie pierre michel andre andré philippe alain rene rené louis bernard jacques daniel claude nathalie isabelle \
    sylvie catherine francoise françoise martine christine monique valerie valérie sandrine veronique véronique nicole stephanie \
    stéphanie sophie celine céline aurelie aurélie julie laura camille emma lea léa manon chloe chloé lucas hugo leo léo louise jade \
    gabriel raphael raphaël arthur nathan thomas nicolas julien alexandre kevin kévin antoine maxime quentin paul benjamin vincent \
    sebastien sébastien christophe laurent stephane stéphane frederic frédéric david olivier eric éric patrick thierry pascal bruno \
    didier gilles marc luc mathieu matthieu guillaume romain anthony jeremy jérémy fabien cedric cédric mohamed fatima ahmed karim \
    sarah ines inès lina mia alice rose anna lucie charlotte juliette margaux clara eva zoe zoé helene hélène anne claire elodie \
    élodie emilie émilie audrey melanie mélanie caroline marine pauline mathilde amelie amélie laetitia delphine virginie severine \
    brigitte chantal jacqueline josette simone denise yvonne marcel roger raymond georges henri robert andree suzanne jeanne john mary \
    james robert michael william elizabeth jennifer linda patricia susan jessica karen nancy margaret lisa betty george charles joseph \
    richard christopher matthew andrew steven edward brian ronald kenneth timothy jason jeffrey ryan jacob emily olivia sophia isabella \
    ava noah liam ethan mason harry jack oliver martin bernard dubois durand petit leroy moreau simon lefebvre lefevre michel garcia \
    bertrand roux fournier morel girard mercier dupont lambert bonnet francois françois fontaine rousseau blanc guerin guérin muller \
    henry roussel perrin morin mathieu clement clément gauthier dumont lopez chevalier robin masson sanchez gerard gérard nguyen boyer \
    denis lemaire duval joly gautier roger roche roy noel noël meyer lucas meunier jean perez marchand dufour blanchard smith jones \
    taylor brown williams wilson johnson davies miller davis rodriguez martinez hernandez anderson";

#[cfg(test)]
mod tests {
    use super::*;

    /// Fifteen characters with the right key.
    fn nir(body: &str) -> String {
        let number: u64 = body.replace("2A", "19").replace("2B", "18").parse().unwrap();
        format!("{body}{:02}", 97 - number % 97)
    }

    #[test]
    fn a_checksum_tells_a_number_from_its_neighbours() {
        assert!(is_iban("FR14 2004 1010 0505 0001 3M02 606") && is_iban("DE89370400440532013000"));
        assert!(!is_iban("FR15 2004 1010 0505 0001 3M02 606") && !is_iban("FR14") && !is_iban("1234567890123456"));
        assert!(is_card("4111 1111 1111 1111") && is_card("378282246310005") && is_card("5555555555554444"));
        assert!(!is_card("4111111111111112") && !is_card("73282932000074") && !is_card("1111111111111117"));
        for body in ["2690549588157", "187022A004012", "187122B004012"] {
            let right = nir(body);
            assert!(is_nir(&right) && is_nir(body), "{right}");
            let wrong = format!("{body}{:02}", (97 - body.len()) % 97);
            assert_eq!(is_nir(&wrong), wrong == right);
        }
        assert!(is_keyed_nir(&nir("2690549588157")) && !is_keyed_nir("2690549588157"));
        assert!(
            !is_nir("2699949588157") && !is_nir("2690500588157") && !is_nir("2690549000157"),
            "a month, a department, a commune"
        );
        assert!(!is_nir("269154958815780") && !is_nir("20240131120000") && !is_nir("9690549588157"));
    }

    #[test]
    fn dates_in_texts_are_days_that_exist() {
        assert!(
            is_iso_date("2024-02-29") && !is_iso_date("2023-02-29") && !is_iso_date("2024-2-9") && !is_iso_date("29/02/2024")
        );
        for right in ["2024-02-29 23:59", "2024-02-29T23:59:59", "2024-02-29 00:00:00.123456"] {
            assert!(is_iso_datetime(right), "{right}");
        }
        for wrong in [
            "2024-02-29",
            "2024-02-29 24:00",
            "2024-02-29T10:00:00Z",
            "2024-02-29 10:00:00.",
            "2024-02-29 10:00.5",
            "2024-02-30 10:00",
        ] {
            assert!(!is_iso_datetime(wrong), "{wrong}");
        }
        assert!(
            is_epoch_milliseconds("1700000000000")
                && !is_epoch_milliseconds("1700000000")
                && !is_epoch_milliseconds("2690549588157")
        );
    }

    #[test]
    fn patterns_accept_their_own_and_refuse_look_alikes() {
        assert!(is_email("a.b+c@exemple.fr") && !is_email("@handle") && !is_email("a@b") && !is_email("see a@b.fr or c@d.fr"));
        assert!(is_phone("06 12 34 56 78") && is_phone("+33 (0)6 12 34 56 78") && is_phone("0033612345678"));
        assert!(!is_phone("2024010112") && !is_phone("12345") && !is_phone("0012"));
        assert!(is_ip("192.0.2.7") && is_ip("2001:db8::1") && is_ip("::ffff:192.0.2.7") && is_ip("::"));
        assert!(!is_ip("1.2.3") && !is_ip("12:30:45") && !is_ip("1.2.3.400") && !is_ip("a::b::c") && !is_ip("1:2:3:4:5:6:7:8:9"));
        assert!(is_street("12 bis, rue des Lilas") && is_street("BP 12 69003 Lyon cedex") && !is_street("la rue est longue"));
        assert!(is_name("Jeanne") && is_name("DUPONT Marie-Claude") && !is_name("Chaise de jardin") && !is_name("jean 3"));
        assert_eq!((year("1987-02-03"), year("1987-02-03 10:00:00"), year("03/02/1987")), (Some(1987), Some(1987), None));
    }
}
