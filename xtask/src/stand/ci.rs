//! An issuer of tokens of a stand's own: what a CI signs for its jobs, by a key that was made for one run.

use std::fs;
use std::io::{Error, Result};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::Folder;

/// The key, and the folder of its public half and of tokens.
pub struct Ci {
    key: Ed25519KeyPair,
    /// Where both lie.
    pub folder: Folder,
}

impl Ci {
    /// One with a key of its own.
    pub fn new() -> Result<Ci> {
        let document =
            Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| Error::other("no randomness"))?;
        let key =
            Ed25519KeyPair::from_pkcs8(document.as_ref()).map_err(|_| Error::other("a key that was made is none"))?;
        let folder = Folder::new("ci")?;
        let shown = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": BASE64.encode(key.public_key()) });
        fs::write(folder.path().join("keys.json"), json!({ "keys": [shown] }).to_string())?;
        Ok(Ci { key, folder })
    }

    /// `[[issuer]]` of it, as GitHub Actions: with a group of those who make releases.
    pub fn tables(&self) -> String {
        format!(
            "[[issuer]]\nname = \"ci\"\npreset = \"github-actions\"\nissuer = \"https://ci.example\"\naudience = [\"interceptor\"]\njwks_file = \"{}/keys.json\"\nrequire = {{ repository_id = \"74\" }}\n[[issuer.group]]\nname = \"releases\"\nclaims = {{ ref = \"refs/tags/*\" }}\n",
            self.folder.path().display()
        )
    }

    /// As GitHub writes it, for this run, with these claims beside or in place of the usual ones.
    pub fn token(&self, run: u32, holds_s: u64, other: Value) -> String {
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        let mut claims = json!({
            "iss": "https://ci.example", "aud": "interceptor", "sub": "repo:octo-org/octo-repo:ref:refs/heads/main",
            "repository_id": "74", "repository": "octo-org/octo-repo", "ref": "refs/heads/main", "run_attempt": "1",
            "run_id": run.to_string(), "iat": now_s, "exp": now_s + holds_s,
        });
        if let (Some(claims), Value::Object(other)) = (claims.as_object_mut(), other) {
            claims.extend(other);
        }
        let signed =
            format!("{}.{}", BASE64.encode(r#"{"alg":"EdDSA","kid":"k1"}"#), BASE64.encode(claims.to_string()));
        format!("{signed}.{}", BASE64.encode(self.key.sign(signed.as_bytes())))
    }

    /// In a file that every account may read.
    pub fn file(&self, name: &str, token: &str) -> Result<PathBuf> {
        let (path, fresh) = (self.folder.path().join(name), self.folder.path().join("fresh"));
        fs::write(&fresh, token)?;
        fs::rename(&fresh, &path)?;
        Ok(path)
    }
}
