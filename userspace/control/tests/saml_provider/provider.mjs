// A SAML 2.0 identity provider (Auth0's `samlp`) on a port of its own. Argument: the folder with its packages.
// Says its address and its certificate on the first line, as JSON, and ends with its standard input.
import { createRequire } from "node:module";
import { createServer } from "node:http";
import { join } from "node:path";

// `new Buffer`, which its packages use, is told on standard error.
process.removeAllListeners("warning");
const require = createRequire(join(process.argv[2], "package.json"));
const samlp = require("samlp");
const made = require("selfsigned").generate([{ name: "commonName", value: "idp.example" }], { keySize: 2048, algorithm: "sha256" });

// How its answers are made, by the path that people are sent to.
const ways = {
  "/sso": {},
  "/both": { signResponse: true },
  "/outer": { signResponse: true, signAssertion: false },
  "/unsigned": { signAssertion: false },
  "/sha1": { signatureAlgorithm: "rsa-sha1", digestAlgorithm: "sha1" },
  "/encrypted": { encryptionPublicKey: made.public, encryptionCert: made.cert },
};
const profile = (name) => ({
  getClaims: () => ({ groups: name === "ann" ? ["leads", "staff"] : ["staff"], email: `${name}@example.com` }),
  getNameIdentifier: () => ({ nameIdentifier: `id-${name}`, nameIdentifierFormat: "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent" }),
});
const said = (response, status, text) => response.writeHead(status, { "Content-Type": "text/html" }).end(text);

const server = createServer(async (request, response) => {
  const address = new URL(request.url, issuer);
  const way = ways[address.pathname];
  if (!way) return said(response, 404, "nothing here");
  if (request.method === "GET") {
    return said(response, 200, '<form method="post"><input name="login"><button>Log in</button></form>');
  }
  let body = "";
  for await (const part of request) body += part;
  const query = Object.fromEntries(address.searchParams);
  const asked = { method: "GET", query, body: {} };
  const shown = { set: () => shown, send: (text) => said(response, 200, text) };
  const failed = (error) => said(response, 500, String(error));
  samlp.parseRequest(asked, {}, (error, wanted) => {
    if (error) return failed(error);
    const acs = wanted.assertionConsumerServiceURL;
    const answer = samlp.auth({
      issuer, key: made.private, cert: made.cert, recipient: acs, destination: acs, profileMapper: profile, ...way,
      getPostURL: (_audience, _request, _asked, done) => done(null, acs),
      getUserFromRequest: () => new URLSearchParams(body).get("login"),
    });
    answer(asked, shown, failed);
  });
});
let issuer;
server.listen(0, "127.0.0.1", () => {
  issuer = `http://127.0.0.1:${server.address().port}`;
  process.stdout.write(`${JSON.stringify({ issuer, certificate: made.cert })}\n`);
});
process.stdin.on("end", () => process.exit(0)).resume();
