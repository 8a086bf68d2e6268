-- CAP Assurances, the client portal with a database of its own: MariaDB and MySQL.

-- Requests that insured persons send through the portal, each about one of their contracts.
CREATE TABLE portal_request (
    id bigint PRIMARY KEY,
    contract_number varchar(40),
    subject varchar(160) NOT NULL,
    body text,
    sent_on date NOT NULL,
    closed_on date
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
