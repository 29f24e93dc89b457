// The Responses API: translated for an upstream that only knows chats, and as it is for one that speaks it.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { rejects } from "../shared/expect.mjs";
import * as report from "../shared/report.mjs";
import { apiKey, baseURL, chatModel, otherKey, otherModel, question } from "../shared/world.mjs";
import { questionWords, responsesModel, words } from "../shared/world.mjs";
import { checkError } from "./checks.mjs";

const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const otherClient = new OpenAI({ baseURL, apiKey: otherKey, maxRetries: 0 });
const tools = [
  {
    type: "function",
    name: "look_up",
    parameters: { type: "object", properties: { word: { type: "string" } }, required: ["word"] },
    strict: false,
  },
];

const create = (model, options) =>
  client.responses.create({ model, input: question, user: "sim:tokens-7", ...options });

function check(response, model) {
  assert.deepEqual([response.status, response.model], ["completed", model]);
  assert.equal(words(response.output_text), 7);
  assert.deepEqual([response.usage.input_tokens, response.usage.output_tokens], [questionWords, 7]);
  report.used(model, response.usage.input_tokens, response.usage.output_tokens);
}

async function streams(model) {
  const stream = client.responses.stream({ model, input: question, user: "sim:tokens-7" });
  const types = [];
  for await (const event of stream) types.push(event.type);
  assert.deepEqual([types[0], types.at(-1)], ["response.created", "response.completed"]);
  check(await stream.finalResponse(), model);
}

async function callsATool(model) {
  const response = await create(model, { tools, user: "sim:tokens-7+tool-call" });
  const call = response.output.find((item) => item.type === "function_call");
  assert.equal(call.name, "look_up");
  JSON.parse(call.arguments);
  report.used(model, response.usage.input_tokens, response.usage.output_tokens);
}

async function keepsResponsesWhereTheUpstreamDoes() {
  const made = await create(responsesModel);
  check(made, responsesModel);
  assert.equal((await client.responses.retrieve(made.id)).output_text, made.output_text);
  check(await create(responsesModel, { previous_response_id: made.id }), responsesModel);
  await client.responses.delete(made.id);
  await rejects(OpenAI.NotFoundError, async () => client.responses.retrieve(made.id));
}

async function saysWhatATranslationCannotDo() {
  const made = await otherClient.responses.create({ model: otherModel, input: question });
  for (const options of [{ previous_response_id: made.id }, { background: true }]) {
    const ask = async () => otherClient.responses.create({ model: otherModel, input: question, ...options });
    checkError(await rejects(OpenAI.BadRequestError, ask), 400, "unsupported_parameter", Object.keys(options)[0]);
  }
}

for (const model of [chatModel, responsesModel]) {
  check(await create(model), model);
  await streams(model);
  await callsATool(model);
}
await keepsResponsesWhereTheUpstreamDoes();
await saysWhatATranslationCannotDo();
report.done();
