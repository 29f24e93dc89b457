// What an application of the AI SDK catches, and what the SDK repeats.

import assert from "node:assert/strict";
import { APICallError, generateText, streamText } from "ai";
import * as report from "../shared/report.mjs";
import { flaky, flakyModel, otherKey, otherModel, platformAttempts, question, unknownKey } from "../shared/world.mjs";
import { compatible, simulated } from "./providers.mjs";

const ask = (model, options = {}) => generateText({ model, prompt: question, maxRetries: 0, ...options });

async function refuses(status, code, action) {
  const error = await action().then(
    () => assert.fail("no error"),
    (reason) => reason,
  );
  assert.ok(APICallError.isInstance(error), `${error}`);
  assert.equal(error.statusCode, status);
  assert.equal(error.data.error.code, code);
  assert.equal(JSON.parse(error.responseBody).error.request_id, error.responseHeaders["x-request-id"]);
  return error;
}

async function refusalsAreNotWorthRepeating() {
  const unknown = await refuses(401, "invalid_api_key", () => ask(compatible(unknownKey)(otherModel)));
  const missing = await refuses(404, "model_not_found", () => ask(compatible(otherKey)("no/such-model")));
  assert.ok(!unknown.isRetryable && !missing.isRetryable);
}

async function aRateLimitIsRepeatedByTheSdk() {
  await flaky({ error: "rate-limited", error_times: platformAttempts, retry_after_seconds: 0 });
  const model = compatible(otherKey)(flakyModel);
  const limited = await refuses(429, "upstream_rate_limited", () => ask(model));
  assert.ok(limited.isRetryable);
  await flaky({ error: "rate-limited", error_times: platformAttempts, retry_after_seconds: 0 });
  assert.equal((await ask(model, { maxRetries: 1 })).finishReason, "stop");
}

async function aCutInMidStreamIsAnErrorAndNeverACleanEnd() {
  const parts = [];
  const { fullStream } = streamText({
    model: compatible(otherKey)(otherModel),
    prompt: question,
    maxRetries: 0,
    onError: () => {},
    ...simulated("fault-cut+fault-after-3"),
  });
  for await (const part of fullStream) parts.push(part.type);
  assert.ok(parts.includes("text-delta") && parts.includes("error"), `${parts}`);
}

await refusalsAreNotWorthRepeating();
await aRateLimitIsRepeatedByTheSdk();
await aCutInMidStreamIsAnErrorAndNeverACleanEnd();
report.done();
