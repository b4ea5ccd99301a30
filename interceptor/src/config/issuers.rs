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
            control::KeySource::File(_) | control::KeySource::Spiffe(_) => None,
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
    workload_api: Option<String>,
    delegated_api: Option<String>,
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
        if issuer.host().is_none()
            && matches!(issuer.source, control::KeySource::Url(_) | control::KeySource::Discovery)
        {
            return Err(wrong("its keys are fetched from an https address (http on this host alone)".into()));
        }
        Ok(issuer)
    }

    fn source(&self, place: &str) -> Result<control::KeySource, Error> {
        if self.workload_api.is_some() || self.delegated_api.is_some() {
            return self.spiffe_agent(place);
        }
        match (&self.jwks_file, &self.jwks_url) {
            (Some(path), None) => Ok(control::KeySource::File(path.clone())),
            (None, Some(url)) => Ok(control::KeySource::Url(url.clone())),
            (None, None) if self.trust_domain.is_none() => Ok(control::KeySource::Discovery),
            (None, None) => Err(meaning(
                place,
                "`workload_api`, `delegated_api`, `jwks_file` or `jwks_url` names where the keys of a trust domain are",
            )),
            (Some(_), Some(_)) => Err(meaning(place, "only one of jwks_file and jwks_url may be given")),
        }
    }
}

impl Typed {
    /// The sockets of the SPIFFE agent.
    fn spiffe_agent(&self, place: &str) -> Result<control::KeySource, Error> {
        if self.preset != "spiffe" {
            return Err(meaning(place, "`workload_api` and `delegated_api` go with preset \"spiffe\""));
        }
        if self.jwks_file.is_some() || self.jwks_url.is_some() {
            return Err(meaning(
                place,
                "the SPIFFE agent shows the keys: jwks_file and jwks_url do not go with its sockets",
            ));
        }
        let socket = |key: &str, address: &Option<String>| {
            let read = |address: &String| {
                control::socket_of(address).ok_or_else(|| {
                    meaning(
                        place,
                        format!("{key}: `{address}` is no unix socket, such as \"unix:///run/spire/agent.sock\""),
                    )
                })
            };
            address.as_ref().map(read).transpose()
        };
        Ok(control::KeySource::Spiffe(control::SpiffeAgent {
            workload: socket("workload_api", &self.workload_api)?,
            delegated: socket("delegated_api", &self.delegated_api)?,
        }))
    }
}

/// `spiffe = { … }` of an agent: its jobs' SVIDs are fetched.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Svids {
    issuer: String,
    spiffe_id: Option<String>,
}

impl Svids {
    pub(super) fn resolve(self, place: &str) -> Result<control::SvidTerms, Error> {
        if let Some(id) = self.spiffe_id.as_ref().filter(|id| !id.starts_with("spiffe://")) {
            return Err(meaning(
                place,
                format!("spiffe: spiffe_id `{id}` is none, such as \"spiffe://pay.example/reconciler\""),
            ));
        }
        Ok(control::SvidTerms { issuer: self.issuer, spiffe_id: self.spiffe_id })
    }
}

/// An issuer has the jobs' SVIDs where it is one whose agent tells of other processes.
fn check_svids(config: &Config, agent: &super::Agent, place: &str) -> Result<(), Error> {
    let Some(terms) = &agent.svids else { return Ok(()) };
    if agent.token_file.is_some() {
        return Err(meaning(place, "only one of token_file and spiffe may be given"));
    }
    let issuer = config.issuers.iter().find(|issuer| issuer.rules.name == terms.issuer);
    let issuer = issuer.ok_or_else(|| meaning(place, format!("spiffe: no [[issuer]] is called `{}`", terms.issuer)))?;
    let delegated = matches!(&issuer.source, control::KeySource::Spiffe(agent) if agent.delegated.is_some());
    if !delegated {
        let why = format!(
            "spiffe: [[issuer]] {} needs `delegated_api`: on the Workload API this service is attested, not the job",
            terms.issuer
        );
        return Err(meaning(place, why));
    }
    let of_domain = format!("spiffe://{}/", issuer.rules.url);
    match terms.spiffe_id.as_ref().filter(|id| !id.starts_with(&of_domain)) {
        Some(id) => Err(meaning(place, format!("spiffe: `{id}` is not of the trust domain {}", issuer.rules.url))),
        None => Ok(()),
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
        let asks = token.required || token.ends || agent.token_file.is_some() || agent.svids.is_some();
        if config.issuers.is_empty() && (asks || !token.claims.is_empty() || !token.issuers.is_empty()) {
            return Err(meaning(place, "it has tokens, and there is no [[issuer]] whose would count"));
        }
        check_svids(config, agent, &place)?;
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
        let lines = "preset = \"spiffe\"\ntrust_domain = \"pay.example\"\ndelegated_api = \"unix:///run/spire/admin.sock\"\naudience = [\"a\"]";
        let delegated = Some("/run/spire/admin.sock".into());
        let expected = control::SpiffeAgent { workload: None, delegated };
        assert!(matches!(parse(lines).unwrap().source, control::KeySource::Spiffe(found) if found == expected));
    }

    #[test]
    fn doubts_are_errors() {
        let plain = "issuer = \"https://idp.example\"\naudience = [\"a\"]\n";
        let spiffe = "preset = \"spiffe\"\ntrust_domain = \"pay.example\"\naudience = [\"a\"]\n";
        let agent = "[[agent]]\nname = \"x\"\nspiffe = { issuer = \"ci\" }\n";
        let delegated = format!("{spiffe}delegated_api = \"unix:///x\"\n[[agent]]\nname = \"x\"\n");
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
            (format!("{plain}workload_api = \"unix:///x\""), "go with preset \"spiffe\""),
            (format!("{spiffe}delegated_api = \"tcp://127.0.0.1:1\""), "is no unix socket"),
            (format!("{spiffe}workload_api = \"unix:///x\"\njwks_file = \"/a\""), "do not go with its sockets"),
            (spiffe.to_owned(), "`workload_api`, `delegated_api`"),
            (format!("{spiffe}workload_api = \"unix:///x\"\n{agent}"), "needs `delegated_api`"),
            (format!("{spiffe}delegated_api = \"unix:///x\"\n{agent}token_file = \"/t\""), "only one of"),
            (format!("{delegated}spiffe = {{ issuer = \"no\" }}"), "no [[issuer]] is called `no`"),
            (format!("{delegated}spiffe = {{ issuer = \"ci\", spiffe_id = \"a\" }}"), "is none, such as"),
            (
                format!("{delegated}spiffe = {{ issuer = \"ci\", spiffe_id = \"spiffe://other/a\" }}"),
                "not of the trust domain",
            ),
            (format!("{plain}jwks_file = \"/a\"\njwks_url = \"https://b\""), "only one of"),
            (format!("{plain}audiences = [\"a\"]"), "did you mean `audience`"),
        ] {
            let why = parse(&lines).expect_err("must be refused");
            assert!(why.contains(says), "{lines}: {why}");
        }
    }
}
