"""The exceptions that an application of Anthropic's library catches, and what it repeats."""

import anthropic
from anthropic import Anthropic, DefaultHttpxClient

import report
from expect import raises
from world import DEAD_MODEL, FLAKY_MODEL, OTHER_ANTHROPIC_MODEL, OTHER_KEY, OTHER_MODEL, PLATFORM_ATTEMPTS, QUESTION
from world import REVOKED_KEY, ROOT_URL, UNKNOWN_KEY, flaky

attempts = []
http_client = DefaultHttpxClient(event_hooks={"response": [lambda response: attempts.append(response.status_code)]})


def create(key=OTHER_KEY, model=OTHER_MODEL, modifiers="tokens-7", max_retries=0, **options):
    attempts.clear()
    client = Anthropic(base_url=ROOT_URL, api_key=key, max_retries=max_retries, http_client=http_client)
    return client.messages.create(
        model=model,
        max_tokens=1000,
        messages=[{"role": "user", "content": QUESTION}],
        metadata={"user_id": f"sim:{modifiers}"},
        **options,
    )


def check_error(caught, status, kind):
    error = caught.value
    assert (error.status_code, error.type) == (status, kind), (error.status_code, error.body)
    assert error.api_message and error.body["type"] == "error", error.body
    # The library reads the id from `request-id`; the body holds it too.
    assert error.request_id and error.request_id == error.body["request_id"], (error.request_id, error.body)
    assert error.response.headers["x-request-id"] == error.request_id


def wrong_keys_are_authentication_errors():
    for key in ("sk-wrong", UNKNOWN_KEY, REVOKED_KEY):
        for stream in (False, True):
            with raises(anthropic.AuthenticationError) as caught:
                create(key, stream=stream)
            check_error(caught, 401, "authentication_error")


def an_unknown_model_is_not_found():
    with raises(anthropic.NotFoundError) as caught:
        create(model="no/such-model")
    check_error(caught, 404, "not_found_error")


def a_dead_upstream_is_a_server_error():
    with raises(anthropic.InternalServerError) as caught:
        create(model=DEAD_MODEL)
    check_error(caught, 502, "api_error")


def faults_of_the_request_are_bad_requests():
    for model in (OTHER_MODEL, OTHER_ANTHROPIC_MODEL):
        with raises(anthropic.BadRequestError) as caught:
            create(model=model, modifiers="error-context-overflow")
        check_error(caught, 400, "invalid_request_error")


def a_cut_in_mid_stream_is_an_error_and_never_a_clean_end():
    for model in (OTHER_MODEL, OTHER_ANTHROPIC_MODEL):
        kinds = []
        try:
            for event in create(model=model, modifiers="fault-cut+fault-after-3", stream=True):
                kinds.append(event.type)
        except anthropic.APIStatusError as error:
            assert error.type == "api_error", error.body
        else:
            raise AssertionError(f"{model}: a clean end after {kinds}")
        assert "content_block_delta" in kinds and "message_stop" not in kinds, kinds


def what_is_worth_it_is_repeated_and_a_refusal_is_not():
    flaky(error="rate-limited", error_times=PLATFORM_ATTEMPTS, retry_after_seconds=0)
    create(model=FLAKY_MODEL, max_retries=2)
    assert attempts == [429, 200], attempts
    flaky()
    with raises(anthropic.AuthenticationError):
        create(UNKNOWN_KEY, max_retries=2)
    assert attempts == [401], attempts
    with raises(anthropic.NotFoundError):
        create(model="no/such-model", max_retries=2)
    assert attempts == [404], attempts


wrong_keys_are_authentication_errors()
an_unknown_model_is_not_found()
a_dead_upstream_is_a_server_error()
faults_of_the_request_are_bad_requests()
a_cut_in_mid_stream_is_an_error_and_never_a_clean_end()
what_is_worth_it_is_repeated_and_a_refusal_is_not()
report.done()
