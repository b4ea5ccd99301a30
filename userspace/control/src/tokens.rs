//! Bearer tokens of the JSON API: JSON web tokens (RFC 7519) that this service signs and nobody else checks, so the key is a secret of its own (HS256).
//!
//! A token is verified by its signature before a word of it is read, and by one header only, to the byte: there is no algorithm to choose.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::hmac;
use serde::{Deserialize, Serialize};

use crate::secrets::random;

/// Bytes of the key.
pub const TOKEN_KEY_BYTES: usize = 32;
/// A token is good for so long at most.
pub const TOKEN_S_MAX: u64 = 90 * 86_400;
/// No token is longer.
const TOKEN_MAX: usize = 2048;
/// What it is for has so many letters at most.
const PURPOSE_MAX: usize = 64;
/// `{"alg":"HS256","typ":"JWT"}`.
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";
const ISSUER: &str = "interceptor";

/// What a token lets its bearer do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scope {
    /// See.
    Read,
    /// Approve and deny, as the reviewer whose it is.
    Decide,
}

/// What is asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    pub(crate) scopes: Vec<Scope>,
    /// Where it will be used, for people.
    pub(crate) purpose: String,
    /// Good for so many seconds.
    pub(crate) seconds: u64,
}

impl Wanted {
    /// Why it is not given.
    pub(crate) fn doubt(&self) -> Option<String> {
        let fits = |letter: char| letter.is_ascii_alphanumeric() || "-_. ".contains(letter);
        if self.scopes.is_empty() {
            Some("name what it may do: read, decide".to_owned())
        } else if !(1..=PURPOSE_MAX).contains(&self.purpose.len()) || !self.purpose.chars().all(fits) {
            Some(format!("say what it is for, in 1 to {PURPOSE_MAX} letters of a-z A-Z 0-9 - _ . and space"))
        } else if !(60..=TOKEN_S_MAX).contains(&self.seconds) {
            Some(format!("it is good for a minute at least and {} days at most", TOKEN_S_MAX / 86_400))
        } else {
            None
        }
    }
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bearer {
    iss: String,
    aud: String,
    /// The account whose it is: a reviewer's.
    pub(crate) uid: u32,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) purpose: String,
    pub(crate) iat: u64,
    exp: u64,
    pub(crate) jti: String,
}

/// Why a token does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bad {
    /// It is not of this service's key, or is no token.
    Forged,
    /// It is of this key, for another service.
    Elsewhere,
    /// It was good until then.
    Expired,
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Bad::Forged => "this service has not issued this token",
            Bad::Elsewhere => "the token is for another service",
            Bad::Expired => "the token has expired",
        })
    }
}

/// Issues and verifies.
#[derive(Debug)]
pub(crate) struct Tokens {
    key: hmac::Key,
    /// The page's own address: a token is good there alone.
    audience: String,
}

impl Tokens {
    pub(crate) fn new(key: &[u8; TOKEN_KEY_BYTES], audience: &str) -> Tokens {
        Tokens { key: hmac::Key::new(hmac::HMAC_SHA256, key), audience: audience.to_owned() }
    }

    /// For this account. `None`: there is no randomness.
    pub(crate) fn issue(&self, uid: u32, wanted: Wanted, now_s: u64) -> Option<String> {
        let Wanted { scopes, purpose, seconds } = wanted;
        let jti = random()?.chars().take(16).collect();
        let (iss, aud) = (ISSUER.to_owned(), self.audience.clone());
        let bearer = Bearer { iss, aud, uid, scopes, purpose, iat: now_s, exp: now_s.saturating_add(seconds), jti };
        let payload = BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(&bearer).ok()?);
        let text = format!("{HEADER}.{payload}");
        let signature = BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, text.as_bytes()));
        Some(format!("{text}.{signature}"))
    }

    /// What the token says, where it counts.
    pub(crate) fn verify(&self, token: &str, now_s: u64) -> Result<Bearer, Bad> {
        let (text, signature) = token.rsplit_once('.').filter(|_| token.len() <= TOKEN_MAX).ok_or(Bad::Forged)?;
        let payload = text.strip_prefix(HEADER).and_then(|rest| rest.strip_prefix('.')).ok_or(Bad::Forged)?;
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).map_err(|_| Bad::Forged)?;
        hmac::verify(&self.key, text.as_bytes(), &signature).map_err(|_| Bad::Forged)?;
        let payload = BASE64_URL_SAFE_NO_PAD.decode(payload).map_err(|_| Bad::Forged)?;
        let bearer: Bearer = serde_json::from_slice(&payload).map_err(|_| Bad::Forged)?;
        if bearer.iss != ISSUER || bearer.aud != self.audience {
            return Err(Bad::Elsewhere);
        }
        if bearer.exp <= now_s { Err(Bad::Expired) } else { Ok(bearer) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const HERE: &str = "http://127.0.0.1:7443";

    fn wanted() -> Wanted {
        Wanted { scopes: vec![Scope::Read], purpose: "chat".into(), seconds: 3600 }
    }

    fn signed(key: &[u8], header: &str, payload: &serde_json::Value) -> String {
        let text =
            format!("{}.{}", BASE64_URL_SAFE_NO_PAD.encode(header), BASE64_URL_SAFE_NO_PAD.encode(payload.to_string()));
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&key, text.as_bytes())))
    }

    #[test]
    fn only_a_token_of_this_service_counts_and_not_for_ever() {
        let (key, other) = ([7; 32], [8; 32]);
        let tokens = Tokens::new(&key, HERE);
        let good = tokens.issue(1000, wanted(), 100).expect("randomness");
        let bearer = tokens.verify(&good, 3699).expect("it counts");
        assert_eq!((bearer.uid, bearer.scopes.as_slice(), bearer.purpose.as_str()), (1000, &[Scope::Read][..], "chat"));
        assert_eq!(tokens.verify(&good, 3700), Err(Bad::Expired));
        assert_eq!(Tokens::new(&key, "http://127.0.0.1:7444").verify(&good, 200), Err(Bad::Elsewhere));
        assert_eq!(Tokens::new(&other, HERE).verify(&good, 200), Err(Bad::Forged));
        let claims = json!({ "iss": "interceptor", "aud": HERE, "uid": 0, "scopes": ["decide"], "purpose": "x", "iat": 1, "exp": 9999, "jti": "x" });
        let with = |claim: &str, value: serde_json::Value| {
            let mut claims = claims.clone();
            claims[claim] = value;
            signed(&key, r#"{"alg":"HS256","typ":"JWT"}"#, &claims)
        };
        assert!(tokens.verify(&with("uid", json!(7)), 200).is_ok(), "as the service itself writes it");
        let none = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
        let payload = BASE64_URL_SAFE_NO_PAD.encode(claims.to_string());
        let mut flipped = good.clone();
        flipped.replace_range(40..41, if good[40..].starts_with('A') { "B" } else { "A" });
        for (what, token, bad) in [
            ("none", format!("{none}.{payload}."), Bad::Forged),
            ("none, signed", signed(&key, r#"{"alg":"none"}"#, &claims), Bad::Forged),
            ("another header", signed(&key, r#"{"typ":"JWT","alg":"HS256"}"#, &claims), Bad::Forged),
            ("no key", signed(b"", r#"{"alg":"HS256","typ":"JWT"}"#, &claims), Bad::Forged),
            ("unsigned", format!("{HEADER}.{payload}."), Bad::Forged),
            ("changed", flipped, Bad::Forged),
            ("cut", good[..good.len() - 2].to_owned(), Bad::Forged),
            ("long", format!("{good}{}", "A".repeat(TOKEN_MAX)), Bad::Forged),
            ("empty", String::new(), Bad::Forged),
            ("another issuer", with("iss", json!("other")), Bad::Elsewhere),
            ("another place", with("aud", json!("https://other.example")), Bad::Elsewhere),
            ("several places", with("aud", json!([HERE])), Bad::Forged),
            ("an end that is none", with("exp", json!("9999")), Bad::Forged),
            ("a scope that is none", with("scopes", json!(["all"])), Bad::Forged),
            ("more than is known", with("admin", json!(true)), Bad::Forged),
        ] {
            assert_eq!(tokens.verify(&token, 200).map(|_| ()), Err(bad), "{what}");
        }
    }

    #[test]
    fn what_is_asked_for_has_bounds() {
        for (wanted, fits) in [
            (wanted(), true),
            (Wanted { scopes: vec![], ..wanted() }, false),
            (Wanted { purpose: String::new(), ..wanted() }, false),
            (Wanted { purpose: "\u{1b}[2J".into(), ..wanted() }, false),
            (Wanted { purpose: "x".repeat(65), ..wanted() }, false),
            (Wanted { seconds: 59, ..wanted() }, false),
            (Wanted { seconds: TOKEN_S_MAX + 1, ..wanted() }, false),
        ] {
            assert_eq!(wanted.doubt().is_none(), fits, "{wanted:?}");
        }
    }
}
