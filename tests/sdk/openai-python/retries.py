"""What the library repeats by itself, and what it must not: three attempts in all unless it is told otherwise."""

import time

import openai
from openai import DefaultHttpx2Client, OpenAI

import report
from expect import raises
from world import BASE_URL, FLAKY_MODEL, OTHER_KEY, OTHER_MODEL, PLATFORM_ATTEMPTS, QUESTION, UNKNOWN_KEY, flaky

messages = [{"role": "user", "content": QUESTION}]
attempts = []
http_client = DefaultHttpx2Client(event_hooks={"response": [lambda response: attempts.append(response.status_code)]})


def chat(key=OTHER_KEY, model=FLAKY_MODEL, **options):
    attempts.clear()
    client = OpenAI(base_url=BASE_URL, api_key=key, http_client=http_client)
    return client.chat.completions.create(model=model, messages=messages, **options)


def a_moment_of_weakness_is_not_even_seen():
    flaky(error="unavailable", error_times=1)
    assert chat().choices[0].finish_reason == "stop"
    assert attempts == [200], attempts


def what_the_platform_gives_up_the_library_repeats():
    flaky(error="internal", error_times=PLATFORM_ATTEMPTS)
    assert chat().choices[0].finish_reason == "stop"
    assert attempts == [502, 200], attempts


def a_rate_limit_is_waited_for():
    # Longer than the platform would wait itself.
    flaky(error="rate-limited", error_times=1, retry_after_seconds=3)
    started = time.monotonic()
    assert chat().choices[0].finish_reason == "stop"
    assert attempts == [429, 200], attempts
    assert time.monotonic() - started > 2.9, "the library did not hear how long to wait"


def what_stays_broken_is_tried_three_times():
    flaky(error="internal")
    with raises(openai.InternalServerError):
        chat()
    # The last one may be refused at once: the platform has seen enough of this upstream.
    assert len(attempts) == 3 and set(attempts) <= {502, 503}, attempts


def a_refusal_is_not_repeated():
    with raises(openai.AuthenticationError):
        chat(key=UNKNOWN_KEY)
    assert attempts == [401], attempts
    with raises(openai.NotFoundError):
        chat(model="no/such-model")
    assert attempts == [404], attempts
    with raises(openai.BadRequestError):
        chat(model=OTHER_MODEL, user="sim:error-context-overflow")
    assert attempts == [400], attempts


a_moment_of_weakness_is_not_even_seen()
what_the_platform_gives_up_the_library_repeats()
a_rate_limit_is_waited_for()
a_refusal_is_not_repeated()
# Last: after this the platform leaves the upstream alone for a while.
what_stays_broken_is_tried_three_times()
report.done()
