// Anthropic's library on both kinds of upstream: translated into a chat, and as it is.

import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import * as report from "../shared/report.mjs";
import { anthropicModel, apiKey, baseURL, chatModel, otherAnthropicModel } from "../shared/world.mjs";
import { otherKey, otherModel, question, questionWords, rootURL, words } from "../shared/world.mjs";

const client = new Anthropic({ baseURL: rootURL, apiKey, maxRetries: 0 });
const otherClient = new Anthropic({ baseURL: rootURL, apiKey: otherKey, maxRetries: 0 });
const asked = { role: "user", content: question };
const tools = [
  {
    name: "look_up",
    description: "Looks a word up.",
    input_schema: { type: "object", properties: { word: { type: "string" } }, required: ["word"] },
  },
];

const request = (model, modifiers = "tokens-7", options = {}) => ({
  model,
  max_tokens: 1000,
  messages: [asked],
  metadata: { user_id: `sim:${modifiers}` },
  ...options,
});

const used = (message) => report.used(message.model, message.usage.input_tokens, message.usage.output_tokens);

function check(message, model) {
  assert.deepEqual([message.type, message.model, message.stop_reason], ["message", model, "end_turn"]);
  assert.equal(words(message.content[0].text), 7);
  assert.deepEqual([message.usage.input_tokens, message.usage.output_tokens], [questionWords, 7]);
  used(message);
}

async function streams(model) {
  let pieces = 0;
  const stream = client.messages.stream(request(model)).on("text", () => (pieces += 1));
  check(await stream.finalMessage(), model);
  assert.ok(pieces > 1, "the text came at once");
}

async function callsAToolAndHandsBackItsResult(model) {
  const first = await client.messages.create(request(model, "tokens-7+tool-call", { tools }));
  used(first);
  assert.equal(first.stop_reason, "tool_use");
  const call = first.content.find((block) => block.type === "tool_use");
  const result = { type: "tool_result", tool_use_id: call.id, content: "salt water" };
  const messages = [asked, { role: "assistant", content: first.content }, { role: "user", content: [result] }];
  const second = await client.messages.create(request(model, "tokens-7", { tools, messages }));
  assert.equal(second.stop_reason, "end_turn");
  assert.equal(words(second.content[0].text), 7);
  used(second);
}

async function streamsAToolCallInPieces(model) {
  let pieces = 0;
  const stream = client.messages.stream(request(model, "tool-call", { tools })).on("inputJson", () => (pieces += 1));
  const message = await stream.finalMessage();
  assert.equal(message.stop_reason, "tool_use");
  assert.equal(typeof message.content.at(-1).input, "object");
  assert.ok(pieces > 1, "the arguments came at once");
  used(message);
}

async function countsTokens(model) {
  const count = await otherClient.messages.countTokens({ model, messages: [asked] });
  assert.ok(count.input_tokens >= questionWords, JSON.stringify(count));
}

async function findsUsWithAndWithoutV1() {
  for (const url of [rootURL, baseURL]) {
    for (const credential of [{ apiKey }, { apiKey: null, authToken: apiKey }]) {
      const at = new Anthropic({ baseURL: url, maxRetries: 0, ...credential });
      check(await at.messages.create(request(chatModel)), chatModel);
      // As Claude Code asks: with beta features in a header.
      const withBeta = request(chatModel, "tokens-7", { betas: ["some-feature-2026-01-01"] });
      check(await at.beta.messages.create(withBeta), chatModel);
    }
  }
}

async function leavesInMidStream(model) {
  const endless = request(model, "tokens-500+chunk-delay-20", { stream: true });
  for await (const event of await otherClient.messages.create(endless)) {
    if (event.type === "content_block_delta") break;
  }
  report.left();
}

for (const model of [chatModel, anthropicModel]) {
  check(await client.messages.create(request(model)), model);
  await streams(model);
  await callsAToolAndHandsBackItsResult(model);
  await streamsAToolCallInPieces(model);
}
await findsUsWithAndWithoutV1();
for (const model of [otherModel, otherAnthropicModel]) {
  await countsTokens(model);
  await leavesInMidStream(model);
}
report.done();
