-- CAP Assurances, the client portal with a database of its own: SQLite. Dates are texts: YYYY-MM-DD.
PRAGMA foreign_keys = ON;

-- Requests that insured persons send through the portal, each about one of their contracts.
CREATE TABLE portal_request (
    id INTEGER PRIMARY KEY,
    contract_number TEXT,
    subject TEXT NOT NULL,
    body TEXT,
    sent_on TEXT NOT NULL,
    closed_on TEXT
);
