-- CAP Assurances, the contract base beside the client portal: SQLite. Dates are texts: YYYY-MM-DD.
PRAGMA foreign_keys = ON;

-- A contract without an end is running.
CREATE TABLE contract (
    id INTEGER PRIMARY KEY,
    number TEXT NOT NULL UNIQUE,
    holder TEXT NOT NULL,
    started_on TEXT NOT NULL,
    ended_on TEXT
);

-- Requests that arrived through the portal, under the number that they have there.
CREATE TABLE request (
    id INTEGER PRIMARY KEY,
    portal_id INTEGER,
    contract_number TEXT NOT NULL REFERENCES contract (number),
    subject TEXT NOT NULL,
    body TEXT,
    received_on TEXT NOT NULL
);
CREATE INDEX request_portal ON request (portal_id);
CREATE INDEX request_contract ON request (contract_number);
