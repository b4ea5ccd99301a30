//! Reviewers who log in at an identity provider: OpenID Connect, the code flow with PKCE.
//!
//! ```text
//! GET /login/oidc            -> flow: state, nonce, verifier; a cookie names the browser   -> the provider
//! GET /login/oidc/callback   <- code, state
//!     the flow, once, in the same browser -> the code for a token, with the verifier -> claims, checked -> a person
//! POST /login/oidc/logout   <- the provider's word that a session is over
//! ```
//! The provider is asked from the control thread alone and only while somebody logs in: a dead one keeps people out and stops nothing.

mod claims;
mod logout;
mod provider;

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use form_urlencoded::Serializer;

use crate::fetch::{Address, Fetch, Unfetched};
use crate::flows::{Arrival, Begun, Departure, Flows};
use claims::{Expected, Wrong};
use identity::jws::Unverified;
pub(crate) use logout::Ended;
use provider::{Provider, Spoken};

/// What the configuration says of the provider.
#[derive(Clone)]
pub struct Settings {
    /// As the provider itself writes it, to the last letter.
    pub issuer: String,
    /// The name that it gave us.
    pub client_id: String,
    /// What proves that we are it; `None`: a public client, proven by PKCE alone.
    pub client_secret: Option<String>,
    /// Asked for, beside `openid`.
    pub scopes: Vec<String>,
    /// The claim that names a person's groups.
    pub groups_claim: String,
    /// The groups that count here. Who is in none of them is not let in.
    pub groups: Vec<String>,
    /// The certificate authorities that the provider's certificate may be of, as PEM.
    pub roots: Vec<u8>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// Why a login did not come about.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The provider did not answer, or not so that it can be used.
    Unfetched(&'static str, Unfetched),
    /// It answered with an error, in its own words.
    Refused(&'static str, String),
    /// What it says of itself is not what is configured.
    Foreign(&'static str),
    /// The address that led back is of no login that began in this browser.
    Unknown,
    /// Its token is not signed by it.
    Unverified(Unverified),
    /// Its token says something else than it must.
    Wrong(Wrong),
    /// The person is in none of the groups.
    Stranger,
    /// There is no randomness.
    NoRandomness,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failed::Unfetched(what, why) => write!(f, "the identity provider, asked for {what}: {why}"),
            Failed::Refused(what, words) => write!(f, "the identity provider refused {what}: {words}"),
            Failed::Foreign(what) => write!(f, "the identity provider is not the configured one: {what} differs"),
            Failed::Unknown => {
                f.write_str("this is no login that began in this browser in the last ten minutes: begin again")
            }
            Failed::Unverified(why) => write!(f, "the identity provider's token does not count: {why}"),
            Failed::Wrong(why) => write!(f, "the identity provider's token does not count: {why}"),
            Failed::Stranger => f.write_str("none of your groups may use this page ([admin.oidc] groups)"),
            Failed::NoRandomness => f.write_str("there is no randomness"),
        }
    }
}

impl Failed {
    /// Whether it is the provider's, and not the person's or the browser's.
    pub(crate) fn is_of_provider(&self) -> bool {
        matches!(self, Failed::Unfetched(..) | Failed::Foreign(_))
    }
}

/// What leads back: the query of the callback.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Back {
    code: Option<String>,
    state: Option<String>,
    /// RFC 9207.
    iss: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// The provider, and the logins on their way.
pub(crate) struct Oidc {
    settings: Settings,
    redirect: String,
    provider: Provider,
    flows: Flows,
}

impl Oidc {
    /// With the page's own address, such as `https://reviews.example`, which the provider leads back to.
    pub(crate) fn new(settings: Settings, page: &str) -> Result<Oidc, std::io::Error> {
        let invalid = |why: Unfetched| {
            std::io::Error::new(std::io::ErrorKind::InvalidInput, format!("[admin.oidc] issuer: {why}"))
        };
        Address::parse(&settings.issuer).map_err(invalid)?;
        let fetch = Fetch::new(&settings.roots)?;
        let provider = Provider::new(settings.issuer.clone(), fetch);
        Ok(Oidc { settings, redirect: format!("{page}/login/oidc/callback"), provider, flows: Flows::default() })
    }

    /// The provider, for people.
    pub(crate) fn issuer(&self) -> &str {
        &self.settings.issuer
    }

    /// Where the browser goes to log out at the provider too. It asks the person there: the token that would tell it who is not kept.
    pub(crate) fn leave(&self) -> Option<String> {
        let place = self.provider.end_session()?;
        let query = Serializer::new(String::new()).append_pair("client_id", &self.settings.client_id).finish();
        let sign = if place.contains('?') { '&' } else { '?' };
        Some(format!("{place}{sign}{query}"))
    }

    /// Where the browser goes to log in. With `max_age_s` the person must prove anew who it is.
    pub(crate) async fn begin(
        &self,
        max_age_s: Option<u64>,
        approval: Option<String>,
        now_s: u64,
    ) -> Result<Departure, Failed> {
        let known = self.provider.known(now_s).await?;
        let Begun { state, browser, flow } =
            self.flows.begin(max_age_s, approval, now_s).ok_or(Failed::NoRandomness)?;
        let challenge = ring::digest::digest(&ring::digest::SHA256, flow.verifier.as_bytes());
        let scope = std::iter::once("openid").chain(self.settings.scopes.iter().map(String::as_str));
        let mut query = Serializer::new(String::new());
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", &self.redirect)
            .append_pair("scope", &scope.collect::<Vec<_>>().join(" "))
            .append_pair("state", &state)
            .append_pair("nonce", &flow.nonce)
            .append_pair("code_challenge", &BASE64_URL_SAFE_NO_PAD.encode(challenge))
            .append_pair("code_challenge_method", "S256");
        if let Some(age) = flow.max_age_s {
            query.append_pair("max_age", &age.to_string());
        }
        let sign = if known.authorization.contains('?') { '&' } else { '?' };
        Ok(Departure { location: format!("{}{sign}{}", known.authorization, query.finish()), browser })
    }

    /// Whose sessions the provider says are over.
    pub(crate) async fn ended(&self, token: &str, now_s: u64) -> Result<Ended, Failed> {
        let known = self.provider.known(now_s).await?;
        let payload = self.provider.verified(&known, token, now_s).await?;
        Ended::parse(&payload, &self.settings.issuer, &self.settings.client_id, now_s).map_err(Failed::Wrong)
    }

    /// What the provider led back with becomes a person, in the browser that began.
    pub(crate) async fn finish(&self, back: Back, browser: &str, now_s: u64) -> Result<Arrival, Failed> {
        let flow = self.flows.end(back.state.as_deref().unwrap_or_default(), browser, now_s).ok_or(Failed::Unknown)?;
        if back.iss.is_some_and(|iss| iss != self.settings.issuer) {
            return Err(Failed::Foreign("the issuer of the answer"));
        }
        if let Some(error) = back.error {
            let words = back.error_description.map(|more| format!(": {more}")).unwrap_or_default();
            return Err(Failed::Refused("the login", format!("{error}{words}")));
        }
        let code = back.code.ok_or(Failed::Unknown)?;
        let known = self.provider.known(now_s).await?;
        let Spoken { id_token, access_token } =
            self.provider.exchange(&known, &self.settings, &self.redirect, &code, &flow.verifier).await?;
        let payload = self.provider.verified(&known, &id_token, now_s).await?;
        let expected = Expected {
            issuer: &self.settings.issuer,
            client_id: &self.settings.client_id,
            nonce: &flow.nonce,
            max_age_s: flow.max_age_s,
            now_s: crate::api::now_s(),
        };
        let mut claims = claims::Claims::parse(&payload, &expected).map_err(Failed::Wrong)?;
        if !claims.has(&self.settings.groups_claim)
            && let Some(access_token) = access_token
            && let Some(more) = self.provider.person(&known, &access_token, claims.subject()).await?
        {
            claims.add(more);
        }
        let person = claims.person(&self.settings.groups_claim, &self.settings.groups);
        if person.groups.is_empty() {
            return Err(Failed::Stranger);
        }
        Ok(Arrival { person, approval: flow.approval })
    }
}
