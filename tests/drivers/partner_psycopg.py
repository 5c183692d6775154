"""A partner's work with psycopg 3: every road of the protocol, and what must be refused on each.

usage: partner_psycopg.py CONNINFO

Prints a line for each check that held; stops with a traceback at the first that did not.
"""

import sys

import psycopg
from psycopg import errors

CONNINFO = sys.argv[1]


def check(name, holds):
    assert holds, name
    print("ok", name)


def refused(name, error, work):
    try:
        work()
    except error as refusal:
        print("ok", name, "->", refusal.sqlstate)
        return refusal
    raise AssertionError(f"{name}: was not refused")


def connect(**more):
    return psycopg.connect(CONNINFO, **more)


def simple_and_extended():
    with connect(autocommit=True) as conn:
        plain = conn.execute("select count(*) from people").fetchone()[0]
        check("rows are shared", plain > 0)
        bound = conn.execute("select count(*) from people where person_id > %s", (0,)).fetchone()[0]
        check("parameters, text format", bound == plain)
        bound = conn.execute("select count(*) from people where person_id > %b", (0,)).fetchone()[0]
        check("parameters, binary format", bound == plain)
        cur = conn.execute("select person_id from people order by 1 limit 3", binary=True)
        check("results, binary format", len(cur.fetchall()) == 3)
        for _ in range(7):
            conn.execute("select person_id from people where person_id = %s", (5,), prepare=True)
        check("prepared statements", True)
        check("the settings answer", conn.execute("show estop.agreement").fetchone()[0] != "")
        check("the epoch answers", int(conn.execute("show estop.epoch").fetchone()[0]) >= 1)


def transactions():
    with connect() as conn:
        conn.execute("select 1")
        with conn.transaction():
            conn.execute("select count(*) from people")
            refused("an error inside a savepoint", errors.UndefinedColumn,
                    lambda: savepoint(conn, "select no_such_column from people"))
            check("the transaction goes on", conn.execute("select 1").fetchone() == (1,))
        conn.rollback()
        refused("the case inside a transaction", errors.ActiveSqlTransaction,
                lambda: in_transaction(conn, "set estop.case = 'TO-2026-1'"))


def savepoint(conn, text):
    with conn.transaction():
        conn.execute(text)


def in_transaction(conn, text):
    try:
        conn.execute("select 1")
        conn.execute(text)
    finally:
        conn.rollback()


def cursors_and_copy():
    with connect() as conn:
        with conn.cursor(name="server_side") as cur:
            cur.itersize = 100
            cur.execute("select person_id from people order by 1")
            check("a server-side cursor", sum(1 for _ in cur) > 100)
        with conn.cursor() as cur:
            rows = 0
            with cur.copy("copy (select * from incidents limit 5000) to stdout") as copy:
                for _ in copy.rows():
                    rows += 1
            check("COPY to the client", rows == 5000)
        refused("COPY from the client", errors.InsufficientPrivilege, lambda: copy_in(conn))
        conn.rollback()
        check("the session goes on after it", conn.execute("select 1").fetchone() == (1,))


def copy_in(conn):
    with conn.cursor() as cur, cur.copy("copy people from stdin") as copy:
        copy.write(b"1\n")


def pipelines():
    with connect(autocommit=True) as conn:
        with conn.pipeline():
            curs = [conn.execute("select %s::int", (i,)) for i in range(200)]
        check("a pipeline", [cur.fetchone()[0] for cur in curs] == list(range(200)))
        refused("a refusal in a pipeline", errors.InsufficientPrivilege, lambda: pipeline(conn))
        check("the session goes on after it", conn.execute("select 1").fetchone() == (1,))
        check("two statements in one query", conn.execute("select 1; select 2") is not None)


def pipeline(conn):
    with conn.pipeline() as pipe:
        first = conn.execute("select 1")
        conn.execute("listen anything", prepare=False)
        conn.execute("select 2")
        pipe.sync()
        first.fetchone()


def cancelling():
    with connect(autocommit=True) as conn:
        import threading
        timer = threading.Timer(0.5, conn.cancel)
        timer.start()
        refused("a cancel request", errors.QueryCanceled,
                lambda: conn.execute("select count(*) from incidents a, incidents b, incidents c"))
        timer.join()
        check("the session goes on after it", conn.execute("select 1").fetchone() == (1,))


def refusals():
    statements = {
        "EXPLAIN": "explain analyze select * from people",
        "a lock flood": "select count(pg_advisory_lock(g)) from generate_series(1, 200000) g",
        "a lock as an attribute": "select (200000::bigint).pg_advisory_lock",
        "its own password": "alter role current_user password 'x'",
        "DO": "do $$ begin perform 1; end $$",
        "a temporary table": "create temp table t as select * from people",
        "LISTEN": "listen x",
        "NOTIFY": "notify x",
        "a notification by function": "select pg_notify('x', 'y')",
        "text that runs": "select query_to_xml('select 1', true, true, '')",
        "another role": "set role postgres",
        "another session's user": "set session authorization postgres",
        "PREPARE TRANSACTION": "prepare transaction 'x'",
        "a row lock": "select * from people for update",
        "LOCK": "lock table people",
        "a grant": "grant select on people to public",
        "a file": "copy people to '/tmp/x'",
        "a program": "copy people to program 'cat'",
        "a large object": "select lo_create(0)",
        "sleep": "select pg_sleep(1)",
        "another's backend": "select pg_terminate_backend(1)",
        "the WAL": "select pg_logical_emit_message(false, 'x', 'y')",
        "a data-modifying WITH": "with x as (delete from people returning 1) select * from x",
    }
    with connect(autocommit=True) as conn:
        # In an airlock there is no such table.
        tables = (errors.InsufficientPrivilege, errors.UndefinedTable)
        refused("another schema's table", tables, lambda: conn.execute("select * from records.people"))
        for name, statement in statements.items():
            refused(name, errors.InsufficientPrivilege, lambda: conn.execute(statement))
        for name, statement in {
            "another reading of strings": "set standard_conforming_strings = off",
            "the same by function": "select set_config('standard_conforming_strings', 'off', false)",
            "another encoding": "set client_encoding = 'LATIN1'",
            "no time limit": "set statement_timeout = 0",
        }.items():
            refused(name, (errors.InsufficientPrivilege, errors.InvalidParameterValue),
                    lambda: conn.execute(statement))
        refused("a column that is not shared", errors.UndefinedColumn,
                lambda: conn.execute("select ssn from people"))
        for role in conn.execute("select current_user").fetchall():
            check("the role's name says nothing", role[0].startswith("estop_"))
        leaked = refused("a value in an error text", errors.InvalidTextRepresentation,
                         lambda: conn.execute("select (person_id::text || 'x')::int from people"))
        check("no value in it", leaked.diag.message_primary.find('x"') < 0 and not leaked.diag.message_detail)


for part in (simple_and_extended, transactions, cursors_and_copy, pipelines, cancelling, refusals):
    part()
