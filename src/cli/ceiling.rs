//! What a ceiling stopped, or would stop, and which setting says so.

use super::words::{self, count, number, pick};
use crate::config::{Lang, Settings};
use crate::enforce::{Stopped, would_stop};
use crate::journal::Ceiling;
use crate::plan::census::Counts;

/// The actions of a data set that a run of these settings would stop, with what would.
#[must_use]
pub fn foreseen<'c>(settings: &Settings, source: &str, counts: &'c Counts) -> Vec<(&'c str, Stopped)> {
    let ceilings = settings.ceilings(source);
    let actions = counts.actions.iter().zip(&counts.found_due);
    actions.filter_map(|((id, _), due)| Some((id.as_str(), would_stop(ceilings, *due, counts.records)?))).collect()
}

/// Actions and what stops them, for programs: with the setting's key.
#[must_use]
pub fn json(stops: Vec<(&str, Stopped)>, settings: &Settings, source: &str) -> Vec<serde_json::Value> {
    let one = |(action, s): (&str, Stopped)| {
        let setting = settings.ceiling_key(source, s.ceiling);
        serde_json::json!({
            "action": action, "ceiling": s.ceiling.as_str(), "limit": s.limit, "found": s.found, "setting": setting,
        })
    };
    stops.into_iter().map(one).collect()
}

/// That a ceiling stopped an action; `setting` is the key that sets it.
#[must_use]
pub fn stopped(s: Stopped, setting: Option<String>, lang: Lang) -> String {
    told(pick(lang, "arrêté par le plafond", "stopped by the ceiling"), s, setting, lang)
}

/// That a ceiling would stop an action.
#[must_use]
pub fn would_be_stopped(s: Stopped, setting: Option<String>, lang: Lang) -> String {
    told(pick(lang, "serait arrêté par le plafond", "would be stopped by the ceiling"), s, setting, lang)
}

fn told(what: &str, s: Stopped, setting: Option<String>, lang: Lang) -> String {
    let (found, limit) = match s.ceiling {
        Ceiling::Rows => (count(s.found, lang, ("ligne", "lignes"), ("row", "rows")), number(s.limit, lang)),
        Ceiling::Share => {
            let found = words::percent(s.found, lang);
            (format!("{found} {}", pick(lang, "de la table", "of the table")), words::percent(s.limit, lang))
        }
        Ceiling::Time => (count(s.found, lang, ("seconde", "secondes"), ("second", "seconds")), number(s.limit, lang)),
        Ceiling::Multiple => {
            let found = words::percent(s.found, lang);
            (format!("{found} {}", pick(lang, "de l'habituel", "of the usual")), words::percent(s.limit, lang))
        }
    };
    let (colon, limited) = (words::colon(lang), pick(lang, "limite\u{a0}:", "limit"));
    let setting = setting.map_or(String::new(), |key| format!("{} {key}", pick(lang, ", réglage", ", setting")));
    format!("{what}{colon} {found} ({limited} {limit}{setting})")
}
