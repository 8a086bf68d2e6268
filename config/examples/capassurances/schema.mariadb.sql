-- CAP Assurances, expatriate insurance: MariaDB and MySQL.

-- The contract base: one row is one insured person.
CREATE TABLE insured_person (
    id bigint PRIMARY KEY,
    last_name varchar(80) NOT NULL,
    first_name varchar(80),
    birth_date date,
    email varchar(160),
    phone varchar(30),
    country_of_stay varchar(2)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Contracts of insured persons; a contract without an end is running.
CREATE TABLE contract (
    id bigint PRIMARY KEY,
    insured_person_id bigint NOT NULL,
    number varchar(40) NOT NULL UNIQUE,
    started_on date NOT NULL,
    ended_on date,
    iban varchar(34),
    CONSTRAINT contract_insured_person_id FOREIGN KEY (insured_person_id) REFERENCES insured_person (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE INDEX contract_insured_person ON contract (insured_person_id, ended_on);

-- Access to the client portal.
CREATE TABLE portal_account (
    id bigint PRIMARY KEY,
    insured_person_id bigint NOT NULL UNIQUE,
    login varchar(160) NOT NULL UNIQUE,
    last_login_at timestamp NULL DEFAULT NULL,
    preferences json,
    CONSTRAINT portal_account_insured_person_id FOREIGN KEY (insured_person_id) REFERENCES insured_person (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Requests that insured persons send through the portal, each about one of their contracts.
CREATE TABLE portal_request (
    id bigint PRIMARY KEY,
    contract_id bigint NOT NULL,
    subject varchar(160) NOT NULL,
    body text,
    sent_on date NOT NULL,
    closed_on date,
    CONSTRAINT portal_request_contract_id FOREIGN KEY (contract_id) REFERENCES contract (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
