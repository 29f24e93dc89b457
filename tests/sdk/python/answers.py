"""What an application does with the library, as it comes: lists, answers, streams, embeddings."""

from openai import OpenAI

from settings import API_KEY, BASE_URL, CHAT_MODEL, EMBEDDING_MODEL, SLASHED_MODEL

client = OpenAI(base_url=BASE_URL, api_key=API_KEY, max_retries=0)
messages = [{"role": "user", "content": "say something about the sea"}]


def lists_and_retrieves_models():
    names = [model.id for model in client.models.list()]
    assert {CHAT_MODEL, SLASHED_MODEL, EMBEDDING_MODEL} <= set(names), names
    assert names == [model.id for model in client.models.list()], "the order changes"
    for name in (CHAT_MODEL, SLASHED_MODEL):
        model = client.models.retrieve(name)
        assert (model.id, model.object) == (name, "model"), model


def chats():
    for name in (CHAT_MODEL, SLASHED_MODEL):
        raw = client.chat.completions.with_raw_response.create(model=name, messages=messages, user="sim:tokens-7")
        answer = raw.parse()
        assert answer.model == name, answer
        assert len(answer.choices[0].message.content.split()) == 7, answer
        assert answer.choices[0].finish_reason == "stop"
        assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (5, 7), answer.usage
        assert raw.headers["x-request-id"] == answer._request_id


def streams(include_usage):
    options = {"stream_options": {"include_usage": True}} if include_usage else {}
    stream = client.chat.completions.create(
        model=CHAT_MODEL, messages=messages, stream=True, user="sim:tokens-7", **options
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert len(text.split()) == 7, text
    assert all(chunk.model == CHAT_MODEL for chunk in chunks)
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    reported = [chunk for chunk in chunks if chunk.usage]
    if include_usage:
        assert len(reported) == 1 and reported[0] is chunks[-1] and not reported[0].choices, reported
        assert (reported[0].usage.prompt_tokens, reported[0].usage.completion_tokens) == (5, 7), reported
    else:
        assert not reported, reported
        assert all(chunk.choices for chunk in chunks), "a chunk that was not asked for"


def embeds():
    # The library asks for base64 by itself and turns it into numbers.
    answer = client.embeddings.create(model=EMBEDDING_MODEL, input=["one two", "three"])
    assert [len(item.embedding) for item in answer.data] == [16, 16], answer
    assert all(isinstance(number, float) for number in answer.data[0].embedding)
    assert answer.model == EMBEDDING_MODEL and answer.usage.prompt_tokens == 3, answer.usage
    plain = client.embeddings.create(model=EMBEDDING_MODEL, input=["one two"], encoding_format="float")
    assert plain.data[0].embedding == answer.data[0].embedding


def completes():
    answer = client.completions.create(model=CHAT_MODEL, prompt="one two three", user="sim:tokens-7")
    assert len(answer.choices[0].text.split()) == 7, answer
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (3, 7), answer.usage
    stream = client.completions.create(model=CHAT_MODEL, prompt="one two three", stream=True, user="sim:tokens-7")
    text = "".join(chunk.choices[0].text for chunk in stream if chunk.choices)
    assert len(text.split()) == 7, text


def leaves_in_mid_stream():
    stream = client.chat.completions.create(
        model=CHAT_MODEL, messages=messages, stream=True, user="sim:tokens-500+chunk-delay-20"
    )
    with stream:
        for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                break
    # The connection that was cut must not spoil what comes next.
    chats()


lists_and_retrieves_models()
chats()
streams(include_usage=False)
streams(include_usage=True)
embeds()
completes()
leaves_in_mid_stream()
print("all answers are as expected")
