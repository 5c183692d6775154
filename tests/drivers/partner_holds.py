"""A partner who holds so many sessions, and asks in each of them again when a line comes on standard input.

usage: partner_holds.py CONNINFO COUNT

Says `ready` when all are open and answer; at the line prints one JSON document: how many still answer, every error of the others, and
what one more was told while they were there.
"""

import json
import sys

import psycopg

CONNINFO, COUNT = sys.argv[1], int(sys.argv[2])


def told(work):
    """The error of it, without the client's own words; None if there is none."""
    try:
        work()
        return None
    except psycopg.Error as error:
        return f"{error.sqlstate}: {error}"


def main():
    held = [psycopg.connect(CONNINFO, autocommit=True) for _ in range(COUNT)]
    for one in held:
        one.execute("select count(*) from people").fetchone()
    more = told(lambda: psycopg.connect(CONNINFO).close())
    print("ready", flush=True)
    sys.stdin.readline()
    errors = [told(lambda one=one: one.execute("select count(*) from people").fetchone()) for one in held]
    answered = errors.count(None)
    print(json.dumps({"answered": answered, "errors": [e for e in errors if e], "more": more}), flush=True)


main()
