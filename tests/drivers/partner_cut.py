"""A partner at work in every way that could outlive its agreement, while the agreement is ended.

usage: partner_cut.py CONNINFO DIRECT_CONNINFO

CONNINFO leads through the gateway; DIRECT_CONNINFO straight to the database as the agreement's own role, as somebody
would who had got hold of its password. Says `ready` when everything is under way, waits for a line on standard input,
tries each session again, and prints one JSON document: for each session what ended it and the rows it received.
"""

import json
import sys
import threading
import time

import psycopg

CONNINFO, DIRECT = sys.argv[1:3]

LARGE = "select a.incident_id, a.offence, b.offence from incidents a, incidents b"

# Longest wait for anything that must come about by itself, in seconds.
PATIENCE = 30


class Station:
    """One session; its application name tells it apart in the list of sessions."""

    conninfo = CONNINFO

    def __init__(self):
        self.rows = 0
        self.rows_after = 0
        self.ended = None
        name = type(self).__name__.lower()
        self.conn = psycopg.connect(self.conninfo, application_name=name, autocommit=True)
        self.begin()

    def note(self, error):
        code = error.sqlstate or ""
        self.ended = {"sqlstate": code, "message": str(error), "closed": self.conn.closed or self.conn.broken}

    def finish(self):
        """Tries to read one more row."""
        try:
            self.rows_after += len(self.again())
        except psycopg.Error as error:
            self.note(error)


class Streaming(Station):
    def begin(self):
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        try:
            with self.conn.cursor() as cur:
                for _ in cur.stream(LARGE):
                    self.rows += 1
        except psycopg.Error as error:
            self.note(error)

    def finish(self):
        self.thread.join(PATIENCE)
        if self.thread.is_alive() or self.ended is None:
            self.ended = {"sqlstate": "", "message": "still reads, or came to its end", "closed": False}
            return
        try:
            self.rows_after += len(self.conn.execute("select * from people limit 5").fetchall())
        except psycopg.Error:
            pass


class Copying(Streaming):
    def read(self):
        try:
            with self.conn.cursor() as cur, cur.copy(f"copy ({LARGE}) to stdout") as copy:
                for block in copy:
                    self.rows += bytes(block).count(b"\n")
        except psycopg.Error as error:
            self.note(error)


class InTransaction(Station):
    def begin(self):
        self.conn.execute("begin isolation level repeatable read")
        self.rows += len(self.conn.execute("select name from people limit 5").fetchall())

    def again(self):
        return self.conn.execute("select name from people limit 5").fetchall()


class HoldingCursor(Station):
    def begin(self):
        self.conn.execute("begin")
        self.conn.execute("declare kept cursor with hold for select name from people limit 1000")
        self.conn.execute("commit")
        self.rows += len(self.conn.execute("fetch 10 from kept").fetchall())

    def again(self):
        return self.conn.execute("fetch 10 from kept").fetchall()


class Prepared(Station):
    def begin(self):
        for _ in range(7):  # past PostgreSQL's five custom plans: the plan is cached
            self.rows += len(self.again())

    def again(self):
        return self.conn.execute("select name from people where case_status = %s limit 5", ("open",), prepare=True).fetchall()


class Direct(InTransaction):
    """Behind the gateway's back, in an open transaction with an old snapshot."""

    conninfo = DIRECT


class DirectCursor(HoldingCursor):
    conninfo = DIRECT


def main():
    kinds = (Streaming, Copying, InTransaction, HoldingCursor, Prepared, Direct, DirectCursor)
    stations = [kind() for kind in kinds]
    until = time.monotonic() + PATIENCE
    while any(station.rows == 0 for station in stations) or any(station.rows < 5_000 for station in stations[:2]):
        assert time.monotonic() < until, "no rows flow"
        time.sleep(0.01)
    print("ready", flush=True)
    sys.stdin.readline()
    for station in stations:
        station.finish()
    said = {type(one).__name__.lower(): {"rows": one.rows, "rows_after": one.rows_after, **(one.ended or {})}
            for one in stations}
    print(json.dumps(said), flush=True)


main()
