//! An issuer of tokens for one run: its public key as a pinned set, and a token.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

/// How long the token holds: longer than any run.
const HOLDS_S: u64 = 3600;

/// `bench identity-keys FOLDER`: `keys.json` for `jwks_file`, `token`.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let [folder] = args else { return Err("identity-keys FOLDER".into()) };
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| "no randomness")?;
    let key = Ed25519KeyPair::from_pkcs8(document.as_ref()).map_err(|_| "a key of ours is none")?;
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let keys = format!(
        r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"bench","x":"{}"}}]}}"#,
        BASE64.encode(key.public_key())
    );
    let claims = format!(
        r#"{{"iss":"https://ci.bench","aud":"interceptor","sub":"repo:org/repo:ref:refs/heads/main","ref":"refs/heads/main","iat":{now_s},"exp":{}}}"#,
        now_s + HOLDS_S
    );
    let signed = format!("{}.{}", BASE64.encode(r#"{"alg":"EdDSA","kid":"bench"}"#), BASE64.encode(claims));
    let token = format!("{signed}.{}", BASE64.encode(key.sign(signed.as_bytes())));
    for (name, text) in [("keys.json", keys), ("token", token)] {
        let path = Path::new(folder).join(name);
        std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}
