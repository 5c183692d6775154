"""Somebody looks at `estop top` on a terminal of eight lines, and ends it with Ctrl-C after three looks.

usage: top_on_terminal.py PROGRAM ARGS...

Prints one JSON document: how often it was drawn, the longest drawing in lines, its exit code, and what came out of it.
"""

import fcntl
import json
import os
import pty
import struct
import sys
import termios

HOME = b"\x1b[H"


def main():
    child, terminal = pty.fork()
    if child == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 8, 80, 0, 0))
        os.environ["TERM"] = "xterm"
        os.execv(sys.argv[1], sys.argv[1:])
    said, ended = b"", False
    while True:
        try:
            more = os.read(terminal, 65536)
        except OSError:  # The program has gone, and the terminal with it.
            more = b""
        if not more:
            break
        said += more
        if said.count(HOME) >= 3 and not ended:
            ended = True
            os.write(terminal, b"\x03")
    draws = said.split(HOME)[1:]
    _, status = os.waitpid(child, 0)
    print(json.dumps({
        "draws": len(draws),
        "lines": max((draw.count(b"\r\n") + 1 for draw in draws), default=0),
        "exit": os.waitstatus_to_exitcode(status),
        "said": said.decode("utf-8", "replace"),
    }))


main()
