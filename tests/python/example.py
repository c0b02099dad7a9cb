"""Runs an example of docs/clients.md unchanged, except for the server's address.

Arguments: the example, the server's URL, and a JSON array of tokens that `fresh_token` returns in turn; it
repeats the last one. The example stays connected until standard input is closed.
"""

import asyncio
import json
import sys

code, url = sys.argv[1].replace("https://realtime.example.com", sys.argv[2]), sys.argv[2]
assert url in code, "the example names no server"
tokens = json.loads(sys.argv[3])


def fresh_token():
    return tokens.pop(0) if len(tokens) > 1 else tokens[0]


names = {"fresh_token": fresh_token}
exec(compile(code, "docs/clients.md", "exec"), names)
client = names["client"]


async def stay(main):
    await main()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await client.disconnect()


if "main" in names:
    asyncio.run(stay(names["main"]))
else:
    sys.stdin.read()
    client.disconnect()
