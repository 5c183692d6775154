-- Two applications in one database: the tables that Django's `migrate` makes, and a shop like pagila.
CREATE ROLE django LOGIN; CREATE ROLE worker LOGIN; CREATE ROLE support LOGIN; CREATE ROLE report LOGIN;
CREATE ROLE staff LOGIN; CREATE ROLE auditor LOGIN; CREATE ROLE nobody LOGIN; CREATE ROLE shop_owner NOLOGIN;
GRANT django TO worker;
REVOKE CREATE ON SCHEMA public FROM PUBLIC; GRANT CREATE ON SCHEMA public TO django;

SET ROLE django;
CREATE TABLE public.django_content_type (id serial PRIMARY KEY, app_label varchar(100) NOT NULL, model varchar(100) NOT NULL, UNIQUE (app_label, model));
CREATE TABLE public.django_migrations (id bigserial PRIMARY KEY, app varchar(255) NOT NULL, name varchar(255) NOT NULL, applied timestamptz NOT NULL);
CREATE TABLE public.auth_permission (id serial PRIMARY KEY, name varchar(255) NOT NULL, content_type_id int NOT NULL REFERENCES public.django_content_type DEFERRABLE INITIALLY DEFERRED, codename varchar(100) NOT NULL);
CREATE TABLE public.auth_group (id serial PRIMARY KEY, name varchar(150) NOT NULL UNIQUE);
CREATE TABLE public.auth_user (
  id serial PRIMARY KEY, password varchar(128) NOT NULL, last_login timestamptz, is_superuser boolean NOT NULL,
  username varchar(150) NOT NULL UNIQUE, first_name varchar(150) NOT NULL, last_name varchar(150) NOT NULL,
  email varchar(254) NOT NULL, is_staff boolean NOT NULL, is_active boolean NOT NULL, date_joined timestamptz NOT NULL);
CREATE TABLE public.auth_user_groups (id bigserial PRIMARY KEY, user_id int NOT NULL REFERENCES public.auth_user DEFERRABLE INITIALLY DEFERRED, group_id int NOT NULL REFERENCES public.auth_group DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE public.django_session (session_key varchar(40) PRIMARY KEY, session_data text NOT NULL, expire_date timestamptz NOT NULL);
CREATE TABLE public.django_admin_log (id serial PRIMARY KEY, action_time timestamptz NOT NULL, object_repr varchar(200) NOT NULL, user_id int NOT NULL REFERENCES public.auth_user DEFERRABLE INITIALLY DEFERRED);
INSERT INTO public.auth_user VALUES (1, 'pbkdf2_sha256$x', NULL, true, 'root', 'A', 'B', 'a@example.org', true, true, now());
CREATE VIEW public.active_users AS SELECT id, username FROM public.auth_user WHERE is_active;
GRANT SELECT (id, username) ON public.auth_user TO support;
GRANT SELECT ON public.active_users TO support, report;
RESET ROLE;

CREATE SCHEMA shop AUTHORIZATION shop_owner;
SET ROLE shop_owner;
CREATE TYPE shop.mpaa_rating AS ENUM ('G', 'PG', 'R');
CREATE DOMAIN shop.year AS integer CHECK (VALUE >= 1901 AND VALUE <= 2155);
CREATE TABLE shop.film (film_id serial PRIMARY KEY, title text NOT NULL, release_year shop.year, rating shop.mpaa_rating DEFAULT 'G');
CREATE TABLE shop.customer (customer_id serial PRIMARY KEY, first_name text NOT NULL, last_name text NOT NULL, email text, active boolean DEFAULT true);
CREATE TABLE shop.payment (payment_id int, customer_id int NOT NULL, amount numeric(5, 2) NOT NULL, payment_date timestamptz NOT NULL) PARTITION BY RANGE (payment_date);
CREATE TABLE shop.payment_p2022_01 PARTITION OF shop.payment FOR VALUES FROM ('2022-01-01') TO ('2022-02-01');
CREATE TABLE shop.customer_log (at timestamptz, was jsonb);
INSERT INTO shop.customer VALUES (1, 'MARY', 'SMITH', 'mary@example.org', true);
CREATE FUNCTION shop.last_updated() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO shop.customer_log VALUES (now(), to_jsonb(OLD)); RETURN NEW; END';
CREATE TRIGGER last_updated BEFORE UPDATE ON shop.customer FOR EACH ROW EXECUTE FUNCTION shop.last_updated();
CREATE VIEW shop.customer_list AS SELECT customer_id AS id, first_name || ' ' || last_name AS name FROM shop.customer;
CREATE FUNCTION shop.rewards_report(min_monthly_purchases integer) RETURNS SETOF shop.customer LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
  'BEGIN RETURN QUERY SELECT c.* FROM shop.customer AS c WHERE c.customer_id >= min_monthly_purchases; END';
CREATE FUNCTION shop.inventory_in_stock(p_inventory_id integer) RETURNS boolean LANGUAGE sql AS 'SELECT p_inventory_id > 0';
REVOKE EXECUTE ON FUNCTION shop.rewards_report(integer) FROM PUBLIC;
GRANT USAGE ON SCHEMA shop TO staff, report, auditor;
GRANT SELECT ON shop.customer, shop.payment TO staff; GRANT SELECT ON shop.customer_list TO report;
GRANT EXECUTE ON FUNCTION shop.rewards_report(integer) TO report;
GRANT SELECT ON shop.customer_log TO auditor; GRANT SELECT ON shop.film TO nobody;
RESET ROLE;

-- As pagila has it: a text that it puts together itself, and nothing of its caller's in it.
CREATE FUNCTION shop.rewards(min_monthly_purchases integer) RETURNS SETOF shop.customer LANGUAGE plpgsql SECURITY DEFINER SET search_path = shop, pg_catalog, pg_temp AS $$
DECLARE last_month_start date; last_month_end date; rr record; tmpSQL text;
BEGIN
  IF min_monthly_purchases = 0 THEN RAISE EXCEPTION 'Minimum monthly purchases parameter must be > 0, and is %', min_monthly_purchases; END IF;
  last_month_start := CURRENT_DATE - '3 month'::interval; last_month_end := CURRENT_DATE;
  CREATE TEMPORARY TABLE tmpCustomer (customer_id integer NOT NULL PRIMARY KEY);
  tmpSQL := 'INSERT INTO tmpCustomer (customer_id) SELECT p.customer_id FROM payment AS p WHERE DATE(p.payment_date) BETWEEN '
    || quote_literal(last_month_start) || ' AND ' || quote_literal(last_month_end) || ' GROUP BY customer_id';
  EXECUTE tmpSQL;
  FOR rr IN EXECUTE 'SELECT c.* FROM tmpCustomer AS t INNER JOIN customer AS c ON t.customer_id = c.customer_id' LOOP RETURN NEXT rr; END LOOP;
  tmpSQL := 'DROP TABLE tmpCustomer';
  EXECUTE tmpSQL;
  RETURN;
END $$;
REVOKE EXECUTE ON FUNCTION shop.rewards(integer) FROM PUBLIC; GRANT EXECUTE ON FUNCTION shop.rewards(integer) TO staff;
GRANT USAGE ON SCHEMA shop TO support; GRANT EXECUTE ON FUNCTION shop.rewards(integer) TO support;
