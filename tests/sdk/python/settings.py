"""What the scripts are told by their environment, and the one assertion that they share."""

import os

BASE_URL = os.environ["MAAS_BASE_URL"]
API_KEY = os.environ["MAAS_API_KEY"]
CHAT_MODEL = os.environ["MAAS_CHAT_MODEL"]
SLASHED_MODEL = os.environ["MAAS_SLASHED_MODEL"]
EMBEDDING_MODEL = os.environ["MAAS_EMBEDDING_MODEL"]


def check_error(caught, kind, status, code):
    """The exception class that applications catch, and what they log of it."""
    error = caught.value
    assert type(error) is kind, f"{type(error)} instead of {kind}: {error}"
    assert error.status_code == status, error
    assert error.code == code, error
    assert error.request_id, "no request id"
    assert error.body["request_id"] == error.request_id, error.body
    assert error.body["message"], error.body


class raises:
    """`with raises(Kind) as caught:` without a test framework."""

    def __init__(self, kind):
        self.kind = kind
        self.value = None

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        assert kind is not None, f"{self.kind} was not raised"
        if not issubclass(kind, self.kind):
            return False
        self.value = value
        return True
