// Expecting an exception.

import assert from "node:assert/strict";

/** The error of exactly this class; applications choose by class what they do next. */
export async function rejects(kind, action) {
  const error = await action().then(
    () => assert.fail(`no ${kind.name}`),
    (reason) => reason,
  );
  assert.equal(error.constructor, kind, `${error.constructor.name} instead of ${kind.name}: ${error}`);
  return error;
}
