"""Extensions of schemathesis, for what it does not know by itself."""

import json

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def ndjson(_context, value):
    """Serializes an array as NDJSON, one item a line. What is no array becomes a single line that is no string."""
    items = value if isinstance(value, list) else [[value]]
    return {"data": "".join(json.dumps(item) + "\n" for item in items).encode()}
