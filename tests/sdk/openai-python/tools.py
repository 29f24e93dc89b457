"""Tools, structured output and pictures: what agents do."""

import base64
import json

from openai import OpenAI
from pydantic import BaseModel

import report
from world import API_KEY, BASE_URL, CHAT_MODEL, QUESTION, QUESTION_WORDS

client = OpenAI(base_url=BASE_URL, api_key=API_KEY, max_retries=0)
question = {"role": "user", "content": QUESTION}
TOOL = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "Looks a word up.",
        "parameters": {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
    },
}


def ask(messages, modifiers="", **options):
    answer = client.chat.completions.create(
        model=CHAT_MODEL, messages=messages, tools=[TOOL], user=f"sim:tokens-7{modifiers}", **options
    )
    report.used(CHAT_MODEL, answer.usage.prompt_tokens, answer.usage.completion_tokens)
    return answer.choices[0]


def calls_a_tool_and_hands_back_its_result():
    choice = ask([question], "+tool-call")
    assert choice.finish_reason == "tool_calls", choice
    call = choice.message.tool_calls[0]
    assert call.id and call.type == "function" and call.function.name == "look_up", call
    json.loads(call.function.arguments)
    # The library's own object goes back as it is.
    result = {"role": "tool", "tool_call_id": call.id, "content": "salt water"}
    choice = ask([question, choice.message, result])
    assert choice.finish_reason == "stop" and choice.message.content, choice


def streams_a_tool_call_in_pieces():
    with client.chat.completions.stream(
        model=CHAT_MODEL,
        messages=[question],
        tools=[TOOL],
        stream_options={"include_usage": True},
        user="sim:tokens-7+tool-call",
    ) as stream:
        pieces = [event for event in stream if event.type == "tool_calls.function.arguments.delta"]
        answer = stream.get_final_completion()
    assert len(pieces) > 1, "the arguments came at once"
    choice = answer.choices[0]
    assert choice.finish_reason == "tool_calls", choice
    assert [call.function.name for call in choice.message.tool_calls] == ["look_up"], choice
    assert "".join(piece.arguments_delta for piece in pieces) == choice.message.tool_calls[0].function.arguments
    report.used(CHAT_MODEL, answer.usage.prompt_tokens, answer.usage.completion_tokens)


def gets_an_object():
    class Entry(BaseModel):
        word: str
        letters: int

    answer = client.chat.completions.parse(model=CHAT_MODEL, messages=[question], response_format=Entry)
    assert isinstance(answer.choices[0].message.parsed, Entry), answer
    report.used(CHAT_MODEL, answer.usage.prompt_tokens, answer.usage.completion_tokens)


def shows_a_picture():
    # 1.4 MB as base64: more than many proxies let through.
    picture = base64.b64encode(bytes(range(256)) * 4096).decode()
    content = [
        {"type": "text", "text": QUESTION},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}", "detail": "low"}},
    ]
    answer = client.chat.completions.create(
        model=CHAT_MODEL, messages=[{"role": "user", "content": content}], user="sim:tokens-7"
    )
    assert answer.usage.prompt_tokens >= QUESTION_WORDS, answer.usage
    report.used(CHAT_MODEL, answer.usage.prompt_tokens, answer.usage.completion_tokens)


calls_a_tool_and_hands_back_its_result()
streams_a_tool_call_in_pieces()
gets_an_object()
shows_a_picture()
report.done()
