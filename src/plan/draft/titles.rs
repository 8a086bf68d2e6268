//! Titles and ids for what has only a name in the schema.

use std::collections::BTreeSet;

use super::words::words;
use crate::policy::map::Title;

/// Words of tables, with what people call them in French and English.
const KNOWN: [(&str, &str, &str); 24] = [
    ("users user usr utilisateur utilisateurs account accounts compte comptes", "Utilisateurs", "Users"),
    ("customers customer clients client", "Clients", "Customers"),
    ("persons person people personne personnes individual", "Personnes", "Persons"),
    ("contacts contact socpeople", "Contacts", "Contacts"),
    ("prospects prospect leads lead", "Prospects", "Prospects"),
    ("patients patient", "Patients", "Patients"),
    ("members member adherents adherent membres membre", "Adhérents", "Members"),
    ("employees employee employes employe salaries salarie staff personnel", "Salariés", "Employees"),
    ("candidates candidate candidats candidat applicants applicant", "Candidats", "Applicants"),
    ("students student eleves eleve etudiants etudiant", "Élèves", "Students"),
    ("addresses address adresses adresse", "Adresses", "Addresses"),
    ("orders order commandes commande", "Commandes", "Orders"),
    ("invoices invoice factures facture", "Factures", "Invoices"),
    ("payments payment paiements paiement", "Paiements", "Payments"),
    ("contracts contract contrats contrat subscription subscriptions abonnement abonnements", "Contrats", "Contracts"),
    ("messages message mails mail emails email", "Messages", "Messages"),
    ("comments comment commentaires commentaire", "Commentaires", "Comments"),
    ("calls call appels appel", "Appels", "Calls"),
    ("tickets ticket requests request demandes demande claims claim", "Demandes", "Requests"),
    ("logs log connections connection connexions connexion logins login sessions session", "Connexions", "Connections"),
    ("bookings booking reservations reservation appointments appointment", "Réservations", "Bookings"),
    ("donors donor donateurs donateur donations donation dons don", "Dons", "Donations"),
    ("bank banks rib mandates mandate mandats mandat", "Coordonnées bancaires", "Bank details"),
    ("companies company societes societe partners partner tiers", "Tiers", "Third parties"),
];

/// What a table's rows are called; its own name beside it when the words leave it open.
pub(super) fn of_table(name: &str) -> Title {
    let all = words(name);
    let shown = readable(name);
    let last = all.iter().rev().find_map(|w| KNOWN.iter().find(|(k, ..)| k.split_ascii_whitespace().any(|k| k == w)));
    match last {
        Some((_, fr, en)) if all.len() == 1 => Title { fr: (*fr).to_owned(), en: (*en).to_owned() },
        Some((_, fr, en)) => Title { fr: format!("{fr} ({shown})"), en: format!("{en} ({shown})") },
        None => Title { fr: format!("Table {shown}"), en: format!("Table {shown}") },
    }
}

/// An event's title, with its column's name where the title alone was taken.
pub(super) fn distinct(title: Title, column: &str, taken: &mut BTreeSet<String>) -> Title {
    if taken.insert(title.en.clone()) {
        return title;
    }
    let shown = readable(column);
    Title { fr: format!("{} ({shown})", title.fr), en: format!("{} ({shown})", title.en) }
}

/// A name as it can stand in a title: one line, nothing that hides or turns round.
fn readable(name: &str) -> String {
    let kept: String = name.chars().map(|c| if c.is_alphanumeric() || " _-.".contains(c) { c } else { '_' }).take(80).collect();
    if kept.trim().is_empty() { "?".to_owned() } else { kept.trim().to_owned() }
}

/// An id that a data map admits, made of a name, and different from those taken.
pub(super) fn id(name: &str, taken: &mut BTreeSet<String>) -> String {
    let mut id: String = words_kept(name).chars().take(56).collect();
    while id.ends_with('_') {
        id.pop();
    }
    if !id.starts_with(|c: char| c.is_ascii_lowercase()) {
        id = format!("t_{id}");
    }
    let base = id.clone();
    let mut n = 2;
    while !taken.insert(id.clone()) {
        id = format!("{base}_{n}");
        n += 1;
    }
    id
}

fn words_kept(name: &str) -> String {
    name.to_lowercase().chars().map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' { c } else { '_' }).collect()
}
