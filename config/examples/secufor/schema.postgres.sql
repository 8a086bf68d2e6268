-- Secufor, software and payment-account publisher: PostgreSQL.

-- Users of the service and of its payment accounts.
CREATE TABLE account (
    id uuid PRIMARY KEY,
    holder_name varchar(120) NOT NULL,
    email varchar(160) NOT NULL UNIQUE,
    phone varchar(30),
    postal_address varchar(250),
    opened_on date NOT NULL,
    relationship_ended_on date
);
CREATE INDEX account_relationship_ended ON account (relationship_ended_on) WHERE relationship_ended_on IS NOT NULL;

-- Anti-money-laundering vigilance files (Art. L561-12 of the Monetary and Financial Code).
CREATE TABLE aml_file (
    id bigint PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES account (id),
    identity_document varchar(60),
    beneficial_owner varchar(120),
    risk_notes text,
    reviewed_on date
);
CREATE INDEX aml_file_account ON aml_file (account_id);

-- Operations on payment accounts.
CREATE TABLE account_transaction (
    id bigint PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES account (id),
    operated_at timestamptz,
    amount numeric(14,2) NOT NULL,
    currency varchar(3) NOT NULL,
    counterparty_name varchar(120),
    label varchar(200),
    counterparty_iban varchar(34)
);
CREATE INDEX account_transaction_account ON account_transaction (account_id);
CREATE INDEX account_transaction_operated ON account_transaction (operated_at);

-- Orders; the buyer is known to the account system only.
CREATE TABLE sales_order (
    id bigint PRIMARY KEY,
    number varchar(30) NOT NULL UNIQUE,
    product_code varchar(20) NOT NULL,
    amount numeric(12,2) NOT NULL
);

-- Card payments of orders, in one or several instalments.
CREATE TABLE card_payment (
    id bigint PRIMARY KEY,
    order_id bigint NOT NULL REFERENCES sales_order (id),
    instalments integer NOT NULL,
    card_holder varchar(120),
    card_number varchar(19),
    card_expires varchar(7),
    verification_code varchar(4),
    paid_in_full_on date,
    terminated_on date
);
CREATE INDEX card_payment_order ON card_payment (order_id);
CREATE INDEX card_payment_paid ON card_payment (paid_in_full_on) WHERE paid_in_full_on IS NOT NULL;
CREATE INDEX card_payment_terminated ON card_payment (terminated_on) WHERE terminated_on IS NOT NULL;
CREATE INDEX card_payment_code ON card_payment (verification_code) WHERE verification_code IS NOT NULL;

-- File of members and prospects.
CREATE TABLE member (
    id bigint PRIMARY KEY,
    full_name varchar(120) NOT NULL,
    email varchar(160) NOT NULL UNIQUE,
    phone varchar(30),
    birth_date date,
    postal_code varchar(10),
    became_client_on date,
    relationship_ended_on date,
    last_contact_on date
);
CREATE INDEX member_relationship_ended ON member (relationship_ended_on) WHERE relationship_ended_on IS NOT NULL;
CREATE INDEX member_last_contact ON member (last_contact_on) WHERE became_client_on IS NULL;

-- Newsletters and promotions.
CREATE TABLE newsletter_subscriber (
    id bigint PRIMARY KEY,
    email varchar(160) NOT NULL UNIQUE,
    first_name varchar(80),
    last_contact_on date,
    consent_withdrawn_at timestamptz,
    objected boolean NOT NULL
);
CREATE INDEX newsletter_subscriber_last_contact ON newsletter_subscriber (last_contact_on);

-- Questions sent through the web form.
CREATE TABLE information_request (
    id bigint PRIMARY KEY,
    requester_name varchar(120),
    requester_email varchar(160) NOT NULL,
    question text,
    received_at timestamptz NOT NULL,
    processed_at timestamptz
);
CREATE INDEX information_request_processed ON information_request (processed_at) WHERE processed_at IS NOT NULL;

-- Audience statistics; the counts stay, the visitor goes.
CREATE TABLE page_view (
    id bigint PRIMARY KEY,
    collected_at timestamptz,
    path varchar(200) NOT NULL,
    visitor_id varchar(64),
    ip_address varchar(45),
    user_agent varchar(250)
);
CREATE INDEX page_view_collected ON page_view (collected_at);

-- Recorded calls, each with the path of its audio file.
CREATE TABLE call_recording (
    id bigint PRIMARY KEY,
    collected_on date,
    caller_name varchar(120),
    caller_phone varchar(30),
    audio_file varchar(300)
);
CREATE INDEX call_recording_collected ON call_recording (collected_on);
CREATE INDEX call_recording_file ON call_recording (audio_file);

-- Written analyses of recorded calls.
CREATE TABLE call_analysis (
    id bigint PRIMARY KEY,
    collected_on date,
    advisor_name varchar(120),
    caller_name varchar(120),
    summary text,
    scores jsonb
);
CREATE INDEX call_analysis_collected ON call_analysis (collected_on);

-- Customer reviews; the review stays, its author goes.
CREATE TABLE review (
    id bigint PRIMARY KEY,
    product_code varchar(20) NOT NULL,
    posted_at timestamp,
    rating integer NOT NULL,
    body text NOT NULL,
    author_name varchar(80) NOT NULL,
    author_email varchar(160) UNIQUE,
    author_city varchar(80),
    CHECK (rating BETWEEN 1 AND 5)
);
CREATE INDEX review_posted ON review (posted_at);

-- Requests under Articles 15 to 22.
CREATE TABLE data_subject_request (
    id bigint PRIMARY KEY,
    requester_name varchar(120) NOT NULL,
    requester_email varchar(160),
    article integer NOT NULL,
    received_on date,
    answered_on date,
    answer text
);
CREATE INDEX data_subject_request_received ON data_subject_request (received_on);

-- Customers of the shop, with what they ordered and signed.
CREATE TABLE customer (
    id bigint PRIMARY KEY,
    name varchar(120) NOT NULL,
    email varchar(160) NOT NULL UNIQUE,
    billing_address varchar(250),
    iban varchar(34),
    relationship_ended_on date
);
CREATE INDEX customer_relationship_ended ON customer (relationship_ended_on) WHERE relationship_ended_on IS NOT NULL;

-- Orders of customers.
CREATE TABLE customer_order (
    id bigint PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customer (id),
    number varchar(30) NOT NULL UNIQUE,
    ordered_on date NOT NULL,
    delivered_to varchar(250),
    refund_iban varchar(34)
);
CREATE INDEX customer_order_customer ON customer_order (customer_id);

-- Contracts that customers signed.
CREATE TABLE service_contract (
    id bigint PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customer (id),
    number varchar(30) NOT NULL UNIQUE,
    signed_on date,
    signatory varchar(120),
    debit_iban varchar(34)
);
CREATE INDEX service_contract_customer ON service_contract (customer_id);

-- Invoices; the financial year ends on 30 June.
CREATE TABLE invoice (
    id bigint PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customer (id),
    number varchar(30) NOT NULL UNIQUE,
    issued_on date,
    amount numeric(12,2) NOT NULL,
    billed_to varchar(250),
    paid_from_iban varchar(34)
);
CREATE INDEX invoice_customer ON invoice (customer_id);

-- Unpaid bills, and the disputes about them.
CREATE TABLE recovery_file (
    id bigint PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customer (id),
    collected_on date,
    dispute varchar(10),
    debtor varchar(200),
    account_of_facts text,
    CHECK (dispute IN ('none', 'open', 'closed'))
);
CREATE INDEX recovery_file_customer ON recovery_file (customer_id);
CREATE INDEX recovery_file_collected ON recovery_file (collected_on);

-- What customers keep in the hosted service, of their own contacts: theirs, by the code of the customer.
CREATE TABLE hosted_contact (
    id bigint PRIMARY KEY,
    tenant_code varchar(40),
    full_name varchar(120),
    email varchar(160),
    imported_on date
);
CREATE INDEX hosted_contact_tenant ON hosted_contact (tenant_code);

-- Messages to and from those contacts.
CREATE TABLE hosted_message (
    id bigint PRIMARY KEY,
    contact_id bigint NOT NULL REFERENCES hosted_contact (id),
    sent_at timestamptz,
    body text
);
CREATE INDEX hosted_message_contact ON hosted_message (contact_id);

-- Sign-ins of customers' staff to the hosted service.
CREATE TABLE hosted_login (
    id bigint PRIMARY KEY,
    tenant_code varchar(40),
    user_name varchar(120),
    ip_address inet,
    logged_at timestamptz
);
CREATE INDEX hosted_login_tenant ON hosted_login (tenant_code);
