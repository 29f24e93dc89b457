// Sound, pictures and moderation: other bodies than JSON, in both directions.

import assert from "node:assert/strict";
import OpenAI, { toFile } from "openai";
import * as report from "../shared/report.mjs";
import { baseURL, imageModel, moderationModel, otherKey, speechModel } from "../shared/world.mjs";
import { transcriptionModel } from "../shared/world.mjs";

const client = new OpenAI({ baseURL, apiKey: otherKey, maxRetries: 0 });
const recording = () => toFile(Buffer.alloc(3_000_000), "talk.wav", { type: "audio/wav" });

async function speaks() {
  const answer = await client.audio.speech.create({ model: speechModel, voice: "alloy", input: "one two three" });
  assert.ok((await answer.arrayBuffer()).byteLength > 0);
}

async function transcribes() {
  // The simulated upstream says how much of the file arrived.
  const transcript = await client.audio.transcriptions.create({ model: transcriptionModel, file: await recording() });
  assert.match(transcript.text, /3000000/);
  const translation = await client.audio.translations.create({ model: transcriptionModel, file: await recording() });
  assert.match(translation.text, /3000000/);
}

async function paints() {
  const made = await client.images.generate({ model: imageModel, prompt: "a small boat", response_format: "b64_json" });
  const picture = Buffer.from(made.data[0].b64_json, "base64");
  assert.equal(picture.subarray(1, 4).toString(), "PNG");
  const image = await toFile(picture, "boat.png", { type: "image/png" });
  const edited = await client.images.edit({ model: imageModel, prompt: "a larger boat", image });
  assert.ok(edited.data[0].b64_json);
}

async function moderates() {
  const answer = await client.moderations.create({ model: moderationModel, input: ["a kind word", "another one"] });
  assert.deepEqual(answer.results.map((result) => result.flagged), [false, false]);
}

await speaks();
await transcribes();
await paints();
await moderates();
report.done();
