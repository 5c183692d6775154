"""A real libpq of any version, by its C interface: what newer ones do at a start.

usage: libpq.py LIBRARY CONNINFO
"""

import ctypes
import sys
import threading
import time

lib = ctypes.CDLL(sys.argv[1])
CONNINFO = sys.argv[2]
for name in ("PQconnectdb", "PQexec", "PQcancelCreate"):
    getattr(lib, name, lib.PQexec).restype = ctypes.c_void_p
for name in ("PQerrorMessage", "PQgetvalue", "PQresultErrorField", "PQcancelErrorMessage"):
    getattr(lib, name, lib.PQerrorMessage).restype = ctypes.c_char_p
VERSION = lib.PQlibVersion() // 10_000


def check(name, holds, found=""):
    assert holds, f"{name}: {found}"
    print("ok", name)


def pointer(value):
    return ctypes.c_void_p(value)


def connect(more):
    connection = pointer(lib.PQconnectdb(f"{CONNINFO} {more}".encode()))
    return connection, lib.PQerrorMessage(connection).decode()


def value(connection, sql):
    result = pointer(lib.PQexec(connection, sql.encode()))
    return lib.PQgetvalue(result, 0, 0), lib.PQresultErrorField(result, ord("C"))


def works(name, more):
    connection, error = connect(more)
    check(name, lib.PQstatus(connection) == 0 and value(connection, "select 1")[0] == b"1", error)
    return connection


works("channel binding", "channel_binding=require")
works("direct TLS", "sslnegotiation=direct sslmode=verify-full")
works("direct TLS, bound", "sslnegotiation=direct channel_binding=require require_auth=scram-sha-256")
if VERSION >= 18:
    for newest in ("3.0", "3.2", "latest"):
        connection = works(f"protocol {newest}", f"max_protocol_version={newest}")
        spoken = lib.PQfullProtocolVersion(connection)
        check(f"protocol {newest} is spoken", spoken == (30_000 if newest == "3.0" else 30_002), spoken)
        canceling = pointer(lib.PQcancelCreate(connection))
        threading.Timer(0.5, lambda: lib.PQcancelBlocking(canceling)).start()
        began = time.monotonic()
        _, code = value(connection, "select count(*) from people a, people b, people c")
        check(f"protocol {newest}: cancel", code == b"57014" and time.monotonic() - began < 20, code)
    works("nothing older than 3.2", "min_protocol_version=3.2 max_protocol_version=3.2")
