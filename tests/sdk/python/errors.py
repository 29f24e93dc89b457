"""The exceptions that an application catches."""

import os

import openai
from openai import OpenAI

from settings import API_KEY, BASE_URL, CHAT_MODEL, check_error, raises

messages = [{"role": "user", "content": "hello"}]


def client(key):
    return OpenAI(base_url=BASE_URL, api_key=key, max_retries=0)


def chat(key, model=CHAT_MODEL, **options):
    return client(key).chat.completions.create(model=model, messages=messages, **options)


def wrong_keys_are_authentication_errors():
    for key in ("sk-wrong", API_KEY[:-1] + ("0" if API_KEY[-1] != "0" else "1"), os.environ["MAAS_UNKNOWN_KEY"]):
        for stream in (False, True):
            with raises(openai.APIStatusError) as caught:
                chat(key, stream=stream)
            check_error(caught, openai.AuthenticationError, 401, "invalid_api_key")
    with raises(openai.APIStatusError) as caught:
        client("sk-wrong").models.list()
    check_error(caught, openai.AuthenticationError, 401, "invalid_api_key")


def a_revoked_key_is_an_authentication_error():
    with raises(openai.APIStatusError) as caught:
        chat(os.environ["MAAS_REVOKED_KEY"])
    check_error(caught, openai.AuthenticationError, 401, "revoked_api_key")


def an_unknown_model_is_not_found():
    for stream in (False, True):
        with raises(openai.APIStatusError) as caught:
            chat(API_KEY, model="no/such-model", stream=stream)
        check_error(caught, openai.NotFoundError, 404, "model_not_found")
        assert caught.value.param == "model", caught.value
    with raises(openai.APIStatusError) as caught:
        client(API_KEY).models.retrieve("no/such-model")
    check_error(caught, openai.NotFoundError, 404, "model_not_found")


def a_dead_upstream_is_a_server_error():
    for stream in (False, True):
        with raises(openai.APIStatusError) as caught:
            chat(API_KEY, model=os.environ["MAAS_DEAD_MODEL"], stream=stream)
        check_error(caught, openai.InternalServerError, 502, "upstream_error")


def faults_of_the_request_are_bad_requests():
    with raises(openai.APIStatusError) as caught:
        chat(API_KEY, user="sim:error-context-overflow")
    check_error(caught, openai.BadRequestError, 400, "context_length_exceeded")
    assert caught.value.param == "messages", caught.value


def the_upstream_s_rate_limit_is_a_rate_limit():
    with raises(openai.APIStatusError) as caught:
        chat(API_KEY, user="sim:error-rate-limited")
    check_error(caught, openai.RateLimitError, 429, "upstream_rate_limited")
    assert caught.value.response.headers["retry-after"] == "1"


def the_upstream_s_refusal_of_our_credential_is_not_the_client_s():
    with raises(openai.APIStatusError) as caught:
        chat(API_KEY, user="sim:error-unauthorized")
    check_error(caught, openai.InternalServerError, 502, "upstream_auth_failed")


def a_cut_in_mid_stream_is_an_error_and_never_a_clean_end():
    words = []
    with raises(openai.APIError) as caught:
        for chunk in chat(API_KEY, stream=True, user="sim:fault-cut+fault-after-3"):
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
print("all errors are as expected")
