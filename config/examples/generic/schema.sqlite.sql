-- An organisation with contracts, whoever it is: SQLite. Dates are texts: YYYY-MM-DD, and YYYY-MM-DD HH:MM:SS (in UTC where the map says so).
PRAGMA foreign_keys = ON;

-- Contracts that stay for statistics once they are anonymous.
CREATE TABLE contract (
    id INTEGER PRIMARY KEY,
    number TEXT NOT NULL UNIQUE,
    product TEXT NOT NULL,
    started_on TEXT,
    ended_on TEXT,
    holder_name TEXT NOT NULL,
    holder_email TEXT NOT NULL UNIQUE,
    holder_phone TEXT,
    holder_birth_date TEXT,
    holder_postal_code TEXT,
    holder_income INTEGER,
    last_ip TEXT,
    details TEXT CHECK (json_valid(details))
);
CREATE INDEX contract_ended ON contract (ended_on) WHERE ended_on IS NOT NULL;
