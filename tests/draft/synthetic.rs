//! Made-up values for the columns of the lists: by what a human judged them to hold, never by what the recogniser thinks.

use retentiond::plan::schema::TypeClass;

use super::facts::Fact;

const FIRST: [&str; 12] =
    ["Aude", "Camille", "Thomas", "Nadia", "Émilie", "Ruth", "Julien", "Yasmine", "Gaël", "Sophie", "Oskar", "Marie"];
const LAST: [&str; 12] =
    ["Tessier", "Martin", "Kowalski", "Petit", "Benali", "Rousseau", "Ferrand", "Durand", "Okafor", "Moreau", "Vidal", "Garnier"];
const TOWNS: [&str; 6] = ["Lille", "Rennes", "Lyon", "Toulouse", "Dijon", "Nice"];
const WORDS: [&str; 8] = ["standard", "bleu nuit", "REF", "actif", "lot de vis", "v2 beta", "gamme courte", "entretien"];

/// Sixty values of a column, as texts.
pub fn values(fact: &Fact) -> Vec<String> {
    (0..60).map(|i| value(fact, i)).collect()
}

fn value(fact: &Fact, i: usize) -> String {
    let name = fact.column.to_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|p| name.contains(p));
    let day = |from: usize, spread: usize| format!("{}-{:02}-{:02}", from + i * 7 % spread, i % 12 + 1, i % 28 + 1);
    let full = || format!("{} {}", FIRST[i * 5 % 12], LAST[i * 7 % 12]);
    let number = || ((i * 7919 + 13) % 9000).to_string();
    match fact.class {
        TypeClass::Boolean => return (i % 2).to_string(),
        TypeClass::Date | TypeClass::DateTime | TypeClass::Instant if fact.category.is_none() => return day(2019, 6),
        TypeClass::Date | TypeClass::DateTime | TypeClass::Instant => return day(1940, 62),
        TypeClass::Integer | TypeClass::Decimal | TypeClass::Float => return number(),
        _ => {}
    }
    let Some(category) = fact.category.as_deref() else {
        return match fact.max_length {
            Some(n) if n <= 6 => WORDS[i % 8].chars().take(2).collect(),
            _ if has(&["code", "key", "ref", "num", "barcode", "guid"]) => format!("C{:05}", i * 37),
            _ => format!("{} {}", WORDS[i % 8], i % 17),
        };
    };
    match category {
        "contact" if has(&["mail"]) => format!("{}{i}@exemple.fr", LAST[i % 12].to_lowercase()),
        "contact" if has(&["phone", "tel", "fax", "mobile", "portable"]) => {
            format!("0{} 12 34 {:02} {:02}", i % 5 + 1, i, i * 3 % 100)
        }
        "contact" => format!("https://exemple.fr/{i}"),
        "identity" if has(&["sex", "gender", "genre", "civil", "title"]) => ["M", "Mme"][i % 2].to_owned(),
        "identity" if has(&["ville", "lieu", "pays"]) => TOWNS[i % 6].to_owned(),
        "identity" if has(&["login", "user", "pseudo", "nicename", "matricule"]) => format!("zx{i}q"),
        "identity" if has(&["photo"]) => format!("/p/{i}.png"),
        "identity" if has(&["first", "fname", "prenom"]) => FIRST[i * 5 % 12].to_owned(),
        "identity" if has(&["last", "lname", "nom"]) => LAST[i * 7 % 12].to_owned(),
        "identity" => full(),
        "address" if has(&["zip", "post", "cp"]) => format!("{}000", 10 + i),
        "address" if has(&["street", "address", "adresse"]) => format!("{} rue des Lilas", i + 1),
        "address" => TOWNS[i % 6].to_owned(),
        "bank" if has(&["iban"]) => iban(i),
        "national_id" if has(&["secu"]) => nir(i),
        "connection" if has(&["ip"]) => format!("192.0.2.{i}"),
        "connection" => "Mozilla/5.0".to_owned(),
        "free_text" => format!("a rappelé le {i}, veut un devis"),
        _ => format!("{}{i}", WORDS[i % 8]),
    }
}

/// A French IBAN with its check digits, computed here without the program's help.
fn iban(i: usize) -> String {
    let account = format!("20041010050500{:09}", i * 104_729);
    let digits = format!("{account}152700");
    let rest = digits.bytes().fold(0_u32, |r, b| (r * 10 + u32::from(b - b'0')) % 97);
    format!("FR{:02}{account}", 98 - rest)
}

fn nir(i: usize) -> String {
    let body = format!("{}{:02}{:02}{:02}{:03}{:03}", i % 2 + 1, i * 3 % 100, i % 12 + 1, i % 94 + 1, i * 11 % 990 + 1, i + 1);
    let number: u64 = body.parse().unwrap();
    format!("{body}{:02}", 97 - number % 97)
}
