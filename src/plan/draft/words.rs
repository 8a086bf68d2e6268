//! Names taken apart: words of snake, camel and glued names, and what kind of table a table's name speaks of.

/// The words of a name in lower-case ASCII: `dateNaissance`, `DATE_NAISSANCE` and `date-naissance` are two words each.
/// Digits at a word's end are dropped (`address1`), accents too.
#[must_use]
pub fn words(name: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut before = None;
    let chars: Vec<char> = name.chars().collect();
    for (i, c) in chars.iter().copied().enumerate() {
        let next_lower = chars.get(i + 1).is_some_and(|n| n.is_lowercase());
        let hump = c.is_uppercase()
            && before.is_some_and(|b: char| b.is_lowercase() || b.is_ascii_digit() || (b.is_uppercase() && next_lower));
        if !c.is_alphanumeric() || hump {
            all.push(std::mem::take(&mut word));
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase().map(plain));
        }
        before = Some(c);
    }
    all.push(word);
    all.into_iter()
        .map(|w| {
            let kept = w.trim_end_matches(|c: char| c.is_ascii_digit());
            if kept.is_empty() { w.clone() } else { kept.to_owned() }
        })
        .filter(|w| !w.is_empty())
        .collect()
}

/// A letter without its accent.
fn plain(c: char) -> char {
    match c {
        'à' | 'â' | 'ä' | 'á' | 'ã' => 'a',
        'é' | 'è' | 'ê' | 'ë' => 'e',
        'î' | 'ï' | 'í' => 'i',
        'ô' | 'ö' | 'ó' | 'õ' => 'o',
        'ù' | 'û' | 'ü' | 'ú' => 'u',
        'ç' => 'c',
        'ñ' => 'n',
        other => other,
    }
}

/// Where a pattern (`last_name`) stands in a name's words, glued forms (`lastname`) included: the first word and how many.
#[must_use]
pub fn find(words: &[String], pattern: &str) -> Option<(usize, usize)> {
    let parts: Vec<&str> = pattern.split('_').collect();
    let run = (0..words.len().saturating_sub(parts.len() - 1)).find(|&at| parts.iter().zip(&words[at..]).all(|(p, w)| p == w));
    match run {
        Some(at) => Some((at, parts.len())),
        None if parts.len() > 1 => {
            let glued = parts.concat();
            words.iter().position(|w| *w == glued).map(|at| (at, 1))
        }
        None => None,
    }
}

/// What a table is about, as far as its name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableSort {
    /// People: its rows are persons or organisations that may be persons.
    People,
    /// Something that people do or get: orders, messages, logs.
    Deeds,
    /// Things, labels and settings.
    Things,
    /// The name does not say.
    Unknown,
}

const PEOPLE: &str = "user users usr utilisateur utilisateurs client clients customer customers contact contacts patient patients member \
members membre membres adherent adherents employee employees employe employes salarie salaries staff person persons personne personnes \
people lead leads prospect prospects subscriber subscribers abonne abonnes candidate candidates candidat candidats student students \
eleve eleves etudiant etudiants teacher teachers profile profiles profil profils author authors guest guests visitor visitors visiteur \
donor donors donateur donateurs beneficiary beneficiaire beneficiaires locataire locataires proprietaire owner owners recipient \
recipients destinataire passenger driver drivers doctor medecin physician admin admins agent agents societe socpeople tiers partner \
partners personnel individual household famille family families parent parents enfant enfants child children guardian participant \
participants applicant applicants attendee attendees inscrit inscrits stagiaire usager usagers account accounts thirdparty victim heir \
heritier souscripteur assure identite identity benevole volunteer civilian citizen";

const DEEDS: &str = "order orders commande commandes facture factures invoice invoices address addresses adresse adresses booking bookings \
reservation reservations comment comments commentaire commentaires ticket tickets message messages session sessions log logs login logins \
payment payments paiement paiements mandate mandat rib bank event events call calls appel appels appointment rdv rendezvous visit visite \
connection connections connexion request requests demande demandes contract contrat contrats subscription abonnement donation don dons \
mail mails email emails form forms history historique audit note notes chat review reviews signature feedback thread chats \
enquiry inquiry claim sinistre complaint application applications prescription consultation interview followup reply replies";

const THINGS: &str = "product products produit produits article articles item items country countries pays region regions currency \
currencies devise type types category categories categorie role roles group groups groupe groupes permission permissions config \
configuration setting settings parameter parameters parametre option options menu menus module modules plugin plugins template templates \
lang language languages langue translation translations tax taxes taxe unit units unite status statut file files image images media theme \
themes page pages migration migrations shop shops store stores warehouse entrepot stock brand brands tag tags feature features widget \
attribute attributes rule rules field fields fieldset report reports job jobs queue cache cron task schema list lists dictionary code codes \
zone zones carrier carriers profession holiday manufacturer model models rights right capability capabilities link links term terms taxonomy post posts blog article_lang stopword stopwords carousel";

/// What a table is about. The last telling word decides (`user_types` are things, `product_users` people), Dolibarr-style dictionaries `c_…` are things.
#[must_use]
pub fn sort_of(table: &str) -> TableSort {
    let words = words(table);
    if words.iter().take(2).any(|w| w == "c") && words.len() > 1 {
        return TableSort::Things;
    }
    let is = |list: &str, w: &str| list.split_ascii_whitespace().any(|l| l == w);
    for w in words.iter().rev() {
        if is(PEOPLE, w) {
            return TableSort::People;
        }
        if is(DEEDS, w) {
            return TableSort::Deeds;
        }
        if is(THINGS, w) {
            return TableSort::Things;
        }
    }
    TableSort::Unknown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fall_into_words_however_they_are_written() {
        for name in ["date_naissance", "dateNaissance", "DATE-NAISSANCE", "DateNaissance2"] {
            assert_eq!(words(name), ["date", "naissance"], "{name}");
        }
        assert_eq!(words("Prénom"), ["prenom"]);
        assert_eq!(words("userIPAddress"), ["user", "ip", "address"]);
        assert_eq!(find(&words("codepostal"), "code_postal"), Some((0, 1)));
        assert_eq!(find(&words("recent_code_postal"), "code_postal"), Some((1, 2)));
        assert_eq!(find(&words("code_postal"), "postal_code"), None);
    }

    #[test]
    fn the_last_telling_word_says_what_a_table_is_about() {
        assert_eq!(sort_of("crm_customers"), TableSort::People);
        assert_eq!(sort_of("customer_types"), TableSort::Things);
        assert_eq!(sort_of("llx_c_civility"), TableSort::Things);
        assert_eq!(sort_of("xyz"), TableSort::Unknown);
    }
}
