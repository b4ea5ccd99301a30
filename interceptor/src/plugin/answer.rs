//! What a plugin prints: one JSON object, like AWS' `credential_process` and the ExecCredential of Kubernetes.
//!
//! `{"version": 1, "user": "…", "password": "…", "expires_at": "2026-11-26T12:00:00Z"}`

use std::fmt;

use serde::Deserialize;
use zeroize::Zeroizing;

use super::running::Ran;

/// The one version of the form.
const VERSION: u32 = 1;
/// PostgreSQL cuts longer names (NAMEDATALEN).
const USER_MAX: usize = 63;
/// Signed tokens of clouds are some thousand bytes.
const PASSWORD_MAX: usize = 16 << 10;
/// One that ends sooner would be over before its session has logged in.
const LEFT_MIN_S: u64 = 5;

/// A login with an end.
pub(crate) struct Credential {
    pub(crate) user: String,
    pub(crate) password: Zeroizing<Vec<u8>>,
    /// Seconds since 1970.
    pub(crate) expires_s: u64,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("user", &self.user)
            .field("expires_s", &self.expires_s)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Printed {
    version: u32,
    user: String,
    #[serde(deserialize_with = "overwritten")]
    password: Zeroizing<String>,
    expires_at: String,
}

fn overwritten<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Zeroizing<String>, D::Error> {
    String::deserialize(from).map(Zeroizing::new)
}

impl Credential {
    /// No byte of what was printed is in a reason.
    pub(super) fn read(ran: &Ran) -> Result<Credential, String> {
        if !ran.succeeded {
            return Err(format!("the plugin {}{}", ran.end, ran.complaint(None)));
        }
        let misfit = |what: &str| Err(format!("what the plugin printed {what}{}", ran.complaint(None)));
        let printed: Printed = match serde_json::from_slice(&ran.printed) {
            Ok(printed) => printed,
            // The library's own words may quote a value.
            Err(why) => {
                let place = format!("line {}, column {}", why.line(), why.column());
                return misfit(&format!("is not {{\"version\": 1, \"user\", \"password\", \"expires_at\"}} ({place})"));
            }
        };
        let Printed { version, user, password, expires_at } = printed;
        if version != VERSION {
            return misfit("is of another version than 1");
        }
        if !(1..=USER_MAX).contains(&user.len()) || user.contains(char::is_control) {
            return misfit("has a user of no or more than 63 bytes, or with a control character");
        }
        // SASLprep leaves these as they are.
        let plain = password.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if !plain || !(1..=PASSWORD_MAX).contains(&password.len()) {
            return misfit("has a password that is not 1 to 16384 printable ASCII characters");
        }
        let Some(expires_s) = crate::rfc3339::seconds(&expires_at) else {
            return misfit("has an expires_at that RFC 3339 does not know");
        };
        Ok(Credential { user, password: Zeroizing::new(password.as_bytes().to_vec()), expires_s })
    }

    /// One that is over is none.
    pub(super) fn fresh(self, now_s: u64) -> Result<Credential, String> {
        if self.expires_s < now_s + LEFT_MIN_S {
            return Err(format!(
                "what the plugin printed expires at {}, which is over",
                crate::rfc3339::text(self.expires_s)
            ));
        }
        Ok(self)
    }

    /// For the pipe, behind this byte.
    pub(super) fn encoded(&self, first: u8) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(16 + self.user.len() + self.password.len()));
        out.push(first);
        out.extend_from_slice(&self.expires_s.to_le_bytes());
        out.push(u8::try_from(self.user.len()).unwrap_or(u8::MAX));
        out.extend_from_slice(self.user.as_bytes());
        out.extend_from_slice(&self.password);
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Credential> {
        let (expires_s, rest) = bytes.split_first_chunk::<8>()?;
        let (length, rest) = rest.split_first()?;
        let (user, password) = rest.split_at_checked(usize::from(*length))?;
        Some(Credential {
            user: std::str::from_utf8(user).ok()?.to_owned(),
            password: Zeroizing::new(password.to_vec()),
            expires_s: u64::from_le_bytes(*expires_s),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(printed: &str) -> Result<Credential, String> {
        Credential::read(&Ran::of(printed, ""))
    }

    #[test]
    fn a_credential_goes_through_the_pipe_as_it_was_printed() {
        let printed = r#"{"version":1,"user":"v-app","password":"a\u0026b \"c\"","expires_at":"2026-11-26T12:00:00Z"}"#;
        let encoded = read(printed).unwrap().encoded(b'+');
        let credential = Credential::decode(&encoded[1..]).unwrap();
        assert_eq!((credential.user.as_str(), credential.password.as_slice()), ("v-app", b"a&b \"c\"".as_slice()));
        assert_eq!(credential.expires_s, 1_795_694_400);
        assert!(!format!("{credential:?}").contains("a&b"));
        assert!(Credential::decode(&encoded[1..8]).is_none());
        assert!(credential.fresh(1_795_694_390).is_ok());
        let over = Credential::decode(&encoded[1..]).unwrap().fresh(1_795_694_396).unwrap_err();
        assert!(over.contains("2026-11-26T12:00:00Z"), "{over}");
    }

    #[test]
    fn what_does_not_fit_is_refused_and_never_quoted() {
        let with = |user: &str, password: &str, expires: &str| {
            format!(r#"{{"version":1,"user":"{user}","password":"{password}","expires_at":"{expires}"}}"#)
        };
        let time = "2026-11-26T12:00:00Z";
        for printed in [
            String::new(),
            "secret".to_owned(),
            r#""secret""#.to_owned(),
            r#"{"version":1,"user":"u","password":"secret"}"#.to_owned(),
            r#"{"version":"secret","user":"u","password":"p","expires_at":"t"}"#.to_owned(),
            r#"{"version":2,"user":"u","password":"secret","expires_at":"2026-11-26T12:00:00Z"}"#.to_owned(),
            r#"{"version":1,"user":"u","password":"secret","secret":1,"expires_at":"2026-11-26T12:00:00Z"}"#.to_owned(),
            with("", "secret", time),
            with(&"u".repeat(64), "secret", time),
            with("u\\n", "secret", time),
            with("u", "", time),
            with("u", "secret\u{e9}", time),
            with("u", &"secret".repeat(4000), time),
            with("u", "secret", "tomorrow"),
            with("u", "secret", time) + "{}",
        ] {
            let why = read(&printed).unwrap_err();
            assert!(why.starts_with("what the plugin printed") && !why.contains("secret"), "{why}");
        }
    }
}
