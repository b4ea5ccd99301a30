//! The page's port, its secrets and those of webhooks, and what it must be able to read: taken before anything is dropped or confined.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use control::{Page, Provider, TOKEN_KEY_BYTES, Webhook, WebhookKind, oidc, saml};
use ring::rand::SecureRandom;

use crate::config::{self, Admin, Config, Oidc, Saml};
use crate::verifiers::secret;

/// Before a webhook's second try.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// In `state_dir`.
const TOKEN_KEY: &str = "api-token.key";
/// The longest secret of a client.
const SECRET_MAX: usize = 1024;

/// The page, before the service has its own account.
pub struct Prepared {
    listener: TcpListener,
    url: Option<String>,
    provider: Option<Provider>,
}

impl Prepared {
    /// With the key of its tokens, which is in the service's own folder: made where there is none. To remove it and restart ends every token.
    pub fn keyed(self, state_dir: &Path) -> Result<Page> {
        let path = state_dir.join(TOKEN_KEY);
        let token_key = key(&path).with_context(|| format!("the key of tokens, {}", path.display()))?;
        Ok(Page { listener: self.listener, url: self.url, provider: self.provider, token_key })
    }
}

fn key(path: &Path) -> Result<[u8; TOKEN_KEY_BYTES]> {
    let mut key = [0; TOKEN_KEY_BYTES];
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => {
            ring::rand::SystemRandom::new().fill(&mut key).ok().context("there is no randomness")?;
            file.write_all(&key)?;
            file.sync_all()?;
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let mut file = File::open(path)?;
            if file.metadata()?.permissions().mode() & 0o077 != 0 {
                bail!("others can read it: remove it, and every token ends");
            }
            file.read_exact(&mut key).context("it is too short: remove it, and every token ends")?;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(key)
}

/// The page, if the configuration has one.
pub fn page(config: &Config) -> Result<Option<Prepared>> {
    let Some(admin) = &config.admin else { return Ok(None) };
    let listen = admin.listen;
    let listener = TcpListener::bind(listen).with_context(|| format!("[admin] listen: cannot listen on {listen}"))?;
    let oidc = admin.oidc.as_ref().map(by_oidc).transpose().context("[admin.oidc]")?;
    let saml = admin.saml.as_ref().map(|saml| by_saml(admin, saml)).transpose().context("[admin.saml]")?;
    let provider = oidc.map(Provider::Oidc).or(saml.map(Provider::Saml));
    Ok(Some(Prepared { listener, url: admin.url.clone(), provider }))
}

fn by_saml(admin: &Admin, saml: &Saml) -> Result<saml::Settings> {
    let pem = std::fs::read(&saml.certificates)
        .with_context(|| format!("certificates: cannot read {}", saml.certificates.display()))?;
    let keys = saml::Keys::parse(&pem)
        .map_err(|why| anyhow::anyhow!("certificates: {}: {why}", saml.certificates.display()))?;
    let party = saml::party(&admin.page(), saml.entity_id.as_deref()).context("entity_id")?;
    Ok(saml::Settings {
        issuer: saml.issuer.clone(),
        sso: saml.sso.clone(),
        keys,
        party,
        subject_attribute: saml.subject_attribute.clone(),
        groups_attribute: saml.groups_attribute.clone(),
        groups: saml.groups.clone(),
    })
}

/// What `check` says of `[admin.saml]`: its certificates are read, and what the provider must be told is named.
pub fn describe(config: &Config) -> Result<String> {
    let Some((admin, saml)) = config.admin.as_ref().and_then(|admin| admin.saml.as_ref().map(|saml| (admin, saml)))
    else {
        return Ok(String::new());
    };
    let saml::Settings { party, groups, groups_attribute, issuer, .. } =
        by_saml(admin, saml).context("[admin.saml]")?;
    Ok(format!(
        "saml       people of {issuer} in {}, by their attribute `{groups_attribute}`\n           there this page is {}, its answers go to {}\n",
        groups.join(", "),
        party.entity_id(),
        party.acs(),
    ))
}

fn by_oidc(oidc: &Oidc) -> Result<oidc::Settings> {
    let client_secret = oidc.client_secret_file.as_deref().map(one_line).transpose().context("client_secret_file")?;
    let roots = std::fs::read(&oidc.roots).with_context(|| format!("roots: cannot read {}", oidc.roots.display()))?;
    Ok(oidc::Settings {
        issuer: oidc.issuer.clone(),
        client_id: oidc.client_id.clone(),
        client_secret,
        scopes: oidc.scopes.clone(),
        groups_claim: oidc.groups_claim.clone(),
        groups: oidc.groups.clone(),
        roots,
    })
}

/// Who is told of what waits for a person, with their secrets.
pub fn webhooks(config: &Config) -> Result<Vec<Webhook>> {
    let webhook = |hook: &config::Webhook| -> Result<Webhook> {
        let url = match (&hook.url, &hook.url_file) {
            (Some(url), _) => url.clone(),
            (None, Some(file)) => one_line(file).context("url_file")?,
            (None, None) => bail!("one of url and url_file says where it is"),
        };
        let secret = hook.secret_file.as_deref().map(one_line).transpose().context("secret_file")?;
        let roots =
            std::fs::read(&hook.roots).with_context(|| format!("roots: cannot read {}", hook.roots.display()))?;
        Ok(Webhook {
            name: hook.name.clone(),
            url,
            secret: secret.map(String::into_bytes),
            kind: match hook.kind {
                config::WebhookKind::Slack => WebhookKind::Slack,
                config::WebhookKind::Generic => WebhookKind::Generic,
            },
            statement: hook.statement,
            roots,
            pause: FIRST_PAUSE,
        })
    };
    config.webhooks.iter().map(|hook| webhook(hook).with_context(|| format!("[[webhook]] {}", hook.name))).collect()
}

/// A secret of one line. No byte of it is in an error.
fn one_line(path: &Path) -> Result<String> {
    let text = secret(path)?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    if !(1..=SECRET_MAX).contains(&line.len()) || !line.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        bail!("it is one line of 1 to {SECRET_MAX} printable ASCII characters");
    }
    Ok(line.to_owned())
}

/// What the resolver of names reads, where the control thread asks hosts elsewhere.
pub fn resolver(config: &Config) -> Vec<PathBuf> {
    if config.hosts_outside().next().is_none() && config.webhooks.is_empty() {
        return Vec::new();
    }
    let files = ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/gai.conf"];
    let found = files.into_iter().filter_map(|file| std::fs::canonicalize(file).ok());
    // One that is a link is replaced by its owner when the network changes: its folder stays.
    found
        .map(|file| match file.parent() {
            Some(folder) if folder != Path::new("/etc") && folder != Path::new("/") => folder.to_path_buf(),
            _ => file,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_nobody_else_may_read_it() {
        let folder = std::env::temp_dir().join(format!("interceptor-token-key-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(TOKEN_KEY);
        let made = key(&path).unwrap();
        assert!(made != [0; TOKEN_KEY_BYTES] && key(&path).unwrap() == made);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(key(&path).is_err());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, b"short").unwrap();
        assert!(key(&path).is_err());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
