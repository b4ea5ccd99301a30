//! `[admin]` and `[admin.oidc]`: where the page is, and where people log in besides (`[admin.saml]` has its own file).

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;

use super::saml::Saml;
use super::{Error, meaning};

/// Debian's and most others' bundle of certificate authorities.
const ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// `[admin]`, resolved: the web page.
#[derive(Debug, Clone)]
pub struct Admin {
    /// Where it listens, on loopback: it speaks plain HTTP.
    pub listen: SocketAddr,
    /// Where people find it, where a proxy with a certificate stands in front: scheme and authority, nothing behind.
    pub url: Option<String>,
    /// The identity provider of the people, by OpenID Connect.
    pub oidc: Option<Oidc>,
    /// Or by SAML; there is one at most.
    pub saml: Option<Saml>,
}

impl Admin {
    /// Where people find the page.
    pub fn page(&self) -> String {
        self.url.clone().unwrap_or_else(|| format!("http://{}", self.listen))
    }

    /// The groups of the provider's that count.
    pub fn groups(&self) -> &[String] {
        let oidc = self.oidc.as_ref().map(|oidc| oidc.groups.as_slice());
        oidc.or(self.saml.as_ref().map(|saml| saml.groups.as_slice())).unwrap_or_default()
    }
}

/// `[admin.oidc]`: logins by OpenID Connect.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Oidc {
    /// As the provider itself writes it, to the last letter.
    pub issuer: String,
    /// The name that it gave us.
    pub client_id: String,
    /// The file of the secret that it gave us, one line; below `${CREDENTIALS_DIRECTORY}/` a credential of the unit. Absent: a public
    /// client.
    pub client_secret_file: Option<PathBuf>,
    /// Asked for beside `openid`.
    #[serde(default = "scopes")]
    pub scopes: Vec<String>,
    /// The claim that names a person's groups.
    #[serde(default = "groups_claim")]
    pub groups_claim: String,
    /// The groups that count, as rules name them. Who is in none of them is not let in.
    pub groups: Vec<String>,
    /// The certificate authorities that its certificate may be of, PEM.
    #[serde(default = "roots")]
    pub roots: PathBuf,
}

fn scopes() -> Vec<String> {
    vec!["profile".into(), "email".into()]
}

fn groups_claim() -> String {
    "groups".into()
}

pub(super) fn roots() -> PathBuf {
    ROOTS.into()
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Typed {
    listen: String,
    url: Option<String>,
    oidc: Option<Oidc>,
    saml: Option<Saml>,
}

impl Typed {
    /// The page speaks plain HTTP: it is for this host alone, or for a proxy on it (over ssh, `-L` brings it elsewhere).
    pub(super) fn resolve(self) -> Result<Admin, Error> {
        let place = "[admin]";
        let Ok(listen) = self.listen.parse::<SocketAddr>() else {
            return Err(meaning(place, format!("listen: `{}` is no address with a port", self.listen)));
        };
        if !listen.ip().is_loopback() {
            return Err(meaning(place, "listen: the page is served on loopback alone, such as 127.0.0.1:7443"));
        }
        if listen.port() < 1024 {
            return Err(meaning(place, "listen: the port must be 1024 or above"));
        }
        if let Some(url) = &self.url {
            let authority = url.strip_prefix("https://").filter(|rest| is_authority(rest));
            if authority.is_none() {
                let why =
                    format!("url: `{url}` is not `https://HOST` or `https://HOST:PORT`, without a slash at the end");
                return Err(meaning(place, why));
            }
        }
        if let Some(oidc) = &self.oidc {
            oidc.check()?;
        }
        if self.oidc.is_some() && self.saml.is_some() {
            let why = "[admin.oidc] and [admin.saml]: one of them; a subject of the one provider may be another person's at the other";
            return Err(meaning(place, why));
        }
        let admin = Admin { listen, url: self.url, oidc: self.oidc, saml: self.saml };
        admin.saml.as_ref().map_or(Ok(()), |saml| saml.check(&admin.page()))?;
        Ok(admin)
    }
}

impl Oidc {
    fn check(&self) -> Result<(), Error> {
        let place = "[admin.oidc]";
        if self.host().is_none() {
            return Err(meaning(place, format!("issuer: `{}` is no https address", self.issuer)));
        }
        if self.client_id.is_empty() {
            return Err(meaning(place, "client_id is empty"));
        }
        if self.groups.is_empty() || self.groups.iter().any(String::is_empty) {
            return Err(meaning(place, "groups: name the groups that may review; everybody of a provider is too many"));
        }
        let fits = |scope: &String| {
            !scope.is_empty() && scope.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
        };
        if !self.scopes.iter().all(fits) {
            return Err(meaning(place, "scopes: one of them is none"));
        }
        Ok(())
    }

    /// The provider's host and port; `http` goes to this host alone.
    pub fn host(&self) -> Option<(String, u16)> {
        host(&self.issuer)
    }
}

/// The host and port of an `https` address, or of an `http` one on loopback.
pub(super) fn host(url: &str) -> Option<(String, u16)> {
    let (rest, port, plain) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => (rest, 443, false),
        (None, Some(rest)) => (rest, 80, true),
        (None, None) => return None,
    };
    let authority = rest.split(['/', '?']).next().filter(|authority| is_authority(authority))?;
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, digits)) if !digits.ends_with(']') => (host, digits.parse().ok()?),
        _ => (authority, port),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    (!plain || is_here).then(|| (host.to_owned(), port))
}

fn is_authority(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b))
}
