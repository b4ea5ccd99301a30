//! `[[issuer]]`: whose tokens say who an agent is.

use std::collections::BTreeMap;
use std::path::PathBuf;

use identity::{Algorithm, GroupRule, Life, Matches, Preset};
use serde::Deserialize;

use super::{Config, Error, admin, check_name, meaning};

/// One `[[issuer]]`, resolved.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// What its tokens must be.
    pub rules: identity::Issuer,
    /// Where its keys come from.
    pub source: control::KeySource,
    /// How long they live.
    pub life: Life,
    /// The certificate authorities that its certificate may be of, PEM.
    pub roots: PathBuf,
}

impl Issuer {
    /// Its host and port, where it is asked for keys.
    pub fn host(&self) -> Option<(String, u16)> {
        match &self.source {
            control::KeySource::File(_) => None,
            control::KeySource::Url(url) => admin::host(url),
            control::KeySource::Discovery => admin::host(&self.rules.url),
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Typed {
    name: String,
    #[serde(default = "any")]
    preset: String,
    issuer: Option<String>,
    trust_domain: Option<String>,
    audience: Vec<String>,
    algorithms: Option<Vec<String>>,
    jwks_file: Option<PathBuf>,
    jwks_url: Option<String>,
    #[serde(default = "admin::roots")]
    roots: PathBuf,
    /// Seconds.
    skew: Option<u64>,
    lifetime_max: Option<u64>,
    refresh: Option<u64>,
    keys_hold: Option<u64>,
    #[serde(default)]
    require: BTreeMap<String, String>,
    #[serde(default)]
    attributes: Vec<String>,
    #[serde(default)]
    principal: Vec<String>,
    #[serde(default)]
    group: Vec<TypedGroup>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedGroup {
    name: String,
    claims: BTreeMap<String, String>,
}

fn any() -> String {
    "any".into()
}

/// Bounds of what is asked how often, in seconds.
const REFRESH_S: std::ops::RangeInclusive<u64> = 10..=86_400;
/// A key that nobody has confirmed for longer may have been withdrawn long ago.
const HOLD_S_MAX: u64 = 30 * 86_400;

impl Typed {
    pub(super) fn resolve(self) -> Result<Issuer, Error> {
        let place = format!("[[issuer]] {}", self.name);
        check_name(&place, &self.name)?;
        let wrong = |why: String| meaning(&place, why);
        let Some(preset) = Preset::parse(&self.preset) else {
            let known: Vec<&str> = Preset::ALL.iter().map(|(name, _)| *name).collect();
            return Err(wrong(format!("preset `{}` is none of {}", self.preset, known.join(", "))));
        };
        let source = self.source(&place)?;
        let url = match (preset, &self.issuer, &self.trust_domain) {
            (Preset::Spiffe, None, Some(domain)) if is_domain(domain) => domain.clone(),
            (Preset::Spiffe, ..) => {
                return Err(wrong(
                    "preset \"spiffe\" goes with `trust_domain`, such as \"pay.example\", and no `issuer`".into(),
                ));
            }
            (_, Some(issuer), None) if !issuer.is_empty() => issuer.clone(),
            _ => return Err(wrong("`issuer` is missing: what its tokens say as `iss`, to the last letter".into())),
        };
        let mut rules = identity::Issuer::new(&self.name, preset, &url);
        if let Some(names) = &self.algorithms {
            let known = |name: &String| {
                Algorithm::of(name).ok_or_else(|| wrong(format!("algorithms: `{name}` is none of RS256, ES256, EdDSA")))
            };
            rules.algorithms = names.iter().map(known).collect::<Result<_, _>>()?;
        }
        rules.audience = self.audience;
        rules.skew_s = self.skew.unwrap_or(rules.skew_s);
        rules.lifetime_s = self.lifetime_max.unwrap_or(rules.lifetime_s);
        rules.require = Matches(self.require.into_iter().collect());
        rules.attributes = self.attributes;
        rules.principal = self.principal;
        for group in self.group {
            check_name(&format!("{place}, a group"), &group.name)?;
            rules.groups.push(GroupRule { group: group.name, claims: Matches(group.claims.into_iter().collect()) });
        }
        rules.check().map_err(|why| wrong(why.to_string()))?;
        let usual = Life::default();
        let life =
            Life { refresh_s: self.refresh.unwrap_or(usual.refresh_s), hold_s: self.keys_hold.unwrap_or(usual.hold_s) };
        if !REFRESH_S.contains(&life.refresh_s) || !(life.refresh_s..=HOLD_S_MAX).contains(&life.hold_s) {
            return Err(wrong(format!(
                "refresh is 10 to 86400 seconds, keys_hold no less than it and at most {HOLD_S_MAX}"
            )));
        }
        let issuer = Issuer { rules, source, life, roots: self.roots };
        if issuer.host().is_none() && !matches!(issuer.source, control::KeySource::File(_)) {
            return Err(wrong("its keys are fetched from an https address (http on this host alone)".into()));
        }
        Ok(issuer)
    }

    fn source(&self, place: &str) -> Result<control::KeySource, Error> {
        match (&self.jwks_file, &self.jwks_url) {
            (Some(path), None) => Ok(control::KeySource::File(path.clone())),
            (None, Some(url)) => Ok(control::KeySource::Url(url.clone())),
            (None, None) if self.trust_domain.is_none() => Ok(control::KeySource::Discovery),
            (None, None) => Err(meaning(place, "`jwks_file` or `jwks_url` names the keys of a trust domain")),
            (Some(_), Some(_)) => Err(meaning(place, "only one of jwks_file and jwks_url may be given")),
        }
    }
}

/// What becomes of a session whose token expires.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum OnExpiry {
    /// Its statements are refused until there is a fresh one.
    #[default]
    Refuse,
    /// It ends.
    End,
}

/// `token = { … }` of an agent: what the kernel calls it, its token must say too.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expected {
    #[serde(default)]
    pub(super) issuers: Vec<String>,
    #[serde(default)]
    pub(super) claims: BTreeMap<String, String>,
}

/// What agents say of tokens fits the issuers.
pub(super) fn check(config: &Config) -> Result<(), Error> {
    for agent in &config.agents {
        let place = format!("[[agent]] {}", agent.name);
        let token = &agent.token;
        let asks = token.required || token.ends || agent.token_file.is_some();
        if config.issuers.is_empty() && (asks || !token.claims.is_empty() || !token.issuers.is_empty()) {
            return Err(meaning(place, "it has tokens, and there is no [[issuer]] whose would count"));
        }
        let of = |name: &String| config.issuers.iter().find(|issuer| issuer.rules.name == *name);
        if let Some(unknown) = token.issuers.iter().find(|name| of(name).is_none()) {
            return Err(meaning(place, format!("token: no [[issuer]] is called `{unknown}`")));
        }
        let kept =
            |claim: &str| config.issuers.iter().any(|issuer| issuer.rules.attributes().any(|kept| kept == claim));
        if let Some((claim, _)) = token.claims.iter().find(|(claim, _)| !kept(claim)) {
            return Err(meaning(place, format!("token: no [[issuer]] keeps the claim `{claim}` (`attributes`)")));
        }
    }
    Ok(())
}

fn is_domain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b))
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Issuer};

    fn parse(lines: &str) -> Result<Issuer, String> {
        let text = format!(
            "[[database]]\nname = \"payments\"\nprotocol = \"postgres\"\naddresses = [\"127.0.0.1:5432\"]\n[[issuer]]\nname = \"ci\"\n{lines}"
        );
        let config = Config::parse(&text).map_err(|why| why.to_string())?;
        Ok(config.issuers.into_iter().next().expect("one"))
    }

    #[test]
    fn an_issuer_is_what_its_lines_say() {
        let lines = "issuer = \"https://idp.example\"\naudience = [\"interceptor\"]\nskew = 5\nrequire = { ref = \"x\" }\n[[issuer.group]]\nname = \"main\"\nclaims = { ref = \"refs/heads/main\" }";
        let issuer = parse(lines).unwrap();
        assert_eq!((issuer.rules.skew_s, issuer.host()), (5, Some(("idp.example".into(), 443))));
        assert_eq!(issuer.rules.groups[0].group, "main");
        let lines = "preset = \"spiffe\"\ntrust_domain = \"pay.example\"\njwks_file = \"/etc/x\"\naudience = [\"a\"]";
        assert_eq!(parse(lines).unwrap().rules.url, "pay.example");
    }

    #[test]
    fn doubts_are_errors() {
        let plain = "issuer = \"https://idp.example\"\naudience = [\"a\"]\n";
        for (lines, says) in [
            ("issuer = \"https://idp.example\"".to_owned(), "missing field `audience`"),
            ("issuer = \"https://idp.example\"\naudience = []".into(), "made for others"),
            ("audience = [\"a\"]".into(), "`issuer` is missing"),
            ("issuer = \"http://idp.example\"\naudience = [\"a\"]".into(), "https address"),
            (format!("{plain}algorithms = [\"HS256\"]"), "none of RS256"),
            (format!("{plain}algorithms = [\"none\"]"), "none of RS256"),
            (format!("{plain}algorithms = []"), "at least one"),
            (format!("{plain}skew = 301"), "at most 300"),
            (format!("{plain}keys_hold = 9"), "no less than it"),
            (format!("{plain}preset = \"githab\""), "none of any, github-actions"),
            (format!("{plain}preset = \"github-actions\""), "signs for everybody"),
            (format!("{plain}trust_domain = \"x\""), "`jwks_file` or `jwks_url`"),
            (format!("{plain}jwks_file = \"/a\"\njwks_url = \"https://b\""), "only one of"),
            (format!("{plain}audiences = [\"a\"]"), "did you mean `audience`"),
        ] {
            let why = parse(&lines).expect_err("must be refused");
            assert!(why.contains(says), "{lines}: {why}");
        }
    }
}
