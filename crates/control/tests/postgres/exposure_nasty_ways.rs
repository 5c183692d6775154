//! More ways and more decoys, the kinds that the first list does not prove by reading among them. Each has its own target.

use policy::exposure::Class;

use crate::exposure_decoys::Decoy;
use crate::exposure_ways::{ROWS, Way, from_other, shows, way, with};

/// Tables that the ways lead to, the first list's own apart.
pub(crate) const TARGETS: &str = "
CREATE ROLE registrar NOLOGIN; GRANT USAGE ON SCHEMA records TO registrar;
CREATE TABLE records.cases (id int, name text, county text) PARTITION BY LIST (county);
CREATE TABLE records.cases_cook PARTITION OF records.cases FOR VALUES IN ('Cook');
CREATE TABLE records.cases_kane PARTITION OF records.cases FOR VALUES IN ('Kane');
INSERT INTO records.cases VALUES (1, 'Zebra-4711', 'Cook'), (2, 'Other', 'Kane');
ALTER TABLE records.cases OWNER TO custodian; ALTER TABLE records.cases_cook OWNER TO custodian; ALTER TABLE records.cases_kane OWNER TO custodian;
ALTER TABLE records.cases ENABLE ROW LEVEL SECURITY;
CREATE TABLE records.sealed (id int, name text, reader text DEFAULT 'nobody');
INSERT INTO records.sealed VALUES (1, 'Zebra-4711', 'nobody');
ALTER TABLE records.sealed OWNER TO custodian; ALTER TABLE records.sealed ENABLE ROW LEVEL SECURITY;
CREATE TABLE records.\"Odd Table\" (id int, \"the \"\"Name\" text, body text); ALTER TABLE records.\"Odd Table\" ALTER body SET STORAGE EXTERNAL;
INSERT INTO records.\"Odd Table\" SELECT 1, 'Zebra-4711', repeat('Zebra-4711 ', 1000);
ALTER TABLE records.\"Odd Table\" OWNER TO custodian;
CREATE TABLE records.photos (id int, data oid); INSERT INTO records.photos SELECT 1, lo_from_bytea(0, 'Zebra-4711'); INSERT INTO records.photos SELECT 2, lo_from_bytea(0, 'Zebra-4711');
ALTER TABLE records.photos OWNER TO custodian;
CREATE FUNCTION work.peek() RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT name FROM records.people WHERE person_id = 1';
REVOKE EXECUTE ON FUNCTION work.peek() FROM PUBLIC;
";

const fn at(target: &'static str, way: Way) -> Way {
    Way { target, ..way }
}

pub(crate) const NASTY: &[Way] = &[
    // Ownership and grants.
    at("records.photos", way("n_owner", "owner", &["GRANT USAGE ON SCHEMA records TO n_owner; CREATE TABLE open.moved (id int); DROP TABLE open.moved; ALTER TABLE records.photos OWNER TO n_owner"], "SELECT id || ' Zebra-4711' FROM records.photos")),
    with("LOGIN", Class::Grantable, at("records.cases", way("n_ownerless", "owner", &["CREATE ROLE lost NOLOGIN; GRANT lost TO n_ownerless; GRANT USAGE ON SCHEMA records TO lost; ALTER TABLE records.cases OWNER TO lost; REVOKE ALL ON records.cases FROM lost"], "GRANT SELECT ON records.cases TO lost; SELECT name FROM records.cases; REVOKE SELECT ON records.cases FROM lost"))),
    at("records.posted", way("n_public", "public_grant", &["CREATE TABLE records.posted AS SELECT 'Zebra-4711'::text AS name; ALTER TABLE records.posted OWNER TO custodian; GRANT SELECT ON records.posted TO PUBLIC; GRANT USAGE ON SCHEMA records TO n_public"], "SELECT name FROM records.posted")),
    at("records.\"Odd Table\"", way("n \"Quoted\" role", "column_grant", &["GRANT USAGE ON SCHEMA records TO \"n \"\"Quoted\"\" role\"; GRANT SELECT (\"the \"\"Name\") ON records.\"Odd Table\" TO \"n \"\"Quoted\"\" role\""], "SELECT \"the \"\"Name\" FROM records.\"Odd Table\"")),
    at("records.\"Odd Table\"", way("n_toast", "toast", &["DO $$ DECLARE t text; BEGIN SELECT reltoastrelid::regclass::text INTO t FROM pg_class WHERE oid = 'records.\"Odd Table\"'::regclass; EXECUTE 'GRANT USAGE ON SCHEMA pg_toast TO n_toast'; EXECUTE 'GRANT SELECT ON ' || t || ' TO n_toast'; END $$"], "SELECT convert_from(query_to_xml(format('SELECT chunk_data FROM %s', c.reltoastrelid::regclass), true, false, '')::text::bytea, 'UTF8') || ' Zebra-4711' FROM pg_class c WHERE relname = 'Odd Table'")),
    with("LOGIN BYPASSRLS", ROWS, at("records.sealed", way("n_bypass", "bypass_rls", &["GRANT USAGE ON SCHEMA records TO n_bypass; GRANT SELECT ON records.sealed TO n_bypass"], "SELECT name FROM records.sealed"))),
    at("records.sealed", way("n_ownerview", "view", &["CREATE VIEW open.sealed_view AS SELECT * FROM records.sealed; ALTER VIEW open.sealed_view OWNER TO custodian; GRANT SELECT ON open.sealed_view TO n_ownerview"], "SELECT name FROM open.sealed_view")),
    at("records.cases", way("n_part", "partition", &["GRANT USAGE ON SCHEMA records TO n_part; GRANT SELECT ON records.cases_cook TO n_part"], "SELECT name FROM records.cases_cook")),
    way("n_parent", "inheritance", &["CREATE SCHEMA s_parent; GRANT USAGE ON SCHEMA s_parent TO n_parent; CREATE TABLE s_parent.all_people (person_id int, name text); ALTER TABLE records.people INHERIT s_parent.all_people; GRANT SELECT ON s_parent.all_people TO n_parent"], "SELECT name FROM s_parent.all_people"),
    way("n_child", "inheritance", &["CREATE TABLE open.late_people () INHERITS (records.people); INSERT INTO open.late_people VALUES (3, 'Late Zebra-4711', 'Cook', 0); GRANT SELECT ON open.late_people TO n_child"], "SELECT name FROM open.late_people"),
    // Membership.
    with("LOGIN", Class::Rows, way("n_dbowner", "membership", &["ALTER DATABASE records OWNER TO n_dbowner; GRANT USAGE ON SCHEMA records TO pg_database_owner; GRANT SELECT ON records.people TO pg_database_owner"], "SELECT name FROM records.people")).since(14),
    with("LOGIN", ROWS, way("n_becomes_super", "superuser", &["CREATE ROLE second_super SUPERUSER NOLOGIN; GRANT second_super TO n_becomes_super"], "SET ROLE second_super; SELECT name FROM records.people")),
    with("LOGIN NOINHERIT", Class::Grantable, way("n_set_create", "createrole", &["CREATE ROLE maker CREATEROLE NOLOGIN; GRANT maker TO n_set_create"], "SET ROLE maker; GRANT readers TO n_set_create; SET ROLE readers; SELECT name FROM records.people; RESET ROLE; SET ROLE maker; REVOKE readers FROM n_set_create")).until(15),
    with("LOGIN", Class::Grantable, way("n_admin", "admin_option", &["GRANT readers TO n_admin WITH ADMIN TRUE, INHERIT FALSE, SET FALSE"], "BEGIN; GRANT readers TO n_admin WITH INHERIT TRUE; SELECT name FROM records.people; ROLLBACK")).since(16),
    with("LOGIN CREATEROLE", Class::Grantable, way("n_create16", "admin_option", &["GRANT readers TO n_create16 WITH ADMIN TRUE, INHERIT FALSE, SET FALSE"], "BEGIN; GRANT readers TO n_create16 WITH SET TRUE; SET ROLE readers; SELECT name FROM records.people; ROLLBACK")).since(16),
    way("n_setonly", "set_role", &["GRANT readers TO n_setonly WITH INHERIT FALSE, SET TRUE"], "SET ROLE readers; SELECT name FROM records.people").since(16),
    with("LOGIN NOINHERIT", ROWS, way("n_inherits", "membership", &["GRANT readers TO n_inherits WITH INHERIT TRUE, SET FALSE"], "SELECT name FROM records.people")).since(16),
    with("LOGIN NOINHERIT", ROWS, way("n_two_roles", "set_role", &["CREATE ROLE n_names NOLOGIN; CREATE ROLE n_holds NOLOGIN; GRANT USAGE ON SCHEMA records TO n_names; GRANT SELECT ON records.people TO n_holds; GRANT n_names, n_holds TO n_two_roles"], "SET ROLE n_names; PREPARE p AS SELECT name FROM records.people; SET ROLE n_holds; EXECUTE p")),
    way("n_no_usage", "invoker_function", &["CREATE FUNCTION open.n_no_usage() RETURNS SETOF text LANGUAGE sql BEGIN ATOMIC SELECT name FROM records.people; END; GRANT SELECT ON records.people TO n_no_usage"], "SELECT open.n_no_usage()").since(14),
    // Views and copies.
    way("n_matview_chain", "materialized_view", &["CREATE VIEW work.mv_inner AS SELECT person_id, name FROM records.people; CREATE MATERIALIZED VIEW work.mv AS SELECT * FROM work.mv_inner; CREATE VIEW open.mv_outer AS SELECT name FROM work.mv; GRANT SELECT ON open.mv_outer TO n_matview_chain"], "SELECT name FROM open.mv_outer").kind("view"),
    way("n_invoker_below", "view", &["CREATE VIEW work.inv_below WITH (security_invoker = on) AS SELECT * FROM records.people; CREATE VIEW open.inv_above AS SELECT name FROM work.inv_below; GRANT SELECT ON open.inv_above TO n_invoker_below; GRANT SELECT ON records.people TO n_invoker_below"], "SELECT name FROM open.inv_above").since(15),
    way("n_view_column", "view", &["CREATE VIEW open.vcol AS SELECT * FROM records.people; GRANT SELECT (name) ON open.vcol TO n_view_column"], "SELECT name FROM open.vcol"),
    way("n_audit", "trigger_copy", &["CREATE TABLE open.audit (at timestamptz, row_data jsonb); CREATE FUNCTION work.audit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN INSERT INTO open.audit VALUES (now(), to_jsonb(NEW)); RETURN NEW; END'; CREATE TRIGGER audit AFTER INSERT OR UPDATE ON records.people FOR EACH ROW EXECUTE FUNCTION work.audit(); UPDATE records.people SET county = county; GRANT SELECT ON open.audit TO n_audit"], "SELECT row_data FROM open.audit"),
    way("n_rulecopy", "rule_copy", &["CREATE TABLE open.old_people (name text); GRANT INSERT ON open.old_people TO custodian; GRANT USAGE ON SCHEMA open TO custodian; CREATE RULE keep AS ON UPDATE TO records.people DO ALSO INSERT INTO open.old_people VALUES (OLD.name); UPDATE records.people SET county = county; GRANT SELECT ON open.old_people TO n_rulecopy"], "SELECT name FROM open.old_people"),
    from_other(way("n_copy_there", "copy", &["other: CREATE SCHEMA stash; GRANT USAGE ON SCHEMA stash TO n_copy_there; CREATE TABLE stash.people_2024 AS SELECT 'person-' || g AS n FROM generate_series(1, 40) g; ANALYZE stash.people_2024; GRANT SELECT ON stash.people_2024 TO n_copy_there"], "SELECT n || ' Zebra-4711' FROM stash.people_2024")),
    from_other(way("n_far_matview", "materialized_view", &["CREATE ROLE pw_far LOGIN; GRANT readers TO pw_far", "other: CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$SOCKET', dbname 'records'); CREATE USER MAPPING FOR postgres SERVER far OPTIONS (user 'pw_far'); CREATE SCHEMA far; GRANT USAGE ON SCHEMA far TO n_far_matview; CREATE FOREIGN TABLE far.people (name text) SERVER far OPTIONS (schema_name 'records'); CREATE MATERIALIZED VIEW far.kept AS SELECT * FROM far.people; GRANT SELECT ON far.kept TO n_far_matview"], "SELECT name FROM far.kept")),
    from_other(way("n_far_view", "foreign_table", &["other: CREATE SCHEMA far2; GRANT USAGE ON SCHEMA far2 TO n_far_view; CREATE VIEW far2.v AS SELECT name FROM far.people; GRANT SELECT ON far2.v TO n_far_view"], "SELECT name FROM far2.v").kind("view")),
    // Definer functions.
    way("n_atomic", "definer_function", &["CREATE FUNCTION open.n_atomic() RETURNS text LANGUAGE sql SECURITY DEFINER BEGIN ATOMIC SELECT name FROM records.people WHERE person_id = 1; END; REVOKE EXECUTE ON FUNCTION open.n_atomic() FROM PUBLIC; GRANT EXECUTE ON FUNCTION open.n_atomic() TO n_atomic"], "SELECT open.n_atomic()").since(14),
    way("n_cursor", "definer_function", &["CREATE FUNCTION open.n_cursor() RETURNS refcursor LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'DECLARE c refcursor := ''c''; BEGIN OPEN c FOR SELECT name FROM records.people; RETURN c; END'; REVOKE EXECUTE ON FUNCTION open.n_cursor() FROM PUBLIC; GRANT EXECUTE ON FUNCTION open.n_cursor() TO n_cursor"], "BEGIN; SELECT open.n_cursor(); FETCH ALL FROM c; COMMIT"),
    way("n_temp_out", "definer_function", &["CREATE FUNCTION open.n_temp_out() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'BEGIN CREATE TEMP TABLE result_of AS SELECT name FROM records.people; GRANT SELECT ON result_of TO PUBLIC; END'; REVOKE EXECUTE ON FUNCTION open.n_temp_out() FROM PUBLIC; GRANT EXECUTE ON FUNCTION open.n_temp_out() TO n_temp_out"], "SELECT open.n_temp_out(); SELECT name FROM result_of"),
    way("n_through", "definer_function", &["CREATE ROLE middle NOLOGIN; GRANT USAGE ON SCHEMA work TO middle; GRANT EXECUTE ON FUNCTION work.peek() TO middle; CREATE FUNCTION open.n_through() RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'BEGIN RETURN work.peek(); END'; ALTER FUNCTION open.n_through() OWNER TO middle; REVOKE EXECUTE ON FUNCTION open.n_through() FROM PUBLIC; GRANT EXECUTE ON FUNCTION open.n_through() TO n_through"], "SELECT open.n_through()"),
    way("n_wrapper", "definer_function", &["CREATE FUNCTION open.n_wrapper() RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT name FROM open.v1 LIMIT 1'; REVOKE EXECUTE ON FUNCTION open.n_wrapper() FROM PUBLIC; GRANT EXECUTE ON FUNCTION open.n_wrapper() TO n_wrapper"], "SELECT open.n_wrapper()"),
    with("LOGIN", Class::Grantable, way("n_granter", "definer_function", &["CREATE FUNCTION open.n_granter() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'BEGIN EXECUTE format(''GRANT readers TO %I'', session_user); END'; REVOKE EXECUTE ON FUNCTION open.n_granter() FROM PUBLIC; GRANT EXECUTE ON FUNCTION open.n_granter() TO n_granter"], "BEGIN; SELECT open.n_granter(); SELECT name FROM records.people; ROLLBACK")),
    with("LOGIN", Class::Grantable, way("n_ownscode", "definer_function", &["CREATE SCHEMA s_code AUTHORIZATION n_ownscode; CREATE FUNCTION s_code.clean(text) RETURNS text LANGUAGE sql AS 'SELECT $1'; ALTER FUNCTION s_code.clean(text) OWNER TO n_ownscode; CREATE FUNCTION open.n_ownscode(text) RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT s_code.clean($1)'; REVOKE EXECUTE ON FUNCTION open.n_ownscode(text) FROM PUBLIC; GRANT EXECUTE ON FUNCTION open.n_ownscode(text) TO n_ownscode"], "CREATE OR REPLACE FUNCTION s_code.clean(text) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT name FROM records.people WHERE person_id = 1); END'; SELECT open.n_ownscode(''); CREATE OR REPLACE FUNCTION s_code.clean(text) RETURNS text LANGUAGE sql AS 'SELECT $1'")),
    with("LOGIN", Class::Grantable, way("n_shadow", "search_path", &["CREATE SCHEMA s_shadow AUTHORIZATION n_shadow; CREATE FUNCTION open.n_shadow(text) RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = s_shadow, pg_catalog, pg_temp AS 'SELECT lower($1)'; REVOKE EXECUTE ON FUNCTION open.n_shadow(text) FROM PUBLIC; GRANT EXECUTE ON FUNCTION open.n_shadow(text) TO n_shadow"], "CREATE FUNCTION s_shadow.lower(text) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT name FROM records.people WHERE person_id = 1); END'; SELECT open.n_shadow('x'); DROP FUNCTION s_shadow.lower(text)")),
    with("LOGIN", Class::Rows, way("n_readsfile", "server_files", &["CREATE FUNCTION open.n_readsfile(text) RETURNS bytea LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT pg_read_binary_file($1)'; REVOKE EXECUTE ON FUNCTION open.n_readsfile(text) FROM PUBLIC; GRANT EXECUTE ON FUNCTION open.n_readsfile(text) TO n_readsfile"], "SELECT CASE WHEN length(open.n_readsfile(pg_relation_filepath(c.oid))) >= 0 THEN 'Zebra-4711' END FROM pg_class c WHERE relname = 'people' AND relkind = 'r' AND relnamespace = 'records'::regnamespace")),
    with("LOGIN", Class::Rows, way("n_alias", "server_files", &["CREATE FUNCTION open.n_alias(text) RETURNS bytea LANGUAGE internal STRICT AS 'pg_read_binary_file_all'; REVOKE EXECUTE ON FUNCTION open.n_alias(text) FROM PUBLIC; GRANT EXECUTE ON FUNCTION open.n_alias(text) TO n_alias"], "SELECT CASE WHEN length(open.n_alias(pg_relation_filepath(c.oid))) >= 0 THEN 'Zebra-4711' END FROM pg_class c WHERE relname = 'people' AND relkind = 'r' AND relnamespace = 'records'::regnamespace")),
    // What calls them unnamed.
    way("n_instead", "trigger", &["CREATE VIEW open.n_instead AS SELECT 1 AS id, ''::text AS note; CREATE FUNCTION work.n_instead() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN NEW.note := (SELECT name FROM records.people WHERE person_id = NEW.id); RETURN NEW; END'; CREATE TRIGGER t INSTEAD OF INSERT ON open.n_instead FOR EACH ROW EXECUTE FUNCTION work.n_instead(); GRANT INSERT, SELECT ON open.n_instead TO n_instead"], "INSERT INTO open.n_instead VALUES (1) RETURNING note"),
    way("n_check", "check_constraint", &["CREATE FUNCTION work.n_check(int) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'DECLARE n text; BEGIN SELECT name INTO n FROM records.people WHERE person_id = $1; RAISE NOTICE ''%'', n; RETURN true; END'; CREATE TABLE open.n_check (id int CHECK (work.n_check(id))); REVOKE EXECUTE ON FUNCTION work.n_check(int) FROM PUBLIC; GRANT EXECUTE ON FUNCTION work.n_check(int) TO n_check; GRANT INSERT ON open.n_check TO n_check"], "INSERT INTO open.n_check VALUES (1)"),
    way("n_index", "check_constraint", &["CREATE FUNCTION work.n_index(int) RETURNS int LANGUAGE plpgsql IMMUTABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'DECLARE n text; BEGIN SELECT name INTO n FROM records.people WHERE person_id = $1; RAISE NOTICE ''%'', n; RETURN 1; END'; CREATE TABLE open.n_index (id int); CREATE INDEX ON open.n_index (work.n_index(id)); REVOKE EXECUTE ON FUNCTION work.n_index(int) FROM PUBLIC; GRANT EXECUTE ON FUNCTION work.n_index(int) TO n_index; GRANT INSERT ON open.n_index TO n_index"], "INSERT INTO open.n_index VALUES (1)"),
    way("n_when", "check_constraint", &["CREATE FUNCTION work.n_when(int) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'DECLARE n text; BEGIN SELECT name INTO n FROM records.people WHERE person_id = $1; RAISE NOTICE ''%'', n; RETURN false; END'; CREATE TABLE open.n_when (id int); CREATE FUNCTION work.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER t BEFORE INSERT ON open.n_when FOR EACH ROW WHEN (work.n_when(NEW.id)) EXECUTE FUNCTION work.nothing(); REVOKE EXECUTE ON FUNCTION work.n_when(int) FROM PUBLIC; GRANT EXECUTE ON FUNCTION work.n_when(int) TO n_when; GRANT INSERT ON open.n_when TO n_when"], "INSERT INTO open.n_when VALUES (1)"),
    with("LOGIN", Class::Latent, way("n_notify", "trigger", &["CREATE SCHEMA s_hear; CREATE FUNCTION work.tell() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_notify(''people'', row_to_json(NEW)::text); RETURN NEW; END'; CREATE TRIGGER tell AFTER UPDATE ON records.people FOR EACH ROW EXECUTE FUNCTION work.tell()"], "")),
    // The cluster.
    at("records.cases", with("LOGIN", ROWS, from_other(way("n_subscriber", "subscription", &["CREATE PUBLICATION cases_out FOR TABLE records.cases WITH (publish_via_partition_root = true)", "SELECT pg_create_logical_replication_slot('cases_sub', 'pgoutput')", "other: CREATE SCHEMA records; CREATE TABLE records.cases (id int, name text, county text); CREATE SUBSCRIPTION cases_sub CONNECTION 'host=$SOCKET dbname=records user=postgres' PUBLICATION cases_out WITH (create_slot = false, slot_name = 'cases_sub'); GRANT USAGE ON SCHEMA records TO n_subscriber; GRANT SELECT ON records.cases TO n_subscriber"], "SELECT name FROM records.cases")))),
    at("records.cases", with("LOGIN REPLICATION", ROWS, way("n_publication", "publication", &["ALTER ROLE n_publication REPLICATION"], "SELECT pg_create_logical_replication_slot('n_pub', 'test_decoding'); SELECT 'Zebra-4711' FROM pg_drop_replication_slot('n_pub')"))),
    way("n_logfile", "server_files", &["GRANT EXECUTE ON FUNCTION pg_read_binary_file(text, bigint, bigint) TO n_logfile"], "SELECT CASE WHEN length(pg_read_binary_file(pg_relation_filepath(c.oid), 0, 100)) = 100 THEN 'Zebra-4711' END FROM pg_class c WHERE relname = 'people' AND relkind = 'r' AND relnamespace = 'records'::regnamespace"),
    at("records.photos", way("n_blobs", "large_object", &["GRANT SELECT ON pg_catalog.pg_largeobject TO n_blobs"], "SELECT convert_from(data, 'UTF8') FROM pg_largeobject")),
    at("records.photos", way("n_blob_each", "large_object", &["DO $$ DECLARE o oid; BEGIN FOR o IN SELECT data FROM records.photos LOOP EXECUTE format('GRANT SELECT ON LARGE OBJECT %s TO n_blob_each', o); END LOOP; END $$"], "SELECT convert_from(lo_get(oid), 'UTF8') FROM pg_largeobject_metadata m WHERE lomacl::text LIKE '%n_blob_each%'")),
    at("records.photos", with("LOGIN", Class::Grantable, way("n_lo_compat", "parameter", &["GRANT SET ON PARAMETER lo_compat_privileges TO n_lo_compat"], "SET lo_compat_privileges = on; SELECT convert_from(lo_get(oid), 'UTF8') FROM pg_largeobject_metadata m WHERE lomowner = 10"))).since(15),
    shows("", Class::Facts, way("n_scan", "monitoring", &["GRANT pg_stat_scan_tables TO n_scan"], "")),
    shows("2", Class::Facts, way("n_tuples", "extension", &["CREATE EXTENSION pgstattuple SCHEMA open; GRANT EXECUTE ON FUNCTION open.pgstattuple(regclass) TO n_tuples"], "SELECT tuple_count FROM pg_class c, open.pgstattuple(c.oid::regclass) WHERE c.relname = 'people' AND c.relnamespace = 'records'::regnamespace")),
    shows("Zebra", Class::Facts, way("n_statview", "statistics", &["CREATE VIEW open.n_statview AS SELECT starelid, stavalues1::text AS v FROM pg_statistic; GRANT SELECT ON open.n_statview TO n_statview"], "SELECT v FROM open.n_statview WHERE v LIKE '%Zebra%'")),
];

const fn decoy(role: &'static str, setup: &'static [&'static str]) -> Decoy {
    Decoy {
        role,
        setup,
        most: Class::Grantable,
        since: 13,
    }
}

/// Grants that lead nowhere, in the same server.
pub(crate) const NASTY_DECOYS: &[Decoy] = &[
    decoy(
        "y_schema_owner",
        &[
            "CREATE ROLE y_schema_owner LOGIN; CREATE SCHEMA y_own AUTHORIZATION y_schema_owner; CREATE TABLE y_own.people AS SELECT 1 AS a",
        ],
    ),
    decoy(
        "y_view_false",
        &[
            "CREATE ROLE y_view_false LOGIN; CREATE VIEW open.y_false AS SELECT * FROM records.people WHERE false; GRANT SELECT ON open.y_false TO y_view_false",
        ],
    ),
    decoy(
        "y_view_user",
        &[
            "CREATE ROLE y_view_user LOGIN; CREATE VIEW open.y_user AS SELECT * FROM records.people WHERE CURRENT_USER = 'clerk'; GRANT SELECT ON open.y_user TO y_view_user",
        ],
    ),
    decoy(
        "y_limit0",
        &[
            "CREATE ROLE y_limit0 LOGIN; CREATE VIEW open.y_limit0 AS SELECT * FROM records.people LIMIT 0; GRANT SELECT ON open.y_limit0 TO y_limit0",
        ],
    ),
    decoy(
        "y_setrole",
        &[
            "CREATE ROLE y_setrole LOGIN; CREATE FUNCTION open.y_setrole() RETURNS text LANGUAGE sql SET role = 'readers' AS 'SELECT name FROM records.people LIMIT 1'; GRANT EXECUTE ON FUNCTION open.y_setrole() TO y_setrole",
        ],
    ),
    decoy(
        "y_columns",
        &[
            "CREATE ROLE y_columns LOGIN; CREATE ROLE y_col_owner NOLOGIN; GRANT USAGE ON SCHEMA records TO y_col_owner; GRANT SELECT (county) ON records.people TO y_col_owner; CREATE VIEW open.y_columns AS SELECT name FROM records.people; ALTER VIEW open.y_columns OWNER TO y_col_owner; GRANT SELECT ON open.y_columns TO y_columns",
        ],
    ),
    decoy(
        "y_restrictive",
        &[
            "CREATE ROLE y_restrictive LOGIN; GRANT USAGE ON SCHEMA records TO y_restrictive; CREATE TABLE records.y_rls AS SELECT * FROM records.people WHERE false",
        ],
    ),
    decoy(
        "y_seq",
        &[
            "CREATE ROLE y_seq LOGIN; CREATE SEQUENCE records.people_seq; GRANT USAGE ON SCHEMA records TO y_seq; GRANT SELECT, USAGE ON SEQUENCE records.people_seq TO y_seq",
        ],
    ),
    decoy(
        "y_truncate",
        &[
            "CREATE ROLE y_truncate LOGIN; GRANT USAGE ON SCHEMA records TO y_truncate; GRANT TRUNCATE ON records.people TO y_truncate",
        ],
    ),
    decoy("y_noconnect", &["CREATE ROLE y_noconnect LOGIN"]),
    decoy(
        "y_file_plain",
        &[
            "CREATE ROLE y_file_plain LOGIN; CREATE FUNCTION open.y_file() RETURNS text LANGUAGE sql AS 'SELECT pg_read_file(''PG_VERSION'')'; GRANT EXECUTE ON FUNCTION open.y_file() TO y_file_plain",
        ],
    ),
    decoy(
        "y_tempname",
        &[
            "CREATE ROLE y_tempname LOGIN; CREATE FUNCTION open.y_tempname() RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'BEGIN RETURN ''select name from records.people''; END'; GRANT EXECUTE ON FUNCTION open.y_tempname() TO y_tempname",
        ],
    ),
    decoy(
        "y_disabled_rule",
        &[
            "CREATE ROLE y_disabled_rule LOGIN; CREATE TABLE open.y_ask (q int); CREATE RULE answer AS ON INSERT TO open.y_ask DO INSTEAD SELECT name FROM records.people; ALTER TABLE open.y_ask DISABLE RULE answer; GRANT INSERT ON open.y_ask TO y_disabled_rule",
        ],
    ),
    decoy(
        "y_grantoption",
        &[
            "CREATE ROLE y_grantoption LOGIN; CREATE ROLE y_passer NOLOGIN; GRANT SELECT ON records.people TO y_passer WITH GRANT OPTION",
        ],
    ),
    decoy(
        "y_checkpoint",
        &["CREATE ROLE y_checkpoint LOGIN CREATEDB; GRANT pg_signal_backend TO y_checkpoint"],
    ),
    decoy(
        "y_execute_no",
        &[
            "CREATE ROLE y_execute_no LOGIN; CREATE VIEW open.y_exec AS SELECT work.peek() AS n; GRANT SELECT ON open.y_exec TO y_execute_no",
        ],
    ),
    decoy(
        "y_fdw_elsewhere",
        &[
            "CREATE ROLE y_fdw_elsewhere LOGIN; CREATE EXTENSION IF NOT EXISTS postgres_fdw SCHEMA work; CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'db.example.org', dbname 'records'); CREATE USER MAPPING FOR y_fdw_elsewhere SERVER elsewhere OPTIONS (user 'clerk', password 'x'); CREATE FOREIGN TABLE open.y_elsewhere (name text) SERVER elsewhere OPTIONS (schema_name 'records', table_name 'people'); GRANT SELECT ON open.y_elsewhere TO y_fdw_elsewhere",
        ],
    ),
    decoy("lookalike", &[]),
];
