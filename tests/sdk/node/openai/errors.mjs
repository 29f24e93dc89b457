// The errors that an application catches.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { rejects } from "../shared/expect.mjs";
import * as report from "../shared/report.mjs";
import { baseURL, deadModel, otherKey, otherModel, question, revokedKey, unknownKey } from "../shared/world.mjs";
import { checkError } from "./checks.mjs";

const messages = [{ role: "user", content: question }];
const client = (key) => new OpenAI({ baseURL, apiKey: key, maxRetries: 0 });
const chat = (options, key = otherKey) =>
  client(key).chat.completions.create({ model: otherModel, messages, ...options });

async function wrongKeysAreAuthenticationErrors() {
  const damaged = otherKey.slice(0, -1) + (otherKey.endsWith("0") ? "1" : "0");
  for (const key of ["sk-wrong", damaged, unknownKey]) {
    for (const stream of [false, true]) {
      checkError(await rejects(OpenAI.AuthenticationError, () => chat({ stream }, key)), 401, "invalid_api_key");
    }
  }
  const list = async () => client("sk-wrong").models.list();
  checkError(await rejects(OpenAI.AuthenticationError, list), 401, "invalid_api_key");
}

async function aRevokedKeyIsAnAuthenticationError() {
  checkError(await rejects(OpenAI.AuthenticationError, () => chat({}, revokedKey)), 401, "revoked_api_key");
}

async function anUnknownModelIsNotFound() {
  const model = "no/such-model";
  for (const stream of [false, true]) {
    checkError(await rejects(OpenAI.NotFoundError, () => chat({ model, stream })), 404, "model_not_found", "model");
  }
  const retrieve = async () => client(otherKey).models.retrieve(model);
  checkError(await rejects(OpenAI.NotFoundError, retrieve), 404, "model_not_found", "model");
}

async function aDeadUpstreamIsAServerError() {
  for (const stream of [false, true]) {
    const error = await rejects(OpenAI.InternalServerError, () => chat({ model: deadModel, stream }));
    checkError(error, 502, "upstream_error");
  }
}

async function otherUpstreamErrorsKeepTheirMeaning() {
  const tooLong = await rejects(OpenAI.BadRequestError, () => chat({ user: "sim:error-context-overflow" }));
  checkError(tooLong, 400, "context_length_exceeded", "messages");
  const limited = await rejects(OpenAI.RateLimitError, () => chat({ user: "sim:error-rate-limited" }));
  checkError(limited, 429, "upstream_rate_limited");
  const refused = await rejects(OpenAI.InternalServerError, () => chat({ user: "sim:error-unauthorized" }));
  checkError(refused, 502, "upstream_auth_failed");
}

async function aCutInMidStreamIsAnErrorAndNeverACleanEnd() {
  const pieces = [];
  const readAll = async () => {
    const stream = await chat({ stream: true, user: "sim:fault-cut+fault-after-3" });
    for await (const chunk of stream) {
      if (chunk.choices[0]?.delta.content) pieces.push(chunk.choices[0].delta.content);
    }
  };
  const error = await rejects(OpenAI.APIError, readAll);
  assert.equal(error.code, "upstream_error");
  assert.equal(pieces.length, 3);
}

await wrongKeysAreAuthenticationErrors();
await aRevokedKeyIsAnAuthenticationError();
await anUnknownModelIsNotFound();
await aDeadUpstreamIsAServerError();
await otherUpstreamErrorsKeepTheirMeaning();
await aCutInMidStreamIsAnErrorAndNeverACleanEnd();
report.done();
