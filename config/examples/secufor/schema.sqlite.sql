-- Secufor, software and payment-account publisher: SQLite. Dates are texts: YYYY-MM-DD, and YYYY-MM-DD HH:MM:SS (in UTC where the map says so).
PRAGMA foreign_keys = ON;

-- Users of the service and of its payment accounts.
CREATE TABLE account (
    id TEXT NOT NULL PRIMARY KEY,
    holder_name TEXT NOT NULL,
    email TEXT NOT NULL UNIQUE,
    phone TEXT,
    postal_address TEXT,
    opened_on TEXT NOT NULL,
    relationship_ended_on TEXT
);
CREATE INDEX account_relationship_ended ON account (relationship_ended_on) WHERE relationship_ended_on IS NOT NULL;

-- Anti-money-laundering vigilance files (Art. L561-12 of the Monetary and Financial Code).
CREATE TABLE aml_file (
    id INTEGER PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account (id),
    identity_document TEXT,
    beneficial_owner TEXT,
    risk_notes TEXT,
    reviewed_on TEXT
);
CREATE INDEX aml_file_account ON aml_file (account_id);

-- Operations on payment accounts.
CREATE TABLE account_transaction (
    id INTEGER PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account (id),
    operated_at TEXT,
    amount NUMERIC NOT NULL,
    currency TEXT NOT NULL,
    counterparty_name TEXT,
    label TEXT,
    counterparty_iban TEXT
);
CREATE INDEX account_transaction_account ON account_transaction (account_id);
CREATE INDEX account_transaction_operated ON account_transaction (operated_at);

-- Orders; the buyer is known to the account system only.
CREATE TABLE sales_order (
    id INTEGER PRIMARY KEY,
    number TEXT NOT NULL UNIQUE,
    product_code TEXT NOT NULL,
    amount NUMERIC NOT NULL
);

-- Card payments of orders, in one or several instalments.
CREATE TABLE card_payment (
    id INTEGER PRIMARY KEY,
    order_id INTEGER NOT NULL REFERENCES sales_order (id),
    instalments INTEGER NOT NULL,
    card_holder TEXT,
    card_number TEXT,
    card_expires TEXT,
    verification_code TEXT,
    paid_in_full_on TEXT,
    terminated_on TEXT
);
CREATE INDEX card_payment_order ON card_payment (order_id);
CREATE INDEX card_payment_paid ON card_payment (paid_in_full_on) WHERE paid_in_full_on IS NOT NULL;
CREATE INDEX card_payment_terminated ON card_payment (terminated_on) WHERE terminated_on IS NOT NULL;
CREATE INDEX card_payment_code ON card_payment (verification_code) WHERE verification_code IS NOT NULL;

-- File of members and prospects.
CREATE TABLE member (
    id INTEGER PRIMARY KEY,
    full_name TEXT NOT NULL,
    email TEXT NOT NULL UNIQUE,
    phone TEXT,
    birth_date TEXT,
    postal_code TEXT,
    became_client_on TEXT,
    relationship_ended_on TEXT,
    last_contact_on TEXT
);
CREATE INDEX member_relationship_ended ON member (relationship_ended_on) WHERE relationship_ended_on IS NOT NULL;
CREATE INDEX member_last_contact ON member (last_contact_on) WHERE became_client_on IS NULL;

-- Newsletters and promotions.
CREATE TABLE newsletter_subscriber (
    id INTEGER PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    first_name TEXT,
    last_contact_on TEXT,
    consent_withdrawn_at TEXT,
    objected INTEGER NOT NULL
);
CREATE INDEX newsletter_subscriber_last_contact ON newsletter_subscriber (last_contact_on);

-- Questions sent through the web form.
CREATE TABLE information_request (
    id INTEGER PRIMARY KEY,
    requester_name TEXT,
    requester_email TEXT NOT NULL,
    question TEXT,
    received_at TEXT NOT NULL,
    processed_at TEXT
);
CREATE INDEX information_request_processed ON information_request (processed_at) WHERE processed_at IS NOT NULL;

-- Audience statistics; the counts stay, the visitor goes.
CREATE TABLE page_view (
    id INTEGER PRIMARY KEY,
    collected_at TEXT,
    path TEXT NOT NULL,
    visitor_id TEXT,
    ip_address TEXT,
    user_agent TEXT
);
CREATE INDEX page_view_collected ON page_view (collected_at);

-- Recorded calls, each with the path of its audio file.
CREATE TABLE call_recording (
    id INTEGER PRIMARY KEY,
    collected_on TEXT,
    caller_name TEXT,
    caller_phone TEXT,
    audio_file TEXT
);
CREATE INDEX call_recording_collected ON call_recording (collected_on);
CREATE INDEX call_recording_file ON call_recording (audio_file);

-- Written analyses of recorded calls.
CREATE TABLE call_analysis (
    id INTEGER PRIMARY KEY,
    collected_on TEXT,
    advisor_name TEXT,
    caller_name TEXT,
    summary TEXT,
    scores TEXT CHECK (json_valid(scores))
);
CREATE INDEX call_analysis_collected ON call_analysis (collected_on);

-- Customer reviews; the review stays, its author goes.
CREATE TABLE review (
    id INTEGER PRIMARY KEY,
    product_code TEXT NOT NULL,
    posted_at TEXT,
    rating INTEGER NOT NULL,
    body TEXT NOT NULL,
    author_name TEXT NOT NULL,
    author_email TEXT UNIQUE,
    author_city TEXT,
    CHECK (rating BETWEEN 1 AND 5)
);
CREATE INDEX review_posted ON review (posted_at);

-- Requests under Articles 15 to 22.
CREATE TABLE data_subject_request (
    id INTEGER PRIMARY KEY,
    requester_name TEXT NOT NULL,
    requester_email TEXT,
    article INTEGER NOT NULL,
    received_on TEXT,
    answered_on TEXT,
    answer TEXT
);
CREATE INDEX data_subject_request_received ON data_subject_request (received_on);

-- Customers of the shop, with what they ordered and signed.
CREATE TABLE customer (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    email TEXT NOT NULL UNIQUE,
    billing_address TEXT,
    iban TEXT,
    relationship_ended_on TEXT
);
CREATE INDEX customer_relationship_ended ON customer (relationship_ended_on) WHERE relationship_ended_on IS NOT NULL;

-- Orders of customers.
CREATE TABLE customer_order (
    id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL REFERENCES customer (id),
    number TEXT NOT NULL UNIQUE,
    ordered_on TEXT NOT NULL,
    delivered_to TEXT,
    refund_iban TEXT
);
CREATE INDEX customer_order_customer ON customer_order (customer_id);

-- Contracts that customers signed.
CREATE TABLE service_contract (
    id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL REFERENCES customer (id),
    number TEXT NOT NULL UNIQUE,
    signed_on TEXT,
    signatory TEXT,
    debit_iban TEXT
);
CREATE INDEX service_contract_customer ON service_contract (customer_id);

-- Invoices; the financial year ends on 30 June.
CREATE TABLE invoice (
    id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL REFERENCES customer (id),
    number TEXT NOT NULL UNIQUE,
    issued_on TEXT,
    amount NUMERIC NOT NULL,
    billed_to TEXT,
    paid_from_iban TEXT
);
CREATE INDEX invoice_customer ON invoice (customer_id);

-- Unpaid bills, and the disputes about them.
CREATE TABLE recovery_file (
    id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL REFERENCES customer (id),
    collected_on TEXT,
    dispute TEXT,
    debtor TEXT,
    account_of_facts TEXT,
    CHECK (dispute IN ('none', 'open', 'closed'))
);
CREATE INDEX recovery_file_customer ON recovery_file (customer_id);
CREATE INDEX recovery_file_collected ON recovery_file (collected_on);

-- What customers keep in the hosted service, of their own contacts: theirs, by the code of the customer.
CREATE TABLE hosted_contact (
    id INTEGER PRIMARY KEY,
    tenant_code TEXT,
    full_name TEXT,
    email TEXT,
    imported_on TEXT
);
CREATE INDEX hosted_contact_tenant ON hosted_contact (tenant_code);

-- Messages to and from those contacts.
CREATE TABLE hosted_message (
    id INTEGER PRIMARY KEY,
    contact_id INTEGER NOT NULL REFERENCES hosted_contact (id),
    sent_at TEXT,
    body TEXT
);
CREATE INDEX hosted_message_contact ON hosted_message (contact_id);

-- Sign-ins of customers' staff to the hosted service.
CREATE TABLE hosted_login (
    id INTEGER PRIMARY KEY,
    tenant_code TEXT,
    user_name TEXT,
    ip_address TEXT,
    logged_at TEXT
);
CREATE INDEX hosted_login_tenant ON hosted_login (tenant_code);
