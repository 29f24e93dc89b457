"""LlamaIndex with its packages for servers like ours; below it is another major version of openai-python."""

import openai
from llama_index.core.llms import ChatMessage, ImageBlock, TextBlock
from llama_index.core.tools import FunctionTool
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.llms.openai_like import OpenAILike

import report
from expect import raises
from world import API_KEY, BASE_URL, CHAT_MODEL, EMBEDDING_MODEL, OTHER_KEY, OTHER_MODEL, QUESTION, QUESTION_WORDS
from world import UNKNOWN_KEY, words

message = ChatMessage(role="user", content=QUESTION)


def model(modifiers="tokens-7", name=CHAT_MODEL, key=API_KEY, **options):
    return OpenAILike(
        model=name,
        api_base=BASE_URL,
        api_key=key,
        is_chat_model=True,
        is_function_calling_model=True,
        max_retries=0,
        additional_kwargs={"user": f"sim:{modifiers}"},
        **options,
    )


def used(response):
    usage = response.raw.usage
    report.used(CHAT_MODEL, usage.prompt_tokens, usage.completion_tokens)


def check(text, response):
    assert words(text) == 7, text
    assert (response.raw.usage.prompt_tokens, response.raw.usage.completion_tokens) == (QUESTION_WORDS, 7), response.raw
    used(response)


def completes():
    response = model().complete(QUESTION)
    check(response.text, response)


def chats():
    response = model().chat([message])
    check(response.message.content, response)


def streams():
    stream = model(name=OTHER_MODEL, key=OTHER_KEY).stream_chat([message])
    assert words("".join(response.delta or "" for response in stream)) == 7
    with_usage = model().stream_chat([message], stream_options={"include_usage": True})
    last = list(with_usage)[-1]
    check(last.message.content, last)


def shows_a_picture():
    blocks = [TextBlock(text=QUESTION), ImageBlock(image=bytes(100_000), image_mimetype="image/png")]
    response = model().chat([ChatMessage(role="user", blocks=blocks)])
    assert words(response.message.content) == 7, response
    used(response)


def calls_a_tool():
    tool = FunctionTool.from_defaults(lambda word: "salt water", name="look_up", description="Looks a word up.")
    asking = model("tool-call")
    response = asking.chat_with_tools([tool], chat_history=[message])
    calls = asking.get_tool_calls_from_response(response)
    assert [call.tool_name for call in calls] == ["look_up"], response
    used(response)


def embeds():
    embeddings = OpenAILikeEmbedding(model_name=EMBEDDING_MODEL, api_base=BASE_URL, api_key=OTHER_KEY)
    vectors = embeddings.get_text_embedding_batch(["one two", "three"])
    assert [len(vector) for vector in vectors] == [16, 16]
    assert embeddings.get_text_embedding("one two") == vectors[0]


def errors_are_those_of_the_library_below():
    with raises(openai.AuthenticationError) as caught:
        model(key=UNKNOWN_KEY).chat([message])
    assert caught.value.code == "invalid_api_key"
    with raises(openai.NotFoundError):
        model(name="no/such-model", key=OTHER_KEY).complete(QUESTION)


completes()
chats()
streams()
shows_a_picture()
calls_a_tool()
embeds()
errors_are_those_of_the_library_below()
report.done()
