"""What an application does with the library, as it comes: lists, answers, streams, embeddings."""

from openai import OpenAI

import report
from world import API_KEY, AZURE_MODEL, BASE_URL, CHAT_MODEL, EMBEDDING_MODEL, OTHER_KEY, OTHER_MODEL, QUESTION
from world import QUESTION_WORDS, SLASHED_MODEL, words

client = OpenAI(base_url=BASE_URL, api_key=API_KEY, max_retries=0)
other_client = client.with_options(api_key=OTHER_KEY)
messages = [{"role": "user", "content": QUESTION}]


def used(model, usage):
    report.used(model, usage.prompt_tokens, usage.total_tokens - usage.prompt_tokens)


def lists_and_retrieves_models():
    names = [model.id for model in client.models.list()]
    assert {CHAT_MODEL, SLASHED_MODEL, EMBEDDING_MODEL} <= set(names), names
    assert names == [model.id for model in client.models.list()], "the order changes"
    for name in (CHAT_MODEL, SLASHED_MODEL):
        model = client.models.retrieve(name)
        assert (model.id, model.object) == (name, "model"), model


def chats():
    for name in (CHAT_MODEL, SLASHED_MODEL, AZURE_MODEL):
        raw = client.chat.completions.with_raw_response.create(model=name, messages=messages, user="sim:tokens-7")
        answer = raw.parse()
        assert answer.model == name, answer
        assert words(answer.choices[0].message.content) == 7, answer
        assert answer.choices[0].finish_reason == "stop"
        assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (QUESTION_WORDS, 7), answer.usage
        assert raw.headers["x-request-id"] == answer._request_id
        used(name, answer.usage)


def streams_with_usage(model):
    stream = client.chat.completions.create(
        model=model, messages=messages, stream=True, stream_options={"include_usage": True}, user="sim:tokens-7"
    )
    chunks = list(stream)
    check_stream(chunks, model)
    reported = [chunk for chunk in chunks if chunk.usage]
    assert len(reported) == 1 and reported[0] is chunks[-1] and not reported[0].choices, reported
    assert (reported[0].usage.prompt_tokens, reported[0].usage.completion_tokens) == (QUESTION_WORDS, 7), reported
    used(model, reported[0].usage)


def streams_without_usage():
    stream = other_client.chat.completions.create(
        model=OTHER_MODEL, messages=messages, stream=True, user="sim:tokens-7"
    )
    chunks = list(stream)
    check_stream(chunks, OTHER_MODEL)
    assert not any(chunk.usage for chunk in chunks), chunks
    assert all(chunk.choices for chunk in chunks), "a chunk that was not asked for"


def check_stream(chunks, model):
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert words(text) == 7, text
    assert all(chunk.model == model for chunk in chunks)
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"


def embeds():
    # The library asks for base64 by itself and turns it into numbers.
    answer = client.embeddings.create(model=EMBEDDING_MODEL, input=["one two", "three"])
    assert [len(item.embedding) for item in answer.data] == [16, 16], answer
    assert all(isinstance(number, float) for number in answer.data[0].embedding)
    assert answer.model == EMBEDDING_MODEL and answer.usage.prompt_tokens == 3, answer.usage
    used(EMBEDDING_MODEL, answer.usage)
    plain = client.embeddings.create(model=EMBEDDING_MODEL, input=["one two"], encoding_format="float")
    assert plain.data[0].embedding == answer.data[0].embedding
    used(EMBEDDING_MODEL, plain.usage)


def completes():
    answer = client.completions.create(model=CHAT_MODEL, prompt="one two three", user="sim:tokens-7")
    assert words(answer.choices[0].text) == 7, answer
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (3, 7), answer.usage
    used(CHAT_MODEL, answer.usage)
    stream = other_client.completions.create(
        model=OTHER_MODEL, prompt="one two three", stream=True, user="sim:tokens-7"
    )
    text = "".join(chunk.choices[0].text for chunk in stream if chunk.choices)
    assert words(text) == 7, text


def reports_reasoning_and_cached_input():
    answer = client.chat.completions.create(
        model=CHAT_MODEL, messages=messages, user="sim:tokens-7+reasoning-3+cached-2"
    )
    assert answer.usage.prompt_tokens_details.cached_tokens == 2, answer.usage
    assert answer.usage.completion_tokens_details.reasoning_tokens == 3, answer.usage
    assert answer.choices[0].message.reasoning_content, answer
    used(CHAT_MODEL, answer.usage)


def leaves_in_mid_stream():
    stream = other_client.chat.completions.create(
        model=OTHER_MODEL, messages=messages, stream=True, user="sim:tokens-500+chunk-delay-20"
    )
    with stream:
        for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                break
    report.left()
    # The connection that was cut must not spoil what comes next.
    chats()


lists_and_retrieves_models()
chats()
streams_with_usage(CHAT_MODEL)
streams_with_usage(AZURE_MODEL)
streams_without_usage()
embeds()
completes()
reports_reasoning_and_cached_input()
leaves_in_mid_stream()
report.done()
