"""Runs idle clients that print each event as a line of JSON.

The argument is a JSON array of clients. They stay connected until standard input is closed.
"""

import json
import sys

import socketio


def start(name, url, transports, **more):
    """Connects a client. `more` contains `auth` and `wait_timeout` if the version supports them."""

    def say(event, text=None):
        line = json.dumps({"client": name, "event": event, "text": text})
        # A single write, so that the clients' threads do not interleave their lines.
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    client = socketio.Client()
    client.on("connect", lambda: say("connect"))
    client.on("disconnect", lambda *reason: say("disconnect"))
    client.on("new_message", lambda message, offset=None: say("message", message["content"]["text"]))
    client.connect(url, transports=transports, **more)
    return client


clients = [start(**client) for client in json.loads(sys.argv[1])]
sys.stdin.read()
for client in clients:
    client.disconnect()
