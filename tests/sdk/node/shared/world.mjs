// What the scripts are told by their environment.

import assert from "node:assert/strict";

const told = (name) => {
  assert.ok(process.env[name], `${name} is not set: the scripts are run by tests/tests/e2e/libraries`);
  return process.env[name];
};

// Without and with /v1.
export const rootURL = told("MAAS_ROOT_URL");
export const baseURL = told("MAAS_BASE_URL");

// What this key is used for must be reported, see report.mjs; everything else goes on the account of the other one.
export const apiKey = told("MAAS_API_KEY");
export const otherKey = told("MAAS_OTHER_KEY");
export const unknownKey = told("MAAS_UNKNOWN_KEY");
export const revokedKey = told("MAAS_REVOKED_KEY");

export const chatModel = told("MAAS_CHAT_MODEL");
export const slashedModel = told("MAAS_SLASHED_MODEL");
export const embeddingModel = told("MAAS_EMBEDDING_MODEL");
// For requests whose usage nobody reports: streams without usage, streams that are left.
export const otherModel = told("MAAS_OTHER_MODEL");
// Its upstream is gone.
export const deadModel = told("MAAS_DEAD_MODEL");
// Its upstream misbehaves as flaky() says.
export const flakyModel = told("MAAS_FLAKY_MODEL");
// Their upstream speaks Anthropic's API; the usage of the second one is not reported.
export const anthropicModel = told("MAAS_ANTHROPIC_MODEL");
export const otherAnthropicModel = told("MAAS_OTHER_ANTHROPIC_MODEL");
// Its upstream speaks the Responses API.
export const responsesModel = told("MAAS_RESPONSES_MODEL");
export const speechModel = told("MAAS_SPEECH_MODEL");
export const transcriptionModel = told("MAAS_TRANSCRIPTION_MODEL");
export const imageModel = told("MAAS_IMAGE_MODEL");
export const moderationModel = told("MAAS_MODERATION_MODEL");

export const question = "say something about the sea";
export const questionWords = 5;
// Calls of an upstream for one request.
export const platformAttempts = 3;

/** The simulated upstream's tokens. */
export const words = (text) => text.trim().split(/\s+/).length;

/** What the flaky model's upstream does from now on; without an argument it is well. */
export async function flaky(behaviour = {}) {
  const body = JSON.stringify({ required_api_key: told("MAAS_FLAKY_UPSTREAM_KEY"), ...behaviour });
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`${told("MAAS_FLAKY_UPSTREAM")}/_behaviour`, { method: "POST", headers, body });
  assert.equal(answer.status, 204);
}
