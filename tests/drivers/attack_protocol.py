"""Hostile bytes for the gateway: before TLS, behind it, at the login and inside a session. With nothing but sockets.

usage: attack_protocol.py CONNINFO

Each attack says what may come back: an error with its SQLSTATE, or nothing, and then the end of the connection, soon. What
must never come is an answer to something that was not asked properly. Prints a line for each that held.
"""

import base64
import hashlib
import hmac
import os
import random
import socket
import ssl
import struct
import sys

from psycopg.conninfo import conninfo_to_dict

INFO = conninfo_to_dict(sys.argv[1])

# Longest wait for an answer or for the end of a connection, in seconds. The gateway's own bound for a login is 20.
PATIENCE = 30

SSL_REQUEST = struct.pack("!II", 8, 80877103)
GSS_REQUEST = struct.pack("!II", 8, 80877104)


def check(name, holds, found=""):
    assert holds, f"{name}: {found}"
    print("ok", name)


def tcp(source=None):
    """A connection, from another address of this machine if one is named."""
    source = source and (source, 0)
    return socket.create_connection((INFO["host"], int(INFO["port"])), timeout=PATIENCE, source_address=source)


def tls(sock=None):
    context = ssl.create_default_context(cafile=INFO["sslrootcert"])
    sock = sock or asked_for_tls()
    return context.wrap_socket(sock, server_hostname=INFO["host"])


def asked_for_tls():
    sock = tcp()
    sock.sendall(SSL_REQUEST)
    assert sock.recv(1) == b"S"
    return sock


def startup(params=(), version=196608, replace=()):
    """The start-up message of this officer, with more parameters behind it."""
    pairs = {"user": INFO["user"], "database": INFO["dbname"], "options": INFO["options"]}
    pairs.update(replace)
    body = struct.pack("!I", version)
    for name, value in [*pairs.items(), *params]:
        body += name.encode() + b"\0" + value.encode() + b"\0"
    body += b"\0"
    return struct.pack("!I", len(body) + 4) + body


def message(tag, body=b""):
    return tag + struct.pack("!I", len(body) + 4) + body


def query(text):
    return message(b"Q", text.encode() + b"\0")


class Ended(Exception):
    """The connection is at its end."""


def exactly(sock, count):
    data = b""
    while len(data) < count:
        try:
            more = sock.recv(count - len(data))
        except (ConnectionError, ssl.SSLError) as error:
            raise Ended(repr(error)) from None
        if not more:
            raise Ended("end of file")
        data += more
    return data


def receive(sock):
    """The next message: its tag and its body."""
    head = exactly(sock, 5)
    return head[:1], exactly(sock, struct.unpack("!I", head[1:])[0] - 4)


def fields(body):
    return {part[:1].decode(): part[1:].decode() for part in body.split(b"\0") if part}


def answers(sock):
    """Everything up to the end of the connection: tags, and the SQLSTATE of the last error."""
    tags, code = b"", None
    try:
        while True:
            tag, body = receive(sock)
            tags += tag
            if tag == b"E":
                code = fields(body)["C"]
    except Ended:
        return tags, code


def until_ready(sock):
    """Everything up to ReadyForQuery."""
    found = []
    while True:
        tag, body = receive(sock)
        found.append((tag, body))
        if tag == b"Z":
            return found


def login(params=(), replace=(), password=None):
    """A session by SCRAM-SHA-256, or the first error as its SQLSTATE."""
    sock = tls()
    sock.sendall(startup(params, replace=replace))
    try:
        tag, body = receive(sock)
        if tag == b"v":
            tag, body = receive(sock)
        if tag == b"E":
            return None, fields(body)["C"]
        assert tag == b"R" and body[:4] == b"\0\0\0\x0a", (tag, body)
        nonce = base64.b64encode(os.urandom(18)).decode()
        first = f"n=,r={nonce}"
        initial = b"n,," + first.encode()
        sock.sendall(message(b"p", b"SCRAM-SHA-256\0" + struct.pack("!I", len(initial)) + initial))
        tag, body = receive(sock)
        server = body[4:].decode()
        parts = dict(part.split("=", 1) for part in server.split(","))
        salted = hashlib.pbkdf2_hmac("sha256", (password or INFO["password"]).encode(),
                                     base64.b64decode(parts["s"]), int(parts["i"]))
        key = hmac.digest(salted, b"Client Key", "sha256")
        bare = f"c=biws,r={parts['r']}"
        signature = hmac.digest(hashlib.sha256(key).digest(), f"{first},{server},{bare}".encode(), "sha256")
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature))).decode()
        sock.sendall(message(b"p", f"{bare},p={proof}".encode()))
        while True:
            tag, body = receive(sock)
            if tag == b"E":
                return None, fields(body)["C"]
            if tag == b"Z":
                return sock, None
    except Ended:
        return None, "closed"


def session():
    sock, error = login()
    assert sock, error
    return sock


def value(sock, text):
    """One value by a simple query."""
    sock.sendall(query(text))
    for tag, body in until_ready(sock):
        if tag == b"D":
            return body[6:].decode()
        assert tag != b"E", fields(body)
    raise AssertionError(f"{text}: no row")


def codes(found):
    return [fields(body)["C"] for tag, body in found if tag == b"E"]


def before_tls():
    sock = tcp()
    sock.sendall(startup())
    check("no TLS: refused before anything is asked", answers(sock) == (b"E", "28000"))
    # Behind an SSLRequest, in the clear: must be taken for TLS and fail there, never for a start-up message.
    sock = tcp()
    sock.sendall(SSL_REQUEST + startup() + query("select 1"))
    check("S comes", sock.recv(1) == b"S")
    rest = raw_rest(sock)
    check("stuffed start-up has no answer but a TLS alert", rest == b"" or rest[:1] == b"\x15", rest)
    sock = tcp()
    sock.sendall(SSL_REQUEST + b"X")
    sock.recv(1)
    try:
        tls(sock).sendall(startup())
        check("a stuffed byte breaks the handshake", False)
    except (ssl.SSLError, ConnectionError):
        check("a stuffed byte breaks the handshake", True)
    sock = tls()
    sock.sendall(SSL_REQUEST)
    tags, _ = answers(sock)
    check("a second SSLRequest inside TLS ends the connection", tags in (b"", b"E"), tags)
    sock = tcp()
    sock.sendall(GSS_REQUEST)
    check("GSSAPI is declined", sock.recv(1) == b"N")
    sock.sendall(GSS_REQUEST * 3)
    check("and not for ever", set(raw_rest(sock)) <= set(b"N"))
    for length in (0, 3, 4, 7, 10_001, 0x7FFFFFFF, 0xFFFFFFFF):
        sock = tcp()
        sock.sendall(struct.pack("!I", length) + b"\0\x03\0\0")
        sock.shutdown(socket.SHUT_WR)
        rest = raw_rest(sock)
        check(f"start-up of {length} bytes", rest == b"" or rest[:1] == b"E", rest)
    noise = random.Random(2026)
    for start in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01", b"\0" * 4, b"\xff" * 8, b"SSH-2.0-x\r\n"):
        for _ in range(10):
            sock = tcp()
            try:
                sock.sendall(start + noise.randbytes(noise.randrange(400)))
                sock.shutdown(socket.SHUT_WR)
                rest = raw_rest(sock)
            except ConnectionError:
                rest = b""
            assert rest[:1] in (b"", b"E", b"\x15"), (start, rest)
    check("garbage", True)


def raw_rest(sock):
    data = b""
    try:
        while True:
            more = sock.recv(4096)
            if not more:
                return data
            data += more
    except ConnectionError:
        return data


def at_start_up():
    refused = {
        ("options", "-c standard_conforming_strings=off"): ("42501", "22023"),
        ("options", "-csearch_path=records"): ("42501",),
        ("options", "--role=custodian"): ("42501", "22023"),
        ("options", "-c role=custodian"): ("42501",),
        ("options", "-c session_authorization=custodian"): ("42501",),
        ("options", "-c debug_print_plan=on -c client_min_messages=log"): ("42501",),
        ("options", "-c estop.officer=somebody"): ("42501",),
        ("options", "-c estop.agreement=federal-2019"): ("42501",),
        ("options", "-W 10"): ("42501", "22023"),
        ("standard_conforming_strings", "off"): ("42501", "22023"),
        ("client_encoding", "SJIS"): ("22023",),
        ("search_path", "records"): ("42501",),
        ("work_mem", "2000GB"): ("42501",),
        ("role", "custodian"): ("42501",),
        ("session_replication_role", "replica"): ("42501",),
        ("replication", "database"): ("0A000",),
        ("replication", "true"): ("0A000",),
        ("estop.epoch", "999"): ("42501",),
    }
    for (name, text), wanted in refused.items():
        pair = {name: text} if name == "options" else {}
        _, code = login([] if pair else [(name, text)], replace=pair)
        check(f"start-up with {name}={text}", code in wanted, code)
    for database in ("records", "postgres", "template1", "federal-2019", "no-such", "../x", "x" * 300, "state-police-2018 "):
        sock, code = login(replace={"database": database})
        # 28000: nobody's, or not this officer's; 28P01: no officer of it; 57P01: ended.
        check(f"database {database[:20]}", sock is None and code in ("28000", "28P01", "57P01"), code)
    for user in ("custodian", "postgres", "estop_owner", "d.achterberg'--", "\x01", "x" * 5_000):
        sock, code = login(replace={"user": user})
        check(f"user {user[:20]!r}", sock is None and code in ("28P01", "28000"), code)
    check("a wrong password", login(password="wrong") == (None, "28P01"))
    for second in (("user", "custodian"), ("database", "university-2020")):
        sock, code = login([second])
        if sock:
            who = value(sock, "show estop.officer"), value(sock, "show estop.agreement")
            check(f"{second[0]} twice: the one that was proved counts", who == (INFO["user"], INFO["dbname"]), who)
        else:
            check(f"{second[0]} twice", code != "closed", code)
    sock, code = login([("statement_timeout", "0"), ("idle_in_transaction_session_timeout", "0")])
    check("no time limit at start-up", sock is None or value(sock, "show statement_timeout") == "1min", code)
    sock, _ = login([("_pq_.unknown", "1")])
    check("an unknown protocol option is no error", sock is not None)


def at_the_login():
    bodies = {
        "no mechanism": b"\0\0\0\0\0",
        "a mechanism that was not offered": b"SCRAM-SHA-1\0\0\0\0\x05n,,n=",
        "channel binding without its mechanism": b"SCRAM-SHA-256\0\0\0\0\x11p=tls-unique,,n=,r",
        "no nonce": b"SCRAM-SHA-256\0\0\0\0\x07n,,n=,r",
        "a length beyond the message": b"SCRAM-SHA-256\0\x7f\xff\xff\xffn,,n=,r=abc",
        "a negative length": b"SCRAM-SHA-256\0\xff\xff\xff\xff",
        "not UTF-8": b"SCRAM-SHA-256\0\0\0\0\x0bn,,n=,r=\xff\xfe",
        "a password in the clear": INFO["password"].encode() + b"\0",
    }
    for name, body in bodies.items():
        sock = tls()
        sock.sendall(startup())
        receive(sock)
        sock.sendall(message(b"p", body))
        tags, _ = answers(sock)
        check(f"login with {name}", tags in (b"", b"E"), tags)
    for tag, length in ((b"p", 0x7FFFFFFF), (b"p", 0), (b"p", 70_000), (b"Q", 13)):
        sock = tls()
        sock.sendall(startup())
        receive(sock)
        sock.sendall(tag + struct.pack("!I", length) + b"select 1\0")
        tags, _ = answers(sock)
        check(f"login with {tag} of {length} bytes", tags in (b"", b"E"), tags)


def inside_a_session():
    sock = session()
    # Row 13: set_config(text, text, boolean) is function 2078, pg_advisory_lock(bigint) is 2880.
    arguments = b"".join(struct.pack("!I", len(a)) + a for a in (b"standard_conforming_strings", b"off", b"f"))
    call = struct.pack("!IHH", 2078, 0, 3) + arguments + struct.pack("!H", 0)
    sock.sendall(message(b"F", call))
    check("a function call", codes(until_ready(sock)) == ["0A000"])
    sock.sendall(message(b"F", struct.pack("!IHHIQH", 2880, 0, 1, 8, 1, 0)))
    check("a lock by function call", codes(until_ready(sock)) == ["0A000"])
    check("the session goes on", value(sock, "show standard_conforming_strings") == "on")
    # Row 14: the next text must not be read by other rules than the filter read it by: one string, or a NOTIFY behind one.
    sock.sendall(query("set standard_conforming_strings = off") + query(r"select '\''; notify x; --'"))
    first, second = until_ready(sock), until_ready(sock)
    rows = [body[6:] for tag, body in second if tag == b"D"]
    check("another reading of strings, pipelined", codes(first) == ["22023"] and rows == [rb"\'; notify x; --"], second)
    check("strings are read as before", value(sock, r"select '\'") == "\\")
    sock.sendall(query("select 1;\0 notify x"))
    try:
        found = codes(until_ready(sock))
        check("a zero byte in a text", found != [], found)
    except Ended:
        check("a zero byte in a text", True)
    fatal = {
        "a length of 3": b"Q\0\0\0\x03",
        "a length of 2 GB": b"Q\x7f\xff\xff\xff",
        "a negative length": b"P\xff\xff\xff\xff",
        "an unknown type": message(b"\x00", b"x"),
        "a type of the server's": message(b"Z", b"I"),
        "a text without its end": message(b"Q", b"select 1"),
        "Parse without its end": message(b"P", b"name"),
        "Parse with more types than bytes": message(b"P", b"\0select 1\0\x7f\xff"),
        "Bind with more parameters than bytes": message(b"B", b"\0\0\0\0\x7f\xff"),
        "Bind with a parameter beyond the message": message(b"B", b"\0\0\0\0\0\x01\x7f\xff\xff\xff\0\0"),
        "Describe of nothing": message(b"D", b"Xname\0"),
        "Execute without its end": message(b"E", b"name"),
        "Sync with a body": message(b"S", b"x" * 100),
    }
    for name, attack in fatal.items():
        sock = session()
        sock.sendall(attack + message(b"S"))
        sock.settimeout(PATIENCE)
        try:
            tag, body = receive(sock)
            check(f"in a session: {name}", tag == b"E" and fields(body)["C"][:2] in ("08", "54", "22"), (tag, body))
        except Ended:
            check(f"in a session: {name}: closed", True)
    sock = session()
    sock.sendall(message(b"d", b"1\n") + message(b"c") + message(b"f", b"x\0") + message(b"p", b"x\0") + message(b"S"))
    tags, _ = answers_or_ready(sock)
    check("messages of COPY and of the login at another time", b"D" not in tags, tags)
    sock = session()
    sock.sendall(b"Q\0\0\1\0select count(*) from people, people b, people c")
    sock.close()
    check("gone in the middle of a message", True)


def answers_or_ready(sock):
    tags, code = b"", None
    try:
        while b"Z" not in tags:
            tag, body = receive(sock)
            tags += tag
            code = fields(body)["C"] if tag == b"E" else code
    except Ended:
        pass
    return tags, code


def cancels_and_crowds():
    for key in (struct.pack("!II", 1, 1), os.urandom(8), os.urandom(36), b""):
        for channel in (tcp, tls):
            sock = channel()
            sock.sendall(struct.pack("!II", 8 + len(key), 80877102) + key)
            rest = raw_rest(sock)
            assert rest[:1] in (b"", b"E"), rest
    check("cancel requests for nobody", True)
    crowd = [tcp("127.0.0.2") for _ in range(250)]
    check("250 connections that say nothing: another address gets in", value(session(), "select 1") == "1")
    check("and no more from theirs", raw_rest(tcp("127.0.0.2")) == b"")
    for sock in crowd[::2]:
        sock.close()
    half = [asked_for_tls() for _ in range(50)]
    check("50 half handshakes: another gets in", value(session(), "select 1") == "1")
    del half, crowd


if __name__ == "__main__":
    for part in (before_tls, at_start_up, at_the_login, inside_a_session, cancels_and_crowds):
        part()
