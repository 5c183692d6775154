"""A partner who works on, whatever happens to others.

usage: partner_at_work.py CONNINFO

Says `ready` after the first answer, then asks without a pause on an old session and on new ones, until a line comes on
standard input; then prints one JSON document: how often it asked, the longest that it waited in seconds, and every error.
"""

import json
import sys
import threading
import time

import psycopg

CONNINFO = sys.argv[1]


def main():
    asked, longest, errors, ended = 0, 0.0, [], threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), ended.set()), daemon=True).start()
    old = psycopg.connect(CONNINFO, autocommit=True)
    while not ended.is_set():
        began = time.monotonic()
        try:
            old.execute("select count(*) from people").fetchone()
            with psycopg.connect(CONNINFO) as new:
                new.execute("select name from people limit 10").fetchall()
        except psycopg.Error as error:
            errors.append(f"{error.sqlstate}: {error}")
        asked += 1
        longest = max(longest, time.monotonic() - began)
        if asked == 1:
            print("ready", flush=True)
    print(json.dumps({"asked": asked, "longest": longest, "errors": errors[:5]}), flush=True)


main()
