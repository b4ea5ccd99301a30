//! Reviewers who log in at a SAML 2.0 identity provider: Web Browser SSO that begins here, the request by redirect and the answer by POST.
//!
//! ```text
//! GET  /login/saml           -> flow: state, request id; a cookie names the browser                -> the provider
//! POST /login/saml/acs       <- SAMLResponse, RelayState = state; from the provider's site, so without the cookie
//!     verified (the crate `saml`), as the answer to this flow's request, once -> the flow knows the person -> the browser is led on
//! GET  /login/saml/finish    <- state, and the cookie -> a session
//! GET  /login/saml/metadata  who we are, for the provider
//! ```
//! Nothing is asked of the provider from here. What verifies is linked where the cargo feature `saml` is on (0160).

#[cfg(not(feature = "saml"))]
mod absent;
#[cfg(feature = "saml")]
mod login;

use std::fmt;

#[cfg(not(feature = "saml"))]
pub(crate) use absent::Saml;
#[cfg(not(feature = "saml"))]
pub use absent::{Keys, Party};
#[cfg(feature = "saml")]
pub(crate) use login::Saml;
#[cfg(feature = "saml")]
pub use login::{Keys, Party};

/// Whether this build has it.
pub const IS_BUILT_IN: bool = cfg!(feature = "saml");

/// No form of the provider's is longer: base64 whose signs may be escaped, and what stands beside it.
pub(crate) const FORM_BYTES_MAX: usize = 320 << 10;

/// What the configuration says of the provider and of us.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The provider's entity id.
    pub issuer: String,
    /// Where the browser goes to log in, by redirect.
    pub sso: String,
    /// What the provider signs with.
    pub keys: Keys,
    /// Us; see [`party`].
    pub party: Party,
    /// The attribute that names a person for good; `None`: the `NameID` does.
    pub subject_attribute: Option<String>,
    /// The attribute that names a person's groups.
    pub groups_attribute: String,
    /// The groups that count here. Who is in none of them is not let in.
    pub groups: Vec<String>,
}

/// Us, on the page that people find at this address: our entity id, where none is configured, is where our metadata is.
/// `None`: it has a character that does not belong there.
pub fn party(page: &str, entity_id: Option<&str>) -> Option<Party> {
    let own = format!("{page}/login/saml/metadata");
    Party::new(entity_id.unwrap_or(&own), &format!("{page}/login/saml/acs"))
}

/// Why a login did not come about.
#[derive(Debug)]
#[cfg_attr(not(feature = "saml"), allow(dead_code))]
pub(crate) enum Failed {
    /// No login that began here, or not in this browser, or answered before.
    Unknown,
    /// The provider's answer does not count; why.
    Refused(String),
    /// The person is in none of the groups.
    Stranger,
    /// There is no randomness, or no time.
    NoRandomness,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failed::Unknown => {
                f.write_str("this is no login that began in this browser in the last ten minutes: begin again")
            }
            Failed::Refused(why) => write!(f, "the identity provider's answer does not count: {why}"),
            Failed::Stranger => f.write_str("none of your groups may use this page ([admin.saml] groups)"),
            Failed::NoRandomness => f.write_str("there is no randomness"),
        }
    }
}
