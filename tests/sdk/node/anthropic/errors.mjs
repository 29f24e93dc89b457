// The errors that an application of Anthropic's library catches.

import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import { rejects } from "../shared/expect.mjs";
import * as report from "../shared/report.mjs";
import { deadModel, otherAnthropicModel, otherKey, otherModel, question } from "../shared/world.mjs";
import { revokedKey, rootURL, unknownKey } from "../shared/world.mjs";

function create(options = {}, key = otherKey) {
  const { modifiers = "tokens-7", ...rest } = options;
  const client = new Anthropic({ baseURL: rootURL, apiKey: key, maxRetries: 0 });
  const messages = [{ role: "user", content: question }];
  const metadata = { user_id: `sim:${modifiers}` };
  return client.messages.create({ model: otherModel, max_tokens: 1000, messages, metadata, ...rest });
}

function checkError(error, status, type) {
  assert.equal(error.status, status);
  assert.deepEqual([error.error.type, error.error.error.type], ["error", type]);
  assert.ok(error.error.error.message, "no message");
  // The library reads the id from `request-id`; the body holds it too.
  assert.ok(error.requestID, "no request id");
  assert.equal(error.requestID, error.error.request_id);
}

async function wrongKeysAreAuthenticationErrors() {
  for (const key of ["sk-wrong", unknownKey, revokedKey]) {
    const error = await rejects(Anthropic.AuthenticationError, async () => create({}, key));
    checkError(error, 401, "authentication_error");
  }
}

async function anUnknownModelIsNotFound() {
  const error = await rejects(Anthropic.NotFoundError, async () => create({ model: "no/such-model" }));
  checkError(error, 404, "not_found_error");
}

async function aDeadUpstreamIsAServerError() {
  const error = await rejects(Anthropic.InternalServerError, async () => create({ model: deadModel }));
  checkError(error, 502, "api_error");
}

async function faultsOfTheRequestAreBadRequests() {
  for (const model of [otherModel, otherAnthropicModel]) {
    const tooLong = async () => create({ model, modifiers: "error-context-overflow" });
    checkError(await rejects(Anthropic.BadRequestError, tooLong), 400, "invalid_request_error");
  }
}

async function aCutInMidStreamIsAnErrorAndNeverACleanEnd() {
  for (const model of [otherModel, otherAnthropicModel]) {
    const types = [];
    const readAll = async () => {
      const stream = await create({ model, modifiers: "fault-cut+fault-after-3", stream: true });
      for await (const event of stream) types.push(event.type);
    };
    await assert.rejects(readAll, Anthropic.APIError);
    assert.ok(types.includes("content_block_delta") && !types.includes("message_stop"), `${model}: ${types}`);
  }
}

await wrongKeysAreAuthenticationErrors();
await anUnknownModelIsNotFound();
await aDeadUpstreamIsAServerError();
await faultsOfTheRequestAreBadRequests();
await aCutInMidStreamIsAnErrorAndNeverACleanEnd();
report.done();
