//! The vocabulary: which words in a column's name mean what.
//!
//! A pattern is words joined by `_` and also matches them glued together; `=` in front means the whole name (without a repetition of the
//! table's). The longest pattern that matches decides.

use super::kind::Kind;
use crate::plan::schema::TypeClass;

/// What must hold around a column for a rule to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing: the words say it.
    Nothing,
    /// Not a table of things or settings.
    NoThing,
    /// A table of people or deeds, or one with a way to reach somebody.
    Reachable,
    /// A table of people.
    Person,
    /// A table of bank accounts.
    Bank,
}

/// Which types can hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// Texts.
    Text,
    /// Texts, whole numbers, UUIDs.
    Short,
    /// Dates, texts, whole numbers.
    Date,
    /// Texts of more than a few characters.
    Long,
    /// Anything.
    Any,
}

/// Words and what they mean.
#[derive(Debug)]
pub(super) struct Rule {
    pub kind: Kind,
    pub need: Need,
    pub holds: Holds,
    /// Whether words of things beside them change nothing.
    pub strong: bool,
    pub patterns: &'static str,
}

impl Rule {
    /// Whether a column of this type can hold what the rule means.
    pub fn fits(&self, class: TypeClass, max_length: Option<u64>) -> bool {
        use TypeClass as T;
        let text = matches!(class, T::Text | T::Json | T::Other | T::Inet | T::Enum | T::Binary);
        match self.holds {
            Holds::Text => text,
            Holds::Short => text || matches!(class, T::Integer | T::Decimal | T::Uuid),
            Holds::Date => matches!(class, T::Date | T::DateTime | T::Instant | T::Text | T::Integer),
            Holds::Long => matches!(class, T::Text | T::Json | T::Other) && max_length.is_none_or(|n| n >= 40),
            Holds::Any => true,
        }
    }
}

const fn rule(kind: Kind, need: Need, holds: Holds, strong: bool, patterns: &'static str) -> Rule {
    Rule { kind, need, holds, strong, patterns }
}

pub(super) const RULES: &[Rule] = &[
    rule(
        Kind::Name,
        Need::Nothing,
        Holds::Text,
        true,
        "first_name given_name fname prenom prenoms forename middle_name mname last_name lname surname family_name nom_famille \
         nom_de_famille nom_naissance nom_de_naissance nom_usage nom_marital nom_patronymique nom_jeune_fille maiden_name mothers_name \
         fathers_name mother_name father_name full_name nom_complet nom_prenom patronyme nickname contact_name nom_contact contact_person \
         customer_name nom_client client_name patient_name emergency_contact personne_contact guardian_name spouse_name nom_conjoint \
         real_name person_name employee_name salutation_name recipient_name author_name signatory signataire billing_name shipping_name",
    ),
    // Whoever plays a part in something, named by that part.
    rule(
        Kind::Name,
        Need::Nothing,
        Holds::Text,
        false,
        "holder_name companion_name passenger_name traveller_name traveler_name tenant_name occupant_name resident_name insured_name \
         policyholder_name witness_name child_name parent_name husband_name wife_name partner_name guest_name visitor_name driver_name \
         applicant_name candidate_name student_name teacher_name doctor_name donor_name subscriber_name participant_name attendee_name \
         volunteer_name heir_name debtor_name borrower_name nom_titulaire nom_accompagnant nom_accompagnateur nom_passager \
         nom_voyageur nom_locataire nom_occupant nom_resident nom_assure nom_souscripteur nom_temoin nom_enfant nom_parent nom_epoux \
         nom_epouse nom_conducteur nom_candidat nom_eleve nom_etudiant nom_medecin nom_donateur nom_abonne nom_participant \
         nom_benevole nom_heritier nom_debiteur nom_emprunteur nom_invite nom_visiteur nom_signataire nom_beneficiaire",
    ),
    rule(
        Kind::Name,
        Need::NoThing,
        Holds::Text,
        false,
        "display_name initials suffix_name nicename owner_name author auteur attention destinataire conjoint spouse tuteur guardian guardians_name guardiansname kin next_of_kin relationship lien_parente \
         sender_name from_name reply_name dest_name to_name correspondant interlocuteur nominee beneficiary beneficiaire heir heritier \
         mother father mere pere legal_name",
    ),
    rule(
        Kind::Name,
        Need::Person,
        Holds::Text,
        false,
        "=name =nom =names =full =name_alias =alternate_name =company =organization =raison_sociale",
    ),
    rule(Kind::Civility, Need::Nothing, Holds::Short, false, "civilite civility salutation honorific name_prefix"),
    rule(Kind::Civility, Need::Person, Holds::Text, false, "=title =titre =suffix =prefix"),
    rule(
        Kind::Login,
        Need::NoThing,
        Holds::Text,
        false,
        "username user_name login user_login pseudo pseudonyme screen_name identifiant logon",
    ),
    rule(
        Kind::Birth,
        Need::Nothing,
        Holds::Date,
        true,
        "dob date_naissance naissance birth_date birthday date_of_birth birth birth_year annee_naissance naiss ddn anniversaire",
    ),
    rule(
        Kind::BirthPlace,
        Need::Nothing,
        Holds::Text,
        true,
        "lieu_naissance lieu_de_naissance place_of_birth birth_place ville_naissance commune_naissance birth_city pays_naissance \
         birth_country departement_naissance",
    ),
    rule(Kind::Sex, Need::NoThing, Holds::Any, false, "sex sexe gender pronoun pronouns"),
    rule(Kind::Sex, Need::Person, Holds::Any, false, "=genre"),
    rule(Kind::Nationality, Need::NoThing, Holds::Short, false, "nationalite nationality citizenship"),
    rule(Kind::Picture, Need::NoThing, Holds::Any, false, "avatar portrait selfie signature_image"),
    rule(Kind::Picture, Need::Person, Holds::Text, false, "photo picture =image =signature"),
    rule(
        Kind::Email,
        Need::Nothing,
        Holds::Text,
        false,
        "email e_mail mail courriel mel email_address mail_address adresse_mail adresse_email adr_mail mailaddr emailaddr",
    ),
    rule(
        Kind::Phone,
        Need::Nothing,
        Holds::Short,
        false,
        "phone telephone tel gsm mobile portable cell cellphone cellular fax phone_number num_tel no_tel numero_telephone telecopie \
         mobile_number telephone_number phonenumber whatsapp tel_fixe tel_portable msisdn pager",
    ),
    rule(
        Kind::Social,
        Need::NoThing,
        Holds::Text,
        false,
        "skype twitter facebook linkedin instagram jabber jabberid icq msn aim yahoo googleplus mastodon telegram snapchat foursquare \
         socialnetworks social_networks homepage author_url",
    ),
    rule(Kind::Social, Need::Person, Holds::Text, false, "website =url =web =site_web"),
    rule(
        Kind::Street,
        Need::Nothing,
        Holds::Text,
        false,
        "address adresse addr adr address_line street rue voie num_voie numero_voie complement_adresse street_line residence domicile \
         lieu_dit street_address rue_numero",
    ),
    rule(
        Kind::Postcode,
        Need::NoThing,
        Holds::Short,
        false,
        "zip zipcode postal_code postcode code_postal cp zip_code post_code postal",
    ),
    rule(Kind::Place, Need::NoThing, Holds::Text, false, "city ville town commune localite municipality bureau_distributeur"),
    rule(
        Kind::Place,
        Need::Reachable,
        Holds::Text,
        false,
        "=state =province =county =departement =region =country =pays =location state_province",
    ),
    rule(Kind::Place, Need::Person, Holds::Text, false, "=country_code =code_pays"),
    rule(
        Kind::Position,
        Need::Reachable,
        Holds::Any,
        false,
        "latitude longitude lat lng lon geolat geolong geolng geopoint geolocation gps coordinates coordonnees",
    ),
    rule(
        Kind::Situation,
        Need::NoThing,
        Holds::Any,
        false,
        "situation_familiale marital_status etat_civil marital occupation profession job_title employer employeur salary salaire income \
         revenu revenus family_size nb_enfants csp education diploma",
    ),
    rule(
        Kind::Situation,
        Need::Person,
        Holds::Text,
        false,
        "=fonction =function =poste =job =financial =homeless =department =position =company_name",
    ),
    rule(Kind::Iban, Need::Nothing, Holds::Text, true, "iban iban_prefix"),
    rule(
        Kind::Account,
        Need::Nothing,
        Holds::Short,
        true,
        "bic swift rib code_banque bank_code numero_compte num_compte_bancaire bank_account compte_bancaire code_guichet cle_rib sort_code routing_number \
         account_holder titulaire_compte rum mandate_reference bank_account_number swift_code domiciliation account_owner bank_name \
         proprio owner_address",
    ),
    rule(Kind::Account, Need::Bank, Holds::Short, false, "=number =numero =bank =banque =owner =titulaire"),
    rule(
        Kind::Nir,
        Need::Nothing,
        Holds::Short,
        true,
        "nir ssn secu numero_secu num_secu no_secu num_ss numero_ss social_security securite_sociale nss ss_number",
    ),
    rule(Kind::Nir, Need::Person, Holds::Short, false, "=ss"),
    rule(
        Kind::NationalId,
        Need::Nothing,
        Holds::Short,
        true,
        "national_id nin passport passeport carte_identite cni id_card identity_card driver_license drivers_license driving_license \
         driver_licence numero_permis num_permis tax_number numero_fiscal num_fiscal national_register national_registration_number niss \
         drivers_lic dni",
    ),
    rule(
        Kind::Ip,
        Need::Nothing,
        Holds::Any,
        false,
        "ip ip_address ipaddr remote_addr client_ip last_ip adresse_ip user_ip ip_addr remote_ip author_ip",
    ),
    rule(
        Kind::Device,
        Need::Nothing,
        Holds::Short,
        false,
        "user_agent useragent browser cookie cookies device_id fingerprint mac_address imei imsi udid advertising_id session_id sessionid \
         cookie_id visitor_id tracking_id http_referer referer referrer request_uri http_user_agent comment_agent",
    ),
    rule(
        Kind::Health,
        Need::Nothing,
        Holds::Any,
        false,
        "diagnosis diagnostic allergy allergies allergie medication medications pathologie maladie blood_type groupe_sanguin symptom \
         symptoms symptome handicap disability pregnancy pregnant grossesse antecedents medical vaccine vaccin vaccination smoking tobacco \
         alcohol prescription health sante disease illness deceased_reason cause_deces mutuelle medecin_traitant hiv",
    ),
    rule(
        Kind::Sensitive,
        Need::Nothing,
        Holds::Any,
        false,
        "ethnicity ethnie race ethnic ethnoracial religion religious sexual_orientation orientation_sexuelle political trade_union syndicat",
    ),
    rule(
        Kind::Credential,
        Need::Nothing,
        Holds::Short,
        false,
        "password passwd pass pwd mot_de_passe mdp motdepasse password_hash pass_crypted salt api_key apikey secret passphrase otp totp \
         reset_token remember_token activation_key confirmation_token auth_token access_token refresh_token private_key secure_key \
         security_question security_answer recovery_code personal_token",
    ),
    rule(Kind::Credential, Need::NoThing, Holds::Text, false, "=token =pin =validation_key =pass_temp token hash_password"),
    rule(
        Kind::FreeText,
        Need::NoThing,
        Holds::Long,
        false,
        "comment comments commentaire commentaires note notes remark remarks remarque remarques observation observations memo note_public \
         note_private biography bio feedback message remarques comment_content",
    ),
    rule(Kind::FreeText, Need::Person, Holds::Long, false, "=description =about =interests =history =background"),
    rule(Kind::FreeText, Need::Reachable, Holds::Long, false, "=content =body =text =texte =contenu =message_body"),
    rule(
        Kind::CardNumber,
        Need::Nothing,
        Holds::Short,
        true,
        "card_number cc_number numero_carte num_carte credit_card creditcard carte_bancaire pan card_pan ccnum carte_bleue",
    ),
    rule(
        Kind::CardDetail,
        Need::Nothing,
        Holds::Any,
        true,
        "card_holder cc_owner card_expiration card_expiry cc_exp card_exp cardholder card_last_four last_four exp_card card_ref exp_date_month exp_date_year",
    ),
    rule(
        Kind::CardCode,
        Need::Nothing,
        Holds::Any,
        true,
        "cvv cvc cvn card_code cryptogramme csc card_security_code cc_cvv cc_cid",
    ),
];
