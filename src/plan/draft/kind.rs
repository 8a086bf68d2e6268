//! What a personal column holds, and the category under which a data map lists it.

/// The category of a data map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// Who somebody is.
    Identity,
    /// How to reach somebody.
    Contact,
    /// Where somebody lives or is delivered to.
    Address,
    /// Family, work and means.
    Situation,
    /// Accounts and mandates.
    Bank,
    /// Numbers that a state gave.
    NationalId,
    /// Traces of devices and connections.
    Connection,
    /// Data about health.
    Health,
    /// Other special categories of Art. 9: origin, religion, opinions.
    Sensitive,
    /// Passwords, tokens and what else lets one in.
    Credentials,
    /// Texts in which anything may stand.
    FreeText,
    /// Payment cards.
    Card,
    /// The verification code of a payment card: never to be stored.
    CardCode,
}

impl Group {
    /// The category's name in a data map.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Contact => "contact",
            Self::Address => "address",
            Self::Situation => "situation",
            Self::Bank => "bank",
            Self::NationalId => "national_id",
            Self::Connection => "connection",
            Self::Health => "health",
            Self::Sensitive => "sensitive",
            Self::Credentials => "credentials",
            Self::FreeText => "free_text",
            Self::Card => "card",
            Self::CardCode => "card_code",
        }
    }
}

/// What a personal column holds, as finely as masks and shapes need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A person's name or a part of it.
    Name,
    /// A form of address: Mr, Mme.
    Civility,
    /// A login or pseudonym.
    Login,
    /// A date or year of birth.
    Birth,
    /// A place of birth.
    BirthPlace,
    /// Sex, gender.
    Sex,
    /// Nationality.
    Nationality,
    /// A portrait or signature.
    Picture,
    /// An e-mail address.
    Email,
    /// A telephone or fax number.
    Phone,
    /// A messenger, social network or personal site.
    Social,
    /// Street, house number, complement.
    Street,
    /// A postal code.
    Postcode,
    /// A town, region or country of an address.
    Place,
    /// Coordinates.
    Position,
    /// Marital status, profession, income.
    Situation,
    /// An IBAN.
    Iban,
    /// Other account data: BIC, account number, holder, mandate.
    Account,
    /// A French social-security number.
    Nir,
    /// Another number that a state gave: passport, licence, tax.
    NationalId,
    /// An IP address.
    Ip,
    /// Browser, device, session.
    Device,
    /// Health.
    Health,
    /// Origin, religion, opinions.
    Sensitive,
    /// A password, its hash, a token.
    Credential,
    /// A text in which anything may stand.
    FreeText,
    /// A payment card's number.
    CardNumber,
    /// A payment card's holder or expiry.
    CardDetail,
    /// A payment card's verification code.
    CardCode,
}

impl Kind {
    /// The category that it belongs to.
    #[must_use]
    pub fn group(self) -> Group {
        match self {
            Self::Name
            | Self::Civility
            | Self::Login
            | Self::Birth
            | Self::BirthPlace
            | Self::Sex
            | Self::Nationality
            | Self::Picture => Group::Identity,
            Self::Email | Self::Phone | Self::Social => Group::Contact,
            Self::Street | Self::Postcode | Self::Place | Self::Position => Group::Address,
            Self::Situation => Group::Situation,
            Self::Iban | Self::Account => Group::Bank,
            Self::Nir | Self::NationalId => Group::NationalId,
            Self::Ip | Self::Device => Group::Connection,
            Self::Health => Group::Health,
            Self::Sensitive => Group::Sensitive,
            Self::Credential => Group::Credentials,
            Self::FreeText => Group::FreeText,
            Self::CardNumber | Self::CardDetail => Group::Card,
            Self::CardCode => Group::CardCode,
        }
    }

    /// What it is called in a draft's comments.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Name => "person's name",
            Self::Civility => "form of address",
            Self::Login => "login",
            Self::Birth => "date of birth",
            Self::BirthPlace => "place of birth",
            Self::Sex => "sex",
            Self::Nationality => "nationality",
            Self::Picture => "portrait or signature",
            Self::Email => "e-mail",
            Self::Phone => "telephone",
            Self::Social => "personal page",
            Self::Street => "street address",
            Self::Postcode => "postal code",
            Self::Place => "place of an address",
            Self::Position => "position",
            Self::Situation => "family, work or means",
            Self::Iban => "IBAN",
            Self::Account => "bank account",
            Self::Nir => "social-security number",
            Self::NationalId => "official number",
            Self::Ip => "IP address",
            Self::Device => "device or session",
            Self::Health => "health",
            Self::Sensitive => "special category (Art. 9)",
            Self::Credential => "password or token",
            Self::FreeText => "free text",
            Self::CardNumber => "payment card",
            Self::CardDetail => "payment card's holder or expiry",
            Self::CardCode => "card verification code",
        }
    }
}
