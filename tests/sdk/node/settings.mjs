// What the scripts are told by their environment, and the one assertion that they share.

import assert from "node:assert/strict";

export const environment = (name) => {
  assert.ok(process.env[name], `${name} is not set`);
  return process.env[name];
};

export const baseURL = environment("MAAS_BASE_URL");
export const apiKey = environment("MAAS_API_KEY");
export const chatModel = environment("MAAS_CHAT_MODEL");
export const slashedModel = environment("MAAS_SLASHED_MODEL");
export const embeddingModel = environment("MAAS_EMBEDDING_MODEL");

/** The class that applications catch, and what they log of it. */
export async function rejects(kind, status, code, action) {
  const error = await action().then(
    () => assert.fail(`no ${kind.name}`),
    (reason) => reason,
  );
  assert.equal(error.constructor, kind, `${error.constructor.name} instead of ${kind.name}: ${error}`);
  assert.equal(error.status, status);
  assert.equal(error.code, code);
  assert.ok(error.requestID, "no request id");
  assert.equal(error.error.request_id, error.requestID);
  assert.ok(error.error.message);
  return error;
}
