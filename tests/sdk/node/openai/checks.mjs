// What an application reads from an error of this library.

import assert from "node:assert/strict";

export function checkError(error, status, code, param = null) {
  assert.deepEqual([error.status, error.code, error.param], [status, code, param]);
  assert.ok(error.requestID, "no request id");
  assert.equal(error.error.request_id, error.requestID);
  assert.ok(error.error.message && error.error.type, JSON.stringify(error.error));
}
