//! Who logged in at the identity provider.

/// Of a name that is shown beside the subject so many letters are.
const SHOWN_MAX: usize = 96;

/// How the provider was asked.
#[cfg_attr(not(feature = "saml"), allow(dead_code))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// OpenID Connect.
    Oidc,
    /// SAML 2.0.
    Saml,
}

impl Protocol {
    /// In front of a subject, where the provider alone names a person.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Protocol::Oidc => "oidc",
            Protocol::Saml => "saml",
        }
    }

    /// For people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Protocol::Oidc => "OIDC",
            Protocol::Saml => "SAML",
        }
    }
}

/// See the module's documentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Person {
    /// How that is known.
    pub(crate) by: Protocol,
    /// What the provider never gives to another: `sub`, `NameID`.
    pub(crate) subject: String,
    /// What the provider calls the person, to be shown; nothing is decided by it.
    pub(crate) shown: Option<String>,
    /// The groups among those that the configuration names.
    pub(crate) groups: Vec<String>,
    /// When the person proved who it is, seconds since 1970; `None`: the provider does not say.
    pub(crate) proved_s: Option<u64>,
    /// What the provider calls this login (`sid`), if it does.
    pub(crate) session: Option<String>,
    /// The session here must be over by then, where the provider says so.
    pub(crate) until_s: Option<u64>,
}

/// So much of a name is shown.
pub(crate) fn shown(name: &str) -> String {
    name.chars().take(SHOWN_MAX).collect()
}
