"""The line protocol of ../js/lines.mjs, for scripts that wait for events of a library.

A request is {"seq": n, "do": name, ...arguments}; its answer is {"seq": n, ...result} or
{"seq": n, "error": text}. A command is a generator: it yields as long as it has to wait for something,
and returns its result. Between its steps the script's pump runs, which takes in what has happened.
"""

import json
import os
import select
import sys
import time

PACE = 0.01  # seconds between two steps of a command
PATIENCE = 30  # seconds until a command has failed


def say(result):
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()


def serve(commands, pump):
    """Serves the commands until the request "quit" or the end of standard input, so that a script never
    outlives the test that started it."""
    running = []  # (seq, generator, when it has failed)
    for line in _lines(pump, running):
        request = json.loads(line)
        seq, name = request.pop("seq"), request.pop("do")
        if name == "quit":
            return
        if name not in commands:
            say({"seq": seq, "error": "unknown command " + name})
            continue
        running.append((seq, commands[name](**request), time.monotonic() + PATIENCE))


def _lines(pump, running):
    """Yields the lines of standard input; until one comes, the commands that are running are stepped."""
    text = b""
    while True:
        while b"\n" not in text:
            if select.select([0], [], [], PACE)[0]:
                more = os.read(0, 1 << 16)
                if not more:
                    return
                text += more
            pump()
            running[:] = [command for command in running if not _ended(*command)]
        line, text = text.split(b"\n", 1)
        yield line


def _ended(seq, command, deadline):
    try:
        next(command)
    except StopIteration as end:
        say({"seq": seq, **(end.value or {})})
    except Exception as err:  # whatever it is, the test wants to know
        say({"seq": seq, "error": repr(err)})
    else:
        if time.monotonic() < deadline:
            return False
        say({"seq": seq, "error": "the command has not ended within %d s" % PATIENCE})
    return True
