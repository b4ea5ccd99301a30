//! One issuer, as the configuration has it, and why a configuration is none that can be relied on.

use std::fmt;

use serde_json::{Map, Value};

use crate::{Algorithm, Preset, Refused, SKEW_S, SKEW_S_MAX, claims};

/// The longest that a token may hold where the configuration does not say, in seconds.
const LIFETIME_S: u64 = 86_400;

/// Claims and the values that they must have; a star matches inside a value. Of a list one must.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matches(pub Vec<(String, String)>);

impl Matches {
    /// The first claim that has not its value.
    pub(crate) fn fails(&self, of: &Map<String, Value>) -> Result<Option<&str>, Refused> {
        for (claim, pattern) in &self.0 {
            let values = claims::values(of, claim)?.unwrap_or_default();
            if !values.iter().any(|value| star(pattern, value)) {
                return Ok(Some(claim));
            }
        }
        Ok(None)
    }

    fn pins(&self, claim: &str) -> bool {
        self.0.iter().any(|(name, value)| name == claim && !value.contains('*'))
    }
}

/// Who has these claims is in this group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRule {
    /// The group, as rules name it: `group:NAME`.
    pub group: String,
    /// All of them.
    pub claims: Matches,
}

/// One `[[issuer]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// Its name here.
    pub name: String,
    /// What kind it is.
    pub preset: Preset,
    /// `iss`, to the last letter; of SPIFFE the trust domain.
    pub url: String,
    /// Of these one must be in `aud`.
    pub audience: Vec<String>,
    /// What it may have signed by.
    pub algorithms: Vec<Algorithm>,
    /// So many seconds a clock may be behind another.
    pub skew_s: u64,
    /// A token that holds for longer is refused, in seconds.
    pub lifetime_s: u64,
    /// What every token must say.
    pub require: Matches,
    /// Who is in which group.
    pub groups: Vec<GroupRule>,
    /// Claims that are kept beside those of the preset.
    pub attributes: Vec<String>,
    /// Claims that make the principal in place of those of the preset; empty: those.
    pub principal: Vec<String>,
}

/// Why a configuration is none that can be relied on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// No audience: a token that was made for somebody else would count.
    NoAudience,
    /// No algorithm is left.
    NoAlgorithm,
    /// Clocks may not differ by so much.
    Skew,
    /// The issuer signs for everybody, and nothing pins whose tokens count: one of these claims must.
    Everybody(&'static [&'static str]),
    /// `what` matches on a name that can come to be another's; the id must be pinned beside it.
    Name {
        /// `require`, or the group.
        what: String,
        /// The claim.
        claim: String,
        /// Its id.
        id: &'static str,
    },
    /// A group without claims: everybody would be in it.
    NoClaims(String),
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfit::NoAudience => f.write_str("audience: name it, or tokens that were made for others count"),
            Unfit::NoAlgorithm => f.write_str("algorithms: of RS256, ES256 and EdDSA at least one"),
            Unfit::Skew => write!(f, "skew: at most {SKEW_S_MAX} seconds"),
            Unfit::Everybody(ids) => write!(
                f,
                "require: this issuer signs for everybody, so one of {} must be pinned to its value, without a star",
                ids.join(", ")
            ),
            Unfit::Name { what, claim, id } => {
                write!(f, "{what}: `{claim}` is a name, which can come to be another's: pin `{id}` beside it")
            }
            Unfit::NoClaims(group) => write!(f, "group {group}: without claims everybody would be in it"),
        }
    }
}

impl std::error::Error for Unfit {}

impl Issuer {
    /// With everything that has a default.
    pub fn new(name: &str, preset: Preset, url: &str) -> Issuer {
        Issuer {
            name: name.to_owned(),
            preset,
            url: url.to_owned(),
            audience: Vec::new(),
            algorithms: Algorithm::ALL.to_vec(),
            skew_s: SKEW_S,
            lifetime_s: LIFETIME_S,
            require: Matches::default(),
            groups: Vec::new(),
            attributes: Vec::new(),
            principal: Vec::new(),
        }
    }

    /// Whether its tokens can be relied on.
    pub fn check(&self) -> Result<(), Unfit> {
        if self.audience.is_empty() || self.audience.iter().any(String::is_empty) {
            return Err(Unfit::NoAudience);
        }
        if self.algorithms.is_empty() {
            return Err(Unfit::NoAlgorithm);
        }
        if self.skew_s > SKEW_S_MAX {
            return Err(Unfit::Skew);
        }
        let pins = self.preset.pins();
        if !pins.is_empty() && !pins.iter().any(|pin| self.require.pins(pin)) {
            return Err(Unfit::Everybody(pins));
        }
        self.check_names("require", &self.require)?;
        for rule in &self.groups {
            if rule.claims.0.is_empty() {
                return Err(Unfit::NoClaims(rule.group.clone()));
            }
            self.check_names(&format!("group {}", rule.group), &rule.claims)?;
        }
        Ok(())
    }

    fn check_names(&self, what: &str, matches: &Matches) -> Result<(), Unfit> {
        for (claim, _) in &matches.0 {
            if let Some(id) = self.preset.id_of(claim)
                && !matches.pins(id)
                && !self.require.pins(id)
            {
                return Err(Unfit::Name { what: what.to_owned(), claim: claim.clone(), id });
            }
        }
        Ok(())
    }

    /// The claims that make a principal.
    pub fn principal(&self) -> impl Iterator<Item = &str> {
        let of_preset = self.preset.principal().iter().copied().filter(|_| self.principal.is_empty());
        self.principal.iter().map(String::as_str).chain(of_preset)
    }

    /// The claims that are kept.
    pub fn attributes(&self) -> impl Iterator<Item = &str> {
        let own = self.attributes.iter().map(String::as_str);
        let of_preset = self.preset.attributes().iter().copied();
        of_preset.chain(own.filter(|claim| !self.preset.attributes().contains(claim)))
    }

    /// The kept claims that rules of the policy may match: names only where their id is pinned.
    pub fn matchable(&self) -> impl Iterator<Item = &str> {
        self.attributes().filter(|claim| self.preset.id_of(claim).is_none_or(|id| self.require.pins(id)))
    }
}

/// A star stands for any run of characters.
pub(crate) fn star(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match text.find(part) {
            Some(at) => text = text.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars() {
        for (pattern, text, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("refs/heads/*", "refs/heads/main", true),
            ("refs/heads/*", "refs/tags/main", false),
            ("*main", "refs/heads/main", true),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("ab*ba", "aba", false),
            ("a*a", "a", false),
        ] {
            assert_eq!(star(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn an_issuer_for_everybody_wants_an_id_and_no_name() {
        let with = |require: &[(&str, &str)], group: &[(&str, &str)]| {
            let matches = |all: &[(&str, &str)]| {
                Matches(all.iter().map(|(claim, value)| ((*claim).to_owned(), (*value).to_owned())).collect())
            };
            let mut issuer = Issuer::new("github", Preset::GithubActions, "https://x");
            issuer.audience = vec!["interceptor".into()];
            issuer.require = matches(require);
            issuer.groups = vec![GroupRule { group: "ci".into(), claims: matches(group) }];
            issuer.check().map_err(|why| why.to_string())
        };
        let on_ref: &[(&str, &str)] = &[("ref", "refs/heads/main")];
        assert!(with(&[("repository_owner_id", "1")], on_ref).is_ok());
        assert!(with(&[("repository_id", "1")], &[("repository", "o/r")]).is_ok());
        assert!(with(&[("repository_owner_id", "1")], &[("repository", "o/r"), ("repository_id", "7")]).is_ok());
        for (require, group, says) in [
            (&[][..], on_ref, "signs for everybody"),
            (&[("repository_owner_id", "*")][..], on_ref, "signs for everybody"),
            (&[("repository_owner", "octo")][..], on_ref, "signs for everybody"),
            (&[("repository_owner_id", "1")][..], &[("repository", "o/r")][..], "pin `repository_id` beside it"),
            (&[("repository_owner_id", "1")][..], &[("sub", "repo:o/r:*")][..], "pin `repository_id` beside it"),
            (&[("repository_owner_id", "1")][..], &[][..], "everybody would be in it"),
        ] {
            let why = with(require, group).expect_err("is refused");
            assert!(why.contains(says), "{why}");
        }
    }
}
