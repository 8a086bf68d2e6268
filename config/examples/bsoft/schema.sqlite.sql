-- bsoft.fr, insurance software: SQLite. Dates are texts: YYYY-MM-DD, and YYYY-MM-DD HH:MM:SS (in UTC where the map says so).
PRAGMA foreign_keys = ON;

-- The newsletter's list.
CREATE TABLE newsletter_subscription (
    id INTEGER PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    first_name TEXT,
    subscribed_at TEXT NOT NULL,
    unsubscribed_at TEXT
);
CREATE INDEX newsletter_subscription_unsubscribed ON newsletter_subscription (unsubscribed_at) WHERE unsubscribed_at IS NOT NULL;

-- Brokers who use the software, with the person who answers for them.
CREATE TABLE customer (
    id INTEGER PRIMARY KEY,
    company TEXT NOT NULL,
    contact_name TEXT NOT NULL,
    contact_email TEXT,
    contact_phone TEXT,
    contract_ended_on TEXT
);
CREATE INDEX customer_contract_ended ON customer (contract_ended_on) WHERE contract_ended_on IS NOT NULL;

-- Questions of customers to the support desk.
CREATE TABLE contact_request (
    id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL REFERENCES customer (id),
    asked_at TEXT NOT NULL,
    author_name TEXT,
    author_email TEXT,
    question TEXT
);
CREATE INDEX contact_request_customer ON contact_request (customer_id);

-- Recorded support calls: the row, its transcript, and the path of its audio file.
CREATE TABLE call_recording (
    id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL REFERENCES customer (id),
    recorded_at TEXT NOT NULL,
    caller_name TEXT,
    caller_phone TEXT,
    transcript TEXT,
    audio_file TEXT
);
CREATE INDEX call_recording_customer ON call_recording (customer_id);
CREATE INDEX call_recording_file ON call_recording (audio_file);

-- Contact sheets of prospects.
CREATE TABLE prospect (
    id INTEGER PRIMARY KEY,
    company TEXT,
    contact_name TEXT NOT NULL,
    email TEXT UNIQUE,
    phone TEXT,
    last_contact_on TEXT,
    objected_on TEXT
);
CREATE INDEX prospect_last_contact ON prospect (last_contact_on);

-- Quotes sent to prospects.
CREATE TABLE quote (
    id INTEGER PRIMARY KEY,
    prospect_id INTEGER NOT NULL REFERENCES prospect (id),
    number TEXT NOT NULL UNIQUE,
    sent_on TEXT NOT NULL,
    amount NUMERIC,
    addressee TEXT
);
CREATE INDEX quote_prospect ON quote (prospect_id);

-- Connection data: addresses, logs, cookies. The largest table.
CREATE TABLE connection_log (
    id INTEGER PRIMARY KEY,
    collected_at TEXT,
    ip_address TEXT,
    user_agent TEXT,
    cookie_id TEXT,
    path TEXT
);
CREATE INDEX connection_log_collected ON connection_log (collected_at);
