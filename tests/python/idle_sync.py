"""Clients that do nothing but print what happens to them, a line of JSON each.

The argument is a JSON array of clients. They stay until the standard input ends.
"""

import json
import sys

import socketio


def start(name, url, transports, **more):
    """Connects a client. `more` is `auth`, where the version knows it."""

    def say(event, text=None):
        line = json.dumps({"client": name, "event": event, "text": text})
        # One write: each client has threads of its own.
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
