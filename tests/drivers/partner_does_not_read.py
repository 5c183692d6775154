"""A partner who asks for more than it takes.

usage: partner_does_not_read.py CONNINFO

Sends a statement with an endless result, says `ready`, and reads nothing until a line comes on standard input; then it reads what
there is and prints one JSON document: whether the statement or the connection had ended.
"""

import json
import sys

from psycopg import pq

conn = pq.PGconn.connect(sys.argv[1].encode())
assert conn.status == pq.ConnStatus.OK, conn.error_message
# Wide rows: what lies between the server and this client is full before the server's own timer comes.
conn.send_query(b"select repeat('x', 1000000) from people")
print("ready", flush=True)
sys.stdin.readline()
ended = False
while (result := conn.get_result()) is not None:
    ended = ended or result.status == pq.ExecStatus.FATAL_ERROR
print(json.dumps({"ended": ended}), flush=True)
