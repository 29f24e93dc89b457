"""An application of an OGX server whose providers are this platform: openai-python, OGX, platform, upstream."""

import json
import urllib.request

import openai
from openai import OpenAI

import report
from expect import raises
from world import CHAT_MODEL, EMBEDDING_MODEL, OTHER_MODEL, QUESTION, QUESTION_WORDS, SLASHED_MODEL, told, words

OGX_URL = told("MAAS_OGX_URL")
client = OpenAI(base_url=f"{OGX_URL}/v1", api_key="OGX asks for none", max_retries=0)
messages = [{"role": "user", "content": QUESTION}]


def check(model, text, usage):
    assert words(text) == 7, text
    assert (usage.prompt_tokens, usage.completion_tokens) == (QUESTION_WORDS, 7), usage
    report.used(model, usage.prompt_tokens, usage.completion_tokens)


def lists_our_models(provider):
    names = [model.id for model in client.models.list()]
    for name in (CHAT_MODEL, SLASHED_MODEL, EMBEDDING_MODEL):
        assert f"{provider}/{name}" in names, names


def chats(provider, model):
    name = f"{provider}/{model}"
    answer = client.chat.completions.create(model=name, messages=messages, user="sim:tokens-7")
    assert answer.model == name, answer
    check(model, answer.choices[0].message.content, answer.usage)


def streams(provider, model):
    chunks = list(
        client.chat.completions.create(
            model=f"{provider}/{model}",
            messages=messages,
            stream=True,
            stream_options={"include_usage": True},
            user="sim:tokens-7",
        )
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    check(model, text, chunks[-1].usage)


def embeds(model):
    answer = client.embeddings.create(model=model, input=["one two", "three"])
    assert [len(item.embedding) for item in answer.data] == [16, 16], answer
    report.used(EMBEDDING_MODEL, answer.usage.prompt_tokens, 0)


def reranks(model):
    body = {"model": model, "query": "the sea", "items": ["a boat", "the sea", "a hill"], "max_num_results": 2}
    request = urllib.request.Request(
        f"{OGX_URL}/v1alpha/inference/rerank", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        ranked = json.load(answer)["data"]
    assert len(ranked) == 2 and all(0 <= entry["index"] < 3 for entry in ranked), ranked


def reports_a_cut(provider):
    with raises(openai.APIError):
        list(
            client.chat.completions.create(
                model=f"{provider}/{OTHER_MODEL}", messages=messages, stream=True, user="sim:fault-cut"
            )
        )


for each in ("maas-openai", "maas-vllm"):
    lists_our_models(each)
    for served in (CHAT_MODEL, SLASHED_MODEL):
        chats(each, served)
        streams(each, served)
embeds("maas-openai/maas-embeddings")
embeds(f"maas-vllm/{EMBEDDING_MODEL}")
# On another account, since OGX says nothing of what these used.
reranks(f"maas-other/{told('MAAS_RERANK_MODEL')}")
reports_a_cut("maas-other")
report.done()
