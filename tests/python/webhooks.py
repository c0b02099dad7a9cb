"""Checks webhooks with the official library: one on each line of the input, as JSON, `{ secret, headers, body, at? }`.

Prints `accepted`, or why it is refused, for each. The library believes that it is `at`, in seconds, if that is given.
"""

import json
import sys
from datetime import datetime

from standardwebhooks import webhooks


def clock(at):
    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) if at is None else datetime.fromtimestamp(at, tz)

    return Clock


for line in sys.stdin:
    one = json.loads(line)
    webhooks.datetime = clock(one.get("at"))
    try:
        webhooks.Webhook(one["secret"]).verify(one["body"], one["headers"])
        print("accepted")
    except webhooks.WebhookVerificationError as error:
        print(f"refused: {error}")
