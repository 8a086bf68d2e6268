-- bsoft.fr, insurance software: MariaDB and MySQL.

-- The newsletter's list.
CREATE TABLE newsletter_subscription (
    id bigint PRIMARY KEY,
    email varchar(160) NOT NULL UNIQUE,
    first_name varchar(80),
    subscribed_at timestamp NOT NULL DEFAULT current_timestamp(),
    unsubscribed_at timestamp NULL DEFAULT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE INDEX newsletter_subscription_unsubscribed ON newsletter_subscription (unsubscribed_at);

-- Brokers who use the software, with the person who answers for them.
CREATE TABLE customer (
    id bigint PRIMARY KEY,
    company varchar(120) NOT NULL,
    contact_name varchar(120) NOT NULL,
    contact_email varchar(160),
    contact_phone varchar(30),
    contract_ended_on date
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE INDEX customer_contract_ended ON customer (contract_ended_on);

-- Questions of customers to the support desk.
CREATE TABLE contact_request (
    id bigint PRIMARY KEY,
    customer_id bigint NOT NULL,
    asked_at datetime NOT NULL,
    author_name varchar(120),
    author_email varchar(160),
    question text,
    CONSTRAINT contact_request_customer_id FOREIGN KEY (customer_id) REFERENCES customer (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE INDEX contact_request_customer ON contact_request (customer_id);

-- Recorded support calls: the row, its transcript, and the path of its audio file.
CREATE TABLE call_recording (
    id bigint PRIMARY KEY,
    customer_id bigint NOT NULL,
    recorded_at datetime NOT NULL,
    caller_name varchar(120),
    caller_phone varchar(30),
    transcript text,
    audio_file varchar(300),
    CONSTRAINT call_recording_customer_id FOREIGN KEY (customer_id) REFERENCES customer (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE INDEX call_recording_customer ON call_recording (customer_id);
CREATE INDEX call_recording_file ON call_recording (audio_file);

-- Contact sheets of prospects.
CREATE TABLE prospect (
    id bigint PRIMARY KEY,
    company varchar(120),
    contact_name varchar(120) NOT NULL,
    email varchar(160) UNIQUE,
    phone varchar(30),
    last_contact_on date,
    objected_on date
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE INDEX prospect_last_contact ON prospect (last_contact_on);

-- Quotes sent to prospects.
CREATE TABLE quote (
    id bigint PRIMARY KEY,
    prospect_id bigint NOT NULL,
    number varchar(40) NOT NULL UNIQUE,
    sent_on date NOT NULL,
    amount decimal(12,2),
    addressee varchar(120),
    CONSTRAINT quote_prospect_id FOREIGN KEY (prospect_id) REFERENCES prospect (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE INDEX quote_prospect ON quote (prospect_id);

-- Connection data: addresses, logs, cookies. The largest table.
CREATE TABLE connection_log (
    id bigint PRIMARY KEY,
    collected_at timestamp NULL DEFAULT NULL,
    ip_address varchar(45),
    user_agent varchar(250),
    cookie_id varchar(64),
    path varchar(200)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE INDEX connection_log_collected ON connection_log (collected_at);
