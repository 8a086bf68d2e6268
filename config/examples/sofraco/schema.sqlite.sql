-- Groupe Sofraco, insurance broker: SQLite. Dates are texts: YYYY-MM-DD, and YYYY-MM-DD HH:MM:SS (in UTC where the map says so).
PRAGMA foreign_keys = ON;

-- Insurance companies; no personal data.
CREATE TABLE insurer (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

-- Clients and prospects: one row is one person's file.
CREATE TABLE person (
    id INTEGER PRIMARY KEY,
    civility TEXT,
    last_name TEXT NOT NULL,
    first_name TEXT,
    birth_date TEXT,
    email TEXT UNIQUE,
    phone TEXT,
    address TEXT,
    postal_code TEXT,
    city TEXT,
    social_security_number TEXT UNIQUE,
    source TEXT,
    collected_on TEXT,
    form_period_months INTEGER,
    prospecting_objection_on TEXT,
    deceased_on TEXT
);
CREATE INDEX person_collected ON person (collected_on);
CREATE INDEX person_deceased ON person (deceased_on) WHERE deceased_on IS NOT NULL;

-- Insurance contracts; a contract without an end is running.
CREATE TABLE contract (
    id INTEGER PRIMARY KEY,
    person_id INTEGER NOT NULL REFERENCES person (id),
    insurer_id INTEGER REFERENCES insurer (id),
    number TEXT NOT NULL UNIQUE,
    branch TEXT NOT NULL,
    started_on TEXT NOT NULL,
    ended_on TEXT,
    annual_premium NUMERIC,
    iban TEXT,
    beneficiary_clause TEXT,
    CHECK (branch IN ('life', 'health', 'motor', 'home'))
);
CREATE INDEX contract_person ON contract (person_id, ended_on);

-- What a person did (in) and what we did (out).
CREATE TABLE interaction (
    id INTEGER PRIMARY KEY,
    person_id INTEGER NOT NULL REFERENCES person (id),
    direction TEXT,
    channel TEXT,
    happened_at TEXT,
    content TEXT,
    CHECK (direction IN ('in', 'out'))
);
CREATE INDEX interaction_person ON interaction (person_id, happened_at);

-- Medical questionnaires of contracts that ask for one.
CREATE TABLE health_questionnaire (
    id INTEGER PRIMARY KEY,
    person_id INTEGER NOT NULL REFERENCES person (id),
    filled_on TEXT,
    answers TEXT CHECK (json_valid(answers)),
    treating_physician TEXT
);
CREATE INDEX health_questionnaire_person ON health_questionnaire (person_id);

-- Suppliers and the person who answers for them.
CREATE TABLE supplier (
    id INTEGER PRIMARY KEY,
    company TEXT NOT NULL UNIQUE,
    contact_name TEXT NOT NULL,
    contact_email TEXT,
    iban TEXT,
    contract_ended_on TEXT
);
CREATE INDEX supplier_contract_ended ON supplier (contract_ended_on) WHERE contract_ended_on IS NOT NULL;

-- Claims; one without a closing day is open.
CREATE TABLE claim (
    id INTEGER PRIMARY KEY,
    person_id INTEGER NOT NULL REFERENCES person (id),
    number TEXT NOT NULL UNIQUE,
    happened_on TEXT,
    closed_on TEXT,
    circumstances TEXT,
    settlement_iban TEXT
);
CREATE INDEX claim_person ON claim (person_id, closed_on);

-- Receipts of premiums: documents of the accounts.
CREATE TABLE premium_receipt (
    id INTEGER PRIMARY KEY,
    contract_id INTEGER NOT NULL REFERENCES contract (id),
    number TEXT NOT NULL UNIQUE,
    paid_on TEXT,
    amount NUMERIC NOT NULL,
    payer TEXT,
    iban TEXT
);
CREATE INDEX premium_receipt_contract ON premium_receipt (contract_id);
