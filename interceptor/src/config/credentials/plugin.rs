//! `[database.credentials.plugin]`: the program that prints a login.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

/// How it is run. Not by a shell.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plugin {
    /// The program, by its whole path, and its arguments.
    pub run: Vec<String>,
    /// It is killed after so long.
    #[serde(default = "five")]
    pub timeout_seconds: u32,
    /// Its environment beside PATH and LANG. No place for secrets: this file is no secret.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Files and folders that it may read beside the system's own; below `${CREDENTIALS_DIRECTORY}/` a credential of the unit.
    #[serde(default)]
    pub reads: Vec<PathBuf>,
    /// The database may ask for the password as it is (signed tokens of cloud databases): only over TLS that verifies it.
    #[serde(default)]
    pub cleartext: bool,
}

fn five() -> u32 {
    5
}

/// A session waits for its login for 10 s in all.
const TIMEOUT_MAX: u32 = 8;

impl Plugin {
    /// Whether it can be run as it is written. `verified`: TLS verifies the database.
    pub(super) fn fits(&self, verified: bool) -> Result<(), String> {
        let program = self.run.first().map_or("", String::as_str);
        if !program.starts_with('/') {
            return Err("plugin: run begins with the whole path of a program, and is a list: no shell reads it".into());
        }
        if self.run.iter().any(|word| word.contains('\0')) {
            return Err("plugin: a word of run has a zero byte".into());
        }
        if !(1..=TIMEOUT_MAX).contains(&self.timeout_seconds) {
            return Err(format!("plugin: timeout_seconds is 1 to {TIMEOUT_MAX}: sessions wait for it"));
        }
        let names =
            |name: &String| !name.is_empty() && name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
        if !self.env.keys().all(names) || self.env.values().any(|value| value.contains('\0')) {
            return Err("plugin: env has a name with other characters than a-z A-Z 0-9 _, or a zero byte".into());
        }
        if self.env.keys().any(|name| name.starts_with("LD_") || name == "PATH") {
            return Err("plugin: env may set neither PATH nor what the linker reads (LD_…)".into());
        }
        if self.cleartext && !verified {
            return Err(
                "plugin: cleartext = true wants tls = \"verify-full\": whoever answers would hear the password".into(),
            );
        }
        Ok(())
    }
}
