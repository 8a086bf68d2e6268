-- One customer of bsoft.fr, in a database of its own: SQLite. Dates are texts, YYYY-MM-DD.
PRAGMA foreign_keys = ON;

-- The services that the customer subscribed to, with the person who answers for each.
CREATE TABLE service (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    contact_name TEXT NOT NULL,
    contact_email TEXT,
    ended_on TEXT,
    erasure_asked_on TEXT
);

-- The persons whom the customer insures.
CREATE TABLE insured (
    id INTEGER PRIMARY KEY,
    service_id INTEGER NOT NULL REFERENCES service (id),
    full_name TEXT NOT NULL,
    birth_date TEXT,
    social_security_number TEXT,
    email TEXT
);
CREATE INDEX insured_service ON insured (service_id);

-- Their contracts.
CREATE TABLE insurance_contract (
    id INTEGER PRIMARY KEY,
    insured_id INTEGER NOT NULL REFERENCES insured (id),
    number TEXT NOT NULL UNIQUE,
    signed_on TEXT,
    iban TEXT
);
CREATE INDEX insurance_contract_insured ON insurance_contract (insured_id);

-- Claims.
CREATE TABLE claim (
    id INTEGER PRIMARY KEY,
    service_id INTEGER NOT NULL REFERENCES service (id),
    declared_on TEXT,
    claimant_name TEXT,
    circumstances TEXT
);
CREATE INDEX claim_service ON claim (service_id);
