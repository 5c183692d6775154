"""A real libpq 18 with a token of its application's (PQsetAuthDataHook).

usage: libpq_token.py LIBRARY CONNINFO TOKEN ISSUER
"""

import ctypes
import sys

lib = ctypes.CDLL(sys.argv[1])
CONNINFO, TOKEN, ISSUER = sys.argv[2:]
lib.PQconnectdb.restype = lib.PQexec.restype = ctypes.c_void_p
lib.PQerrorMessage.restype = lib.PQgetvalue.restype = ctypes.c_char_p
BEARER_TOKEN = 1


class Request(ctypes.Structure):
    """PGoauthBearerRequest"""
    _fields_ = [("openid_configuration", ctypes.c_char_p), ("scope", ctypes.c_char_p), ("asynchronous", ctypes.c_void_p),
                ("cleanup", ctypes.c_void_p), ("token", ctypes.c_char_p), ("user", ctypes.c_void_p)]


asked = []


@ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(Request))
def hook(kind, _connection, request):
    if kind != BEARER_TOKEN:
        return 0
    asked.append((request.contents.openid_configuration, request.contents.scope))
    request.contents.token = TOKEN.encode()
    return 1


lib.PQsetAuthDataHook(hook)
connection = ctypes.c_void_p(lib.PQconnectdb(CONNINFO.encode()))
assert lib.PQstatus(connection) == 0, lib.PQerrorMessage(connection)
result = ctypes.c_void_p(lib.PQexec(connection, b"select 1"))
assert lib.PQgetvalue(result, 0, 0) == b"1"
assert asked == [((ISSUER + "/.well-known/openid-configuration").encode(), b"sql")], asked
print("ok a session by a token")
