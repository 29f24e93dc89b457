// A certified OpenID provider with two clients and its built-in login pages, for tests of signing in.
//
// Environment: REDIRECT_URI (of both clients), CLAIMS_IN_ID_TOKEN=true for claims in the id token instead of at the
// userinfo endpoint. Prints `{"issuer": "http://127.0.0.1:<port>"}` when it serves.
//
// Whoever signs in as `ada+developers+ops` is ada, in the groups developers and ops.
//
// POST /_rotate: new signing keys, the old ones are gone. Sessions and codes stay.

import { generateKeyPairSync, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import Provider from "oidc-provider";

const server = createServer((request, answer) => handle(request, answer));
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const issuer = `http://127.0.0.1:${server.address().port}`;
let provider = build();

function handle(request, answer) {
  if (request.method === "POST" && request.url === "/_rotate") {
    provider = build();
    answer.writeHead(204).end();
    return;
  }
  provider.callback()(request, answer);
}

// The adapter in memory belongs to the module, so that what was issued survives a new instance.
function build() {
  return new Provider(issuer, {
    clients: [
      { ...client("maas"), client_secret: "a secret of the confidential client" },
      { ...client("maas-public"), token_endpoint_auth_method: "none", id_token_signed_response_alg: "ES256" },
    ],
    jwks: { keys: [key("rsa", { modulusLength: 2048 }, "RS256"), key("ec", { namedCurve: "P-256" }, "ES256")] },
    scopes: ["openid", "profile", "groups"],
    claims: { openid: ["sub"], profile: ["name", "preferred_username"], groups: ["groups"] },
    conformIdTokenClaims: process.env.CLAIMS_IN_ID_TOKEN !== "true",
    cookies: { keys: ["not a secret: this server lives for one test"] },
    findAccount,
    pkce: { required: () => true },
  });
}

function client(id) {
  return {
    client_id: id,
    redirect_uris: [process.env.REDIRECT_URI],
    response_types: ["code"],
    grant_types: ["authorization_code"],
  };
}

function key(type, options, alg) {
  const { privateKey } = generateKeyPairSync(type, options);
  return { ...privateKey.export({ format: "jwk" }), use: "sig", alg, kid: randomUUID() };
}

function findAccount(_, login) {
  const [name, ...groups] = login.split("+");
  const claims = () => ({ sub: `sub-${name}`, preferred_username: name, name: `${name} of the provider`, groups });
  return { accountId: login, claims };
}

console.log(JSON.stringify({ issuer }));
