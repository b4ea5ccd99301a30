//! The provider's own words: what it says of itself (OpenID Connect Discovery 1.0), its keys, a token for a code, more of a person.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use form_urlencoded::{Serializer, byte_serialize};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Failed, Settings};
use crate::fetch::{Address, Answer, Fetch, Unfetched};
use identity::jws::{KeySet, Unverified};

/// What it said of itself is asked again after so long.
const KNOWN_S: u64 = 3600;
/// A key that is not among its keys makes us ask for them again, but not sooner than that.
const KEYS_AGAIN_S: u64 = 30;
/// Of its own words about an error so many letters are shown.
const WORDS_MAX: usize = 200;

/// What it says of itself.
pub(super) struct Known {
    /// Where people log in.
    pub(super) authorization: String,
    /// Where they log out there (OpenID Connect RP-Initiated Logout 1.0), if it has such a place.
    end_session: Option<String>,
    token: Address,
    keys: Address,
    person: Option<Address>,
    asked_s: u64,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    end_session_endpoint: Option<String>,
}

/// What it gave for a code.
#[derive(Deserialize)]
pub(super) struct Spoken {
    pub(super) id_token: String,
    pub(super) access_token: Option<String>,
}

pub(super) struct Provider {
    issuer: String,
    fetch: Fetch,
    known: Mutex<Option<Arc<Known>>>,
    keys: Mutex<Option<(Arc<KeySet>, u64)>>,
}

impl Provider {
    pub(super) fn new(issuer: String, fetch: Fetch) -> Provider {
        Provider { issuer, fetch, known: Mutex::default(), keys: Mutex::default() }
    }

    /// What it says of itself, an hour old at most.
    pub(super) async fn known(&self, now_s: u64) -> Result<Arc<Known>, Failed> {
        let kept = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = kept.filter(|known| known.asked_s.saturating_add(KNOWN_S) > now_s) {
            return Ok(known);
        }
        let what = "what it says of itself";
        let url = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let document: Document = json(what, &self.get(what, &address(what, &url)?, HeaderMap::new()).await?)?;
        if document.issuer != self.issuer {
            return Err(Failed::Foreign("its issuer"));
        }
        address(what, &document.authorization_endpoint)?;
        let known = Arc::new(Known {
            token: address(what, &document.token_endpoint)?,
            keys: address(what, &document.jwks_uri)?,
            person: document.userinfo_endpoint.as_deref().map(|url| address(what, url)).transpose()?,
            authorization: document.authorization_endpoint,
            // A place that is no address is none: nobody is kept from logging in by it.
            end_session: document.end_session_endpoint.filter(|url| Address::parse(url).is_ok()),
            asked_s: now_s,
        });
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&known));
        Ok(known)
    }

    /// Where people log out there, as far as that was said: nobody waits for the provider to leave.
    pub(super) fn end_session(&self) -> Option<String> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.end_session.clone()
    }

    /// A token for the code. Only we can have it: the code's challenge was made of the verifier.
    pub(super) async fn exchange(
        &self,
        known: &Known,
        settings: &Settings,
        redirect: &str,
        code: &str,
        verifier: &str,
    ) -> Result<Spoken, Failed> {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect),
            ("code_verifier", verifier),
        ];
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        match &settings.client_secret {
            Some(secret) => {
                // RFC 6749, 2.3.1: both are form-encoded before they are joined.
                let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
                let pair = format!("{}:{}", encoded(&settings.client_id), encoded(secret));
                headers.insert(header::AUTHORIZATION, secret_header("Basic", &BASE64_STANDARD.encode(pair))?);
            }
            None => form.push(("client_id", &settings.client_id)),
        }
        let body = Serializer::new(String::new()).extend_pairs(form).finish();
        let what = "a token";
        let sent = self.fetch.send(Method::POST, &known.token, headers, body).await;
        json(what, &accepted(what, sent)?)
    }

    /// The payload of its token. Keys change: for one that is not known they are asked for again.
    pub(super) async fn verified(&self, known: &Known, token: &str, now_s: u64) -> Result<Vec<u8>, Failed> {
        let kept = self.keys.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (keys, asked_s) = match kept {
            Some(kept) => kept,
            None => self.fetch_keys(known, now_s).await?,
        };
        match keys.verify(token) {
            // A key of the same name may be another by now.
            Err(Unverified::UnknownKey | Unverified::Signature) if asked_s.saturating_add(KEYS_AGAIN_S) <= now_s => {
                self.fetch_keys(known, now_s).await?.0.verify(token)
            }
            other => other,
        }
        .map_err(Failed::Unverified)
    }

    async fn fetch_keys(&self, known: &Known, now_s: u64) -> Result<(Arc<KeySet>, u64), Failed> {
        let what = "its keys";
        let body = self.get(what, &known.keys, HeaderMap::new()).await?;
        let keys = KeySet::parse(&body).ok_or_else(|| garbled(what, "it is no set of keys"))?;
        let kept = (Arc::new(keys), now_s);
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept.clone());
        Ok(kept)
    }

    /// What it says of the person beside the token, where it has a place for that.
    pub(super) async fn person(
        &self,
        known: &Known,
        access_token: &str,
        subject: &str,
    ) -> Result<Option<Map<String, Value>>, Failed> {
        let Some(place) = &known.person else { return Ok(None) };
        let what = "more of the person";
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, secret_header("Bearer", access_token)?);
        let said: Map<String, Value> = json(what, &self.get(what, place, headers).await?)?;
        // OpenID Connect Core 1.0, 5.3.2: else it may be of another.
        if said.get("sub").and_then(Value::as_str) != Some(subject) {
            return Err(Failed::Foreign("the person that it tells of"));
        }
        Ok(Some(said))
    }

    async fn get(&self, what: &'static str, address: &Address, mut headers: HeaderMap) -> Result<Bytes, Failed> {
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        accepted(what, self.fetch.send(Method::GET, address, headers, Bytes::new()).await)
    }
}

fn secret_header(scheme: &str, secret: &str) -> Result<HeaderValue, Failed> {
    let mut value =
        HeaderValue::from_str(&format!("{scheme} {secret}")).map_err(|_| garbled("a token", "it is no token"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn address(what: &'static str, url: &str) -> Result<Address, Failed> {
    Address::parse(url).map_err(|why| Failed::Unfetched(what, why))
}

fn garbled(what: &'static str, why: &str) -> Failed {
    Failed::Unfetched(what, Unfetched::Garbled(why.to_owned()))
}

fn json<T: for<'a> Deserialize<'a>>(what: &'static str, body: &[u8]) -> Result<T, Failed> {
    // The error of the parser may quote what it read, which may be a secret.
    serde_json::from_slice(body).map_err(|_| garbled(what, "it is not what was asked for"))
}

fn accepted(what: &'static str, sent: Result<Answer, Unfetched>) -> Result<Bytes, Failed> {
    let Answer { status, body } = sent.map_err(|why| Failed::Unfetched(what, why))?;
    if status == StatusCode::OK {
        return Ok(body);
    }
    #[derive(Deserialize)]
    struct Said {
        error: String,
        error_description: Option<String>,
    }
    let words = serde_json::from_slice::<Said>(&body).map(|said| match said.error_description {
        Some(more) => format!("{} ({more})", said.error),
        None => said.error,
    });
    let words: String = words.unwrap_or_default().chars().take(WORDS_MAX).collect();
    Err(Failed::Refused(what, format!("{} {words}", status.as_u16())))
}
