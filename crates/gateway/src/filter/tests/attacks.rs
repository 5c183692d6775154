//! What partners tried, and what they might: each must be refused, by the rule that is meant for it.

use super::{clause, refused};
use wire::backend::Sqlstate;

fn all_refused_by(rule: &str, attempts: &[&str]) {
    for sql in attempts {
        assert_eq!(
            clause(sql),
            format!("Estop statement filter, rule `{rule}`."),
            "{sql}"
        );
        assert_eq!(refused(sql).sqlstate, Sqlstate::INSUFFICIENT_PRIVILEGE, "{sql}");
    }
}

#[test]
fn statements_that_are_not_on_the_list() {
    all_refused_by(
        "statements",
        &[
            "EXPLAIN SELECT 1",
            "EXPLAIN (ANALYZE, FORMAT json) SELECT 1",
            "EXPLAIN EXECUTE p",
            "SELECT 1; EXPLAIN SELECT 1",
            "DO $$ BEGIN PERFORM 1; END $$",
            "CALL p()",
            "LISTEN x",
            "NOTIFY x, 'y'",
            "UNLISTEN x",
            "LOCK TABLE people",
            "PREPARE TRANSACTION 'x'",
            "COMMIT PREPARED 'x'",
            "ROLLBACK PREPARED 'x'",
            "ALTER ROLE CURRENT_USER PASSWORD 'x'",
            "ALTER USER CURRENT_USER SET statement_timeout = 0",
            "GRANT a TO b",
            "REVOKE SELECT ON people FROM b",
            "COPY people FROM STDIN",
            "COPY people FROM '/etc/passwd'",
            "COPY people TO '/tmp/x'",
            "COPY people TO PROGRAM 'sh'",
            "COPY (SELECT 1) TO '/tmp/x'",
            "CREATE TABLE x (a int)",
            "CREATE TEMP TABLE x (a int)",
            "CREATE VIEW v AS SELECT 1",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CREATE SCHEMA s",
            "ALTER DATABASE d SET x = y",
            "ALTER SYSTEM SET x = y",
            "ALTER TABLE people ADD c int",
            "DROP TABLE people",
            "DROP OWNED BY CURRENT_USER",
            "REASSIGN OWNED BY a TO b",
            "VACUUM",
            "ANALYZE people",
            "CLUSTER",
            "REINDEX TABLE people",
            "CHECKPOINT",
            "LOAD 'x'",
            "COMMENT ON TABLE people IS 'x'",
            "SECURITY LABEL ON TABLE people IS 'x'",
            "IMPORT FOREIGN SCHEMA s FROM SERVER t INTO u",
            "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p",
            "SET CONSTRAINTS ALL DEFERRED",
            "REFRESH MATERIALIZED VIEW v",
        ],
    );
}

#[test]
fn statements_that_write() {
    all_refused_by(
        "read-only",
        &[
            "INSERT INTO t VALUES (1)",
            "UPDATE pg_settings SET setting = 'off' WHERE name = 'standard_conforming_strings'",
            "DELETE FROM t",
            "MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE",
            "TRUNCATE t",
            "SELECT * INTO x FROM y",
            "SELECT 1 UNION SELECT 2 INTO x",
            "SELECT * INTO TEMP x FROM y",
            "CREATE TABLE x AS SELECT 1",
            "CREATE TABLE x AS EXECUTE p",
            "SELECT * FROM t FOR UPDATE",
            "SELECT * FROM t FOR NO KEY UPDATE SKIP LOCKED",
            "SELECT * FROM t FOR SHARE OF t",
            "SELECT * FROM t FOR KEY SHARE",
            "SELECT * FROM (SELECT * FROM t FOR UPDATE) x",
            "SELECT (SELECT 1 FROM t FOR UPDATE)",
            "WITH a AS (INSERT INTO t VALUES (1) RETURNING *) SELECT * FROM a",
            "WITH a AS (WITH b AS (DELETE FROM t RETURNING *) SELECT * FROM b) SELECT * FROM a",
            "SELECT * FROM (WITH a AS (UPDATE t SET x = 1 RETURNING *) SELECT * FROM a) b",
            "COPY (INSERT INTO t VALUES (1) RETURNING *) TO STDOUT",
            "COPY (WITH a AS (DELETE FROM t RETURNING *) SELECT * FROM a) TO STDOUT",
            "DECLARE c CURSOR FOR SELECT * FROM t FOR UPDATE",
            "PREPARE p AS DELETE FROM t",
            "PREPARE p AS SELECT * FROM t FOR UPDATE",
        ],
    );
}

#[test]
fn functions_by_every_way_of_writing_a_call() {
    all_refused_by(
        "functions",
        &[
            "SELECT pg_sleep(1)",
            "SELECT PG_SLEEP(1)",
            "SELECT pg_catalog.pg_sleep(1)",
            "SELECT pg_catalog . \"pg_sleep\" ( 1 )",
            "SELECT db.pg_catalog.pg_sleep(1)",
            "SELECT/**/pg_sleep/* x /* y */ */(1)",
            "SELECT pg_sleep -- x\n (1)",
            "SELECT U&\"pg\\005fsleep\"(1)",
            "SELECT U&\"pg!005fsleep\" UESCAPE '!' (1)",
            "SELECT U&\"\\+000070g_sleep\"(1)",
            "SELECT pg_sleep(VARIADIC ARRAY[1])",
            "SELECT pg_sleep_for('1s'), pg_sleep_until(now())",
            "SELECT (200000::bigint).pg_advisory_lock",
            "SELECT ((200000::bigint)).pg_advisory_lock",
            "SELECT g.pg_advisory_lock FROM generate_series(1, 9::bigint) g",
            "SELECT public.g.pg_advisory_lock FROM g",
            "SELECT (g).pg_advisory_lock FROM generate_series(1, 9::bigint) g",
            "SELECT (ARRAY[1::bigint])[1].pg_advisory_lock",
            "SELECT (SELECT 1::bigint).pg_advisory_lock",
            "SELECT (row(1)).x.pg_advisory_lock",
            "SELECT $1.pg_advisory_lock",
            "SELECT pg_advisory_lock(1)",
            "SELECT pg_try_advisory_xact_lock_shared(1, 2)",
            "SELECT pg_advisory_unlock(1)",
            "SELECT query_to_xml('select 1', true, true, '')",
            "SELECT * FROM table_to_xml('t', true, true, ''), database_to_xml(true, true, '')",
            "SELECT ts_stat('select 1')",
            "SELECT ts_rewrite('a'::tsquery, 'select 1')",
            "SELECT dblink_connect('host=x')",
            "SELECT lo_create(0), lo_from_bytea(0, 'x')",
            "SELECT pg_notify('x', 'y')",
            "SELECT pg_logical_emit_message(true, 'x', 'y')",
            "SELECT txid_current()",
            "SELECT pg_current_xact_id()",
            "SELECT pg_terminate_backend(1)",
            "SELECT pg_cancel_backend(1)",
            "SELECT pg_stat_get_xact_tuples_fetched(1)",
            "SELECT pg_export_snapshot()",
            "SELECT pg_read_file('/etc/passwd')",
            "SELECT crosstab('select 1')",
            "SELECT nextval('s')",
            "EXECUTE p (pg_sleep(1))",
            "DECLARE c CURSOR FOR SELECT pg_sleep(1)",
            "COPY (SELECT pg_sleep(1)) TO STDOUT",
            "PREPARE p AS SELECT pg_sleep(1)",
            "BEGIN; SELECT pg_sleep(1)",
            "SELECT (x).set_config FROM t",
            "SELECT * FROM t TABLESAMPLE pg_catalog.pg_sleep (1)",
        ],
    );
}

#[test]
fn relations_that_tell_of_others() {
    all_refused_by(
        "relations",
        &[
            "SELECT * FROM pg_stat_activity",
            "TABLE pg_catalog.pg_stat_xact_user_tables",
            "SELECT * FROM \"pg_stat_user_tables\"",
            "SELECT 1 WHERE EXISTS (SELECT FROM pg_statio_user_tables)",
            "SELECT * FROM a JOIN (b CROSS JOIN pg_locks) ON true",
            "SELECT * FROM LATERAL (SELECT * FROM ONLY pg_prepared_xacts) x",
            "COPY pg_stat_activity TO STDOUT",
            "SELECT * FROM pg_stat_activity TABLESAMPLE system (1)",
            "SELECT * FROM other.pg_stat_statements",
        ],
    );
}

#[test]
fn text_in_strings_and_comments_is_only_text() {
    for sql in [
        "SELECT 'pg_sleep(1)'",
        "SELECT $$ ; DROP TABLE x; $$",
        "SELECT $a$ $$ $a$ /* ; DELETE FROM t */ -- ; NOTIFY x",
        "SELECT E'\\'; NOTIFY x; --'",
        "SELECT '\\' AS a, '; NOTIFY x; --' AS b",
        "SELECT 'a' -- ; DELETE\n 'b'",
        "SELECT 1 AS pg_sleep, \"x;y\" FROM \"explain\"",
    ] {
        super::passed(sql);
    }
}

#[test]
fn the_end_of_a_string_is_where_postgresql_sees_it() {
    for sql in [
        "SELECT '\\'; NOTIFY x; --'",
        "SELECT E'\\\\'; NOTIFY x; --'",
        "SELECT $a$ $b$ $a$; NOTIFY x; -- $b$",
        "SELECT 1 /* /* */ */; NOTIFY x /* */",
        "SELECT 1 -- \r\n; NOTIFY x",
        "SELECT \"\"\"\"; NOTIFY x; --\"",
        "SELECT U&'\\'; NOTIFY x; --'",
    ] {
        // Refused as a statement, or because the text cannot be read; never passed as one SELECT.
        let refused = refused(sql);
        assert!(
            refused.message.contains("notifications") || refused.sqlstate == Sqlstate::SYNTAX_ERROR,
            "{sql}: {refused:?}"
        );
    }
}
