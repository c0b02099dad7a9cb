"""Like idle_sync.py, with the asyncio client."""

import asyncio
import json
import sys

import socketio


async def start(name, url, transports, **more):
    """Connects a client. `more` contains `auth` and `wait_timeout` if the version supports them."""

    def say(event, text=None):
        print(json.dumps({"client": name, "event": event, "text": text}), flush=True)

    client = socketio.AsyncClient()
    client.on("connect", lambda: say("connect"))
    client.on("disconnect", lambda *reason: say("disconnect"))
    client.on("new_message", lambda message, offset=None: say("message", message["content"]["text"]))
    await client.connect(url, transports=transports, **more)
    return client


async def main():
    clients = [await start(**client) for client in json.loads(sys.argv[1])]
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for client in clients:
        await client.disconnect()


asyncio.run(main())
