"""LangChain over both of its packages for us: chats, streams, batches, tools, embeddings, errors."""

import openai
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from langchain_openai.chat_models.base import OpenAIAuthenticationError, OpenAIModelNotFoundError
from langchain_openai.chat_models.base import OpenAIRateLimitError
from pydantic import BaseModel

import report
from expect import raises
from world import API_KEY, BASE_URL, CHAT_MODEL, EMBEDDING_MODEL, OTHER_KEY, OTHER_MODEL, QUESTION, QUESTION_WORDS
from world import ROOT_URL, UNKNOWN_KEY, words


@tool
def look_up(word: str) -> str:
    """Looks a word up."""
    return "salt water"


def chat_model(modifiers="tokens-7", **options):
    settings = {"model": CHAT_MODEL, "api_key": API_KEY, "max_retries": 0} | options
    return ChatOpenAI(base_url=BASE_URL, model_kwargs={"user": f"sim:{modifiers}"}, **settings)


def used(message):
    usage = message.usage_metadata
    report.used(CHAT_MODEL, usage["input_tokens"], usage["output_tokens"])


def check(message):
    assert words(message.content) == 7, message
    usage = message.usage_metadata
    assert (usage["input_tokens"], usage["output_tokens"]) == (QUESTION_WORDS, 7), usage
    used(message)


def invokes():
    message = chat_model().invoke(QUESTION)
    check(message)
    assert message.response_metadata["model_name"] == CHAT_MODEL, message
    assert message.response_metadata["finish_reason"] == "stop", message


def streams():
    # The package adds up the usage of all chunks: a second report would double it.
    whole = None
    for chunk in chat_model(stream_usage=True).stream(QUESTION):
        whole = chunk if whole is None else whole + chunk
    check(whole)


def streams_without_usage():
    model = chat_model(model=OTHER_MODEL, api_key=OTHER_KEY)
    text = "".join(chunk.content for chunk in model.stream(QUESTION))
    assert words(text) == 7, text


def batches():
    for message in chat_model().batch([QUESTION] * 5):
        check(message)


def calls_a_tool_and_hands_back_its_result():
    asking = chat_model("tokens-7+tool-call").bind_tools([look_up])
    message = asking.invoke(QUESTION)
    used(message)
    assert [call["name"] for call in message.tool_calls] == ["look_up"], message
    result = ToolMessage("salt water", tool_call_id=message.tool_calls[0]["id"])
    answer = chat_model().bind_tools([look_up]).invoke([HumanMessage(QUESTION), message, result])
    assert words(answer.content) == 7, answer
    used(answer)


def streams_a_tool_call():
    asking = chat_model("tool-call", stream_usage=True).bind_tools([look_up])
    whole = None
    for chunk in asking.stream(QUESTION):
        whole = chunk if whole is None else whole + chunk
    assert [call["name"] for call in whole.tool_calls] == ["look_up"], whole
    used(whole)


def gets_an_object():
    class Entry(BaseModel):
        """What is known about a word."""

        word: str

    asking = chat_model().with_structured_output(Entry, method="json_schema", include_raw=True)
    answer = asking.invoke(QUESTION)
    assert isinstance(answer["parsed"], Entry), answer
    used(answer["raw"])


def embeds():
    embeddings = OpenAIEmbeddings(
        model=EMBEDDING_MODEL,
        base_url=BASE_URL,
        api_key=OTHER_KEY,
        # Else the text is cut into token ids with OpenAI's own tables, which are fetched from the internet.
        check_embedding_ctx_length=False,
    )
    vectors = embeddings.embed_documents(["one two", "three"])
    assert [len(vector) for vector in vectors] == [16, 16]
    assert embeddings.embed_query("one two") == vectors[0]


def errors_have_the_classes_that_chains_fall_back_on():
    for kind, code, options in (
        (OpenAIAuthenticationError, "invalid_api_key", {"api_key": UNKNOWN_KEY}),
        (OpenAIModelNotFoundError, "model_not_found", {"model": "no/such-model"}),
        (OpenAIRateLimitError, "upstream_rate_limited", {"modifiers": "error-rate-limited"}),
    ):
        with raises(kind) as caught:
            chat_model(**{"api_key": OTHER_KEY, "model": OTHER_MODEL} | options).invoke(QUESTION)
        assert caught.value.code == code, caught.value
    with raises(openai.APIError):
        list(chat_model("fault-cut", model=OTHER_MODEL, api_key=OTHER_KEY).stream(QUESTION))


def speaks_anthropic_too():
    model = ChatAnthropic(base_url=ROOT_URL, model=CHAT_MODEL, api_key=API_KEY, max_tokens=7, max_retries=0)
    check(model.invoke(QUESTION))
    whole = None
    for chunk in model.stream(QUESTION):
        whole = chunk if whole is None else whole + chunk
    check(whole)


invokes()
streams()
streams_without_usage()
batches()
calls_a_tool_and_hands_back_its_result()
streams_a_tool_call()
gets_an_object()
embeds()
errors_have_the_classes_that_chains_fall_back_on()
speaks_anthropic_too()
report.done()
