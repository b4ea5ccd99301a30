//! A token becomes an identity.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::issuer::Issuer;
use crate::jws::{KeySet, Unverified};
use crate::strict::{self, Fault};
use crate::{ATTRIBUTES_MAX, Preset, Refused, TOKEN_BYTES_MAX, claims};

/// Who somebody is, by what an issuer signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The issuer's name in the configuration.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
    /// The issuer's name and the claims that nobody else ever has: one for each run of a job.
    pub principal: String,
    /// SHA-256 of the issuer and `jti`, or, without one, of what was signed: the same for every form that one token can be given.
    pub token: [u8; 32],
    /// The groups that the claims put it into, sorted.
    pub groups: Vec<String>,
    /// The claims that are kept, sorted by name; one of a list of values is there for each.
    pub attributes: Vec<(String, String)>,
    /// From this second since 1970 on it counts no more.
    pub expires_s: u64,
}

/// An issuer, and those of its keys that count now.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// It.
    pub issuer: &'a Issuer,
    /// Its keys; `None`: there are none.
    pub keys: Option<&'a KeySet>,
}

/// Which of the issuers a token claims to be of, by its place in the list. Nothing is verified.
pub fn issuer_of<'a>(token: &[u8], issuers: impl IntoIterator<Item = &'a Issuer>) -> Result<usize, Refused> {
    let (_, signed) = signed_part(token)?;
    let claims = payload(signed.split_once('.').ok_or(Refused::NoToken)?.1)?;
    let named = |name: &str| claims.get(name).and_then(Value::as_str);
    let is_it = |issuer: &Issuer| match issuer.preset {
        Preset::Spiffe => named("sub").is_some_and(|sub| is_of_domain(sub, &issuer.url)),
        Preset::Any | Preset::GithubActions | Preset::Gitlab | Preset::Kubernetes => {
            named("iss") == Some(issuer.url.as_str())
        }
    };
    issuers.into_iter().position(is_it).ok_or_else(|| {
        let shown = named("iss").or_else(|| named("sub")).unwrap_or_default();
        Refused::UnknownIssuer(shown.chars().filter(|c| !c.is_control()).take(200).collect())
    })
}

/// What the token says, where its issuer has signed it, for us, and it holds at `now_s` (seconds since 1970).
pub fn verify(token: &[u8], known: Known<'_>, now_s: u64) -> Result<Identity, Refused> {
    let Known { issuer, keys } = known;
    let (text, signed) = signed_part(token)?;
    let keys = keys.ok_or(Refused::NoKeys)?;
    let payload = keys.verify_by(text, &issuer.algorithms).map_err(|why| match why {
        Unverified::Malformed => Refused::NoToken,
        Unverified::Algorithm => Refused::Algorithm("RS256, ES256, EdDSA, or fewer by `algorithms`"),
        Unverified::UnknownKey => Refused::UnknownKey,
        Unverified::Signature => Refused::Signature,
    })?;
    let claims = object(&payload)?;
    let subject = claims::required(&claims, "sub")?;
    is_by(issuer, &claims, &subject)?;
    is_for_us(issuer, &claims)?;
    let expires_s = holds(issuer, &claims, now_s)?;
    if let Some(claim) = issuer.require.fails(&claims)? {
        return Err(Refused::Required(claim.to_owned()));
    }
    Ok(Identity {
        issuer: issuer.name.clone(),
        principal: principal(issuer, &claims)?,
        token: digest(issuer, &claims, signed)?,
        groups: groups(issuer, &claims)?,
        attributes: attributes(issuer, &claims)?,
        subject,
        expires_s,
    })
}

/// The token as text, and what of it was signed.
fn signed_part(token: &[u8]) -> Result<(&str, &str), Refused> {
    let text = std::str::from_utf8(token.trim_ascii()).map_err(|_| Refused::NoToken)?;
    if text.len() > TOKEN_BYTES_MAX {
        return Err(Refused::TooLong);
    }
    let (signed, _) = text.rsplit_once('.').ok_or(Refused::NoToken)?;
    Ok((text, signed))
}

fn payload(encoded: &str) -> Result<Map<String, Value>, Refused> {
    object(&BASE64_URL_SAFE_NO_PAD.decode(encoded).map_err(|_| Refused::NoToken)?)
}

fn object(bytes: &[u8]) -> Result<Map<String, Value>, Refused> {
    strict::object(bytes).map_err(|fault| match fault {
        Fault::Malformed => Refused::Malformed,
        Fault::Twice(name) => Refused::Twice(name),
    })
}

/// `spiffe://DOMAIN/…`, and the path is there.
fn is_of_domain(subject: &str, domain: &str) -> bool {
    let path = subject.strip_prefix("spiffe://").and_then(|rest| rest.strip_prefix(domain));
    path.is_some_and(|path| path.len() > 1 && path.starts_with('/'))
}

fn is_by(issuer: &Issuer, claims: &Map<String, Value>, subject: &str) -> Result<(), Refused> {
    let is_it = match issuer.preset {
        Preset::Spiffe => is_of_domain(subject, &issuer.url),
        Preset::Any | Preset::GithubActions | Preset::Gitlab | Preset::Kubernetes => {
            claims::required(claims, "iss")? == issuer.url
        }
    };
    let shown = claims.get("iss").and_then(Value::as_str).unwrap_or(subject);
    if is_it { Ok(()) } else { Err(Refused::UnknownIssuer(shown.chars().take(200).collect())) }
}

fn is_for_us(issuer: &Issuer, claims: &Map<String, Value>) -> Result<(), Refused> {
    let wrong = || Refused::Claim("aud".to_owned());
    let audience: Vec<&str> = match claims.get("aud") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(all)) => all.iter().map(|one| one.as_str().ok_or_else(wrong)).collect::<Result<_, _>>()?,
        _ => return Err(wrong()),
    };
    let ours = audience.iter().any(|one| issuer.audience.iter().any(|wanted| wanted == one));
    if ours { Ok(()) } else { Err(Refused::Audience) }
}

/// Until when.
fn holds(issuer: &Issuer, of: &Map<String, Value>, now_s: u64) -> Result<u64, Refused> {
    let expires_s = claims::time(of, "exp")?.ok_or_else(|| Refused::Claim("exp".to_owned()))?;
    if expires_s <= now_s {
        return Err(Refused::Expired(now_s - expires_s));
    }
    let begins_s = claims::time(of, "nbf")?.max(claims::time(of, "iat")?);
    if let Some(begins_s) = begins_s.filter(|begins_s| *begins_s > now_s.saturating_add(issuer.skew_s)) {
        return Err(Refused::NotYet(begins_s - now_s));
    }
    if expires_s - now_s > issuer.lifetime_s {
        return Err(Refused::LongLived(issuer.lifetime_s));
    }
    Ok(expires_s)
}

/// Values are joined by slashes; those in them are escaped where there are several.
fn principal(issuer: &Issuer, of: &Map<String, Value>) -> Result<String, Refused> {
    let mut parts = Vec::new();
    for claim in issuer.principal() {
        match claims::values(of, claim)?.as_deref() {
            Some([one]) if !one.is_empty() => parts.push(one.clone()),
            _ => return Err(Refused::Claim(claim.to_owned())),
        }
    }
    if parts.len() > 1 {
        parts.iter_mut().for_each(|part| *part = part.replace('%', "%25").replace('/', "%2F"));
    }
    Ok(format!("{}:{}", issuer.name, parts.join("/")))
}

/// A signature can be written in more than one way (and so can a token around it), so it is not part of this.
fn digest(issuer: &Issuer, claims: &Map<String, Value>, signed: &str) -> Result<[u8; 32], Refused> {
    let mut context = Context::new(&SHA256);
    context.update(issuer.url.as_bytes());
    match claims.get("jti") {
        None => context.update(&[&b"\0signed\0"[..], signed.as_bytes()].concat()),
        Some(Value::String(id)) if !id.is_empty() => context.update(&[&b"\0jti\0"[..], id.as_bytes()].concat()),
        Some(_) => return Err(Refused::Claim("jti".to_owned())),
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    Ok(out)
}

fn groups(issuer: &Issuer, claims: &Map<String, Value>) -> Result<Vec<String>, Refused> {
    let mut groups = Vec::new();
    for rule in &issuer.groups {
        if rule.claims.fails(claims)?.is_none() {
            groups.push(rule.group.clone());
        }
    }
    groups.sort();
    groups.dedup();
    Ok(groups)
}

fn attributes(issuer: &Issuer, of: &Map<String, Value>) -> Result<Vec<(String, String)>, Refused> {
    let mut attributes = Vec::new();
    for claim in issuer.attributes() {
        for value in claims::values(of, claim)?.unwrap_or_default() {
            if attributes.len() == ATTRIBUTES_MAX {
                return Err(Refused::TooMuch(claim.to_owned()));
            }
            attributes.push((claim.to_owned(), value));
        }
    }
    attributes.sort();
    attributes.dedup();
    Ok(attributes)
}
