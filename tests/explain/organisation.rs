//! An organisation in which every situation of an explanation occurs.

use retentiond::plan::schema::Engine;

pub const MAP: &str = r#"
[source]
id = "crm"
time_zone = "Europe/Paris"

[data.person]
title = { fr = "Personne", en = "Person" }
table = "person"
key = ["id"]
disposition = "anonymise"
[data.person.categories]
identity = { columns = ["name"], mask = { fixed = "ANONYME" } }
contact = { columns = ["phone"], mask = "null", masks = { email = "token" } }
card = { columns = ["cvv"], mask = "null", never_stored = true }
[data.person.events.last_contact]
title = { fr = "dernier contact", en = "last contact" }
column = "last_contact"
format = "iso_date"
[data.person.periods.period_on_form]
title = { fr = "durée indiquée sur le formulaire", en = "period on the form" }
column = "form_months"
unit = "months"
[data.person.conditions.prospect]
title = { fr = "prospect", en = "prospect" }
sql = "kind = 'p'"
[data.person.conditions.trial]
title = { fr = "compte d’essai", en = "trial account" }
sql = "kind = 't'"
[data.person.conditions.subscribed]
title = { fr = "abonné à la lettre", en = "subscribed to the newsletter" }
sql = "subscribed = 1"
[data.person.conditions.dispute]
title = { fr = "litige en cours", en = "dispute under way" }
sql = "dispute = 1"

[data.note]
title = { fr = "Note", en = "Note" }
table = "note"
key = ["id"]
follows = "person"
on = { person_id = "id" }
disposition = "delete"
[data.note.categories]
identity = { columns = ["author"], mask = "null" }
text = { columns = ["body"], mask = { fixed = "" } }

[data.contract]
title = { fr = "Contrat", en = "Contract" }
table = "contract"
accepts_race = true
key = ["id"]
belongs_to = "person"
on = { person_id = "id" }
disposition = "delete"
[data.contract.categories]
terms = { columns = ["terms"], mask = { fixed = "" } }
[data.contract.events.ended]
title = { fr = "fin du contrat", en = "end of the contract" }
column = "ended"
missing = "running"
format = "iso_date"

[data.call]
title = { fr = "Appel", en = "Call" }
table = "phone_call"
key = ["id"]
belongs_to = "contract"
on = { contract_id = "id" }
disposition = "delete"
[data.call.categories]
voice = { columns = ["voice"], mask = "null" }
[data.call.events.called]
title = { fr = "appel", en = "call" }
column = "called_at"
format = "iso_datetime"

[data.visit]
title = { fr = "Visite", en = "Visit" }
table = "visit"
accepts_race = true
key = ["contract_id", "n"]
disposition = "anonymise"
[data.visit.categories]
place = { columns = ["place"], mask = "null" }
[data.visit.events.visited]
title = { fr = "visite", en = "visit" }
column = "visited"
format = "iso_date"
[data.visit.events.contract_ended]
title = { fr = "fin du contrat visité", en = "end of the visited contract" }
of = { table = "contract", on = { id = "contract_id" } }
column = "ended"
format = "iso_date"
else = "visited"
"#;

pub const POLICY: &str = r#"
[policy]
id = "crm"
author = "dpo"
title = { fr = "Politique", en = "Policy" }

[[purpose]]
id = "prospects"
title = { fr = "Gestion des prospects", en = "Prospect management" }
legal_basis = "legitimate_interest"
reference = "SOF-3"
data = "crm.person"
when = "prospect"
needs = "all"
starts = "last_contact"
keeps = "3 years"
at_most = ["period_on_form"]
kept_while = "dispute"

[[purpose]]
id = "newsletter"
title = { fr = "Lettre d’information", en = "Newsletter" }
legal_basis = "consent"
data = "crm.person"
when = "subscribed"
needs = ["contact"]
starts = "last_contact"
keeps = "4 years"

[[purpose]]
id = "trials"
title = { fr = "Comptes d’essai", en = "Trial accounts" }
legal_basis = "contract"
data = "crm.person"
when = "trial"
needs = "all"
starts = { event = "last_contact", end_of = "month" }
keeps = "1 year"
then = "delete"

[[purpose]]
id = "contracts"
title = { fr = "Gestion des contrats", en = "Contract management" }
legal_basis = "legal_obligation"
data = "crm.contract"
needs = ["terms", "person.identity"]
starts = { event = "ended", end_of = "calendar_year" }
keeps = "5 years"

[[purpose]]
id = "calls"
title = { fr = "Écoute des appels", en = "Call monitoring" }
legal_basis = "legitimate_interest"
data = "crm.call"
needs = "all"
starts = "called"
keeps = "4320 hours"

[[purpose]]
id = "visits"
title = { fr = "Suivi des visites", en = "Visit follow-up" }
legal_basis = "contract"
data = "crm.visit"
needs = "all"
starts = { latest_of = ["visited", "contract_ended"] }
keeps = "2 years"
"#;

/// Its tables.
pub fn schema(engine: Engine) -> String {
    let (date, time) = match engine {
        Engine::Sqlite => ("TEXT", "TEXT"),
        Engine::Postgres => ("date", "timestamp"),
        _ => ("date", "datetime"),
    };
    format!(
        "CREATE TABLE person (id integer PRIMARY KEY, kind varchar(1), subscribed integer NOT NULL, dispute integer, form_months integer,
           name varchar(50), email varchar(80), phone varchar(20), cvv varchar(4), last_contact {date});
         CREATE TABLE note (id integer PRIMARY KEY, person_id integer NOT NULL REFERENCES person (id), author varchar(50), body varchar(50) NOT NULL);
         CREATE TABLE contract (id integer PRIMARY KEY, person_id integer NOT NULL REFERENCES person (id), terms varchar(50) NOT NULL, ended {date});
         CREATE TABLE phone_call (id integer PRIMARY KEY, contract_id integer NOT NULL REFERENCES contract (id), voice varchar(50), called_at {time});
         CREATE TABLE visit (contract_id integer NOT NULL, n varchar(8) NOT NULL, place varchar(50), visited {date}, PRIMARY KEY (contract_id, n));"
    )
}
