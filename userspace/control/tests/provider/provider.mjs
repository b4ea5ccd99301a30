// A certified OpenID provider on a port of its own. Arguments: the folder with its packages, the page's callback.
// Says its address on the first line, and ends with its standard input.
import { createRequire } from "node:module";
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

// Its warnings of what is only for development, after nobody reads them any more.
console.info = console.warn = () => {};
const [packages, callback] = process.argv.slice(2);
const found = createRequire(join(packages, "package.json")).resolve("oidc-provider");
const { Provider } = await import(pathToFileURL(found).href);

const key = (kind, options, kid, alg) => {
  const { privateKey } = generateKeyPairSync(kind, options);
  return { ...privateKey.export({ format: "jwk" }), kid, alg, use: "sig" };
};
const client = (id, alg) => ({
  client_id: id, client_secret: "s3cret", redirect_uris: [callback], id_token_signed_response_alg: alg,
  backchannel_logout_uri: callback.replace(/callback$/, "logout"), backchannel_logout_session_required: id === "es",
});
const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    jwks: { keys: [
      key("rsa", { modulusLength: 2048 }, "r1", "RS256"),
      key("ec", { namedCurve: "P-256" }, "e1", "ES256"),
      key("ed25519", {}, "d1", "EdDSA"),
    ] },
    enabledJWA: { idTokenSigningAlgValues: ["RS256", "ES256", "EdDSA"] },
    clients: [client("rs", "RS256"), client("es", "ES256"), client("ed", "EdDSA")],
    features: { backchannelLogout: { enabled: true } },
    // Its own turns loopback away.
    fetch: (url, options) => fetch(url, { ...options, dispatcher: undefined }),
    claims: { openid: ["sub"], profile: ["groups"], email: ["email"] },
    cookies: { keys: ["only for tests"] },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, groups: id === "ann" ? ["leads"] : ["staff"], email: `${id}@example.com` }),
    }),
  });
  server.on("request", provider.callback());
  process.stdout.write(`${issuer}\n`);
});
process.stdin.on("end", () => process.exit(0)).resume();
