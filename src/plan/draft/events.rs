//! Candidate events: date columns whose names say what happened.

use chrono_tz::Europe::Paris;

use super::words::{find, words};
use crate::plan::dialect::dates::DateForm;
use crate::plan::schema::{Column, Engine, TypeClass};
use crate::policy::map::{DateFormat, Missing, Title};

/// What a date column seems to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// What it is called in both languages.
    pub title: Title,
    /// What a missing date means.
    pub missing: Missing,
    /// The format of the dates, where the type does not say it.
    pub format: Option<DateFormat>,
}

/// French, English, what a missing date means, and the words that tell.
const TELLING: [(&str, &str, Missing, &str); 9] = [
    ("Décès", "Death", Missing::Running, "deces death deceased died date_deces"),
    (
        "Dernière activité",
        "Last activity",
        Missing::Undated,
        "last_login last_seen last_activity last_active last_visit last_connection last_contact last_order dernier_contact \
         derniere_connexion derniere_visite derniere_activite lastaccess lastlogin lastvisit",
    ),
    (
        "Fin",
        "End",
        Missing::Running,
        "end ended fin closed cloture clos terminated termination resiliation resilie departure depart sortie left expiry expiration \
         expires until validity datefin cancelled canceled finished",
    ),
    ("Paiement", "Payment", Missing::Running, "paid payment paiement paye reglement settled"),
    ("Suppression logique", "Logical deletion", Missing::Running, "deleted removed supprime archived archive"),
    ("Signature", "Signature", Missing::Running, "signed signature signe"),
    ("Commande", "Order", Missing::Undated, "ordered order commande purchase purchased achat invoiced facture invoice"),
    (
        "Début",
        "Start",
        Missing::Undated,
        "start started debut begin began hired hire embauche entree entry joined arrival arrivee",
    ),
    (
        "Création",
        "Creation",
        Missing::Undated,
        "created creation cree datec date_add date_added inscription registered registration subscribed signup recorded received sent \
         called posted submitted collected collecte date_creation time_created added crdate",
    ),
];

/// Words of technical timestamps, which move with every update of the row.
const TECHNICAL: &str = "updated modified tms upd update modification changed sync synced timestamp modif maj";

/// What a column's date seems to tell; `None` for what is no date, moves with the row, or says nothing. `seen` is the format of a text's sampled
/// values, if all of them are dates.
#[must_use]
pub fn candidate(engine: Engine, column: &Column, seen: Option<DateFormat>) -> Option<Candidate> {
    let of = |format| DateForm::of(engine, column.class, &column.sql_type, format, Some(Paris)).is_ok();
    let format = if of(None) { None } else { Some(seen.filter(|f| column.class == TypeClass::Text && of(Some(*f)))?) };
    let words = words(&column.name);
    if column.on_update_now || words.iter().any(|w| TECHNICAL.split_ascii_whitespace().any(|t| t == w)) {
        return None;
    }
    let (fr, en, missing, _) =
        TELLING.iter().find(|(.., telling)| telling.split_ascii_whitespace().any(|p| find(&words, p).is_some()))?;
    let missing = if column.nullable { *missing } else { Missing::Undated };
    Some(Candidate { title: Title { fr: (*fr).to_owned(), en: (*en).to_owned() }, missing, format })
}
