-- CAP Assurances, the contract base beside the client portal: PostgreSQL.

-- A contract without an end is running.
CREATE TABLE contract (
    id bigint PRIMARY KEY,
    number varchar(40) NOT NULL UNIQUE,
    holder varchar(80) NOT NULL,
    started_on date NOT NULL,
    ended_on date
);

-- Requests that arrived through the portal, under the number that they have there.
CREATE TABLE request (
    id bigint PRIMARY KEY,
    portal_id bigint,
    contract_number varchar(40) NOT NULL REFERENCES contract (number),
    subject varchar(160) NOT NULL,
    body text,
    received_on date NOT NULL
);
CREATE INDEX request_portal ON request (portal_id);
CREATE INDEX request_contract ON request (contract_number);
