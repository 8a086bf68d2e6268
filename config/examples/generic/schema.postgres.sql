-- An organisation with contracts, whoever it is: PostgreSQL.

-- Contracts that stay for statistics once they are anonymous.
CREATE TABLE contract (
    id bigint PRIMARY KEY,
    number varchar(40) NOT NULL UNIQUE,
    product varchar(40) NOT NULL,
    started_on date,
    ended_on date,
    holder_name varchar(120) NOT NULL,
    holder_email varchar(160) NOT NULL UNIQUE,
    holder_phone varchar(30),
    holder_birth_date date,
    holder_postal_code varchar(10),
    holder_income integer,
    last_ip varchar(45),
    details jsonb
);
CREATE INDEX contract_ended ON contract (ended_on) WHERE ended_on IS NOT NULL;
