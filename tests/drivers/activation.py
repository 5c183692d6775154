"""A service manager that holds the gateway's socket: `serve` is exchanged again and again, and no client's connection fails.

usage: activation.py ESTOP ESTATE CONNINFO EXCHANGES

Holds the socket open as systemd does, gives it to each `estop serve` (LISTEN_FDS), waits for its READY=1, asks it to end (SIGTERM), and
starts the next. Meanwhile four clients connect, ask, and go, without a pause. Prints what came of it as JSON.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading

import psycopg
from psycopg.conninfo import conninfo_to_dict

ESTOP, ESTATE, CONNINFO, EXCHANGES = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
PATIENCE = 120
# SD_LISTEN_FDS_START
FIRST = 3

told = {"connected": 0, "answered": 0, "ended": 0, "failed": [], "states": []}
lock = threading.Lock()
stop = threading.Event()


def listening():
    info = conninfo_to_dict(CONNINFO)
    sock = socket.create_server((info["host"], int(info["port"])), backlog=512)
    if sock.fileno() != FIRST:
        os.dup2(sock.fileno(), FIRST)
    return sock


def serve(notify):
    # LISTEN_PID names the process that the sockets are meant for: the shell's, which becomes that of estop.
    command = ["sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh", ESTOP, "--estate", ESTATE, "serve"]
    environment = {**os.environ, "LISTEN_FDS": "1", "NOTIFY_SOCKET": notify}
    return subprocess.Popen(command, pass_fds=(FIRST,), env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def client():
    while not stop.is_set():
        try:
            connection = psycopg.connect(CONNINFO, connect_timeout=PATIENCE, autocommit=True)
        except psycopg.Error as error:
            with lock:
                told["failed"].append(str(error))
            continue
        what = "answered"
        try:
            connection.execute("select count(*) from people")
        except psycopg.OperationalError as error:
            what = "ended"
            if getattr(error, "sqlstate", None) not in (None, "57P01"):
                told["failed"].append(str(error))
        connection.close()
        with lock:
            told["connected"] += 1
            told[what] += 1


def main():
    sock = listening()
    with tempfile.TemporaryDirectory() as folder:
        notify = os.path.join(folder, "notify")
        states = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        states.bind(notify)
        states.settimeout(PATIENCE)
        clients = [threading.Thread(target=client) for _ in range(4)]
        for number in range(EXCHANGES):
            process = serve(notify)
            told["states"].append(states.recv(4096).decode())
            if number == 0:
                for one in clients:
                    one.start()
            before = told["answered"]
            while told["answered"] < before + 8 and process.poll() is None and not told["failed"]:
                stop.wait(0.01)
            if number + 1 == EXCHANGES:
                stop.set()
                for one in clients:
                    one.join()
            process.send_signal(signal.SIGTERM)
            told["states"].append(states.recv(4096).decode())
            if process.wait(PATIENCE) != 0:
                told["failed"].append(f"serve ended with {process.returncode}")
    sock.close()
    print(json.dumps(told))


main()
