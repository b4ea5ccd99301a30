//! What an ID token says, and whether it was said to us, now, about this login (OpenID Connect Core 1.0, 3.1.3.7).

use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::person::{Person, Protocol, shown};

/// Clocks differ by so much.
pub(super) const LEEWAY_S: u64 = 60;
/// A subject has 1 to 255 characters of ASCII.
const SUBJECT_MAX: usize = 255;
/// So many of a person's groups are looked at.
const GROUPS_MAX: usize = 1024;

/// What this login expects of its token.
pub(crate) struct Expected<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) nonce: &'a str,
    /// The person must have proved who it is so lately, in seconds.
    pub(crate) max_age_s: Option<u64>,
    pub(crate) now_s: u64,
}

/// Why a signed token does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    Malformed,
    Issuer,
    Audience,
    Expired,
    NotYet,
    Nonce,
    Subject,
    Stale,
    NoLogout,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Wrong::Malformed => "its claims cannot be read",
            Wrong::Issuer => "another provider issued it",
            Wrong::Audience => "it is for another client",
            Wrong::Expired => "it has expired",
            Wrong::NotYet => "it is of the future: do the clocks agree?",
            Wrong::Nonce => "it is of another login",
            Wrong::Subject => "its subject is none",
            Wrong::Stale => "the provider did not ask the person anew",
            Wrong::NoLogout => "it is not of a logout",
        })
    }
}

/// The claims that are looked at.
#[derive(Debug, Deserialize)]
pub(crate) struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: u64,
    iat: u64,
    nbf: Option<u64>,
    nonce: Option<String>,
    azp: Option<String>,
    auth_time: Option<u64>,
    #[serde(flatten)]
    other: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    /// It is among those whom a token is for.
    pub(super) fn has(&self, client_id: &str) -> bool {
        match self {
            Audience::One(one) => one == client_id,
            Audience::Several(all) => all.iter().any(|one| one == client_id),
        }
    }
}

impl Claims {
    /// Of a token whose signature holds.
    pub(crate) fn parse(payload: &[u8], expected: &Expected<'_>) -> Result<Claims, Wrong> {
        let claims: Claims = serde_json::from_slice(payload).map_err(|_| Wrong::Malformed)?;
        claims.check(expected)?;
        Ok(claims)
    }

    fn check(&self, expected: &Expected<'_>) -> Result<(), Wrong> {
        let Expected { issuer, client_id, nonce, max_age_s, now_s } = *expected;
        // Of several the one that it was issued to must be named (3.1.3.7, 4 and 5).
        let is_one = !matches!(&self.aud, Audience::Several(all) if all.len() > 1);
        let audience = self.aud.has(client_id) && (is_one || self.azp.as_deref() == Some(client_id));
        let until = now_s.saturating_add(LEEWAY_S);
        let is_fresh = |age: u64| self.auth_time.is_some_and(|at| at.saturating_add(age + LEEWAY_S) >= now_s);
        let wrong = if self.iss != issuer {
            Wrong::Issuer
        } else if !audience || self.azp.as_deref().is_some_and(|azp| azp != client_id) {
            Wrong::Audience
        } else if self.exp.saturating_add(LEEWAY_S) <= now_s {
            Wrong::Expired
        } else if self.iat > until
            || self.nbf.is_some_and(|from| from > until)
            || self.auth_time.is_some_and(|at| at > until)
        {
            Wrong::NotYet
        } else if self.nonce.as_deref() != Some(nonce) {
            Wrong::Nonce
        } else if self.sub.is_empty() || self.sub.len() > SUBJECT_MAX || !self.sub.bytes().all(|b| b.is_ascii_graphic())
        {
            Wrong::Subject
        } else if max_age_s.is_some_and(|age| !is_fresh(age)) {
            Wrong::Stale
        } else {
            return Ok(());
        };
        Err(wrong)
    }

    /// Whose they are.
    pub(crate) fn subject(&self) -> &str {
        &self.sub
    }

    /// Whether the token itself tells the person's groups.
    pub(crate) fn has(&self, claim: &str) -> bool {
        self.other.contains_key(claim)
    }

    /// What the provider says of the same person elsewhere; the token's own words win.
    pub(crate) fn add(&mut self, more: Map<String, Value>) {
        for (name, value) in more {
            self.other.entry(name).or_insert(value);
        }
    }

    /// The person, with the groups of this claim that are among the known ones.
    pub(crate) fn person(self, groups_claim: &str, known: &[String]) -> Person {
        let groups = match self.other.get(groups_claim) {
            Some(Value::Array(all)) => all.iter().take(GROUPS_MAX).filter_map(Value::as_str).collect(),
            Some(Value::String(one)) => vec![one.as_str()],
            _ => Vec::new(),
        };
        let groups = known.iter().filter(|known| groups.contains(&known.as_str())).cloned().collect();
        let names =
            ["email", "preferred_username", "name"].into_iter().filter_map(|name| self.other.get(name)?.as_str());
        let shown = names.map(shown).next();
        let session = self.other.get("sid").and_then(Value::as_str).map(str::to_owned);
        let (by, proved_s) = (Protocol::Oidc, self.auth_time);
        Person { by, subject: self.sub, shown, groups, proved_s, session, until_s: None }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn good() -> Value {
        json!({
            "iss": "https://idp.example", "sub": "u1", "aud": "interceptor", "exp": 1300, "iat": 1000, "nonce": "n",
            "groups": ["leads", "staff"], "email": "ann@example.com",
        })
    }

    fn expected(max_age_s: Option<u64>) -> Expected<'static> {
        Expected { issuer: "https://idp.example", client_id: "interceptor", nonce: "n", max_age_s, now_s: 1010 }
    }

    #[test]
    fn each_claim_is_looked_at() {
        for (claim, value, wrong) in [
            ("iss", json!("https://idp.example/"), Wrong::Issuer),
            ("iss", json!("https://evil.example"), Wrong::Issuer),
            ("iss", json!(7), Wrong::Malformed),
            ("aud", json!("other"), Wrong::Audience),
            ("aud", json!([]), Wrong::Audience),
            ("aud", json!(["other", "interceptor"]), Wrong::Audience),
            ("azp", json!("other"), Wrong::Audience),
            ("exp", json!(950), Wrong::Expired),
            ("exp", json!("never"), Wrong::Malformed),
            ("exp", json!(-1), Wrong::Malformed),
            ("exp", Value::Null, Wrong::Malformed),
            ("iat", json!(1071), Wrong::NotYet),
            ("nbf", json!(1071), Wrong::NotYet),
            ("nbf", json!("0"), Wrong::Malformed),
            ("nonce", json!("m"), Wrong::Nonce),
            ("nonce", Value::Null, Wrong::Nonce),
            ("sub", json!(""), Wrong::Subject),
            ("sub", json!("a b"), Wrong::Subject),
            ("sub", json!("\u{1b}[2J"), Wrong::Subject),
            ("sub", json!("x".repeat(256)), Wrong::Subject),
        ] {
            let mut claims = good();
            claims[claim] = value.clone();
            let outcome = Claims::parse(claims.to_string().as_bytes(), &expected(None));
            assert_eq!(outcome.map(|_| ()).unwrap_err(), wrong, "{claim} = {value}");
        }
        let twice = good().to_string().replacen('{', "{\"sub\":\"root\",", 1);
        assert_eq!(Claims::parse(twice.as_bytes(), &expected(None)).map(|_| ()).unwrap_err(), Wrong::Malformed);
    }

    #[test]
    fn a_login_that_must_be_fresh_says_when_it_was() {
        for (at, wrong) in [
            (Value::Null, Some(Wrong::Stale)),
            (json!(800), Some(Wrong::Stale)),
            (json!(900), None),
            (json!(1071), Some(Wrong::NotYet)),
        ] {
            let mut claims = good();
            claims["auth_time"] = at.clone();
            let outcome = Claims::parse(claims.to_string().as_bytes(), &expected(Some(100)));
            assert_eq!(outcome.map(|_| ()).err(), wrong, "{at}");
        }
    }

    #[test]
    fn a_person_has_the_known_groups() {
        let known = ["leads".to_owned(), "oncall".to_owned()];
        for (groups, expected_groups) in [
            (json!(["leads", "staff"]), vec!["leads"]),
            (json!("oncall"), vec!["oncall"]),
            (json!(["LEADS", "leads ", 7]), vec![]),
            (json!({ "leads": true }), vec![]),
            (Value::Null, vec![]),
        ] {
            let mut claims = good();
            claims["groups"] = groups;
            let parsed = Claims::parse(claims.to_string().as_bytes(), &expected(None)).expect("good");
            let person = parsed.person("groups", &known);
            assert_eq!((person.subject.as_str(), person.shown.as_deref()), ("u1", Some("ann@example.com")));
            assert_eq!(person.groups, expected_groups);
        }
        let mut several = good();
        (several["aud"], several["azp"]) = (json!(["other", "interceptor"]), json!("interceptor"));
        assert!(Claims::parse(several.to_string().as_bytes(), &expected(None)).is_ok());
    }
}
