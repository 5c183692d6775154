"""A partner who takes all the memory that it can get, in many sessions at once.

usage: partner_hoards.py CONNINFO SESSIONS

Says `ready` when every session has logged in, then hoards again and again, until a line comes on standard input; then prints
one JSON document: how many statements came to their end, and how often each SQLSTATE or other reason came.
"""

import collections
import json
import sys
import threading
import time

import psycopg

CONNINFO, SESSIONS = sys.argv[1], int(sys.argv[2])

# Each value is one megabyte; they are held together until the last is there.
HOARD = "select cardinality(array_agg(repeat('x', 1000000) || g)) from generate_series(1, 600) g"


def hoard(ended, there, told):
    first = True
    while not ended.is_set():
        try:
            with psycopg.connect(CONNINFO, autocommit=True) as conn:
                if first:
                    first = False
                    there.wait()
                while not ended.is_set():
                    conn.execute(HOARD)
                    told["done"] += 1
        except psycopg.Error as error:
            # A connection that was refused says its reason in words only.
            told[error.sqlstate or str(error).splitlines()[0]] += 1
            # Where no session is to be had, as while the cluster starts.
            time.sleep(0.05)


def main():
    ended, told = threading.Event(), collections.Counter()
    there = threading.Barrier(SESSIONS + 1)
    threads = [threading.Thread(target=hoard, args=(ended, there, told)) for _ in range(SESSIONS)]
    for thread in threads:
        thread.start()
    there.wait()
    print("ready", flush=True)
    sys.stdin.readline()
    ended.set()
    for thread in threads:
        thread.join()
    print(json.dumps(told), flush=True)


main()
