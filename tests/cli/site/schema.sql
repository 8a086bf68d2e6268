CREATE TABLE person (
    id INTEGER NOT NULL PRIMARY KEY, kind VARCHAR(10) NOT NULL, agency VARCHAR(40) NOT NULL, created_on DATE,
    first_name VARCHAR(80), last_name VARCHAR(80), email VARCHAR(80), phone VARCHAR(80)
);
CREATE TABLE booking (
    person_id INTEGER NOT NULL REFERENCES person (id), nr INTEGER NOT NULL, wishes VARCHAR(80), PRIMARY KEY (person_id, nr),
    FOREIGN KEY (person_id) REFERENCES person (id)
);
CREATE TABLE subscriber (email VARCHAR(80) NOT NULL PRIMARY KEY, subscribed_on DATE, name VARCHAR(80));
