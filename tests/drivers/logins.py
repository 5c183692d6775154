"""How clients of all ages come in: direct TLS, protocol 3.0 to 3.2 and beyond, SCRAM bound to the channel; and what those learn who
guess. With nothing but sockets.

usage: logins.py CONNINFO

Prints a line for each thing that held.
"""

import base64
import hashlib
import hmac
import os
import re
import ssl
import struct
import time

from attack_protocol import (INFO, Ended, answers, check, exactly, fields, message, query, receive, startup, tcp, tls,
                             until_ready, value)

PLUS, PLAIN = "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"


def end_point(sock):
    """RFC 5929, for a certificate that is signed with SHA-256."""
    return hashlib.sha256(sock.getpeercert(binary_form=True)).digest()


def scram(sock, password=None, mechanism=PLAIN, flag="n", data=b""):
    """The exchange after the offer: the server's first message, and the error or None."""
    header = f"{flag},,".encode()
    first = f"n=,r={base64.b64encode(os.urandom(18)).decode()}"
    initial = header + first.encode()
    sock.sendall(message(b"p", mechanism.encode() + b"\0" + struct.pack("!I", len(initial)) + initial))
    tag, body = receive(sock)
    if tag == b"E":
        return None, fields(body)
    server = body[4:].decode()
    parts = dict(part.split("=", 1) for part in server.split(","))
    salted = hashlib.pbkdf2_hmac("sha256", (password or INFO["password"]).encode(),
                                 base64.b64decode(parts["s"]), int(parts["i"]))
    key = hmac.digest(salted, b"Client Key", "sha256")
    bare = f"c={base64.b64encode(header + data).decode()},r={parts['r']}"
    signature = hmac.digest(hashlib.sha256(key).digest(), f"{first},{server},{bare}".encode(), "sha256")
    proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature))).decode()
    sock.sendall(message(b"p", f"{bare},p={proof}".encode()))
    tag, body = receive(sock)
    return parts, fields(body) if tag == b"E" else None


def begin(sock, **start):
    """Sends the start-up message; what comes before the offer of mechanisms, and the offer."""
    sock.sendall(startup(**start))
    before = []
    while True:
        tag, body = receive(sock)
        if tag == b"R":
            return before, body[4:].strip(b"\0").decode().split("\0")
        if tag == b"E":
            raise AssertionError(fields(body))
        before.append((tag, body))


def attempt(password=None, source=None, **start):
    """One login with SCRAM: the server's first message and the error."""
    sock = tcp(source)
    sock.sendall(struct.pack("!II", 8, 80877103))
    assert exactly(sock, 1) == b"S"
    sock = tls(sock)
    sock.sendall(startup(**start))
    tag, body = receive(sock)
    if tag == b"E":
        return None, fields(body)
    return scram(sock, password)


def direct(protocols):
    context = ssl.create_default_context(cafile=INFO["sslrootcert"])
    if protocols:
        context.set_alpn_protocols(protocols)
    return context.wrap_socket(tcp(), server_hostname=INFO["host"])


def direct_tls():
    sock = direct(["postgresql"])
    check("direct TLS: the server agrees on ALPN", sock.selected_alpn_protocol() == "postgresql")
    begin(sock)
    _, error = scram(sock)
    until_ready(sock)
    check("direct TLS: a session", error is None and value(sock, "select 1") == "1")
    sock = direct([])
    try:
        sock.sendall(startup())
        rest = answers(sock)
    except (ConnectionError, ssl.SSLError):
        rest = (b"", None)
    check("direct TLS without ALPN has no session", rest == (b"", None), rest)
    for others in (["http/1.1"], ["postgres"]):
        try:
            direct(others)
            check(f"ALPN {others}", False)
        except (ConnectionError, ssl.SSLError):
            check(f"ALPN {others} is refused", True)


def versions():
    extra = [("_pq_.test_protocol_negotiation", "1")]
    for minor, params, told, secret in ((0, [], None, 4), (1, [], None, 4), (2, [], None, 32), (0, extra, 0, 4),
                                        (2, extra, 2, 32), (3, [], 2, 32), (9999, extra, 2, 32)):
        sock = tls()
        before, _ = begin(sock, params=params, version=(3 << 16) + minor)
        name = f"protocol 3.{minor}{' with an option' if params else ''}"
        if told is None:
            check(f"{name}: nothing to negotiate", before == [], before)
        else:
            names = b"".join(key.encode() + b"\0" for key, _ in params)
            wanted = [(b"v", struct.pack("!HHI", 3, told, len(params)) + names)]
            check(f"{name}: 3.{told} is offered, once", before == wanted, before)
        _, error = scram(sock)
        assert error is None, error
        keys = [body for tag, body in until_ready(sock) if tag == b"K"]
        check(f"{name}: a key of {secret} bytes", [len(key) for key in keys] == [4 + secret], keys)
        if minor in (0, 2):
            cancels(name, sock, keys[0])
    for version in ((2 << 16), (4 << 16)):
        sock = tls()
        sock.sendall(startup(version=version))
        check(f"protocol {version >> 16}.0 is refused", answers(sock)[0] == b"E")


def cancels(name, sock, key):
    """Only the whole key stops the statement."""
    sock.sendall(query("select count(*) from people a, people b, people c"))
    time.sleep(0.3)
    wrong = [key[:-1] + bytes([key[-1] ^ 1]), key[:4] + bytes(4), key[:8] + bytes(32), bytes([key[0] ^ 1]) + key[1:]]
    for bad in wrong:
        if bad != key:
            cancel(tls(), bad)
    sock.settimeout(0.5)
    try:
        receive(sock)
        check(f"{name}: a wrong key stops nothing", False)
    except TimeoutError:
        pass
    sock.settimeout(30)
    cancel(tls(), key)
    codes = [fields(body)["C"] for tag, body in until_ready(sock) if tag == b"E"]
    check(f"{name}: the key stops the statement, and no other one does", codes == ["57014"], codes)


def cancel(sock, key):
    sock.sendall(struct.pack("!II", 8 + len(key), 80877102) + key)
    assert answers(sock) == (b"", None)


def binding():
    sock = tls()
    _, offered = begin(sock)
    check("SCRAM-SHA-256-PLUS is offered first", offered == [PLUS, PLAIN], offered)
    _, error = scram(sock, mechanism=PLUS, flag="p=tls-server-end-point", data=end_point(sock))
    check("a login bound to the channel", error is None, error)
    wrong = {
        "another certificate's end point": dict(mechanism=PLUS, flag="p=tls-server-end-point", data=b"x" * 32),
        "no end point": dict(mechanism=PLUS, flag="p=tls-server-end-point"),
        "another kind of binding": dict(mechanism=PLUS, flag="p=tls-exporter", data=b"x" * 32),
        "PLUS without binding": dict(mechanism=PLUS, flag="n"),
        "an offer that somebody has shortened": dict(mechanism=PLAIN, flag="y"),
    }
    for name, how in wrong.items():
        sock = tls()
        begin(sock)
        _, error = scram(sock, **how)
        check(f"{name} is refused", error and error["C"] == "08P01", error)


def strangers():
    known, _ = attempt("wrong")
    first = {}
    for user in ("nobody.here", "nobody.here+criminal-investigation", "a'b", "x" * 200):
        unknown, error = attempt("wrong", replace={"user": user})
        again, _ = attempt("wrong", replace={"user": user})
        shape = [len(base64.b64decode(known["s"])), known["i"]]
        check(f"officer {user[:12]!r}: looks like one", [len(base64.b64decode(unknown["s"])), unknown["i"]] == shape)
        check(f"officer {user[:12]!r}: the same salt each time", unknown["s"] == again["s"])
        first[user] = unknown["s"]
        _, real = attempt("wrong")
        mask = lambda said: {key: re.sub('"[^"]*"', '""', text) for key, text in said.items()}
        check(f"officer {user[:12]!r}: the same answer", mask(error) == mask(real), (error, real))
        assert attempt()[1] is None
    salts = list(first.values())
    check("what comes behind a + makes no other officer", salts[0] == salts[1])
    check("others have other salts", len(set(salts)) == 3)

    def took(**how):
        began = time.perf_counter()
        attempt("wrong", **how)
        return time.perf_counter() - began

    ours, theirs = [], []
    for number in range(12):
        theirs.append(took(replace={"user": f"nobody.{number}"}))
        ours.append(took())
        assert number % 4 or attempt()[1] is None
    assert attempt()[1] is None
    print(f"wrong password {min(ours) * 1e3:.2f} ms, unknown officer {min(theirs) * 1e3:.2f} ms")
    check("and it takes as long", abs(min(ours) - min(theirs)) < 0.005, (min(ours), min(theirs)))


def lock_out():
    for user in (INFO["user"], "nobody.else"):
        start = {"replace": {"user": user}}
        codes = [attempt("wrong", **start)[1]["C"] for _ in range(5)]
        check(f"{user}: five failures are free", codes == ["28P01"] * 5, codes)
        parts, error = attempt(**start)
        locked = parts is None and error["C"] == "28000" and error["M"].startswith("too many failed logins")
        check(f"{user}: the sixth attempt is not looked at, right or wrong", locked, (parts, error))
        seconds = int(re.search(r"Try again in (\d+) s", error["H"]).group(1))
        check(f"{user}: the first wait is short", 1 <= seconds <= 2, error)
    check("another address is not concerned", attempt(source="127.0.0.2")[1] is None)
    time.sleep(1.1)
    check("after the wait the right password is taken", attempt()[1] is None)
    check("and what was before is forgotten", attempt("wrong")[1]["C"] == "28P01" and attempt()[1] is None)


if __name__ == "__main__":
    for part in (direct_tls, versions, binding, strangers, lock_out):
        part()
