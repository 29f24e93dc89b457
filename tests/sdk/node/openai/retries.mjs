// What the library repeats by itself, and what it must not: three attempts in all unless it is told otherwise.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { rejects } from "../shared/expect.mjs";
import * as report from "../shared/report.mjs";
import { baseURL, flaky, flakyModel, otherKey, platformAttempts, question, unknownKey } from "../shared/world.mjs";

const messages = [{ role: "user", content: question }];
let attempts = [];

async function countingFetch(url, options) {
  const answer = await fetch(url, options);
  attempts.push(answer.status);
  return answer;
}

function chat({ key = otherKey, ...options } = {}) {
  attempts = [];
  const client = new OpenAI({ baseURL, apiKey: key, fetch: countingFetch });
  return client.chat.completions.create({ model: flakyModel, messages, user: "sim:tokens-7", ...options });
}

async function aMomentOfWeaknessIsNotEvenSeen() {
  await flaky({ error: "unavailable", error_times: 1, retry_after_seconds: 0 });
  assert.equal((await chat()).choices[0].finish_reason, "stop");
  assert.deepEqual(attempts, [200]);
}

async function whatThePlatformGivesUpTheLibraryRepeats() {
  for (const [error, status] of [["internal", 502], ["rate-limited", 429]]) {
    await flaky({ error, error_times: platformAttempts, retry_after_seconds: 0 });
    assert.equal((await chat()).choices[0].finish_reason, "stop");
    assert.deepEqual(attempts, [status, 200]);
  }
}

async function aRefusalIsNotRepeated() {
  await flaky();
  await rejects(OpenAI.AuthenticationError, () => chat({ key: unknownKey }));
  assert.deepEqual(attempts, [401]);
  await rejects(OpenAI.NotFoundError, () => chat({ model: "no/such-model" }));
  assert.deepEqual(attempts, [404]);
  await rejects(OpenAI.BadRequestError, () => chat({ user: "sim:error-context-overflow" }));
  assert.deepEqual(attempts, [400]);
}

await aMomentOfWeaknessIsNotEvenSeen();
await whatThePlatformGivesUpTheLibraryRepeats();
await aRefusalIsNotRepeated();
report.done();
