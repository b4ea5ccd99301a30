//! `[admin.saml]`: people log in at a SAML 2.0 identity provider.

use std::path::PathBuf;

use serde::Deserialize;

use super::admin::host;
use super::{Error, meaning};

const PLACE: &str = "[admin.saml]";

/// `[admin.saml]`: logins by SAML.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saml {
    /// The provider's entity id, to the last letter.
    pub issuer: String,
    /// Where the browser goes to log in: the provider's SingleSignOnService by HTTP-Redirect.
    pub sso: String,
    /// The certificates that the provider signs with, PEM: the one in force and any that is to follow.
    pub certificates: PathBuf,
    /// Ours. Absent: where our metadata is.
    pub entity_id: Option<String>,
    /// The attribute that names a person for good. Absent: the `NameID` does.
    pub subject_attribute: Option<String>,
    /// The attribute that names a person's groups.
    #[serde(default = "groups_attribute")]
    pub groups_attribute: String,
    /// The groups that count, as rules name them. Who is in none of them is not let in.
    pub groups: Vec<String>,
}

fn groups_attribute() -> String {
    "groups".into()
}

impl Saml {
    /// On a page that people find at this address.
    pub(super) fn check(&self, page: &str) -> Result<(), Error> {
        built_in(control::saml::IS_BUILT_IN)?;
        if self.issuer.is_empty() {
            return Err(meaning(PLACE, "issuer is empty: it is the provider's entity id"));
        }
        if host(&self.sso).is_none() {
            return Err(meaning(PLACE, format!("sso: `{}` is no https address", self.sso)));
        }
        if self.groups.is_empty() || self.groups.iter().any(String::is_empty) {
            return Err(meaning(PLACE, "groups: name the groups that may review; everybody of a provider is too many"));
        }
        if control::saml::party(page, self.entity_id.as_deref()).is_none() {
            return Err(meaning(PLACE, "entity_id: it has a character other than ASCII, or one of <>&\"'"));
        }
        Ok(())
    }
}

/// A build without it must not run as if nobody had asked for it.
fn built_in(is: bool) -> Result<(), Error> {
    let why =
        "this program was built without SAML: build it with `--features saml` (the package is), or take the table away";
    if is { Ok(()) } else { Err(meaning(PLACE, why)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_without_it_says_so() {
        assert!(built_in(true).is_ok());
        let why = built_in(false).unwrap_err().to_string();
        assert!(why.contains("[admin.saml]: this program was built without SAML"), "{why}");
    }
}
