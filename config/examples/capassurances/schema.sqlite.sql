-- CAP Assurances, expatriate insurance: SQLite. Dates are texts: YYYY-MM-DD, and YYYY-MM-DD HH:MM:SS (in UTC where the map says so).
PRAGMA foreign_keys = ON;

-- The contract base: one row is one insured person.
CREATE TABLE insured_person (
    id INTEGER PRIMARY KEY,
    last_name TEXT NOT NULL,
    first_name TEXT,
    birth_date TEXT,
    email TEXT,
    phone TEXT,
    country_of_stay TEXT
);

-- Contracts of insured persons; a contract without an end is running.
CREATE TABLE contract (
    id INTEGER PRIMARY KEY,
    insured_person_id INTEGER NOT NULL REFERENCES insured_person (id),
    number TEXT NOT NULL UNIQUE,
    started_on TEXT NOT NULL,
    ended_on TEXT,
    iban TEXT
);
CREATE INDEX contract_insured_person ON contract (insured_person_id, ended_on);

-- Access to the client portal.
CREATE TABLE portal_account (
    id INTEGER PRIMARY KEY,
    insured_person_id INTEGER NOT NULL UNIQUE REFERENCES insured_person (id),
    login TEXT NOT NULL UNIQUE,
    last_login_at TEXT,
    preferences TEXT CHECK (json_valid(preferences))
);

-- Requests that insured persons send through the portal, each about one of their contracts.
CREATE TABLE portal_request (
    id INTEGER PRIMARY KEY,
    contract_id INTEGER NOT NULL REFERENCES contract (id),
    subject TEXT NOT NULL,
    body TEXT,
    sent_on TEXT NOT NULL,
    closed_on TEXT
);
CREATE INDEX portal_request_contract ON portal_request (contract_id);
