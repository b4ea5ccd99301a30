//! The page's port, its secrets, and what it must be able to read: taken before anything is dropped or confined.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use control::{Page, oidc};

use crate::config::{Config, Oidc};
use crate::verifiers::secret;

/// The longest secret of a client.
const SECRET_MAX: usize = 1024;

/// The page, if the configuration has one.
pub fn page(config: &Config) -> Result<Option<Page>> {
    let Some(admin) = &config.admin else { return Ok(None) };
    let listen = admin.listen;
    let listener = TcpListener::bind(listen).with_context(|| format!("[admin] listen: cannot listen on {listen}"))?;
    let oidc = admin.oidc.as_ref().map(provider).transpose().context("[admin.oidc]")?;
    Ok(Some(Page { listener, url: admin.url.clone(), oidc }))
}

fn provider(oidc: &Oidc) -> Result<oidc::Settings> {
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
    if config.hosts_outside().next().is_none() {
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
