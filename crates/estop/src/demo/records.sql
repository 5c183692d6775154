-- The records office's tables. Incidents are real (data/README.md), people are made up (people.rs).
-- PostgreSQL 13 and 14 let everybody make things there; nothing is shared beside that.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
CREATE SCHEMA records;

CREATE TABLE records.incidents (
    incident_id   integer PRIMARY KEY,
    occurred_on   date NOT NULL,
    hour          smallint NOT NULL,
    premises      text NOT NULL,
    offence       text NOT NULL,
    neighbourhood text NOT NULL,
    latitude      double precision NOT NULL,
    longitude     double precision NOT NULL
);

CREATE TABLE records.people (
    person_id        integer PRIMARY KEY,
    incident_id      integer NOT NULL REFERENCES records.incidents,
    role             text NOT NULL,
    name             text NOT NULL,
    birth_date       date NOT NULL,
    case_status      text NOT NULL,
    is_juvenile      boolean NOT NULL,
    country_of_birth text NOT NULL
);

CREATE INDEX ON records.people (incident_id);
CREATE INDEX ON records.incidents (neighbourhood);
