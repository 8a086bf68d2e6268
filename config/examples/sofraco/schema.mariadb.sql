-- Groupe Sofraco, insurance broker: MariaDB and MySQL.

-- Insurance companies; no personal data.
CREATE TABLE insurer (
    id bigint PRIMARY KEY,
    name varchar(80) NOT NULL UNIQUE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Clients and prospects: one row is one person's file.
CREATE TABLE person (
    id bigint PRIMARY KEY,
    civility varchar(10),
    last_name varchar(80) NOT NULL,
    first_name varchar(80),
    birth_date date,
    email varchar(160) UNIQUE,
    phone varchar(30),
    address varchar(200),
    postal_code varchar(10),
    city varchar(80),
    social_security_number varchar(15) UNIQUE,
    source varchar(40),
    collected_on date,
    form_period_months int,
    prospecting_objection_on date,
    deceased_on date
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE INDEX person_collected ON person (collected_on);
CREATE INDEX person_deceased ON person (deceased_on);

-- Insurance contracts; a contract without an end is running.
CREATE TABLE contract (
    id bigint PRIMARY KEY,
    person_id bigint NOT NULL,
    insurer_id bigint,
    number varchar(40) NOT NULL UNIQUE,
    branch varchar(20) NOT NULL,
    started_on date NOT NULL,
    ended_on date,
    annual_premium decimal(12,2),
    iban varchar(34),
    beneficiary_clause text,
    CONSTRAINT contract_person_id FOREIGN KEY (person_id) REFERENCES person (id),
    CONSTRAINT contract_insurer_id FOREIGN KEY (insurer_id) REFERENCES insurer (id),
    CHECK (branch IN ('life', 'health', 'motor', 'home'))
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE INDEX contract_person ON contract (person_id, ended_on);

-- What a person did (in) and what we did (out).
CREATE TABLE interaction (
    id bigint PRIMARY KEY,
    person_id bigint NOT NULL,
    direction varchar(3),
    channel varchar(20),
    happened_at timestamp NULL DEFAULT NULL,
    content text,
    CONSTRAINT interaction_person_id FOREIGN KEY (person_id) REFERENCES person (id),
    CHECK (direction IN ('in', 'out'))
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE INDEX interaction_person ON interaction (person_id, happened_at);

-- Medical questionnaires of contracts that ask for one.
CREATE TABLE health_questionnaire (
    id bigint PRIMARY KEY,
    person_id bigint NOT NULL,
    filled_on date,
    answers json,
    treating_physician varchar(120),
    CONSTRAINT health_questionnaire_person_id FOREIGN KEY (person_id) REFERENCES person (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE INDEX health_questionnaire_person ON health_questionnaire (person_id);

-- Suppliers and the person who answers for them.
CREATE TABLE supplier (
    id bigint PRIMARY KEY,
    company varchar(120) NOT NULL UNIQUE,
    contact_name varchar(120) NOT NULL,
    contact_email varchar(160),
    iban varchar(34),
    contract_ended_on date
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE INDEX supplier_contract_ended ON supplier (contract_ended_on);

-- Claims; one without a closing day is open.
CREATE TABLE claim (
    id bigint PRIMARY KEY,
    person_id bigint NOT NULL,
    number varchar(40) NOT NULL UNIQUE,
    happened_on date,
    closed_on date,
    circumstances text,
    settlement_iban varchar(34),
    CONSTRAINT claim_person_id FOREIGN KEY (person_id) REFERENCES person (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE INDEX claim_person ON claim (person_id, closed_on);

-- Receipts of premiums: documents of the accounts.
CREATE TABLE premium_receipt (
    id bigint PRIMARY KEY,
    contract_id bigint NOT NULL,
    number varchar(40) NOT NULL UNIQUE,
    paid_on date,
    amount decimal(12,2) NOT NULL,
    payer varchar(160),
    iban varchar(34),
    CONSTRAINT premium_receipt_contract_id FOREIGN KEY (contract_id) REFERENCES contract (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE INDEX premium_receipt_contract ON premium_receipt (contract_id);
