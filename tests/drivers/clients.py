"""Unmodified clients at a partner's work, each asked what its users ask it: psql, pg_dump, psycopg, asyncpg, SQLAlchemy, pg8000, DBeaver's
catalog queries.

usage: clients.py HOST PORT USER PASSWORD DATABASE OPTIONS CA_FILE

Prints a line for each case, `CLIENT<tab>CASE<tab>OUTCOME`; what does not give what it must ends it with a traceback.
"""

import asyncio
import os
import ssl
import subprocess
import sys
import urllib.parse

import asyncpg
import pg8000.dbapi
import psycopg
import sqlalchemy

HOST, PORT, USER, PASSWORD, DATABASE, OPTIONS, CA = sys.argv[1:]
CONNINFO = psycopg.conninfo.make_conninfo(
    host=HOST, port=PORT, user=USER, password=PASSWORD, dbname=DATABASE, options=OPTIONS, sslmode="verify-full", sslrootcert=CA)
LIBPQ = {**os.environ, "PGHOST": HOST, "PGPORT": PORT, "PGUSER": USER, "PGPASSWORD": PASSWORD, "PGDATABASE": DATABASE,
         "PGOPTIONS": OPTIONS, "PGSSLMODE": "verify-full", "PGSSLROOTCERT": CA}
SHARED = ("people", "incidents")


def told(client, case, outcome="works"):
    print(client, case, outcome, sep="\t", flush=True)


def ran(*command, typed=""):
    done = subprocess.run(command, env=LIBPQ, input=typed, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout, done.stderr


def psql(*commands, more=()):
    code, out, said = ran("psql", "-XAt", "-v", "ON_ERROR_STOP=1", *more, *(part for one in commands for part in ("-c", one)))
    assert code == 0 and "ERROR" not in said, (commands, said)
    return out


def of_psql():
    counted = int(psql("select count(*) from people"))
    family = (r"\d \d+ \dt \dt+ \dv \dv+ \dm \dm+ \di \di+ \ds \ds+ \dE \l \l+ \dn \dn+ \du \dg \dp \ddp \df \df+ \dT \dT+ \dD \dC \dO \do \da "
              r"\db \db+ \dc \dd \des \det \deu \dew \dF \dFd \dFp \dFt \dL \dP \dP+ \drds \dRp \dRs \dx \dX \dy \dA \dAc \dAf \dAo \dAp "
              r"\dconfig \sv~people \d~people \d+~people \conninfo \encoding").split()
    refused = {}
    for command in family:
        command = command.replace("~", " ")
        code, out, said = ran("psql", "-XAt", "-v", "ON_ERROR_STOP=1", "-c", command)
        if code or "ERROR" in said:
            refused.setdefault(said.split("ERROR:")[1].split("\n")[0].strip(), []).append(f"`{command}`")
        else:
            assert not command.endswith("people") or "person_id" in out, (command, out)
    told("psql", r"the `\d` family, `\l`, `\sv`, `\conninfo`, `\encoding`" + (", but for what follows" if refused else ""))
    for why, commands in refused.items():
        told("psql", ", ".join(commands), f"refused: {why}")
    psql(r"\copy (select * from people) to 'copied'")
    with open("copied", encoding="utf-8") as file:
        assert sum(1 for _ in file) == counted
    told("psql", r"`\copy ... to`")
    code, _, said = ran("psql", "-X", "-c", r"\copy people from 'copied'")
    assert code != 0 and "ERROR" in said, said
    told("psql", r"`\copy ... from`", "refused")
    assert len(psql("select person_id from people", more=("-v", "FETCH_COUNT=100")).splitlines()) == counted
    told("psql", "`FETCH_COUNT`")
    code, out, said = ran("psql", "-XAt", typed="select person_id from people \\gdesc\nselect 1 as one \\gset\n\\echo :one\n")
    assert code == 0 and out == "person_id|integer\n1\n", (out, said)
    told("psql", r"`\gdesc`, `\gset`")


def of_pg_dump():
    """It takes ACCESS SHARE locks with LOCK TABLE, which would hold up other sessions, before it reads a row."""
    for case, options in {"of everything": (), "`--schema-only`": ("--schema-only",), "`--table=people`": ("--table=people",)}.items():
        code, out, said = ran("pg_dump", *options)
        assert code == 1 and not out.count("COPY "), (case, out[:500], said)
        told("pg_dump", case, "refused: " + said.split("ERROR:")[1].split("\n")[0].strip())


def of_psycopg():
    with psycopg.connect(CONNINFO, autocommit=True) as conn:
        counted = conn.execute("select count(*) from people").fetchone()[0]
        with conn.pipeline():
            cursors = [conn.execute("select %s::int", (i,)) for i in range(100)]
            assert [cur.fetchone()[0] for cur in cursors] == list(range(100))
        told("psycopg", "pipeline mode")
        with conn.transaction(), conn.cursor(name="server") as cur:
            cur.itersize = 50
            assert sum(1 for _ in cur.execute("select person_id from people")) == counted
        told("psycopg", "a server-side cursor")
        with conn.cursor() as cur, cur.copy("copy (select * from people) to stdout (format binary)") as copy:
            assert sum(len(block) for block in copy) > 0
        told("psycopg", "COPY in binary format")
        with conn.cursor() as cur:
            assert sum(1 for _ in cur.stream("select person_id from people")) == counted
        told("psycopg", "`stream`: row by row")
        assert conn.execute("select * from people where person_id = any(%s)", ([1, 2, 3],), binary=True).description
        told("psycopg", "arrays as parameters, binary results")
    conn = psycopg.connect(CONNINFO)
    conn.tpc_begin(conn.xid(1, "g", "b"))
    conn.execute("select 1")
    try:
        conn.tpc_prepare()
    except psycopg.Error as error:
        told("psycopg", "two-phase commit", f"refused: {error.sqlstate}")
        conn.close()
        return
    raise AssertionError("two-phase commit was not refused")


def context():
    return ssl.create_default_context(cafile=CA)


async def of_asyncpg():
    settings = dict(urllib.parse.parse_qsl("&".join(one for one in OPTIONS.replace("-c", "").split())))
    login = {"host": HOST, "port": int(PORT), "user": USER, "password": PASSWORD, "database": DATABASE, "ssl": context(),
             "server_settings": {**settings, "application_name": "asyncpg"}}
    async with asyncpg.create_pool(**login, min_size=2, max_size=3) as pool:
        found = await asyncio.gather(*(pool.fetchval("select $1::int", i) for i in range(60)))
        assert found == list(range(60))
        counted = await pool.fetchval("select count(*) from people")
        told("asyncpg", "a pool, reset after each use")
        async with pool.acquire() as conn:
            async with conn.transaction(isolation="repeatable_read", readonly=True):
                rows = [row async for row in conn.cursor("select * from people", prefetch=50)]
                assert len(rows) == counted
            told("asyncpg", "a cursor in a read-only transaction")
            prepared = await conn.prepare("select * from people where person_id = $1")
            assert [one.name for one in prepared.get_attributes()] and prepared.get_parameters()
            told("asyncpg", "prepared statements, introspected types")
            with open("copied", "wb") as file:
                await conn.copy_from_query("select * from people", output=file, format="csv")
            told("asyncpg", "`copy_from_query`")
            try:
                await conn.copy_records_to_table("people", records=[(1,)], columns=["person_id"])
                raise AssertionError("COPY from the client was not refused")
            except asyncpg.PostgresError as error:
                told("asyncpg", "`copy_records_to_table`", f"refused: {error.sqlstate}")
            assert await conn.fetchval("select 1") == 1
            try:
                await conn.add_listener("channel", lambda *_: None)
                raise AssertionError("LISTEN was not refused")
            except asyncpg.PostgresError as error:
                told("asyncpg", "`add_listener`", f"refused: {error.sqlstate}")
            try:
                await conn.fetchval("select count(*) from incidents a, incidents b, incidents c", timeout=0.5)
                raise AssertionError("there was no time limit")
            except TimeoutError:
                assert await conn.fetchval("select 1") == 1
            told("asyncpg", "a time limit, which cancels")


def of_sqlalchemy():
    client = "SQLAlchemy"
    url = sqlalchemy.URL.create("postgresql+psycopg", USER, PASSWORD, HOST, int(PORT), DATABASE)
    connect_args = {"options": OPTIONS, "sslmode": "verify-full", "sslrootcert": CA}
    engine = sqlalchemy.create_engine(url, connect_args=connect_args)
    look = sqlalchemy.inspect(engine)
    seen = set(look.get_table_names()) | set(look.get_view_names()) | set(look.get_foreign_table_names())
    assert seen >= set(SHARED), seen
    assert look.default_schema_name and look.get_schema_names()
    told(client, "inspector: names of schemas, tables, views")
    for table in SHARED:
        assert any(column["name"].endswith("_id") for column in look.get_columns(table))
        for what in (look.get_pk_constraint, look.get_foreign_keys, look.get_indexes, look.get_unique_constraints,
                     look.get_check_constraints, look.get_table_comment):
            what(table)
    assert look.get_view_definition("people") is not None
    look.get_enums(), look.get_sequence_names(), look.get_domains()
    told(client, "inspector: columns, keys, indexes, constraints, comments, definitions, types")
    meta = sqlalchemy.MetaData()
    meta.reflect(engine, views=True)
    people = meta.tables["people"]
    told(client, "`MetaData.reflect`")
    with engine.connect() as conn:
        counted = conn.scalar(sqlalchemy.select(sqlalchemy.func.count()).select_from(people))
        rows = conn.execution_options(stream_results=True, max_row_buffer=50).execute(sqlalchemy.select(people))
        assert sum(1 for _ in rows) == counted
    told(client, "a query on what was reflected, streamed")
    for level in ("AUTOCOMMIT", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"):
        with engine.connect().execution_options(isolation_level=level) as conn:
            assert conn.scalar(sqlalchemy.text("select 1")) == 1
    told(client, "every isolation level")
    engine.dispose()


def of_pg8000():
    # It sends no options: purpose and case stand in the user name.
    case = OPTIONS.split("estop.case=")[1].split()[0] if "estop.case=" in OPTIONS else ""
    with psycopg.connect(CONNINFO) as conn:
        purpose = conn.execute("show estop.purpose").fetchone()[0]
    conn = pg8000.dbapi.connect(f"{USER}+{purpose}+{case}", HOST, DATABASE, int(PORT), PASSWORD, ssl_context=context())
    cur = conn.cursor()
    cur.execute("select count(*) from people where person_id > %s", (0,))
    assert cur.fetchone()[0] > 0
    cur.execute("select * from people limit 5")
    assert len(cur.fetchall()) == 5 and cur.description
    conn.rollback()
    told("pg8000", "queries with parameters; purpose and case in the user name")
    conn.close()


def of_dbeaver():
    """What DBeaver asks when it connects and when its tree of schemas, tables and columns is opened, modelled on its sources; it is not
    DBeaver that asks."""
    queries = (
        "SELECT db.oid,db.* FROM pg_catalog.pg_database db WHERE datallowconn AND NOT datistemplate ORDER BY db.datname",
        "select * from pg_catalog.pg_settings where name='standard_conforming_strings'",
        "select string_agg(word, ',') from pg_catalog.pg_get_keywords() where word <> ALL ('{a,abs}'::text[])",
        "SELECT current_schema(), session_user",
        "SELECT version()",
        "SHOW search_path",
        "SELECT n.oid,n.*,d.description FROM pg_catalog.pg_namespace n LEFT OUTER JOIN pg_catalog.pg_description d ON "
        "d.objoid=n.oid AND d.objsubid=0 AND d.classoid='pg_namespace'::regclass ORDER BY nspname",
        "SELECT t.oid,t.*,c.relkind,format_type(nullif(t.typbasetype, 0), t.typtypmod) as base_type_name, d.description "
        "FROM pg_catalog.pg_type t LEFT OUTER JOIN pg_catalog.pg_type et ON et.oid=t.typelem LEFT OUTER JOIN pg_catalog.pg_class c ON "
        "c.oid=t.typrelid LEFT OUTER JOIN pg_catalog.pg_description d ON t.oid=d.objoid WHERE t.typname IS NOT NULL AND "
        "(c.relkind IS NULL OR c.relkind = 'c') AND (et.typcategory IS NULL OR et.typcategory <> 'C')",
        "SELECT c.oid,c.*,d.description,pg_catalog.pg_get_expr(c.relpartbound, c.oid) as partition_expr, "
        "pg_catalog.pg_get_partkeydef(c.oid) as partition_key FROM pg_catalog.pg_class c LEFT OUTER JOIN pg_catalog.pg_description d ON "
        "d.objoid=c.oid AND d.objsubid=0 AND d.classoid='pg_class'::regclass WHERE c.relnamespace=(select oid from pg_catalog.pg_namespace "
        "where nspname=current_schema()) AND c.relkind not in ('i','I','c')",
        "SELECT c.relname,a.*,pg_catalog.pg_get_expr(ad.adbin, ad.adrelid, true) as def_value,dsc.description,dep.objid FROM "
        "pg_catalog.pg_attribute a INNER JOIN pg_catalog.pg_class c ON (a.attrelid=c.oid) LEFT OUTER JOIN pg_catalog.pg_attrdef ad ON "
        "(a.attrelid=ad.adrelid AND a.attnum = ad.adnum) LEFT OUTER JOIN pg_catalog.pg_description dsc ON (c.oid=dsc.objoid AND a.attnum = "
        "dsc.objsubid) LEFT OUTER JOIN pg_depend dep on dep.refobjid = a.attrelid AND dep.deptype = 'i' and dep.refobjsubid = a.attnum and "
        "dep.classid = dep.refclassid WHERE NOT a.attisdropped AND c.oid='people'::regclass ORDER BY a.attnum",
        "SELECT c.oid,c.*,t.relname as tabrelname,rt.relnamespace as refnamespace,d.description, case when c.contype='c' then "
        "\"substring\"(pg_get_constraintdef(c.oid), 7) else null end consrc_copy FROM pg_catalog.pg_constraint c INNER JOIN pg_catalog.pg_class t "
        "ON t.oid=c.conrelid LEFT OUTER JOIN pg_catalog.pg_class rt ON rt.oid=c.confrelid LEFT OUTER JOIN pg_catalog.pg_description d ON "
        "d.objoid=c.oid AND d.objsubid=0 AND d.classoid='pg_constraint'::regclass WHERE c.conrelid='people'::regclass ORDER BY c.oid",
        "SELECT i.*,i.indkey as keys,c.relname,c.relnamespace,c.relam,c.reltablespace,tc.relname as tabrelname,dsc.description,"
        "pg_catalog.pg_get_expr(i.indpred, i.indrelid) as pred_expr,pg_catalog.pg_get_expr(i.indexprs, i.indrelid, true) as expr FROM "
        "pg_catalog.pg_index i INNER JOIN pg_catalog.pg_class c ON c.oid=i.indexrelid INNER JOIN pg_catalog.pg_class tc ON tc.oid=i.indrelid "
        "LEFT OUTER JOIN pg_catalog.pg_description dsc ON i.indexrelid=dsc.objoid WHERE i.indrelid='people'::regclass ORDER BY tabrelname",
        "SELECT x.oid,x.* FROM pg_catalog.pg_trigger x WHERE x.tgrelid='people'::regclass AND NOT tgisinternal",
        "SELECT pg_get_viewdef('people'::regclass, true)",
        "SELECT e.oid, cfg.tbls, n.nspname as schema_name, e.* FROM pg_catalog.pg_extension e JOIN pg_namespace n on n.oid = e.extnamespace "
        "left join (select ARRAY_AGG(ns.nspname || '.' || cls.relname) tbls, oid_ext from (select unnest(e1.extconfig) oid, e1.oid oid_ext from "
        "pg_catalog.pg_extension e1) c join pg_catalog.pg_class cls on cls.oid = c.oid join pg_catalog.pg_namespace ns on ns.oid = "
        "cls.relnamespace group by oid_ext) cfg on cfg.oid_ext = e.oid ORDER BY e.oid",
        "select * from information_schema.columns where table_name = 'people'",
        "select * from information_schema.tables where table_schema = current_schema()",
    )
    with psycopg.connect(CONNINFO, autocommit=True) as conn:
        for setting in ("SET extra_float_digits = 3", "SET application_name = 'DBeaver 23.3.0 - Main'"):
            try:
                conn.execute(setting)
            except psycopg.Error as error:
                told("DBeaver's queries", f"`{setting}`", f"refused: {error.sqlstate}")
        for query in queries:
            assert conn.execute(query).description, query
        told("DBeaver's queries", "connecting, schemas, tables, columns, constraints, indexes, types, definitions")


of_psql()
of_pg_dump()
of_psycopg()
asyncio.run(of_asyncpg())
of_sqlalchemy()
of_pg8000()
of_dbeaver()
