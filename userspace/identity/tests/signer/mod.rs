//! An issuer's private keys, which sign whatever they are told.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as B64;
use identity::jws::KeySet;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

pub struct Signer {
    edwards: Ed25519KeyPair,
    p256: EcdsaKeyPair,
}

impl Signer {
    pub fn new() -> Signer {
        let random = SystemRandom::new();
        let edwards = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        let p256 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Signer {
            edwards: Ed25519KeyPair::from_pkcs8(edwards.as_ref()).unwrap(),
            p256: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, p256.as_ref(), &random).unwrap(),
        }
    }

    /// What it shows.
    pub fn document(&self) -> Value {
        let point = self.p256.public_key().as_ref();
        json!({ "keys": [
            { "kty": "OKP", "crv": "Ed25519", "kid": "ed-1", "use": "sig", "x": B64.encode(self.edwards.public_key()) },
            { "kty": "EC", "crv": "P-256", "kid": "ec-1", "x": B64.encode(&point[1..33]), "y": B64.encode(&point[33..]) },
        ] })
    }

    pub fn keys(&self) -> KeySet {
        KeySet::parse(self.document().to_string().as_bytes()).unwrap()
    }

    pub fn public(&self) -> &[u8] {
        self.edwards.public_key().as_ref()
    }

    pub fn eddsa(&self, claims: &str) -> String {
        self.eddsa_with(r#"{"alg":"EdDSA","kid":"ed-1"}"#, claims)
    }

    /// Under any header.
    pub fn eddsa_with(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", B64.encode(header), B64.encode(claims));
        format!("{signed}.{}", B64.encode(self.edwards.sign(signed.as_bytes())))
    }

    pub fn es256(&self, claims: &str) -> String {
        let signed = format!("{}.{}", B64.encode(r#"{"alg":"ES256","kid":"ec-1"}"#), B64.encode(claims));
        let signature = self.p256.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", B64.encode(signature))
    }
}
