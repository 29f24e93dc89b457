"""Anthropic's library on both kinds of upstream: translated into a chat, and as it is."""

import base64

from anthropic import Anthropic

import report
from world import ANTHROPIC_MODEL, API_KEY, BASE_URL, CHAT_MODEL, OTHER_ANTHROPIC_MODEL, OTHER_KEY, OTHER_MODEL
from world import QUESTION, QUESTION_WORDS, ROOT_URL, words

client = Anthropic(base_url=ROOT_URL, api_key=API_KEY, max_retries=0)
other_client = Anthropic(base_url=ROOT_URL, api_key=OTHER_KEY, max_retries=0)
question = {"role": "user", "content": QUESTION}
TOOL = {
    "name": "look_up",
    "description": "Looks a word up.",
    "input_schema": {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
}


def simulated(modifiers):
    return {"user_id": f"sim:{modifiers}"}


def used(message):
    report.used(message.model, message.usage.input_tokens, message.usage.output_tokens)


def create(model, messages=(question,), modifiers="tokens-7", **options):
    message = client.messages.create(
        model=model, max_tokens=1000, messages=messages, metadata=simulated(modifiers), **options
    )
    used(message)
    return message


def answers(model):
    message = create(model)
    assert (message.type, message.role, message.model) == ("message", "assistant", model), message
    assert message.stop_reason == "end_turn" and words(message.content[0].text) == 7, message
    assert (message.usage.input_tokens, message.usage.output_tokens) == (QUESTION_WORDS, 7), message.usage


def obeys_a_limit(model):
    message = client.messages.create(model=model, max_tokens=3, messages=[question], metadata=simulated("tokens-7"))
    assert message.stop_reason == "max_tokens" and message.usage.output_tokens == 3, message
    used(message)


def streams(model):
    with client.messages.stream(
        model=model, max_tokens=1000, messages=[question], metadata=simulated("tokens-7")
    ) as stream:
        pieces = list(stream.text_stream)
        message = stream.get_final_message()
    assert len(pieces) > 1 and "".join(pieces) == message.content[0].text, pieces
    assert message.model == model and message.stop_reason == "end_turn", message
    assert (message.usage.input_tokens, message.usage.output_tokens) == (QUESTION_WORDS, 7), message.usage
    used(message)


def calls_a_tool_and_hands_back_its_result(model):
    first = create(model, modifiers="tokens-7+tool-call", tools=[TOOL])
    assert first.stop_reason == "tool_use", first
    call = next(block for block in first.content if block.type == "tool_use")
    assert call.id and call.name == "look_up" and isinstance(call.input, dict), call
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "salt water"}
    conversation = [question, {"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    second = create(model, messages=conversation, tools=[TOOL])
    assert second.stop_reason == "end_turn" and words(second.content[0].text) == 7, second


def streams_a_tool_call_in_pieces(model):
    with client.messages.stream(
        model=model, max_tokens=1000, messages=[question], tools=[TOOL], metadata=simulated("tool-call")
    ) as stream:
        pieces = [event.partial_json for event in stream if event.type == "input_json"]
        message = stream.get_final_message()
    assert message.stop_reason == "tool_use" and len(pieces) > 1, (pieces, message)
    assert isinstance(message.content[-1].input, dict), message
    used(message)


def shows_a_picture(model):
    source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(bytes(100_000)).decode()}
    content = [{"type": "image", "source": source}, {"type": "text", "text": QUESTION}]
    message = create(model, messages=[{"role": "user", "content": content}])
    assert message.usage.input_tokens >= QUESTION_WORDS, message


def streams_its_thinking(model):
    with client.messages.stream(
        model=model, max_tokens=1000, messages=[question], metadata=simulated("tokens-7+thinking-3")
    ) as stream:
        thoughts = [event.thinking for event in stream if event.type == "thinking"]
        message = stream.get_final_message()
    assert [block.type for block in message.content] == ["thinking", "text"], message
    assert "".join(thoughts) == message.content[0].thinking and words(message.content[1].text) == 7, message
    used(message)


def reports_cached_input_apart(model):
    message = client.messages.create(
        model=model, max_tokens=1000, messages=[question], metadata=simulated("tokens-7+cached-2")
    )
    usage = message.usage
    # This API's input tokens are those that were not read from a cache; the books hold all of them.
    assert (usage.input_tokens, usage.cache_read_input_tokens) == (QUESTION_WORDS - 2, 2), usage
    report.used(model, usage.input_tokens + usage.cache_read_input_tokens, usage.output_tokens)


def counts_tokens(model):
    count = other_client.messages.count_tokens(model=model, messages=[question], system="be brief")
    assert count.input_tokens >= QUESTION_WORDS + 2, count


def finds_us_with_and_without_v1():
    for base_url in (ROOT_URL, BASE_URL, BASE_URL + "/"):
        for credential in ({"api_key": API_KEY}, {"auth_token": API_KEY}):
            at = Anthropic(base_url=base_url, max_retries=0, **credential)
            used(at.messages.create(model=CHAT_MODEL, max_tokens=3, messages=[question]))
            assert CHAT_MODEL in [model.id for model in at.models.list(limit=1000)]
    # As it was the only way for years, and as other clients still do.
    by_old_header = Anthropic(base_url=ROOT_URL, api_key=None, default_headers={"x-api-key": API_KEY}, max_retries=0)
    used(by_old_header.messages.create(model=CHAT_MODEL, max_tokens=3, messages=[question]))


def leaves_in_mid_stream(model):
    with other_client.messages.stream(
        model=model, max_tokens=1000, messages=[question], metadata=simulated("tokens-500+chunk-delay-20")
    ) as stream:
        next(iter(stream.text_stream))
    report.left()


for each in (CHAT_MODEL, ANTHROPIC_MODEL):
    answers(each)
    obeys_a_limit(each)
    streams(each)
    calls_a_tool_and_hands_back_its_result(each)
    streams_a_tool_call_in_pieces(each)
    shows_a_picture(each)
    streams_its_thinking(each)
    reports_cached_input_apart(each)
finds_us_with_and_without_v1()
for each in (OTHER_MODEL, OTHER_ANTHROPIC_MODEL):
    counts_tokens(each)
    leaves_in_mid_stream(each)
report.done()
