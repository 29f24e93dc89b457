// What the library said that its requests used. The test compares it with what the upstream counted and with the
// platform's books, so that nobody in between may lose or double a token.

const usage = {};
let streamsLeft = 0;

/** One request with the metered key has ended, and this is what the library reported. */
export function used(model, inputTokens, outputTokens) {
  usage[model] ??= { requests: 0, input_tokens: 0, output_tokens: 0 };
  usage[model].requests += 1;
  usage[model].input_tokens += inputTokens;
  usage[model].output_tokens += outputTokens;
}

/** One stream was left before its end: the upstream must notice. */
export function left() {
  streamsLeft += 1;
}

/** The last line of a script that found everything as expected. */
export function done() {
  console.log("report:", JSON.stringify({ usage, left: streamsLeft }));
}
