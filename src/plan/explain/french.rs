//! The explanation in French, in sentences that fit into a letter.

use chrono::{Datelike as _, NaiveDate};

use super::dates::Stamp;
use super::story::{
    CategoryStory, ConditionStory, Decision, Explanation, Keeper, Operation, OrderScope, OrderStory, Outcome, PurposeStory,
    State, Why,
};
use crate::policy::period::Period;
use crate::policy::purpose::{LegalBasis, OrderKind};
use crate::policy::start::Combine;

const MONTHS: [&str; 12] =
    ["janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"];

/// The whole explanation, a paragraph a line.
pub fn text(e: &Explanation) -> String {
    let mut lines = vec![heading(e), String::new(), outcome(e)];
    lines.extend(e.orders.iter().map(order));
    if !e.purposes.is_empty() {
        lines.extend([String::new(), "Finalités\u{a0}:".to_owned()]);
        lines.extend(e.purposes.iter().map(|p| format!("– {}", purpose(p))));
    }
    if !e.categories.is_empty() {
        lines.extend([String::new(), "Données\u{a0}:".to_owned()]);
        lines.extend(e.categories.iter().map(|c| format!("– {}", category(c))));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn quoted(text: &str) -> String {
    format!("«\u{a0}{text}\u{a0}»")
}

/// 1er janvier 2027.
fn day(day: NaiveDate) -> String {
    let number = if day.day() == 1 { "1er".to_owned() } else { day.day().to_string() };
    format!("{number}\u{a0}{} {}", MONTHS[day.month0() as usize], day.year())
}

fn stamp(stamp: Stamp) -> String {
    match stamp {
        Stamp::Day(d) => day(d),
        Stamp::At(at) => format!("{} à {}", day(at.date_naive()), at.format("%H:%M").to_string().replace(':', "\u{a0}h\u{a0}")),
    }
}

/// Until when something is kept whose end is known.
fn until(end: Stamp) -> String {
    match end {
        Stamp::Day(_) => format!("jusqu’au {} inclus", day(end.day_before())),
        Stamp::At(_) => format!("jusqu’au {}", stamp(end)),
    }
}

fn joined(parts: &[String], last: &str) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [all @ .., end] => format!("{} {last} {end}", all.join(", ")),
    }
}

fn counted(n: u32, one: &str, many: &str) -> String {
    format!("{n}\u{a0}{}", if n < 2 { one } else { many })
}

fn period(period: Period) -> String {
    match period {
        Period::Hours(h) => counted(h, "heure", "heures"),
        Period::Calendar { months: 0, days } => counted(days, "jour", "jours"),
        Period::Calendar { months, days } => {
            let (years, rest) = if months.is_multiple_of(12) || months > 24 { (months / 12, months % 12) } else { (0, months) };
            let mut parts = Vec::new();
            if years > 0 {
                parts.push(counted(years, "an", "ans"));
            }
            if rest > 0 {
                parts.push(format!("{rest}\u{a0}mois"));
            }
            if days > 0 {
                parts.push(counted(days, "jour", "jours"));
            }
            joined(&parts, "et")
        }
    }
}

fn basis(basis: LegalBasis) -> String {
    let words = match basis {
        LegalBasis::Consent => "consentement",
        LegalBasis::Contract => "exécution d’un contrat",
        LegalBasis::LegalObligation => "obligation légale",
        LegalBasis::VitalInterests => "sauvegarde des intérêts vitaux",
        LegalBasis::PublicTask => "mission d’intérêt public",
        LegalBasis::LegitimateInterest => "intérêt légitime",
    };
    format!("{words} (article\u{a0}6, paragraphe\u{a0}1, point\u{a0}{}), du RGPD)", basis.letter())
}

fn heading(e: &Explanation) -> String {
    let key = e.key.join(", ");
    match &e.follower {
        None => format!("Fiche {} n°\u{a0}{key}, situation au {}", quoted(&e.title.fr), day(e.today)),
        Some(follower) => format!(
            "{} n°\u{a0}{key}, situation au {}. Ces données suivent le sort de la fiche {} à laquelle elles sont rattachées\u{a0}; c’est elle qui est expliquée ici.",
            quoted(&follower.fr),
            day(e.today),
            quoted(&e.title.fr)
        ),
    }
}

fn outcome(e: &Explanation) -> String {
    match e.outcome {
        Outcome::Kept => "Les données de cette fiche sont conservées dans la base active.".to_owned(),
        Outcome::KeptInPart => {
            "Une partie des données de cette fiche est conservée dans la base active\u{a0}; le reste n’est pas, ou n’est plus, enregistré.".to_owned()
        }
        Outcome::Clear if replaces(e) => {
            "Une partie des données de cette fiche n’a plus lieu d’être conservée et sera effacée ou remplacée par un pseudonyme au prochain passage\u{a0}; le reste est conservé. Un pseudonyme reste une donnée personnelle."
                .to_owned()
        }
        Outcome::Clear => {
            "Une partie des données de cette fiche n’a plus lieu d’être conservée et sera effacée au prochain passage\u{a0}; le reste est conservé."
                .to_owned()
        }
        Outcome::Anonymise => {
            "Plus aucune finalité ne justifie de conserver cette fiche\u{a0}: toutes ses données personnelles seront anonymisées au prochain passage."
                .to_owned()
        }
        Outcome::Pseudonymise => {
            "Plus aucune finalité ne justifie de conserver cette fiche\u{a0}: ses données personnelles seront effacées ou remplacées par des pseudonymes au prochain passage. La fiche sera alors pseudonymisée\u{a0}: ses données restent des données personnelles (article\u{a0}4, point\u{a0}5), du RGPD)."
                .to_owned()
        }
        Outcome::Delete => {
            "Plus aucune finalité ne justifie de conserver cette fiche\u{a0}: elle sera supprimée au prochain passage, avec tout ce qui s’y rattache."
                .to_owned()
        }
        Outcome::Empty if !e.pseudonyms.is_empty() => format!(
            "Plus aucune finalité ne justifie de conserver cette fiche\u{a0}: ses données personnelles seront effacées ou remplacées par des pseudonymes au prochain passage. La ligne restera en place {} avec ses pseudonymes, qui restent des données personnelles, puis sera supprimée.",
            waits(e)
        ),
        Outcome::Empty => format!(
            "Plus aucune finalité ne justifie de conserver cette fiche\u{a0}: ses données personnelles seront effacées au prochain passage. La ligne vide restera en place {}, puis sera supprimée.",
            waits(e)
        ),
        Outcome::WaitsEmptied if !e.pseudonyms.is_empty() => format!(
            "Les données personnelles de cette fiche sont déjà effacées ou remplacées par des pseudonymes. La ligne reste en place {} avec ses pseudonymes, qui restent des données personnelles, puis sera supprimée.",
            waits(e)
        ),
        Outcome::WaitsEmptied => format!(
            "Les données personnelles de cette fiche sont déjà effacées. La ligne vide reste en place {}, puis sera supprimée.",
            waits(e)
        ),
        Outcome::Done => "Les données personnelles de cette fiche sont déjà anonymisées\u{a0}; il n’y a plus rien à faire.".to_owned(),
        Outcome::DonePseudonymised => {
            "Cette fiche est déjà pseudonymisée\u{a0}; il n’y a plus rien à faire. Ses données restent des données personnelles (article\u{a0}4, point\u{a0}5), du RGPD)."
                .to_owned()
        }
        Outcome::Held => {
            "Cette fiche est gelée\u{a0}: tant que dure la mesure indiquée ci-dessous, rien n’est modifié ni effacé.".to_owned()
        }
        Outcome::Uncovered => {
            "Aucune finalité en cours ne justifie de conserver cette fiche, et rien ne prévoit son effacement\u{a0}: elle est conservée en attendant une décision, et signalée comme anomalie."
                .to_owned()
        }
    }
}

/// Whether the next run replaces anything by a pseudonym.
fn replaces(e: &Explanation) -> bool {
    e.changes.iter().any(|c| c.operation == Operation::Pseudonymise)
}

fn waits(e: &Explanation) -> String {
    let all: Vec<String> = e
        .waits_for
        .iter()
        .map(|w| match w.reads {
            true => format!("tant qu’un élément de {} en tire une date", quoted(&w.title.fr)),
            false => format!("tant qu’un élément de {} s’y réfère", quoted(&w.title.fr)),
        })
        .collect();
    joined(&all, "et")
}

fn order_name(kind: OrderKind) -> &'static str {
    match kind {
        OrderKind::Hold => "une mesure de conservation (gel des données)",
        OrderKind::Restriction => "une limitation du traitement (article\u{a0}18 du RGPD)",
        OrderKind::Objection => "une opposition (article\u{a0}21 du RGPD)",
        OrderKind::Erasure => "une demande d’effacement (article\u{a0}17 du RGPD)",
        OrderKind::Instruction => "une instruction du responsable du traitement (article\u{a0}28 du RGPD)",
    }
}

fn order(o: &OrderStory) -> String {
    let what = match o.scope {
        OrderScope::Record => "cette fiche",
        OrderScope::Tenant => "l’ensemble du client dont relève la fiche",
        OrderScope::Subject => "tout ce qui concerne la personne visée par la fiche",
    };
    let mut text = format!("Pour {what}, {} est en vigueur", order_name(o.kind));
    if let Some(placed) = o.placed_on {
        text.push_str(&format!(" depuis le {}", day(placed)));
    }
    if let Some(last) = o.until {
        text.push_str(&format!(", jusqu’au {} inclus", day(last)));
    }
    text + "."
}

fn purpose(p: &PurposeStory) -> String {
    let mut head = format!("{}, base légale\u{a0}: {}", quoted(&p.title.fr), basis(p.legal_basis));
    if let Some(reference) = &p.reference {
        head.push_str(&format!(", référence\u{a0}: {reference}"));
    }
    if let Some(t) = &p.through {
        head.push_str(&match t.rows {
            0 => format!(", par les éléments rattachés de {}", quoted(&t.title.fr)),
            n => format!(", par {n}\u{a0}élément{} de {}", if n < 2 { "" } else { "s" }, quoted(&t.title.fr)),
        });
    }
    let place = match (&p.archive, &p.copy) {
        (Some(archive), _) if p.is_window => format!(
            " C'est la fenêtre de récupération d'une autre finalité\u{a0}: ce que celle-ci conservait reste scellé dans l'archive {} jusqu'à la fin de sa durée, hors de la base active, et peut être rétabli.",
            quoted(archive)
        ),
        (Some(archive), _) => {
            format!(" Cette finalité conserve en archivage intermédiaire (archive {}), hors de la base active.", quoted(archive))
        }
        (_, Some(copy)) => format!(" Cette finalité est servie par une copie dans {}, hors de cette base.", quoted(copy)),
        _ => match p.recovery_days {
            None => p
                .source
                .as_ref()
                .map(|s| {
                    format!(" Cette finalité relève de la source {} et concerne la personne dont parle cette fiche.", quoted(s))
                })
                .unwrap_or_default(),
            Some(days) => format!(
                " {} de sa durée {} une fenêtre de récupération\u{a0}: la base active ne conserve plus pour elle, et ce qui part reste scellé jusqu'à la fin de la durée.",
                if days == 1 { "Le dernier jour".to_owned() } else { format!("Les {days}\u{a0}derniers jours") },
                if days == 1 { "est" } else { "sont" }
            ),
        },
    };
    format!("{head}.{place} {}", state(p))
}

/// “court 3 ans à partir de …”: period and start, as far as they are known.
fn span(p: &PurposeStory) -> String {
    let mut text = match p.period {
        Some(length) => format!("La durée de conservation est de {}", period(length)),
        None => return String::new(),
    };
    if let (Some(title), Some(started)) = (&p.start_title, p.started) {
        let several = p.starts.len() > 1 || p.starts.iter().any(|s| s.dated > 1);
        let which = match (several, p.combine) {
            (true, Some(Combine::Latest)) => ", la plus récente des dates qui comptent",
            (true, Some(Combine::Earliest)) => ", la plus ancienne des dates qui comptent",
            _ => "",
        };
        text.push_str(&format!(" à compter du point de départ {}, le {}{which}", quoted(&title.fr), stamp(started)));
        if p.rounded {
            text.push_str(", reporté à la fin de la période");
        }
    }
    text
}

fn cap_note(p: &PurposeStory) -> String {
    p.ends_by_cap.as_ref().map(|c| format!(", en raison de la limite {}", quoted(&c.fr))).unwrap_or_default()
}

/// That a condition is met, or is not.
fn is_met(when: &ConditionStory, is: bool) -> String {
    let (title, met) = when.told();
    format!("la condition {} {}", title.fr, if met == is { "est remplie" } else { "n’est pas remplie" })
}

fn state(p: &PurposeStory) -> String {
    let start = p.start_title.as_ref().map(|t| quoted(&t.fr)).unwrap_or_default();
    match p.state {
        State::NotCovering => match &p.covers {
            Some(when) => format!("Cette finalité ne concerne pas cette fiche, car {}.", is_met(when, false)),
            None => "Cette finalité ne concerne pas cette fiche.".to_owned(),
        },
        State::Undecided => format!(
            "Il n’est pas possible de dire si cette finalité concerne la fiche, car la condition {} ne peut pas être vérifiée\u{a0}; dans le doute, elle conserve les données.",
            p.covers.as_ref().map(|w| w.told().0.fr.as_str()).unwrap_or_default()
        ),
        State::KeptWhile => {
            let mut text = format!(
                "Les données sont conservées tant que {}, ou que le contraire n’est pas certain.",
                p.kept_while.as_ref().map(|w| is_met(w, true)).unwrap_or_default()
            );
            match p.ends {
                Some(end) => text.push_str(&format!(" La durée de conservation elle-même va {}{}.", until(end), cap_note(p))),
                None if p.period.is_some() => text.push_str(&format!(" {}.", span(p))),
                None => {}
            }
            text
        }
        State::EndedByCondition => format!(
            "Cette finalité a pris fin, car {}.",
            p.ends_when.as_ref().map(|w| is_met(w, true)).unwrap_or_default()
        ),
        State::EndedByOrder => {
            let orders: Vec<String> = p.ended_by.iter().map(|k| format!("d’{}", order_name(*k))).collect();
            match orders.is_empty() {
                true => "Cette finalité a pris fin à la suite d’une demande.".to_owned(),
                false => format!("Cette finalité a pris fin en raison {}.", joined(&orders, "et")),
            }
        }
        State::EndedByCap => match (p.ends, &p.ends_by_cap) {
            (Some(end), Some(cap)) => {
                format!(
                    "Cette finalité a pris fin par la limite {}\u{a0}: elle ne conserve plus rien depuis le {}.",
                    quoted(&cap.fr),
                    stamp(end)
                )
            }
            _ => "Cette finalité a pris fin, car une limite est atteinte.".to_owned(),
        },
        State::EndedByTime => match p.ends {
            Some(end) => format!("{}\u{a0}; elle est achevée depuis le {}.", span(p), stamp(end)),
            None => format!("{}\u{a0}; elle est achevée.", span(p)),
        },
        State::Running => {
            let mut text = match &p.ends_when {
                Some(when) => {
                    let (title, met) = when.told();
                    let end = if met { "soit remplie" } else { "ne soit plus remplie" };
                    format!("Les données sont conservées jusqu’à ce que la condition {} {end}", title.fr)
                }
                None if p.by_instruction => {
                    format!(
                        "Aucune durée n’est fixée\u{a0}: les données sont conservées jusqu’à {}",
                        order_name(OrderKind::Instruction)
                    )
                }
                None => "Aucune durée n’est fixée\u{a0}: les données sont conservées tant que la finalité existe".to_owned(),
            };
            if let Some(end) = p.ends {
                text.push_str(&format!(", et au plus tard {}{}", until(end), cap_note(p)));
            }
            text + "."
        }
        State::StartToCome => {
            let mut text = format!(
                "Le point de départ {start} n’a pas encore eu lieu\u{a0}: la durée de conservation{} ne court pas encore et les données sont conservées",
                p.period.map(|l| format!(" de {}", period(l))).unwrap_or_default()
            );
            if let Some(end) = p.ends {
                text.push_str(&format!(", au plus tard {}{}", until(end), cap_note(p)));
            }
            text + "."
        }
        State::NotYet => match p.ends {
            Some(end) => format!("{}\u{a0}: les données sont conservées {}{}.", span(p), until(end), cap_note(p)),
            None => format!(
                "{}\u{a0}: les données sont conservées\u{a0}; la fin n’est pas encore connue, car un point de départ n’est pas daté.",
                span(p)
            ),
        },
        State::Undated => {
            let mut text = format!(
                "Le point de départ {start} n’a pas de date, ou une date illisible\u{a0}: la durée de conservation{} ne peut pas être calculée. Dans le doute, les données sont conservées et l’anomalie est signalée",
                p.period.map(|l| format!(" de {}", period(l))).unwrap_or_default()
            );
            if let Some(end) = p.ends {
                text.push_str(&format!("\u{a0}; elles le sont au plus tard {}{}", until(end), cap_note(p)));
            }
            text + "."
        }
        State::NeededElsewhere => "Elle a encore besoin de la personne\u{a0}: ce dont elle a besoin dans cette fiche est conservé.".to_owned(),
        State::NotNeededElsewhere => "Elle n’a pas, ou plus, besoin de la personne\u{a0}: elle ne conserve rien de cette fiche.".to_owned(),
        State::UnaskedElsewhere => "Elle n’a pas pu être interrogée. Dans le doute, ce dont elle peut avoir besoin dans cette fiche est conservé.".to_owned(),
        State::Held => "Cette finalité a pris fin, mais un élément qu’elle concerne est gelé par une mesure de conservation ou une limitation du traitement\u{a0}: tant qu’elle dure, les données dont la finalité a besoin sont conservées avec lui.".to_owned(),
    }
}

fn keeper(k: &Keeper) -> String {
    match k.ends {
        Some(end) => format!("{} ({})", quoted(&k.title.fr), until(end)),
        None => format!("{} (sans date de fin connue)", quoted(&k.title.fr)),
    }
}

/// Les archives où des données sont versées, ou attendues.
fn archives(c: &CategoryStory) -> String {
    let in_archive = |k: &Keeper| Some(format!("{} pour la finalité {}", quoted(k.archive.as_deref()?), keeper(k)));
    let all: Vec<String> = c.archived.iter().filter_map(in_archive).collect();
    let plural = if all.len() < 2 { "l’archive" } else { "les archives" };
    let copies = copies(c).map(|copies| format!("la copie dans {copies}"));
    let archives = (!all.is_empty()).then(|| format!("{plural} {}", joined(&all, "et")));
    joined(&archives.into_iter().chain(copies).collect::<Vec<_>>(), "et")
}

/// Les jeux de données dont la copie doit avoir été vue.
fn copies(c: &CategoryStory) -> Option<String> {
    let copy = |k: &Keeper| Some(format!("{} pour la finalité {}", quoted(k.copy.as_deref()?), keeper(k)));
    let all: Vec<String> = c.archived.iter().filter_map(copy).collect();
    (!all.is_empty()).then(|| joined(&all, "et"))
}

fn category(c: &CategoryStory) -> String {
    let mut text = what_becomes_of(c);
    if c.decision == Decision::Goes && c.archived.iter().any(|k| k.archive.is_some()) {
        let sealed =
            CategoryStory { archived: c.archived.iter().filter(|k| k.archive.is_some()).cloned().collect(), ..c.clone() };
        text.push_str(&format!(" Auparavant, elle est versée dans {}.", archives(&sealed)));
    }
    if let (Decision::Goes, Some(copies)) = (c.decision, copies(c)) {
        text.push_str(&format!(" Elle ne part qu’une fois vue sa copie dans {copies}."));
    }
    if c.coarsened {
        text.push_str(" Une valeur généralisée (par exemple l’année ou un préfixe) peut en rester.");
    }
    text
}

fn what_becomes_of(c: &CategoryStory) -> String {
    let only: Vec<String> = c.only_in.iter().map(|t| quoted(&t.fr)).collect();
    let name = match only.is_empty() {
        true => quoted(&c.category),
        false => format!("{} dans {}", quoted(&c.category), joined(&only, "et")),
    };
    let erased = match c.pseudonymised {
        true => "effacée au prochain passage ou remplacée par un pseudonyme, qui reste une donnée personnelle",
        false => "effacée au prochain passage",
    };
    match (c.decision, c.why) {
        (Decision::Kept, _) => {
            let keepers: Vec<String> = c.kept_by.iter().map(keeper).collect();
            let finality = if keepers.len() < 2 { "pour la finalité" } else { "pour les finalités" };
            format!("Catégorie {name}\u{a0}: conservée {finality} {}.", joined(&keepers, "et"))
        }
        (Decision::Goes, Some(Why::NeverStored)) => {
            format!(
                "Catégorie {name}\u{a0}: ces données n’auraient jamais dû être enregistrées\u{a0}; elles seront effacées au prochain passage et l’incident est signalé."
            )
        }
        (Decision::Goes, Some(Why::Uncovered) | None) => {
            format!("Catégorie {name}\u{a0}: {erased}, car aucune finalité n’en a besoin.")
        }
        (Decision::Goes, Some(Why::PurposesOver)) => match &c.last_purpose {
            Some(last) => {
                format!(
                    "Catégorie {name}\u{a0}: {erased}, car la dernière finalité qui en avait besoin, {}, a pris fin.",
                    quoted(&last.fr)
                )
            }
            None => format!("Catégorie {name}\u{a0}: {erased}, car les finalités qui en avaient besoin ont pris fin."),
        },
        (Decision::Nothing, _) if c.pseudonymised => {
            format!(
                "Catégorie {name}\u{a0}: plus rien n’est enregistré, sauf peut-être un pseudonyme, qui reste une donnée personnelle."
            )
        }
        (Decision::Nothing, _) => format!("Catégorie {name}\u{a0}: rien n’est enregistré, ou tout est déjà effacé."),
        (Decision::Held, _) if c.never_stored => {
            format!(
                "Catégorie {name}\u{a0}: ces données n’auraient jamais dû être enregistrées\u{a0}; elles restent gelées avec la fiche et l’incident est signalé."
            )
        }
        (Decision::Held, _) => format!("Catégorie {name}\u{a0}: gelée avec la fiche."),
        (Decision::WaitsForDate, _) => format!(
            "Catégorie {name}\u{a0}: plus aucune finalité ne la conserve dans la base active, mais elle ne peut pas encore être versée dans {}\u{a0}; elle reste dans la base active jusqu’à ce que la date de fin soit connue, et l’attente est signalée.",
            archives(c)
        ),
        (Decision::ArchiveOnly, _) => format!(
            "Catégorie {name}\u{a0}: seul l’archivage intermédiaire la couvre ({})\u{a0}; elle est conservée dans la base active en attendant une décision, et signalée comme anomalie.",
            archives(c)
        ),
        (Decision::Uncovered, _) => {
            format!(
                "Catégorie {name}\u{a0}: aucune finalité ne la couvre\u{a0}; elle est conservée en attendant une décision, et signalée comme anomalie."
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn french_counts_and_dates_are_written_as_people_write_them() {
        let date = |y, m, d| NaiveDate::from_ymd_opt(y, m, d).unwrap();
        assert_eq!(day(date(2027, 1, 1)), "1er\u{a0}janvier 2027");
        assert_eq!(day(date(2026, 8, 22)), "22\u{a0}août 2026");
        assert_eq!(until(Stamp::Day(date(2027, 1, 1))), "jusqu’au 31\u{a0}décembre 2026 inclus");
        assert_eq!(period(Period::Calendar { months: 255, days: 0 }), "21\u{a0}ans et 3\u{a0}mois");
        assert_eq!(period(Period::Calendar { months: 12, days: 1 }), "1\u{a0}an et 1\u{a0}jour");
        assert_eq!(period(Period::Calendar { months: 0, days: 0 }), "0\u{a0}jour");
        assert_eq!(period(Period::Hours(72)), "72\u{a0}heures");
        assert_eq!(
            basis(LegalBasis::LegitimateInterest),
            "intérêt légitime (article\u{a0}6, paragraphe\u{a0}1, point\u{a0}f), du RGPD)"
        );
    }
}
