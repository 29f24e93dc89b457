"""The exceptions that an application catches."""

import openai
from openai import OpenAI

import report
from checks import check_error
from expect import raises
from world import BASE_URL, DEAD_MODEL, OTHER_KEY, OTHER_MODEL, QUESTION, REVOKED_KEY, UNKNOWN_KEY

messages = [{"role": "user", "content": QUESTION}]


def client(key):
    return OpenAI(base_url=BASE_URL, api_key=key, max_retries=0)


def chat(key=OTHER_KEY, model=OTHER_MODEL, **options):
    return client(key).chat.completions.create(model=model, messages=messages, **options)


def wrong_keys_are_authentication_errors():
    damaged = OTHER_KEY[:-1] + ("0" if OTHER_KEY[-1] != "0" else "1")
    for key in ("sk-wrong", damaged, UNKNOWN_KEY):
        for stream in (False, True):
            with raises(openai.AuthenticationError) as caught:
                chat(key, stream=stream)
            check_error(caught, 401, "invalid_api_key")
    with raises(openai.AuthenticationError) as caught:
        client("sk-wrong").models.list()
    check_error(caught, 401, "invalid_api_key")


def a_revoked_key_is_an_authentication_error():
    with raises(openai.AuthenticationError) as caught:
        chat(REVOKED_KEY)
    check_error(caught, 401, "revoked_api_key")


def an_unknown_model_is_not_found():
    for stream in (False, True):
        with raises(openai.NotFoundError) as caught:
            chat(model="no/such-model", stream=stream)
        check_error(caught, 404, "model_not_found", "model")
    with raises(openai.NotFoundError) as caught:
        client(OTHER_KEY).models.retrieve("no/such-model")
    check_error(caught, 404, "model_not_found", "model")


def a_dead_upstream_is_a_server_error():
    for stream in (False, True):
        with raises(openai.InternalServerError) as caught:
            chat(model=DEAD_MODEL, stream=stream)
        check_error(caught, 502, "upstream_error")


def faults_of_the_request_are_bad_requests():
    with raises(openai.BadRequestError) as caught:
        chat(user="sim:error-context-overflow")
    check_error(caught, 400, "context_length_exceeded", "messages")
    with raises(openai.BadRequestError) as caught:
        client(OTHER_KEY).post("/chat/completions", cast_to=object, body={"messages": messages})
    check_error(caught, 400, "invalid_request", "model")


def the_upstream_s_rate_limit_is_a_rate_limit():
    with raises(openai.RateLimitError) as caught:
        chat(user="sim:error-rate-limited")
    check_error(caught, 429, "upstream_rate_limited")
    assert caught.value.response.headers["retry-after"] == "1"


def the_upstream_s_refusal_of_our_credential_is_not_the_client_s():
    with raises(openai.InternalServerError) as caught:
        chat(user="sim:error-unauthorized")
    check_error(caught, 502, "upstream_auth_failed")


def a_cut_in_mid_stream_is_an_error_and_never_a_clean_end():
    words = []
    with raises(openai.APIError) as caught:
        for chunk in chat(stream=True, user="sim:fault-cut+fault-after-3"):
            words += [choice.delta.content for choice in chunk.choices if choice.delta.content]
    assert len(words) == 3, words
    assert caught.value.code == "upstream_error", caught.value


wrong_keys_are_authentication_errors()
a_revoked_key_is_an_authentication_error()
an_unknown_model_is_not_found()
a_dead_upstream_is_a_server_error()
faults_of_the_request_are_bad_requests()
the_upstream_s_rate_limit_is_a_rate_limit()
the_upstream_s_refusal_of_our_credential_is_not_the_client_s()
a_cut_in_mid_stream_is_an_error_and_never_a_clean_end()
report.done()
