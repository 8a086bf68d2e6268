-- Séveane, third-party-payment network: SQLite. Dates are texts: YYYY-MM-DD, and YYYY-MM-DD HH:MM:SS (in UTC where the map says so).
PRAGMA foreign_keys = ON;

-- Professionals in contact with the network.
CREATE TABLE health_professional (
    id INTEGER PRIMARY KEY,
    rpps_number TEXT UNIQUE,
    last_name TEXT NOT NULL,
    first_name TEXT,
    speciality TEXT,
    email TEXT,
    phone TEXT,
    iban TEXT,
    collected_on TEXT
);
CREATE INDEX health_professional_collected ON health_professional (collected_on);

-- Third-party-payment agreements; 9999-12-31 means open-ended.
CREATE TABLE agreement (
    id INTEGER PRIMARY KEY,
    professional_id INTEGER NOT NULL REFERENCES health_professional (id),
    number TEXT NOT NULL UNIQUE,
    signed_on TEXT,
    ended_on TEXT,
    signatory TEXT
);
CREATE INDEX agreement_professional ON agreement (professional_id, ended_on);

-- Files on suspected fraud.
CREATE TABLE fraud_file (
    id INTEGER PRIMARY KEY,
    professional_id INTEGER REFERENCES health_professional (id),
    reference TEXT NOT NULL UNIQUE,
    suspect_name TEXT,
    suspect_address TEXT,
    findings TEXT,
    facts_on TEXT,
    closed_on TEXT,
    proceedings_opened_on TEXT,
    proceedings_ended_on TEXT
);
CREATE INDEX fraud_file_professional ON fraud_file (professional_id);
CREATE INDEX fraud_file_closed ON fraud_file (closed_on) WHERE closed_on IS NOT NULL;

-- Papers in a fraud file.
CREATE TABLE fraud_document (
    id INTEGER PRIMARY KEY,
    fraud_file_id INTEGER NOT NULL REFERENCES fraud_file (id),
    title TEXT,
    content TEXT
);
CREATE INDEX fraud_document_file ON fraud_document (fraud_file_id);

-- The list of presumed fraudsters.
CREATE TABLE presumed_fraudster (
    id INTEGER PRIMARY KEY,
    full_name TEXT NOT NULL,
    birth_date TEXT,
    reason TEXT,
    entered_on TEXT
);
CREATE INDEX presumed_fraudster_entered ON presumed_fraudster (entered_on);

-- Recorded calls, each with the path of its audio file.
CREATE TABLE call_recording (
    id INTEGER PRIMARY KEY,
    collected_at TEXT,
    caller_name TEXT,
    caller_phone TEXT,
    audio_file TEXT
);
CREATE INDEX call_recording_collected ON call_recording (collected_at);
CREATE INDEX call_recording_file ON call_recording (audio_file);

-- Quality-of-service records of the call centres.
CREATE TABLE quality_record (
    site_code TEXT NOT NULL,
    call_number INTEGER NOT NULL,
    collected_at TEXT,
    wait_seconds INTEGER NOT NULL,
    satisfaction INTEGER,
    caller_name TEXT,
    caller_phone TEXT,
    agent_comment TEXT,
    PRIMARY KEY (site_code, call_number)
);
CREATE INDEX quality_record_collected ON quality_record (collected_at);
