#!/usr/bin/env python3
"""Checks a certificate of termination or suspension, offline: a second program, written from docs/formats.md and not from the first.

    verify_certificate.py KEY CERTIFICATE...

KEY is the custodian's public key (`name+hash+base64`) or a file that holds it. Needs Python 3.9 and `cryptography`. Exits with 0
if every certificate holds, 1 if one does not (the reason is printed), 2 if it was called wrongly. What it does not look at: witnesses'
cosignatures.
"""

import base64
import hashlib
import hmac
import json
import re
import sys
from datetime import datetime, timedelta, timezone
from struct import pack, unpack

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

SLUG, CUSTODIAN = r"[a-z0-9][a-z0-9-]{0,62}", r"(?=.{1,100}\Z)([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
NUMBER, COUNT = r"D-[0-9]{4}-(?:[0-9]{4}|[1-9][0-9]{4,8})", r"0|[1-9][0-9]{0,19}"
HASH, TIME = r"[A-Za-z0-9+/]{43}=", r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"
PERSON = r"""(?=.{1,255}\Z)[!$%&(-+\-./0-9:;<=>@A-Z\[\]^_`a-z{|}~]+"""
DECEPTIVE = re.compile("[\0-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]")
KINDS = "acknowledged|applied|carried-out|census|closed|continuation|correction|cut|directive|disclosure|drained|drift|ended|epoch|erased|genesis|opened|outcome|refusal|session"
IN_PARTNER_LOG = {"closed", "continuation", "cut", "disclosure", "opened", "outcome"}
# The y coordinates of Ed25519's points of small order: under such a key a signature fits many messages.
SMALL_ORDER = {0, 1, 2**255 - 20, 2**255 - 19, 2**255 - 18,
               2707385501144840649318225287225658788936804267575313519463743609750303021419,
               55188659117513257062467267217118295137698188065244968500265048394206261417927}

class Refuted(Exception):
    """A check that does not hold."""

def need(condition, reason):
    if not condition:
        raise Refuted(reason)

def match(pattern, text, what):
    need(re.fullmatch(pattern, text, re.A | re.S) is not None, f"{what}: {text[:80]!r}")
    return text

def unbase64(text, length=None, what="base64"):
    try:
        data = base64.b64decode(text, validate=True)
    except Exception:
        raise Refuted(f"{what}: not base64") from None
    need(base64.b64encode(data).decode() == text and length in (None, len(data)), f"{what}: another form of base64")
    return data

def count(text, what="a count"):
    number = int(match(COUNT, text, what))
    need(number < 2**64, f"{what} is too large")
    return number

def moment(text):
    match(TIME, text, "a time")
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        raise Refuted(f"no time: {text}") from None

def is_strong(point):
    return int.from_bytes(point, "little") & (2**255 - 1) not in SMALL_ORDER

def ed25519(point, signature, message, whose):
    try:
        Ed25519PublicKey.from_public_bytes(point).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise Refuted(f"the signature by {whose} does not verify") from None

# Notes, checkpoints and trees: C2SP signed-note and tlog-checkpoint, RFC 6962, RFC 9162.

def key_id(name, point):
    return hashlib.sha256(name.encode() + b"\n\x01" + point).digest()[:4]

def note(text):
    """The text and the signature lines (name, id, signature) of a note."""
    need(len(text.encode()) <= 1_000_000 and "\n\n" in text and text.endswith("\n"), "not a signed note")
    head, tail = text.rsplit("\n\n", 1)
    need(not re.search(r"[\0-\x09\x0b-\x1f]", head) and len(head.encode()) < 900_000, "a note's text")
    lines = []
    for line in tail[:-1].split("\n"):
        need(line.startswith("\u2014 ") and line.count(" ") == 2, "a signature line")
        _, name, blob = line.split(" ")
        blob = unbase64(blob, what="a signature line")
        need(name and len(blob) > 4 and "+" not in name and not re.search(r"[\s\0-\x1f\x7f-\x9f]", name), "a signature line")
        lines.append((name, blob[:4], blob[4:]))
    need(len(lines) <= 100, "too many signature lines")
    return head + "\n", lines

def signed(text, name, point):
    body, lines = note(text)
    ours = [line for line in lines if line[:2] == (name, key_id(name, point))]
    need(ours, f"no signature by {name}")
    for _, _, signature in ours:
        ed25519(point, signature, body.encode(), name)
    return body

def checkpoint(text, origin, point):
    lines = signed(text, origin, point).split("\n")
    need(len(lines) == 4 and lines[0] == origin and lines[3] == "", f"the checkpoint of {origin}")
    return count(lines[1]), unbase64(lines[2], 32)

def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()

def inclusion(index, size, leaf, root, proof):
    """RFC 9162, section 2.1.3.2."""
    need(index < size, "a proof of a leaf that is not there")
    fn, sn, hash_ = index, size - 1, leaf
    for beside in proof:
        need(sn > 0, "a proof that is too long")
        if fn & 1 or fn == sn:
            hash_ = node(beside, hash_)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            hash_ = node(hash_, beside)
        fn, sn = fn >> 1, sn >> 1
    need(sn == 0 and hash_ == root, "an entry does not stand in the log")

# The file.

def sections(text):
    parts, rest = [], text
    while rest != "end\n":
        found = re.match(r"section ([a-z-]+) (0|[1-9][0-9]{0,8})\n", rest)
        need(found, "the machine part")
        raw = rest[found.end():].encode()
        length = int(found[2])
        need(raw[length:length + 1] == b"\n", "the machine part")
        try:
            parts.append((found[1], raw[:length].decode()))
            rest = raw[length + 1:].decode()
        except UnicodeDecodeError:
            raise Refuted("the machine part") from None
    order = r"signers directive (signature )*checkpoint (entry (key record )?proof )*partner-checkpoint partner-proof "
    need(re.fullmatch(order, "".join(name + " " for name, _ in parts)), "the order of the machine part")
    return parts

def place(text):
    lines = text.split("\n")
    need(lines.pop() == "" and lines and lines[0].startswith("index ") and len(lines) <= 65, "a proof")
    return count(lines[0][6:]), [unbase64(line, 32, "a proof") for line in lines[1:]]

def fields(lines, forms, what):
    """`key value` lines in the order of the forms; a key with `?` may be left out."""
    read, lines = {}, [line.partition(" ") for line in lines]
    for key, form in forms.items():
        name = key.rstrip("?")
        if lines and lines[0][0] == name and lines[0][1]:
            read[name] = match(form, lines.pop(0)[2], f"{what}'s {name}")
            if form == HASH:
                unbase64(read[name], 32)
        else:
            need(key != name, f"{what} lacks `{name}`")
    need(not lines, f"{what} has more lines than it should")
    return read

def entry(text):
    head, cut, body = text.partition("\n\n")
    lines = (head + "\n" if cut else text).split("\n")
    need(len(text.encode()) <= 65535 and lines.pop() == "" and lines.pop(0) == "estop/entry/v1", "an entry's form")
    read = fields(lines, {"kind": KINDS, "time": TIME, "partner?": SLUG, "agreement?": SLUG, "purpose?": SLUG,
                          "sequence?": COUNT, "previous?": HASH, "commitment?": HASH}, "an entry")
    moment(read["time"])
    inside = read["kind"] in IN_PARTNER_LOG
    need(("sequence" in read) == ("previous" in read) == inside and ("partner" in read or not inside), "an entry's place")
    read["sequence"] = count(read["sequence"]) if inside else None
    need(not cut or body.endswith("\n") and not re.search(r"[\0-\x08\x0b-\x1f\x7f-\x9f]", body), "an entry's body")
    return {**read, "body": body}

# Private records: the fields of each kind, by the type that each must have.

U64, TEXT, FLAG, AT, OPTIONAL_AT, DIRECTIVE, WORDS = "u64", "text", "flag", "at", "at?", NUMBER, "clipped"
ROLE = {"role": TEXT, "agreement": SLUG, "purpose": SLUG, "can_login": FLAG, "has_password": FLAG, "backends_ended": U64,
        "backends_left": U64, "prepared_rolled_back": U64, "can_connect": FLAG, "readable_relations": U64, "xmin": TEXT,
        "committed_at": OPTIONAL_AT}
RECORDS = {
    "directive": {"number": DIRECTIVE, "text": TEXT, "signatures": [TEXT], "signers_file": TEXT, "people": [TEXT],
                  "estate?": {"signers_file": TEXT, "terms": TEXT}},
    "epoch": {"epoch": U64, "directive?": DIRECTIVE, "at": AT, "gateways": [WORDS], "approval?": DIRECTIVE, "lifted?": [DIRECTIVE]},
    "cut": {"session": r"[0-9a-f]{16}", "directive": DIRECTIVE, "at": AT, "statements": U64, "rows": U64, "bytes": U64,
            "in_statement?": U64},
    "drained": {"gateway": WORDS, "epoch": U64, "directive": DIRECTIVE, "sessions_cut": U64, "at": AT},
    "carried-out": {"directive": DIRECTIVE, "epoch": U64, "at": AT, "steps": [{"what": TEXT, "at": AT, "result": TEXT}],
                    "roles": [ROLE]},
    "closed": {"directive": DIRECTIVE, "epoch": U64, "at": AT},
}

def typed(value, form):
    if form == OPTIONAL_AT:
        return None if value is None else typed(value, AT)
    if form == AT:
        found = isinstance(value, str) and re.fullmatch(TIME[:-1] + r"(?:\.([0-9]{1,9}))?Z", value, re.A)
        need(found, "a record's time")
        moment(value[:19] + "Z")
        return re.sub(r"\.?0*Z$", "Z", value) if found[1] else value
    if isinstance(form, list):
        need(isinstance(value, list), "a record's list")
        return [typed(one, form[0]) for one in value]
    if isinstance(form, dict):
        need(isinstance(value, dict), "a record's part")
        read = {}
        for key, of in form.items():
            name = key.rstrip("?")
            needed = key == name
            need(name in value or not needed, f"a record lacks `{name}`")
            need(not (isinstance(of, list) and value.get(name, of) is None), "a record's list")
            given = value.pop(name, None)
            read[name] = None if given is None and not needed else typed(given, of)
        need(not value, "a record has fields that are not known")
        return read
    if form == FLAG:
        need(isinstance(value, bool), "a record's flag")
    elif form == U64:
        need(type(value) is int and 0 <= value < 2**64, "a record's number")
    else:
        need(isinstance(value, str) and (form != WORDS or len(value.encode()) <= 500), "a record's text")
        if form not in (TEXT, WORDS):
            match(form, value, "a record's text")
    return value

def record(kind, text):
    def once(pairs):
        need(len({key for key, _ in pairs}) == len(pairs), "a record with a field twice")
        return dict(pairs)
    def integer(digits):
        need(digits != "-0", "a record's number")
        return int(digits)
    try:
        value = json.loads(text, object_pairs_hook=once, parse_int=integer, parse_constant=lambda _: need(False, "no JSON"))
        text.encode()
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise Refuted(f"the record of a `{kind}` is no JSON") from None
    return typed(value, RECORDS[kind])

# The directive, who may sign, and who has.

def directive(text):
    need(len(text.encode()) <= 4096 and text.startswith("estop/directive/v1\n") and text.endswith("\n"), "the directive's form")
    read = fields(text.split("\n")[1:-1], {
        "custodian": CUSTODIAN, "number": NUMBER, "kind": "terminate|suspend", "partner": SLUG, "agreement?": SLUG,
        "purpose?": SLUG, "until?": TIME, "basis": r".+", "services?": r".+", "grounds?": r".+", "hearing?": TIME, "contact?": r".+",
        "notice?": r".+", "preview?": HASH, "issued": TIME, "expires": TIME, "nonce": r"[A-Za-z0-9+/]{22}==", "ledger-size": COUNT,
        "ledger-root": HASH}, "the directive")
    lifetime = moment(read["expires"]) - moment(read["issued"])
    for key, most in (("basis", 500), ("services", 500), ("grounds", 500), ("contact", 500), ("notice", 1000)):
        said = read.get(key, "-")
        need(len(said.encode()) <= most and said.strip(" ") == said and not DECEPTIVE.search(said), f"the directive's {key}")
    need(("until" in read) == (read["kind"] == "suspend"), "the end of a suspension")
    need("until" not in read or moment(read["until"]) > moment(read["issued"]), "a suspension that is over when it begins")
    need("hearing" not in read or moment(read["hearing"]), "the hearing")
    need(timedelta(0) < lifetime <= timedelta(days=31) and unbase64(read["nonce"], 16), "the directive's times")
    return read

def wire(data, what="a key"):
    """The strings of SSH's wire format, to the end."""
    parts = []
    while data:
        need(len(data) >= 4 and len(data) >= 4 + unpack(">I", data[:4])[0], what)
        length = unpack(">I", data[:4])[0]
        parts.append(data[4:4 + length])
        data = data[4 + length:]
    return parts

def public_key(blob):
    """Its type and its point, once they are sound."""
    kind, *parts = wire(blob)
    if kind == b"ssh-ed25519" and len(parts) == 1 and len(parts[0]) == 32 and is_strong(parts[0]):
        return kind.decode(), parts[0]
    if kind == b"sk-ssh-ed25519@openssh.com" and len(parts) == 2 and len(parts[0]) == 32 and is_strong(parts[0]):
        need(parts[1].startswith(b"ssh:"), "a security key made for another use")
        return kind.decode(), parts[0]
    ecdsa = kind == b"ecdsa-sha2-nistp256" and len(parts) == 2 and parts[0] == b"nistp256"
    need(ecdsa and len(parts[1]) == 65 and parts[1][0] == 4, "a key of a kind that is not accepted")
    try:
        EllipticCurvePublicKey.from_encoded_point(SECP256R1(), parts[1])
    except ValueError:
        raise Refuted("a key that is no point") from None
    return kind.decode(), parts[1]

def stamp(text):
    found = re.fullmatch(r"([0-9]{8})(?:([0-9]{4})([0-9]{2})?)?Z", text, re.A)
    need(found, "a time of the allowed signers")
    try:
        digits = found[1] + (found[2] or "0000") + (found[3] or "00")
        return datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=timezone.utc)
    except ValueError:
        raise Refuted("a time of the allowed signers") from None

def allowed_signers(text):
    """Key blob to (person, namespaces, valid after, valid before)."""
    need(not re.search(r"[\0-\x09\x0b-\x1f\x7f-\x9f]", text) and text[-1:] in ("", "\n") and len(text.encode()) <= 1 << 20, "the allowed signers")
    keys, spelt, points = {}, {}, set()
    for line in (line.strip(" ") for line in text.split("\n")):
        if not line or line.startswith("#"):
            continue
        option = r"""(?:namespaces|valid-after|valid-before)="[^"\\]*\""""
        found = re.fullmatch(rf"([^ ]+) +(?:({option}(?:,{option})*) +)?([^ =]+) +([^ ]+)(?: .*)?", line, re.S | re.I)
        need(found, "a line of the allowed signers")
        person = match(PERSON, found[1], "a name of the allowed signers")
        need(spelt.setdefault(person.lower(), person) == person, "one person in two spellings")
        given = re.findall(r'([a-z-]+)="([^"]*)"', found[2] or "", re.I)
        options = {name.lower(): value for name, value in given}
        need(len(options) == len(given), "an option twice")
        names = options["namespaces"].split(",") if "namespaces" in options else None
        need(names is None or all(re.fullmatch(r"""[!-~]+""", name) and not set(name) & set("*?!") for name in names), "namespaces")
        after, before = (stamp(options[name]) if name in options else None for name in ("valid-after", "valid-before"))
        need(not (after and before) or after < before, "a key that is never valid")
        blob = unbase64(found[4], what="a key")
        kind, point = public_key(blob)
        need(kind == found[3] and point not in points, "a key of another type, or one key in two lines")
        points.add(point)
        keys[blob] = (person, names, after, before)
    return keys

def sshsig(armored, message, namespace):
    """The key blob of an SSHSIG (OpenSSH PROTOCOL.sshsig) over the message that holds."""
    lines = (armored[:-1] if armored.endswith("\n") else armored).split("\n")
    need(len(armored) <= 4096 and lines[0] == "-----BEGIN SSH SIGNATURE-----" and lines[-1] == "-----END SSH SIGNATURE-----", "a signature's armor")
    inner = lines[1:-1]
    need(inner and all(len(line) == 70 for line in inner[:-1]) and 1 <= len(inner[-1]) <= 70, "a signature's armor")
    data = unbase64("".join(inner), what="a signature")
    need(data[:6] == b"SSHSIG" and data[6:10] == pack(">I", 1), "a signature's version")
    parts = wire(data[10:], "a signature")
    need(len(parts) == 5 and parts[2] == b"" and parts[1] == namespace.encode(), "a signature of another namespace")
    key, _, _, algorithm, signature = parts
    need(algorithm in (b"sha256", b"sha512"), "a signature's hash")
    hashed = hashlib.new(algorithm.decode(), message).digest()
    over = b"SSHSIG" + b"".join(pack(">I", len(part)) + part for part in (parts[1], b"", algorithm, hashed))
    kind, point = public_key(key)
    trailer = signature[-5:] if kind.startswith("sk-") else b""
    made = wire(signature[:-5] if trailer else signature, "a signature")
    need(len(made) == 2 and made[0] == kind.encode(), "a signature of another kind than its key")
    if trailer:
        application = wire(key)[2]
        need(len(trailer) == 5 and trailer[0] & 5 == 5, "a security key that nobody touched, or did not verify who")
        over = hashlib.sha256(application).digest() + trailer + hashlib.sha256(over).digest()
    if kind.startswith("ecdsa"):
        numbers = wire(made[1], "a signature")
        need(len(numbers) == 2, "a signature")
        r, s = (int.from_bytes(number, "big") for number in numbers)
        try:
            EllipticCurvePublicKey.from_encoded_point(SECP256R1(), point).verify(encode_dss_signature(r, s), over, ECDSA(hashes.SHA256()))
        except InvalidSignature:
            raise Refuted("a signature does not fit the directive") from None
    else:
        ed25519(point, made[1], over, "an authority")
    return key

# What the certificate says, in the words that the machine part gives.

HEADER, MARKER = "estop/certificate/v1\n", "\n=== machine part ===\n"
LIMITS = """That {partner} has deleted, or not passed on, what it had received before it was cut off.
Anything after {until}, the time of the count that it rests on. A later certificate can say that the log is still closed.
{lasts}Ways to the data that do not lead through this custodian's gateways: copies, backups, replicas, exports, other systems, and people who administer the database itself.
More of the database than it said of itself: what its catalog answered was read and signed by the custodian, and seen by no one else.
{same}
{clocks}"""
ALONE = ("That the custodian shows everyone the same ledger. No witness outside the custodian has signed the checkpoint below: compare it with the one that is published.",
         "The time by any clock but the custodian's own.")
WITNESSED = ("That the custodian shows everyone the same ledger, unless enough of the witnesses that are named above are witnesses whom you trust, with keys that you have from elsewhere.",
             "The time by any clock but the custodian's own; those of the witnesses stand in their cosignatures.")
STEPS = """All up to the last empty line is signed with the custodian's Ed25519 key (C2SP signed-note).
In the machine part below, each section begins with a line `section NAME LENGTH`; then come that many bytes and a line feed.
Write the sections `directive`, `signature` (one file each) and `signers` to files and, for each who signed, run:
Each `proof` leads from the SHA-256 of a zero byte and its `entry` to the root in `checkpoint` (RFC 6962): the line `c2sp.org/tlog-proof@v1`, the proof, an empty line and the checkpoint are a C2SP tlog-proof.
Each `record` and its `key` give the commitment in its entry: HMAC-SHA256 under the key over the length of the main log's name (8 bytes), that name, and the record.
The entry of kind `closed` is, by `partner-proof`, the last leaf under `partner-checkpoint`; the entry of kind `census` lists that log with the same size and root.""".split("\n")

def plain(text):
    return DECEPTIVE.sub(lambda found: "\\u{%x}" % ord(found[0]), text)

def wrapped(mark, text):
    line, indent, out, empty = "  " + mark, " " * (2 + len(mark.encode())), [], True
    for word in plain(text).split(" "):
        if not empty and len(line) + len(word) >= 100:
            out, line, empty = out + [line], indent, True
        line, empty = line + ("" if empty else " ") + word, False
    return out + [line]

def many(number, one, more):
    return f"{number} {one if number == 1 else more}"

def prose(order, told, main, partner_log, cosigners):
    """The lines for people."""
    d, e, c, closed, census = (told[kind][0] for kind in ("directive", "epoch", "carried-out", "closed", "census"))
    cuts, out = told["cut"], []
    def line(text=None):
        out.append("  " + plain(text) if text else "")
    def title(text):
        out.extend(["", text, ""])
    until = order.get("until")
    out += ["estop/certificate/v1", "", "CERTIFICATE OF " + ("SUSPENSION" if until else "TERMINATION"), ""]
    line(f"Custodian   {order['custodian']}"), line(f"Partner     {order['partner']}"), line(f"Directive   {order['number']}")
    line(f"{'Suspended' if until else 'Ended    '}   {closed['time']}"), line(f"Counted     {census['time']}")
    if until:
        line(f"Until       {until}")
    title("WHAT WAS ORDERED")
    out.extend(wrapped("", f"All access of {order['partner']} to the data of {order['custodian']} "
                       + (f"is suspended until {until}." if until else "ends.")))
    for key in ("basis", "services", "grounds", "hearing", "contact", "notice"):
        if key in order:
            line(f"{key.title():<11}{order[key]}")
    line(f"Signed by  {', '.join(d['record']['people'])}")
    line(f"Issued     {order['issued']}, to be carried out before {order['expires']}")
    line(f"Recorded   {d['time']}, as entry {d['index']}")
    line(f"In force   {e['time']}, as policy {e['record']['epoch']}, entry {e['index']}")
    title("SESSIONS THAT WERE CUT")
    were = many(len(cuts), "session was cut", "sessions were cut")
    out.extend(wrapped("", f"{were}. What each had received from its beginning to its end:") if cuts else ["  None: no session was open."])
    for cut, r in ((cut, cut["record"]) for cut in cuts):
        what = ", ".join(many(r[key + "s"], key, key + "s") for key in ("statement", "row", "byte"))
        running = "" if r["in_statement"] is None else f", while statement {r['in_statement']} was running"
        line(f"session {r['session']}: {what}; ended {r['at']}{running} (entry {cut['index']})")
    line()
    if not told["drained"]:
        line("No gateway was at work.")
    for one, r in ((one, one["record"]) for one in told["drained"]):
        line(f"gateway {r['gateway']}: no session left at {r['at']}, {many(r['sessions_cut'], 'session', 'sessions')} cut (entry {one['index']})")
    title("WHAT WAS DONE IN THE DATABASE")
    for step in c["record"]["steps"]:
        line(f"{step['at']}  {step['what']}: {step['result']}")
    line()
    line(f"What the catalog said afterwards, at {c['record']['at']} (entry {c['index']}):" if c["record"]["roles"]
         else "No role of the database belonged to the partner.")
    for r in c["record"]["roles"]:
        can = {True: "can", False: "cannot"}
        line(f"role {r['role']} (agreement {r['agreement']}, purpose {r['purpose']})")
        line(f"  {can[r['can_login']]} log in, has {'a' if r['has_password'] else 'no'} password, {can[r['can_connect']]} connect, "
             f"has rights to read {many(r['readable_relations'], 'relation', 'relations')};")
        line(f"  {many(r['backends_ended'], 'backend was', 'backends were')} ended, {many(r['backends_left'], 'is', 'are')} left; "
             f"{many(r['prepared_rolled_back'], 'prepared transaction was', 'prepared transactions were')} rolled back;")
        line(f"  last changed by transaction {r['xmin']}" + (f", committed {r['committed_at']}" if r["committed_at"] else ""))
    title("THE PARTNER'S LOG IS CLOSED")
    origin = f"{order['custodian']}/p/{order['partner']}"
    out.extend(wrapped("", f"Every disclosure to {order['partner']} must be a leaf of the log {origin}; one that is not is a breach, and whoever "
                       f"reads the whole main log can see it. The last leaf of the partner's log is number {max(partner_log[0] - 1, 0)}, and says that "
                       "the log is closed."))
    root = lambda log: base64.b64encode(log[1]).decode()
    line(f"Closed     {closed['time']}, as entry {closed['index']} of the main log")
    line(f"Counted    {census['time']}, by the census in entry {census['index']}")
    line(f"Log        {origin}, {partner_log[0]} leaves, root {root(partner_log)}")
    line(f"Main log   {order['custodian']}/audit, {main[0]} entries, root {root(main)}")
    if cosigners:
        line(f"Cosigned   {', '.join(cosigners)}")
        out.extend(wrapped("", "These names stand under both checkpoints. What they say, and when, is seen with their keys: "
                           "`estop certificate verify --witnesses POLICY` (C2SP tlog-cosignature, tlog-policy)."))
    title("WHAT THIS CERTIFICATE DOES NOT SHOW")
    same, clocks = WITNESSED if cosigners else ALONE
    lasts = f"That the suspension lasts: it lapses by itself at {until}, and two authorities can lift it before.\n" if until else ""
    for limit in LIMITS.format(partner=order["partner"], until=census["time"], lasts=lasts, same=same, clocks=clocks).split("\n"):
        out.extend(wrapped("- ", limit))
    title("HOW TO CHECK IT")
    out.extend(wrapped("", "`estop certificate verify` needs this file and the custodian's public key, nothing else. By hand:"))
    for number, step in enumerate(STEPS, 1):
        out.extend(wrapped(f"{number}. ", step))
        if number == 3:
            for person in d["record"]["people"]:
                line(f"   ssh-keygen -Y verify -f signers -I {person} -n directive@{order['custodian']} -s signature < directive")
    return "\n".join(out + [""])

def verify(name, point, data):
    """Makes every check; the first that does not hold raises `Refuted`."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise Refuted("not UTF-8") from None
    match(CUSTODIAN, name, "a custodian's name")
    body = signed(text, name, point)
    need(len(note(text)[1]) == 1 and body.startswith(HEADER) and MARKER in body, "not a certificate with one signature")
    people_text, machine = body.split(MARKER, 1)
    parts = sections(machine)
    one = {key: value for key, value in parts}
    signatures = [value for key, value in parts if key == "signature"]
    main = checkpoint(one["checkpoint"], f"{name}/audit", point)
    told, last = {kind: [] for kind in [*RECORDS, "census"]}, -1
    for at, (key, value) in enumerate(parts):
        if key != "entry":
            continue
        read = entry(value)
        opened = parts[at + 1][0] == "key"
        read["index"], proof = place(parts[at + (3 if opened else 1)][1])
        need(read["kind"] in told, "an entry that does not belong here")
        leaf = hashlib.sha256(b"\0" + value.encode()).digest()
        inclusion(read["index"], *main[:1], leaf, main[1], proof)
        need(read["index"] > last, "the entries do not stand in their order")
        last, read["leaf"] = read["index"], leaf
        need(opened == ("commitment" in read), "a record that is not opened, or opens nothing")
        if opened:
            secret, private = unbase64(parts[at + 1][1], 32), parts[at + 2][1]
            over = pack(">Q", len(f"{name}/audit")) + f"{name}/audit".encode() + private.encode()
            need(hmac.compare_digest(hmac.new(secret, over, "sha256").digest(), unbase64(read["commitment"])), "another record")
        if read["kind"] in RECORDS:
            need(opened, "a record that is not opened")
            read["record"] = record(read["kind"], private)
        told[read["kind"]].append(read)
    for kind in ("directive", "epoch", "carried-out", "closed", "census"):
        need(len(told[kind]) == 1, f"not one entry of kind {kind}")
    d, e, c, closed, census = (told[kind][0] for kind in ("directive", "epoch", "carried-out", "closed", "census"))
    order, now = directive(one["directive"]), moment(d["time"])
    need(order["custodian"] == name and "agreement" not in order and "purpose" not in order, "the directive's scope")
    # The approval: two signatures at least, by different people with different keys.
    signers, people = allowed_signers(one["signers"]), []
    need(2 <= len(signatures) <= 16, "not two signatures")
    need(moment(order["issued"]) - now <= timedelta(minutes=5) and now < moment(order["expires"]), "the directive was not valid")
    for armored in signatures:
        blob = sshsig(armored, one["directive"].encode(), f"directive@{name}")
        need(blob in signers, "a key that is not allowed")
        person, names, after, before = signers[blob]
        need(person not in people and (names is None or f"directive@{name}" in names), "a person twice, or another namespace")
        need((not after or now >= after) and (not before or now <= before), "a key that was not valid")
        people.append(person)
    r = d["record"]
    need((r["text"], r["signatures"], r["signers_file"]) == (one["directive"], signatures, one["signers"]), "the ledger has another directive")
    need(r["number"] == order["number"] and r["people"] == people, "the ledger has others who signed")
    # What happened, and in which order.
    for read in [entry(value) for key, value in parts if key == "entry"]:
        need(read.get("partner", order["partner"]) == order["partner"], "an entry about another partner")
    need(count(order["ledger-size"]) <= d["index"], "the directive was drawn up after it was recorded")
    sessions = sorted(told["cut"] + told["drained"], key=lambda read: read["index"])
    way = [d, e, *sessions, c, closed, census]
    for before, after in zip(way, way[1:]):
        need(before["index"] < after["index"] and before["time"] <= after["time"], "an order that cannot be")
    epoch = e["record"]["epoch"]
    need(e["record"]["directive"] == order["number"] and not e["record"]["lifted"], "a policy of another directive, or one that lifts")
    for read in [*told["drained"], c, closed]:
        need(read["record"]["directive"] == order["number"] and read["record"]["epoch"] >= epoch, "an entry under another directive or policy")
    for read in told["cut"]:
        need(read["record"]["directive"] == order["number"] and read["sequence"] < closed["sequence"], "a cut of another directive, or after the end")
    cut = [read["record"]["session"] for read in told["cut"]]
    need(len(set(cut)) == len(cut), "a session cut twice")
    gateways = [read["record"]["gateway"] for read in told["drained"]]
    need(len(set(gateways)) == len(gateways) and set(gateways) == set(e["record"]["gateways"]), "the gateways")
    need(sum(read["record"]["sessions_cut"] for read in told["drained"]) == len(cut), "the number of cuts")
    need(not cut or told["drained"] and told["cut"][-1]["index"] < told["drained"][-1]["index"], "a cut after the last gateway was drained")
    for role in c["record"]["roles"]:
        need(not role["can_login"] and not role["has_password"] and role["backends_left"] == 0, f"role {role['role']} is alive")
    # The partner's log, and what it ends with.
    origin = f"{name}/p/{order['partner']}"
    partner_log = checkpoint(one["partner-checkpoint"], origin, point)
    index, proof = place(one["partner-proof"])
    need(index + 1 == partner_log[0] and closed["sequence"] == index, "the end is not the last leaf")
    inclusion(index, *partner_log[:1], closed["leaf"], partner_log[1], proof)
    counted = [line for line in census["body"].split("\n") if line.startswith(f"log {origin} ")]
    need(counted == [f"log {origin} {partner_log[0]} {base64.b64encode(partner_log[1]).decode()} closed"], "the census counts otherwise")
    beside = [[signer for signer, _, _ in note(one[key])[1] if signer != of]
              for key, of in (("checkpoint", f"{name}/audit"), ("partner-checkpoint", origin))]
    cosigners = [signer for signer in dict.fromkeys(beside[0]) if signer in beside[1]]
    need(people_text == prose(order, told, main, partner_log, cosigners), "the text for people says something else than the machine part")
    return f"{name}: {order['number']} {'suspended' if 'until' in order else 'ended'} all access of {order['partner']}; the log closed {closed['time']}, counted {census['time']}"

def main():
    if len(sys.argv) < 3:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    try:
        try:
            with open(sys.argv[1], encoding="utf-8") as file:
                key = file.read().strip()
        except OSError:
            key = sys.argv[1]
        name, hash_, blob = key.split("+", 2)
        point = unbase64(blob, 33)
        need(point[:1] == b"\1" and key_id(name, point[1:]).hex() == hash_ and is_strong(point[1:]), "not a custodian's key")
    except (OSError, ValueError, Refuted) as error:
        print(f"cannot begin: {error}", file=sys.stderr)
        return 2
    status = 0
    for path in sys.argv[2:]:
        try:
            with open(path, "rb") as file:
                print(f"{path}: holds: {verify(name, point[1:], file.read(64 << 20))}")
        except OSError as error:
            print(f"cannot begin: {error}", file=sys.stderr)
            return 2
        except Refuted as error:
            print(f"{path}: does not hold: {error}")
            status = 1
    return status

if __name__ == "__main__":
    sys.exit(main())
