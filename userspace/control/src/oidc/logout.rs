//! The provider ends a session here (OpenID Connect Back-Channel Logout 1.0): a token of its own says whose, signed as those of logins are.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::claims::{Audience, LEEWAY_S, Wrong};
use crate::person::{Person, Protocol};

/// The event that a token of a logout is of.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Whose sessions are over.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    subject: Option<String>,
    session: Option<String>,
}

impl Ended {
    /// Is it this person's, logged in like that? A session of which the provider told no name is over with any of the same person's.
    pub(crate) fn is_of(&self, person: &Person) -> bool {
        if person.by != Protocol::Oidc {
            return false;
        }
        let same_person = self.subject.as_deref().map(|subject| subject == person.subject);
        let same_session = self.session.as_deref().zip(person.session.as_deref()).map(|(one, other)| one == other);
        match (same_person, same_session) {
            (Some(same_person), same_session) => same_person && same_session.unwrap_or(true),
            (None, same_session) => same_session.unwrap_or(false),
        }
    }
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    iat: u64,
    exp: u64,
    jti: String,
    sub: Option<String>,
    sid: Option<String>,
    events: Map<String, Value>,
    #[serde(flatten)]
    other: Map<String, Value>,
}

impl Ended {
    /// Of a token whose signature holds. An ID token is none (2.4 and 2.6 of the specification).
    pub(super) fn parse(payload: &[u8], issuer: &str, client_id: &str, now_s: u64) -> Result<Ended, Wrong> {
        let claims: Claims = serde_json::from_slice(payload).map_err(|_| Wrong::Malformed)?;
        let is_a_logout = claims.events.get(EVENT).is_some_and(Value::is_object) && !claims.other.contains_key("nonce");
        let named = |name: Option<String>| name.filter(|name| !name.is_empty());
        let (subject, session) = (named(claims.sub), named(claims.sid));
        let wrong = if claims.iss != issuer {
            Wrong::Issuer
        } else if !claims.aud.has(client_id) {
            Wrong::Audience
        } else if claims.exp.saturating_add(LEEWAY_S) <= now_s {
            Wrong::Expired
        } else if claims.iat > now_s.saturating_add(LEEWAY_S) {
            Wrong::NotYet
        } else if !is_a_logout || claims.jti.is_empty() {
            Wrong::NoLogout
        } else if subject.is_none() && session.is_none() {
            Wrong::Subject
        } else {
            return Ok(Ended { subject, session });
        };
        Err(wrong)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn good() -> Value {
        json!({
            "iss": "https://id.example", "aud": "interceptor", "iat": 1000, "exp": 1120, "jti": "j", "sub": "u1", "sid": "s1",
            "events": { EVENT: {} },
        })
    }

    fn parse(claims: &Value) -> Result<Ended, Wrong> {
        Ended::parse(claims.to_string().as_bytes(), "https://id.example", "interceptor", 1010)
    }

    #[test]
    fn each_claim_is_looked_at() {
        assert!(parse(&good()).is_ok());
        for (claim, value, wrong) in [
            ("iss", json!("https://evil.example"), Wrong::Issuer),
            ("aud", json!("other"), Wrong::Audience),
            ("aud", json!([]), Wrong::Audience),
            ("exp", json!(950), Wrong::Expired),
            ("exp", Value::Null, Wrong::Malformed),
            ("iat", json!(1071), Wrong::NotYet),
            ("jti", json!(""), Wrong::NoLogout),
            ("jti", Value::Null, Wrong::Malformed),
            ("nonce", json!("n"), Wrong::NoLogout),
            ("nonce", Value::Null, Wrong::NoLogout),
            ("events", json!({}), Wrong::NoLogout),
            ("events", json!({ EVENT: true }), Wrong::NoLogout),
            ("events", Value::Null, Wrong::Malformed),
        ] {
            let mut claims = good();
            claims[claim] = value.clone();
            assert_eq!(parse(&claims).unwrap_err(), wrong, "{claim} = {value}");
        }
        let mut nobody = good();
        (nobody["sub"], nobody["sid"]) = (Value::Null, json!(""));
        assert_eq!(parse(&nobody).unwrap_err(), Wrong::Subject);
    }

    #[test]
    fn what_is_over_is_the_session_that_is_named() {
        let person = |subject: &str, session: Option<&str>| Person {
            by: Protocol::Oidc,
            subject: subject.into(),
            shown: None,
            groups: vec![],
            proved_s: None,
            session: session.map(str::to_owned),
            until_s: None,
        };
        for (sub, sid, over) in [
            (json!("u1"), Value::Null, [true, true, true, false]),
            (json!("u1"), json!("s1"), [true, false, true, false]),
            (Value::Null, json!("s1"), [true, false, false, false]),
        ] {
            let mut claims = good();
            (claims["sub"], claims["sid"]) = (sub.clone(), sid.clone());
            let ended = parse(&claims).expect("good");
            let people =
                [person("u1", Some("s1")), person("u1", Some("s2")), person("u1", None), person("u2", Some("s3"))];
            assert_eq!(people.map(|person| ended.is_of(&person)), over, "{sub} {sid}");
        }
    }
}
