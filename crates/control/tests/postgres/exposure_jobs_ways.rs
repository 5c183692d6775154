//! Ways by scheduled jobs and by languages beside the server, and what looks like them and leads nowhere.

use policy::exposure::Class;

use crate::exposure_decoys::Decoy;
use crate::exposure_ways::{Way, way, with};

/// A way that opens when jobs have run.
pub(crate) struct Job {
    pub(crate) way: Way,
    /// What the role does before they run.
    pub(crate) act: &'static str,
    /// What a superuser puts right again after it.
    pub(crate) undo: &'static str,
}

const fn job(way: Way, act: &'static str, undo: &'static str) -> Job {
    Job { way, act, undo }
}

const fn becomes(way: Way) -> Way {
    with("LOGIN", Class::Grantable, way)
}

pub(crate) const BASE: &str = "
CREATE EXTENSION pg_cron; CREATE EXTENSION pgagent; CREATE EXTENSION plperl; CREATE EXTENSION plperlu; CREATE EXTENSION plpython3u;
CREATE ROLE custodian NOLOGIN; CREATE ROLE clerk LOGIN; CREATE ROLE readers NOLOGIN;
REVOKE CREATE ON SCHEMA public FROM PUBLIC; REVOKE TEMP ON DATABASE records FROM PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
CREATE SCHEMA records AUTHORIZATION custodian; CREATE SCHEMA open; CREATE SCHEMA work;
GRANT USAGE ON SCHEMA open TO PUBLIC;
CREATE TABLE records.people (person_id int PRIMARY KEY, name text, county text, photo oid);
INSERT INTO records.people VALUES (1, 'Zebra-4711', 'Cook', 0), (2, 'Other', 'Kane', 0);
ALTER TABLE records.people OWNER TO custodian;
GRANT USAGE ON SCHEMA records TO clerk, readers; GRANT SELECT ON records.people TO clerk, readers;
CREATE VIEW open.public_list AS SELECT county FROM records.people; GRANT SELECT ON open.public_list TO clerk;
UPDATE pg_language SET lanpltrusted = true WHERE lanname = 'plpython3u'; REVOKE USAGE ON LANGUAGE plpython3u FROM PUBLIC;
INSERT INTO pgagent.pga_job (jobid, jobjclid, jobname) VALUES (1, 1, 'list');
INSERT INTO pgagent.pga_schedule (jscjobid, jscname) VALUES (1, 'always');
";

#[rustfmt::skip]
pub(crate) const JOBS: &[Job] = &[
    job(way("j_copy", "scheduled_job", &["CREATE TABLE open.j_copy (name text); GRANT SELECT ON open.j_copy TO j_copy; SELECT cron.schedule('j_copy', '@reboot', 'INSERT INTO open.j_copy SELECT name FROM records.people')"], "SELECT name FROM open.j_copy"), "", ""),
    job(becomes(way("j_fn", "scheduled_job", &["CREATE SCHEMA j_fn AUTHORIZATION j_fn; CREATE FUNCTION j_fn.f() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION j_fn.f() OWNER TO j_fn; SELECT cron.schedule('j_fn', '@reboot', 'SELECT j_fn.f()')"], "SELECT name FROM records.people")),
        "CREATE OR REPLACE FUNCTION j_fn.f() RETURNS int LANGUAGE plpgsql AS 'BEGIN GRANT readers TO j_fn; RETURN 1; END'", "CREATE OR REPLACE FUNCTION j_fn.f() RETURNS int LANGUAGE sql AS 'SELECT 1'"),
    job(becomes(way("j_log", "scheduled_job", &["CREATE SCHEMA j_log AUTHORIZATION j_log; CREATE TABLE j_log.log (x int); ALTER TABLE j_log.log OWNER TO j_log; SELECT cron.schedule('j_log', '@reboot', 'INSERT INTO j_log.log VALUES (1)')"], "SELECT name FROM records.people")),
        "CREATE FUNCTION j_log.t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN GRANT readers TO j_log; RETURN NEW; END'; CREATE TRIGGER t BEFORE INSERT ON j_log.log FOR EACH ROW EXECUTE FUNCTION j_log.t()", "DROP FUNCTION j_log.t() CASCADE"),
    job(becomes(way("j_trigger", "scheduled_job", &["CREATE TABLE open.j_trigger (x int); CREATE SCHEMA j_trigger AUTHORIZATION j_trigger; GRANT TRIGGER ON open.j_trigger TO j_trigger; SELECT cron.schedule('j_trigger', '@reboot', 'DELETE FROM open.j_trigger WHERE x < 5')"], "SELECT name FROM records.people")),
        "CREATE FUNCTION j_trigger.t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN GRANT readers TO j_trigger; RETURN NULL; END'; CREATE TRIGGER t BEFORE DELETE ON open.j_trigger EXECUTE FUNCTION j_trigger.t()", "DROP FUNCTION j_trigger.t() CASCADE"),
    job(becomes(way("j_view", "scheduled_job", &["CREATE SCHEMA j_view AUTHORIZATION j_view; CREATE VIEW j_view.v AS SELECT 1 AS x; ALTER VIEW j_view.v OWNER TO j_view; SELECT cron.schedule('j_view', '@reboot', 'SELECT x FROM j_view.v')"], "SELECT name FROM records.people")),
        "CREATE FUNCTION j_view.g() RETURNS int LANGUAGE plpgsql AS 'BEGIN GRANT readers TO j_view; RETURN 1; END'; CREATE OR REPLACE VIEW j_view.v AS SELECT j_view.g() AS x", "CREATE OR REPLACE VIEW j_view.v AS SELECT 1 AS x; DROP FUNCTION j_view.g()"),
    job(becomes(way("j_schema", "scheduled_job", &["CREATE SCHEMA j_schema AUTHORIZATION j_schema; CREATE TABLE j_schema.t (x int); SELECT cron.schedule('j_schema', '@reboot', 'SELECT x FROM j_schema.t')"], "SELECT name FROM records.people")),
        "DROP TABLE j_schema.t; CREATE FUNCTION j_schema.g() RETURNS int LANGUAGE plpgsql AS 'BEGIN GRANT readers TO j_schema; RETURN 1; END'; CREATE VIEW j_schema.t AS SELECT j_schema.g() AS x", "DROP VIEW j_schema.t; DROP FUNCTION j_schema.g(); CREATE TABLE j_schema.t (x int)"),
    job(becomes(way("j_write", "scheduled_job", &["GRANT USAGE ON SCHEMA cron TO j_write; GRANT INSERT ON cron.job TO j_write; GRANT USAGE ON SEQUENCE cron.jobid_seq TO j_write; ALTER ROLE j_write BYPASSRLS"], "SELECT name FROM records.people")),
        "INSERT INTO cron.job (schedule, command, nodename, nodeport, database, username) VALUES ('@reboot', 'GRANT readers TO j_write', 'localhost', 5432, 'records', 'postgres')", "DELETE FROM cron.job WHERE command LIKE '%readers TO j_write'"),
    job(way("j_handed", "definer_dynamic", &["CREATE FUNCTION open.j_handed(q text) RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$SELECT cron.schedule('handed', '@reboot', q)$$; GRANT EXECUTE ON FUNCTION open.j_handed TO j_handed"], "SELECT name FROM records.people"),
        "SELECT open.j_handed('GRANT readers TO j_handed')", "SELECT cron.unschedule('handed')"),
    job(way("j_filled", "definer_dynamic", &["CREATE FUNCTION open.j_filled(q text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$BEGIN INSERT INTO cron.job (schedule, command, nodename, nodeport, database, username) VALUES ('@reboot', q, 'localhost', 5432, 'records', 'postgres'); END$$; GRANT EXECUTE ON FUNCTION open.j_filled TO j_filled"], "SELECT name FROM records.people"),
        "SELECT open.j_filled('GRANT readers TO j_filled')", "DELETE FROM cron.job WHERE command LIKE '%readers TO j_filled'"),
    job(becomes(way("j_agent", "scheduled_job", &["GRANT USAGE ON SCHEMA pgagent TO j_agent; GRANT INSERT ON pgagent.pga_jobstep TO j_agent"], "SELECT name FROM records.people")),
        "INSERT INTO pgagent.pga_jobstep (jstid, jstjobid, jstname, jstkind, jstcode, jstdbname) VALUES (1001, 1, 'x', 's', 'GRANT readers TO j_agent', 'records')", "DELETE FROM pgagent.pga_jobstep WHERE jstid = 1001"),
    job(way("j_output", "scheduled_job", &[r#"GRANT USAGE ON SCHEMA pgagent TO j_output; GRANT SELECT ON pgagent.pga_jobsteplog TO j_output; INSERT INTO pgagent.pga_jobstep (jstid, jstjobid, jstname, jstkind, jstcode) VALUES (1000, 1, 'list', 'b', E'#!/bin/sh\npsql -XAt -h $SOCKET -d records -c "SELECT name FROM records.people"')"#], "SELECT jsloutput FROM pgagent.pga_jobsteplog"), "", ""),
    job(way("u_python", "untrusted_language", &["CREATE FUNCTION open.u_python(c text) RETURNS text LANGUAGE plpython3u AS $$\nimport subprocess\nreturn subprocess.check_output(c, shell=True, text=True)$$; GRANT EXECUTE ON FUNCTION open.u_python TO u_python"], "SELECT open.u_python('psql -XAt -h $SOCKET -d records -U postgres -c \"SELECT name FROM records.people\"')"), "", ""),
    job(way("u_perl", "untrusted_language", &["CREATE FUNCTION open.u_perl(c text) RETURNS text LANGUAGE plperlu AS $$my ($c) = @_; return `$c`$$; GRANT EXECUTE ON FUNCTION open.u_perl TO u_perl"], "SELECT open.u_perl('psql -XAt -h $SOCKET -d records -U postgres -c \"SELECT name FROM records.people\"')"), "", ""),
    job(becomes(way("u_trusted", "untrusted_language", &["GRANT USAGE ON LANGUAGE plpython3u TO u_trusted"], "DO LANGUAGE plpython3u $$\nimport subprocess\nplpy.notice(subprocess.check_output('psql -XAt -h $SOCKET -d records -U postgres -c \"SELECT name FROM records.people\"', shell=True, text=True))$$")), "", ""),
    job(way("u_definer", "definer_function", &["CREATE FUNCTION open.u_definer() RETURNS text LANGUAGE plpython3u SECURITY DEFINER AS $$return plpy.execute(\"SELECT name FROM records.people WHERE person_id = 1\")[0]['name']$$; GRANT EXECUTE ON FUNCTION open.u_definer TO u_definer"], "SELECT open.u_definer()"), "", ""),
    job(way("u_spi", "definer_function", &["CREATE FUNCTION open.u_spi() RETURNS text LANGUAGE plperl SECURITY DEFINER AS $$my $r = spi_exec_query(\"SELECT name FROM records.people WHERE person_id = 1\"); return $r->{rows}[0]->{name}$$; GRANT EXECUTE ON FUNCTION open.u_spi TO u_spi"], "SELECT open.u_spi()"), "", ""),
    job(way("u_elog", "definer_function", &["CREATE FUNCTION open.u_elog() RETURNS void LANGUAGE plperl SECURITY DEFINER AS $$my $r = spi_exec_query('SELECT name FROM records.people WHERE person_id = 1'); elog(NOTICE, $r->{rows}[0]->{name}); return$$; GRANT EXECUTE ON FUNCTION open.u_elog TO u_elog"], "SELECT open.u_elog()"), "", ""),
    job(way("u_dynamic", "definer_dynamic", &["CREATE FUNCTION open.u_dynamic(q text) RETURNS text LANGUAGE plperl SECURITY DEFINER AS $$my ($q) = @_; my $r = spi_exec_query($q); return $r->{rows}[0]->{name}$$; GRANT EXECUTE ON FUNCTION open.u_dynamic TO u_dynamic"], "SELECT open.u_dynamic('SELECT name FROM records.people WHERE person_id = 1')"), "", ""),
];

const fn decoy(role: &'static str, setup: &'static [&'static str]) -> Decoy {
    Decoy {
        role,
        setup,
        most: Class::Blocked,
        since: 13,
    }
}

#[rustfmt::skip]
pub(crate) const JOBS_DECOYS: &[Decoy] = &[
    // pg_cron's own policy lets them schedule for themselves.
    decoy("d_policy", &["CREATE ROLE d_policy LOGIN; GRANT USAGE ON SCHEMA cron TO d_policy; GRANT INSERT, UPDATE ON cron.job TO d_policy; GRANT USAGE ON SEQUENCE cron.jobid_seq TO d_policy"]),
    decoy("d_user", &["CREATE ROLE d_user LOGIN; GRANT USAGE ON SCHEMA cron TO d_user; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA cron TO d_user"]),
    decoy("d_noright", &["CREATE ROLE d_noright LOGIN; SELECT cron.schedule_in_database('d_noright', '@reboot', 'SELECT name FROM records.people', 'records', 'd_noright')"]),
    decoy("d_nologin", &["CREATE ROLE d_nologin LOGIN; GRANT readers TO d_nologin; SELECT cron.schedule_in_database('d_nologin', '@reboot', 'SELECT name FROM records.people', 'records', 'd_nologin'); ALTER ROLE d_nologin NOLOGIN"]),
    decoy("d_behind", &["CREATE ROLE d_behind LOGIN; CREATE ROLE d_gone LOGIN; GRANT readers TO d_gone; CREATE SCHEMA d_behind AUTHORIZATION d_behind; GRANT USAGE ON SCHEMA d_behind TO d_gone; CREATE FUNCTION d_behind.f() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION d_behind.f() OWNER TO d_behind; SELECT cron.schedule_in_database('d_behind', '@reboot', 'SELECT d_behind.f()', 'records', 'd_gone'); ALTER ROLE d_gone NOLOGIN"]),
    decoy("d_inactive", &["CREATE ROLE d_inactive LOGIN; CREATE SCHEMA d_inactive AUTHORIZATION d_inactive; CREATE FUNCTION d_inactive.f() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION d_inactive.f() OWNER TO d_inactive; SELECT cron.schedule('d_inactive', '@reboot', 'SELECT d_inactive.f()'); UPDATE cron.job SET active = false WHERE jobname = 'd_inactive'"]),
    decoy("d_elsewhere", &["CREATE ROLE d_elsewhere LOGIN; CREATE SCHEMA d_elsewhere AUTHORIZATION d_elsewhere; CREATE FUNCTION d_elsewhere.f() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION d_elsewhere.f() OWNER TO d_elsewhere; SELECT cron.schedule_in_database('d_elsewhere', '@reboot', 'SELECT d_elsewhere.f()', 'other')"]),
    decoy("d_trigger", &["CREATE ROLE d_trigger LOGIN; CREATE TABLE open.d_trigger (x int); GRANT TRIGGER ON open.d_trigger TO d_trigger; SELECT cron.schedule('d_trigger', '@reboot', 'DELETE FROM open.d_trigger')"]),
    decoy("d_constant", &["CREATE ROLE d_constant LOGIN; CREATE FUNCTION open.d_constant() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$SELECT cron.schedule('constant', '0 0 * * *', 'VACUUM')$$; GRANT EXECUTE ON FUNCTION open.d_constant TO d_constant"]),
    decoy("d_log", &["CREATE ROLE d_log LOGIN; GRANT USAGE ON SCHEMA cron, pgagent TO d_log; GRANT SELECT ON cron.job, cron.job_run_details, pgagent.pga_joblog TO d_log"]),
    decoy("d_sum", &["CREATE ROLE d_sum LOGIN; CREATE FUNCTION open.d_sum(a int, b int) RETURNS int LANGUAGE plpython3u AS 'return a + b'; GRANT EXECUTE ON FUNCTION open.d_sum TO d_sum"]),
    decoy("d_json", &["CREATE ROLE d_json LOGIN; CREATE FUNCTION open.d_json(a text) RETURNS text LANGUAGE plpython3u AS $$\nimport json\nreturn json.dumps({'a': a})$$; GRANT EXECUTE ON FUNCTION open.d_json TO d_json"]),
    decoy("d_invoker", &["CREATE ROLE d_invoker LOGIN; CREATE FUNCTION open.d_invoker() RETURNS text LANGUAGE plpython3u AS $$return plpy.execute(\"SELECT name FROM records.people\")[0]['name']$$; GRANT EXECUTE ON FUNCTION open.d_invoker TO d_invoker"]),
    decoy("d_twice", &["CREATE ROLE d_twice LOGIN; CREATE FUNCTION open.d_twice(a int) RETURNS int LANGUAGE plperlu AS $$my ($a) = @_; return $a * 2$$; GRANT EXECUTE ON FUNCTION open.d_twice TO d_twice"]),
    decoy("d_notexec", &["CREATE ROLE d_notexec LOGIN; CREATE FUNCTION open.d_notexec(c text) RETURNS text LANGUAGE plperlu AS $$return `ls`$$"]),
    decoy("d_usage", &["CREATE ROLE d_usage LOGIN; GRANT USAGE ON LANGUAGE plperl TO d_usage"]),
];
