// The errors that an application catches.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { apiKey, baseURL, chatModel, environment, rejects } from "./settings.mjs";

const messages = [{ role: "user", content: "hello" }];
const client = (key) => new OpenAI({ baseURL, apiKey: key, maxRetries: 0 });
const chat = (key, options) => client(key).chat.completions.create({ model: chatModel, messages, ...options });

async function wrongKeysAreAuthenticationErrors() {
  const damaged = apiKey.slice(0, -1) + (apiKey.endsWith("0") ? "1" : "0");
  for (const key of ["sk-wrong", damaged, environment("MAAS_UNKNOWN_KEY")]) {
    for (const stream of [false, true]) {
      await rejects(OpenAI.AuthenticationError, 401, "invalid_api_key", () => chat(key, { stream }));
    }
  }
  await rejects(OpenAI.AuthenticationError, 401, "invalid_api_key", async () => client("sk-wrong").models.list());
}

async function aRevokedKeyIsAnAuthenticationError() {
  const key = environment("MAAS_REVOKED_KEY");
  await rejects(OpenAI.AuthenticationError, 401, "revoked_api_key", () => chat(key));
}

async function anUnknownModelIsNotFound() {
  const model = "no/such-model";
  for (const stream of [false, true]) {
    const error = await rejects(OpenAI.NotFoundError, 404, "model_not_found", () => chat(apiKey, { model, stream }));
    assert.equal(error.param, "model");
  }
  await rejects(OpenAI.NotFoundError, 404, "model_not_found", () => client(apiKey).models.retrieve(model));
}

async function aDeadUpstreamIsAServerError() {
  const model = environment("MAAS_DEAD_MODEL");
  for (const stream of [false, true]) {
    await rejects(OpenAI.InternalServerError, 502, "upstream_error", () => chat(apiKey, { model, stream }));
  }
}

async function otherUpstreamErrorsKeepTheirMeaning() {
  const overflow = () => chat(apiKey, { user: "sim:error-context-overflow" });
  const error = await rejects(OpenAI.BadRequestError, 400, "context_length_exceeded", overflow);
  assert.equal(error.param, "messages");
  const limited = () => chat(apiKey, { user: "sim:error-rate-limited" });
  await rejects(OpenAI.RateLimitError, 429, "upstream_rate_limited", limited);
  const refused = () => chat(apiKey, { user: "sim:error-unauthorized" });
  await rejects(OpenAI.InternalServerError, 502, "upstream_auth_failed", refused);
}

async function aCutInMidStreamIsAnErrorAndNeverACleanEnd() {
  const words = [];
  const readAll = async () => {
    const stream = await chat(apiKey, { stream: true, user: "sim:fault-cut+fault-after-3" });
    for await (const chunk of stream) {
      if (chunk.choices[0]?.delta.content) words.push(chunk.choices[0].delta.content);
    }
  };
  await assert.rejects(readAll, (error) => error instanceof OpenAI.APIError && error.code === "upstream_error");
  assert.equal(words.length, 3);
}

await wrongKeysAreAuthenticationErrors();
await aRevokedKeyIsAnAuthenticationError();
await anUnknownModelIsNotFound();
await aDeadUpstreamIsAServerError();
await otherUpstreamErrorsKeepTheirMeaning();
await aCutInMidStreamIsAnErrorAndNeverACleanEnd();
console.log("all errors are as expected");
