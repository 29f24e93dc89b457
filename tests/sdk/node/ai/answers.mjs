// Vercel's AI SDK: texts, streams, tools, objects and embeddings, over each provider that can reach us.

import assert from "node:assert/strict";
import { embedMany, generateObject, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import * as report from "../shared/report.mjs";
import { anthropicModel, apiKey, chatModel, embeddingModel, otherKey, otherModel } from "../shared/world.mjs";
import { question, questionWords, words } from "../shared/world.mjs";
import { anthropic, compatible, openai, simulated } from "./providers.mjs";

const maas = compatible(apiKey);
const lookUp = tool({
  description: "Looks a word up.",
  inputSchema: z.object({}).passthrough(),
  execute: async () => "salt water",
});
const used = (model, usage) => report.used(model, usage.inputTokens, usage.outputTokens);

function check(model, text, usage) {
  assert.equal(words(text), 7);
  assert.deepEqual([usage.inputTokens, usage.outputTokens], [questionWords, 7]);
  used(model, usage);
}

async function generates() {
  const options = { model: maas(chatModel), prompt: question, maxRetries: 0 };
  const answer = await generateText({ ...options, ...simulated("tokens-7") });
  assert.equal(answer.finishReason, "stop");
  assert.equal(answer.response.modelId, chatModel);
  check(chatModel, answer.text, answer.usage);
}

async function streams() {
  const answer = streamText({ model: maas(chatModel), prompt: question, maxRetries: 0, ...simulated("tokens-7") });
  const pieces = [];
  for await (const piece of answer.textStream) pieces.push(piece);
  assert.ok(pieces.length > 1, "the text came at once");
  assert.equal(await answer.finishReason, "stop");
  check(chatModel, pieces.join(""), await answer.usage);
}

async function callsATool() {
  const options = { model: maas(chatModel), prompt: question, tools: { look_up: lookUp }, maxRetries: 0 };
  const answer = await generateText({ ...options, ...simulated("tokens-7+tool-call") });
  assert.equal(answer.finishReason, "tool-calls");
  assert.deepEqual(answer.toolResults.map((result) => result.output), ["salt water"]);
  used(chatModel, answer.usage);
  const streamed = streamText({ ...options, ...simulated("tokens-7+tool-call"), stopWhen: stepCountIs(1) });
  await streamed.consumeStream();
  assert.deepEqual((await streamed.toolCalls).map((call) => call.toolName), ["look_up"]);
  used(chatModel, await streamed.usage);
  const messages = [{ role: "user", content: question }, ...answer.response.messages];
  const second = await generateText({ ...options, prompt: undefined, messages, ...simulated("tokens-7") });
  assert.equal(words(second.text), 7);
  used(chatModel, second.usage);
}

async function getsAnObject() {
  const schema = z.object({ word: z.string(), letters: z.number() });
  const model = compatible(apiKey)(chatModel);
  const answer = await generateObject({ model, schema, prompt: question, maxRetries: 0 });
  assert.equal(typeof answer.object.word, "string");
  used(chatModel, answer.usage);
}

async function embeds() {
  const values = ["one two", "three"];
  const answer = await embedMany({ model: compatible(otherKey).embeddingModel(embeddingModel), values, maxRetries: 0 });
  assert.deepEqual(answer.embeddings.map((embedding) => embedding.length), [16, 16]);
}

async function worksOverTheOtherProviders() {
  const models = [
    [chatModel, openai(apiKey).chat(chatModel)],
    [chatModel, openai(apiKey).responses(chatModel)],
    [chatModel, anthropic(apiKey)(chatModel)],
    [anthropicModel, anthropic(apiKey)(anthropicModel)],
  ];
  for (const [name, model] of models) {
    const options = { model, prompt: question, maxOutputTokens: 7, maxRetries: 0 };
    const answer = await generateText(options);
    check(name, answer.text, answer.usage);
    const streamed = streamText(options);
    check(name, await streamed.text, await streamed.usage);
  }
}

async function leavesInMidStream() {
  const controller = new AbortController();
  const { textStream } = streamText({
    model: compatible(otherKey)(otherModel),
    prompt: question,
    abortSignal: controller.signal,
    ...simulated("tokens-500+chunk-delay-20"),
  });
  for await (const _ of textStream) controller.abort();
  report.left();
}

await generates();
await streams();
await callsATool();
await getsAnObject();
await embeds();
await worksOverTheOtherProviders();
await leavesInMidStream();
report.done();
