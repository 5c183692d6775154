-- A rental shop as databases in the wild have it: enums, domains, arrays, documents, ranges, partitions, keys, comments.
CREATE SCHEMA shop;
CREATE TYPE shop.rating AS ENUM ('G', 'PG', 'R');
CREATE DOMAIN shop.year AS integer CHECK (VALUE BETWEEN 1900 AND 2200);
CREATE DOMAIN shop.grade AS shop.rating;
CREATE TYPE shop.money_of AS (amount numeric, currency text);

CREATE TABLE shop.language (language_id serial PRIMARY KEY, name character(20) NOT NULL);
CREATE TABLE shop.film (
    film_id serial PRIMARY KEY,
    title varchar(255) NOT NULL,
    description text,
    release_year shop.year,
    language_id integer NOT NULL REFERENCES shop.language,
    rental_rate numeric(4,2) NOT NULL DEFAULT 4.99,
    precise numeric(30,10),
    rating shop.rating NOT NULL DEFAULT 'G',
    inner_rating shop.grade,
    special_features text[],
    last_update timestamp NOT NULL DEFAULT now(),
    fulltext tsvector NOT NULL,
    price shop.money_of,
    running int4range
);
CREATE TABLE shop.customer (
    customer_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    first_name text NOT NULL,
    last_name text NOT NULL,
    email varchar(50),
    birth_date date,
    picture bytea,
    last_ip inet,
    settings jsonb,
    score real,
    pin_hash bytea,
    phones varchar(20)[],
    seen timestamptz,
    external uuid
);
COMMENT ON TABLE shop.customer IS E'Customers\nof the shop';
COMMENT ON COLUMN shop.customer.score IS 'how good a customer';
CREATE TABLE shop.staff (staff_id smallint PRIMARY KEY, username varchar(16) NOT NULL, password varchar(40), salary money);
CREATE TABLE shop.rental (
    rental_id bigserial PRIMARY KEY,
    rental_period tstzrange NOT NULL,
    film_id integer NOT NULL REFERENCES shop.film,
    customer_id integer NOT NULL REFERENCES shop.customer,
    staff_id smallint REFERENCES shop.staff
);
CREATE TABLE shop.payment (
    payment_id bigint NOT NULL, customer_id integer NOT NULL REFERENCES shop.customer, amount numeric(5,2) NOT NULL,
    payment_date date NOT NULL, PRIMARY KEY (payment_id, payment_date)
) PARTITION BY RANGE (payment_date);
CREATE TABLE shop.payment_2026 PARTITION OF shop.payment FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')
    PARTITION BY RANGE (payment_date);
CREATE TABLE shop.payment_2026_rest PARTITION OF shop.payment_2026 DEFAULT;
CREATE VIEW shop.customer_list AS SELECT customer_id, first_name || ' ' || last_name AS full_name FROM shop.customer;
CREATE MATERIALIZED VIEW shop.film_totals AS SELECT rating, count(*) AS films FROM shop.film GROUP BY rating;
CREATE TABLE shop.fts (document tsvector);
CREATE TABLE shop.nothing ();
ALTER TABLE shop.staff ENABLE ROW LEVEL SECURITY;
CREATE TEMP TABLE gone (id integer);
INSERT INTO shop.language (name) VALUES ('English');
INSERT INTO shop.film (title, language_id, fulltext, rating) VALUES ('A film', 1, '', 'PG'), ('Another', 1, '', 'R');
INSERT INTO shop.customer (first_name, last_name) VALUES ('Ada', 'King');
