// A SPIFFE agent of the tests: real gRPC, on two unix sockets. Arguments: the folder with its packages, the sockets of the Workload API and of
// the Delegated Identity API. Each line of its standard input is JSON that changes how it answers; it says `{"asked": N}` when that holds
// (so many SVIDs were asked for), and ends with its input. Of a process PID it says spiffe://pay.example/job-PID, until `names` says another.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { generateKeyPairSync, sign } from "node:crypto";
import { chmodSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const [packages, workload, delegated] = process.argv.slice(2);
const require = createRequire(join(packages, "package.json"));
const grpc = require("@grpc/grpc-js");
const loader = createRequire(require.resolve("@grpc/grpc-js"))("@grpc/proto-loader");
const here = dirname(fileURLToPath(import.meta.url));
const load = (file) => grpc.loadPackageDefinition(loader.loadSync(join(here, file), { keepCase: true, defaults: true }));

const DOMAIN = "pay.example";
let how = { mode: "", ttl: 600, names: {}, delegates: true };
let asked = 0;
let number = 0;
let key;

function rotate() {
  number += 1;
  key = { kid: `k${number}`, ...generateKeyPairSync("ec", { namedCurve: "P-256" }) };
}
rotate();

const b64 = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

function token(id, audience) {
  const now = Math.floor(Date.now() / 1000);
  const claims = { sub: id, aud: how.mode === "audience" ? ["another"] : audience, iat: now, exp: now + how.ttl };
  const text = `${b64({ alg: "ES256", kid: key.kid, typ: "JWT" })}.${b64(claims)}`;
  const signature = sign("sha256", Buffer.from(text), { key: key.privateKey, dsaEncoding: "ieee-p1363" });
  return { text: `${text}.${signature.toString("base64url")}`, exp: claims.exp };
}

function bundles() {
  const shown = { ...key.publicKey.export({ format: "jwk" }), kid: key.kid, use: "jwt-svid" };
  const set = (keys) => Buffer.from(JSON.stringify({ keys, spiffe_sequence: number }));
  return { bundles: { "spiffe://other.example": set([]), [`spiffe://${how.domain ?? DOMAIN}`]: set([shown]) } };
}

const error = (code, details) => ({ code, details });

// What every call may come to. True: it was answered, or never will be.
function odd(call, fail) {
  if (how.mode === "deny") fail(error(grpc.status.PERMISSION_DENIED, "no identity issued"));
  else if (how.mode === "broken") fail(error(grpc.status.UNAVAILABLE, "the server\nis away"));
  else if (how.mode !== "hang") return false;
  return true;
}

const says = (call) => call.metadata.get("workload.spiffe.io")[0] === "true";
const refused = error(grpc.status.INVALID_ARGUMENT, "security header missing from request");

function own(call, answer) {
  asked += 1;
  if (odd(call, answer)) return;
  if (!says(call)) return answer(refused);
  const id = `spiffe://${DOMAIN}/own`;
  const ids = call.request.spiffe_id ? [call.request.spiffe_id] : [id];
  answer(null, { svids: ids.map((id) => ({ spiffe_id: id, svid: token(id, call.request.audience).text })) });
}

function ofProcess(call, answer) {
  asked += 1;
  if (odd(call, answer)) return;
  if (!how.delegates) return answer(error(grpc.status.PERMISSION_DENIED, "caller not configured as an authorized delegate"));
  const paths = how.names[call.request.pid] ?? how.all ?? [`/job-${call.request.pid}`];
  const domain = how.mode === "domain" ? "other.example" : DOMAIN;
  const svids = paths.map((path) => {
    const made = token(`spiffe://${domain}${path}`, call.request.audience);
    return { token: made.text, id: { trust_domain: domain, path }, expires_at: made.exp, issued_at: made.exp - how.ttl };
  });
  if (how.mode === "huge") svids[0].hint = "x".repeat(3 << 20);
  answer(null, { svids });
}

// The stream stays open, as an agent's does.
function stream(call) {
  if (odd(call, (why) => call.emit("error", why))) return;
  call.write(bundles());
}

async function serve(path, service, handlers) {
  const server = new grpc.Server({ "grpc.max_send_message_length": -1 });
  server.addService(service, handlers);
  await new Promise((done, fail) =>
    server.bindAsync(`unix:${path}`, grpc.ServerCredentials.createInsecure(), (why) => (why ? fail(why) : done())));
  chmodSync(path, 0o777);
}

const api = load("workload.proto").SpiffeWorkloadAPI.service;
await serve(workload, api, {
  FetchJWTSVID: own,
  FetchJWTBundles: (call) => (says(call) ? stream(call) : call.emit("error", refused)),
});
const admin = load("delegatedidentity.proto").spire.api.agent.delegatedidentity.v1.DelegatedIdentity.service;
await serve(delegated, admin, { FetchJWTSVIDs: ofProcess, SubscribeToJWTBundles: stream });

const tell = () => process.stdout.write(`${JSON.stringify({ asked })}\n`);
tell();
createInterface({ input: process.stdin })
  .on("line", (line) => {
    const { rotate: fresh, ...rest } = JSON.parse(line);
    how = { ...how, ...rest };
    if (fresh) rotate();
    tell();
  })
  .on("close", () => process.exit(0));
