"""What an application reads from an exception of this library."""


def check_error(caught, status, code, param=None):
    error = caught.value
    assert error.status_code == status, error
    assert (error.code, error.param) == (code, param), error
    assert error.request_id, "no request id"
    assert error.body["request_id"] == error.request_id, error.body
    assert error.body["message"] and error.body["type"], error.body
