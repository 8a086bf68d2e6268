//! Invented people: names from short lists, numbers that nobody can have.

use super::random::Random;

const FIRST: [&str; 24] = [
    "Adèle",
    "Bastien",
    "Camille",
    "Damien",
    "Élise",
    "Farid",
    "Gaëlle",
    "Hugo",
    "Inès",
    "Jules",
    "Karine",
    "Léo",
    "Maëlys",
    "Nathan",
    "Océane",
    "Paul",
    "Quitterie",
    "Rémi",
    "Salomé",
    "Théo",
    "Ulysse",
    "Violette",
    "William",
    "Zoé",
];
const LAST: [&str; 24] = [
    "Aubert",
    "Besson",
    "Carlier",
    "D'Estrée",
    "Etienne",
    "Fabre",
    "Gaudin",
    "Hamel",
    "Imbert",
    "Jacquet",
    "Keller",
    "Lefèvre",
    "Marchand",
    "Nguyen",
    "Ollivier",
    "Perrin",
    "Quentin",
    "Renard",
    "Saïdi",
    "Tessier",
    "Urbain",
    "Vasseur",
    "Weber",
    "Yildiz",
];
const TOWNS: [(&str, &str); 8] = [
    ("33000", "Bordeaux"),
    ("44000", "Nantes"),
    ("59000", "Lille"),
    ("67000", "Strasbourg"),
    ("69003", "Lyon"),
    ("75011", "Paris"),
    ("13006", "Marseille"),
    ("97400", "Saint-Denis"),
];
const SENTENCES: [&str; 6] = [
    "Souhaite être rappelé(e) en fin de journée.",
    "Question sur l'échéance ; réponse envoyée.",
    "Pièce jointe reçue.",
    "A demandé une copie du contrat — d'accord.",
    "Changement d'adresse à enregistrer.",
    "Conversation sans suite.",
];

/// Somebody who does not exist.
pub(super) struct Person {
    /// First name.
    pub(super) first: &'static str,
    /// Last name.
    pub(super) last: &'static str,
    /// E-mail address, its own for each `tag` and number.
    pub(super) email: String,
    /// Telephone number in a range kept free for fiction.
    pub(super) phone: String,
    /// Street, postal code and town.
    pub(super) street: String,
    /// Postal code.
    pub(super) postal_code: &'static str,
    /// Town.
    pub(super) town: &'static str,
}

impl Person {
    /// The person of record `n` in the table that `tag` stands for.
    pub(super) fn new(random: &mut Random, tag: &str, n: i64) -> Self {
        let (postal_code, town) = random.pick(&TOWNS);
        Self {
            first: random.pick(&FIRST),
            last: random.pick(&LAST),
            email: format!("{tag}.{n}@example.invalid"),
            phone: phone(random),
            street: format!("{} rue de l'Exemple", 1 + random.below(180)),
            postal_code,
            town,
        }
    }

    /// First and last name.
    pub(super) fn full(&self) -> String {
        format!("{} {}", self.first, self.last)
    }
}

/// A telephone number from one of ARCEP's ranges for fiction.
pub(super) fn phone(random: &mut Random) -> String {
    let range = random.pick(&["01 99 00", "02 61 91", "03 53 01", "04 65 71", "05 36 49", "06 39 98"]);
    format!("{range} {:02} {:02}", random.below(100), random.below(100))
}

/// A French IBAN in form only: check digits 00 are never valid.
pub(super) fn iban(random: &mut Random) -> String {
    format!("FR00{:010}{:011}00", random.below(10_000_000_000), random.below(100_000_000_000))
}

/// Fifteen digits that cannot be a social-security number: they start with 999. Unique for each `n` below ten million.
pub(super) fn social_security(random: &mut Random, n: i64) -> String {
    format!("999{:07}{:05}", n % 10_000_000, random.below(100_000))
}

/// A sentence somebody may have noted down.
pub(super) fn note(random: &mut Random) -> &'static str {
    random.pick(&SENTENCES)
}

/// An address from the ranges that are kept for documentation.
pub(super) fn ip(random: &mut Random) -> String {
    if random.percent(25) {
        format!("2001:db8:{:x}::{:x}", 1 + random.below(0xfffe), 1 + random.below(0xfffe))
    } else {
        format!("{}.{}", random.pick(&["192.0.2", "198.51.100", "203.0.113"]), 1 + random.below(254))
    }
}

/// A browser that says what it is.
pub(super) fn user_agent(random: &mut Random) -> &'static str {
    random.pick(&["Mozilla/5.0 (X11; Linux x86_64)", "Mozilla/5.0 (Windows NT 10.0)", "Mozilla/5.0 (iPhone)"])
}

/// So many random hexadecimal digits, at most 16.
pub(super) fn hex(random: &mut Random, digits: usize) -> String {
    let mut text = String::new();
    while text.len() < digits.min(16) {
        text.push(char::from(b"0123456789abcdef"[usize::try_from(random.below(16)).unwrap_or(0)]));
    }
    text
}
