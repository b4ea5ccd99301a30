//! Signatures of JSON web tokens (RFC 7515) by the public keys of a provider (RFC 7517): RS256, ES256 and EdDSA, and nothing else.
//!
//! There is no code for `none` and none for shared secrets: a token that names them is refused by its header, and a public key can never
//! be taken for a secret. A key is bound to one algorithm by its own type, never by what the token says.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;

use crate::{KEYS_BYTES_MAX, TOKEN_BYTES_MAX, strict};

/// A provider shows at most so many keys.
const KEYS_MAX: usize = 64;

/// What may have signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA of 2048 to 8192 bits, PKCS #1 1.5, SHA-256.
    Rs256,
    /// ECDSA on P-256, SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Algorithm; 3] = [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa];

    /// By its name in RFC 7518 and 8037.
    pub fn of(name: &str) -> Option<Algorithm> {
        match name {
            "RS256" => Some(Algorithm::Rs256),
            "ES256" => Some(Algorithm::Es256),
            "EdDSA" => Some(Algorithm::EdDsa),
            _ => None,
        }
    }
}

/// Why a token's words do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unverified {
    /// It is no signed token.
    Malformed,
    /// It names an algorithm that is not accepted.
    Algorithm,
    /// The provider shows no such key.
    UnknownKey,
    /// The signature is not that key's.
    Signature,
}

impl fmt::Display for Unverified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unverified::Malformed => "it is no signed token",
            Unverified::Algorithm => "its algorithm is none of RS256, ES256, EdDSA",
            Unverified::UnknownKey => "no key of the provider is the one that it names",
            Unverified::Signature => "its signature is wrong",
        })
    }
}

/// The public keys of a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySet(Vec<Key>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    id: Option<String>,
    public: Public,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Public {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// One key as it is shown; of the other kinds nothing is read.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// What is read of a token's header. `jku`, `jwk`, `x5u` and `x5c` are not: whoever made the token would choose the key.
struct Header {
    alg: String,
    kid: Option<String>,
}

impl Header {
    fn parse(bytes: &[u8]) -> Result<Header, Unverified> {
        let mut header = strict::object(bytes).map_err(|_| Unverified::Malformed)?;
        // What `crit` says must be understood; we do not.
        if header.contains_key("crit") {
            return Err(Unverified::Malformed);
        }
        let mut text = |name: &str| match header.remove(name) {
            None => Ok(None),
            Some(serde_json::Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Unverified::Malformed),
        };
        Ok(Header { alg: text("alg")?.ok_or(Unverified::Malformed)?, kid: text("kid")? })
    }
}

impl KeySet {
    /// From the provider's document; keys that cannot be used are left out. `None`: it is no set of keys.
    pub fn parse(document: &[u8]) -> Option<KeySet> {
        if document.len() > KEYS_BYTES_MAX {
            return None;
        }
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<serde_json::Value>,
        }
        let keys = serde_json::from_slice::<Document>(document).ok()?.keys;
        let usable = keys.into_iter().filter_map(|key| Key::of(serde_json::from_value(key).ok()?));
        Some(KeySet(usable.take(KEYS_MAX).collect()))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// By the names that their issuer gives them (`kid`), for a person.
    pub fn named(&self) -> String {
        const NAMES_MAX: usize = 8;
        let name =
            |key: &Key| key.id.as_deref().map_or("one without a name".to_owned(), |id| id.chars().take(64).collect());
        let mut names: Vec<String> = self.0.iter().take(NAMES_MAX).map(name).collect();
        if self.0.len() > NAMES_MAX {
            names.push(format!("and {} more", self.0.len() - NAMES_MAX));
        }
        names.join(", ")
    }

    /// The token's payload, where one of these keys has signed it.
    pub fn verify(&self, token: &str) -> Result<Vec<u8>, Unverified> {
        self.verify_by(token, &Algorithm::ALL)
    }

    /// The same, by these algorithms alone.
    pub fn verify_by(&self, token: &str, accepted: &[Algorithm]) -> Result<Vec<u8>, Unverified> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Unverified::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Unverified::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(Unverified::Malformed)?;
        let decoded = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| Unverified::Malformed);
        let header = Header::parse(&decoded(header)?)?;
        let algorithm = Algorithm::of(&header.alg).filter(|named| accepted.contains(named));
        let algorithm = algorithm.ok_or(Unverified::Algorithm)?;
        let (payload, signature) = (decoded(payload)?, decoded(signature)?);
        let named = |key: &&Key| header.kid.is_none() || key.id == header.kid;
        let mut candidates = self.0.iter().filter(|key| key.algorithm() == algorithm).filter(named).peekable();
        if candidates.peek().is_none() {
            return Err(Unverified::UnknownKey);
        }
        match candidates.any(|key| key.has_signed(signed.as_bytes(), &signature)) {
            true => Ok(payload),
            false => Err(Unverified::Signature),
        }
    }
}

impl Key {
    fn of(shown: Jwk) -> Option<Key> {
        let bytes = |text: Option<String>| BASE64_URL_SAFE_NO_PAD.decode(text?).ok();
        let public = match (shown.kty.as_str(), shown.crv.as_deref()) {
            ("RSA", _) => Public::Rsa { n: bytes(shown.n)?, e: bytes(shown.e)? },
            ("EC", Some("P-256")) => {
                let (x, y) = (bytes(shown.x)?, bytes(shown.y)?);
                (x.len() == 32 && y.len() == 32).then(|| Public::P256([&[4][..], &x, &y].concat()))?
            }
            ("OKP", Some("Ed25519")) => Public::Ed25519(bytes(shown.x)?),
            _ => return None,
        };
        let key = Key { id: shown.kid, public };
        // `jwt-svid`: SPIFFE's bundles (SPIFFE-ID and trust domain bundle, 4.2.2).
        let signs = shown.purpose.is_none_or(|purpose| purpose == "sig" || purpose == "jwt-svid");
        let fits = shown.alg.is_none_or(|name| Algorithm::of(&name) == Some(key.algorithm()));
        (signs && fits).then_some(key)
    }

    fn algorithm(&self) -> Algorithm {
        match self.public {
            Public::Rsa { .. } => Algorithm::Rs256,
            Public::P256(_) => Algorithm::Es256,
            Public::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    fn has_signed(&self, text: &[u8], by: &[u8]) -> bool {
        let verified = match &self.public {
            Public::Rsa { n, e } => {
                // A leading zero is no part of the number (RFC 7518, 6.3.1), and ring refuses it.
                RsaPublicKeyComponents { n: trimmed(n), e: trimmed(e) }.verify(
                    &signature::RSA_PKCS1_2048_8192_SHA256,
                    text,
                    by,
                )
            }
            Public::P256(point) => UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).verify(text, by),
            Public::Ed25519(point) => UnparsedPublicKey::new(&signature::ED25519, point).verify(text, by),
        };
        verified.is_ok()
    }
}

/// The number without its leading zeros.
fn trimmed(number: &[u8]) -> &[u8] {
    let first = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
    number.get(first..).unwrap_or_default()
}
