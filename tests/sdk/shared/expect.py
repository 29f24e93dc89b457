"""Expecting an exception, without a test framework."""


class raises:
    """`with raises(Kind) as caught:`, then `caught.value`. Only this class, not one derived from it: applications
    choose by class what they do next."""

    def __init__(self, kind):
        self.kind = kind
        self.value = None

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        assert kind is not None, f"{self.kind.__name__} was not raised"
        if not issubclass(kind, Exception):
            return False
        assert kind is self.kind, f"{kind.__name__} instead of {self.kind.__name__}: {value}"
        self.value = value
        return True
