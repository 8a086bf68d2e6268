//! Recognising personal columns by their names, in French and English, in the company of their table and of its other columns.

use super::kind::Kind;
use super::rules::{Need, RULES};
use super::words::{TableSort, find, sort_of, words};
use crate::plan::schema::TypeClass;

/// What a name suggests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByName {
    /// What the column seems to hold.
    pub kind: Kind,
    /// How sure the name makes us, in per cent.
    pub confidence: u8,
}

/// A column as far as its name's recognition needs it.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    /// Its name as stored.
    pub name: &'a str,
    /// Its type's class.
    pub class: TypeClass,
    /// Its longest value in characters, where known.
    pub max_length: Option<u64>,
    /// Whether it refers to another table.
    pub refers: bool,
}

/// Words that, at a name's end, make it a fact about the value instead of the value: `email_verified`, `phone_type`.
const ABOUT: &str = "id ids fk count nb nbr number_of total type types kind status state_id enabled disabled active verified valid validated \
confirmed flag is has format template templates required optional allowed visible hidden position rank order sort size length width height \
class style label labels title_id sent received read opened bounce bounced bounces method mode policy rule rules level score attempts \
tries max min limit retry retries timeout delay config setting settings option options field fields column module driver provider key_id \
idx index restriction restrictions algo algorithm expires expired expiry expiration expire changed updated modified created deleted requested at on \
enable disable show display visibility private public opt optin optout consent subscribed unsubscribed subject header footer lang \
language locale source origin domain protocol port host server encoding charset version category priority default private_only notif \
notification notifications frequency amount rate price";

/// Words that, at a name's beginning, do the same.
const ASKS: &str =
    "is has id default need can may allow show hide enable disable use nb num_of count send require hipaa fk no_of";

/// Words that make a name that of a thing, wherever they stand: `file_name`, `nom_produit`.
const THINGS: &str = "file filename product produit article item table column field domain host server module plugin class function event \
role group groupe category categorie type status template page menu site shop store company_type currency country_code theme tag layer \
queue job unit brand marque model attribute property setting option config route index schema database db bucket key_name cache course \
program project projet zone region_code tax rule report widget form tracker plan package repo repository branch app application service \
device_name campaign segment list label queue channel exam test school_id method";

/// Recognises each of a table's columns; `None` for those whose names say nothing personal.
#[must_use]
pub fn recognise(table: &str, columns: &[Named<'_>]) -> Vec<Option<ByName>> {
    let sort = sort_of(table);
    let split: Vec<Vec<String>> = columns.iter().map(|c| words(c.name)).collect();
    let has = |patterns: &[&str]| split.iter().any(|w| patterns.iter().any(|p| find(w, p).is_some()));
    let people =
        has(&["first_name", "prenom", "firstname", "given_name", "fname", "last_name", "lastname", "lname", "surname", "dob"]);
    let reachable = has(&["email", "mail", "courriel", "phone", "tel", "telephone", "mobile", "street", "postcode", "zip"]);
    let bank = has(&["iban", "bic", "swift", "rib", "iban_prefix"]);
    let context = Context { sort, people, reachable, bank };
    columns.iter().zip(&split).map(|(column, words)| one(table, column, words, context)).collect()
}

#[derive(Debug, Clone, Copy)]
struct Context {
    sort: TableSort,
    people: bool,
    reachable: bool,
    bank: bool,
}

impl Context {
    /// How sure the surroundings make a rule that has this need; `None` when they do not meet it.
    fn meets(self, need: Need) -> Option<u8> {
        let things = self.sort == TableSort::Things && !self.people;
        let person = self.people || self.sort == TableSort::People;
        match need {
            Need::Nothing => Some(if things { 80 } else { 95 }),
            Need::NoThing => (!things).then_some(if person { 90 } else { 75 }),
            Need::Reachable => (!things && (person || self.reachable || self.sort == TableSort::Deeds)).then_some(75),
            Need::Bank => self.bank.then_some(85),
            Need::Person => person.then_some(if self.people { 80 } else { 70 }),
        }
    }
}

fn one(table: &str, column: &Named<'_>, all: &[String], context: Context) -> Option<ByName> {
    if column.refers || all.is_empty() {
        return None;
    }
    let in_list = |list: &str, w: &str| list.split_ascii_whitespace().any(|l| l == w);
    let table_words = words(table);
    // `user_email` in `users` is `email`: what repeats the table's name says nothing of its own.
    let repeats = |w: &str| table_words.iter().any(|t| t == w || t.trim_end_matches('s') == w);
    let own_from = all.iter().take(all.len() - 1).take_while(|w| repeats(w)).count();
    let last = all.len() - 1;
    RULES
        .iter()
        .filter(|rule| rule.fits(column.class, column.max_length))
        .flat_map(|rule| rule.patterns.split_ascii_whitespace().map(move |p| (rule, p)))
        .filter_map(|(rule, pattern)| {
            let (whole, pattern) = match pattern.strip_prefix('=') {
                Some(p) => (true, p),
                None => (false, pattern),
            };
            let own = find(&all[own_from..], pattern).map(|(at, n)| (at + own_from, n));
            let (at, n) = own.or_else(|| find(all, pattern))?;
            // What merely repeats the table's name speaks only where nothing else does.
            let own = at >= own_from;
            if whole && (at > own_from || at + n <= last) {
                return None;
            }
            let after = &all[at + n..];
            let before = &all[..at];
            let about = after.iter().any(|w| in_list(ABOUT, w)) || before.first().is_some_and(|w| in_list(ASKS, w));
            let thing = after.iter().chain(before).any(|w| in_list(THINGS, w) && !repeats(w));
            let strong = rule.strong && !about;
            if (about || thing) && !strong {
                return None;
            }
            let confidence = context.meets(rule.need)?;
            Some(((own, pattern.len()), ByName { kind: rule.kind, confidence }))
        })
        .max_by_key(|(rank, _)| *rank)
        .map(|(_, found)| found)
}
