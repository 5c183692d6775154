//! Ways by helpers, by triggers on what others write, by what is written abroad, by what is made or filled and open already; and what
//! looks like them and leads nowhere.

use policy::exposure::Class;

use crate::exposure_decoys::Decoy;
use crate::exposure_ways::{Way, from_other, shows, way, with};

pub(crate) const BASE: &str = "
CREATE ROLE custodian NOLOGIN; CREATE ROLE clerk LOGIN; CREATE ROLE readers NOLOGIN; CREATE ROLE poor NOLOGIN;
REVOKE CREATE ON SCHEMA public FROM PUBLIC; REVOKE TEMP ON DATABASE records FROM PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
CREATE SCHEMA records AUTHORIZATION custodian; CREATE SCHEMA open; CREATE SCHEMA work;
GRANT USAGE ON SCHEMA open TO PUBLIC;
CREATE TABLE records.people (person_id int PRIMARY KEY, name text, county text, photo oid);
INSERT INTO records.people VALUES (1, 'Zebra-4711', 'Cook', 0), (2, 'Other', 'Kane', 0);
INSERT INTO records.people SELECT g + 100, 'person-' || g, 'Lake', 0 FROM generate_series(1, 40) g;
ALTER TABLE records.people OWNER TO custodian;
GRANT USAGE ON SCHEMA records TO clerk, readers; GRANT SELECT ON records.people TO clerk, readers;
CREATE VIEW open.public_list AS SELECT county FROM records.people; GRANT SELECT ON open.public_list TO clerk;
CREATE FUNCTION work.say(msg text) RETURNS void LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE '%', msg; END$$;
CREATE TABLE open.kept (v text); CREATE FUNCTION work.keep(msg text) RETURNS void LANGUAGE sql AS 'INSERT INTO open.kept VALUES (msg)';
CREATE FUNCTION work.tell() RETURNS void LANGUAGE plpgsql AS $$DECLARE n text; BEGIN SELECT name INTO n FROM records.people WHERE person_id = 1; RAISE NOTICE '%', n; END$$;
CREATE FUNCTION work.silent(msg text) RETURNS void LANGUAGE plpgsql AS 'BEGIN NULL; END';
CREATE TABLE open.inbox (x int); GRANT INSERT ON open.inbox TO readers;
CREATE ROLE s_owner NOLOGIN; CREATE ROLE s_calls NOLOGIN; CREATE SCHEMA s_owner AUTHORIZATION s_owner; CREATE TABLE s_owner.settings (v text);
CREATE FUNCTION open.settings() RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT v FROM s_owner.settings LIMIT 1'; GRANT EXECUTE ON FUNCTION open.settings TO s_calls;
CREATE ROLE pw_writer LOGIN PASSWORD 'x'; GRANT USAGE ON SCHEMA records TO pw_writer; GRANT INSERT, UPDATE ON records.people TO pw_writer;
CREATE ROLE pw_none LOGIN PASSWORD 'x'; GRANT needs_password TO pw_writer, pw_none;
CREATE SEQUENCE open.counted;
";

/// What is never analyzed.
pub(crate) const LATE: &str = "
CREATE TABLE work.m_audit (name text) PARTITION BY LIST (name); CREATE TABLE open.m_audit1 PARTITION OF work.m_audit DEFAULT; CREATE FUNCTION work.m_audit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$BEGIN INSERT INTO work.m_audit VALUES (NEW.name); RETURN NEW; END$$; CREATE TRIGGER m_audit AFTER UPDATE ON records.people FOR EACH ROW EXECUTE FUNCTION work.m_audit(); UPDATE records.people SET county = county; GRANT SELECT ON open.m_audit1 TO m_part;
";

/// Definer functions: their bodies in `$body`, EXECUTE for the role alone.
macro_rules! definer {
    ($role:literal, $returns:literal, $language:literal, $body:literal) => {
        concat!(
            "CREATE FUNCTION open.",
            $role,
            "() RETURNS ",
            $returns,
            " LANGUAGE ",
            $language,
            " SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$",
            $body,
            "$body$; GRANT EXECUTE ON FUNCTION open.",
            $role,
            " TO ",
            $role
        )
    };
}

#[rustfmt::skip]
pub(crate) const MORE: &[Way] = &[
    with("LOGIN", Class::Grantable, way("a_both", "definer_function", &["GRANT s_owner, s_calls TO a_both"], "BEGIN; DROP TABLE s_owner.settings; CREATE FUNCTION s_owner.f() RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT name FROM records.people WHERE person_id = 1); END'; GRANT EXECUTE ON FUNCTION s_owner.f() TO PUBLIC; CREATE VIEW s_owner.settings AS SELECT s_owner.f() AS v; GRANT SELECT ON s_owner.settings TO PUBLIC; SELECT open.settings(); ROLLBACK")),
    with("LOGIN", Class::Latent, way("b_trigger", "trigger_privilege", &["CREATE SCHEMA b_trigger AUTHORIZATION b_trigger; GRANT TRIGGER ON open.inbox TO b_trigger"], "")),
    from_other(shows("duplicate key", Class::Facts, way("b_abroad", "write_only", &["other: CREATE EXTENSION IF NOT EXISTS postgres_fdw; CREATE SERVER home FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$SOCKET', dbname 'records'); CREATE USER MAPPING FOR b_abroad SERVER home OPTIONS (user 'pw_writer', password 'x'); CREATE FOREIGN TABLE public.people (person_id int, name text, county text, photo oid) SERVER home OPTIONS (schema_name 'records', table_name 'people'); GRANT INSERT ON public.people TO b_abroad"], "CREATE TEMP TABLE said (v text); DO $$BEGIN INSERT INTO public.people VALUES (1); EXCEPTION WHEN unique_violation THEN INSERT INTO said VALUES (SQLERRM); END$$; SELECT v FROM said"))),
    from_other(shows("42", Class::Facts, way("b_counts", "write_only", &["other: CREATE USER MAPPING FOR b_counts SERVER home OPTIONS (user 'pw_writer', password 'x'); GRANT UPDATE ON public.people TO b_counts"], "CREATE TEMP TABLE said (v int); DO $$DECLARE n int; BEGIN UPDATE public.people SET county = 'x'; GET DIAGNOSTICS n = ROW_COUNT; INSERT INTO said VALUES (n); END$$; SELECT v FROM said"))),
    way("c_said", "definer_function", &[definer!("c_said", "void", "plpgsql", "BEGIN PERFORM work.say(p.name) FROM records.people p WHERE person_id = 1; END")], "SELECT open.c_said()"),
    way("c_tells", "definer_function", &[definer!("c_tells", "void", "plpgsql", "BEGIN PERFORM work.tell(); END")], "SELECT open.c_tells()"),
    way("c_sql", "definer_function", &[definer!("c_sql", "void", "sql", "SELECT work.say(name) FROM records.people")], "SELECT open.c_sql()"),
    way("c_boolean", "definer_function", &[definer!("c_boolean", "boolean", "plpgsql", "BEGIN PERFORM work.say(name) FROM records.people; RETURN true; END")], "SELECT open.c_boolean()"),
    way("c_loop", "definer_procedure", &["CREATE PROCEDURE open.c_loop() LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$DECLARE r record; BEGIN FOR r IN SELECT name FROM records.people LOOP PERFORM work.say('row ' || r.name); END LOOP; END$$; GRANT EXECUTE ON PROCEDURE open.c_loop TO c_loop"], "CALL open.c_loop()"),
    way("c_keeps", "definer_function", &["GRANT SELECT ON open.kept TO c_keeps", definer!("c_keeps", "void", "plpgsql", "BEGIN PERFORM work.keep(name) FROM records.people WHERE person_id = 1; END")], "SELECT open.c_keeps(); SELECT v FROM open.kept"),
    way("m_default", "definer_function", &["ALTER DEFAULT PRIVILEGES IN SCHEMA open GRANT SELECT ON TABLES TO m_default", definer!("m_default", "void", "plpgsql", "BEGIN EXECUTE 'CREATE TABLE open.m_made AS SELECT * FROM records.people'; END"), "ALTER DEFAULT PRIVILEGES IN SCHEMA open GRANT SELECT ON TABLES TO m_default"], "BEGIN; SELECT open.m_default(); SELECT name FROM open.m_made; ROLLBACK"),
    with("LOGIN", Class::Grantable, way("m_fills", "definer_function", &["CREATE MATERIALIZED VIEW work.m_unfilled AS SELECT name FROM records.people WITH NO DATA; GRANT USAGE ON SCHEMA work TO m_fills; GRANT SELECT ON work.m_unfilled TO m_fills", definer!("m_fills", "void", "plpgsql", "BEGIN REFRESH MATERIALIZED VIEW work.m_unfilled; END")], "BEGIN; SELECT open.m_fills(); SELECT name FROM work.m_unfilled; ROLLBACK")),
    way("m_names", "definer_function", &[definer!("m_names", "void", "plpgsql", "DECLARE n text; BEGIN SELECT name INTO n FROM records.people WHERE person_id = 1; EXECUTE format('CREATE TABLE work.%I ()', n); END")], "BEGIN; SELECT open.m_names(); SELECT relname FROM pg_class WHERE relname LIKE 'Zebra%'; ROLLBACK"),
    way("m_part", "partition", &[], "SELECT name FROM open.m_audit1"),
    way("m_instead", "trigger", &["CREATE VIEW open.m_instead AS SELECT 1 AS x; CREATE FUNCTION work.m_instead() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$BEGIN PERFORM work.tell(); RETURN NEW; END$$; CREATE TRIGGER i INSTEAD OF INSERT ON open.m_instead FOR EACH ROW EXECUTE FUNCTION work.m_instead(); GRANT INSERT ON open.m_instead TO m_instead"], "INSERT INTO open.m_instead VALUES (1)"),
    way("m_predicate", "check_constraint", &["CREATE FUNCTION work.m_predicate(int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE SECURITY DEFINER AS $$DECLARE n text; BEGIN SELECT name INTO n FROM records.people WHERE person_id = 1; RAISE NOTICE '%', n; RETURN true; END$$; GRANT EXECUTE ON FUNCTION work.m_predicate TO m_predicate; CREATE TABLE open.m_predicate (x int); CREATE INDEX ON open.m_predicate (x) WHERE work.m_predicate(x); GRANT INSERT ON open.m_predicate TO m_predicate"], "INSERT INTO open.m_predicate VALUES (1)"),
    way("m_viewcolumn", "view", &["CREATE VIEW open.m_list AS SELECT * FROM records.people; GRANT SELECT (name) ON open.m_list TO m_viewcolumn"], "SELECT name FROM open.m_list"),
    way("m_xml", "definer_function", &[definer!("m_xml", "xml", "sql", "SELECT table_to_xml('records.people', true, true, '')")], "SELECT open.m_xml()"),
    way("m_format", "definer_dynamic", &[definer!("m_format", "text", "plpgsql", "DECLARE r text; BEGIN EXECUTE format('SELECT name FROM %I.%I WHERE person_id = 1', 'records', 'people') INTO r; RETURN r; END")], "SELECT open.m_format()"),
    way("m_using", "definer_function", &[definer!("m_using", "void", "plpgsql", "DECLARE n text; BEGIN SELECT name INTO n FROM records.people WHERE person_id = 1; RAISE NOTICE USING MESSAGE = n; END")], "SELECT open.m_using()"),
    way("m_sqlerrm", "definer_function", &[definer!("m_sqlerrm", "void", "plpgsql", "BEGIN PERFORM name::int FROM records.people WHERE person_id = 1; EXCEPTION WHEN OTHERS THEN RAISE NOTICE '%', SQLERRM; END")], "SELECT open.m_sqlerrm()"),
    way("m_do", "definer_function", &[definer!("m_do", "void", "plpgsql", "BEGIN EXECUTE 'DO $x$DECLARE n text; BEGIN SELECT name INTO n FROM records.people WHERE person_id = 1; RAISE NOTICE ''%'', n; END$x$'; END")], "SELECT open.m_do()"),
    way("m_paren", "definer_function", &[definer!("m_paren", "SETOF text", "sql", "SELECT name FROM/*x*/( records . people p CROSS JOIN (SELECT 1) q)")], "SELECT open.m_paren()"),
    way("m_table", "definer_function", &[definer!("m_table", "SETOF text", "plpgsql", "BEGIN RETURN QUERY SELECT t.name FROM (TABLE records.people) t; END")], "SELECT open.m_table()"),
    way("m_delusing", "definer_function", &["CREATE TABLE work.m_gone (x int); INSERT INTO work.m_gone VALUES (1)", definer!("m_delusing", "SETOF text", "sql", "DELETE FROM work.m_gone USING records.people RETURNING name")], "BEGIN; SELECT open.m_delusing(); ROLLBACK"),
    way("m_sequence", "definer_function", &["GRANT SELECT ON open.counted TO m_sequence", definer!("m_sequence", "void", "plpgsql", "BEGIN PERFORM setval('open.counted', 4711 + (SELECT min(person_id) FROM records.people WHERE name LIKE 'Zebra%')); END")], "SELECT open.m_sequence(); SELECT 'Zebra-4711' FROM open.counted WHERE last_value = 4712"),
];

const fn decoy(role: &'static str, setup: &'static [&'static str]) -> Decoy {
    Decoy {
        role,
        setup,
        most: Class::Grantable,
        since: 13,
    }
}

/// Nothing at all is open to it.
const fn closed(role: &'static str, setup: &'static [&'static str]) -> Decoy {
    Decoy {
        most: Class::Latent,
        ..decoy(role, setup)
    }
}

#[rustfmt::skip]
pub(crate) const MORE_DECOYS: &[Decoy] = &[
    closed("z_calls", &["CREATE ROLE z_calls LOGIN; GRANT s_calls TO z_calls"]),
    closed("z_owns", &["CREATE ROLE z_owns LOGIN; GRANT s_owner TO z_owns"]),
    closed("z_parsed", &["CREATE ROLE z_parsed LOGIN; GRANT s_owner TO z_parsed; CREATE TABLE s_owner.parsed (v text); CREATE FUNCTION open.z_parsed() RETURNS text LANGUAGE sql SECURITY DEFINER BEGIN ATOMIC SELECT v FROM s_owner.parsed; END; GRANT EXECUTE ON FUNCTION open.z_parsed TO z_parsed"]).since(14),
    closed("z_nocode", &["CREATE ROLE z_nocode LOGIN; GRANT TRIGGER ON open.inbox TO z_nocode"]),
    closed("z_poor", &["CREATE ROLE z_poor LOGIN; CREATE SCHEMA z_poor AUTHORIZATION z_poor; CREATE TABLE open.z_inbox (x int); GRANT TRIGGER ON open.z_inbox TO z_poor; GRANT INSERT ON open.z_inbox TO poor"]),
    closed("z_abroad", &["CREATE ROLE z_abroad LOGIN", "other: CREATE USER MAPPING FOR z_abroad SERVER home OPTIONS (user 'pw_none', password 'x'); GRANT INSERT, UPDATE ON public.people TO z_abroad"]),
    closed("z_unmapped", &["CREATE ROLE z_unmapped LOGIN", "other: GRANT INSERT, UPDATE ON public.people TO z_unmapped"]),
    closed("z_constant", &["CREATE ROLE z_constant LOGIN; CREATE FUNCTION open.z_constant(who text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$BEGIN PERFORM work.say('started'); PERFORM work.say(who); PERFORM 1 FROM records.people; PERFORM work.say('ended at ' || now()); END$$; GRANT EXECUTE ON FUNCTION open.z_constant TO z_constant"]),
    closed("z_silent", &["CREATE ROLE z_silent LOGIN", definer!("z_silent", "void", "plpgsql", "BEGIN PERFORM work.silent(name) FROM records.people; END")]),
    closed("z_keeps", &["CREATE ROLE z_keeps LOGIN", definer!("z_keeps", "void", "plpgsql", "BEGIN PERFORM work.keep(name) FROM records.people WHERE person_id = 1; END")]),
    closed("z_made", &["CREATE ROLE z_made LOGIN", definer!("z_made", "void", "plpgsql", "BEGIN EXECUTE 'CREATE TABLE work.z_made AS SELECT * FROM records.people'; END")]),
    closed("z_fills", &["CREATE ROLE z_fills LOGIN; GRANT USAGE ON SCHEMA work TO z_fills", definer!("z_fills", "void", "plpgsql", "BEGIN REFRESH MATERIALIZED VIEW work.m_unfilled; END")]),
    closed("z_unfilled", &["CREATE ROLE z_unfilled LOGIN; GRANT USAGE ON SCHEMA work TO z_unfilled; GRANT SELECT ON work.m_unfilled TO z_unfilled"]),
    closed("z_partitions", &["CREATE ROLE z_partitions LOGIN", definer!("z_partitions", "void", "plpgsql", "BEGIN PERFORM 1 FROM records.people; FOR i IN 1..3 LOOP EXECUTE format('CREATE TABLE work.%I ()', 'z_p' || i); END LOOP; END")]),
    closed("z_rowtype", &["CREATE ROLE z_rowtype LOGIN", definer!("z_rowtype", "text", "plpgsql", "DECLARE r records.people%ROWTYPE; BEGIN r.name := 'x'; RETURN r.name; END")]),
    closed("z_truncates", &["CREATE ROLE z_truncates LOGIN", definer!("z_truncates", "void", "plpgsql", "BEGIN TRUNCATE records.people; END")]),
    closed("z_analyzes", &["CREATE ROLE z_analyzes LOGIN", definer!("z_analyzes", "void", "plpgsql", "BEGIN ANALYZE records.people; END")]),
    closed("z_regclass", &["CREATE ROLE z_regclass LOGIN", definer!("z_regclass", "text", "sql", "SELECT 'records.people'::regclass::text")]),
    closed("z_locks", &["CREATE ROLE z_locks LOGIN", definer!("z_locks", "void", "plpgsql", "BEGIN LOCK TABLE records.people IN SHARE MODE; END")]),
    closed("z_sequence", &["CREATE ROLE z_sequence LOGIN; GRANT SELECT ON open.counted TO z_sequence"]),
    closed("z_type", &["CREATE ROLE z_type LOGIN; GRANT USAGE ON SCHEMA records TO z_type; GRANT USAGE ON TYPE records.people TO z_type"]),
    closed("z_update", &["CREATE ROLE z_update LOGIN; GRANT UPDATE ON open.m_instead TO z_update"]),
    closed("z_subscription", &["CREATE ROLE z_subscription LOGIN; GRANT SELECT (subname) ON pg_subscription TO z_subscription"]),
];
