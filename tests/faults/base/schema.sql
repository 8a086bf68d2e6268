CREATE TABLE country (code TEXT PRIMARY KEY NOT NULL);
CREATE TABLE person (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, first_name TEXT, last_name TEXT NOT NULL, email TEXT UNIQUE,
    created_on TEXT, paper_months INTEGER
);
CREATE TABLE customer_order (
    id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES person (id), ordered_on TEXT, state TEXT NOT NULL, address TEXT
);
CREATE TABLE invoice (
    id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES person (id), issued_on TEXT NOT NULL, name TEXT
);
