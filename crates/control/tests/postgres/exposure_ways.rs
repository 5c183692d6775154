//! Ways for a role to read one table, each of a role of its own.

use policy::exposure::Class;

#[derive(Clone, Copy)]
pub(crate) struct Way {
    pub(crate) role: &'static str,
    /// Attributes, where they are not just LOGIN.
    pub(crate) login: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) class: Class,
    /// Statements, in database `records` or behind `other: `.
    pub(crate) setup: &'static [&'static str],
    pub(crate) database: &'static str,
    /// What the role runs; nothing where reading takes somebody else's act.
    pub(crate) read: &'static str,
    /// What it then sees.
    pub(crate) proof: &'static str,
    /// What is read.
    pub(crate) target: &'static str,
    /// The first and last major version of PostgreSQL that has it.
    pub(crate) versions: (u32, u32),
}

pub(crate) const BASE: &str = "
CREATE ROLE custodian NOLOGIN; CREATE ROLE clerk LOGIN; CREATE ROLE readers NOLOGIN; CREATE ROLE lookalike LOGIN;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
CREATE SCHEMA records AUTHORIZATION custodian; CREATE SCHEMA open; CREATE SCHEMA work;
GRANT USAGE ON SCHEMA open TO PUBLIC; REVOKE TEMP ON DATABASE records FROM PUBLIC;
CREATE TABLE records.people (person_id int PRIMARY KEY, name text, county text, photo oid);
INSERT INTO records.people VALUES (1, 'Zebra-4711', 'Cook', 0), (2, 'Other', 'Kane', 0);
ALTER TABLE records.people OWNER TO custodian;
GRANT USAGE ON SCHEMA records TO clerk, readers; GRANT SELECT ON records.people TO clerk, readers;
CREATE VIEW open.public_list AS SELECT county FROM records.people; GRANT SELECT ON open.public_list TO clerk;
CREATE FUNCTION open.everyones() RETURNS int LANGUAGE sql AS 'SELECT 1';
";

/// What must go on working whatever is closed.
pub(crate) const CLERK_READS: &[&str] = &[
    "SELECT name FROM records.people",
    "SELECT county FROM open.public_list",
    "SELECT open.everyones()",
    "SELECT s_forall.for_all()",
];

pub(crate) const ROWS: Class = Class::Rows;

pub(crate) const fn way(
    role: &'static str,
    kind: &'static str,
    setup: &'static [&'static str],
    read: &'static str,
) -> Way {
    Way {
        role,
        login: "",
        kind,
        class: ROWS,
        setup,
        database: "records",
        read,
        proof: "Zebra-4711",
        target: "records.people",
        versions: (13, 99),
    }
}

pub(crate) const fn with(login: &'static str, class: Class, way: Way) -> Way {
    Way { login, class, ..way }
}

pub(crate) const fn shows(proof: &'static str, class: Class, way: Way) -> Way {
    Way { proof, class, ..way }
}

pub(crate) const fn from_other(way: Way) -> Way {
    Way {
        database: "other",
        ..way
    }
}

pub(crate) const WAYS: &[Way] = &[
    way("w_table", "table_grant", &["GRANT USAGE ON SCHEMA records TO w_table; GRANT SELECT ON records.people TO w_table"], "SELECT name FROM records.people"),
    way("w_column", "column_grant", &["GRANT USAGE ON SCHEMA records TO w_column; GRANT SELECT (person_id, name) ON records.people TO w_column"], "SELECT name FROM records.people"),
    way("w_owner", "owner", &["GRANT custodian TO w_owner"], "SELECT name FROM records.people").kind("membership"),
    way("w_member", "membership", &["GRANT readers TO w_member"], "SELECT name FROM records.people"),
    way("w_deep", "membership", &["CREATE ROLE d1; CREATE ROLE d2; CREATE ROLE d3; GRANT d1 TO w_deep; GRANT d2 TO d1; GRANT d3 TO d2; GRANT readers TO d3"], "SELECT name FROM records.people"),
    with("LOGIN NOINHERIT", ROWS, way("w_set", "set_role", &["GRANT readers TO w_set"], "SET ROLE readers; SELECT name FROM records.people")),
    way("w_readall", "predefined_role", &["GRANT pg_read_all_data TO w_readall"], "SELECT name FROM records.people").since(14),
    with("LOGIN SUPERUSER", ROWS, way("w_super", "superuser", &[], "SELECT name FROM records.people")),
    way("w_view", "view", &["CREATE VIEW open.v1 AS SELECT * FROM records.people; GRANT SELECT ON open.v1 TO w_view"], "SELECT name FROM open.v1"),
    way("w_chain", "view", &["CREATE VIEW work.v2 AS SELECT * FROM records.people; CREATE VIEW work.v3 AS SELECT name FROM work.v2; CREATE VIEW open.v4 AS SELECT upper(name) AS u, name FROM work.v3; GRANT SELECT ON open.v4 TO w_chain"], "SELECT name FROM open.v4"),
    way("w_invoker", "invoker_view", &["CREATE VIEW open.inv WITH (security_invoker) AS SELECT * FROM records.people; GRANT SELECT ON open.inv TO w_invoker; GRANT SELECT ON records.people TO w_invoker"], "SELECT name FROM open.inv").since(15),
    way("w_mat", "materialized_view", &["CREATE MATERIALIZED VIEW open.m1 AS SELECT * FROM records.people; GRANT SELECT ON open.m1 TO w_mat"], "SELECT name FROM open.m1"),
    way("w_rule", "rule", &["CREATE TABLE open.ask (q int); CREATE RULE answer AS ON INSERT TO open.ask DO INSTEAD SELECT name FROM records.people; GRANT INSERT ON open.ask TO w_rule"], "INSERT INTO open.ask VALUES (1)"),
    way("w_rulecopy", "rule_copy", &["CREATE TABLE open.journal (n text); GRANT INSERT ON open.journal TO custodian; CREATE RULE keep AS ON UPDATE TO records.people DO ALSO INSERT INTO open.journal VALUES (new.name); UPDATE records.people SET county = county; GRANT SELECT ON open.journal TO w_rulecopy"], "SELECT n FROM open.journal"),
    way("w_child", "inheritance", &["CREATE TABLE open.child () INHERITS (records.people); INSERT INTO open.child VALUES (9, 'Zebra-4711-child', 'Lake', 0); GRANT SELECT ON open.child TO w_child"], "SELECT name FROM open.child"),
    way("w_parent", "inheritance", &["CREATE TABLE open.parent (name text); ALTER TABLE records.people INHERIT open.parent; GRANT SELECT ON open.parent TO w_parent"], "SELECT name FROM open.parent"),
    way("w_trigcopy", "trigger_copy", &["CREATE TABLE open.audit (who text, row_text text); CREATE FUNCTION work.keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO open.audit VALUES (current_user, new::text); RETURN new; END'; CREATE TRIGGER keep AFTER UPDATE ON records.people FOR EACH ROW EXECUTE FUNCTION work.keep(); UPDATE records.people SET county = county; GRANT SELECT ON open.audit TO w_trigcopy"], "SELECT row_text FROM open.audit"),
    way("w_definer", "definer_function", &["CREATE FUNCTION open.f1() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT name FROM records.people'; REVOKE EXECUTE ON FUNCTION open.f1() FROM PUBLIC; GRANT EXECUTE ON FUNCTION open.f1() TO w_definer"], "SELECT open.f1()"),
    way("w_atomic", "definer_function", &["CREATE FUNCTION open.f2() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER BEGIN ATOMIC SELECT name FROM records.people; END; REVOKE EXECUTE ON FUNCTION open.f2() FROM PUBLIC; GRANT EXECUTE ON FUNCTION open.f2() TO w_atomic"], "SELECT open.f2()").since(14),
    way("w_nested", "definer_function", &["CREATE FUNCTION work.inner() RETURNS SETOF records.people LANGUAGE plpgsql AS 'BEGIN RETURN QUERY SELECT * FROM records.people; END'; CREATE FUNCTION open.f3() RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'BEGIN RETURN QUERY SELECT i.name FROM work.inner() i; END'; REVOKE EXECUTE ON FUNCTION open.f3() FROM PUBLIC; GRANT EXECUTE ON FUNCTION open.f3() TO w_nested"], "SELECT open.f3()"),
    way("w_procedure", "definer_procedure", &["CREATE PROCEDURE open.p1(INOUT n text) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'BEGIN SELECT name INTO n FROM records.people WHERE person_id = 1; END'; REVOKE EXECUTE ON PROCEDURE open.p1(text) FROM PUBLIC; GRANT EXECUTE ON PROCEDURE open.p1(text) TO w_procedure"], "CALL open.p1('')"),
    way("w_notice", "definer_function", &["CREATE FUNCTION open.f4() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'DECLARE n text; BEGIN SELECT name INTO n FROM records.people WHERE person_id = 1; RAISE NOTICE ''%'', n; END'; REVOKE EXECUTE ON FUNCTION open.f4() FROM PUBLIC; GRANT EXECUTE ON FUNCTION open.f4() TO w_notice"], "SELECT open.f4()"),
    way("w_dynamic", "definer_dynamic", &["CREATE FUNCTION open.f5(q text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'DECLARE r text; BEGIN EXECUTE q INTO r; RETURN r; END'; REVOKE EXECUTE ON FUNCTION open.f5(text) FROM PUBLIC; GRANT EXECUTE ON FUNCTION open.f5(text) TO w_dynamic"], "SELECT open.f5('SELECT name FROM records.people WHERE person_id = 1')"),
    way("w_format", "definer_dynamic", &["CREATE FUNCTION open.f6(t regclass) RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'BEGIN RETURN QUERY EXECUTE format(''SELECT x::text FROM %s x'', t); END'; REVOKE EXECUTE ON FUNCTION open.f6(regclass) FROM PUBLIC; GRANT EXECUTE ON FUNCTION open.f6(regclass) TO w_format; GRANT USAGE ON SCHEMA records TO w_format"], "SELECT open.f6('records.people')"),
    with("LOGIN", Class::Grantable, way("w_path", "search_path", &["CREATE SCHEMA AUTHORIZATION w_path; CREATE FUNCTION open.f7(a text) RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT lower(a)'; REVOKE EXECUTE ON FUNCTION open.f7(text) FROM PUBLIC; GRANT EXECUTE ON FUNCTION open.f7(text) TO w_path"], "CREATE OR REPLACE FUNCTION w_path.lower(text) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT name FROM records.people WHERE person_id = 1); END'; SET search_path = w_path, pg_catalog; SELECT open.f7('x')")),
    with("LOGIN", Class::Grantable, way("w_temp", "search_path", &["CREATE TABLE open.settings (v text); CREATE FUNCTION open.f8() RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = open AS 'SELECT v FROM settings'; REVOKE EXECUTE ON FUNCTION open.f8() FROM PUBLIC; GRANT EXECUTE ON FUNCTION open.f8() TO w_temp; GRANT TEMP ON DATABASE records TO w_temp"], "CREATE OR REPLACE FUNCTION pg_temp.peek() RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT name FROM records.people WHERE person_id = 1); END'; CREATE TEMP VIEW settings AS SELECT pg_temp.peek() AS v; GRANT SELECT ON settings TO PUBLIC; SELECT open.f8()")),
    way("w_trigger", "trigger", &["CREATE TABLE open.box (id int, note text); CREATE FUNCTION work.fill() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN NEW.note := (SELECT name FROM records.people WHERE person_id = NEW.id); RETURN NEW; END'; CREATE TRIGGER fill BEFORE INSERT ON open.box FOR EACH ROW EXECUTE FUNCTION work.fill(); GRANT SELECT, INSERT ON open.box TO w_trigger"], "INSERT INTO open.box VALUES (1) RETURNING note"),
    way("w_event", "event_trigger", &["CREATE FUNCTION work.on_ddl() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS 'DECLARE n text; BEGIN IF session_user = ''w_event'' THEN SELECT name INTO n FROM records.people WHERE person_id = 1; RAISE NOTICE ''%'', n; END IF; END'; CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION work.on_ddl(); GRANT TEMP ON DATABASE records TO w_event"], "CREATE TEMP TABLE x (a int)"),
    way("w_operator", "operator", &["CREATE SCHEMA s_op; CREATE FUNCTION work.op(int, int) RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT name FROM records.people WHERE person_id = $1'; CREATE OPERATOR s_op.### (LEFTARG = int, RIGHTARG = int, FUNCTION = work.op); REVOKE EXECUTE ON FUNCTION work.op(int, int) FROM PUBLIC; GRANT EXECUTE ON FUNCTION work.op(int, int) TO w_operator; GRANT USAGE ON SCHEMA s_op TO w_operator"], "SELECT 1 OPERATOR(s_op.###) 1"),
    way("w_cast", "cast", &["CREATE TYPE open.key AS (id int); CREATE FUNCTION work.to_text(open.key) RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT name FROM records.people WHERE person_id = ($1).id'; CREATE CAST (open.key AS text) WITH FUNCTION work.to_text(open.key); REVOKE EXECUTE ON FUNCTION work.to_text(open.key) FROM PUBLIC; GRANT EXECUTE ON FUNCTION work.to_text(open.key) TO w_cast"], "SELECT ROW(1)::open.key::text"),
    way("w_domain", "domain", &["CREATE FUNCTION work.chk(int) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'DECLARE n text; BEGIN SELECT name INTO n FROM records.people WHERE person_id = $1; RAISE NOTICE ''%'', n; RETURN true; END'; CREATE DOMAIN open.ident AS int CHECK (work.chk(VALUE)); REVOKE EXECUTE ON FUNCTION work.chk(int) FROM PUBLIC; GRANT EXECUTE ON FUNCTION work.chk(int) TO w_domain"], "SELECT 1::open.ident"),
    way("w_default", "column_default", &["CREATE FUNCTION work.first() RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT name FROM records.people WHERE person_id = 1'; CREATE TABLE open.note (id int, n text DEFAULT work.first()); REVOKE EXECUTE ON FUNCTION work.first() FROM PUBLIC; GRANT EXECUTE ON FUNCTION work.first() TO w_default; GRANT INSERT, SELECT ON open.note TO w_default"], "INSERT INTO open.note (id) VALUES (1) RETURNING n"),
    way("w_generated", "generated_column", &["CREATE FUNCTION work.of(int) RETURNS text LANGUAGE sql IMMUTABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT name FROM records.people WHERE person_id = $1'; CREATE TABLE open.gen (id int, n text GENERATED ALWAYS AS (work.of(id)) STORED); REVOKE EXECUTE ON FUNCTION work.of(int) FROM PUBLIC; GRANT EXECUTE ON FUNCTION work.of(int) TO w_generated; GRANT INSERT, SELECT ON open.gen TO w_generated"], "INSERT INTO open.gen (id) VALUES (1) RETURNING n"),
    way("w_aggregate", "aggregate", &["CREATE FUNCTION work.step(text, int) RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT name FROM records.people WHERE person_id = $2'; CREATE AGGREGATE open.agg(int) (SFUNC = work.step, STYPE = text); REVOKE EXECUTE ON FUNCTION work.step(text, int) FROM PUBLIC; REVOKE EXECUTE ON FUNCTION open.agg(int) FROM PUBLIC; GRANT EXECUTE ON FUNCTION open.agg(int) TO w_aggregate"], "SELECT open.agg(1)"),
    way("w_viewfn", "view", &["CREATE FUNCTION work.vf() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT name FROM records.people'; CREATE VIEW open.vv AS SELECT f FROM work.vf() f; REVOKE EXECUTE ON FUNCTION work.vf() FROM PUBLIC; GRANT EXECUTE ON FUNCTION work.vf() TO w_viewfn; GRANT SELECT ON open.vv TO w_viewfn"], "SELECT f FROM open.vv"),
    from_other(way("w_foreign", "foreign_table", &["CREATE ROLE pw_bridge LOGIN; GRANT readers TO pw_bridge", "other: CREATE EXTENSION postgres_fdw; CREATE SERVER back FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$SOCKET', dbname 'records'); CREATE USER MAPPING FOR w_foreign SERVER back OPTIONS (user 'pw_bridge', password_required 'false'); CREATE FOREIGN TABLE public.remote (person_id int, name text) SERVER back OPTIONS (schema_name 'records', table_name 'people'); GRANT SELECT ON public.remote TO w_foreign"], "SELECT name FROM public.remote")),
    from_other(way("w_dblink", "dblink", &["CREATE ROLE pw_bridge2 LOGIN PASSWORD 'bridge' IN ROLE needs_password, readers", "other: CREATE EXTENSION dblink; CREATE USER MAPPING FOR w_dblink SERVER back OPTIONS (user 'pw_bridge2', password 'bridge'); GRANT USAGE ON FOREIGN SERVER back TO w_dblink"], "SELECT n FROM dblink('back', 'SELECT name FROM records.people') AS d(n text)")),
    from_other(with("LOGIN", Class::Grantable, way("w_server", "user_mapping", &["other: CREATE EXTENSION IF NOT EXISTS postgres_fdw; REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC; CREATE SCHEMA AUTHORIZATION w_server; CREATE USER MAPPING FOR w_server SERVER back OPTIONS (user 'pw_bridge', password_required 'false'); GRANT USAGE ON FOREIGN SERVER back TO w_server; GRANT EXECUTE ON FUNCTION public.dblink(text, text) TO w_dblink"], "CREATE FOREIGN TABLE w_server.mine (name text) SERVER back OPTIONS (schema_name 'records', table_name 'people'); SELECT name FROM w_server.mine"))),
    with("LOGIN CREATEROLE", Class::Grantable, way("w_createrole", "createrole", &[], "GRANT readers TO w_createrole; SET ROLE readers; SELECT name FROM records.people; RESET ROLE; REVOKE readers FROM w_createrole")).until(15),
    way("w_program", "server_program", &["GRANT pg_execute_server_program TO w_program; GRANT TEMP ON DATABASE records TO w_program"], "CREATE TEMP TABLE o (t text); COPY o FROM PROGRAM 'psql -h $SOCKET -U postgres -d records -Atc \"select name from records.people\"'; SELECT t FROM o"),
    with("LOGIN REPLICATION", ROWS, way("w_repl", "replication", &[], "SELECT pg_create_logical_replication_slot('s', 'test_decoding'); SELECT pg_drop_replication_slot('s'); SELECT 'Zebra-4711'")),
    way("w_file", "server_files", &["GRANT EXECUTE ON FUNCTION pg_read_binary_file(text) TO w_file"], "SELECT CASE WHEN length(pg_read_binary_file(pg_relation_filepath(c.oid))) >= 0 THEN 'Zebra-4711' END FROM pg_class c WHERE relname = 'people' AND relkind = 'r'"),
    way("w_blob", "large_object", &["SELECT lo_from_bytea(4711, (SELECT string_agg(name, ',') FROM records.people)::bytea); GRANT SELECT ON LARGE OBJECT 4711 TO w_blob"], "SELECT convert_from(lo_get(4711), 'UTF8')"),
    shows("Zebra", Class::Facts, way("w_stats", "statistics", &["GRANT SELECT ON pg_statistic TO w_stats; GRANT USAGE ON SCHEMA records TO w_stats; ANALYZE records.people"], "SELECT stavalues1::text FROM pg_statistic WHERE starelid = 'records.people'::regclass::oid AND staattnum = 2")),
    shows("Zebra", Class::Facts, way("w_nousage", "statistics", &["GRANT SELECT ON records.people TO w_nousage"], "SELECT coalesce(most_common_vals::text, '') || coalesce(histogram_bounds::text, '') FROM pg_stats WHERE tablename = 'people' AND attname = 'name'")),
    shows("42", Class::Facts, way("w_count", "definer_function", &["CREATE FUNCTION open.how_many() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT count(*) FROM ONLY records.people'; REVOKE EXECUTE ON FUNCTION open.how_many() FROM PUBLIC; GRANT EXECUTE ON FUNCTION open.how_many() TO w_count"], "SELECT open.how_many()")),
    shows("43", Class::Facts, way("w_countview", "view", &["CREATE VIEW open.numbers AS SELECT count(*) AS n FROM records.people; GRANT SELECT ON open.numbers TO w_countview"], "SELECT n FROM open.numbers")),
    shows("", Class::Facts, way("w_monitor", "monitoring", &["GRANT pg_monitor TO w_monitor"], "")),
    shows("", Class::Facts, way("w_insert", "write_only", &["GRANT USAGE ON SCHEMA records TO w_insert; GRANT INSERT ON records.people TO w_insert"], "")),
    shows("Zebra-4711", Class::Facts, way("w_refs", "references", &["GRANT USAGE ON SCHEMA records TO w_refs; GRANT REFERENCES ON records.people TO w_refs; CREATE SCHEMA AUTHORIZATION w_refs"], "CREATE TABLE w_refs.r (a int REFERENCES records.people); INSERT INTO w_refs.r VALUES (1); SELECT 'Zebra-4711'")),
    with("LOGIN", Class::Latent, way("w_defaults", "default_privileges", &["ALTER DEFAULT PRIVILEGES FOR ROLE custodian IN SCHEMA records GRANT SELECT ON TABLES TO w_defaults"], "")),
    with("LOGIN", Class::Latent, way("w_trojan", "schema_create", &["GRANT CREATE ON SCHEMA public TO w_trojan"], "")),
    with("LOGIN", Class::Latent, way("w_trig", "trigger_privilege", &["GRANT USAGE ON SCHEMA records TO w_trig; GRANT TRIGGER ON records.people TO w_trig"], "")),
    with("LOGIN CREATEDB", Class::Grantable, way("w_template", "template_database", &["ALTER DATABASE records IS_TEMPLATE true; GRANT USAGE ON SCHEMA records TO w_template; GRANT SELECT ON records.people TO w_template"], "")),
    way("w_public", "public_grant", &["CREATE SCHEMA s_public; CREATE VIEW s_public.all_of_it AS SELECT * FROM records.people; GRANT SELECT ON s_public.all_of_it TO PUBLIC; GRANT USAGE ON SCHEMA s_public TO w_public"], "SELECT name FROM s_public.all_of_it").kind("view"),
    way("w_forall", "definer_function", &["CREATE SCHEMA s_forall; GRANT USAGE ON SCHEMA s_forall TO w_forall, clerk; CREATE FUNCTION s_forall.for_all() RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT name FROM records.people WHERE person_id = 1'"], "SELECT s_forall.for_all()"),
    way("w_wgo", "table_grant", &["GRANT SELECT ON records.people TO clerk WITH GRANT OPTION; SET ROLE clerk; GRANT SELECT ON records.people TO w_wgo; RESET ROLE; GRANT USAGE ON SCHEMA records TO w_wgo"], "SELECT name FROM records.people"),
    way("w_tmpcopy", "copy", &["CREATE TABLE open.tmp_2023 AS SELECT 'person-' || g AS n FROM generate_series(1, 40) g; INSERT INTO records.people SELECT g + 100, 'person-' || g, 'Lake', 0 FROM generate_series(1, 40) g; DELETE FROM records.people WHERE person_id > 1000; ANALYZE open.tmp_2023; GRANT SELECT ON open.tmp_2023 TO w_tmpcopy"], "SELECT n || ' Zebra-4711' FROM open.tmp_2023"),
];

impl Way {
    pub(crate) const fn kind(self, kind: &'static str) -> Self {
        Self { kind, ..self }
    }

    pub(crate) const fn since(self, version: u32) -> Self {
        Self {
            versions: (version, self.versions.1),
            ..self
        }
    }

    pub(crate) const fn until(self, version: u32) -> Self {
        Self {
            versions: (self.versions.0, version),
            ..self
        }
    }
}
