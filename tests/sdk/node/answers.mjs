// What an application does with the library, as it comes: lists, answers, streams, embeddings.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { apiKey, baseURL, chatModel, embeddingModel, slashedModel } from "./settings.mjs";

const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const messages = [{ role: "user", content: "say something about the sea" }];
const words = (text) => text.trim().split(/\s+/).length;

async function listsAndRetrievesModels() {
  const names = [];
  for await (const model of client.models.list()) names.push(model.id);
  for (const name of [chatModel, slashedModel, embeddingModel]) assert.ok(names.includes(name), `${name}: ${names}`);
  for (const name of [chatModel, slashedModel]) {
    const model = await client.models.retrieve(name);
    assert.deepEqual([model.id, model.object], [name, "model"]);
  }
}

async function chats() {
  for (const model of [chatModel, slashedModel]) {
    const { data, request_id: requestId } = await client.chat.completions
      .create({ model, messages, user: "sim:tokens-7" })
      .withResponse();
    assert.equal(data.model, model);
    assert.equal(words(data.choices[0].message.content), 7);
    assert.equal(data.choices[0].finish_reason, "stop");
    assert.deepEqual([data.usage.prompt_tokens, data.usage.completion_tokens], [5, 7]);
    assert.ok(requestId);
  }
}

async function streams(includeUsage) {
  const options = includeUsage ? { stream_options: { include_usage: true } } : {};
  const request = { model: chatModel, messages, stream: true, user: "sim:tokens-7", ...options };
  const chunks = [];
  for await (const chunk of await client.chat.completions.create(request)) chunks.push(chunk);
  const text = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("");
  assert.equal(words(text), 7);
  assert.ok(chunks.every((chunk) => chunk.model === chatModel));
  const reported = chunks.filter((chunk) => chunk.usage);
  if (includeUsage) {
    assert.equal(reported.length, 1);
    assert.equal(reported[0], chunks.at(-1));
    assert.deepEqual(reported[0].choices, []);
    assert.deepEqual([reported[0].usage.prompt_tokens, reported[0].usage.completion_tokens], [5, 7]);
  } else {
    assert.equal(reported.length, 0);
    assert.ok(chunks.every((chunk) => chunk.choices.length === 1), "a chunk that was not asked for");
  }
}

async function embeds() {
  // The library asks for base64 by itself and turns it into numbers.
  const answer = await client.embeddings.create({ model: embeddingModel, input: ["one two", "three"] });
  assert.deepEqual(answer.data.map((item) => item.embedding.length), [16, 16]);
  assert.ok(answer.data[0].embedding.every((number) => typeof number === "number"));
  assert.equal(answer.model, embeddingModel);
  assert.equal(answer.usage.prompt_tokens, 3);
  const plain = { model: embeddingModel, input: ["one two"], encoding_format: "float" };
  assert.deepEqual((await client.embeddings.create(plain)).data[0].embedding, answer.data[0].embedding);
}

async function completes() {
  const request = { model: chatModel, prompt: "one two three", user: "sim:tokens-7" };
  const answer = await client.completions.create(request);
  assert.equal(words(answer.choices[0].text), 7);
  assert.deepEqual([answer.usage.prompt_tokens, answer.usage.completion_tokens], [3, 7]);
  let text = "";
  for await (const chunk of await client.completions.create({ ...request, stream: true })) {
    text += chunk.choices[0]?.text ?? "";
  }
  assert.equal(words(text), 7);
}

async function leavesInMidStream() {
  const user = "sim:tokens-500+chunk-delay-20";
  const stream = await client.chat.completions.create({ model: chatModel, messages, stream: true, user });
  for await (const chunk of stream) {
    if (chunk.choices[0]?.delta.content) break;
  }
  // The connection that was cut must not spoil what comes next.
  await chats();
}

await listsAndRetrievesModels();
await chats();
await streams(false);
await streams(true);
await embeds();
await completes();
await leavesInMidStream();
console.log("all answers are as expected");
