// Tools and pictures: what agents do.

import assert from "node:assert/strict";
import OpenAI from "openai";
import * as report from "../shared/report.mjs";
import { apiKey, baseURL, chatModel, question, questionWords } from "../shared/world.mjs";

const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const asked = { role: "user", content: question };
const tools = [
  {
    type: "function",
    function: {
      name: "look_up",
      description: "Looks a word up.",
      parameters: { type: "object", properties: { word: { type: "string" } }, required: ["word"] },
    },
  },
];
const used = (usage) => report.used(chatModel, usage.prompt_tokens, usage.completion_tokens);

async function callsAToolAndHandsBackItsResult() {
  const request = { model: chatModel, tools, user: "sim:tokens-7+tool-call", messages: [asked] };
  const first = await client.chat.completions.create(request);
  used(first.usage);
  const { finish_reason: reason, message } = first.choices[0];
  const call = message.tool_calls[0];
  assert.deepEqual([reason, call.type, call.function.name], ["tool_calls", "function", "look_up"]);
  JSON.parse(call.function.arguments);
  const result = { role: "tool", tool_call_id: call.id, content: "salt water" };
  const conversation = { ...request, user: "sim:tokens-7", messages: [asked, message, result] };
  const second = await client.chat.completions.create(conversation);
  assert.equal(second.choices[0].finish_reason, "stop");
  used(second.usage);
}

async function streamsAToolCallInPieces() {
  const options = { stream_options: { include_usage: true }, user: "sim:tokens-7+tool-call" };
  const stream = client.chat.completions.stream({ model: chatModel, tools, messages: [asked], ...options });
  let pieces = 0;
  stream.on("tool_calls.function.arguments.delta", () => (pieces += 1));
  const answer = await stream.finalChatCompletion();
  const call = answer.choices[0].message.tool_calls[0];
  assert.equal(call.function.name, "look_up");
  JSON.parse(call.function.arguments);
  assert.ok(pieces > 1, "the arguments came at once");
  used(answer.usage);
}

async function showsAPicture() {
  const url = `data:image/png;base64,${Buffer.alloc(1_000_000).toString("base64")}`;
  const content = [
    { type: "text", text: question },
    { type: "image_url", image_url: { url } },
  ];
  const messages = [{ role: "user", content }];
  const answer = await client.chat.completions.create({ model: chatModel, messages, user: "sim:tokens-7" });
  assert.ok(answer.usage.prompt_tokens >= questionWords);
  used(answer.usage);
}

await callsAToolAndHandsBackItsResult();
await streamsAToolCallInPieces();
await showsAPicture();
report.done();
