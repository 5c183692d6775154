"""A partner with SQL who tries to see, hold or keep more than is shared: by every road of the table of channels.

usage: partner_attack.py CONNINFO DIRECT_CONNINFO ISOLATION

CONNINFO leads through the gateway, DIRECT_CONNINFO straight to the database as the agreement's own role: what the gateway's
filter refuses, the database must refuse too wherever PostgreSQL has a right for it. Each attempt has the row of the table it
belongs to and the SQLSTATE that must come. Prints a line for each that held; stops at the first that did not.
"""

import sys

import psycopg

CONNINFO, DIRECT, ISOLATION = sys.argv[1:4]

DENIED = "42501"
INVALID = "22023"

EXPLAINS = [
    "explain select * from people",
    "explain (analyze, buffers, format json) select * from people where person_id = 1",
    "EXPLAIN EXECUTE anything",
    "explain analyze declare c cursor for select 1",
    "/* select */ explain select 1",
    "select 1; explain select 1",
    "begin; explain analyze select 1; commit",
    "/* /* select */ 1; */ explain select 1",
    "-- select\n explain\n(analyze)\nselect 1",
    "explain (analyze) table people",
    "explain values (1)",
    "explain analyze execute e",
    "load 'auto_explain'",
    "set auto_explain.log_min_duration = 0",
    "set session_preload_libraries = 'auto_explain'",
]

# (row, statement, SQLSTATE through the gateway)
ATTEMPTS = [
    *[(2, text, DENIED) for text in EXPLAINS],
    (3, "select * from pg_stat_xact_user_tables", DENIED),
    (3, "select * from pg_catalog.pg_stat_xact_all_tables", DENIED),
    (3, 'select * from "pg_stat_user_indexes"', DENIED),
    (3, "select * from pg_statio_user_tables", DENIED),
    (3, "select pg_stat_get_xact_tuples_fetched(c.oid) from pg_class c", DENIED),
    (3, "select c.oid.pg_stat_get_xact_numscans from pg_class c", DENIED),
    (3, "select (1259::oid).pg_stat_get_xact_numscans", DENIED),
    (3, "select * from pg_stat_get_activity(null)", DENIED),
    (3, "select x.* from lateral rows from (pg_catalog.pg_stat_get_xact_numscans(1259)) as x", DENIED),
    (3, "table pg_stat_database", DENIED),
    (3, "with a as materialized (table pg_stat_all_tables) select * from a", DENIED),
    (3, "copy pg_stat_activity to stdout", DENIED),
    (3, "prepare a as select * from pg_stat_activity", DENIED),
    (3, "declare c cursor with hold for select * from pg_stat_activity", DENIED),
    (3, "select * from public.pg_stat_statements", DENIED),
    (3, 'select * from "Other".pg_stat_kcache', DENIED),
    (3, "select calls, rows from anywhere.pg_stat_statements(true)", DENIED),
    (3, "select * from public.pg_qualstats", DENIED),
    (3, "table x.pg_buffercache", DENIED),
    (3, "select pg_stat_get_backend_subxact(1)", DENIED),
    (3, "select * from pg_stat_io", DENIED),
    (3, "select * from pg_stat_checkpointer", DENIED),
    (3, "select pg_stat_have_stats('relation', 1, 1)", DENIED),
    (6, "set debug_print_plan = on", DENIED),
    (6, "set debug_print_parse to on", DENIED),
    (6, "set client_min_messages = log", INVALID),
    (6, "set client_min_messages to debug5", INVALID),
    (6, "select set_config('debug_print_rewritten', 'on', false)", DENIED),
    (6, "select set_config('client_min_messages', 'log', false)", INVALID),
    (6, "select set_config('client_min' || '_messages', 'log', false)", DENIED),
    (6, "set log_statement_stats = on", DENIED),
    (8, "select * from pg_locks", DENIED),
    (8, "select * from pg_stat_activity", DENIED),
    (8, "select pg_blocking_pids(1)", DENIED),
    (8, "select pg_current_wal_lsn()", DENIED),
    (8, "select pg_current_wal_insert_lsn() - '0/0'", DENIED),
    (8, "select pg_current_snapshot()", DENIED),
    (8, "select x.txid_current_snapshot from txid_current_snapshot() x", DENIED),
    (8, "select txid_status(1000)", DENIED),
    (8, "select pg_xact_status('1000'::xid8)", DENIED),
    (8, "select next_xid from pg_control_checkpoint()", DENIED),
    (8, "select age('100'::xid)", DENIED),
    (8, "select max(age(datfrozenxid)) from pg_database", DENIED),
    (8, "select (relminmxid).mxid_age from pg_class", DENIED),
    (8, "select pg_get_multixact_members('1'::xid)", DENIED),
    (8, "select pg_last_committed_xact()", DENIED),
    (8, "select pg_cancel_backend(1)", DENIED),
    (8, "select pg_terminate_backend(pid) from generate_series(1, 9) pid", DENIED),
    (9, "do $$ begin perform 1; end $$", DENIED),
    (9, "do language plpgsql 'begin end'", DENIED),
    (9, "create function pg_temp.f() returns int language sql as 'select 1'", DENIED),
    (9, "create or replace procedure pg_temp.p() language sql as 'select 1'", DENIED),
    (9, "call anything()", DENIED),
    (10, "select query_to_xml('explain analyze select 1', true, true, '')", DENIED),
    (10, "select pg_catalog.query_to_xml_and_xmlschema('select 1', true, true, '')", DENIED),
    (10, "select ('select 1'::text).query_to_xml", DENIED),
    (10, "select table_to_xml('people', true, true, '')", DENIED),
    (10, "select cursor_to_xml('c', 1, true, true, '')", DENIED),
    (10, "select schema_to_xml('pg_catalog', true, true, '')", DENIED),
    (10, "select database_to_xml(true, true, '')", DENIED),
    (10, "select * from ts_stat('select ''a''::tsvector')", DENIED),
    (10, "select ts_rewrite('a'::tsquery, 'select ''a''::tsquery, ''b''::tsquery')", DENIED),
    (11, "alter role current_user password 'stolen'", DENIED),
    (11, "alter user session_user with encrypted password 'stolen'", DENIED),
    (11, 'alter role "{role}" with password null', DENIED),
    (11, "alter group x add user y", DENIED),
    (12, "alter role current_user set statement_timeout = 0", DENIED),
    (12, "alter role current_user reset all", DENIED),
    (12, "alter database records set statement_timeout = 0", DENIED),
    (12, "set statement_timeout = 0", INVALID),
    (12, "set local statement_timeout = '1h'", INVALID),
    (12, "select set_config('statement_timeout', '0', false)", INVALID),
    (14, "set standard_conforming_strings = off", INVALID),
    (14, "set session standard_conforming_strings to 'off'", INVALID),
    (14, "set local standard_conforming_strings to 0", INVALID),
    (14, 'set "standard_conforming_strings" = off', INVALID),
    (14, 'set U&"standard\\005fconforming_strings" = off', INVALID),
    (14, "SET Standard_Conforming_Strings = OFF", INVALID),
    (14, "set standard_conforming_strings from current", DENIED),
    (14, "select set_config('standard_conforming_strings', 'off', false)", INVALID),
    (14, "select set_config('standard_conforming_strings', 'o' || 'ff', true)", INVALID),
    (14, "select set_config(name, 'off', false) from pg_settings where name like 'standard_conf%'", DENIED),
    (14, "select set_config(new_value => 'off', setting_name => 'standard_conforming_strings', is_local => false)", DENIED),
    (14, "select * from set_config('standard_conforming_strings', 'off', false)", INVALID),
    (14, "update pg_settings set setting = 'off' where name = 'standard_conforming_strings'", DENIED),
    (14, "set backslash_quote = on", DENIED),
    (14, "set client_encoding = 'SJIS'", INVALID),
    (14, "set names 'GBK'", INVALID),
    (14, "set transform_null_equals = on", DENIED),
    (17, "create temp table people as select 1", DENIED),
    (17, "create temporary view people as select 1", DENIED),
    (17, "select 1 into temp people", DENIED),
    (18, "create function public.right(text, int) returns text language sql as 'select $1'", DENIED),
    (18, "create schema x", DENIED),
    (18, "create operator = (leftarg = text, rightarg = text, procedure = texteq)", DENIED),
    (18, "create aggregate a (int) (sfunc = int4pl, stype = int)", DENIED),
    (21, "insert into people (person_id) values (1)", DENIED),
    (21, "update people set name = 'x'", DENIED),
    (21, "delete from people", DENIED),
    (21, "with x as (insert into people (person_id) values (1) returning 1) table x", DENIED),
    (21, "truncate people", DENIED),
    (21, "merge into people p using people q on false when matched then delete", DENIED),
    (22, "select count(pg_advisory_lock(g)) from generate_series(1, 200000) g", DENIED),
    (22, "select pg_try_advisory_lock_shared(1, 2)", DENIED),
    (22, "select pg_advisory_xact_lock(1)", DENIED),
    (22, "select (g).pg_advisory_lock from generate_series(1::bigint, 9) g", DENIED),
    (22, "lock table people in access share mode", DENIED),
    (22, "select * from people for key share", DENIED),
    (23, "set idle_in_transaction_session_timeout = 0", DENIED),
    (23, "set transaction_timeout = 0", DENIED),
    (23, "set local idle_session_timeout = 0", DENIED),
    (23, "select set_config('idle_in_transaction_session_timeout', '0', false)", DENIED),
    (24, "prepare transaction 'kept'", DENIED),
    (24, "commit prepared 'kept'", DENIED),
    (24, "rollback prepared 'kept'", DENIED),
    (25, "listen custodian", DENIED),
    (25, "notify custodian, 'forged'", DENIED),
    (25, "select pg_notify('custodian', 'forged')", DENIED),
    (25, "unlisten custodian", DENIED),
    (26, "select lo_create(0)", DENIED),
    (26, "select lo_from_bytea(0, 'x')", DENIED),
    (26, "select loread(1, 1)", DENIED),
    (27, "create temp table t (x text)", DENIED),
    (28, "select pg_logical_emit_message(true, 'x', 'y')", DENIED),
    (28, "select pg_current_xact_id()", DENIED),
    (28, "select txid_current()", DENIED),
    (28, "select pg_export_snapshot()", DENIED),
    (28, "set transaction snapshot '00000003-0000001B-1'", DENIED),
    (29, "select * from dblink('dbname=postgres', 'select 1') as t (x int)", DENIED),
    (29, "select public.dblink_connect('dbname=postgres')", DENIED),
    (29, "create server x foreign data wrapper postgres_fdw", DENIED),
    (31, "set work_mem = '2000GB'", DENIED),
    (31, "select pg_sleep(1)", DENIED),
    (31, "select pg_sleep_for('1 s')", DENIED),
    (32, 'grant "{role}" to estop_owner', DENIED),
    (31, "select pg_sleep_until(now() + '1 h')", DENIED),
    (31, "set temp_file_limit = -1", DENIED),
    (31, "set max_parallel_workers_per_gather = 64", DENIED),
    (31, "set hash_mem_multiplier = 1000", DENIED),
    (32, "grant select on people to public", DENIED),
    (33, "copy people to program 'cat'", DENIED),
    (33, "copy (select 1) to '/tmp/x'", DENIED),
    (33, "copy people from stdin", DENIED),
    (33, "select pg_read_file('/etc/passwd')", DENIED),
    (33, "select pg_ls_dir('/')", DENIED),
    (33, "set role custodian", DENIED),
    (33, "set session authorization custodian", DENIED),
    (33, "select set_config('role', 'custodian', false)", DENIED),
    (33, "set row_security = off", INVALID),
    (33, "set session_replication_role = replica", DENIED),
    (33, "select pg_reload_conf()", DENIED),
    (33, "vacuum records.people", DENIED),
    (33, "select * from records.people", DENIED),
    (33, "select rolpassword from pg_authid", DENIED),
    (33, "select usename, passwd from pg_shadow", DENIED),
    (33, "table pg_largeobject", DENIED),
    (33, "table pg_statistic", DENIED),
]

# What the database itself must refuse the role, filter or no filter. `explain`, locks by LOCK, the role's own password and
# LISTEN are not among them: PostgreSQL has no right that could be taken away (docs/limits.md).
BEHIND = [
    (8, "select pg_current_wal_lsn()", DENIED),
    (8, "select age('100'::xid)", DENIED),
    (8, "select pg_current_snapshot()", DENIED),
    (8, "select pg_control_checkpoint()", DENIED),
    (31, "set temp_file_limit = -1", DENIED),
    (3, "select * from pg_stat_xact_user_tables", DENIED),
    (3, "select pg_stat_get_xact_tuples_fetched(1259)", DENIED),
    (8, "select * from pg_locks", DENIED),
    (8, "select * from pg_stat_activity", DENIED),
    (8, "select pg_terminate_backend(1)", DENIED),
    (9, "do $$ begin perform 1; end $$", DENIED),
    (10, "select query_to_xml('select 1', true, true, '')", DENIED),
    (10, "select * from ts_stat('select ''a''::tsvector')", DENIED),
    (17, "create temp table people (x int)", DENIED),
    (18, "create table public.x (x int)", DENIED),
    (18, "create schema x", DENIED),
    (21, "insert into people (person_id) values (1)", DENIED),
    (21, "delete from people", DENIED),
    (22, "select pg_advisory_lock(1)", DENIED),
    (25, "select pg_notify('x', 'y')", DENIED),
    (26, "select lo_create(0)", DENIED),
    (28, "select pg_logical_emit_message(false, 'x', 'y')", DENIED),
    (28, "select pg_current_xact_id()", DENIED),
    (31, "select pg_sleep(0)", DENIED),
    (32, 'grant "{role}" to estop_owner', DENIED),
    (33, "set role custodian", DENIED),
    (33, "select * from records.people", DENIED),
    (33, "copy (select 1) to program 'cat'", DENIED),
    (33, "select pg_read_file('/etc/passwd')", DENIED),
]

# Settings that must not be what an attempt wanted, once it has failed.
PINNED = {"standard_conforming_strings": "on", "client_encoding": "UTF8", "client_min_messages": "notice",
          "statement_timeout": "1min", "debug_print_plan": "off", "row_security": "on"}


# In an airlock these answer, of the airlock's own transactions and nobody else's.
AIRLOCKS_OWN = ["select age('100'::xid)", "select max(age(datfrozenxid)) from pg_database"]

# And what the custodian has is not there at all.
ABSENT = ["42P01", "42883", "3F000"]


def attempt(conn, row, text, wanted, road):
    airlocked = ISOLATION == "airlock" and road != "behind"
    if airlocked and text in AIRLOCKS_OWN:
        conn.execute(text)
        return
    try:
        conn.execute(text)
    except psycopg.Error as error:
        absent = airlocked and "records." in text and error.sqlstate in ABSENT
        assert wanted is None or error.sqlstate == wanted or absent, f"row {row}: {text}: {error.sqlstate} {error}"
        print("ok", road, row, error.sqlstate, text[:60])
    else:
        raise AssertionError(f"row {row}, {road}: `{text}` was not refused")
    if conn.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
        conn.rollback()


def settings_are_pinned(conn, road):
    for name, wanted in PINNED.items():
        found = conn.execute(f"show {name}").fetchone()[0]
        assert found == wanted, f"{road}: {name} is {found}"


def through_the_gateway(role):
    for road, prepare in (("simple", None), ("extended", True)):
        with psycopg.connect(CONNINFO, autocommit=True) as conn:
            for row, text, wanted in ATTEMPTS:
                text = text.replace("{role}", role)
                if prepare and ";" in text and not text.startswith("do"):
                    continue  # several statements have no extended form
                if prepare:
                    conn.prepare_threshold = 0
                attempt(conn, row, text, wanted, road)
            settings_are_pinned(conn, road)
            assert conn.execute("select count(*) from people").fetchone()[0] > 0


def straight_to_the_database(role):
    with psycopg.connect(DIRECT, autocommit=True) as conn:
        # The role reads only, by a setting that it can change: it is rights that must hold.
        assert conn.execute("show transaction_read_only").fetchone()[0] == "on"
        conn.execute("set default_transaction_read_only = off")
        for row, text, wanted in BEHIND:
            if row == 32 and conn.info.server_version < 150000:
                continue  # a role may grant itself there: drift finds it, and the filter refuses it (docs/limits.md)
            attempt(conn, row, text.replace("{role}", role), wanted, "behind")


def nothing_goes_round_the_pins():
    """Rows 12, 14 and 15: what a reset or a start-up option makes of the settings."""
    with psycopg.connect(CONNINFO, autocommit=True) as conn:
        for text in ("reset all", "discard all", "reset standard_conforming_strings", "set statement_timeout to default",
                     "set standard_conforming_strings to default", "unlisten *", "select pg_advisory_unlock_all()"):
            conn.execute(text)
            settings_are_pinned(conn, text)
        conn.execute("set statement_timeout = '150ms'")
        try:
            conn.execute("select count(*) from generate_series(1, 1000000000000)")
            raise AssertionError("row 31: an endless statement was not ended")
        except psycopg.errors.QueryCanceled:
            print("ok timer 31 57014")


def values_stay_out_of_errors():
    """Row 19: an error text must not show what a mask hides, or what stands in a row."""
    with psycopg.connect(CONNINFO, autocommit=True) as conn:
        name = conn.execute("select name from people order by name limit 1").fetchone()[0]
        for text in (f"select name::int from people where name = '{name}'", "select (name || '~')::date from people",
                     "select ('{' || name)::json from people", "select name::inet from people",
                     "select 1 / (person_id - person_id) from people", "select name::xml from people, (select '<') x",
                     "select ('<' || name)::xml from people"):
            try:
                conn.execute(text)
            except psycopg.Error as error:
                said = " ".join(filter(None, (error.diag.message_primary, error.diag.message_detail, error.diag.context)))
                people = {row[0] for row in psycopg.connect(CONNINFO).execute("select name from people limit 50")}
                shown = [one for one in people | {name} if one in said]
                assert not shown, f"row 19: {text}: {said}"
                assert "~" not in said and error.diag.internal_query is None, said
                print("ok error 19", error.sqlstate)


def names_say_nothing():
    """Row 7: the catalog is readable in place, so no name in it may say who the others are, or what for."""
    with psycopg.connect(CONNINFO, autocommit=True) as conn:
        names = conn.execute("select rolname from pg_roles union select nspname from pg_namespace union select "
                             "datname from pg_database union select description from pg_description d "
                             "where d.objoid >= 16384").fetchall()
        told = [name for (name,) in names for word in ("federal", "police", "university", "immigra", "research")
                if word in name.lower()]
        assert not told, f"row 7: {told}"
        print("ok names 7", len(names))
        stats = conn.execute("select count(*) from pg_stats where schemaname = 'records'").fetchone()[0]
        assert stats == 0, "row 5: statistics of the records are readable"
        print("ok statistics 5")


def main():
    with psycopg.connect(CONNINFO) as conn:
        role = conn.execute("select current_user").fetchone()[0]
    through_the_gateway(role)
    nothing_goes_round_the_pins()
    values_stay_out_of_errors()
    names_say_nothing()
    straight_to_the_database(role)
    with psycopg.connect(DIRECT) as conn:
        # Row 11: the password is still the one that the register has, and nobody else's.
        assert conn.execute("select current_user").fetchone()[0] == role


main()
