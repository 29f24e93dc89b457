// What an application does with the library, as it comes: lists, answers, streams, embeddings.

import assert from "node:assert/strict";
import OpenAI from "openai";
import * as report from "../shared/report.mjs";
import { apiKey, baseURL, chatModel, embeddingModel, otherKey, otherModel } from "../shared/world.mjs";
import { question, questionWords, slashedModel, words } from "../shared/world.mjs";

const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const otherClient = new OpenAI({ baseURL, apiKey: otherKey, maxRetries: 0 });
const messages = [{ role: "user", content: question }];
const used = (model, usage) => report.used(model, usage.prompt_tokens, usage.total_tokens - usage.prompt_tokens);

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
    assert.deepEqual([data.usage.prompt_tokens, data.usage.completion_tokens], [questionWords, 7]);
    assert.ok(requestId);
    used(model, data.usage);
  }
}

async function streamsWithUsage() {
  const options = { stream: true, stream_options: { include_usage: true } };
  const chunks = await readStream(client, chatModel, options);
  const reported = chunks.filter((chunk) => chunk.usage);
  assert.equal(reported.length, 1);
  assert.equal(reported[0], chunks.at(-1));
  assert.deepEqual(reported[0].choices, []);
  assert.deepEqual([reported[0].usage.prompt_tokens, reported[0].usage.completion_tokens], [questionWords, 7]);
  used(chatModel, reported[0].usage);
}

async function streamsWithoutUsage() {
  const chunks = await readStream(otherClient, otherModel, { stream: true });
  assert.ok(chunks.every((chunk) => !chunk.usage));
  assert.ok(chunks.every((chunk) => chunk.choices.length === 1), "a chunk that was not asked for");
}

async function readStream(from, model, options) {
  const chunks = [];
  const request = { model, messages, user: "sim:tokens-7", ...options };
  for await (const chunk of await from.chat.completions.create(request)) chunks.push(chunk);
  const text = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("");
  assert.equal(words(text), 7);
  assert.ok(chunks.every((chunk) => chunk.model === model));
  return chunks;
}

async function embeds() {
  // The library asks for base64 by itself and turns it into numbers.
  const answer = await client.embeddings.create({ model: embeddingModel, input: ["one two", "three"] });
  assert.deepEqual(answer.data.map((item) => item.embedding.length), [16, 16]);
  assert.ok(answer.data[0].embedding.every((number) => typeof number === "number"));
  assert.equal(answer.model, embeddingModel);
  assert.equal(answer.usage.prompt_tokens, 3);
  used(embeddingModel, answer.usage);
  const plain = { model: embeddingModel, input: ["one two"], encoding_format: "float" };
  const plainAnswer = await client.embeddings.create(plain);
  assert.deepEqual(plainAnswer.data[0].embedding, answer.data[0].embedding);
  used(embeddingModel, plainAnswer.usage);
}

async function completes() {
  const prompt = "one two three";
  const answer = await client.completions.create({ model: chatModel, prompt, user: "sim:tokens-7" });
  assert.equal(words(answer.choices[0].text), 7);
  assert.deepEqual([answer.usage.prompt_tokens, answer.usage.completion_tokens], [3, 7]);
  used(chatModel, answer.usage);
  let text = "";
  const streamed = { model: otherModel, prompt, stream: true, user: "sim:tokens-7" };
  for await (const chunk of await otherClient.completions.create(streamed)) text += chunk.choices[0]?.text ?? "";
  assert.equal(words(text), 7);
}

async function leavesInMidStream() {
  const user = "sim:tokens-500+chunk-delay-20";
  const stream = await otherClient.chat.completions.create({ model: otherModel, messages, stream: true, user });
  for await (const chunk of stream) {
    if (chunk.choices[0]?.delta.content) break;
  }
  report.left();
  // The connection that was cut must not spoil what comes next.
  await chats();
}

await listsAndRetrievesModels();
await chats();
await streamsWithUsage();
await streamsWithoutUsage();
await embeds();
await completes();
await leavesInMidStream();
report.done();
