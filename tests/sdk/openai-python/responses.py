"""The Responses API: translated for an upstream that only knows chats, and as it is for one that speaks it."""

import openai
from openai import OpenAI

import report
from checks import check_error
from expect import raises
from world import API_KEY, BASE_URL, CHAT_MODEL, OTHER_KEY, OTHER_MODEL, OTHER_RESPONSES_MODEL, QUESTION
from world import QUESTION_WORDS, RESPONSES_MODEL, words

client = OpenAI(base_url=BASE_URL, api_key=API_KEY, max_retries=0)
other_client = client.with_options(api_key=OTHER_KEY)
TOOL = {
    "type": "function",
    "name": "look_up",
    "description": "Looks a word up.",
    "parameters": {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
}


def create(model, modifiers="tokens-7", **options):
    return client.responses.create(model=model, input=QUESTION, user=f"sim:{modifiers}", **options)


def check(response, model):
    assert response.status == "completed" and response.model == model, response
    assert words(response.output_text) == 7, response.output_text
    assert (response.usage.input_tokens, response.usage.output_tokens) == (QUESTION_WORDS, 7), response.usage
    report.used(model, response.usage.input_tokens, response.usage.output_tokens)


def answers(model):
    check(create(model), model)


def streams(model):
    events = list(create(model, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events))), "gaps in the sequence"
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed"), events
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert len(deltas) > 1 and "".join(deltas) == events[-1].response.output_text, deltas
    check(events[-1].response, model)


def calls_a_tool_and_hands_back_its_result(model):
    first = create(model, "tokens-7+tool-call", tools=[TOOL])
    report.used(model, first.usage.input_tokens, first.usage.output_tokens)
    call = next(item for item in first.output if item.type == "function_call")
    assert call.name == "look_up" and call.call_id and call.arguments, call
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "salt water"}
    conversation = [{"role": "user", "content": QUESTION}, *first.output, result]
    second = client.responses.create(model=model, input=conversation, tools=[TOOL], user="sim:tokens-7")
    assert words(second.output_text) == 7, second
    report.used(model, second.usage.input_tokens, second.usage.output_tokens)


def keeps_responses_where_the_upstream_does():
    made = create(RESPONSES_MODEL)
    check(made, RESPONSES_MODEL)
    assert client.responses.retrieve(made.id).output_text == made.output_text
    following = create(RESPONSES_MODEL, previous_response_id=made.id)
    check(following, RESPONSES_MODEL)
    # Another key of the same owner may read it; what another owner sees is tested with the platform.
    assert other_client.responses.retrieve(made.id).id == made.id
    client.responses.delete(made.id)
    with raises(openai.NotFoundError):
        client.responses.retrieve(made.id)


def never_ends_cleanly_when_it_was_cut(model):
    stream = other_client.responses.create(model=model, input=QUESTION, stream=True, user="sim:fault-cut+fault-after-3")
    events = list(stream)
    assert events[-1].type == "response.failed", events[-1]
    assert events[-1].response.error.code and events[-1].response.error.message, events[-1]


def says_what_a_translation_cannot_do():
    made = other_client.responses.create(model=OTHER_MODEL, input=QUESTION)
    for options in ({"previous_response_id": made.id}, {"background": True}):
        with raises(openai.BadRequestError) as caught:
            other_client.responses.create(model=OTHER_MODEL, input=QUESTION, **options)
        check_error(caught, 400, "unsupported_parameter", next(iter(options)))


for each in (CHAT_MODEL, RESPONSES_MODEL):
    answers(each)
    streams(each)
    calls_a_tool_and_hands_back_its_result(each)
keeps_responses_where_the_upstream_does()
never_ends_cleanly_when_it_was_cut(OTHER_MODEL)
never_ends_cleanly_when_it_was_cut(OTHER_RESPONSES_MODEL)
says_what_a_translation_cannot_do()
report.done()
