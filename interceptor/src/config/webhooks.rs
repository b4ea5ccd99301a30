//! `[[webhook]]`: who is told of what waits for a person.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Deserialize;

use super::admin::{self, roots};
use super::{Error, check_name, meaning};

/// So many hooks at most: each has a queue of its own.
const HOOKS_MAX: usize = 8;

/// One `[[webhook]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Its name in figures and the log.
    pub name: String,
    /// Where it is.
    pub url: Option<String>,
    /// The file of its address, one line, where that is a secret (Slack's is); below `${CREDENTIALS_DIRECTORY}/` a credential of the unit.
    pub url_file: Option<PathBuf>,
    /// The file of the secret that signs each message.
    pub secret_file: Option<PathBuf>,
    /// How it wants to be told.
    pub kind: WebhookKind,
    /// Whether it is told the statement.
    #[serde(default)]
    pub statement: bool,
    /// The certificate authorities that its certificate may be of, PEM.
    #[serde(default = "roots")]
    pub roots: PathBuf,
}

/// How a webhook wants to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WebhookKind {
    /// As Slack and those that understand it.
    Slack,
    /// Every fact by its name.
    Generic,
}

impl Webhook {
    /// Its host and port, where the configuration tells them.
    pub fn host(&self) -> Option<(String, u16)> {
        self.url.as_deref().and_then(admin::host)
    }
}

pub(super) fn check(webhooks: &[Webhook]) -> Result<(), Error> {
    let mut names = BTreeSet::new();
    for webhook in webhooks {
        let place = format!("[[webhook]] {}", webhook.name);
        check_name(&place, &webhook.name)?;
        if !names.insert(&webhook.name) {
            return Err(meaning(place, "the name is there twice"));
        }
        match (&webhook.url, &webhook.url_file) {
            (Some(url), None) if admin::host(url).is_none() => {
                return Err(meaning(place, "url is no https address (http goes to this host alone)"));
            }
            (Some(_), None) | (None, Some(_)) => {}
            (None, None) | (Some(_), Some(_)) => {
                return Err(meaning(place, "one of url and url_file says where it is"));
            }
        }
        if webhook.kind == WebhookKind::Generic && webhook.secret_file.is_none() {
            return Err(meaning(place, "secret_file is missing: who receives must know that it is we who speak"));
        }
    }
    if webhooks.len() > HOOKS_MAX {
        return Err(meaning("[[webhook]]", format!("there are {}, and {HOOKS_MAX} may be", webhooks.len())));
    }
    Ok(())
}
