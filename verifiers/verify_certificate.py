#!/usr/bin/env python3
"""Checks a certificate of termination or suspension, offline: a second program, written from docs/formats.md and not from the first.

    verify_certificate.py KEY CERTIFICATE...

KEY is the custodian's public key (`name+hash+base64`) or a file that holds it. Needs Python 3.9 and `cryptography`. Exits with 0 if
every certificate holds, 1 if one does not (the reason is printed), 2 if called wrongly. It does not look at witnesses' cosignatures.
"""

import base64, hashlib, hmac, json, os, re, sys, textwrap
from datetime import datetime, timedelta, timezone
from struct import pack, unpack

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
from cryptography.hazmat.primitives.hashes import SHA256

SLUG, CUSTODIAN = r"[a-z0-9][a-z0-9-]{0,62}", r"(?=.{1,100}\Z)([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
NUMBER, COUNT = r"D-[0-9]{4}-(?:[0-9]{4}|[1-9][0-9]{4,8})", r"0|[1-9][0-9]{0,19}"
HASH, TIME = r"[A-Za-z0-9+/]{43}=", r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"
PERSON = r"""(?=.{1,255}\Z)[!$%&(-+\-./0-9:;<=>@A-Z\[\]^_`a-z{|}~]+"""
DECEPTIVE = re.compile("[\0-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]")
ONCE = ("directive", "epoch", "carried-out", "closed", "census")
# The y coordinates of Ed25519's points of small order: under such a key a signature fits many messages.
SMALL_ORDER = {0, 1, 2**255 - 20, 2**255 - 19, 2**255 - 18,
               2707385501144840649318225287225658788936804267575313519463743609750303021419,
               55188659117513257062467267217118295137698188065244968500265048394206261417927}

def need(condition, reason):
    """A check. Whatever else raises a `ValueError` (base64, UTF-8, JSON, dates, curves) refutes as well."""
    if not condition:
        raise ValueError(reason)

def match(pattern, text, what): return need(re.fullmatch(pattern, text, re.A | re.S), f"{what}: {text[:80]!r}") or text
def count(text, what="a count"): return need(int(match(COUNT, text, what)) < 2**64, f"{what} is too large") or int(text)
def encoded(data): return base64.b64encode(data).decode()
def sha256(data): return hashlib.sha256(data).digest()
def moment(text, form="%Y-%m-%dT%H:%M:%SZ"): return datetime.strptime(text, form).replace(tzinfo=timezone.utc)
def is_strong(point): return len(point) == 32 and int.from_bytes(point, "little") & (2**255 - 1) not in SMALL_ORDER
def p256(point): return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
def verify_ed25519(point, signature, data): ed25519.Ed25519PublicKey.from_public_bytes(point).verify(signature, data)
def key_id(name, point): return sha256(name.encode() + b"\n\x01" + point)[:4]

def unbase64(text, length=None, what="base64"):
    data = base64.b64decode(text, validate=True)
    return need(encoded(data) == text and length in (None, len(data)), f"{what}: another form of base64") or data

# Notes, checkpoints and trees: C2SP signed-note and tlog-checkpoint, RFC 6962, RFC 9162.
def note(text):
    """The text and the signature lines (name, id, signature) of a note."""
    need(len(text.encode()) <= 1_000_000 and "\n\n" in text and text.endswith("\n"), "not a signed note")
    (head, tail), lines = text.rsplit("\n\n", 1), []
    need(not re.search(r"[\0-\x09\x0b-\x1f]", head) and len(head.encode()) < 900_000, "a note's text")
    for line in tail[:-1].split("\n"):
        found = re.fullmatch("\u2014 ([^\\s\0-\x1f\x7f-\x9f+]+) ([^ ]+)", line)
        need(found and len(blob := unbase64(found[2], what="a signature line")) > 4 and len(lines) < 100, "a signature line")
        lines.append((found[1], blob[:4], blob[4:]))
    return head + "\n", lines

def signed(text, name, point):
    body, lines = note(text)
    ours = [signature for *whose, signature in lines if whose == [name, key_id(name, point)]]
    need(ours and not any(verify_ed25519(point, signature, body.encode()) for signature in ours), f"no signature by {name}")
    return body

def checkpoint(text, origin, point):
    lines = signed(text, origin, point).split("\n")
    need(len(lines) == 4 and lines[0] == origin and lines[3] == "", f"the checkpoint of {origin}")
    return count(lines[1]), unbase64(lines[2], 32)

def climb(index, size, leaf, proof):
    """The root of a tree of this size in which the leaf stands there (RFC 9162, section 2.1.3)."""
    need(index < size and (size > 1) == bool(proof), "a proof of another length")
    if size == 1: return leaf
    left = 1 << (size - 1).bit_length() - 1
    if index < left:
        return sha256(b"\1" + climb(index, left, leaf, proof[:-1]) + proof[-1])
    return sha256(b"\1" + proof[-1] + climb(index - left, size - left, leaf, proof[:-1]))

# The file.
def sections(text):
    parts, raw = [], text.encode()
    while raw != b"end\n":
        found = re.match(rb"section ([a-z-]+) (0|[1-9][0-9]{0,8})\n", raw)
        need(found and raw[(end := found.end() + int(found[2])):][:1] == b"\n", "the machine part")
        parts.append((found[1].decode(), raw[found.end():end].decode()))
        raw = raw[end + 1:]
    order = r"signers directive (signature )*checkpoint (entry (key record )?proof )*partner-checkpoint partner-proof "
    return need(re.fullmatch(order, "".join(name + " " for name, _ in parts)), "the order of the machine part") or parts

def place(text):
    found = re.fullmatch(r"index (.*)\n((?:.*\n){0,64})", text)
    return need(found, "a proof") or (count(found[1]), [unbase64(line, 32, "a proof") for line in found[2].split("\n")[:-1]])

def fields(lines, forms, what):
    """`key value` lines in the order of the forms; a key with `?` may be left out."""
    read, lines = {}, [line.partition(" ") for line in lines]
    for key, form in forms.items():
        name = key.rstrip("?")
        if lines and lines[0][:2] == (name, " "):
            read[name] = match(form, lines.pop(0)[2], f"{what}'s {name}")
            need((form != HASH or unbase64(read[name], 32)) and (form != TIME or moment(read[name])), f"{what}'s {name}")
        else:
            need(key != name, f"{what} lacks `{name}`")
    return need(not lines, f"{what} has more lines than it should") or read

def entry(text):
    head, cut, body = text.partition("\n\n")
    lines = (head + "\n" if cut else text).split("\n")
    need(len(text.encode()) <= 65535 and lines.pop() == "" and lines.pop(0) == "estop/entry/v1", "an entry's form")
    read = fields(lines, {"kind": "|".join(RECORDS) + "|census", "time": TIME, "partner?": SLUG, "agreement?": SLUG, "purpose?": SLUG,
                          "sequence?": COUNT, "previous?": HASH, "commitment?": HASH}, "an entry")
    inside = read["kind"] in ("closed", "cut")
    need(("sequence" in read) == ("previous" in read) == inside and ("partner" in read or not inside), "an entry's place")
    need(not cut or body.endswith("\n") and not re.search(r"[\0-\x08\x0b-\x1f\x7f-\x9f]", body), "an entry's body")
    return {**read, "sequence": count(read["sequence"]) if inside else None, "body": body}

# Private records: the fields of each kind, by the type that each must have.
U64, TEXT, FLAG, AT, OPTIONAL_AT, WORDS = "u64", ".*", "flag", TIME[:-1] + r"(?:\.[0-9]{1,9})?Z", "at?", "(.*)"
ROLE = {"role": TEXT, "agreement": SLUG, "purpose": SLUG, "can_login": FLAG, "has_password": FLAG, "backends_ended": U64, "backends_left": U64,
        "prepared_rolled_back": U64, "can_connect": FLAG, "readable_relations": U64, "xmin": TEXT, "committed_at": OPTIONAL_AT}
RECORDS = {
    "directive": {"number": NUMBER, "text": TEXT, "signatures": [TEXT], "signers_file": TEXT, "people": [TEXT],
                  "estate?": {"signers_file": TEXT, "terms": TEXT}},
    "epoch": {"epoch": U64, "directive?": NUMBER, "at": AT, "gateways": [WORDS], "approval?": NUMBER, "lifted?": [NUMBER]},
    "cut": {"session": r"[0-9a-f]{16}", "directive": NUMBER, "at": AT, "statements": U64, "rows": U64, "bytes": U64, "in_statement?": U64},
    "drained": {"gateway": WORDS, "epoch": U64, "directive": NUMBER, "sessions_cut": U64, "at": AT},
    "carried-out": {"directive": NUMBER, "epoch": U64, "at": AT, "steps": [{"what": TEXT, "at": AT, "result": TEXT}], "roles": [ROLE]},
    "closed": {"directive": NUMBER, "epoch": U64, "at": AT},
}

def typed(value, form):
    if isinstance(form, list):
        return need(isinstance(value, list), "a record's list") or [typed(one, form[0]) for one in value]
    if isinstance(form, dict):
        names = {key.rstrip("?"): (of, key[-1] == "?") for key, of in form.items()}
        need(isinstance(value, dict) and not value.keys() - names.keys(), "a record's part")
        for name, (of, optional) in names.items():
            need((optional or name in value) and (not isinstance(of, list) or value.get(name, of) is not None), f"a record lacks `{name}`")
        return {name: typed(value[name], of) if value.get(name) is not None or not optional else None for name, (of, optional) in names.items()}
    if form in (FLAG, U64):
        right = type(value) is bool if form == FLAG else type(value) is int and 0 <= value < 2**64
        return need(right, "a record's number or flag") or value
    if form == OPTIONAL_AT and value is None:
        return None
    need(isinstance(value, str) and (form != WORDS or len(value.encode()) <= 500), "a record's text")
    match(AT if form == OPTIONAL_AT else form, value, "a record's text")
    is_time = form in (AT, OPTIONAL_AT) and moment(value[:19] + "Z")
    return re.sub(r"\.?0*Z$", "Z", value) if is_time and "." in value else value

def record(kind, text):
    def once(pairs): return need(len(dict(pairs)) == len(pairs), "a record with a field twice") or dict(pairs)
    def integer(digits): return need(digits != "-0", "a record's number") or int(digits)
    value = json.loads(text, object_pairs_hook=once, parse_int=integer, parse_constant=lambda _: need(False, "no JSON"))
    return need(json.dumps(value, ensure_ascii=False).encode(), "a record that is no text") or typed(value, RECORDS[kind])

# The directive, who may sign, and who has.
def directive(text):
    need(len(text.encode()) <= 4096 and text.startswith("estop/directive/v1\n") and text.endswith("\n"), "the directive's form")
    read = fields(text.split("\n")[1:-1], {
        "custodian": CUSTODIAN, "number": NUMBER, "kind": "terminate|suspend", "partner": SLUG, "agreement?": SLUG, "purpose?": SLUG,
        "until?": TIME, "basis": r".+", "services?": r".+", "grounds?": r".+", "hearing?": TIME, "contact?": r".+", "notice?": r".+",
        "preview?": HASH, "issued": TIME, "expires": TIME, "nonce": r"[A-Za-z0-9+/]{22}==", "ledger-size": COUNT, "ledger-root": HASH}, "the directive")
    for key, most in (("basis", 500), ("services", 500), ("grounds", 500), ("contact", 500), ("notice", 1000)):
        said = read.get(key, "-")
        need(len(said.encode()) <= most and said.strip(" ") == said and not DECEPTIVE.search(said), f"the directive's {key}")
    issued, until = moment(read["issued"]), read.get("until")
    need((until is not None) == (read["kind"] == "suspend") and (not until or moment(until) > issued), "the end of a suspension")
    lifetime = moment(read["expires"]) - issued
    return need(timedelta(0) < lifetime <= timedelta(days=31) and unbase64(read["nonce"], 16), "the directive's times") or read

def wire(data, what="a key"):
    """The strings of SSH's wire format, to the end."""
    parts = []
    while data:
        need(len(data) >= 4 and len(data) >= (end := 4 + unpack(">I", data[:4])[0]), what)
        parts.append(data[4:end])
        data = data[end:]
    return parts

def public_key(blob):
    """Its type and its point, once they are sound."""
    kind, *parts = wire(blob)
    if kind == b"ecdsa-sha2-nistp256":
        right = len(parts) == 2 and parts[0] == b"nistp256" and len(parts[1]) == 65 and parts[1][0] == 4 and p256(parts[1])
        return need(right, "a key of another curve or form") or (kind.decode(), parts[1])
    made_for = {b"ssh-ed25519": [], b"sk-ssh-ed25519@openssh.com": [b"ssh:"]}.get(kind)
    right = parts and made_for == [part[:4] for part in parts[1:]] and is_strong(parts[0])
    return need(right, "a key of a kind, or for a use, that is not accepted") or (kind.decode(), parts[0])

def stamp(text):
    need(text is None or re.fullmatch("(?:[0-9]{8}|[0-9]{12}|[0-9]{14})Z", text, re.A), "a time of the allowed signers")
    return text and moment(text[:-1].ljust(14, "0"), "%Y%m%d%H%M%S")

def allowed_signers(text):
    """Key blob to (person, namespaces, valid after, valid before)."""
    need(not re.search(r"[\0-\x09\x0b-\x1f\x7f-\x9f]", text) and text[-1:] in ("", "\n") and len(text.encode()) <= 1 << 20, "the allowed signers")
    keys, spelt, points = {}, {}, set()
    option = r"""(?:namespaces|valid-after|valid-before)="[^"\\]*\""""
    for line in filter(lambda line: line and line[0] != "#", (line.strip(" ") for line in text.split("\n"))):
        found = re.fullmatch(rf"([^ ]+) +(?:({option}(?:,{option})*) +)?([^ =]+) +([^ ]+)(?: .*)?", line, re.S | re.I)
        need(found, "a line of the allowed signers")
        person = match(PERSON, found[1], "a name of the allowed signers")
        need(spelt.setdefault(person.lower(), person) == person, "one person in two spellings")
        given = re.findall(r'([a-z-]+)="([^"]*)"', found[2] or "", re.I)
        options = {name.lower(): value for name, value in given}
        names = options["namespaces"].split(",") if "namespaces" in options else None
        need(len(options) == len(given) and all(re.fullmatch(r"""["-)+->@-~]+""", name) for name in names or ()), "an option")
        after, before = stamp(options.get("valid-after")), stamp(options.get("valid-before"))
        need(not (after and before) or after < before, "a key that is never valid")
        kind, point = public_key(blob := unbase64(found[4], what="a key"))
        need(kind == found[3] and point not in points, "a key of another type, or one key in two lines")
        keys[blob] = points.add(point) or (person, names, after, before)
    return keys

def sshsig(armored, message, namespace):
    """The key blob of an SSHSIG (OpenSSH PROTOCOL.sshsig) over the message that holds."""
    found = re.fullmatch(r"-----BEGIN SSH SIGNATURE-----\n((?:.{70}\n)*.{1,70})\n-----END SSH SIGNATURE-----\n?", armored)
    need(len(armored) <= 4096 and found, "a signature's armor")
    data = unbase64(found[1].replace("\n", ""), what="a signature")
    need(data[:10] == b"SSHSIG" + pack(">I", 1) and len(parts := wire(data[10:], "a signature")) == 5, "a signature's version")
    key, names, reserved, algorithm, signature = parts
    need(names == namespace.encode() and reserved == b"" and algorithm in (b"sha256", b"sha512"), "a signature of another namespace or hash")
    over = (names, b"", algorithm, hashlib.new(algorithm.decode(), message).digest())
    over = b"SSHSIG" + b"".join(pack(">I", len(part)) + part for part in over)
    kind, point = public_key(key)
    signature, trailer = (signature[:-5], signature[-5:]) if kind.startswith("sk-") else (signature, b"")
    made = wire(signature, "a signature")
    need(len(made) == 2 and made[0] == kind.encode(), "a signature of another kind than its key")
    if kind.startswith("sk-"):
        need(len(trailer) == 5 and trailer[0] & 5 == 5, "a security key that nobody touched, or did not verify who")
        over = sha256(wire(key)[2]) + trailer + sha256(over)
    if kind.startswith("ecdsa"):
        r, s = (int.from_bytes(number, "big") for number in wire(made[1], "a signature"))
        p256(point).verify(utils.encode_dss_signature(r, s), over, ec.ECDSA(SHA256()))
    else:
        verify_ed25519(point, made[1], over)
    return key

# What the certificate says, in the words that the machine part gives.
HEADER, MARKER = "estop/certificate/v1\n", "\n=== machine part ===\n"
LIMITS = """That {partner} has deleted, or not passed on, what it had received before it was cut off.
Anything after {counted}, the time of the count that it rests on. A later certificate can say that the log is still closed.
{lasts}Ways to the data that do not lead through this custodian's gateways: copies, backups, replicas, exports, other systems, and people who administer the database itself.
More of the database than it said of itself: what its catalog answered was read and signed by the custodian, and seen by no one else.
That the custodian shows everyone the same ledger{same}
The time by any clock but the custodian's own{clocks}"""
SAME, CLOCKS = (". No witness outside the custodian has signed the checkpoint below: compare it with the one that is published.",
                ", unless enough of the witnesses that are named above are witnesses whom you trust, with keys that you have from elsewhere."), (
                ".", "; those of the witnesses stand in their cosignatures.")
STEPS = """All up to the last empty line is signed with the custodian's Ed25519 key (C2SP signed-note).
In the machine part below, each section begins with a line `section NAME LENGTH`; then come that many bytes and a line feed.
Write the sections `directive`, `signature` (one file each) and `signers` to files and, for each who signed, run:
Each `proof` leads from the SHA-256 of a zero byte and its `entry` to the root in `checkpoint` (RFC 6962): the line `c2sp.org/tlog-proof@v1`, the proof, an empty line and the checkpoint are a C2SP tlog-proof.
Each `record` and its `key` give the commitment in its entry: HMAC-SHA256 under the key over the length of the main log's name (8 bytes), that name, and the record.
The entry of kind `closed` is, by `partner-proof`, the last leaf under `partner-checkpoint`; the entry of kind `census` lists that log with the same size and root.""".split("\n")

def plain(text): return DECEPTIVE.sub(lambda found: "\\u{%x}" % ord(found[0]), text)
def many(number, one, more=None): return f"{number} {one if number == 1 else more or one + 's'}"

def prose(order, told, main, partner_log, cosigners):
    """The lines for people."""
    d, e, c, closed, census = (told[kind][0] for kind in ONCE)
    custodian, partner, until, origin = order["custodian"], order["partner"], order.get("until"), f"{order['custodian']}/p/{order['partner']}"
    people, done, cuts = d["record"]["people"], c["record"], told["cut"]
    def wrap(text, mark=""):
        return textwrap.wrap(text, 100, initial_indent="  " + mark, subsequent_indent=" " * (2 + len(mark)), break_long_words=False, break_on_hyphens=False)
    def under(title, *lines):
        return ["", title, ""] + [one for line in lines for one in (line if isinstance(line, list) else ["  " + plain(line) if line else ""])]
    def received(r, index):
        running = "" if r["in_statement"] is None else f", while statement {r['in_statement']} was running"
        what = ", ".join(many(r[key + "s"], key) for key in ("statement", "row", "byte"))
        return f"session {r['session']}: {what}; ended {r['at']}{running} (entry {index})"
    def role(r):
        log_in, connect = ("can" if r[key] else "cannot" for key in ("can_login", "can_connect"))
        return (f"role {r['role']} (agreement {r['agreement']}, purpose {r['purpose']})",
                f"  {log_in} log in, has {'a' if r['has_password'] else 'no'} password, {connect} connect, "
                f"has rights to read {many(r['readable_relations'], 'relation')};",
                f"  {many(r['backends_ended'], 'backend was', 'backends were')} ended, {many(r['backends_left'], 'is', 'are')} left; "
                f"{many(r['prepared_rolled_back'], 'prepared transaction was', 'prepared transactions were')} rolled back;",
                f"  last changed by transaction {r['xmin']}" + (f", committed {r['committed_at']}" if r["committed_at"] else ""))
    lasts = f"That the suspension lasts: it lapses by itself at {until}, and two authorities can lift it before.\n" if until else ""
    limits = LIMITS.format(partner=partner, counted=census["time"], lasts=lasts, same=SAME[bool(cosigners)], clocks=CLOCKS[bool(cosigners)]).split("\n")
    steps = [wrap(step, f"{number}. ") for number, step in enumerate(STEPS, 1)]
    steps[3:3] = [f"   ssh-keygen -Y verify -f signers -I {who} -n directive@{custodian} -s signature < directive" for who in people]
    return "\n".join(["estop/certificate/v1"] + under("CERTIFICATE OF " + ("SUSPENSION" if until else "TERMINATION"),
        f"Custodian   {custodian}", f"Partner     {partner}", f"Directive   {order['number']}",
        f"{'Suspended' if until else 'Ended    '}   {closed['time']}", f"Counted     {census['time']}", *[f"Until       {until}"] * bool(until)) + under("WHAT WAS ORDERED",
        wrap(f"All access of {partner} to the data of {custodian} " + (f"is suspended until {until}." if until else "ends.")),
        *(f"{key.title():<11}{order[key]}" for key in ("basis", "services", "grounds", "hearing", "contact", "notice") if key in order),
        f"Signed by  {', '.join(people)}", f"Issued     {order['issued']}, to be carried out before {order['expires']}",
        f"Recorded   {d['time']}, as entry {d['index']}", f"In force   {e['time']}, as policy {e['record']['epoch']}, entry {e['index']}") + under("SESSIONS THAT WERE CUT",
        wrap(many(len(cuts), "session was cut", "sessions were cut") + ". What each had received from its beginning to its end:")
        if cuts else "None: no session was open.", *(received(cut["record"], cut["index"]) for cut in cuts), "",
        *(f"gateway {r['gateway']}: no session left at {r['at']}, {many(r['sessions_cut'], 'session')} cut (entry {index})"
          for r, index in ((one["record"], one["index"]) for one in told["drained"])), *["No gateway was at work."] * (not told["drained"])) + under("WHAT WAS DONE IN THE DATABASE",
        *(f"{step['at']}  {step['what']}: {step['result']}" for step in done["steps"]), "",
        f"What the catalog said afterwards, at {done['at']} (entry {c['index']}):" if done["roles"]
        else "No role of the database belonged to the partner.", *(line for r in done["roles"] for line in role(r))) + under("THE PARTNER'S LOG IS CLOSED",
        wrap(f"Every disclosure to {partner} must be a leaf of the log {origin}; one that is not is a breach, and whoever reads the whole main log "
             f"can see it. The last leaf of the partner's log is number {max(partner_log[0] - 1, 0)}, and says that the log is closed."),
        f"Closed     {closed['time']}, as entry {closed['index']} of the main log",
        f"Counted    {census['time']}, by the census in entry {census['index']}",
        f"Log        {origin}, {partner_log[0]} leaves, root {encoded(partner_log[1])}",
        f"Main log   {custodian}/audit, {main[0]} entries, root {encoded(main[1])}", *[f"Cosigned   {', '.join(cosigners)}"] * bool(cosigners),
        wrap("These names stand under both checkpoints. What they say, and when, is seen with their keys: `estop certificate verify --witnesses "
             "POLICY` (C2SP tlog-cosignature, tlog-policy).") if cosigners else []) + under("WHAT THIS CERTIFICATE DOES NOT SHOW", *(wrap(limit, "- ") for limit in limits)) + under("HOW TO CHECK IT",
        wrap("`estop certificate verify` needs this file and the custodian's public key, nothing else. By hand:"), *steps) + [""])

def approved(order, d, text, signatures, signers_file):
    """Two signatures at least, by different people with different keys, and the ledger has the same."""
    signers, people, now, namespace = allowed_signers(signers_file), [], moment(d["time"]), f"directive@{order['custodian']}"
    valid = moment(order["issued"]) - now <= timedelta(minutes=5) and now < moment(order["expires"])
    need(2 <= len(signatures) <= 16 and valid, "not two signatures, or not within the time of the directive")
    for armored in signatures:
        need((blob := sshsig(armored, text.encode(), namespace)) in signers, "a key that is not allowed")
        person, names, after, before = signers[blob]
        need(person not in people and (names is None or namespace in names), "a person twice, or another namespace")
        need((not after or now >= after) and (not before or now <= before), "a key that was not valid")
        people.append(person)
    recorded = tuple(d["record"][key] for key in ("number", "text", "signatures", "signers_file", "people"))
    need(recorded == (order["number"], text, signatures, signers_file, people), "the ledger has another directive, or others who signed")

def happened(order, told):
    """What happened, and in which order."""
    d, e, c, closed, census = (told[kind][0] for kind in ONCE)
    cuts, drained, policy = told["cut"], told["drained"], e["record"]
    way = [d, e, *sorted(cuts + drained, key=lambda read: read["index"]), c, closed, census]
    need(all(one.get("partner", order["partner"]) == order["partner"] for one in way), "an entry about another partner")
    need(count(order["ledger-size"]) <= d["index"], "the directive was drawn up after it was recorded")
    for before, after in zip(way, way[1:]):
        need(before["index"] < after["index"] and before["time"] <= after["time"], "an order that cannot be")
    need(all(one["record"]["directive"] == order["number"] for one in way[1:-1]), "an entry of another directive")
    need(all(one["record"]["epoch"] >= policy["epoch"] for one in [*drained, c, closed]) and not policy["lifted"], "another policy, or one that lifts")
    sessions, gateways = ([one["record"][key] for one in kind] for kind, key in ((cuts, "session"), (drained, "gateway")))
    need(len(set(sessions)) == len(sessions) == sum(one["record"]["sessions_cut"] for one in drained), "the sessions that were cut")
    need(len(set(gateways)) == len(gateways) and set(gateways) == set(policy["gateways"]), "the gateways")
    need(all(cut["sequence"] < closed["sequence"] and cut["index"] < drained[-1]["index"] for cut in cuts), "a cut after the end")
    for role in c["record"]["roles"]:
        need(not role["can_login"] and not role["has_password"] and role["backends_left"] == 0, f"role {role['role']} is alive")

def verify(name, point, data):
    """Makes every check; the first that does not hold raises a `ValueError` or `InvalidSignature`."""
    text, audit = data.decode(), match(CUSTODIAN, name, "a custodian's name") + "/audit"
    people_text, marker, machine = signed(text, name, point).partition(MARKER)
    need(len(note(text)[1]) == 1 and people_text.startswith(HEADER) and marker, "not a certificate with one signature")
    parts = sections(machine)
    one, main = dict(parts), checkpoint(dict(parts)["checkpoint"], audit, point)
    told, last = {kind: [] for kind in [*RECORDS, "census"]}, -1
    for at, value in ((at, value) for at, (key, value) in enumerate(parts) if key == "entry"):
        read, leaf = entry(value), sha256(b"\0" + value.encode())
        opened = parts[at + 1][0] == "key"
        index, proof = place(parts[at + (3 if opened else 1)][1])
        need(climb(index, main[0], leaf, proof) == main[1], "an entry does not stand in the log")
        need(index > last, "entries that do not stand in their order")
        need(opened == ("commitment" in read) and (opened or read["kind"] not in RECORDS), "a record that is not opened, or opens nothing")
        if opened:
            over = pack(">Q", len(audit)) + (audit + parts[at + 2][1]).encode()
            need(hmac.digest(unbase64(parts[at + 1][1], 32), over, "sha256") == unbase64(read["commitment"]), "another record")
        opens, last = (record(read["kind"], parts[at + 2][1]) if read["kind"] in RECORDS else None), index
        told[read["kind"]].append({**read, "index": index, "leaf": leaf, "record": opens})
    need(all(len(told[kind]) == 1 for kind in ONCE), "not one entry of each kind")
    order, closed, census = directive(one["directive"]), told["closed"][0], told["census"][0]
    need(order["custodian"] == name and "agreement" not in order and "purpose" not in order, "the directive's scope")
    approved(order, told["directive"][0], one["directive"], [value for key, value in parts if key == "signature"], one["signers"])
    happened(order, told)
    # The partner's log, and what it ends with.
    origin = f"{name}/p/{order['partner']}"
    partner_log, (index, proof) = checkpoint(one["partner-checkpoint"], origin, point), place(one["partner-proof"])
    last_leaf = index + 1 == partner_log[0] and closed["sequence"] == index and climb(index, partner_log[0], closed["leaf"], proof) == partner_log[1]
    counted = [line for line in census["body"].split("\n") if line.startswith(f"log {origin} ")]
    ends = counted == [f"log {origin} {partner_log[0]} {encoded(partner_log[1])} closed"]
    need(last_leaf and ends, "the end is not the last leaf, or the census counts otherwise")
    ours, theirs = ([signer for signer, _, _ in note(one[key])[1]] for key in ("checkpoint", "partner-checkpoint"))
    cosigners = [signer for signer in dict.fromkeys(ours) if signer in theirs and signer not in (audit, origin)]
    need(people_text == prose(order, told, main, partner_log, cosigners), "the text for people says something else than the machine part")
    return f"{name}: {order['number']} {'suspended' if 'until' in order else 'ended'} all access of {order['partner']}; the log closed {closed['time']}, counted {census['time']}"

def main():
    if len(sys.argv) < 3:
        sys.exit(print(__doc__.strip(), file=sys.stderr) or 2)
    status = 0
    try:
        key = open(sys.argv[1], encoding="utf-8").read().strip() if os.path.isfile(sys.argv[1]) else sys.argv[1]
        name, hash_, blob = key.split("+", 2)
        point = unbase64(blob, 33)
        need(point[:1] == b"\1" and key_id(name, point[1:]).hex() == hash_ and is_strong(point[1:]), "not a custodian's key")
        for path in sys.argv[2:]:
            with open(path, "rb") as file: data = file.read(64 << 20)
            try:
                print(f"{path}: holds: {verify(name, point[1:], data)}")
            except (ValueError, RecursionError, InvalidSignature) as error:
                status = print(f"{path}: does not hold: {str(error) or 'a signature does not verify'}") or 1
    except (OSError, ValueError) as error:
        sys.exit(print(f"cannot begin: {error}", file=sys.stderr) or 2)
    sys.exit(status)

if __name__ == "__main__":
    main()
