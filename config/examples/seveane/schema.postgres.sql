-- Séveane, third-party-payment network: PostgreSQL.

-- Professionals in contact with the network.
CREATE TABLE health_professional (
    id bigint PRIMARY KEY,
    rpps_number varchar(11) UNIQUE,
    last_name varchar(80) NOT NULL,
    first_name varchar(80),
    speciality varchar(40),
    email varchar(160),
    phone varchar(30),
    iban varchar(34),
    collected_on date
);
CREATE INDEX health_professional_collected ON health_professional (collected_on);

-- Third-party-payment agreements; 9999-12-31 means open-ended.
CREATE TABLE agreement (
    id bigint PRIMARY KEY,
    professional_id bigint NOT NULL REFERENCES health_professional (id),
    number varchar(40) NOT NULL UNIQUE,
    signed_on date,
    ended_on date,
    signatory varchar(120)
);
CREATE INDEX agreement_professional ON agreement (professional_id, ended_on);

-- Files on suspected fraud.
CREATE TABLE fraud_file (
    id bigint PRIMARY KEY,
    professional_id bigint REFERENCES health_professional (id),
    reference varchar(30) NOT NULL UNIQUE,
    suspect_name varchar(120),
    suspect_address varchar(250),
    findings text,
    facts_on date,
    closed_on date,
    proceedings_opened_on date,
    proceedings_ended_on date
);
CREATE INDEX fraud_file_professional ON fraud_file (professional_id);
CREATE INDEX fraud_file_closed ON fraud_file (closed_on) WHERE closed_on IS NOT NULL;

-- Papers in a fraud file.
CREATE TABLE fraud_document (
    id bigint PRIMARY KEY,
    fraud_file_id bigint NOT NULL REFERENCES fraud_file (id),
    title varchar(160),
    content text
);
CREATE INDEX fraud_document_file ON fraud_document (fraud_file_id);

-- The list of presumed fraudsters.
CREATE TABLE presumed_fraudster (
    id bigint PRIMARY KEY,
    full_name varchar(120) NOT NULL,
    birth_date date,
    reason varchar(250),
    entered_on date
);
CREATE INDEX presumed_fraudster_entered ON presumed_fraudster (entered_on);

-- Recorded calls, each with the path of its audio file.
CREATE TABLE call_recording (
    id bigint PRIMARY KEY,
    collected_at timestamp,
    caller_name varchar(120),
    caller_phone varchar(30),
    audio_file varchar(300)
);
CREATE INDEX call_recording_collected ON call_recording (collected_at);
CREATE INDEX call_recording_file ON call_recording (audio_file);

-- Quality-of-service records of the call centres.
CREATE TABLE quality_record (
    site_code varchar(10) NOT NULL,
    call_number bigint NOT NULL,
    collected_at timestamp,
    wait_seconds integer NOT NULL,
    satisfaction integer,
    caller_name varchar(120),
    caller_phone varchar(30),
    agent_comment text,
    PRIMARY KEY (site_code, call_number)
);
CREATE INDEX quality_record_collected ON quality_record (collected_at);
