-- CAP Assurances, expatriate insurance: PostgreSQL.

-- The contract base: one row is one insured person.
CREATE TABLE insured_person (
    id bigint PRIMARY KEY,
    last_name varchar(80) NOT NULL,
    first_name varchar(80),
    birth_date date,
    email varchar(160),
    phone varchar(30),
    country_of_stay varchar(2)
);

-- Contracts of insured persons; a contract without an end is running.
CREATE TABLE contract (
    id bigint PRIMARY KEY,
    insured_person_id bigint NOT NULL REFERENCES insured_person (id),
    number varchar(40) NOT NULL UNIQUE,
    started_on date NOT NULL,
    ended_on date,
    iban varchar(34)
);
CREATE INDEX contract_insured_person ON contract (insured_person_id, ended_on);

-- Access to the client portal.
CREATE TABLE portal_account (
    id bigint PRIMARY KEY,
    insured_person_id bigint NOT NULL UNIQUE REFERENCES insured_person (id),
    login varchar(160) NOT NULL UNIQUE,
    last_login_at timestamptz,
    preferences jsonb
);

-- Requests that insured persons send through the portal, each about one of their contracts.
CREATE TABLE portal_request (
    id bigint PRIMARY KEY,
    contract_id bigint NOT NULL REFERENCES contract (id),
    subject varchar(160) NOT NULL,
    body text,
    sent_on date NOT NULL,
    closed_on date
);
CREATE INDEX portal_request_contract ON portal_request (contract_id);
