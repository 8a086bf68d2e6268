-- One customer of bsoft.fr, in a database of its own: MariaDB and MySQL.

-- The services that the customer subscribed to, with the person who answers for each.
CREATE TABLE service (
    id bigint PRIMARY KEY,
    name varchar(80) NOT NULL,
    contact_name varchar(120) NOT NULL,
    contact_email varchar(160),
    ended_on date,
    erasure_asked_on date
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- The persons whom the customer insures.
CREATE TABLE insured (
    id bigint PRIMARY KEY,
    service_id bigint NOT NULL,
    full_name varchar(120) NOT NULL,
    birth_date date,
    social_security_number varchar(15),
    email varchar(160),
    CONSTRAINT insured_service_id FOREIGN KEY (service_id) REFERENCES service (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE INDEX insured_service ON insured (service_id);

-- Their contracts.
CREATE TABLE insurance_contract (
    id bigint PRIMARY KEY,
    insured_id bigint NOT NULL,
    number varchar(30) NOT NULL UNIQUE,
    signed_on date,
    iban varchar(34),
    CONSTRAINT insurance_contract_insured_id FOREIGN KEY (insured_id) REFERENCES insured (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE INDEX insurance_contract_insured ON insurance_contract (insured_id);

-- Claims.
CREATE TABLE claim (
    id bigint PRIMARY KEY,
    service_id bigint NOT NULL,
    declared_on date,
    claimant_name varchar(120),
    circumstances text,
    CONSTRAINT claim_service_id FOREIGN KEY (service_id) REFERENCES service (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE INDEX claim_service ON claim (service_id);
