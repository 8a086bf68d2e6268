-- CAP Assurances, the contract base beside the client portal: MariaDB and MySQL.

-- A contract without an end is running.
CREATE TABLE contract (
    id bigint PRIMARY KEY,
    number varchar(40) NOT NULL UNIQUE,
    holder varchar(80) NOT NULL,
    started_on date NOT NULL,
    ended_on date
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Requests that arrived through the portal, under the number that they have there.
CREATE TABLE request (
    id bigint PRIMARY KEY,
    portal_id bigint,
    contract_number varchar(40) NOT NULL,
    subject varchar(160) NOT NULL,
    body text,
    received_on date NOT NULL,
    CONSTRAINT request_contract_number FOREIGN KEY (contract_number) REFERENCES contract (number)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE INDEX request_portal ON request (portal_id);
CREATE INDEX request_contract ON request (contract_number);
