"""What the library said that its requests used. The test compares it with what the upstream counted and with the
platform's books, so that nobody in between may lose or double a token."""

import json
from collections import defaultdict

_usage = defaultdict(lambda: {"requests": 0, "input_tokens": 0, "output_tokens": 0})
_left = 0


def used(model, input_tokens, output_tokens):
    """One request with the metered key has ended, and this is what the library reported."""
    for name, count in (("requests", 1), ("input_tokens", input_tokens), ("output_tokens", output_tokens)):
        _usage[model][name] += count


def left():
    """One stream was left before its end: the upstream must notice."""
    global _left
    _left += 1


def done():
    """The last line of a script that found everything as expected."""
    print("report:", json.dumps({"usage": _usage, "left": _left}))
