//! `identity test`: what a token would become, without a running service.
#![allow(clippy::print_stdout)] // what a verb prints is its answer

use std::path::Path;

use anyhow::{Context, Result, bail};
use identity::{Identity, Known};
use pan::Masked;
use serde_json::json;

use crate::config::{Config, Issuer};

/// Prints it; 1: it would be refused, and why.
pub fn test(config: &Path, file: &Path, issuer: Option<&str>, as_json: bool) -> Result<u8> {
    let config = Config::load(config)?.installed()?;
    let token = token(file)?;
    let outcome = verified(&config, &token, issuer, u64::try_from(crate::verbs::wall_s()).unwrap_or(0))?;
    print!("{}", if as_json { in_json(&outcome) } else { in_words(&outcome) });
    Ok(u8::from(outcome.is_err()))
}

/// A file of one token.
pub(crate) fn token(file: &Path) -> Result<Vec<u8>> {
    control::read_token(file).with_context(|| format!("cannot read {}", file.display()))
}

/// An error is one of the configuration or of an issuer that cannot be asked; a refusal is the token's.
fn verified(
    config: &Config,
    token: &[u8],
    named: Option<&str>,
    now_s: u64,
) -> Result<Result<Identity, identity::Refused>> {
    if config.issuers.is_empty() {
        bail!("the configuration has no [[issuer]]: no token counts");
    }
    let issuer: &Issuer = match named {
        Some(name) => config.issuers.iter().find(|issuer| issuer.rules.name == name).with_context(|| {
            let known: Vec<&str> = config.issuers.iter().map(|issuer| issuer.rules.name.as_str()).collect();
            format!("no [[issuer]] is called `{name}`; the configuration has: {}", known.join(", "))
        })?,
        None => match identity::issuer_of(token, config.issuers.iter().map(|issuer| &issuer.rules)) {
            Ok(at) => config.issuers.get(at).context("the issuer is there")?,
            Err(why) => return Ok(Err(why)),
        },
    };
    let settings = settings(issuer)?;
    let keys = control::keys_now(&settings)
        .map_err(|why| anyhow::anyhow!("the keys of issuer {} cannot be had: {why}", issuer.rules.name))?;
    Ok(identity::verify(token, Known { issuer: &issuer.rules, keys: Some(&keys) }, now_s))
}

/// What is asked, with the authorities that are trusted.
pub(crate) fn settings(issuer: &Issuer) -> Result<control::IssuerSettings> {
    let roots = match &issuer.source {
        control::KeySource::File(_) | control::KeySource::Spiffe(_) => Vec::new(),
        control::KeySource::Url(_) | control::KeySource::Discovery => {
            std::fs::read(&issuer.roots).with_context(|| {
                format!("[[issuer]] {}: roots: cannot read {}", issuer.rules.name, issuer.roots.display())
            })?
        }
    };
    Ok(control::IssuerSettings { rules: issuer.rules.clone(), source: issuer.source.clone(), life: issuer.life, roots })
}

/// The first 16 digits: enough to find it, and nothing to use.
pub(crate) fn short(token: &[u8; 32]) -> String {
    token.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn in_words(outcome: &Result<Identity, identity::Refused>) -> String {
    let identity = match outcome {
        Ok(identity) => identity,
        Err(why) => return format!("refused    {}\n", Masked::of(&why.to_string()).as_str()),
    };
    let line = |name: &str, value: &str| format!("{name:<10} {}\n", Masked::of(value).as_str());
    let mut out = line("principal", &identity.principal);
    out += &line("issuer", &identity.issuer);
    out += &line("subject", &identity.subject);
    out += &line("token", &short(&identity.token));
    out += &line("until", &audit::show::time(identity.expires_s.saturating_mul(1_000_000_000)));
    out += &line("groups", &if identity.groups.is_empty() { "none".into() } else { identity.groups.join(", ") });
    for (name, value) in &identity.attributes {
        out += &line("claim", &format!("{name} = {value}"));
    }
    out
}

fn in_json(outcome: &Result<Identity, identity::Refused>) -> String {
    let masked = |text: &str| Masked::of(text).as_str().to_owned();
    let value = match outcome {
        Ok(identity) => json!({
            "accepted": true,
            "principal": masked(&identity.principal),
            "issuer": identity.issuer,
            "subject": masked(&identity.subject),
            "token": short(&identity.token),
            "expires": identity.expires_s,
            "groups": identity.groups,
            "claims": identity.attributes.iter().map(|(name, value)| json!([name, masked(value)])).collect::<Vec<_>>(),
        }),
        Err(why) => json!({ "accepted": false, "reason": why.word(), "why": masked(&why.to_string()) }),
    };
    format!("{value}\n")
}
