"""A client of RFC 7628 (OAUTHBEARER), as libpq 18 is one.

usage: tokens.py CONNINFO ISSUER < [[name, token, taken], ...]
"""

import json
import struct
import sys
import time

from attack_protocol import check, fields, message, receive, startup, tls, until_ready, value


def shown(data):
    """What comes of a first message: the session and None; or the server's JSON, and the error."""
    sock = tls()
    sock.sendall(startup())
    tag, body = receive(sock)
    if tag == b"E":
        return None, fields(body)
    assert tag == b"R" and body[4:].strip(b"\0") == b"OAUTHBEARER", (tag, body)
    sock.sendall(message(b"p", b"OAUTHBEARER\0" + struct.pack("!I", len(data)) + data))
    tag, body = receive(sock)
    if tag == b"E":
        return None, fields(body)
    if body[:4] == b"\0\0\0\0":
        until_ready(sock)
        return sock, None
    assert tag == b"R" and body[:4] == b"\0\0\0\x0b", (tag, body)
    sock.sendall(message(b"p", b"\x01"))
    tag, error = receive(sock)
    assert tag == b"E", tag
    return json.loads(body[4:]), fields(error)


def bearer(token):
    return shown(b"n,,\x01auth=Bearer " + token.encode() + b"\x01\x01")


where, error = shown(b"n,,\x01auth=\x01\x01")
wanted = {"status": "invalid_token", "scope": "sql",
          "openid-configuration": sys.argv[2] + "/.well-known/openid-configuration"}
check("who shows none is told where tokens come from", where == wanted and error["C"] == "28000", (where, error))
for _ in range(7):
    assert shown(b"n,,\x01auth=\x01\x01")[1]["M"].startswith("OAuth bearer")
check("asking is no failure", True)

tried = json.load(sys.stdin)
[good] = [token for _, token, taken in tried if taken]
words = set()
for name, token, taken in tried:
    said, error = bearer(token)
    if error and error["M"].startswith("too many"):
        raise AssertionError(f"{name}: locked out")
    if taken:
        check(f"token {name}", error is None and value(said, "show estop.officer"), error)
    else:
        words.add((error["C"], error["M"], str(said)))
        check(f"token {name}: refused", error["C"] == "28000", error)
        assert bearer(good)[1] is None
check("the same words for all of them", len(words) == 1, words)
for name, data in {"no end": b"n,,\x01auth=Bearer x", "another scheme": b"n,,\x01auth=Basic x\x01\x01",
                   "an identity": b"n,a=x,\x01auth=Bearer x\x01\x01", "channel binding": b"p=x,,\x01auth=Bearer x\x01\x01"}.items():
    _, error = shown(data)
    check(f"message with {name}", error["C"] == "08P01", error)
for _ in range(5):
    assert bearer("x.y.z")[1]["M"].startswith("OAuth bearer")
check("who guesses waits", bearer(good)[1]["M"].startswith("too many"))
time.sleep(1.1)
check("and is let in then", bearer(good)[1] is None)
